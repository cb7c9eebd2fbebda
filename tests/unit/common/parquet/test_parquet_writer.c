// The writer, held against the reader: random schemas and batches come back, statistics are right, limits hold.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/parquet/parquet_metadata.h"
#include "tests/unit/common/parquet/parquet_samples.h"

#define BATCHES 4

static void expect_rows(const struct type *schema, struct batch *const *batches, uint32_t count,
                        const struct parquet_writer_options *options)
{
    struct error err = {0};
    struct parquet_samples_sink sink = {0};
    struct text expected = {0}, got = {0};
    if (parquet_samples_write(schema, options, batches, count, &sink, &err) != STATUS_OK) fail_msg("%s", err.message);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t row = 0; row < batches[i]->row_count; row++) {
            batch_json(batches[i], row, &expected);
            text_append_char(&expected, '\n');
        }
    }
    if (parquet_samples_rows(sink.buffer, sink.size, NULL, &got, &err) != STATUS_OK) {
        fail_msg("%s: %s", schema->text, err.message);
    }
    if (strcmp(text_str(&expected), text_str(&got)) != 0) {
        fail_msg("%s:\n%.300s\n---\n%.300s", schema->text, text_str(&expected), text_str(&got));
    }
    text_deinit(&expected);
    text_deinit(&got);
    buffer_unref(sink.buffer);
}

static void random_rows_come_back(void **state)
{
    static const enum parquet_codec codecs[] = {PARQUET_UNCOMPRESSED, PARQUET_SNAPPY, PARQUET_GZIP, PARQUET_ZSTD,
                                                PARQUET_LZ4_RAW};
    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct random random;
        random_init(&random, seed);
        const struct type *schema = parquet_samples_schema(&random, 3);
        struct parquet_writer_options options = {
            .codec = codecs[random_below(&random, 5)],
            .row_group_rows_max = random_chance(&random, 0.3) ? 1 + (uint32_t)random_below(&random, 500) : 0,
            .page_rows_max = random_chance(&random, 0.5) ? 1 + (uint32_t)random_below(&random, 100) : 0,
            .page_bytes_max = random_chance(&random, 0.2) ? 100 : 0,
            .dictionary_bytes_max = random_chance(&random, 0.3) ? 50 : 0,
            .no_delta_encoding = random_chance(&random, 0.2),
        };
        struct batch *batches[BATCHES];
        uint32_t count = (uint32_t)random_below(&random, BATCHES + 1);
        for (uint32_t i = 0; i < count; i++) {
            batches[i] =
                parquet_samples_batch(&random, schema, (uint32_t)random_below(&random, seed % 20 ? 300 : 3000));
        }
        expect_rows(schema, batches, count, &options);
        for (uint32_t i = 0; i < count; i++) batch_unref(batches[i]);
    }
}

static struct batch *strings_batch(uint32_t rows, const char *format, uint32_t modulo)
{
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_STRING));
    struct column *column;
    struct field field = {"s", type_of(TYPE_STRING)};
    struct text text = {0};
    for (uint32_t i = 0; i < rows; i++) {
        text_reset(&text);
        text_append_str(&text, format);
        text_printf(&text, "%u", i * 2654435761u % modulo);
        assert_int_equal(column_builder_bytes(builder, text.data, text.length, NULL), STATUS_OK);
    }
    assert_int_equal(column_builder_finish(builder, &column, NULL), STATUS_OK);
    column_builder_destroy(builder);
    text_deinit(&text);
    return batch_create(type_struct(&field, 1), rows, &column);
}

