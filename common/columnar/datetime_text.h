// Dates and timestamps as text: what Spark's CAST and JSON reader accept and what they print (session time zone UTC).
// Proleptic Gregorian calendar, years -290307..294247 (int64 microseconds) and for dates what int32 days hold.
#ifndef FORESET_COLUMNAR_DATETIME_TEXT_H
#define FORESET_COLUMNAR_DATETIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/columnar/type.h"

#define DATETIME_TEXT_SIZE 64 // enough for every formatter below
#define DATETIME_DAY_US    INT64_C(86400000000)

struct datetime_civil {
    int64_t year;
    uint32_t month; // 1..12
    uint32_t day;   // 1..31
};
// Days since 1970-01-01; any month 1..12, day 1..31.
int64_t datetime_text_days(int64_t year, uint32_t month, uint32_t day);
struct datetime_civil datetime_text_civil(int64_t days);
uint32_t datetime_text_month_days(int64_t year, uint32_t month); // 28..31

// CAST(text AS DATE), AS TIMESTAMP, AS TIMESTAMP_NTZ: false where Spark finds no such value. Surrounding blanks are
// allowed. "today", "now" and the like are not (as in Spark). A time without a date ("12:30") takes `today` (days).
// allow_zone: with it, a zone in a TIMESTAMP_NTZ's text is read and dropped, as CAST does; without, it is refused.
// Zones: as datetime_zone.h takes them.
bool datetime_text_parse_date(const char *text, size_t length, int32_t *ret_days);
bool datetime_text_parse_timestamp(const char *text, size_t length, int32_t today, int64_t *ret_us);
bool datetime_text_parse_timestamp_ntz(const char *text, size_t length, bool allow_zone, int64_t *ret_us);
// Formatters write at most DATETIME_TEXT_SIZE bytes to out, NUL-terminated, and return the length.
size_t datetime_text_format_date(int32_t days, char *out);          // 2024-01-31
size_t datetime_text_format_timestamp(int64_t us, char *out);       // 2024-01-31 12:00:00.5: as CAST to string
size_t datetime_text_format_iso(int64_t us, char *out);             // 2024-01-31T12:00:00.500000Z
size_t datetime_text_format_json(int64_t us, bool zone, char *out); // 2024-01-31T12:00:00.500Z: as to_json
// Months or microseconds of an interval type: INTERVAL '1 02:03:04.5' DAY TO SECOND, INTERVAL '1-2' YEAR TO MONTH,
// INTERVAL '90' MINUTE.
size_t datetime_text_format_interval(const struct type *type, int64_t value, char *out);

#endif
