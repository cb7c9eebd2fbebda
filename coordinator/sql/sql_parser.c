// The cursor over the tokens, and the two ways to refuse: something else is expected here, or this is not built.
#include "coordinator/sql/sql_parser.h"

#include <strings.h>

const struct sql_token *sql_parser_peek(const struct sql_parser *parser, uint32_t ahead)
{
    uint32_t at = parser->at + ahead;
    return &parser->tokens.items[at < parser->tokens.count ? at : parser->tokens.count - 1];
}

bool sql_parser_is_word(const struct sql_parser *parser, uint32_t ahead, const char *word)
{
    const struct sql_token *token = sql_parser_peek(parser, ahead);
    return token->kind == SQL_TOKEN_WORD && token->length == strlen(word) &&
           strncasecmp(parser->text->bytes + token->offset, word, token->length) == 0;
}

bool sql_parser_is_symbol(const struct sql_parser *parser, uint32_t ahead, const char *symbol)
{
    const struct sql_token *token = sql_parser_peek(parser, ahead);
    return token->kind == SQL_TOKEN_SYMBOL && token->length == strlen(symbol) &&
           memcmp(parser->text->bytes + token->offset, symbol, token->length) == 0;
}

bool sql_parser_accept(struct sql_parser *parser, const char *word)
{
    if (!sql_parser_is_word(parser, 0, word)) return false;
    parser->at++;
    return true;
}

bool sql_parser_accept_symbol(struct sql_parser *parser, const char *symbol)
{
    if (!sql_parser_is_symbol(parser, 0, symbol)) return false;
    parser->at++;
    return true;
}

uint32_t sql_parser_offset(const struct sql_parser *parser)
{
    return sql_parser_peek(parser, 0)->offset;
}

uint32_t sql_parser_last_end(const struct sql_parser *parser)
{
    if (parser->at == 0) return 0;
    const struct sql_token *token = &parser->tokens.items[parser->at - 1];
    return token->offset + token->length;
}

char *sql_parser_copy(const struct sql_parser *parser, uint32_t start, uint32_t end)
{
    return arena_strndup(parser->arena, parser->text->bytes + start, end - start);
}

enum status sql_parser_refuse(const struct sql_parser *parser, const char *wanted, const char *hint, struct error *err)
{
    const struct sql_token *token = sql_parser_peek(parser, 0);
    const char *bytes = parser->text->bytes + token->offset;
    int length = token->length > 40 ? 40 : (int)token->length;
    switch (token->kind) {
    case SQL_TOKEN_END:
        return sql_text_error(parser->text, token->offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR", hint, err,
                              "%s is expected, but the text ends here", wanted);
    case SQL_TOKEN_OPEN_STRING:
        return sql_text_error(parser->text, token->offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR",
                              "inside a string write a quote twice, or as \\'", err, "this string is never closed");
    case SQL_TOKEN_OPEN_QUOTED:
        return sql_text_error(parser->text, token->offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR", NULL, err,
                              "this name's backtick is never closed");
    case SQL_TOKEN_OPEN_COMMENT:
        return sql_text_error(parser->text, token->offset, STATUS_INVALID, "UNCLOSED_BRACKETED_COMMENT", NULL, err,
                              "this comment is never closed with */");
    case SQL_TOKEN_BAD_NUMBER:
        return sql_text_error(parser->text, token->offset, STATUS_INVALID, "INVALID_IDENTIFIER",
                              "numbers take the suffixes L, S, Y, F, D, BD; a name that starts with a digit stands in "
                              "backticks",
                              err, "\"%.*s\" is neither a number nor a name", length, bytes);
    default:
        return sql_text_error(parser->text, token->offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR", hint, err,
                              "%s is expected, \"%.*s\" is there", wanted, length, bytes);
    }
}

enum status sql_parser_unsupported(const struct sql_parser *parser, uint32_t offset, const char *what, const char *hint,
                                   struct error *err)
{
    return sql_text_error(parser->text, offset, STATUS_UNSUPPORTED, NULL, hint, err, "%s is not built yet", what);
}

enum status sql_parser_expect(struct sql_parser *parser, const char *word, struct error *err)
{
    if (sql_parser_accept(parser, word)) return STATUS_OK;
    return sql_parser_refuse(parser, word, NULL, err);
}

enum status sql_parser_expect_symbol(struct sql_parser *parser, const char *symbol, struct error *err)
{
    if (sql_parser_accept_symbol(parser, symbol)) return STATUS_OK;
    return sql_parser_refuse(parser, arena_printf(parser->arena, "\"%s\"", symbol), NULL, err);
}

bool sql_parser_is_name(const struct sql_parser *parser, uint32_t ahead)
{
    enum sql_token_kind kind = sql_parser_peek(parser, ahead)->kind;
    return kind == SQL_TOKEN_WORD || kind == SQL_TOKEN_QUOTED;
}

enum status sql_parser_name(struct sql_parser *parser, const char *wanted, const char **ret_name, struct error *err)
{
    const struct sql_token *token = sql_parser_peek(parser, 0);
    const char *bytes = parser->text->bytes + token->offset;
    if (token->kind == SQL_TOKEN_WORD) {
        *ret_name = arena_strndup(parser->arena, bytes, token->length);
    } else if (token->kind == SQL_TOKEN_QUOTED && token->length > 2) {
        char *name = arena_alloc(parser->arena, token->length);
        size_t length = 0;
        for (uint32_t i = 1; i + 1 < token->length; i++) {
            if (bytes[i] == '`') i++;
            name[length++] = bytes[i];
        }
        name[length] = '\0';
        *ret_name = name;
    } else {
        return sql_parser_refuse(parser, wanted, NULL, err);
    }
    parser->at++;
    return STATUS_OK;
}

enum status sql_parser_path(struct sql_parser *parser, const char *wanted, struct sql_name *ret_name, struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_name name = {.offset = sql_parser_offset(parser)};
    do {
        const char *part = NULL;
        TRY(sql_parser_name(parser, wanted, &part, err));
        sql_list_push(parser->arena, &name.parts, part);
    } while (sql_parser_accept_symbol(parser, "."));
    *ret_name = name;
out:
    return status;
}

enum status sql_parser_enter(struct sql_parser *parser, struct error *err)
{
    if (parser->nesting >= SQL_NESTING_MAX) {
        return sql_text_error(parser->text, sql_parser_offset(parser), STATUS_INVALID, NULL, NULL, err,
                              "brackets are nested deeper than %u", SQL_NESTING_MAX);
    }
    parser->nesting++;
    return STATUS_OK;
}