// The encoding of the first data page, past a dictionary page if there is one.
static int32_t first_encoding(const struct parquet_samples_sink *sink)
{
    struct parquet_metadata metadata;
    struct parquet_page_header header;
    struct error err;
    const uint8_t *bytes = sink->buffer->data;
    uint64_t offset;
    assert_int_equal(parquet_metadata_find(bytes, sink->size, sink->size, &offset, &err), STATUS_OK);
    size_t size = sink->size - offset - PARQUET_TAIL_SIZE;
    assert_int_equal(parquet_metadata_read(&metadata, bytes + offset, size, offset, &err), STATUS_OK);
    size_t at = (size_t)metadata.groups[0].chunks[0].data_offset;
    assert_int_equal(parquet_metadata_page(bytes + at, sink->size - at, &header, &err), STATUS_OK);
    parquet_metadata_deinit(&metadata);
    return header.encoding;
}

static int32_t encoding_of(struct batch *batch)
{
    struct parquet_samples_sink sink = {0};
    struct parquet_writer_options options = {.codec = PARQUET_ZSTD};
    struct error err;
    assert_int_equal(parquet_samples_write(batch->schema, &options, &batch, 1, &sink, &err), STATUS_OK);
    int32_t encoding = first_encoding(&sink);
    expect_rows(batch->schema, &batch, 1, &options);
    buffer_unref(sink.buffer);
    batch_unref(batch);
    return encoding;
}

static void few_strings_get_a_dictionary_and_random_ids_do_not(void **state)
{
    (void)state;
    assert_int_equal(encoding_of(strings_batch(10000, "user-", 50)), PARQUET_RLE_DICTIONARY);
    assert_int_equal(encoding_of(strings_batch(10000, "user-", 1)), PARQUET_RLE_DICTIONARY);
    assert_int_equal(encoding_of(strings_batch(10000, "", UINT32_MAX)), PARQUET_PLAIN);
    assert_int_equal(encoding_of(strings_batch(3, "", UINT32_MAX)), PARQUET_PLAIN);
}

static void statistics_are_the_columns_extremes(void **state)
{
    struct error err;
    const struct type *schema;
    const struct parquet_column_stats *stats;
    struct parquet_samples_sink sink = {0};
    struct parquet_writer_options options = {.codec = PARQUET_ZSTD, .row_group_rows_max = 2};
    struct parquet_writer *writer;
    (void)state;
    assert_int_equal(type_parse_ddl("n BIGINT, s STRING, d DECIMAL(30,2), x DOUBLE, t STRUCT<u: INT>", &schema, &err),
                     STATUS_OK);
    struct column_builder *builders[5];
    struct column *columns[5];
    for (uint32_t i = 0; i < 5; i++) builders[i] = column_builder_create(NULL, schema->children[i].type);
    static const char *const words[] = {"pear", "apple", "zoo", "fig", "\xC3\xA9"};
    for (int64_t row = 0; row < 5; row++) {
        __int128 decimal = (__int128)(row - 2) * 1000000000000000000;
        double real = row == 3 ? __builtin_nan("") : (double)row;
        int32_t leaf = (int32_t)row * 10;
        int64_t number = row - 3;
        if (row == 4) {
            for (uint32_t i = 0; i < 5; i++) assert_int_equal(column_builder_null(builders[i], &err), STATUS_OK);
            continue;
        }
        assert_int_equal(column_builder_fixed(builders[0], &number, &err), STATUS_OK);
        assert_int_equal(column_builder_bytes(builders[1], words[row], strlen(words[row]), &err), STATUS_OK);
        assert_int_equal(column_builder_fixed(builders[2], &decimal, &err), STATUS_OK);
        assert_int_equal(column_builder_fixed(builders[3], &real, &err), STATUS_OK);
        assert_int_equal(column_builder_fixed(column_builder_child(builders[4], 0), &leaf, &err), STATUS_OK);
        assert_int_equal(column_builder_nested(builders[4], &err), STATUS_OK);
    }
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(column_builder_finish(builders[i], &columns[i], &err), STATUS_OK);
        column_builder_destroy(builders[i]);
    }
    struct batch *batch = batch_create(schema, 5, columns);
    assert_int_equal(parquet_writer_create(schema, &options, NULL, parquet_samples_put, &sink, &writer, &err),
                     STATUS_OK);
    assert_int_equal(parquet_writer_write(writer, batch, &err), STATUS_OK);
    assert_int_equal(parquet_writer_finish(writer, &err), STATUS_OK);
    assert_int_equal(parquet_writer_stats(writer, &stats), 5);
    for (uint32_t i = 0; i < 5; i++) assert_int_equal(stats[i].null_count, 1);
    assert_true(stats[0].has_min_max && stats[0].min.i64 == -3 && stats[0].max.i64 == 0);
    assert_true(slice_equal(stats[1].min_bytes, slice_str("apple")) &&
                slice_equal(stats[1].max_bytes, slice_str("zoo")));
    assert_true(stats[2].min.i128 == (__int128)-2000000000000000000 &&
                stats[2].max.i128 == (__int128)1000000000000000000);
    assert_false(stats[3].has_min_max); // a NaN was seen
    assert_string_equal(stats[4].path, "t.u");
    assert_true(stats[4].min.i64 == 0 && stats[4].max.i64 == 30);
    parquet_writer_destroy(writer);
    batch_unref(batch);
    buffer_unref(sink.buffer);
}

