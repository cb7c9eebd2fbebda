// A worker's data flow over numbered rows: one lane, a fiber, that reads its partitions, keeps state per partition,
// waits for W, writes files and freezes deltas. Which table takes part, its L and W follow from
// worker/lane/lane_clock.c, the code that the real lanes run.
#include <inttypes.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/planted.h"
#include "common/delta/delta_action_json.h"
#include "coordinator/epoch/epoch.h"
#include "tests/sim/sim.h"
#include "worker/lane/lane_clock.h"

enum { FLOW_WINDOWS_MAX = 64, FLOW_BASE_EVERY = 4, FLOW_QUEUE = 4 };

struct flow_window {
    int64_t start_us;
    uint64_t rows;
};
struct flow_partition { // state, and what changed since the last cut
    uint64_t counts[SIM_KEYS];
    int64_t latest[SIM_KEYS]; // -1: none
    struct flow_window windows[FLOW_WINDOWS_MAX];
    size_t window_count;
    bool touched;
    char *open;                                 // of SIM_LATEST: path of its open file; NULL: none
    struct flow_window chain[FLOW_WINDOWS_MAX]; // of the chained table; in partition 0
    size_t chain_count;
};
struct flow_epoch {
    uint64_t number;
    Foreset__EpochPlan *plan;
    bool has_watermark;
    int64_t watermark_us, chain_watermark_us;
};
struct sim_flow {
    struct dataflow base;
    struct dataflow_open_args args;
    Foreset__Routing *routing; // our copy
    struct sim_process *process;
    struct sim_role *role;
    uint32_t pipeline;
    const Foreset__Plan *plan;
    unsigned refs; // the worker's and the lane's
    bool closing, lane_done;
    struct sim_fiber *lane;
    struct flow_epoch queue[FLOW_QUEUE];
    size_t queued;
    struct table_clock clocks[SIM_TABLES];
    struct flow_partition partitions[SIM_PARTITIONS_MAX];
    bool slow_open;
    uint64_t files;
};

// What one epoch makes.
struct flow_output {
    VECTOR(struct sim_row) rows[SIM_CONTENTS];
    Foreset__Prepared *prepared;
    int64_t maximum_us, chain_maximum_us;
    bool seen, chain_seen;
    uint64_t late;
};

static bool flow_stopped(const struct sim_flow *flow)
{
    return flow->closing || flow->process->dying;
}

static void flow_unref(struct sim_flow *flow)
{
    if (--flow->refs > 0) return;
    for (size_t i = 0; i < flow->queued; i++) foreset__epoch_plan__free_unpacked(flow->queue[i].plan, NULL);
    for (uint32_t i = 0; i < SIM_PARTITIONS_MAX; i++) memory_free(flow->partitions[i].open);
    foreset__routing__free_unpacked(flow->routing, NULL);
    memory_free(flow);
}

static void flow_notify(struct sim_flow *flow, enum dataflow_event_kind kind, uint64_t epoch, Foreset__ReadDone *read,
                        struct dataflow_frozen *frozen, const struct error *err)
{
    struct dataflow_event *event = memory_calloc(1, sizeof *event);
    event->kind = kind;
    event->generation = flow->args.generation;
    event->epoch = epoch;
    event->read_done = read;
    event->frozen = frozen;
    if (err) event->err = *err;
    if (flow_stopped(flow)) {
        dataflow_event_destroy(event);
    } else {
        flow->args.notify(flow->args.context, event);
    }
}

static void flow_route(struct sim_flow *flow, const Foreset__Routing *routing, uint32_t worker_index)
{
    size_t size = foreset__routing__get_packed_size(routing);
    uint8_t *packed = memory_alloc(size + 1);
    foreset__routing__pack(routing, packed);
    if (flow->routing) foreset__routing__free_unpacked(flow->routing, NULL);
    flow->routing = foreset__routing__unpack(NULL, size, packed);
    memory_free(packed);
    ASSERT(flow->routing && worker_index < flow->routing->n_workers);
    flow->args.routing = NULL;
    flow->args.worker_index = worker_index;
}

