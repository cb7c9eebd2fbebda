// The scanner itself, compiled once for each instruction set (json_avx2.c and its like include it): recursive descent
// over the type. Bytes behind context->end may be read (they are in the same padded buffer) but are never part of the
// record: every value checks that it ends before `end`, since a closing brace or bracket must still follow it. Included
// by exactly those files; everything here is static.
#include <math.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"
#include "worker/decode/json_lanes.h"
#include "worker/decode/json_object.h"
#include "worker/decode/json_text.h"

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

static const uint8_t *row_value(struct json_context *context, struct json_sink *sink, const uint8_t *at);

static inline const uint8_t *row_space(struct json_context *context, const uint8_t *at)
{
    if (LIKELY(context->end > at && *at > ' ' && *at != '/')) return at;
    if (LIKELY(at + 1 < context->end && *at == ' ' && at[1] > ' ' && at[1] != '/')) return at + 1;
    return json_text_space(context, at);
}

// The first byte at or behind `at` that ends a plain run; *ret_high: a byte >= 0x80 came before it.
static inline const uint8_t *row_run(const uint8_t *at, const uint8_t *end, bool *ret_high)
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
static inline const uint8_t *row_string(struct json_context *context, const uint8_t *at, struct slice *ret_value)
{
    bool high;
    const uint8_t *stop = row_run(at, context->end, &high);
    if (UNLIKELY(stop >= context->end)) return NULL;
    if (UNLIKELY(*stop != '"')) return json_text_string(context, at, '"', ret_value);
    size_t length = (size_t)(stop - at);
    if (UNLIKELY(high) && !context->utf8_checked && !text_utf8_valid(at, length)) return NULL;
    *ret_value = slice_of((const char *)at, length);
    return stop + 1;
}

// A string's end, checked but not decoded.
static const uint8_t *skip_string(struct json_context *context, const uint8_t *at)
{
    struct slice value;
    return row_string(context, at, &value);
}

static inline const uint8_t *row_number(struct json_context *context, const uint8_t *at, struct json_number *number)
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

static bool is_number_start(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == 'N' || c == 'I' || c == '+';
}

static const uint8_t *skip_literal(const struct json_context *context, const uint8_t *at)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(context->end - at) >= length && memcmp(at, words[i], length) == 0) return at + length;
    }
    return NULL;
}

static const uint8_t *skip_scalar(struct json_context *context, const uint8_t *at)
{
    struct json_number number;
    struct slice value;
    if (at >= context->end) return NULL;
    if (*at == '"') return skip_string(context, at + 1);
    if (is_number_start(*at)) return row_number(context, at, &number);
    if (*at == '\'' && !context->options->refuse_single_quotes && !context->options->strict) {
        return json_text_string(context, at + 1, '\'', &value);
    }
    return skip_literal(context, at);
}

// A name and its colon, to the value.
static const uint8_t *skip_name(struct json_context *context, const uint8_t *at, struct slice *ret_name)
{
    if (!(at = json_text_name(context, at, ret_name))) return NULL;
    at = row_space(context, at);
    if (at >= context->end || *at != ':') return NULL;
    return row_space(context, at + 1);
}

// Over any value. Iterative: a bit per level tells objects from arrays.
static const uint8_t *row_skip(struct json_context *context, const uint8_t *at)
{
    uint8_t is_object[JSON_DEPTH_MAX / 8 + 1];
    struct slice name;
    uint32_t depth = 0;
    for (;;) {
        at = row_space(context, at);
        if (at >= context->end) return NULL;
        if (*at == '{' || *at == '[') {
            bool object = *at == '{';
            if (depth + context->depth >= JSON_DEPTH_MAX) return NULL;
            uint8_t bit = (uint8_t)(1u << (depth & 7));
            is_object[depth >> 3] = (uint8_t)(object ? is_object[depth >> 3] | bit : is_object[depth >> 3] & ~bit);
            depth++;
            at = row_space(context, at + 1);
            if (at >= context->end) return NULL;
            if (*at != (object ? '}' : ']')) {
                if (object && !(at = skip_name(context, at, &name))) return NULL;
                continue;
            }
        } else {
            if (!(at = skip_scalar(context, at)) || at > context->end) return NULL;
            if (depth == 0) return at;
            at = row_space(context, at);
        }
        // Behind a value, or at the bracket of an empty one: close what ends here.
        for (;;) {
            if (at >= context->end) return NULL;
            bool object = is_object[(depth - 1) >> 3] >> ((depth - 1) & 7) & 1;
            if (*at == ',') {
                at = row_space(context, at + 1);
                if (object && !(at = skip_name(context, at, &name))) return NULL;
                break;
            }
            if (*at != (object ? '}' : ']')) return NULL;
            at++;
            if (--depth == 0) return at;
            at = row_space(context, at);
        }
    }
}

