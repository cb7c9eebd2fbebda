// Writing batches as bytes (format in the header); batch_wire_get.c reads them. Values that nobody may look at (under a
// null) go along as they are, but for lengths and indices, which are 0.
#include "common/columnar/batch_wire.h"

#include <string.h>

#include "common/columnar/batch_wire_private.h"

#define DICTIONARY_SPARSE 4u // a dictionary of more entries than this for each row is not worth looking through

// Rows of a column: rows[count], or first, first + 1, … where rows is NULL.
struct wire_rows {
    const uint32_t *rows;
    uint32_t first, count;
};

static inline uint32_t wire_row(const struct wire_rows *rows, uint32_t i)
{
    return rows->rows ? rows->rows[i] : rows->first + i;
}

static uint8_t *wire_room(struct text *bytes, size_t size)
{
    text_reserve(bytes, size);
    uint8_t *at = (uint8_t *)bytes->data + bytes->length;
    bytes->length += size;
    return at;
}

static void put_u32(struct text *bytes, uint32_t value)
{
    memcpy(wire_room(bytes, sizeof value), &value, sizeof value);
}

static void put_numbers(struct text *bytes, const uint32_t *numbers, uint32_t count, uint32_t greatest)
{
    uint8_t width = greatest <= UINT8_MAX ? 1 : greatest <= UINT16_MAX ? 2 : 4;
    *wire_room(bytes, 1) = width;
    uint8_t *to = wire_room(bytes, (size_t)count * width);
    if (width == 4) {
        memcpy(to, numbers, (size_t)count * width);
    } else if (width == 2) {
        for (uint32_t i = 0; i < count; i++) {
            uint16_t number = (uint16_t)numbers[i];
            memcpy(to + (size_t)i * 2, &number, 2);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) to[i] = (uint8_t)numbers[i];
    }
}

// Appends the validity; false, and nothing is appended: no value is null.
static bool put_validity(struct text *bytes, const struct column *column, const struct wire_rows *rows)
{
    if (!column->validity || column->null_count == 0) return false;
    size_t size = (rows->count + (size_t)7) / 8;
    uint8_t *bits = wire_room(bytes, size);
    uint32_t valid = 0;
    memset(bits, 0, size);
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = wire_row(rows, i);
        unsigned bit = (unsigned)column->validity[row >> 3] >> (row & 7) & 1u;
        bits[i >> 3] = (uint8_t)(bits[i >> 3] | bit << (i & 7));
        valid += bit;
    }
    if (valid < rows->count) return true;
    bytes->length -= size;
    return false;
}

#define FIXED_LOOP(ctype)                                                                                              \
    do {                                                                                                               \
        const ctype *from = column->values;                                                                            \
        for (uint32_t i = 0; i < rows->count; i++)                                                                     \
            memcpy(to + i * sizeof(ctype), &from[wire_row(rows, i)], sizeof(ctype));                                   \
    } while (0)

static void put_fixed(struct text *bytes, const struct column *column, const struct wire_rows *rows)
{
    uint32_t width = type_width(column->type);
    uint8_t *to = wire_room(bytes, (size_t)rows->count * width);
    if (!rows->rows) {
        if (rows->count)
            memcpy(to, (const uint8_t *)column->values + (size_t)rows->first * width, (size_t)rows->count * width);
        return;
    }
    switch (width) {
    case 1: FIXED_LOOP(uint8_t); break;
    case 2: FIXED_LOOP(uint16_t); break;
    case 4: FIXED_LOOP(uint32_t); break;
    case 8: FIXED_LOOP(uint64_t); break;
    default: FIXED_LOOP(__int128); break;
    }
}

// Lengths of strings or lists; a null's is 0.
static void measure(const struct column *column, const struct wire_rows *rows, uint32_t *lengths, uint64_t *ret_total,
                    uint32_t *ret_greatest)
{
    uint64_t total = 0;
    uint32_t greatest = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = wire_row(rows, i);
        lengths[i] = column_is_null(column, row) ? 0 : (uint32_t)(column->offsets[row + 1] - column->offsets[row]);
        total += lengths[i];
        if (lengths[i] > greatest) greatest = lengths[i];
    }
    *ret_total = total;
    *ret_greatest = greatest;
}

