// Log segments, replay, updates, commits: the Delta protocol, P17, P19.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/failpoint.h"
#include "common/base/text.h"
#include "common/delta/delta_commit.h"
#include "common/delta/delta_feature.h"
#include "common/delta/delta_path.h"
#include "common/delta/delta_table.h"
#include "tests/unit/lib/unit_folder.h"

#define PROTOCOL       "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
#define SCHEMA(fields) "{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[" fields "]}"
#define FIELD(name, type)                                                                                              \
    "{\\\"name\\\":\\\"" name "\\\",\\\"type\\\":\\\"" type "\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}"
#define METADATA_OF(fields, partitions, configuration)                                                                 \
    "{\"metaData\":{\"id\":\"m\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"" SCHEMA(     \
        fields) "\",\"partitionColumns\":[" partitions "],\"configuration\":{" configuration "}}}\n"
#define METADATA METADATA_OF(FIELD("a", "long") "," FIELD("b", "string"), "", "")
#define ADD(path, size)                                                                                                \
    "{\"add\":{\"path\":\"" path "\",\"partitionValues\":{},\"size\":" size                                            \
    ",\"modificationTime\":1,\"dataChange\":true}}\n"
#define REMOVE(path)      "{\"remove\":{\"path\":\"" path "\",\"deletionTimestamp\":1,\"dataChange\":true}}\n"
#define TXN(app, version) "{\"txn\":{\"appId\":\"" app "\",\"version\":" version "}}\n"

static const char *folder;
static struct objstore *store;
static struct delta_table *table;
static struct error err;

static int setup(void **state)
{
    (void)state;
    table = NULL;
    folder = unit_folder_create();
    return objstore_open(folder, true, &store, &err) == STATUS_OK ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    delta_table_close(table);
    objstore_close(store);
    unit_folder_remove();
    return 0;
}

static void put(const char *name, const char *text)
{
    char key[256];
    snprintf(key, sizeof key, "_delta_log/%s", name);
    assert_int_equal(objstore_put(store, key, text, strlen(text), &err), STATUS_OK);
}

static void put_commit(int64_t version, const char *text)
{
    char key[DELTA_PATH_NAME_SIZE];
    delta_path_commit(version, key);
    assert_int_equal(objstore_put(store, key, text, strlen(text), &err), STATUS_OK);
}

static enum status open_at(int64_t version)
{
    delta_table_close(table);
    table = NULL;
    return delta_table_open(store, version, DELTA_LOAD_FILES, &table, &err);
}

static void open_latest(void)
{
    enum status status = open_at(DELTA_VERSION_LATEST);
    if (status != STATUS_OK) print_error("%s\n", err.message);
    assert_int_equal(status, STATUS_OK);
}

static void assert_refused(enum status expected, const char *words)
{
    assert_int_equal(open_at(DELTA_VERSION_LATEST), expected);
    if (!strstr(err.message, words)) fail_msg("%s", err.message);
}

static bool has_file(const char *path)
{
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    while ((add = delta_table_next_file(table, &cursor))) {
        if (strcmp(add->path, path) == 0) return true;
    }
    return false;
}

// ---- replay

static void the_later_action_wins(void **state)
{
    (void)state;
    put_commit(0, PROTOCOL METADATA ADD("x", "5") ADD("y", "7"));
    put_commit(1, REMOVE("x") ADD("z", "1") TXN("p", "1"));
    put_commit(2, ADD("x", "6") REMOVE("nothing") TXN("p", "3") TXN("q", "9"));
    open_latest();
    assert_int_equal(table->version, 2);
    assert_int_equal(table->file_count, 3);
    assert_int_equal(table->file_bytes, 14);
    int64_t version;
    assert_true(delta_table_txn(table, "p", &version));
    assert_int_equal(version, 3);
    assert_false(delta_table_txn(table, "r", &version));
    assert_int_equal(open_at(1), STATUS_OK);
    assert_int_equal(table->file_count, 2);
    assert_false(has_file("x"));
}

static void paths_are_compared_as_the_log_spells_them(void **state)
{
    (void)state;
    put_commit(0, PROTOCOL METADATA ADD("a%20b", "1") ADD("a b", "1"));
    put_commit(1, REMOVE("a%20b"));
    open_latest();
    assert_int_equal(table->file_count, 1);
    assert_true(has_file("a b"));
}

