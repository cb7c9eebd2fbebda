// Operators over numbers: kernels per type whose overflow is looked for once per batch, then row by row where there is
// one. Raises ARITHMETIC_OVERFLOW, BINARY_ARITHMETIC_OVERFLOW, DIVIDE_BY_ZERO, REMAINDER_BY_ZERO; the try_ functions
// give null.
#include <math.h>
#include <string.h>

#include "common/plan/function_table.h"
#include "worker/expr/expr_arithmetic_row.h"
#include "worker/expr/expr_families.h"

static void raise_overflow(struct expr_call *call, uint32_t row)
{
    enum type_kind kind = call->step->type->kind;
    if (call->step->name[0] == 't') {
        if (expr_vector_null_at(call, row, NULL) != STATUS_OK) call->broken = true;
    } else if (kind == TYPE_TINYINT || kind == TYPE_SMALLINT) {
        expr_raise(call, row, "BINARY_ARITHMETIC_OVERFLOW",
                   "%s overflows %s. Use `try_` functions to get NULL instead.", call->step->name,
                   call->step->type->text);
    } else {
        expr_raise(call, row, "ARITHMETIC_OVERFLOW", "%s overflow in %s. Use `try_` functions to get NULL instead.",
                   kind == TYPE_INT ? "integer" : "long", call->step->name);
    }
}

static void raise_zero(struct expr_call *call, uint32_t row)
{
    char op = function_operator(call->step->name);
    if (call->step->name[0] == 't') {
        if (expr_vector_null_at(call, row, NULL) != STATUS_OK) call->broken = true;
    } else if (op == '%' || op == 'p') {
        expr_raise(call, row, "REMAINDER_BY_ZERO", "Remainder by zero. Use `try_mod` to get NULL instead.");
    } else {
        expr_raise(call, row, "DIVIDE_BY_ZERO", "Division by zero. Use `try_divide` to get NULL instead.");
    }
}

#define CHECKED_KERNEL(name, ctype, builtin)                                                                           \
    static enum status name(struct expr_call *call, struct error *err)                                                 \
    {                                                                                                                  \
        struct buffer *values;                                                                                         \
        enum status status = expr_vector_values(call, sizeof(ctype), &values, err);                                    \
        if (status != STATUS_OK) return status;                                                                        \
        const ctype *a = call->args[0].column->values, *b = call->args[1].column->values;                              \
        ctype *out = (ctype *)(void *)values->data;                                                                    \
        bool bad = false;                                                                                              \
        EXPR_BINARY_LOOP(call, a, b, ctype, ctype, { bad |= builtin(x, y, &out[row]); });                              \
        if (bad) {                                                                                                     \
            EXPR_BINARY_LOOP(call, a, b, ctype, ctype, {                                                               \
                if (builtin(x, y, &out[row]) && expr_valid_at(call, row)) raise_overflow(call, row);                   \
            });                                                                                                        \
        }                                                                                                              \
        expr_vector_finish(call, values);                                                                              \
        return STATUS_OK;                                                                                              \
    }
