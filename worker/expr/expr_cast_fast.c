// Casts of whole columns, for the pairs that streams are full of: binary to string, widening, timestamp to date, ISO
// text to timestamp. Same results and errors as expr_cast.c, which they fall back to for a value that is not plain.
#include <string.h>

#include "common/columnar/datetime_text.h"
#include "worker/expr/expr_cast.h"
#include "worker/expr/expr_families.h"
#include "worker/expr/expr_timestamp.h"

#define WIDEN_KERNEL(name, from, to)                                                                                   \
    static enum status name(struct expr_call *call, struct error *err)                                                 \
    {                                                                                                                  \
        struct buffer *values;                                                                                         \
        enum status status = expr_vector_values(call, sizeof(to), &values, err);                                       \
        if (status != STATUS_OK) return status;                                                                        \
        const from *a = call->args[0].column->values;                                                                  \
        to *out = (to *)(void *)values->data;                                                                          \
        EXPR_UNARY_LOOP(call, a, from, { out[row] = (to)x; });                                                         \
        expr_vector_finish(call, values);                                                                              \
        return STATUS_OK;                                                                                              \
    }
WIDEN_KERNEL(cast_i8_i16, int8_t, int16_t)
WIDEN_KERNEL(cast_i8_i32, int8_t, int32_t)
WIDEN_KERNEL(cast_i8_i64, int8_t, int64_t)
WIDEN_KERNEL(cast_i8_f64, int8_t, double)
WIDEN_KERNEL(cast_i16_i32, int16_t, int32_t)
WIDEN_KERNEL(cast_i16_i64, int16_t, int64_t)
WIDEN_KERNEL(cast_i16_f64, int16_t, double)
WIDEN_KERNEL(cast_i32_i64, int32_t, int64_t)
WIDEN_KERNEL(cast_i32_f64, int32_t, double)
WIDEN_KERNEL(cast_i64_f64, int64_t, double)
WIDEN_KERNEL(cast_f32_f64, float, double)

static enum status cast_us_days(struct expr_call *call, struct error *err)
{
    struct buffer *values;
    enum status status = expr_vector_values(call, sizeof(int32_t), &values, err);
    if (status != STATUS_OK) return status;
    const int64_t *a = call->args[0].column->i64;
    int32_t *out = (int32_t *)(void *)values->data;
    EXPR_UNARY_LOOP(call, a, int64_t, { out[row] = (int32_t)(x / DATETIME_DAY_US - (x % DATETIME_DAY_US < 0)); });
    expr_vector_finish(call, values);
    return STATUS_OK;
}

// Text to timestamp: the fixed layout in a few comparisons, anything else by the general parser.
static enum status cast_string_us(struct expr_call *call, struct error *err)
{
    struct buffer *values;
    enum status status = expr_vector_values(call, sizeof(int64_t), &values, err);
    if (status != STATUS_OK) return status;
    const struct column *column = call->args[0].column;
    int64_t *out = (int64_t *)(void *)values->data;
    struct expr_row row = {.call = call, .err = err};
    struct expr_timestamp_cache cache = {{0}, 0};
    for (uint32_t k = 0; k < call->row_count; k++) {
        row.row = expr_row_at(call, k);
        if (!expr_valid_at(call, row.row)) continue;
        struct expr_datum value = {.null = false}, ret = {.null = false};
        value.s = column_slice(column, row.row);
        if (expr_timestamp_parse_iso(&cache, value.s.data, value.s.length, &out[row.row])) continue;
        ret.i = 0;
        enum expr_outcome outcome =
            expr_cast_value(&row, column->type, type_of(TYPE_TIMESTAMP), call->step->try_cast, &value, &ret);
        out[row.row] = outcome == EXPR_VALUE ? ret.i : 0;
        if (outcome == EXPR_NULL) status = expr_vector_null_at(call, row.row, err);
        if (status != STATUS_OK) break;
    }
    text_deinit(&row.text);
    if (status != STATUS_OK) {
        buffer_unref(values);
        return status;
    }
    expr_vector_finish(call, values);
    return STATUS_OK;
}

