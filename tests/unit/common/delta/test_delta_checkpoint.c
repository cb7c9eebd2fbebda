// Log checkpoints written and read back: Delta protocol, Checkpoints.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/failpoint.h"
#include "common/delta/delta_checkpoint.h"
#include "common/delta/delta_commit.h"
#include "common/delta/delta_path.h"
#include "common/parquet/parquet_reader.h"
#include "tests/unit/lib/unit_folder.h"

#define DAY_MS INT64_C(86400000)
#define NOW_MS (1000 * DAY_MS)
#define SCHEMA                                                                                                         \
    "{\"type\":\"struct\",\"fields\":[{\"name\":\"p\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}}]}"

static const char *folder;
static struct objstore *store;
static struct error err;

static int setup(void **state)
{
    (void)state;
    folder = unit_folder_create();
    return objstore_open(folder, true, &store, &err) == STATUS_OK ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    objstore_close(store);
    unit_folder_remove();
    return 0;
}

static struct delta_add add_of(const char *path, struct delta_pair *pair)
{
    return (struct delta_add){.path = path,
                              .partition_values = {pair, 1},
                              .size_bytes = (int64_t)strlen(path),
                              .modified_ms = 5,
                              .data_change = true,
                              .stats = "{\"numRecords\":3}",
                              .base_row_id = INT64_MIN,
                              .default_row_commit_version = INT64_MIN};
}

static void commit(int64_t version, struct delta_commit_content *content)
{
    struct text text = {0};
    content->info = (struct delta_commit_info){.operation = "WRITE", .txn_id = "t", .read_version = version - 1};
    assert_int_equal(delta_commit_encode(content, &text, &err), STATUS_OK);
    assert_int_equal(delta_commit_put(store, version, text_str(&text), text.length, &err), STATUS_OK);
    text_deinit(&text);
}

// Versions 0 to 5: each from 1 on adds a file, version 4 removes two, one of them long ago.
static void make_table(void)
{
    static const char *columns[] = {"p"};
    static const char *features[] = {"appendOnly", "invariants"};
    static struct delta_pair settings[] = {{"foreset.pipeline", "u"}, {"delta.checkpointInterval", "5"}};
    struct delta_pair pair = {"p", NULL};
    struct delta_protocol protocol = {
        .min_reader_version = 1, .min_writer_version = 7, .writer_features = {features, 2, true}};
    struct delta_metadata metadata = {.id = "m",
                                      .description = "what it is",
                                      .schema_string = SCHEMA,
                                      .partition_columns = {columns, 1, true},
                                      .configuration = {settings, 2},
                                      .created_time_ms = 17};
    struct delta_commit_content content = {.protocol = &protocol, .metadata = &metadata};
    commit(0, &content);
    for (int version = 1; version <= 5; version++) {
        char path[16], value[16];
        snprintf(path, sizeof path, "f%%20%d", version);
        snprintf(value, sizeof value, "v%d", version);
        pair.value = version == 3 ? NULL : value;
        struct delta_add add = add_of(path, &pair);
        struct delta_txn txn = {"u/t", version, 0};
        struct delta_remove removes[2] = {{.path = "f%201",
                                           .deletion_ms = NOW_MS - DAY_MS,
                                           .data_change = true,
                                           .base_row_id = INT64_MIN,
                                           .default_row_commit_version = INT64_MIN},
                                          {.path = "f%202",
                                           .deletion_ms = NOW_MS - 8 * DAY_MS,
                                           .data_change = true,
                                           .base_row_id = INT64_MIN,
                                           .default_row_commit_version = INT64_MIN}};
        content = (struct delta_commit_content){.adds = &add, .add_count = 1, .txns = &txn, .txn_count = 1};
        if (version == 4) {
            content.removes = removes;
            content.remove_count = 2;
        }
        commit(version, &content);
    }
}

static void remove_commits(int64_t upto)
{
    char key[DELTA_PATH_NAME_SIZE];
    for (int64_t version = 0; version <= upto; version++) {
        delta_path_commit(version, key);
        assert_int_equal(objstore_remove(store, key, &err), STATUS_OK);
    }
}

