// The scanner's slow parts. Grammar: RFC 8259 with what Jackson 2 allows by option; rewriting after Jackson's
// generator.
#include "worker/decode/json_text.h"

#include <math.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static const uint8_t *skip_comment(const struct json_context *context, const uint8_t *at)
{
    const uint8_t *end = context->end;
    if (at + 1 < end && at[1] == '/') {
        while (at < end && *at != '\n' && *at != '\r') at++;
        return at;
    }
    if (at + 1 >= end || at[1] != '*') return NULL;
    for (at += 2; at + 1 < end; at++) {
        if (at[0] == '*' && at[1] == '/') return at + 2;
    }
    return NULL;
}

const uint8_t *json_text_space(struct json_context *context, const uint8_t *at)
{
    while (at < context->end) {
        if (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') {
            at++;
        } else if (*at == '/' && context->options->allow_comments) {
            const uint8_t *behind = skip_comment(context, at);
            if (!behind) return at; // the slash is then an error of whoever reads on
            at = behind;
        } else {
            break;
        }
    }
    return at;
}

static int hex_value(uint8_t c)
{
    if (is_digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(const uint8_t *at, const uint8_t *end, uint32_t *ret_unit)
{
    uint32_t unit = 0;
    if (end - at < 4) return false;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0) return false;
        unit = unit << 4 | (uint32_t)digit;
    }
    *ret_unit = unit;
    return true;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
    } else if (c < 0x800) {
        *to++ = (uint8_t)(0xc0 | c >> 6);
        *to++ = (uint8_t)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (uint8_t)(0xe0 | c >> 12);
        *to++ = (uint8_t)(0x80 | (c >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (c & 63));
    } else {
        *to++ = (uint8_t)(0xf0 | c >> 18);
        *to++ = (uint8_t)(0x80 | (c >> 12 & 63));
        *to++ = (uint8_t)(0x80 | (c >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (c & 63));
    }
    return to;
}

// \uXXXX at the first digit, and its second half. A half alone becomes '?', as Java's UTF-8 encoder writes it.
static const uint8_t *decode_unicode(const uint8_t *at, const uint8_t *end, uint8_t **to)
{
    uint32_t unit, low;
    if (!read_hex4(at, end, &unit)) return NULL;
    at += 4;
    if (unit >= 0xd800 && unit < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' &&
        read_hex4(at + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
        *to = put_utf8(*to, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        return at + 6;
    }
    if (unit >= 0xd800 && unit < 0xe000) unit = '?';
    *to = put_utf8(*to, unit);
    return at;
}

// One escape at the byte behind the backslash.
static const uint8_t *decode_escape(const struct json_context *context, const uint8_t *at, uint8_t **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (at >= context->end) return NULL;
    if (*at == 'u') return decode_unicode(at + 1, context->end, to);
    const char *known = *at ? strchr(from, *at) : NULL;
    if (known) {
        *(*to)++ = (uint8_t)into[known - from];
        return at + 1;
    }
    bool quote = *at == '\'' && !context->options->refuse_single_quotes && !context->options->strict;
    if (!quote && !context->options->allow_any_escape) return NULL;
    *(*to)++ = *at;
    return at + 1;
}

uint8_t *json_text_scratch(struct json_context *context, size_t size)
{
    if (context->scratch_capacity < size) {
        context->scratch_capacity = size * 2 + 256;
        context->scratch = memory_realloc(context->scratch, context->scratch_capacity);
    }
    return context->scratch;
}

const uint8_t *json_text_string(struct json_context *context, const uint8_t *at, uint8_t quote, struct slice *ret_value)
{
    const uint8_t *from = at, *end = context->end;
    bool escaped = false, high = false;
    for (; at < end && *at != quote; at++) {
        high |= *at >= 0x80;
        if (*at == '\\') {
            escaped = true;
            at++;
        } else if (*at < 0x20 && !context->options->allow_control) {
            return NULL;
        }
    }
    if (at >= end) return NULL;
    if (high && !context->utf8_checked && !text_utf8_valid(from, (size_t)(at - from))) return NULL;
    *ret_value = slice_of((const char *)from, (size_t)(at - from));
    if (!escaped) return at + 1;
    uint8_t *to = json_text_scratch(context, (size_t)(at - from) + 8), *start = to;
    while (from < at) {
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        from = decode_escape(context, from + 1, &to);
        if (!from) return NULL;
    }
    if (from > at) return NULL; // an escape ran over the closing quote
    *ret_value = slice_of((const char *)start, (size_t)(to - start));
    return at + 1;
}

static bool is_name_byte(uint8_t c)
{
    if (is_digit(c) || c >= 0x80) return true;
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("_$@#*-+", c));
}

const uint8_t *json_text_name(struct json_context *context, const uint8_t *at, struct slice *ret_name)
{
    const struct json_scan_options *options = context->options;
    if (at >= context->end) return NULL;
    if (*at == '"') return json_text_string(context, at + 1, '"', ret_name);
    if (options->strict) return NULL;
    if (*at == '\'' && !options->refuse_single_quotes) return json_text_string(context, at + 1, '\'', ret_name);
    if (!options->allow_unquoted_names) return NULL;
    const uint8_t *from = at;
    while (at < context->end && is_name_byte(*at)) at++;
    *ret_name = slice_of((const char *)from, (size_t)(at - from));
    if (at == from || (!context->utf8_checked && !text_utf8_valid(from, (size_t)(at - from)))) return NULL;
    return at;
}

static const uint8_t *read_special(const struct json_context *context, const uint8_t *at, struct json_number *number)
{
    static const char *const words[] = {"NaN", "Infinity", "-INF", "-Infinity", "+INF", "+Infinity"};
    if (context->options->strict || context->options->refuse_non_numeric) return NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(context->end - at) < length || memcmp(at, words[i], length) != 0) continue;
        *number = (struct json_number){.special = i == 0 ? 'N' : 'I', .negative = words[i][0] == '-'};
        return at + length;
    }
    return NULL;
}

