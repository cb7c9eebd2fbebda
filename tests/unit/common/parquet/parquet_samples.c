// Shared parts of the Parquet tests.
#include "tests/unit/common/parquet/parquet_samples.h"

#include <stdio.h>
#include <string.h>

struct buffer *parquet_samples_file(const char *path, size_t *ret_size)
{
    struct buffer *buffer = NULL;
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        if (size >= 0 && buffer_create(NULL, (size_t)size, &buffer, NULL) == STATUS_OK) {
            rewind(file);
            *ret_size = fread(buffer->data, 1, (size_t)size, file);
        }
    }
    fclose(file);
    return buffer;
}

static const struct type *random_type(struct random *random, unsigned depth)
{
    static const enum type_kind flat[] = {TYPE_BOOLEAN, TYPE_TINYINT,   TYPE_SMALLINT,     TYPE_INT,    TYPE_BIGINT,
                                          TYPE_FLOAT,   TYPE_DOUBLE,    TYPE_STRING,       TYPE_STRING, TYPE_BINARY,
                                          TYPE_DATE,    TYPE_TIMESTAMP, TYPE_TIMESTAMP_NTZ};
    uint64_t kind = random_below(random, depth ? 18 : 14);
    if (kind < 13) return type_of(flat[kind]);
    if (kind == 13) {
        uint8_t precision = (uint8_t)(1 + random_below(random, DECIMAL_PRECISION_MAX));
        return type_decimal(precision, (uint8_t)random_below(random, precision + 1u));
    }
    if (kind <= 15) return type_array(random_type(random, depth - 1));
    if (kind == 16) return type_map(type_of(TYPE_STRING), random_type(random, depth - 1));
    return parquet_samples_schema(random, depth - 1);
}

const struct type *parquet_samples_schema(struct random *random, unsigned depth)
{
    static const char *const names[] = {"a", "b", "c d", "e.f", "é", "G"};
    struct field fields[6];
    uint32_t count = 1 + (uint32_t)random_below(random, 6);
    for (uint32_t i = 0; i < count; i++) fields[i] = (struct field){names[i], random_type(random, depth)};
    return type_struct(fields, count);
}

// How a column's values come about, so that every encoding has its chance.
enum flavour { FLAVOUR_CONSTANT, FLAVOUR_FEW, FLAVOUR_RISING, FLAVOUR_ANY };

static int64_t random_integer(struct random *random, enum flavour flavour, uint32_t row)
{
    switch (flavour) {
    case FLAVOUR_CONSTANT: return 7;
    case FLAVOUR_FEW: return (int64_t)random_below(random, 5);
    case FLAVOUR_RISING: return 1700000000000000 + (int64_t)row * 1000 + (int64_t)random_below(random, 100);
    case FLAVOUR_ANY: break;
    }
    return (int64_t)random_u64(random);
}

static void put_decimal(struct column_builder *builder, struct random *random, const struct type *type)
{
    __int128 limit = 1, value = (__int128)((unsigned __int128)random_u64(random) << 64 | random_u64(random));
    for (unsigned i = 0; i < type->precision; i++) limit *= 10;
    value %= limit;
    ASSERT(column_builder_fixed(builder, &value, NULL) == STATUS_OK);
}

static void put_bytes(struct column_builder *builder, struct random *random, int64_t number, bool text)
{
    char bytes[80];
    int length = snprintf(bytes, sizeof bytes, "v%lld", (long long)number);
    if (random_chance(random, 0.1))
        length = snprintf(bytes, sizeof bytes, "%060lld\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", (long long)number);
    if (random_chance(random, 0.05)) length = 0;
    if (!text && length) bytes[0] = (char)random_u64(random);
    ASSERT(column_builder_bytes(builder, bytes, (size_t)length, NULL) == STATUS_OK);
}

