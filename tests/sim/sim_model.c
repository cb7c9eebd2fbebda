// The reference: what every table must hold after each decided epoch, from the ranges that were decided and nothing
// else. It is written down once more, from the rules, not from the code that is checked.
#include <inttypes.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { MODEL_WINDOWS_MAX = 256 };

struct model_window {
    uint32_t partition;
    int64_t start_us;
    uint64_t rows;
};
struct model_epoch {
    struct sim_content contents[SIM_CONTENTS];
};
static struct model {
    VECTOR(struct model_epoch) epochs; // [0]: before the first
    int64_t next[SIM_PARTITIONS_MAX];
    uint64_t counts[SIM_PARTITIONS_MAX][SIM_KEYS];
    int64_t latest[SIM_PARTITIONS_MAX][SIM_KEYS];
    struct model_window windows[MODEL_WINDOWS_MAX];
    size_t window_count;
    int64_t maximum_us, watermark_us;
    bool seen;
    struct model_window chain[MODEL_WINDOWS_MAX];
    size_t chain_count;
    int64_t chain_maximum_us, chain_watermark_us;
    bool chain_seen;
    struct sim_content slow, dead; // written, published or not
    bool slow_open, slow_published;
    int64_t slow_published_us;
    bool grown;            // decided with SIM_COPY
    uint64_t copied_epoch; // whose files were read last
} models[SIM_PIPELINES_MAX];
static struct model *model; // the one that moves

void sim_model_reset(void)
{
    for (uint32_t i = 0; i < SIM_PIPELINES_MAX; i++) {
        model = &models[i];
        vector_deinit(&model->epochs);
        memset(model, 0, sizeof *model);
        memset(model->latest, 0xFF, sizeof model->latest); // -1
        struct model_epoch none = {0};
        vector_push(&model->epochs, none);
    }
}

static void model_add(struct sim_content *content, uint64_t key, uint64_t value)
{
    struct sim_row row = {key, value};
    content->rows++;
    content->hash += sim_plan_hash(&row);
}

static int64_t model_candidate(void)
{
    if (!model->seen) return model->watermark_us;
    int64_t mark = model->maximum_us / 1000 * 1000 - SIM_DELAY_US;
    return mark > model->watermark_us ? mark : model->watermark_us;
}

static struct model_window *model_window(struct model_window *windows, size_t *count, uint32_t partition,
                                         int64_t start_us)
{
    for (size_t i = 0; i < *count; i++) {
        if (windows[i].partition == partition && windows[i].start_us == start_us) return &windows[i];
    }
    ASSERT(*count < MODEL_WINDOWS_MAX);
    windows[*count] = (struct model_window){partition, start_us, 0};
    return &windows[(*count)++];
}

static int64_t model_chain_candidate(void)
{
    if (!model->chain_seen) return model->chain_watermark_us;
    int64_t mark = model->chain_maximum_us / 1000 * 1000 - SIM_CHAIN_DELAY_US;
    return mark > model->chain_watermark_us ? mark : model->chain_watermark_us;
}

// What the windows table emitted in this epoch is the chained table's input of the same epoch.
static void model_chain(const Foreset__Manifest *manifest, const struct model_window *rows, size_t count,
                        struct model_epoch *epoch)
{
    if (!sim_plan_chained()) return;
    int64_t candidate_us = model_chain_candidate(), late_us = model->chain_watermark_us;
    if (count == 0 && !(manifest->no_data && candidate_us > model->chain_watermark_us)) return;
    model->chain_watermark_us = candidate_us;
    for (size_t i = 0; i < count; i++) {
        int64_t start_us = rows[i].start_us / SIM_CHAIN_WINDOW_US * SIM_CHAIN_WINDOW_US;
        if (!model->chain_seen || rows[i].start_us > model->chain_maximum_us)
            model->chain_maximum_us = rows[i].start_us;
        model->chain_seen = true;
        if (start_us + SIM_CHAIN_WINDOW_US > late_us) {
            model_window(model->chain, &model->chain_count, 0, start_us)->rows += rows[i].rows;
        }
    }
    for (size_t i = model->chain_count; i > 0; i--) {
        struct model_window window = model->chain[i - 1];
        if (window.start_us + SIM_CHAIN_WINDOW_US > model->chain_watermark_us) continue;
        model_add(&epoch->contents[SIM_CHAIN], (uint64_t)window.start_us, window.rows);
        model->chain[i - 1] = model->chain[--model->chain_count];
    }
}

