// Rules of scalar operators and functions: arithmetic with Spark's decimal precisions, comparison, conditionals,
// rounding, dates. Each casts arguments by writing arg_types and sets the result type; it fails with Spark's
// DATATYPE_MISMATCH.
#include "common/plan/function_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct type *function_rules_type(const struct function_rule_call *call, uint32_t arg)
{
    return call->binding->arg_types[arg];
}

void function_rules_cast(struct function_rule_call *call, uint32_t arg, const struct type *to)
{
    call->binding->arg_types[arg] = to;
}

const Foreset__Expr *function_rules_literal(const struct function_rule_call *call, uint32_t arg)
{
    return call->call->literals && arg < call->call->arg_count ? call->call->literals[arg] : NULL;
}

static const char *letter_name(char letter)
{
    switch (letter) {
    case 's': return "STRING";
    case 'y': return "BINARY";
    case 'i': return "INT";
    case 'l': return "BIGINT";
    case 'd': return "DOUBLE";
    case 'b': return "BOOLEAN";
    case 'D': return "DATE";
    case 'T': return "TIMESTAMP";
    case 'z': return "TIMESTAMP_NTZ";
    case 'N': return "a number";
    case 'I': return "an integral number";
    case 'Y': return "STRING or BINARY";
    case 't': return "STRING, DATE or TIMESTAMP";
    case 'A': return "ARRAY";
    case 'M': return "MAP";
    case 'V': return "an interval";
    default: return "another type";
    }
}

enum status function_rules_implicit(struct function_rule_call *call, uint32_t arg, char letter, struct error *err)
{
    const struct type *from = function_rules_type(call, arg);
    const struct type *to = function_coerce_implicit(from, letter);
    if (!to) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                                    "argument %u of %s must be %s, but is %s", arg + 1, call->call->name,
                                    letter_name(letter), from->text);
    }
    function_rules_cast(call, arg, to);
    return STATUS_OK;
}

enum status function_rules_common(struct function_rule_call *call, uint32_t first, uint32_t step, bool promote_strings,
                                  const char *condition, struct error *err)
{
    const struct type *common = type_of(TYPE_VOID);
    for (uint32_t i = first; i < call->call->arg_count; i += step) {
        const struct type *type = function_rules_type(call, i);
        const struct type *next = function_coerce_wider(common, type, promote_strings);
        if (!next) {
            return function_coerce_fail(err, condition, "the arguments of %s must have one type, but %s meets %s",
                                        call->call->name, common->text, type->text);
        }
        common = next;
    }
    for (uint32_t i = first; i < call->call->arg_count; i += step) function_rules_cast(call, i, common);
    return STATUS_OK;
}

static enum status operands_differ(const struct function_rule_call *call, struct error *err)
{
    return function_coerce_fail(err, "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
                                "the operands of %s have different types: %s and %s", call->call->name,
                                call->call->arg_types[0]->text, call->call->arg_types[1]->text);
}

static enum status operands_wrong(const struct function_rule_call *call, const char *expected, struct error *err)
{
    return function_coerce_fail(err, "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE",
                                "the operands of %s must be %s, but are %s", call->call->name, expected,
                                call->call->arg_types[0]->text);
}

static const struct type *decimal_result(char op, const struct type *a, const struct type *b)
{
    int p1 = a->precision, s1 = a->scale, p2 = b->precision, s2 = b->scale;
    int scale = s1 > s2 ? s1 : s2;
    int range = p1 - s1 > p2 - s2 ? p1 - s1 : p2 - s2;
    int narrow = p1 - s1 < p2 - s2 ? p1 - s1 : p2 - s2;
    switch (op) {
    case '+':
    case '-': return function_coerce_decimal_adjust(range + scale + 1, scale);
    case '*': return function_coerce_decimal_adjust(p1 + p2 + 1, s1 + s2);
    case '/':
        scale = s1 + p2 + 1 > 6 ? s1 + p2 + 1 : 6;
        return function_coerce_decimal_adjust(p1 - s1 + s2 + scale, scale);
    case 'd': return type_of(TYPE_BIGINT);
    default: return function_coerce_decimal_adjust(narrow + scale, scale); // % and pmod
    }
}

static bool is_floating(const struct type *type)
{
    return type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE;
}

