// One lane: serves its mailbox, else polls the sources of the epoch it reads (P14: it never blocks in a send).
// Two epochs run at once: read to its ends, epoch e's marker goes behind it and e+1 is read as soon as it is planned.
// Any failure is reported to the group once; the lane then only empties its mailbox until it is stopped.
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "worker/expr/expr.h"
#include "worker/lane/lane_private.h"

void lane_route(struct lane *lane)
{
    const struct exchange_routing *routing = lane->group->routing;
    struct operator_host *host = &lane->host;
    host->lane = routing->lane_first + lane->index;
    host->lanes = routing->lanes;
    host->shard_lanes = routing->shard_lanes;
    host->shard_count = 0;
    for (uint32_t shard = 0; shard < routing->shards; shard++) {
        bool ours = routing->shard_lanes[shard] == host->lane;
        host->shard_slots[shard] = ours ? host->shard_count++ : OPERATOR_NO_SLOT;
    }
}

void lane_init(struct lane *lane, struct lane_group *group, uint32_t index)
{
    lane->group = group;
    lane->index = index;
    mailbox_init(&lane->mailbox);
    if (group->options.seed) {
        random_init(&lane->random, group->options.seed + group->routing->lane_first + index);
    } else {
        random_init_system(&lane->random);
    }
    lane->last_planned = group->from ? group->from->epoch : 0;
    lane->reading = lane->last_planned + 1;
    struct operator_host *host = &lane->host;
    host->plan = group->plan;
    host->from = group->from;
    host->rewrite = group->rewrite;
    host->shard_slots = memory_calloc(group->plan->shards, sizeof *host->shard_slots);
    lane_route(lane);
    host->generation = group->args.generation;
    host->incarnation = group->args.incarnation;
    host->hash_seed = group->args.hash_seed;
    host->budget = group->args.budget;
    uint64_t memory_bytes = group->args.budget ? group->args.budget->limit_bytes : 0;
    expr_bound_init(&lane->bound, group->args.budget, memory_bytes, group->lane_count);
    host->bound = &lane->bound;
    host->state_budget = &group->state_budget;
    host->writer_budget = &group->writer_budget;
    host->random = &lane->random;
    host->record = group->record != NULL;
    host->table_store = group->args.table_store;
    host->store_context = group->args.context;
    host->lane_context = lane;
}

static const Foreset__TableEpoch *table_from(const Foreset__Manifest *from, uint32_t table)
{
    for (size_t i = 0; from && i < from->n_tables; i++) {
        if (from->tables[i]->table == table) return from->tables[i];
    }
    return NULL;
}

void lane_channels(struct lane *lane)
{
    lane->channel_count = lane->group->exchange_count * lane->host.lanes;
    lane->channels = memory_calloc(lane->channel_count + (size_t)1, sizeof *lane->channels);
    lane->inlets = memory_calloc(lane->channel_count + (size_t)1, sizeof *lane->inlets);
    lane_query_open(lane);
}

enum status lane_open(struct lane *lane, struct error *err)
{
    const Foreset__Plan *plan = lane->group->plan;
    lane->clocks = memory_calloc(plan->n_tables + 1, sizeof *lane->clocks);
    for (uint32_t t = 0; t < plan->n_tables; t++) {
        lane_clock_init(&lane->clocks[t], plan->tables[t], table_from(lane->group->from, t), lane->reading);
    }
    lane_channels(lane);
    lane->sources = memory_calloc(plan->n_nodes + 1, sizeof *lane->sources);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        if (plan->nodes[i]->kind != FORESET__NODE__KIND__SOURCE) continue;
        lane->sources[lane->source_count].node = i;
        lane->sources[lane->source_count++].done = true;
    }
    return lane_graph_open(lane, err);
}

