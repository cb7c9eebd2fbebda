// Filters move down as Spark moves them, below projections, watermarks, unions, windows and aggregates, because where a
// filter stands decides what a watermark measures (conformance/stream, README: filter-before-watermark and its
// neighbours). Projections that stand on each other become one where that computes nothing twice.
#include "coordinator/planner/planner_private.h"

typedef SQL_LIST(struct bind_expr *) predicate_list;

static void split_conjuncts(struct bind_context *context, struct bind_expr *expr, predicate_list *list)
{
    if (expr->kind == BIND_CALL && strcmp(expr->function, "and") == 0) {
        split_conjuncts(context, expr->args.items[0], list);
        split_conjuncts(context, expr->args.items[1], list);
        return;
    }
    sql_list_push(context->arena, list, expr);
}

static struct bind_expr *conjunction(struct bind_context *context, struct bind_expr *const *items, uint32_t count)
{
    if (count == 1) return items[0];
    uint32_t half = (count + 1) / 2;
    struct bind_expr *sides[2] = {conjunction(context, items, half), conjunction(context, items + half, count - half)};
    struct bind_expr *both = bind_expr_new(context, BIND_CALL, sides[0]->type, NULL);
    both->function = "and";
    both->offset = both->start = sides[0]->offset;
    bind_expr_add(context, both, sides[0]);
    bind_expr_add(context, both, sides[1]);
    return both;
}

static struct bind_node *place(struct bind_context *context, struct bind_node *node, const predicate_list *predicates)
{
    if (predicates->count == 0) return node;
    return bind_node_filter(context, node, conjunction(context, predicates->items, predicates->count));
}

static bool has_column(const struct bind_node *node, const struct bind_column *column)
{
    for (uint32_t i = 0; i < node->columns.count; i++) {
        if (node->columns.items[i] == column) return true;
    }
    return false;
}

// Questions about an expression's columns; every shared part is asked once (mark: of a walk of their own).
static bool reads_only(struct bind_expr *expr, const struct bind_node *node, uint32_t mark)
{
    if (expr->kind == BIND_COLUMN) return has_column(node, expr->column);
    if (!bind_expr_visit(expr, mark)) return true;
    for (uint32_t i = 0; i < expr->args.count; i++) {
        if (!reads_only(expr->args.items[i], node, mark)) return false;
    }
    return true;
}

static bool reads(struct bind_expr *expr, const struct bind_column *column, uint32_t mark)
{
    if (expr->kind == BIND_COLUMN) return expr->column == column;
    if (!bind_expr_visit(expr, mark)) return false;
    for (uint32_t i = 0; i < expr->args.count; i++) {
        if (reads(expr->args.items[i], column, mark)) return true;
    }
    return false;
}

static bool reads_event_time(struct bind_expr *expr, uint32_t mark)
{
    if (expr->kind == BIND_COLUMN) return expr->column->event_time;
    if (!bind_expr_visit(expr, mark)) return false;
    for (uint32_t i = 0; i < expr->args.count; i++) {
        if (reads_event_time(expr->args.items[i], mark)) return true;
    }
    return false;
}

// Costs nothing to compute again.
static bool is_cheap(const struct bind_expr *expr)
{
    while (expr->kind == BIND_FIELD) expr = expr->args.items[0];
    return expr->kind == BIND_COLUMN || expr->kind == BIND_LITERAL;
}

// The expression that makes a column of a PROJECT or a key of an AGGREGATE; NULL: none.
static struct bind_expr *maker(const struct bind_node *node, const struct bind_column *column)
{
    for (uint32_t i = 0; i < node->exprs.count; i++) {
        if (node->columns.items[i] == column) return node->exprs.items[i];
    }
    return NULL;
}

static struct bind_expr *rewrite_to_maker(void *data, struct bind_column *column)
{
    return maker(data, column);
}

// May the predicate be computed below, from what its columns are made of? What is costly is computed twice then, which
// pays only where it must get below a watermark; and a filter on event time does not get there.
struct substitution {
    struct bind_context *context;
    const struct bind_node *node;
    bool costly_allowed;
    uint32_t mark;
};