static void put_flat(struct column_builder *builder, struct random *random, const struct type *type,
                     enum flavour flavour, uint32_t row)
{
    int64_t number = random_integer(random, flavour, row);
    double wide = (double)number / 3;
    float narrow = (float)wide;
    uint8_t boolean = number & 1;
    switch (type->kind) {
    case TYPE_BOOLEAN: ASSERT(column_builder_fixed(builder, &boolean, NULL) == STATUS_OK); break;
    case TYPE_FLOAT: ASSERT(column_builder_fixed(builder, &narrow, NULL) == STATUS_OK); break;
    case TYPE_DOUBLE: ASSERT(column_builder_fixed(builder, &wide, NULL) == STATUS_OK); break;
    case TYPE_DECIMAL: put_decimal(builder, random, type); break;
    case TYPE_STRING:
    case TYPE_BINARY: put_bytes(builder, random, number, type->kind == TYPE_STRING); break;
    case TYPE_DATE:
        number = number % 1000000;
        ASSERT(column_builder_fixed(builder, &number, NULL) == STATUS_OK);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        number = number % 100000000000000000;
        ASSERT(column_builder_fixed(builder, &number, NULL) == STATUS_OK);
        break;
    default: ASSERT(column_builder_fixed(builder, &number, NULL) == STATUS_OK); // its low bytes
    }
}

static void put_value(struct column_builder *builder, struct random *random, const struct type *type,
                      enum flavour flavour, double nulls, uint32_t row, bool required)
{
    if (!required && random_chance(random, nulls)) {
        ASSERT(column_builder_null(builder, NULL) == STATUS_OK);
        return;
    }
    uint64_t items;
    switch (type->kind) {
    case TYPE_STRUCT:
        for (uint32_t i = 0; i < type->child_count; i++) {
            put_value(column_builder_child(builder, i), random, type->children[i].type, flavour, nulls, row, false);
        }
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
        items = random_below(random, 4);
        for (uint64_t k = 0; k < items; k++) {
            for (uint32_t i = 0; i < type->child_count; i++) {
                bool key = type->kind == TYPE_MAP && i == 0;
                put_value(column_builder_child(builder, i), random, type->children[i].type, flavour, nulls, row, key);
            }
        }
        break;
    default: put_flat(builder, random, type, flavour, row); return;
    }
    ASSERT(column_builder_nested(builder, NULL) == STATUS_OK);
}

static struct column *code_column(struct random *random, uint32_t rows, double nulls)
{
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_STRING));
    struct column *dictionary;
    struct buffer *indices, *validity;
    uint32_t null_count = 0;
    for (int i = 0; i < 9; i++) put_bytes(builder, random, i, true);
    ASSERT(column_builder_finish(builder, &dictionary, NULL) == STATUS_OK);
    column_builder_destroy(builder);
    ASSERT(buffer_create(NULL, rows * sizeof(uint32_t), &indices, NULL) == STATUS_OK);
    ASSERT(buffer_create(NULL, rows / 8 + 1, &validity, NULL) == STATUS_OK);
    memset(validity->data, 0, rows / 8 + 1);
    for (uint32_t i = 0; i < rows; i++) {
        bool there = !random_chance(random, nulls);
        ((uint32_t *)(void *)indices->data)[i] = there ? (uint32_t)random_below(random, 9) : 0;
        validity->data[i / 8] = (uint8_t)(validity->data[i / 8] | there << (i % 8));
        null_count += !there;
    }
    return column_create_dictionary(type_of(TYPE_STRING), rows, null_count, validity, indices, dictionary);
}

static struct batch *select_some(struct random *random, struct batch *batch)
{
    struct buffer *selection;
    uint32_t kept = 0;
    ASSERT(buffer_create(NULL, batch->row_count * sizeof(uint32_t), &selection, NULL) == STATUS_OK);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        if (random_chance(random, 0.7)) ((uint32_t *)(void *)selection->data)[kept++] = i;
    }
    struct batch *selected = batch_select(batch, selection, kept);
    batch_unref(batch);
    return selected;
}

