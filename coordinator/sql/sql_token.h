// Words, numbers, strings and symbols of a pipeline's text. The whole text is cut at once; what cannot be cut (an open
// string, a stray character) becomes a token of its own, and the parser reports it only when it meets it.
#ifndef FORESET_SQL_SQL_TOKEN_H
#define FORESET_SQL_SQL_TOKEN_H

#include "common/base/memory.h"
#include "coordinator/sql/sql_text.h"

enum sql_token_kind {
    SQL_TOKEN_END,
    SQL_TOKEN_WORD,
    SQL_TOKEN_QUOTED, // `name`
    SQL_TOKEN_STRING, // 'a', "a", r'a', with quotes and prefix
    SQL_TOKEN_NUMBER, // with exponent and suffix
    SQL_TOKEN_SYMBOL,
    SQL_TOKEN_OPEN_STRING,  // no closing quote
    SQL_TOKEN_OPEN_QUOTED,  // no closing backtick
    SQL_TOKEN_OPEN_COMMENT, // no closing */
    SQL_TOKEN_BAD_NUMBER,   // 12abc
    SQL_TOKEN_STRAY,        // a character that starts nothing
};

struct sql_token {
    enum sql_token_kind kind;
    uint32_t offset; // in the text
    uint32_t length;
};
struct sql_tokens {
    struct sql_token *items; // the last one is SQL_TOKEN_END
    uint32_t count;
};
// text->length <= SQL_TEXT_SIZE_MAX.
void sql_token_cut(const struct sql_text *text, struct arena *arena, struct sql_tokens *ret_tokens);

#endif
