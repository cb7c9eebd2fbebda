// Operators over decimals, intervals and dates, value by value. Raises as expr_arithmetic.c, and
// NUMERIC_VALUE_OUT_OF_RANGE for decimals with too many digits.
#include "worker/expr/expr_arithmetic_row.h"

#include <math.h>
#include <string.h>

#include "common/columnar/datetime_text.h"
#include "common/plan/function_table.h"
#include "worker/expr/expr_decimal.h"

static bool is_try(const struct expr_row *row)
{
    return row->call->step->name[0] == 't';
}

static enum expr_outcome overflow(struct expr_row *row, const char *what)
{
    if (is_try(row)) return EXPR_NULL;
    return expr_row_fail(row, "ARITHMETIC_OVERFLOW", "%s overflow. Use `try_` functions to get NULL instead.", what);
}

static enum expr_outcome by_zero(struct expr_row *row, char op)
{
    if (is_try(row)) return EXPR_NULL;
    if (op == '%' || op == 'p') {
        return expr_row_fail(row, "REMAINDER_BY_ZERO", "Remainder by zero. Use `try_mod` to get NULL instead.");
    }
    return expr_row_fail(row, "DIVIDE_BY_ZERO", "Division by zero. Use `try_divide` to get NULL instead.");
}

static bool decimal_pmod(__int128 a, int scale_a, __int128 b, int scale_b, const struct type *type, __int128 *ret_value)
{
    int scale = scale_a > scale_b ? scale_a : scale_b;
    __int128 rest;
    if (!expr_decimal_remainder(a, scale_a, b, scale_b, scale, 38, &rest)) return false;
    if (rest < 0) {
        __int128 sum;
        if (!expr_decimal_add(rest, scale, b, scale_b, scale, 38, &sum)) return false;
        if (!expr_decimal_remainder(sum, scale, b, scale_b, scale, 38, &rest)) return false;
    }
    return expr_decimal_rescale(rest, scale, type->scale, type->precision, ret_value);
}

