// DROP DUPLICATES across workers by keys alone: a row whose key another worker's lane owns stays where it is, its
// hashes go out (KEYS), and the owner says which of them it had not seen (ANSWER). What passes goes on here, behind
// this lane's own DEDUP node.
//
// Promises: an epoch is complete on a lane only when all its questions are answered, so what passed is in that epoch's
// files; answers to an epoch that the DEDUP node has not begun wait for it. What is asked counts as rows that wait
// (P14).
// What can fail: an answer to what was not asked, or none: RESTART_PIPELINE. A lost frame shows by its number (P9).
#include "worker/lane/lane_private.h"

static struct lane_node *query_receiver(struct lane *lane, uint32_t exchange)
{
    return &lane->nodes[lane->group->plan->n_nodes + exchange];
}

// The DEDUP behind the exchange, over the same columns; NULL: rows must cross.
static struct lane_node *query_dedup(struct lane *lane, uint32_t exchange)
{
    const struct lane_node *receiver = query_receiver(lane, exchange);
    const Foreset__Plan *plan = lane->group->plan;
    if (receiver->consumer_count != 1) return NULL;
    struct lane_node *dedup = &lane->nodes[receiver->consumers[0].node];
    const Foreset__Node *from = receiver->plan_node, *to = dedup->plan_node;
    if (to->kind != FORESET__NODE__KIND__DEDUP || from->n_exprs == 0 || from->n_exprs != to->n_exprs) return NULL;
    for (size_t i = 0; i < to->n_exprs; i++) {
        const Foreset__Expr *a = plan->exprs[from->exprs[i]], *b = plan->exprs[to->exprs[i]];
        bool columns = a->kind == FORESET__EXPR__KIND__COLUMN && b->kind == FORESET__EXPR__KIND__COLUMN;
        if (!columns || a->ordinal != b->ordinal) return NULL;
    }
    return dedup;
}

const struct type *lane_query_type(struct lane *lane, uint32_t exchange)
{
    const struct lane_node *dedup = query_dedup(lane, exchange);
    return dedup ? dedup_operator_keys_type(dedup->op) : NULL;
}

enum status lane_query_keys(struct lane *lane, uint32_t exchange, const struct batch *rows, struct batch **ret_keys,
                            struct error *err)
{
    return dedup_operator_keys(query_dedup(lane, exchange)->op, rows, ret_keys, err);
}

void lane_query_hold(struct lane *lane, uint32_t exchange, uint32_t target, uint64_t epoch, struct batch *rows,
                     uint32_t from, uint32_t count)
{
    uint64_t bytes = batch_bytes(rows);
    if (rows->column_rows) bytes = bytes * count / rows->column_rows;
    struct lane_query query = {
        .epoch = epoch, .rows = batch_ref(rows), .from = from, .count = count, .bytes = bytes + sizeof *rows};
    lane->held_bytes += query.bytes;
    vector_push(&lane->queries[exchange * lane->host.lanes + target].items, query);
}

bool lane_query_pending(const struct lane_node *receiver)
{
    const struct lane *lane = receiver->lane;
    for (uint32_t target = 0; target < lane->host.lanes; target++) {
        const struct lane_query_queue *queue = &lane->queries[receiver->exchange * lane->host.lanes + target];
        if (queue->head < queue->items.count && queue->items.items[queue->head].epoch <= receiver->epoch) return true;
    }
    return false;
}

// Of the rows asked about, those that pass take their place.
static enum status query_answer(struct lane *lane, struct lane_query *query, const uint8_t *bits, uint32_t passed,
                                struct error *err)
{
    struct batch *rows = query->rows;
    struct buffer *selection = NULL;
    uint32_t count = 0;
    enum status status = STATUS_OK;
    query->rows = NULL;
    if (passed > 0) {
        TRY(buffer_create(lane->host.budget, passed * sizeof(uint32_t), &selection, err));
        uint32_t *to = (uint32_t *)(void *)selection->data;
        for (uint32_t i = 0; i < query->count && count < passed; i++) {
            if (bits[i >> 3] >> (i & 7) & 1) to[count++] = batch_row(rows, query->from + i);
        }
        ASSERT(count == passed); // counted when it came
        query->rows = batch_select(rows, selection, passed);
    }
out:
    batch_unref(rows);
    return status;
}

