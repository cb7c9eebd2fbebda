// Columns: making, sharing, gathering, concatenating. Only the functions with a budget can fail (STATUS_NO_MEMORY), and
// then leave nothing behind.
#include "common/columnar/column.h"

#include <string.h>

enum { BUFFER_VALIDITY, BUFFER_VALUES, BUFFER_OFFSETS, BUFFER_INDICES };

static struct column *column_alloc(const struct type *type, uint32_t length, uint32_t null_count,
                                   struct buffer *validity)
{
    ASSERT(null_count <= length && (validity || null_count == 0));
    struct column *column = memory_calloc(1, sizeof *column);
    column->refs = 1;
    column->length = length;
    column->type = type;
    column->null_count = null_count;
    column->validity = validity ? validity->data : NULL;
    column->buffers[BUFFER_VALIDITY] = validity;
    return column;
}

struct column *column_ref(struct column *column)
{
    atomic_fetch_add_explicit(&column->refs, 1, memory_order_relaxed);
    return column;
}

void column_unref(struct column *column)
{
    if (!column || atomic_fetch_sub_explicit(&column->refs, 1, memory_order_acq_rel) != 1) return;
    for (int i = 0; i < 4; i++) buffer_unref(column->buffers[i]);
    column_unref(column->dictionary);
    if (column->children) {
        for (uint32_t i = 0; i < column->type->child_count; i++) column_unref(column->children[i]);
        memory_free(column->children);
    }
    memory_free(column);
}

struct column *column_create(const struct type *type, uint32_t length, uint32_t null_count, struct buffer *validity,
                             struct buffer *values, struct buffer *offsets)
{
    bool is_text = type_is_string_like(type);
    ASSERT(is_text || type_width(type) > 0 || type->kind == TYPE_VOID);
    ASSERT(is_text == (offsets != NULL));
    struct column *column = column_alloc(type, length, null_count, validity);
    column->buffers[BUFFER_VALUES] = values;
    column->buffers[BUFFER_OFFSETS] = offsets;
    column->values = values ? values->data : NULL;
    column->offsets = offsets ? (const int32_t *)(const void *)offsets->data : NULL;
    if (is_text) {
        ASSERT(offsets->size_bytes >= (length + (size_t)1) * sizeof(int32_t) && column->offsets[0] >= 0);
        ASSERT(column->offsets[length] == 0 || (values && (size_t)column->offsets[length] <= values->size_bytes));
    } else if (length > 0 && type->kind != TYPE_VOID) {
        ASSERT(values && values->size_bytes >= (size_t)length * type_width(type));
    }
    return column;
}

struct column *column_create_dictionary(const struct type *type, uint32_t length, uint32_t null_count,
                                        struct buffer *validity, struct buffer *indices, struct column *dictionary)
{
    ASSERT(type_is_string_like(type) && dictionary && !dictionary->indices && dictionary->null_count == 0);
    ASSERT(indices && indices->size_bytes >= (size_t)length * sizeof(uint32_t));
    struct column *column = column_alloc(type, length, null_count, validity);
    column->buffers[BUFFER_INDICES] = indices;
    column->indices = (const uint32_t *)(const void *)indices->data;
    column->dictionary = dictionary;
    return column;
}

struct column *column_create_nested(const struct type *type, uint32_t length, uint32_t null_count,
                                    struct buffer *validity, struct buffer *offsets, struct column *const *children)
{
    ASSERT(type->kind == TYPE_STRUCT || ((type->kind == TYPE_ARRAY || type->kind == TYPE_MAP) && offsets));
    struct column *column = column_alloc(type, length, null_count, validity);
    column->buffers[BUFFER_OFFSETS] = offsets;
    column->offsets = offsets ? (const int32_t *)(const void *)offsets->data : NULL;
    column->children = memory_alloc((type->child_count + (size_t)1) * sizeof *column->children);
    for (uint32_t i = 0; i < type->child_count; i++) {
        uint32_t wanted = offsets ? (uint32_t)column->offsets[length] : length;
        ASSERT(children[i] && children[i]->type == type->children[i].type && children[i]->length >= wanted);
        column->children[i] = children[i];
    }
    return column;
}

static enum status zero_buffer(struct budget *budget, size_t size_bytes, struct buffer **ret_buffer, struct error *err)
{
    struct buffer *buffer = NULL;
    enum status status = buffer_create(budget, size_bytes, &buffer, err);
    if (status != STATUS_OK) return status;
    memset(buffer->data, 0, size_bytes);
    *ret_buffer = buffer;
    return STATUS_OK;
}

static void children_unref(struct column **children, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) column_unref(children[i]);
    memory_free(children);
}

