// Recovery (P21): what a leader finds, puts right and refuses before it plans anything.
#include "tests/unit/coordinator/commit/commit_fixture.h"

#include <sys/stat.h>

#include "common/base/failpoint.h"

static unsigned compared;

static enum status compare_same(struct recover *recover, struct error *err)
{
    (void)recover;
    (void)err;
    compared++;
    return STATUS_OK;
}

static enum status compare_refuses(struct recover *recover, struct error *err)
{
    (void)recover;
    return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "the file has changed");
}

// Recovers with a log set of its own, as a leader's first job does.
static enum status recover_with(struct commit_fixture *fixture, struct recover *recover)
{
    commit_fixture_reopen(fixture);
    recover->context = &fixture->context;
    recover->logs = &fixture->logs;
    if (!recover->compare) recover->compare = compare_same;
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

static void decide_epochs(struct commit_fixture *fixture, uint64_t from, uint64_t to)
{
    for (uint64_t epoch = from; epoch <= to; epoch++) {
        struct commit_epoch content = {.epoch = epoch,
                                       .prev = {epoch - 1, epoch - 1},
                                       .adds = {arena_printf(&fixture->arena, "a%d", (int)epoch),
                                                arena_printf(&fixture->arena, "b%d", (int)epoch)},
                                       .overwrite = {false, true}};
        manifest_unref(commit_fixture_decide(fixture, &content));
    }
}

static uint64_t published(struct commit_fixture *fixture)
{
    uint64_t epoch = 0;
    assert_int_equal(meta_store_published(&fixture->meta, &epoch, &fixture->err), STATUS_OK);
    return epoch;
}

// A pipeline with two epochs put and published.
static void settled(struct commit_fixture *fixture)
{
    recover_well(fixture);
    decide_epochs(fixture, 1, 2);
    recover_well(fixture);
    assert_int_equal(published(fixture), 2);
}

// ---- Coming into being ----

static void a_new_pipeline_gets_an_id_a_generation_and_its_tables(void **state)
{
    struct commit_fixture *fixture = *state;
    struct recover recover = {0};
    assert_int_equal(recover_with(fixture, &recover), STATUS_OK);
    assert_int_equal(strlen(fixture->context.pipeline_id), 36);
    assert_int_equal(fixture->context.generation, 1);
    assert_int_equal(recover.published, 0);
    assert_int_equal(commit_fixture_version(fixture, "t0"), 0);
    assert_int_equal(commit_fixture_version(fixture, "t1"), 0);
    assert_int_equal(commit_fixture_version(fixture, "t0__dead_letters"), -1); // comes with its first rows
}

static void every_recovery_raises_the_generation_and_keeps_the_id(void **state)
{
    struct commit_fixture *fixture = *state;
    recover_well(fixture);
    char id[37];
    snprintf(id, sizeof id, "%s", fixture->context.pipeline_id);
    recover_well(fixture);
    recover_well(fixture);
    assert_int_equal(fixture->context.generation, 3);
    assert_string_equal(fixture->context.pipeline_id, id);
    assert_int_equal(commit_fixture_version(fixture, "t0"), 0);
}

// ---- Rolling forward ----

static void decided_epochs_are_put_in_order_and_published(void **state)
{
    struct commit_fixture *fixture = *state;
    struct recover recover = {0};
    recover_well(fixture);
    decide_epochs(fixture, 1, 3);
    assert_int_equal(recover_with(fixture, &recover), STATUS_OK);
    assert_int_equal(recover.put, 3);
    assert_int_equal(recover.published, 3);
    assert_int_equal(published(fixture), 3);
    assert_int_equal(commit_fixture_version(fixture, "t0"), 3);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a1 a2 a3");
    assert_string_equal(commit_fixture_files(fixture, "t1"), "b3");
}

static void tables_that_were_put_already_are_not_put_again(void **state)
{
    struct commit_fixture *fixture = *state;
    recover_well(fixture);
    decide_epochs(fixture, 1, 1);
    assert_int_equal(commit_fixture_put(fixture, 0, fixture->last, NULL), STATUS_OK); // the crash came before t1
    recover_well(fixture);
    assert_int_equal(commit_fixture_version(fixture, "t0"), 1);
    assert_string_equal(commit_fixture_files(fixture, "t1"), "b1");
    assert_int_equal(published(fixture), 1);
}

static void what_was_only_prepared_never_counts(void **state)
{
    struct commit_fixture *fixture = *state;
    recover_well(fixture);
    struct manifest *prepared =
        commit_fixture_manifest(fixture, &(struct commit_epoch){.epoch = 1, .adds = {"undecided", NULL}});
    assert_int_equal(manifest_put(prepared, fixture->state, &fixture->seam, &fixture->err), STATUS_OK);
    struct recover recover = {0};
    assert_int_equal(recover_with(fixture, &recover), STATUS_OK);
    assert_int_equal(recover.published, 0);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "");
    manifest_unref(prepared);
}

