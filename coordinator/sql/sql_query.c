// SELECT … FROM … WHERE … GROUP BY … HAVING … UNION … ORDER BY … LIMIT, with WITH before it.
#include "coordinator/sql/sql_parser.h"

enum status sql_query_items(struct sql_parser *parser, struct sql_query *query, struct error *err)
{
    enum status status = STATUS_OK;
    do {
        struct sql_item item = {0};
        TRY(sql_expression_parse(parser, &item.expr, err));
        if (sql_parser_accept(parser, "as") || sql_relation_alias_follows(parser)) {
            if (sql_parser_is_symbol(parser, 0, "(")) {
                status = sql_parser_unsupported(parser, sql_parser_offset(parser), "a list of aliases, AS (a, b)", NULL,
                                                err);
                goto out;
            }
            TRY(sql_parser_name(parser, "a name behind AS", &item.alias, err));
        }
        sql_list_push(parser->arena, &query->items, item);
    } while (sql_parser_accept_symbol(parser, ","));
out:
    return status;
}

static enum status parse_group_by(struct sql_parser *parser, struct sql_query *query, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t offset = sql_parser_offset(parser);
    TRY(sql_parser_expect(parser, "BY", err));
    query->grouped = true;
    if (sql_parser_is_word(parser, 0, "all") && !sql_parser_is_symbol(parser, 1, ",") &&
        !sql_parser_is_symbol(parser, 1, "(")) {
        parser->at++;
        query->group_all = true;
        return STATUS_OK;
    }
    if (sql_parser_is_word(parser, 0, "grouping") ||
        ((sql_parser_is_word(parser, 0, "cube") || sql_parser_is_word(parser, 0, "rollup")) &&
         sql_parser_is_symbol(parser, 1, "("))) {
        return sql_parser_unsupported(parser, sql_parser_offset(parser), "GROUPING SETS, CUBE, ROLLUP", NULL, err);
    }
    do {
        struct sql_expr *key = NULL;
        TRY(sql_expression_parse(parser, &key, err));
        sql_list_push(parser->arena, &query->group_by, key);
    } while (sql_parser_accept_symbol(parser, ","));
    if (sql_parser_is_word(parser, 0, "with") || sql_parser_is_word(parser, 0, "grouping")) {
        status = sql_parser_unsupported(parser, offset, "GROUPING SETS, CUBE, ROLLUP", NULL, err);
    }
out:
    return status;
}

static enum status refuse_clause(struct sql_parser *parser, struct error *err)
{
    static const struct {
        const char *word, *what, *hint;
    } refused[] = {
        {"qualify", "QUALIFY", "to keep one row per key write (query) DROP DUPLICATES ON (key)"},
        {"window", "a WINDOW clause", "windows in time are GROUP BY window(time, '1 minute')"},
        {"emit", "EMIT ON WINDOW CLOSE",
         "append mode emits closed windows; TBLPROPERTIES ('output.mode' = 'update') emits changes"},
        {"lateral", "LATERAL VIEW (explode and the other generators)", NULL},
        {"tablesample", "TABLESAMPLE", NULL},
        {"pivot", "PIVOT", NULL},
        {"unpivot", "UNPIVOT", NULL},
        {"sort", "SORT BY", NULL},
        {"cluster", "CLUSTER BY in a query", NULL},
        {"distribute", "DISTRIBUTE BY", NULL},
        {"intersect", "INTERSECT", NULL},
        {"except", "EXCEPT", NULL},
        {"minus", "MINUS", NULL},
        {"fetch", "FETCH FIRST", "LIMIT n"},
        {"offset", "OFFSET", NULL},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (!sql_parser_is_word(parser, 0, refused[i].word)) continue;
        return sql_parser_unsupported(parser, sql_parser_offset(parser), refused[i].what, refused[i].hint, err);
    }
    return STATUS_OK;
}

static enum status parse_select(struct sql_parser *parser, struct sql_query **ret_query, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_query *query = arena_calloc(parser->arena, 1, sizeof *query);
    query->offset = sql_parser_offset(parser);
    if (sql_parser_is_symbol(parser, 0, "(")) {
        TRY(sql_parser_enter(parser, err));
        parser->at++;
        TRY(sql_query_parse(parser, ret_query, err));
        parser->nesting--;
        return sql_parser_expect_symbol(parser, ")", err);
    }
    if (!sql_parser_accept(parser, "select")) return sql_parser_refuse(parser, "SELECT", NULL, err);
    query->distinct = sql_parser_accept(parser, "distinct");
    if (!query->distinct && sql_parser_is_word(parser, 0, "all") && !sql_parser_is_symbol(parser, 1, ",")) parser->at++;
    TRY(sql_query_items(parser, query, err));
    if (sql_parser_accept(parser, "from")) TRY(sql_relation_parse(parser, &query->from, err));
    TRY(refuse_clause(parser, err));
    if (sql_parser_accept(parser, "where")) TRY(sql_expression_parse(parser, &query->where, err));
    if (sql_parser_accept(parser, "group")) TRY(parse_group_by(parser, query, err));
    if (sql_parser_accept(parser, "having")) TRY(sql_expression_parse(parser, &query->having, err));
    TRY(refuse_clause(parser, err));
    *ret_query = query;
out:
    return status;
}

