// Intervals as text: "5 minutes", "1 hour 30 minutes", "INTERVAL 5 MINUTES" (Spark's units, singular and plural, any
// case).
#ifndef FORESET_SQL_SQL_INTERVAL_H
#define FORESET_SQL_SQL_INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

struct sql_interval {
    int64_t months;
    int64_t us;
    bool has_months; // a year or month unit was named
    bool has_us;
    unsigned fields; // bits by enum interval_field (common/columnar/type.h): what was named
};
// Adds `number unit` to an interval. number: [-+]digits[.digits]; a fraction only of seconds. False: unknown unit, bad
// number, overflow.
bool sql_interval_add(struct sql_interval *interval, struct slice number, struct slice unit, bool negative);
bool sql_interval_is_unit(struct slice word);
bool sql_interval_parse(const char *text, struct sql_interval *ret_interval);
// A duration without months, in microseconds.
bool sql_interval_parse_us(const char *text, int64_t *ret_us);
// "5 minutes", "1 hour 30 minutes": as a person would write it.
void sql_interval_print(int64_t us, struct text *text);

#endif