void lane_epoch_deinit(struct lane_epoch *epoch, const Foreset__Plan *plan)
{
    for (size_t i = 0; i < epoch->parts.count; i++) {
        buffer_unref(epoch->parts.items[i].bytes);
        if (epoch->parts.items[i].late) epoch->parts.items[i].late->destroy(epoch->parts.items[i].late);
        memory_free(epoch->parts.items[i].meta.key);
        memory_free(epoch->parts.items[i].meta.operator_);
        memory_free(epoch->parts.items[i].meta.shards.data);
    }
    for (size_t i = 0; i < epoch->ranges.count; i++) foreset__range__free_unpacked(epoch->ranges.items[i], NULL);
    for (uint32_t t = 0; epoch->outputs && t < plan->n_tables; t++) {
        struct operator_frozen frozen = {.table = epoch->outputs[t]};
        operator_frozen_deinit(&frozen);
    }
    vector_deinit(&epoch->parts);
    vector_deinit(&epoch->ranges);
    lane_plan_unref(epoch->plan);
    memory_free(epoch->tables);
    memory_free(epoch->maxima);
    memory_free(epoch->rows_in);
    memory_free(epoch->emitted);
    memory_free(epoch->states);
    for (size_t i = 0; epoch->counts && i < epoch->table_count; i++) memory_free(epoch->counts[i].violations);
    memory_free(epoch->counts);
    memory_free(epoch->outputs);
    memset(epoch, 0, sizeof *epoch);
}

// A mail that nobody serves.
void lane_mail_free(struct mail *mail)
{
    if (mail->kind == LANE_MAIL_PLAN) lane_plan_unref(((struct lane_mail_plan *)mail)->plan);
    if (mail->kind == LANE_MAIL_BATCH) batch_unref(((struct lane_mail_batch *)mail)->batch);
    memory_free(mail);
}

static void lane_close_sources(struct lane *lane)
{
    for (uint32_t i = 0; i < lane->source_count; i++) {
        if (lane->sources[i].source) lane->sources[i].source->ops->close(lane->sources[i].source);
        lane->sources[i].source = NULL;
    }
}

void lane_deinit(struct lane *lane)
{
    struct mail *mail;
    while ((mail = mailbox_poll(&lane->mailbox))) {
        lane_mail_free(mail);
    }
    lane_query_close(lane);
    lane_graph_close(lane);
    lane_close_sources(lane);
    for (uint32_t i = 0; i < LANE_EPOCHS_MAX; i++) lane_epoch_deinit(&lane->epochs[i], lane->group->plan);
    memory_free(lane->sources);
    memory_free(lane->clocks);
    memory_free(lane->channels);
    memory_free(lane->inlets);
    text_deinit(&lane->frame);
    memory_free(lane->host.shard_slots);
    mailbox_deinit(&lane->mailbox);
}

struct lane_epoch *lane_epoch_find(struct lane *lane, uint64_t epoch)
{
    struct lane_epoch *slot = &lane->epochs[epoch % LANE_EPOCHS_MAX];
    return slot->epoch == epoch ? slot : NULL;
}

// ---- facts that come by mail ----
static bool range_has_input(const Foreset__Range *range)
{
    return range->n_files > 0 || (range->has_from && range->has_to && range->to > range->from);
}

// On whichever worker: the plan names every source that reads, its ranges are this worker's alone.
static bool table_has_input(const Foreset__Table *table, const Foreset__EpochPlan *plan)
{
    for (size_t i = 0; i < plan->n_sources; i++) {
        for (size_t s = 0; s < table->n_sources; s++) {
            if (plan->sources[i] == table->sources[s]) return true;
        }
    }
    for (size_t i = 0; i < plan->n_ranges; i++) {
        for (size_t s = 0; s < table->n_sources; s++) {
            if (plan->ranges[i]->source == table->sources[s] && range_has_input(plan->ranges[i])) return true;
        }
    }
    return false;
}

static enum status lane_serve_plan(struct lane *lane, struct lane_plan *plan, struct error *err)
{
    const Foreset__Plan *pipeline = lane->group->plan;
    struct lane_epoch *slot = &lane->epochs[plan->epoch % LANE_EPOCHS_MAX];
    if (slot->epoch != 0 || plan->epoch != lane->last_planned + 1) {
        uint64_t epoch = plan->epoch;
        lane_plan_unref(plan);
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                         "epoch %llu was planned after %llu, with at most %u not frozen", (unsigned long long)epoch,
                         (unsigned long long)lane->last_planned, LANE_EPOCHS_MAX);
    }
    lane->last_planned = plan->epoch;
    slot->epoch = plan->epoch;
    slot->plan = plan;
    slot->tables = memory_calloc(pipeline->n_tables + 1, sizeof *slot->tables);
    slot->maxima = memory_calloc(pipeline->n_nodes + 1, sizeof *slot->maxima);
    slot->rows_in = memory_calloc(pipeline->n_tables + 1, sizeof *slot->rows_in);
    slot->emitted = memory_calloc(pipeline->n_tables + 1, sizeof *slot->emitted);
    slot->states = memory_calloc(pipeline->n_nodes + 1, sizeof *slot->states);
    slot->counts = memory_calloc(pipeline->n_tables + 1, sizeof *slot->counts);
    slot->table_count = pipeline->n_tables;
    slot->outputs = memory_calloc(pipeline->n_tables + 1, sizeof *slot->outputs);
    for (uint32_t t = 0; t < pipeline->n_tables; t++) {
        slot->tables[t].planned_input = table_has_input(pipeline->tables[t], plan->plan);
        slot->tables[t].plan_publishes = !pipeline->tables[t]->has_interval_us;
    }
    for (size_t i = 0; i < plan->plan->n_tables; i++) {
        uint32_t table = plan->plan->tables[i]->table;
        ASSERT(table < pipeline->n_tables);
        slot->tables[table].plan_publishes = plan->plan->tables[i]->publishes;
    }
    return STATUS_OK;
}

