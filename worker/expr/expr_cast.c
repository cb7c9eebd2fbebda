// CAST value by value: every pair of Spark's ANSI matrix. A value that does not fit raises CAST_INVALID_INPUT,
// CAST_OVERFLOW or NUMERIC_VALUE_OUT_OF_RANGE for its row; under try_cast it is null.
#include "worker/expr/expr_cast.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"
#include "common/plan/function_table.h"
#include "worker/expr/expr_datetime.h"
#include "worker/expr/expr_decimal.h"

#define CAST_SHOWN_MAX 4096u // of a value in a message

struct cast {
    struct expr_row *row;
    const struct type *from;
    const struct type *to;
    bool try_cast;
};

static enum expr_outcome cast_fail(const struct cast *cast, const struct expr_datum *value, const char *condition,
                                   const char *why)
{
    if (cast->try_cast) return EXPR_NULL;
    struct text text = {.limit = CAST_SHOWN_MAX};
    char from[128], to[128];
    expr_cast_text_append(cast->from, value, &text);
    enum expr_outcome outcome = expr_row_fail(
        cast->row, condition,
        "The value %s%.200s%s of the type \"%s\" cannot be cast to \"%s\" %s. Use `try_cast` to "
        "tolerate it and return NULL instead.",
        cast->from->kind == TYPE_STRING ? "'" : "", text_str(&text), cast->from->kind == TYPE_STRING ? "'" : "",
        expr_cast_type_name(cast->from, from, sizeof from), expr_cast_type_name(cast->to, to, sizeof to), why);
    text_deinit(&text);
    return outcome;
}

static enum expr_outcome invalid_input(const struct cast *cast, const struct expr_datum *value)
{
    return cast_fail(cast, value, "CAST_INVALID_INPUT", "because it is malformed");
}

static enum expr_outcome overflow(const struct cast *cast, const struct expr_datum *value)
{
    return cast_fail(cast, value, "CAST_OVERFLOW", "due to an overflow");
}

static enum expr_outcome out_of_range(const struct cast *cast, const struct expr_datum *value)
{
    return cast_fail(cast, value, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "because it has too many digits");
}

static bool is_blank(char c)
{
    return (unsigned char)c <= 0x20 || c == 0x7f;
}

static struct slice trim_blanks(struct slice slice)
{
    while (slice.length && is_blank(slice.data[0])) {
        slice.data++;
        slice.length--;
    }
    while (slice.length && is_blank(slice.data[slice.length - 1])) slice.length--;
    return slice;
}

bool expr_cast_parse_i64(const char *data, size_t length, int64_t *ret_value)
{
    struct slice text = trim_blanks(slice_of(data, length));
    if (text.length == 0) return false;
    bool negative = text.data[0] == '-';
    size_t at = negative || text.data[0] == '+';
    if (at == text.length) return false;
    int64_t value = 0;
    for (; at < text.length; at++) {
        unsigned digit = (unsigned)(text.data[at] - '0');
        if (digit > 9) return false;
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_sub_overflow(value, (int64_t)digit, &value)) return false;
    }
    if (negative) {
        *ret_value = value;
        return true;
    }
    if (value == INT64_MIN) return false;
    *ret_value = -value;
    return true;
}

static bool integral_fits(int64_t value, enum type_kind kind)
{
    switch (kind) {
    case TYPE_TINYINT: return value == (int8_t)value;
    case TYPE_SMALLINT: return value == (int16_t)value;
    case TYPE_INT: return value == (int32_t)value;
    default: return true;
    }
}

static bool parse_boolean(struct slice text, bool *ret_value)
{
    static const char *const yes[] = {"t", "true", "y", "yes", "1"}, *const no[] = {"f", "false", "n", "no", "0"};
    text = trim_blanks(text);
    for (size_t i = 0; i < 5; i++) {
        if (slice_equal_nocase(text, slice_str(yes[i]))) return *ret_value = true, true;
        if (slice_equal_nocase(text, slice_str(no[i]))) return *ret_value = false, true;
    }
    return false;
}