#define CHECKED_KERNELS(type, ctype)                                                                                   \
    CHECKED_KERNEL(add_##type, ctype, __builtin_add_overflow)                                                          \
    CHECKED_KERNEL(subtract_##type, ctype, __builtin_sub_overflow)                                                     \
    CHECKED_KERNEL(multiply_##type, ctype, __builtin_mul_overflow)
CHECKED_KERNELS(i8, int8_t)
CHECKED_KERNELS(i16, int16_t)
CHECKED_KERNELS(i32, int32_t)
CHECKED_KERNELS(i64, int64_t)

// A kernel of one loop: its body sees call, row, the operands x and y, and out.
#define LOOP_KERNEL(name, ctype, ...)                                                                                  \
    static enum status name(struct expr_call *call, struct error *err)                                                 \
    {                                                                                                                  \
        struct buffer *values;                                                                                         \
        enum status status = expr_vector_values(call, sizeof(ctype), &values, err);                                    \
        if (status != STATUS_OK) return status;                                                                        \
        const ctype *a = call->args[0].column->values, *b = call->args[1].column->values;                              \
        ctype *out = (ctype *)(void *)values->data;                                                                    \
        EXPR_BINARY_LOOP(call, a, b, ctype, ctype, __VA_ARGS__);                                                       \
        expr_vector_finish(call, values);                                                                              \
        return STATUS_OK;                                                                                              \
    }

#define PLAIN_KERNEL(name, ctype, op) LOOP_KERNEL(name, ctype, { out[row] = (ctype)(x op y); })
PLAIN_KERNEL(add_f32, float, +)
PLAIN_KERNEL(subtract_f32, float, -)
PLAIN_KERNEL(multiply_f32, float, *)
PLAIN_KERNEL(add_f64, double, +)
PLAIN_KERNEL(subtract_f64, double, -)
PLAIN_KERNEL(multiply_f64, double, *)
PLAIN_KERNEL(and_i8, int8_t, &)
PLAIN_KERNEL(and_i16, int16_t, &)
PLAIN_KERNEL(and_i32, int32_t, &)
PLAIN_KERNEL(and_i64, int64_t, &)
PLAIN_KERNEL(or_i8, int8_t, |)
PLAIN_KERNEL(or_i16, int16_t, |)
PLAIN_KERNEL(or_i32, int32_t, |)
PLAIN_KERNEL(or_i64, int64_t, |)
PLAIN_KERNEL(xor_i8, int8_t, ^)
PLAIN_KERNEL(xor_i16, int16_t, ^)
PLAIN_KERNEL(xor_i32, int32_t, ^)
PLAIN_KERNEL(xor_i64, int64_t, ^)

// Kernels with a divisor: a zero raises, `result` sees y != 0.
#define DIVIDING_KERNEL(name, ctype, result)                                                                           \
    LOOP_KERNEL(name, ctype, {                                                                                         \
        if (!expr_valid_at(call, row)) continue;                                                                       \
        if (y == 0) {                                                                                                  \
            raise_zero(call, row);                                                                                     \
        } else {                                                                                                       \
            out[row] = (ctype)(result);                                                                                \
        }                                                                                                              \
    })

static double remainder_positive(double x, double y)
{
    double rest = fmod(x, y);
    return rest < 0 ? fmod(rest + y, y) : rest;
}

#define REMAINDER(x, y) ((y) == -1 ? 0 : (x) % (y))
#define POSITIVE(x, y)  (REMAINDER(x, y) < 0 ? ((int64_t)REMAINDER(x, y) + (y)) % (y) : REMAINDER(x, y))

DIVIDING_KERNEL(divide_f64, double, x / y)
DIVIDING_KERNEL(remainder_f32, float, fmodf(x, y))
DIVIDING_KERNEL(remainder_f64, double, fmod(x, y))
DIVIDING_KERNEL(remainder_i8, int8_t, REMAINDER(x, y))
DIVIDING_KERNEL(remainder_i16, int16_t, REMAINDER(x, y))
DIVIDING_KERNEL(remainder_i32, int32_t, REMAINDER(x, y))
DIVIDING_KERNEL(remainder_i64, int64_t, REMAINDER(x, y))
DIVIDING_KERNEL(pmod_f32, float, remainder_positive((double)x, (double)y))
DIVIDING_KERNEL(pmod_f64, double, remainder_positive(x, y))
DIVIDING_KERNEL(pmod_i8, int8_t, POSITIVE(x, y))
DIVIDING_KERNEL(pmod_i16, int16_t, POSITIVE(x, y))
DIVIDING_KERNEL(pmod_i32, int32_t, POSITIVE(x, y))
DIVIDING_KERNEL(pmod_i64, int64_t, POSITIVE(x, y))

LOOP_KERNEL(div_i64, int64_t, {
    if (!expr_valid_at(call, row)) continue;
    out[row] = 0;
    if (y == 0) {
        raise_zero(call, row);
    } else if (y == -1 && x == INT64_MIN) {
        raise_overflow(call, row);
    } else {
        out[row] = x / y;
    }
})

// Rows: operators; columns: i8, i16, i32, i64, f32, f64.
struct operator_kernels {
    char op;
    expr_kernel kernels[6];
};
static const struct operator_kernels operators[] = {
    {'+', {add_i8, add_i16, add_i32, add_i64, add_f32, add_f64}},
    {'-', {subtract_i8, subtract_i16, subtract_i32, subtract_i64, subtract_f32, subtract_f64}},
    {'*', {multiply_i8, multiply_i16, multiply_i32, multiply_i64, multiply_f32, multiply_f64}},
    {'/', {NULL, NULL, NULL, NULL, NULL, divide_f64}},
    {'d', {NULL, NULL, NULL, div_i64, NULL, NULL}},
    {'%', {remainder_i8, remainder_i16, remainder_i32, remainder_i64, remainder_f32, remainder_f64}},
    {'p', {pmod_i8, pmod_i16, pmod_i32, pmod_i64, pmod_f32, pmod_f64}},
    {'&', {and_i8, and_i16, and_i32, and_i64, NULL, NULL}},
    {'|', {or_i8, or_i16, or_i32, or_i64, NULL, NULL}},
    {'^', {xor_i8, xor_i16, xor_i32, xor_i64, NULL, NULL}},
};

static enum status bind_arithmetic(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    (void)err;
    if (step->arg_count != 2) return STATUS_OK;
    const struct type *a = steps[step->args[0]].type, *b = steps[step->args[1]].type;
    char op = function_operator(step->name);
    if (a != b || a != step->type || !type_is_numeric(a) || a->kind == TYPE_DECIMAL) return STATUS_OK;
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (operators[i].op != op) continue;
        expr_kernel kernel = operators[i].kernels[a->kind - TYPE_TINYINT];
        if (kernel) step->kernel = kernel;
    }
    bool floating = a->kind == TYPE_FLOAT || a->kind == TYPE_DOUBLE;
    if (floating && (op == '+' || op == '-' || op == '*')) step->flags |= EXPR_INFALLIBLE;
    return STATUS_OK;
}

#define ARITHMETIC(name)                                                                                               \
    {                                                                                                                  \
        name, NULL, expr_arithmetic_row, bind_arithmetic, 0                                                            \
    }
const struct expr_function expr_arithmetic_functions[] = {
    ARITHMETIC("+"),
    ARITHMETIC("-"),
    ARITHMETIC("*"),
    ARITHMETIC("/"),
    ARITHMETIC("%"),
    ARITHMETIC("div"),
    ARITHMETIC("pmod"),
    ARITHMETIC("try_add"),
    ARITHMETIC("try_subtract"),
    ARITHMETIC("try_multiply"),
    ARITHMETIC("try_divide"),
    ARITHMETIC("try_mod"),
    ARITHMETIC("&"),
    ARITHMETIC("|"),
    ARITHMETIC("^"),
    {"negative", NULL, expr_arithmetic_row_negative, NULL, 0},
    {"positive", NULL, expr_arithmetic_row_positive, NULL, 0},
    {"abs", NULL, expr_arithmetic_row_abs, NULL, 0},
    {NULL, NULL, NULL, NULL, 0},
};
