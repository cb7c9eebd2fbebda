// Splits the select list of a grouped query: keys and aggregates become columns of an AGGREGATE, what stands around
// them stays a projection over it. Fails with MISSING_AGGREGATION where a column is neither.
#include "coordinator/bind/bind.h"

struct split {
    struct bind_context *context;
    struct bind_node *node;
    struct bind_expr *const *keys;
    uint32_t key_count;
    uint32_t mark;
    SQL_LIST(struct bind_column *) results;
};

static struct bind_expr *aggregate_column(struct split *split, struct bind_expr *aggregate)
{
    struct bind_node *node = split->node;
    for (uint32_t i = 0; i < node->aggregates.count; i++) {
        if (bind_expr_equal(node->aggregates.items[i], aggregate)) {
            return bind_expr_reference(split->context, split->results.items[i], NULL);
        }
    }
    const char *name = arena_printf(split->context->arena, "%s_%u", aggregate->function, node->aggregates.count);
    struct bind_column *column = bind_expr_column(split->context, name, aggregate->type, false);
    sql_list_push(split->context->arena, &node->aggregates, aggregate);
    sql_list_push(split->context->arena, &split->results, column);
    return bind_expr_reference(split->context, column, NULL);
}

static enum status missing(struct split *split, const struct bind_expr *column, struct error *err)
{
    if (split->key_count == 0) {
        return sql_text_error(split->context->text, column->offset, STATUS_INVALID, "MISSING_GROUP_BY",
                              "GROUP BY the column, or put it into an aggregate: max(…)", err,
                              "%.100s stands beside an aggregate, but there is no GROUP BY", column->column->name);
    }
    return sql_text_error(split->context->text, column->offset, STATUS_INVALID, "MISSING_AGGREGATION",
                          arena_printf(split->context->arena,
                                       "add %.60s to GROUP BY, or put it into an aggregate: first(%.60s)",
                                       column->column->name, column->column->name),
                          err, "%.100s is neither grouped by nor aggregated", column->column->name);
}

static enum status split_expr(struct split *split, struct bind_expr *expr, struct bind_expr **ret_expr,
                              struct error *err);

// What is neither key nor aggregate stays, over the AGGREGATE's columns.
static enum status split_args(struct split *split, struct bind_expr *expr, struct bind_expr **ret_expr,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr *copy = arena_alloc(split->context->arena, sizeof *copy);
    *copy = *expr;
    memset(&copy->args, 0, sizeof copy->args);
    copy->has_aggregate = false;
    copy->depth = 1;
    copy->mark = 0;
    for (uint32_t i = 0; i < expr->args.count; i++) {
        struct bind_expr *arg = NULL;
        TRY(split_expr(split, expr->args.items[i], &arg, err));
        bind_expr_add(split->context, copy, arg);
    }
    *ret_expr = copy;
out:
    return status;
}

static enum status split_expr(struct split *split, struct bind_expr *expr, struct bind_expr **ret_expr,
                              struct error *err)
{
    enum status status = STATUS_OK;
    if (!bind_expr_visit(expr, split->mark)) {
        *ret_expr = expr->copy;
        return STATUS_OK;
    }
    struct bind_expr *made = NULL;
    for (uint32_t i = 0; i < split->key_count && !made; i++) {
        if (!bind_expr_equal(expr, split->keys[i])) continue;
        made = bind_expr_reference(split->context, split->node->columns.items[i], NULL);
        made->offset = expr->offset;
    }
    if (made)
        expr->copy = made;
    else if (expr->kind == BIND_AGGREGATE)
        expr->copy = aggregate_column(split, expr);
    else if (expr->kind == BIND_COLUMN)
        return missing(split, expr, err);
    else if (expr->args.count == 0)
        expr->copy = expr;
    else
        TRY(split_args(split, expr, &expr->copy, err));
    *ret_expr = expr->copy;
out:
    return status;
}

static enum status check_key(struct bind_context *context, const struct bind_expr *key, struct error *err)
{
    if (key->type->kind == TYPE_MAP) {
        return sql_text_error(context->text, key->offset, STATUS_UNSUPPORTED, NULL, "group by a value of it: m['key']",
                              err, "grouping by a map is not built yet");
    }
    if (!key->deterministic) {
        return sql_text_error(context->text, key->offset, STATUS_INVALID, NULL, NULL, err,
                              "grouping by a value that is not deterministic");
    }
    return STATUS_OK;
}

enum status bind_aggregate_split(struct bind_context *context, struct bind_node *input, struct bind_expr *const *keys,
                                 const char *const *key_names, uint32_t key_count, struct bind_expr **const *exprs,
                                 uint32_t expr_count, uint32_t offset, struct bind_node **ret_node, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_node *node = bind_node_new(context, BIND_NODE_AGGREGATE, NULL, offset);
    sql_list_push(context->arena, &node->inputs, input);
    for (uint32_t i = 0; i < key_count; i++) {
        TRY(check_key(context, keys[i], err));
        struct bind_column *column = keys[i]->kind == BIND_COLUMN
                                         ? keys[i]->column
                                         : bind_expr_column(context, key_names[i], keys[i]->type, false);
        sql_list_push(context->arena, &node->exprs, keys[i]);
        sql_list_push(context->arena, &node->columns, column);
    }
    struct split split = {
        .context = context, .node = node, .keys = keys, .key_count = key_count, .mark = bind_expr_walk(context)};
    for (uint32_t i = 0; i < expr_count; i++) TRY(split_expr(&split, *exprs[i], exprs[i], err));
    if (node->columns.count + split.results.count == 0) { // HAVING or GROUP BY over nothing: rows still need a column
        struct bind_expr *count = bind_expr_new(context, BIND_AGGREGATE, type_of(TYPE_BIGINT), NULL);
        count->function = "count";
        (void)aggregate_column(&split, count);
    }
    for (uint32_t i = 0; i < split.results.count; i++)
        sql_list_push(context->arena, &node->columns, split.results.items[i]);
    *ret_node = node;
out:
    return status;
}