static enum status put_plain(struct text *bytes, const struct column *column, const struct wire_rows *rows,
                             struct error *err)
{
    uint32_t *lengths = memory_alloc((rows->count + (size_t)1) * sizeof *lengths), greatest;
    uint64_t total;
    measure(column, rows, lengths, &total, &greatest);
    put_numbers(bytes, lengths, rows->count, greatest);
    if (total <= INT32_MAX) {
        uint8_t *to = wire_room(bytes, total);
        for (uint32_t i = 0; i < rows->count; i++) {
            if (lengths[i]) memcpy(to, column->bytes + column->offsets[wire_row(rows, i)], lengths[i]);
            to += lengths[i];
        }
    }
    memory_free(lengths);
    if (total <= INT32_MAX) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "%u rows hold more than 2 GiB of text", rows->count);
}

// Which entries of the dictionary the rows use, and what either encoding takes.
struct wire_dictionary {
    uint32_t *places; // by entry: its number among those used; UINT32_MAX: not used
    uint32_t *used;   // entries used, in order of appearance
    uint32_t count;
    uint32_t *indices; // by row
    uint64_t used_bytes, plain_bytes;
};

// A value under a null struct may hold any index: it counts as null.
static bool dictionary_at(const struct column *column, uint32_t row, uint32_t *ret_entry)
{
    if (column_is_null(column, row) || column->indices[row] >= column->dictionary->length) return false;
    *ret_entry = column->indices[row];
    return true;
}

static uint32_t entry_length(const struct column *dictionary, uint32_t entry)
{
    return (uint32_t)(dictionary->offsets[entry + 1] - dictionary->offsets[entry]);
}

static void dictionary_use(struct wire_dictionary *at, const struct column *column, const struct wire_rows *rows)
{
    const struct column *dictionary = column->dictionary;
    memset(at->places, 0xFF, dictionary->length * sizeof *at->places);
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t entry;
        at->indices[i] = 0;
        if (!dictionary_at(column, wire_row(rows, i), &entry)) continue;
        if (at->places[entry] == UINT32_MAX) {
            at->places[entry] = at->count;
            at->used[at->count++] = entry;
            at->used_bytes += entry_length(dictionary, entry) + 4u;
        }
        at->indices[i] = at->places[entry];
        at->plain_bytes += entry_length(dictionary, entry) + 2u;
    }
    at->used_bytes += (uint64_t)rows->count * (at->count > UINT8_MAX + 1 ? 2 : 1);
}

static enum status put_coded(struct text *bytes, const struct column *column, struct wire_dictionary *at,
                             uint32_t count, struct error *err)
{
    put_u32(bytes, at->count);
    struct wire_rows entries = {.rows = at->used, .count = at->count};
    enum status status = put_plain(bytes, column->dictionary, &entries, err);
    put_numbers(bytes, at->indices, count, at->count ? at->count - 1 : 0);
    return status;
}

// A dictionary-coded column as plain strings.
static enum status put_decoded(struct text *bytes, const struct column *column, const struct wire_rows *rows,
                               struct error *err)
{
    uint32_t *lengths = memory_alloc((rows->count + (size_t)1) * sizeof *lengths), greatest = 0, entry;
    uint64_t total = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        lengths[i] = dictionary_at(column, wire_row(rows, i), &entry) ? entry_length(column->dictionary, entry) : 0;
        total += lengths[i];
        if (lengths[i] > greatest) greatest = lengths[i];
    }
    put_numbers(bytes, lengths, rows->count, greatest);
    for (uint32_t i = 0; total <= INT32_MAX && i < rows->count; i++) {
        if (!dictionary_at(column, wire_row(rows, i), &entry)) continue;
        text_append(bytes, (const char *)column->dictionary->bytes + column->dictionary->offsets[entry], lengths[i]);
    }
    memory_free(lengths);
    if (total <= INT32_MAX) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "%u rows hold more than 2 GiB of text", rows->count);
}

static enum status put_dictionary(struct text *bytes, size_t flags_at, const struct column *column,
                                  const struct wire_rows *rows, struct error *err)
{
    uint32_t entries = column->dictionary->length;
    if (entries / DICTIONARY_SPARSE > rows->count) return put_decoded(bytes, column, rows, err);
    struct wire_dictionary at = {0};
    at.places = memory_alloc((entries + (size_t)1) * sizeof *at.places);
    at.used = memory_alloc((entries + (size_t)1) * sizeof *at.used);
    at.indices = memory_alloc((rows->count + (size_t)1) * sizeof *at.indices);
    dictionary_use(&at, column, rows);
    enum status status;
    if (at.used_bytes < at.plain_bytes) {
        bytes->data[flags_at] = (char)((uint8_t)bytes->data[flags_at] | WIRE_DICTIONARY);
        status = put_coded(bytes, column, &at, rows->count, err);
    } else {
        status = put_decoded(bytes, column, rows, err);
    }
    memory_free(at.places);
    memory_free(at.used);
    memory_free(at.indices);
    return status;
}