static void a_file_with_another_deletion_vector_is_another_file(void **state)
{
    (void)state;
#define DV(path)                                                                                                       \
    "\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"" path                                             \
    "\",\"offset\":1,\"sizeInBytes\":3,\"cardinality\":1}"
    put_commit(0, PROTOCOL METADATA ADD("x", "5"));
    put_commit(1, "{\"add\":{\"path\":\"x\",\"partitionValues\":{},\"size\":5,\"dataChange\":true," DV(
                      "k") "}}\n" REMOVE("x"));
    open_latest();
    assert_int_equal(table->file_count, 1);
    put_commit(2, "{\"remove\":{\"path\":\"x\",\"dataChange\":true," DV("k") "}}\n");
    open_latest();
    assert_int_equal(table->file_count, 0);
}

static void many_files_come_and_go(void **state)
{
    (void)state;
    struct text text = {0};
    text_append_str(&text, PROTOCOL METADATA);
    for (int i = 0; i < 3000; i++)
        text_printf(&text, "{\"add\":{\"path\":\"f%d\",\"partitionValues\":{},\"size\":1}}\n", i);
    put_commit(0, text_str(&text));
    text_reset(&text);
    for (int i = 0; i < 3000; i += 3) text_printf(&text, "{\"remove\":{\"path\":\"f%d\"}}\n", i);
    put_commit(1, text_str(&text));
    text_deinit(&text);
    open_latest();
    assert_int_equal(table->file_count, 2000);
    assert_false(has_file("f0"));
    assert_true(has_file("f2999"));
    assert_false(has_file("f2997"));
    assert_true(has_file("f1"));
}

// ---- the segment

static void what_is_no_table_says_so(void **state)
{
    (void)state;
    assert_refused(STATUS_NOT_FOUND, "is not a Delta table");
    put("readme.json", "x");
    assert_refused(STATUS_NOT_FOUND, "is not a Delta table");
    put_commit(0, METADATA);
    assert_refused(STATUS_CORRUPT, "no protocol");
    put_commit(0, PROTOCOL);
    assert_refused(STATUS_CORRUPT, "no metaData");
    put_commit(0, PROTOCOL METADATA "{\"add\":\n");
    assert_refused(STATUS_CORRUPT, "version 0, line 3");
    put_commit(0, PROTOCOL METADATA);
    assert_int_equal(open_at(7), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "latest is 0"));
    assert_int_equal(open_at(-2), STATUS_NOT_FOUND);
}

static void a_gap_in_the_log_is_damage(void **state)
{
    (void)state;
    put_commit(0, PROTOCOL METADATA);
    put_commit(1, ADD("x", "1"));
    put_commit(3, ADD("y", "1"));
    assert_refused(STATUS_CORRUPT, "version 2 is missing");
    assert_int_equal(open_at(1), STATUS_OK);
}

static void names_beside_the_log_are_ignored(void **state)
{
    (void)state;
    put_commit(0, PROTOCOL METADATA);
    put_commit(1, ADD("x", "1"));
    put("00000000000000000000.crc", "{}");
    put(".00000000000000000002.json.crc", "x");
    put("00000000000000000002.json.tmp", "x");
    put("00000000000000000000.00000000000000000001.compacted.json", "x");
    put("00000000000000000001.checkpoint.0000000001.0000000002.parquet", "half of it");
    put("00000000000000000003.checkpoint.0000000003.0000000002.parquet", "x");
    put("_sidecars/a.parquet", "x");
    put("_last_checkpoint", "{\"version\":77}");
    open_latest();
    assert_int_equal(table->version, 1);
    assert_int_equal(table->checkpoint_version, -1);
    struct delta_versions versions;
    assert_int_equal(delta_log_versions(store, &versions, &err), STATUS_OK);
    assert_int_equal(versions.items.count, 2);
    vector_deinit(&versions.items);
}

static void a_checkpoint_of_version_two_in_json_is_read(void **state)
{
    (void)state;
    put("00000000000000000004.checkpoint.01234567-89ab-cdef-0123-456789abcdef.json",
        "{\"checkpointMetadata\":{\"version\":4}}\n" PROTOCOL METADATA ADD("x", "1") TXN("p", "4"));
    put_commit(5, ADD("y", "1"));
    put_commit(3, "broken, but not needed");
    put("_last_checkpoint", "{\"version\":4,\"size\":4}");
    open_latest();
    assert_int_equal(table->version, 5);
    assert_int_equal(table->checkpoint_version, 4);
    assert_int_equal(table->file_count, 2);
    int64_t version;
    assert_true(delta_table_txn(table, "p", &version));
}

