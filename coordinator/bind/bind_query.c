// SELECT: FROM, WHERE, windows, aggregates, HAVING, projection, DISTINCT, ORDER BY, LIMIT, and UNION of those.
// The operators stand in Spark's order, so that what a later one sees is what it would see there.
#include <strings.h>

#include "common/plan/function_table.h"
#include "coordinator/bind/bind.h"

struct select {
    struct bind_context *context;
    const struct sql_query *query;
    struct bind_scope scope;
    struct bind_node *node;
    struct bind_window window;
    bind_named_list items; // the select list, then what ORDER BY needs besides
    uint32_t visible;      // how many of items are the select list
    SQL_LIST(struct bind_expr *) keys;
    SQL_LIST(const char *) key_names;
    struct bind_expr *having;
    SQL_LIST(uint32_t) order; // per ORDER BY: index into items
    bool aggregated;
};

static struct bind_env env_of(struct select *select, const char *place)
{
    return (struct bind_env){.context = select->context, .scope = &select->scope, .place = place};
}

// The text of an expression with blanks collapsed: the name Spark would make up is close to it.
static const char *made_up_name(struct bind_context *context, const struct sql_expr *expr)
{
    struct text name = {0};
    bool blank = false;
    for (uint32_t i = expr->start; i < expr->end && name.length < 200; i++) {
        char c = context->text->bytes[i];
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            blank = name.length > 0;
            continue;
        }
        if (blank) text_append_char(&name, ' ');
        blank = false;
        text_append_char(&name, c);
    }
    const char *copy = arena_strdup(context->arena, text_str(&name));
    text_deinit(&name);
    return copy;
}

static const char *item_name(struct bind_context *context, const struct sql_item *item)
{
    const struct sql_expr *expr = item->expr;
    if (item->alias) return item->alias;
    if (expr->kind == SQL_EXPR_COLUMN) return expr->names.items[expr->names.count - 1];
    if (expr->kind == SQL_EXPR_FIELD) return expr->name;
    return made_up_name(context, expr);
}

static enum status bind_items(struct bind_env *env, const struct sql_query *query, bind_named_list *list,
                              struct error *err)
{
    enum status status = STATUS_OK;
    env->aliases = list;
    for (uint32_t i = 0; i < query->items.count; i++) {
        const struct sql_item *item = &query->items.items[i];
        if (item->expr->kind == SQL_EXPR_STAR) {
            TRY(bind_scope_star(env, item->expr, list, err));
            continue;
        }
        struct bind_named named = {.name = item_name(env->context, item), .offset = item->expr->offset};
        TRY(bind_expression(env, item->expr, &named.expr, err));
        sql_list_push(env->context->arena, list, named);
    }
out:
    return status;
}

enum status bind_query_list(struct bind_context *context, const struct sql_query *list, const struct bind_scope *scope,
                            bind_named_list *ret_list, struct error *err)
{
    struct bind_env env = {.context = context, .scope = scope, .place = "this select list"};
    bind_named_list items = {0};
    enum status status = bind_items(&env, list, &items, err);
    if (status == STATUS_OK) *ret_list = items;
    return status;
}

static void add_scope(struct bind_context *context, struct bind_scope *scope, struct bind_column *column, bool hidden)
{
    struct bind_scope_item item = {.name = column->name, .column = column, .hidden = hidden};
    sql_list_push(context->arena, &scope->items, item);
}

// GROUP BY window(…) makes the name `window` before the select list is read.
static enum status bind_group_window(struct select *select, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_env env = env_of(select, "GROUP BY");
    env.windows = &select->window;
    for (uint32_t i = 0; i < select->query->group_by.count; i++) {
        const struct sql_expr *key = select->query->group_by.items[i];
        if (key->kind != SQL_EXPR_CALL) continue;
        if (strcasecmp(key->name, "session_window") == 0) return bind_call_session(&env, key, err);
        if (strcasecmp(key->name, "window") != 0) continue;
        struct bind_expr *window = NULL;
        TRY(bind_call_window(&env, key, &window, err));
        add_scope(select->context, &select->scope, window->column, true);
    }
out:
    return status;
}

