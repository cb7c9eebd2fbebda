// Statistics of a table's files, checked and put right, alone and beside other writers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/delta/delta_analyze.h"
#include "common/delta/delta_commit.h"
#include "common/delta/delta_path.h"
#include "tests/unit/common/parquet/parquet_samples.h"
#include "tests/unit/lib/unit_folder.h"

#define HEAD                                                                                                           \
    "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n{\"metaData\":{\"id\":\"m\",\"format\":"          \
    "{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[{"      \
    "\\\"name\\\":\\\"n\\\",\\\"type\\\":\\\"decimal(10,0)\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}},{"           \
    "\\\"name\\\":\\\"p\\\",\\\"type\\\":\\\"string\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}]}\","               \
    "\"partitionColumns\":[\"p\"],\"configuration\":{}}}\n"
#define RIGHT "{\"numRecords\":3,\"minValues\":{\"n\":-7},\"maxValues\":{\"n\":5},\"nullCount\":{\"n\":1}}"
#define WRONG "{\"numRecords\":3,\"minValues\":{\"n\":5},\"maxValues\":{\"n\":-7},\"nullCount\":{\"n\":1}}"

static struct objstore *store;
static struct objstore_ops stolen_ops;
static const struct objstore_ops *store_ops;
static const char *stolen_commit; // takes a version just before the put; NULL: nothing does
static unsigned stolen_count;
static struct delta_table *table;
static struct delta_analyze analyze;
static struct random rng;
static struct error err;

static int setup(void **state)
{
    (void)state;
    table = NULL;
    analyze = (struct delta_analyze){0};
    stolen_commit = NULL;
    stolen_count = 0;
    random_init(&rng, 1);
    if (objstore_open(unit_folder_create(), true, &store, &err) != STATUS_OK) return 1;
    store_ops = store->ops;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    delta_analyze_deinit(&analyze);
    delta_table_close(table);
    store->ops = store_ops;
    objstore_close(store);
    unit_folder_remove();
    return 0;
}

// -7, null, 5
static void put_file(const char *key)
{
    struct column_builder *builder = column_builder_create(NULL, type_decimal(10, 0));
    struct field field = {"n", type_decimal(10, 0)};
    struct column *column;
    struct parquet_writer_options options = {.codec = PARQUET_ZSTD};
    struct parquet_samples_sink sink = {0};
    __int128 values[] = {-7, 5};
    assert_int_equal(column_builder_fixed(builder, &values[0], &err), STATUS_OK);
    assert_int_equal(column_builder_null(builder, &err), STATUS_OK);
    assert_int_equal(column_builder_fixed(builder, &values[1], &err), STATUS_OK);
    assert_int_equal(column_builder_finish(builder, &column, &err), STATUS_OK);
    column_builder_destroy(builder);
    struct batch *batch = batch_create(type_struct(&field, 1), 3, &column);
    assert_int_equal(parquet_samples_write(batch->schema, &options, &batch, 1, &sink, &err), STATUS_OK);
    assert_int_equal(objstore_put(store, key, sink.buffer->data, sink.size, &err), STATUS_OK);
    batch_unref(batch);
    buffer_unref(sink.buffer);
}

static void put_add(struct text *text, const char *path, const char *stats)
{
    put_file(path);
    text_printf(text,
                "{\"add\":{\"path\":\"%s\",\"partitionValues\":{\"p\":\"x\"},\"size\":1,\"modificationTime\":7,"
                "\"dataChange\":true,\"tags\":{\"t\":\"u\"}",
                path);
    if (stats) {
        text_append_str(text, ",\"stats\":");
        text_append_json(text, stats, strlen(stats));
    }
    text_append_str(text, "}}\n");
}

static void put_commit(int64_t version, const char *text)
{
    char key[DELTA_PATH_NAME_SIZE];
    delta_path_commit(version, key);
    assert_int_equal(objstore_put(store, key, text, strlen(text), &err), STATUS_OK);
}

// One file each: right, wrong, without, of statistics that are no JSON.
static void make_table(void)
{
    struct text text = {0};
    text_append_str(&text, HEAD);
    put_add(&text, "right", RIGHT);
    put_add(&text, "wrong", WRONG);
    put_add(&text, "missing", NULL);
    put_add(&text, "broken", "{");
    put_commit(0, text_str(&text));
    text_deinit(&text);
    assert_int_equal(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_REMOVES, &table, &err), STATUS_OK);
    assert_int_equal(delta_analyze_read(table, NULL, &analyze, &err), STATUS_OK);
    assert_int_equal(analyze.files.count, 4);
    assert_int_equal(analyze.rows, 12);
    assert_true(analyze.right == 1 && analyze.wrong == 2 && analyze.missing == 1 && analyze.mended == 0);
}

static const struct delta_add *live(const char *path)
{
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    while ((add = delta_table_next_file(table, &cursor)) && strcmp(add->path, path) != 0) continue;
    return add;
}

