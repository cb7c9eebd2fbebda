// FROM: what is read, then its modifiers (WATERMARK, DROP DUPLICATES), then its alias.
#include <strings.h>

#include "coordinator/bind/bind.h"

#define COLUMNS_MAX 300000u // ids given out while one pipeline is bound: views that double each other end here

static enum status unsupported(struct bind_context *context, uint32_t offset, const char *what, const char *hint,
                               struct error *err)
{
    return sql_text_error(context->text, offset, STATUS_UNSUPPORTED, NULL, hint, err, "%s is not built yet", what);
}

static const char *joined(struct bind_context *context, const struct sql_name *name)
{
    const char *whole = name->parts.items[0];
    for (uint32_t i = 1; i < name->parts.count; i++)
        whole = arena_printf(context->arena, "%s.%s", whole, name->parts.items[i]);
    return whole;
}

static bool same_name(const struct sql_name *a, const struct sql_name *b)
{
    if (a->parts.count != b->parts.count) return false;
    for (uint32_t i = 0; i < a->parts.count; i++) {
        if (strcasecmp(a->parts.items[i], b->parts.items[i]) != 0) return false;
    }
    return true;
}

// A view sees only what was named before it, so views cannot go in circles.
static enum status bind_view(struct bind_context *context, uint32_t at, struct bind_node **ret_node, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_context inner = *context;
    memset(&inner.views, 0, sizeof inner.views); // a copy: this list grows in place
    for (uint32_t i = 0; i < at; i++) sql_list_push(context->arena, &inner.views, context->views.items[i]);
    TRY(bind_query(&inner, context->views.items[at].query, ret_node, err));
    context->next_id = inner.next_id;
out:
    return status;
}

static enum status unknown_table(struct bind_context *context, const struct sql_relation *relation, struct error *err)
{
    const char *name = joined(context, &relation->name);
    const char *near = text_nearest(name, context->table_names(context->data));
    const char *hint = near ? arena_printf(context->arena, "did you mean %s?", near)
                            : "tables of this pipeline are read by their full name; Delta tables of others are not "
                              "read yet";
    return sql_text_error(context->text, relation->offset, STATUS_INVALID, "TABLE_OR_VIEW_NOT_FOUND", hint, err,
                          "there is no table or view %.200s in this pipeline", name);
}

static enum status bind_table(struct bind_context *context, const struct sql_relation *relation,
                              struct bind_node **ret_node, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = context->views.count; i-- > 0;) {
        if (same_name(&context->views.items[i].name, &relation->name)) return bind_view(context, i, ret_node, err);
    }
    if (relation->name.parts.count == 2 && strcasecmp(relation->name.parts.items[0], "delta") == 0) {
        return unsupported(context, relation->offset, "reading a Delta table by its path",
                           "tables of this pipeline are read as STREAM name", err);
    }
    const struct bind_table *table = NULL;
    TRY(context->find_table(context->data, &relation->name, &table, err));
    if (!table) return unknown_table(context, relation, err);
    if (!relation->stream) {
        return unsupported(context, relation->offset,
                           arena_printf(context->arena,
                                        "reading %.200s without STREAM (a static side, read once per epoch)",
                                        table->name),
                           arena_printf(context->arena, "FROM STREAM %s", table->name), err);
    }
    if (table->refusal) {
        return sql_text_error(context->text, relation->offset, STATUS_INVALID, NULL,
                              "read the table that it is made from, or give it append mode with a WATERMARK", err,
                              "STREAM %.200s: %s, so its rows change and cannot be read as a stream", table->name,
                              table->refusal);
    }
    struct bind_node *node = bind_node_new(context, BIND_NODE_TABLE, NULL, relation->offset);
    node->table = table->index;
    for (uint32_t i = 0; i < table->columns.count; i++) { // new columns: a watermark ends at the table's border
        const struct bind_column *column = table->columns.items[i];
        sql_list_push(context->arena, &node->columns, bind_expr_column(context, column->name, column->type, false));
    }
    *ret_node = node;
out:
    return status;
}

static void make_scope(struct bind_context *context, const struct bind_node *node, const struct sql_relation *relation,
                       struct bind_scope *scope)
{
    memset(scope, 0, sizeof *scope);
    struct sql_name qualifier = {0};
    if (relation->alias)
        sql_list_push(context->arena, &qualifier.parts, relation->alias);
    else if (relation->kind == SQL_RELATION_TABLE)
        qualifier = relation->name;
    for (uint32_t i = 0; i < node->columns.count; i++) {
        struct bind_scope_item item = {
            .qualifier = qualifier, .name = node->columns.items[i]->name, .column = node->columns.items[i]};
        sql_list_push(context->arena, &scope->items, item);
    }
}