// ---- updates

static void an_update_reads_the_new_commits_only(void **state)
{
    (void)state;
    struct delta_commits commits = {0};
    put_commit(0, PROTOCOL METADATA ADD("x", "5"));
    open_latest();
    put_commit(0, "not read again");
    assert_int_equal(delta_table_update(table, &commits, &err), STATUS_OK);
    assert_int_equal(commits.items.count, 0);
    delta_table_commits_deinit(&commits);
    put_commit(1, TXN("p", "1") ADD("y", "2"));
    put_commit(2,
               "{\"commitInfo\":{\"txnId\":\"t\",\"pipelineId\":\"i\",\"epochs\":[4,5]}}\n" REMOVE("x") TXN("p", "5"));
    assert_int_equal(delta_table_update(table, &commits, &err), STATUS_OK);
    assert_int_equal(table->version, 2);
    assert_int_equal(table->file_count, 1);
    assert_int_equal(commits.items.count, 2);
    assert_int_equal(commits.items.items[1]->info->epoch_last, 5);
    assert_true(delta_commit_is(commits.items.items[1], "t"));
    int64_t version;
    assert_true(delta_table_txn(table, "p", &version));
    assert_int_equal(version, 5);
    delta_table_commits_deinit(&commits);
}

static void an_update_takes_over_a_new_schema(void **state)
{
    (void)state;
    put_commit(0, PROTOCOL METADATA);
    open_latest();
    put_commit(1, METADATA_OF(FIELD("a", "long") "," FIELD("c", "date"), "\"c\"", "\"k\":\"v\""));
    put_commit(2, "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":4}}\n");
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_OK);
    assert_string_equal(table->schema.type->text, "struct<a:bigint,c:date>");
    assert_string_equal(delta_table_property(table, "k"), "v");
    assert_int_equal(table->protocol.min_writer_version, 4);
}

static void an_update_that_fails_changes_nothing(void **state)
{
    (void)state;
    put_commit(0, PROTOCOL METADATA ADD("x", "5"));
    open_latest();
    put_commit(1, ADD("y", "1"));
    put_commit(2,
               "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"catalogManaged\"],"
               "\"writerFeatures\":[\"catalogManaged\"]}}\n");
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "catalogManaged"));
    assert_int_equal(table->version, 0);
    assert_int_equal(table->file_count, 1);
    put_commit(1, "{\"add\":{}}\n");
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_CORRUPT);
    assert_int_equal(table->version, 0);
}

static void an_update_sees_that_the_log_was_cleaned(void **state)
{
    (void)state;
    put_commit(0, PROTOCOL METADATA);
    open_latest();
    put("_last_checkpoint", "{\"version\":5}");
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_OK); // no such checkpoint: the hint proves nothing
    put("00000000000000000005.checkpoint.parquet", "any");
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_CONFLICT);
    assert_non_null(strstr(err.message, "version 1 is gone"));
}

// ---- what may be written

static void features_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const readers[][2] = {
        {"{\"protocol\":{\"minReaderVersion\":4,\"minWriterVersion\":7}}\n" METADATA, "version 4"},
        {"{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"catalogManaged\"],"
         "\"writerFeatures\":"
         "[\"catalogManaged\"]}}\n" METADATA,
         "catalogManaged"},
    };
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        put_commit(0, readers[i][0]);
        assert_refused(STATUS_UNSUPPORTED, readers[i][1]);
    }
