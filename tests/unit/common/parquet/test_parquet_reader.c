// The reader over files of many writers: their rows (checked once against pyarrow and DuckDB, kept as a hash of the
// rows' JSON), or the refusal; damaged copies of them; projection to wider types.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/hash.h"
#include "tests/unit/common/parquet/parquet_samples.h"
#include "tests/unit/lib/unit_data.h"

#define BUDGET_BYTES (64u << 20)

struct expectation {
    const char *file;
    enum status status;
    uint64_t rows, hash;
};

static const struct expectation expectations[] = {
    {"alltypes_plain.snappy.parquet", STATUS_OK, 2, 0xd35b21742f7e8faf},
    {"alltypes_tiny_pages_plain.parquet", STATUS_OK, 7300, 0xbd9d65fad08adf6d},
    {"binary.parquet", STATUS_OK, 12, 0xea6b8926787467d8},
    {"byte_array_decimal.parquet", STATUS_OK, 24, 0x747409f5551895b6},
    {"column_chunk_key_value_metadata.parquet", STATUS_OK, 0, 0x0000000000000000},
    {"data_index_bloom_encoding_with_length.parquet", STATUS_OK, 14, 0x37c858cae37ab19b},
    {"datapage_v1-corrupt-checksum.parquet", STATUS_CORRUPT, 0, 0},
    {"datapage_v2_empty_datapage.snappy.parquet", STATUS_OK, 1, 0xdd6e011a56314a53},
    {"delta_byte_array.parquet", STATUS_OK, 1000, 0x4609979c4a6728c5},
    {"delta_encoding_required_column.parquet", STATUS_OK, 100, 0x7933171faaf4205b},
    {"fixed_length_byte_array.parquet", STATUS_OK, 1000, 0x3b1d9010158eb923},
    {"fixed_length_decimal.parquet", STATUS_OK, 24, 0x747409f5551895b6},
    {"float16_zeros_and_nans.parquet", STATUS_OK, 3, 0x283a22a8a6b594bf},
    {"floating_orders_nan_count.parquet", STATUS_OK, 50, 0x33ac8ff6f4beb88a},
    {"hadoop_lz4_compressed.parquet", STATUS_OK, 4, 0xbbc4dd83dcb0deac},
    {"incorrect_map_schema.parquet", STATUS_OK, 1, 0x05cfa9ca5e21f6fb},
    {"int32_with_null_pages.parquet", STATUS_OK, 1000, 0x0e9b95d576f861a0},
    {"int64_decimal.parquet", STATUS_OK, 24, 0x747409f5551895b6},
    {"large_string_map.brotli.parquet", STATUS_UNSUPPORTED, 0, 0},
    {"list_columns.parquet", STATUS_OK, 3, 0x8bbcd9ace56134e4},
    {"map_no_value.parquet", STATUS_OK, 3, 0x4c58fb1a6775f020},
    {"nan_in_stats.parquet", STATUS_OK, 2, 0xaafcda1459ccded6},
    {"nation.dict-malformed.parquet", STATUS_OK, 25, 0x4554804a4178fd59},
    {"nested_lists.snappy.parquet", STATUS_OK, 3, 0x01b6d37913e9b07e},
    {"nested_structs.rust.parquet", STATUS_OK, 1, 0x93ba599d2bb66c2d},
    {"nonnullable.impala.parquet", STATUS_OK, 1, 0x48e685856e660dd4},
    {"null_list.parquet", STATUS_OK, 1, 0xc7d6830296a57303},
    {"nullable.impala.parquet", STATUS_OK, 7, 0x984c999facfae939},
    {"old_list_structure.parquet", STATUS_OK, 1, 0x9b60f98e77bc1be9},
    {"plain-dict-uncompressed-checksum.parquet", STATUS_OK, 1000, 0x48aac145dd5bcb5b},
    {"repeated_primitive_no_list.parquet", STATUS_OK, 4, 0x6d63aec9bdeaa45d},
    {"sort_columns.parquet", STATUS_OK, 6, 0xd64bfdafae1a378b},
    {"unknown-logical-type.parquet", STATUS_OK, 3, 0xf75f315670132a24},
};
#define FILES (sizeof expectations / sizeof *expectations)

static struct buffer *open_file(const char *name, size_t *ret_size)
{
    char file_name[512];
    snprintf(file_name, sizeof file_name, "parquet-files/%s", name);
    struct buffer *file = parquet_samples_file(unit_corpus_path(file_name), ret_size);
    assert_non_null(file);
    return file;
}