static void model_row(uint32_t partition, int64_t number, int64_t late_us, struct model_epoch *epoch,
                      int64_t *maximum_us)
{
    uint64_t id = (uint64_t)partition << 40 | (uint64_t)number;
    int64_t time_us = sim_plan_event_time(partition, number), start_us = time_us / SIM_WINDOW_US * SIM_WINDOW_US;
    size_t key = (size_t)(number % SIM_KEYS);
    model_add(&epoch->contents[SIM_ROWS], id, 0);
    if (sim_plan_is_slow(number)) model_add(&model->slow, id, 0);
    if (sim_plan_is_dead(number)) model_add(&model->dead, id, 0);
    model->counts[partition][key]++;
    if (model->latest[partition][key] < number) model->latest[partition][key] = number;
    if (time_us > *maximum_us) *maximum_us = time_us;
    if (start_us + SIM_WINDOW_US > late_us)
        model_window(model->windows, &model->window_count, partition, start_us)->rows++;
}

static void model_groups(struct model_epoch *epoch)
{
    memset(&epoch->contents[SIM_COUNTS], 0, sizeof(struct sim_content));
    memset(&epoch->contents[SIM_LATEST], 0, sizeof(struct sim_content));
    for (uint32_t i = 0; i < SIM_PARTITIONS_MAX; i++) {
        for (size_t k = 0; k < SIM_KEYS; k++) {
            if (model->counts[i][k] == 0) continue;
            model_add(&epoch->contents[SIM_COUNTS], (uint64_t)i << 8 | k, model->counts[i][k]);
            model_add(&epoch->contents[SIM_LATEST], (uint64_t)i << 8 | k, (uint64_t)model->latest[i][k]);
        }
    }
}

static size_t model_emit(struct model_epoch *epoch, struct model_window *ret_rows)
{
    size_t count = 0;
    for (size_t i = model->window_count; i > 0; i--) {
        struct model_window window = model->windows[i - 1];
        if (window.start_us + SIM_WINDOW_US > model->watermark_us) continue;
        model_add(&epoch->contents[SIM_WINDOWS], (uint64_t)window.partition << 56 | (uint64_t)window.start_us,
                  window.rows);
        model->windows[i - 1] = model->windows[--model->window_count];
        ret_rows[count++] = window;
    }
    return count;
}

static void model_slow(const Foreset__Manifest *manifest, bool reads, struct model_epoch *epoch)
{
    const Foreset__TableEpoch *table = manifest->tables[SIM_SLOW];
    model->slow_open = model->slow_open || reads;
    bool due = !model->slow_published || manifest->timestamp_us - model->slow_published_us >= SIM_INTERVAL_US;
    if (model->slow_open && due && !table->publishes) {
        sim_core_fail("P12: epoch %" PRIu64 ": the interval is over, but the table does not publish", manifest->epoch);
    }
    if (!table->publishes) return;
    if (!model->slow_open) sim_core_fail("P12: epoch %" PRIu64 ": a table publishes without a batch", manifest->epoch);
    model->slow_open = false;
    model->slow_published = true;
    model->slow_published_us = manifest->timestamp_us;
    epoch->contents[SIM_SLOW] = model->slow;
    epoch->contents[SIM_DEAD] = model->dead;
}

