// A format specifier of java.util.Formatter: %[index$][flags][width][.precision]conversion. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_SPECIFIER_H
#define FORESET_EXPR_EXPR_SPECIFIER_H

#include "common/base/text.h"

#define EXPR_SPECIFIER_WIDTH_MAX 1000000 // characters of the field, decimals of the number

enum {
    EXPR_FLAG_LEFT = 1,
    EXPR_FLAG_ALTERNATE = 2,
    EXPR_FLAG_PLUS = 4,
    EXPR_FLAG_SPACE = 8,
    EXPR_FLAG_ZERO = 16,
    EXPR_FLAG_GROUP = 32,
    EXPR_FLAG_PARENTHESES = 64,
    EXPR_FLAG_PREVIOUS = 128, // '<': the last one's argument again
};
#define EXPR_FLAG_SIGNS (EXPR_FLAG_PLUS | EXPR_FLAG_SPACE | EXPR_FLAG_PARENTHESES)

struct expr_specifier {
    struct slice source;
    unsigned flags;
    int64_t index;            // of the argument, from 1; -1: the next one
    int64_t width, precision; // -1: none
    char conversion;          // in lower case once checked; 't': of a date
    bool upper;
    size_t start; // of the field in the row's text
};

// The specifier at the start of `s`, which starts with '%'. NULL, or what is wrong.
const char *expr_specifier_read(struct slice s, struct expr_specifier *spec) MUST_USE;
// NULL, or what Java refuses in the specifier. absent: the argument is null, which is written without a sign.
const char *expr_specifier_check(struct expr_specifier *spec, bool absent) MUST_USE;

#endif
