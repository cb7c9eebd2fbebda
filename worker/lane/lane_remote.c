// Lanes of other workers (P2, P9, P14, P22). Out: a batch for such a lane is encoded into a frame and handed to the
// network; markers, what stateful tables emitted, credits given back. In, on the network's thread: a frame is checked,
// decoded within the budget and posted to its lane, or kept until the plan of its epoch has been dealt here; credits
// keep that short.
//
// A worker numbers its frames to each other one, and once a second says how many there were, so that a lost frame shows
// even where nothing follows it. What can fail: a gap, bytes that are no frame, a lane, exchange or epoch that cannot
// be: RESTART_PIPELINE. A frame of another generation or routing is dropped and counted, and so is one that came twice.
#include "common/base/clock.h"
#include "common/base/planted.h"
#include "common/columnar/batch_wire.h"
#include "worker/lane/lane_private.h"

// What one channel to or from another worker may have outstanding, by the routing alone, so that both ends know it.
static uint64_t channel_share(const struct lane_group *group, uint32_t worker)
{
    const struct exchange_routing *routing = group->routing;
    uint64_t lanes = 0;
    for (uint32_t i = 0; i < routing->lanes; i++) lanes += routing->lane_workers[i] == worker;
    return LANE_PEER_MAX_BYTES / (lanes * routing->lane_count * (group->exchange_count + 1ull) * 2);
}

void lane_remote_limits(struct lane_group *group)
{
    const struct exchange_routing *routing = group->routing;
    memory_free(group->lane_credits);
    group->lane_credits = memory_calloc(routing->lanes, sizeof *group->lane_credits);
    for (uint32_t i = 0; i < routing->lanes; i++) {
        group->lane_credits[i] = group->credit_bytes; // LIMIT_MIN_BYTES at least, which is 4 * LANE_OWED_MAX_BYTES
        if (routing->lane_workers[i] == routing->worker) continue;
        uint64_t share = channel_share(group, routing->lane_workers[i]);
        if (share < group->lane_credits[i]) group->lane_credits[i] = share;
    }
}

void lane_remote_open(struct lane_group *group)
{
    uint32_t workers = group->routing->workers;
    group->peers = memory_calloc(workers, sizeof *group->peers);
    for (uint32_t i = 0; i < workers; i++) {
        pthread_mutex_init(&group->peers[i].lock, NULL);
        uint64_t share = channel_share(group, i) / 4;
        group->peers[i].owed_max = share < LANE_OWED_MAX_BYTES ? share : LANE_OWED_MAX_BYTES;
    }
    if (group->exchange_types) return;
    group->exchange_types = memory_calloc(group->exchange_count + (size_t)1, sizeof *group->exchange_types);
    group->exchange_keys = memory_calloc(group->exchange_count + (size_t)1, sizeof *group->exchange_keys);
    for (uint32_t i = 0; i < group->exchange_count; i++) {
        const struct lane_node *receiver = &group->lanes[0].nodes[group->plan->n_nodes + i];
        group->exchange_types[i] = group->lanes[0].nodes[receiver->plan_index].op->inputs[0];
        group->exchange_keys[i] = lane_query_type(&group->lanes[0], i);
    }
}

void lane_remote_close(struct lane_group *group)
{
    for (uint32_t i = 0; group->peers && i < group->routing->workers; i++) pthread_mutex_destroy(&group->peers[i].lock);
    memory_free(group->peers);
    group->peers = NULL;
    for (size_t i = 0; i < group->waiting.count; i++) lane_mail_free(group->waiting.items[i].mail);
    vector_deinit(&group->waiting);
}

// ---- out ----
static void remote_post(struct lane_group *group, uint32_t worker, struct text *bytes, struct exchange_frame *frame)
{
    struct lane_peer *peer = &group->peers[worker];
    frame->generation = group->args.generation;
    frame->routing_version = group->routing->version;
    exchange_frame_seal(bytes, frame);
    pthread_mutex_lock(&peer->lock);
    exchange_frame_number(bytes, frame->kind == EXCHANGE_FRAME_BEAT ? peer->sent : peer->sent++);
    atomic_fetch_add_explicit(&group->frames_sent, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&group->bytes_sent, bytes->length, memory_order_relaxed);
    if (group->args.send) group->args.send(group->args.context, worker, bytes->data, bytes->length);
    pthread_mutex_unlock(&peer->lock);
}

