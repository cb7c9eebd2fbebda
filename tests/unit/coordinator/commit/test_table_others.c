// What other writers did to a table since the pipeline's last commit, and what becomes of it (P17, P19, P21): appends,
// deletes and compactions are respected; a restore, a cleaned log and files that are gone block, and say what helps.
#include "tests/unit/coordinator/commit/commit_fixture.h"

static enum status compare_same(struct recover *recover, struct error *err)
{
    (void)recover;
    (void)err;
    return STATUS_OK;
}

static enum status recover_with(struct commit_fixture *fixture, struct recover *recover)
{
    commit_fixture_reopen(fixture);
    recover->context = &fixture->context;
    recover->logs = &fixture->logs;
    recover->compare = compare_same;
    random_init(&recover->random, random_u64(&fixture->random));
    enum status status = recover_run(recover, &fixture->err);
    manifest_unref(recover->last);
    recover->last = NULL;
    return status;
}

static void recover_well(struct commit_fixture *fixture)
{
    struct recover recover = {0};
    if (recover_with(fixture, &recover) != STATUS_OK) fail_msg("%s", fixture->err.message);
}

static void decide(struct commit_fixture *fixture, uint64_t epoch, uint64_t prev)
{
    struct commit_epoch content = {
        .epoch = epoch,
        .prev = {prev, prev},
        .adds = {arena_printf(&fixture->arena, "a%d", (int)epoch), arena_printf(&fixture->arena, "b%d", (int)epoch)},
        .overwrite = {false, true}};
    manifest_unref(commit_fixture_decide(fixture, &content));
}

// Three epochs put and published.
static void settled(struct commit_fixture *fixture)
{
    recover_well(fixture);
    for (uint64_t epoch = 1; epoch <= 3; epoch++) decide(fixture, epoch, epoch - 1);
    recover_well(fixture);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a1 a2 a3");
}

// ---- Other writers ----

static struct delta_add add_of(const char *path, bool changes)
{
    return (struct delta_add){.path = path,
                              .size_bytes = 1,
                              .modified_ms = 1,
                              .data_change = changes,
                              .base_row_id = INT64_MIN,
                              .default_row_commit_version = INT64_MIN};
}

static struct delta_remove remove_of(const char *path, bool changes)
{
    struct delta_add add = add_of(path, changes);
    return delta_commit_remove_of(&add, 1, changes);
}

static void foreign(struct commit_fixture *fixture, const char *operation, const char *removed, const char *added,
                    bool changes)
{
    struct delta_remove remove = remove_of(removed ? removed : "", changes);
    struct delta_add add = add_of(added ? added : "", changes);
    commit_fixture_foreign_commit(fixture, "t0", operation, &remove, removed != NULL, &add, added != NULL);
}

static void assert_blocked(struct commit_fixture *fixture, enum status status, const char *words, bool adopt)
{
    assert_int_not_equal(status, STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_BLOCKED);
    const char *const wanted[] = {words,
                                  "foreset pipelines retry test",
                                  "--abandon-table=t0",
                                  "foreset pipelines abandon-table test --table t0",
                                  adopt ? "--adopt=t0" : words,
                                  adopt ? "foreset pipelines adopt test --table t0" : words};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (!strstr(fixture->err.message, wanted[i])) fail_msg("%s is not in: %s", wanted[i], fixture->err.message);
    }
}

