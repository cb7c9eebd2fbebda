// Epochs on the leader. What can fail: a report that contradicts the plan or another worker's: RESTART_PIPELINE.
#include "coordinator/epoch/epoch.h"

#include <inttypes.h>
#include <string.h>

#include "common/rpc/control_message.h"

static const struct statemachine_state epoch_states[] = {
    [EPOCH_RUNNING] = {"running", STATEMACHINE_TO(EPOCH_READ)},
    [EPOCH_READ] = {"read", STATEMACHINE_TO(EPOCH_PREPARED)},
    [EPOCH_PREPARED] = {"prepared", STATEMACHINE_TO(EPOCH_BUILT)},
    [EPOCH_BUILT] = {"built", STATEMACHINE_TO(EPOCH_DECIDED)},
    [EPOCH_DECIDED] = {"decided", STATEMACHINE_TO(EPOCH_PUT)},
    [EPOCH_PUT] = {"put", 0},
};

static bool epoch_invariant(const struct statemachine *machine, int previous)
{
    const struct epoch *epoch = machine->owner;
    (void)previous;
    if (machine->state >= EPOCH_READ && !epoch_all_read(epoch)) return false;
    if (machine->state >= EPOCH_PREPARED && !epoch_all_prepared(epoch)) return false;
    if (machine->state >= EPOCH_BUILT && !epoch->manifest) return false;
    return true;
}

struct epoch *epoch_create(uint64_t number, const Foreset__Plan *plan, size_t worker_count)
{
    struct epoch *epoch = memory_calloc(1, sizeof *epoch);
    epoch->number = number;
    arena_init(&epoch->arena, 0);
    epoch->table_count = plan->n_tables;
    epoch->tables = memory_calloc(epoch->table_count + 1, sizeof *epoch->tables);
    epoch->worker_count = worker_count;
    epoch->reports = memory_calloc(worker_count + 1, sizeof *epoch->reports);
    statemachine_init(&epoch->machine, "epoch", number, epoch_states, sizeof epoch_states / sizeof *epoch_states,
                      EPOCH_RUNNING, epoch_invariant, epoch);
    return epoch;
}

void epoch_destroy(struct epoch *epoch)
{
    if (!epoch) return;
    for (size_t i = 0; i < epoch->worker_count; i++) {
        control_message_destroy(epoch->reports[i].read);
        control_message_destroy(epoch->reports[i].prepared);
    }
    manifest_unref(epoch->manifest);
    manifest_unref(epoch->before);
    memory_free(epoch->reports);
    memory_free(epoch->tables);
    arena_deinit(&epoch->arena);
    memory_free(epoch);
}

static bool epoch_reads(const Foreset__Range *range)
{
    return range->n_files > 0 || (range->has_to && range->to > range->from);
}

void epoch_fix(struct epoch *epoch, const struct epoch_clock *clock, int64_t timestamp_us, bool no_data, bool last)
{
    epoch->timestamp_us = timestamp_us;
    epoch->no_data = no_data;
    epoch->last = last;
    epoch->sources = arena_calloc(&epoch->arena, epoch->cut.count + 1, sizeof *epoch->sources);
    for (size_t i = 0; i < epoch->cut.count; i++) {
        const Foreset__Range *range = epoch->cut.ranges[i];
        bool known = epoch->source_count > 0 && epoch->sources[epoch->source_count - 1] == range->source;
        if (epoch_reads(range) && !known) epoch->sources[epoch->source_count++] = range->source;
    }
    for (uint32_t i = 0; i < epoch->table_count; i++) {
        epoch->tables[i].publishes_planned = epoch_clock_publishes(clock, i, timestamp_us, last);
    }
}

void epoch_deal(struct epoch *epoch, const Foreset__Plan *plan, struct routing *routing)
{
    epoch->routing_version = routing->version;
    epoch->lane_count = routing->lanes;
    epoch->lane_workers = arena_calloc(&epoch->arena, routing->lanes, sizeof *epoch->lane_workers);
    for (uint32_t lane = 0; lane < routing->lanes; lane++) epoch->lane_workers[lane] = routing_worker_of(routing, lane);
    epoch->lanes = arena_calloc(&epoch->arena, epoch->cut.count + 1, sizeof *epoch->lanes);
    for (size_t i = 0; i < epoch->cut.count; i++) {
        Foreset__Range *range = epoch->cut.ranges[i];
        if (!range->has_to) continue; // files
        if (plan->nodes[range->source]->source->kind == FORESET__SOURCE__KIND__NUMBERS) {
            epoch->lanes[i] = routing->shard_lanes[(uint32_t)range->partition % routing->shards];
        } else {
            epoch->lanes[i] = routing_lane_of(routing, range->source, range->topic, range->partition);
        }
    }
}