// rows NULL: the batch crosses; else it is what is asked with, and the rows stay.
static enum status remote_send_rows(struct lane_node *node, uint32_t target, const struct batch *batch,
                                    struct batch *rows, uint32_t from, uint32_t count, struct error *err)
{
    struct lane *lane = node->lane;
    struct lane_group *group = lane->group;
    struct text *bytes = &lane->frame;
    enum status status = STATUS_OK;
    exchange_frame_begin(bytes);
    status = batch_wire_put(batch, from, count, bytes, err);
    bool large = status != STATUS_OK || bytes->length > LANE_FRAME_BYTES;
    if (large && count > 1) {
        TRY(remote_send_rows(node, target, batch, rows, from, count / 2, err));
        TRY(remote_send_rows(node, target, batch, rows, from + count / 2, count - count / 2, err));
        return STATUS_OK;
    }
    if (status == STATUS_OK && bytes->length > EXCHANGE_FRAME_BYTES_MAX) {
        status = error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "a row takes %zu bytes, %u at most", bytes->length,
                           EXCHANGE_FRAME_BYTES_MAX);
    }
    if (status != STATUS_OK) return error_prefix(err, "exchange between workers: ");
    struct exchange_channel *channel = &lane->channels[node->exchange * lane->host.lanes + target];
    struct exchange_frame frame = {.kind = rows ? EXCHANGE_FRAME_KEYS : EXCHANGE_FRAME_BATCH,
                                   .epoch = node->epoch,
                                   .exchange = node->exchange,
                                   .sender = lane->host.lane,
                                   .receiver = target,
                                   .batches = channel->sent_batches,
                                   .rows = count};
    exchange_sent_bytes(channel, node->epoch, count, bytes->length);
    atomic_fetch_add_explicit(&group->rows_sent, count, memory_order_relaxed);
    if (rows) lane_query_hold(lane, node->exchange, target, node->epoch, rows, from, count);
    remote_post(group, group->routing->lane_workers[target], bytes, &frame);
out:
    return status;
}

enum status lane_remote_send(struct lane_node *node, uint32_t target, struct batch *batch, struct error *err)
{
    if (batch->schema != node->op->inputs[0]) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "node %u: rows of type %s came where %s was planned",
                         node->plan_index, batch->schema->text, node->op->inputs[0]->text);
    }
    struct batch *keys = NULL;
    if (!node->lane->group->exchange_keys[node->exchange])
        return remote_send_rows(node, target, batch, NULL, 0, batch->row_count, err);
    enum status status = lane_query_keys(node->lane, node->exchange, batch, &keys, err);
    if (status == STATUS_OK) status = remote_send_rows(node, target, keys, batch, 0, batch->row_count, err);
    batch_unref(keys);
    return status;
}

enum status lane_remote_answer(struct operator* op, uint32_t lane_asked, const uint32_t *rows, uint32_t passed,
                               uint32_t count, struct error *err)
{
    (void)err;
    struct lane_node *node = op->lane_node;
    struct lane *lane = node->lane;
    uint32_t exchange = lane->nodes[node->plan_node->inputs[0]].exchange;
    struct exchange_frame frame = {.kind = EXCHANGE_FRAME_ANSWER,
                                   .epoch = node->epoch,
                                   .exchange = exchange,
                                   .sender = lane->host.lane,
                                   .receiver = lane_asked,
                                   .batches = passed,
                                   .rows = count};
    exchange_frame_begin(&lane->frame);
    size_t size = (count + (size_t)7) / 8;
    text_reserve(&lane->frame, size);
    uint8_t *bits = (uint8_t *)lane->frame.data + lane->frame.length;
    memset(bits, 0, size);
    for (uint32_t i = 0; i < passed; i++) bits[rows[i] >> 3] = (uint8_t)(bits[rows[i] >> 3] | 1u << (rows[i] & 7));
    lane->frame.length += size;
    remote_post(lane->group, lane->group->routing->lane_workers[lane_asked], &lane->frame, &frame);
    return STATUS_OK;
}