static enum expr_outcome string_to_decimal(const struct cast *cast, const struct expr_datum *value,
                                           struct expr_datum *ret)
{
    struct slice text = trim_blanks(value->s);
    bool too_large = false, far_too_large = false;
    __int128 whole;
    if (number_text_parse_decimal(text.data, text.length, cast->to->precision, cast->to->scale, &ret->n, &too_large) &&
        !too_large) {
        return EXPR_VALUE;
    }
    if (!too_large) return invalid_input(cast, value);
    number_text_parse_decimal(text.data, text.length, DECIMAL_PRECISION_MAX, 0, &whole, &far_too_large);
    if (!far_too_large) return out_of_range(cast, value);
    return cast_fail(cast, value, "NUMERIC_OUT_OF_SUPPORTED_RANGE", "because it has more than 38 digits");
}

// Java also reads hexadecimal floating point.
static bool parse_hex_real(struct slice text, bool single, double *ret_value)
{
    char buffer[64], *end;
    text = trim_blanks(text);
    if (text.length < 4 || text.length >= sizeof buffer ||
        !memmem(text.data, text.length < 3 ? text.length : 3, "0x", 2))
        return false;
    memcpy(buffer, text.data, text.length);
    buffer[text.length] = 0;
    if (!strpbrk(buffer, "pP")) return false;
    *ret_value = single ? (double)strtof(buffer, &end) : strtod(buffer, &end);
    return *end == 0;
}

static int32_t context_today(const struct expr_row *row)
{
    int64_t us = row->call->frame->context->timestamp_us;
    return (int32_t)((us - (us % DATETIME_DAY_US + DATETIME_DAY_US) % DATETIME_DAY_US) / DATETIME_DAY_US);
}

static enum expr_outcome cast_string(const struct cast *cast, const struct expr_datum *value, struct expr_datum *ret)
{
    struct slice text = value->s;
    bool truth, good = false;
    float single;
    int32_t days;
    switch (cast->to->kind) {
    case TYPE_BOOLEAN:
        good = parse_boolean(text, &truth);
        if (good) ret->i = truth;
        break;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT:
        good = expr_cast_parse_i64(text.data, text.length, &ret->i) && integral_fits(ret->i, cast->to->kind);
        break;
    case TYPE_FLOAT:
        good = number_text_cast_float(text.data, text.length, &single);
        if (good) ret->d = (double)single;
        good = good || parse_hex_real(text, true, &ret->d);
        break;
    case TYPE_DOUBLE:
        good = number_text_cast_double(text.data, text.length, &ret->d) || parse_hex_real(text, false, &ret->d);
        break;
    case TYPE_DECIMAL: return string_to_decimal(cast, value, ret);
    case TYPE_BINARY: ret->s = text; return EXPR_VALUE;
    case TYPE_DATE:
        good = datetime_text_parse_date(text.data, text.length, &days);
        if (good) ret->i = days;
        break;
    case TYPE_TIMESTAMP:
        good = datetime_text_parse_timestamp(text.data, text.length, context_today(cast->row), &ret->i);
        break;
    case TYPE_TIMESTAMP_NTZ: good = datetime_text_parse_timestamp_ntz(text.data, text.length, true, &ret->i); break;
    default: break;
    }
    return good ? EXPR_VALUE : invalid_input(cast, value);
}

