// Numbers as text. Reading: Clinger's fast path (1990: a significand below 2^53 and a power of ten up to 22 are exact
// doubles, so one operation rounds once), else libc's exactly rounded strtod. Nothing here fails but by returning
// false.
#include "common/columnar/number_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

#define NUMBER_STACK 128u

// A scanned decimal number.
struct number_parts {
    bool negative;
    bool exact;           // significand holds every digit
    uint64_t significand; // the first 19 digits, leading zeros left out
    int64_t exponent;     // value = significand * 10^exponent (if exact)
    int64_t written_exponent;
    const char *end;
};

static bool scan_digits(const char **at, const char *end, struct number_parts *parts, int *significant, bool fraction)
{
    const char *from = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        unsigned digit = (unsigned)(**at - '0');
        if (*significant < 19) {
            parts->significand = parts->significand * 10 + digit;
            *significant += parts->significand != 0;
            parts->exponent -= fraction;
        } else {
            if (digit) parts->exact = false;
            parts->exponent += !fraction;
        }
    }
    return *at > from;
}

static bool scan_number(const char *text, size_t length, struct number_parts *parts)
{
    const char *at = text, *end = text + length;
    int significant = 0;
    *parts = (struct number_parts){.exact = true};
    if (at < end && (*at == '-' || *at == '+')) parts->negative = *at++ == '-';
    bool digits = scan_digits(&at, end, parts, &significant, false);
    if (at < end && *at == '.') {
        at++;
        digits |= scan_digits(&at, end, parts, &significant, true);
    }
    if (!digits) return false;
    parts->end = at;
    if (at < end && (*at == 'e' || *at == 'E')) {
        bool minus = false;
        int64_t exponent = 0;
        at++;
        if (at < end && (*at == '-' || *at == '+')) minus = *at++ == '-';
        const char *from = at;
        for (; at < end && *at >= '0' && *at <= '9'; at++) {
            if (exponent < 100000000) exponent = exponent * 10 + (*at - '0');
        }
        if (at == from) return false;
        parts->written_exponent = minus ? -exponent : exponent;
        parts->exponent += parts->written_exponent;
        parts->end = at;
    }
    return true;
}

bool number_text_fast_double(uint64_t significand, int64_t exponent, bool negative, double *ret_value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (significand > UINT64_C(1) << 53) return false;
    if (significand != 0 && (exponent < -22 || exponent > 22)) return false;
    double value = (double)significand;
    if (significand != 0) value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    *ret_value = negative ? -value : value;
    return true;
}