// It blocks before the next epoch is decided, behind the decision, and in recovery; adopt takes the table as it is.
static void blocks_until_adopted(struct commit_fixture *fixture, const char *words, const char *after)
{
    const char *before = commit_fixture_files(fixture, "t0");
    struct recover recover = {0};
    commit_fixture_reopen(fixture);
    struct manifest *next =
        commit_fixture_manifest(fixture, &(struct commit_epoch){.epoch = 4, .prev = {3, 3}, .adds = {"a4"}});
    struct table_log *log = table_logs_at(&fixture->logs, 0, false);
    assert_blocked(fixture, table_put_check(log, next, &fixture->err), words, true);
    manifest_unref(next);
    assert_blocked(fixture, recover_with(fixture, &recover), words, true);
    decide(fixture, 4, 3);
    assert_blocked(fixture, commit_fixture_put(fixture, 0, fixture->last, NULL), words, true);
    assert_blocked(fixture, recover_with(fixture, &recover), words, true);
    assert_string_equal(commit_fixture_files(fixture, "t0"), before);
    recover = (struct recover){.adopt = true, .adopt_table = "t1"}; // that is another one
    assert_blocked(fixture, recover_with(fixture, &recover), words, true);
    recover = (struct recover){.adopt = true, .adopt_table = "t0"};
    if (recover_with(fixture, &recover) != STATUS_OK) fail_msg("%s", fixture->err.message);
    assert_string_equal(commit_fixture_files(fixture, "t0"), after);
    assert_string_equal(commit_fixture_files(fixture, "t1"), "b4");
    recover_well(fixture);
}

static void goes_on_with(struct commit_fixture *fixture, const char *files)
{
    decide(fixture, 4, 3);
    assert_int_equal(table_put_check(table_logs_at(&fixture->logs, 0, false), fixture->last, &fixture->err), STATUS_OK);
    recover_well(fixture);
    assert_string_equal(commit_fixture_files(fixture, "t0"), files);
}

// ---- Respected ----

static void a_compaction_is_respected(void **state)
{
    settled(*state);
    foreign(*state, "OPTIMIZE", "a1", "c1", false);
    foreign(*state, "OPTIMIZE", "c1", "c2", false);
    goes_on_with(*state, "a2 a3 a4 c2");
}

static void a_delete_and_an_append_are_respected(void **state)
{
    settled(*state);
    foreign(*state, "DELETE", "a1", NULL, true);
    foreign(*state, "UPDATE", "a2", "c2", true);
    foreign(*state, "WRITE", NULL, "c3", true);
    goes_on_with(*state, "a3 a4 c2 c3");
}

static void a_deletion_vector_on_our_own_file_is_a_delete(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    static const char name[] = "part-2-1-1-0-0-11111111-2222-4333-8444-555555555555.zstd.parquet";
    struct delta_commit *commit = NULL; // by hand: the encoder refuses a path that is removed and added
    struct text bytes = {0};
    text_printf(
        &bytes,
        "{\"commitInfo\":{\"operation\":\"DELETE\"}}\n"
        "{\"remove\":{\"path\":\"%s\",\"dataChange\":true,\"deletionTimestamp\":1}}\n"
        "{\"add\":{\"path\":\"%s\",\"partitionValues\":{},\"size\":1,\"modificationTime\":1,\"dataChange\":true,"
        "\"deletionVector\":{\"storageType\":\"i\",\"pathOrInlineDv\":\"x\",\"sizeInBytes\":1,"
        "\"cardinality\":1}}}\n",
        name, name);
    assert_int_equal(delta_log_commit_parse(text_str(&bytes), bytes.length, 9, &commit, &fixture->err), STATUS_OK);
    struct table_others others = {0};
    table_others_take(&others, commit, "nobody");
    assert_int_equal(others.restored, 0);
    assert_int_equal(others.changed, 9);
    table_others_deinit(&others);
    delta_log_commit_destroy(commit);
    text_deinit(&bytes);
}

// What comes back may hold open groups, so --overwrite has to look into it.
static void files_that_a_restore_brings_back_are_not_new_ones(void **state)
{
    static const char *const operations[] = {"WRITE", "RESTORE"};
    struct commit_fixture *fixture = *state;
    for (size_t i = 0; i < 2; i++) {
        struct delta_commit *commit = NULL;
        struct text bytes = {0};
        text_printf(&bytes,
                    "{\"commitInfo\":{\"operation\":\"%s\"}}\n"
                    "{\"add\":{\"path\":\"f-1\",\"partitionValues\":{},\"size\":1,\"modificationTime\":1,"
                    "\"dataChange\":true}}\n",
                    operations[i]);
        assert_int_equal(delta_log_commit_parse(text_str(&bytes), bytes.length, 9, &commit, &fixture->err), STATUS_OK);
        struct table_others others = {.with_files = true};
        table_others_take(&others, commit, "nobody");
        assert_int_equal(others.appended.count, i == 0 ? 1 : 0);
        assert_int_equal(others.restored, i == 0 ? 0 : 9);
        table_others_deinit(&others);
        delta_log_commit_destroy(commit);
        text_deinit(&bytes);
    }
}

