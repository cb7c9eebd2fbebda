// The decimal digits of a number, to be rounded and laid out: 0.d1d2d3… × 10^point. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_DIGITS_H
#define FORESET_EXPR_EXPR_DIGITS_H

#include "worker/expr/expr_program.h"

#define EXPR_DIGITS_MAX 720 // the most that a double has with 340 decimals, and the next one of a carry

struct expr_digits {
    char data[EXPR_DIGITS_MAX]; // '0' … '9', neither the first nor the last is '0'
    int32_t count;              // 0: the number is zero
    int32_t point;
    bool negative;
};

// Text as printf's f and e, Double.toString and the number formatters write it.
void expr_digits_read(struct expr_digits *digits, const char *text);
// Of a number that is finite. A double has the digits of its shortest text, as Java prints it.
void expr_digits_of(struct expr_digits *digits, const struct type *type, const struct expr_datum *datum);
// Rounds to the first `keep` digits, which may be none or less: half up, or half even.
void expr_digits_round(struct expr_digits *digits, int64_t keep, bool half_even);

#endif