struct batch *parquet_samples_batch(struct random *random, const struct type *schema, uint32_t rows)
{
    static const double shares[] = {0, 0, 0.1, 0.9, 1};
    struct column *columns[6];
    for (uint32_t i = 0; i < schema->child_count; i++) {
        const struct type *type = schema->children[i].type;
        double nulls = shares[random_below(random, 5)];
        if (type->kind == TYPE_STRING && random_chance(random, 0.4)) {
            columns[i] = code_column(random, rows, nulls);
            continue;
        }
        enum flavour flavour = (enum flavour)random_below(random, 4);
        struct column_builder *builder = column_builder_create(NULL, type);
        for (uint32_t row = 0; row < rows; row++) put_value(builder, random, type, flavour, nulls, row, false);
        ASSERT(column_builder_finish(builder, &columns[i], NULL) == STATUS_OK);
        column_builder_destroy(builder);
    }
    struct batch *batch = batch_create(schema, rows, columns);
    return random_chance(random, 0.5) ? select_some(random, batch) : batch;
}

enum status parquet_samples_put(void *context, const void *bytes, size_t size, struct error *err)
{
    struct parquet_samples_sink *sink = context;
    enum status status = STATUS_OK;
    if (!sink->buffer) TRY(buffer_create(NULL, size + 1024, &sink->buffer, err));
    TRY(buffer_grow(sink->buffer, sink->size + size > sink->buffer->size_bytes ? 2 * (sink->size + size) : 0, err));
    memcpy(sink->buffer->data + sink->size, bytes, size);
    sink->size += size;
out:
    return status;
}

enum status parquet_samples_write(const struct type *schema, const struct parquet_writer_options *options,
                                  struct batch *const *batches, uint32_t count, struct parquet_samples_sink *sink,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_writer *writer = NULL;
    TRY(parquet_writer_create(schema, options, NULL, parquet_samples_put, sink, &writer, err));
    for (uint32_t i = 0; i < count; i++) TRY(parquet_writer_write(writer, batches[i], err));
    TRY(parquet_writer_finish(writer, err));
    ASSERT(parquet_writer_bytes(writer) == sink->size);
out:
    parquet_writer_destroy(writer);
    return status;
}

static enum status read_range(void *context, uint64_t offset, uint64_t length, struct buffer **ret_bytes,
                              struct error *err)
{
    const struct parquet_samples_sink *file = context;
    ASSERT(offset <= file->size && length <= file->size - offset);
    enum status status = buffer_create(NULL, length, ret_bytes, err);
    if (status == STATUS_OK) memcpy((*ret_bytes)->data, file->buffer->data + offset, length);
    return status;
}

struct parquet_input parquet_samples_input(struct parquet_samples_sink *file)
{
    return (struct parquet_input){.read = read_range, .context = file, .size_bytes = file->size, .tail_bytes = 8};
}

enum status parquet_samples_read(struct parquet_reader *reader, const struct type *wanted, struct text *ret_rows,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    TRY(parquet_reader_project(reader, wanted, err));
    for (;;) {
        struct batch *batch;
        TRY(parquet_reader_next(reader, &batch, err));
        if (!batch) break;
        for (uint32_t i = 0; i < batch->row_count; i++) {
            batch_json(batch, i, ret_rows);
            text_append_char(ret_rows, '\n');
        }
        batch_unref(batch);
    }
out:
    return status;
}

enum status parquet_samples_rows(struct buffer *file, size_t size, const struct type *wanted, struct text *ret_rows,
                                 struct error *err)
{
    struct parquet_samples_sink held = {file, size};
    struct parquet_input input = parquet_samples_input(&held);
    struct parquet_reader *whole = NULL, *by_range = NULL;
    struct text rows = {0};
    struct error range_err = {0};
    enum status status = parquet_reader_open_bytes(file, size, NULL, &whole, err);
    enum status range_status = parquet_reader_open(&input, NULL, &by_range, &range_err);
    if (status == STATUS_OK) status = parquet_samples_read(whole, wanted, ret_rows, err);
    if (range_status == STATUS_OK) range_status = parquet_samples_read(by_range, wanted, &rows, &range_err);
    ASSERT(range_status == status && strcmp(text_str(&rows), text_str(ret_rows)) == 0);
    ASSERT(status == STATUS_OK || strcmp(range_err.message, err->message) == 0);
    text_deinit(&rows);
    parquet_reader_close(whole);
    parquet_reader_close(by_range);
    return status;
}
