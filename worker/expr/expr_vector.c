// Building results: validity bitmaps by words, values, branches merged. Fails only with STATUS_NO_MEMORY.
#include <string.h>

#include "worker/expr/expr_program.h"

void expr_value_free(struct expr_value *value)
{
    column_unref(value->column);
    value->column = NULL;
}

size_t expr_bitmap_size(uint32_t length)
{
    return ((size_t)length + 63) / 64 * 8;
}

enum status expr_vector_validity(struct expr_call *call, struct error *err)
{
    for (uint32_t i = 0; i < call->step->arg_count; i++) {
        const struct column *column = call->args[i].column;
        if (!column->validity || column->null_count == 0 || (call->args[i].constant && !call->constant)) continue;
        size_t bytes = ((size_t)call->length + 7) / 8;
        if (!call->validity) {
            enum status status =
                buffer_create(call->frame->budget, expr_bitmap_size(call->length), &call->validity, err);
            if (status != STATUS_OK) return status;
            memset(call->validity->data, 0, expr_bitmap_size(call->length));
            memcpy(call->validity->data, column->validity, bytes);
            continue;
        }
        uint8_t *to = call->validity->data;
        for (size_t at = 0; at < bytes; at++) to[at] &= column->validity[at];
    }
    return STATUS_OK;
}

enum status expr_vector_null_at(struct expr_call *call, uint32_t row, struct error *err)
{
    if (!call->validity) {
        enum status status = buffer_create(call->frame->budget, expr_bitmap_size(call->length), &call->validity, err);
        if (status != STATUS_OK) return status;
        memset(call->validity->data, 0xff, expr_bitmap_size(call->length));
    }
    uint8_t *byte = call->validity->data + (row >> 3);
    *byte = (uint8_t)(*byte & ~(1u << (row & 7)));
    return STATUS_OK;
}

enum status expr_vector_values(struct expr_call *call, size_t width, struct buffer **ret_buffer, struct error *err)
{
    return buffer_create(call->frame->budget, (size_t)call->length * width, ret_buffer, err);
}

uint32_t expr_vector_null_count(const struct buffer *validity, uint32_t length)
{
    if (!validity) return 0;
    uint32_t valid = 0, at = 0;
    for (; at + 64 <= length; at += 64) {
        uint64_t word;
        memcpy(&word, validity->data + at / 8, 8);
        valid += (uint32_t)__builtin_popcountll(word);
    }
    for (; at < length; at++) valid += (unsigned)validity->data[at >> 3] >> (at & 7) & 1u;
    return length - valid;
}

void expr_vector_finish(struct expr_call *call, struct buffer *values)
{
    uint32_t null_count = expr_vector_null_count(call->validity, call->length);
    if (call->validity && null_count == 0) {
        buffer_unref(call->validity);
        call->validity = NULL;
    }
    call->result = column_create(call->step->type, call->length, null_count, call->validity, values, NULL);
    call->validity = NULL;
}

enum status expr_vector_mask(struct budget *budget, struct column *column, const uint8_t *also,
                             struct column **ret_column, struct error *err)
{
    if (!also) {
        *ret_column = column_ref(column);
        return STATUS_OK;
    }
    struct buffer *validity;
    enum status status = buffer_create(budget, expr_bitmap_size(column->length), &validity, err);
    if (status != STATUS_OK) return status;
    size_t bytes = ((size_t)column->length + 7) / 8;
    memset(validity->data, 0, expr_bitmap_size(column->length));
    memcpy(validity->data, also, bytes);
    if (column->validity) {
        for (size_t i = 0; i < bytes; i++) validity->data[i] &= column->validity[i];
    }
    struct column *masked = memory_alloc(sizeof *masked);
    memcpy(masked, column, sizeof *masked);
    masked->refs = 1;
    masked->buffers[0] = validity;
    masked->validity = validity->data;
    masked->null_count = expr_vector_null_count(validity, column->length);
    for (int i = 1; i < 4; i++) {
        if (masked->buffers[i]) buffer_ref(masked->buffers[i]);
    }
    if (masked->dictionary) column_ref(masked->dictionary);
    if (column->children) {
        uint32_t count = column->type->child_count;
        masked->children = memory_alloc((count + (size_t)1) * sizeof *masked->children);
        for (uint32_t i = 0; i < count; i++) masked->children[i] = column_ref(column->children[i]);
    }
    *ret_column = masked;
    return STATUS_OK;
}

enum status expr_vector_single(struct budget *budget, const struct type *type, const struct expr_datum *datum,
                               struct column **ret_column, struct error *err)
{
    if (datum->null) return column_create_nulls(budget, type, 1, ret_column, err);
    struct column_builder *builder = column_builder_create(budget, type);
    enum status status = STATUS_OK;
    TRY(expr_datum_append(builder, type, datum, err));
    TRY(column_builder_finish(builder, ret_column, err));
out:
    column_builder_destroy(builder);
    return status;
}

