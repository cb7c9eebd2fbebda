// The plan's nodes on one lane. Batches are pushed from node to node by plain calls; a marker follows behind them.
//
// Where rows wait (P9): an input that has seen its marker holds what comes after, until the node has seen the marker of
// each input and passed its own; a node that tests by L or needs a batch's timestamp holds an epoch's rows until its
// table's clock has resolved the epoch before; a node with a batch of its own (stateful, TABLE) waits at the marker for
// this epoch's. lane_graph_resume lets go what may go on, whenever a clock has advanced. Fails with what operators fail
// with, and with RESTART_PIPELINE when rows come for an epoch that is not theirs.
#include "common/base/planted.h"
#include "worker/lane/lane_private.h"

static enum status node_drain(struct lane_node *node, struct error *err);

static bool node_clock_before(const struct lane_node *node)
{
    const struct table_clock *clock = &node->lane->clocks[node->plan_node->table];
    return clock->next_epoch >= node->epoch;
}

static enum status node_begin(struct lane_node *node, struct error *err)
{
    if (node->begun) return STATUS_OK;
    node->begun = true;
    if (!node->op) return STATUS_OK;
    struct lane *lane = node->lane;
    const struct table_clock *clock = &lane->clocks[node->plan_node->table];
    struct lane_epoch *epoch = lane_epoch_find(lane, node->epoch);
    ASSERT(epoch);
    const struct clock_epoch *resolved = &epoch->tables[node->plan_node->table];
    struct operator_epoch *at = &node->op->epoch;
    at->epoch = node->epoch;
    at->timestamp_us = epoch->plan->plan->timestamp_us;
    if (resolved->resolved) {
        at->batch = resolved->batch;
        at->late_us = FORESET_BUG("l-w-swapped") ? resolved->watermark_us : resolved->late_us;
        if (resolved->takes_part || resolved->open || resolved->publishes) at->timestamp_us = resolved->timestamp_us;
    } else if (node_clock_before(node)) {
        at->batch = lane_clock_batch(clock);
        at->late_us = lane_clock_late(clock);
        if (clock->open) at->timestamp_us = clock->timestamp_us;
    } else {
        ASSERT(!node->waits_for_rows);
    }
    return node->op->ops->begin ? node->op->ops->begin(node->op, err) : STATUS_OK;
}

static enum status node_take_batch(struct lane_node *node, uint32_t input, struct batch *batch, struct error *err)
{
    enum status status = node_begin(node, err);
    if (status != STATUS_OK) return status;
    if (!node->op) return lane_graph_emit(node, batch, err);
    if (!batch->tag) node->rows_in += batch->row_count; // else only keys, which another lane asks about
    return operator_give(node->op, input, batch, err);
}

// The innermost node knows in which epoch it failed: an error of the data is final only in its epoch's turn.
static enum status node_failed(enum status status, uint64_t epoch, struct error *err)
{
    if (status != STATUS_OK && err && err->epoch == 0) err->epoch = epoch;
    return status;
}

// Where the node's rows went. Behind an aggregate they are groups, not records. Shares may be less than zero: the lane
// that owns a key counts a late row that another one has read.
static void node_account(struct lane_node *node, struct operator_counts *counts)
{
    uint64_t passed = node->plan_node->kind == FORESET__NODE__KIND__TABLE ? node->rows_out : 0;
    bool groups = node->op->ops->difference == OPERATOR_GROUPS;
    uint64_t gone = node->rows_in - (groups ? 0 : node->rows_out) - counts->rows_late - counts->rows_dead;
    node->rows_in = node->rows_out = 0;
    if (node->op->above_aggregate) return;
    switch (node->op->ops->difference) {
    case OPERATOR_FILTERS: counts->rows_filtered += gone; break;
    case OPERATOR_DROPS_DUPLICATES: counts->rows_duplicate += gone; break;
    case OPERATOR_GROUPS: counts->rows_grouped += gone; break;
    case OPERATOR_PASSES_ALL:
    case OPERATOR_COUNTS_ITSELF: break;
    }
    counts->rows_unaccounted -= counts->rows_filtered + counts->rows_duplicate + counts->rows_grouped +
                                counts->rows_late + counts->rows_dead + passed - counts->rows_expanded;
}