// Digits into the significand (the first 19); false if there is none.
static bool read_digits(const uint8_t **at, const uint8_t *end, struct json_number *number, bool fraction)
{
    const uint8_t *from = *at;
    for (; *at < end && is_digit(**at); (*at)++) {
        if (number->digits < 19) {
            number->significand = number->significand * 10 + (uint64_t)(**at - '0');
            number->digits += number->significand != 0;
            number->exponent -= fraction;
        } else {
            number->digits++;
            number->exponent += !fraction;
        }
    }
    return *at > from;
}

const uint8_t *json_text_number(struct json_context *context, const uint8_t *at, struct json_number *ret_number)
{
    const uint8_t *start = at, *end = context->end;
    struct json_number number = {.integral = true};
    if (at < end && *at == '-') {
        number.negative = true;
        at++;
    }
    if (at >= end || !is_digit(*at)) return start < end ? read_special(context, start, ret_number) : NULL;
    bool zero = *at == '0' && at + 1 < end && is_digit(at[1]);
    if (zero && (context->options->strict || !context->options->allow_leading_zeros)) return NULL;
    read_digits(&at, end, &number, false);
    if (at < end && *at == '.') {
        at++;
        number.integral = false;
        if (!read_digits(&at, end, &number, true)) return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        int64_t exponent = 0;
        bool minus = false;
        at++;
        if (at < end && (*at == '-' || *at == '+')) minus = *at++ == '-';
        const uint8_t *from = at;
        for (; at < end && is_digit(*at); at++) {
            if (exponent < 100000000) exponent = exponent * 10 + (*at - '0');
        }
        if (at == from) return NULL;
        number.exponent += minus ? -exponent : exponent;
        number.integral = false;
    }
    *ret_number = number;
    return at;
}

