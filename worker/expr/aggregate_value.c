// min, max, first, last, any_value, max_by, min_by: states that hold values of the input, as columns of one row.
#include <string.h>

#include "worker/expr/aggregate_private.h"

struct value_state {
    struct column *value;    // NULL: none yet
    struct column *ordering; // max_by, min_by
};

static enum status box(const struct aggregate *aggregate, const struct column *column, uint32_t row,
                       struct column **slot, struct error *err)
{
    struct column *boxed;
    struct column_builder *builder = column_builder_create(aggregate->budget, column->type);
    enum status status = column_builder_copy(builder, column, row, err); // not gathered: a dictionary must not live on
    if (status == STATUS_OK) status = column_builder_finish(builder, &boxed, err);
    column_builder_destroy(builder);
    if (status != STATUS_OK) return status;
    column_unref(*slot);
    *slot = boxed;
    return STATUS_OK;
}

static int sign_of(const struct aggregate *aggregate)
{
    return aggregate->function->name[1] == 'a' ? 1 : -1; // max, min
}

#define EXTREME_LOOP(ctype, less)                                                                                      \
    do {                                                                                                               \
        const ctype *values = column->values;                                                                          \
        for (uint32_t k = 0; k < input->count; k++) {                                                                  \
            const uint32_t i = aggregate_pick(input, k), row = aggregate_row(input, i);                                \
            struct value_state *state = aggregate_state(input, i);                                                     \
            if (!state->value) {                                                                                       \
                enum status status = box(aggregate, column, row, &state->value, err);                                  \
                if (status != STATUS_OK) return status;                                                                \
                continue;                                                                                              \
            }                                                                                                          \
            ctype *held = (ctype *)(uintptr_t)state->value->values; /* the box is this state's alone */                \
            const ctype value = values[row];                                                                           \
            if (sign > 0 ? less(*held, value) : less(value, *held)) *held = value;                                     \
        }                                                                                                              \
    } while (0)
#define PLAIN_LESS(a, b) ((a) < (b))
#define FLOAT_LESS(a, b) ((a) < (b) || ((b) != (b) && (a) == (a)))