static enum status check_time(struct bind_context *context, const struct sql_watermark *watermark,
                              const struct type *type, struct error *err)
{
    bool window = type->kind == TYPE_STRUCT && type->child_count == 2 && type_field_find(type, "end") == 1 &&
                  type->children[1].type->kind == TYPE_TIMESTAMP;
    if (window)
        return unsupported(context, watermark->offset, "a watermark on a window",
                           "WATERMARK on the time that the window is made of", err);
    if (type->kind == TYPE_TIMESTAMP) return STATUS_OK;
    return sql_text_error(context->text, watermark->time->offset, STATUS_INVALID, "EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE",
                          "make it one: WATERMARK to_timestamp(x) AS event_time DELAY OF …", err,
                          "a watermark needs a TIMESTAMP, this is of type %.200s", type->text);
}

// WATERMARK expr AS name: the expression becomes one more column first.
static enum status add_time(struct bind_env *env, const struct sql_watermark *watermark, struct bind_expr *time,
                            struct bind_node **node, struct bind_column **ret_column, struct error *err)
{
    struct bind_context *context = env->context;
    if (!watermark->name) {
        return sql_text_error(context->text, watermark->time->offset, STATUS_INVALID,
                              "REQUIRES_EXPLICIT_NAME_IN_WATERMARK_CLAUSE",
                              "WATERMARK to_timestamp(x) AS event_time DELAY OF INTERVAL 10 MINUTES", err,
                              "an event time that is no plain column needs a name");
    }
    SQL_LIST(struct bind_named) items = {0};
    for (uint32_t i = 0; i < (*node)->columns.count; i++) {
        struct bind_column *column = (*node)->columns.items[i];
        struct bind_named item = {bind_expr_reference(context, column, NULL), column->name, watermark->offset};
        sql_list_push(context->arena, &items, item);
    }
    struct bind_named item = {time, watermark->name, watermark->offset};
    sql_list_push(context->arena, &items, item);
    *node = bind_node_project(context, *node, items.items, items.count, watermark->offset);
    *ret_column = (*node)->columns.items[items.count - 1];
    return STATUS_OK;
}

static enum status add_watermark(struct bind_context *context, const struct sql_relation *relation,
                                 struct bind_node **node, struct error *err)
{
    enum status status = STATUS_OK;
    const struct sql_watermark *watermark = relation->watermark;
    struct bind_scope scope;
    make_scope(context, *node, relation, &scope);
    struct bind_env env = {.context = context, .scope = &scope, .place = "WATERMARK"};
    struct bind_expr *time = NULL;
    TRY(bind_expression(&env, watermark->time, &time, err));
    TRY(check_time(context, watermark, time->type, err));
    if (bind_node_has_watermark(*node)) {
        return sql_text_error(context->text, watermark->offset, STATUS_INVALID, NULL,
                              "keep the one that is nearest to the source", err,
                              "a second WATERMARK above the first one");
    }
    struct bind_column *from = time->kind == BIND_COLUMN ? time->column : NULL;
    if (!from || watermark->name) TRY(add_time(&env, watermark, time, node, &from, err));
    struct bind_node *marked = bind_node_new(context, BIND_NODE_WATERMARK, *node, watermark->offset);
    marked->time_from = from;
    marked->time = bind_expr_column(context, from->name, from->type, true);
    marked->delay_us = watermark->delay_us;
    marked->identity = relation->identity;
    for (uint32_t i = 0; i < marked->columns.count; i++) {
        if (marked->columns.items[i] == from) marked->columns.items[i] = marked->time;
    }
    sql_list_push(context->arena, &marked->exprs, bind_expr_reference(context, from, watermark->time));
    *node = marked;
out:
    return status;
}

static const struct bind_node *find_watermark(const struct bind_node *node)
{
    if (node->kind == BIND_NODE_WATERMARK) return node;
    const struct bind_node *found = NULL;
    for (uint32_t i = 0; i < node->inputs.count && !found; i++) found = find_watermark(node->inputs.items[i]);
    return found;
}