// The decimal of an integral operand beside a decimal: a literal takes the precision that it needs.
static const struct type *decimal_operand(const struct function_rule_call *call, uint32_t arg)
{
    const struct type *type = function_rules_type(call, arg);
    const Foreset__Expr *literal = function_rules_literal(call, arg);
    if (type_is_integral(type) && literal && literal->has_integer) {
        int digits = 1;
        for (int64_t rest = literal->integer / 10; rest; rest /= 10) digits++;
        return type_decimal((uint8_t)digits, 0);
    }
    return function_coerce_decimal_of(type);
}

static enum status arithmetic_numeric(struct function_rule_call *call, char op, struct error *err)
{
    const struct type *a = function_rules_type(call, 0), *b = function_rules_type(call, 1);
    const struct type *type_double = type_of(TYPE_DOUBLE);
    if (a->kind == TYPE_STRING && b->kind != TYPE_STRING && b->kind != TYPE_VOID) a = function_coerce_wider(a, b, true);
    if (b->kind == TYPE_STRING && a && a->kind != TYPE_STRING && a->kind != TYPE_VOID)
        b = function_coerce_wider(a, b, true);
    if (!a || !b) return operands_differ(call, err);
    if (a->kind == TYPE_VOID && b->kind == TYPE_VOID) a = b = op == 'd' ? type_of(TYPE_BIGINT) : type_double;
    if (a->kind == TYPE_VOID) a = b;
    if (b->kind == TYPE_VOID) b = a;
    if (!type_is_numeric(a) || !type_is_numeric(b)) {
        return a == b ? operands_wrong(call, "numbers or intervals", err) : operands_differ(call, err);
    }
    bool decimal = a->kind == TYPE_DECIMAL || b->kind == TYPE_DECIMAL;
    if (op == 'd' && (is_floating(a) || is_floating(b)))
        return operands_wrong(call, "integral numbers or decimals", err);
    if (decimal && !is_floating(a) && !is_floating(b)) {
        if (a->kind != TYPE_DECIMAL) a = decimal_operand(call, 0);
        if (b->kind != TYPE_DECIMAL) b = decimal_operand(call, 1);
        function_rules_cast(call, 0, a);
        function_rules_cast(call, 1, b);
        call->binding->type = decimal_result(op, a, b);
        return STATUS_OK;
    }
    const struct type *type = decimal || op == '/' ? type_double : function_coerce_tightest(a, b);
    if (op == 'd') type = type_of(TYPE_BIGINT);
    function_rules_cast(call, 0, type);
    function_rules_cast(call, 1, type);
    call->binding->type = type;
    return STATUS_OK;
}

static bool is_day_or_time(const struct type *type)
{
    return type->kind == TYPE_DATE || type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ;
}

static bool is_interval(const struct type *type)
{
    return type->kind == TYPE_INTERVAL_YEAR_MONTH || type->kind == TYPE_INTERVAL_DAY_TIME;
}

// date or timestamp (at `time`) + or - interval (at `interval`).
static enum status arithmetic_shift(struct function_rule_call *call, uint32_t time, uint32_t interval)
{
    const struct type *type = function_rules_type(call, time);
    if (type->kind == TYPE_STRING) type = type_of(TYPE_TIMESTAMP);
    // Days, and years and months, leave a date a date.
    if (type->kind == TYPE_DATE && function_rules_type(call, interval)->last > INTERVAL_DAY)
        type = type_of(TYPE_TIMESTAMP);
    function_rules_cast(call, time, type);
    call->binding->type = type;
    return STATUS_OK;
}

static enum status arithmetic_difference(struct function_rule_call *call)
{
    const struct type *a = function_rules_type(call, 0), *b = function_rules_type(call, 1);
    const struct type *common =
        is_day_or_time(a) && is_day_or_time(b) ? function_coerce_tightest(a, b) : (is_day_or_time(a) ? a : b);
    function_rules_cast(call, 0, common);
    function_rules_cast(call, 1, common);
    call->binding->type = type_interval(INTERVAL_DAY, common->kind == TYPE_DATE ? INTERVAL_DAY : INTERVAL_SECOND);
    return STATUS_OK;
}

static enum status arithmetic_days(struct function_rule_call *call, uint32_t date, uint32_t days, bool add)
{
    function_rules_cast(call, days, type_of(TYPE_INT));
    call->binding->type = function_rules_type(call, date);
    call->binding->name = add ? "date_add" : "date_sub";
    return STATUS_OK;
}

