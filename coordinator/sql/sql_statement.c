// Statements: SET, CREATE STREAMING TABLE, CREATE TEMPORARY VIEW; what Spark, Flink and others write besides is refused
// by name.
#include <strings.h>

#include "coordinator/sql/sql_parser.h"

static bool statement_ends(const struct sql_parser *parser)
{
    return sql_parser_is_symbol(parser, 0, ";") || sql_parser_peek(parser, 0)->kind == SQL_TOKEN_END;
}

// SET key = value: the value is a string, or the text as it stands up to the semicolon.
static enum status parse_set(struct sql_parser *parser, struct sql_statement *statement, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_name key = {0};
    TRY(sql_parser_path(parser, "an option's name (pipeline.…)", &key, err));
    statement->name = key;
    statement->key = key.parts.items[0];
    for (uint32_t i = 1; i < key.parts.count; i++)
        statement->key = arena_printf(parser->arena, "%s.%s", statement->key, key.parts.items[i]);
    TRY(sql_parser_expect_symbol(parser, "=", err));
    statement->value_offset = sql_parser_offset(parser);
    if (statement_ends(parser)) {
        status = sql_parser_refuse(parser, "a value", NULL, err);
        goto out;
    }
    if (sql_parser_peek(parser, 0)->kind == SQL_TOKEN_STRING) {
        struct slice value;
        TRY(sql_literal_string(parser, &value, err));
        statement->value = value.data;
        goto out;
    }
    while (!statement_ends(parser)) {
        enum sql_token_kind kind = sql_parser_peek(parser, 0)->kind;
        if (kind == SQL_TOKEN_OPEN_STRING || kind == SQL_TOKEN_OPEN_QUOTED || kind == SQL_TOKEN_OPEN_COMMENT ||
            sql_parser_is_word(parser, 0, "create")) {
            status = sql_parser_refuse(parser, "\";\" behind the value", NULL, err);
            goto out;
        }
        parser->at++;
    }
    statement->value = sql_parser_copy(parser, statement->value_offset, sql_parser_last_end(parser));
out:
    return status;
}

static enum status parse_constraint(struct sql_parser *parser, struct sql_statement *statement, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_constraint constraint = {.offset = sql_parser_offset(parser)};
    parser->at++;
    TRY(sql_parser_name(parser, "the constraint's name", &constraint.name, err));
    TRY(sql_parser_expect(parser, "EXPECT", err));
    TRY(sql_parser_expect_symbol(parser, "(", err));
    uint32_t start = sql_parser_offset(parser);
    TRY(sql_expression_parse(parser, &constraint.expect, err));
    constraint.text = sql_parser_copy(parser, start, sql_parser_last_end(parser));
    TRY(sql_parser_expect_symbol(parser, ")", err));
    if (sql_parser_accept(parser, "on")) {
        TRY(sql_parser_expect(parser, "VIOLATION", err));
        if (sql_parser_accept(parser, "drop")) {
            TRY(sql_parser_expect(parser, "ROW", err));
            constraint.violation = SQL_VIOLATION_DROP_ROW;
        } else if (sql_parser_accept(parser, "fail")) {
            TRY(sql_parser_expect(parser, "UPDATE", err));
            constraint.violation = SQL_VIOLATION_FAIL_UPDATE;
        } else if (sql_parser_accept(parser, "quarantine")) {
            constraint.violation = SQL_VIOLATION_QUARANTINE;
        } else {
            status = sql_parser_refuse(parser, "DROP ROW, FAIL UPDATE or QUARANTINE", NULL, err);
            goto out;
        }
    }
    sql_list_push(parser->arena, &statement->constraints, constraint);
out:
    return status;
}

// A table's column type. Types drop NOT NULL, which a schema of a source may do; a table must not.
static enum status parse_column_type(struct sql_parser *parser, const struct type **ret_type, struct error *err)
{
    struct sql_parser scan = *parser;
    enum status status = sql_type_parse(parser, ret_type, err);
    for (; status == STATUS_OK && scan.at < parser->at; scan.at++) {
        if (!sql_parser_is_word(&scan, 0, "not") || !sql_parser_is_word(&scan, 1, "null")) continue;
        status = sql_parser_unsupported(parser, sql_parser_offset(&scan), "NOT NULL inside a column's type",
                                        "NOT NULL can follow the type of a whole column", err);
    }
    return status;
}

