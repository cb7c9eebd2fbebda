// The scanner itself, compiled once for each instruction set (json_avx2.c and its like include it, and nothing else
// does): recursive descent over the type, tokens to values in sinks. A value that does not fit its type appends nothing
// and sets context->bad; NULL is no JSON, or refused memory.
#include "worker/decode/json_object.h"
#include "worker/decode/json_token.h"
#include "worker/decode/json_value.h"

static const uint8_t *row_value(struct json_context *context, struct json_sink *sink, const uint8_t *at);

static const uint8_t *misfit(struct json_context *context, const uint8_t *at)
{
    context->bad = true;
    return token_skip(context, at);
}

static inline bool integer_fits(enum type_kind kind, int64_t value)
{
    switch (kind) {
    case TYPE_TINYINT: return value >= INT8_MIN && value <= UINT8_MAX; // Jackson's getByteValue wraps 128 to 255
    case TYPE_SMALLINT: return value >= INT16_MIN && value <= INT16_MAX;
    case TYPE_INT: return value >= INT32_MIN && value <= INT32_MAX;
    default: return true;
    }
}

static inline bool integer_put(struct json_sink *sink, int64_t value)
{
    switch (sink->kind) {
    case TYPE_TINYINT: return JSON_SINK_PUT(sink, int8_t, (int8_t)value);
    case TYPE_SMALLINT: return JSON_SINK_PUT(sink, int16_t, (int16_t)value);
    case TYPE_INT: return JSON_SINK_PUT(sink, int32_t, (int32_t)value);
    case TYPE_TIMESTAMP: // seconds; the product wraps, as Java's
        return JSON_SINK_PUT(sink, int64_t, (int64_t)((uint64_t)value * 1000000u));
    default: return JSON_SINK_PUT(sink, int64_t, value);
    }
}

static inline const uint8_t *row_integer(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct json_number number;
    if (!token_is_number(*at)) return misfit(context, at);
    const uint8_t *behind = token_number(context, at, &number);
    if (!behind) return NULL;
    uint64_t limit = (uint64_t)INT64_MAX + number.negative;
    bool fits = number.integral && !number.special && number.digits <= 19 && number.significand <= limit;
    int64_t value = (int64_t)(number.negative ? 0 - number.significand : number.significand);
    if (!fits || !integer_fits(sink->kind, value)) {
        context->bad = true;
        return behind;
    }
    return integer_put(sink, value) ? behind : NULL;
}

// A string whose content is the value.
static const uint8_t *row_quoted(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct slice value;
    bool is_string;
    const uint8_t *behind = token_quoted(context, at, &is_string, &value);
    if (!is_string) return misfit(context, at);
    return behind && json_value_put(context, sink, value) ? behind : NULL;
}

static inline const uint8_t *row_floating(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct json_number number;
    if (UNLIKELY(!token_is_number(*at))) return row_quoted(context, sink, at);
    const uint8_t *behind = token_number(context, at, &number);
    if (!behind || behind > context->end) return NULL;
    if (sink->kind == TYPE_FLOAT) {
        return JSON_SINK_PUT(sink, float, json_text_float(&number, at, behind)) ? behind : NULL;
    }
    return JSON_SINK_PUT(sink, double, json_text_double(&number, at, behind)) ? behind : NULL;
}

static const uint8_t *row_decimal(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    struct json_number number;
    if (!token_is_number(*at)) return row_quoted(context, sink, at);
    const uint8_t *behind = token_number(context, at, &number);
    if (!behind || behind > context->end) return NULL;
    return json_value_put(context, sink, slice_of((const char *)at, (size_t)(behind - at))) ? behind : NULL;
}