static enum expr_outcome decimals(struct expr_row *row, char op, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct type *type = row->call->step->type;
    int scale_a = expr_arg_type(row->call, 0)->scale, scale_b = expr_arg_type(row->call, 1)->scale;
    int scale = type->scale, precision = type->precision;
    __int128 a = args[0].n, b = args[1].n, quotient;
    bool good = false;
    if (b == 0 && (op == '/' || op == '%' || op == 'd' || op == 'p')) return by_zero(row, op);
    switch (op) {
    case '+': good = expr_decimal_add(a, scale_a, b, scale_b, scale, precision, &ret->n); break;
    case '-': good = expr_decimal_add(a, scale_a, -b, scale_b, scale, precision, &ret->n); break;
    case '*': good = expr_decimal_multiply(a, scale_a, b, scale_b, scale, precision, &ret->n); break;
    case '/': good = expr_decimal_divide(a, scale_a, b, scale_b, scale, precision, &ret->n); break;
    case '%': good = expr_decimal_remainder(a, scale_a, b, scale_b, scale, precision, &ret->n); break;
    case 'p': good = decimal_pmod(a, scale_a, b, scale_b, type, &ret->n); break;
    default: // div: Spark keeps the low 64 bits
        if (!expr_decimal_quotient(a, scale_a, b, scale_b, &quotient)) return overflow(row, "decimal");
        ret->i = (int64_t)quotient;
        return EXPR_VALUE;
    }
    if (good) return EXPR_VALUE;
    if (is_try(row)) return EXPR_NULL;
    return expr_row_fail(row, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
                         "The result of %s has more digits than %s holds. Use `try_` functions to get NULL instead.",
                         row->call->step->name, type->text);
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t expr_arithmetic_row_add_months(int64_t days, int64_t months)
{
    struct datetime_civil civil = datetime_text_civil(days);
    int64_t month = civil.year * 12 + (int64_t)civil.month - 1 + months;
    int64_t year = floor_divide(month, 12);
    uint32_t of_year = (uint32_t)(month - year * 12) + 1;
    uint32_t last = datetime_text_month_days(year, of_year);
    return datetime_text_days(year, of_year, civil.day < last ? civil.day : last);
}

// A date or timestamp (args[time]) plus sign * interval.
static enum expr_outcome shifted(struct expr_row *row, const struct expr_datum *args, uint32_t time, int sign,
                                 struct expr_datum *ret)
{
    const struct type *type = row->call->step->type, *interval = expr_arg_type(row->call, 1 - time);
    int64_t at = args[time].i, by = args[1 - time].i * sign;
    if (interval->kind == TYPE_INTERVAL_YEAR_MONTH) {
        if (type->kind == TYPE_DATE) return expr_row_int(ret, expr_arithmetic_row_add_months(at, by));
        int64_t days = floor_divide(at, DATETIME_DAY_US), rest = at - days * DATETIME_DAY_US;
        if (__builtin_mul_overflow(expr_arithmetic_row_add_months(days, by), DATETIME_DAY_US, &ret->i))
            return overflow(row, "long");
        ret->i += rest;
        return EXPR_VALUE;
    }
    if (type->kind == TYPE_DATE) {
        ret->i = at + by / DATETIME_DAY_US;
        return ret->i == (int32_t)ret->i ? EXPR_VALUE : overflow(row, "integer");
    }
    if (__builtin_add_overflow(at, by, &ret->i)) return overflow(row, "long");
    return EXPR_VALUE;
}

static enum expr_outcome interval_scaled(struct expr_row *row, const struct expr_datum *args, uint32_t interval,
                                         char op, struct expr_datum *ret)
{
    const struct type *number = expr_arg_type(row->call, 1 - interval);
    int64_t value = args[interval].i;
    if (op == '*' && type_is_integral(number)) {
        bool months = row->call->step->type->kind == TYPE_INTERVAL_YEAR_MONTH;
        if (__builtin_mul_overflow(value, args[1 - interval].i, &ret->i)) return overflow(row, "long");
        return !months || ret->i == (int32_t)ret->i ? EXPR_VALUE : overflow(row, "integer");
    }
    double factor = number->kind == TYPE_DECIMAL ? expr_decimal_to_double(args[1 - interval].n, number->scale)
                    : type_is_integral(number)   ? (double)args[1 - interval].i
                                                 : args[1 - interval].d;
    if (op == '/' && factor == 0) return by_zero(row, op);
    double result = op == '*' ? (double)value * factor : (double)value / factor;
    result = result < 0 ? -floor(-result + 0.5) : floor(result + 0.5);
    if (!(fabs(result) < 9.2e18)) return overflow(row, "long");
    return expr_row_int(ret, (int64_t)result);
}

static bool is_interval(const struct type *type)
{
    return type->kind == TYPE_INTERVAL_YEAR_MONTH || type->kind == TYPE_INTERVAL_DAY_TIME;
}

static bool is_time(const struct type *type)
{
    return type->kind == TYPE_DATE || type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ;
}

static enum expr_outcome difference(struct expr_row *row, const struct expr_datum *args, const struct type *type,
                                    struct expr_datum *ret)
{
    int64_t unit = type->kind == TYPE_DATE ? DATETIME_DAY_US : 1, difference_units;
    if (__builtin_sub_overflow(args[0].i, args[1].i, &difference_units)) return overflow(row, "long");
    if (__builtin_mul_overflow(difference_units, unit, &ret->i)) return overflow(row, "long");
    return EXPR_VALUE;
}

enum expr_outcome expr_arithmetic_row(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct type *a = expr_arg_type(row->call, 0), *b = expr_arg_type(row->call, 1);
    char op = function_operator(row->call->step->name);
    if (a->kind == TYPE_DECIMAL && b->kind == TYPE_DECIMAL) return decimals(row, op, args, ret);
    if (is_time(a) && is_interval(b)) return shifted(row, args, 0, op == '-' ? -1 : 1, ret);
    if (is_interval(a) && is_time(b)) return shifted(row, args, 1, 1, ret);
    if (is_time(a) && is_time(b)) return difference(row, args, a, ret);
    if (is_interval(a) && is_interval(b)) {
        bool bad = op == '+' ? __builtin_add_overflow(args[0].i, args[1].i, &ret->i)
                             : __builtin_sub_overflow(args[0].i, args[1].i, &ret->i);
        bad = bad || (a->kind == TYPE_INTERVAL_YEAR_MONTH && ret->i != (int32_t)ret->i);
        return bad ? overflow(row, "interval") : EXPR_VALUE;
    }
    if (is_interval(a)) return interval_scaled(row, args, 0, op, ret);
    if (is_interval(b)) return interval_scaled(row, args, 1, op, ret);
    *row->err = (struct error){.code = STATUS_UNSUPPORTED, .class = ERROR_USAGE};
    snprintf(row->err->message, sizeof row->err->message, "%s of %s and %s is not supported", row->call->step->name,
             a->text, b->text);
    return EXPR_BROKEN;
}

static bool fits(int64_t value, enum type_kind kind)
{
    switch (kind) {
    case TYPE_TINYINT: return value == (int8_t)value;
    case TYPE_SMALLINT: return value == (int16_t)value;
    case TYPE_INT:
    case TYPE_INTERVAL_YEAR_MONTH: return value == (int32_t)value;
    default: return true;
    }
}

enum expr_outcome expr_arithmetic_row_negative(struct expr_row *row, const struct expr_datum *args,
                                               struct expr_datum *ret)
{
    enum type_kind kind = row->call->step->type->kind;
    switch (kind) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE: ret->d = -args[0].d; return EXPR_VALUE;
    case TYPE_DECIMAL: ret->n = -args[0].n; return EXPR_VALUE;
    default:
        if (__builtin_sub_overflow(0, args[0].i, &ret->i) || !fits(ret->i, kind)) return overflow(row, "integer");
        return EXPR_VALUE;
    }
}

enum expr_outcome expr_arithmetic_row_positive(struct expr_row *row, const struct expr_datum *args,
                                               struct expr_datum *ret)
{
    (void)row;
    *ret = args[0];
    return EXPR_VALUE;
}

enum expr_outcome expr_arithmetic_row_abs(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    switch (row->call->step->type->kind) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE: ret->d = fabs(args[0].d); return EXPR_VALUE;
    case TYPE_DECIMAL: ret->n = args[0].n < 0 ? -args[0].n : args[0].n; return EXPR_VALUE;
    default:
        if (args[0].i < 0) return expr_arithmetic_row_negative(row, args, ret);
        return expr_arithmetic_row_positive(row, args, ret);
    }
}