#define INVARIANT                                                                                                      \
    "{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{\\\"delta."             \
    "invariants\\\":\\\"x\\\"}}"
    static const char *const writers[][2] = {
        {"{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":8}}\n" METADATA, "version 8"},
        {"{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":7,\"writerFeatures\":[\"rowTracking\"]}}"
         "\n" METADATA,
         "rowTracking"},
        {PROTOCOL METADATA_OF(INVARIANT, "", ""), "delta.invariants"},
        {PROTOCOL METADATA_OF(FIELD("a", "long"), "", "\"delta.constraints.positive\":\"a > 0\""), "positive"},
        {PROTOCOL METADATA_OF(FIELD("a", "long"), "", "\"delta.enableRowTracking\":\"true\""),
         "delta.enableRowTracking"},
        {PROTOCOL METADATA_OF(FIELD("a", "long"), "", "\"delta.columnMapping.mode\":\"name\""), "columnMapping"},
        {PROTOCOL METADATA_OF(FIELD("a", "long"), "", "\"delta.appendOnly\":\"true\""), "append-only"},
    };
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        put_commit(0, writers[i][0]);
        open_latest();
        assert_int_equal(delta_table_check_write(table, true, &err), STATUS_UNSUPPORTED);
        if (!strstr(err.message, writers[i][1])) fail_msg("%s", err.message);
    }
    assert_int_equal(delta_table_check_write(table, false, &err), STATUS_OK); // appending to the append-only one
    put_commit(0, "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":7,\"writerFeatures\":[\"appendOnly\","
                  "\"invariants\","
                  "\"checkConstraints\",\"domainMetadata\"]}}\n" METADATA);
    open_latest();
    assert_int_equal(delta_table_check_write(table, true, &err), STATUS_OK); // listed, but not active
}

static const struct type *parse(const char *text)
{
    const struct type *type = NULL;
    assert_int_equal(type_parse(text, &type, &err), STATUS_OK);
    return type;
}

static void rows_must_fit_the_table(void **state)
{
    (void)state;
    const char *b = "B";
#define NOT_NULL "{\\\"name\\\":\\\"n\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":false,\\\"metadata\\\":{}}"
    put_commit(0, PROTOCOL METADATA_OF(FIELD("a", "long") "," FIELD("b", "string"), "\"b\"", ""));
    open_latest();
    assert_int_equal(delta_table_check_schema(table, parse("struct<B:string,a:bigint>"), &b, 1, &err), STATUS_OK);
    assert_int_equal(delta_table_check_schema(table, parse("struct<b:string>"), &b, 1, &err), STATUS_OK);
    assert_int_equal(delta_table_check_schema(table, parse("struct<b:string,a:int>"), &b, 1, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "'a' is bigint in the table and int in the query"));
    assert_int_equal(delta_table_check_schema(table, parse("struct<c:int>"), &b, 1, &err), STATUS_INVALID);
    assert_int_equal(delta_table_check_schema(table, parse("struct<b:string>"), NULL, 0, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "partitioned by 1 columns (b)"));
    put_commit(0, PROTOCOL METADATA_OF(FIELD("a", "long") "," NOT_NULL, "", ""));
    open_latest();
    assert_int_equal(delta_table_check_schema(table, parse("struct<a:bigint>"), NULL, 0, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "NOT NULL"));
}

static void a_new_table_asks_no_more_than_it_needs(void **state)
{
    (void)state;
    struct delta_protocol protocol;
    delta_feature_protocol(parse("struct<a:timestamp>"), &protocol);
    assert_int_equal(protocol.min_reader_version, 1);
    assert_int_equal(protocol.min_writer_version, 2);
    assert_false(protocol.writer_features.present);
    delta_feature_protocol(parse("struct<a:array<struct<b:timestamp_ntz>>>"), &protocol);
    assert_int_equal(protocol.min_reader_version, 3);
    assert_true(delta_action_strings_has(&protocol.reader_features, "timestampNtz"));
    assert_true(delta_action_strings_has(&protocol.writer_features, "appendOnly"));
}

static void a_schema_that_is_not_given_has_no_columns(void **state)
{
    (void)state;
    put_commit(0, PROTOCOL "{\"metaData\":{\"id\":\"m\",\"format\":{\"provider\":\"parquet\"}}}\n" ADD("x", "5"));
    assert_int_equal(open_at(0), STATUS_OK);
    assert_int_equal(table->schema.field_count, 0);
    assert_int_equal(table->file_count, 1);
}

static void features_of_variants_ask_nothing_of_a_table_without_one(void **state)
{
    (void)state;
    static const char *const names[] = {"variantType", "variantType-preview", "variantShredding-preview"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct text text = {0};
        for (int variant = 0; variant < 2; variant++) {
            text_reset(&text);
            text_printf(&text,
                        "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"%s\"],"
                        "\"writerFeatures\":[\"%s\"]}}\n",
                        names[i], names[i]);
            text_append_str(&text, variant ? METADATA_OF(FIELD("a", "variant"), "", "") : METADATA);
            put_commit(0, text_str(&text));
            assert_int_equal(open_at(0), variant ? STATUS_UNSUPPORTED : STATUS_OK);
            if (variant) assert_non_null(strstr(err.message, "'variant'"));
            if (!variant) assert_int_equal(delta_table_check_write(table, true, &err), STATUS_OK);
        }
        text_deinit(&text);
    }
}

