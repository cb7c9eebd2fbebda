// LIMIT: the first rows that come. In complete mode of each publication's content; else of the whole stream, and how
// many have passed is state. Behind an EXCHANGE to one lane, where shard 0 lives.
#include "worker/exchange/exchange_routing.h"
#include "worker/operator/operator_state.h"

struct limit_operator {
    struct operator base;
    uint64_t passed;
    bool changed;
    bool per_batch;
    struct state_history history;
};

static void limit_close(struct operator* op)
{
    operator_deinit(op);
    memory_free(op);
}

static enum status limit_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct limit_operator *limit = (struct limit_operator *)op;
    uint64_t room = op->plan_node->limit - limit->passed;
    if (room == 0) return STATUS_OK;
    limit->changed = true;
    if (batch->row_count <= room) {
        limit->passed += batch->row_count;
        return operator_emit(op, batch, err);
    }
    uint32_t count = (uint32_t)room;
    struct buffer *selection;
    enum status status = buffer_create(op->host->budget, count * sizeof(uint32_t), &selection, err);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < count; i++) ((uint32_t *)(void *)selection->data)[i] = batch_row(batch, i);
    struct batch *first = batch_select(batch, selection, count);
    limit->passed += count;
    status = operator_emit(op, first, err);
    batch_unref(first);
    return status;
}

static enum status limit_on_marker(struct operator* op, const struct operator_marker *marker, struct error *err)
{
    (void)marker;
    (void)err;
    struct limit_operator *limit = (struct limit_operator *)op;
    if (limit->per_batch) limit->passed = 0;
    return STATUS_OK;
}

static enum status limit_freeze(struct operator* op, struct operator_frozen *frozen, struct error *err)
{
    struct limit_operator *limit = (struct limit_operator *)op;
    if (limit->per_batch || !limit->changed) return STATUS_OK;
    struct snapshot_writer writer = {0};
    snapshot_writer_add(&writer, 0, slice_str("passed"), slice_of((const char *)&limit->passed, sizeof limit->passed));
    enum status status = operator_state_part(op, &writer, true, &limit->history, frozen, err);
    snapshot_writer_deinit(&writer);
    limit->changed = false;
    return status;
}

static enum status limit_load(struct operator* op, const struct operator_record *record, struct error *err)
{
    struct limit_operator *limit = (struct limit_operator *)op;
    if (record->value.length != sizeof limit->passed) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "state of LIMIT: a record has the wrong size");
    }
    memcpy(&limit->passed, record->value.data, sizeof limit->passed);
    if (limit->passed > op->plan_node->limit) limit->passed = op->plan_node->limit;
    return STATUS_OK;
}

static void limit_load_clear(struct operator* op, const uint8_t *shards)
{
    if (exchange_routing_has(shards, 0)) ((struct limit_operator *)op)->passed = 0;
}

static const struct operator_ops limit_ops = {
    .difference = OPERATOR_FILTERS,
    .close = limit_close,
    .on_batch = limit_on_batch,
    .on_marker = limit_on_marker,
    .freeze = limit_freeze,
    .load = limit_load,
    .load_clear = limit_load_clear,
};

enum status limit_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op, struct error *err)
{
    struct limit_operator *limit = memory_calloc(1, sizeof *limit);
    enum status status = operator_init(&limit->base, &limit_ops, host, node, err);
    if (status != STATUS_OK) {
        limit_close(&limit->base);
        return status;
    }
    limit->per_batch = operator_table_of(&limit->base)->mode == FORESET__TABLE__MODE__COMPLETE;
    *ret_op = &limit->base;
    return STATUS_OK;
}
