// Expressions: names, types and casts, bottom up. Spark's conditions: UNRESOLVED_COLUMN, DATATYPE_MISMATCH,
// MISSING_AGGREGATION.
#include <string.h>
#include <strings.h>

#include "common/plan/function_table.h"
#include "coordinator/bind/bind.h"

static const char *cast_condition(const struct type *from, const struct type *to, bool try_cast)
{
    bool numeric = type_is_numeric(from) || type_is_numeric(to);
    bool date = from->kind == TYPE_DATE || to->kind == TYPE_DATE;
    if (!try_cast && to->kind == TYPE_BOOLEAN && (from->kind == TYPE_DATE || from->kind == TYPE_TIMESTAMP)) {
        return "DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION";
    }
    return numeric && date ? "DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION"
                           : "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION";
}

static enum status bind_cast(struct bind_env *env, const struct sql_expr *expr, struct bind_expr **ret_expr,
                             struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr *arg = NULL;
    TRY(bind_expression(env, expr->args.items[0], &arg, err));
    if (!function_can_cast(arg->type, expr->type, expr->try_cast)) {
        const char *condition = cast_condition(arg->type, expr->type, expr->try_cast);
        const char *hint = strstr(condition, "FUNC") ? "days since 1970 become a date with date_from_unix_date, and a "
                                                       "date days with unix_date"
                                                     : NULL;
        return sql_text_error(env->context->text, expr->offset, STATUS_INVALID, condition, hint, err,
                              "a value of type %.150s cannot be cast to %.150s", arg->type->text, expr->type->text);
    }
    struct bind_expr *cast = bind_expr_new(env->context, BIND_CAST, expr->type, expr);
    cast->try_cast = expr->try_cast;
    bind_expr_add(env->context, cast, arg);
    *ret_expr = arg->type == expr->type ? arg : cast;
out:
    return status;
}

static enum status bind_field(struct bind_env *env, const struct sql_expr *expr, struct bind_expr **ret_expr,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr *of = NULL;
    TRY(bind_expression(env, expr->args.items[0], &of, err));
    status = bind_scope_field(env, expr, expr->name, of, ret_expr, err);
out:
    return status;
}

static enum status bind_any(struct bind_env *env, const struct sql_expr *expr, struct bind_expr **ret_expr,
                            struct error *err)
{
    switch (expr->kind) {
    case SQL_EXPR_LITERAL: *ret_expr = bind_expr_literal(env->context, &expr->value, expr); return STATUS_OK;
    case SQL_EXPR_COLUMN: return bind_scope_resolve(env, expr, ret_expr, err);
    case SQL_EXPR_CALL: return bind_call(env, expr, ret_expr, err);
    case SQL_EXPR_CAST: return bind_cast(env, expr, ret_expr, err);
    case SQL_EXPR_FIELD: return bind_field(env, expr, ret_expr, err);
    case SQL_EXPR_STAR: break;
    }
    return sql_text_error(env->context->text, expr->offset, STATUS_INVALID, "INVALID_USAGE_OF_STAR_OR_REGEX", NULL, err,
                          "* stands in a select list, or as count(*)");
}

enum status bind_expression(struct bind_env *env, const struct sql_expr *expr, struct bind_expr **ret_expr,
                            struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr *bound = NULL;
    TRY(bind_node_cost(env->context, expr->offset, err));
    TRY(bind_any(env, expr, &bound, err));
    if (bound->depth > BIND_DEPTH_MAX) {
        return sql_text_error(
            env->context->text, expr->offset, STATUS_INVALID, NULL, "put a part of it into a sub-query", err,
            "this expression, with the aliases that it names, is nested deeper than %u", BIND_DEPTH_MAX);
    }
    *ret_expr = bound;
out:
    return status;
}

enum status bind_expression_boolean(struct bind_env *env, const struct sql_expr *expr, struct bind_expr **ret_expr,
                                    struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr *bound = NULL;
    TRY(bind_expression(env, expr, &bound, err));
    bool having = strcmp(env->place, "HAVING") == 0; // Spark casts its condition
    if (having && function_can_cast(bound->type, type_of(TYPE_BOOLEAN), false))
        bound = bind_expr_cast(env->context, bound, type_of(TYPE_BOOLEAN));
    if (bound->type->kind != TYPE_BOOLEAN) {
        bool filter = strcmp(env->place, "FILTER") == 0;
        return sql_text_error(env->context->text, expr->offset, STATUS_INVALID,
                              filter ? "INVALID_AGGREGATE_FILTER.NOT_BOOLEAN" : "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN",
                              NULL, err, "%s takes a condition (BOOLEAN), this is of type %.200s", env->place,
                              bound->type->text);
    }
    *ret_expr = bound;
out:
    return status;
}