static const uint8_t *misfit(struct json_context *context, const uint8_t *at)
{
    context->bad = true;
    return row_skip(context, at);
}

// What a value's end means for a result that may or may not fit.
#define ROW_FIT(fits, put)                                                                                             \
    do {                                                                                                               \
        if (!(fits))                                                                                                   \
            context->bad = true;                                                                                       \
        else if (!(put))                                                                                               \
            return NULL;                                                                                               \
    } while (0)

static inline const uint8_t *row_integer(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct json_number number;
    if (!is_number_start(*at)) return misfit(context, at);
    const uint8_t *behind = row_number(context, at, &number);
    if (!behind) return NULL;
    uint64_t limit = (uint64_t)INT64_MAX + number.negative;
    bool fits = number.integral && !number.special && number.digits <= 19 && number.significand <= limit;
    int64_t value = (int64_t)(number.negative ? 0 - number.significand : number.significand);
    switch (sink->kind) {
    case TYPE_TINYINT: // Jackson's getByteValue takes 128 to 255 too, and wraps them
        ROW_FIT(fits && value >= INT8_MIN && value <= UINT8_MAX, JSON_SINK_PUT(sink, int8_t, (int8_t)value));
        break;
    case TYPE_SMALLINT:
        ROW_FIT(fits && value >= INT16_MIN && value <= INT16_MAX, JSON_SINK_PUT(sink, int16_t, (int16_t)value));
        break;
    case TYPE_INT:
        ROW_FIT(fits && value >= INT32_MIN && value <= INT32_MAX, JSON_SINK_PUT(sink, int32_t, (int32_t)value));
        break;
    case TYPE_TIMESTAMP: // seconds; the product wraps, as Java's
        ROW_FIT(fits, JSON_SINK_PUT(sink, int64_t, (int64_t)((uint64_t)value * 1000000u)));
        break;
    default: ROW_FIT(fits, JSON_SINK_PUT(sink, int64_t, value)); break;
    }
    return behind;
}

// A string token of either quote, decoded; NULL with *ret_is_string false: some other token stands there.
static inline const uint8_t *string_token(struct json_context *context, const uint8_t *at, bool *ret_is_string,
                                          struct slice *ret_value)
{
    *ret_is_string = true;
    if (LIKELY(*at == '"')) return row_string(context, at + 1, ret_value);
    if (*at == '\'' && !context->options->refuse_single_quotes && !context->options->strict) {
        return json_text_string(context, at + 1, '\'', ret_value);
    }
    *ret_is_string = false;
    return NULL;
}

static const uint8_t *row_special(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct slice value;
    bool is_string;
    double special = 0;
    const uint8_t *behind = string_token(context, at, &is_string, &value);
    if (!is_string) return misfit(context, at);
    if (!behind) return NULL;
    bool fits = !context->options->refuse_non_numeric && json_text_special(value, &special);
    if (sink->kind == TYPE_FLOAT)
        ROW_FIT(fits, JSON_SINK_PUT(sink, float, (float)special));
    else
        ROW_FIT(fits, JSON_SINK_PUT(sink, double, special));
    return behind;
}

static inline const uint8_t *row_floating(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct json_number number;
    if (UNLIKELY(!is_number_start(*at))) return row_special(context, sink, at);
    const uint8_t *behind = row_number(context, at, &number);
    if (!behind || behind > context->end) return NULL;
    if (sink->kind == TYPE_FLOAT) {
        return JSON_SINK_PUT(sink, float, json_text_float(&number, at, behind)) ? behind : NULL;
    }
    return JSON_SINK_PUT(sink, double, json_text_double(&number, at, behind)) ? behind : NULL;
}

