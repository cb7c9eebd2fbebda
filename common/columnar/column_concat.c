// Several columns of one type as one. Dictionary-coded strings stay so when all share one dictionary, else become
// plain. Fails with STATUS_NO_MEMORY (budget, or more than 2 GiB of bytes) and leaves nothing behind then.
#include <string.h>

#include "common/columnar/column.h"

static enum status concat_validity(struct budget *budget, struct column *const *columns, uint32_t count,
                                   uint32_t length, uint32_t null_count, struct buffer **ret_validity,
                                   struct error *err)
{
    if (null_count == 0) return STATUS_OK;
    struct buffer *validity = NULL;
    size_t size_bytes = (length + (size_t)7) / 8;
    enum status status = buffer_create(budget, size_bytes, &validity, err);
    if (status != STATUS_OK) return status;
    memset(validity->data, 0xff, size_bytes);
    uint32_t at = 0;
    for (uint32_t c = 0; c < count; c++) {
        for (uint32_t i = 0; columns[c]->null_count && i < columns[c]->length; i++) {
            if (!column_is_null(columns[c], i)) continue;
            uint32_t bit = at + i;
            validity->data[bit >> 3] = (uint8_t)(validity->data[bit >> 3] & ~(1u << (bit & 7)));
        }
        at += columns[c]->length;
    }
    *ret_validity = validity;
    return STATUS_OK;
}

static bool shares_dictionary(struct column *const *columns, uint32_t count)
{
    for (uint32_t c = 0; c < count; c++) {
        if (!columns[c]->indices || columns[c]->dictionary != columns[0]->dictionary) return false;
    }
    return true;
}

// Fixed-width values, or the indices of columns that share a dictionary.
static enum status concat_fixed(struct budget *budget, struct column *const *columns, uint32_t count, uint32_t length,
                                uint32_t width, struct buffer **ret_values, struct error *err)
{
    struct buffer *values = NULL;
    enum status status = buffer_create(budget, (size_t)length * width, &values, err);
    if (status != STATUS_OK) return status;
    uint8_t *to = values->data;
    for (uint32_t c = 0; c < count; c++) {
        size_t bytes = (size_t)columns[c]->length * width;
        const void *from = columns[c]->indices ? (const void *)columns[c]->indices : columns[c]->values;
        if (bytes) memcpy(to, from, bytes);
        to += bytes;
    }
    *ret_values = values;
    return STATUS_OK;
}

static uint32_t row_length(const struct column *column, uint32_t row)
{
    if (column_is_null(column, row)) return 0;
    if (column->children) return (uint32_t)(column->offsets[row + 1] - column->offsets[row]);
    return (uint32_t)column_slice(column, row).length;
}

// Offsets of the concatenation, null rows empty.
static enum status concat_offsets(struct budget *budget, struct column *const *columns, uint32_t count, uint32_t length,
                                  struct buffer **ret_offsets, struct error *err)
{
    struct buffer *buffer = NULL;
    enum status status = buffer_create(budget, (length + (size_t)1) * sizeof(int32_t), &buffer, err);
    if (status != STATUS_OK) return status;
    int32_t *offsets = (int32_t *)(void *)buffer->data;
    int64_t total = 0;
    *offsets++ = 0;
    for (uint32_t c = 0; c < count; c++) {
        for (uint32_t i = 0; i < columns[c]->length; i++) {
            total += row_length(columns[c], i);
            if (total > INT32_MAX) {
                buffer_unref(buffer);
                return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE,
                                 "a column of %u rows of type %s needs more than 2 GiB; use smaller batches", length,
                                 columns[0]->type->text);
            }
            *offsets++ = (int32_t)total;
        }
    }
    *ret_offsets = buffer;
    return STATUS_OK;
}

static enum status concat_text(struct budget *budget, struct column *const *columns, uint32_t count,
                               const struct buffer *offsets, uint32_t length, struct buffer **ret_values,
                               struct error *err)
{
    struct buffer *values = NULL;
    const int32_t *ends = (const int32_t *)(const void *)offsets->data;
    enum status status = buffer_create(budget, (size_t)ends[length], &values, err);
    if (status != STATUS_OK) return status;
    uint8_t *to = values->data;
    for (uint32_t c = 0; c < count; c++) {
        for (uint32_t i = 0; i < columns[c]->length; i++) {
            if (column_is_null(columns[c], i)) continue;
            struct slice slice = column_slice(columns[c], i);
            if (slice.length) memcpy(to, slice.data, slice.length);
            to += slice.length;
        }
    }
    *ret_values = values;
    return STATUS_OK;
}