static bool flow_owns(const struct sim_flow *flow, uint32_t partition)
{
    const Foreset__Routing *routing = flow->routing;
    const Foreset__RoutingWorker *self = routing->workers[flow->args.worker_index];
    uint32_t lane = routing->shard_lanes[partition % routing->n_shard_lanes]; // numbered rows are a shard's own
    return lane >= self->lane_first && lane < self->lane_first + self->lanes;
}

// ---- Rows ----

static void flow_put(struct flow_output *out, uint32_t table, uint64_t key, uint64_t value)
{
    struct sim_row row = {key, value};
    vector_push(&out->rows[table], row);
}

static struct flow_window *flow_window(struct flow_window *windows, size_t *count, int64_t start_us)
{
    for (size_t i = 0; i < *count; i++) {
        if (windows[i].start_us == start_us) return &windows[i];
    }
    ASSERT(*count < FLOW_WINDOWS_MAX);
    windows[*count] = (struct flow_window){start_us, 0};
    return &windows[(*count)++];
}

static void flow_row(struct sim_flow *flow, uint32_t partition, int64_t number, int64_t late_us,
                     struct flow_output *out)
{
    struct flow_partition *state = &flow->partitions[partition];
    uint64_t id = (uint64_t)partition << 40 | (uint64_t)number;
    size_t key = (size_t)(number % SIM_KEYS);
    int64_t time_us = sim_plan_event_time(partition, number), start_us = time_us - time_us % SIM_WINDOW_US;
    flow_put(out, SIM_ROWS, id, 0);
    if (sim_plan_is_slow(number)) {
        flow_put(out, SIM_SLOW, id, 0);
        if (sim_plan_grown(flow->plan)) flow_put(out, SIM_COPY, id, 0);
    }
    if (sim_plan_is_dead(number)) flow_put(out, SIM_DEAD, id, 0);
    state->counts[key]++;
    if (number > state->latest[key]) state->latest[key] = number;
    state->touched = true;
    if (!out->seen || time_us > out->maximum_us) out->maximum_us = time_us;
    out->seen = true;
    if (start_us + SIM_WINDOW_US <= late_us) {
        out->late++;
    } else {
        flow_window(state->windows, &state->window_count, start_us)->rows++;
    }
}

// What the copied table had when the copy came.
static enum status flow_fill(struct sim_flow *flow, const Foreset__Range *range, struct flow_output *out,
                             struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore *store = flow->args.table_store(flow->args.context, SIM_SLOW, false);
    struct buffer *bytes = NULL;
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < range->n_files; i++) {
        struct delta_action action = {0};
        size_t count = 0;
        TRY(delta_action_json_read(range->files[i], strcspn(range->files[i], "\n"), &arena, &action, err));
        TRY(objstore_get(store, action.add.path, &bytes, err));
        const struct sim_row *rows = sim_plan_decode(bytes->data, bytes->size_bytes, &count);
        if (!rows) sim_core_fail("I3: file %s, which a new table is filled from, is not whole", action.add.path);
        for (size_t k = 0; rows && k < count; k++) flow_put(out, SIM_COPY, rows[k].key, rows[k].value);
        buffer_unref(bytes);
        bytes = NULL;
    }
out:
    buffer_unref(bytes);
    arena_deinit(&arena);
    return status;
}

static enum status flow_read(struct sim_flow *flow, const struct flow_epoch *epoch, struct flow_output *out,
                             struct error *err)
{
    int64_t late_us = lane_clock_late(&flow->clocks[SIM_WINDOWS]);
    if (FORESET_BUG("l-w-swapped") && epoch->has_watermark) late_us = epoch->watermark_us;
    for (size_t i = 0; i < epoch->plan->n_ranges; i++) {
        const Foreset__Range *range = epoch->plan->ranges[i];
        if (range->n_files > 0) {
            enum status status = flow_fill(flow, range, out, err);
            if (status != STATUS_OK) return status;
            continue;
        }
        if (!flow_owns(flow, (uint32_t)range->partition)) {
            sim_core_fail("P22: epoch %" PRIu64 ": partition %d is read by a worker that does not hold it",
                          epoch->number, range->partition);
        }
        for (int64_t number = range->from; number < range->to; number++) {
            if (number % 16 == 0) {
                enum sim_fault fault;
                enum status status = sim_core_call(flow->process, false, &fault, err);
                if (status == STATUS_OK) status = sim_core_effect(flow->process, fault, err);
                if (status != STATUS_OK || flow->closing) return status == STATUS_OK ? sim_core_killed(err) : status;
            }
            flow_row(flow, (uint32_t)range->partition, number, late_us, out);
        }
        Foreset__Range *read = memory_calloc(1, sizeof *read);
        foreset__range__init(read);
        read->source = range->source;
        read->topic = memory_strdup("");
        read->has_partition = read->has_from = read->has_to = true;
        read->partition = range->partition;
        read->from = range->from;
        read->to = range->to;
        out->prepared->ranges[out->prepared->n_ranges++] = read;
    }
    return STATUS_OK;
}