static enum status ordinal_item(struct select *select, const struct sql_expr *expr, const char *clause,
                                uint32_t *ret_item, struct error *err)
{
    int64_t ordinal = expr->value.integer;
    if (ordinal >= 1 && ordinal <= select->visible) {
        *ret_item = (uint32_t)ordinal - 1;
        return STATUS_OK;
    }
    return sql_text_error(select->context->text, expr->offset, STATUS_INVALID,
                          clause[0] == 'G' ? "GROUP_BY_POS_OUT_OF_RANGE" : "ORDER_BY_POS_OUT_OF_RANGE", NULL, err,
                          "%s %lld: the select list has %u columns", clause, (long long)ordinal, select->visible);
}

static bool is_ordinal(const struct sql_expr *expr)
{
    return expr->kind == SQL_EXPR_LITERAL && !expr->value.null && expr->value.type->kind == TYPE_INT;
}

static enum status add_key(struct select *select, struct bind_expr *key, const char *name, uint32_t offset,
                           struct error *err)
{
    if (key->has_aggregate) {
        return sql_text_error(select->context->text, offset, STATUS_INVALID, "GROUP_BY_AGGREGATE", NULL, err,
                              "GROUP BY cannot hold an aggregate");
    }
    sql_list_push(select->context->arena, &select->keys, key);
    sql_list_push(select->context->arena, &select->key_names, name);
    return STATUS_OK;
}

static enum status bind_keys(struct select *select, struct error *err)
{
    enum status status = STATUS_OK;
    const struct sql_query *query = select->query;
    for (uint32_t i = 0; query->group_all && i < select->visible; i++) {
        const struct bind_named *item = &select->items.items[i];
        if (!item->expr->has_aggregate) TRY(add_key(select, item->expr, item->name, item->offset, err));
    }
    for (uint32_t i = 0; i < query->group_by.count; i++) {
        const struct sql_expr *expr = query->group_by.items[i];
        uint32_t at = 0;
        if (is_ordinal(expr)) {
            TRY(ordinal_item(select, expr, "GROUP BY", &at, err));
            TRY(add_key(select, select->items.items[at].expr, select->items.items[at].name, expr->offset, err));
            continue;
        }
        struct bind_env env = env_of(select, "GROUP BY");
        env.windows = &select->window;
        env.aliases = &select->items;
        struct bind_expr *key = NULL;
        TRY(bind_expression(&env, expr, &key, err));
        TRY(add_key(select, key, item_name(select->context, &(struct sql_item){.expr = query->group_by.items[i]}),
                    expr->offset, err));
    }
out:
    return status;
}

// An ORDER BY expression as an item: one of the select list, by ordinal, name or equality, or a hidden one more.
static enum status bind_order_item(struct select *select, const struct sql_expr *expr, uint32_t *ret_item,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    if (is_ordinal(expr)) return ordinal_item(select, expr, "ORDER BY", ret_item, err);
    for (uint32_t i = 0; i < select->visible && expr->kind == SQL_EXPR_COLUMN && expr->names.count == 1; i++) {
        if (strcasecmp(select->items.items[i].name, expr->names.items[0]) != 0) continue;
        *ret_item = i;
        return STATUS_OK;
    }
    struct bind_env env = env_of(select, "ORDER BY");
    env.aggregates_allowed = select->aggregated;
    env.windows = &select->window;
    env.aliases = &select->items;
    struct bind_named item = {.offset = expr->offset, .name = made_up_name(select->context, expr)};
    TRY(bind_expression(&env, expr, &item.expr, err));
    for (uint32_t i = 0; i < select->visible; i++) {
        if (!bind_expr_equal(select->items.items[i].expr, item.expr)) continue;
        *ret_item = i;
        return STATUS_OK;
    }
    if (select->query->distinct) {
        return sql_text_error(select->context->text, expr->offset, STATUS_INVALID, "UNRESOLVED_COLUMN.WITH_SUGGESTION",
                              NULL, err, "with SELECT DISTINCT, ORDER BY takes columns of the select list");
    }
    *ret_item = select->items.count;
    sql_list_push(select->context->arena, &select->items, item);
out:
    return status;
}

