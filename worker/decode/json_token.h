// Tokens, for the instruction set that the including file is compiled for: blanks, strings, numbers, names, and whole
// values that are only checked. Each function returns where the text goes on, or NULL where it is no JSON. Bytes behind
// context->end may be read (BUFFER_PADDING of them are there) but are never part of the record: every value checks that
// it ends before, since a closing brace or bracket must still follow it. Everything is static; included by json_row.h.
#ifndef FORESET_DECODE_JSON_TOKEN_H
#define FORESET_DECODE_JSON_TOKEN_H

#include "worker/decode/json_lanes.h"
#include "worker/decode/json_text.h"

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

static inline const uint8_t *token_space(struct json_context *context, const uint8_t *at)
{
    if (LIKELY(context->end > at && *at > ' ' && *at != '/')) return at;
    if (LIKELY(at + 1 < context->end && *at == ' ' && at[1] > ' ' && at[1] != '/')) return at + 1;
    return json_text_space(context, at);
}

// The first byte at or behind `at` that ends a plain run; *ret_high: a byte >= 0x80 came before it.
static inline const uint8_t *token_run(const uint8_t *at, const uint8_t *end, bool *ret_high)
{
    uint64_t high = 0;
    for (; at < end; at += LANES_WIDTH) {
        lanes_found found = lanes_special(at);
        if (found.special) {
            uint64_t first = found.special & (0 - found.special);
            *ret_high = (high | (found.high & (first - 1))) != 0;
            return at + (unsigned)__builtin_ctzll(found.special) / LANES_BITS;
        }
        high |= found.high;
    }
    *ret_high = high != 0;
    return end;
}

// A string behind its opening double quote.
static inline const uint8_t *token_string(struct json_context *context, const uint8_t *at, struct slice *ret_value)
{
    bool high;
    const uint8_t *stop = token_run(at, context->end, &high);
    if (UNLIKELY(stop >= context->end)) return NULL;
    if (UNLIKELY(*stop != '"')) return json_text_string(context, at, '"', ret_value);
    size_t length = (size_t)(stop - at);
    if (UNLIKELY(high) && !context->utf8_checked && !text_utf8_valid(at, length)) return NULL;
    *ret_value = slice_of((const char *)at, length);
    return stop + 1;
}

static inline const uint8_t *token_number(struct json_context *context, const uint8_t *at, struct json_number *number)
{
    const uint8_t *start = at, *end = context->end;
    *number = (struct json_number){.integral = true, .negative = *at == '-'};
    at += number->negative;
    const uint8_t *first = at;
    uint64_t value = 0;
    unsigned digit;
    while (at < end && (digit = (unsigned)*at - '0') < 10) value = value * 10 + digit, at++;
    long count = at - first;
    if (*at == '.') {
        const uint8_t *point = at++;
        while (at < end && (digit = (unsigned)*at - '0') < 10) value = value * 10 + digit, at++;
        number->integral = false;
        number->exponent = point + 1 - at;
        count = at - first - 1;
        if (UNLIKELY(at == point + 1 || point == first)) return json_text_number(context, start, number);
    }
    bool odd = count == 0 || count > 18 || (*first == '0' && (unsigned)first[1] - '0' < 10) || (*at | 0x20) == 'e';
    if (UNLIKELY(odd)) return json_text_number(context, start, number);
    number->significand = value;
    number->digits = value ? (uint32_t)count : 0;
    return at;
}

// A string token of either quote, decoded; NULL with *ret_is_string false: some other token stands there.
static inline const uint8_t *token_quoted(struct json_context *context, const uint8_t *at, bool *ret_is_string,
                                          struct slice *ret_value)
{
    *ret_is_string = true;
    if (LIKELY(*at == '"')) return token_string(context, at + 1, ret_value);
    if (*at == '\'' && !context->options->refuse_single_quotes && !context->options->strict) {
        return json_text_string(context, at + 1, '\'', ret_value);
    }
    *ret_is_string = false;
    return NULL;
}

static bool token_is_number(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == 'N' || c == 'I' || c == '+';
}

// Over true, false or null.
static const uint8_t *token_literal(const struct json_context *context, const uint8_t *at)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(context->end - at) >= length && memcmp(at, words[i], length) == 0) return at + length;
    }
    return NULL;
}

static const uint8_t *token_scalar(struct json_context *context, const uint8_t *at)
{
    struct json_number number;
    struct slice value;
    bool is_string;
    if (at >= context->end) return NULL;
    const uint8_t *behind = token_quoted(context, at, &is_string, &value);
    if (is_string) return behind;
    if (token_is_number(*at)) return token_number(context, at, &number);
    return token_literal(context, at);
}

// A name and its colon, to the value.
static const uint8_t *token_name(struct json_context *context, const uint8_t *at, struct slice *ret_name)
{
    if (!(at = json_text_name(context, at, ret_name))) return NULL;
    at = token_space(context, at);
    if (at >= context->end || *at != ':') return NULL;
    return token_space(context, at + 1);
}

// Over any value. Iterative: a bit per level tells objects from arrays.
static const uint8_t *token_skip(struct json_context *context, const uint8_t *at)
{
    uint8_t is_object[JSON_DEPTH_MAX / 8 + 1];
    struct slice name;
    uint32_t depth = 0;
    for (;;) {
        at = token_space(context, at);
        if (at >= context->end) return NULL;
        if (*at == '{' || *at == '[') {
            bool object = *at == '{';
            if (depth + context->depth >= JSON_DEPTH_MAX) return NULL;
            uint8_t bit = (uint8_t)(1u << (depth & 7));
            is_object[depth >> 3] = (uint8_t)(object ? is_object[depth >> 3] | bit : is_object[depth >> 3] & ~bit);
            depth++;
            at = token_space(context, at + 1);
            if (at >= context->end) return NULL;
            if (*at != (object ? '}' : ']')) {
                if (object && !(at = token_name(context, at, &name))) return NULL;
                continue;
            }
        } else {
            if (!(at = token_scalar(context, at)) || at > context->end) return NULL;
            if (depth == 0) return at;
            at = token_space(context, at);
        }
        // Behind a value, or at the bracket of an empty one: close what ends here.
        for (;;) {
            if (at >= context->end) return NULL;
            bool object = is_object[(depth - 1) >> 3] >> ((depth - 1) & 7) & 1;
            if (*at == ',') {
                at = token_space(context, at + 1);
                if (object && !(at = token_name(context, at, &name))) return NULL;
                break;
            }
            if (*at != (object ? '}' : ']')) return NULL;
            at++;
            if (--depth == 0) return at;
            at = token_space(context, at);
        }
    }
}

// The first \n or \r, else end.
static const uint8_t *token_line_end(const uint8_t *at, const uint8_t *end)
{
    for (; at < end; at += LANES_WIDTH) {
        uint64_t found = lanes_newline(at);
        if (!found) continue;
        at += (unsigned)__builtin_ctzll(found) / LANES_BITS;
        return at < end ? at : end;
    }
    return end;
}

#endif