static enum status lane_serve_watermark(struct lane *lane, const struct lane_mail_watermark *mail, struct error *err)
{
    struct lane_epoch *epoch = lane_epoch_find(lane, mail->epoch);
    if (!epoch && mail->epoch <= lane->last_planned) return STATUS_OK; // frozen already: nothing waited for it
    if (!epoch) {
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                         "a watermark came for epoch %llu, which does not run", (unsigned long long)mail->epoch);
    }
    for (uint32_t t = 0; t < lane->group->plan->n_tables; t++) epoch->tables[t].has_watermark = true;
    for (uint32_t i = 0; i < mail->count; i++) {
        ASSERT(mail->items[i].table < lane->group->plan->n_tables);
        epoch->tables[mail->items[i].table].candidate_us = mail->items[i].watermark_us;
    }
    return STATUS_OK;
}

static void lane_serve_emitted(struct lane *lane, const struct lane_mail_emitted *mail)
{
    struct lane_epoch *epoch = lane_epoch_find(lane, mail->epoch);
    if (!epoch) return; // frozen already: an early word that was not needed
    struct clock_epoch *table = &epoch->tables[mail->table];
    table->emitted_rows += mail->rows; // an early 1 is counted twice: only zero or not matters
    if (mail->final) table->emitted_final++;
}

// Clocks go on as far as facts are there; then nodes that waited for them.
static enum status lane_clocks_advance(struct lane *lane, struct error *err)
{
    bool any = false, again = true;
    while (again) {
        again = false;
        for (uint32_t t = 0; t < lane->group->plan->n_tables; t++) {
            struct table_clock *clock = &lane->clocks[t];
            struct lane_epoch *epoch = lane_epoch_find(lane, clock->next_epoch);
            if (!epoch || !lane_clock_resolve(clock, epoch->plan->plan, epoch->tables, t, lane->host.lanes)) continue;
            again = any = true;
        }
    }
    if (!any) return STATUS_OK;
    enum status status = lane_graph_resume(lane, err);
    for (uint32_t i = 0; status == STATUS_OK && i < LANE_EPOCHS_MAX; i++) {
        if (lane->epochs[i].epoch) status = lane_check_reports(lane, &lane->epochs[i], err);
    }
    return status;
}

enum status lane_check_reports(struct lane *lane, struct lane_epoch *epoch, struct error *err)
{
    (void)err;
    if (!epoch->reported && epoch->measured == lane->measure_count) {
        bool resolved = true;
        for (uint32_t t = 0; t < lane->group->plan->n_tables; t++) resolved = resolved && epoch->tables[t].resolved;
        if (resolved) {
            epoch->reported = true;
            lane_group_measured(lane->group, epoch);
        }
    }
    if (epoch->reported && epoch->frozen == lane->node_count) {
        lane_stop_end(lane, epoch);
        lane_group_frozen(lane->group, lane->index, epoch);
    }
    return STATUS_OK;
}

bool lane_stop_begin(struct lane *lane)
{
    if (lane->stop_us != 0) return false;
    lane->stop_us = clock_boot_us(clock_system());
    lane->stop_cpu_ns = clock_thread_cpu_ns();
    return true;
}

void lane_stop_end(struct lane *lane, struct lane_epoch *epoch)
{
    if (lane->stop_us == 0) return;
    if (epoch) {
        epoch->stop_us += clock_boot_us(clock_system()) - lane->stop_us;
        epoch->stop_cpu_ns += clock_thread_cpu_ns() - lane->stop_cpu_ns;
    }
    lane->stop_us = 0;
}