static void files_that_are_not_right_are_added_again(void **state)
{
    (void)state;
    struct delta_commit *commit;
    make_table();
    assert_int_equal(delta_analyze_mend(table, &analyze, &rng, &err), STATUS_OK);
    assert_true(analyze.mended == 3 && analyze.version == 1);
    assert_int_equal(delta_commit_read(store, 1, &commit, &err), STATUS_OK);
    assert_string_equal(commit->info->operation, "COMPUTE STATS");
    assert_int_equal(commit->actions.count, 4);
    delta_log_commit_destroy(commit);
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_OK);
    static const char *const mended[] = {"wrong", "missing", "broken"};
    for (size_t i = 0; i < 3; i++) {
        const struct delta_add *add = live(mended[i]);
        assert_string_equal(add->stats, RIGHT);
        assert_true(add->size_bytes == 1 && add->modified_ms == 7 && !add->data_change);
        assert_string_equal(delta_action_map_get(&add->partition_values, "p"), "x");
        assert_string_equal(delta_action_map_get(&add->tags, "t"), "u");
    }
    assert_true(live("right")->data_change);
    assert_int_equal(table->file_count, 4);
    delta_analyze_deinit(&analyze);
    assert_int_equal(delta_analyze_read(table, NULL, &analyze, &err), STATUS_OK);
    assert_int_equal(analyze.right, 4);
    assert_int_equal(delta_analyze_mend(table, &analyze, &rng, &err), STATUS_OK);
    assert_true(analyze.mended == 0 && analyze.version == 1);
    assert_int_equal(delta_commit_read(store, 2, &commit, &err), STATUS_NOT_FOUND);
}

static void a_file_that_was_removed_meanwhile_stays_removed(void **state)
{
    (void)state;
    make_table();
    put_commit(1, "{\"remove\":{\"path\":\"wrong\",\"deletionTimestamp\":1,\"dataChange\":true}}\n");
    assert_int_equal(delta_analyze_mend(table, &analyze, &rng, &err), STATUS_OK);
    assert_true(analyze.mended == 2 && analyze.version == 2);
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_OK);
    assert_null(live("wrong"));
    assert_int_equal(table->file_count, 3);
}

static enum status steal(struct objstore *self, const char *key, const void *bytes, size_t size, struct error *error)
{
    if (stolen_commit && stolen_count++ == 0) {
        assert_int_equal(store_ops->put_if_absent(self, key, stolen_commit, strlen(stolen_commit), error), STATUS_OK);
    }
    return store_ops->put_if_absent(self, key, bytes, size, error);
}

static void a_version_taken_in_between_is_read_first(void **state)
{
    (void)state;
    make_table();
    stolen_ops = *store_ops;
    stolen_ops.put_if_absent = steal;
    store->ops = &stolen_ops;
    stolen_commit = "{\"remove\":{\"path\":\"missing\",\"deletionTimestamp\":1,\"dataChange\":true}}\n";
    assert_int_equal(delta_analyze_mend(table, &analyze, &rng, &err), STATUS_OK);
    assert_true(analyze.mended == 2 && analyze.version == 2);
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_OK);
    assert_null(live("missing"));
    assert_string_equal(live("wrong")->stats, RIGHT);
}

static enum status always_taken(struct objstore *self, const char *key, const void *bytes, size_t size,
                                struct error *error)
{
    (void)bytes, (void)size;
    static const char empty[] = "{\"commitInfo\":{\"operation\":\"WRITE\"}}\n";
    stolen_count++;
    assert_int_equal(store_ops->put_if_absent(self, key, empty, strlen(empty), error), STATUS_OK);
    return error_set(error, STATUS_EXISTS, ERROR_RETRY, "taken");
}

static enum status cut_off(struct objstore *self, const char *key, const void *bytes, size_t size, struct error *error)
{
    enum status status = store_ops->put_if_absent(self, key, bytes, size, error);
    assert_int_equal(status, STATUS_OK);
    return error_set(error, STATUS_UNKNOWN, ERROR_RETRY, "no answer");
}

static void the_tries_end_and_an_unknown_outcome_is_looked_up(void **state)
{
    (void)state;
    make_table();
    stolen_ops = *store_ops;
    stolen_ops.put_if_absent = always_taken;
    store->ops = &stolen_ops;
    assert_int_equal(delta_analyze_mend(table, &analyze, &rng, &err), STATUS_ERROR);
    assert_true(err.class == ERROR_RETRY && analyze.mended == 0 && stolen_count == 100);
    stolen_ops.put_if_absent = cut_off;
    assert_int_equal(delta_analyze_mend(table, &analyze, &rng, &err), STATUS_OK);
    assert_true(analyze.mended == 3 && analyze.version == 101);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(files_that_are_not_right_are_added_again),
        FACT(a_file_that_was_removed_meanwhile_stays_removed),
        FACT(a_version_taken_in_between_is_read_first),
        FACT(the_tries_end_and_an_unknown_outcome_is_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