static void flow_emit(struct sim_flow *flow, const struct clock_epoch *clocks, struct flow_output *out)
{
    for (uint32_t i = 0; i < SIM_PARTITIONS_MAX; i++) {
        struct flow_partition *state = &flow->partitions[i];
        for (size_t k = 0; k < SIM_KEYS; k++) { // of all that is here: what went away is not
            if (state->counts[k] > 0) flow_put(out, SIM_COUNTS, (uint64_t)i << 8 | k, state->counts[k]);
        }
        if (!clocks[SIM_WINDOWS].takes_part) continue;
        for (size_t w = state->window_count; w > 0; w--) {
            struct flow_window window = state->windows[w - 1];
            if (window.start_us + SIM_WINDOW_US > clocks[SIM_WINDOWS].watermark_us) continue;
            flow_put(out, SIM_WINDOWS, (uint64_t)i << 56 | (uint64_t)window.start_us, window.rows);
            state->windows[w - 1] = state->windows[--state->window_count];
            state->touched = true;
        }
    }
}

// The chained table: what the windows table emitted is its input in the same epoch.
static void flow_chain(struct sim_flow *flow, const struct clock_epoch *clock, struct flow_output *out)
{
    struct flow_partition *state = &flow->partitions[0];
    if (!clock->takes_part) return;
    state->touched = true;
    for (size_t i = 0; i < out->rows[SIM_WINDOWS].count; i++) {
        const struct sim_row *row = &out->rows[SIM_WINDOWS].items[i];
        int64_t time_us = (int64_t)(row->key & 0xFFFFFFFFFFFFFFull), start_us = time_us - time_us % SIM_CHAIN_WINDOW_US;
        if (!out->chain_seen || time_us > out->chain_maximum_us) out->chain_maximum_us = time_us;
        out->chain_seen = true;
        if (start_us + SIM_CHAIN_WINDOW_US <= clock->late_us) continue;
        flow_window(state->chain, &state->chain_count, start_us)->rows += row->value;
    }
    for (size_t w = state->chain_count; w > 0; w--) {
        struct flow_window window = state->chain[w - 1];
        if (window.start_us + SIM_CHAIN_WINDOW_US > clock->watermark_us) continue;
        flow_put(out, SIM_CHAIN, (uint64_t)window.start_us, window.rows);
        state->chain[w - 1] = state->chain[--state->chain_count];
    }
}

// ---- Files ----

static enum status flow_write(struct sim_flow *flow, const struct flow_epoch *epoch, uint32_t table,
                              const struct sim_row *rows, size_t count, Foreset__DataFile **ret_file, struct error *err)
{
    enum status status = STATUS_OK;
    bool dead = table == SIM_DEAD;
    struct objstore *store = flow->args.table_store(flow->args.context, dead ? SIM_SLOW : table, dead);
    struct objstore_writer *writer = NULL;
    struct text bytes = {0};
    char uuid[37], path[160];
    random_uuid(&sim->random, uuid);
    snprintf(path, sizeof path, "part-%" PRIu64 "-%" PRIu64 "-%" PRIu64 "-0-%" PRIu64 "-%s.zstd.parquet", epoch->number,
             flow->args.generation, flow->args.incarnation, flow->files++, uuid);
    if (FORESET_BUG("names-reused")) {
        snprintf(path, sizeof path, "part-%" PRIu64 "-0-0-0-%" PRIu64 ".zstd.parquet", epoch->number, flow->files);
    }
    sim_plan_encode(rows, count, &bytes);
    TRY(store->ops->create(store, path, &writer, err));
    TRY(store->ops->write(writer, bytes.data, bytes.length, err));
    TRY(store->ops->finish(writer, err));
    Foreset__DataFile *file = memory_calloc(1, sizeof *file);
    foreset__data_file__init(file);
    file->path = memory_strdup(path);
    file->size_bytes = bytes.length;
    file->rows = count;
    char stats[48];
    snprintf(stats, sizeof stats, "{\"numRecords\":%zu}", count);
    file->stats = memory_strdup(stats);
    file->checksum = hash_64(bytes.data, bytes.length, 0);
    file->epoch = epoch->number;
    file->generation = flow->args.generation;
    *ret_file = file;
out:
    if (writer) store->ops->writer_close(writer);
    text_deinit(&bytes);
    return status;
}