// Every value is valid UTF-8 if all bytes together are and no value begins inside a character.
static bool strings_valid(const struct column *column)
{
    int32_t from = column->offsets[0], to = column->offsets[column->length];
    if (!text_utf8_valid(column->bytes + from, (size_t)(to - from))) return false;
    for (uint32_t i = 0; i < column->length; i++) {
        int32_t at = column->offsets[i];
        if (at < to && (column->bytes[at] & 0xC0) == 0x80) return false;
    }
    return true;
}

static enum status binary_repair(struct expr_call *call, const struct column *column, struct error *err)
{
    enum status status = STATUS_OK;
    struct text text = {0};
    struct column_builder *builder = column_builder_create(call->frame->budget, call->step->type);
    for (uint32_t row = 0; row < column->length; row++) {
        if (column_is_null(column, row)) {
            TRY(column_builder_null(builder, err));
            continue;
        }
        struct slice slice = column_slice(column, row);
        text_reset(&text);
        if (!text_utf8_valid((const uint8_t *)slice.data, slice.length)) {
            text_append_utf8(&text, slice.data, slice.length);
            slice = slice_of(text_str(&text), text.length);
        }
        TRY(column_builder_bytes(builder, slice.data, slice.length, err));
    }
    TRY(column_builder_finish(builder, &call->result, err));
out:
    text_deinit(&text);
    column_builder_destroy(builder);
    return status;
}

// Shares the bytes. Bytes that are no UTF-8 become U+FFFD.
static enum status cast_binary_string(struct expr_call *call, struct error *err)
{
    struct column *column = call->args[0].column;
    if (column->indices || !strings_valid(column)) return binary_repair(call, column, err);
    struct column *shared = NULL;
    enum status status =
        expr_vector_mask(call->frame->budget, column, column->null_count ? column->validity : NULL, &shared, err);
    if (status != STATUS_OK) return status;
    if (shared == column) { // a column of its own, over the same buffers
        struct buffer *values = column->buffers[1] ? buffer_ref(column->buffers[1]) : NULL;
        call->result = column_create(call->step->type, column->length, 0, NULL, values, buffer_ref(column->buffers[2]));
        call->result->bytes = column->bytes;
        call->result->offsets = column->offsets;
        column_unref(shared);
        return STATUS_OK;
    }
    shared->type = call->step->type;
    call->result = shared;
    return STATUS_OK;
}

static expr_kernel find_widening(enum type_kind from, enum type_kind to)
{
    switch (from) {
    case TYPE_TINYINT:
        return to == TYPE_SMALLINT ? cast_i8_i16
               : to == TYPE_INT    ? cast_i8_i32
               : to == TYPE_BIGINT ? cast_i8_i64
               : to == TYPE_DOUBLE ? cast_i8_f64
                                   : NULL;
    case TYPE_SMALLINT:
        return to == TYPE_INT      ? cast_i16_i32
               : to == TYPE_BIGINT ? cast_i16_i64
               : to == TYPE_DOUBLE ? cast_i16_f64
                                   : NULL;
    case TYPE_INT: return to == TYPE_BIGINT ? cast_i32_i64 : to == TYPE_DOUBLE ? cast_i32_f64 : NULL;
    case TYPE_BIGINT: return to == TYPE_DOUBLE ? cast_i64_f64 : NULL;
    case TYPE_FLOAT: return to == TYPE_DOUBLE ? cast_f32_f64 : NULL;
    default: return NULL;
    }
}

expr_kernel expr_cast_fast_find(const struct type *from, const struct type *to)
{
    if (from->kind == TYPE_BINARY && to->kind == TYPE_STRING) return cast_binary_string;
    if (from->kind == TYPE_STRING && to->kind == TYPE_TIMESTAMP) return cast_string_us;
    bool timestamp = from->kind == TYPE_TIMESTAMP || from->kind == TYPE_TIMESTAMP_NTZ;
    if (timestamp && to->kind == TYPE_DATE) return cast_us_days;
    return find_widening(from->kind, to->kind);
}
