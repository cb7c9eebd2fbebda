// Calendar helpers that the datetime families share. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_DATETIME_H
#define FORESET_EXPR_EXPR_DATETIME_H

#include <stdint.h>

int64_t expr_datetime_floor(int64_t a, int64_t b);           // floor of a / b
int64_t expr_datetime_weekday(int64_t days);                 // 0 Monday … 6 Sunday
int64_t expr_datetime_week(int64_t days, int64_t *ret_year); // ISO week of year, and that year

#endif
