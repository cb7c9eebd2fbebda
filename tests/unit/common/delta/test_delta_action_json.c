// Log actions as JSON lines: Delta protocol, Actions, P19.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/delta/delta_action_json.h"
#include "tests/unit/lib/unit_arena.h"

static struct error err;

static enum status read_line(const char *line, struct delta_action *action)
{
    memset(action, 0, sizeof *action);
    return delta_action_json_read(line, strlen(line), &unit_arena, action, &err);
}

// What is written from an action reads back as the same text.
static void assert_rewritten(const char *line)
{
    struct delta_action action;
    struct text text = {0};
    enum status status = read_line(line, &action);
    if (status != STATUS_OK) print_error("%s: %s\n", line, err.message);
    assert_int_equal(status, STATUS_OK);
    delta_action_json_write(&action, &text);
    text.data[--text.length] = '\0';
    assert_string_equal(text_str(&text), line);
    text_deinit(&text);
}

static void actions_are_rewritten_as_they_were(void **state)
{
    (void)state;
    assert_rewritten(
        "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"timestampNtz\"],"
        "\"writerFeatures\":[]}}");
    assert_rewritten("{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}");
    assert_rewritten(
        "{\"metaData\":{\"id\":\"i\",\"name\":\"n\",\"format\":{\"provider\":\"parquet\",\"options\":{\"a\":\"b\"}},"
        "\"schemaString\":\"{\\\"type\\\":\\\"struct\\\"}\",\"partitionColumns\":[\"p\"],"
        "\"configuration\":{\"delta.appendOnly\":\"true\"},\"createdTime\":17}}");
    assert_rewritten(
        "{\"add\":{\"path\":\"a%2520b.parquet\",\"partitionValues\":{\"p\":null,\"q\":\"\"},\"size\":7,"
        "\"modificationTime\":8,\"dataChange\":false,\"stats\":\"{\\\"numRecords\\\":1}\",\"tags\":{\"t\":\"u\"},"
        "\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"ab^-\",\"offset\":1,\"sizeInBytes\":36,"
        "\"cardinality\":2},\"baseRowId\":0,\"defaultRowCommitVersion\":3,\"clusteringProvider\":\"c\"}}");
    assert_rewritten(
        "{\"remove\":{\"path\":\"x\",\"deletionTimestamp\":5,\"dataChange\":true,\"extendedFileMetadata\":true,"
        "\"partitionValues\":{},\"size\":9}}");
    assert_rewritten("{\"remove\":{\"path\":\"x\",\"dataChange\":true}}");
    assert_rewritten("{\"txn\":{\"appId\":\"p/t\",\"version\":9007199254740993,\"lastUpdated\":1}}");
    assert_rewritten("{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"{}\",\"removed\":true}}");
}

static void commit_info_carries_epochs_and_manifests(void **state)
{
    (void)state;
    const char *line = "{\"commitInfo\":{\"timestamp\":1,\"operation\":\"STREAMING "
                       "UPDATE\",\"operationParameters\":{\"outputMode\":\"Append\"},"
                       "\"readVersion\":4,\"isolationLevel\":\"Serializable\",\"isBlindAppend\":true,"
                       "\"operationMetrics\":{\"numOutputRows\":"
                       "\"3\"},\"engineInfo\":\"Foreset\",\"txnId\":\"t\",\"pipelineId\":\"i\",\"pipeline\":\"p\","
                       "\"table\":\"a.b\",\"epoch\":9,"
                       "\"epochs\":[7,9],\"manifests\":[{\"epoch\":9,\"name\":\"9-1-u.pb\",\"hash\":"
                       "\"00ff000000000001\"}],\"generation\":2,"
                       "\"ranges\":{\"topic\":[[0,5]]}}}";
    struct delta_action action;
    assert_rewritten(line);
    assert_int_equal(read_line(line, &action), STATUS_OK);
    const struct delta_commit_info *info = &action.commit_info;
    assert_int_equal(info->epoch_first, 7);
    assert_int_equal(info->epoch_last, 9);
    assert_int_equal(info->manifest_count, 1);
    assert_true(info->manifests[0].hash == 0x00ff000000000001ull);
    assert_string_equal(info->manifests[0].name, "9-1-u.pb");
    assert_string_equal(info->ranges, "{\"topic\":[[0,5]]}");
    assert_string_equal(delta_action_map_get(&info->metrics, "numOutputRows"), "3");
}

