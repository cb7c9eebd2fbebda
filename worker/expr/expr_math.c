// Mathematics: rounding by Spark's rules, transcendental functions, bits. Raises ARITHMETIC_OVERFLOW where a result
// does not fit.
#include <math.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/columnar/number_text.h"
#include "worker/expr/expr_decimal.h"
#include "worker/expr/expr_families.h"

#define REAL_FUNCTION(name, expression)                                                                                \
    static enum expr_outcome row_##name(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)   \
    {                                                                                                                  \
        (void)row;                                                                                                     \
        const double x = args[0].d;                                                                                    \
        ret->d = (expression);                                                                                         \
        return EXPR_VALUE;                                                                                             \
    }
REAL_FUNCTION(sqrt, sqrt(x))
REAL_FUNCTION(cbrt, cbrt(x))
REAL_FUNCTION(exp, exp(x))
REAL_FUNCTION(expm1, expm1(x))
REAL_FUNCTION(sin, sin(x))
REAL_FUNCTION(cos, cos(x))
REAL_FUNCTION(tan, tan(x))
REAL_FUNCTION(cot, 1 / tan(x))
REAL_FUNCTION(sec, 1 / cos(x))
REAL_FUNCTION(csc, 1 / sin(x))
REAL_FUNCTION(asin, asin(x))
REAL_FUNCTION(acos, acos(x))
REAL_FUNCTION(atan, atan(x))
REAL_FUNCTION(sinh, sinh(x))
REAL_FUNCTION(cosh, cosh(x))
REAL_FUNCTION(tanh, tanh(x))
REAL_FUNCTION(asinh, asinh(x))
REAL_FUNCTION(acosh, acosh(x))
REAL_FUNCTION(atanh, atanh(x))
REAL_FUNCTION(degrees, 180.0 / M_PI * x)
REAL_FUNCTION(radians, x / 180.0 * M_PI)
REAL_FUNCTION(rint, rint(x))
REAL_FUNCTION(sign, x > 0 ? 1.0 : x < 0 ? -1.0 : x)

#define LOG_FUNCTION(name, edge, expression)                                                                           \
    static enum expr_outcome row_##name(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)   \
    {                                                                                                                  \
        (void)row;                                                                                                     \
        const double x = args[0].d;                                                                                    \
        if (x <= (edge)) return EXPR_NULL;                                                                             \
        ret->d = (expression);                                                                                         \
        return EXPR_VALUE;                                                                                             \
    }
LOG_FUNCTION(ln, 0.0, log(x))
LOG_FUNCTION(log10, 0.0, log10(x))
LOG_FUNCTION(log2, 0.0, log(x) / log(2.0))
LOG_FUNCTION(log1p, -1.0, log1p(x))

#define REAL_FUNCTION_2(name, expression)                                                                              \
    static enum expr_outcome row_##name(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)   \
    {                                                                                                                  \
        (void)row;                                                                                                     \
        const double x = args[0].d, y = args[1].d;                                                                     \
        ret->d = (expression);                                                                                         \
        return EXPR_VALUE;                                                                                             \
    }
// Java's pow: 1 to the power of NaN or infinity is NaN
REAL_FUNCTION_2(power, y != y || (fabs(x) == 1 && isinf(y)) ? __builtin_nan("") : pow(x, y))
REAL_FUNCTION_2(hypot, hypot(x, y))
REAL_FUNCTION_2(atan2, atan2(x + 0.0, y + 0.0))

static enum expr_outcome row_log(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    bool based = expr_row_args(row) == 2;
    if (args[0].d <= 0 || (based && args[1].d <= 0)) return EXPR_NULL;
    ret->d = based ? log(args[1].d) / log(args[0].d) : log(args[0].d);
    return EXPR_VALUE;
}

static enum expr_outcome row_constant(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)args;
    ret->d = row->call->step->name[0] == 'p' ? M_PI : M_E;
    return EXPR_VALUE;
}

static enum expr_outcome row_factorial(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    if (args[0].i < 0 || args[0].i > 20) return EXPR_NULL;
    ret->i = 1;
    for (int64_t i = 2; i <= args[0].i; i++) ret->i *= i;
    return EXPR_VALUE;
}

static enum expr_outcome row_width_bucket(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    double value = args[0].d, low = args[1].d, high = args[2].d;
    int64_t buckets = args[3].i;
    if (buckets <= 0 || buckets == INT64_MAX || value != value || low == high || !isfinite(low) || !isfinite(high))
        return EXPR_NULL;
    double smaller = low < high ? low : high, larger = low < high ? high : low;
    if (value < smaller) return expr_row_int(ret, low < high ? 0 : buckets + 1);
    if (value >= larger && low < high) return expr_row_int(ret, buckets + 1);
    if (value > larger) return expr_row_int(ret, 0);
    if (low > high && value == smaller) return expr_row_int(ret, buckets + 1);
    double share = low < high ? (value - low) / (high - low) : (low - value) / (low - high);
    return expr_row_int(ret, (int64_t)((double)buckets * share) + 1);
}