static enum status lane_serve(struct lane *lane, struct mail *mail, struct error *err)
{
    switch ((enum lane_mail_kind)mail->kind) {
    case LANE_MAIL_PLAN: {
        enum status status = lane_serve_plan(lane, ((struct lane_mail_plan *)mail)->plan, err);
        return status == STATUS_OK ? lane_clocks_advance(lane, err) : status;
    }
    case LANE_MAIL_WATERMARK: {
        enum status status = lane_serve_watermark(lane, (struct lane_mail_watermark *)mail, err);
        return status == STATUS_OK ? lane_clocks_advance(lane, err) : status;
    }
    case LANE_MAIL_BATCH:
    case LANE_MAIL_MARKER: return lane_graph_receive(lane, (struct lane_mail_batch *)mail, err);
    case LANE_MAIL_EMITTED:
        lane_serve_emitted(lane, (struct lane_mail_emitted *)mail);
        return lane_clocks_advance(lane, err);
    case LANE_MAIL_ANSWER: return lane_query_answered(lane, (struct lane_mail_answer *)mail, err);
    case LANE_MAIL_READ: lane->released = ((struct lane_mail_read *)mail)->epoch; return STATUS_OK;
    case LANE_MAIL_STOP: lane->stopped = true; return STATUS_OK;
    }
    return STATUS_OK;
}

// ---- sources ----
static void lane_wake(void *context)
{
    struct lane *lane = context;
    mailbox_wake(&lane->mailbox);
}

static enum status source_begin(struct lane *lane, struct lane_source *source, struct lane_epoch *epoch,
                                struct error *err)
{
    const struct lane_share *share = &epoch->plan->shares[lane->index * epoch->plan->nodes + source->node];
    source->epoch = epoch->epoch;
    source->rows = 0;
    source->waiting = false;
    source->done = false;
    bool moved = source->moved;
    source->moved = false;
    if (share->count == 0 && moved && source->source) {
        source->source->ops->close(source->source);
        source->source = NULL;
    }
    if (share->count == 0) return STATUS_OK;
    if (!source->source) {
        struct source_open_args args = {.plan = lane->group->plan,
                                        .node = source->node,
                                        .lane = lane->host.lane,
                                        .budget = &lane->group->source_budget,
                                        .queue_bytes_max = lane->group->queue_bytes_max,
                                        .wake = lane_wake,
                                        .wake_context = lane};
        source_open opener = lane->group->options.source;
        if (!opener) opener = operator_table_source(lane->group->plan->nodes[source->node]->source);
        enum status status = opener(&args, &source->source, err);
        if (status != STATUS_OK) return status;
    }
    return source->source->ops->plan(source->source, epoch->epoch, share->ranges, share->count, err);
}

static void source_evidence(struct lane_source *source, struct lane_epoch *epoch)
{
    size_t count = 0;
    const Foreset__Range *const *ranges = source->source->ops->evidence(source->source, &count);
    for (size_t i = 0; i < count; i++) {
        size_t size = foreset__range__get_packed_size(ranges[i]);
        uint8_t *packed = memory_alloc(size);
        foreset__range__pack(ranges[i], packed);
        Foreset__Range *copy = foreset__range__unpack(NULL, size, packed);
        ASSERT(copy);
        memory_free(packed);
        vector_push(&epoch->ranges, copy);
    }
}

// Offsets of the epoch that held no record: Kafka's transaction markers, aborted records, what compaction removed.
static uint64_t source_empty(const struct lane *lane, const struct lane_source *source, const struct lane_epoch *epoch)
{
    const struct lane_share *share = &epoch->plan->shares[lane->index * epoch->plan->nodes + source->node];
    uint64_t offsets = 0;
    for (size_t i = 0; i < share->count; i++) {
        const Foreset__Range *range = share->ranges[i];
        if (!range->has_partition) return 0; // files
        offsets += (uint64_t)(range->to - range->from);
    }
    return offsets - source->rows;
}