static enum status nulls_nested(struct budget *budget, const struct type *type, uint32_t length,
                                struct buffer *validity, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *offsets = NULL;
    struct column **children = memory_calloc(type->child_count + (size_t)1, sizeof *children);
    bool is_struct = type->kind == TYPE_STRUCT;
    for (uint32_t i = 0; i < type->child_count; i++) {
        TRY(column_create_nulls(budget, type->children[i].type, is_struct ? length : 0, &children[i], err));
    }
    if (!is_struct) TRY(zero_buffer(budget, (length + (size_t)1) * sizeof(int32_t), &offsets, err));
    *ret_column = column_create_nested(type, length, length, validity, offsets, children);
    memory_free(children);
    return STATUS_OK;
out:
    children_unref(children, type->child_count);
    return status;
}

enum status column_create_nulls(struct budget *budget, const struct type *type, uint32_t length,
                                struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *validity = NULL, *values = NULL, *offsets = NULL;
    TRY(zero_buffer(budget, (length + (size_t)7) / 8, &validity, err));
    if (type->child_count > 0 || type->kind == TYPE_STRUCT) {
        TRY(nulls_nested(budget, type, length, validity, ret_column, err));
        return STATUS_OK;
    }
    if (type_is_string_like(type)) {
        TRY(zero_buffer(budget, (length + (size_t)1) * sizeof(int32_t), &offsets, err));
    } else if (type->kind != TYPE_VOID) {
        TRY(zero_buffer(budget, (size_t)length * type_width(type), &values, err));
    }
    *ret_column = column_create(type, length, length, validity, values, offsets);
    return STATUS_OK;
out:
    buffer_unref(validity);
    buffer_unref(values);
    buffer_unref(offsets);
    return status;
}

static enum status gather_validity(struct budget *budget, const struct column *column, const uint32_t *rows,
                                   uint32_t count, struct buffer **ret_validity, uint32_t *ret_null_count,
                                   struct error *err)
{
    *ret_validity = NULL;
    *ret_null_count = 0;
    if (!column->validity || column->null_count == 0) return STATUS_OK;
    struct buffer *validity = NULL;
    enum status status = zero_buffer(budget, (count + (size_t)7) / 8, &validity, err);
    if (status != STATUS_OK) return status;
    uint32_t valid_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        unsigned bit = column->validity[rows[i] >> 3] >> (rows[i] & 7) & 1u;
        validity->data[i >> 3] = (uint8_t)(validity->data[i >> 3] | bit << (i & 7));
        valid_count += bit;
    }
    if (valid_count == count) {
        buffer_unref(validity);
        return STATUS_OK;
    }
    *ret_validity = validity;
    *ret_null_count = count - valid_count;
    return STATUS_OK;
}

#define GATHER_LOOP(ctype)                                                                                             \
    do {                                                                                                               \
        ctype *to = (ctype *)(void *)values->data;                                                                     \
        const ctype *from = column->values;                                                                            \
        for (uint32_t i = 0; i < count; i++) to[i] = from[rows[i]];                                                    \
    } while (0)

static enum status gather_fixed(struct budget *budget, const struct column *column, const uint32_t *rows,
                                uint32_t count, struct buffer **ret_values, struct error *err)
{
    struct buffer *values = NULL;
    uint32_t width = type_width(column->type);
    if (width == 0) return STATUS_OK; // void
    enum status status = buffer_create(budget, (size_t)count * width, &values, err);
    if (status != STATUS_OK) return status;
    switch (width) {
    case 1: GATHER_LOOP(uint8_t); break;
    case 2: GATHER_LOOP(uint16_t); break;
    case 4: GATHER_LOOP(uint32_t); break;
    case 8: GATHER_LOOP(uint64_t); break;
    default: GATHER_LOOP(__int128); break;
    }
    *ret_values = values;
    return STATUS_OK;
}

// New offsets for gathered rows; null rows become empty. The total is checked against int32.
static enum status gather_offsets(struct budget *budget, const struct column *column, const uint32_t *rows,
                                  uint32_t count, struct buffer **ret_offsets, int32_t *ret_total, struct error *err)
{
    struct buffer *buffer = NULL;
    enum status status = buffer_create(budget, (count + (size_t)1) * sizeof(int32_t), &buffer, err);
    if (status != STATUS_OK) return status;
    int32_t *offsets = (int32_t *)(void *)buffer->data;
    int64_t total = 0;
    offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        if (!column_is_null(column, row)) total += column->offsets[row + 1] - column->offsets[row];
        if (total > INT32_MAX) {
            buffer_unref(buffer);
            return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE,
                             "a column of %u rows of type %s needs more than 2 GiB; use smaller batches", count,
                             column->type->text);
        }
        offsets[i + 1] = (int32_t)total;
    }
    *ret_offsets = buffer;
    *ret_total = (int32_t)total;
    return STATUS_OK;
}

