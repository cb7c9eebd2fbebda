// What the worker reports of an epoch, made of its lanes' shares: ReadDone, Prepared, and the lines of the recording
// sink. Everything of a report was allocated block by block, as protobuf-c frees it. Update mode (P13): an open file
// holds the rows of one slice; a slice is a lane's own, and its key names its shards. Where an open file is of no slice
// that this routing cuts, every lane of every worker writes its slices anew at the next publication, and the first
// worker alone reports that all the old files go. Failing to write a recording is a failure of the test that asked for
// it: it is logged.
#include <stdio.h>

#include "common/base/log.h"
#include "worker/lane/lane_late.h"
#include "worker/lane/lane_private.h"
#include "worker/sink/group_origin.h"

Foreset__DataFile *lane_report_copy_file(const Foreset__DataFile *file)
{
    size_t size = foreset__data_file__get_packed_size(file);
    uint8_t *packed = memory_alloc(size);
    foreset__data_file__pack(file, packed);
    Foreset__DataFile *copy = foreset__data_file__unpack(NULL, size, packed);
    memory_free(packed);
    ASSERT(copy);
    return copy;
}

// Keys of all slices, [lane * GROUP_ORIGIN_SLICES + slice], over all workers. Allocated.
static uint64_t *slice_keys(const struct exchange_routing *routing)
{
    uint64_t *keys = memory_calloc((size_t)routing->lanes * GROUP_ORIGIN_SLICES, sizeof *keys);
    for (uint32_t i = 0; i < routing->lanes * GROUP_ORIGIN_SLICES; i++) {
        keys[i] = group_origin_slice_key(routing->shard_lanes, routing->shards, i / GROUP_ORIGIN_SLICES,
                                         i % GROUP_ORIGIN_SLICES);
    }
    return keys;
}

// The worker whose slice wrote the file; routing->workers: none did under this routing.
static uint32_t file_worker(const struct exchange_routing *routing, const uint64_t *keys, const Foreset__DataFile *file)
{
    for (uint32_t i = 0; file->has_slice_key && i < routing->lanes * GROUP_ORIGIN_SLICES; i++) {
        if (keys[i] == file->slice_key) return routing->lane_workers[i / GROUP_ORIGIN_SLICES];
    }
    return routing->workers;
}

static void continue_table(struct lane_group *group, const uint64_t *keys, const Foreset__TableEpoch *table)
{
    const struct exchange_routing *routing = group->routing;
    struct group_open *open = &group->open[table->table];
    for (size_t k = 0; k < table->n_open; k++) {
        if (file_worker(routing, keys, table->open[k]) == routing->workers) open->all = true;
    }
    for (size_t k = 0; k < table->n_open; k++) {
        uint32_t worker = open->all ? 0 : file_worker(routing, keys, table->open[k]);
        if (worker == routing->worker) vector_push(&open->files, lane_report_copy_file(table->open[k]));
    }
    group->rewrite[table->table] = open->all;
}

void lane_report_continue(struct lane_group *group)
{
    uint64_t *keys = NULL;
    for (uint32_t t = 0; t < group->plan->n_tables; t++) {
        struct group_open *open = &group->open[t];
        for (size_t i = 0; i < open->files.count; i++) foreset__data_file__free_unpacked(open->files.items[i], NULL);
        vector_reset(&open->files);
        open->all = group->rewrite[t] = false;
    }
    for (size_t i = 0; group->from && i < group->from->n_tables; i++) {
        if (group->from->tables[i]->n_open == 0) continue;
        if (!keys) keys = slice_keys(group->routing);
        continue_table(group, keys, group->from->tables[i]);
    }
    memory_free(keys);
}

static void push(void ***items, size_t *count, void *item)
{
    if ((*count & (*count - 1)) == 0) *items = memory_realloc(*items, (*count ? *count * 2 : 1) * sizeof **items);
    (*items)[(*count)++] = item;
}
#define PUSH(message, field, item) push((void ***)&(message)->field, &(message)->n_##field, (item))

Foreset__ReadDone *lane_report_read_done(struct lane_group *group, struct group_epoch *epoch)
{
    Foreset__ReadDone *done = memory_alloc(sizeof *done);
    foreset__read_done__init(done);
    for (uint32_t i = 0; i < group->plan->n_nodes; i++) {
        if (!epoch->maxima[i].found) continue;
        Foreset__Maximum *maximum = memory_alloc(sizeof *maximum);
        foreset__maximum__init(maximum);
        maximum->node = i;
        maximum->event_time_us = epoch->maxima[i].event_time_us;
        PUSH(done, maxima, maximum);
    }
    done->took_part = memory_calloc(group->plan->n_tables + 1, sizeof *done->took_part);
    for (uint32_t t = 0; t < group->plan->n_tables; t++) {
        if (epoch->took_part[t]) done->took_part[done->n_took_part++] = t;
    }
    return done;
}

