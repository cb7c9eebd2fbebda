// Operators and predicates by precedence, as in Spark's grammar (SqlBaseParser.g4: booleanExpression, valueExpression):
// OR < AND < NOT < IS, IN, LIKE, BETWEEN < comparison < | < ^ < & < shifts < + - || < * / % DIV < unary.
#include "coordinator/sql/sql_parser.h"

static struct sql_expr *new_expr(struct sql_parser *parser, enum sql_expr_kind kind, uint32_t offset, uint32_t start)
{
    struct sql_expr *expr = arena_calloc(parser->arena, 1, sizeof *expr);
    expr->kind = kind;
    expr->offset = offset;
    expr->start = start;
    expr->end = sql_parser_last_end(parser);
    expr->depth = 1;
    return expr;
}

enum status sql_expression_call(struct sql_parser *parser, const char *name, uint32_t offset, uint32_t start,
                                struct sql_expr *const *args, uint32_t count, struct sql_expr **ret_expr,
                                struct error *err)
{
    struct sql_expr *expr = new_expr(parser, SQL_EXPR_CALL, offset, start);
    expr->name = name;
    expr->is_operator = true;
    for (uint32_t i = 0; i < count; i++) {
        sql_list_push(parser->arena, &expr->args, args[i]);
        if (args[i]->depth >= expr->depth) expr->depth = args[i]->depth + 1;
    }
    if (expr->depth > SQL_DEPTH_MAX) {
        return sql_text_error(parser->text, offset, STATUS_INVALID, NULL, "IN (…) or concat(…) take long lists", err,
                              "this expression is nested deeper than %u", SQL_DEPTH_MAX);
    }
    *ret_expr = expr;
    return STATUS_OK;
}

static enum status negate(struct sql_parser *parser, bool negated, struct sql_expr **expr, struct error *err)
{
    if (!negated) return STATUS_OK;
    return sql_expression_call(parser, "not", (*expr)->offset, (*expr)->start, expr, 1, expr, err);
}

struct binary_operator {
    const char *symbol;
    const char *name;
    int level;
};
static const struct binary_operator operators[] = {
    {"=", "=", 1},   {"==", "=", 1},  {"<=>", "<=>", 1}, {"<>", "<>", 1}, {"!=", "<>", 1},   {"<", "<", 1},
    {"<=", "<=", 1}, {">", ">", 1},   {">=", ">=", 1},   {"!>", "<=", 1}, {"!<", ">=", 1},   {"|", "|", 2},
    {"^", "^", 3},   {"&", "&", 4},   {"<<", "<<", 5},   {">>", ">>", 5}, {">>>", ">>>", 5}, {"+", "+", 6},
    {"-", "-", 6},   {"||", "||", 6}, {"*", "*", 7},     {"/", "/", 7},   {"%", "%", 7},     {"div", "div", 7},
};

static const struct binary_operator *peek_operator(const struct sql_parser *parser)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        const char *symbol = operators[i].symbol;
        bool found = symbol[0] == 'd' ? sql_parser_is_word(parser, 0, symbol) : sql_parser_is_symbol(parser, 0, symbol);
        if (found) return &operators[i];
    }
    return NULL;
}

static enum status parse_unary(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t offset = sql_parser_offset(parser);
    const char *name = sql_parser_is_symbol(parser, 0, "-")   ? "negative"
                       : sql_parser_is_symbol(parser, 0, "+") ? "positive"
                       : sql_parser_is_symbol(parser, 0, "~") ? "~"
                                                              : NULL;
    bool number = sql_parser_peek(parser, 1)->kind == SQL_TOKEN_NUMBER;
    if (!name || (number && name[0] == 'n')) return sql_primary_parse(parser, ret_expr, err);
    struct sql_expr *arg = NULL;
    TRY(sql_parser_enter(parser, err));
    parser->at++;
    TRY(parse_unary(parser, &arg, err));
    parser->nesting--;
    status = sql_expression_call(parser, name, offset, offset, &arg, 1, ret_expr, err);
out:
    return status;
}

static enum status parse_binary(struct sql_parser *parser, int least, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t start = sql_parser_offset(parser);
    struct sql_expr *left = NULL, *right = NULL;
    TRY(parse_unary(parser, &left, err));
    for (;;) {
        const struct binary_operator *operator= peek_operator(parser);
        if (!operator|| operator->level<least) break;
        uint32_t offset = sql_parser_offset(parser);
        parser->at++;
        TRY(parse_binary(parser, operator->level + 1, &right, err));
        struct sql_expr *args[2] = {left, right};
        TRY(sql_expression_call(parser, operator->name, offset, start, args, 2, &left, err));
    }
    *ret_expr = left;
out:
    return status;
}