static void node_collect(struct lane_node *node, struct lane_epoch *epoch)
{
    struct operator_counts *from = &node->op->counts, *to = &epoch->counts[node->plan_node->table];
    node_account(node, from);
    to->rows_late += from->rows_late;
    to->rows_dead += from->rows_dead;
    to->rows_malformed += from->rows_malformed;
    to->rows_violated += from->rows_violated;
    size_t constraints = node->lane->host.plan->tables[node->plan_node->table]->n_constraints;
    if (!to->violations) {
        to->violations = from->violations;
    } else if (from->violations) {
        for (size_t i = 0; i < constraints; i++) to->violations[i] += from->violations[i];
        memory_free(from->violations);
    }
    to->rows_filtered += from->rows_filtered;
    to->rows_duplicate += from->rows_duplicate;
    to->rows_grouped += from->rows_grouped;
    to->rows_expanded += from->rows_expanded;
    to->rows_unaccounted += from->rows_unaccounted;
    memset(from, 0, sizeof *from);
}

// A part covers all of its lane's shards: as a range, or as a set where they are none.
static void part_shards(const struct operator_host *host, Foreset__SnapshotPart *part)
{
    uint32_t shards = host->plan->shards;
    part->shard_first = shards;
    for (uint32_t shard = 0; shard < shards; shard++) {
        if (host->shard_slots[shard] == OPERATOR_NO_SLOT) continue;
        if (part->shard_first == shards) part->shard_first = shard;
        part->shard_last = shard;
    }
    if (host->shard_count > 0 && part->shard_last - part->shard_first + 1 == host->shard_count) return;
    part->has_shards = true;
    part->shards.len = exchange_routing_set_size(shards);
    part->shards.data = memory_calloc(part->shards.len, 1);
    for (uint32_t shard = 0; shard < shards; shard++) {
        if (host->shard_slots[shard] != OPERATOR_NO_SLOT) exchange_routing_put(part->shards.data, shard);
    }
}

static enum status node_freeze(struct lane_node *node, struct lane_epoch *epoch, struct error *err)
{
    struct operator* op = node->op;
    if (!op->ops->freeze) return STATUS_OK;
    struct operator_frozen frozen = {0};
    struct text name = {0};
    enum status status = STATUS_OK;
    TRY(op->ops->freeze(op, &frozen, err));
    epoch->states[node->plan_index] = frozen.entries;
    for (size_t i = 0; i < frozen.parts.count; i++) {
        struct operator_part *from = &frozen.parts.items[i];
        struct dataflow_part part = {.bytes = from->bytes, .size = from->size_bytes, .late = from->late};
        foreset__snapshot_part__init(&part.meta);
        part.meta.node = node->plan_index;
        part.meta.operator_ = memory_strdup(operator_name(op, &name));
        part.meta.key = memory_strdup("");
        part.meta.size_bytes = from->size_bytes;
        part.meta.is_base = from->is_base;
        part.meta.epoch = epoch->epoch;
        part_shards(op->host, &part.meta);
        part.meta.has_entries = true;
        part.meta.entries = from->entries;
        vector_push(&epoch->parts, part);
        from->bytes = NULL;
        from->late = NULL;
    }
    if (frozen.table) {
        ASSERT(!epoch->outputs[node->plan_node->table]);
        epoch->outputs[node->plan_node->table] = frozen.table;
        frozen.table = NULL;
    }
out:
    text_deinit(&name);
    operator_frozen_deinit(&frozen);
    return status;
}