// strtod on a terminated copy; the program never leaves the C locale.
static void parse_slow(const char *text, size_t length, double *ret_double, float *ret_float)
{
    char on_stack[NUMBER_STACK];
    char *copy = length < sizeof on_stack ? on_stack : memory_alloc(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (ret_double) *ret_double = strtod(copy, NULL);
    if (ret_float) *ret_float = strtof(copy, NULL);
    if (copy != on_stack) memory_free(copy);
}

bool number_text_parse_double(const char *text, size_t length, double *ret_value)
{
    struct number_parts parts;
    if (!scan_number(text, length, &parts) || parts.end != text + length) return false;
    if (parts.exact && number_text_fast_double(parts.significand, parts.exponent, parts.negative, ret_value))
        return true;
    parse_slow(text, length, ret_value, NULL);
    return true;
}

bool number_text_parse_float(const char *text, size_t length, float *ret_value)
{
    static const float powers[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f};
    struct number_parts parts;
    if (!scan_number(text, length, &parts) || parts.end != text + length) return false;
    if (parts.exact && parts.significand <= UINT64_C(1) << 24 && parts.exponent >= -10 && parts.exponent <= 10) {
        float value = (float)parts.significand;
        value = parts.exponent < 0 ? value / powers[-parts.exponent] : value * powers[parts.exponent];
        *ret_value = parts.negative ? -value : value;
        return true;
    }
    parse_slow(text, length, NULL, ret_value);
    return true;
}

static void trim(const char **text, size_t *length)
{
    while (*length && (uint8_t) * *text <= ' ') (*text)++, (*length)--;
    while (*length && (uint8_t)(*text)[*length - 1] <= ' ') (*length)--;
}

static bool equal_nocase(const char *text, size_t length, const char *word)
{
    for (size_t i = 0; i < length; i++) {
        if ((text[i] | 0x20) != word[i]) return false;
    }
    return word[length] == '\0';
}

// [sign] nan | inf | infinity, any case; a signed NaN is refused unless written as Java has it.
static bool special_double(const char *text, size_t length, double *ret_value)
{
    bool negative = false, sign = length > 0 && (*text == '-' || *text == '+');
    if (sign) {
        negative = *text == '-';
        text++, length--;
    }
    if (equal_nocase(text, length, "nan") && (!sign || memcmp(text, "NaN", 3) == 0)) {
        *ret_value = (double)NAN;
        return true;
    }
    if (length == 0 || (!equal_nocase(text, length, "inf") && !equal_nocase(text, length, "infinity"))) return false;
    *ret_value = negative ? (double)-INFINITY : (double)INFINITY;
    return true;
}

static bool has_type_suffix(const char *text, size_t length)
{
    return length > 1 && strchr("dDfF", text[length - 1]) != NULL && strchr("0123456789.", text[length - 2]) != NULL;
}

bool number_text_cast_double(const char *text, size_t length, double *ret_value)
{
    trim(&text, &length);
    if (has_type_suffix(text, length)) length--;
    return number_text_parse_double(text, length, ret_value) || special_double(text, length, ret_value);
}

bool number_text_cast_float(const char *text, size_t length, float *ret_value)
{
    double special;
    trim(&text, &length);
    if (has_type_suffix(text, length)) length--;
    if (number_text_parse_float(text, length, ret_value)) return true;
    if (!special_double(text, length, &special)) return false;
    *ret_value = (float)special;
    return true;
}

struct decimal_digits {
    __int128 value;
    int64_t count;    // digits in value without leading zeros
    int64_t exponent; // value * 10^exponent
    bool round_up;    // the first digit left out is 5 or more
    bool too_many;
};

// Digits that stand at or before the position 10^-scale; the first beyond decides rounding.
static void take_digit(struct decimal_digits *digits, unsigned digit, int64_t place, int64_t scale)
{
    if (place >= -scale) {
        if (digits->count >= 38 && (digits->value != 0)) {
            digits->too_many = true;
            return;
        }
        digits->value = digits->value * 10 + digit;
        digits->count += digits->value != 0;
    } else if (place == -scale - 1) {
        digits->round_up = digit >= 5;
    }
}

bool number_text_parse_decimal(const char *text, size_t length, uint8_t precision, uint8_t scale, __int128 *ret_value,
                               bool *ret_overflow)
{
    struct number_parts parts;
    *ret_overflow = false;
    if (!scan_number(text, length, &parts) || parts.end != text + length) return false;
    const char *at = text + (*text == '-' || *text == '+'), *end = text + length, *point = NULL, *last = at;
    while (last < end && ((*last >= '0' && *last <= '9') || *last == '.')) last++;
    point = memchr(at, '.', (size_t)(last - at));
    int64_t place = (point ? point : last) - at - 1 + parts.written_exponent; // power of ten of the first digit
    struct decimal_digits digits = {0};
    for (; at < last; at++) {
        if (*at != '.') take_digit(&digits, (unsigned)(*at - '0'), place--, scale);
    }
    // Places between the last digit and 10^-scale are zeros.
    for (; place >= -(int64_t)scale && digits.value != 0 && !digits.too_many; place--)
        take_digit(&digits, 0, place, scale);
    if (digits.round_up) digits.value++;
    __int128 limit = 1;
    for (int i = 0; i < precision; i++) limit *= 10;
    if (digits.too_many || digits.value >= limit) {
        *ret_overflow = true;
        return true;
    }
    *ret_value = parts.negative ? -digits.value : digits.value;
    return true;
}

// Doubles of at most 15 digits, few of them behind the point, as most are: m / 10^k with both exact rounds once, so if
// it gives the value back, m has its digits; and 15 digits or less name a double in one way only. 0: not of this kind.
static int shortest_few(double value, char *digits, int *ret_exponent)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    char out[NUMBER_TEXT_SIZE];
    if (value < 1e-3 || value >= 1e15) return 0;
    for (int k = 0; k <= 6; k++) {
        double scaled = value * powers[k];
        if (scaled >= 1e15) return 0;
        int64_t whole = (int64_t)(scaled + 0.5);
        if ((double)whole / powers[k] != value) continue;
        int count = (int)number_text_format_i64(whole, out);
        memcpy(digits, out, (size_t)count);
        *ret_exponent = count - 1 - k;
        while (count > 1 && digits[count - 1] == '0') count--;
        return count;
    }
    return 0;
}