static void a_checkpoint_carries_the_table_alone(void **state)
{
    (void)state;
    struct delta_table *table = NULL;
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    const struct delta_remove *remove;
    make_table();
    assert_int_equal(delta_checkpoint_write(store, 5, NOW_MS, NULL, &err), STATUS_OK);
    remove_commits(5);
    assert_int_equal(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_REMOVES, &table, &err), STATUS_OK);
    assert_int_equal(table->version, 5);
    assert_int_equal(table->checkpoint_version, 5);
    assert_int_equal(table->file_count, 3);
    assert_int_equal(table->protocol.min_writer_version, 7);
    assert_false(table->protocol.reader_features.present);
    assert_int_equal(table->protocol.writer_features.count, 2);
    assert_string_equal(table->metadata.id, "m");
    assert_null(table->metadata.name);
    assert_string_equal(table->metadata.description, "what it is");
    assert_string_equal(table->metadata.schema_string, SCHEMA);
    assert_string_equal(table->metadata.partition_columns.items[0], "p");
    assert_int_equal(table->metadata.created_time_ms, 17);
    assert_string_equal(delta_table_property(table, "foreset.pipeline"), "u");
    assert_int_equal(delta_checkpoint_interval(table), 5);
    int64_t version;
    assert_true(delta_table_txn(table, "u/t", &version));
    assert_int_equal(version, 5);
    while ((add = delta_table_next_file(table, &cursor))) {
        const char *value = delta_action_map_get(&add->partition_values, "p");
        assert_int_equal(add->partition_values.count, 1);
        assert_string_equal(add->stats, "{\"numRecords\":3}");
        assert_false(add->data_change);
        if (strcmp(add->path, "f%203") == 0) {
            assert_null(value);
        } else {
            assert_int_equal(value[1], add->path[4]);
        }
    }
    cursor.at = 0;
    remove = delta_table_next_remove(table, &cursor); // the other one is past its retention
    assert_string_equal(remove->path, "f%201");
    assert_null(delta_table_next_remove(table, &cursor));
    delta_table_close(table);
}

static void state_alone_is_read_without_files(void **state)
{
    (void)state;
    struct delta_table *table = NULL;
    make_table();
    assert_int_equal(delta_checkpoint_write(store, 5, NOW_MS, NULL, &err), STATUS_OK);
    remove_commits(5);
    assert_int_equal(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_STATE, &table, &err), STATUS_OK);
    int64_t version;
    assert_true(delta_table_txn(table, "u/t", &version));
    assert_int_equal(version, 5);
    assert_int_equal(table->file_count, 0);
    delta_table_close(table);
}

static void a_checkpoint_builds_on_the_one_before(void **state)
{
    (void)state;
    struct delta_table *table = NULL;
    make_table();
    assert_int_equal(delta_checkpoint_write(store, 2, NOW_MS, NULL, &err), STATUS_OK);
    remove_commits(2);
    assert_int_equal(delta_checkpoint_write(store, 5, NOW_MS, NULL, &err), STATUS_OK);
    assert_int_equal(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_FILES, &table, &err), STATUS_OK);
    assert_int_equal(table->checkpoint_version, 5);
    assert_int_equal(table->file_count, 3);
    delta_table_close(table);
    assert_int_equal(delta_table_open(store, 3, DELTA_LOAD_FILES, &table, &err), STATUS_OK);
    assert_int_equal(table->checkpoint_version, 2);
    assert_int_equal(table->file_count, 3);
    delta_table_close(table);
}

