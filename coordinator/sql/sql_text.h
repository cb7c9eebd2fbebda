// The text of a pipeline and places in it: every message about it names file, line and column, shows the line with a
// caret, and says what to write instead where that is known.
#ifndef FORESET_SQL_SQL_TEXT_H
#define FORESET_SQL_SQL_TEXT_H

#include <stdint.h>

#include "common/base/error.h"

#define SQL_TEXT_SIZE_MAX (1u << 20)

struct sql_text {
    const char *name; // file name, as messages show it
    const char *bytes;
    size_t length;
};

struct sql_place {
    uint32_t line;   // from 1
    uint32_t column; // from 1, in characters
};
struct sql_place sql_text_place(const struct sql_text *text, size_t offset);

// An ERROR_USAGE at a byte offset. condition: Spark's, or NULL; hint: what to write instead, or NULL. Returns code.
enum status sql_text_error(const struct sql_text *text, size_t offset, enum status code, const char *condition,
                           const char *hint, struct error *err, const char *format, ...) PRINTF_LIKE(7, 8);
// In place, character by character: every literal that is the value of a key which names a secret (password => '…',
// `kafka.ssl.key.pem` => "…") becomes '*'s. Everything that shows or stores a text masks it so; secret('…') stays.
void sql_text_mask(char *bytes, size_t length);
// Gives an error that was made without knowledge of the text (type_parse, function_resolve) its place.
enum status sql_text_locate(const struct sql_text *text, size_t offset, const char *hint, struct error *err);

#endif
