// EXCHANGE, the sending end: a row goes to the lane that owns the shard of its key's hash. One selection per target
// lane.
#include "worker/exchange/exchange.h"
#include "worker/expr/expr.h"
#include "worker/operator/operator.h"

struct exchange_operator {
    struct operator base;
    struct expr **exprs;
    struct column **keys; // of the batch at hand
    uint32_t key_count;
    uint64_t *hashes;
    uint32_t hash_capacity;
    struct buffer **targets; // by lane: the selection that is being made
    uint32_t *counts;
};

static void exchange_close(struct operator* op)
{
    struct exchange_operator *exchange = (struct exchange_operator *)op;
    for (uint32_t i = 0; exchange->exprs && i < exchange->key_count; i++) expr_destroy(exchange->exprs[i]);
    memory_free(exchange->exprs);
    memory_free(exchange->keys);
    memory_free(exchange->hashes);
    memory_free(exchange->targets);
    memory_free(exchange->counts);
    operator_deinit(op);
    memory_free(exchange);
}

static enum status exchange_split(struct exchange_operator *exchange, struct batch *batch, struct error *err)
{
    struct operator* op = & exchange->base;
    uint32_t lanes = op->host->lanes, shards = op->host->plan->shards;
    if (exchange->hash_capacity < batch->row_count) {
        exchange->hash_capacity = batch->row_count > BATCH_ROWS_MAX ? batch->row_count : BATCH_ROWS_MAX;
        exchange->hashes = memory_realloc(exchange->hashes, exchange->hash_capacity * sizeof *exchange->hashes);
    }
    exchange_hash(batch, exchange->keys, exchange->key_count, op->host->hash_seed, exchange->hashes);
    enum status status = STATUS_OK;
    memset(exchange->counts, 0, lanes * sizeof *exchange->counts);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        TRY(buffer_create(op->host->budget, batch->row_count * sizeof(uint32_t), &exchange->targets[lane], err));
    }
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t lane = op->host->shard_lanes[exchange_shard(exchange->hashes[i], shards)];
        ((uint32_t *)(void *)exchange->targets[lane]->data)[exchange->counts[lane]++] = batch_row(batch, i);
    }
    for (uint32_t lane = 0; lane < lanes; lane++) {
        if (exchange->counts[lane] == 0) continue;
        struct batch *share = batch_select(batch, exchange->targets[lane], exchange->counts[lane]);
        exchange->targets[lane] = NULL;
        status = op->host->send(op, lane, share, err);
        batch_unref(share);
        TRY(status);
    }
out:
    for (uint32_t lane = 0; lane < lanes; lane++) {
        buffer_unref(exchange->targets[lane]);
        exchange->targets[lane] = NULL;
    }
    return status;
}

static enum status exchange_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct exchange_operator *exchange = (struct exchange_operator *)op;
    if (op->host->lanes == 1) return op->host->send(op, 0, batch, err);
    if (exchange->key_count == 0) return op->host->send(op, op->host->shard_lanes[0], batch, err);
    struct expr_errors errors = {0};
    struct expr_context context = operator_context(op, batch, &errors);
    struct batch *left = NULL;
    uint32_t made = 0;
    enum status status = STATUS_OK;
    for (; made < exchange->key_count; made++) {
        TRY(expr_eval(exchange->exprs[made], batch, &context, &exchange->keys[made], err));
    }
    TRY(operator_settle(op, batch, &errors, &left, err));
    if (left) TRY(exchange_split(exchange, left, err));
out:
    while (made > 0) column_unref(exchange->keys[--made]);
    expr_errors_deinit(&errors);
    batch_unref(left);
    return status;
}

static void exchange_rerouted(struct operator* op)
{
    struct exchange_operator *exchange = (struct exchange_operator *)op;
    memory_free(exchange->targets);
    memory_free(exchange->counts);
    exchange->targets = memory_calloc(op->host->lanes, sizeof *exchange->targets);
    exchange->counts = memory_calloc(op->host->lanes, sizeof *exchange->counts);
}

static const struct operator_ops exchange_ops = {
    .difference = OPERATOR_COUNTS_ITSELF,
    .close = exchange_close, .on_batch = exchange_on_batch, .rerouted = exchange_rerouted};

enum status exchange_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                   struct error *err)
{
    struct exchange_operator *exchange = memory_calloc(1, sizeof *exchange);
    enum status status = STATUS_OK;
    TRY(operator_init(&exchange->base, &exchange_ops, host, node, err));
    const Foreset__Node *plan_node = exchange->base.plan_node;
    ASSERT(plan_node->n_inputs == 1 && host->lanes > 0 && host->plan->shards > 0);
    exchange->key_count = (uint32_t)plan_node->n_exprs;
    exchange->exprs = memory_calloc(exchange->key_count + (size_t)1, sizeof *exchange->exprs);
    exchange->keys = memory_calloc(exchange->key_count + (size_t)1, sizeof *exchange->keys);
    exchange_rerouted(&exchange->base);
    TRY(expr_compile_list(host->plan, plan_node->exprs, exchange->key_count, exchange->base.inputs[0], host->budget,
                          exchange->exprs, err));
    *ret_op = &exchange->base;
out:
    if (status != STATUS_OK) exchange_close(&exchange->base);
    return status;
}