// Validity of merged rows. Rows outside of the call's are left valid: nobody looks.
static enum status merge_validity(struct expr_call *call, const uint16_t *branch, const struct expr_value *values,
                                  struct error *err)
{
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        uint16_t from = branch[row];
        bool null = from == EXPR_BRANCH_NULL || column_is_null(values[from].column, expr_index(&values[from], row));
        if (!null) continue;
        enum status status = expr_vector_null_at(call, row, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

#define MERGE_LOOP(ctype)                                                                                              \
    do {                                                                                                               \
        ctype *to = (ctype *)(void *)buffer->data;                                                                     \
        for (uint32_t k = 0; k < call->row_count; k++) {                                                               \
            uint32_t row = expr_row_at(call, k);                                                                       \
            uint16_t from = branch[row];                                                                               \
            if (from == EXPR_BRANCH_NULL) {                                                                            \
                to[row] = 0;                                                                                           \
                continue;                                                                                              \
            }                                                                                                          \
            to[row] = ((const ctype *)values[from].column->values)[expr_index(&values[from], row)];                    \
        }                                                                                                              \
    } while (0)

static enum status merge_fixed(struct expr_call *call, const uint16_t *branch, const struct expr_value *values,
                               struct error *err)
{
    uint32_t width = type_width(call->step->type);
    struct buffer *buffer;
    enum status status = expr_vector_values(call, width, &buffer, err);
    if (status != STATUS_OK) return status;
    switch (width) {
    case 1: MERGE_LOOP(uint8_t); break;
    case 2: MERGE_LOOP(uint16_t); break;
    case 4: MERGE_LOOP(uint32_t); break;
    case 8: MERGE_LOOP(uint64_t); break;
    default: MERGE_LOOP(__int128); break;
    }
    expr_vector_finish(call, buffer);
    return STATUS_OK;
}

// A branch that was reached and is not null.
static bool branch_has_text(const struct expr_value *value)
{
    return value->column && !column_is_null(value->column, 0);
}

// Every branch a constant: the branches are the dictionary.
static enum status merge_dictionary(struct expr_call *call, const uint16_t *branch, const struct expr_value *values,
                                    uint32_t value_count, struct error *err)
{
    enum status status = STATUS_OK;
    struct column *dictionary = NULL;
    struct buffer *indices = NULL;
    uint32_t *slots = memory_calloc(value_count + 1, sizeof *slots);
    struct column_builder *builder = column_builder_create(call->frame->budget, call->step->type);
    for (uint32_t i = 0; i < value_count; i++) {
        if (!branch_has_text(&values[i])) continue;
        slots[i] = column_builder_length(builder);
        for (uint32_t j = 0; j < i; j++) { // equal texts share an entry
            if (!branch_has_text(&values[j]) || column_compare(values[i].column, 0, values[j].column, 0)) continue;
            slots[i] = slots[j];
            break;
        }
        if (slots[i] != column_builder_length(builder)) continue;
        TRY(column_builder_copy(builder, values[i].column, 0, err));
    }
    TRY(column_builder_finish(builder, &dictionary, err));
    TRY(expr_vector_values(call, sizeof(uint32_t), &indices, err));
    uint32_t *to = (uint32_t *)(void *)indices->data;
    if (call->rows) memset(to, 0, (size_t)call->length * sizeof *to);
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        to[row] = branch[row] == EXPR_BRANCH_NULL ? 0 : slots[branch[row]];
    }
    uint32_t null_count = expr_vector_null_count(call->validity, call->length);
    call->result =
        column_create_dictionary(call->step->type, call->length, null_count, call->validity, indices, dictionary);
    call->validity = NULL;
    indices = NULL;
    dictionary = NULL;
out:
    column_builder_destroy(builder);
    column_unref(dictionary);
    buffer_unref(indices);
    memory_free(slots);
    return status;
}

static enum status merge_built(struct expr_call *call, const uint16_t *branch, const struct expr_value *values,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *builder = column_builder_create(call->frame->budget, call->step->type);
    uint32_t done = 0;
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        for (; done < row; done++) TRY(column_builder_null(builder, err));
        uint16_t from = branch[row];
        if (from == EXPR_BRANCH_NULL) {
            TRY(column_builder_null(builder, err));
        } else {
            TRY(column_builder_copy(builder, values[from].column, expr_index(&values[from], row), err));
        }
        done++;
    }
    for (; done < call->length; done++) TRY(column_builder_null(builder, err));
    TRY(column_builder_finish(builder, &call->result, err));
out:
    column_builder_destroy(builder);
    return status;
}

enum status expr_vector_merge(struct expr_call *call, const uint16_t *branch, const struct expr_value *values,
                              uint32_t value_count, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *type = call->step->type;
    bool constants = type_is_string_like(type) && value_count > 0;
    for (uint32_t i = 0; i < value_count; i++) constants = constants && (!values[i].column || values[i].constant);
    constants = constants && !call->frame->program->expand_literals;
    if (type_width(type) == 0 && !constants) return merge_built(call, branch, values, err);
    TRY(merge_validity(call, branch, values, err));
    if (constants) {
        TRY(merge_dictionary(call, branch, values, value_count, err));
    } else {
        TRY(merge_fixed(call, branch, values, err));
    }
out:
    return status;
}

enum status expr_vector_expand(struct budget *budget, struct column *single, uint32_t length,
                               struct column **ret_column, struct error *err)
{
    if (column_is_null(single, 0) || single->type->kind == TYPE_VOID) {
        return column_create_nulls(budget, single->type, length, ret_column, err);
    }
    if (type_is_string_like(single->type) && !single->indices) {
        struct buffer *indices;
        enum status status = buffer_create(budget, (size_t)length * sizeof(uint32_t), &indices, err);
        if (status != STATUS_OK) return status;
        memset(indices->data, 0, (size_t)length * sizeof(uint32_t));
        *ret_column = column_create_dictionary(single->type, length, 0, NULL, indices, column_ref(single));
        return STATUS_OK;
    }
    uint32_t *rows = memory_calloc(length + (size_t)1, sizeof *rows);
    enum status status = column_gather(budget, single, rows, length, ret_column, err);
    memory_free(rows);
    return status;
}
