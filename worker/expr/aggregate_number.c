// count, sum, avg, bool_and, bool_or, count_if, bit_and, bit_or, bit_xor. Sums of integers and decimals are kept in 128
// bits, so that the order of rows does not decide whether they overflow; an overflow is an error at the result.
#include <string.h>

#include "worker/expr/aggregate_private.h"
#include "worker/expr/expr_decimal.h"

#define FOLD(statetype, body)                                                                                          \
    do {                                                                                                               \
        for (uint32_t k = 0; k < input->count; k++) {                                                                  \
            const uint32_t i = aggregate_pick(input, k);                                                               \
            const uint32_t row = aggregate_row(input, i);                                                              \
            statetype *state = aggregate_state(input, i);                                                              \
            (void)row;                                                                                                 \
            body                                                                                                       \
        }                                                                                                              \
    } while (0)

#define SAVE_MERGE_PLAIN(name, statetype)                                                                              \
    static void name##_save(const struct aggregate *aggregate, const void *state, struct text *bytes)                  \
    {                                                                                                                  \
        (void)aggregate;                                                                                               \
        text_append(bytes, state, sizeof(statetype));                                                                  \
    }

struct count_state {
    int64_t count;
};

static enum status count_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    (void)aggregate;
    (void)err;
    FOLD(struct count_state, { state->count++; });
    return STATUS_OK;
}

static enum status count_if_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    (void)aggregate;
    (void)err;
    const uint8_t *values = input->args[0]->boolean;
    FOLD(struct count_state, { state->count += values[row]; });
    return STATUS_OK;
}

SAVE_MERGE_PLAIN(count, struct count_state)
static bool count_merge(struct aggregate *aggregate, void *state, struct aggregate_reader *reader)
{
    struct count_state other;
    (void)aggregate;
    if (!aggregate_codec_take(reader, &other, sizeof other)) return false;
    ((struct count_state *)state)->count += other.count;
    return true;
}

static enum status count_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                                struct error *err)
{
    (void)aggregate;
    return column_builder_fixed(builder, &((const struct count_state *)state)->count, err);
}

struct exact_state {    // sums of integers and decimals
    uint64_t low, high; // __int128, without its alignment
    int64_t count;
    uint64_t overflow;
};

static inline __int128 exact_get(const struct exact_state *state)
{
    return (__int128)((unsigned __int128)state->high << 64 | state->low);
}
static inline void exact_add(struct exact_state *state, __int128 value)
{
    __int128 sum = exact_get(state);
    if (__builtin_add_overflow(sum, value, &sum)) state->overflow = 1;
    state->low = (uint64_t)sum;
    state->high = (uint64_t)((unsigned __int128)sum >> 64);
}

static enum status exact_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    (void)err;
    switch (aggregate->arg_types[0]->kind) {
    case TYPE_DECIMAL: {
        const __int128 *values = input->args[0]->i128;
        FOLD(struct exact_state, {
            exact_add(state, values[row]);
            state->count++;
        });
        break;
    }
    case TYPE_INTERVAL_YEAR_MONTH: {
        const int32_t *values = input->args[0]->i32;
        FOLD(struct exact_state, {
            exact_add(state, values[row]);
            state->count++;
        });
        break;
    }
    default: {
        const int64_t *values = input->args[0]->i64;
        FOLD(struct exact_state, {
            exact_add(state, values[row]);
            state->count++;
        });
    }
    }
    return STATUS_OK;
}

SAVE_MERGE_PLAIN(exact, struct exact_state)
static bool exact_merge(struct aggregate *aggregate, void *state, struct aggregate_reader *reader)
{
    struct exact_state other, *into = state;
    (void)aggregate;
    if (!aggregate_codec_take(reader, &other, sizeof other)) return false;
    exact_add(into, exact_get(&other));
    into->count += other.count;
    into->overflow |= other.overflow;
    return true;
}

