// Comparison by Spark's order (NaN equal to itself and greatest, -0.0 = 0.0, strings by unsigned bytes), IN, nullif,
// decode. Nothing here raises.
#include <string.h>

#include "worker/expr/expr_families.h"

enum compare_op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };

#define COMPARE_OPS(ctype, EQ, LT)                                                                                     \
    switch (op) {                                                                                                      \
    case OP_EQ: EXPR_BINARY_LOOP(call, a, b, ctype, ctype, { out[row] = EQ(x, y); }); break;                           \
    case OP_NE: EXPR_BINARY_LOOP(call, a, b, ctype, ctype, { out[row] = !EQ(x, y); }); break;                          \
    case OP_LT: EXPR_BINARY_LOOP(call, a, b, ctype, ctype, { out[row] = LT(x, y); }); break;                           \
    case OP_LE: EXPR_BINARY_LOOP(call, a, b, ctype, ctype, { out[row] = !LT(y, x); }); break;                          \
    case OP_GT: EXPR_BINARY_LOOP(call, a, b, ctype, ctype, { out[row] = LT(y, x); }); break;                           \
    default: EXPR_BINARY_LOOP(call, a, b, ctype, ctype, { out[row] = !LT(x, y); }); break;                             \
    }

#define PLAIN_EQ(x, y) ((x) == (y))
#define PLAIN_LT(x, y) ((x) < (y))
#define FLOAT_EQ(x, y) ((x) == (y) || ((x) != (x) && (y) != (y)))
#define FLOAT_LT(x, y) ((x) < (y) || ((y) != (y) && (x) == (x)))

#define COMPARE_KERNEL(name, ctype, EQ, LT)                                                                            \
    static void name(struct expr_call *call, enum compare_op op, uint8_t *out)                                         \
    {                                                                                                                  \
        const ctype *a = call->args[0].column->values, *b = call->args[1].column->values;                              \
        COMPARE_OPS(ctype, EQ, LT)                                                                                     \
    }
COMPARE_KERNEL(compare_i8, int8_t, PLAIN_EQ, PLAIN_LT)
COMPARE_KERNEL(compare_i16, int16_t, PLAIN_EQ, PLAIN_LT)
COMPARE_KERNEL(compare_i32, int32_t, PLAIN_EQ, PLAIN_LT)
COMPARE_KERNEL(compare_i64, int64_t, PLAIN_EQ, PLAIN_LT)
COMPARE_KERNEL(compare_i128, __int128, PLAIN_EQ, PLAIN_LT)
COMPARE_KERNEL(compare_f32, float, FLOAT_EQ, FLOAT_LT)
COMPARE_KERNEL(compare_f64, double, FLOAT_EQ, FLOAT_LT)

static bool op_holds(enum compare_op op, int order)
{
    switch (op) {
    case OP_EQ: return order == 0;
    case OP_NE: return order != 0;
    case OP_LT: return order < 0;
    case OP_LE: return order <= 0;
    case OP_GT: return order > 0;
    default: return order >= 0;
    }
}

static void compare_strings(struct expr_call *call, enum compare_op op, uint8_t *out)
{
    const struct expr_value *a = &call->args[0], *b = &call->args[1];
    bool equality = op == OP_EQ || op == OP_NE;
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        if (!expr_valid_at(call, row)) {
            out[row] = 0;
            continue;
        }
        struct slice x = column_slice(a->column, expr_index(a, row)), y = column_slice(b->column, expr_index(b, row));
        if (equality) {
            bool same = x.length == y.length && memcmp(x.data, y.data, x.length) == 0;
            out[row] = same == (op == OP_EQ);
            continue;
        }
        int order = memcmp(x.data, y.data, x.length < y.length ? x.length : y.length);
        if (order == 0) order = x.length < y.length ? -1 : x.length > y.length;
        out[row] = op_holds(op, order);
    }
}

static void compare_other(struct expr_call *call, enum compare_op op, uint8_t *out)
{
    const struct expr_value *a = &call->args[0], *b = &call->args[1];
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        if (!expr_valid_at(call, row)) continue;
        out[row] = op_holds(op, column_compare(a->column, expr_index(a, row), b->column, expr_index(b, row)));
    }
}

static void compare_typed(struct expr_call *call, enum compare_op op, uint8_t *out)
{
    switch (expr_arg_type(call, 0)->kind) {
    case TYPE_BOOLEAN:
    case TYPE_TINYINT: compare_i8(call, op, out); break;
    case TYPE_SMALLINT: compare_i16(call, op, out); break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: compare_i32(call, op, out); break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_DAY_TIME: compare_i64(call, op, out); break;
    case TYPE_FLOAT: compare_f32(call, op, out); break;
    case TYPE_DOUBLE: compare_f64(call, op, out); break;
    case TYPE_DECIMAL: compare_i128(call, op, out); break;
    case TYPE_STRING:
    case TYPE_BINARY: compare_strings(call, op, out); break;
    default: compare_other(call, op, out);
    }
}