static void names_of_other_writers_are_told_from_ours(void **state)
{
    (void)state;
    assert_true(table_others_is_own_name("part-7-2-99-1-0-0b3cbc1f-0e6e-4a49-8b3e-6a0c1f3c0a11.zstd.parquet"));
    assert_true(table_others_is_own_name("d=1/part-7-2-99-1-0-0b3cbc1f-0e6e-4a49-8b3e-6a0c1f3c0a11.zstd.parquet"));
    assert_true(table_others_is_own_name("rest-7-2-0b3cbc1f-0e6e-4a49-8b3e-6a0c1f3c0a11.zstd.parquet"));
    assert_false(table_others_is_own_name("part-00000-0b3cbc1f-0e6e-4a49-8b3e-6a0c1f3c0a11-c000.snappy.parquet"));
    assert_false(table_others_is_own_name("part-00001-12345678-1234-4123-8123-123456789012-c000.snappy.parquet"));
    assert_false(table_others_is_own_name("part-00001-12345678-1234-4123-8123-123456789012-c000.zstd.parquet"));
    assert_false(table_others_is_own_name("0-1.parquet"));
}

// ---- Restored ----

static void a_restore_by_its_operation_blocks(void **state)
{
    settled(*state);
    foreign(*state, "RESTORE", "a3", NULL, true); // to the version before: the txn stays
    blocks_until_adopted(*state, "its version 4 restored an earlier one", "a1 a2 a4");
}

static void a_restore_before_an_append_blocks(void **state)
{
    settled(*state);
    foreign(*state, "RESTORE", "a3", NULL, true);
    foreign(*state, "WRITE", NULL, "c1", true);
    foreign(*state, "OPTIMIZE", "a1", "c2", false);
    blocks_until_adopted(*state, "its version 4 restored an earlier one", "a2 a4 c1 c2");
}

static void a_restore_by_its_actions_blocks(void **state)
{
    settled(*state);
    foreign(*state, "DELETE", "a1", NULL, true);
    foreign(*state, "SOMETHING", NULL, "a1", true); // without saying so, a file comes back
    blocks_until_adopted(*state, "its version 5 restored an earlier one", "a1 a2 a3 a4");
}

static void a_restore_of_our_own_files_blocks_though_their_removal_is_long_ago(void **state)
{
    settled(*state);
    foreign(*state, "SOMETHING", NULL, "part-2-1-1-0-0-11111111-2222-4333-8444-555555555555.zstd.parquet", true);
    blocks_until_adopted(*state, "its version 4 restored an earlier one",
                         "a1 a2 a3 a4 part-2-1-1-0-0-11111111-2222-4333-8444-555555555555.zstd.parquet");
}

static void a_restore_while_the_log_is_followed_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    decide(fixture, 4, 3);
    assert_int_equal(commit_fixture_put(fixture, 0, fixture->last, NULL), STATUS_OK); // follows from here on
    foreign(fixture, "RESTORE", "a4", NULL, true);
    struct manifest *next =
        commit_fixture_manifest(fixture, &(struct commit_epoch){.epoch = 5, .prev = {4, 4}, .adds = {"a5"}});
    assert_blocked(fixture, commit_fixture_put(fixture, 0, next, NULL), "its version 5 restored", true);
    manifest_unref(next);
}

static void a_full_refresh_is_put_upon_a_restored_table(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    foreign(fixture, "RESTORE", "a3", NULL, true);
    struct table_log *log = table_logs_at(&fixture->logs, 0, false);
    bool exists;
    log->needs_files = true;
    assert_int_equal(table_log_refresh(log, &exists, &fixture->err), STATUS_OK);
    log->replaces = true;
    assert_int_equal(table_log_check_others(log, "", &fixture->err), STATUS_OK);
    log->replaces = false;
    assert_int_not_equal(table_log_check_others(log, "", &fixture->err), STATUS_OK);
}