static enum status overflow(const struct aggregate *aggregate, struct column_builder *builder, struct error *err)
{
    if (strncmp(aggregate->function->name, "try_", 4) == 0) return column_builder_null(builder, err);
    bool decimal =
        aggregate->type->kind == TYPE_DECIMAL && strstr(aggregate->function->name, "avg"); // sums: as integers
    const char *condition = decimal ? "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION" : "ARITHMETIC_OVERFLOW";
    enum status status = error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                                   "%s: the result of %s does not fit %s; use try_%s to get NULL instead, or cast "
                                   "its argument to %s",
                                   condition, aggregate->function->name, aggregate->type->text,
                                   aggregate->function->name, decimal ? "a decimal of another scale" : "a wider type");
    if (err) snprintf(err->condition, sizeof err->condition, "%s", condition);
    return status;
}

static enum status sum_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                              struct error *err)
{
    const struct exact_state *sum = state;
    __int128 value = exact_get(sum);
    if (sum->count == 0) return column_builder_null(builder, err);
    if (sum->overflow) return overflow(aggregate, builder, err);
    if (aggregate->type->kind == TYPE_DECIMAL) {
        if (!expr_decimal_fits(value, aggregate->type->precision)) return overflow(aggregate, builder, err);
        return column_builder_fixed(builder, &value, err);
    }
    if (aggregate->type->kind == TYPE_INTERVAL_YEAR_MONTH) {
        int32_t months = (int32_t)value;
        return months == value ? column_builder_fixed(builder, &months, err) : overflow(aggregate, builder, err);
    }
    int64_t narrow = (int64_t)value;
    return narrow == value ? column_builder_fixed(builder, &narrow, err) : overflow(aggregate, builder, err);
}

static enum status avg_exact_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                                    struct error *err)
{
    const struct exact_state *sum = state;
    const struct type *type = aggregate->type, *arg = aggregate->arg_types[0];
    if (sum->count == 0) return column_builder_null(builder, err);
    if (sum->overflow) return overflow(aggregate, builder, err);
    __int128 value = exact_get(sum);
    if (type->kind == TYPE_DECIMAL) {
        bool wide = arg->precision + 10 > 38 && !expr_decimal_fits(value, 38);
        if (wide || !expr_decimal_divide(value, arg->scale, sum->count, 0, type->scale, type->precision, &value)) {
            return overflow(aggregate, builder, err);
        }
        return column_builder_fixed(builder, &value, err);
    }
    __int128 quotient;
    expr_decimal_divide(value, 0, sum->count, 0, 0, 38, &quotient);
    int64_t narrow = (int64_t)quotient;
    int32_t months = (int32_t)quotient;
    return column_builder_fixed(builder, type->kind == TYPE_INTERVAL_YEAR_MONTH ? (void *)&months : (void *)&narrow,
                                err);
}

struct real_state {
    double sum;
    int64_t count;
};

static enum status real_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    (void)aggregate;
    (void)err;
    const double *values = input->args[0]->f64;
    FOLD(struct real_state, {
        state->sum += values[row];
        state->count++;
    });
    return STATUS_OK;
}

SAVE_MERGE_PLAIN(real, struct real_state)
static bool real_merge(struct aggregate *aggregate, void *state, struct aggregate_reader *reader)
{
    struct real_state other, *into = state;
    (void)aggregate;
    if (!aggregate_codec_take(reader, &other, sizeof other)) return false;
    into->sum += other.sum;
    into->count += other.count;
    return true;
}

static enum status sum_real_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                                   struct error *err)
{
    const struct real_state *sum = state;
    (void)aggregate;
    return sum->count ? column_builder_fixed(builder, &sum->sum, err) : column_builder_null(builder, err);
}

static enum status avg_real_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                                   struct error *err)
{
    const struct real_state *sum = state;
    (void)aggregate;
    if (sum->count == 0) return column_builder_null(builder, err);
    double average = sum->sum / (double)sum->count;
    return column_builder_fixed(builder, &average, err);
}