static enum expr_outcome from_integral(const struct cast *cast, const struct expr_datum *value, struct expr_datum *ret)
{
    int64_t i = value->i;
    bool boolean = cast->from->kind == TYPE_BOOLEAN;
    switch (cast->to->kind) {
    case TYPE_BOOLEAN: ret->i = i != 0; return EXPR_VALUE;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: ret->i = i; return integral_fits(i, cast->to->kind) ? EXPR_VALUE : overflow(cast, value);
    case TYPE_FLOAT: ret->d = (double)(float)i; return EXPR_VALUE;
    case TYPE_DOUBLE: ret->d = (double)i; return EXPR_VALUE;
    case TYPE_DECIMAL:
        if (expr_decimal_rescale(i, 0, cast->to->scale, cast->to->precision, &ret->n)) return EXPR_VALUE;
        return out_of_range(cast, value);
    case TYPE_TIMESTAMP:
        if (boolean) {
            ret->i = i;
        } else if (__builtin_mul_overflow(i, INT64_C(1000000), &ret->i)) {
            ret->i = i < 0 ? INT64_MIN : INT64_MAX;
        }
        return EXPR_VALUE;
    case TYPE_INTERVAL_YEAR_MONTH:
    case TYPE_INTERVAL_DAY_TIME: {
        bool months = cast->to->kind == TYPE_INTERVAL_YEAR_MONTH;
        bool over = __builtin_mul_overflow(i, type_interval_unit(cast->to->last), &ret->i);
        return over || (months && ret->i != (int32_t)ret->i) ? out_of_range(cast, value) : EXPR_VALUE;
    }
    default: return invalid_input(cast, value);
    }
}

static enum expr_outcome float_to_integral(const struct cast *cast, const struct expr_datum *value,
                                           struct expr_datum *ret)
{
    double d = value->d;
    if (d != d || d >= 9223372036854775808.0 || d < -9223372036854775808.0) return overflow(cast, value);
    ret->i = (int64_t)d;
    return integral_fits(ret->i, cast->to->kind) ? EXPR_VALUE : overflow(cast, value);
}

static enum expr_outcome from_float(const struct cast *cast, const struct expr_datum *value, struct expr_datum *ret)
{
    double d = value->d;
    bool finite;
    switch (cast->to->kind) {
    case TYPE_BOOLEAN: ret->i = d != 0; return EXPR_VALUE;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: return float_to_integral(cast, value, ret);
    case TYPE_FLOAT: ret->d = (double)(float)d; return EXPR_VALUE;
    case TYPE_DOUBLE: ret->d = d; return EXPR_VALUE;
    case TYPE_DECIMAL:
        if (expr_decimal_from_double(d, cast->from->kind == TYPE_FLOAT, cast->to->precision, cast->to->scale, &ret->n,
                                     &finite)) {
            return EXPR_VALUE;
        }
        return finite ? out_of_range(cast, value) : EXPR_NULL;
    case TYPE_TIMESTAMP:
        if (!isfinite(d)) return invalid_input(cast, value);
        d *= 1e6;
        if (d >= 9223372036854775808.0 || d < -9223372036854775808.0) return overflow(cast, value);
        ret->i = (int64_t)d;
        return EXPR_VALUE;
    default: return invalid_input(cast, value);
    }
}

static enum expr_outcome from_decimal(const struct cast *cast, const struct expr_datum *value, struct expr_datum *ret)
{
    __int128 n = value->n;
    int scale = cast->from->scale;
    __int128 power = (__int128)expr_decimal_powers[scale];
    __int128 whole = n / power;
    switch (cast->to->kind) {
    case TYPE_BOOLEAN: ret->i = n != 0; return EXPR_VALUE;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT:
        if (whole != (int64_t)whole || !integral_fits((int64_t)whole, cast->to->kind)) return overflow(cast, value);
        ret->i = (int64_t)whole;
        return EXPR_VALUE;
    case TYPE_FLOAT: {
        char text[NUMBER_TEXT_SIZE];
        size_t length = number_text_format_decimal(n, (uint8_t)scale, text);
        float single = 0;
        number_text_parse_float(text, length, &single);
        ret->d = (double)single;
        return EXPR_VALUE;
    }
    case TYPE_DOUBLE: ret->d = expr_decimal_to_double(n, scale); return EXPR_VALUE;
    case TYPE_DECIMAL:
        if (expr_decimal_rescale(n, scale, cast->to->scale, cast->to->precision, &ret->n)) return EXPR_VALUE;
        return out_of_range(cast, value);
    case TYPE_TIMESTAMP: {
        __int128 rest = n % power;
        ret->i = (int64_t)(whole * 1000000 + rest * 1000000 / power);
        return EXPR_VALUE;
    }
    default: return invalid_input(cast, value);
    }
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return a % b < 0 ? quotient - 1 : quotient;
}

