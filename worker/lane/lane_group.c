// All lanes of this worker: opens them, deals plans and watermarks out, gathers their reports into events.
// Promises: events of one kind come in epoch order; after a failure exactly one FAILED and nothing else.
// What can fail: opening (plan, sources, snapshot parts), and any lane at any time; the worker then closes the flow and
// opens another one from the last decided manifest (P21). Nothing that was not frozen survives, files included.
#include "worker/lane/lane_late.h"
#include "worker/lane/lane_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/plan/plan_check.h"

#define SOURCE_BUDGET_SHARE 4 // a quarter of the memory for queues of sources
#define STATE_BUDGET_SHARE  2 // half for state
#define LIMIT_MIN_BYTES     (1u << 20)
#define SOURCE_QUEUE_MIN    (8u << 20)
#define SOURCE_QUEUE_MAX    (128u << 20)

static struct lane_group *group_of(struct dataflow *flow)
{
    return (struct lane_group *)flow;
}

static void group_epoch_clear(struct lane_group *group, struct group_epoch *epoch)
{
    for (uint32_t i = 0; epoch->reports && i < group->lane_count; i++)
        lane_epoch_deinit(&epoch->reports[i], group->plan);
    memory_free(epoch->reports);
    memory_free(epoch->maxima);
    memory_free(epoch->took_part);
    lane_plan_unref(epoch->plan);
    memset(epoch, 0, sizeof *epoch);
}

static void group_destroy(struct lane_group *group)
{
    for (uint32_t i = 0; i < group->lane_count; i++) lane_deinit(&group->lanes[i]);
    lane_lates_close(group->lates);
    for (uint32_t i = 0; i < LANE_EPOCHS_MAX; i++) group_epoch_clear(group, &group->epochs[i]);
    for (uint32_t t = 0; group->open && t < group->plan->n_tables; t++) {
        struct group_open *open = &group->open[t];
        for (size_t i = 0; i < open->files.count; i++) foreset__data_file__free_unpacked(open->files.items[i], NULL);
        vector_deinit(&open->files);
        text_deinit(&group->records[t]);
    }
    memory_free(group->open);
    memory_free(group->rewrite);
    memory_free(group->records);
    memory_free(group->maxima);
    memory_free(group->lanes);
    lane_remote_close(group);
    memory_free(group->exchange_types);
    memory_free(group->exchange_keys);
    memory_free(group->lane_credits);
    pthread_mutex_destroy(&group->gate);
    exchange_routing_destroy(group->routing);
    if (group->from) foreset__manifest__free_unpacked(group->from, NULL);
    if (group->plan) foreset__plan__free_unpacked(group->plan, NULL);
    pthread_mutex_destroy(&group->lock);
    memory_free(group);
}

static void group_post(struct lane_group *group, uint32_t lane, struct mail *mail, int kind)
{
    mail->kind = kind;
    mailbox_post(&group->lanes[lane].mailbox, mail);
}

static void group_close(struct dataflow *flow)
{
    struct lane_group *group = group_of(flow);
    pthread_mutex_lock(&group->lock);
    group->closing = true;
    pthread_mutex_unlock(&group->lock);
    lane_group_halt(group);
    group_destroy(group);
}

void lane_group_halt(struct lane_group *group)
{
    for (uint32_t i = 0; i < group->lane_count; i++) {
        if (!group->lanes[i].threaded) continue;
        group_post(group, i, memory_calloc(1, sizeof(struct mail)), LANE_MAIL_STOP);
    }
    for (uint32_t i = 0; i < group->lane_count; i++) {
        if (group->lanes[i].threaded) thread_join(group->lanes[i].thread);
        group->lanes[i].threaded = group->lanes[i].stopped = false;
    }
}

void lane_group_start(struct lane_group *group)
{
    for (uint32_t i = 0; i < group->lane_count && !group->options.stepped; i++) {
        char name[16];
        snprintf(name, sizeof name, "lane-%u", i);
        group->lanes[i].threaded = true;
        thread_create(&group->lanes[i].thread, name, lane_run, &group->lanes[i]);
    }
}

static void group_notify(struct lane_group *group, enum dataflow_event_kind kind, uint64_t epoch,
                         Foreset__ReadDone *read_done, struct dataflow_frozen *frozen, const struct error *err)
{
    struct dataflow_event *event = memory_calloc(1, sizeof *event);
    event->kind = kind;
    event->generation = group->args.generation;
    event->epoch = epoch;
    event->read_done = read_done;
    event->frozen = frozen;
    if (err) event->err = *err;
    group->args.notify(group->args.context, event);
}