// The result of an interval * or / number: the number as double keeps Spark's results but for giant decimals.
static enum status arithmetic_scaled(struct function_rule_call *call, uint32_t interval, uint32_t number,
                                     struct error *err)
{
    enum status status = function_rules_implicit(call, number, 'N', err);
    if (status != STATUS_OK) return status;
    call->binding->type = type_of(function_rules_type(call, interval)->kind);
    return STATUS_OK;
}

enum status function_rules_arithmetic(struct function_rule_call *call, struct error *err)
{
    char op = function_operator(call->row->name);
    if (call->call->arg_count == 1) { // unary + and -
        call->binding->name = op == '-' ? "negative" : "positive";
        return function_rules_unary(call, err);
    }
    const struct type *a = function_rules_type(call, 0), *b = function_rules_type(call, 1);
    bool sum = op == '+' || op == '-';
    if (sum && is_interval(b) && (is_day_or_time(a) || a->kind == TYPE_STRING)) return arithmetic_shift(call, 0, 1);
    if (op == '+' && is_interval(a) && (is_day_or_time(b) || b->kind == TYPE_STRING))
        return arithmetic_shift(call, 1, 0);
    if (sum && is_interval(a) && b->kind == TYPE_VOID) function_rules_cast(call, 1, b = a);
    if (sum && is_interval(a) && a->kind == b->kind) {
        call->binding->type = type_interval_wider(a, b);
        return STATUS_OK;
    }
    bool operator_symbol = call->row->name[0] == op; // try_add of a date and a number is not a day sum's name
    bool small_b = type_is_integral(b) && b->kind != TYPE_BIGINT,
         small_a = type_is_integral(a) && a->kind != TYPE_BIGINT;
    if (operator_symbol && sum && a->kind == TYPE_DATE && small_b) return arithmetic_days(call, 0, 1, op == '+');
    if (operator_symbol && op == '+' && b->kind == TYPE_DATE && small_a) return arithmetic_days(call, 1, 0, true);
    if (op == '-' && is_day_or_time(a) && (is_day_or_time(b) || b->kind == TYPE_STRING))
        return arithmetic_difference(call);
    if (op == '-' && is_day_or_time(b) && a->kind == TYPE_STRING) return arithmetic_difference(call);
    if ((op == '*' || op == '/') && is_interval(a)) return arithmetic_scaled(call, 0, 1, err);
    if (op == '*' && is_interval(b)) return arithmetic_scaled(call, 1, 0, err);
    if (sum && a->kind == TYPE_DATE && (b->kind == TYPE_STRING || type_is_numeric(b))) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                                    "a date takes INT days or an interval, but %s is given", b->text);
    }
    return arithmetic_numeric(call, op, err);
}

enum status function_rules_unary(struct function_rule_call *call, struct error *err)
{
    const struct type *type = function_rules_type(call, 0);
    if (is_interval(type)) {
        call->binding->type = type;
        return STATUS_OK;
    }
    enum status status = function_rules_implicit(call, 0, 'N', err);
    if (status == STATUS_OK) call->binding->type = function_rules_type(call, 0);
    return status;
}

// What window() made: a start and an end.
enum status function_rules_window_time(struct function_rule_call *call, struct error *err)
{
    const struct type *type = function_rules_type(call, 0);
    call->binding->type = type_of(TYPE_TIMESTAMP);
    bool window = type->kind == TYPE_STRUCT && type->child_count == 2;
    for (uint32_t i = 0; i < 2 && window; i++) window = type->children[i].type->kind == TYPE_TIMESTAMP;
    if (window) return STATUS_OK;
    return function_coerce_fail(err, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                                "window_time takes a window (of two timestamps), not %s", type->text);
}

enum status function_rules_bit_count(struct function_rule_call *call, struct error *err)
{
    const struct type *type = function_rules_type(call, 0);
    call->binding->type = type_of(TYPE_INT);
    if (type->kind == TYPE_BOOLEAN || type->kind == TYPE_VOID || type_is_integral(type)) return STATUS_OK;
    return function_coerce_fail(err, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                                "bit_count takes an integral number or a boolean, not %s", type->text);
}

