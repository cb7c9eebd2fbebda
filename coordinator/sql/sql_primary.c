// What an expression is made of: literals, names, calls, CASE, CAST, brackets, and the suffixes .field, [index] and
// ::type.
#include <strings.h>

#include "coordinator/sql/sql_parser.h"

static struct sql_expr *new_expr(struct sql_parser *parser, enum sql_expr_kind kind, uint32_t offset)
{
    struct sql_expr *expr = arena_calloc(parser->arena, 1, sizeof *expr);
    expr->kind = kind;
    expr->offset = expr->start = offset;
    expr->depth = 1;
    return expr;
}

static struct sql_expr *finish(struct sql_parser *parser, struct sql_expr *expr)
{
    expr->end = sql_parser_last_end(parser);
    for (uint32_t i = 0; i < expr->args.count; i++) {
        if (expr->args.items[i]->depth >= expr->depth) expr->depth = expr->args.items[i]->depth + 1;
    }
    return expr;
}

struct sql_expr *sql_primary_literal(struct sql_parser *parser, uint32_t start, const struct sql_value *value)
{
    struct sql_expr *expr = new_expr(parser, SQL_EXPR_LITERAL, start);
    expr->value = *value;
    return finish(parser, expr);
}

static bool is_reserved(const struct sql_parser *parser)
{
    static const char *const words[] = {"select", "from", "where", "group",   "having", "order", "union",
                                        "when",   "then", "else",  "and",     "or",     "in",    "is",
                                        "as",     "on",   "join",  "between", "like"};
    if (sql_parser_is_word(parser, 0, "like") && sql_parser_is_symbol(parser, 1, "(")) return false; // like(a, 'b%')
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (sql_parser_is_word(parser, 0, words[i])) return true;
    }
    return false;
}

// CASE [operand] WHEN … THEN … [ELSE …] END
static enum status parse_case(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_expr *expr = new_expr(parser, SQL_EXPR_CALL, sql_parser_offset(parser)), *arg = NULL;
    expr->is_operator = true;
    parser->at++;
    TRY(sql_parser_enter(parser, err));
    expr->name = sql_parser_is_word(parser, 0, "when") ? "case" : "simple_case";
    if (expr->name[0] == 's') {
        TRY(sql_expression_parse(parser, &arg, err));
        sql_list_push(parser->arena, &expr->args, arg);
    }
    do {
        TRY(sql_parser_expect(parser, "WHEN", err));
        TRY(sql_expression_parse(parser, &arg, err));
        sql_list_push(parser->arena, &expr->args, arg);
        TRY(sql_parser_expect(parser, "THEN", err));
        TRY(sql_expression_parse(parser, &arg, err));
        sql_list_push(parser->arena, &expr->args, arg);
    } while (sql_parser_is_word(parser, 0, "when"));
    if (sql_parser_accept(parser, "else")) {
        TRY(sql_expression_parse(parser, &arg, err));
        sql_list_push(parser->arena, &expr->args, arg);
    }
    TRY(sql_parser_expect(parser, "END", err));
    parser->nesting--;
    *ret_expr = finish(parser, expr);
out:
    return status;
}

static enum status parse_cast(struct sql_parser *parser, bool try_cast, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_expr *expr = new_expr(parser, SQL_EXPR_CAST, sql_parser_offset(parser)), *arg = NULL;
    expr->try_cast = try_cast;
    parser->at += 2;
    TRY(sql_parser_enter(parser, err));
    TRY(sql_expression_parse(parser, &arg, err));
    sql_list_push(parser->arena, &expr->args, arg);
    TRY(sql_parser_expect(parser, "AS", err));
    TRY(sql_type_parse(parser, &expr->type, err));
    TRY(sql_parser_expect_symbol(parser, ")", err));
    parser->nesting--;
    *ret_expr = finish(parser, expr);
out:
    return status;
}

static struct sql_expr *string_literal(struct sql_parser *parser, uint32_t start, const char *bytes)
{
    struct sql_value value = {.type = type_of(TYPE_STRING), .bytes = slice_str(bytes)};
    return sql_primary_literal(parser, start, &value);
}

