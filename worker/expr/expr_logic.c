// AND, OR, NOT, null tests, and the conditionals. Lazy ones evaluate a branch only on the rows that reach it, unless it
// cannot raise: then on all rows at once, which is cheaper and shared. Fail as their branches do.
#include <string.h>

#include "worker/expr/expr_cast.h"
#include "worker/expr/expr_families.h"
#include "worker/expr/expr_nested.h"

static struct expr_scope scope_narrow(struct expr_call *call, const uint32_t *rows, uint32_t count)
{
    return (struct expr_scope){.parent = call->scope, .id = expr_scope_id(call->frame), .rows = rows, .count = count};
}

// The branch on `rows`, or on the whole scope if it cannot raise.
static enum status branch_eval(struct expr_call *call, uint32_t arg, const uint32_t *rows, uint32_t count,
                               struct expr_value *ret_value, struct error *err)
{
    uint32_t step = call->step->args[arg];
    if (call->steps[step].flags & EXPR_INFALLIBLE || count == call->row_count) {
        return expr_step_eval(call->frame, step, call->scope, ret_value, err);
    }
    struct expr_scope scope = scope_narrow(call, rows, count);
    return expr_step_eval(call->frame, step, &scope, ret_value, err);
}

// 0 false, 1 true, 2 null
static inline unsigned truth_at(const struct expr_value *value, uint32_t row)
{
    row = expr_index(value, row);
    if (value->column->type->kind == TYPE_VOID || column_is_null(value->column, row)) return 2;
    return value->column->boolean[row];
}

// AND with stop = 0, OR with stop = 1: a left side equal to stop decides.
static enum status connect(struct expr_call *call, unsigned stop, struct error *err)
{
    enum status status = STATUS_OK;
    struct expr_value left = {NULL, false}, right = {NULL, false};
    struct buffer *values = NULL;
    uint32_t *rows = NULL, count = call->row_count;
    TRY(expr_step_eval(call->frame, call->step->args[0], call->scope, &left, err));
    if (!(call->steps[call->step->args[1]].flags & EXPR_INFALLIBLE)) {
        rows = memory_alloc((call->row_count + (size_t)1) * sizeof *rows);
        count = 0;
        for (uint32_t k = 0; k < call->row_count; k++) {
            uint32_t row = expr_row_at(call, k);
            rows[count] = row;
            count += truth_at(&left, row) != stop;
        }
    }
    TRY(branch_eval(call, 1, rows, count, &right, err));
    TRY(expr_vector_values(call, 1, &values, err));
    bool plain = !left.column->null_count && !right.column->null_count && !left.constant && !right.constant && !rows;
    plain = plain && left.column->type->kind == TYPE_BOOLEAN && right.column->type->kind == TYPE_BOOLEAN;
    for (uint32_t k = 0; k < call->row_count && plain; k++) {
        uint32_t row = expr_row_at(call, k);
        unsigned a = left.column->boolean[row], b = right.column->boolean[row];
        values->data[row] = (uint8_t)(stop ? a | b : a & b);
    }
    for (uint32_t k = 0; k < call->row_count && !plain; k++) {
        uint32_t row = expr_row_at(call, k);
        unsigned a = truth_at(&left, row);
        unsigned b = a == stop ? stop : truth_at(&right, row);
        bool decided = a == stop || b == stop;
        values->data[row] = (uint8_t)(decided ? stop : 1 - stop);
        if (!decided && (a == 2 || b == 2)) TRY(expr_vector_null_at(call, row, err));
    }
    expr_vector_finish(call, values);
    values = NULL;
out:
    expr_value_free(&left);
    expr_value_free(&right);
    buffer_unref(values);
    memory_free(rows);
    return status;
}

static enum status logic_and(struct expr_call *call, struct error *err)
{
    return connect(call, 0, err);
}

static enum status logic_or(struct expr_call *call, struct error *err)
{
    return connect(call, 1, err);
}

static enum status logic_not(struct expr_call *call, struct error *err)
{
    struct buffer *values;
    enum status status = expr_vector_values(call, 1, &values, err);
    if (status != STATUS_OK) return status;
    const uint8_t *a = call->args[0].column->boolean;
    EXPR_UNARY_LOOP(call, a, uint8_t, { values->data[row] = !x; });
    expr_vector_finish(call, values);
    return STATUS_OK;
}