static void nothing_is_put_of_a_table_that_was_given_up(void **state)
{
    struct commit_fixture *fixture = *state;
    recover_well(fixture);
    decide_epochs(fixture, 1, 1);
    struct recover recover = {.abandon_table = "t0"};
    assert_int_equal(recover_with(fixture, &recover), STATUS_OK);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "");
    assert_string_equal(commit_fixture_files(fixture, "t1"), "b1");
    decide_epochs(fixture, 2, 2);
    recover_well(fixture); // nor later
    assert_string_equal(commit_fixture_files(fixture, "t0"), "");
    assert_int_equal(published(fixture), 2);
}

// ---- What is refused ----

static void a_decided_manifest_that_is_gone_is_named(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    struct recover recover = {0};
    assert_int_equal(objstore_remove(fixture->state, fixture->decided.name, &fixture->err), STATUS_OK);
    assert_int_equal(recover_with(fixture, &recover), STATUS_CORRUPT);
    assert_int_equal(fixture->err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(fixture->err.message, fixture->decided.name));
}

static void a_decided_manifest_that_holds_other_bytes_is_refused(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    struct manifest *other = commit_fixture_manifest(fixture, &(struct commit_epoch){.epoch = 2, .prev = {1, 1}});
    struct text bytes = {0};
    struct recover recover = {0};
    manifest_encode(other, &bytes); // whole, but not what was decided
    assert_int_equal(objstore_put(fixture->state, fixture->decided.name, bytes.data, bytes.length, &fixture->err),
                     STATUS_OK);
    assert_int_equal(recover_with(fixture, &recover), STATUS_CORRUPT);
    assert_non_null(strstr(fixture->err.message, fixture->decided.name));
    text_deinit(&bytes);
    manifest_unref(other);
}

static void a_table_of_another_pipeline_is_refused_and_taken_over_with_adopt(void **state)
{
    struct commit_fixture *fixture = *state;
    recover_well(fixture);
    commit_fixture_foreign_metadata(fixture, "t0", NULL, "99999999-2222-4333-8444-555555555555");
    struct recover recover = {0};
    assert_int_equal(recover_with(fixture, &recover), STATUS_INVALID);
    assert_int_equal(fixture->err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(fixture->err.message, "--adopt=t0"));
    recover = (struct recover){.adopt = true, .adopt_table = "t1"}; // that is another one
    assert_int_equal(recover_with(fixture, &recover), STATUS_INVALID);
    recover = (struct recover){.adopt = true, .adopt_table = "t0"};
    if (recover_with(fixture, &recover) != STATUS_OK) fail_msg("%s", fixture->err.message);
    recover_well(fixture);
}

// As if an older copy of the table had been put back: its last commit is gone.
static void restore_older(struct commit_fixture *fixture)
{
    struct objstore *store = commit_fixture_store(fixture, "t0");
    assert_int_equal(objstore_remove(store, "_delta_log/00000000000000000002.json", &fixture->err), STATUS_OK);
    objstore_close(store);
}

static void a_table_restored_to_an_older_version_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    restore_older(fixture);
    struct recover recover = {0};
    assert_int_not_equal(recover_with(fixture, &recover), STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_BLOCKED);
    assert_non_null(strstr(fixture->err.message, "epoch 1, the pipeline wrote 2"));
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a1");
    recover = (struct recover){.adopt = true, .adopt_table = "t0"}; // what it holds is taken as it is
    if (recover_with(fixture, &recover) != STATUS_OK) fail_msg("%s", fixture->err.message);
    decide_epochs(fixture, 3, 3);
    recover_well(fixture);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a1 a3");
}

static void a_table_whose_log_is_gone_blocks_unless_it_is_given_up(void **state)
{
    struct commit_fixture *fixture = *state;
    char command[96];
    settled(fixture);
    snprintf(command, sizeof command, "rm -rf %s/t0", fixture->folder);
    assert_int_equal(system(command), 0);
    struct recover recover = {0};
    assert_int_not_equal(recover_with(fixture, &recover), STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_BLOCKED);
    assert_int_equal(commit_fixture_version(fixture, "t0"), -1); // not made anew behind anybody's back
    recover = (struct recover){.abandon_table = "t0"};
    if (recover_with(fixture, &recover) != STATUS_OK) fail_msg("%s", fixture->err.message);
}

static void what_compare_refuses_is_refused_before_any_table_is_looked_at(void **state)
{
    struct commit_fixture *fixture = *state;
    struct recover recover = {.compare = compare_refuses};
    assert_int_equal(recover_with(fixture, &recover), STATUS_INVALID);
    assert_string_equal(fixture->err.message, "the file has changed");
    assert_int_equal(commit_fixture_version(fixture, "t0"), -1);
}

static void another_leader_in_the_kv_store_fences(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    struct kv_op remove = {.kind = KV_DELETE, .key = "foreset/pipelines/test/leader"};
    struct kv_op put = {.kind = KV_PUT, .key = remove.key, .bytes = "other 1", .size = 7};
    assert_int_equal(kv_txn(fixture->kv, NULL, 0, &remove, 1, &fixture->err), STATUS_OK);
    assert_int_equal(kv_txn(fixture->kv, NULL, 0, &put, 1, &fixture->err), STATUS_OK);
    struct recover recover = {0};
    assert_int_not_equal(recover_with(fixture, &recover), STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_FENCED);
}

