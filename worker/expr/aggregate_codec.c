// Values as bytes, for states: a byte for null, then the value; strings and lists with their length in front.
#include <string.h>

#include "worker/expr/aggregate_private.h"

void aggregate_codec_put_size(struct text *bytes, uint64_t size)
{
    while (size >= 0x80) {
        text_append_char(bytes, (char)(size | 0x80));
        size >>= 7;
    }
    text_append_char(bytes, (char)size);
}

bool aggregate_codec_take_size(struct aggregate_reader *reader, uint64_t *ret_size)
{
    uint64_t size = 0;
    for (unsigned shift = 0; shift < 64 && reader->left; shift += 7) {
        uint8_t byte = *reader->at++;
        reader->left--;
        size |= (uint64_t)(byte & 0x7F) << shift;
        if (byte & 0x80) continue;
        *ret_size = size;
        return true;
    }
    return false;
}

bool aggregate_codec_take(struct aggregate_reader *reader, void *to, size_t size)
{
    if (reader->left < size) return false;
    memcpy(to, reader->at, size);
    reader->at += size;
    reader->left -= size;
    return true;
}

static void write_fixed(const struct column *column, uint32_t row, bool normal, struct text *bytes)
{
    uint32_t width = type_width(column->type);
    if (normal && column->type->kind == TYPE_DOUBLE) {
        double value = column->f64[row] == 0                  ? 0.0
                       : column->f64[row] != column->f64[row] ? __builtin_nan("")
                                                              : column->f64[row];
        text_append(bytes, (const char *)&value, sizeof value);
    } else if (normal && column->type->kind == TYPE_FLOAT) {
        float value = column->f32[row] == 0                  ? 0.0f
                      : column->f32[row] != column->f32[row] ? __builtin_nanf("")
                                                             : column->f32[row];
        text_append(bytes, (const char *)&value, sizeof value);
    } else {
        text_append(bytes, (const char *)column->values + (size_t)row * width, width);
    }
}

void aggregate_codec_write(const struct column *column, uint32_t row, bool normal, struct text *bytes)
{
    bool null = column_is_null(column, row) || column->type->kind == TYPE_VOID;
    text_append_char(bytes, (char)!null);
    if (null) return;
    if (type_width(column->type)) {
        write_fixed(column, row, normal, bytes);
    } else if (type_is_string_like(column->type)) {
        struct slice slice = column_slice(column, row);
        aggregate_codec_put_size(bytes, slice.length);
        text_append(bytes, slice.data, slice.length);
    } else {
        bool is_struct = column->type->kind == TYPE_STRUCT;
        uint32_t from = is_struct ? row : (uint32_t)column->offsets[row];
        uint32_t to = is_struct ? row + 1 : (uint32_t)column->offsets[row + 1];
        if (!is_struct) aggregate_codec_put_size(bytes, to - from);
        for (uint32_t i = 0; i < column->type->child_count; i++) {
            for (uint32_t at = from; at < to; at++) aggregate_codec_write(column->children[i], at, normal, bytes);
        }
    }
}

static enum status read_nested(struct aggregate_reader *reader, const struct type *type, struct column_builder *builder,
                               bool *ret_good, struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t count = 1;
    if (type->kind != TYPE_STRUCT) {
        *ret_good = aggregate_codec_take_size(reader, &count) && count <= reader->left;
        if (!*ret_good) return STATUS_OK;
    }
    for (uint32_t i = 0; i < type->child_count; i++) {
        for (uint64_t at = 0; at < count; at++) {
            TRY(aggregate_codec_read(reader, type->children[i].type, column_builder_child(builder, i), ret_good, err));
            if (!*ret_good) return STATUS_OK;
        }
    }
    TRY(column_builder_nested(builder, err));
out:
    return status;
}

enum status aggregate_codec_read(struct aggregate_reader *reader, const struct type *type,
                                 struct column_builder *builder, bool *ret_good, struct error *err)
{
    uint8_t there = 0;
    _Alignas(16) uint8_t fixed[16];
    uint32_t width = type_width(type);
    *ret_good = aggregate_codec_take(reader, &there, 1) && there <= 1;
    if (!*ret_good) return STATUS_OK;
    if (!there) return column_builder_null(builder, err);
    if (width) {
        *ret_good = aggregate_codec_take(reader, fixed, width);
        return *ret_good ? column_builder_fixed(builder, fixed, err) : STATUS_OK;
    }
    if (type_is_string_like(type)) {
        uint64_t size = 0;
        *ret_good = aggregate_codec_take_size(reader, &size) && size <= reader->left;
        if (!*ret_good) return STATUS_OK;
        enum status status = column_builder_bytes(builder, reader->at, size, err);
        reader->at += size;
        reader->left -= size;
        return status;
    }
    *ret_good = type->child_count > 0;
    return *ret_good ? read_nested(reader, type, builder, ret_good, err) : STATUS_OK;
}