void lane_remote_marker(struct lane_node *node, uint32_t target, uint64_t epoch, const struct exchange_channel *channel)
{
    struct lane *lane = node->lane;
    struct exchange_frame frame = {.kind = EXCHANGE_FRAME_MARKER,
                                   .epoch = epoch,
                                   .exchange = node->exchange,
                                   .sender = lane->host.lane,
                                   .receiver = target,
                                   .batches = channel->sent_batches,
                                   .rows = channel->sent_rows};
    exchange_frame_begin(&lane->frame);
    remote_post(lane->group, lane->group->routing->lane_workers[target], &lane->frame, &frame);
}

void lane_remote_emitted(struct lane *lane, const struct lane_mail_emitted *mail)
{
    const struct exchange_routing *routing = lane->group->routing;
    for (uint32_t worker = 0; worker < routing->workers; worker++) {
        if (worker == routing->worker) continue;
        struct exchange_frame frame = {.kind = EXCHANGE_FRAME_EMITTED,
                                       .final = mail->final,
                                       .epoch = mail->epoch,
                                       .exchange = mail->table,
                                       .sender = lane->host.lane,
                                       .rows = mail->rows};
        exchange_frame_begin(&lane->frame);
        remote_post(lane->group, worker, &lane->frame, &frame);
    }
}

static void remote_credit(struct lane_node *node, uint32_t sender, uint64_t epoch)
{
    struct lane *lane = node->lane;
    struct exchange_inlet *inlet = &lane->inlets[node->exchange * lane->host.lanes + sender];
    struct exchange_frame frame = {.kind = EXCHANGE_FRAME_CREDIT,
                                   .epoch = epoch,
                                   .exchange = node->exchange,
                                   .sender = lane->host.lane,
                                   .receiver = sender,
                                   .rows = inlet->owed_bytes[epoch & 1]};
    inlet->owed_bytes[epoch & 1] = 0;
    atomic_fetch_add_explicit(&lane->group->credit_sent_bytes, frame.rows, memory_order_relaxed);
    if (FORESET_BUG("credit-kept")) return;
    exchange_frame_begin(&lane->frame);
    remote_post(lane->group, lane->group->routing->lane_workers[sender], &lane->frame, &frame);
}

void lane_remote_answered(struct lane *lane, uint32_t exchange, uint64_t epoch)
{
    const struct exchange_routing *routing = lane->group->routing;
    if (!lane->group->exchange_keys[exchange]) return;
    for (uint32_t asking = 0; asking < routing->lanes; asking++) {
        if (exchange_routing_is_here(routing, asking)) continue;
        struct exchange_frame frame = {.kind = EXCHANGE_FRAME_ANSWERED,
                                       .epoch = epoch,
                                       .exchange = exchange,
                                       .sender = lane->host.lane,
                                       .receiver = asking};
        exchange_frame_begin(&lane->frame);
        remote_post(lane->group, routing->lane_workers[asking], &lane->frame, &frame);
    }
}

void lane_remote_taken(struct lane_node *node, const struct lane_item *item)
{
    struct lane *lane = node->lane;
    struct exchange_inlet *inlet = &lane->inlets[node->exchange * lane->host.lanes + item->sender];
    inlet->owed_bytes[item->epoch & 1] += item->bytes;
    const struct lane_peer *peer = &lane->group->peers[lane->group->routing->lane_workers[item->sender]];
    if (inlet->owed_bytes[item->epoch & 1] >= peer->owed_max) remote_credit(node, item->sender, item->epoch);
}

void lane_remote_settle(struct lane_node *node, uint64_t epoch)
{
    struct lane *lane = node->lane;
    for (uint32_t sender = 0; sender < lane->host.lanes; sender++) {
        const struct exchange_inlet *inlet = &lane->inlets[node->exchange * lane->host.lanes + sender];
        if (inlet->owed_bytes[epoch & 1]) remote_credit(node, sender, epoch);
    }
}

