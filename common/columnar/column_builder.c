// The one-by-one builder of columns. Fails with STATUS_NO_MEMORY; the builder then still holds what it held before.
#include <string.h>

#include "common/columnar/column.h"

#define BUILDER_ROWS_FIRST  64u
#define BUILDER_BYTES_FIRST 256u

struct column_builder {
    struct budget *budget;
    const struct type *type;
    uint32_t length;
    uint32_t null_count;
    uint32_t width;
    bool has_offsets;
    size_t byte_count;       // string, binary: bytes in values
    struct buffer *validity; // made at the first null; its bits beyond length are 1
    struct buffer *values;
    struct buffer *offsets;
    struct column_builder **children;
};

struct column_builder *column_builder_create(struct budget *budget, const struct type *type)
{
    struct column_builder *builder = memory_calloc(1, sizeof *builder);
    builder->budget = budget;
    builder->type = type;
    builder->width = type_width(type);
    builder->has_offsets = type_is_string_like(type) || type->kind == TYPE_ARRAY || type->kind == TYPE_MAP;
    if (type->child_count > 0) {
        builder->children = memory_alloc(type->child_count * sizeof *builder->children);
        for (uint32_t i = 0; i < type->child_count; i++) {
            builder->children[i] = column_builder_create(budget, type->children[i].type);
        }
    }
    return builder;
}

static void builder_reset(struct column_builder *builder)
{
    builder->validity = builder->values = builder->offsets = NULL;
    builder->length = builder->null_count = 0;
    builder->byte_count = 0;
}

void column_builder_destroy(struct column_builder *builder)
{
    if (!builder) return;
    for (uint32_t i = 0; i < builder->type->child_count; i++) column_builder_destroy(builder->children[i]);
    memory_free(builder->children);
    buffer_unref(builder->validity);
    buffer_unref(builder->values);
    buffer_unref(builder->offsets);
    memory_free(builder);
}

uint32_t column_builder_length(const struct column_builder *builder)
{
    return builder->length;
}

struct column_builder *column_builder_child(struct column_builder *builder, uint32_t child)
{
    ASSERT(child < builder->type->child_count);
    return builder->children[child];
}

// At least want_bytes in *slot, which is made or doubled.
static enum status reserve(struct column_builder *builder, struct buffer **slot, size_t want_bytes, size_t first,
                           struct error *err)
{
    if (*slot && (*slot)->size_bytes >= want_bytes) return STATUS_OK;
    size_t size = *slot && (*slot)->size_bytes * 2 > first ? (*slot)->size_bytes * 2 : first;
    if (size < want_bytes) size = want_bytes;
    return *slot ? buffer_grow(*slot, size, err) : buffer_create(builder->budget, size, slot, err);
}

static enum status reserve_validity(struct column_builder *builder, struct error *err)
{
    size_t before = builder->validity ? builder->validity->size_bytes : 0;
    enum status status = reserve(builder, &builder->validity, builder->length / 8 + 1, BUILDER_ROWS_FIRST / 8, err);
    if (status != STATUS_OK) return status;
    memset(builder->validity->data + before, 0xff, builder->validity->size_bytes - before);
    return STATUS_OK;
}

static enum status reserve_offsets(struct column_builder *builder, struct error *err)
{
    enum status status = reserve(builder, &builder->offsets, (builder->length + (size_t)2) * sizeof(int32_t),
                                 BUILDER_ROWS_FIRST * sizeof(int32_t), err);
    if (status != STATUS_OK) return status;
    if (builder->length == 0) memset(builder->offsets->data, 0, sizeof(int32_t));
    return STATUS_OK;
}

static void put_offset(struct column_builder *builder, size_t offset)
{
    ((int32_t *)(void *)builder->offsets->data)[builder->length + 1] = (int32_t)offset;
}

// Room for one more row in every buffer that takes one entry a row.
static enum status reserve_row(struct column_builder *builder, bool is_null, struct error *err)
{
    enum status status = STATUS_OK;
    if (builder->length == UINT32_MAX) {
        return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE, "a column cannot have more than 2^32 rows");
    }
    if (is_null || builder->validity) TRY(reserve_validity(builder, err));
    if (builder->has_offsets) TRY(reserve_offsets(builder, err));
    if (builder->width) {
        TRY(reserve(builder, &builder->values, (builder->length + (size_t)1) * builder->width,
                    (size_t)BUILDER_ROWS_FIRST * builder->width, err));
    }
out:
    return status;
}

static size_t end_offset(const struct column_builder *builder)
{
    return builder->children ? builder->children[0]->length : builder->byte_count;
}

enum status column_builder_null(struct column_builder *builder, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(reserve_row(builder, true, err));
    if (builder->type->kind == TYPE_STRUCT) {
        for (uint32_t i = 0; i < builder->type->child_count; i++) {
            if (builder->children[i]->length > builder->length) continue; // an earlier try got this far
            TRY(column_builder_null(builder->children[i], err));
        }
    } else if (builder->has_offsets) {
        put_offset(builder, end_offset(builder));
    } else if (builder->width) {
        memset(builder->values->data + (size_t)builder->length * builder->width, 0, builder->width);
    }
    uint8_t *byte = builder->validity->data + (builder->length >> 3);
    *byte = (uint8_t)(*byte & ~(1u << (builder->length & 7)));
    builder->length++;
    builder->null_count++;
out:
    return status;
}