// The table that came later: files of the one it copies, then all of that one's stream.
static void model_copy(uint32_t pipeline, const Foreset__Manifest *manifest, const struct sim_content *slow_before,
                       bool reads, struct sim_content *copy)
{
    uint64_t before = model->copied_epoch;
    model->grown = manifest->n_tables > SIM_COPY;
    if (!model->grown) return;
    for (size_t i = 0; i < manifest->n_ranges; i++) {
        for (size_t k = 0; k < manifest->ranges[i]->n_files; k++) {
            size_t count = 0;
            const struct sim_row *rows = sim_plan_filled(pipeline, manifest->ranges[i]->files[k], &count);
            if (!rows) sim_core_fail("I3: epoch %" PRIu64 " read %s", manifest->epoch, manifest->ranges[i]->files[k]);
            for (size_t j = 0; rows && j < count; j++) model_add(copy, rows[j].key, rows[j].value);
            const char *path = strstr(manifest->ranges[i]->files[k], "part-");
            uint64_t epoch = 0, generation = 0;
            bool named = path && manifest_part_parse(path, "part-", &epoch, &generation);
            if (!named || epoch <= before || epoch < model->copied_epoch) {
                sim_core_fail("P23: epoch %" PRIu64 " reads of epoch %" PRIu64 ", the one before read up to %" PRIu64,
                              manifest->epoch, epoch, before);
            }
            model->copied_epoch = epoch;
        }
    }
    if (!reads) return;
    if (copy->rows != slow_before->rows || copy->hash != slow_before->hash) {
        sim_core_fail("P23: epoch %" PRIu64 " reads the stream, but the copy has %" PRIu64 " rows of %" PRIu64,
                      manifest->epoch, copy->rows, slow_before->rows);
    }
    *copy = model->slow;
}

void sim_model_decide(uint32_t pipeline, const Foreset__Manifest *manifest)
{
    model = &models[pipeline];
    struct model_epoch epoch = model->epochs.items[model->epochs.count - 1];
    bool reads = false;
    for (size_t i = 0; i < manifest->n_ranges; i++) reads |= manifest->ranges[i]->to > manifest->ranges[i]->from;
    int64_t candidate_us = model_candidate(), maximum_us = INT64_MIN, late_us = model->watermark_us;
    struct sim_content slow_before = model->slow;
    bool takes_part = reads || (manifest->no_data && candidate_us > model->watermark_us);
    if (takes_part) model->watermark_us = candidate_us;
    for (size_t i = 0; i < manifest->n_ranges; i++) {
        const Foreset__Range *range = manifest->ranges[i];
        uint32_t partition = (uint32_t)range->partition;
        if (range->n_files > 0) continue;
        if (range->from != model->next[partition]) {
            sim_core_fail("I4: epoch %" PRIu64 ": partition %u goes on at %" PRId64 ", not at %" PRId64,
                          manifest->epoch, partition, range->from, model->next[partition]);
        }
        for (int64_t number = range->from; number < range->to; number++) {
            model_row(partition, number, late_us, &epoch, &maximum_us);
        }
        model->next[partition] = range->to;
    }
    struct model_window emitted[MODEL_WINDOWS_MAX];
    model_chain(manifest, emitted, takes_part ? model_emit(&epoch, emitted) : 0, &epoch);
    if (reads) model_groups(&epoch);
    model_slow(manifest, reads, &epoch);
    model_copy(pipeline, manifest, &slow_before, reads, &epoch.contents[SIM_COPY]);
    if (maximum_us != INT64_MIN && (!model->seen || maximum_us > model->maximum_us)) model->maximum_us = maximum_us;
    model->seen = model->seen || maximum_us != INT64_MIN;
    const Foreset__TableEpoch *windows = manifest->tables[SIM_WINDOWS];
    if (windows->watermark_us != model->watermark_us) {
        sim_core_fail("P10: epoch %" PRIu64 ": W is %" PRId64 ", expected %" PRId64, manifest->epoch,
                      windows->watermark_us, model->watermark_us);
    }
    vector_push(&model->epochs, epoch);
}

struct sim_content sim_model_at(uint32_t pipeline, uint32_t table, uint64_t epoch)
{
    model = &models[pipeline];
    ASSERT(epoch < model->epochs.count);
    return model->epochs.items[epoch].contents[table];
}

uint64_t sim_model_epoch(uint32_t pipeline)
{
    return models[pipeline].epochs.count - 1;
}

bool sim_model_complete(uint32_t pipeline)
{
    model = &models[pipeline];
    for (uint32_t i = 0; i < sim->knobs.partitions; i++) {
        if (model->next[i] < sim_plan_total(pipeline, i)) return false;
    }
    const struct sim_content *copy = &model->epochs.items[model->epochs.count - 1].contents[SIM_COPY];
    if (sim->knobs.grows && (!model->grown || copy->rows != model->slow.rows)) return false;
    return !model->slow_open && model_candidate() == model->watermark_us &&
           model_chain_candidate() == model->chain_watermark_us;
}