double json_text_double(const struct json_number *number, const uint8_t *at, const uint8_t *behind)
{
    double value = 0;
    if (number->special == 'N') return (double)NAN;
    if (number->special) return number->negative ? (double)-INFINITY : (double)INFINITY;
    if (number->integral && number->digits == 0) return 0; // Jackson reads -0 as the integer 0
    bool exact = number->digits <= 19;
    if (exact && number_text_fast_double(number->significand, number->exponent, number->negative, &value)) return value;
    bool ok = number_text_parse_double((const char *)at, (size_t)(behind - at), &value);
    ASSERT(ok);
    return value;
}

float json_text_float(const struct json_number *number, const uint8_t *at, const uint8_t *behind)
{
    float value = 0;
    if (number->special || (number->integral && number->digits == 0))
        return (float)json_text_double(number, at, behind);
    bool ok = number_text_parse_float((const char *)at, (size_t)(behind - at), &value);
    ASSERT(ok);
    return value;
}

static void rewrite_string(struct text *text, struct slice value)
{
    static const char escapes[] = "btn\0fr", hex[] = "0123456789ABCDEF"; // of 8..13
    text_append_char(text, '"');
    for (size_t i = 0; i < value.length; i++) {
        uint8_t c = (uint8_t)value.data[i];
        if (c >= 8 && c <= 13 && c != 11) {
            text_append_char(text, '\\');
            text_append_char(text, escapes[c - 8]);
        } else if (c < 0x20) {
            text_append_str(text, "\\u00");
            text_append_char(text, hex[c >> 4]);
            text_append_char(text, hex[c & 15]);
        } else {
            if (c == '"' || c == '\\') text_append_char(text, '\\');
            text_append_char(text, (char)c);
        }
    }
    text_append_char(text, '"');
}

static const uint8_t *rewrite_number(struct json_context *context, const uint8_t *at)
{
    struct json_number number;
    struct text *text = &context->rewritten;
    const uint8_t *behind = json_text_number(context, at, &number);
    ASSERT(behind);
    if (number.integral) {
        const uint8_t *digits = at + number.negative;
        while (*digits == '0' && digits + 1 < behind) digits++;
        if (number.negative && number.digits) text_append_char(text, '-');
        text_append(text, (const char *)digits, (size_t)(behind - digits));
        return behind;
    }
    char out[NUMBER_TEXT_SIZE];
    double value = json_text_double(&number, at, behind);
    size_t length = number_text_format_double(value, out);
    if (!isfinite(value)) text_append_char(text, '"');
    text_append(text, out, length);
    if (!isfinite(value)) text_append_char(text, '"');
    return behind;
}

// A name without quotes, known by the colon behind it.
static bool rewrite_name(struct json_context *context, const uint8_t **at)
{
    const uint8_t *behind = *at;
    while (behind < context->end && is_name_byte(*behind)) behind++;
    if (behind == *at || *json_text_space(context, behind) != ':') return false;
    rewrite_string(&context->rewritten, slice_of((const char *)*at, (size_t)(behind - *at)));
    *at = behind;
    return true;
}

struct slice json_text_rewrite(struct json_context *context, const uint8_t *at, const uint8_t *behind)
{
    struct text *text = &context->rewritten;
    struct slice value;
    text_reset(text);
    for (;;) {
        at = json_text_space(context, at);
        if (at >= behind) break;
        if (context->options->allow_unquoted_names && rewrite_name(context, &at)) continue;
        if (*at == '"' || *at == '\'') {
            at = json_text_string(context, at + 1, *at, &value);
            ASSERT(at);
            rewrite_string(text, value);
        } else if (strchr("{}[]:,", *at)) {
            text_append_char(text, (char)*at++);
        } else if (is_digit(*at) || strchr("-+NI", *at)) {
            at = rewrite_number(context, at);
        } else {
            const uint8_t *from = at; // true, false, null
            while (at < behind && is_name_byte(*at)) at++;
            ASSERT(at > from);
            text_append(text, (const char *)from, (size_t)(at - from));
        }
    }
    return slice_of(text_str(text), text->length);
}
