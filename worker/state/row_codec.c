// Rows as bytes (see the header): a byte 0 for null, else 1 and the value; strings and lists with a 32-bit length
// before them. Decoding believes nothing: every length is checked against what is left, and strings against UTF-8.
#include "worker/state/row_codec.h"

#include <math.h>
#include <string.h>

static void encode_value(const struct column *column, uint32_t row, bool canonical, struct text *bytes);

// text_append without the call: keys are a few bytes each, for every row.
static inline void put(struct text *bytes, const void *from, size_t length)
{
    if (bytes->capacity < bytes->length + length + 1) text_reserve(bytes, length + 64);
    memcpy(bytes->data + bytes->length, from, length);
    bytes->length += length;
}

static inline void put_byte(struct text *bytes, char byte)
{
    put(bytes, &byte, 1);
}

static void encode_fixed(const struct column *column, uint32_t row, bool canonical, struct text *bytes)
{
    uint32_t width = type_width(column->type);
    const char *at = (const char *)column->values + (size_t)row * width;
    if (canonical && column->type->kind == TYPE_DOUBLE) {
        double value = column->f64[row];
        if (isnan(value)) value = (double)NAN;
        if (value == 0.0) value = 0.0;
        put(bytes, &value, sizeof value);
    } else if (canonical && column->type->kind == TYPE_FLOAT) {
        float value = column->f32[row];
        if (isnan(value)) value = NAN;
        if (value == 0.0f) value = 0.0f;
        put(bytes, &value, sizeof value);
    } else if (width == sizeof(int64_t)) {
        put(bytes, at, sizeof(int64_t));
    } else {
        put(bytes, at, width);
    }
}

static void encode_length(uint32_t length, struct text *bytes)
{
    put(bytes, &length, sizeof length);
}

static void encode_value(const struct column *column, uint32_t row, bool canonical, struct text *bytes)
{
    const struct type *type = column->type;
    if (type->kind == TYPE_VOID || column_is_null(column, row)) {
        put_byte(bytes, 0);
        return;
    }
    put_byte(bytes, 1);
    if (type_is_string_like(type)) {
        struct slice slice = column_slice(column, row);
        encode_length((uint32_t)slice.length, bytes);
        put(bytes, slice.data, slice.length);
    } else if (type->kind == TYPE_STRUCT) {
        for (uint32_t i = 0; i < type->child_count; i++) encode_value(column->children[i], row, canonical, bytes);
    } else if (type->kind == TYPE_ARRAY || type->kind == TYPE_MAP) {
        uint32_t from = (uint32_t)column->offsets[row], to = (uint32_t)column->offsets[row + 1];
        encode_length(to - from, bytes);
        for (uint32_t at = from; at < to; at++) {
            for (uint32_t i = 0; i < type->child_count; i++) encode_value(column->children[i], at, canonical, bytes);
        }
    } else {
        encode_fixed(column, row, canonical, bytes);
    }
}

void row_codec_encode(struct column *const *columns, uint32_t count, uint32_t row, bool canonical, struct text *bytes)
{
    for (uint32_t i = 0; i < count; i++) encode_value(columns[i], row, canonical, bytes);
}

struct decoder {
    const char *at;
    size_t left;
    struct error *err;
};

static const char *take(struct decoder *decoder, size_t length)
{
    if (decoder->left < length) return NULL;
    const char *at = decoder->at;
    decoder->at += length;
    decoder->left -= length;
    return at;
}

static enum status corrupt(struct decoder *decoder, const struct type *type)
{
    return error_set(decoder->err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                     "state: the bytes of a row end or break in a value of type %s", type->text);
}

static enum status decode_value(struct decoder *decoder, const struct type *type, struct column_builder *builder);

static enum status decode_list(struct decoder *decoder, const struct type *type, struct column_builder *builder)
{
    const char *at = take(decoder, sizeof(uint32_t));
    if (!at) return corrupt(decoder, type);
    uint32_t length;
    memcpy(&length, at, sizeof length);
    if (length > decoder->left) return corrupt(decoder, type); // every value takes a byte at least
    for (uint32_t n = 0; n < length; n++) {
        for (uint32_t i = 0; i < type->child_count; i++) {
            enum status status = decode_value(decoder, type->children[i].type, column_builder_child(builder, i));
            if (status != STATUS_OK) return status;
        }
    }
    return column_builder_nested(builder, decoder->err);
}

static enum status decode_bytes(struct decoder *decoder, const struct type *type, struct column_builder *builder)
{
    const char *at = take(decoder, sizeof(uint32_t));
    if (!at) return corrupt(decoder, type);
    uint32_t length;
    memcpy(&length, at, sizeof length);
    at = take(decoder, length);
    if (!at || (type->kind == TYPE_STRING && !text_utf8_valid((const uint8_t *)at, length)))
        return corrupt(decoder, type);
    return column_builder_bytes(builder, at, length, decoder->err);
}

static enum status decode_value(struct decoder *decoder, const struct type *type, struct column_builder *builder)
{
    const char *flag = take(decoder, 1);
    if (!flag || (unsigned char)*flag > 1) return corrupt(decoder, type);
    if (*flag == 0) return column_builder_null(builder, decoder->err);
    if (type_is_string_like(type)) return decode_bytes(decoder, type, builder);
    if (type->kind == TYPE_ARRAY || type->kind == TYPE_MAP) return decode_list(decoder, type, builder);
    if (type->kind == TYPE_STRUCT) {
        for (uint32_t i = 0; i < type->child_count; i++) {
            enum status status = decode_value(decoder, type->children[i].type, column_builder_child(builder, i));
            if (status != STATUS_OK) return status;
        }
        return column_builder_nested(builder, decoder->err);
    }
    uint32_t width = type_width(type);
    const char *at = width ? take(decoder, width) : NULL;
    if (!at || (type->kind == TYPE_BOOLEAN && (unsigned char)*at > 1)) return corrupt(decoder, type);
    return column_builder_fixed(builder, at, decoder->err);
}

enum status row_codec_decode(const struct type *const *types, uint32_t count, struct slice bytes,
                             struct column_builder *const *builders, size_t *ret_used, struct error *err)
{
    struct decoder decoder = {.at = bytes.data, .left = bytes.length, .err = err};
    for (uint32_t i = 0; i < count; i++) {
        enum status status = decode_value(&decoder, types[i], builders[i]);
        if (status != STATUS_OK) return status;
    }
    *ret_used = bytes.length - decoder.left;
    return STATUS_OK;
}