// extract(YEAR FROM x), position(x IN y), substring(x FROM a FOR b), trim(BOTH x FROM y), timestampdiff(DAY, a, b):
// calls with words in them. *ret_found false: an ordinary call.
static enum status parse_worded(struct sql_parser *parser, struct sql_expr *call, bool *ret_found, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_expr *arg = NULL;
    *ret_found = true;
    if (strcasecmp(call->name, "extract") == 0 && sql_parser_is_word(parser, 1, "from")) {
        const struct sql_token *token = sql_parser_peek(parser, 0);
        struct sql_expr *field = string_literal(parser, token->offset,
                                                sql_parser_copy(parser, token->offset, token->offset + token->length));
        parser->at += 2;
        call->name = "date_part";
        sql_list_push(parser->arena, &call->args, field);
        TRY(sql_expression_parse(parser, &arg, err));
        sql_list_push(parser->arena, &call->args, arg);
        goto out;
    }
    static const char *const unit_first[] = {"timestampadd", "timestampdiff", "dateadd",
                                             "date_add",     "datediff",      "date_diff"};
    static const char *const units[] = {"year", "quarter", "month",  "week",        "day",        "dayofyear",
                                        "hour", "minute",  "second", "millisecond", "microsecond"};
    for (size_t i = 0; i < sizeof unit_first / sizeof *unit_first; i++) {
        if (strcasecmp(call->name, unit_first[i]) != 0 || !sql_parser_is_symbol(parser, 1, ",")) continue;
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            if (!sql_parser_is_word(parser, 0, units[u])) continue;
            struct sql_expr *unit = string_literal(parser, sql_parser_offset(parser), units[u]);
            parser->at += 2;
            sql_list_push(parser->arena, &call->args, unit);
            call->name = i == 0 || i == 2 || i == 3 ? "timestampadd" : "timestampdiff";
            *ret_found = false; // the rest is an ordinary list
            return STATUS_OK;
        }
    }
    *ret_found = false;
out:
    return status;
}

// trim([BOTH | LEADING | TRAILING] [x] FROM y)
static enum status parse_trim(struct sql_parser *parser, struct sql_expr *call, bool *ret_found, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t mark = parser->at;
    *ret_found = false;
    if (strcasecmp(call->name, "trim") != 0) return STATUS_OK;
    const char *name = "trim";
    bool worded = false;
    if (sql_parser_accept(parser, "both"))
        worded = true;
    else if (sql_parser_accept(parser, "leading"))
        name = "ltrim";
    else if (sql_parser_accept(parser, "trailing"))
        name = "rtrim";
    worded = worded || name[0] != 't';
    struct sql_expr *what = NULL, *from = NULL;
    if (!sql_parser_is_word(parser, 0, "from")) TRY(sql_expression_value(parser, &what, err));
    if (!sql_parser_accept(parser, "from")) {
        if (worded) return sql_parser_refuse(parser, "FROM", NULL, err);
        parser->at = mark;
        return STATUS_OK;
    }
    TRY(sql_expression_value(parser, &from, err));
    *ret_found = true;
    call->name = name;
    sql_list_push(parser->arena, &call->args, from);
    if (what) sql_list_push(parser->arena, &call->args, what);
out:
    return status;
}

static enum status parse_argument(struct sql_parser *parser, struct sql_expr *call, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_expr *arg = NULL;
    const char *name = NULL;
    if (sql_parser_is_symbol(parser, 0, "*")) {
        arg = new_expr(parser, SQL_EXPR_STAR, sql_parser_offset(parser));
        parser->at++;
        arg = finish(parser, arg);
    } else {
        bool named = sql_parser_is_name(parser, 0) && sql_parser_is_symbol(parser, 1, "=>");
        if (named) {
            TRY(sql_parser_name(parser, "an argument's name", &name, err));
            parser->at++;
        }
        TRY(sql_expression_parse(parser, &arg, err));
        if (!named && sql_parser_accept(parser, "as")) TRY(sql_parser_name(parser, "a name", &name, err));
    }
    if (sql_parser_is_symbol(parser, 0, "->")) {
        status = sql_parser_unsupported(parser, sql_parser_offset(parser),
                                        "a lambda (x -> …) and the functions that take one", NULL, err);
        goto out;
    }
    sql_list_push(parser->arena, &call->args, arg);
    sql_list_push(parser->arena, &call->arg_names, name);
out:
    return status;
}