static enum status extreme_other(struct aggregate *aggregate, const struct aggregate_input *input, int sign,
                                 struct error *err)
{
    const struct column *column = input->args[0];
    for (uint32_t k = 0; k < input->count; k++) {
        uint32_t i = aggregate_pick(input, k), row = aggregate_row(input, i);
        struct value_state *state = aggregate_state(input, i);
        if (state->value && column_compare(column, row, state->value, 0) * sign <= 0) continue;
        enum status status = box(aggregate, column, row, &state->value, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status extreme_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    int sign = sign_of(aggregate);
    const struct column *column = input->args[0];
    switch (column->type->kind) {
    case TYPE_VOID: return STATUS_OK;
    case TYPE_INT:
    case TYPE_DATE: EXTREME_LOOP(int32_t, PLAIN_LESS); return STATUS_OK;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: EXTREME_LOOP(int64_t, PLAIN_LESS); return STATUS_OK;
    case TYPE_DOUBLE: EXTREME_LOOP(double, FLOAT_LESS); return STATUS_OK;
    default: return extreme_other(aggregate, input, sign, err);
    }
}

static void value_save(const struct aggregate *aggregate, const void *state, struct text *bytes)
{
    const struct value_state *value = state;
    text_append_char(bytes, (char)(value->value != NULL));
    if (!value->value) return;
    aggregate_codec_write(value->value, 0, false, bytes);
    if (aggregate->arg_count == 2) aggregate_codec_write(value->ordering, 0, false, bytes);
}

static bool read_box(const struct aggregate *aggregate, struct aggregate_reader *reader, const struct type *type,
                     struct column **ret_column)
{
    bool good = false;
    struct column *column = NULL;
    struct column_builder *builder = column_builder_create(aggregate->budget, type);
    if (aggregate_codec_read(reader, type, builder, &good, NULL) != STATUS_OK) good = false;
    if (good) good = column_builder_finish(builder, &column, NULL) == STATUS_OK;
    column_builder_destroy(builder);
    if (good) *ret_column = column;
    return good;
}

static void value_release(const struct aggregate *aggregate, void *state)
{
    struct value_state *value = state;
    (void)aggregate;
    column_unref(value->value);
    column_unref(value->ordering);
    value->value = value->ordering = NULL;
}

// Whether `other` takes the place of what `into` holds.
static bool value_wins(const struct aggregate *aggregate, const struct value_state *into,
                       const struct value_state *other)
{
    if (!into->value) return true;
    const char *name = aggregate->function->name;
    if (name[0] != 'm') return name[0] == 'l'; // first, any_value: no; last: yes
    bool by = aggregate->arg_count == 2;
    int order =
        by ? column_compare(other->ordering, 0, into->ordering, 0) : column_compare(other->value, 0, into->value, 0);
    return by ? order * sign_of(aggregate) >= 0 : order * sign_of(aggregate) > 0;
}

static bool value_merge(struct aggregate *aggregate, void *state, struct aggregate_reader *reader)
{
    struct value_state *into = state, other = {NULL, NULL};
    uint8_t there;
    if (!aggregate_codec_take(reader, &there, 1) || there > 1) return false;
    if (!there) return true;
    bool good = read_box(aggregate, reader, aggregate->arg_types[0], &other.value);
    if (good && aggregate->arg_count == 2) good = read_box(aggregate, reader, aggregate->arg_types[1], &other.ordering);
    if (good && value_wins(aggregate, into, &other)) {
        value_release(aggregate, into);
        *into = other;
    } else {
        value_release(aggregate, &other);
    }
    return good;
}

static enum status value_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                                struct error *err)
{
    const struct value_state *value = state;
    (void)aggregate;
    return value->value ? column_builder_copy(builder, value->value, 0, err) : column_builder_null(builder, err);
}

static enum status end_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    bool last = aggregate->function->name[0] == 'l';
    for (uint32_t k = 0; k < input->count; k++) {
        uint32_t i = aggregate_pick(input, k), row = aggregate_row(input, i);
        struct value_state *state = aggregate_state(input, i);
        if (state->value && !last) continue;
        if (aggregate->ignore_nulls && column_is_null(input->args[0], row)) continue;
        enum status status = box(aggregate, input->args[0], row, &state->value, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

// Of equal orderings the last row's value wins, as Spark's max_by has it.
static enum status by_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    enum status status = STATUS_OK;
    int sign = sign_of(aggregate);
    for (uint32_t k = 0; k < input->count; k++) {
        uint32_t i = aggregate_pick(input, k), row = aggregate_row(input, i);
        struct value_state *state = aggregate_state(input, i);
        if (column_is_null(input->args[1], row)) continue;
        if (state->value && column_compare(input->args[1], row, state->ordering, 0) * sign < 0) continue;
        TRY(box(aggregate, input->args[0], row, &state->value, err));
        TRY(box(aggregate, input->args[1], row, &state->ordering, err));
    }
out:
    return status;
}

#define VALUE(name, flags, update)                                                                                     \
    {                                                                                                                  \
        name, sizeof(struct value_state), flags, update, value_save, value_merge, value_result, value_release          \
    }
static const struct aggregate_function functions[] = {
    VALUE("min", 0, extreme_update),
    VALUE("max", 0, extreme_update),
    VALUE("first", AGGREGATE_KEEPS_NULLS, end_update),
    VALUE("any_value", AGGREGATE_KEEPS_NULLS, end_update),
    VALUE("last", AGGREGATE_KEEPS_NULLS, end_update),
    VALUE("max_by", AGGREGATE_KEEPS_NULLS, by_update),
    VALUE("min_by", AGGREGATE_KEEPS_NULLS, by_update),
};

const struct aggregate_function *aggregate_value_find(const char *name, const struct type *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i].name, name) == 0) return &functions[i];
    }
    return NULL;
}