static enum status add_dedup(struct bind_context *context, const struct sql_relation *relation, struct bind_node **node,
                             struct error *err)
{
    enum status status = STATUS_OK;
    const struct sql_dedup *dedup = relation->dedup;
    struct bind_scope scope;
    make_scope(context, *node, relation, &scope);
    struct bind_env env = {.context = context, .scope = &scope, .place = "DROP DUPLICATES"};
    struct bind_node *made = bind_node_new(context, BIND_NODE_DEDUP, *node, dedup->offset);
    made->identity = relation->identity;
    made->within_watermark = dedup->within_watermark;
    for (uint32_t i = 0; i < dedup->columns.count; i++) {
        struct bind_column *key = NULL;
        TRY(bind_scope_column(&env, dedup->columns.items[i], "a key of DROP DUPLICATES", &key, err));
        if (key->type->kind == TYPE_MAP)
            TRY(unsupported(context, dedup->columns.items[i]->offset, "a map as a deduplication key", NULL, err));
        bool known = false;
        for (uint32_t k = 0; k < made->keys.count; k++) known = known || made->keys.items[k] == key;
        if (!known) sql_list_push(context->arena, &made->keys, key);
    }
    if (dedup->within_watermark) {
        const struct bind_node *watermark = find_watermark(*node);
        if (!watermark || !bind_node_event_time(*node)) {
            return sql_text_error(context->text, dedup->offset, STATUS_INVALID, "_LEGACY_ERROR_TEMP_3102",
                                  "FROM STREAM t WATERMARK ts DELAY OF INTERVAL 10 MINUTES DROP DUPLICATES WITHIN "
                                  "WATERMARK ON (id)",
                                  err, "DROP DUPLICATES WITHIN WATERMARK needs a WATERMARK before it");
        }
        made->delay_us = watermark->delay_us;
    }
    *node = made;
out:
    return status;
}

static enum status rename_columns(struct bind_context *context, const struct sql_relation *relation,
                                  struct bind_node **node, struct error *err)
{
    if (relation->column_aliases.count == 0) return STATUS_OK;
    if (relation->column_aliases.count != (*node)->columns.count) {
        return sql_text_error(context->text, relation->offset, STATUS_INVALID, "NUM_TABLE_VALUE_ALIASES_MISMATCH", NULL,
                              err, "%u names for %u columns", relation->column_aliases.count, (*node)->columns.count);
    }
    SQL_LIST(struct bind_named) items = {0};
    for (uint32_t i = 0; i < (*node)->columns.count; i++) {
        struct bind_named item = {bind_expr_reference(context, (*node)->columns.items[i], NULL),
                                  relation->column_aliases.items[i], relation->offset};
        sql_list_push(context->arena, &items, item);
    }
    *node = bind_node_project(context, *node, items.items, items.count, relation->offset);
    return STATUS_OK;
}

static bool reads_static(const struct sql_relation *relation)
{
    if (relation->kind == SQL_RELATION_JOIN) return reads_static(relation->left) || reads_static(relation->right);
    return !relation->stream && relation->kind != SQL_RELATION_QUERY;
}

enum status bind_relation(struct bind_context *context, const struct sql_relation *relation,
                          struct bind_node **ret_node, struct bind_scope *ret_scope, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_node *node = NULL;
    if (context->next_id > COLUMNS_MAX) {
        return sql_text_error(context->text, relation->offset, STATUS_INVALID, NULL, NULL, err,
                              "the views of this pipeline unfold to more than %u columns", COLUMNS_MAX);
    }
    TRY(bind_node_cost(context, relation->offset, err));
    switch (relation->kind) {
    case SQL_RELATION_JOIN:
        return unsupported(context, relation->offset,
                           arena_printf(context->arena, "a %s join (%.40s)",
                                        reads_static(relation) ? "stream-static" : "stream-stream", relation->join),
                           "several streams of the same columns meet in UNION ALL", err);
    case SQL_RELATION_QUERY: TRY(bind_query(context, relation->query, &node, err)); break;
    case SQL_RELATION_FUNCTION: TRY(bind_source(context, relation, &node, err)); break;
    case SQL_RELATION_TABLE: TRY(bind_table(context, relation, &node, err)); break;
    }
    if (relation->watermark) TRY(add_watermark(context, relation, &node, err));
    if (relation->dedup) TRY(add_dedup(context, relation, &node, err));
    TRY(rename_columns(context, relation, &node, err));
    TRY(bind_node_width(context, node->columns.items, node->columns.count, relation->offset, err));
    make_scope(context, node, relation, ret_scope);
    *ret_node = node;
out:
    return status;
}