static enum status parse_arguments(struct sql_parser *parser, struct sql_expr *call, struct error *err)
{
    enum status status = STATUS_OK;
    bool worded = false;
    if (sql_parser_accept_symbol(parser, ")")) return STATUS_OK;
    TRY(parse_worded(parser, call, &worded, err));
    if (!worded) TRY(parse_trim(parser, call, &worded, err));
    if (worded) return sql_parser_expect_symbol(parser, ")", err);
    for (uint32_t i = 0; i < call->args.count; i++) sql_list_push(parser->arena, &call->arg_names, (const char *)NULL);
    call->distinct = sql_parser_accept(parser, "distinct");
    if (!call->distinct && sql_parser_is_word(parser, 0, "all") && sql_parser_is_name(parser, 1)) parser->at++;
    bool position = strcasecmp(call->name, "position") == 0;
    bool worded_list = strncasecmp(call->name, "substr", 6) == 0 || strcasecmp(call->name, "overlay") == 0;
    if (position) {
        struct sql_expr *what = NULL, *in = NULL;
        TRY(sql_expression_value(parser, &what, err));
        sql_list_push(parser->arena, &call->args, what);
        if (sql_parser_accept(parser, "in")) {
            TRY(sql_expression_value(parser, &in, err));
            sql_list_push(parser->arena, &call->args, in);
            return sql_parser_expect_symbol(parser, ")", err);
        }
        sql_list_push(parser->arena, &call->arg_names, (const char *)NULL);
        if (!sql_parser_accept_symbol(parser, ",")) return sql_parser_expect_symbol(parser, ")", err);
    }
    do {
        TRY(parse_argument(parser, call, err));
    } while (sql_parser_accept_symbol(parser, ",") ||
             (worded_list && (sql_parser_accept(parser, "from") || sql_parser_accept(parser, "for") ||
                              sql_parser_accept(parser, "placing"))));
    if (sql_parser_is_word(parser, 0, "ignore") || sql_parser_is_word(parser, 0, "respect")) {
        call->ignore_nulls = sql_parser_is_word(parser, 0, "ignore");
        parser->at++;
        TRY(sql_parser_expect(parser, "NULLS", err));
    }
    status = sql_parser_expect_symbol(parser, ")", err);
out:
    return status;
}

// FILTER (WHERE …) and what is refused behind a call.
static enum status parse_call_end(struct sql_parser *parser, struct sql_expr *call, struct error *err)
{
    enum status status = STATUS_OK;
    if (sql_parser_is_word(parser, 0, "ignore") && sql_parser_is_word(parser, 1, "nulls")) {
        call->ignore_nulls = true;
        parser->at += 2;
    }
    if (sql_parser_is_word(parser, 0, "within") && sql_parser_is_word(parser, 1, "group")) {
        status = sql_parser_unsupported(parser, sql_parser_offset(parser), "WITHIN GROUP (ORDER BY …)", NULL, err);
        goto out;
    }
    if (sql_parser_is_word(parser, 0, "filter") && sql_parser_is_symbol(parser, 1, "(")) {
        parser->at += 2;
        TRY(sql_parser_expect(parser, "WHERE", err));
        TRY(sql_expression_parse(parser, &call->filter, err));
        TRY(sql_parser_expect_symbol(parser, ")", err));
    }
    if (sql_parser_is_word(parser, 0, "over")) {
        status = sql_parser_unsupported(parser, sql_parser_offset(parser), "a window function (OVER …)",
                                        "to keep one row per key write (query) DROP DUPLICATES ON (key); for windows "
                                        "in time, "
                                        "GROUP BY window(time, '1 minute')",
                                        err);
    }
out:
    return status;
}