static void flow_add(Foreset__DataFile ***files, size_t *count, Foreset__DataFile *file)
{
    *files = memory_realloc(*files, (*count + 1) * sizeof **files);
    (*files)[(*count)++] = file;
}

static Foreset__DataFile *flow_path_only(const char *path, uint32_t slice)
{
    Foreset__DataFile *file = memory_calloc(1, sizeof *file);
    foreset__data_file__init(file);
    file->path = memory_strdup(path);
    file->stats = memory_strdup("");
    file->has_open = file->open = file->has_slice = true;
    file->slice = slice;
    return file;
}

// Update mode: the open file of every touched slice is replaced (P13).
static enum status flow_write_latest(struct sim_flow *flow, const struct flow_epoch *epoch, Foreset__TableEpoch *table,
                                     struct error *err)
{
    for (uint32_t i = 0; i < SIM_PARTITIONS_MAX; i++) {
        struct flow_partition *state = &flow->partitions[i];
        struct sim_row rows[SIM_KEYS];
        size_t count = 0;
        bool read = false;
        for (size_t j = 0; j < epoch->plan->n_ranges; j++) {
            const Foreset__Range *range = epoch->plan->ranges[j];
            read |= range->n_files == 0 && (uint32_t)range->partition == i;
        }
        if (!read) continue;
        for (size_t k = 0; k < SIM_KEYS; k++) {
            if (state->latest[k] >= 0)
                rows[count++] = (struct sim_row){(uint64_t)i << 8 | k, (uint64_t)state->latest[k]};
        }
        Foreset__DataFile *file = NULL;
        enum status status = flow_write(flow, epoch, SIM_LATEST, rows, count, &file, err);
        if (status != STATUS_OK) return status;
        file->has_open = file->open = file->has_slice = true;
        file->slice = i;
        flow_add(&table->adds, &table->n_adds, file);
        if (state->open) flow_add(&table->removes, &table->n_removes, flow_path_only(state->open, i));
        memory_free(state->open);
        state->open = memory_strdup(file->path);
    }
    return STATUS_OK;
}

static enum status flow_write_table(struct sim_flow *flow, const struct flow_epoch *epoch, uint32_t number,
                                    struct flow_output *out, Foreset__TableEpoch *table, struct error *err)
{
    Foreset__DataFile *file = NULL;
    enum status status = STATUS_OK;
    if (number == SIM_LATEST) return flow_write_latest(flow, epoch, table, err);
    if (number == SIM_COUNTS && !table->publishes) return STATUS_OK;
    if (out->rows[number].count > 0) {
        status = flow_write(flow, epoch, number, out->rows[number].items, out->rows[number].count, &file, err);
        if (status != STATUS_OK) return status;
        flow_add(&table->adds, &table->n_adds, file);
    }
    if (number == SIM_SLOW && out->rows[SIM_DEAD].count > 0) {
        status = flow_write(flow, epoch, SIM_DEAD, out->rows[SIM_DEAD].items, out->rows[SIM_DEAD].count, &file, err);
        if (status != STATUS_OK) return status;
        flow_add(&table->dead_letters, &table->n_dead_letters, file);
    }
    if (number == SIM_COUNTS) {
        table->has_overwrite = table->overwrite = table->has_content_hash = true;
        for (size_t i = 0; i < out->rows[SIM_COUNTS].count; i++) {
            table->content_hash += sim_plan_hash(&out->rows[SIM_COUNTS].items[i]);
        }
    }
    return STATUS_OK;
}