static enum status bind_expressions(struct select *select, struct error *err)
{
    enum status status = STATUS_OK;
    const struct sql_query *query = select->query;
    struct bind_env env = env_of(select, "a select list without GROUP BY");
    env.aggregates_allowed = true;
    env.windows = &select->window;
    TRY(bind_group_window(select, err));
    TRY(bind_items(&env, query, &select->items, err));
    select->visible = select->items.count;
    select->aggregated = query->grouped || query->having;
    for (uint32_t i = 0; i < select->visible; i++)
        select->aggregated = select->aggregated || select->items.items[i].expr->has_aggregate;
    TRY(bind_keys(select, err));
    if (query->having) {
        env.place = "HAVING";
        TRY(bind_expression_boolean(&env, query->having, &select->having, err));
    }
    for (uint32_t i = 0; i < query->order_by.count; i++) {
        uint32_t item = 0;
        TRY(bind_order_item(select, query->order_by.items[i].expr, &item, err));
        sql_list_push(select->context->arena, &select->order, item);
    }
out:
    return status;
}

// Rows without time are in no window; a tumbling window is a value of its row, sliding windows multiply it.
static enum status add_window(struct select *select, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_context *context = select->context;
    struct bind_window *window = &select->window;
    struct bind_env env = env_of(select, "window(…)");
    struct bind_expr *not_null = NULL;
    if (!window->found) return STATUS_OK;
    TRY(bind_call_resolve(&env, NULL, "isnotnull", &window->time, 1, &not_null, err));
    not_null->offset = window->offset;
    struct bind_node *filtered = bind_node_filter(context, select->node, not_null);
    filtered->pinned = true;
    bool tumbling = window->slide_us == window->window_us;
    struct bind_node *node =
        bind_node_new(context, tumbling ? BIND_NODE_PROJECT : BIND_NODE_WINDOW, filtered, window->offset);
    if (tumbling) {
        for (uint32_t i = 0; i < filtered->columns.count; i++) {
            sql_list_push(context->arena, &node->exprs, bind_expr_reference(context, filtered->columns.items[i], NULL));
        }
        struct bind_expr *call = bind_expr_new(context, BIND_CALL, window->column->type, NULL);
        call->offset = window->offset;
        call->function = "window";
        const int64_t values[3] = {window->window_us, window->slide_us, window->offset_us};
        bind_expr_add(context, call, window->time);
        for (uint32_t i = 0; i < 3; i++) {
            bind_expr_add(context, call, bind_expr_integer(context, TYPE_BIGINT, values[i], NULL));
        }
        sql_list_push(context->arena, &node->exprs, call);
    } else {
        sql_list_push(context->arena, &node->exprs, window->time);
        node->window_us = window->window_us;
        node->slide_us = window->slide_us;
        node->offset_us = window->offset_us;
    }
    sql_list_push(context->arena, &node->columns, window->column);
    select->node = node;
out:
    return status;
}

static enum status add_aggregate(struct select *select, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_context *context = select->context;
    if (!select->aggregated) return STATUS_OK;
    SQL_LIST(struct bind_expr **) exprs = {0};
    for (uint32_t i = 0; i < select->items.count; i++)
        sql_list_push(context->arena, &exprs, &select->items.items[i].expr);
    if (select->having) sql_list_push(context->arena, &exprs, &select->having);
    TRY(bind_aggregate_split(context, select->node, select->keys.items, select->key_names.items, select->keys.count,
                             exprs.items, exprs.count, select->query->offset, &select->node, err));
    if (select->having) select->node = bind_node_filter(context, select->node, select->having);
out:
    return status;
}

static struct bind_node *add_distinct(struct bind_context *context, struct bind_node *input, uint32_t offset)
{
    struct bind_node *node = bind_node_new(context, BIND_NODE_AGGREGATE, input, offset);
    node->is_distinct = true;
    for (uint32_t i = 0; i < input->columns.count; i++) {
        sql_list_push(context->arena, &node->exprs, bind_expr_reference(context, input->columns.items[i], NULL));
    }
    return node;
}

static enum status check_distinct(struct bind_context *context, const struct bind_node *node, uint32_t offset,
                                  struct error *err)
{
    for (uint32_t i = 0; i < node->columns.count; i++) {
        if (node->columns.items[i]->type->kind != TYPE_MAP) continue;
        return sql_text_error(context->text, offset, STATUS_UNSUPPORTED, NULL, NULL, err,
                              "DISTINCT over a map (%.100s) is not built yet", node->columns.items[i]->name);
    }
    return STATUS_OK;
}

