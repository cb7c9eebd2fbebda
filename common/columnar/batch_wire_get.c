// Reads batches from bytes (format in batch_wire.h). Everything that will be followed is checked: sizes against what is
// left, lengths against their sum, indices against their dictionary, text for UTF-8, decimals against their precision.
// What can fail: bytes that are not what batch_wire_put makes (STATUS_CORRUPT, RESTART_PIPELINE); memory.
#include <string.h>

#include "common/columnar/batch_wire.h"
#include "common/columnar/batch_wire_private.h"

struct wire_reader {
    const uint8_t *at, *end;
    struct budget *budget;
};

static enum status corrupt(struct error *err, const char *what)
{
    return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE, "a column batch of another worker: %s", what);
}

static enum status take(struct wire_reader *reader, size_t size, const uint8_t **ret_at, struct error *err)
{
    if ((size_t)(reader->end - reader->at) < size) return corrupt(err, "it is cut off");
    *ret_at = reader->at;
    reader->at += size;
    return STATUS_OK;
}

static enum status take_u8(struct wire_reader *reader, uint8_t *ret_value, struct error *err)
{
    const uint8_t *at = NULL;
    enum status status = take(reader, 1, &at, err);
    if (status == STATUS_OK) *ret_value = *at;
    return status;
}

static enum status take_u32(struct wire_reader *reader, uint32_t *ret_value, struct error *err)
{
    const uint8_t *at = NULL;
    enum status status = take(reader, sizeof *ret_value, &at, err);
    if (status == STATUS_OK) memcpy(ret_value, at, sizeof *ret_value);
    return status;
}

// Numbers into to[count].
static enum status take_numbers(struct wire_reader *reader, uint32_t count, uint32_t *to, struct error *err)
{
    uint8_t width;
    const uint8_t *at = NULL;
    enum status status = STATUS_OK;
    TRY(take_u8(reader, &width, err));
    if (width != 1 && width != 2 && width != 4) return corrupt(err, "a width is none");
    TRY(take(reader, (size_t)count * width, &at, err));
    if (width == 4) {
        if (count) memcpy(to, at, (size_t)count * width);
    } else if (width == 2) {
        for (uint32_t i = 0; i < count; i++) {
            uint16_t number;
            memcpy(&number, at + (size_t)i * 2, 2);
            to[i] = number;
        }
    } else {
        for (uint32_t i = 0; i < count; i++) to[i] = at[i];
    }
out:
    return status;
}

// Lengths as offsets[count + 1].
static enum status take_offsets(struct wire_reader *reader, uint32_t count, uint64_t total_max,
                                struct buffer **ret_offsets, uint32_t *ret_total, struct error *err)
{
    struct buffer *buffer = NULL;
    uint64_t total = 0;
    enum status status = STATUS_OK;
    TRY(buffer_create(reader->budget, (count + (size_t)1) * sizeof(int32_t), &buffer, err));
    uint32_t *lengths = (uint32_t *)(void *)buffer->data + 1;
    int32_t *offsets = (int32_t *)(void *)buffer->data;
    offsets[0] = 0;
    TRY(take_numbers(reader, count, lengths, err));
    for (uint32_t i = 0; i < count && total <= total_max; i++) {
        total += lengths[i];
        offsets[i + 1] = (int32_t)(uint32_t)total;
    }
    if (total > total_max) {
        status = corrupt(err, "its values are too long");
        goto out;
    }
    *ret_offsets = buffer;
    *ret_total = (uint32_t)total;
    return STATUS_OK;
out:
    buffer_unref(buffer);
    return status;
}

static enum status take_validity(struct wire_reader *reader, uint32_t count, struct buffer **ret_validity,
                                 uint32_t *ret_nulls, struct error *err)
{
    const uint8_t *at = NULL;
    struct buffer *validity = NULL;
    size_t size = (count + (size_t)7) / 8;
    uint32_t valid = 0;
    enum status status = STATUS_OK;
    TRY(take(reader, size, &at, err));
    TRY(buffer_create(reader->budget, size, &validity, err));
    memcpy(validity->data, at, size);
    if (count % 8) validity->data[size - 1] = (uint8_t)(validity->data[size - 1] & ((1u << count % 8) - 1));
    for (size_t i = 0; i < size; i++) valid += (uint32_t)__builtin_popcount(validity->data[i]);
    *ret_validity = validity;
    *ret_nulls = count - valid;
out:
    return status;
}

static bool is_null(const struct buffer *validity, uint32_t i)
{
    return validity && !(validity->data[i >> 3] >> (i & 7) & 1);
}

static enum status check_text(const struct type *type, const uint8_t *bytes, const int32_t *offsets, uint32_t count,
                              struct error *err)
{
    if (type->kind != TYPE_STRING) return STATUS_OK;
    if (!text_utf8_valid(bytes, (size_t)offsets[count])) return corrupt(err, "its text is not UTF-8");
    for (uint32_t i = 0; i < count; i++) {
        if (offsets[i] < offsets[i + 1] && (bytes[offsets[i]] & 0xC0) == 0x80)
            return corrupt(err, "a text begins within a character");
    }
    return STATUS_OK;
}