// Eight bits to eight bytes of 0 or 1.
static inline uint64_t spread_bits(uint8_t bits)
{
    uint64_t spread = (uint64_t)bits * 0x0101010101010101ull & 0x8040201008040201ull;
    return ((spread + 0x7f7f7f7f7f7f7f7full) | spread) >> 7 & 0x0101010101010101ull;
}

static void expand_validity(const uint8_t *validity, uint32_t length, bool invert, uint8_t *out)
{
    uint8_t flip = invert ? 0xff : 0;
    uint32_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t bytes = spread_bits(validity[at >> 3] ^ flip);
        memcpy(out + at, &bytes, 8);
    }
    for (; at < length; at++) out[at] = (uint8_t)((validity[at >> 3] ^ flip) >> (at & 7) & 1);
}

static enum status null_test(struct expr_call *call, bool want_null, struct error *err)
{
    struct buffer *values;
    enum status status = expr_vector_values(call, 1, &values, err);
    if (status != STATUS_OK) return status;
    const struct column *column = call->args[0].column;
    if (column->type->kind == TYPE_VOID) {
        memset(values->data, want_null, call->length);
    } else if (column->null_count == 0) {
        memset(values->data, !want_null, call->length);
    } else {
        expand_validity(column->validity, call->length, want_null, values->data);
    }
    expr_vector_finish(call, values);
    return STATUS_OK;
}

static enum status logic_isnull(struct expr_call *call, struct error *err)
{
    return null_test(call, true, err);
}

static enum status logic_isnotnull(struct expr_call *call, struct error *err)
{
    return null_test(call, false, err);
}

// The state of a conditional at work: which branch each row took, and the rows still without one.
struct choice {
    struct expr_call *call;
    uint16_t *branch;
    uint32_t *rest;
    uint32_t rest_count;
    uint32_t *taken;
    struct expr_value *values;
    uint32_t value_count, value_max;
};

static void choice_init(struct choice *choice, struct expr_call *call)
{
    *choice = (struct choice){.call = call, .rest_count = call->row_count, .value_max = call->step->arg_count + 1};
    choice->branch = memory_alloc((call->length + (size_t)1) * sizeof *choice->branch);
    choice->rest = memory_alloc((call->row_count + (size_t)1) * sizeof *choice->rest);
    choice->taken = memory_alloc((call->row_count + (size_t)1) * sizeof *choice->taken);
    choice->values = memory_calloc(choice->value_max, sizeof *choice->values);
    for (uint32_t k = 0; k < call->row_count; k++) choice->rest[k] = expr_row_at(call, k);
}

static void choice_deinit(struct choice *choice)
{
    for (uint32_t i = 0; i < choice->value_count; i++) expr_value_free(&choice->values[i]);
    memory_free(choice->branch);
    memory_free(choice->rest);
    memory_free(choice->taken);
    memory_free(choice->values);
}

// Rows of the rest for which the condition is true move to `taken`. Returns how many.
static uint32_t choice_split(struct choice *choice, const struct expr_value *condition)
{
    uint32_t taken = 0, rest = 0;
    for (uint32_t k = 0; k < choice->rest_count; k++) {
        uint32_t row = choice->rest[k];
        bool is_true = truth_at(condition, row) == 1;
        choice->taken[taken] = row;
        choice->rest[rest] = row;
        taken += is_true;
        rest += !is_true;
    }
    choice->rest_count = rest;
    return taken;
}

static enum status choice_take(struct choice *choice, uint32_t arg, const uint32_t *rows, uint32_t count,
                               struct error *err)
{
    if (count == 0) return STATUS_OK;
    enum status status = branch_eval(choice->call, arg, rows, count, &choice->values[choice->value_count], err);
    if (status != STATUS_OK) return status;
    for (uint32_t k = 0; k < count; k++) choice->branch[rows[k]] = (uint16_t)choice->value_count;
    choice->value_count++;
    return STATUS_OK;
}

static enum status choice_finish(struct choice *choice, struct error *err)
{
    for (uint32_t k = 0; k < choice->rest_count; k++) choice->branch[choice->rest[k]] = EXPR_BRANCH_NULL;
    return expr_vector_merge(choice->call, choice->branch, choice->values, choice->value_count, err);
}

#define SELECT_LOOP(ctype)                                                                                             \
    do {                                                                                                               \
        ctype *to = (ctype *)(void *)buffer->data;                                                                     \
        const ctype *x = a->column->values, *y = b->column->values;                                                    \
        const size_t step_x = !a->constant, step_y = !b->constant;                                                     \
        for (uint32_t row = 0; row < call->length; row++) to[row] = take[row] ? x[row * step_x] : y[row * step_y];     \
    } while (0)

