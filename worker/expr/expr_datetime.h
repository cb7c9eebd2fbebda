// Calendar helpers and time zones that the datetime families share. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_DATETIME_H
#define FORESET_EXPR_EXPR_DATETIME_H

#include "common/base/text.h"

int64_t expr_datetime_floor(int64_t a, int64_t b);           // floor of a / b
int64_t expr_datetime_weekday(int64_t days);                 // 0 Monday … 6 Sunday
int64_t expr_datetime_week(int64_t days, int64_t *ret_year); // ISO week of year, and that year
// Offset of a zone from UTC at `seconds` since 1970: local time if is_local, else UTC. False: no such zone.
bool expr_datetime_zone(struct slice zone, int64_t seconds, bool is_local, int32_t *ret_offset_seconds);

#endif