enum status function_rules_bitwise(struct function_rule_call *call, struct error *err)
{
    for (uint32_t i = 0; i < 2; i++) {
        enum status status = function_rules_implicit(call, i, 'I', err);
        if (status != STATUS_OK) return operands_wrong(call, "integral numbers", err);
    }
    const struct type *type = function_coerce_tightest(function_rules_type(call, 0), function_rules_type(call, 1));
    function_rules_cast(call, 0, type);
    function_rules_cast(call, 1, type);
    call->binding->type = type;
    return STATUS_OK;
}

enum status function_rules_shift(struct function_rule_call *call, struct error *err)
{
    char letter = function_rules_type(call, 0)->kind == TYPE_BIGINT ? 'l' : 'i';
    enum status status = function_rules_implicit(call, 0, letter, err);
    if (status == STATUS_OK) status = function_rules_implicit(call, 1, 'i', err);
    if (status == STATUS_OK) call->binding->type = function_rules_type(call, 0);
    return status;
}

enum status function_rules_compare(struct function_rule_call *call, struct error *err)
{
    const struct type *a = function_rules_type(call, 0), *b = function_rules_type(call, 1);
    const struct type *decimal_a = decimal_operand(call, 0), *decimal_b = decimal_operand(call, 1);
    if (a->kind == TYPE_DECIMAL && type_is_integral(b)) b = decimal_b;
    if (b->kind == TYPE_DECIMAL && type_is_integral(a)) a = decimal_a;
    const struct type *common = function_coerce_wider(a, b, true);
    if (!common) return operands_differ(call, err);
    if (common->kind == TYPE_MAP) return operands_wrong(call, "comparable; maps are not", err);
    function_rules_cast(call, 0, common);
    function_rules_cast(call, 1, common);
    call->binding->type = type_of(TYPE_BOOLEAN);
    return STATUS_OK;
}

enum status function_rules_in(struct function_rule_call *call, struct error *err)
{
    call->binding->type = type_of(TYPE_BOOLEAN);
    return function_rules_common(call, 0, 1, true, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", err);
}

enum status function_rules_nanvl(struct function_rule_call *call, struct error *err)
{
    const struct type *a = function_rules_type(call, 0), *b = function_rules_type(call, 1);
    bool single = a->kind == TYPE_FLOAT && b->kind == TYPE_FLOAT;
    if (!single) {
        for (uint32_t i = 0; i < 2; i++) {
            enum status status = function_rules_implicit(call, i, 'd', err);
            if (status != STATUS_OK) return status;
        }
    }
    call->binding->type = function_rules_type(call, 0);
    return STATUS_OK;
}

static enum status condition_check(struct function_rule_call *call, uint32_t arg, struct error *err)
{
    const struct type *type = function_rules_type(call, arg);
    bool is_case = call->row->name[0] == 'c';
    if (type->kind == TYPE_BOOLEAN) return STATUS_OK;
    if (!is_case && type->kind == TYPE_VOID) {
        function_rules_cast(call, arg, type_of(TYPE_BOOLEAN));
        return STATUS_OK;
    }
    return function_coerce_fail(err, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                                "the condition of %s must be BOOLEAN, but is %s", call->call->name, type->text);
}

enum status function_rules_case(struct function_rule_call *call, struct error *err)
{
    uint32_t count = call->call->arg_count;
    const struct type *common = type_of(TYPE_VOID);
    for (uint32_t i = 0; i < count; i++) {
        if (i % 2 == 0 && i + 1 < count) {
            enum status status = condition_check(call, i, err);
            if (status != STATUS_OK) return status;
            continue;
        }
        const struct type *type = function_rules_type(call, i);
        const struct type *next = function_coerce_wider(common, type, true);
        if (!next) {
            return function_coerce_fail(err, "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
                                        "the results of CASE must have one type, but %s meets %s", common->text,
                                        type->text);
        }
        common = next;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i % 2 == 1 || i + 1 == count) function_rules_cast(call, i, common);
    }
    call->binding->type = common;
    return STATUS_OK;
}

