// Cuts a pipeline's text into tokens. Spark's lexer (SqlBaseLexer.g4): nested /* */, -- to the end of the line, '' and
// backslash inside strings, r'raw', number suffixes. Cannot fail: what is malformed becomes a token that says so.
#include "coordinator/sql/sql_token.h"

#include <string.h>

#include "coordinator/sql/sql_list.h"

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char at(const struct sql_text *text, size_t i)
{
    return i < text->length ? text->bytes[i] : '\0';
}

// Behind a comment that opens at `i`; *ret_open if it never closes.
static size_t skip_comment(const struct sql_text *text, size_t i, bool *ret_open)
{
    unsigned depth = 0;
    while (i < text->length) {
        if (at(text, i) == '/' && at(text, i + 1) == '*') {
            depth++;
            i += 2;
        } else if (at(text, i) == '*' && at(text, i + 1) == '/') {
            i += 2;
            if (--depth == 0) return i;
        } else {
            i++;
        }
    }
    *ret_open = true;
    return i;
}

static size_t skip_blank(const struct sql_text *text, size_t i, bool *ret_open)
{
    while (i < text->length) {
        char c = text->bytes[i];
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            i++;
        } else if (c == '-' && at(text, i + 1) == '-') {
            while (i < text->length && text->bytes[i] != '\n') i++;
        } else if (c == '/' && at(text, i + 1) == '*') {
            size_t start = i;
            i = skip_comment(text, i, ret_open);
            if (*ret_open) return start;
        } else {
            break;
        }
    }
    return i;
}

// Behind the string whose quote stands at `i`.
static size_t cut_string(const struct sql_text *text, size_t i, bool raw, enum sql_token_kind *ret_kind)
{
    char quote = text->bytes[i++];
    *ret_kind = SQL_TOKEN_STRING;
    for (; i < text->length; i++) {
        if (text->bytes[i] == '\\' && !raw && i + 1 < text->length) {
            i++;
        } else if (text->bytes[i] == quote) {
            if (raw || at(text, i + 1) != quote) return i + 1;
            i++;
        }
    }
    *ret_kind = SQL_TOKEN_OPEN_STRING;
    return text->length;
}

static size_t cut_quoted(const struct sql_text *text, size_t i, enum sql_token_kind *ret_kind)
{
    *ret_kind = SQL_TOKEN_QUOTED;
    for (i++; i < text->length; i++) {
        if (text->bytes[i] != '`') continue;
        if (at(text, i + 1) != '`') return i + 1;
        i++;
    }
    *ret_kind = SQL_TOKEN_OPEN_QUOTED;
    return text->length;
}

static size_t cut_number(const struct sql_text *text, size_t i, enum sql_token_kind *ret_kind)
{
    while (is_digit(at(text, i))) i++;
    if (at(text, i) == '.') {
        i++;
        while (is_digit(at(text, i))) i++;
    }
    if (at(text, i) == 'e' || at(text, i) == 'E') {
        size_t digits = i + 1 + (at(text, i + 1) == '+' || at(text, i + 1) == '-');
        if (is_digit(at(text, digits))) {
            i = digits;
            while (is_digit(at(text, i))) i++;
        }
    }
    size_t suffix = i;
    while (is_word_char(at(text, i))) i++;
    bool known = i == suffix || (i == suffix + 1 && strchr("lLsSyYfFdD", text->bytes[suffix])) ||
                 (i == suffix + 2 && (text->bytes[suffix] | 32) == 'b' && (text->bytes[suffix + 1] | 32) == 'd');
    *ret_kind = known ? SQL_TOKEN_NUMBER : SQL_TOKEN_BAD_NUMBER;
    return i;
}

static size_t cut_symbol(const struct sql_text *text, size_t i, enum sql_token_kind *ret_kind)
{
    static const char *const symbols[] = {"<=>", ">>>", "<=", ">=", "<>", "!=", "==", "||", "::", "=>",
                                          "->",  "<<",  ">>", "!>", "!<", "(",  ")",  "[",  "]",  "{",
                                          "}",   ",",   ".",  ";",  "=",  "<",  ">",  "+",  "-",  "*",
                                          "/",   "%",   "&",  "|",  "^",  "~",  "!",  ":",  "?"};
    *ret_kind = SQL_TOKEN_SYMBOL;
    for (size_t s = 0; s < sizeof symbols / sizeof *symbols; s++) {
        size_t length = strlen(symbols[s]);
        if (text->length - i >= length && memcmp(text->bytes + i, symbols[s], length) == 0) return i + length;
    }
    *ret_kind = SQL_TOKEN_STRAY;
    return i + 1;
}

void sql_token_cut(const struct sql_text *text, struct arena *arena, struct sql_tokens *ret_tokens)
{
    SQL_LIST(struct sql_token) list = {0};
    for (size_t i = 0;;) {
        bool open = false;
        i = skip_blank(text, i, &open);
        if (i >= text->length) break;
        size_t start = i;
        enum sql_token_kind kind = SQL_TOKEN_WORD;
        char c = text->bytes[i];
        if (open) {
            kind = SQL_TOKEN_OPEN_COMMENT;
            i = text->length;
        } else if (c == '\'' || c == '"') {
            i = cut_string(text, i, false, &kind);
        } else if ((c == 'r' || c == 'R') && (at(text, i + 1) == '\'' || at(text, i + 1) == '"')) {
            i = cut_string(text, i + 1, true, &kind);
        } else if (c == '`') {
            i = cut_quoted(text, i, &kind);
        } else if (is_digit(c) || (c == '.' && is_digit(at(text, i + 1)))) {
            i = cut_number(text, i, &kind);
        } else if (is_word_char(c)) {
            while (is_word_char(at(text, i))) i++;
        } else {
            i = cut_symbol(text, i, &kind);
        }
        struct sql_token token = {kind, (uint32_t)start, (uint32_t)(i - start)};
        sql_list_push(arena, &list, token);
    }
    struct sql_token end = {SQL_TOKEN_END, (uint32_t)text->length, 0};
    sql_list_push(arena, &list, end);
    ret_tokens->items = list.items;
    ret_tokens->count = list.count;
}