// The shortest digits, `least` at least, that read back to the same value, nearest to it among those:
// d[0].d[1]… * 10^exponent.
static int shortest(double value, bool single, int least, char digits[20], int *ret_exponent)
{
    char out[40];
    int few = single ? 0 : shortest_few(value, digits, ret_exponent);
    if (few) return few;
    int first = single ? 6 : 15, last = single ? 9 : 17;
    if (value < (single ? (double)1.2e-38F : 2.3e-308)) first = least; // subnormal: fewer digits may do
    for (int precision = first; precision <= last; precision++) {
        snprintf(out, sizeof out, "%.*e", precision - 1, value);
        bool same = single ? (double)strtof(out, NULL) == value : strtod(out, NULL) == value;
        if (same || precision == last) break;
    }
    char *e = strchr(out, 'e');
    *ret_exponent = atoi(e + 1);
    int count = 0;
    for (const char *at = out; at < e; at++) {
        if (*at != '.') digits[count++] = *at;
    }
    while (count > 1 && digits[count - 1] == '0') count--;
    return count;
}

static size_t put_plain(char *out, const char *digits, int count, int exponent)
{
    char *at = out;
    if (exponent < 0) {
        *at++ = '0';
        *at++ = '.';
        for (int i = -1; i > exponent; i--) *at++ = '0';
        for (int i = 0; i < count; i++) *at++ = digits[i];
    } else {
        for (int i = 0; i <= exponent || i < count; i++) {
            if (i == exponent + 1) *at++ = '.';
            *at++ = i < count ? digits[i] : '0';
        }
        if (count <= exponent + 1) {
            *at++ = '.';
            *at++ = '0';
        }
    }
    return (size_t)(at - out);
}

static size_t put_scientific(char *out, const char *digits, int count, int exponent, char letter, bool point)
{
    char *at = out;
    *at++ = digits[0];
    if (count > 1 || point) *at++ = '.';
    for (int i = 1; i < count; i++) *at++ = digits[i];
    if (count == 1 && point) *at++ = '0';
    *at++ = letter;
    return (size_t)(at - out) + number_text_format_i64(exponent, at);
}

static size_t put_special(double value, char *out)
{
    const char *word = isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    size_t length = strlen(word);
    memcpy(out, word, length + 1);
    return length;
}

static size_t format_java(double value, bool single, char *out)
{
    char digits[20], *at = out;
    int exponent = 0;
    if (!isfinite(value)) return put_special(value, out);
    if (signbit(value)) *at++ = '-';
    value = fabs(value);
    int count = 1;
    digits[0] = '0';
    if (value != 0) count = shortest(value, single, 2, digits, &exponent);
    if (exponent >= -3 && exponent < 7) {
        at += put_plain(at, digits, count, exponent);
    } else {
        at += put_scientific(at, digits, count, exponent, 'E', true);
    }
    *at = '\0';
    return (size_t)(at - out);
}

size_t number_text_format_double(double value, char *out)
{
    return format_java(value, false, out);
}

size_t number_text_format_float(float value, char *out)
{
    return format_java((double)value, true, out);
}

size_t number_text_format_json(double value, char *out)
{
    char digits[20], *at = out;
    int exponent = 0, count = 1;
    if (!isfinite(value)) return put_special(value, out);
    if (signbit(value)) *at++ = '-';
    value = fabs(value);
    digits[0] = '0';
    if (value != 0) count = shortest(value, false, 1, digits, &exponent);
    if (exponent >= -5 && exponent < 16) {
        at += put_plain(at, digits, count, exponent);
    } else {
        at += put_scientific(at, digits, count, exponent, 'e', false);
    }
    *at = '\0';
    return (size_t)(at - out);
}

size_t number_text_format_i64(int64_t value, char *out)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (value < 0) *--at = '-';
    size_t length = (size_t)(digits + sizeof digits - at);
    memcpy(out, at, length);
    out[length] = '\0';
    return length;
}

size_t number_text_format_decimal(__int128 unscaled, uint8_t scale, char *out)
{
    char digits[48], *at = digits + sizeof digits;
    unsigned __int128 left = unscaled < 0 ? 0 - (unsigned __int128)unscaled : (unsigned __int128)unscaled;
    for (int place = 0; left || place <= scale; place++) {
        if (place == scale && scale) *--at = '.';
        *--at = (char)('0' + (int)(left % 10));
        left /= 10;
    }
    if (unscaled < 0) *--at = '-';
    size_t length = (size_t)(digits + sizeof digits - at);
    memcpy(out, at, length);
    out[length] = '\0';
    return length;
}
