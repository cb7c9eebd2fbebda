// FILTER: keeps the rows for which the predicate is true, as a smaller selection over the same columns.
#include "worker/expr/expr.h"
#include "worker/operator/operator.h"

struct filter_operator {
    struct operator base;
    struct expr *predicate;
};

static void filter_close(struct operator* op)
{
    struct filter_operator *filter = (struct filter_operator *)op;
    expr_destroy(filter->predicate);
    operator_deinit(op);
    memory_free(filter);
}

static enum status filter_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct filter_operator *filter = (struct filter_operator *)op;
    struct expr_errors errors = {0};
    struct expr_context context = operator_context(op, batch, &errors);
    struct buffer *selection = NULL;
    struct batch *selected = NULL, *left = NULL;
    uint32_t count = 0;
    enum status status = STATUS_OK;
    TRY(expr_filter(filter->predicate, batch, &context, &selection, &count, err));
    op->counts.rows_malformed += context.rows_malformed;
    if (errors.items.count) TRY(operator_settle(op, batch, &errors, &left, err));
    if (count == 0) goto out;
    selected = batch_select(batch, selection, count);
    selection = NULL;
    TRY(operator_emit(op, selected, err));
out:
    expr_errors_deinit(&errors);
    buffer_unref(selection);
    batch_unref(left);
    batch_unref(selected);
    return status;
}

static const struct operator_ops filter_ops = {
    .difference = OPERATOR_FILTERS, .close = filter_close, .on_batch = filter_on_batch};

enum status filter_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op, struct error *err)
{
    struct filter_operator *filter = memory_calloc(1, sizeof *filter);
    enum status status = STATUS_OK;
    TRY(operator_init(&filter->base, &filter_ops, host, node, err));
    ASSERT(filter->base.plan_node->n_exprs == 1 && filter->base.plan_node->n_inputs == 1);
    TRY(expr_compile(host->plan, filter->base.plan_node->exprs[0], filter->base.inputs[0], host->budget,
                     &filter->predicate, err));
    *ret_op = &filter->base;
out:
    if (status != STATUS_OK) filter_close(&filter->base);
    return status;
}
