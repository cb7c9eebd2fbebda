// format_string (printf): java.util.Formatter with Locale.US, over the values as Spark holds them: dates and times are
// numbers, and no conversion but %s, %b takes a decimal. Values of nested types and binaries, whose text in Java names
// an object, are written as CAST writes them. Raises INVALID_PARAMETER_VALUE (a format that Java refuses, an argument
// of the wrong type or missing; Spark lets Java's exception through) and INVALID_PARAMETER_VALUE.ZERO_INDEX. Not done,
// and refused so: dates and times (%t), hexadecimal doubles (%a), hashes of decimals, binaries and nested values (%h).
#include <math.h>
#include <string.h>

#include "common/columnar/number_text.h"
#include "worker/expr/expr_cast.h"
#include "worker/expr/expr_digits.h"
#include "worker/expr/expr_families.h"
#include "worker/expr/expr_hash.h"
#include "worker/expr/expr_icu.h"
#include "worker/expr/expr_specifier.h"
#include "worker/expr/expr_utf8.h"

// hashCode of Spark's strings, of java.lang.Boolean, Float and Double.
#define HASH_SEED      42
#define HASH_TRUE      1231
#define HASH_FALSE     1237
#define HASH_NAN_FLOAT 0x7fc00000u
#define HASH_NAN       0x7ff80000u

static enum expr_outcome refuse(struct expr_row *row, const struct expr_specifier *spec, const char *why)
{
    return expr_row_fail(row, "INVALID_PARAMETER_VALUE", "format_string: %.*s: %s",
                         spec->source.length > 100 ? 100 : (int)spec->source.length, spec->source.data, why);
}

static enum expr_outcome mismatch(struct expr_row *row, const struct expr_specifier *spec, const struct type *type)
{
    char name[128];
    return expr_row_fail(row, "INVALID_PARAMETER_VALUE", "format_string: %.*s does not take %s",
                         spec->source.length > 100 ? 100 : (int)spec->source.length, spec->source.data,
                         expr_cast_type_name(type, name, sizeof name));
}

static void insert_fill(struct text *out, size_t at, int64_t count, char fill)
{
    if (count <= 0) return;
    if (!text_reserve(out, (size_t)count)) return;
    memmove(out->data + at + count, out->data + at, out->length - at + 1);
    memset(out->data + at, fill, (size_t)count);
    out->length += (size_t)count;
}

// UTF-16 units, which Java counts.
static size_t units(struct slice s)
{
    size_t count = expr_utf8_count(s);
    for (size_t i = 0; i < s.length; i++) count += (unsigned char)s.data[i] >= 0xF0;
    return count;
}

static void justify(struct text *out, const struct expr_specifier *spec)
{
    if (spec->width < 0) return;
    size_t length = units(slice_of(text_str(out) + spec->start, out->length - spec->start));
    insert_fill(out, spec->flags & EXPR_FLAG_LEFT ? out->length : spec->start, spec->width - (int64_t)length, ' ');
}

// Text cut to the precision; half a character (of two UTF-16 units) becomes '?', as in Java's bytes.
static void append_text(struct text *out, const struct expr_specifier *spec, struct slice s)
{
    size_t end = 0;
    int64_t left = spec->precision < 0 ? INT64_MAX : spec->precision;
    bool half = false;
    while (end < s.length && left > 0 && !half) {
        size_t size = expr_utf8_size(s.data + end, s.length - end);
        half = size == 4 && left == 1;
        left -= size == 4 ? 2 : 1;
        if (!half) end += size;
    }
    if (spec->upper && end) {
        size_t size = end * 3 + 4;
        if (!text_reserve(out, size)) return;
        out->length += expr_icu_case(slice_of(s.data, end), true, out->data + out->length, size);
        out->data[out->length] = '\0';
    } else {
        text_append(out, s.data, end);
    }
    if (half) text_append_char(out, '?');
    justify(out, spec);
}

// Bits of the integer that Spark holds for the type; 0: none.
static unsigned integer_bits(const struct type *type)
{
    switch (type->kind) {
    case TYPE_TINYINT: return 8;
    case TYPE_SMALLINT: return 16;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: return 32;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_DAY_TIME: return 64;
    default: return 0;
    }
}