static void files_of_other_writers_give_their_rows(void **state)
{
    (void)state;
    for (size_t f = 0; f < FILES; f++) {
        const struct expectation *expected = &expectations[f];
        struct error err = {0};
        struct text rows = {0};
        uint64_t count = 0, hash = 0;
        size_t size = 0;
        struct buffer *file = open_file(expected->file, &size);
        enum status status = parquet_samples_rows(file, size, NULL, &rows, &err);
        if (status != expected->status) fail_msg("%s: %s %s", expected->file, status_name(status), err.message);
        for (const char *line = text_str(&rows), *end; status == STATUS_OK && (end = strchr(line, '\n'));
             line = end + 1) {
            hash = hash_64(line, (size_t)(end - line), hash);
            count++;
        }
        if (status == STATUS_OK && (count != expected->rows || hash != expected->hash)) {
            fail_msg("%s: %lu rows, hash %016lx", expected->file, (unsigned long)count, (unsigned long)hash);
        }
        if (status != STATUS_OK) assert_string_not_equal(err.message, "");
        text_deinit(&rows);
        buffer_unref(file);
    }
}

// Any bytes give rows or an error, within the budget; in memory or by ranges.
static void read_all(struct buffer *file, size_t size, bool by_range)
{
    struct parquet_samples_sink held = {file, size};
    struct parquet_input input = parquet_samples_input(&held);
    struct parquet_reader *reader;
    struct budget budget;
    struct error err;
    budget_init(&budget, "test", NULL, BUDGET_BYTES);
    enum status status = by_range ? parquet_reader_open(&input, &budget, &reader, &err)
                                  : parquet_reader_open_bytes(file, size, &budget, &reader, &err);
    if (status != STATUS_OK) {
        assert_int_equal(budget.used_bytes, 0);
        return;
    }
    for (int batches = 0; batches < 100; batches++) {
        struct batch *batch = NULL;
        if (parquet_reader_next(reader, &batch, &err) != STATUS_OK || !batch) break;
        batch_unref(batch);
    }
    parquet_reader_close(reader);
    assert_int_equal(budget.used_bytes, 0);
}

static void damaged_files_never_crash(void **state)
{
    (void)state;
    for (size_t f = 0; f < FILES; f++) {
        struct random random;
        size_t size = 0;
        struct buffer *file = open_file(expectations[f].file, &size);
        random_init(&random, f);
        for (int round = 0; round < 150 && size < 300000; round++) {
            struct buffer *copy = NULL;
            size_t kept = round % 5 ? size : (size_t)random_below(&random, size + 1);
            assert_int_equal(buffer_create(NULL, size, &copy, NULL), STATUS_OK);
            memcpy(copy->data, file->data, size);
            if (kept < size && kept > 8)
                memcpy(copy->data + kept - 8, file->data + size - 8, 8); // a footer that is another
            for (uint64_t k = 1 + random_below(&random, 8); k > 0; k--) {
                size_t at = random_chance(&random, 0.5) ? size - 1 - random_below(&random, size < 2000 ? size : 2000)
                                                        : random_below(&random, size);
                if (at < size - 8) copy->data[at] = (uint8_t)random_u64(&random);
            }
            read_all(copy, kept, round % 2 != 0);
            buffer_unref(copy);
        }
        buffer_unref(file);
    }
}

static void expect_projected(const char *name, const char *columns, enum status status, const char *first_row)
{
    struct error err = {0};
    struct text rows = {0};
    const struct type *wanted;
    size_t size = 0;
    struct buffer *file = open_file(name, &size);
    assert_int_equal(type_parse_ddl(columns, &wanted, &err), STATUS_OK);
    assert_int_equal(parquet_samples_rows(file, size, wanted, &rows, &err), status);
    if (status == STATUS_OK) {
        char *end = strchr(text_str(&rows), '\n');
        assert_non_null(end);
        *end = '\0';
        assert_string_equal(text_str(&rows), first_row);
    } else {
        assert_non_null(strstr(err.message, first_row));
    }
    text_deinit(&rows);
    buffer_unref(file);
}

static void columns_are_found_by_name_and_widened(void **state)
{
    (void)state;
    expect_projected("alltypes_plain.snappy.parquet", "BIGINT_COL DECIMAL(30,2), id BIGINT, float_col DOUBLE, gone INT",
                     STATUS_OK, "{\"BIGINT_COL\":\"0.00\",\"id\":6,\"float_col\":0.0,\"gone\":null}");
    expect_projected("int64_decimal.parquet", "value DECIMAL(20,4)", STATUS_OK, "{\"value\":\"1.0000\"}");
    expect_projected("list_columns.parquet", "int64_list ARRAY<DECIMAL(20,0)>", STATUS_OK,
                     "{\"int64_list\":[\"1\",\"2\",\"3\"]}");
    expect_projected("nullable.impala.parquet", "nested_struct STRUCT<none: INT, a: INT>, id INT", STATUS_UNSUPPORTED,
                     "column id is stored as bigint");
    expect_projected("nullable.impala.parquet", "nested_struct STRUCT<none: INT>, id BIGINT", STATUS_OK,
                     "{\"nested_struct\":{\"none\":null},\"id\":1}");
}