static enum status get_plain(struct wire_reader *reader, const struct type *type, uint32_t count,
                             struct buffer *validity, uint32_t nulls, struct column **ret_column, struct error *err)
{
    struct buffer *offsets = NULL, *values = NULL;
    uint32_t total;
    const uint8_t *at = NULL;
    enum status status = STATUS_OK;
    TRY(take_offsets(reader, count, INT32_MAX, &offsets, &total, err));
    TRY(take(reader, total, &at, err));
    TRY(check_text(type, at, (const int32_t *)(const void *)offsets->data, count, err));
    TRY(buffer_create(reader->budget, total, &values, err));
    if (total) memcpy(values->data, at, total);
    *ret_column = column_create(type, count, nulls, validity ? buffer_ref(validity) : NULL, values, offsets);
    return STATUS_OK;
out:
    buffer_unref(offsets);
    return status;
}

static enum status get_coded(struct wire_reader *reader, const struct type *type, uint32_t count,
                             struct buffer *validity, uint32_t nulls, struct column **ret_column, struct error *err)
{
    struct column *dictionary = NULL;
    struct buffer *indices = NULL;
    uint32_t entries;
    enum status status = STATUS_OK;
    TRY(take_u32(reader, &entries, err));
    if (entries > count) return corrupt(err, "its dictionary has more entries than there are rows");
    TRY(get_plain(reader, type, entries, NULL, 0, &dictionary, err));
    TRY(buffer_create(reader->budget, (size_t)count * sizeof(uint32_t), &indices, err));
    uint32_t *to = (uint32_t *)(void *)indices->data;
    TRY(take_numbers(reader, count, to, err));
    for (uint32_t i = 0; i < count; i++) {
        bool null = is_null(validity, i);
        if (null ? to[i] == 0 : to[i] < entries) continue;
        status = corrupt(err, "an index is outside of its dictionary");
        goto out;
    }
    *ret_column =
        column_create_dictionary(type, count, nulls, validity ? buffer_ref(validity) : NULL, indices, dictionary);
    return STATUS_OK;
out:
    buffer_unref(indices);
    column_unref(dictionary);
    return status;
}

static enum status check_fixed(const struct type *type, const uint8_t *values, uint32_t count,
                               const struct buffer *validity, struct error *err)
{
    if (type->kind == TYPE_BOOLEAN) {
        uint8_t all = 0;
        for (uint32_t i = 0; i < count; i++) all |= is_null(validity, i) ? 0 : values[i];
        return all <= 1 ? STATUS_OK : corrupt(err, "a boolean is neither true nor false");
    }
    if (type->kind != TYPE_DECIMAL) return STATUS_OK;
    __int128 limit = 1;
    for (uint8_t i = 0; i < type->precision; i++) limit *= 10;
    for (uint32_t i = 0; i < count; i++) {
        __int128 value;
        memcpy(&value, values + (size_t)i * sizeof value, sizeof value);
        if (!is_null(validity, i) && (value >= limit || value <= -limit))
            return corrupt(err, "a decimal has more digits than its type");
    }
    return STATUS_OK;
}

static enum status get_fixed(struct wire_reader *reader, const struct type *type, uint32_t count,
                             struct buffer *validity, uint32_t nulls, struct column **ret_column, struct error *err)
{
    size_t size = (size_t)count * type_width(type);
    struct buffer *values = NULL;
    const uint8_t *at = NULL;
    enum status status = STATUS_OK;
    TRY(take(reader, size, &at, err));
    TRY(check_fixed(type, at, count, validity, err));
    TRY(buffer_create(reader->budget, size, &values, err));
    if (size) memcpy(values->data, at, size);
    *ret_column = column_create(type, count, nulls, validity ? buffer_ref(validity) : NULL, values, NULL);
out:
    return status;
}

static enum status get_column(struct wire_reader *reader, const struct type *type, uint32_t count,
                              struct column **ret_column, struct error *err);

// A struct's columns, or an array's or map's over all elements.
static enum status get_nested(struct wire_reader *reader, const struct type *type, uint32_t count,
                              struct buffer *validity, uint32_t nulls, struct column **ret_column, struct error *err)
{
    struct buffer *offsets = NULL;
    uint32_t length = count;
    struct column **children = memory_calloc(type->child_count + (size_t)1, sizeof *children);
    enum status status = STATUS_OK;
    if (type->kind != TYPE_STRUCT) TRY(take_offsets(reader, count, BATCH_WIRE_ELEMENTS_MAX, &offsets, &length, err));
    for (uint32_t i = 0; i < type->child_count; i++) {
        TRY(get_column(reader, type->children[i].type, length, &children[i], err));
    }
    *ret_column = column_create_nested(type, count, nulls, validity ? buffer_ref(validity) : NULL, offsets, children);
    memory_free(children);
    return STATUS_OK;
out:
    for (uint32_t i = 0; i < type->child_count; i++) column_unref(children[i]);
    memory_free(children);
    buffer_unref(offsets);
    return status;
}

