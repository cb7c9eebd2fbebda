// FROM: tables, read_kafka(…), sub-queries, with WATERMARK, DROP DUPLICATES and IDENTIFIED BY behind them (SQL.md,
// Modifiers). Joins are read whole so that the message can name them.
#include <strings.h>

#include "coordinator/sql/sql_interval.h"
#include "coordinator/sql/sql_parser.h"

bool sql_relation_alias_follows(const struct sql_parser *parser)
{
    static const char *const clauses[] = {
        "from",    "where",   "group",     "having", "order",   "limit",      "union",   "intersect",
        "except",  "minus",   "join",      "left",   "right",   "full",       "inner",   "cross",
        "natural", "anti",    "semi",      "on",     "using",   "watermark",  "drop",    "identified",
        "lateral", "window",  "with",      "sort",   "cluster", "distribute", "qualify", "tablesample",
        "pivot",   "unpivot", "offset",    "when",   "then",    "else",       "end",     "as",
        "and",     "or",      "not",       "in",     "is",      "between",    "like",    "rlike",
        "for",     "version", "timestamp", "ilike",  "regexp",  "fetch",      "emit"};
    if (!sql_parser_is_name(parser, 0)) return false;
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++) {
        if (sql_parser_is_word(parser, 0, clauses[i])) return false;
    }
    return true;
}

// name => value, … or positional values; also dotted names without backticks (kafka.security.protocol => …).
static enum status parse_options(struct sql_parser *parser, struct sql_options *options, struct error *err)
{
    enum status status = STATUS_OK;
    if (sql_parser_accept_symbol(parser, ")")) return STATUS_OK;
    do {
        struct sql_option option = {.offset = sql_parser_offset(parser)};
        uint32_t ahead = 0;
        while (sql_parser_is_name(parser, ahead) && sql_parser_is_symbol(parser, ahead + 1, ".")) ahead += 2;
        if (sql_parser_is_name(parser, ahead) && sql_parser_is_symbol(parser, ahead + 1, "=>")) {
            const char *part = NULL;
            TRY(sql_parser_name(parser, "an option's name", &option.key, err));
            while (sql_parser_accept_symbol(parser, ".")) {
                TRY(sql_parser_name(parser, "an option's name", &part, err));
                option.key = arena_printf(parser->arena, "%s.%s", option.key, part);
            }
            parser->at++;
        } else if (sql_parser_is_name(parser, ahead) && sql_parser_is_symbol(parser, ahead + 1, "=")) {
            parser->at += ahead + 1;
            status = sql_parser_refuse(parser, "\"=>\" between an option and its value",
                                       "bootstrapServers => 'host:9092'", err);
            goto out;
        }
        TRY(sql_expression_parse(parser, &option.value, err));
        sql_list_push(parser->arena, &options->items, option);
    } while (sql_parser_accept_symbol(parser, ","));
    status = sql_parser_expect_symbol(parser, ")", err);
out:
    return status;
}

static enum status parse_watermark(struct sql_parser *parser, struct sql_relation *relation, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_watermark *watermark = arena_calloc(parser->arena, 1, sizeof *watermark);
    watermark->offset = sql_parser_offset(parser);
    parser->at++;
    if (sql_parser_is_word(parser, 0, "for")) {
        status = sql_parser_refuse(parser, "WATERMARK column DELAY OF INTERVAL n unit",
                                   "WATERMARK FOR ts AS ts - INTERVAL '5' SECOND (Flink) is written behind the table: "
                                   "FROM STREAM t "
                                   "WATERMARK ts DELAY OF INTERVAL 5 SECONDS",
                                   err);
        goto out;
    }
    TRY(sql_expression_value(parser, &watermark->time, err));
    if (sql_parser_accept(parser, "as"))
        TRY(sql_parser_name(parser, "a name for the event time", &watermark->name, err));
    TRY(sql_parser_expect(parser, "DELAY", err));
    TRY(sql_parser_expect(parser, "OF", err));
    struct sql_value value = {0};
    bool found = false;
    uint32_t offset = sql_parser_offset(parser);
    TRY(sql_literal_typed(parser, &found, &value, err));
    if (!found) {
        status = sql_parser_refuse(parser, "INTERVAL n unit", "DELAY OF INTERVAL 10 MINUTES", err);
        goto out;
    }
    if (value.type->kind != TYPE_INTERVAL_DAY_TIME || value.integer < 0) {
        status = sql_text_error(parser->text, offset, STATUS_INVALID, "INVALID_DELAY", "DELAY OF INTERVAL 10 MINUTES",
                                err, "a watermark's delay is an interval of days or less that is not negative");
        goto out;
    }
    watermark->delay_us = value.integer;
    relation->watermark = watermark;
out:
    return status;
}