// take[row] ? a : b, of fixed width, for every row of the frame.
static enum status select_fixed(struct expr_call *call, const uint8_t *take, const struct expr_value *a,
                                const struct expr_value *b, struct error *err)
{
    struct buffer *buffer;
    enum status status = STATUS_OK;
    if (a->column->null_count || b->column->null_count) {
        TRY(buffer_create(call->frame->budget, expr_bitmap_size(call->length), &call->validity, err));
        memset(call->validity->data, 0, expr_bitmap_size(call->length));
        for (uint32_t row = 0; row < call->length; row++) {
            bool valid = !expr_value_null(take[row] ? a : b, row);
            uint8_t *byte = &call->validity->data[row >> 3];
            *byte = (uint8_t)(*byte | (unsigned)valid << (row & 7));
        }
    }
    TRY(expr_vector_values(call, type_width(call->step->type), &buffer, err));
    switch (type_width(call->step->type)) {
    case 1: SELECT_LOOP(uint8_t); break;
    case 2: SELECT_LOOP(uint16_t); break;
    case 4: SELECT_LOOP(uint32_t); break;
    case 8: SELECT_LOOP(uint64_t); break;
    default: SELECT_LOOP(__int128); break;
    }
    expr_vector_finish(call, buffer);
out:
    return status;
}

static bool args_infallible(const struct expr_call *call, uint32_t count)
{
    bool infallible = call->step->arg_count == count && type_width(call->step->type) > 0 && !call->rows;
    for (uint32_t i = 0; i < call->step->arg_count && infallible; i++) {
        infallible = call->steps[call->step->args[i]].flags & EXPR_INFALLIBLE;
    }
    return infallible;
}

// One condition, two values of fixed width, nothing that raises: no branches, a choice per row.
static enum status case_select(struct expr_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    struct expr_value values[3] = {{NULL, false}, {NULL, false}, {NULL, false}};
    uint8_t *take = memory_alloc((size_t)call->length + 1);
    for (uint32_t i = 0; i < 3; i++) {
        TRY(expr_step_eval(call->frame, call->step->args[i], call->scope, &values[i], err));
    }
    const struct column *condition = values[0].column;
    bool plain = condition->type->kind == TYPE_BOOLEAN && !condition->null_count && !values[0].constant;
    for (uint32_t row = 0; row < call->length && !plain; row++) take[row] = truth_at(&values[0], row) == 1;
    TRY(select_fixed(call, plain ? condition->boolean : take, &values[1], &values[2], err));
out:
    for (uint32_t i = 0; i < 3; i++) expr_value_free(&values[i]);
    memory_free(take);
    return status;
}

static enum status coalesce_select(struct expr_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    struct expr_value values[2] = {{NULL, false}, {NULL, false}};
    uint8_t *take = memory_alloc((size_t)call->length + 1);
    for (uint32_t i = 0; i < 2; i++) {
        TRY(expr_step_eval(call->frame, call->step->args[i], call->scope, &values[i], err));
    }
    const struct column *first = values[0].column;
    if (values[0].constant || !first->null_count) {
        memset(take, !column_is_null(first, 0), call->length);
    } else {
        expand_validity(first->validity, call->length, false, take);
    }
    TRY(select_fixed(call, take, &values[0], &values[1], err));
out:
    expr_value_free(&values[0]);
    expr_value_free(&values[1]);
    memory_free(take);
    return status;
}

// case(condition, value, …[, else]), if(condition, value, else)
static enum status logic_case(struct expr_call *call, struct error *err)
{
    if (args_infallible(call, 3)) return case_select(call, err);
    enum status status = STATUS_OK;
    struct choice choice;
    uint32_t count = call->step->arg_count;
    choice_init(&choice, call);
    for (uint32_t i = 0; i + 1 < count && choice.rest_count; i += 2) {
        struct expr_value condition;
        TRY(branch_eval(call, i, choice.rest, choice.rest_count, &condition, err));
        uint32_t taken = choice_split(&choice, &condition);
        expr_value_free(&condition);
        TRY(choice_take(&choice, i + 1, choice.taken, taken, err));
    }
    if (count % 2) {
        TRY(choice_take(&choice, count - 1, choice.rest, choice.rest_count, err));
        choice.rest_count = 0;
    }
    TRY(choice_finish(&choice, err));
out:
    choice_deinit(&choice);
    return status;
}