static enum status add_limit(struct bind_context *context, const struct sql_query *query, struct bind_node **node,
                             struct error *err)
{
    const struct sql_expr *limit = query->limit;
    if (!limit) return STATUS_OK;
    bool good = limit->kind == SQL_EXPR_LITERAL && !limit->value.null && type_is_integral(limit->value.type) &&
                limit->value.integer >= 0;
    if (!good) {
        return sql_text_error(context->text, limit->offset, STATUS_INVALID, "INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE",
                              NULL, err, "LIMIT takes a whole number that is not negative");
    }
    *node = bind_node_new(context, BIND_NODE_LIMIT, *node, query->limit_offset);
    (*node)->limit = (uint64_t)limit->value.integer;
    return STATUS_OK;
}

static struct bind_node *add_sort(struct select *select)
{
    struct bind_context *context = select->context;
    const struct sql_query *query = select->query;
    if (query->order_by.count == 0) return select->node;
    struct bind_node *sort = bind_node_new(context, BIND_NODE_SORT, select->node, query->order_offset);
    for (uint32_t i = 0; i < query->order_by.count; i++) {
        struct bind_column *column = select->node->columns.items[select->order.items[i]];
        struct bind_sort_key key = {bind_expr_reference(context, column, NULL), query->order_by.items[i].descending,
                                    query->order_by.items[i].nulls_last};
        sql_list_push(context->arena, &sort->sort_keys, key);
    }
    return sort;
}

// The select list's columns alone, when ORDER BY needed more.
static void drop_hidden(struct select *select)
{
    struct bind_context *context = select->context;
    if (select->visible == select->items.count) return;
    SQL_LIST(struct bind_named) shown = {0};
    for (uint32_t i = 0; i < select->visible; i++) {
        struct bind_column *column = select->node->columns.items[i];
        struct bind_named item = {bind_expr_reference(context, column, NULL), column->name, select->query->offset};
        sql_list_push(context->arena, &shown, item);
    }
    select->node = bind_node_project(context, select->node, shown.items, shown.count, select->query->offset);
}

static enum status bind_select(struct bind_context *context, const struct sql_query *query, struct bind_node **ret_node,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct select select = {.context = context, .query = query};
    if (!query->from) {
        return sql_text_error(context->text, query->offset, STATUS_INVALID, NULL, "SELECT … FROM STREAM read_kafka(…)",
                              err, "a streaming table reads a stream, this SELECT has no FROM");
    }
    TRY(bind_relation(context, query->from, &select.node, &select.scope, err));
    if (query->where) {
        struct bind_env env = env_of(&select, "WHERE");
        struct bind_expr *where = NULL;
        TRY(bind_expression_boolean(&env, query->where, &where, err));
        select.node = bind_node_filter(context, select.node, where);
    }
    TRY(bind_expressions(&select, err));
    TRY(add_window(&select, err));
    TRY(add_aggregate(&select, err));
    select.node = bind_node_project(context, select.node, select.items.items, select.items.count, query->offset);
    if (query->distinct) {
        TRY(check_distinct(context, select.node, query->offset, err));
        select.node = add_distinct(context, select.node, query->offset);
    }
    select.node = add_sort(&select);
    TRY(add_limit(context, query, &select.node, err));
    drop_hidden(&select);
    *ret_node = select.node;
out:
    return status;
}

// Casts one side of a UNION to the common types.
static struct bind_node *cast_side(struct bind_context *context, struct bind_node *side,
                                   const struct type *const *types, uint32_t offset)
{
    SQL_LIST(struct bind_named) items = {0};
    bool changed = false;
    for (uint32_t i = 0; i < side->columns.count; i++) {
        struct bind_expr *expr =
            bind_expr_cast(context, bind_expr_reference(context, side->columns.items[i], NULL), types[i]);
        changed = changed || expr->kind == BIND_CAST;
        struct bind_named item = {expr, side->columns.items[i]->name, offset};
        sql_list_push(context->arena, &items, item);
    }
    return changed ? bind_node_project(context, side, items.items, items.count, offset) : side;
}