enum status sql_expression_value(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    return parse_binary(parser, 1, ret_expr, err);
}

static enum status parse_in(struct sql_parser *parser, struct sql_expr *left, uint32_t offset,
                            struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    SQL_LIST(struct sql_expr *) args = {0};
    sql_list_push(parser->arena, &args, left);
    TRY(sql_parser_expect_symbol(parser, "(", err));
    if (sql_parser_is_word(parser, 0, "select") || sql_parser_is_word(parser, 0, "with")) {
        status = sql_parser_unsupported(parser, sql_parser_offset(parser), "IN (sub-query)",
                                        "write the values out: IN ('a', 'b')", err);
        goto out;
    }
    TRY(sql_parser_enter(parser, err));
    do {
        struct sql_expr *item = NULL;
        TRY(sql_expression_parse(parser, &item, err));
        sql_list_push(parser->arena, &args, item);
    } while (sql_parser_accept_symbol(parser, ","));
    TRY(sql_parser_expect_symbol(parser, ")", err));
    parser->nesting--;
    status = sql_expression_call(parser, "in", offset, left->start, args.items, args.count, ret_expr, err);
out:
    return status;
}

// LIKE ANY | SOME | ALL ('a', 'b'): a chain of LIKEs.
static enum status parse_like_list(struct sql_parser *parser, struct sql_expr *left, const char *name, bool negated,
                                   struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t offset = sql_parser_offset(parser);
    bool all = sql_parser_is_word(parser, 0, "all");
    parser->at++;
    struct sql_expr *whole = NULL;
    TRY(sql_parser_expect_symbol(parser, "(", err));
    do {
        struct sql_expr *item = NULL, *like = NULL;
        TRY(sql_expression_value(parser, &item, err));
        struct sql_expr *args[2] = {left, item};
        TRY(sql_expression_call(parser, name, offset, left->start, args, 2, &like, err));
        TRY(negate(parser, negated, &like, err));
        struct sql_expr *both[2] = {whole, like};
        if (!whole)
            whole = like;
        else
            TRY(sql_expression_call(parser, all ? "and" : "or", offset, left->start, both, 2, &whole, err));
    } while (sql_parser_accept_symbol(parser, ","));
    TRY(sql_parser_expect_symbol(parser, ")", err));
    *ret_expr = whole;
out:
    return status;
}

static enum status parse_like(struct sql_parser *parser, struct sql_expr *left, const char *name, uint32_t offset,
                              struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_expr *args[3] = {left, NULL, NULL};
    uint32_t count = 2;
    TRY(sql_expression_value(parser, &args[1], err));
    if (name[0] != 'r' && sql_parser_accept(parser, "escape")) TRY(sql_primary_parse(parser, &args[count++], err));
    status = sql_expression_call(parser, name, offset, left->start, args, count, ret_expr, err);
out:
    return status;
}

static enum status parse_is(struct sql_parser *parser, struct sql_expr *left, uint32_t offset,
                            struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    bool negated = sql_parser_accept(parser, "not");
    struct sql_expr *args[2] = {left, NULL};
    if (sql_parser_accept(parser, "null") || sql_parser_accept(parser, "unknown")) {
        return sql_expression_call(parser, negated ? "isnotnull" : "isnull", offset, left->start, args, 1, ret_expr,
                                   err);
    }
    uint32_t start = sql_parser_offset(parser);
    if (sql_parser_is_word(parser, 0, "true") || sql_parser_is_word(parser, 0, "false")) {
        struct sql_value value = {.type = type_of(TYPE_BOOLEAN), .boolean = sql_parser_is_word(parser, 0, "true")};
        parser->at++;
        args[1] = sql_primary_literal(parser, start, &value);
    } else if (sql_parser_accept(parser, "distinct")) {
        TRY(sql_parser_expect(parser, "FROM", err));
        TRY(sql_expression_value(parser, &args[1], err));
        negated = !negated;
    } else {
        status = sql_parser_refuse(parser, "NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM", NULL, err);
        goto out;
    }
    TRY(sql_expression_call(parser, "<=>", offset, left->start, args, 2, ret_expr, err));
    status = negate(parser, negated, ret_expr, err);
out:
    return status;
}