static enum status gather_text(struct budget *budget, const struct column *column, const uint32_t *rows, uint32_t count,
                               struct buffer **ret_values, struct buffer **ret_offsets, struct error *err)
{
    struct buffer *offsets_buffer = NULL, *values = NULL;
    int32_t total = 0;
    enum status status = STATUS_OK;
    TRY(gather_offsets(budget, column, rows, count, &offsets_buffer, &total, err));
    TRY(buffer_create(budget, (size_t)total, &values, err));
    const int32_t *offsets = (const int32_t *)(const void *)offsets_buffer->data;
    for (uint32_t i = 0; i < count; i++) {
        size_t length = (size_t)(offsets[i + 1] - offsets[i]);
        if (length) memcpy(values->data + offsets[i], column->bytes + column->offsets[rows[i]], length);
    }
    *ret_values = values;
    *ret_offsets = offsets_buffer;
    return STATUS_OK;
out:
    buffer_unref(offsets_buffer);
    return status;
}

static enum status gather_indices(struct budget *budget, const struct column *column, const uint32_t *rows,
                                  uint32_t count, struct buffer **ret_indices, struct error *err)
{
    struct buffer *buffer = NULL;
    enum status status = buffer_create(budget, (size_t)count * sizeof(uint32_t), &buffer, err);
    if (status != STATUS_OK) return status;
    uint32_t *indices = (uint32_t *)(void *)buffer->data;
    for (uint32_t i = 0; i < count; i++) indices[i] = column->indices[rows[i]];
    *ret_indices = buffer;
    return STATUS_OK;
}

static enum status gather_nested(struct budget *budget, const struct column *column, const uint32_t *rows,
                                 uint32_t count, struct buffer *validity, uint32_t null_count,
                                 struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *type = column->type;
    struct buffer *offsets = NULL, *picked = NULL;
    uint32_t child_count = count;
    struct column **children = memory_calloc(type->child_count + (size_t)1, sizeof *children);
    if (type->kind != TYPE_STRUCT) {
        int32_t total = 0;
        TRY(gather_offsets(budget, column, rows, count, &offsets, &total, err));
        TRY(buffer_create(budget, (size_t)total * sizeof(uint32_t), &picked, err));
        uint32_t *child_rows = (uint32_t *)(void *)picked->data;
        child_count = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (column_is_null(column, rows[i])) continue;
            for (int32_t at = column->offsets[rows[i]]; at < column->offsets[rows[i] + 1]; at++) {
                child_rows[child_count++] = (uint32_t)at;
            }
        }
        rows = child_rows;
    }
    for (uint32_t i = 0; i < type->child_count; i++) {
        TRY(column_gather(budget, column->children[i], rows, child_count, &children[i], err));
    }
    *ret_column = column_create_nested(type, count, null_count, validity, offsets, children);
    memory_free(children);
    buffer_unref(picked);
    return STATUS_OK;
out:
    children_unref(children, type->child_count);
    buffer_unref(offsets);
    buffer_unref(picked);
    return status;
}

enum status column_gather(struct budget *budget, const struct column *column, const uint32_t *rows, uint32_t count,
                          struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *type = column->type;
    struct buffer *validity = NULL, *values = NULL, *offsets = NULL;
    uint32_t null_count = 0;
    TRY(gather_validity(budget, column, rows, count, &validity, &null_count, err));
    if (column->children) {
        TRY(gather_nested(budget, column, rows, count, validity, null_count, ret_column, err));
        return STATUS_OK;
    }
    if (column->indices) {
        TRY(gather_indices(budget, column, rows, count, &values, err));
        *ret_column =
            column_create_dictionary(type, count, null_count, validity, values, column_ref(column->dictionary));
        return STATUS_OK;
    }
    if (type_is_string_like(type)) {
        TRY(gather_text(budget, column, rows, count, &values, &offsets, err));
    } else {
        TRY(gather_fixed(budget, column, rows, count, &values, err));
    }
    *ret_column = column_create(type, count, null_count, validity, values, offsets);
    return STATUS_OK;
out:
    buffer_unref(validity);
    return status;
}

uint64_t column_bytes(const struct column *column)
{
    uint64_t bytes = 0;
    for (int i = 0; i < 4; i++) {
        if (column->buffers[i]) bytes += column->buffers[i]->size_bytes;
    }
    if (column->dictionary) bytes += column_bytes(column->dictionary);
    if (column->children) {
        for (uint32_t i = 0; i < column->type->child_count; i++) bytes += column_bytes(column->children[i]);
    }
    return bytes;
}