static enum status put_column(struct text *bytes, const struct column *column, const struct wire_rows *rows,
                              struct error *err);

static enum status put_list(struct text *bytes, const struct column *column, const struct wire_rows *rows,
                            struct error *err)
{
    uint32_t *lengths = memory_alloc((rows->count + (size_t)1) * sizeof *lengths), *picked = NULL, greatest;
    uint64_t total;
    enum status status = STATUS_OK;
    measure(column, rows, lengths, &total, &greatest);
    if (total > BATCH_WIRE_ELEMENTS_MAX) {
        status =
            error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "%u rows of type %s hold %llu elements, %u at most",
                      rows->count, column->type->text, (unsigned long long)total, BATCH_WIRE_ELEMENTS_MAX);
        goto out;
    }
    put_numbers(bytes, lengths, rows->count, greatest);
    picked = memory_alloc((total + 1) * sizeof *picked);
    struct wire_rows elements = {.rows = picked};
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t from = lengths[i] ? (uint32_t)column->offsets[wire_row(rows, i)] : 0;
        for (uint32_t k = 0; k < lengths[i]; k++) picked[elements.count++] = from + k;
    }
    for (uint32_t i = 0; i < column->type->child_count; i++)
        TRY(put_column(bytes, column->children[i], &elements, err));
out:
    memory_free(lengths);
    memory_free(picked);
    return status;
}

static enum status put_column(struct text *bytes, const struct column *column, const struct wire_rows *rows,
                              struct error *err)
{
    enum status status = STATUS_OK;
    size_t flags_at = bytes->length;
    *wire_room(bytes, 1) = 0;
    if (column->type->kind == TYPE_VOID) return STATUS_OK;
    if (put_validity(bytes, column, rows)) bytes->data[flags_at] = WIRE_VALIDITY;
    if (column->indices) return put_dictionary(bytes, flags_at, column, rows, err);
    if (type_is_string_like(column->type)) return put_plain(bytes, column, rows, err);
    if (column->type->kind == TYPE_ARRAY || column->type->kind == TYPE_MAP) return put_list(bytes, column, rows, err);
    if (column->type->kind != TYPE_STRUCT) {
        put_fixed(bytes, column, rows);
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < column->type->child_count; i++) TRY(put_column(bytes, column->children[i], rows, err));
out:
    return status;
}

static enum status put_origin(struct text *bytes, const struct batch *batch, const struct wire_rows *rows,
                              struct error *err)
{
    const struct batch *origin = batch->origin;
    size_t length = strlen(origin->schema->text);
    uint16_t size = (uint16_t)length;
    enum status status = STATUS_OK;
    if (length > WIRE_TYPE_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "the records' type is %zu characters long", length);
    }
    memcpy(wire_room(bytes, sizeof size), &size, sizeof size);
    text_append(bytes, origin->schema->text, length);
    for (uint32_t i = 0; i < origin->column_count; i++) {
        uint32_t same = 0;
        while (same < batch->column_count && batch->columns[same] != origin->columns[i]) same++;
        if (same < batch->column_count && same <= UINT16_MAX) {
            uint16_t number = (uint16_t)same;
            *wire_room(bytes, 1) = WIRE_SAME;
            memcpy(wire_room(bytes, sizeof number), &number, sizeof number);
        } else {
            TRY(put_column(bytes, origin->columns[i], rows, err));
        }
    }
out:
    return status;
}

enum status batch_wire_put(const struct batch *batch, uint32_t from, uint32_t count, struct text *bytes,
                           struct error *err)
{
    ASSERT(count > 0 && from < batch->row_count && count <= batch->row_count - from);
    struct wire_rows rows = {.rows = batch->selection ? batch->selection + from : NULL, .first = from, .count = count};
    enum status status = STATUS_OK;
    if (count > BATCH_WIRE_ROWS_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "%u rows, %u at most", count, BATCH_WIRE_ROWS_MAX);
    }
    put_u32(bytes, count);
    *wire_room(bytes, 1) = batch->origin != NULL;
    for (uint32_t i = 0; i < batch->column_count; i++) TRY(put_column(bytes, batch->columns[i], &rows, err));
    if (batch->origin) TRY(put_origin(bytes, batch, &rows, err));
out:
    return status;
}