static enum status flow_tables(struct sim_flow *flow, const struct flow_epoch *epoch, const struct clock_epoch *clocks,
                               struct flow_output *out, struct error *err)
{
    out->prepared->tables = memory_calloc(SIM_TABLES, sizeof *out->prepared->tables);
    for (uint32_t i = 0; i < flow->plan->n_tables; i++) {
        Foreset__TableEpoch *table = memory_calloc(1, sizeof *table);
        foreset__table_epoch__init(table);
        out->prepared->tables[out->prepared->n_tables++] = table;
        table->table = i;
        table->has_takes_part = table->has_publishes = table->has_late_us = table->has_watermark_us = table->has_batch =
            true;
        table->takes_part = clocks[i].takes_part;
        table->publishes = clocks[i].publishes;
        table->late_us = clocks[i].late_us;
        table->watermark_us = clocks[i].watermark_us;
        table->batch = clocks[i].batch;
        if (!clocks[i].takes_part) continue;
        enum status status = flow_write_table(flow, epoch, i, out, table, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

// ---- State ----

struct flow_image { // one partition's state in a snapshot part
    uint64_t partition;
    uint64_t counts[SIM_KEYS];
    int64_t latest[SIM_KEYS];
    struct flow_window windows[FLOW_WINDOWS_MAX], chain[FLOW_WINDOWS_MAX];
    uint64_t window_count, chain_count;
};

static enum status flow_part(struct sim_flow *flow, uint32_t partition, bool base, struct dataflow_part *part,
                             struct error *err)
{
    const struct flow_partition *state = &flow->partitions[partition];
    struct flow_image image;
    memset(&image, 0, sizeof image);
    image.partition = partition;
    memcpy(image.counts, state->counts, sizeof image.counts);
    memcpy(image.latest, state->latest, sizeof image.latest);
    memcpy(image.windows, state->windows, state->window_count * sizeof *image.windows);
    image.window_count = state->window_count;
    memcpy(image.chain, state->chain, state->chain_count * sizeof *image.chain);
    image.chain_count = state->chain_count;
    enum status status = buffer_create(NULL, sizeof image, &part->bytes, err);
    if (status != STATUS_OK) return status;
    memcpy(part->bytes->data, &image, sizeof image);
    part->size = sizeof image;
    foreset__snapshot_part__init(&part->meta);
    part->meta.node = SIM_NODE_WINDOWS;
    part->meta.operator_ = memory_strdup("windows/state");
    part->meta.is_base = base;
    part->meta.shard_first = part->meta.shard_last = partition;
    return STATUS_OK;
}

static enum status flow_freeze(struct sim_flow *flow, const struct flow_epoch *epoch, struct flow_output *out,
                               struct dataflow_frozen **ret_frozen, struct error *err)
{
    struct dataflow_frozen *frozen = memory_calloc(1, sizeof *frozen);
    frozen->parts = memory_calloc(SIM_PARTITIONS_MAX, sizeof *frozen->parts);
    for (uint32_t i = 0; i < SIM_PARTITIONS_MAX; i++) {
        if (!flow->partitions[i].touched) continue;
        bool base = (epoch->number + i) % FLOW_BASE_EVERY == 0;
        enum status status = flow_part(flow, i, base, &frozen->parts[frozen->part_count], err);
        if (status != STATUS_OK) return status;
        frozen->part_count++;
        flow->partitions[i].touched = false;
    }
    frozen->prepared = out->prepared;
    out->prepared = NULL;
    *ret_frozen = frozen;
    return STATUS_OK;
}

static void flow_forget(struct flow_partition *state)
{
    memory_free(state->open);
    memset(state, 0, sizeof *state);
    for (size_t k = 0; k < SIM_KEYS; k++) state->latest[k] = -1;
}

// The state of the wanted partitions, as the manifest has it.
static enum status flow_load(struct sim_flow *flow, const bool *wanted, const Foreset__Manifest *from,
                             struct error *err)
{
    for (size_t i = 0; from && i < from->n_parts; i++) {
        struct buffer *bytes = NULL;
        struct flow_image image;
        if (!wanted[from->parts[i]->shard_first]) continue;
        enum status status = objstore_get(flow->args.state, from->parts[i]->key, &bytes, err);
        // A worker that stood still may load for a leader that is long gone.
        if (status == STATUS_NOT_FOUND && from->epoch + 10 > sim_model_epoch(flow->pipeline)) {
            sim_core_fail("I3: state part %s of epoch %" PRIu64 " is gone", from->parts[i]->key, from->epoch);
        }
        if (status != STATUS_OK) return status;
        bool whole =
            bytes->size_bytes == sizeof image && hash_64(bytes->data, sizeof image, 0) == from->parts[i]->checksum;
        if (!whole)
            sim_core_fail("I3: state part %s of epoch %" PRIu64 " is not whole", from->parts[i]->key, from->epoch);
        if (whole) memcpy(&image, bytes->data, sizeof image);
        buffer_unref(bytes);
        if (!whole) return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "part %s", from->parts[i]->key);
        struct flow_partition *state = &flow->partitions[image.partition];
        memcpy(state->counts, image.counts, sizeof image.counts);
        memcpy(state->latest, image.latest, sizeof image.latest);
        memcpy(state->windows, image.windows, sizeof image.windows);
        state->window_count = image.window_count;
        memcpy(state->chain, image.chain, sizeof image.chain);
        state->chain_count = image.chain_count;
    }
    for (size_t i = 0; from && i < from->n_tables; i++) {
        const Foreset__TableEpoch *table = from->tables[i];
        for (size_t j = 0; table->table == SIM_LATEST && j < table->n_open; j++) {
            if (!wanted[table->open[j]->slice]) continue;
            memory_free(flow->partitions[table->open[j]->slice].open);
            flow->partitions[table->open[j]->slice].open = memory_strdup(table->open[j]->path);
        }
    }
    return STATUS_OK;
}

static void flow_load_clocks(struct sim_flow *flow)
{
    const Foreset__Manifest *from = flow->args.from;
    for (uint32_t i = 0; i < flow->plan->n_tables; i++) {
        const Foreset__TableEpoch *table = NULL;
        for (size_t j = 0; from && j < from->n_tables; j++) {
            if (from->tables[j]->table == i) table = from->tables[j];
        }
        lane_clock_init(&flow->clocks[i], flow->plan->tables[i], table, from ? from->epoch + 1 : 1);
    }
}

// ---- The lane ----

// Whether the table, not the chained one, has input planned.
static bool flow_reads(const Foreset__EpochPlan *plan, uint32_t table)
{
    bool reads = false;
    for (size_t i = 0; i < plan->n_sources; i++) reads |= plan->sources[i] == SIM_NODE_SOURCE || table == SIM_COPY;
    return reads;
}

static void flow_facts(const struct sim_flow *flow, const struct flow_epoch *epoch, struct clock_epoch *clocks)
{
    memset(clocks, 0, SIM_TABLES * sizeof *clocks);
    for (uint32_t i = 0; i < flow->plan->n_tables; i++) {
        clocks[i].planned_input = i != SIM_CHAIN && flow_reads(epoch->plan, i);
        clocks[i].plan_publishes = epoch->plan->tables[i]->publishes;
        clocks[i].has_watermark = true;
        clocks[i].candidate_us = i == SIM_WINDOWS ? epoch->watermark_us
                                 : i == SIM_CHAIN ? epoch->chain_watermark_us
                                                  : 0;
    }
}

static void flow_maximum(Foreset__ReadDone *read, uint32_t node, int64_t event_time_us)
{
    Foreset__Maximum *maximum = read->maxima[read->n_maxima++] = memory_calloc(1, sizeof *maximum);
    foreset__maximum__init(maximum);
    maximum->node = node;
    maximum->event_time_us = event_time_us;
}

// clocks NULL: W is not there yet; it is not needed to know who takes part.
static void flow_read_done(struct sim_flow *flow, const struct flow_epoch *epoch, const struct clock_epoch *clocks,
                           const struct flow_output *out)
{
    Foreset__ReadDone *read = memory_calloc(1, sizeof *read);
    foreset__read_done__init(read);
    read->took_part = memory_calloc(SIM_TABLES, sizeof *read->took_part);
    read->maxima = memory_calloc(2, sizeof *read->maxima);
    for (uint32_t i = 0; i < flow->plan->n_tables; i++) {
        bool takes_part = clocks ? clocks[i].takes_part : i != SIM_CHAIN && flow_reads(epoch->plan, i);
        if (takes_part) read->took_part[read->n_took_part++] = i;
    }
    if (out->seen) flow_maximum(read, SIM_NODE_WATERMARK, out->maximum_us);
    if (out->chain_seen) flow_maximum(read, SIM_NODE_CHAIN_WATERMARK, out->chain_maximum_us);
    flow_notify(flow, DATAFLOW_READ_DONE, epoch->number, read, NULL, NULL);
}

static void flow_resolve(struct sim_flow *flow, const struct flow_epoch *epoch, struct clock_epoch *clocks,
                         struct flow_output *out)
{
    for (uint32_t i = 0; i < flow->plan->n_tables; i++) {
        if (i == SIM_CHAIN) {
            flow_emit(flow, clocks, out);
            clocks[SIM_WINDOWS].emitted_rows = sim_plan_chained() ? out->rows[SIM_WINDOWS].count : 0;
            clocks[SIM_WINDOWS].emitted_final = 1;
        }
        bool resolved = lane_clock_resolve(&flow->clocks[i], epoch->plan, clocks, i, 1);
        ASSERT(resolved);
    }
    if (sim_plan_chained()) flow_chain(flow, &clocks[SIM_CHAIN], out);
}

static enum status flow_epoch_run(struct sim_flow *flow, struct flow_epoch *epoch, struct flow_output *out,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    struct clock_epoch clocks[SIM_TABLES];
    struct dataflow_frozen *frozen = NULL;
    out->prepared = memory_calloc(1, sizeof *out->prepared);
    foreset__prepared__init(out->prepared);
    out->prepared->ranges = memory_calloc(epoch->plan->n_ranges + 1, sizeof *out->prepared->ranges);
    TRY(flow_read(flow, epoch, out, err));
    bool early = !epoch->plan->no_data && !sim_plan_chained(); // nothing that takes part, or is measured, hangs on W
    if (early) flow_read_done(flow, epoch, NULL, out);
    while (!epoch->has_watermark && !flow_stopped(flow)) sim_core_wait();
    if (flow_stopped(flow)) return sim_core_killed(err);
    flow_facts(flow, epoch, clocks);
    flow_resolve(flow, epoch, clocks, out);
    if (!early) flow_read_done(flow, epoch, clocks, out);
    TRY(flow_tables(flow, epoch, clocks, out, err));
    TRY(flow_freeze(flow, epoch, out, &frozen, err));
    flow_notify(flow, DATAFLOW_FROZEN, epoch->number, NULL, frozen, NULL);
out:
    return status;
}

static void flow_lane(void *argument)
{
    struct sim_flow *flow = argument;
    flow->lane = sim->fiber;
    while (!flow_stopped(flow)) {
        if (flow->queued == 0) {
            sim_core_wait();
            continue;
        }
        struct flow_output out = {0};
        struct error err = {0};
        enum status status = flow_epoch_run(flow, &flow->queue[0], &out, &err);
        if (status != STATUS_OK && status != STATUS_KILLED) {
            flow_notify(flow, DATAFLOW_FAILED, flow->queue[0].number, NULL, NULL, &err);
        }
        if (out.prepared) foreset__prepared__free_unpacked(out.prepared, NULL);
        for (uint32_t i = 0; i < SIM_CONTENTS; i++) vector_deinit(&out.rows[i]);
        foreset__epoch_plan__free_unpacked(flow->queue[0].plan, NULL);
        flow->queued--;
        memmove(flow->queue, flow->queue + 1, flow->queued * sizeof *flow->queue);
        if (status != STATUS_OK) break;
    }
    flow->lane_done = true;
    flow_unref(flow);
}

// ---- The contract ----

static enum status flow_plan(struct dataflow *base, uint64_t epoch, const Foreset__EpochPlan *plan, struct error *err)
{
    struct sim_flow *flow = (struct sim_flow *)base;
    if (flow->queued == FLOW_QUEUE)
        return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "too many epochs at once");
    if (plan->routing_version != flow->routing->version)
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE, "a plan of another routing");
    size_t size = foreset__epoch_plan__get_packed_size(plan);
    uint8_t *packed = memory_alloc(size + 1);
    foreset__epoch_plan__pack(plan, packed);
    flow->queue[flow->queued++] =
        (struct flow_epoch){.number = epoch, .plan = foreset__epoch_plan__unpack(NULL, size, packed)};
    memory_free(packed);
    if (flow->lane && !flow->lane_done) sim_core_wake(flow->lane);
    return STATUS_OK;
}