// The child rows of one array or map column that non-null rows own, as a column of its own.
static enum status owned_child(struct budget *budget, const struct column *column, uint32_t child,
                               struct column **ret_child, struct error *err)
{
    struct buffer *picked = NULL;
    enum status status = STATUS_OK;
    uint32_t total = 0;
    for (uint32_t i = 0; i < column->length; i++) total += row_length(column, i);
    if (total == column->children[child]->length && column->offsets[0] == 0) {
        *ret_child = column_ref(column->children[child]);
        return STATUS_OK;
    }
    TRY(buffer_create(budget, (size_t)total * sizeof(uint32_t), &picked, err));
    uint32_t *rows = (uint32_t *)(void *)picked->data;
    uint32_t at = 0;
    for (uint32_t i = 0; i < column->length; i++) {
        for (uint32_t k = 0; k < row_length(column, i); k++) rows[at++] = (uint32_t)column->offsets[i] + k;
    }
    TRY(column_gather(budget, column->children[child], rows, total, ret_child, err));
out:
    buffer_unref(picked);
    return status;
}

static enum status concat_child(struct budget *budget, struct column *const *columns, uint32_t count, uint32_t child,
                                struct column **ret_child, struct error *err)
{
    enum status status = STATUS_OK;
    bool is_struct = columns[0]->type->kind == TYPE_STRUCT;
    struct column **parts = memory_calloc(count, sizeof *parts);
    for (uint32_t c = 0; c < count; c++) {
        if (is_struct && columns[c]->children[child]->length == columns[c]->length) {
            parts[c] = column_ref(columns[c]->children[child]);
        } else if (!is_struct) {
            TRY(owned_child(budget, columns[c], child, &parts[c], err));
        } else {
            TRY(error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "a struct column and its field differ in length"));
        }
    }
    TRY(column_concat(budget, parts, count, ret_child, err));
out:
    for (uint32_t c = 0; c < count; c++) column_unref(parts[c]);
    memory_free(parts);
    return status;
}

static enum status concat_nested(struct budget *budget, struct column *const *columns, uint32_t count, uint32_t length,
                                 uint32_t null_count, struct buffer *validity, struct column **ret_column,
                                 struct error *err)
{
    const struct type *type = columns[0]->type;
    enum status status = STATUS_OK;
    struct buffer *offsets = NULL;
    struct column **children = memory_calloc(type->child_count + (size_t)1, sizeof *children);
    if (type->kind != TYPE_STRUCT) TRY(concat_offsets(budget, columns, count, length, &offsets, err));
    for (uint32_t i = 0; i < type->child_count; i++) TRY(concat_child(budget, columns, count, i, &children[i], err));
    *ret_column = column_create_nested(type, length, null_count, validity, offsets, children);
    memory_free(children);
    return STATUS_OK;
out:
    for (uint32_t i = 0; i < type->child_count; i++) column_unref(children[i]);
    memory_free(children);
    buffer_unref(offsets);
    return status;
}

enum status column_concat(struct budget *budget, struct column *const *columns, uint32_t count,
                          struct column **ret_column, struct error *err)
{
    ASSERT(count > 0);
    if (count == 1) {
        *ret_column = column_ref(columns[0]);
        return STATUS_OK;
    }
    const struct type *type = columns[0]->type;
    struct buffer *validity = NULL, *values = NULL, *offsets = NULL;
    uint32_t length = 0, null_count = 0;
    enum status status = STATUS_OK;
    for (uint32_t c = 0; c < count; c++) {
        ASSERT(columns[c]->type == type && columns[c]->length <= UINT32_MAX - length);
        length += columns[c]->length;
        null_count += columns[c]->null_count;
    }
    TRY(concat_validity(budget, columns, count, length, null_count, &validity, err));
    if (columns[0]->children) {
        TRY(concat_nested(budget, columns, count, length, null_count, validity, ret_column, err));
        return STATUS_OK;
    }
    if (type_is_string_like(type) && shares_dictionary(columns, count)) {
        TRY(concat_fixed(budget, columns, count, length, sizeof(uint32_t), &values, err));
        *ret_column =
            column_create_dictionary(type, length, null_count, validity, values, column_ref(columns[0]->dictionary));
        return STATUS_OK;
    }
    if (type_is_string_like(type)) {
        TRY(concat_offsets(budget, columns, count, length, &offsets, err));
        TRY(concat_text(budget, columns, count, offsets, length, &values, err));
    } else if (type->kind != TYPE_VOID) {
        TRY(concat_fixed(budget, columns, count, length, type_width(type), &values, err));
    }
    *ret_column = column_create(type, length, null_count, validity, values, offsets);
    return STATUS_OK;
out:
    buffer_unref(validity);
    buffer_unref(offsets);
    return status;
}