static enum expr_outcome from_timestamp(const struct cast *cast, const struct expr_datum *value, struct expr_datum *ret)
{
    bool finite;
    switch (cast->to->kind) {
    case TYPE_DATE: ret->i = floor_divide(value->i, DATETIME_DAY_US); return EXPR_VALUE;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: ret->i = value->i; return EXPR_VALUE;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT:
        ret->i = floor_divide(value->i, 1000000);
        return integral_fits(ret->i, cast->to->kind) ? EXPR_VALUE : overflow(cast, value);
    case TYPE_FLOAT: ret->d = (double)(float)((double)value->i / 1e6); return EXPR_VALUE;
    case TYPE_DOUBLE: ret->d = (double)value->i / 1e6; return EXPR_VALUE;
    case TYPE_DECIMAL:
        if (expr_decimal_from_double((double)value->i / 1e6, false, cast->to->precision, cast->to->scale, &ret->n,
                                     &finite)) {
            return EXPR_VALUE;
        }
        return out_of_range(cast, value);
    default: return invalid_input(cast, value);
    }
}

static enum expr_outcome from_date(const struct cast *cast, const struct expr_datum *value, struct expr_datum *ret)
{
    if (__builtin_mul_overflow(value->i, DATETIME_DAY_US, &ret->i)) {
        return cast_fail(cast, value, "ARITHMETIC_OVERFLOW", "because no timestamp is that far away");
    }
    return EXPR_VALUE;
}

// To a number of its last field's unit, or to other fields: what is finer is cut off.
static enum expr_outcome from_interval(const struct cast *cast, const struct expr_datum *value, struct expr_datum *ret)
{
    if (type_is_integral(cast->to)) {
        ret->i = value->i / type_interval_unit(cast->from->last);
        return integral_fits(ret->i, cast->to->kind) ? EXPR_VALUE : overflow(cast, value);
    }
    if (cast->to->kind == TYPE_DECIMAL) {
        bool seconds = cast->from->last == INTERVAL_SECOND; // alone in having fractions
        __int128 whole = seconds ? value->i : value->i / type_interval_unit(cast->from->last);
        return expr_decimal_rescale(whole, seconds ? 6 : 0, cast->to->scale, cast->to->precision, &ret->n)
                   ? EXPR_VALUE
                   : out_of_range(cast, value);
    }
    ret->i = cast->to->last == INTERVAL_SECOND ? value->i : value->i - value->i % type_interval_unit(cast->to->last);
    return EXPR_VALUE;
}

static enum expr_outcome integral_to_binary(struct expr_row *row, const struct type *from,
                                            const struct expr_datum *value, struct expr_datum *ret)
{
    text_reset(&row->text);
    for (uint32_t i = type_width(from); i-- > 0;) text_append_char(&row->text, (char)((uint64_t)value->i >> (8 * i)));
    return expr_row_string(ret, row->text.data, row->text.length);
}

enum expr_outcome expr_cast_value(struct expr_row *row, const struct type *from, const struct type *to, bool try_cast,
                                  const struct expr_datum *value, struct expr_datum *ret)
{
    struct cast cast = {.row = row, .from = from, .to = to, .try_cast = try_cast};
    if (value->null || from->kind == TYPE_VOID) return EXPR_NULL;
    *ret = *value;
    if (from == to) return EXPR_VALUE;
    if (to->kind == TYPE_STRING) {
        text_reset(&row->text);
        expr_cast_text_append(from, value, &row->text);
        return expr_row_string(ret, text_str(&row->text), row->text.length);
    }
    switch (from->kind) {
    case TYPE_STRING: return cast_string(&cast, value, ret);
    case TYPE_BOOLEAN:
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT:
        return to->kind == TYPE_BINARY ? integral_to_binary(row, from, value, ret) : from_integral(&cast, value, ret);
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return from_float(&cast, value, ret);
    case TYPE_DECIMAL: return from_decimal(&cast, value, ret);
    case TYPE_DATE: return from_date(&cast, value, ret);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: return from_timestamp(&cast, value, ret);
    case TYPE_INTERVAL_YEAR_MONTH:
    case TYPE_INTERVAL_DAY_TIME: return from_interval(&cast, value, ret);
    default: return invalid_input(&cast, value);
    }
}