// Java's BigDecimal.toString: an exponent below 10^-6.
static void append_decimal(struct text *out, const struct type *type, __int128 value)
{
    char text[NUMBER_TEXT_SIZE];
    size_t length = number_text_format_decimal(value, 0, text), sign = text[0] == '-';
    int64_t exponent = (int64_t)(length - sign) - 1 - type->scale;
    if (exponent >= -6) {
        number_text_format_decimal(value, type->scale, text);
        text_append_str(out, text);
        return;
    }
    text_append(out, text, sign + 1);
    if (length > sign + 1) text_append_char(out, '.');
    text_append_str(out, text + sign + 1);
    text_printf(out, "E%lld", (long long)exponent);
}

static void append_value(struct text *out, const struct expr_specifier *spec, const struct type *type,
                         const struct expr_datum *datum)
{
    struct text value = {.limit = out->limit};
    if (datum->null || type->kind == TYPE_STRING) {
        append_text(out, spec, datum->null ? slice_str("null") : datum->s);
        return;
    }
    if (integer_bits(type)) {
        text_printf(&value, "%lld", (long long)datum->i);
    } else if (type->kind == TYPE_DECIMAL) {
        append_decimal(&value, type, datum->n);
    } else {
        expr_cast_text_append(type, datum, &value);
    }
    append_text(out, spec, slice_of(text_str(&value), value.length));
    out->over = out->over || value.over;
    text_deinit(&value);
}

static void append_boolean(struct text *out, const struct expr_specifier *spec, const struct type *type,
                           const struct expr_datum *datum)
{
    bool yes = !datum->null && (type->kind != TYPE_BOOLEAN || datum->i);
    append_text(out, spec, slice_str(yes ? "true" : "false"));
}