// A worker's share of a list of files.
static Foreset__Range *epoch_share_files(struct epoch *epoch, const Foreset__Range *range, size_t worker)
{
    Foreset__Range *share = arena_alloc(&epoch->arena, sizeof *share);
    *share = *range;
    if (epoch->worker_count == 1) return share;
    share->files = arena_calloc(&epoch->arena, range->n_files, sizeof *share->files);
    share->file_times_us = arena_calloc(&epoch->arena, range->n_files, sizeof *share->file_times_us);
    share->n_files = 0;
    for (size_t i = 0; i < range->n_files; i++) {
        if (epoch->lane_workers[i % epoch->lane_count] != worker) continue;
        share->files[share->n_files] = range->files[i];
        share->file_times_us[share->n_files++] = range->file_times_us[i];
    }
    share->n_file_times_us = share->n_files;
    return share;
}

// A worker's share of a partition's range: all of it, with the lane that reads it. NULL: another worker's.
static Foreset__Range *epoch_share_partition(struct epoch *epoch, size_t at, size_t worker)
{
    if (epoch->lane_workers[epoch->lanes[at]] != worker) return NULL;
    Foreset__Range *share = arena_alloc(&epoch->arena, sizeof *share);
    *share = *epoch->cut.ranges[at];
    share->has_lane = true;
    share->lane = epoch->lanes[at];
    return share;
}

Foreset__EpochPlan *epoch_message(struct epoch *epoch, size_t worker)
{
    Foreset__EpochPlan *plan = arena_alloc(&epoch->arena, sizeof *plan);
    foreset__epoch_plan__init(plan);
    plan->timestamp_us = epoch->timestamp_us;
    plan->has_no_data = epoch->no_data;
    plan->no_data = epoch->no_data;
    plan->has_last = epoch->last;
    plan->last = epoch->last;
    plan->routing_version = epoch->routing_version;
    plan->sources = epoch->sources;
    plan->n_sources = epoch->source_count;
    plan->ranges = arena_calloc(&epoch->arena, epoch->cut.count + 1, sizeof *plan->ranges);
    for (size_t i = 0; i < epoch->cut.count; i++) {
        Foreset__Range *range = epoch->cut.ranges[i];
        if (!epoch_reads(range)) continue;
        Foreset__Range *share =
            range->n_files > 0 ? epoch_share_files(epoch, range, worker) : epoch_share_partition(epoch, i, worker);
        if (share && (share->has_to || share->n_files > 0)) plan->ranges[plan->n_ranges++] = share;
    }
    plan->n_tables = epoch->table_count;
    plan->tables = arena_calloc(&epoch->arena, epoch->table_count + 1, sizeof *plan->tables);
    for (uint32_t i = 0; i < epoch->table_count; i++) {
        plan->tables[i] = arena_alloc(&epoch->arena, sizeof **plan->tables);
        foreset__table_plan__init(plan->tables[i]);
        plan->tables[i]->table = i;
        plan->tables[i]->publishes = epoch->tables[i].publishes_planned;
    }
    return plan;
}

Foreset__Watermark *epoch_watermark(struct epoch *epoch, const Foreset__Plan *plan)
{
    Foreset__Watermark *watermark = arena_alloc(&epoch->arena, sizeof *watermark);
    foreset__watermark__init(watermark);
    watermark->items = arena_calloc(&epoch->arena, epoch->table_count + 1, sizeof *watermark->items);
    for (uint32_t i = 0; i < epoch->table_count; i++) {
        if (plan->tables[i]->n_watermarks == 0) continue;
        Foreset__WatermarkItem *item = arena_alloc(&epoch->arena, sizeof *item);
        foreset__watermark_item__init(item);
        item->table = i;
        item->watermark_us = epoch->tables[i].candidate_us;
        watermark->items[watermark->n_items++] = item;
    }
    return watermark;
}

