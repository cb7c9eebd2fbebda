// The one table that knows every operator and every source.
#include "worker/lane/lane_private.h"

static const operator_open openers[] = {
    [FORESET__NODE__KIND__FILTER] = filter_operator_open,
    [FORESET__NODE__KIND__PROJECT] = project_operator_open,
    [FORESET__NODE__KIND__WATERMARK] = watermark_operator_open,
    [FORESET__NODE__KIND__WINDOW] = window_operator_open,
    [FORESET__NODE__KIND__EXCHANGE] = exchange_operator_open,
    [FORESET__NODE__KIND__DEDUP] = dedup_operator_open,
    [FORESET__NODE__KIND__AGGREGATE_PARTIAL] = partial_operator_open,
    [FORESET__NODE__KIND__AGGREGATE_FINAL] = final_operator_open,
    [FORESET__NODE__KIND__UNION] = pass_operator_open,
    [FORESET__NODE__KIND__SORT] = sort_operator_open,
    [FORESET__NODE__KIND__LIMIT] = limit_operator_open,
    [FORESET__NODE__KIND__TABLE] = table_operator_open,
};

enum status operator_table_open(struct operator_host *host, uint32_t node, struct operator** ret_op, struct error *err)
{
    const Foreset__Node *plan_node = host->plan->nodes[node];
    if (plan_node->kind == FORESET__NODE__KIND__SOURCE) {
        *ret_op = NULL;
        return STATUS_OK;
    }
    size_t kind = (size_t)plan_node->kind;
    if (kind >= sizeof openers / sizeof *openers || !openers[kind]) {
        return error_set(
            err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
            "node %u of the plan is of kind %zu, which this version does not run; use one version everywhere", node,
            kind);
    }
    return openers[kind](host, node, ret_op, err);
}

source_open operator_table_source(const Foreset__Source *source)
{
    switch (source->kind) {
    case FORESET__SOURCE__KIND__KAFKA: return kafka_source_open;
    case FORESET__SOURCE__KIND__TABLE: return table_source_open;
    default: return files_source_open;
    }
}
