// Update mode replaces rows by key: which columns of the table are the keys of its aggregate. Every key must be there,
// else two groups could not be told apart; of a window its start, its end or the window itself will do.
#include <strings.h>

#include "coordinator/planner/planner_private.h"

// What a column of a node is, in terms of the columns of the AGGREGATE below; NULL: something computed.
static const struct bind_expr *trace(struct bind_context *context, const struct bind_node *node,
                                     struct bind_column *column)
{
    const struct bind_expr *expr = bind_expr_reference(context, column, NULL);
    while (node->kind != BIND_NODE_AGGREGATE && node->inputs.count == 1) {
        const struct bind_expr *base = expr->kind == BIND_FIELD ? expr->args.items[0] : expr;
        if (node->kind == BIND_NODE_PROJECT) {
            const struct bind_expr *made = NULL;
            for (uint32_t i = 0; i < node->columns.count && !made; i++) {
                if (node->columns.items[i] == base->column) made = node->exprs.items[i];
            }
            if (!made) return NULL;
            if (expr->kind == BIND_FIELD)
                made = made->kind == BIND_COLUMN
                           ? bind_expr_field(context, (struct bind_expr *)made, expr->ordinal, NULL)
                           : NULL;
            bool simple = made && (made->kind == BIND_COLUMN ||
                                   (made->kind == BIND_FIELD && made->args.items[0]->kind == BIND_COLUMN));
            if (!simple) return NULL;
            expr = made;
        }
        node = node->inputs.items[0];
    }
    return node->kind == BIND_NODE_AGGREGATE ? expr : NULL;
}

static bool identifies(const struct bind_expr *expr, const struct bind_column *key)
{
    if (!expr) return false;
    if (expr->kind == BIND_COLUMN) return expr->column == key;
    bool window = key->type->kind == TYPE_STRUCT && key->type->child_count == 2 &&
                  type_field_find(key->type, "start") == 0 && type_field_find(key->type, "end") == 1;
    return window && expr->kind == BIND_FIELD && expr->args.items[0]->column == key;
}

static bool is_named(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at;) {
        at += strspn(at, ", \t");
        size_t word = strcspn(at, ", \t");
        if (word == length && strncasecmp(at, name, length) == 0) return true;
        at += word;
    }
    return false;
}

static const struct bind_node *find_aggregate(const struct bind_node *node)
{
    while (node->kind != BIND_NODE_AGGREGATE && node->inputs.count) node = node->inputs.items[0];
    return node->kind == BIND_NODE_AGGREGATE ? node : NULL;
}

enum status planner_keys_fill(struct planner *planner, const struct planner_table *table, Foreset__Table *message,
                              struct error *err)
{
    const char *given = planner_table_property(table, "merge.keys");
    if (given && table->declared != FORESET__TABLE__MODE__UPDATE) {
        return sql_text_error(&planner->text, table->statement->offset, STATUS_INVALID, NULL,
                              "'output.mode' = 'update'", err, "'merge.keys' belongs to update mode");
    }
    const struct bind_node *aggregate = find_aggregate(table->node);
    if (table->mode != FORESET__TABLE__MODE__UPDATE || !aggregate) return STATUS_OK;
    message->merge_keys = arena_calloc(planner->arena, aggregate->exprs.count + 1, sizeof *message->merge_keys);
    for (uint32_t k = 0; k < aggregate->exprs.count; k++) {
        const char *found = NULL;
        for (uint32_t c = 0; c < table->node->columns.count && !found; c++) {
            struct bind_column *column = table->node->columns.items[c];
            if (given && !is_named(given, column->name)) continue;
            if (identifies(trace(&planner->bind, table->node, column), aggregate->columns.items[k]))
                found = column->name;
        }
        if (!found && given) {
            return sql_text_error(&planner->text, table->statement->offset, STATUS_UNSUPPORTED, NULL,
                                  "leave 'merge.keys' away: the grouping is the key", err,
                                  "'merge.keys' other than the columns of GROUP BY is not built yet (%.80s is not "
                                  "among them)",
                                  aggregate->columns.items[k]->name);
        }
        if (!found) {
            return sql_text_error(&planner->text, table->statement->query->offset, STATUS_INVALID, NULL,
                                  "add it to the select list", err,
                                  "update mode replaces rows by their group, but the group key %.100s is not among the "
                                  "table's columns",
                                  aggregate->columns.items[k]->name);
        }
        message->merge_keys[message->n_merge_keys++] = (char *)found;
    }
    return STATUS_OK;
}