// What a leader says of a table or an epoch; epochs begin at 1.
static enum status group_check(const struct lane_group *group, uint64_t epoch, uint32_t table, struct error *err)
{
    if (epoch != 0 && table < group->plan->n_tables) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                     "a message of epoch %llu names table %u; epochs begin at 1, and there are %zu tables",
                     (unsigned long long)epoch, table, group->plan->n_tables);
}

static enum status group_plan(struct dataflow *flow, uint64_t epoch, const Foreset__EpochPlan *plan, struct error *err)
{
    struct lane_group *group = group_of(flow);
    struct lane_plan *dealt;
    enum status status = group_check(group, epoch, 0, err);
    for (size_t i = 0; status == STATUS_OK && i < plan->n_tables; i++)
        status = group_check(group, epoch, plan->tables[i]->table, err);
    if (status != STATUS_OK) return status;
    if (group->routing->version && plan->routing_version != group->routing->version) {
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                         "epoch %llu was planned under routing %llu, this worker knows %llu (P22)",
                         (unsigned long long)epoch, (unsigned long long)plan->routing_version,
                         (unsigned long long)group->routing->version);
    }
    status = lane_plan_create(group->plan, epoch, plan, group->routing, &dealt, err);
    if (status != STATUS_OK) return status;
    pthread_mutex_lock(&group->lock);
    struct group_epoch *slot = &group->epochs[epoch % LANE_EPOCHS_MAX];
    bool taken = slot->epoch != 0;
    if (!taken) {
        slot->epoch = epoch;
        slot->plan = lane_plan_ref(dealt);
        slot->maxima = memory_calloc(group->plan->n_nodes + 1, sizeof *slot->maxima);
        slot->took_part = memory_calloc(group->plan->n_tables + 1, sizeof *slot->took_part);
        slot->reports = memory_calloc(group->lane_count, sizeof *slot->reports);
    }
    pthread_mutex_unlock(&group->lock);
    if (taken) {
        lane_plan_unref(dealt);
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                         "epoch %llu was planned with %u epochs not frozen", (unsigned long long)epoch,
                         LANE_EPOCHS_MAX);
    }
    for (uint32_t i = 0; i < group->lane_count; i++) {
        struct lane_mail_plan *mail = memory_calloc(1, sizeof *mail);
        mail->plan = lane_plan_ref(dealt);
        group_post(group, i, &mail->mail, LANE_MAIL_PLAN);
    }
    lane_remote_dealt(group, epoch);
    for (uint32_t i = 0; i < group->lane_count; i++) {
        struct lane_mail_read *mail = memory_calloc(1, sizeof *mail);
        mail->epoch = epoch;
        group_post(group, i, &mail->mail, LANE_MAIL_READ);
    }
    lane_plan_unref(dealt);
    return STATUS_OK;
}

static enum status group_watermark(struct dataflow *flow, uint64_t epoch, const Foreset__Watermark *watermark,
                                   struct error *err)
{
    struct lane_group *group = group_of(flow);
    enum status status = group_check(group, epoch, 0, err);
    for (size_t i = 0; status == STATUS_OK && i < watermark->n_items; i++)
        status = group_check(group, epoch, watermark->items[i]->table, err);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < group->lane_count; i++) {
        struct lane_mail_watermark *mail = memory_calloc(1, sizeof *mail + watermark->n_items * sizeof mail->items[0]);
        mail->epoch = epoch;
        mail->count = (uint32_t)watermark->n_items;
        for (uint32_t k = 0; k < mail->count; k++) {
            mail->items[k].table = watermark->items[k]->table;
            mail->items[k].watermark_us = watermark->items[k]->watermark_us;
        }
        group_post(group, i, &mail->mail, LANE_MAIL_WATERMARK);
    }
    return STATUS_OK;
}

static struct group_epoch *group_epoch_of(struct lane_group *group, uint64_t epoch)
{
    struct group_epoch *slot = &group->epochs[epoch % LANE_EPOCHS_MAX];
    ASSERT(slot->epoch == epoch);
    return slot;
}

// Events go out under the lock, so that those of two epochs cannot overtake each other. notify only posts.
void lane_group_measured(struct lane_group *group, struct lane_epoch *report)
{
    pthread_mutex_lock(&group->lock);
    if (!group->failed && !group->closing) {
        struct group_epoch *epoch = group_epoch_of(group, report->epoch);
        for (uint32_t i = 0; i < group->plan->n_nodes; i++) {
            struct lane_maximum *from = &report->maxima[i], *to = &epoch->maxima[i];
            if (from->found && (!to->found || from->event_time_us > to->event_time_us)) *to = *from;
        }
        for (uint32_t t = 0; t < group->plan->n_tables; t++) epoch->took_part[t] = report->tables[t].takes_part;
        if (++epoch->measured == group->lane_count) {
            Foreset__ReadDone *read_done = lane_report_read_done(group, epoch);
            group_notify(group, DATAFLOW_READ_DONE, epoch->epoch, read_done, NULL, NULL);
        }
    }
    pthread_mutex_unlock(&group->lock);
}