void lane_remote_beat(struct lane *lane)
{
    int64_t now_us = clock_boot_us(clock_system());
    if (lane->beat_us && now_us - lane->beat_us < LANE_BEAT_US) return;
    lane->beat_us = now_us;
    for (uint32_t worker = 0; worker < lane->group->routing->workers; worker++) {
        if (worker == lane->group->routing->worker) continue;
        struct exchange_frame frame = {
            .kind = EXCHANGE_FRAME_BEAT, .sender = lane->group->routing->worker, .receiver = worker};
        exchange_frame_begin(&lane->frame);
        remote_post(lane->group, worker, &lane->frame, &frame);
    }
}

// ---- in ----
static enum status remote_impossible(const struct exchange_frame *frame, uint32_t worker, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                     "worker %u sent a frame of kind %u, epoch %llu, exchange %u, from lane %u to %u, which cannot be",
                     worker, frame->kind, (unsigned long long)frame->epoch, frame->exchange, frame->sender,
                     frame->receiver);
}

// Under the gate. *ret_take: it is the next one and of this attempt.
static enum status remote_accept(struct lane_group *group, uint32_t worker, const struct exchange_frame *frame,
                                 bool *ret_take, struct error *err)
{
    const struct exchange_routing *routing = group->routing;
    *ret_take = false;
    bool same = frame->routing_version == routing->version || FORESET_BUG("frame-routing-ignored");
    if (frame->generation != group->args.generation || !same) {
        group->dropped_old++;
        return STATUS_OK;
    }
    if (worker >= routing->workers || worker == routing->worker) return remote_impossible(frame, worker, err);
    struct lane_peer *peer = &group->peers[worker];
    bool beat = frame->kind == EXCHANGE_FRAME_BEAT;
    if (beat && (frame->sender != worker || frame->receiver != routing->worker)) {
        group->dropped_old++; // one of both knows the next routing already, by which it was addressed
        return STATUS_OK;
    }
    if (frame->sequence > peer->expected && !FORESET_BUG("frame-gap-ignored")) {
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                         "worker %u: frame %llu is missing, %llu came (P9)", worker, (unsigned long long)peer->expected,
                         (unsigned long long)frame->sequence);
    }
    if (beat) return STATUS_OK;
    if (frame->sequence < peer->expected) {
        group->dropped_repeats++;
        return STATUS_OK;
    }
    peer->expected++;
    bool lanes = frame->sender < routing->lanes && routing->lane_workers[frame->sender] == worker;
    if (frame->kind == EXCHANGE_FRAME_EMITTED) {
        lanes = lanes && frame->exchange < group->plan->n_tables;
    } else {
        lanes = lanes && frame->exchange < group->exchange_count && exchange_routing_is_here(routing, frame->receiver);
    }
    if (!lanes || frame->epoch == 0 || frame->epoch > group->dealt + LANE_EPOCHS_MAX)
        return remote_impossible(frame, worker, err);
    *ret_take = true;
    return STATUS_OK;
}

// Under the gate.
static enum status remote_credited(struct lane_group *group, uint32_t worker, const struct exchange_frame *frame,
                                   struct error *err)
{
    struct lane *lane = &group->lanes[frame->receiver - group->routing->lane_first];
    struct exchange_channel *channel = &lane->channels[frame->exchange * lane->host.lanes + frame->sender];
    if (!exchange_told(channel, frame->epoch, frame->rows)) return remote_impossible(frame, worker, err);
    atomic_fetch_add_explicit(&group->credit_received_bytes, frame->rows, memory_order_relaxed);
    mailbox_wake(&lane->mailbox);
    return STATUS_OK;
}

// Under the gate; takes the mail.
static void remote_deliver(struct lane_group *group, uint32_t lane, uint64_t epoch, struct mail *mail)
{
    if (epoch <= group->dealt) {
        mailbox_post(&group->lanes[lane].mailbox, mail);
        return;
    }
    struct lane_waiting waiting = {.mail = mail, .lane = lane, .epoch = epoch};
    vector_push(&group->waiting, waiting);
}

