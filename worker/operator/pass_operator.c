// UNION: rows of every input pass as they come, under the node's own column names.
#include "worker/operator/operator.h"

static void pass_close(struct operator* op)
{
    operator_deinit(op);
    memory_free(op);
}

static enum status pass_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    if (batch->schema == op->schema) return operator_emit(op, batch, err);
    ASSERT(batch->column_count == op->schema->child_count);
    struct column **columns = memory_calloc(batch->column_count + (size_t)1, sizeof *columns);
    for (uint32_t i = 0; i < batch->column_count; i++) columns[i] = column_ref(batch->columns[i]);
    struct batch *renamed = batch_derive(batch, op->schema, columns);
    memory_free(columns);
    enum status status = operator_emit(op, renamed, err);
    batch_unref(renamed);
    return status;
}

static const struct operator_ops pass_ops = {.close = pass_close, .on_batch = pass_on_batch};

enum status pass_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op, struct error *err)
{
    struct operator* op = memory_calloc(1, sizeof *op);
    enum status status = operator_init(op, &pass_ops, host, node, err);
    if (status != STATUS_OK) {
        pass_close(op);
        return status;
    }
    *ret_op = op;
    return STATUS_OK;
}