// Appends the value cast to `to`. An element that fails is null, and its error is the row's.
static enum status nested_append(struct expr_row *row, struct column_builder *builder, const struct column *column,
                                 uint32_t at, const struct type *to, struct error *err)
{
    enum status status = STATUS_OK;
    struct expr_datum value = expr_datum_of(column, at), cast = {.null = false};
    const struct type *from = column->type;
    if (value.null) return column_builder_null(builder, err);
    if (from == to) return column_builder_copy(builder, column, at, err);
    if (to->kind < TYPE_STRUCT) {
        enum expr_outcome outcome = expr_cast_value(row, from, to, row->call->step->try_cast, &value, &cast);
        cast.null = outcome != EXPR_VALUE;
        return expr_datum_append(builder, to, &cast, err);
    }
    bool is_struct = to->kind == TYPE_STRUCT;
    uint32_t first = is_struct ? at : (uint32_t)column->offsets[at];
    uint32_t last = is_struct ? at + 1 : (uint32_t)column->offsets[at + 1];
    for (uint32_t i = 0; i < to->child_count; i++) {
        for (uint32_t j = first; j < last; j++) {
            TRY(nested_append(row, column_builder_child(builder, i), column->children[i], j, to->children[i].type,
                              err));
        }
    }
    TRY(column_builder_nested(builder, err));
out:
    return status;
}

static enum expr_outcome row_cast(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct expr_step *step = row->call->step;
    const struct type *from = expr_arg_type(row->call, 0);
    if (step->type->kind < TYPE_STRUCT) return expr_cast_value(row, from, step->type, step->try_cast, &args[0], ret);
    enum status status =
        nested_append(row, row->builder, args[0].nested.column, args[0].nested.row, step->type, row->err);
    return status == STATUS_OK ? EXPR_VALUE : EXPR_BROKEN;
}

static enum status cast_void(struct expr_call *call, struct error *err)
{
    return column_create_nulls(call->frame->budget, call->step->type, call->length, &call->result, err);
}

static const struct expr_function cast_function = {"cast", NULL, row_cast, NULL, 0};

enum status expr_cast_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    const struct type *from = steps[step->args[0]].type, *to = step->type;
    bool interval = (from->kind == TYPE_STRING || from->kind == TYPE_DECIMAL) &&
                    (to->kind == TYPE_INTERVAL_DAY_TIME || to->kind == TYPE_INTERVAL_YEAR_MONTH);
    if (interval || !function_can_cast(from, to, false)) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "a cast from %s to %s is not supported", from->text,
                         to->text);
    }
    step->function = &cast_function;
    bool fast = expr_compile_has(EXPR_SHORTCUT_CAST);
    step->kernel = from->kind == TYPE_VOID ? cast_void : fast ? expr_cast_fast_find(from, to) : NULL;
    if (!step->kernel) step->kernel = expr_row_kernel;
    bool widening = type_is_integral(from) && (to->kind == TYPE_DOUBLE || to->kind == TYPE_FLOAT ||
                                               (type_is_integral(to) && to->kind >= from->kind));
    bool dates = (from->kind == TYPE_TIMESTAMP || from->kind == TYPE_TIMESTAMP_NTZ) && to->kind == TYPE_DATE;
    if (widening || dates || from->kind == TYPE_VOID) step->flags |= EXPR_INFALLIBLE;
    return STATUS_OK;
}