static enum status parse_dedup(struct sql_parser *parser, struct sql_relation *relation, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_dedup *dedup = arena_calloc(parser->arena, 1, sizeof *dedup);
    dedup->offset = sql_parser_offset(parser);
    parser->at++;
    TRY(sql_parser_expect(parser, "DUPLICATES", err));
    if (sql_parser_accept(parser, "within")) {
        TRY(sql_parser_expect(parser, "WATERMARK", err));
        dedup->within_watermark = true;
    }
    TRY(sql_parser_expect(parser, "ON", err));
    TRY(sql_parser_expect_symbol(parser, "(", err));
    do {
        struct sql_expr *column = NULL;
        TRY(sql_primary_parse(parser, &column, err));
        sql_list_push(parser->arena, &dedup->columns, column);
    } while (sql_parser_accept_symbol(parser, ","));
    TRY(sql_parser_expect_symbol(parser, ")", err));
    relation->dedup = dedup;
out:
    return status;
}

static enum status refuse_order(struct sql_parser *parser, const char *found, struct error *err)
{
    return sql_text_error(parser->text, sql_parser_offset(parser), STATUS_INVALID, "PARSE_SYNTAX_ERROR",
                          "the order is: table WATERMARK … DROP DUPLICATES … IDENTIFIED BY … AS alias", err,
                          "%s stands too late or twice", found);
}

static enum status parse_modifiers(struct sql_parser *parser, struct sql_relation *relation, struct error *err)
{
    enum status status = STATUS_OK;
    if (sql_parser_is_word(parser, 0, "with") && sql_parser_is_symbol(parser, 1, "(")) {
        status = sql_text_error(parser->text, sql_parser_offset(parser), STATUS_INVALID, "PARSE_SYNTAX_ERROR",
                                "options stand in brackets behind the source: read_kafka(bootstrapServers => "
                                "'host:9092', "
                                "subscribe => 'topic')",
                                err, "WITH (…) behind a table is not of this dialect");
        goto out;
    }
    if (sql_parser_is_word(parser, 0, "watermark")) TRY(parse_watermark(parser, relation, err));
    if (sql_parser_is_word(parser, 0, "drop")) TRY(parse_dedup(parser, relation, err));
    if (sql_parser_accept(parser, "identified")) {
        TRY(sql_parser_expect(parser, "BY", err));
        TRY(sql_parser_name(parser, "a name that identifies the state", &relation->identity, err));
    }
    bool as = sql_parser_accept(parser, "as");
    if (as || sql_relation_alias_follows(parser)) {
        TRY(sql_parser_name(parser, "an alias", &relation->alias, err));
        if (sql_parser_accept_symbol(parser, "(")) {
            do {
                const char *name = NULL;
                TRY(sql_parser_name(parser, "a column's name", &name, err));
                sql_list_push(parser->arena, &relation->column_aliases, name);
            } while (sql_parser_accept_symbol(parser, ","));
            TRY(sql_parser_expect_symbol(parser, ")", err));
        }
    }
    if (sql_parser_is_word(parser, 0, "watermark"))
        status = refuse_order(parser, "WATERMARK", err);
    else if (sql_parser_is_word(parser, 0, "drop"))
        status = refuse_order(parser, "DROP DUPLICATES", err);
    else if (sql_parser_is_word(parser, 0, "identified"))
        status = refuse_order(parser, "IDENTIFIED BY", err);
out:
    return status;
}

static enum status refuse_foreign(struct sql_parser *parser, const struct sql_relation *relation, struct error *err)
{
    const char *name = relation->name.parts.items[0];
    if (strcasecmp(name, "table") == 0 || strcasecmp(name, "tumble") == 0 || strcasecmp(name, "hop") == 0) {
        return sql_text_error(parser->text, relation->offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR",
                              "FROM STREAM t WATERMARK ts DELAY OF INTERVAL 5 SECONDS GROUP BY window(ts, '1 minute')",
                              err, "%s(…) is the window form of Flink and RisingWave", name);
    }
    if (strcasecmp(name, "values") == 0)
        return sql_parser_unsupported(parser, relation->offset, "VALUES in a pipeline", NULL, err);
    return STATUS_OK;
}