static void report_ranges(struct lane_group *group, struct group_epoch *epoch, Foreset__Prepared *prepared)
{
    const Foreset__EpochPlan *plan = epoch->plan->plan;
    for (size_t i = 0; i < plan->n_ranges; i++) {
        const Foreset__Range *range = plan->ranges[i];
        if (!plan_source_has_files(group->plan->nodes[range->source]->source)) continue;
        size_t size = foreset__range__get_packed_size(range);
        uint8_t *packed = memory_alloc(size);
        foreset__range__pack(range, packed);
        PUSH(prepared, ranges, foreset__range__unpack(NULL, size, packed));
        memory_free(packed);
    }
    for (uint32_t lane = 0; lane < group->lane_count; lane++) {
        struct lane_epoch *report = &epoch->reports[lane];
        for (size_t i = 0; i < report->ranges.count; i++) {
            Foreset__Range *range = report->ranges.items[i];
            if (plan_source_has_files(group->plan->nodes[range->source]->source)) continue;
            PUSH(prepared, ranges, range);
            report->ranges.items[i] = NULL;
        }
    }
}

static void report_maxima(struct lane_group *group, struct group_epoch *epoch, const Foreset__Table *plan,
                          Foreset__TableEpoch *table)
{
    for (size_t i = 0; i < plan->n_watermarks; i++) {
        uint32_t node = plan->watermarks[i];
        struct lane_maximum *now = &epoch->maxima[node], *all = &group->maxima[node];
        if (now->found && (!all->found || now->event_time_us > all->event_time_us)) *all = *now;
        if (!all->found) continue;
        Foreset__Maximum *maximum = memory_alloc(sizeof *maximum);
        foreset__maximum__init(maximum);
        maximum->node = node;
        maximum->event_time_us = all->event_time_us;
        PUSH(table, maxima, maximum);
    }
}

static bool slice_touched(struct group_epoch *epoch, uint32_t lanes, uint32_t table, uint64_t key)
{
    for (uint32_t lane = 0; lane < lanes; lane++) {
        const struct operator_table *output = epoch->reports[lane].outputs[table];
        for (size_t i = 0; output && i < output->slices.count; i++) {
            if (output->slices.items[i] == key) return true;
        }
    }
    return false;
}

// Open files of touched slices are replaced; the set that stands goes into the report.
static void report_open(struct lane_group *group, struct group_epoch *epoch, uint32_t number,
                        Foreset__TableEpoch *table)
{
    struct group_open *open = &group->open[number];
    size_t left = 0;
    for (size_t i = 0; i < open->files.count; i++) {
        Foreset__DataFile *file = open->files.items[i];
        bool replaced = open->all ? table->publishes : slice_touched(epoch, group->lane_count, number, file->slice_key);
        if (replaced) {
            PUSH(table, removes, file);
        } else {
            open->files.items[left++] = file;
        }
    }
    open->files.count = left;
    if (table->publishes) open->all = false;
    for (uint32_t lane = 0; lane < group->lane_count; lane++) {
        struct operator_table *output = epoch->reports[lane].outputs[number];
        for (size_t i = 0; output && i < output->open.count; i++) {
            vector_push(&open->files, lane_report_copy_file(output->open.items[i]));
            PUSH(table, adds, output->open.items[i]);
            output->open.items[i] = NULL;
        }
    }
    for (size_t i = 0; i < open->files.count; i++) PUSH(table, open, lane_report_copy_file(open->files.items[i]));
}

static void report_violations(const Foreset__Table *plan, const struct operator_counts *counts,
                              Foreset__TableEpoch *table)
{
    for (size_t i = 0; counts->violations && i < plan->n_constraints; i++) {
        Foreset__Violation *violation = NULL;
        if (counts->violations[i] == 0) continue;
        for (size_t k = 0; k < table->n_violations && !violation; k++) { // of another lane
            if (strcmp(table->violations[k]->constraint, plan->constraints[i]->name) == 0)
                violation = table->violations[k];
        }
        if (!violation) {
            violation = memory_alloc(sizeof *violation);
            foreset__violation__init(violation);
            violation->constraint = memory_strdup(plan->constraints[i]->name);
            PUSH(table, violations, violation);
        }
        violation->rows += counts->violations[i];
    }
}