// What a stateful table emitted goes to every lane: it decides whether tables behind take part (SQL.md, Batches 2).
static void lane_tell_emitted(struct lane *lane, uint64_t epoch, uint32_t table, uint64_t rows, bool final)
{
    struct lane_mail_emitted said = {
        .mail.kind = LANE_MAIL_EMITTED, .epoch = epoch, .table = table, .rows = rows, .final = final};
    for (uint32_t i = 0; i < lane->group->lane_count; i++) {
        struct lane_mail_emitted *mail = memory_alloc(sizeof *mail);
        *mail = said;
        mailbox_post(&lane->group->lanes[i].mailbox, &mail->mail);
    }
    lane_remote_emitted(lane, &said);
}

static bool stateful_table(const struct lane_node *node)
{
    return node->plan_node->kind == FORESET__NODE__KIND__TABLE &&
           node->lane->group->plan->tables[node->plan_node->table]->stateful;
}

static enum status node_marker_operator(struct lane_node *node, struct lane_epoch *epoch, struct error *err)
{
    struct operator* op = node->op;
    const struct clock_epoch *clock = &epoch->tables[node->plan_node->table];
    ASSERT(clock->resolved || !node->waits_at_marker);
    if (op->ops->on_marker) {
        struct operator_marker marker = {.epoch = node->epoch,
                                         .batch = clock->batch,
                                         .watermark_us = clock->watermark_us,
                                         .takes_part = clock->takes_part,
                                         .publishes = clock->publishes,
                                         .no_data = epoch->plan->plan->no_data,
                                         .timestamp_us = epoch->plan->plan->timestamp_us};
        enum status status = op->ops->on_marker(op, &marker, err);
        if (status != STATUS_OK) return status;
    }
    node_collect(node, epoch);
    return STATUS_OK;
}

static bool node_holds(const struct lane_node *node)
{
    for (uint32_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i].head < node->inputs[i].items.count) return true;
    }
    return false;
}

// A DEDUP has passed an epoch: others get no more answers in it, and those that came for the next may be used.
static enum status node_answered(struct lane_node *node, uint64_t epoch, struct error *err)
{
    const struct lane_node *input = &node->lane->nodes[node->plan_node->inputs[0]];
    if (input->plan_node->kind != FORESET__NODE__KIND__EXCHANGE) return STATUS_OK;
    lane_remote_answered(node->lane, input->exchange, epoch);
    return lane_query_settle(node->lane, input->exchange, err);
}

// The marker of every input is there: emit, evict, forward, freeze (P11), then what has waited.
static enum status node_complete(struct lane_node *node, struct error *err)
{
    struct lane *lane = node->lane;
    struct lane_epoch *epoch = lane_epoch_find(lane, node->epoch);
    ASSERT(epoch);
    const struct clock_epoch *clock = &epoch->tables[node->plan_node->table];
    if (node->receiver && lane_query_pending(node)) return STATUS_OK; // not all answers are in
    if (node->waits_at_marker && !clock->resolved) return STATUS_OK;
    if (node->waits_for_rows && !node_clock_before(node)) return STATUS_OK;
    enum status status = STATUS_OK;
    uint64_t number = node->epoch;
    bool first = lane_stop_begin(lane);
    TRY(node_begin(node, err));
    if (node->receiver) lane_remote_settle(node, node->epoch);
    if (node->op) TRY(node_marker_operator(node, epoch, err));
    if (stateful_table(node)) {
        lane_tell_emitted(lane, node->epoch, node->plan_node->table, epoch->emitted[node->plan_node->table], true);
    }
    TRY(lane_graph_marker(node, node->epoch, err));
    if (node->op) TRY(node_freeze(node, epoch, err));
    if (node->plan_node->kind == FORESET__NODE__KIND__WATERMARK) epoch->measured++;
    epoch->frozen++;
    node->epoch++;
    node->begun = false;
    node->markers = 0;
    for (uint32_t i = 0; i < node->input_count; i++) node->inputs[i].at_marker = false;
    TRY(lane_check_reports(lane, epoch, err));
    bool rows = node_holds(node); // of the next epoch: no part of the stop
    if (first || rows) lane_stop_end(lane, lane_epoch_find(lane, number));
    if (node->plan_node->kind == FORESET__NODE__KIND__DEDUP) TRY(node_answered(node, number, err));
    TRY(node_drain(node, err));
    if (!first && rows) (void)lane_stop_begin(lane);
out:
    return node_failed(status, number, err);
}