// A table, a function or a sub-query, without its modifiers.
static enum status parse_source(struct sql_parser *parser, struct sql_relation *relation, struct error *err)
{
    enum status status = STATUS_OK;
    if (sql_parser_accept_symbol(parser, "(")) {
        relation->kind = SQL_RELATION_QUERY;
        TRY(sql_parser_enter(parser, err));
        TRY(sql_query_parse(parser, &relation->query, err));
        parser->nesting--;
        status = sql_parser_expect_symbol(parser, ")", err);
        goto out;
    }
    relation->kind = SQL_RELATION_TABLE;
    TRY(sql_parser_path(parser, "a table, read_kafka(…), read_files(…) or a sub-query in brackets", &relation->name,
                        err));
    TRY(refuse_foreign(parser, relation, err));
    if (sql_parser_accept_symbol(parser, "(")) {
        relation->kind = SQL_RELATION_FUNCTION;
        TRY(parse_options(parser, &relation->options, err));
    }
out:
    return status;
}

static enum status parse_primary(struct sql_parser *parser, struct sql_relation **ret_relation, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_relation *relation = arena_calloc(parser->arena, 1, sizeof *relation);
    relation->offset = sql_parser_offset(parser);
    relation->stream = sql_parser_is_word(parser, 0, "stream") &&
                       (sql_parser_is_name(parser, 1) || sql_parser_is_symbol(parser, 1, "(")) &&
                       !sql_parser_is_word(parser, 1, "where");
    parser->at += relation->stream;
    bool bracket = relation->stream && sql_parser_is_symbol(parser, 0, "(") && sql_parser_is_name(parser, 1) &&
                   !sql_parser_is_word(parser, 1, "select") && !sql_parser_is_word(parser, 1, "with");
    parser->at += bracket; // STREAM(t), STREAM(read_kafka(…))
    TRY(parse_source(parser, relation, err));
    if (bracket) TRY(sql_parser_expect_symbol(parser, ")", err));
    if (relation->stream && relation->kind == SQL_RELATION_QUERY) {
        status = sql_text_error(parser->text, relation->offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR",
                                "put STREAM before the table inside the brackets", err,
                                "STREAM stands before a table, not a sub-query");
        goto out;
    }
    TRY(parse_modifiers(parser, relation, err));
    *ret_relation = relation;
out:
    return status;
}

// The words of a join at the cursor, NULL: none stands there.
static const char *accept_join(struct sql_parser *parser)
{
    static const char *const kinds[] = {"inner",   "cross", "left", "right", "full",
                                        "natural", "outer", "semi", "anti",  "lateral"};
    uint32_t start = parser->at;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) more = more || sql_parser_accept(parser, kinds[i]);
    }
    uint32_t offset = parser->tokens.items[start].offset;
    if (sql_parser_accept(parser, "join") || (parser->at > start && sql_parser_accept(parser, "view"))) {
        return sql_parser_copy(parser, offset, sql_parser_last_end(parser));
    }
    parser->at = start;
    return sql_parser_accept_symbol(parser, ",") ? "a join (a comma in FROM)" : NULL;
}

enum status sql_relation_parse(struct sql_parser *parser, struct sql_relation **ret_relation, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_relation *left = NULL, *right = NULL;
    TRY(parse_primary(parser, &left, err));
    for (;;) {
        uint32_t offset = sql_parser_offset(parser);
        const char *join = accept_join(parser);
        if (!join) break;
        if (strncasecmp(join, "lateral", 7) == 0) {
            status =
                sql_parser_unsupported(parser, offset, "LATERAL VIEW (explode and the other generators)", NULL, err);
            goto out;
        }
        TRY(parse_primary(parser, &right, err));
        struct sql_expr *condition = NULL;
        if (sql_parser_accept(parser, "on")) {
            TRY(sql_expression_parse(parser, &condition, err));
        } else if (sql_parser_accept(parser, "using")) {
            TRY(sql_primary_parse(parser, &condition, err));
        }
        struct sql_relation *both = arena_calloc(parser->arena, 1, sizeof *both);
        *both = (struct sql_relation){
            .kind = SQL_RELATION_JOIN, .offset = offset, .left = left, .right = right, .join = join};
        left = both;
    }
    *ret_relation = left;
out:
    return status;
}
