// Entry of the parser: cuts the text, then parses it whole.
#include "coordinator/sql/sql_parse.h"

#include "coordinator/sql/sql_parser.h"

static enum status start(struct sql_parser *parser, const struct sql_text *text, struct arena *arena, struct error *err)
{
    *parser = (struct sql_parser){.text = text, .arena = arena};
    if (text->length > SQL_TEXT_SIZE_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "%.200s: %zu bytes of SQL; the most is %u", text->name,
                         text->length, SQL_TEXT_SIZE_MAX);
    }
    const char *nul = memchr(text->bytes, '\0', text->length);
    if (nul)
        return sql_text_error(text, (size_t)(nul - text->bytes), STATUS_INVALID, "PARSE_SYNTAX_ERROR", NULL, err,
                              "a NUL byte stands in the text");
    if (!text_utf8_valid((const uint8_t *)text->bytes, text->length)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "%.200s:1:1: the text is not valid UTF-8", text->name);
    }
    sql_token_cut(text, arena, &parser->tokens);
    return STATUS_OK;
}

enum status sql_parse_script(const struct sql_text *text, struct arena *arena, struct sql_script **ret_script,
                             struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_parser parser;
    struct sql_script *script = arena_calloc(arena, 1, sizeof *script);
    TRY(start(&parser, text, arena, err));
    for (;;) {
        while (sql_parser_accept_symbol(&parser, ";")) continue;
        if (sql_parser_peek(&parser, 0)->kind == SQL_TOKEN_END) break;
        struct sql_statement *statement = NULL;
        TRY(sql_statement_parse(&parser, &statement, err));
        sql_list_push(arena, &script->statements, statement);
    }
    *ret_script = script;
out:
    return status;
}

static enum status expect_end(struct sql_parser *parser, struct error *err)
{
    if (sql_parser_peek(parser, 0)->kind == SQL_TOKEN_END) return STATUS_OK;
    return sql_parser_refuse(parser, "an operator or the end", NULL, err);
}

enum status sql_parse_expression(const struct sql_text *text, struct arena *arena, struct sql_expr **ret_expr,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_parser parser;
    struct sql_expr *expr = NULL;
    TRY(start(&parser, text, arena, err));
    TRY(sql_expression_parse(&parser, &expr, err));
    TRY(expect_end(&parser, err));
    *ret_expr = expr;
out:
    return status;
}

enum status sql_parse_select_list(const struct sql_text *text, struct arena *arena, struct sql_query **ret_query,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_parser parser;
    struct sql_query *query = arena_calloc(arena, 1, sizeof *query);
    TRY(start(&parser, text, arena, err));
    TRY(sql_query_items(&parser, query, err));
    TRY(expect_end(&parser, err));
    *ret_query = query;
out:
    return status;
}