struct bits_state {
    int64_t value;
    int64_t count;
};

enum bits_op { BITS_AND, BITS_OR, BITS_XOR };

static enum bits_op bits_op(const struct aggregate *aggregate)
{
    const char *name = aggregate->function->name;
    return strstr(name, "xor") ? BITS_XOR : strstr(name, "and") ? BITS_AND : BITS_OR;
}

static void bits_fold(struct bits_state *state, enum bits_op op, int64_t value)
{
    if (state->count++ == 0) {
        state->value = value;
    } else {
        state->value = op == BITS_AND  ? state->value & value
                       : op == BITS_OR ? state->value | value
                                       : state->value ^ value;
    }
}

static int64_t integral_at(const struct column *column, uint32_t row)
{
    switch (type_width(column->type)) {
    case 1: return column->i8[row];
    case 2: return column->i16[row];
    case 4: return column->i32[row];
    default: return column->i64[row];
    }
}

static enum status bits_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    (void)err;
    enum bits_op op = bits_op(aggregate);
    FOLD(struct bits_state, { bits_fold(state, op, integral_at(input->args[0], row)); });
    return STATUS_OK;
}

SAVE_MERGE_PLAIN(bits, struct bits_state)
static bool bits_merge(struct aggregate *aggregate, void *state, struct aggregate_reader *reader)
{
    struct bits_state other;
    if (!aggregate_codec_take(reader, &other, sizeof other)) return false;
    if (other.count) bits_fold(state, bits_op(aggregate), other.value);
    return true;
}

static enum status bits_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                               struct error *err)
{
    const struct bits_state *bits = state;
    (void)aggregate;
    return bits->count ? column_builder_fixed(builder, &bits->value, err) : column_builder_null(builder, err);
}

#define COUNT(name, flags, update)                                                                                     \
    {                                                                                                                  \
        name, sizeof(struct count_state), flags, update, count_save, count_merge, count_result, NULL                   \
    }
#define EXACT(name, result)                                                                                            \
    {                                                                                                                  \
        name, sizeof(struct exact_state), 0, exact_update, exact_save, exact_merge, result, NULL                       \
    }
#define REAL(name, result)                                                                                             \
    {                                                                                                                  \
        name, sizeof(struct real_state), 0, real_update, real_save, real_merge, result, NULL                           \
    }
#define BITS(name)                                                                                                     \
    {                                                                                                                  \
        name, sizeof(struct bits_state), 0, bits_update, bits_save, bits_merge, bits_result, NULL                      \
    }

static const struct aggregate_function functions[] = {
    COUNT("count", 0, count_update),
    COUNT("count_if", 0, count_if_update),
    BITS("bool_and"),
    BITS("bool_or"),
    BITS("bit_and"),
    BITS("bit_or"),
    BITS("bit_xor"),
};
static const struct aggregate_function exact_functions[] = {EXACT("sum", sum_result), EXACT("try_sum", sum_result),
                                                            EXACT("avg", avg_exact_result),
                                                            EXACT("try_avg", avg_exact_result)};
static const struct aggregate_function real_functions[] = {
    REAL("sum", sum_real_result), REAL("try_sum", sum_real_result), REAL("avg", avg_real_result),
    REAL("try_avg", avg_real_result)};

static const struct aggregate_function *find_in(const struct aggregate_function *from, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(from[i].name, name) == 0) return &from[i];
    }
    return NULL;
}

const struct aggregate_function *aggregate_number_find(const char *name, const struct type *arg)
{
    const struct aggregate_function *function = find_in(functions, sizeof functions / sizeof functions[0], name);
    if (function) return function;
    return arg->kind == TYPE_DOUBLE ? find_in(real_functions, 4, name) : find_in(exact_functions, 4, name);
}