static enum status logic_coalesce(struct expr_call *call, struct error *err)
{
    if (args_infallible(call, 2)) return coalesce_select(call, err);
    enum status status = STATUS_OK;
    struct choice choice;
    choice_init(&choice, call);
    for (uint32_t i = 0; i < call->step->arg_count && choice.rest_count; i++) {
        struct expr_value *value = &choice.values[choice.value_count];
        TRY(branch_eval(call, i, choice.rest, choice.rest_count, value, err));
        uint32_t rest = 0;
        for (uint32_t k = 0; k < choice.rest_count; k++) {
            uint32_t row = choice.rest[k];
            choice.branch[row] = (uint16_t)choice.value_count;
            choice.rest[rest] = row;
            rest += expr_value_null(value, row);
        }
        choice.rest_count = rest;
        choice.value_count++;
    }
    TRY(choice_finish(&choice, err));
out:
    choice_deinit(&choice);
    return status;
}

// nvl2(a, b, c): b where a is not null
static enum status logic_nvl2(struct expr_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    struct choice choice;
    struct expr_value tested = {NULL, false};
    choice_init(&choice, call);
    TRY(expr_step_eval(call->frame, call->step->args[0], call->scope, &tested, err));
    uint32_t taken = 0, rest = 0;
    for (uint32_t k = 0; k < choice.rest_count; k++) {
        uint32_t row = choice.rest[k];
        bool null = expr_value_null(&tested, row);
        choice.taken[taken] = row;
        choice.rest[rest] = row;
        taken += !null;
        rest += null;
    }
    choice.rest_count = rest;
    TRY(choice_take(&choice, 1, choice.taken, taken, err));
    TRY(choice_take(&choice, 2, choice.rest, rest, err));
    choice.rest_count = 0;
    TRY(choice_finish(&choice, err));
out:
    expr_value_free(&tested);
    choice_deinit(&choice);
    return status;
}

// Which argument each row takes is decided by `pick`; every argument is evaluated.
static enum status choose(struct expr_call *call, uint16_t (*pick)(const struct expr_call *call, uint32_t row),
                          struct error *err)
{
    uint16_t *branch = memory_alloc((call->length + (size_t)1) * sizeof *branch);
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        branch[row] = pick(call, row);
    }
    enum status status = expr_vector_merge(call, branch, call->args, call->step->arg_count, err);
    memory_free(branch);
    return status;
}

static int compare_args(const struct expr_call *call, uint32_t a, uint32_t b, uint32_t row)
{
    const struct expr_value *x = &call->args[a], *y = &call->args[b];
    return column_compare(x->column, expr_index(x, row), y->column, expr_index(y, row));
}

static uint16_t pick_extreme(const struct expr_call *call, uint32_t row, int sign)
{
    uint16_t best = EXPR_BRANCH_NULL;
    for (uint32_t i = 0; i < call->step->arg_count; i++) {
        if (expr_value_null(&call->args[i], row)) continue;
        if (best == EXPR_BRANCH_NULL || compare_args(call, i, best, row) * sign > 0) best = (uint16_t)i;
    }
    return best;
}

static uint16_t pick_greatest(const struct expr_call *call, uint32_t row)
{
    return pick_extreme(call, row, 1);
}

static uint16_t pick_least(const struct expr_call *call, uint32_t row)
{
    return pick_extreme(call, row, -1);
}

static enum status logic_greatest(struct expr_call *call, struct error *err)
{
    return choose(call, pick_greatest, err);
}

static enum status logic_least(struct expr_call *call, struct error *err)
{
    return choose(call, pick_least, err);
}

static uint16_t pick_nanvl(const struct expr_call *call, uint32_t row)
{
    const struct expr_value *a = &call->args[0];
    uint32_t at = expr_index(a, row);
    if (column_is_null(a->column, at)) return EXPR_BRANCH_NULL;
    double value = a->column->type->kind == TYPE_FLOAT ? (double)a->column->f32[at] : a->column->f64[at];
    return value != value;
}

static enum status logic_nanvl(struct expr_call *call, struct error *err)
{
    return choose(call, pick_nanvl, err);
}

static bool datum_is_zero(const struct expr_datum *datum, const struct type *type)
{
    if (type->kind == TYPE_DECIMAL) return datum->n == 0;
    if (type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE) return datum->d == 0;
    return datum->i == 0;
}

