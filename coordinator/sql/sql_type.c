// A data type inside SQL: its text is found by its brackets and handed to type_parse.
#include <strings.h>

#include "coordinator/sql/sql_parser.h"

// The bracket depth behind a symbol: < and ( open, > and ) close, >> and >>> close several.
static int depth_change(const struct sql_parser *parser)
{
    if (sql_parser_is_symbol(parser, 0, "<") || sql_parser_is_symbol(parser, 0, "(")) return 1;
    if (sql_parser_is_symbol(parser, 0, ">") || sql_parser_is_symbol(parser, 0, ")")) return -1;
    if (sql_parser_is_symbol(parser, 0, ">>")) return -2;
    if (sql_parser_is_symbol(parser, 0, ">>>")) return -3;
    if (sql_parser_is_symbol(parser, 0, "<>")) return 0;
    return 0;
}

static bool type_ends(const struct sql_parser *parser)
{
    enum sql_token_kind kind = sql_parser_peek(parser, 0)->kind;
    return kind != SQL_TOKEN_WORD && kind != SQL_TOKEN_QUOTED && kind != SQL_TOKEN_SYMBOL && kind != SQL_TOKEN_NUMBER &&
           kind != SQL_TOKEN_STRING;
}

enum status sql_type_parse(struct sql_parser *parser, const struct type **ret_type, struct error *err)
{
    uint32_t start = sql_parser_offset(parser);
    if (sql_parser_peek(parser, 0)->kind != SQL_TOKEN_WORD) return sql_parser_refuse(parser, "a data type", NULL, err);
    bool interval = sql_parser_is_word(parser, 0, "interval");
    parser->at++;
    if (interval) { // INTERVAL DAY TO SECOND
        while (sql_parser_is_word(parser, 0, "to") || sql_parser_is_word(parser, 0, "day") ||
               sql_parser_is_word(parser, 0, "hour") || sql_parser_is_word(parser, 0, "minute") ||
               sql_parser_is_word(parser, 0, "second") || sql_parser_is_word(parser, 0, "year") ||
               sql_parser_is_word(parser, 0, "month")) {
            parser->at++;
        }
    } else if (sql_parser_is_symbol(parser, 0, "<") || sql_parser_is_symbol(parser, 0, "(")) {
        int depth = 0;
        do {
            if (type_ends(parser)) return sql_parser_refuse(parser, "the type's closing bracket", NULL, err);
            depth += depth_change(parser);
            parser->at++;
        } while (depth > 0);
    } else if (sql_parser_is_symbol(parser, 0, "<>")) { // struct<>
        parser->at++;
    }
    const char *text = sql_parser_copy(parser, start, sql_parser_last_end(parser));
    const struct type *type = NULL;
    if (type_parse(text, &type, err) != STATUS_OK) return sql_text_locate(parser->text, start, NULL, err);
    *ret_type = type;
    return STATUS_OK;
}