static void report_counts(struct lane_group *group, struct group_epoch *epoch, uint32_t number,
                          Foreset__TableEpoch *table)
{
    table->has_rows_in = table->has_rows_out = table->has_rows_late = table->has_rows_dead = true;
    table->has_bytes_out = table->has_rows_malformed = table->has_rows_violated = true;
    table->has_rows_filtered = table->has_rows_duplicate = table->has_rows_grouped = table->has_rows_expanded = true;
    table->has_rows_unaccounted = table->has_offsets_empty = true;
    for (uint32_t lane = 0; lane < group->lane_count; lane++) {
        struct lane_epoch *report = &epoch->reports[lane];
        struct operator_table *output = report->outputs[number];
        table->rows_in += report->rows_in[number];
        table->rows_late += report->counts[number].rows_late;
        table->rows_dead += report->counts[number].rows_dead;
        table->rows_malformed += report->counts[number].rows_malformed;
        table->rows_violated += report->counts[number].rows_violated;
        report_violations(group->plan->tables[number], &report->counts[number], table);
        table->rows_filtered += report->counts[number].rows_filtered;
        table->rows_duplicate += report->counts[number].rows_duplicate;
        table->rows_grouped += report->counts[number].rows_grouped;
        table->rows_expanded += report->counts[number].rows_expanded;
        table->rows_unaccounted += report->counts[number].rows_unaccounted;
        table->offsets_empty += report->counts[number].offsets_empty;
        if (!output) continue;
        table->rows_out += output->rows_out;
        table->bytes_out += output->bytes_out;
        table->content_hash += output->content_hash;
        for (size_t i = 0; i < output->files.count; i++) {
            PUSH(table, adds, output->files.items[i]);
            output->files.items[i] = NULL;
        }
        for (size_t i = 0; i < output->dead_letters.count; i++) {
            PUSH(table, dead_letters, output->dead_letters.items[i]);
            output->dead_letters.items[i] = NULL;
        }
        output->files.count = output->dead_letters.count = 0;
    }
}

// Sealed files go along with the report; what they are still to tell is filled into its adds.
static void report_rest(struct lane_group *group, struct group_epoch *epoch, struct dataflow_frozen *frozen)
{
    struct lane_late *late = NULL;
    size_t tables = group->plan->n_tables;
    for (size_t i = 0; i < group->lane_count * tables; i++) {
        struct operator_table *output = epoch->reports[i / tables].outputs[i % tables];
        for (size_t k = 0; output && k < output->rest.count; k++) {
            if (!late) late = lane_late_create(group->lates);
            lane_late_add(late, output->rest.items[k]);
        }
        if (output) output->rest.count = 0;
    }
    if (late) frozen->late = lane_late_base(late);
}

static void report_states(struct lane_group *group, struct group_epoch *epoch, Foreset__Prepared *prepared)
{
    for (uint32_t node = 0; node < group->plan->n_nodes; node++) {
        uint64_t entries = 0;
        for (uint32_t lane = 0; lane < group->lane_count; lane++) entries += epoch->reports[lane].states[node];
        if (entries == 0) continue;
        Foreset__OperatorState *state = memory_alloc(sizeof *state);
        foreset__operator_state__init(state);
        state->node = node;
        state->entries = entries;
        PUSH(prepared, states, state);
    }
}

static void report_times(struct lane_group *group, struct group_epoch *epoch, Foreset__Prepared *prepared)
{
    prepared->has_lane_stop_us = prepared->has_lane_stop_cpu_us = prepared->has_rows_read = true;
    for (uint32_t lane = 0; lane < group->lane_count; lane++) {
        uint64_t stop_us = (uint64_t)epoch->reports[lane].stop_us;
        uint64_t cpu_us = (uint64_t)epoch->reports[lane].stop_cpu_ns / 1000;
        prepared->rows_read += epoch->reports[lane].rows_read;
        if (stop_us > prepared->lane_stop_us) prepared->lane_stop_us = stop_us;
        if (cpu_us > prepared->lane_stop_cpu_us) prepared->lane_stop_cpu_us = cpu_us;
    }
    prepared->first_row_us = atomic_load(&group->first_row_us);
    prepared->has_first_row_us = prepared->first_row_us != 0 && !group->first_row_told;
    group->first_row_told |= prepared->has_first_row_us;
}