enum status epoch_read_done(struct epoch *epoch, size_t worker, Foreset__Control *control, struct error *err)
{
    ASSERT(worker < epoch->worker_count);
    if (epoch->reports[worker].read_done) {
        return error_set(err, STATUS_EXISTS, ERROR_RESTART_PIPELINE, "epoch %" PRIu64 ": ReadDone of worker %zu again",
                         epoch->number, worker);
    }
    epoch->reports[worker].read_done = true;
    epoch->reports[worker].read = control;
    return STATUS_OK;
}

enum status epoch_prepared(struct epoch *epoch, size_t worker, Foreset__Control *control, struct error *err)
{
    ASSERT(worker < epoch->worker_count);
    struct epoch_report *report = &epoch->reports[worker];
    if (report->prepared || !report->read_done) {
        return error_set(err, report->prepared ? STATUS_EXISTS : STATUS_ERROR, ERROR_RESTART_PIPELINE,
                         "epoch %" PRIu64 ": Prepared of worker %zu %s", epoch->number, worker,
                         report->prepared ? "again" : "before its ReadDone");
    }
    report->prepared = control;
    return STATUS_OK;
}

bool epoch_all_read(const struct epoch *epoch)
{
    for (size_t i = 0; i < epoch->worker_count; i++) {
        if (!epoch->reports[i].read_done) return false;
    }
    return true;
}

bool epoch_all_prepared(const struct epoch *epoch)
{
    for (size_t i = 0; i < epoch->worker_count; i++) {
        if (!epoch->reports[i].prepared) return false;
    }
    return true;
}

static void epoch_keep(struct epoch *epoch, uint32_t number, const struct epoch_clock *clock, bool publishes)
{
    struct epoch_table *table = &epoch->tables[number];
    const struct epoch_clock_table *now = &clock->tables[number];
    table->publishes = publishes;
    table->open = now->open;
    table->batch = now->batch;
    table->late_us = now->late_us;
    table->watermark_us = now->watermark_us;
    table->timestamp_us = now->timestamp_us;
    table->published = now->published;
    table->published_us = now->published_us;
    table->maxima = arena_calloc(&epoch->arena, now->plan->n_watermarks + 1, sizeof *table->maxima);
    for (size_t i = 0; i < now->plan->n_watermarks; i++) {
        if (!now->seen[i]) continue;
        Foreset__Maximum *maximum = &table->maxima[table->maximum_count++];
        foreset__maximum__init(maximum);
        maximum->node = now->plan->watermarks[i];
        maximum->event_time_us = now->maxima[i];
    }
}

enum status epoch_pass(struct epoch *epoch, struct epoch_clock *clock, struct error *err)
{
    bool publishes[epoch->table_count + 1];
    for (size_t i = 0; i < epoch->worker_count; i++) {
        const Foreset__ReadDone *read = epoch->reports[i].read->read_done;
        for (size_t j = 0; j < read->n_took_part; j++) {
            if (read->took_part[j] < epoch->table_count) epoch->tables[read->took_part[j]].took_part = true;
        }
    }
    for (uint32_t i = 0; i < epoch->table_count; i++) {
        struct epoch_clock_facts facts = {.took_part = epoch->tables[i].took_part,
                                          .publishes = epoch->tables[i].publishes_planned,
                                          .candidate_us = epoch->tables[i].candidate_us,
                                          .timestamp_us = epoch->timestamp_us};
        publishes[i] = epoch_clock_pass(clock, i, &facts);
    }
    for (size_t i = 0; i < epoch->worker_count; i++) {
        const Foreset__ReadDone *read = epoch->reports[i].read->read_done;
        for (size_t j = 0; j < read->n_maxima; j++) {
            if (!epoch_clock_maximum(clock, read->maxima[j]->node, read->maxima[j]->event_time_us)) {
                return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE,
                                 "epoch %" PRIu64 ": a maximum of node %u, which is no WATERMARK", epoch->number,
                                 read->maxima[j]->node);
            }
        }
    }
    for (uint32_t i = 0; i < epoch->table_count; i++) epoch_keep(epoch, i, clock, publishes[i]);
    return STATUS_OK;
}