// value / 10^digits rounded; then times 10^digits. half_even: banker's rounding.
static __int128 round_power(__int128 value, int digits, bool half_even)
{
    if (digits > 38) return 0;
    __int128 power = (__int128)expr_decimal_powers[digits], quotient = value / power, rest = value % power;
    __int128 twice = (rest < 0 ? -rest : rest) * 2;
    bool up = twice > power || (twice == power && (!half_even || (quotient & 1)));
    if (digits == 38) up = (rest < 0 ? -rest : rest) >= power / 2;
    return (quotient + (up ? (value < 0 ? -1 : 1) : 0)) * power;
}

static enum expr_outcome round_integral(struct expr_row *row, int64_t value, int digits, bool half_even,
                                        struct expr_datum *ret)
{
    enum type_kind kind = row->call->step->type->kind;
    ret->i = value;
    if (digits >= 0) return EXPR_VALUE;
    __int128 rounded = round_power(value, -digits, half_even);
    ret->i = (int64_t)rounded;
    bool good = rounded == ret->i && (kind != TYPE_INT || ret->i == (int32_t)ret->i) &&
                (kind != TYPE_SMALLINT || ret->i == (int16_t)ret->i) &&
                (kind != TYPE_TINYINT || ret->i == (int8_t)ret->i);
    return good ? EXPR_VALUE : expr_row_fail(row, "ARITHMETIC_OVERFLOW", "Overflow in %s", row->call->step->name);
}

// Doubles are rounded as the decimal that Java prints for them.
static double round_real(double value, int digits, bool half_even, bool single)
{
    char text[NUMBER_TEXT_SIZE];
    if (!isfinite(value) || digits > 30) return value;
    if (digits < -38) return 0;
    size_t length = single ? number_text_format_float((float)value, text) : number_text_format_double(value, text);
    __int128 unscaled;
    bool overflow = false;
    int scale = fabs(value) >= 1e20 ? 0 : fabs(value) >= 1 ? 17 : 30;
    if (fabs(value) >= 1e37 || !number_text_parse_decimal(text, length, 38, (uint8_t)scale, &unscaled, &overflow) ||
        overflow)
        return value;
    if (digits < scale) unscaled = round_power(unscaled, scale - digits, half_even);
    length = number_text_format_decimal(unscaled, (uint8_t)scale, text);
    double result = value;
    float narrow = (float)value;
    if (single) {
        number_text_parse_float(text, length, &narrow);
        return (double)narrow;
    }
    number_text_parse_double(text, length, &result);
    return result;
}

static enum expr_outcome round_decimal(struct expr_row *row, __int128 value, int digits, bool half_even,
                                       struct expr_datum *ret)
{
    const struct type *from = expr_arg_type(row->call, 0), *to = row->call->step->type;
    __int128 rounded = digits < from->scale ? round_power(value, from->scale - digits, half_even) : value;
    if (expr_decimal_rescale(rounded, from->scale, to->scale, to->precision, &ret->n)) return EXPR_VALUE;
    return expr_row_fail(row, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "The result of %s does not fit %s",
                         row->call->step->name, to->text);
}

static enum expr_outcome row_round(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct type *type = expr_arg_type(row->call, 0);
    int64_t wanted = expr_row_args(row) == 2 ? args[1].i : 0;
    int digits = wanted > 1000 ? 1000 : wanted < -1000 ? -1000 : (int)wanted;
    bool half_even = row->call->step->name[0] == 'b';
    if (type->kind == TYPE_DECIMAL) return round_decimal(row, args[0].n, digits, half_even, ret);
    if (type_is_integral(type)) return round_integral(row, args[0].i, digits, half_even, ret);
    ret->d = round_real(args[0].d, digits, half_even, type->kind == TYPE_FLOAT);
    return EXPR_VALUE;
}

// ceil and floor; with digits only for decimals
static enum expr_outcome row_ceil_floor(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct type *from = expr_arg_type(row->call, 0), *to = row->call->step->type;
    bool up = row->call->step->name[0] == 'c';
    if (type_is_integral(from)) return expr_row_int(ret, args[0].i);
    if (from->kind != TYPE_DECIMAL) {
        double value = up ? ceil(args[0].d) : floor(args[0].d);
        if (value != value) return expr_row_int(ret, 0);
        return expr_row_int(ret, value >= 9223372036854775808.0   ? INT64_MAX
                                 : value < -9223372036854775808.0 ? INT64_MIN
                                                                  : (int64_t)value);
    }
    int64_t wanted = expr_row_args(row) == 2 ? args[1].i : 0;
    int drop = from->scale - (wanted < -100 ? -100 : (int)wanted);
    __int128 value = args[0].n;
    if (drop > 38) {
        value = up && value > 0 ? 1 : !up && value < 0 ? -1 : 0;
        if (value == 0) {
            ret->n = 0;
            return EXPR_VALUE;
        }
        return expr_row_fail(row, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "The result of %s does not fit %s",
                             row->call->step->name, to->text);
    }
    if (drop > 0) {
        __int128 power = (__int128)expr_decimal_powers[drop], rest = value % power;
        value -= rest;
        if (rest > 0 && up) value += power;
        if (rest < 0 && !up) value -= power;
    }
    if (expr_decimal_rescale(value, from->scale, to->scale, to->precision, &ret->n)) return EXPR_VALUE;
    return expr_row_fail(row, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "The result of %s does not fit %s",
                         row->call->step->name, to->text);
}