static const uint8_t *row_decimal(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct json_number number;
    struct slice value;
    bool is_string;
    __int128 decimal = 0;
    const uint8_t *behind = string_token(context, at, &is_string, &value);
    if (!is_string) {
        if (!is_number_start(*at)) return misfit(context, at);
        behind = row_number(context, at, &number);
        if (!behind || behind > context->end) return NULL;
        value = slice_of((const char *)at, (size_t)(behind - at));
    }
    if (!behind) return NULL;
    ROW_FIT(json_text_decimal(sink->type, value, &decimal), JSON_SINK_PUT(sink, __int128, decimal));
    return behind;
}

static const uint8_t *row_time(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    const struct json_scan_options *options = context->options;
    struct slice value;
    bool is_string, fits;
    int32_t days = 0;
    int64_t us = 0;
    const uint8_t *behind = string_token(context, at, &is_string, &value);
    if (!is_string) return sink->kind == TYPE_TIMESTAMP ? row_integer(context, sink, at) : misfit(context, at);
    if (!behind) return NULL;
    if (sink->kind == TYPE_DATE) {
        ROW_FIT(json_text_date(context, value, &days), JSON_SINK_PUT(sink, int32_t, days));
        return behind;
    }
    if (sink->kind == TYPE_TIMESTAMP) {
        fits = options->parse_timestamp
                   ? options->parse_timestamp(options->parse_context, value.data, value.length, &us)
                   : datetime_text_parse_timestamp(value.data, value.length, context->today, &us);
    } else {
        fits = options->parse_timestamp_ntz
                   ? options->parse_timestamp_ntz(options->parse_context, value.data, value.length, &us)
                   : datetime_text_parse_timestamp_ntz(value.data, value.length, false, &us);
    }
    ROW_FIT(fits && value.length > 0, JSON_SINK_PUT(sink, int64_t, us));
    return behind;
}

static const uint8_t *row_binary(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct slice value, bytes;
    bool is_string;
    const uint8_t *behind = string_token(context, at, &is_string, &value);
    if (!is_string) return misfit(context, at);
    if (!behind) return NULL;
    ROW_FIT(json_text_base64(context, value, &bytes),
            json_sink_string(sink, (const uint8_t *)bytes.data, bytes.length));
    return behind;
}

// A STRING field takes any value as text.
static const uint8_t *row_any_text(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    const uint8_t *behind = row_skip(context, at);
    if (!behind) return NULL;
    struct slice value = slice_of((const char *)at, (size_t)(behind - at));
    if (!context->options->exact_text) value = json_text_rewrite(context, at, behind);
    return json_sink_string(sink, (const uint8_t *)value.data, value.length) ? behind : NULL;
}

// The text behind a double quote that has an escape (or is broken): known escaped text needs no decoding.
static const uint8_t *row_escaped(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct slice value;
    const uint8_t *stop = at;
    if (sink->coded) {
        while (stop < context->end && stop - at <= 16 && *stop != '"') stop += *stop == '\\' ? 2 : 1;
    }
    size_t raw = (size_t)(stop - at);
    if (sink->coded && raw <= 16 && stop < context->end && *stop == '"') {
        uint32_t index = json_dictionary_short(&sink->dictionary, at, (uint32_t)raw, JSON_KEY_ESCAPED);
        if (index != JSON_DICTIONARY_NONE) return json_sink_index(sink, index) ? stop + 1 : NULL;
    }
    const uint8_t *behind = json_text_string(context, at, '"', &value);
    if (!behind) return NULL;
    raw = (size_t)(behind - 1 - at);
    bool ok = raw <= 16 ? json_sink_escaped(sink, at, (uint32_t)raw, (const uint8_t *)value.data, value.length)
                        : json_sink_string(sink, (const uint8_t *)value.data, value.length);
    return ok ? behind : NULL;
}