static enum status source_end(struct lane *lane, struct lane_source *source, struct lane_epoch *epoch, bool read,
                              struct error *err)
{
    struct lane_node *node = &lane->nodes[source->node];
    source->done = true;
    if (read) epoch->counts[node->plan_node->table].offsets_empty += source_empty(lane, source, epoch);
    if (read) source_evidence(source, epoch);
    if (read && source->source->ops->malformed) {
        epoch->counts[node->plan_node->table].rows_malformed += source->source->ops->malformed(source->source);
    }
    enum status status = FAILPOINT("marker.before", err);
    if (status == STATUS_OK) status = lane_graph_marker(node, epoch->epoch, err);
    if (status == STATUS_OK) status = FAILPOINT("marker.after", err);
    if (status != STATUS_OK) return status;
    node->epoch++;
    epoch->measured++;
    epoch->frozen++;
    return lane_check_reports(lane, epoch, err);
}

static void lane_note_first_row(struct lane_group *group)
{
    int64_t none = 0;
    if (atomic_load_explicit(&group->first_row_us, memory_order_relaxed) != 0) return;
    atomic_compare_exchange_strong(&group->first_row_us, &none, clock_wall_us(clock_system()));
}

static bool lane_has_room(struct lane *lane)
{
    if (lane->held_bytes >= lane->group->held_bytes_max) return false;
    for (uint32_t i = 0; i < lane->channel_count; i++) {
        uint64_t credit = lane->group->lane_credits[i % lane->host.lanes];
        if (!exchange_has_credit(&lane->channels[i], lane->reading, credit)) return false;
    }
    return true;
}

// Rows that the source could not make leave the batch as rows do that an expression raised for. *batch: NULL if none
// is left.
static enum status source_settle(struct lane_node *node, struct lane_source *source, const struct lane_epoch *epoch,
                                 struct batch **batch, struct error *err)
{
    struct expr_errors *errors = source->source->ops->errors ? source->source->ops->errors(source->source) : NULL;
    if (!errors || errors->items.count == 0) return STATUS_OK;
    struct lane *lane = node->lane;
    struct operator op;
    struct batch *left = NULL;
    memset(&op, 0, sizeof op);
    enum status status = STATUS_OK;
    TRY(operator_init(&op, NULL, &lane->host, source->node, err));
    op.lane_node = node;
    op.epoch.epoch = epoch->epoch;
    op.epoch.timestamp_us = epoch->plan->plan->timestamp_us;
    TRY(operator_settle(&op, *batch, errors, &left, err));
    epoch->counts[node->plan_node->table].rows_dead += op.counts.rows_dead;
    epoch->counts[node->plan_node->table].rows_unaccounted -= op.counts.rows_dead;
    batch_unref(*batch);
    *batch = left;
out:
    operator_deinit(&op);
    return status;
}