// ---- With the kv store lost ----

static void lose_kv(struct commit_fixture *fixture)
{
    char path[96], command[128];
    bool won = false;
    kv_close(fixture->kv);
    snprintf(path, sizeof path, "%s/_kv2", fixture->folder);
    snprintf(command, sizeof command, "rm -rf %s/_kv", fixture->folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(kv_local_open(path, &fixture->kv, &fixture->err), STATUS_OK);
    assert_int_equal(
        meta_store_init(&fixture->meta, fixture->kv, &fixture->seam, &fixture->lease, "test", &fixture->err),
        STATUS_OK);
    assert_int_equal(meta_store_campaign(&fixture->meta, "me", &won, &fixture->err), STATUS_OK);
    assert_true(won);
    fixture->context.pipeline_id[0] = '\0';
}

static void without_its_kv_store_a_pipeline_is_a_stranger_to_its_tables(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    lose_kv(fixture);
    struct recover recover = {0};
    assert_int_equal(recover_with(fixture, &recover), STATUS_INVALID);
    assert_int_equal(fixture->err.class, ERROR_FAIL_PIPELINE);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a1 a2");
}

static void adopt_goes_on_from_the_newest_manifest_that_a_log_names(void **state)
{
    struct commit_fixture *fixture = *state;
    settled(fixture);
    char id[37];
    snprintf(id, sizeof id, "%s", fixture->context.pipeline_id);
    uint64_t generation = fixture->context.generation;
    fixture->context.generation = 40; // somebody prepared in a later one, and decided nothing
    struct manifest *prepared = commit_fixture_manifest(fixture, &(struct commit_epoch){.epoch = 3, .prev = {2, 2}});
    assert_int_equal(manifest_put(prepared, fixture->state, &fixture->seam, &fixture->err), STATUS_OK);
    fixture->context.generation = generation;
    lose_kv(fixture);
    struct recover recover = {.adopt = true};
    if (recover_with(fixture, &recover) != STATUS_OK) fail_msg("%s", fixture->err.message);
    assert_string_equal(fixture->context.pipeline_id, id);
    assert_int_equal(recover.published, 2);
    assert_int_equal(fixture->context.generation, 41);
    decide_epochs(fixture, 3, 3);
    recover_well(fixture);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a1 a2 a3");
    manifest_unref(prepared);
}

// ---- A crash anywhere ----

static struct {
    uint64_t at, passed; // dies at the at-th failpoint
} crash;

static enum status crash_hook(void *context, const char *name, struct error *err)
{
    (void)context;
    if (crash.passed++ != crash.at) return STATUS_OK;
    return error_set(err, STATUS_KILLED, ERROR_RESTART_PIPELINE, "killed at %s", name);
}

static void a_crash_anywhere_is_made_good_by_the_next_recovery(void **state)
{
    struct commit_fixture *fixture = *state;
    struct recover recover = {0};
    uint64_t crashes = 0;
    recover_well(fixture);
    decide_epochs(fixture, 1, 3);
    failpoint_hook_set(crash_hook, NULL);
    enum status status = STATUS_KILLED;
    for (crash.at = 0; status != STATUS_OK; crash.at++) { // each attempt comes one step further
        crash.passed = 0;
        status = recover_with(fixture, &recover);
        crashes += status == STATUS_KILLED;
        if (status != STATUS_OK) assert_int_equal(status, STATUS_KILLED);
    }
    failpoint_hook_set(NULL, NULL);
    assert_true(crashes > 8);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a1 a2 a3");
    assert_string_equal(commit_fixture_files(fixture, "t1"), "b3");
    assert_int_equal(commit_fixture_version(fixture, "t0"), 3);
    assert_int_equal(published(fixture), 3);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, commit_fixture_setup, commit_fixture_teardown)
    const struct CMUnitTest tests[] = {
        FACT(a_new_pipeline_gets_an_id_a_generation_and_its_tables),
        FACT(every_recovery_raises_the_generation_and_keeps_the_id),
        FACT(decided_epochs_are_put_in_order_and_published),
        FACT(tables_that_were_put_already_are_not_put_again),
        FACT(what_was_only_prepared_never_counts),
        FACT(nothing_is_put_of_a_table_that_was_given_up),
        FACT(a_decided_manifest_that_is_gone_is_named),
        FACT(a_decided_manifest_that_holds_other_bytes_is_refused),
        FACT(a_table_of_another_pipeline_is_refused_and_taken_over_with_adopt),
        FACT(a_table_restored_to_an_older_version_blocks),
        FACT(a_table_whose_log_is_gone_blocks_unless_it_is_given_up),
        FACT(what_compare_refuses_is_refused_before_any_table_is_looked_at),
        FACT(another_leader_in_the_kv_store_fences),
        FACT(without_its_kv_store_a_pipeline_is_a_stranger_to_its_tables),
        FACT(adopt_goes_on_from_the_newest_manifest_that_a_log_names),
        FACT(a_crash_anywhere_is_made_good_by_the_next_recovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