static bool can_substitute(const struct substitution *below, struct bind_expr *predicate)
{
    if (predicate->kind == BIND_COLUMN) {
        struct bind_expr *made = maker(below->node, predicate->column);
        if (!made || !made->deterministic) return false;
        return is_cheap(made) || (below->costly_allowed && !reads_event_time(made, bind_expr_walk(below->context)));
    }
    if (!bind_expr_visit(predicate, below->mark)) return true;
    for (uint32_t i = 0; i < predicate->args.count; i++) {
        if (!can_substitute(below, predicate->args.items[i])) return false;
    }
    return true;
}

// The predicate in terms of the node's input; NULL: it stays above.
static struct bind_expr *substituted(struct bind_context *context, struct bind_node *node, struct bind_expr *predicate)
{
    struct substitution below = {context, node, bind_node_has_watermark(node), bind_expr_walk(context)};
    if (!predicate->deterministic || !can_substitute(&below, predicate)) return NULL;
    struct bind_expr *moved = bind_expr_replace(context, predicate, rewrite_to_maker, node);
    return moved->depth <= BIND_DEPTH_MAX ? moved : NULL;
}

static struct bind_node *push(struct bind_context *context, struct bind_node *node, const predicate_list *predicates);

// PROJECT, and AGGREGATE: a predicate over keys alone decides whole groups; without keys the one group must stay.
static struct bind_node *push_substituted(struct bind_context *context, struct bind_node *node,
                                          const predicate_list *predicates)
{
    predicate_list below = {0}, above = {0};
    bool possible = node->kind == BIND_NODE_PROJECT || node->exprs.count;
    for (uint32_t i = 0; i < predicates->count; i++) {
        struct bind_expr *moved = possible ? substituted(context, node, predicates->items[i]) : NULL;
        if (moved)
            sql_list_push(context->arena, &below, moved);
        else
            sql_list_push(context->arena, &above, predicates->items[i]);
    }
    node->inputs.items[0] = push(context, node->inputs.items[0], &below);
    return place(context, node, &above);
}

// Predicates go below as they are where they can.
static struct bind_node *push_through(struct bind_context *context, struct bind_node *node,
                                      const predicate_list *predicates)
{
    predicate_list below = {0}, above = {0};
    for (uint32_t i = 0; i < predicates->count; i++) {
        struct bind_expr *predicate = predicates->items[i];
        bool moves = predicate->deterministic;
        if (node->kind == BIND_NODE_WATERMARK) moves = moves && !reads(predicate, node->time, bind_expr_walk(context));
        moves = moves && reads_only(predicate, node->inputs.items[0], bind_expr_walk(context));
        if (moves)
            sql_list_push(context->arena, &below, predicate);
        else
            sql_list_push(context->arena, &above, predicate);
    }
    node->inputs.items[0] = push(context, node->inputs.items[0], &below);
    if (node->kind == BIND_NODE_FILTER &&
        !node->pinned) { // a filter that stays: its own predicate is among those above
        return place(context, node->inputs.items[0], &above);
    }
    return place(context, node, &above);
}

struct union_side {
    struct bind_context *context;
    const struct bind_node *node, *input;
};

static struct bind_expr *rewrite_to_side(void *data, struct bind_column *column)
{
    struct union_side *side = data;
    for (uint32_t i = 0; i < side->node->columns.count; i++) {
        if (side->node->columns.items[i] == column)
            return bind_expr_reference(side->context, side->input->columns.items[i], NULL);
    }
    return NULL;
}

static struct bind_node *push_union(struct bind_context *context, struct bind_node *node,
                                    const predicate_list *predicates)
{
    predicate_list above = {0};
    for (uint32_t i = 0; i < predicates->count; i++) {
        if (!predicates->items[i]->deterministic) sql_list_push(context->arena, &above, predicates->items[i]);
    }
    for (uint32_t s = 0; s < node->inputs.count; s++) {
        predicate_list below = {0};
        struct union_side side = {context, node, node->inputs.items[s]};
        for (uint32_t i = 0; i < predicates->count; i++) {
            if (!predicates->items[i]->deterministic) continue;
            struct bind_expr *moved = bind_expr_replace(context, predicates->items[i], rewrite_to_side, &side);
            sql_list_push(context->arena, &below, moved);
        }
        node->inputs.items[s] = push(context, node->inputs.items[s], &below);
    }
    return place(context, node, &above);
}