// Reads a few batches of one source. *ret_any: something happened.
static enum status source_read(struct lane *lane, struct lane_source *source, struct lane_epoch *epoch, bool *ret_any,
                               struct error *err)
{
    const struct lane_share *share = &epoch->plan->shares[lane->index * epoch->plan->nodes + source->node];
    if (share->count == 0) {
        *ret_any = true;
        return source_end(lane, source, epoch, false, err);
    }
    uint32_t round = lane->group->routing->workers > 1 ? 1 : LANE_BATCHES_PER_ROUND; // others wait for answers
    for (uint32_t i = 0; i < round && (i == 0 || lane_has_room(lane)); i++) {
        enum source_result result = SOURCE_WAITING;
        struct batch *batch = NULL;
        enum status status = FAILPOINT("poll.before", err);
        if (status == STATUS_OK) status = source->source->ops->poll(source->source, epoch->epoch, &result, &batch, err);
        if (status != STATUS_OK) return status;
        source->waiting = result == SOURCE_WAITING;
        if (result == SOURCE_WAITING) return STATUS_OK;
        *ret_any = true;
        if (result == SOURCE_DONE) return source_end(lane, source, epoch, true, err);
        lane_note_first_row(lane->group);
        atomic_fetch_add_explicit(&lane->group->rows_in, batch->row_count, memory_order_relaxed);
        if (share->ranges[0]->n_files > 0) epoch->rows_read += batch->row_count;
        source->rows += batch->row_count;
        lane_graph_count_in(epoch, lane->nodes[source->node].plan_node->table, batch->row_count);
        status = source_settle(&lane->nodes[source->node], source, epoch, &batch, err);
        if (status == STATUS_OK && batch && batch->row_count)
            status = lane_graph_emit(&lane->nodes[source->node], batch, err);
        batch_unref(batch);
        if (status == STATUS_OK) status = FAILPOINT("poll.after", err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

// Whether the lane may go on reading. Without credit, or with too many rows that wait, it serves its mailbox meanwhile.
static enum status lane_may_read(struct lane *lane, bool *ret_may, struct error *err)
{
    *ret_may = lane->released >= lane->reading && lane_epoch_find(lane, lane->reading);
    if (!*ret_may || lane_has_room(lane)) {
        if (lane->stalled_us) {
            uint64_t stalled_us = (uint64_t)(clock_boot_us(clock_system()) - lane->stalled_us);
            atomic_fetch_add_explicit(&lane->group->stalled_us, stalled_us, memory_order_relaxed);
        }
        lane->stalled_us = 0;
        return STATUS_OK;
    }
    *ret_may = false;
    int64_t now_us = clock_boot_us(clock_system());
    if (lane->stalled_us == 0) lane->stalled_us = now_us;
    if (now_us - lane->stalled_us < LANE_STALL_US) return STATUS_OK;
    return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE,
                     "lane %u has read nothing of epoch %llu for %lld s: %llu bytes wait for earlier epochs, of %llu "
                     "allowed; give more --memory (P14)",
                     lane->host.lane, (unsigned long long)lane->reading, LANE_STALL_US / 1000000,
                     (unsigned long long)lane->held_bytes, (unsigned long long)lane->group->held_bytes_max);
}

static enum status lane_read(struct lane *lane, bool *ret_any, struct error *err)
{
    bool may;
    enum status allowed = lane_may_read(lane, &may, err);
    if (allowed != STATUS_OK || !may) return allowed;
    bool all_done = true;
    for (uint32_t i = 0; i < lane->source_count; i++) {
        struct lane_source *source = &lane->sources[i];
        if (source->epoch == lane->reading && source->done) continue; // the epoch may be frozen behind its last source
        struct lane_epoch *epoch = lane_epoch_find(lane, lane->reading);
        ASSERT(epoch);
        enum status status = STATUS_OK;
        if (source->epoch != lane->reading) status = source_begin(lane, source, epoch, err);
        if (status == STATUS_OK && !source->done) status = source_read(lane, source, epoch, ret_any, err);
        if (status != STATUS_OK) {
            if (err->epoch == 0) err->epoch = lane->reading;
            return error_prefix(err, "source %s", lane->group->plan->nodes[source->node]->source->name);
        }
        all_done = all_done && source->done;
    }
    if (all_done) {
        lane->reading++;
        *ret_any = true;
    }
    return STATUS_OK;
}

// What is short of memory is often not what takes it: the size of the state is always told.
static void lane_fail(struct lane *lane, const struct error *err)
{
    struct error told = *err;
    lane->failed = true;
    if (err->code == STATUS_NO_MEMORY && !strstr(err->message, "state of ")) {
        size_t used = strlen(told.message);
        snprintf(told.message + used, sizeof told.message - used, " (state takes %llu bytes of it)",
                 (unsigned long long)lane->group->state_budget.used_bytes);
    }
    lane_group_fail(lane->group, &told);
}

static void lane_take_mail(struct lane *lane, struct mail *mail)
{
    struct error err = {0};
    if (lane->failed) {
        if (mail->kind == LANE_MAIL_STOP) lane->stopped = true;
        lane_mail_free(mail);
        return;
    }
    if (lane_serve(lane, mail, &err) != STATUS_OK) lane_fail(lane, &err);
    memory_free(mail);
}

bool lane_step(struct lane *lane)
{
    bool any = false;
    struct mail *mail;
    while (!lane->stopped && (mail = mailbox_poll(&lane->mailbox))) {
        lane_take_mail(lane, mail);
        any = true;
    }
    if (lane->stopped || lane->failed) return any;
    struct error err = {0};
    if (lane_read(lane, &any, &err) != STATUS_OK) lane_fail(lane, &err);
    return any;
}

void *lane_run(void *argument)
{
    struct lane *lane = argument;
    bool beats = lane->index == 0 && lane->group->routing->workers > 1;
    while (!lane->stopped) {
        if (beats) lane_remote_beat(lane);
        if (lane_step(lane)) continue;
        // With an epoch to read, a wake that came before the wait costs a poll interval at most.
        bool reads = !lane->failed && lane->released >= lane->reading;
        struct mail *mail = mailbox_wait(&lane->mailbox, reads ? LANE_POLL_US : beats ? LANE_BEAT_US : -1);
        if (mail) lane_take_mail(lane, mail);
    }
    lane_close_sources(lane); // takes its time with Kafka: every lane at once
    return NULL;
}