static enum status parse_call(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_expr *call = new_expr(parser, SQL_EXPR_CALL, sql_parser_offset(parser));
    TRY(sql_parser_name(parser, "a function's name", &call->name, err));
    TRY(sql_parser_enter(parser, err));
    parser->at++; // (
    TRY(parse_arguments(parser, call, err));
    parser->nesting--;
    TRY(parse_call_end(parser, call, err));
    *ret_expr = finish(parser, call);
out:
    return status;
}

// a, a.b.c, a.*, * [EXCEPT (x, y)]
static enum status parse_names(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_expr *expr = new_expr(parser, SQL_EXPR_COLUMN, sql_parser_offset(parser));
    for (;;) {
        if (sql_parser_accept_symbol(parser, "*")) {
            expr->kind = SQL_EXPR_STAR;
            break;
        }
        const char *name = NULL;
        TRY(sql_parser_name(parser, "a column's name", &name, err));
        sql_list_push(parser->arena, &expr->names, name);
        if (!sql_parser_is_symbol(parser, 0, ".") ||
            !(sql_parser_is_name(parser, 1) || sql_parser_is_symbol(parser, 1, "*")))
            break;
        parser->at++;
    }
    if (expr->kind == SQL_EXPR_STAR &&
        (sql_parser_is_word(parser, 0, "except") || sql_parser_is_word(parser, 0, "exclude")) &&
        sql_parser_is_symbol(parser, 1, "(")) {
        parser->at += 2;
        do {
            const char *name = NULL;
            TRY(sql_parser_name(parser, "a column's name", &name, err));
            sql_list_push(parser->arena, &expr->except, name);
        } while (sql_parser_accept_symbol(parser, ","));
        TRY(sql_parser_expect_symbol(parser, ")", err));
    }
    *ret_expr = finish(parser, expr);
out:
    return status;
}

// (a) or (a, b): the latter is a struct, as in Spark.
static enum status parse_bracket(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t start = sql_parser_offset(parser);
    if (sql_parser_is_word(parser, 1, "select") || sql_parser_is_word(parser, 1, "with")) {
        return sql_parser_unsupported(parser, start, "a sub-query inside an expression", "sub-queries stand in FROM",
                                      err);
    }
    TRY(sql_parser_enter(parser, err));
    parser->at++;
    struct sql_expr *inner = NULL;
    TRY(sql_expression_parse(parser, &inner, err));
    if (sql_parser_is_symbol(parser, 0, ",")) {
        struct sql_expr *call = new_expr(parser, SQL_EXPR_CALL, start);
        call->name = "struct";
        sql_list_push(parser->arena, &call->args, inner);
        while (sql_parser_accept_symbol(parser, ",")) {
            TRY(sql_expression_parse(parser, &inner, err));
            sql_list_push(parser->arena, &call->args, inner);
        }
        inner = finish(parser, call);
    }
    TRY(sql_parser_expect_symbol(parser, ")", err));
    parser->nesting--;
    *ret_expr = inner;
out:
    return status;
}

