// Columns that nobody reads go: from sources, from projections, from what a deduplication or a union carries.
// A table's own columns never change, and no operator is left without any column, because a batch's rows hang on its
// columns.
#include "coordinator/planner/planner_private.h"

typedef SQL_LIST(struct bind_column *) column_list;

static bool holds(const column_list *list, const struct bind_column *column)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i] == column) return true;
    }
    return false;
}

static void need(struct bind_context *context, column_list *list, struct bind_column *column)
{
    if (!holds(list, column)) sql_list_push(context->arena, list, column);
}

static void need_walk(struct bind_context *context, column_list *list, struct bind_expr *expr, uint32_t mark)
{
    if (!expr || !bind_expr_visit(expr, mark)) return;
    if (expr->kind == BIND_COLUMN) need(context, list, expr->column);
    need_walk(context, list, expr->filter, mark);
    for (uint32_t i = 0; i < expr->args.count; i++) need_walk(context, list, expr->args.items[i], mark);
}

static void need_reads(struct bind_context *context, column_list *list, struct bind_expr *expr)
{
    need_walk(context, list, expr, bind_expr_walk(context));
}

static struct bind_node *prune(struct bind_context *context, struct bind_node *node, const column_list *needed);

// A projection to exactly these columns, unless the node has exactly these.
static struct bind_node *narrow(struct bind_context *context, struct bind_node *node, const column_list *wanted)
{
    bool same = node->columns.count == wanted->count;
    for (uint32_t i = 0; same && i < wanted->count; i++) same = node->columns.items[i] == wanted->items[i];
    if (same) return node;
    struct bind_node *project = bind_node_new(context, BIND_NODE_PROJECT, NULL, node->offset);
    sql_list_push(context->arena, &project->inputs, node);
    for (uint32_t i = 0; i < wanted->count; i++) {
        sql_list_push(context->arena, &project->columns, wanted->items[i]);
        sql_list_push(context->arena, &project->exprs, bind_expr_reference(context, wanted->items[i], NULL));
    }
    return project;
}

static void copy_columns(struct bind_context *context, struct bind_node *node, const struct bind_node *from)
{
    memset(&node->columns, 0, sizeof node->columns);
    for (uint32_t i = 0; i < from->columns.count; i++)
        sql_list_push(context->arena, &node->columns, from->columns.items[i]);
}

static uint32_t cheapest(const struct bind_node *node)
{
    for (uint32_t i = 0; i < node->exprs.count; i++) {
        if (node->exprs.items[i]->kind == BIND_COLUMN && type_width(node->columns.items[i]->type)) return i;
    }
    for (uint32_t i = 0; i < node->exprs.count; i++) {
        if (node->exprs.items[i]->kind == BIND_COLUMN) return i;
    }
    return 0;
}

static struct bind_node *prune_project(struct bind_context *context, struct bind_node *node, const column_list *needed)
{
    column_list below = {0}, columns = {0};
    SQL_LIST(struct bind_expr *) exprs = {0};
    uint32_t spare = cheapest(node);
    bool any = false;
    for (uint32_t i = 0; i < node->columns.count; i++) any = any || holds(needed, node->columns.items[i]);
    for (uint32_t i = 0; i < node->columns.count; i++) {
        if (any ? !holds(needed, node->columns.items[i]) : i != spare) continue;
        sql_list_push(context->arena, &columns, node->columns.items[i]);
        sql_list_push(context->arena, &exprs, node->exprs.items[i]);
        need_reads(context, &below, node->exprs.items[i]);
    }
    node->columns.items = columns.items;
    node->columns.count = columns.count;
    node->exprs.items = exprs.items;
    node->exprs.count = exprs.count;
    node->inputs.items[0] = prune(context, node->inputs.items[0], &below);
    return node;
}

static struct bind_node *prune_source(struct bind_context *context, struct bind_node *node, const column_list *needed)
{
    column_list columns = {0};
    struct bind_column *spare = node->columns.items[0];
    for (uint32_t i = node->columns.count; i-- > 0;) { // the narrowest that is there
        uint32_t width = type_width(node->columns.items[i]->type), least = type_width(spare->type);
        if (width && (!least || width <= least)) spare = node->columns.items[i];
    }
    for (uint32_t i = 0; i < node->columns.count; i++) {
        if (holds(needed, node->columns.items[i])) sql_list_push(context->arena, &columns, node->columns.items[i]);
    }
    if (columns.count == 0) sql_list_push(context->arena, &columns, spare);
    node->columns.items = columns.items;
    node->columns.count = columns.count;
    return node;
}

// Filter, watermark, window, sort, limit: pass their columns on.
static struct bind_node *prune_passing(struct bind_context *context, struct bind_node *node, const column_list *needed)
{
    column_list below = {0};
    struct bind_column *appended = node->kind == BIND_NODE_WINDOW ? node->columns.items[node->columns.count - 1] : NULL;
    for (uint32_t i = 0; i < needed->count; i++) {
        struct bind_column *column = needed->items[i];
        if (column == appended) continue;
        need(context, &below, node->kind == BIND_NODE_WATERMARK && column == node->time ? node->time_from : column);
    }
    for (uint32_t i = 0; i < node->exprs.count; i++) need_reads(context, &below, node->exprs.items[i]);
    for (uint32_t i = 0; i < node->sort_keys.count; i++) need_reads(context, &below, node->sort_keys.items[i].expr);
    node->inputs.items[0] = prune(context, node->inputs.items[0], &below);
    copy_columns(context, node, node->inputs.items[0]);
    for (uint32_t i = 0; i < node->columns.count; i++) {
        if (node->kind == BIND_NODE_WATERMARK && node->columns.items[i] == node->time_from)
            node->columns.items[i] = node->time;
    }
    if (appended) sql_list_push(context->arena, &node->columns, appended);
    return node;
}