enum status lane_graph_complete(struct lane_node *node, struct error *err)
{
    return node_complete(node, err);
}

static enum status node_process(struct lane_node *node, uint32_t input, struct lane_item *item, struct error *err)
{
    if (item->epoch != node->epoch && !FORESET_BUG("row-before-marker")) {
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                         "node %u: rows of epoch %llu came in epoch %llu (P9)", node->plan_index,
                         (unsigned long long)item->epoch, (unsigned long long)node->epoch);
    }
    if (item->batch) {
        enum status status = node_failed(node_take_batch(node, input, item->batch, err), node->epoch, err);
        if (item->channel && exchange_taken(item->channel, item->epoch, item->bytes, node->lane->group->credit_bytes)) {
            struct lane_group *group = node->lane->group;
            mailbox_wake(&group->lanes[item->sender - group->routing->lane_first].mailbox);
        }
        if (item->remote) lane_remote_taken(node, item);
        return status;
    }
    ASSERT(!node->inputs[input].at_marker);
    node->inputs[input].at_marker = true;
    node->markers++;
    return node->markers == node->input_count ? node_complete(node, err) : STATUS_OK;
}

static bool node_may_take(const struct lane_node *node, const struct lane_input *input, const struct lane_item *item)
{
    if (input->at_marker && !FORESET_BUG("row-before-marker")) return false;
    return !item->batch || !node->waits_for_rows || node_clock_before(node);
}

