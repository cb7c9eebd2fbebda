// What Spark's JacksonParser reads from the text of a token for DECIMAL, DATE, the timestamps, BINARY and the
// named values of FLOAT and DOUBLE. Text that is none is a misfit, not a failure.
#include "worker/decode/json_value.h"

#include <math.h>

#include "common/base/base64.h"
#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"

static bool value_special(struct slice value, double *ret_value)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"NaN", (double)NAN},           {"+INF", (double)INFINITY},  {"+Infinity", (double)INFINITY},
                 {"Infinity", (double)INFINITY}, {"-INF", (double)-INFINITY}, {"-Infinity", (double)-INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!slice_equal(value, slice_str(words[i].word))) continue;
        *ret_value = words[i].value;
        return true;
    }
    return false;
}

// Java's BigDecimal of the text without its commas.
static bool value_decimal(const struct type *type, struct slice value, __int128 *ret_value)
{
    char on_stack[128];
    bool overflow = false;
    if (memchr(value.data, ',', value.length)) {
        size_t length = 0;
        if (value.length > sizeof on_stack) return false;
        for (size_t i = 0; i < value.length; i++) {
            if (value.data[i] != ',') on_stack[length++] = value.data[i];
        }
        value = slice_of(on_stack, length);
    }
    return value.length > 0 &&
           number_text_parse_decimal(value.data, value.length, type->precision, type->scale, ret_value, &overflow) &&
           !overflow;
}

// A date, or (as Spark 1.5 wrote them) days since 1970 as text.
static bool value_date(struct json_context *context, struct slice value, int32_t *ret_days)
{
    const struct json_scan_options *options = context->options;
    if (options->parse_date) return options->parse_date(options->parse_context, value.data, value.length, ret_days);
    if (datetime_text_parse_date(value.data, value.length, ret_days)) return true;
    int64_t days = 0;
    size_t i = value.length > 0 && (value.data[0] == '-' || value.data[0] == '+');
    if (i == value.length || value.length > 11) return false;
    for (; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') return false;
        days = days * 10 + (value.data[i] - '0');
    }
    if (value.data[0] == '-') days = -days;
    if (days < INT32_MIN || days > INT32_MAX) return false;
    *ret_days = (int32_t)days;
    return true;
}

// RFC 4648 with padding; blanks between groups, as Jackson's MIME_NO_LINEFEEDS.
static bool value_base64(struct json_context *context, struct slice value, struct slice *ret_bytes)
{
    const uint8_t *scratch = context->scratch, *from = (const uint8_t *)value.data;
    bool inside = scratch && from >= scratch && from < scratch + context->scratch_capacity;
    uint8_t *start = inside ? context->scratch + (from - scratch) : json_text_scratch(context, value.length);
    uint8_t *to = start; // never ahead of what is read
    for (size_t i = 0; i < value.length;) {
        if ((uint8_t)value.data[i] <= ' ') {
            i++;
            continue;
        }
        if (value.length - i < 4) return false;
        const char *group = value.data + i;
        int pads = group[3] != '=' ? 0 : group[2] == '=' ? 2 : 1;
        uint32_t bits = 0;
        for (int k = 0; k < 4 - pads; k++) {
            int six = base64_digit(group[k]);
            if (six < 0) return false;
            bits |= (uint32_t)six << (18 - 6 * k);
        }
        *to++ = (uint8_t)(bits >> 16);
        if (pads < 2) *to++ = (uint8_t)(bits >> 8);
        if (pads < 1) *to++ = (uint8_t)bits;
        i += 4;
    }
    *ret_bytes = slice_of((const char *)start, (size_t)(to - start));
    return true;
}

static bool value_timestamp(const struct json_context *context, struct slice value, int64_t *ret_us)
{
    const struct json_scan_options *options = context->options;
    if (value.length == 0) return false;
    if (options->parse_timestamp)
        return options->parse_timestamp(options->parse_context, value.data, value.length, ret_us);
    return datetime_text_parse_timestamp(value.data, value.length, context->today, ret_us);
}

static bool value_timestamp_ntz(const struct json_context *context, struct slice value, int64_t *ret_us)
{
    const struct json_scan_options *options = context->options;
    if (value.length == 0) return false;
    if (options->parse_timestamp_ntz)
        return options->parse_timestamp_ntz(options->parse_context, value.data, value.length, ret_us);
    return datetime_text_parse_timestamp_ntz(value.data, value.length, false, ret_us);
}

bool json_value_put(struct json_context *context, struct json_sink *sink, struct slice value)
{
    struct slice bytes;
    __int128 decimal;
    double special;
    int64_t us;
    int32_t days;
    switch (sink->kind) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        if (context->options->refuse_non_numeric || !value_special(value, &special)) break;
        if (sink->kind == TYPE_FLOAT) return JSON_SINK_PUT(sink, float, (float)special);
        return JSON_SINK_PUT(sink, double, special);
    case TYPE_DECIMAL:
        if (!value_decimal(sink->type, value, &decimal)) break;
        return JSON_SINK_PUT(sink, __int128, decimal);
    case TYPE_DATE:
        if (!value_date(context, value, &days)) break;
        return JSON_SINK_PUT(sink, int32_t, days);
    case TYPE_TIMESTAMP:
        if (!value_timestamp(context, value, &us)) break;
        return JSON_SINK_PUT(sink, int64_t, us);
    case TYPE_TIMESTAMP_NTZ:
        if (!value_timestamp_ntz(context, value, &us)) break;
        return JSON_SINK_PUT(sink, int64_t, us);
    default:
        ASSERT(sink->kind == TYPE_BINARY);
        if (!value_base64(context, value, &bytes)) break;
        return json_sink_string(sink, (const uint8_t *)bytes.data, bytes.length);
    }
    context->bad = true;
    return true;
}