static inline const uint8_t *row_text(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct slice value;
    if (UNLIKELY(*at != '"')) {
        bool is_string;
        const uint8_t *behind = string_token(context, at, &is_string, &value);
        if (!is_string) return row_any_text(context, sink, at);
        return behind && json_sink_string(sink, (const uint8_t *)value.data, value.length) ? behind : NULL;
    }
    bool high;
    const uint8_t *stop = row_run(++at, context->end, &high);
    if (UNLIKELY(stop >= context->end)) return NULL;
    if (UNLIKELY(*stop != '"')) return row_escaped(context, sink, at);
    size_t length = (size_t)(stop - at);
    if (UNLIKELY(high) && !context->utf8_checked && !text_utf8_valid(at, length)) return NULL;
    return json_sink_text(sink, at, length) ? stop + 1 : NULL;
}

static const uint8_t *row_boolean(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    if (*at != 't' && *at != 'f') return misfit(context, at);
    const uint8_t *behind = skip_literal(context, at);
    if (!behind) return NULL;
    return JSON_SINK_PUT(sink, uint8_t, *at == 't') ? behind : NULL;
}

// Elements up to the bracket. One that does not fit makes the array a misfit; what follows is only checked.
static const uint8_t *row_array(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct json_sink *child = sink->children;
    uint32_t start = child->length;
    bool fits = true;
    if (*at != '[') return misfit(context, at);
    if (context->depth >= JSON_DEPTH_MAX) return NULL;
    context->depth++;
    at = row_space(context, at + 1);
    if (at < context->end && *at == ']') goto closed;
    for (;;) {
        uint32_t before = child->length;
        if (!(at = fits ? row_value(context, child, at) : row_skip(context, at))) return NULL;
        fits = fits && child->length > before;
        at = row_space(context, at);
        if (at >= context->end) return NULL;
        if (*at == ']') break;
        if (*at != ',') return NULL;
        at = row_space(context, at + 1);
    }
closed:
    context->depth--;
    if (!fits) {
        json_sink_truncate(child, start);
        return at + 1;
    }
    return json_sink_list(sink) ? at + 1 : NULL;
}

// A map keeps repeated keys, as Spark does. A value that does not fit makes the map a misfit.
static const uint8_t *row_map(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct json_sink *keys = &sink->children[0], *values = &sink->children[1];
    uint32_t start = keys->length;
    struct slice name;
    bool fits = true;
    if (*at != '{') return misfit(context, at);
    if (context->depth >= JSON_DEPTH_MAX) return NULL;
    context->depth++;
    at = row_space(context, at + 1);
    if (at < context->end && *at == '}') goto closed;
    for (;;) {
        uint32_t before = values->length;
        if (!(at = skip_name(context, at, &name))) return NULL;
        if (!json_sink_string(keys, (const uint8_t *)name.data, name.length)) return NULL;
        if (!(at = fits ? row_value(context, values, at) : row_skip(context, at))) return NULL;
        fits = fits && values->length > before;
        at = row_space(context, at);
        if (at >= context->end) return NULL;
        if (*at == '}') break;
        if (*at != ',') return NULL;
        at = row_space(context, at + 1);
    }
closed:
    context->depth--;
    if (!fits) {
        json_sink_truncate(keys, start);
        json_sink_truncate(values, start);
        return at + 1;
    }
    return json_sink_list(sink) ? at + 1 : NULL;
}

// The next field by reading its name. *ret_field JSON_FIELD_START: the object ends at the brace returned.
static const uint8_t *next_field(struct json_context *context, struct json_object *object, const uint8_t *at,
                                 int32_t before, int32_t *ret_field)
{
    struct slice name;
    const uint8_t *from = at;
    at = row_space(context, at);
    if (at >= context->end) return NULL;
    if (*at == '}' && before != JSON_FIELD_START) {
        *ret_field = JSON_FIELD_START;
        return at;
    }
    if (*at != (before == JSON_FIELD_START ? '{' : ',')) return NULL;
    at = row_space(context, at + 1);
    if (before == JSON_FIELD_START && at < context->end && *at == '}') {
        *ret_field = JSON_FIELD_START;
        return at;
    }
    if (!(at = skip_name(context, at, &name))) return NULL;
    *ret_field = json_object_find(object, name.data, name.length);
    json_object_learn(object, before, from, (size_t)(at - from), *ret_field);
    return at;
}

