// Dates and timestamps as text. Grammar after Spark 4.1 (SparkDateTimeUtils.parseTimestampString and stringToDate, read
// for behaviour); calendar arithmetic after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". No failure
// but a false return.
#include "common/columnar/datetime_text.h"

#include <stdio.h>
#include <string.h>

#include "common/columnar/number_text.h"
#include "common/columnar/datetime_zone.h"

#define DAY_SECONDS 86400

int64_t datetime_text_days(int64_t year, uint32_t month, uint32_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct datetime_civil datetime_text_civil(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    uint32_t day_of_era = (uint32_t)(days - era * 146097);
    uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month = (5 * day_of_year + 2) / 153;
    struct datetime_civil civil = {.year = (int64_t)year_of_era + era * 400};
    civil.day = day_of_year - (153 * month + 2) / 5 + 1;
    civil.month = month < 10 ? month + 3 : month - 9;
    civil.year += civil.month <= 2;
    return civil;
}

uint32_t datetime_text_month_days(int64_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void trim_all(const char **text, size_t *length)
{
    while (*length && ((uint8_t) * *text <= ' ' || **text == 0x7f)) (*text)++, (*length)--;
    while (*length && ((uint8_t)(*text)[*length - 1] <= ' ' || (*text)[*length - 1] == 0x7f)) (*length)--;
}

static bool date_is_valid(int64_t year, uint32_t month, uint32_t day)
{
    return month >= 1 && month <= 12 && day >= 1 && day <= datetime_text_month_days(year, month);
}

static bool date_digits_valid(int segment, int digits)
{
    return segment == 0 ? digits >= 4 && digits <= 7 : digits > 0 && digits <= 2;
}

bool datetime_text_parse_date(const char *text, size_t length, int32_t *ret_days)
{
    int64_t segments[3] = {1, 1, 1}, value = 0;
    int at = 0, digits = 0, sign = 1;
    trim_all(&text, &length);
    if (length == 0) return false;
    size_t j = 0;
    if (text[0] == '-' || text[0] == '+') sign = text[j++] == '-' ? -1 : 1;
    for (; j < length && text[j] != ' ' && text[j] != 'T'; j++) {
        if (at < 2 && text[j] == '-') {
            if (!date_digits_valid(at, digits)) return false;
            segments[at++] = value;
            value = digits = 0;
        } else {
            if (!is_digit(text[j]) || digits > 7) return false;
            value = value * 10 + (text[j] - '0');
            digits++;
        }
    }
    if (!date_digits_valid(at, digits) || (at < 2 && j < length)) return false;
    segments[at] = value;
    int64_t year = sign * segments[0];
    if (!date_is_valid(year, (uint32_t)segments[1], (uint32_t)segments[2])) return false;
    int64_t days = datetime_text_days(year, (uint32_t)segments[1], (uint32_t)segments[2]);
    if (days < INT32_MIN || days > INT32_MAX) return false;
    *ret_days = (int32_t)days;
    return true;
}

// What a timestamp's text holds: year, month, day, hour, minute, second, microsecond, and where the zone stands.
struct timestamp_parts {
    int64_t segments[9];
    const char *zone;
    size_t zone_length;
    bool just_time;
};

static bool timestamp_digits_valid(int segment, int digits)
{
    if (segment == 0) return digits >= 4 && digits <= 6;
    if (segment == 6) return true;
    if (segment == 7) return digits <= 2;
    return digits > 0 && digits <= 2;
}

// What a byte that is no digit means at segment `at`: ends it (and which follows), starts the zone, or is an error.
static bool take_separator(struct timestamp_parts *parts, int *at, char b, bool first, bool sign, const char *rest,
                           size_t rest_length)
{
    if (first && b == 'T') {
        parts->just_time = true;
        *at += 3;
        return true;
    }
    if (*at < 2) {
        if (b == '-') {
            (*at)++;
            return true;
        }
        if (*at != 0 || b != ':' || sign) return false;
        parts->just_time = true;
        parts->segments[3] = parts->segments[0];
        parts->segments[0] = 1;
        *at = 4;
        return true;
    }
    if (*at == 2 || *at == 3 || *at == 4) {
        if (*at == 2 ? b != ' ' && b != 'T' : b != ':') return false;
        (*at)++;
        return true;
    }
    if (*at == 5 && b == '.') {
        *at = 6;
        return true;
    }
    parts->zone = rest;
    parts->zone_length = rest_length;
    *at = 7;
    return true;
}

static bool split_timestamp(const char *text, size_t length, struct timestamp_parts *parts)
{
    *parts = (struct timestamp_parts){.segments = {1, 1, 1}};
    int at = 0, digits = 0, fraction_digits = 0, sign = 0;
    int64_t value = 0;
    trim_all(&text, &length);
    if (length == 0) return false;
    size_t j = 0;
    if (text[0] == '-' || text[0] == '+') sign = text[j++] == '-' ? -1 : 1;
    for (; j < length && !parts->zone; j++) {
        if (is_digit(text[j])) {
            if (at == 6) fraction_digits++;
            if (at != 6 ? digits < 8 : digits < 6) value = value * 10 + (text[j] - '0');
            digits++;
            continue;
        }
        bool first = j == 0 && text[j] == 'T';
        bool is_time = at == 0 && text[j] == ':'; // the digits so far are hours
        if (!first && !timestamp_digits_valid(is_time ? 3 : at, digits)) return false;
        if (!first) parts->segments[at] = value;
        if (!take_separator(parts, &at, text[j], first, sign != 0, text + j, length - j)) return false;
        value = digits = 0;
    }
    if (!parts->zone) {
        if (!timestamp_digits_valid(at, digits)) return false;
        parts->segments[at] = value;
    }
    for (; fraction_digits < 6; fraction_digits++) parts->segments[6] *= 10;
    if (sign) parts->segments[0] *= sign;
    return true;
}

// Local seconds since 1970 of the parts; false: no such date or time.
static bool parts_seconds(const struct timestamp_parts *parts, int64_t today, int64_t *ret_seconds)
{
    const int64_t *segments = parts->segments;
    if (segments[3] > 23 || segments[4] > 59 || segments[5] > 59) return false;
    int64_t days = today;
    if (!parts->just_time) {
        if (!date_is_valid(segments[0], (uint32_t)segments[1], (uint32_t)segments[2])) return false;
        days = datetime_text_days(segments[0], (uint32_t)segments[1], (uint32_t)segments[2]);
    }
    *ret_seconds = days * DAY_SECONDS + segments[3] * 3600 + segments[4] * 60 + segments[5];
    return true;
}

static bool to_micros(int64_t seconds, int64_t micros, int64_t *ret_us)
{
    int64_t scaled;
    return !__builtin_mul_overflow(seconds, INT64_C(1000000), &scaled) &&
           !__builtin_add_overflow(scaled, micros, ret_us);
}

static inline unsigned two(const char *text)
{
    return (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
}

// "YYYY-MM-DDTHH:MM:SS[.f{1,6}]Z" and the same with a blank for T and no zone: the two usual forms, without branches
// for what else may stand there. False: not one of them (the general way decides).
static bool parse_usual(const char *text, size_t length, int64_t *ret_us)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    if (length < 19 || length > 27) return false;
    for (int i = 0; i < 19; i++) {
        bool fits = form[i] == 'd' ? is_digit(text[i]) : text[i] == form[i] || (i == 10 && text[i] == ' ');
        if (!fits) return false;
    }
    if (text[length - 1] == 'Z') length--;
    int64_t micros = 0;
    if (length > 19) {
        static const int64_t scale[] = {0, 100000, 10000, 1000, 100, 10, 1};
        size_t digits = length - 20;
        if (text[19] != '.' || digits < 1 || digits > 6) return false;
        for (size_t i = 20; i < length; i++) {
            if (!is_digit(text[i])) return false;
            micros = micros * 10 + (text[i] - '0');
        }
        micros *= scale[digits];
    }
    unsigned year = two(text) * 100 + two(text + 2), month = two(text + 5), day = two(text + 8);
    unsigned hour = two(text + 11), minute = two(text + 14), second = two(text + 17);
    if (!date_is_valid(year, month, day) || hour > 23 || minute > 59 || second > 59) return false;
    int64_t seconds =
        datetime_text_days(year, month, day) * DAY_SECONDS + (int64_t)(hour * 3600 + minute * 60 + second);
    *ret_us = seconds * 1000000 + micros;
    return true;
}

// 0 where none stands.
static bool zone_offset(const struct timestamp_parts *parts, int64_t local_seconds, int32_t *ret_offset_seconds)
{
    const char *zone = parts->zone;
    size_t length = parts->zone_length;
    *ret_offset_seconds = 0;
    trim_all(&zone, &length);
    return !parts->zone || datetime_zone_offset(zone, length, local_seconds, true, ret_offset_seconds);
}

bool datetime_text_parse_timestamp(const char *text, size_t length, int32_t today, int64_t *ret_us)
{
    if (parse_usual(text, length, ret_us)) return true;
    struct timestamp_parts parts;
    int64_t seconds = 0;
    int32_t offset;
    if (!split_timestamp(text, length, &parts) || !parts_seconds(&parts, today, &seconds)) return false;
    if (!zone_offset(&parts, seconds, &offset)) return false;
    return to_micros(seconds - offset, parts.segments[6], ret_us);
}

bool datetime_text_parse_timestamp_ntz(const char *text, size_t length, bool allow_zone, int64_t *ret_us)
{
    struct timestamp_parts parts;
    int64_t seconds = 0;
    int32_t offset;
    if (!split_timestamp(text, length, &parts) || parts.just_time) return false;
    if (!parts_seconds(&parts, 0, &seconds)) return false;
    if (parts.zone && !allow_zone) return false;
    if (!zone_offset(&parts, seconds, &offset)) return false;
    return to_micros(seconds, parts.segments[6], ret_us);
}

static char *put_padded(char *at, uint64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--, value /= 10) at[i] = (char)('0' + value % 10);
    return at + width;
}

static char *put_date(char *at, int64_t days)
{
    struct datetime_civil civil = datetime_text_civil(days);
    uint64_t year = civil.year < 0 ? (uint64_t)-civil.year : (uint64_t)civil.year;
    if (civil.year < 0) *at++ = '-';
    if (civil.year > 9999) *at++ = '+';
    int width = 4;
    for (uint64_t left = year / 10000; left; left /= 10) width++;
    at = put_padded(at, year, width);
    *at++ = '-';
    at = put_padded(at, civil.month, 2);
    *at++ = '-';
    return put_padded(at, civil.day, 2);
}

static char *put_time(char *at, uint64_t seconds)
{
    at = put_padded(at, seconds / 3600, 2);
    *at++ = ':';
    at = put_padded(at, seconds / 60 % 60, 2);
    *at++ = ':';
    return put_padded(at, seconds % 60, 2);
}

// Micros as .ffffff without trailing zeros; nothing for 0.
static char *put_fraction(char *at, uint64_t micros)
{
    if (micros == 0) return at;
    *at++ = '.';
    at = put_padded(at, micros, 6);
    while (at[-1] == '0') at--;
    return at;
}

static void split_us(int64_t us, int64_t *ret_days, uint64_t *ret_of_day)
{
    int64_t days = us / DATETIME_DAY_US, rest = us % DATETIME_DAY_US;
    if (rest < 0) rest += DATETIME_DAY_US, days--;
    *ret_days = days;
    *ret_of_day = (uint64_t)rest;
}

static size_t finish(char *out, char *at)
{
    *at = '\0';
    return (size_t)(at - out);
}

size_t datetime_text_format_date(int32_t days, char *out)
{
    return finish(out, put_date(out, days));
}

size_t datetime_text_format_timestamp(int64_t us, char *out)
{
    int64_t days;
    uint64_t of_day;
    split_us(us, &days, &of_day);
    char *at = put_date(out, days);
    *at++ = ' ';
    at = put_time(at, of_day / 1000000);
    return finish(out, put_fraction(at, of_day % 1000000));
}

size_t datetime_text_format_iso(int64_t us, char *out)
{
    int64_t days;
    uint64_t of_day;
    split_us(us, &days, &of_day);
    char *at = put_date(out, days);
    if (*out == '+')
        at = (char *)memmove(out, out + 1, (size_t)(at - out) - 1) + (at - out - 1); // the cases' form has no plus
    *at++ = 'T';
    at = put_time(at, of_day / 1000000);
    *at++ = '.';
    at = put_padded(at, of_day % 1000000, 6);
    *at++ = 'Z';
    return finish(out, at);
}

size_t datetime_text_format_json(int64_t us, bool zone, char *out)
{
    int64_t days;
    uint64_t of_day;
    split_us(us, &days, &of_day);
    char *at = put_date(out, days);
    *at++ = 'T';
    at = put_time(at, of_day / 1000000);
    *at++ = '.';
    at = put_padded(at, of_day % 1000000 / 1000, 3); // milliseconds: Spark's default pattern cuts the rest off
    if (zone) *at++ = 'Z';
    return finish(out, at);
}

size_t datetime_text_format_interval(const struct type *type, int64_t value, char *out)
{
    static const char *const names[] = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"};
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *at = out;
    at += sprintf(at, "INTERVAL '%s", value < 0 ? "-" : "");
    for (enum interval_field field = type->first; field <= type->last; field++) {
        uint64_t unit = (uint64_t)type_interval_unit(field);
        if (field > type->first) *at++ = field == INTERVAL_MONTH ? '-' : field == INTERVAL_HOUR ? ' ' : ':';
        at += sprintf(at, field > INTERVAL_DAY ? "%02llu" : "%llu", (unsigned long long)(left / unit));
        left %= unit;
    }
    if (type->last == INTERVAL_SECOND) at = put_fraction(at, left);
    at += sprintf(at, "' %s", names[type->first]);
    if (type->last > type->first) at += sprintf(at, " TO %s", names[type->last]);
    return finish(out, at);
}