static void foreign_commit_info_is_free_form(void **state)
{
    (void)state;
    struct delta_action action;
    assert_int_equal(
        read_line("{\"commitInfo\":{\"timestamp\":\"now\",\"operation\":7,\"operationParameters\":{\"predicate\":[],"
                  "\"n\":1},\"epochs\":\"x\",\"manifests\":[1,{\"name\":2}],\"operationMetrics\":null}}",
                  &action),
        STATUS_OK);
    assert_null(action.commit_info.operation);
    assert_null(action.commit_info.pipeline_id);
    assert_string_equal(delta_action_map_get(&action.commit_info.parameters, "predicate"), "[]");
    assert_int_equal(action.commit_info.manifest_count, 0);
    assert_int_equal(action.commit_info.read_version, -1);
}

static void unknown_actions_and_fields_are_ignored(void **state)
{
    (void)state;
    struct delta_action action;
    assert_int_equal(read_line("{\"fancyNewAction\":{\"x\":1}}", &action), STATUS_OK);
    assert_int_equal(action.kind, DELTA_ACTION_UNKNOWN);
    assert_int_equal(read_line("{}", &action), STATUS_OK);
    assert_int_equal(action.kind, DELTA_ACTION_UNKNOWN);
    assert_int_equal(
        read_line("{\"txn\":{\"appId\":\"a\",\"version\":1,\"lastUpdated\":null,\"new\":{}},\"later\":1}", &action),
        STATUS_OK);
    assert_int_equal(action.kind, DELTA_ACTION_TXN);
    assert_int_equal(action.txn.last_updated_ms, 0);
}

static void wrong_types_and_missing_fields_are_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{\"add\":{\"partitionValues\":{},\"size\":1}}", "'path'"},
        {"{\"add\":{\"path\":\"a\",\"size\":\"1\"}}", "'size'"},
        {"{\"add\":{\"path\":\"a\",\"size\":-1}}", "'size'"},
        {"{\"add\":{\"path\":\"a\",\"size\":1.5}}", "'size'"},
        {"{\"add\":{\"path\":\"a\",\"size\":1,\"partitionValues\":[]}}", "'partitionValues'"},
        {"{\"add\":{\"path\":\"a\",\"size\":1,\"deletionVector\":{\"storageType\":\"u\"}}}", "'pathOrInlineDv'"},
        {"{\"protocol\":{\"minReaderVersion\":1}}", "'minWriterVersion'"},
        {"{\"protocol\":{\"minReaderVersion\":99999999999,\"minWriterVersion\":2}}", "'minReaderVersion'"},
        {"{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[1]}}", "'readerFeatures'"},
        {"{\"metaData\":{\"id\":\"x\",\"schemaString\":7}}", "'schemaString'"},
        {"{\"txn\":{\"version\":1}}", "'appId'"},
        {"{\"add\":7}", "'add'"},
        {"[]", "not a JSON object"},
        {"{\"add\":{\"path\":\"a\\u0000b\",\"size\":1}}", "not a JSON object"},
        {"{\"add\":{\"path\":", "not a JSON object"},
        {"\xff", "not a JSON object"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct delta_action action;
        assert_int_equal(read_line(bad[i][0], &action), STATUS_CORRUPT);
        if (!strstr(err.message, bad[i][1])) fail_msg("%s: %s", bad[i][0], err.message);
    }
}

static void the_hint_is_read_or_not_believed(void **state)
{
    (void)state;
    int64_t version = -1;
    static const char good[] = "{\"version\":40,\"size\":3,\"checkpointSchema\":{}}";
    assert_true(delta_action_json_hint(good, strlen(good), &version));
    assert_int_equal(version, 40);
    static const char *const bad[] = {"", "{}", "{\"version\":-1}", "{\"version\":\"1\"}", "{\"version\":1", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(delta_action_json_hint(bad[i], strlen(bad[i]), &version));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(actions_are_rewritten_as_they_were, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(commit_info_carries_epochs_and_manifests, unit_arena_setup,
                                        unit_arena_teardown),
        cmocka_unit_test_setup_teardown(foreign_commit_info_is_free_form, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(unknown_actions_and_fields_are_ignored, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(wrong_types_and_missing_fields_are_named, unit_arena_setup,
                                        unit_arena_teardown),
        cmocka_unit_test_setup_teardown(the_hint_is_read_or_not_believed, unit_arena_setup, unit_arena_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