static enum status node_drain(struct lane_node *node, struct error *err)
{
    for (uint32_t i = 0; i < node->input_count; i++) {
        struct lane_input *input = &node->inputs[i];
        while (input->head < input->items.count && node_may_take(node, input, &input->items.items[input->head])) {
            struct lane_item item = input->items.items[input->head++];
            if (input->head == input->items.count) input->head = input->items.count = 0;
            if (!item.channel && !item.remote) node->lane->held_bytes -= item.bytes;
            enum status status = node_process(node, i, &item, err);
            batch_unref(item.batch);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

// Takes the item's batch.
static enum status node_push(struct lane_node *node, uint32_t at, struct lane_item *item, struct error *err)
{
    struct lane_input *input = &node->inputs[at];
    if (input->head == input->items.count && node_may_take(node, input, item)) {
        enum status status = node_process(node, at, item, err);
        batch_unref(item->batch);
        return status;
    }
    if (!item->channel && !item->remote && item->batch) {
        item->bytes = batch_bytes(item->batch);
        node->lane->held_bytes += item->bytes;
    }
    if (input->head > 64 && input->head * 2 > input->items.count) {
        input->items.count -= input->head;
        memmove(input->items.items, input->items.items + input->head, input->items.count * sizeof *input->items.items);
        input->head = 0;
    }
    vector_push(&input->items, *item);
    return STATUS_OK;
}

enum status lane_graph_resume(struct lane *lane, struct error *err)
{
    for (uint32_t i = 0; i < lane->node_count; i++) {
        struct lane_node *node = &lane->nodes[i];
        enum status status = STATUS_OK;
        if (node->input_count && node->markers == node->input_count) {
            status = node_complete(node, err);
        } else {
            status = node_drain(node, err);
        }
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

void lane_graph_count_in(struct lane_epoch *epoch, uint32_t table, uint64_t rows)
{
    epoch->rows_in[table] += rows;
    epoch->counts[table].rows_unaccounted += rows;
}

enum status lane_graph_emit(struct lane_node *node, struct batch *batch, struct error *err)
{
    ASSERT(batch->row_count > 0);
    struct lane *lane = node->lane;
    struct lane_epoch *epoch = lane_epoch_find(lane, node->epoch);
    ASSERT(epoch);
    if (stateful_table(node)) {
        uint64_t *emitted = &epoch->emitted[node->plan_node->table];
        if (*emitted == 0) lane_tell_emitted(lane, node->epoch, node->plan_node->table, 1, false);
        *emitted += batch->row_count;
    }
    node->rows_out += batch->row_count;
    bool copies = node->consumer_count > 1 && node->plan_node->kind != FORESET__NODE__KIND__TABLE;
    if (copies && !(node->op && node->op->above_aggregate)) {
        uint64_t rows = (node->consumer_count - 1) * (uint64_t)batch->row_count;
        epoch->counts[node->plan_node->table].rows_expanded += rows;
        epoch->counts[node->plan_node->table].rows_unaccounted += rows;
    }
    for (uint32_t i = 0; i < node->consumer_count; i++) {
        struct lane_node *consumer = &lane->nodes[node->consumers[i].node];
        if (node->plan_node->kind == FORESET__NODE__KIND__TABLE)
            lane_graph_count_in(epoch, consumer->plan_node->table, batch->row_count);
        struct lane_item item = {.epoch = node->epoch, .batch = batch_ref(batch)};
        enum status status = node_push(consumer, node->consumers[i].input, &item, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

// To one lane: its own end at once, others through their mailbox, another worker's as a frame.
static enum status lane_graph_send(struct operator* op, uint32_t target, struct batch *batch, struct error *err)
{
    struct lane_node *node = op->lane_node;
    struct lane *lane = node->lane;
    if (target == lane->host.lane) {
        struct lane_item item = {.epoch = node->epoch, .batch = batch_ref(batch)};
        uint32_t receiver = (uint32_t)lane->group->plan->n_nodes + node->exchange;
        return node_push(&lane->nodes[receiver], lane->host.lane, &item, err);
    }
    if (!exchange_routing_is_here(lane->group->routing, target)) return lane_remote_send(node, target, batch, err);
    struct exchange_channel *channel = &lane->channels[node->exchange * lane->host.lanes + target];
    struct lane_mail_batch *mail = memory_calloc(1, sizeof *mail);
    mail->mail.kind = LANE_MAIL_BATCH;
    mail->epoch = node->epoch;
    mail->exchange = node->exchange;
    mail->sender = lane->host.lane;
    mail->batches = channel->sent_batches;
    mail->credit_bytes = exchange_sent(channel, node->epoch, batch);
    mail->batch = batch_ref(batch);
    mailbox_post(&lane->group->lanes[target - lane->group->routing->lane_first].mailbox, &mail->mail);
    return STATUS_OK;
}

static enum status exchange_send_markers(struct lane_node *node, uint64_t epoch, struct error *err)
{
    struct lane *lane = node->lane;
    for (uint32_t target = 0; target < lane->host.lanes; target++) {
        if (target == lane->host.lane) continue;
        struct exchange_channel *channel = &lane->channels[node->exchange * lane->host.lanes + target];
        if (!exchange_routing_is_here(lane->group->routing, target)) {
            lane_remote_marker(node, target, epoch, channel);
            channel->sent_batches = channel->sent_rows = 0;
            continue;
        }
        struct lane_mail_batch *mail = memory_calloc(1, sizeof *mail);
        mail->mail.kind = LANE_MAIL_MARKER;
        mail->epoch = epoch;
        mail->exchange = node->exchange;
        mail->sender = lane->host.lane;
        mail->batches = channel->sent_batches;
        mail->rows = channel->sent_rows;
        channel->sent_batches = channel->sent_rows = 0;
        mailbox_post(&lane->group->lanes[target - lane->group->routing->lane_first].mailbox, &mail->mail);
    }
    struct lane_item item = {.epoch = epoch};
    uint32_t receiver = (uint32_t)lane->group->plan->n_nodes + node->exchange;
    return node_push(&lane->nodes[receiver], lane->host.lane, &item, err);
}

enum status lane_graph_marker(struct lane_node *node, uint64_t epoch, struct error *err)
{
    if (node->plan_node->kind == FORESET__NODE__KIND__EXCHANGE && !node->receiver) {
        return exchange_send_markers(node, epoch, err);
    }
    for (uint32_t i = 0; i < node->consumer_count; i++) {
        struct lane_item item = {.epoch = epoch};
        struct lane_node *consumer = &node->lane->nodes[node->consumers[i].node];
        enum status status = node_push(consumer, node->consumers[i].input, &item, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status lane_graph_receive(struct lane *lane, const struct lane_mail_batch *mail, struct error *err)
{
    struct lane_node *node = &lane->nodes[lane->group->plan->n_nodes + mail->exchange];
    struct exchange_inlet *inlet = &lane->inlets[mail->exchange * lane->host.lanes + mail->sender];
    struct lane_item item = {.epoch = mail->epoch, .batch = mail->batch, .sender = mail->sender};
    enum status status;
    if (mail->batch) {
        const struct lane_group *group = lane->group;
        status = exchange_seen(inlet, mail->batches, mail->batch->row_count, err);
        item.remote = mail->remote;
        item.bytes = mail->credit_bytes;
        if (!mail->remote) {
            struct lane *sender = &group->lanes[mail->sender - group->routing->lane_first];
            item.channel = &sender->channels[mail->exchange * lane->host.lanes + lane->host.lane];
        }
    } else {
        status = exchange_marker(inlet, mail->batches, mail->rows, err);
    }
    if (status != STATUS_OK) {
        batch_unref(mail->batch);
        return status;
    }
    return node_push(node, mail->sender, &item, err);
}

// ---- operators' way back into the lane ----
static enum status host_emit(struct operator* op, struct batch *batch, struct error *err)
{
    return lane_graph_emit(op->lane_node, batch, err);
}

static enum status host_dead(struct operator* op, const struct batch *batch, const struct expr_errors *errors,
                             struct error *err)
{
    struct lane_node *node = op->lane_node;
    struct lane *lane = node->lane;
    const Foreset__Table *table = lane->group->plan->tables[node->plan_node->table];
    struct operator* sink = lane->nodes[table->node].op;
    return table_operator_dead(sink, op->epoch.epoch, op->epoch.timestamp_us, batch, errors, err);
}

static void host_maximum(struct operator* op, int64_t event_time_us)
{
    struct lane_node *node = op->lane_node;
    struct lane_epoch *epoch = lane_epoch_find(node->lane, node->epoch);
    struct lane_maximum *maximum = &epoch->maxima[node->plan_index];
    if (!maximum->found || event_time_us > maximum->event_time_us) maximum->event_time_us = event_time_us;
    maximum->found = true;
}

// ---- building ----
static bool stateful_kind(enum _Foreset__Node__Kind kind)
{
    return kind == FORESET__NODE__KIND__DEDUP || kind == FORESET__NODE__KIND__AGGREGATE_FINAL ||
           kind == FORESET__NODE__KIND__LIMIT || kind == FORESET__NODE__KIND__SORT ||
           kind == FORESET__NODE__KIND__TABLE;
}

static bool clock_free_kind(enum _Foreset__Node__Kind kind)
{
    return kind == FORESET__NODE__KIND__SOURCE || kind == FORESET__NODE__KIND__WATERMARK ||
           kind == FORESET__NODE__KIND__UNION || kind == FORESET__NODE__KIND__EXCHANGE ||
           kind == FORESET__NODE__KIND__WINDOW;
}

static void node_init(struct lane *lane, uint32_t index, uint32_t plan_index)
{
    struct lane_node *node = &lane->nodes[index];
    const Foreset__Plan *plan = lane->group->plan;
    node->lane = lane;
    node->plan_index = plan_index;
    node->plan_node = plan->nodes[plan_index];
    node->receiver = index >= plan->n_nodes;
    node->epoch = lane->last_planned + 1;
    const Foreset__Table *table = plan->tables[node->plan_node->table];
    bool clocked = table->n_watermarks || table->n_stateful_inputs || table->has_interval_us || table->stateful;
    node->waits_at_marker = !node->receiver && stateful_kind(node->plan_node->kind);
    node->waits_for_rows = !node->receiver && clocked && !clock_free_kind(node->plan_node->kind);
    node->input_count = node->receiver ? lane->host.lanes : (uint32_t)node->plan_node->n_inputs;
    node->inputs = memory_calloc(node->input_count + (size_t)1, sizeof *node->inputs);
}

static void node_connect(struct lane *lane, struct lane_node *node)
{
    const Foreset__Plan *plan = lane->group->plan;
    bool sender = node->plan_node->kind == FORESET__NODE__KIND__EXCHANGE && !node->receiver;
    VECTOR(struct lane_edge) edges = {0};
    for (uint32_t i = 0; i < plan->n_nodes && !sender; i++) {
        for (uint32_t k = 0; k < plan->nodes[i]->n_inputs; k++) {
            struct lane_edge edge = {.node = i, .input = k};
            if (plan->nodes[i]->inputs[k] == node->plan_index) vector_push(&edges, edge);
        }
    }
    node->consumers = edges.items;
    node->consumer_count = (uint32_t)edges.count;
}

enum status lane_graph_open(struct lane *lane, struct error *err)
{
    const Foreset__Plan *plan = lane->group->plan;
    lane->host.emit = host_emit;
    lane->host.dead = host_dead;
    lane->host.maximum = host_maximum;
    lane->host.send = lane_graph_send;
    lane->host.answer = lane_remote_answer;
    lane->node_count = (uint32_t)plan->n_nodes + lane->group->exchange_count;
    lane->nodes = memory_calloc(lane->node_count, sizeof *lane->nodes);
    uint32_t exchange = 0;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        node_init(lane, i, i);
        enum _Foreset__Node__Kind kind = plan->nodes[i]->kind;
        if (kind == FORESET__NODE__KIND__SOURCE || kind == FORESET__NODE__KIND__WATERMARK) lane->measure_count++;
        if (kind != FORESET__NODE__KIND__EXCHANGE) continue;
        uint32_t receiver = (uint32_t)plan->n_nodes + exchange;
        node_init(lane, receiver, i);
        lane->nodes[i].exchange = lane->nodes[receiver].exchange = exchange++;
    }
    for (uint32_t i = 0; i < lane->node_count; i++) node_connect(lane, &lane->nodes[i]);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        enum status status = operator_table_open(&lane->host, i, &lane->nodes[i].op, err);
        if (status != STATUS_OK) return status;
        if (lane->nodes[i].op) lane->nodes[i].op->lane_node = &lane->nodes[i];
    }
    return STATUS_OK;
}

void lane_graph_close(struct lane *lane)
{
    for (uint32_t i = 0; lane->nodes && i < lane->node_count; i++) {
        struct lane_node *node = &lane->nodes[i];
        for (uint32_t k = 0; node->inputs && k < node->input_count; k++) {
            struct lane_input *input = &node->inputs[k];
            for (size_t at = input->head; at < input->items.count; at++) batch_unref(input->items.items[at].batch);
            vector_deinit(&input->items);
        }
        memory_free(node->inputs);
        memory_free(node->consumers);
        if (node->op) node->op->ops->close(node->op);
    }
    memory_free(lane->nodes);
    lane->nodes = NULL;
}
