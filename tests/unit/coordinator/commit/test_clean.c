// Cleaning (P24): what a lost kv store needs stays, whatever time passes without a commit.
#include "coordinator/commit/clean.h"

#include <unistd.h>

#include "common/base/text.h"
#include "tests/unit/coordinator/commit/commit_fixture.h"

#define HOUR_US 3600000000ll

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
    return recover_run(recover, &fixture->err);
}

static void recover_well(struct commit_fixture *fixture)
{
    struct recover recover = {0};
    if (recover_with(fixture, &recover) != STATUS_OK) fail_msg("%s", fixture->err.message);
    manifest_unref(recover.last);
}

// Each an hour after the one before. Of the epochs only those that are named commit.
static void decide(struct commit_fixture *fixture, uint64_t from, uint64_t to, uint64_t first, uint64_t second)
{
    for (uint64_t epoch = from; epoch <= to; epoch++) {
        struct commit_epoch content = {.epoch = epoch,
                                       .prev = {epoch > first ? first : 0, epoch > second ? second : 0}};
        if (epoch == first) content.adds[0] = "first";
        if (epoch == second) content.adds[1] = "second";
        manifest_unref(commit_fixture_decide(fixture, &content));
        fixture->now_us += HOUR_US;
    }
}

static uint64_t clean(struct commit_fixture *fixture, uint64_t published)
{
    struct table_logs logs;
    table_logs_init(&logs, &fixture->context);
    // Files have the time of day, epochs that of the fixture.
    int64_t now_us = fixture->now_us;
    fixture->now_us = clock_wall_us(clock_system()) + 100 * HOUR_US;
    struct clean run = {.context = &fixture->context,
                        .logs = &logs,
                        .last = fixture->decided,
                        .published = published,
                        .grace_us = HOUR_US};
    if (clean_run(&run, &fixture->err) != STATUS_OK) fail_msg("%s", fixture->err.message);
    fixture->now_us = now_us;
    table_logs_deinit(&logs);
    return run.deleted;
}

static bool manifest_is_there(struct commit_fixture *fixture, uint64_t epoch)
{
    struct objstore_list list = {0};
    char prefix[64];
    snprintf(prefix, sizeof prefix, "manifests/%020d", (int)epoch);
    assert_int_equal(objstore_list(fixture->state, prefix, NULL, &list, &fixture->err), STATUS_OK);
    bool there = list.entries.count == 1;
    objstore_list_deinit(&list);
    return there;
}

static void lose_the_kv_store(struct commit_fixture *fixture)
{
    char path[128];
    bool won = false;
    kv_close(fixture->kv);
    snprintf(path, sizeof path, "%s/_kv/kv.log", fixture->folder);
    assert_int_equal(remove(path), 0);
    path[strlen(path) - 7] = '\0';
    assert_int_equal(kv_local_open(path, &fixture->kv, &fixture->err), STATUS_OK);
    fixture->meta.kv = fixture->kv;
    assert_int_equal(meta_store_campaign(&fixture->meta, "me", &won, &fixture->err), STATUS_OK);
    assert_true(won);
}

static void the_manifest_of_each_tables_last_commit_stays_through_quiet_hours(void **state)
{
    struct commit_fixture *fixture = *state;
    recover_well(fixture);
    decide(fixture, 1, 50, 5, 3);
    recover_well(fixture);
    assert_true(clean(fixture, 50) > 0);
    for (uint64_t epoch = 1; epoch <= 50; epoch++) {
        bool kept = epoch == 3 || epoch == 5 || epoch > 50 - CLEAN_MANIFESTS_MIN;
        if (manifest_is_there(fixture, epoch) != kept) fail_msg("manifest of epoch %d", (int)epoch);
    }
    assert_int_equal(clean(fixture, 50), 0); // and the next time
}

static void adopt_goes_on_after_quiet_hours_and_a_cleaning(void **state)
{
    struct commit_fixture *fixture = *state;
    recover_well(fixture);
    decide(fixture, 1, 40, 5, 3);
    recover_well(fixture);
    assert_true(clean(fixture, 40) > 0);
    lose_the_kv_store(fixture);
    struct recover recover = {.adopt = true};
    if (recover_with(fixture, &recover) != STATUS_OK) fail_msg("%s", fixture->err.message);
    assert_int_equal(recover.last->body->epoch, 5);
    manifest_unref(recover.last);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "first");
    assert_string_equal(commit_fixture_files(fixture, "t1"), "second");
}