static void remote_deliver_batch(struct lane_group *group, const struct exchange_frame *frame, struct batch *batch,
                                 size_t size)
{
    struct lane_mail_batch *mail = memory_calloc(1, sizeof *mail);
    mail->mail.kind = batch ? LANE_MAIL_BATCH : LANE_MAIL_MARKER;
    mail->epoch = frame->epoch;
    mail->exchange = frame->exchange;
    mail->sender = frame->sender;
    mail->batches = frame->batches;
    mail->rows = frame->rows;
    mail->credit_bytes = size;
    mail->remote = true;
    mail->batch = batch;
    remote_deliver(group, frame->receiver - group->routing->lane_first, frame->epoch, &mail->mail);
}

static void remote_deliver_emitted(struct lane_group *group, const struct exchange_frame *frame)
{
    for (uint32_t i = 0; i < group->lane_count; i++) {
        struct lane_mail_emitted *mail = memory_calloc(1, sizeof *mail);
        mail->mail.kind = LANE_MAIL_EMITTED;
        mail->epoch = frame->epoch;
        mail->table = frame->exchange;
        mail->rows = frame->rows;
        mail->final = frame->final;
        remote_deliver(group, i, frame->epoch, &mail->mail);
    }
}

// Under the gate.
static enum status remote_deliver_answer(struct lane_group *group, uint32_t worker, const struct exchange_frame *frame,
                                         struct error *err)
{
    bool asked = group->exchange_keys[frame->exchange] && frame->epoch <= group->dealt;
    bool empty = frame->kind == EXCHANGE_FRAME_ANSWERED && frame->rows > 0;
    if (!asked || empty || frame->rows > UINT32_MAX - 8 || frame->batches > frame->rows ||
        frame->batch_size != (frame->rows + 7) / 8)
        return remote_impossible(frame, worker, err);
    struct lane_mail_answer *mail = memory_alloc(sizeof *mail + frame->batch_size);
    memset(mail, 0, sizeof *mail);
    mail->mail.kind = LANE_MAIL_ANSWER;
    mail->epoch = frame->epoch;
    mail->routing_version = frame->routing_version;
    mail->exchange = frame->exchange;
    mail->sender = frame->sender;
    mail->rows = (uint32_t)frame->rows;
    mail->passed = (uint32_t)frame->batches;
    memcpy(mail->bits, frame->batch, frame->batch_size);
    remote_deliver(group, frame->receiver - group->routing->lane_first, frame->epoch, &mail->mail);
    return STATUS_OK;
}

// A column batch: decoded outside of the gate.
static enum status remote_take_batch(struct lane_group *group, uint32_t worker, const struct exchange_frame *frame,
                                     size_t size, struct error *err)
{
    bool keys = frame->kind == EXCHANGE_FRAME_KEYS;
    const struct type *type = (keys ? group->exchange_keys : group->exchange_types)[frame->exchange];
    struct batch *batch = NULL;
    enum status status = STATUS_OK;
    if (!type) return remote_impossible(frame, worker, err);
    TRY(batch_wire_get(frame->batch, frame->batch_size, type, &group->exchange_budget, &batch, err));
    if (batch->row_count != frame->rows) {
        batch_unref(batch);
        return remote_impossible(frame, worker, err);
    }
    if (keys) batch->tag = frame->sender + 1;
    pthread_mutex_lock(&group->gate);
    if (frame->routing_version == group->routing->version) {
        remote_deliver_batch(group, frame, batch, size);
    } else {
        group->dropped_old++;
        batch_unref(batch);
    }
    pthread_mutex_unlock(&group->gate);
out:
    return status;
}