// Its rows travel between lanes and wait for an answer: they carry what is needed and nothing else. Where nobody above
// reads the event time and no key is one, nothing is late, as in Spark, which prunes it too; WITHIN WATERMARK reads it.
static struct bind_node *prune_dedup(struct bind_context *context, struct bind_node *node, const column_list *needed)
{
    column_list below = {0};
    struct bind_column *time = node->within_watermark ? bind_node_event_time(node) : NULL;
    for (uint32_t i = 0; i < node->columns.count; i++) {
        struct bind_column *column = node->columns.items[i];
        bool key = false;
        for (uint32_t k = 0; k < node->keys.count; k++) key = key || node->keys.items[k] == column;
        if (key || column == time || holds(needed, column)) need(context, &below, column);
    }
    node->inputs.items[0] = narrow(context, prune(context, node->inputs.items[0], &below), &below);
    copy_columns(context, node, node->inputs.items[0]);
    return node;
}

static struct bind_node *prune_aggregate(struct bind_context *context, struct bind_node *node,
                                         const column_list *needed)
{
    column_list below = {0}, columns = {0};
    SQL_LIST(struct bind_expr *) aggregates = {0};
    uint32_t keys = node->exprs.count;
    for (uint32_t i = 0; i < keys; i++) {
        need_reads(context, &below, node->exprs.items[i]);
        sql_list_push(context->arena, &columns, node->columns.items[i]);
    }
    for (uint32_t i = 0; i < node->aggregates.count; i++) {
        if (!holds(needed, node->columns.items[keys + i])) continue;
        need_reads(context, &below, node->aggregates.items[i]);
        sql_list_push(context->arena, &aggregates, node->aggregates.items[i]);
        sql_list_push(context->arena, &columns, node->columns.items[keys + i]);
    }
    if (columns.count == 0)
        return prune_aggregate(context, node, &(column_list){&node->columns.items[0], 1}); // one result must stay
    node->columns.items = columns.items;
    node->columns.count = columns.count;
    node->aggregates.items = aggregates.items;
    node->aggregates.count = aggregates.count;
    node->inputs.items[0] = prune(context, node->inputs.items[0], &below);
    return node;
}

// Both sides end with the same columns in the same order, by the union's names.
static struct bind_node *prune_union(struct bind_context *context, struct bind_node *node, const column_list *needed)
{
    SQL_LIST(uint32_t) kept = {0};
    column_list columns = {0};
    for (uint32_t i = 0; i < node->columns.count; i++) {
        if (!holds(needed, node->columns.items[i])) continue;
        sql_list_push(context->arena, &kept, i);
        sql_list_push(context->arena, &columns, node->columns.items[i]);
    }
    if (kept.count == 0) {
        sql_list_push(context->arena, &kept, 0u);
        sql_list_push(context->arena, &columns, node->columns.items[0]);
    }
    for (uint32_t s = 0; s < node->inputs.count; s++) {
        column_list below = {0}, wanted = {0};
        struct bind_node *side = node->inputs.items[s];
        SQL_LIST(struct bind_named) items = {0};
        for (uint32_t i = 0; i < kept.count; i++) {
            struct bind_column *column = side->columns.items[kept.items[i]];
            struct bind_named item = {bind_expr_reference(context, column, NULL), columns.items[i]->name, node->offset};
            sql_list_push(context->arena, &wanted, column);
            sql_list_push(context->arena, &items, item);
            need(context, &below, column);
        }
        side = narrow(context, prune(context, side, &below), &wanted);
        node->inputs.items[s] = bind_node_project(context, side, items.items, items.count, node->offset);
    }
    node->columns.items = columns.items;
    node->columns.count = columns.count;
    return node;
}

static struct bind_node *prune(struct bind_context *context, struct bind_node *node, const column_list *needed)
{
    switch (node->kind) {
    case BIND_NODE_SOURCE: return prune_source(context, node, needed);
    case BIND_NODE_TABLE: return node;
    case BIND_NODE_PROJECT: return prune_project(context, node, needed);
    case BIND_NODE_DEDUP: return prune_dedup(context, node, needed);
    case BIND_NODE_AGGREGATE: return prune_aggregate(context, node, needed);
    case BIND_NODE_UNION: return prune_union(context, node, needed);
    default: return prune_passing(context, node, needed);
    }
}

struct bind_node *planner_prune(struct bind_context *context, struct bind_node *root)
{
    column_list all = {0};
    for (uint32_t i = 0; i < root->columns.count; i++) sql_list_push(context->arena, &all, root->columns.items[i]);
    return narrow(context, prune(context, root, &all), &all);
}