static enum status flow_watermark(struct dataflow *base, uint64_t epoch, const Foreset__Watermark *watermark,
                                  struct error *err)
{
    struct sim_flow *flow = (struct sim_flow *)base;
    (void)err;
    for (size_t i = 0; i < flow->queued; i++) {
        if (flow->queue[i].number != epoch) continue;
        flow->queue[i].has_watermark = true;
        for (size_t j = 0; j < watermark->n_items; j++) {
            int64_t mark_us = watermark->items[j]->watermark_us;
            if (watermark->items[j]->table == SIM_WINDOWS) flow->queue[i].watermark_us = mark_us;
            if (watermark->items[j]->table == SIM_CHAIN) flow->queue[i].chain_watermark_us = mark_us;
        }
    }
    if (flow->lane && !flow->lane_done) sim_core_wake(flow->lane);
    return STATUS_OK;
}

static void flow_close(struct dataflow *base)
{
    struct sim_flow *flow = (struct sim_flow *)base;
    flow->closing = true;
    if (flow->lane && !flow->lane_done) sim_core_wake(flow->lane);
    while (!flow->lane_done && sim->fiber) {
        if (flow->process->dying) {
            sim_core_pass();
        } else {
            sim_core_sleep(1000);
        }
    }
    flow_unref(flow);
}