static enum status query_settle_one(struct lane *lane, struct lane_node *dedup, struct lane_query_queue *queue,
                                    struct error *err)
{
    while (queue->head < queue->answered && queue->items.items[queue->head].epoch == dedup->epoch) {
        struct lane_query query = queue->items.items[queue->head];
        dedup->rows_in += query.count;
        enum status status = query.rows ? lane_graph_emit(dedup, query.rows, err) : STATUS_OK;
        batch_unref(query.rows);
        lane->held_bytes -= query.bytes;
        queue->head++;
        if (queue->head == queue->items.count) queue->head = queue->answered = queue->items.count = 0;
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status lane_query_settle(struct lane *lane, uint32_t exchange, struct error *err)
{
    struct lane_node *receiver = query_receiver(lane, exchange), *dedup = query_dedup(lane, exchange);
    for (uint32_t target = 0; dedup && target < lane->host.lanes; target++) {
        struct lane_query_queue *queue = &lane->queries[exchange * lane->host.lanes + target];
        enum status status = query_settle_one(lane, dedup, queue, err);
        if (status != STATUS_OK) return status;
    }
    // Is the receiver behind, it is just passing the marker on.
    bool waits = dedup && receiver->epoch == dedup->epoch && receiver->markers == receiver->input_count;
    if (!waits || lane_query_pending(receiver)) return STATUS_OK;
    return lane_graph_complete(receiver, err);
}

enum status lane_query_answered(struct lane *lane, const struct lane_mail_answer *mail, struct error *err)
{
    // An epoch does not wait for the word that no answer follows: it may come when the flow has moved.
    if (mail->routing_version != lane->group->routing->version) return STATUS_OK;
    struct lane_query_queue *queue = &lane->queries[mail->exchange * lane->host.lanes + mail->sender];
    struct lane_query *query = queue->answered < queue->items.count ? &queue->items.items[queue->answered] : NULL;
    uint32_t passed = 0;
    if (mail->rows == 0) {
        if (!query || query->epoch > mail->epoch) return STATUS_OK;
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                         "lane %u has not answered for %u keys of epoch %llu (P9)", mail->sender, query->count,
                         (unsigned long long)query->epoch);
    }
    for (uint32_t i = 0; i < mail->rows; i++) passed += (unsigned)mail->bits[i >> 3] >> (i & 7) & 1u;
    if (!query || query->epoch != mail->epoch || query->count != mail->rows || passed != mail->passed) {
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                         "lane %u answered for %u keys of epoch %llu, which it was not asked (P9)", mail->sender,
                         mail->rows, (unsigned long long)mail->epoch);
    }
    enum status status = query_answer(lane, query, mail->bits, passed, err);
    queue->answered++;
    return status == STATUS_OK ? lane_query_settle(lane, mail->exchange, err) : status;
}

void lane_query_open(struct lane *lane)
{
    lane->queries = memory_calloc(lane->channel_count + (size_t)1, sizeof *lane->queries);
}

void lane_query_close(struct lane *lane)
{
    for (uint32_t i = 0; lane->queries && i < lane->channel_count; i++) {
        struct lane_query_queue *queue = &lane->queries[i];
        for (size_t k = queue->head; k < queue->items.count; k++) {
            lane->held_bytes -= queue->items.items[k].bytes;
            batch_unref(queue->items.items[k].rows);
        }
        vector_deinit(&queue->items);
    }
    memory_free(lane->queries);
    lane->queries = NULL;
}