void lane_group_frozen(struct lane_group *group, uint32_t lane, struct lane_epoch *report)
{
    pthread_mutex_lock(&group->lock);
    if (group->failed || group->closing) {
        lane_epoch_deinit(report, group->plan);
    } else {
        struct group_epoch *epoch = group_epoch_of(group, report->epoch);
        ASSERT(epoch->reports[lane].epoch == 0);
        epoch->reports[lane] = *report;
        memset(report, 0, sizeof *report);
        if (++epoch->frozen == group->lane_count) {
            lane_report_record(group, epoch);
            struct dataflow_frozen *frozen = lane_report_frozen(group, epoch);
            uint64_t number = epoch->epoch;
            group_epoch_clear(group, epoch);
            group_notify(group, DATAFLOW_FROZEN, number, NULL, frozen, NULL);
        }
    }
    pthread_mutex_unlock(&group->lock);
}

void lane_group_fail(struct lane_group *group, const struct error *err)
{
    pthread_mutex_lock(&group->lock);
    bool first = !group->failed && !group->closing;
    group->failed = true;
    if (first) group_notify(group, DATAFLOW_FAILED, err->epoch, NULL, NULL, err);
    pthread_mutex_unlock(&group->lock);
}

static const struct dataflow_ops group_ops = {
    .close = group_close,
    .plan = group_plan,
    .watermark = group_watermark,
    .receive = lane_remote_receive,
    .reroute = lane_move,
    .counters = lane_remote_counters,
};

static Foreset__Plan *plan_copy(const Foreset__Plan *plan)
{
    size_t size = foreset__plan__get_packed_size(plan);
    uint8_t *packed = memory_alloc(size);
    foreset__plan__pack(plan, packed);
    Foreset__Plan *copy = foreset__plan__unpack(NULL, size, packed);
    memory_free(packed);
    ASSERT(copy);
    return copy;
}

static Foreset__Manifest *manifest_copy(const Foreset__Manifest *manifest)
{
    size_t size = foreset__manifest__get_packed_size(manifest);
    uint8_t *packed = memory_alloc(size);
    foreset__manifest__pack(manifest, packed);
    Foreset__Manifest *copy = foreset__manifest__unpack(NULL, size, packed);
    memory_free(packed);
    ASSERT(copy);
    return copy;
}

// Credits and waiting rows take a sixteenth of the memory each at most, down to what a few batches need.
static void group_limits(struct lane_group *group, uint64_t limit)
{
    uint64_t channels = (uint64_t)group->exchange_count * group->lane_count * group->routing->lanes * 2 + 1;
    uint64_t credit = limit ? limit / 16 / channels : LANE_CREDIT_MAX_BYTES;
    uint64_t held = limit ? limit / 16 / group->lane_count : LANE_HELD_MAX_BYTES;
    if (credit > LANE_CREDIT_MAX_BYTES) credit = LANE_CREDIT_MAX_BYTES;
    if (held > LANE_HELD_MAX_BYTES) held = LANE_HELD_MAX_BYTES;
    group->credit_bytes = credit < LIMIT_MIN_BYTES ? LIMIT_MIN_BYTES : credit;
    lane_remote_limits(group);
    group->held_bytes_max = held < LIMIT_MIN_BYTES ? LIMIT_MIN_BYTES : held;
}

// Cumulative maxima and update mode's open files go on from the manifest; credits hang on how many lanes there are.
void lane_group_continue(struct lane_group *group, const Foreset__Manifest *from)
{
    Foreset__Manifest *copy = from ? manifest_copy(from) : NULL;
    if (group->from) foreset__manifest__free_unpacked(group->from, NULL);
    group->args.from = group->from = copy;
    for (size_t i = 0; group->from && i < group->from->n_tables; i++) {
        const Foreset__TableEpoch *table = group->from->tables[i];
        ASSERT(table->table < group->plan->n_tables);
        for (size_t k = 0; k < table->n_maxima; k++) {
            uint32_t node = table->maxima[k]->node;
            if (node >= group->plan->n_nodes) continue;
            group->maxima[node] =
                (struct lane_maximum){.found = true, .event_time_us = table->maxima[k]->event_time_us};
        }
    }
    lane_report_continue(group);
    group_limits(group, group->args.budget ? group->args.budget->limit_bytes : 0);
}

// What shares are cut from: the memory without what the process has taken for itself.
static uint64_t group_memory(const struct budget *budget)
{
    if (!budget || !budget->limit_bytes) return 0;
    uint64_t used = budget->used_bytes;
    return used < budget->limit_bytes / 2 ? budget->limit_bytes - used : budget->limit_bytes / 2;
}