static enum status compare(struct expr_call *call, struct error *err)
{
    const char *name = call->step->name;
    enum compare_op op = name[0] == '='   ? OP_EQ
                         : name[0] == '<' ? (name[1] == '='   ? OP_LE
                                             : name[1] == '>' ? OP_NE
                                                              : OP_LT)
                                          : (name[1] == '=' ? OP_GE : OP_GT);
    struct buffer *values;
    enum status status = expr_vector_values(call, 1, &values, err);
    if (status != STATUS_OK) return status;
    compare_typed(call, op, values->data);
    expr_vector_finish(call, values);
    return STATUS_OK;
}

static enum status compare_null_safe(struct expr_call *call, struct error *err)
{
    struct buffer *values;
    enum status status = expr_vector_values(call, 1, &values, err);
    if (status != STATUS_OK) return status;
    const struct expr_value *a = &call->args[0], *b = &call->args[1];
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        values->data[row] = column_compare(a->column, expr_index(a, row), b->column, expr_index(b, row)) == 0;
    }
    expr_vector_finish(call, values);
    return STATUS_OK;
}

// 0 not in the list, 1 in it, 2 null
static unsigned in_list(const struct expr_call *call, uint32_t row)
{
    const struct expr_value *value = &call->args[0];
    uint32_t at = expr_index(value, row);
    if (column_is_null(value->column, at)) return 2;
    bool strings = value->column->type->kind == TYPE_STRING, null = false;
    struct slice text = strings ? column_slice(value->column, at) : slice_of("", 0);
    for (uint32_t i = 1; i < call->step->arg_count; i++) {
        const struct expr_value *item = &call->args[i];
        uint32_t item_at = expr_index(item, row);
        if (column_is_null(item->column, item_at)) {
            null = true;
        } else if (strings) {
            struct slice other = column_slice(item->column, item_at);
            if (other.length == text.length && memcmp(other.data, text.data, text.length) == 0) return 1;
        } else if (column_compare(value->column, at, item->column, item_at) == 0) {
            return 1;
        }
    }
    return null ? 2 : 0;
}

static enum status compare_in(struct expr_call *call, struct error *err)
{
    struct buffer *values;
    enum status status = expr_vector_values(call, 1, &values, err);
    if (status != STATUS_OK) return status;
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        unsigned found = in_list(call, row);
        values->data[row] = found & 1;
        if (found == 2) status = expr_vector_null_at(call, row, err);
        if (status != STATUS_OK) {
            buffer_unref(values);
            return status;
        }
    }
    expr_vector_finish(call, values);
    return STATUS_OK;
}

// decode(value, search, result, …[, default]): nulls are equal
static enum status compare_decode(struct expr_call *call, struct error *err)
{
    uint32_t count = call->step->arg_count;
    const struct expr_value *value = &call->args[0];
    uint16_t *branch = memory_alloc((call->length + (size_t)1) * sizeof *branch);
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        branch[row] = count % 2 == 0 ? (uint16_t)(count - 1) : EXPR_BRANCH_NULL;
        for (uint32_t i = 1; i + 1 < count; i += 2) {
            const struct expr_value *search = &call->args[i];
            if (column_compare(value->column, expr_index(value, row), search->column, expr_index(search, row)))
                continue;
            branch[row] = (uint16_t)(i + 1);
            break;
        }
    }
    struct expr_value *results = memory_calloc(count, sizeof *results); // keys are of another type: keep them out
    for (uint32_t i = 2; i < count; i++) {
        if (i % 2 == 0 || i + 1 == count) results[i] = call->args[i];
    }
    enum status status = expr_vector_merge(call, branch, results, count, err);
    memory_free(results);
    memory_free(branch);
    return status;
}

#define COMPARE(name)                                                                                                  \
    {                                                                                                                  \
        name, compare, NULL, NULL, EXPR_INFALLIBLE                                                                     \
    }
const struct expr_function expr_compare_functions[] = {
    COMPARE("="),
    COMPARE("<>"),
    COMPARE("<"),
    COMPARE("<="),
    COMPARE(">"),
    COMPARE(">="),
    {"<=>", compare_null_safe, NULL, NULL, EXPR_INFALLIBLE | EXPR_TOLERANT},
    {"in", compare_in, NULL, NULL, EXPR_INFALLIBLE | EXPR_TOLERANT | EXPR_FIRST},
    {"decode", compare_decode, NULL, NULL, EXPR_TOLERANT},
    {NULL, NULL, NULL, NULL, 0},
};