static enum status parse_order(struct sql_parser *parser, struct sql_query *query, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(sql_parser_expect(parser, "BY", err));
    do {
        struct sql_order order = {0};
        TRY(sql_expression_parse(parser, &order.expr, err));
        order.descending = sql_parser_accept(parser, "desc");
        if (!order.descending) (void)sql_parser_accept(parser, "asc");
        order.nulls_last = order.descending;
        if (sql_parser_accept(parser, "nulls")) {
            order.nulls_last = sql_parser_accept(parser, "last");
            if (!order.nulls_last) TRY(sql_parser_expect(parser, "FIRST", err));
        }
        sql_list_push(parser->arena, &query->order_by, order);
    } while (sql_parser_accept_symbol(parser, ","));
out:
    return status;
}

static enum status parse_ctes(struct sql_parser *parser, struct sql_query *holder, struct error *err)
{
    enum status status = STATUS_OK;
    do {
        struct sql_cte cte = {0};
        TRY(sql_parser_name(parser, "a name behind WITH", &cte.name, err));
        TRY(sql_parser_expect(parser, "AS", err));
        TRY(sql_parser_expect_symbol(parser, "(", err));
        TRY(sql_parser_enter(parser, err));
        TRY(sql_query_parse(parser, &cte.query, err));
        parser->nesting--;
        TRY(sql_parser_expect_symbol(parser, ")", err));
        sql_list_push(parser->arena, &holder->ctes, cte);
    } while (sql_parser_accept_symbol(parser, ","));
out:
    return status;
}

static struct sql_query *unite(struct sql_parser *parser, struct sql_query *left, struct sql_query *right,
                               uint32_t offset, bool distinct)
{
    struct sql_query *both = arena_calloc(parser->arena, 1, sizeof *both);
    both->offset = offset;
    both->left = left;
    both->right = right;
    both->union_distinct = distinct;
    return both;
}

// UNION ALL of many as a balanced tree: a thousand queries are ten levels deep.
static struct sql_query *unite_all(struct sql_parser *parser, struct sql_query *const *queries, const uint32_t *offsets,
                                   uint32_t count)
{
    if (count == 1) return queries[0];
    uint32_t half = (count + 1) / 2;
    return unite(parser, unite_all(parser, queries, offsets, half),
                 unite_all(parser, queries + half, offsets + half, count - half), offsets[half - 1], false);
}

// SELECT UNION [ALL] SELECT …: from left to right.
static enum status parse_unions(struct sql_parser *parser, struct sql_query **ret_query, struct error *err)
{
    enum status status = STATUS_OK;
    SQL_LIST(struct sql_query *) queries = {0}; // united by ALL so far
    SQL_LIST(uint32_t) offsets = {0};           // of the UNION behind each
    struct sql_query *query = NULL;
    TRY(parse_select(parser, &query, err));
    sql_list_push(parser->arena, &queries, query);
    while (sql_parser_is_word(parser, 0, "union")) {
        uint32_t offset = sql_parser_offset(parser);
        parser->at++;
        bool distinct = !sql_parser_accept(parser, "all");
        if (distinct) (void)sql_parser_accept(parser, "distinct");
        TRY(parse_select(parser, &query, err));
        if (distinct) {
            query = unite(parser, unite_all(parser, queries.items, offsets.items, queries.count), query, offset, true);
            queries.count = offsets.count = 0;
        } else {
            sql_list_push(parser->arena, &offsets, offset);
        }
        sql_list_push(parser->arena, &queries, query);
    }
    *ret_query = unite_all(parser, queries.items, offsets.items, queries.count);
out:
    return status;
}

enum status sql_query_parse(struct sql_parser *parser, struct sql_query **ret_query, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_query ctes = {0}, *query = NULL;
    if (sql_parser_accept(parser, "with")) TRY(parse_ctes(parser, &ctes, err));
    TRY(parse_unions(parser, &query, err));
    bool order = sql_parser_is_word(parser, 0, "order"), limit = sql_parser_is_word(parser, 0, "limit");
    if ((order || limit || ctes.ctes.count) && (query->order_by.count || query->limit || query->ctes.count)) {
        status = sql_parser_refuse(parser, "the end of this query", "put the inner query into FROM (…)", err);
        goto out;
    }
    if (ctes.ctes.count) query->ctes.items = ctes.ctes.items, query->ctes.count = ctes.ctes.count;
    query->order_offset = sql_parser_offset(parser);
    if (sql_parser_accept(parser, "order")) TRY(parse_order(parser, query, err));
    query->limit_offset = sql_parser_offset(parser);
    if (sql_parser_accept(parser, "limit") && !sql_parser_accept(parser, "all"))
        TRY(sql_expression_parse(parser, &query->limit, err));
    TRY(refuse_clause(parser, err));
    *ret_query = query;
out:
    return status;
}