static Foreset__TableEpoch *report_table(struct lane_group *group, struct group_epoch *epoch, uint32_t number)
{
    const Foreset__Table *plan = group->plan->tables[number];
    const struct clock_epoch *clock = &epoch->reports[0].tables[number];
    for (uint32_t lane = 1; lane < group->lane_count; lane++) {
        const struct clock_epoch *other = &epoch->reports[lane].tables[number];
        ASSERT(other->takes_part == clock->takes_part && other->watermark_us == clock->watermark_us &&
               other->late_us == clock->late_us && other->batch == clock->batch);
    }
    Foreset__TableEpoch *table = memory_alloc(sizeof *table);
    foreset__table_epoch__init(table);
    table->table = number;
    table->has_takes_part = table->has_publishes = true;
    table->takes_part = clock->takes_part;
    table->publishes = clock->publishes;
    if (clock->batch >= 0) {
        table->has_late_us = table->has_watermark_us = table->has_batch = table->has_batch_timestamp_us = true;
        table->late_us = clock->late_us;
        table->watermark_us = clock->watermark_us;
        table->batch = clock->batch;
        table->batch_timestamp_us = clock->timestamp_us;
        table->has_published_timestamp_us = clock->published;
        table->published_timestamp_us = clock->published_us;
        table->has_batch_open = true;
        table->batch_open = clock->open;
    }
    report_maxima(group, epoch, plan, table);
    report_counts(group, epoch, number, table);
    if (plan->mode == FORESET__TABLE__MODE__COMPLETE && clock->publishes) {
        table->has_overwrite = table->has_content_hash = true;
        table->overwrite = true;
    }
    report_open(group, epoch, number, table);
    return table;
}

struct dataflow_frozen *lane_report_frozen(struct lane_group *group, struct group_epoch *epoch)
{
    struct dataflow_frozen *frozen = memory_calloc(1, sizeof *frozen);
    frozen->prepared = memory_alloc(sizeof *frozen->prepared);
    foreset__prepared__init(frozen->prepared);
    report_ranges(group, epoch, frozen->prepared);
    for (uint32_t t = 0; t < group->plan->n_tables; t++) {
        PUSH(frozen->prepared, tables, report_table(group, epoch, t));
    }
    for (uint32_t lane = 0; lane < group->lane_count; lane++) {
        struct lane_epoch *report = &epoch->reports[lane];
        if (report->parts.count == 0) continue;
        frozen->parts =
            memory_realloc(frozen->parts, (frozen->part_count + report->parts.count) * sizeof *frozen->parts);
        memcpy(frozen->parts + frozen->part_count, report->parts.items, report->parts.count * sizeof *frozen->parts);
        frozen->part_count += report->parts.count;
        report->parts.count = 0;
    }
    report_rest(group, epoch, frozen);
    report_states(group, epoch, frozen->prepared);
    report_times(group, epoch, frozen->prepared);
    return frozen;
}

static const char *mode_name(enum _Foreset__Table__Mode mode)
{
    if (mode == FORESET__TABLE__MODE__COMPLETE) return "complete";
    return mode == FORESET__TABLE__MODE__UPDATE ? "update" : "append";
}

static void record_write(struct lane_group *group, struct group_epoch *epoch, uint32_t number)
{
    const Foreset__Table *table = group->plan->tables[number];
    struct text path = {0};
    text_printf(&path, "%s/%s.batches.jsonl", group->record, table->name);
    FILE *file = fopen(text_str(&path), "a");
    if (!file) {
        log_error("record_failed", "file=%s: cannot be appended to; create the directory of FORESET_RECORD",
                  text_str(&path));
    } else {
        fprintf(file, "{\"epoch\":%llu,\"batch\":%lld,\"no_data\":%s,\"mode\":\"%s\",\"rows\":[%s]}\n",
                (unsigned long long)epoch->epoch, (long long)epoch->reports[0].tables[number].batch,
                epoch->plan->plan->no_data ? "true" : "false", mode_name(table->mode),
                text_str(&group->records[number]));
        fclose(file);
    }
    text_deinit(&path);
}

void lane_report_record(struct lane_group *group, struct group_epoch *epoch)
{
    if (!group->record) return;
    for (uint32_t t = 0; t < group->plan->n_tables; t++) {
        for (uint32_t lane = 0; lane < group->lane_count; lane++) {
            const struct operator_table *output = epoch->reports[lane].outputs[t];
            if (!output || output->rows.length == 0) continue;
            if (group->records[t].length) text_append_char(&group->records[t], ',');
            text_append(&group->records[t], output->rows.data, output->rows.length);
        }
        if (!epoch->reports[0].tables[t].publishes) continue;
        record_write(group, epoch, t);
        text_reset(&group->records[t]);
    }
}