// ---- commits

static struct delta_commit_content content_of(const char *txn_id)
{
    return (struct delta_commit_content){
        .info = {.operation = "WRITE", .txn_id = txn_id, .timestamp_ms = 5, .read_version = -1}};
}

static void create_table(void)
{
    static const struct delta_protocol protocol = {.min_reader_version = 1, .min_writer_version = 2};
    static const char *columns[] = {"p"};
    static const struct delta_metadata metadata = {
        .id = "m",
        .schema_string =
            "{\"type\":\"struct\",\"fields\":[{\"name\":\"p\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}}]}",
        .partition_columns = {columns, 1, true}};
    struct delta_commit_content content = content_of("t0");
    struct text text = {0};
    content.protocol = &protocol;
    content.metadata = &metadata;
    assert_int_equal(delta_commit_encode(&content, &text, &err), STATUS_OK);
    assert_int_equal(delta_commit_put(store, 0, text_str(&text), text.length, &err), STATUS_OK);
    text_deinit(&text);
}

static void a_commit_is_put_once_and_recognised(void **state)
{
    (void)state;
    struct delta_pair pair = {"p", "x"};
    struct delta_add adds[] = {{.path = "f1",
                                .size_bytes = 3,
                                .data_change = true,
                                .partition_values = {&pair, 1},
                                .base_row_id = INT64_MIN,
                                .default_row_commit_version = INT64_MIN}};
    struct delta_txn txn = {"p/t", 4, 0};
    struct delta_commit_content content = content_of("mine");
    struct delta_commit *commit = NULL;
    struct text text = {0};
    create_table();
    content.adds = adds;
    content.add_count = 1;
    content.txns = &txn;
    content.txn_count = 1;
    assert_int_equal(delta_commit_encode(&content, &text, &err), STATUS_OK);
    assert_int_equal(delta_commit_put(store, 1, text_str(&text), text.length, &err), STATUS_OK);
    assert_int_equal(delta_commit_put(store, 1, text_str(&text), text.length, &err), STATUS_EXISTS);
    assert_int_equal(delta_commit_read(store, 1, &commit, &err), STATUS_OK);
    assert_true(delta_commit_is(commit, "mine"));
    assert_false(delta_commit_is(commit, "other"));
    assert_int_equal(commit->actions.items[0].kind, DELTA_ACTION_COMMIT_INFO);
    delta_log_commit_destroy(commit);
    assert_int_equal(delta_commit_read(store, 2, &commit, &err), STATUS_NOT_FOUND);
    open_latest();
    assert_string_equal(delta_action_map_get(&adds[0].partition_values, "p"), "x");
    assert_true(has_file("f1"));
    text_deinit(&text);
}

static void a_remove_names_the_file_as_its_add_did(void **state)
{
    (void)state;
    create_table();
    put_commit(1, "{\"add\":{\"path\":\"a%2525b\",\"partitionValues\":{\"p\":null},\"size\":3,\"dataChange\":true}}\n");
    open_latest();
    struct delta_table_cursor cursor = {0};
    struct delta_remove remove = delta_commit_remove_of(delta_table_next_file(table, &cursor), 9, true);
    struct delta_commit_content content = content_of("t");
    struct text text = {0};
    content.removes = &remove;
    content.remove_count = 1;
    assert_int_equal(delta_commit_encode(&content, &text, &err), STATUS_OK);
    assert_non_null(strstr(text_str(&text),
                           "{\"remove\":{\"path\":\"a%2525b\",\"deletionTimestamp\":9,\"dataChange\":true,"
                           "\"extendedFileMetadata\":true,\"partitionValues\":{\"p\":null},\"size\":3}}"));
    assert_int_equal(delta_commit_put(store, 2, text_str(&text), text.length, &err), STATUS_OK);
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_OK);
    assert_int_equal(table->file_count, 0);
    text_deinit(&text);
}

