// Java's DateTimeFormatter patterns, in English and UTC, as Spark lets them in. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_DATETIME_FORMAT_H
#define FORESET_EXPR_EXPR_DATETIME_FORMAT_H

#include "common/base/text.h"

#define EXPR_DATETIME_TOKENS_MAX 64

struct expr_datetime_token {
    char letter; // a pattern letter; '\'' literal text; '[' and ']' an optional section
    uint8_t count;
    char text[14]; // of a literal
};
struct expr_datetime_format {
    struct expr_datetime_token tokens[EXPR_DATETIME_TOKENS_MAX];
    size_t count;
};
// NULL, or Spark's error condition.
const char *expr_datetime_format_compile(struct slice pattern, bool parsing, struct expr_datetime_format *ret_format);
void expr_datetime_format_print(const struct expr_datetime_format *format, int64_t us, struct text *text);
// The whole text; false: it does not match, or a field is out of range.
bool expr_datetime_format_parse(const struct expr_datetime_format *format, struct slice text, int64_t *ret_us);

#endif
