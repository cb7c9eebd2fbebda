// Names: columns by qualifier and name (any case), struct fields behind them, and what * stands for.
// Fails with UNRESOLVED_COLUMN.WITH_SUGGESTION, AMBIGUOUS_REFERENCE, FIELD_NOT_FOUND, CANNOT_RESOLVE_STAR_EXPAND.
#include <strings.h>

#include "coordinator/bind/bind.h"

// Do the last parts of the qualifier equal the first `count` parts of the name?
static bool qualifier_matches(const struct sql_name *qualifier, const struct sql_expr *name, uint32_t count)
{
    if (count > qualifier->parts.count) return false;
    uint32_t skip = qualifier->parts.count - count;
    for (uint32_t i = 0; i < count; i++) {
        if (strcasecmp(qualifier->parts.items[skip + i], name->names.items[i]) != 0) return false;
    }
    return true;
}

// The items that name the column with its first `count` parts as qualifier; *ret_found: the first.
static uint32_t count_matches(const struct bind_scope *scope, const struct sql_expr *name, uint32_t count,
                              const struct bind_scope_item **ret_found)
{
    uint32_t matches = 0;
    if (count >= name->names.count) return 0;
    for (uint32_t i = 0; i < scope->items.count; i++) {
        const struct bind_scope_item *item = &scope->items.items[i];
        if (strcasecmp(item->name, name->names.items[count]) != 0 || !qualifier_matches(&item->qualifier, name, count))
            continue;
        if (matches && (*ret_found)->column == item->column) continue;
        if (!matches++) *ret_found = item;
    }
    return matches;
}

static const char *join(struct arena *arena, const struct sql_expr *name)
{
    const char *whole = name->names.items[0];
    for (uint32_t i = 1; i < name->names.count; i++) whole = arena_printf(arena, "%s.%s", whole, name->names.items[i]);
    return whole;
}

static enum status unresolved(struct bind_env *env, const struct sql_expr *name, struct error *err)
{
    struct arena *arena = env->context->arena;
    SQL_LIST(const char *) names = {0};
    for (uint32_t i = 0; i < env->scope->items.count; i++)
        sql_list_push(arena, &names, env->scope->items.items[i].name);
    sql_list_push(arena, &names, (const char *)NULL);
    const char *near = text_nearest(name->names.items[name->names.count - 1], names.items);
    struct text list = {0};
    for (uint32_t i = 0; i + 1 < names.count && i < 12; i++)
        text_printf(&list, "%s%.40s", i ? ", " : "", names.items[i]);
    if (names.count > 13) text_append_str(&list, ", …");
    const char *hint = near ? arena_printf(arena, "did you mean %s? Columns here: %s", near, text_str(&list))
                            : arena_printf(arena, "columns here: %s", names.count > 1 ? text_str(&list) : "none");
    text_deinit(&list);
    return sql_text_error(env->context->text, name->offset, STATUS_INVALID,
                          names.count > 1 ? "UNRESOLVED_COLUMN.WITH_SUGGESTION"
                                          : "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
                          hint, err, "there is no column %.200s", join(arena, name));
}

static const char *field_list(struct arena *arena, const struct type *type)
{
    const char *list = "";
    for (uint32_t i = 0; i < type->child_count && i < 12; i++)
        list = arena_printf(arena, "%s%s%.60s", list, i ? ", " : "", type->children[i].name);
    return list;
}

// expr.name: a field of a struct, a key of a map.
enum status bind_scope_field(struct bind_env *env, const struct sql_expr *at, const char *name, struct bind_expr *of,
                             struct bind_expr **ret_expr, struct error *err)
{
    struct bind_context *context = env->context;
    if (of->type->kind == TYPE_MAP) {
        struct bind_expr *args[2] = {of, bind_expr_string(context, name, at)};
        return bind_call_resolve(env, at, "[]", args, 2, ret_expr, err);
    }
    if (of->type->kind == TYPE_ARRAY && of->type->children[0].type->kind == TYPE_STRUCT) {
        return sql_text_error(context->text, at->offset, STATUS_UNSUPPORTED, NULL, "take one element: a[0].field", err,
                              "a field of all structs of an array (%s) is not built yet", name);
    }
    if (of->type->kind != TYPE_STRUCT) {
        return sql_text_error(context->text, at->offset, STATUS_INVALID, "INVALID_EXTRACT_BASE_FIELD_TYPE", NULL, err,
                              "%.100s is a field's name, but a value of type %.100s has no fields", name,
                              of->type->text);
    }
    int ordinal = type_field_find(of->type, name);
    if (ordinal < 0) {
        return sql_text_error(context->text, at->offset, STATUS_INVALID, "FIELD_NOT_FOUND",
                              arena_printf(context->arena, "its fields: %s", field_list(context->arena, of->type)), err,
                              "there is no field %.100s in this struct", name);
    }
    *ret_expr = bind_expr_field(context, of, (uint32_t)ordinal, at);
    return STATUS_OK;
}

static enum status steps(struct bind_env *env, const struct sql_expr *name, uint32_t from, struct bind_expr *expr,
                         struct bind_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = from; i < name->names.count; i++)
        TRY(bind_scope_field(env, name, name->names.items[i], expr, &expr, err));
    *ret_expr = expr;
out:
    return status;
}