enum status function_rules_if(struct function_rule_call *call, struct error *err)
{
    enum status status = condition_check(call, 0, err);
    if (status == STATUS_OK) status = function_rules_common(call, 1, 1, true, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", err);
    if (status == STATUS_OK) call->binding->type = function_rules_type(call, 1);
    return status;
}

enum status function_rules_coalesce(struct function_rule_call *call, struct error *err)
{
    call->binding->name = "coalesce";
    enum status status = function_rules_common(call, 0, 1, true, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", err);
    if (status == STATUS_OK) call->binding->type = function_rules_type(call, 0);
    return status;
}

// nullif(a, b): a's own type decides; the kernel compares a and b after their common cast, so both are cast.
enum status function_rules_nullif(struct function_rule_call *call, struct error *err)
{
    const struct type *common = function_coerce_wider(function_rules_type(call, 0), function_rules_type(call, 1), true);
    if (!common) return operands_differ(call, err);
    call->binding->type = function_rules_type(call, 0);
    function_rules_cast(call, 1, common);
    return STATUS_OK;
}

enum status function_rules_nvl2(struct function_rule_call *call, struct error *err)
{
    enum status status = function_rules_common(call, 1, 1, true, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", err);
    if (status == STATUS_OK) call->binding->type = function_rules_type(call, 1);
    return status;
}

enum status function_rules_zero(struct function_rule_call *call, struct error *err)
{
    enum status status = function_rules_implicit(call, 0, 'N', err);
    if (status == STATUS_OK) call->binding->type = function_rules_type(call, 0);
    return status;
}

enum status function_rules_extreme(struct function_rule_call *call, struct error *err)
{
    enum status status = function_rules_common(call, 0, 1, false, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", err);
    if (status == STATUS_OK) call->binding->type = function_rules_type(call, 0);
    return status;
}

enum status function_rules_assert(struct function_rule_call *call, struct error *err)
{
    call->binding->type = type_of(TYPE_VOID);
    bool asserts = call->row->name[0] == 'a';
    enum status status = asserts ? condition_check(call, 0, err) : function_rules_implicit(call, 0, 's', err);
    if (status == STATUS_OK && call->call->arg_count == 2) status = function_rules_implicit(call, 1, 's', err);
    return status;
}

// Digits of round(x, n), a literal INT; 0 without it. Without a literal value the type keeps its scale.
static int round_digits(const struct function_rule_call *call, int fallback)
{
    if (call->call->arg_count == 1) return 0;
    const Foreset__Expr *literal = function_rules_literal(call, 1);
    if (!literal || !literal->has_integer) return fallback;
    int64_t digits = literal->integer;
    return digits > 1000 ? 1000 : digits < -1000 ? -1000 : (int)digits;
}

static const struct type *round_decimal(const struct type *type, int digits)
{
    int integral = type->precision - type->scale + 1;
    if (digits < 0) {
        int precision = integral > -digits + 1 ? integral : -digits + 1;
        return type_decimal((uint8_t)(precision < 38 ? precision : 38), 0);
    }
    int scale = digits < type->scale ? digits : type->scale;
    int precision = integral + scale;
    return type_decimal((uint8_t)(precision < 38 ? precision : 38), (uint8_t)scale);
}

enum status function_rules_round(struct function_rule_call *call, struct error *err)
{
    bool ceil_floor = call->row->name[0] == 'c' || call->row->name[0] == 'f';
    if (call->call->arg_count == 2) {
        enum status status = function_rules_implicit(call, 1, 'i', err);
        if (status != STATUS_OK) return status;
    }
    enum status status = function_rules_implicit(call, 0, 'N', err);
    if (status != STATUS_OK) return status;
    const struct type *type = function_rules_type(call, 0);
    if (ceil_floor && call->call->arg_count == 2 && type->kind != TYPE_DECIMAL) {
        type = function_coerce_decimal_of(type);
        function_rules_cast(call, 0, type);
    }
    if (type->kind == TYPE_DECIMAL) {
        call->binding->type = round_decimal(type, round_digits(call, type->scale));
    } else if (ceil_floor) {
        bool integral = type_is_integral(type);
        function_rules_cast(call, 0, type_of(integral ? TYPE_BIGINT : TYPE_DOUBLE));
        call->binding->type = type_of(TYPE_BIGINT);
    } else {
        call->binding->type = type;
    }
    return STATUS_OK;
}

enum status function_rules_sign(struct function_rule_call *call, struct error *err)
{
    call->binding->type = type_of(TYPE_DOUBLE);
    if (is_interval(function_rules_type(call, 0))) return STATUS_OK;
    return function_rules_implicit(call, 0, 'd', err);
}
