// ISO-8601 in its fixed layout: digits checked eight at a time, days by a formula without tables. Cannot fail.
#include "worker/expr/expr_timestamp.h"

#include <string.h>

static inline unsigned two(const char *at)
{
    return (unsigned)(at[0] - '0') * 10u + (unsigned)(at[1] - '0');
}

// All 19 characters of "YYYY-MM-DDTHH:MM:SS" are digits and separators where they should be.
static bool layout_matches(const char *text)
{
    uint64_t a, b;
    memcpy(&a, text, 8);      // YYYY-MM-
    memcpy(&b, text + 11, 8); // HH:MM:SS
    const uint64_t digits_a = 0x00FFFF00FFFFFFFFull, digits_b = 0xFFFF00FFFF00FFFFull;
    const uint64_t marks_a = 0x2D00002D00000000ull, marks_b = 0x00003A00003A0000ull;
    if ((a & ~digits_a) != marks_a || (b & ~digits_b) != marks_b) return false;
    uint64_t x = (a ^ 0x3030303030303030ull) & digits_a, y = (b ^ 0x3030303030303030ull) & digits_b;
    uint64_t bad = ((x + 0x7676767676767676ull) | x | (y + 0x7676767676767676ull) | y) & 0x8080808080808080ull;
    unsigned d1 = (unsigned)(text[8] - '0'), d2 = (unsigned)(text[9] - '0');
    return bad == 0 && d1 <= 9 && d2 <= 9 && (text[10] == 'T' || text[10] == ' ');
}

static int64_t days_of(unsigned year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400), doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + (int64_t)(yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static bool date_read(struct expr_timestamp_cache *cache, const char *text)
{
    unsigned year = two(text) * 100 + two(text + 2), month = two(text + 5), day = two(text + 8);
    if (month - 1 > 11 || day - 1 > 30) return false;
    if (day > 28 && day > month_days(year, month)) return false;
    memcpy(cache->date, text, sizeof cache->date);
    cache->seconds = days_of(year, month, day) * 86400;
    return true;
}

// Three digits; 1000 and more if they are none.
static inline unsigned three(const char *at)
{
    unsigned a = (unsigned)(at[0] - '0'), b = (unsigned)(at[1] - '0'), c = (unsigned)(at[2] - '0');
    return ((a > 9) | (b > 9) | (c > 9)) ? 1000 : a * 100 + b * 10 + c;
}

static size_t fraction_read(const char *text, size_t length, unsigned *ret_fraction)
{
    static const unsigned scale[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    unsigned fraction = 0;
    size_t at = 0;
    if (length >= 6) {
        unsigned high = three(text), low = three(text + 3);
        *ret_fraction = high * 1000 + low;
        if (high < 1000 && low < 1000) return 6;
    }
    for (; at < length && at < 6 && (unsigned)(text[at] - '0') <= 9; at++) {
        fraction = fraction * 10 + (unsigned)(text[at] - '0');
    }
    *ret_fraction = fraction * scale[at];
    return at;
}

// What follows the seconds: a fraction, UTC.
static bool tail_read(const char *text, size_t length, unsigned *ret_fraction)
{
    size_t at = 0;
    if (text[0] == '.') {
        at = fraction_read(text + 1, length - 1, ret_fraction) + 1;
        if (at == 1) return false;
    }
    if (at == length) return true;
    if (length - at == 1) return text[at] == 'Z';
    return length - at == 6 && memcmp(text + at, "+00:00", 6) == 0;
}

bool expr_timestamp_parse_iso(struct expr_timestamp_cache *cache, const char *text, size_t length, int64_t *ret_us)
{
    if (length < 19 || length > 32 || !layout_matches(text)) return false;
    bool same = memcmp(cache->date, text, 8) == 0 && cache->date[8] == text[8] && cache->date[9] == text[9];
    if (!same && !date_read(cache, text)) return false;
    unsigned hour = two(text + 11), minute = two(text + 14), second = two(text + 17), fraction = 0;
    if (hour > 23 || minute > 59 || second > 59) return false;
    if (length > 19 && !tail_read(text + 19, length - 19, &fraction)) return false;
    *ret_us = (cache->seconds + (int64_t)(hour * 3600 + minute * 60 + second)) * 1000000 + fraction;
    return true;
}