// A planned move (P22): state that stays is not touched.
static enum status flow_reroute(struct dataflow *base, const Foreset__Routing *routing, uint32_t worker_index,
                                const Foreset__Manifest *from, struct error *err)
{
    struct sim_flow *flow = (struct sim_flow *)base;
    bool owned[SIM_PARTITIONS_MAX], came[SIM_PARTITIONS_MAX];
    uint64_t border = from ? from->epoch : 0;
    if (flow->queued > 0 || flow->lane_done || flow->clocks[0].next_epoch != border + 1) {
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE, "epoch %" PRIu64 " is no border here", border);
    }
    if (routing->version <= flow->routing->version)
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE, "the routing is an old one");
    for (uint32_t i = 0; i < SIM_PARTITIONS_MAX; i++) owned[i] = flow_owns(flow, i);
    sim->moves++;
    flow_route(flow, routing, worker_index);
    for (uint32_t i = 0; i < SIM_PARTITIONS_MAX; i++) {
        bool owns = flow_owns(flow, i);
        came[i] = owns && !owned[i] && !FORESET_BUG("move-without-state");
        if (owned[i] && !owns && !FORESET_BUG("move-keeps-state")) flow_forget(&flow->partitions[i]);
    }
    return flow_load(flow, came, from, err);
}