static enum status parse_atom(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t start = sql_parser_offset(parser);
    struct sql_value value = {0};
    bool found = false, negative = sql_parser_is_symbol(parser, 0, "-");
    const struct sql_token *token = sql_parser_peek(parser, negative);
    if (token->kind == SQL_TOKEN_NUMBER) {
        parser->at += negative;
        TRY(sql_literal_number(parser, negative, &value, err));
        *ret_expr = sql_primary_literal(parser, start, &value);
    } else if (token->kind == SQL_TOKEN_STRING) {
        TRY(sql_literal_string(parser, &value.bytes, err));
        value.type = type_of(TYPE_STRING);
        *ret_expr = sql_primary_literal(parser, start, &value);
    } else if (sql_parser_is_symbol(parser, 0, "(")) {
        status = parse_bracket(parser, ret_expr, err);
    } else if (sql_parser_is_symbol(parser, 0, "*") || token->kind == SQL_TOKEN_QUOTED) {
        status = sql_parser_is_symbol(parser, 1, "(") && token->kind == SQL_TOKEN_QUOTED
                     ? parse_call(parser, ret_expr, err)
                     : parse_names(parser, ret_expr, err);
    } else if (token->kind != SQL_TOKEN_WORD || is_reserved(parser)) {
        status = sql_parser_refuse(parser, "an expression", NULL, err);
    } else {
        TRY(sql_literal_typed(parser, &found, &value, err));
        bool bracket = sql_parser_is_symbol(parser, 1, "("), dot = sql_parser_is_symbol(parser, 1, ".");
        if (found) {
            *ret_expr = sql_primary_literal(parser, start, &value);
        } else if (!dot && !bracket &&
                   (sql_parser_is_word(parser, 0, "null") || sql_parser_is_word(parser, 0, "true") ||
                    sql_parser_is_word(parser, 0, "false"))) {
            value.null = sql_parser_is_word(parser, 0, "null");
            value.boolean = sql_parser_is_word(parser, 0, "true");
            value.type = type_of(value.null ? TYPE_VOID : TYPE_BOOLEAN);
            parser->at++;
            *ret_expr = sql_primary_literal(parser, start, &value);
        } else if (sql_parser_is_word(parser, 0, "case") && !dot) {
            status = parse_case(parser, ret_expr, err);
        } else if (bracket && (sql_parser_is_word(parser, 0, "cast") || sql_parser_is_word(parser, 0, "try_cast"))) {
            status = parse_cast(parser, sql_parser_is_word(parser, 0, "try_cast"), ret_expr, err);
        } else if (bracket && sql_parser_is_word(parser, 0, "exists")) {
            status = sql_parser_unsupported(parser, start, "EXISTS (sub-query), and exists(array, x -> …)", NULL, err);
        } else if (bracket) {
            status = parse_call(parser, ret_expr, err);
        } else {
            status = parse_names(parser, ret_expr, err);
        }
    }
out:
    return status;
}

static enum status parse_suffix(struct sql_parser *parser, struct sql_expr **expr, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t offset = sql_parser_offset(parser), start = (*expr)->start;
    struct sql_expr *outer = NULL, *index = NULL;
    if (sql_parser_accept_symbol(parser, "[")) {
        TRY(sql_parser_enter(parser, err));
        TRY(sql_expression_parse(parser, &index, err));
        TRY(sql_parser_expect_symbol(parser, "]", err));
        parser->nesting--;
        struct sql_expr *args[2] = {*expr, index};
        TRY(sql_expression_call(parser, "[]", offset, start, args, 2, &outer, err));
    } else if (sql_parser_accept_symbol(parser, "::")) {
        outer = new_expr(parser, SQL_EXPR_CAST, offset);
        sql_list_push(parser->arena, &outer->args, *expr);
        TRY(sql_type_parse(parser, &outer->type, err));
    } else {
        parser->at++; // .
        bool star = sql_parser_accept_symbol(parser, "*");
        outer = new_expr(parser, star ? SQL_EXPR_STAR : SQL_EXPR_FIELD, star ? start : sql_parser_offset(parser));
        if (!star) TRY(sql_parser_name(parser, "a field's name", &outer->name, err));
        sql_list_push(parser->arena, &outer->args, *expr);
    }
    outer->start = start;
    *expr = finish(parser, outer);
    if ((*expr)->depth > SQL_DEPTH_MAX) {
        status = sql_text_error(parser->text, offset, STATUS_INVALID, NULL, NULL, err,
                                "this expression is nested deeper than %u", SQL_DEPTH_MAX);
    }
out:
    return status;
}

enum status sql_primary_parse(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_expr *expr = NULL;
    TRY(parse_atom(parser, &expr, err));
    while (sql_parser_is_symbol(parser, 0, "[") || sql_parser_is_symbol(parser, 0, "::") ||
           sql_parser_is_symbol(parser, 0, ".")) {
        TRY(parse_suffix(parser, &expr, err));
    }
    if (sql_parser_is_symbol(parser, 0, ":") && !sql_parser_is_symbol(parser, 0, "::")) {
        status =
            sql_parser_unsupported(parser, sql_parser_offset(parser), "a JSON path (value:field)",
                                   "from_json(value, 'field STRING').field, or get_json_object(value, '$.field')", err);
        goto out;
    }
    *ret_expr = expr;
out:
    return status;
}