static void no_column_at_all_still_counts_rows(void **state)
{
    (void)state;
    expect_projected("list_columns.parquet", "none ARRAY<STRING>", STATUS_OK, "{\"none\":null}");
}

// A file of so many row groups, none compressed.
static struct parquet_samples_sink groups_file(uint32_t groups)
{
    struct random random;
    struct error err;
    struct parquet_samples_sink file = {0};
    struct parquet_writer_options options = {.row_group_rows_max = 2000, .dictionary_bytes_max = 1};
    struct batch *batches[64];
    random_init(&random, 7);
    const struct type *schema = parquet_samples_schema(&random, 2);
    assert_true(groups <= sizeof batches / sizeof *batches);
    for (uint32_t i = 0; i < groups; i++) batches[i] = parquet_samples_batch(&random, schema, 2000);
    assert_int_equal(parquet_samples_write(schema, &options, batches, groups, &file, &err), STATUS_OK);
    for (uint32_t i = 0; i < groups; i++) batch_unref(batches[i]);
    return file;
}

static enum status count_groups_file(struct parquet_samples_sink *file, struct budget *budget, struct text *ret_rows,
                                     struct error *err)
{
    struct parquet_input input = parquet_samples_input(file);
    struct parquet_reader *reader = NULL;
    enum status status = parquet_reader_open(&input, budget, &reader, err);
    if (status == STATUS_OK) status = parquet_samples_read(reader, NULL, ret_rows, err);
    parquet_reader_close(reader);
    assert_int_equal(budget->used_bytes, 0);
    return status;
}

static void a_file_needs_the_memory_of_a_row_group(void **state)
{
    (void)state;
    struct parquet_samples_sink one = groups_file(1), many = groups_file(64);
    struct text rows = {0}, wanted = {0};
    struct budget budget;
    struct error err;
    budget_init(&budget, "test", NULL, 0);
    assert_int_equal(count_groups_file(&one, &budget, &rows, &err), STATUS_OK);
    uint64_t limit = budget.peak_bytes * 2;
    assert_true(many.size > 2 * limit);
    budget_init(&budget, "test", NULL, limit);
    text_reset(&rows);
    assert_int_equal(count_groups_file(&many, &budget, &rows, &err), STATUS_OK);
    assert_int_equal(parquet_samples_rows(many.buffer, many.size, NULL, &wanted, &err), STATUS_OK);
    assert_string_equal(text_str(&rows), text_str(&wanted));
    budget_init(&budget, "test", NULL, one.size / 64);
    text_reset(&rows);
    assert_int_equal(count_groups_file(&many, &budget, &rows, &err), STATUS_NO_MEMORY);
    buffer_unref(one.buffer);
    buffer_unref(many.buffer);
    text_deinit(&rows);
    text_deinit(&wanted);
}

struct failing_input {
    struct parquet_input inner;
    unsigned left; // reads that go well
};

static enum status failing_read(void *context, uint64_t offset, uint64_t length, struct buffer **ret_bytes,
                                struct error *err)
{
    struct failing_input *input = context;
    if (input->left-- == 0) return error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE, "gone");
    return input->inner.read(input->inner.context, offset, length, ret_bytes, err);
}

static void a_read_that_fails_is_told(void **state)
{
    (void)state;
    struct parquet_samples_sink file = groups_file(2);
    enum status status = STATUS_NOT_FOUND;
    for (unsigned reads = 0; status != STATUS_OK; reads++) {
        struct failing_input failing = {parquet_samples_input(&file), reads};
        struct parquet_input input = failing.inner;
        struct parquet_reader *reader = NULL;
        struct text rows = {0};
        struct budget budget;
        struct error err;
        input.read = failing_read;
        input.context = &failing;
        budget_init(&budget, "test", NULL, 0);
        status = parquet_reader_open(&input, &budget, &reader, &err);
        if (status == STATUS_OK) status = parquet_samples_read(reader, NULL, &rows, &err);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NOT_FOUND);
            assert_string_equal(err.message, "gone");
        }
        parquet_reader_close(reader);
        assert_int_equal(budget.used_bytes, 0);
        text_deinit(&rows);
        assert_true(reads < 1000);
    }
    buffer_unref(file.buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_other_writers_give_their_rows), cmocka_unit_test(damaged_files_never_crash),
        cmocka_unit_test(columns_are_found_by_name_and_widened),  cmocka_unit_test(no_column_at_all_still_counts_rows),
        cmocka_unit_test(a_file_needs_the_memory_of_a_row_group), cmocka_unit_test(a_read_that_fails_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
