// PROJECT: one expression per output column, over the selected rows; rows that raised in any of them go to the dead
// letters.
#include "worker/expr/expr.h"
#include "worker/operator/operator.h"

struct project_operator {
    struct operator base;
    struct expr **exprs;
    struct column **columns; // of the batch at hand
    uint32_t count;
};

static void project_close(struct operator* op)
{
    struct project_operator *project = (struct project_operator *)op;
    for (uint32_t i = 0; project->exprs && i < project->count; i++) expr_destroy(project->exprs[i]);
    memory_free(project->exprs);
    memory_free(project->columns);
    operator_deinit(op);
    memory_free(project);
}

static enum status project_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct project_operator *project = (struct project_operator *)op;
    struct expr_errors errors = {0};
    struct expr_context context = operator_context(op, batch, &errors);
    struct batch *left = NULL, *projected = NULL;
    enum status status = STATUS_OK;
    uint32_t made = 0;
    for (; made < project->count; made++) {
        TRY(expr_eval(project->exprs[made], batch, &context, &project->columns[made], err));
    }
    op->counts.rows_malformed += context.rows_malformed;
    TRY(operator_settle(op, batch, &errors, &left, err));
    if (!left) goto out;
    projected = batch_derive(left, op->schema, project->columns);
    made = 0; // taken
    TRY(operator_emit(op, projected, err));
out:
    while (made > 0) column_unref(project->columns[--made]);
    expr_errors_deinit(&errors);
    batch_unref(left);
    batch_unref(projected);
    return status;
}

static const struct operator_ops project_ops = {.close = project_close, .on_batch = project_on_batch};

enum status project_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                  struct error *err)
{
    struct project_operator *project = memory_calloc(1, sizeof *project);
    enum status status = STATUS_OK;
    TRY(operator_init(&project->base, &project_ops, host, node, err));
    const Foreset__Node *plan_node = project->base.plan_node;
    project->count = (uint32_t)plan_node->n_exprs;
    ASSERT(project->count == project->base.schema->child_count && plan_node->n_inputs == 1);
    project->exprs = memory_calloc(project->count + (size_t)1, sizeof *project->exprs);
    project->columns = memory_calloc(project->count + (size_t)1, sizeof *project->columns);
    TRY(expr_compile_list(host->plan, plan_node->exprs, project->count, project->base.inputs[0], host->budget,
                          project->exprs, err));
    *ret_op = &project->base;
out:
    if (status != STATUS_OK) project_close(&project->base);
    return status;
}