static struct bind_node *push(struct bind_context *context, struct bind_node *node, const predicate_list *predicates)
{
    predicate_list all = {0};
    switch (node->kind) {
    case BIND_NODE_FILTER:
        if (node->pinned) return push_through(context, node, predicates);
        // own first: what it keeps out, later ones need not survive
        split_conjuncts(context, node->exprs.items[0], &all);
        for (uint32_t i = 0; i < predicates->count; i++) sql_list_push(context->arena, &all, predicates->items[i]);
        return push_through(context, node, &all);
    case BIND_NODE_PROJECT:
    case BIND_NODE_AGGREGATE: return push_substituted(context, node, predicates);
    case BIND_NODE_WATERMARK:
    case BIND_NODE_WINDOW: return push_through(context, node, predicates);
    case BIND_NODE_UNION: return push_union(context, node, predicates);
    case BIND_NODE_DEDUP:
    case BIND_NODE_SORT:
    case BIND_NODE_LIMIT:
        node->inputs.items[0] = push(context, node->inputs.items[0], &all);
        return place(context, node, predicates);
    case BIND_NODE_SOURCE:
    case BIND_NODE_TABLE: break;
    }
    return place(context, node, predicates);
}

struct bind_node *planner_rules_push(struct bind_context *context, struct bind_node *node)
{
    predicate_list none = {0};
    return push(context, node, &none);
}

// How often a column is read; a shared expression reads it once.
static uint32_t count_reads(struct bind_expr *expr, const struct bind_column *column, uint32_t mark)
{
    if (expr->kind == BIND_COLUMN) return expr->column == column;
    if (!bind_expr_visit(expr, mark)) return 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < expr->args.count; i++) count += count_reads(expr->args.items[i], column, mark);
    return count;
}

// Is every costly column of the lower projection read at most once by the upper one, and does nothing get too deep?
static bool can_collapse(struct bind_context *context, const struct bind_node *upper, const struct bind_node *lower)
{
    uint32_t upper_depth = 0, lower_depth = 0;
    for (uint32_t i = 0; i < upper->exprs.count; i++) {
        if (upper->exprs.items[i]->depth > upper_depth) upper_depth = upper->exprs.items[i]->depth;
    }
    for (uint32_t i = 0; i < lower->exprs.count; i++) {
        if (lower->exprs.items[i]->depth > lower_depth) lower_depth = lower->exprs.items[i]->depth;
        if (is_cheap(lower->exprs.items[i])) continue;
        uint32_t count = 0, mark = bind_expr_walk(context);
        for (uint32_t u = 0; u < upper->exprs.count; u++) {
            count += count_reads(upper->exprs.items[u], lower->columns.items[i], mark);
        }
        if (count > 1) return false;
    }
    return upper_depth + lower_depth <= BIND_DEPTH_MAX;
}

static bool is_identity(const struct bind_node *node)
{
    const struct bind_node *input = node->inputs.items[0];
    if (node->columns.count != input->columns.count) return false;
    for (uint32_t i = 0; i < node->columns.count; i++) {
        bool same = node->exprs.items[i]->kind == BIND_COLUMN &&
                    node->exprs.items[i]->column == input->columns.items[i] &&
                    node->columns.items[i] == input->columns.items[i];
        if (!same) return false;
    }
    return true;
}

struct bind_node *planner_rules_collapse(struct bind_context *context, struct bind_node *node)
{
    for (uint32_t i = 0; i < node->inputs.count; i++)
        node->inputs.items[i] = planner_rules_collapse(context, node->inputs.items[i]);
    if (node->kind != BIND_NODE_PROJECT) return node;
    struct bind_node *lower = node->inputs.items[0];
    if (lower->kind == BIND_NODE_PROJECT && can_collapse(context, node, lower)) {
        for (uint32_t i = 0; i < node->exprs.count; i++) {
            node->exprs.items[i] = bind_expr_replace(context, node->exprs.items[i], rewrite_to_maker, lower);
        }
        node->inputs.items[0] = lower->inputs.items[0];
    }
    return is_identity(node) ? node->inputs.items[0] : node;
}
