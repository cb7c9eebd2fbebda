// Operators value by value: decimals, intervals, dates. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_ARITHMETIC_ROW_H
#define FORESET_EXPR_EXPR_ARITHMETIC_ROW_H

#include "worker/expr/expr_program.h"

enum expr_outcome expr_arithmetic_row(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret);
enum expr_outcome expr_arithmetic_row_negative(struct expr_row *row, const struct expr_datum *args,
                                               struct expr_datum *ret);
enum expr_outcome expr_arithmetic_row_positive(struct expr_row *row, const struct expr_datum *args,
                                               struct expr_datum *ret);
enum expr_outcome expr_arithmetic_row_abs(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret);
// Months added to a date or timestamp, the day cut to the month's end.
int64_t expr_arithmetic_row_add_months(int64_t days, int64_t months);

#endif