static enum status parse_column(struct sql_parser *parser, struct sql_statement *statement, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_column_definition column = {.offset = sql_parser_offset(parser)};
    if (sql_parser_is_word(parser, 0, "watermark") && sql_parser_is_word(parser, 1, "for")) {
        status = sql_text_error(parser->text, column.offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR",
                                "write it behind the table that is read: FROM STREAM t WATERMARK ts DELAY OF INTERVAL "
                                "5 SECONDS",
                                err, "WATERMARK FOR is the form of Flink and Arroyo");
        goto out;
    }
    TRY(sql_parser_name(parser, "a column's name", &column.name, err));
    TRY(parse_column_type(parser, &column.type, err));
    for (;;) {
        struct slice comment;
        if (sql_parser_accept(parser, "comment")) {
            TRY(sql_literal_string(parser, &comment, err));
        } else if (sql_parser_accept(parser, "not")) {
            TRY(sql_parser_expect(parser, "NULL", err));
            column.not_null = true;
        } else {
            break;
        }
    }
    sql_list_push(parser->arena, &statement->columns, column);
out:
    return status;
}

static enum status parse_columns(struct sql_parser *parser, struct sql_statement *statement, struct error *err)
{
    enum status status = STATUS_OK;
    do {
        if (sql_parser_is_word(parser, 0, "constraint"))
            TRY(parse_constraint(parser, statement, err));
        else
            TRY(parse_column(parser, statement, err));
    } while (sql_parser_accept_symbol(parser, ","));
    status = sql_parser_expect_symbol(parser, ")", err);
out:
    return status;
}

// ('key' = 'value', …); keys also as dotted words, values also as numbers and words.
static enum status parse_properties(struct sql_parser *parser, struct sql_statement *statement, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(sql_parser_expect_symbol(parser, "(", err));
    do {
        struct sql_option option = {.offset = sql_parser_offset(parser)};
        struct slice text;
        if (sql_parser_peek(parser, 0)->kind == SQL_TOKEN_STRING) {
            TRY(sql_literal_string(parser, &text, err));
            option.key = text.data;
        } else {
            struct sql_name name = {0};
            TRY(sql_parser_path(parser, "a property's name", &name, err));
            option.key = name.parts.items[0];
            for (uint32_t i = 1; i < name.parts.count; i++)
                option.key = arena_printf(parser->arena, "%s.%s", option.key, name.parts.items[i]);
        }
        (void)sql_parser_accept_symbol(parser, "=");
        enum sql_token_kind kind = sql_parser_peek(parser, 0)->kind;
        if (kind == SQL_TOKEN_STRING) {
            TRY(sql_literal_string(parser, &text, err));
            option.text = text.data;
        } else if (kind == SQL_TOKEN_WORD || kind == SQL_TOKEN_NUMBER) {
            uint32_t start = sql_parser_offset(parser);
            parser->at++;
            option.text = sql_parser_copy(parser, start, sql_parser_last_end(parser));
        } else {
            status =
                sql_parser_refuse(parser, "the property's value", "TBLPROPERTIES ('output.mode' = 'complete')", err);
            goto out;
        }
        sql_list_push(parser->arena, &statement->properties.items, option);
    } while (sql_parser_accept_symbol(parser, ","));
    status = sql_parser_expect_symbol(parser, ")", err);
out:
    return status;
}

static enum status parse_partitions(struct sql_parser *parser, struct sql_statement *statement, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(sql_parser_expect(parser, "BY", err));
    statement->partitioned_by.offset = sql_parser_offset(parser);
    TRY(sql_parser_expect_symbol(parser, "(", err));
    do {
        const char *name = NULL;
        TRY(sql_parser_name(parser, "a column's name", &name, err));
        if (sql_parser_is_symbol(parser, 0, "(")) {
            status = sql_parser_unsupported(parser, sql_parser_offset(parser), "a partition transform",
                                            "make it a column of the query and partition by that", err);
            goto out;
        }
        sql_list_push(parser->arena, &statement->partitioned_by.parts, name);
    } while (sql_parser_accept_symbol(parser, ","));
    status = sql_parser_expect_symbol(parser, ")", err);
out:
    return status;
}