static enum status niladic(struct bind_env *env, const struct sql_expr *name, bool *ret_found,
                           struct bind_expr **ret_expr, struct error *err)
{
    static const char *const functions[] = {"current_timestamp", "current_date", "localtimestamp"};
    *ret_found = false;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (name->names.count != 1 || strcasecmp(name->names.items[0], functions[i]) != 0) continue;
        *ret_found = true;
        return bind_call_resolve(env, name, functions[i], NULL, 0, ret_expr, err);
    }
    return STATUS_OK;
}

enum status bind_scope_resolve(struct bind_env *env, const struct sql_expr *name, struct bind_expr **ret_expr,
                               struct error *err)
{
    struct bind_context *context = env->context;
    const struct bind_scope_item *item = NULL;
    uint32_t most = name->names.count - 1;
    for (uint32_t count = most < 3 ? most : 3;; count--) { // the longest qualifier first
        uint32_t matches = count_matches(env->scope, name, count, &item);
        if (matches > 1) {
            return sql_text_error(context->text, name->offset, STATUS_INVALID, "AMBIGUOUS_REFERENCE",
                                  "give the tables or the columns different names", err,
                                  "%u columns are named %.200s here", matches, join(context->arena, name));
        }
        if (matches == 1)
            return steps(env, name, count + 1, bind_expr_reference(context, item->column, name), ret_expr, err);
        if (count == 0) break;
    }
    for (uint32_t i = 0; env->aliases && i < env->aliases->count; i++) {
        const struct bind_named *alias = &env->aliases->items[i];
        if (alias->name && strcasecmp(alias->name, name->names.items[0]) == 0)
            return steps(env, name, 1, alias->expr, ret_expr, err);
    }
    bool found = false;
    enum status status = niladic(env, name, &found, ret_expr, err);
    if (status != STATUS_OK || found) return status;
    return unresolved(env, name, err);
}

enum status bind_scope_column(struct bind_env *env, const struct sql_expr *name, const char *what,
                              struct bind_column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr *expr = NULL;
    if (name->kind == SQL_EXPR_COLUMN) TRY(bind_scope_resolve(env, name, &expr, err));
    if (!expr || expr->kind != BIND_COLUMN) {
        return sql_text_error(env->context->text, name->offset, STATUS_INVALID, NULL,
                              "name the value in a sub-query first: FROM (SELECT *, data.id AS id FROM …) DROP "
                              "DUPLICATES ON (id)",
                              err, "%s is the name of a column", what);
    }
    *ret_column = expr->column;
out:
    return status;
}

static bool is_excepted(const struct sql_expr *star, const char *name, bool *used)
{
    for (uint32_t i = 0; i < star->except.count; i++) {
        if (strcasecmp(star->except.items[i], name) == 0) return used[i] = true;
    }
    return false;
}

// The struct that stands before .*: as a column, or as an expression.
static enum status star_fields(struct bind_env *env, const struct sql_expr *star, bool *used, bind_named_list *list,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr *of = NULL;
    if (star->args.count) {
        TRY(bind_expression(env, star->args.items[0], &of, err));
    } else {
        struct sql_expr name = *star;
        name.kind = SQL_EXPR_COLUMN;
        TRY(bind_scope_resolve(env, &name, &of, err));
    }
    if (of->type->kind != TYPE_STRUCT) {
        return sql_text_error(env->context->text, star->offset, STATUS_INVALID, "CANNOT_RESOLVE_STAR_EXPAND", NULL, err,
                              "only a table or a struct can stand before .*, this is a value of type %.200s",
                              of->type->text);
    }
    for (uint32_t i = 0; i < of->type->child_count; i++) {
        if (is_excepted(star, of->type->children[i].name, used)) continue;
        struct bind_named item = {bind_expr_field(env->context, of, i, star), of->type->children[i].name, star->offset};
        sql_list_push(env->context->arena, list, item);
    }
out:
    return status;
}

enum status bind_scope_star(struct bind_env *env, const struct sql_expr *star, bind_named_list *list, struct error *err)
{
    enum status status = STATUS_OK;
    struct arena *arena = env->context->arena;
    bool *used = arena_calloc(arena, star->except.count + 1, sizeof *used);
    uint32_t matches = 0;
    for (uint32_t i = 0; i < env->scope->items.count && star->args.count == 0; i++) {
        const struct bind_scope_item *item = &env->scope->items.items[i];
        if (star->names.count &&
            (item->qualifier.parts.count == 0 || !qualifier_matches(&item->qualifier, star, star->names.count)))
            continue;
        if (item->hidden) continue;
        matches++;
        if (is_excepted(star, item->name, used)) continue;
        struct bind_named named = {bind_expr_reference(env->context, item->column, star), item->column->name,
                                   star->offset};
        sql_list_push(arena, list, named);
    }
    if (star->args.count || (star->names.count && matches == 0)) TRY(star_fields(env, star, used, list, err));
    for (uint32_t i = 0; i < star->except.count; i++) {
        if (used[i]) continue;
        return sql_text_error(env->context->text, star->offset, STATUS_INVALID, "EXCEPT_RESOLVED_COLUMNS_WITHOUT_MATCH",
                              NULL, err, "EXCEPT names %.100s, which is none of the columns", star->except.items[i]);
    }
out:
    return status;
}