static enum expr_outcome row_nullifzero(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    *ret = args[0];
    return args[0].null || datum_is_zero(&args[0], expr_arg_type(row->call, 0)) ? EXPR_NULL : EXPR_VALUE;
}

static enum expr_outcome row_zeroifnull(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    *ret = args[0];
    if (args[0].null) *ret = (struct expr_datum){.null = false};
    return EXPR_VALUE;
}

static enum expr_outcome row_assert_true(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    if (!args[0].null && args[0].i) return EXPR_NULL;
    if (expr_row_args(row) == 2 && !args[1].null) {
        return expr_row_fail(row, "USER_RAISED_EXCEPTION", "%.*s", (int)args[1].s.length, args[1].s.data);
    }
    return expr_row_fail(row, "USER_RAISED_EXCEPTION", "the condition of assert_true is not true");
}

static enum expr_outcome row_raise_error(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    if (args[0].null) return expr_row_fail(row, "USER_RAISED_EXCEPTION", "null");
    return expr_row_fail(row, "USER_RAISED_EXCEPTION", "%.*s", (int)args[0].s.length, args[0].s.data);
}

// nullif(a, b): the comparison is of the common type, which is b's; the result is a as it came.
static enum expr_outcome row_nullif(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct type *from = expr_arg_type(row->call, 0), *common = expr_arg_type(row->call, 1);
    if (args[0].null) return EXPR_NULL;
    struct expr_value *a = &row->call->args[0], *b = &row->call->args[1];
    bool equal = false;
    if (!args[1].null && from == common) {
        equal = column_compare(a->column, expr_index(a, row->row), b->column, expr_index(b, row->row)) == 0;
    } else if (!args[1].null) {
        struct expr_datum cast = {.null = false};
        struct column *single;
        enum expr_outcome outcome = expr_cast_value(row, from, common, false, &args[0], &cast);
        if (outcome != EXPR_VALUE) return outcome;
        if (expr_vector_single(NULL, common, &cast, &single, row->err) != STATUS_OK) return EXPR_BROKEN;
        equal = column_compare(single, 0, b->column, expr_index(b, row->row)) == 0;
        column_unref(single);
    }
    return equal ? EXPR_NULL : expr_nested_return(row, a->column, expr_index(a, row->row), ret);
}

static enum expr_outcome row_isnan(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, !args[0].null && args[0].d != args[0].d);
}

const struct expr_function expr_logic_functions[] = {
    {"and", logic_and, NULL, NULL, EXPR_LAZY | EXPR_INFALLIBLE | EXPR_TOLERANT},
    {"or", logic_or, NULL, NULL, EXPR_LAZY | EXPR_INFALLIBLE | EXPR_TOLERANT},
    {"not", logic_not, NULL, NULL, EXPR_INFALLIBLE},
    {"isnull", logic_isnull, NULL, NULL, EXPR_INFALLIBLE | EXPR_TOLERANT | EXPR_CHEAP},
    {"isnotnull", logic_isnotnull, NULL, NULL, EXPR_INFALLIBLE | EXPR_TOLERANT | EXPR_CHEAP},
    {"isnan", NULL, row_isnan, NULL, EXPR_INFALLIBLE | EXPR_TOLERANT},
    {"case", logic_case, NULL, NULL, EXPR_LAZY | EXPR_TOLERANT},
    {"if", logic_case, NULL, NULL, EXPR_LAZY | EXPR_TOLERANT},
    {"coalesce", logic_coalesce, NULL, NULL, EXPR_LAZY | EXPR_TOLERANT},
    {"nvl2", logic_nvl2, NULL, NULL, EXPR_LAZY | EXPR_TOLERANT},
    {"greatest", logic_greatest, NULL, NULL, EXPR_TOLERANT},
    {"least", logic_least, NULL, NULL, EXPR_TOLERANT},
    {"nullif", NULL, row_nullif, NULL, EXPR_TOLERANT | EXPR_FIRST},
    {"nanvl", logic_nanvl, NULL, NULL, EXPR_TOLERANT | EXPR_FIRST},
    {"nullifzero", NULL, row_nullifzero, NULL, EXPR_TOLERANT},
    {"zeroifnull", NULL, row_zeroifnull, NULL, EXPR_TOLERANT},
    {"assert_true", NULL, row_assert_true, NULL, EXPR_TOLERANT},
    {"raise_error", NULL, row_raise_error, NULL, EXPR_TOLERANT},
    {NULL, NULL, NULL, NULL, 0},
};