// The clauses between a table's name and AS, in any order, as Spark takes them.
static enum status parse_clauses(struct sql_parser *parser, struct sql_statement *statement, struct error *err)
{
    enum status status = STATUS_OK;
    struct slice text;
    for (;;) {
        uint32_t offset = sql_parser_offset(parser);
        if (sql_parser_accept(parser, "partitioned")) {
            TRY(parse_partitions(parser, statement, err));
        } else if (sql_parser_accept(parser, "tblproperties")) {
            TRY(parse_properties(parser, statement, err));
        } else if (sql_parser_accept(parser, "comment")) {
            TRY(sql_literal_string(parser, &text, err));
            statement->comment = text.data;
        } else if (sql_parser_accept(parser, "location")) {
            TRY(sql_literal_string(parser, &text, err));
            statement->location = text.data;
        } else if (sql_parser_accept(parser, "using")) {
            if (sql_parser_accept(parser, "delta")) continue;
            status = sql_parser_unsupported(parser, offset, "a table format other than Delta", NULL, err);
            goto out;
        } else if (sql_parser_is_word(parser, 0, "cluster")) {
            status = sql_parser_unsupported(parser, offset, "CLUSTER BY (liquid clustering)", "PARTITIONED BY (column)",
                                            err);
            goto out;
        } else if (sql_parser_is_word(parser, 0, "with")) {
            status = sql_text_error(parser->text, offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR",
                                    "CREATE OR REFRESH STREAMING TABLE t AS SELECT … FROM STREAM "
                                    "read_kafka(bootstrapServers => 'host:9092', "
                                    "subscribe => 'topic')",
                                    err, "WITH ('connector' = …) is the form of Flink and Arroyo");
            goto out;
        } else if (sql_parser_is_word(parser, 0, "schedule") || sql_parser_is_word(parser, 0, "trigger")) {
            status = sql_parser_unsupported(parser, offset, "SCHEDULE",
                                            "TBLPROPERTIES ('trigger.interval' = '1 minute')", err);
            goto out;
        } else {
            break;
        }
    }
out:
    return status;
}

static enum status parse_table(struct sql_parser *parser, struct sql_statement *statement, struct error *err)
{
    enum status status = STATUS_OK;
    statement->kind = SQL_STATEMENT_TABLE;
    if (sql_parser_is_word(parser, 0, "if")) {
        status = sql_parser_refuse(parser, "the table's name", "CREATE OR REFRESH STREAMING TABLE t", err);
        goto out;
    }
    TRY(sql_parser_path(parser, "the table's name", &statement->name, err));
    if (statement->name.parts.count > 3) {
        status = sql_text_error(parser->text, statement->name.offset, STATUS_INVALID, "IDENTIFIER_TOO_MANY_NAME_PARTS",
                                NULL, err, "a table's name has at most three parts: catalog.schema.table");
        goto out;
    }
    if (sql_parser_accept_symbol(parser, "(")) TRY(parse_columns(parser, statement, err));
    TRY(parse_clauses(parser, statement, err));
    if (!sql_parser_accept(parser, "as")) {
        status = sql_parser_refuse(parser, "AS and a query (or PARTITIONED BY, COMMENT, LOCATION, TBLPROPERTIES)",
                                   "a table without a query, filled by CREATE FLOW, is not built yet", err);
        goto out;
    }
    status = sql_query_parse(parser, &statement->query, err);
out:
    return status;
}