static enum status get_column(struct wire_reader *reader, const struct type *type, uint32_t count,
                              struct column **ret_column, struct error *err)
{
    struct buffer *validity = NULL;
    uint32_t nulls = 0;
    uint8_t flags;
    enum status status = STATUS_OK;
    TRY(take_u8(reader, &flags, err));
    if (type->kind == TYPE_VOID && flags == 0) return column_create_nulls(reader->budget, type, count, ret_column, err);
    bool coded = flags & WIRE_DICTIONARY;
    if (flags > (WIRE_VALIDITY | WIRE_DICTIONARY) || type->kind == TYPE_VOID || (coded && !type_is_string_like(type))) {
        return corrupt(err, "a column's flags fit no column of its type");
    }
    if (flags & WIRE_VALIDITY) TRY(take_validity(reader, count, &validity, &nulls, err));
    if (coded) {
        status = get_coded(reader, type, count, validity, nulls, ret_column, err);
    } else if (type_is_string_like(type)) {
        status = get_plain(reader, type, count, validity, nulls, ret_column, err);
    } else if (type->kind == TYPE_STRUCT || type->kind == TYPE_ARRAY || type->kind == TYPE_MAP) {
        status = get_nested(reader, type, count, validity, nulls, ret_column, err);
    } else {
        status = get_fixed(reader, type, count, validity, nulls, ret_column, err);
    }
out:
    buffer_unref(validity);
    return status;
}

static enum status get_same(struct wire_reader *reader, const struct batch *batch, const struct type *type,
                            struct column **ret_column, struct error *err)
{
    const uint8_t *at = NULL;
    uint16_t number;
    enum status status = take(reader, 1 + sizeof number, &at, err);
    if (status != STATUS_OK) return status;
    memcpy(&number, at + 1, sizeof number);
    if (number >= batch->column_count || batch->columns[number]->type != type) {
        return corrupt(err, "a record's column is said to be one that it cannot be");
    }
    *ret_column = column_ref(batch->columns[number]);
    return STATUS_OK;
}

// Columns of a struct type as a batch; `same`: whose columns the origin may share.
static enum status get_batch(struct wire_reader *reader, const struct type *schema, uint32_t rows,
                             const struct batch *same, struct batch **ret_batch, struct error *err)
{
    struct column **columns = memory_calloc(schema->child_count + (size_t)1, sizeof *columns);
    uint32_t made = 0;
    enum status status = STATUS_OK;
    for (; made < schema->child_count; made++) {
        const struct type *type = schema->children[made].type;
        bool shared = same && reader->at < reader->end && *reader->at == WIRE_SAME;
        TRY(shared ? get_same(reader, same, type, &columns[made], err)
                   : get_column(reader, type, rows, &columns[made], err));
    }
    *ret_batch = batch_create(schema, rows, columns);
    memory_free(columns);
    return STATUS_OK;
out:
    while (made > 0) column_unref(columns[--made]);
    memory_free(columns);
    return status;
}

static enum status get_origin(struct wire_reader *reader, struct batch *batch, struct error *err)
{
    const uint8_t *at = NULL;
    uint16_t length;
    char text[WIRE_TYPE_MAX + 1];
    const struct type *type;
    struct batch *origin = NULL;
    enum status status = STATUS_OK;
    TRY(take(reader, sizeof length, &at, err));
    memcpy(&length, at, sizeof length);
    if (length > WIRE_TYPE_MAX) return corrupt(err, "the records' type is too long");
    TRY(take(reader, length, &at, err));
    memcpy(text, at, length);
    text[length] = 0;
    if (type_parse(text, &type, err) != STATUS_OK || type->kind != TYPE_STRUCT)
        return corrupt(err, "the records' type is none");
    TRY(get_batch(reader, type, batch->column_rows, batch, &origin, err));
    batch_origin_set(batch, origin);
out:
    batch_unref(origin);
    return status;
}

enum status batch_wire_get(const void *bytes, size_t size, const struct type *schema, struct budget *budget,
                           struct batch **ret_batch, struct error *err)
{
    struct wire_reader reader = {.at = bytes, .end = (const uint8_t *)bytes + size, .budget = budget};
    struct batch *batch = NULL;
    uint32_t rows;
    uint8_t origin;
    enum status status = STATUS_OK;
    TRY(take_u32(&reader, &rows, err));
    TRY(take_u8(&reader, &origin, err));
    if (rows == 0 || rows > BATCH_WIRE_ROWS_MAX || origin > 1) return corrupt(err, "its head is broken");
    TRY(get_batch(&reader, schema, rows, NULL, &batch, err));
    if (origin) TRY(get_origin(&reader, batch, err));
    if (reader.at != reader.end) {
        status = corrupt(err, "bytes are left behind it");
        goto out;
    }
    *ret_batch = batch;
    return STATUS_OK;
out:
    batch_unref(batch);
    return status;
}
