// WATERMARK: measures the greatest event time of the rows that pass, nulls apart (SQL.md, Batches 3); rows pass
// unchanged.
#include "worker/expr/expr.h"
#include "worker/operator/operator.h"

struct watermark_operator {
    struct operator base;
    struct expr *time;
};

static void watermark_close(struct operator* op)
{
    struct watermark_operator *watermark = (struct watermark_operator *)op;
    expr_destroy(watermark->time);
    operator_deinit(op);
    memory_free(watermark);
}

static void watermark_measure(struct operator* op, const struct column *time, const struct batch *batch)
{
    int64_t greatest = INT64_MIN;
    bool found = false;
    if (time->null_count == 0 && !batch->selection) {
        for (uint32_t row = 0; row < batch->row_count; row++)
            greatest = time->i64[row] > greatest ? time->i64[row] : greatest;
        found = batch->row_count > 0;
    } else {
        for (uint32_t i = 0; i < batch->row_count; i++) {
            uint32_t row = batch_row(batch, i);
            if (column_is_null(time, row)) continue;
            found = true;
            if (time->i64[row] > greatest) greatest = time->i64[row];
        }
    }
    if (found) op->host->maximum(op, greatest);
}

static enum status watermark_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct watermark_operator *watermark = (struct watermark_operator *)op;
    struct expr_errors errors = {0};
    struct expr_context context = operator_context(op, batch, &errors);
    struct column *time = NULL;
    struct batch *left = NULL;
    enum status status = STATUS_OK;
    TRY(expr_eval(watermark->time, batch, &context, &time, err));
    TRY(operator_settle(op, batch, &errors, &left, err));
    if (!left) goto out;
    watermark_measure(op, time, left);
    TRY(operator_emit(op, left, err));
out:
    expr_errors_deinit(&errors);
    column_unref(time);
    batch_unref(left);
    return status;
}

static const struct operator_ops watermark_ops = {.close = watermark_close, .on_batch = watermark_on_batch};

enum status watermark_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                    struct error *err)
{
    struct watermark_operator *watermark = memory_calloc(1, sizeof *watermark);
    enum status status = STATUS_OK;
    TRY(operator_init(&watermark->base, &watermark_ops, host, node, err));
    ASSERT(watermark->base.plan_node->n_exprs == 1 && watermark->base.plan_node->n_inputs == 1);
    TRY(expr_compile(host->plan, watermark->base.plan_node->exprs[0], watermark->base.inputs[0], host->budget,
                     &watermark->time, err));
    ASSERT(type_width(expr_type(watermark->time)) == sizeof(int64_t));
    *ret_op = &watermark->base;
out:
    if (status != STATUS_OK) watermark_close(&watermark->base);
    return status;
}