// Calls for one worker come one after the other.
static enum status remote_take(struct lane_group *group, uint32_t worker, const void *bytes, size_t size,
                               struct error *err)
{
    struct exchange_frame frame;
    bool take;
    enum status status = STATUS_OK;
    TRY(exchange_frame_parse(bytes, size, &frame, err));
    pthread_mutex_lock(&group->gate);
    status = remote_accept(group, worker, &frame, &take, err);
    if (status == STATUS_OK && take && frame.kind == EXCHANGE_FRAME_CREDIT)
        status = remote_credited(group, worker, &frame, err);
    if (status == STATUS_OK && take && (frame.kind == EXCHANGE_FRAME_ANSWER || frame.kind == EXCHANGE_FRAME_ANSWERED))
        status = remote_deliver_answer(group, worker, &frame, err);
    if (status == STATUS_OK && take && frame.kind == EXCHANGE_FRAME_MARKER)
        remote_deliver_batch(group, &frame, NULL, size);
    if (status == STATUS_OK && take && frame.kind == EXCHANGE_FRAME_EMITTED) remote_deliver_emitted(group, &frame);
    pthread_mutex_unlock(&group->gate);
    bool batch = frame.kind == EXCHANGE_FRAME_BATCH || frame.kind == EXCHANGE_FRAME_KEYS;
    if (status == STATUS_OK && take && batch) status = remote_take_batch(group, worker, &frame, size, err);
out:
    return status;
}

void lane_remote_receive(struct dataflow *flow, uint32_t worker, const void *bytes, size_t size)
{
    struct lane_group *group = (struct lane_group *)flow;
    struct error err = {0};
    atomic_fetch_add_explicit(&group->frames_received, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&group->bytes_received, size, memory_order_relaxed);
    if (remote_take(group, worker, bytes, size, &err) != STATUS_OK) lane_group_fail(group, &err);
}

void lane_remote_counters(struct dataflow *flow, struct dataflow_counters *ret_counters)
{
    struct lane_group *group = (struct lane_group *)flow;
    struct dataflow_counters counters = {
        .rows_in = atomic_load(&group->rows_in),
        .frames_sent = atomic_load(&group->frames_sent),
        .bytes_sent = atomic_load(&group->bytes_sent),
        .rows_sent = atomic_load(&group->rows_sent),
        .frames_received = atomic_load(&group->frames_received),
        .bytes_received = atomic_load(&group->bytes_received),
        .credit_sent_bytes = atomic_load(&group->credit_sent_bytes),
        .credit_received_bytes = atomic_load(&group->credit_received_bytes),
        .stalled_us = atomic_load(&group->stalled_us),
        .budget_count = DATAFLOW_BUDGETS,
        .budgets = {&group->source_budget, &group->exchange_budget, &group->state_budget, &group->writer_budget}};
    pthread_mutex_lock(&group->gate); // channels are made anew when the flow moves
    counters.frames_dropped = group->dropped_old + group->dropped_repeats;
    counters.waiting_frames = group->waiting.count;
    for (uint32_t i = 0; i < group->lane_count; i++) {
        struct lane *lane = &group->lanes[i];
        for (uint32_t k = 0; k < lane->channel_count; k++) {
            if (exchange_routing_is_here(group->routing, k % lane->host.lanes)) continue;
            counters.credit_bytes += 2 * group->lane_credits[k % lane->host.lanes];
            counters.outstanding_bytes += atomic_load(&lane->channels[k].outstanding_bytes[0]);
            counters.outstanding_bytes += atomic_load(&lane->channels[k].outstanding_bytes[1]);
        }
    }
    pthread_mutex_unlock(&group->gate);
    *ret_counters = counters;
}

void lane_remote_dealt(struct lane_group *group, uint64_t epoch)
{
    size_t left = 0;
    pthread_mutex_lock(&group->gate);
    group->dealt = epoch;
    for (size_t i = 0; i < group->waiting.count; i++) {
        struct lane_waiting *waiting = &group->waiting.items[i];
        if (waiting->epoch <= epoch) {
            mailbox_post(&group->lanes[waiting->lane].mailbox, waiting->mail);
        } else {
            group->waiting.items[left++] = *waiting;
        }
    }
    group->waiting.count = left;
    pthread_mutex_unlock(&group->gate);
}