static enum status bind_union(struct bind_context *context, const struct sql_query *query, struct bind_node **ret_node,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_node *left = NULL, *right = NULL;
    TRY(bind_query(context, query->left, &left, err));
    TRY(bind_query(context, query->right, &right, err));
    if (left->columns.count != right->columns.count) {
        return sql_text_error(context->text, query->offset, STATUS_INVALID, "NUM_COLUMNS_MISMATCH", NULL, err,
                              "UNION of %u columns with %u columns", left->columns.count, right->columns.count);
    }
    uint32_t count = left->columns.count;
    const struct type **types = arena_alloc(context->arena, (count + 1) * sizeof *types);
    for (uint32_t i = 0; i < count; i++) {
        const struct type *pair[2] = {left->columns.items[i]->type, right->columns.items[i]->type};
        types[i] = pair[0] == pair[1] ? pair[0] : function_common_type(pair, 2);
        if (types[i]) continue;
        return sql_text_error(context->text, query->offset, STATUS_INVALID, "INCOMPATIBLE_COLUMN_TYPE",
                              "cast one of them", err,
                              "UNION: column %u (%.80s) is %.100s on one side and %.100s on the other", i + 1,
                              left->columns.items[i]->name, pair[0]->text, pair[1]->text);
    }
    left = cast_side(context, left, types, query->offset);
    right = cast_side(context, right, types, query->offset);
    struct bind_node *node = bind_node_new(context, BIND_NODE_UNION, NULL, query->offset);
    sql_list_push(context->arena, &node->inputs, left);
    sql_list_push(context->arena, &node->inputs, right);
    for (uint32_t i = 0; i < count; i++) {
        const struct bind_column *from = left->columns.items[i];
        sql_list_push(context->arena, &node->columns,
                      bind_expr_column(context, from->name, types[i], from->event_time));
    }
    if (query->union_distinct) {
        TRY(check_distinct(context, node, query->offset, err));
        node = add_distinct(context, node, query->offset);
    }
    *ret_node = node;
out:
    return status;
}

// ORDER BY and LIMIT over a UNION: over its columns only.
static enum status bind_union_tail(struct bind_context *context, const struct sql_query *query, struct bind_node **node,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    struct select select = {.context = context, .query = query, .node = *node};
    for (uint32_t i = 0; i < (*node)->columns.count; i++) {
        struct bind_column *column = (*node)->columns.items[i];
        struct bind_named item = {bind_expr_reference(context, column, NULL), column->name, query->offset};
        add_scope(context, &select.scope, column, false);
        sql_list_push(context->arena, &select.items, item);
    }
    select.visible = select.items.count;
    for (uint32_t i = 0; i < query->order_by.count; i++) {
        uint32_t item = 0;
        TRY(bind_order_item(&select, query->order_by.items[i].expr, &item, err));
        sql_list_push(context->arena, &select.order, item);
    }
    if (select.items.count > select.visible) {
        select.node = bind_node_project(context, select.node, select.items.items, select.items.count, query->offset);
    }
    select.node = add_sort(&select);
    TRY(add_limit(context, query, &select.node, err));
    drop_hidden(&select);
    *node = select.node;
out:
    return status;
}

enum status bind_query(struct bind_context *context, const struct sql_query *query, struct bind_node **ret_node,
                       struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t views = context->views.count;
    struct bind_node *node = NULL;
    if (context->depth >= BIND_QUERIES_MAX) {
        return sql_text_error(context->text, query->offset, STATUS_INVALID, NULL, "make some of them tables", err,
                              "queries stand within queries deeper than %u", BIND_QUERIES_MAX);
    }
    TRY(bind_node_cost(context, query->offset, err));
    context->depth++;
    for (uint32_t i = 0; i < query->ctes.count; i++) {
        struct bind_view view = {.query = query->ctes.items[i].query};
        sql_list_push(context->arena, &view.name.parts, query->ctes.items[i].name);
        sql_list_push(context->arena, &context->views, view);
    }
    if (query->left) {
        TRY(bind_union(context, query, &node, err));
        TRY(bind_union_tail(context, query, &node, err));
    } else {
        TRY(bind_select(context, query, &node, err));
    }
    context->views.count = views;
    context->depth--;
    *ret_node = node;
out:
    return status;
}