static uint32_t hash_real(const struct type *type, double value)
{
    if (type->kind == TYPE_FLOAT) {
        float single = (float)value;
        uint32_t hash = 0;
        memcpy(&hash, &single, sizeof hash);
        return isnan(value) ? HASH_NAN_FLOAT : hash;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? HASH_NAN : (uint32_t)(bits ^ bits >> 32);
}

static enum expr_outcome append_hash(struct expr_row *row, const struct expr_specifier *spec, const struct type *type,
                                     const struct expr_datum *datum, const struct expr_value *value)
{
    char text[16];
    uint32_t hash = 0;
    if (type->kind == TYPE_BOOLEAN) {
        hash = datum->i ? HASH_TRUE : HASH_FALSE;
    } else if (type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE) {
        hash = hash_real(type, datum->d);
    } else if (type->kind == TYPE_STRING) {
        hash = expr_hash_murmur3(value->column, expr_index(value, row->row), HASH_SEED);
    } else if (integer_bits(type) == 64) {
        hash = (uint32_t)((uint64_t)datum->i ^ (uint64_t)datum->i >> 32);
    } else if (integer_bits(type)) {
        hash = (uint32_t)datum->i;
    } else {
        return mismatch(row, spec, type);
    }
    int length = snprintf(text, sizeof text, "%x", hash);
    append_text(&row->text, spec, slice_of(text, (size_t)length));
    return EXPR_VALUE;
}

static enum expr_outcome append_character(struct expr_row *row, const struct expr_specifier *spec,
                                          const struct type *type, const struct expr_datum *datum)
{
    char text[4] = "?";
    unsigned bits = integer_bits(type);
    if (bits == 0 || bits == 64) return mismatch(row, spec, type);
    if (datum->i < 0 || datum->i > 0x10FFFF) return refuse(row, spec, "the argument is no code point");
    bool surrogate = datum->i >= 0xD800 && datum->i <= 0xDFFF;
    size_t length = surrogate ? 1 : expr_utf8_encode((uint32_t)datum->i, text);
    append_text(&row->text, spec, slice_of(text, length));
    return EXPR_VALUE;
}

static void append_sign(struct text *out, const struct expr_specifier *spec, bool negative)
{
    if (negative) {
        text_append_char(out, spec->flags & EXPR_FLAG_PARENTHESES ? '(' : '-');
    } else if (spec->flags & EXPR_FLAG_PLUS) {
        text_append_char(out, '+');
    } else if (spec->flags & EXPR_FLAG_SPACE) {
        text_append_char(out, ' ');
    }
}

static void end_number(struct text *out, const struct expr_specifier *spec, bool negative)
{
    if (negative && spec->flags & EXPR_FLAG_PARENTHESES) text_append_char(out, ')');
    justify(out, spec);
}

// Zeros at `at` (behind the sign or the 0x) up to the width, of which `behind` characters are still to come.
static void pad_zeros(struct text *out, const struct expr_specifier *spec, size_t at, bool negative, size_t behind)
{
    if (!(spec->flags & EXPR_FLAG_ZERO)) return;
    if (negative && spec->flags & EXPR_FLAG_PARENTHESES) behind++;
    insert_fill(out, at, spec->width - (int64_t)(out->length - spec->start + behind), '0');
}

// Exactly `precision` digits behind the point.
static void append_fixed(struct text *out, const struct expr_specifier *spec, const struct expr_digits *digits,
                         int64_t precision)
{
    int64_t whole = digits->point > 0 ? digits->point : 1;
    for (int64_t at = digits->point - whole; at < digits->point + precision && !out->over; at++) {
        int64_t left = digits->point - at; // digits before the point, this one included
        if (left == 0) text_append_char(out, '.');
        text_append_char(out, at >= 0 && at < digits->count ? digits->data[at] : '0');
        if (spec->flags & EXPR_FLAG_GROUP && left > 1 && left % 3 == 1) text_append_char(out, ',');
    }
    if (precision == 0 && spec->flags & EXPR_FLAG_ALTERNATE) text_append_char(out, '.');
}

static void append_scientific(struct text *out, const struct expr_specifier *spec, struct expr_digits *digits,
                              int64_t precision)
{
    char exponent[16];
    size_t at = out->length;
    expr_digits_round(digits, precision + 1, false);
    int length = snprintf(exponent, sizeof exponent, "%c%+03d", spec->upper ? 'E' : 'e',
                          digits->count ? (int)digits->point - 1 : 0);
    digits->point = 1;
    append_fixed(out, spec, digits, precision);
    pad_zeros(out, spec, at, digits->negative, (size_t)length);
    text_append(out, exponent, (size_t)length);
}

static void append_plain(struct text *out, const struct expr_specifier *spec, struct expr_digits *digits,
                         int64_t precision)
{
    size_t at = out->length;
    expr_digits_round(digits, digits->point + precision, false);
    append_fixed(out, spec, digits, precision);
    pad_zeros(out, spec, at, digits->negative, 0);
}

static void append_finite(struct text *out, const struct expr_specifier *spec, struct expr_digits *digits)
{
    int64_t precision = spec->precision < 0 ? 6 : spec->precision;
    if (spec->conversion == 'e') {
        append_scientific(out, spec, digits, precision);
    } else if (spec->conversion == 'f') {
        append_plain(out, spec, digits, precision);
    } else {
        if (precision == 0) precision = 1;
        expr_digits_round(digits, precision, false);
        if (digits->count == 0) digits->point = 1;
        if (digits->point <= -4 || digits->point > precision) {
            append_scientific(out, spec, digits, precision - 1);
        } else {
            append_plain(out, spec, digits, precision - digits->point);
        }
    }
}

static enum expr_outcome append_real(struct expr_row *row, const struct expr_specifier *spec, const struct type *type,
                                     const struct expr_datum *datum)
{
    struct expr_digits digits;
    if (type->kind != TYPE_DOUBLE && type->kind != TYPE_FLOAT) return mismatch(row, spec, type);
    bool negative = signbit(datum->d) && !isnan(datum->d);
    if (isnan(datum->d)) {
        text_append_str(&row->text, spec->upper ? "NAN" : "NaN");
    } else {
        append_sign(&row->text, spec, negative);
        if (isinf(datum->d)) {
            text_append_str(&row->text, spec->upper ? "INFINITY" : "Infinity");
        } else {
            expr_digits_of(&digits, type, datum);
            digits.negative = negative;
            append_finite(&row->text, spec, &digits);
        }
    }
    end_number(&row->text, spec, negative);
    return EXPR_VALUE;
}

static enum expr_outcome append_integer(struct expr_row *row, const struct expr_specifier *spec,
                                        const struct type *type, const struct expr_datum *datum)
{
    unsigned bits = integer_bits(type);
    bool decimal = spec->conversion == 'd', negative = decimal && datum->i < 0;
    if (bits == 0) return mismatch(row, spec, type);
    if (decimal) {
        struct expr_digits digits;
        struct expr_datum number = *datum;
        expr_digits_of(&digits, type_of(TYPE_BIGINT), &number);
        append_sign(&row->text, spec, negative);
        append_plain(&row->text, spec, &digits, 0);
    } else {
        uint64_t value = (uint64_t)datum->i & UINT64_MAX >> (64 - bits);
        bool hexadecimal = spec->conversion == 'x';
        if (spec->flags & EXPR_FLAG_ALTERNATE) {
            text_append_str(&row->text, hexadecimal ? spec->upper ? "0X" : "0x" : "0");
        }
        size_t at = row->text.length;
        text_printf(&row->text, hexadecimal ? spec->upper ? "%llX" : "%llx" : "%llo", (unsigned long long)value);
        pad_zeros(&row->text, spec, at, false, 0);
    }
    end_number(&row->text, spec, negative);
    return EXPR_VALUE;
}

static enum expr_outcome append_argument(struct expr_row *row, const struct expr_specifier *spec,
                                         const struct expr_datum *args, uint32_t arg)
{
    const struct type *type = expr_arg_type(row->call, arg);
    const struct expr_datum *datum = &args[arg];
    if (spec->conversion == 'b') {
        append_boolean(&row->text, spec, type, datum);
    } else if (datum->null || spec->conversion == 's') {
        append_value(&row->text, spec, type, datum);
    } else {
        switch (spec->conversion) {
        case 'd':
        case 'o':
        case 'x': return append_integer(row, spec, type, datum);
        case 'e':
        case 'f':
        case 'g': return append_real(row, spec, type, datum);
        case 'h': return append_hash(row, spec, type, datum, &row->call->args[arg]);
        case 'c': return append_character(row, spec, type, datum);
        default: return refuse(row, spec, "dates and times are not supported");
        }
    }
    return EXPR_VALUE;
}

// Which argument of the call a specifier takes; 0: there is none.
struct arguments {
    uint32_t count; // of the call, the format included
    int64_t last, ordinary;
};

static uint32_t argument_of(struct arguments *arguments, const struct expr_specifier *spec)
{
    if (spec->flags & EXPR_FLAG_PREVIOUS) return (uint32_t)arguments->last;
    int64_t arg = spec->index >= 0 ? spec->index : ++arguments->ordinary;
    if (arg >= arguments->count) return 0;
    arguments->last = arg;
    return (uint32_t)arg;
}

static enum expr_outcome append_specifier(struct expr_row *row, struct expr_specifier *spec,
                                          const struct expr_datum *args, struct arguments *arguments)
{
    bool text = spec->conversion == '%' || spec->conversion == 'n';
    if (spec->index == 0) {
        return expr_row_fail(row, "INVALID_PARAMETER_VALUE.ZERO_INDEX",
                             "The value of parameter(s) `strfmt` in `format_string` is invalid: expects %%1$, %%2$ and "
                             "so on, but got %%0$.");
    }
    uint32_t arg = text ? 0 : argument_of(arguments, spec);
    const char *wrong = expr_specifier_check(spec, arg && args[arg].null);
    if (!wrong && !text && arg == 0) wrong = "there is no such argument";
    if (wrong) return refuse(row, spec, wrong);
    if (!text) return append_argument(row, spec, args, arg);
    append_text(&row->text, spec, slice_str(spec->conversion == 'n' ? "\n" : "%"));
    return EXPR_VALUE;
}

static enum expr_outcome row_format_string(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice format = args[0].s;
    struct arguments arguments = {.count = expr_row_args(row)};
    if (args[0].null) return EXPR_NULL;
    text_reset(&row->text);
    for (size_t at = 0; at < format.length;) {
        const char *percent = memchr(format.data + at, '%', format.length - at);
        size_t plain = percent ? (size_t)(percent - format.data) - at : format.length - at;
        text_append(&row->text, format.data + at, plain);
        at += plain;
        if (!percent) break;
        struct slice rest = slice_of(percent, format.length - at);
        struct expr_specifier spec = {.source = rest, .start = row->text.length};
        const char *wrong = expr_specifier_read(rest, &spec);
        if (wrong) return refuse(row, &spec, wrong);
        enum expr_outcome outcome = append_specifier(row, &spec, args, &arguments);
        if (outcome != EXPR_VALUE) return outcome;
        at += spec.source.length;
    }
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

const struct expr_function expr_format_string_functions[] = {
    {"format_string", NULL, row_format_string, NULL, EXPR_TOLERANT},
    {NULL, NULL, NULL, NULL, 0},
};