// A STRING field takes any value as text.
static const uint8_t *row_any_text(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    const uint8_t *behind = token_skip(context, at);
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
        const uint8_t *behind = token_quoted(context, at, &is_string, &value);
        if (!is_string) return row_any_text(context, sink, at);
        return behind && json_sink_string(sink, (const uint8_t *)value.data, value.length) ? behind : NULL;
    }
    bool high;
    const uint8_t *stop = token_run(++at, context->end, &high);
    if (UNLIKELY(stop >= context->end)) return NULL;
    if (UNLIKELY(*stop != '"')) return row_escaped(context, sink, at);
    size_t length = (size_t)(stop - at);
    if (UNLIKELY(high) && !context->utf8_checked && !text_utf8_valid(at, length)) return NULL;
    return json_sink_text(sink, at, length) ? stop + 1 : NULL;
}

static const uint8_t *row_boolean(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    if (*at != 't' && *at != 'f') return misfit(context, at);
    const uint8_t *behind = token_literal(context, at);
    if (!behind) return NULL;
    return JSON_SINK_PUT(sink, uint8_t, *at == 't') ? behind : NULL;
}

// Elements of an array, or entries of a map (which keeps repeated keys, as Spark does), up to the closing bracket. One
// that does not fit makes the whole value a misfit; what follows it is only checked.
static const uint8_t *row_list(struct json_context *context, struct json_sink *sink, const uint8_t *at)
{
    const bool is_map = sink->kind == TYPE_MAP;
    const uint8_t open = is_map ? '{' : '[', close = is_map ? '}' : ']';
    struct json_sink *first = sink->children, *values = &sink->children[is_map];
    uint32_t start = first->length;
    struct slice name;
    bool fits = true;
    if (*at != open) return misfit(context, at);
    if (context->depth >= JSON_DEPTH_MAX) return NULL;
    context->depth++;
    at = token_space(context, at + 1);
    while (at < context->end && *at != close) {
        uint32_t before = values->length;
        if (is_map) {
            if (!(at = token_name(context, at, &name))) return NULL;
            if (!json_sink_string(first, (const uint8_t *)name.data, name.length)) return NULL;
        }
        if (!(at = fits ? row_value(context, values, at) : token_skip(context, at))) return NULL;
        fits = fits && values->length > before;
        at = token_space(context, at);
        if (at >= context->end || *at == close) break;
        if (*at != ',') return NULL;
        at = token_space(context, at + 1);
        if (at < context->end && *at == close) return NULL;
    }
    if (at >= context->end) return NULL;
    context->depth--;
    if (fits) return json_sink_list(sink) ? at + 1 : NULL;
    json_sink_truncate(first, start);
    if (is_map) json_sink_truncate(values, start);
    return at + 1;
}

// The next field by reading its name. *ret_field JSON_FIELD_START: the object ends at the brace returned.
static const uint8_t *next_field(struct json_context *context, struct json_object *object, const uint8_t *at,
                                 int32_t before, int32_t *ret_field)
{
    struct slice name;
    const uint8_t *from = at;
    at = token_space(context, at);
    if (at >= context->end) return NULL;
    if (*at == '}' && before != JSON_FIELD_START) {
        *ret_field = JSON_FIELD_START;
        return at;
    }
    if (*at != (before == JSON_FIELD_START ? '{' : ',')) return NULL;
    at = token_space(context, at + 1);
    if (before == JSON_FIELD_START && at < context->end && *at == '}') {
        *ret_field = JSON_FIELD_START;
        return at;
    }
    if (!(at = token_name(context, at, &name))) return NULL;
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
            at = token_skip(context, at);
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
    case TYPE_TIMESTAMP: return token_is_number(*at) ? row_integer(context, sink, at) : row_quoted(context, sink, at);
    case TYPE_DATE:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_BINARY: return row_quoted(context, sink, at);
    case TYPE_STRUCT: return *at == '{' ? row_object(context, sink, at) : misfit(context, at);
    case TYPE_ARRAY:
    case TYPE_MAP: return row_list(context, sink, at);
    default: return (at = token_skip(context, at)) && json_sink_null(sink) ? at : NULL; // void
    }
}