static void a_commit_that_breaks_the_rules_is_not_encoded(void **state)
{
    (void)state;
    struct delta_add adds[] = {{.path = "f"}, {.path = "f"}};
    struct delta_txn txns[] = {{"p", 1, 0}, {"p", 2, 0}};
    struct text text = {0};
    struct delta_commit_content content = content_of(NULL);
    assert_int_equal(delta_commit_encode(&content, &text, &err), STATUS_INVALID);
    content = content_of("t");
    content.adds = adds;
    content.add_count = 2;
    assert_int_equal(delta_commit_encode(&content, &text, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "named twice: f"));
    content = content_of("t");
    content.txns = txns;
    content.txn_count = 2;
    assert_int_equal(delta_commit_encode(&content, &text, &err), STATUS_INVALID);
    content = content_of("t");
    content.info.pipeline_id = "i";
    content.info.ranges = "{not json";
    assert_int_equal(delta_commit_encode(&content, &text, &err), STATUS_CORRUPT);
    assert_int_equal(text.length, 0);
    text_deinit(&text);
}

static void nothing_is_put_where_the_log_was_cleaned(void **state)
{
    (void)state;
    put("_last_checkpoint", "{\"version\":7}");
    put("00000000000000000007.checkpoint.0000000002.0000000002.parquet", "any");
    assert_int_equal(delta_commit_put(store, 7, "{}", 2, &err), STATUS_CONFLICT);
    assert_int_equal(delta_commit_put(store, 3, "{}", 2, &err), STATUS_CONFLICT);
    assert_int_equal(delta_commit_put(store, 8, "{}", 2, &err), STATUS_OK);
}

static void a_hint_beyond_the_log_stops_no_put(void **state)
{
    (void)state;
    put_commit(0, PROTOCOL METADATA);
    put("_last_checkpoint", "{\"version\":9223372036854775807}");
    open_latest();
    assert_int_equal(delta_commit_put(store, 1, "{}", 2, &err), STATUS_OK);
    put("_last_checkpoint", "{\"version\":30}");
    assert_int_equal(delta_commit_put(store, 2, "{}", 2, &err), STATUS_OK);
    assert_int_equal(delta_table_update(table, NULL, &err), STATUS_OK);
    assert_int_equal(table->version, 2);
}

static enum status fail_hook(void *context, const char *name, struct error *error)
{
    if (strcmp(name, context) != 0) return STATUS_OK;
    return error_set(error, STATUS_KILLED, ERROR_FAIL_PIPELINE, "killed at %s", name);
}

static void a_put_can_die_before_and_after(void **state)
{
    (void)state;
    struct delta_commit *commit;
    failpoint_hook_set(fail_hook, "put.before");
    assert_int_equal(delta_commit_put(store, 0, "{}", 2, &err), STATUS_KILLED);
    assert_int_equal(delta_commit_read(store, 0, &commit, &err), STATUS_NOT_FOUND);
    failpoint_hook_set(fail_hook, "put.after");
    assert_int_equal(delta_commit_put(store, 0, "{}", 2, &err), STATUS_KILLED);
    failpoint_hook_set(NULL, NULL);
    assert_int_equal(delta_commit_read(store, 0, &commit, &err), STATUS_OK);
    delta_log_commit_destroy(commit);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(the_later_action_wins),
        FACT(paths_are_compared_as_the_log_spells_them),
        FACT(a_file_with_another_deletion_vector_is_another_file),
        FACT(many_files_come_and_go),
        FACT(what_is_no_table_says_so),
        FACT(a_gap_in_the_log_is_damage),
        FACT(names_beside_the_log_are_ignored),
        FACT(a_checkpoint_of_version_two_in_json_is_read),
        FACT(an_update_reads_the_new_commits_only),
        FACT(an_update_takes_over_a_new_schema),
        FACT(an_update_that_fails_changes_nothing),
        FACT(an_update_sees_that_the_log_was_cleaned),
        FACT(features_are_refused_by_name),
        FACT(rows_must_fit_the_table),
        FACT(a_new_table_asks_no_more_than_it_needs),
        FACT(a_schema_that_is_not_given_has_no_columns),
        FACT(features_of_variants_ask_nothing_of_a_table_without_one),
        FACT(a_commit_is_put_once_and_recognised),
        FACT(a_remove_names_the_file_as_its_add_did),
        FACT(a_commit_that_breaks_the_rules_is_not_encoded),
        FACT(nothing_is_put_where_the_log_was_cleaned),
        FACT(a_hint_beyond_the_log_stops_no_put),
        FACT(a_put_can_die_before_and_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