enum status column_builder_fixed(struct column_builder *builder, const void *value, struct error *err)
{
    ASSERT(builder->width > 0);
    enum status status = STATUS_OK;
    TRY(reserve_row(builder, false, err));
    memcpy(builder->values->data + (size_t)builder->length * builder->width, value, builder->width);
    builder->length++;
out:
    return status;
}

enum status column_builder_bytes(struct column_builder *builder, const void *bytes, size_t length, struct error *err)
{
    ASSERT(type_is_string_like(builder->type));
    enum status status = STATUS_OK;
    if (builder->byte_count + length > INT32_MAX) {
        return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE,
                         "a column of type %s needs more than 2 GiB; use smaller batches", builder->type->text);
    }
    TRY(reserve_row(builder, false, err));
    TRY(reserve(builder, &builder->values, builder->byte_count + length, BUILDER_BYTES_FIRST, err));
    if (length) memcpy(builder->values->data + builder->byte_count, bytes, length);
    builder->byte_count += length;
    put_offset(builder, builder->byte_count);
    builder->length++;
out:
    return status;
}

enum status column_builder_nested(struct column_builder *builder, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *type = builder->type;
    ASSERT(type->kind >= TYPE_STRUCT);
    for (uint32_t i = 0; i < type->child_count; i++) {
        uint32_t wanted = type->kind == TYPE_STRUCT ? builder->length + 1 : builder->children[0]->length;
        ASSERT(builder->children[i]->length == wanted);
    }
    TRY(reserve_row(builder, false, err));
    if (builder->has_offsets) {
        if (builder->children[0]->length > INT32_MAX) {
            TRY(error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE, "a column of type %s has more than 2^31 elements",
                          type->text));
        }
        put_offset(builder, builder->children[0]->length);
    }
    builder->length++;
out:
    return status;
}

static enum status copy_nested(struct column_builder *builder, const struct column *column, uint32_t row,
                               struct error *err)
{
    enum status status = STATUS_OK;
    bool is_struct = builder->type->kind == TYPE_STRUCT;
    uint32_t from = is_struct ? row : (uint32_t)column->offsets[row];
    uint32_t to = is_struct ? row + 1 : (uint32_t)column->offsets[row + 1];
    for (uint32_t i = 0; i < builder->type->child_count; i++) {
        for (uint32_t at = from; at < to; at++) {
            TRY(column_builder_copy(builder->children[i], column->children[i], at, err));
        }
    }
    TRY(column_builder_nested(builder, err));
out:
    return status;
}

enum status column_builder_copy(struct column_builder *builder, const struct column *column, uint32_t row,
                                struct error *err)
{
    ASSERT(column->type == builder->type);
    if (column_is_null(column, row) || column->type->kind == TYPE_VOID) return column_builder_null(builder, err);
    if (builder->width) {
        return column_builder_fixed(builder, (const uint8_t *)column->values + (size_t)row * builder->width, err);
    }
    if (type_is_string_like(builder->type)) {
        struct slice slice = column_slice(column, row);
        return column_builder_bytes(builder, slice.data, slice.length, err);
    }
    return copy_nested(builder, column, row, err);
}

void column_builder_truncate(struct column_builder *builder, uint32_t length)
{
    if (builder->length < length) length = builder->length;
    for (uint32_t row = length; builder->validity && row < builder->length; row++) {
        uint8_t *byte = builder->validity->data + (row >> 3), bit = (uint8_t)(1u << (row & 7));
        builder->null_count -= !(*byte & bit);
        *byte |= bit;
    }
    builder->length = length;
    uint32_t below = length; // values that children keep
    if (builder->has_offsets) {
        const int32_t *offsets = builder->offsets ? (const int32_t *)(const void *)builder->offsets->data : NULL;
        below = length && offsets ? (uint32_t)offsets[length] : 0;
    }
    if (type_is_string_like(builder->type)) builder->byte_count = below;
    for (uint32_t i = 0; i < builder->type->child_count; i++) column_builder_truncate(builder->children[i], below);
}

enum status column_builder_finish(struct column_builder *builder, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *type = builder->type;
    struct column **children = memory_calloc(type->child_count + (size_t)1, sizeof *children);
    if (builder->has_offsets && !builder->offsets) TRY(reserve_offsets(builder, err));
    if (builder->width && !builder->values) TRY(buffer_create(builder->budget, 0, &builder->values, err));
    for (uint32_t i = 0; i < type->child_count; i++) {
        TRY(column_builder_finish(builder->children[i], &children[i], err));
    }
    if (type->kind >= TYPE_STRUCT) {
        *ret_column = column_create_nested(type, builder->length, builder->null_count, builder->validity,
                                           builder->offsets, children);
    } else {
        *ret_column = column_create(type, builder->length, builder->null_count, builder->validity, builder->values,
                                    builder->offsets);
    }
    builder_reset(builder);
    memory_free(children);
    return STATUS_OK;
out:
    for (uint32_t i = 0; i < type->child_count; i++) column_unref(children[i]);
    memory_free(children);
    return status;
}