// Takes the routing.
static struct lane_group *group_create(const struct dataflow_open_args *args, const struct lane_group_options *options,
                                       struct exchange_routing *routing)
{
    struct lane_group *group = memory_calloc(1, sizeof *group);
    group->base.ops = &group_ops;
    group->args = *args;
    group->options = *options;
    pthread_mutex_init(&group->lock, NULL);
    group->lates = lane_lates_create();
    pthread_mutex_init(&group->gate, NULL);
    group->dealt = args->from ? args->from->epoch : 0;
    group->plan = plan_copy(args->plan);
    group->args.plan = group->plan;
    group->args.from = NULL;
    group->routing = routing;
    group->lane_count = routing->lane_count;
    group->args.routing = NULL;
    group->record = getenv("FORESET_RECORD");
    uint64_t limit = group_memory(args->budget);
    uint64_t whole = args->budget ? args->budget->limit_bytes : 0;
    budget_init(&group->state_budget, "state", args->budget, limit / STATE_BUDGET_SHARE);
    budget_init(&group->source_budget, "sources", args->budget, whole);
    budget_init(&group->exchange_budget, "exchange", args->budget, whole);
    budget_init(&group->writer_budget, "writers", args->budget, whole);
    uint32_t sources = 0;
    for (size_t i = 0; i < group->plan->n_nodes; i++) {
        const Foreset__Node *node = group->plan->nodes[i];
        if (node->kind == FORESET__NODE__KIND__EXCHANGE) group->exchange_count++;
        sources += node->kind == FORESET__NODE__KIND__SOURCE && !plan_source_is_fill(node);
    }
    group->queue_bytes_max = SOURCE_QUEUE_MAX;
    if (limit && sources) {
        uint64_t share = limit / SOURCE_BUDGET_SHARE / sources / group->lane_count;
        if (share < group->queue_bytes_max)
            group->queue_bytes_max = share > SOURCE_QUEUE_MIN ? share : SOURCE_QUEUE_MIN;
    }
    group->maxima = memory_calloc(group->plan->n_nodes + 1, sizeof *group->maxima);
    group->open = memory_calloc(group->plan->n_tables + 1, sizeof *group->open);
    group->rewrite = memory_calloc(group->plan->n_tables + 1, sizeof *group->rewrite);
    group->records = memory_calloc(group->plan->n_tables + 1, sizeof *group->records);
    group->lanes = memory_calloc(group->lane_count, sizeof *group->lanes);
    lane_group_continue(group, args->from);
    for (uint32_t i = 0; i < group->lane_count; i++) lane_init(&group->lanes[i], group, i);
    return group;
}

enum status lane_group_open_with(const struct dataflow_open_args *args, const struct lane_group_options *options,
                                 struct dataflow **ret_flow, struct error *err)
{
    struct exchange_routing *routing = NULL;
    uint32_t lanes = args->lanes ? args->lanes : 1, shards = args->plan->shards;
    enum status status = plan_check(args->plan, err);
    if (status == STATUS_OK && args->from) status = plan_check_manifest(args->plan, args->from, err);
    if (status != STATUS_OK) return status;
    if (args->routing) {
        status = exchange_routing_create(args->routing, args->worker_index, lanes, shards, &routing, err);
        if (status != STATUS_OK) return status;
    } else {
        routing = exchange_routing_alone(lanes, shards);
    }
    uint8_t *owned = NULL;
    struct lane_group *group = group_create(args, options, routing);
    for (uint32_t i = 0; i < group->lane_count; i++) TRY(lane_open(&group->lanes[i], err));
    lane_remote_open(group);
    owned = memory_calloc(exchange_routing_set_size(shards), 1);
    for (uint32_t shard = 0; shard < shards; shard++) {
        if (exchange_routing_is_here(routing, routing->shard_lanes[shard])) exchange_routing_put(owned, shard);
    }
    TRY(lane_load(group, owned, err));
    memory_free(owned);
    lane_group_start(group);
    *ret_flow = &group->base;
    return STATUS_OK;
out:
    memory_free(owned);
    group_destroy(group);
    return status;
}

enum status lane_group_open(const struct dataflow_open_args *args, struct dataflow **ret_flow, struct error *err)
{
    return lane_group_open_with(args, &(struct lane_group_options){0}, ret_flow, err);
}

void lane_group_beat(struct dataflow *flow)
{
    group_of(flow)->lanes[0].beat_us = 0;
    lane_remote_beat(&group_of(flow)->lanes[0]);
}

bool lane_group_step(struct dataflow *flow, uint32_t lane)
{
    ASSERT(group_of(flow)->options.stepped);
    return lane_step(&group_of(flow)->lanes[lane]);
}