static void a_commit_that_was_followed_by_another_is_kept_no_longer(void **state)
{
    struct commit_fixture *fixture = *state;
    recover_well(fixture);
    decide(fixture, 1, 30, 5, 3);
    recover_well(fixture);
    clean(fixture, 30);
    assert_true(manifest_is_there(fixture, 5));
    struct commit_epoch content = {.epoch = 31, .prev = {5, 3}, .adds = {"third", NULL}};
    manifest_unref(commit_fixture_decide(fixture, &content));
    recover_well(fixture);
    clean(fixture, 31);
    assert_false(manifest_is_there(fixture, 5));
    assert_true(manifest_is_there(fixture, 3));
}

static const char *in_table(struct commit_fixture *fixture, const char *name, char path[256])
{
    snprintf(path, 256, "%s/t0/%s", fixture->folder, name);
    return path;
}

// Of an epoch that is decided, without a name in its manifest: what an attempt left. Others' names may look so too.
static void only_files_of_our_own_names_are_deleted(void **state)
{
    struct commit_fixture *fixture = *state;
    static const char own[] = "part-38-1-99-0-0-0b3cbc1f-0e6e-4a49-8b3e-6a0c1f3c0a11.zstd.parquet";
    static const char *const foreign[] = {"part-00038-00000001-1234-4123-8123-123456789012-c000.snappy.parquet",
                                          "part-00038-00000001-1234-4123-8123-123456789012.c000.zstd.parquet",
                                          "part-38-1-1234-4123.parquet", "part-38-1-0-0-0.parquet", "part-38-1-x"};
    char path[256];
    recover_well(fixture);
    decide(fixture, 1, 40, 5, 3);
    recover_well(fixture);
    FILE *file = fopen(in_table(fixture, own, path), "w");
    assert_non_null(file);
    fclose(file);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        file = fopen(in_table(fixture, foreign[i], path), "w");
        assert_non_null(file);
        fclose(file);
    }
    clean(fixture, 40);
    assert_int_not_equal(access(in_table(fixture, own, path), F_OK), 0);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (access(in_table(fixture, foreign[i], path), F_OK) != 0) fail_msg("%s was deleted", foreign[i]);
    }
}

static size_t list_parts(struct commit_fixture *fixture)
{
    struct objstore_list list = {0};
    assert_int_equal(objstore_list(fixture->state, "lists/", NULL, &list, &fixture->err), STATUS_OK);
    size_t count = list.entries.count;
    objstore_list_deinit(&list);
    return count;
}

// Each of two epochs has its list in a part: both stay, and with them what they name; what no manifest names goes.
static void parts_of_lists_stay_as_long_as_a_manifest_names_them(void **state)
{
    struct commit_fixture *fixture = *state;
    static const char orphan[] = "lists/list-00000000000000000001-1-00000000-0000-4000-8000-000000000000.pb";
    static const char later[] = "lists/list-00000000000000000009-1-00000000-0000-4000-8000-000000000000.pb";
    recover_well(fixture);
    manifest_split_limits(1, 1, 0);
    decide(fixture, 1, 3, 1, 2);
    manifest_split_limits(0, 0, 0);
    size_t before = list_parts(fixture);
    assert_true(before >= 2);
    assert_int_equal(objstore_put(fixture->state, orphan, "x", 1, &fixture->err), STATUS_OK);
    assert_int_equal(objstore_put(fixture->state, later, "x", 1, &fixture->err), STATUS_OK);
    assert_int_equal(clean(fixture, 0), 1);
    assert_int_equal(list_parts(fixture), before + 1);
    recover_well(fixture);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, commit_fixture_setup, commit_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(the_manifest_of_each_tables_last_commit_stays_through_quiet_hours),
        FACT(adopt_goes_on_after_quiet_hours_and_a_cleaning),
        FACT(parts_of_lists_stay_as_long_as_a_manifest_names_them),
        FACT(only_files_of_our_own_names_are_deleted),
        FACT(a_commit_that_was_followed_by_another_is_kept_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