static void the_hint_names_the_newest_and_its_sizes(void **state)
{
    (void)state;
    struct buffer *bytes = NULL;
    struct objstore_entry entry;
    char expected[128], key[DELTA_PATH_NAME_SIZE];
    make_table();
    assert_int_equal(objstore_put(store, "_delta_log/._last_checkpoint.crc", "x", 1, &err), STATUS_OK);
    assert_int_equal(delta_checkpoint_write(store, 5, NOW_MS, NULL, &err), STATUS_OK);
    assert_int_equal(delta_checkpoint_write(store, 2, NOW_MS, NULL, &err), STATUS_OK);
    assert_int_equal(delta_checkpoint_write(store, 5, NOW_MS, NULL, &err), STATUS_OK); // there already
    delta_path_checkpoint(5, key);
    assert_int_equal(store->ops->stat(store, key, &entry, &err), STATUS_OK);
    // protocol, metaData, txn, three adds, one remove
    snprintf(expected, sizeof expected, "{\"version\":5,\"size\":7,\"sizeInBytes\":%lu,\"numOfAddFiles\":3}",
             (unsigned long)entry.size_bytes);
    memory_free(entry.key);
    assert_int_equal(objstore_get(store, "_delta_log/_last_checkpoint", &bytes, &err), STATUS_OK);
    assert_int_equal(bytes->size_bytes, strlen(expected));
    assert_memory_equal(bytes->data, expected, bytes->size_bytes);
    buffer_unref(bytes);
    assert_int_equal(objstore_get(store, "_delta_log/._last_checkpoint.crc", &bytes, &err), STATUS_NOT_FOUND);
}

static enum status fail_hook(void *context, const char *name, struct error *error)
{
    if (strcmp(name, context) != 0) return STATUS_OK;
    return error_set(error, STATUS_KILLED, ERROR_FAIL_PIPELINE, "killed at %s", name);
}

static void a_death_in_between_harms_nobody(void **state)
{
    (void)state;
    struct delta_table *table = NULL;
    make_table();
    failpoint_hook_set(fail_hook, "checkpoint.before");
    assert_int_equal(delta_checkpoint_write(store, 5, NOW_MS, NULL, &err), STATUS_KILLED);
    failpoint_hook_set(NULL, NULL);
    assert_int_equal(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_FILES, &table, &err), STATUS_OK);
    assert_int_equal(table->checkpoint_version, -1);
    delta_table_close(table);
    assert_int_equal(delta_checkpoint_write(store, 5, NOW_MS, NULL, &err), STATUS_OK);
    assert_int_equal(objstore_remove(store, "_delta_log/_last_checkpoint", &err), STATUS_OK); // died before the hint
    assert_int_equal(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_FILES, &table, &err), STATUS_OK);
    assert_int_equal(table->checkpoint_version, 5);
    delta_table_close(table);
}

static void many_files_need_many_batches(void **state)
{
    (void)state;
    enum { FILES = 10000 };
    struct delta_pair pair = {"p", "x"};
    struct delta_add *adds = calloc(FILES, sizeof *adds);
    char(*paths)[16] = calloc(FILES, sizeof *paths);
    struct delta_table *table = NULL;
    make_table();
    for (int i = 0; i < FILES; i++) {
        snprintf(paths[i], sizeof *paths, "g%d", i);
        adds[i] = add_of(paths[i], &pair);
    }
    struct delta_commit_content content = {.adds = adds, .add_count = FILES};
    commit(6, &content);
    assert_int_equal(delta_checkpoint_write(store, 6, NOW_MS, NULL, &err), STATUS_OK);
    remove_commits(6);
    assert_int_equal(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_FILES, &table, &err), STATUS_OK);
    assert_int_equal(table->file_count, FILES + 3);
    delta_table_close(table);
    free(adds);
    free(paths);
}

static void memory_that_is_refused_leaves_nothing(void **state)
{
    (void)state;
    struct budget budget;
    struct buffer *bytes = NULL;
    make_table();
    enum status status = STATUS_NO_MEMORY;
    for (uint64_t n = 1; n < 10000 && status != STATUS_OK; n++) {
        budget_init(&budget, "checkpoint", NULL, 0);
        budget_fail_at(n);
        status = delta_checkpoint_write(store, 5, NOW_MS, &budget, &err);
        budget_fail_at(0);
        assert_int_equal(budget.used_bytes, 0);
        if (status == STATUS_OK) break;
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_int_equal(objstore_get(store, "_delta_log/_last_checkpoint", &bytes, &err), STATUS_NOT_FOUND);
    }
    assert_int_equal(status, STATUS_OK);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(a_checkpoint_carries_the_table_alone),  FACT(state_alone_is_read_without_files),
        FACT(a_checkpoint_builds_on_the_one_before), FACT(the_hint_names_the_newest_and_its_sizes),
        FACT(a_death_in_between_harms_nobody),       FACT(many_files_need_many_batches),
        FACT(memory_that_is_refused_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