// A value with at most one IS, IN, LIKE, BETWEEN behind it.
static enum status parse_predicate(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_expr *left = NULL;
    TRY(sql_expression_value(parser, &left, err));
    uint32_t offset = sql_parser_offset(parser);
    bool negated = sql_parser_is_word(parser, 0, "not");
    parser->at += negated;
    const char *like = sql_parser_is_word(parser, 0, "like")                                               ? "like"
                       : sql_parser_is_word(parser, 0, "ilike")                                            ? "ilike"
                       : sql_parser_is_word(parser, 0, "rlike") || sql_parser_is_word(parser, 0, "regexp") ? "rlike"
                                                                                                           : NULL;
    if (!negated && sql_parser_accept(parser, "is")) {
        TRY(parse_is(parser, left, offset, &left, err));
    } else if (sql_parser_accept(parser, "in")) {
        TRY(parse_in(parser, left, offset, &left, err));
        TRY(negate(parser, negated, &left, err));
    } else if (sql_parser_accept(parser, "between")) {
        struct sql_expr *args[3] = {left, NULL, NULL};
        TRY(sql_expression_value(parser, &args[1], err));
        TRY(sql_parser_expect(parser, "AND", err));
        TRY(sql_expression_value(parser, &args[2], err));
        TRY(sql_expression_call(parser, "between", offset, left->start, args, 3, &left, err));
        TRY(negate(parser, negated, &left, err));
    } else if (like) {
        parser->at++;
        bool list = sql_parser_is_symbol(parser, 1, "(") &&
                    (sql_parser_is_word(parser, 0, "any") || sql_parser_is_word(parser, 0, "some") ||
                     sql_parser_is_word(parser, 0, "all"));
        if (list) {
            TRY(parse_like_list(parser, left, like, negated, &left, err));
        } else {
            TRY(parse_like(parser, left, like, offset, &left, err));
            TRY(negate(parser, negated, &left, err));
        }
    } else if (negated) {
        status = sql_parser_refuse(parser, "IN, LIKE, RLIKE or BETWEEN behind NOT", NULL, err);
        goto out;
    }
    *ret_expr = left;
out:
    return status;
}

static enum status parse_not(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t offset = sql_parser_offset(parser);
    if (!sql_parser_is_word(parser, 0, "not") && !sql_parser_is_symbol(parser, 0, "!"))
        return parse_predicate(parser, ret_expr, err);
    struct sql_expr *arg = NULL;
    TRY(sql_parser_enter(parser, err));
    parser->at++;
    TRY(parse_not(parser, &arg, err));
    parser->nesting--;
    status = sql_expression_call(parser, "not", offset, offset, &arg, 1, ret_expr, err);
out:
    return status;
}

// A chain of one connective as a balanced tree: a thousand ANDs are ten levels deep. Order and so evaluation stay.
static enum status balance(struct sql_parser *parser, const char *name, struct sql_expr *const *items, uint32_t count,
                           struct sql_expr **ret_expr, struct error *err)
{
    if (count == 1) {
        *ret_expr = items[0];
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    struct sql_expr *args[2] = {NULL, NULL};
    uint32_t half = (count + 1) / 2;
    TRY(balance(parser, name, items, half, &args[0], err));
    TRY(balance(parser, name, items + half, count - half, &args[1], err));
    TRY(sql_expression_call(parser, name, args[0]->start, args[0]->start, args, 2, ret_expr, err));
    (*ret_expr)->end = args[1]->end;
out:
    return status;
}

static enum status parse_and(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    SQL_LIST(struct sql_expr *) items = {0};
    do {
        struct sql_expr *item = NULL;
        TRY(parse_not(parser, &item, err));
        sql_list_push(parser->arena, &items, item);
    } while (sql_parser_accept(parser, "and"));
    status = balance(parser, "and", items.items, items.count, ret_expr, err);
out:
    return status;
}

enum status sql_expression_parse(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    SQL_LIST(struct sql_expr *) items = {0};
    do {
        struct sql_expr *item = NULL;
        TRY(parse_and(parser, &item, err));
        sql_list_push(parser->arena, &items, item);
    } while (sql_parser_accept(parser, "or"));
    status = balance(parser, "or", items.items, items.count, ret_expr, err);
out:
    return status;
}