static void types_without_a_place_are_refused_by_name(void **state)
{
    struct error err;
    struct parquet_writer *writer = NULL;
    struct parquet_writer_options options = {0};
    struct parquet_samples_sink sink = {0};
    struct field inner = {"nothing", type_of(TYPE_VOID)};
    const struct field fields[] = {{"a", type_of(TYPE_VOID)},
                                   {"b", type_of(TYPE_INTERVAL_DAY_TIME)},
                                   {"c", type_array(type_struct(&inner, 1))},
                                   {"d", type_struct(NULL, 0)}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(parquet_writer_create(type_struct(&fields[i], 1), &options, NULL, parquet_samples_put, &sink,
                                               &writer, &err),
                         STATUS_UNSUPPORTED);
        assert_non_null(strstr(err.message, fields[i].name));
    }
    assert_null(sink.buffer);
}

static void a_budget_that_refuses_at_any_point_leaves_nothing_behind(void **state)
{
    struct random random;
    struct error err;
    (void)state;
    random_init(&random, 77);
    const struct type *schema = parquet_samples_schema(&random, 2);
    struct batch *batch = parquet_samples_batch(&random, schema, 500);
    struct parquet_writer_options options = {.codec = PARQUET_ZSTD, .page_rows_max = 100, .row_group_rows_max = 200};
    for (uint64_t n = 1;; n++) {
        struct budget budget;
        struct parquet_samples_sink sink = {0};
        struct parquet_writer *writer = NULL;
        budget_init(&budget, "test", NULL, 0);
        assert_int_equal(parquet_samples_put(&sink, "", 0, &err), STATUS_OK);
        assert_int_equal(buffer_grow(sink.buffer, 1 << 20, &err), STATUS_OK);
        budget_fail_at(n);
        enum status status =
            parquet_writer_create(schema, &options, &budget, parquet_samples_put, &sink, &writer, &err);
        if (status == STATUS_OK) status = parquet_writer_write(writer, batch, &err);
        if (status == STATUS_OK) status = parquet_writer_finish(writer, &err);
        budget_fail_at(0);
        parquet_writer_destroy(writer);
        assert_int_equal(budget.used_bytes, 0);
        buffer_unref(sink.buffer);
        if (status == STATUS_OK) break;
        assert_int_equal(status, STATUS_NO_MEMORY);
    }
    batch_unref(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_rows_come_back),
        cmocka_unit_test(few_strings_get_a_dictionary_and_random_ids_do_not),
        cmocka_unit_test(statistics_are_the_columns_extremes),
        cmocka_unit_test(types_without_a_place_are_refused_by_name),
        cmocka_unit_test(a_budget_that_refuses_at_any_point_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