static void a_log_cleaned_past_our_last_commit_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    foreign(fixture, "OPTIMIZE", "a1", "c1", false);
    commit_fixture_clean_log(fixture, "t0");
    blocks_until_adopted(fixture, "the pipeline's last commit is no longer in its log", "a2 a3 a4 c1");
}

// ---- Gone ----

static void remove_object(struct commit_fixture *fixture, const char *table, const char *key)
{
    struct objstore *store = commit_fixture_store(fixture, table);
    assert_int_equal(objstore_remove(store, key, &fixture->err), STATUS_OK);
    objstore_close(store);
}

static void files_of_a_decided_epoch_that_are_gone_block_its_recovery(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    decide(fixture, 4, 3);
    remove_object(fixture, "t0", "a4");
    struct recover recover = {0};
    assert_blocked(fixture, recover_with(fixture, &recover), "that epoch 4 names is gone: a4", false);
    assert_non_null(strstr(fixture->err.message, "--full-refresh"));
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a1 a2 a3");
    struct objstore *store = commit_fixture_store(fixture, "t0"); // brought back
    assert_int_equal(objstore_put(store, "a4", "rows", 4, &fixture->err), STATUS_OK);
    objstore_close(store);
    recover_well(fixture);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a1 a2 a3 a4");
}

static void files_are_looked_at_after_a_vacuum_and_not_without_one(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    decide(fixture, 4, 3);
    remove_object(fixture, "t0", "a4");
    struct table_log *log = table_logs_at(&fixture->logs, 0, false);
    log->looks = false;
    assert_int_equal(table_put_check(log, fixture->last, &fixture->err), STATUS_OK); // the hot path asks nobody
    commit_fixture_foreign_commit(fixture, "t0", "VACUUM END", NULL, 0, NULL, 0);
    assert_blocked(fixture, table_put_check(log, fixture->last, &fixture->err), "epoch 4 names is gone: a4", false);
    assert_blocked(fixture, commit_fixture_put(fixture, 0, fixture->last, NULL), "epoch 4 names is gone: a4", false);
}

static void pending_files_are_looked_at_when_they_are_published(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    struct manifest *manifest =
        commit_fixture_manifest(fixture, &(struct commit_epoch){.epoch = 5, .prev = {3, 3}, .adds = {"a4"}});
    manifest->body->tables[0]->adds[0]->epoch = 4; // an earlier epoch wrote it
    struct table_log *log = table_logs_at(&fixture->logs, 0, false);
    log->looks = false;
    assert_int_equal(table_put_check(log, manifest, &fixture->err), STATUS_OK);
    remove_object(fixture, "t0", "a4");
    assert_blocked(fixture, table_put_check(log, manifest, &fixture->err), "is gone: a4", false);
    manifest_unref(manifest);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, commit_fixture_setup, commit_fixture_teardown)
    const struct CMUnitTest tests[] = {
        FACT(a_compaction_is_respected),
        FACT(a_delete_and_an_append_are_respected),
        FACT(a_deletion_vector_on_our_own_file_is_a_delete),
        cmocka_unit_test(names_of_other_writers_are_told_from_ours),
        FACT(a_restore_by_its_operation_blocks),
        FACT(a_restore_before_an_append_blocks),
        FACT(a_restore_by_its_actions_blocks),
        FACT(a_restore_of_our_own_files_blocks_though_their_removal_is_long_ago),
        FACT(a_restore_while_the_log_is_followed_blocks),
        FACT(a_full_refresh_is_put_upon_a_restored_table),
        FACT(a_log_cleaned_past_our_last_commit_blocks),
        FACT(files_that_a_restore_brings_back_are_not_new_ones),
        FACT(files_of_a_decided_epoch_that_are_gone_block_its_recovery),
        FACT(files_are_looked_at_after_a_vacuum_and_not_without_one),
        FACT(pending_files_are_looked_at_when_they_are_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