static enum status parse_create(struct sql_parser *parser, struct sql_statement *statement, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t offset = statement->offset;
    bool replace = false;
    if (sql_parser_accept(parser, "or")) {
        replace = sql_parser_accept(parser, "replace");
        if (!replace) TRY(sql_parser_expect(parser, "REFRESH", err));
    }
    if (sql_parser_accept(parser, "flow")) {
        status = sql_parser_unsupported(parser, offset, "CREATE FLOW (several inputs for one table, AUTO CDC)",
                                        "CREATE OR REFRESH STREAMING TABLE t AS query; several inputs meet in UNION "
                                        "ALL",
                                        err);
    } else if (sql_parser_accept(parser, "temporary") || sql_parser_accept(parser, "temp")) {
        statement->kind = SQL_STATEMENT_VIEW;
        TRY(sql_parser_expect(parser, "VIEW", err));
        TRY(sql_parser_path(parser, "the view's name", &statement->name, err));
        TRY(sql_parser_expect(parser, "AS", err));
        status = sql_query_parse(parser, &statement->query, err);
    } else if (sql_parser_accept(parser, "streaming")) {
        TRY(sql_parser_expect(parser, "TABLE", err));
        if (replace) {
            status = sql_text_error(parser->text, offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR",
                                    "CREATE OR REFRESH STREAMING TABLE", err,
                                    "a streaming table is refreshed, not replaced");
            goto out;
        }
        status = parse_table(parser, statement, err);
    } else if (sql_parser_is_word(parser, 0, "materialized") || sql_parser_is_word(parser, 0, "live")) {
        status = sql_parser_unsupported(parser, offset, "a materialized view",
                                        "CREATE OR REFRESH STREAMING TABLE t TBLPROPERTIES ('output.mode' = "
                                        "'complete') AS query",
                                        err);
    } else if (sql_parser_is_word(parser, 0, "table") || sql_parser_is_word(parser, 0, "source") ||
               sql_parser_is_word(parser, 0, "sink") || sql_parser_is_word(parser, 0, "view") ||
               sql_parser_is_word(parser, 0, "external")) {
        status = sql_parser_refuse(parser, "STREAMING TABLE or TEMPORARY VIEW",
                                   "CREATE OR REFRESH STREAMING TABLE t AS SELECT … FROM STREAM read_kafka(…)", err);
    } else {
        status = sql_parser_refuse(parser, "STREAMING TABLE or TEMPORARY VIEW", NULL, err);
    }
out:
    return status;
}

enum status sql_statement_parse(struct sql_parser *parser, struct sql_statement **ret_statement, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_statement *statement = arena_calloc(parser->arena, 1, sizeof *statement);
    statement->offset = sql_parser_offset(parser);
    if (sql_parser_accept(parser, "set")) {
        statement->kind = SQL_STATEMENT_SET;
        TRY(parse_set(parser, statement, err));
    } else if (sql_parser_accept(parser, "create")) {
        TRY(parse_create(parser, statement, err));
    } else if (sql_parser_is_word(parser, 0, "insert")) {
        status = sql_parser_refuse(parser, "SET or CREATE",
                                   "a table is filled by its own query: CREATE OR REFRESH STREAMING TABLE t AS SELECT "
                                   "…",
                                   err);
        goto out;
    } else if (sql_parser_is_word(parser, 0, "apply")) {
        status = sql_parser_unsupported(parser, statement->offset, "APPLY CHANGES INTO (AUTO CDC)", NULL, err);
        goto out;
    } else if (sql_parser_is_word(parser, 0, "select") || sql_parser_is_word(parser, 0, "with")) {
        status = sql_parser_refuse(parser, "SET or CREATE",
                                   "in a pipeline every query makes a table: CREATE OR REFRESH STREAMING TABLE t AS "
                                   "SELECT …",
                                   err);
        goto out;
    } else {
        status = sql_parser_refuse(parser, "SET or CREATE", NULL, err);
        goto out;
    }
    if (!statement_ends(parser)) {
        status = sql_parser_refuse(parser,
                                   statement->kind == SQL_STATEMENT_SET ? "\";\""
                                                                        : "an operator, the next clause of the query, "
                                                                          "or \";\"",
                                   NULL, err);
        goto out;
    }
    *ret_statement = statement;
out:
    return status;
}