enum status sim_flow_open(const struct dataflow_open_args *args, struct dataflow **ret_flow, struct error *err)
{
    static const struct dataflow_ops ops = {
        .close = flow_close, .plan = flow_plan, .watermark = flow_watermark, .reroute = flow_reroute};
    bool wanted[SIM_PARTITIONS_MAX];
    struct sim_flow *flow = memory_calloc(1, sizeof *flow);
    flow->base.ops = &ops;
    flow->args = *args;
    flow->role = sim->current;
    flow->process = sim->current->process;
    flow->pipeline = sim_plan_number(args->plan);
    flow->plan = sim_plan_grown(args->plan) ? sim->grown[flow->pipeline] : sim->plans[flow->pipeline];
    flow->refs = 1;
    flow_route(flow, args->routing, args->worker_index);
    for (uint32_t i = 0; i < SIM_PARTITIONS_MAX; i++) {
        flow_forget(&flow->partitions[i]);
        wanted[i] = flow_owns(flow, i);
    }
    flow_load_clocks(flow);
    enum status status = flow_load(flow, wanted, args->from, err);
    if (status != STATUS_OK) {
        flow_unref(flow);
        return status;
    }
    flow->refs++;
    sim_core_fiber(flow->role, flow_lane, flow);
    *ret_flow = &flow->base;
    return STATUS_OK;
}