static enum expr_outcome row_sign_interval(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct type *type = expr_arg_type(row->call, 0);
    if (type->kind == TYPE_DOUBLE) return row_sign(row, args, ret);
    ret->d = args[0].i > 0 ? 1 : args[0].i < 0 ? -1 : 0;
    return EXPR_VALUE;
}

static enum expr_outcome row_not_bits(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, ~args[0].i);
}

static enum expr_outcome row_shift(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const char *name = row->call->step->name;
    bool wide = row->call->step->type->kind == TYPE_BIGINT;
    unsigned by = (unsigned)args[1].i & (wide ? 63u : 31u);
    if (strcmp(name, "shiftleft") == 0)
        return expr_row_int(ret, wide ? (int64_t)((uint64_t)args[0].i << by) : (int32_t)((uint32_t)args[0].i << by));
    if (strcmp(name, "shiftright") == 0) return expr_row_int(ret, args[0].i >> by);
    return expr_row_int(ret, wide ? (int64_t)((uint64_t)args[0].i >> by) : (int32_t)((uint32_t)args[0].i >> by));
}

static enum expr_outcome row_bit_count(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, __builtin_popcountll((uint64_t)args[0].i));
}

static enum expr_outcome row_bit_get(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    int64_t bits = type_width(expr_arg_type(row->call, 0)) * 8;
    if (args[1].i < 0 || args[1].i >= bits) {
        return expr_row_fail(row, "INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE", "there is no bit %lld",
                             (long long)args[1].i);
    }
    return expr_row_int(ret, args[0].i >> args[1].i & 1);
}

static uint64_t random_bits(const struct expr_row *row, uint64_t salt)
{
    uint64_t seed = row->call->frame->context->random_seed ^ (uint64_t)(uintptr_t)row->call->step->ordinal;
    return hash_mix(hash_mix(seed, row->row + 1), salt ^ row->call->frame->program->scope_ids);
}

static enum expr_outcome row_rand(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    uint64_t salt = expr_row_args(row) ? (uint64_t)args[0].i : 1;
    double unit = (double)(random_bits(row, salt) >> 11) * 0x1p-53;
    ret->d = unit;
    if (row->call->step->name[4] != 'n') return EXPR_VALUE;
    double other = (double)((random_bits(row, salt + 7) >> 11) + 1) * 0x1p-53;
    ret->d = sqrt(-2 * log(other)) * cos(2 * M_PI * unit);
    return EXPR_VALUE;
}

static enum expr_outcome row_uuid(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    char uuid[37];
    (void)args;
    text_uuid(random_bits(row, 11), random_bits(row, 13), uuid);
    text_reset(&row->text);
    text_append(&row->text, uuid, 36);
    return expr_row_string(ret, row->text.data, 36);
}

#define ROW(name)                                                                                                      \
    {                                                                                                                  \
#name, NULL, row_##name, NULL, 0                                                                               \
    }
const struct expr_function expr_math_functions[] = {
    ROW(sqrt),
    ROW(cbrt),
    ROW(exp),
    ROW(expm1),
    ROW(ln),
    ROW(log),
    ROW(log10),
    ROW(log2),
    ROW(log1p),
    ROW(power),
    ROW(hypot),
    ROW(sin),
    ROW(cos),
    ROW(tan),
    ROW(cot),
    ROW(sec),
    ROW(csc),
    ROW(asin),
    ROW(acos),
    ROW(atan),
    ROW(atan2),
    ROW(sinh),
    ROW(cosh),
    ROW(tanh),
    ROW(asinh),
    ROW(acosh),
    ROW(atanh),
    ROW(degrees),
    ROW(radians),
    ROW(rint),
    ROW(factorial),
    ROW(width_bucket),
    ROW(round),
    ROW(bit_count),
    ROW(bit_get),
    {"bround", NULL, row_round, NULL, 0},
    {"ceil", NULL, row_ceil_floor, NULL, 0},
    {"floor", NULL, row_ceil_floor, NULL, 0},
    {"sign", NULL, row_sign_interval, NULL, 0},
    {"e", NULL, row_constant, NULL, 0},
    {"pi", NULL, row_constant, NULL, 0},
    {"~", NULL, row_not_bits, NULL, 0},
    {"shiftleft", NULL, row_shift, NULL, 0},
    {"shiftright", NULL, row_shift, NULL, 0},
    {"shiftrightunsigned", NULL, row_shift, NULL, 0},
    {"rand", NULL, row_rand, NULL, EXPR_VOLATILE | EXPR_TOLERANT},
    {"randn", NULL, row_rand, NULL, EXPR_VOLATILE | EXPR_TOLERANT},
    {"uuid", NULL, row_uuid, NULL, EXPR_VOLATILE | EXPR_TOLERANT},
    {NULL, NULL, NULL, NULL, 0},
};
