// Operators of a query while it is bound.
#include "coordinator/bind/bind.h"

enum status bind_node_cost(const struct bind_context *context, uint32_t offset, struct error *err)
{
    if (context->arena->used_bytes > BIND_BYTES_MAX) {
        return sql_text_error(context->text, offset, STATUS_INVALID, NULL, "make some of its views tables, or split it",
                              err, "this pipeline takes more than %u MiB to compile", BIND_BYTES_MAX >> 20);
    }
    if (!context->stop || !context->stop(context->stop_context)) return STATUS_OK;
    return sql_text_error(context->text, offset, STATUS_INVALID, NULL,
                          "make some of its views tables, or split it; or apply it when less is going on", err,
                          "compiling this pipeline takes too long");
}

enum status bind_node_width(const struct bind_context *context, struct bind_column *const *columns, uint32_t count,
                            uint32_t offset, struct error *err)
{
    size_t bytes = 0;
    if (count > BIND_COLUMNS_MAX) {
        return sql_text_error(context->text, offset, STATUS_INVALID, NULL, "name the columns that are needed", err,
                              "%u columns, at most %u are allowed", count, BIND_COLUMNS_MAX);
    }
    for (uint32_t i = 0; i < count; i++) bytes += strlen(columns[i]->name) + strlen(columns[i]->type->text) + 2;
    if (bytes <= TYPE_TEXT_BYTES_MAX) return STATUS_OK;
    return sql_text_error(context->text, offset, STATUS_INVALID, NULL, "name the columns and fields that are needed",
                          err, "the types of these columns take %zu bytes of text, the limit is %u", bytes,
                          TYPE_TEXT_BYTES_MAX);
}

struct bind_node *bind_node_new(struct bind_context *context, enum bind_node_kind kind, struct bind_node *input,
                                uint32_t offset)
{
    struct bind_node *node = arena_calloc(context->arena, 1, sizeof *node);
    node->kind = kind;
    node->offset = offset;
    if (!input) return node;
    sql_list_push(context->arena, &node->inputs, input);
    for (uint32_t i = 0; i < input->columns.count; i++)
        sql_list_push(context->arena, &node->columns, input->columns.items[i]);
    return node;
}

struct bind_node *bind_node_filter(struct bind_context *context, struct bind_node *input, struct bind_expr *predicate)
{
    struct bind_node *node = bind_node_new(context, BIND_NODE_FILTER, input, predicate->offset);
    sql_list_push(context->arena, &node->exprs, predicate);
    return node;
}

static bool keeps_event_time(const struct bind_expr *expr)
{
    if (expr->kind == BIND_COLUMN) return expr->column->event_time;
    // window_time(window) is bound as window.end - 1 microsecond
    if (expr->kind == BIND_CALL && expr->function && strcmp(expr->function, "window_time") == 0)
        return keeps_event_time(expr->args.items[0]);
    return false;
}

struct bind_node *bind_node_project(struct bind_context *context, struct bind_node *input,
                                    const struct bind_named *items, uint32_t count, uint32_t offset)
{
    struct bind_node *node = bind_node_new(context, BIND_NODE_PROJECT, NULL, offset);
    sql_list_push(context->arena, &node->inputs, input);
    for (uint32_t i = 0; i < count; i++) {
        struct bind_expr *expr = items[i].expr;
        bool same = expr->kind == BIND_COLUMN && strcmp(expr->column->name, items[i].name) == 0;
        struct bind_column *column =
            same ? expr->column : bind_expr_column(context, items[i].name, expr->type, keeps_event_time(expr));
        sql_list_push(context->arena, &node->exprs, expr);
        sql_list_push(context->arena, &node->columns, column);
    }
    return node;
}

bool bind_node_has_watermark(const struct bind_node *node)
{
    if (node->kind == BIND_NODE_WATERMARK) return true;
    for (uint32_t i = 0; i < node->inputs.count; i++) {
        if (bind_node_has_watermark(node->inputs.items[i])) return true;
    }
    return false;
}

struct bind_column *bind_node_event_time(const struct bind_node *node)
{
    for (uint32_t i = 0; i < node->columns.count; i++) {
        if (node->columns.items[i]->event_time) return node->columns.items[i];
    }
    return NULL;
}