// A field that the record had already: the last value wins, unless it does not fit.
static const uint8_t *repeated_field(struct json_context *context, struct json_sink *child, const uint8_t *at)
{
    struct json_sink again;
    if (child->children) {
        json_sink_undo(child);
        return row_value(context, child, at);
    }
    json_sink_init(&again, child->type, child->budget, child->failure);
    if (!json_sink_begin(&again, 1)) at = NULL;
    if (at) at = row_value(context, &again, at);
    if (at && again.length == 1) {
        json_sink_undo(child);
        if (!json_sink_copy(child, &again)) at = NULL;
    }
    json_sink_deinit(&again);
    return at;
}

// The length of the learned gap that stands here, 0 if none does.
static inline uint32_t known_gap(struct json_gap *gaps, const uint8_t *at, int32_t *ret_field)
{
    *ret_field = gaps[0].field;
    uint32_t length = gaps[0].length;
    if (LIKELY(length && lanes_gap(at, &gaps[0]))) return length;
    for (uint32_t way = 1; way < JSON_GAP_WAYS && gaps[way].length; way++) {
        if (!lanes_gap(at, &gaps[way])) continue;
        *ret_field = gaps[way].field;
        length = gaps[way].length;
        json_object_promote(&gaps[way]);
        return length;
    }
    return 0;
}

// One object to one row; *at is its brace.
static const uint8_t *row_object(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct json_object *object = sink->object;
    const uint8_t *end = context->end;
    uint32_t row = sink->length;
    int32_t before = JSON_FIELD_START, field;
    if (context->depth >= JSON_DEPTH_MAX) return NULL;
    context->depth++;
    for (;;) {
        if (before != JSON_FIELD_START && *at == '}') break;
        uint32_t length = known_gap(json_object_gaps(object, before), at, &field);
        if (LIKELY(length)) {
            at += length;
        } else {
            if (!(at = next_field(context, object, at, before, &field))) return NULL;
            if (field == JSON_FIELD_START) break;
        }
        if (LIKELY(field >= 0)) {
            struct json_sink *child = &sink->children[field];
            at = LIKELY(child->length == row) ? row_value(context, child, at) : repeated_field(context, child, at);
        } else {
            at = row_skip(context, at);
        }
        if (UNLIKELY(!at || at >= end)) return NULL;
        before = field;
    }
    context->depth--;
    for (uint32_t i = 0; i < sink->type->child_count; i++) {
        if (sink->children[i].length == row && !json_sink_null(&sink->children[i])) return NULL;
    }
    if (!json_sink_room(sink)) return NULL;
    sink->length++;
    return at + 1;
}

static const uint8_t *row_null(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    if (context->end - at < 4 || memcmp(at, "null", 4) != 0) return NULL;
    return json_sink_null(sink) ? at + 4 : NULL;
}

static inline const uint8_t *row_value(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    if (UNLIKELY(*at <= ' ' || *at == '/')) at = json_text_space(context, at);
    if (UNLIKELY(at >= context->end)) return NULL;
    if (UNLIKELY(*at == 'n')) return row_null(context, sink, at);
    switch (sink->kind) {
    case TYPE_STRING: return row_text(context, sink, at);
    case TYPE_BOOLEAN: return row_boolean(context, sink, at);
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: return row_integer(context, sink, at);
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return row_floating(context, sink, at);
    case TYPE_DECIMAL: return row_decimal(context, sink, at);
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: return row_time(context, sink, at);
    case TYPE_BINARY: return row_binary(context, sink, at);
    case TYPE_STRUCT: return *at == '{' ? row_object(context, sink, at) : misfit(context, at);
    case TYPE_ARRAY: return row_array(context, sink, at);
    case TYPE_MAP: return row_map(context, sink, at);
    default: return (at = row_skip(context, at)) && json_sink_null(sink) ? at : NULL; // void
    }
}

static const uint8_t *row_line_end(const uint8_t *at, const uint8_t *end)
{
    for (; at < end; at += LANES_WIDTH) {
        uint64_t found = lanes_newline(at);
        if (!found) continue;
        at += (unsigned)__builtin_ctzll(found) / LANES_BITS;
        return at < end ? at : end;
    }
    return end;
}
