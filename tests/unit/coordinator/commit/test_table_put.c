// Putting a decided epoch into a table's log (P17, P19): every way in which it may be there already, be in the way, or
// have an outcome that nobody knows.
#include "tests/unit/coordinator/commit/commit_fixture.h"

static struct manifest *decide(struct commit_fixture *fixture, uint64_t epoch, uint64_t prev, const char *path)
{
    struct commit_epoch content = {.epoch = epoch, .prev = {prev, 0}, .adds = {path, NULL}};
    return commit_fixture_decide(fixture, &content);
}

static void decide_and_put(struct commit_fixture *fixture, uint64_t epoch, uint64_t prev, const char *path)
{
    struct manifest *manifest = decide(fixture, epoch, prev, path);
    enum status status = commit_fixture_put(fixture, 0, manifest, NULL);
    if (status != STATUS_OK) fail_msg("%s", fixture->err.message);
    manifest_unref(manifest);
}

static void assert_blocked(struct commit_fixture *fixture, const struct manifest *manifest, const char *words)
{
    int64_t before = commit_fixture_version(fixture, "t0");
    assert_int_not_equal(commit_fixture_put(fixture, 0, manifest, NULL), STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_BLOCKED);
    if (!strstr(fixture->err.message, words)) fail_msg("%s", fixture->err.message);
    assert_non_null(strstr(fixture->err.message, "--abandon-table=t0"));
    assert_int_equal(commit_fixture_version(fixture, "t0"), before);
}

// ---- The happy path ----

static void an_epoch_becomes_the_next_version_with_its_txn_and_manifest(void **state)
{
    struct commit_fixture *fixture = *state;
    struct table_put_result result;
    struct delta_commit *commit = NULL;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    assert_int_equal(commit_fixture_put(fixture, 0, manifest, &result), STATUS_OK);
    assert_true(result.committed);
    assert_int_equal(result.version, 1);
    struct objstore *store = commit_fixture_store(fixture, "t0");
    assert_int_equal(delta_commit_read(store, 1, &commit, &fixture->err), STATUS_OK);
    assert_int_equal(commit->info->epoch_first, 1);
    assert_int_equal(commit->info->epoch_last, 1);
    assert_int_equal(commit->info->generation, fixture->context.generation);
    assert_int_equal(commit->info->manifest_count, 1);
    assert_true(commit->info->manifests[0].hash == manifest->record.hash);
    assert_string_equal(commit->info->manifests[0].name, manifest->record.name);
    assert_string_equal(commit->info->pipeline_id, fixture->context.pipeline_id);
    assert_int_equal(table_log_txn(table_logs_at(&fixture->logs, 0, false)), 0); // as it was read before the put
    commit_fixture_reopen(fixture);
    bool exists;
    assert_int_equal(table_log_refresh(table_logs_at(&fixture->logs, 0, false), &exists, &fixture->err), STATUS_OK);
    assert_int_equal(table_log_txn(table_logs_at(&fixture->logs, 0, false)), 1);
    delta_log_commit_destroy(commit);
    objstore_close(store);
    manifest_unref(manifest);
}

static void an_epoch_that_changes_nothing_makes_no_commit(void **state)
{
    struct commit_fixture *fixture = *state;
    struct table_put_result result = {.committed = true};
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, NULL);
    assert_int_equal(commit_fixture_put(fixture, 0, manifest, &result), STATUS_OK);
    assert_false(result.committed);
    assert_int_equal(commit_fixture_version(fixture, "t0"), 0);
    manifest_unref(manifest);
}

static void a_table_that_was_given_up_gets_nothing(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    table_logs_at(&fixture->logs, 0, false)->abandoned = true;
    assert_int_equal(commit_fixture_put(fixture, 0, manifest, NULL), STATUS_OK);
    assert_int_equal(commit_fixture_version(fixture, "t0"), 0);
    manifest_unref(manifest);
}

static void complete_mode_removes_whatever_is_live_when_it_is_put(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *one = commit_fixture_decide(
        fixture, &(struct commit_epoch){.epoch = 1, .adds = {NULL, "a"}, .overwrite = {false, true}});
    assert_int_equal(commit_fixture_put(fixture, 1, one, NULL), STATUS_OK);
    commit_fixture_foreign(fixture, "t1", "foreign");
    struct manifest *two = commit_fixture_decide(
        fixture, &(struct commit_epoch){.epoch = 2, .prev = {0, 1}, .adds = {NULL, "b"}, .overwrite = {false, true}});
    assert_int_equal(commit_fixture_put(fixture, 1, two, NULL), STATUS_OK);
    assert_string_equal(commit_fixture_files(fixture, "t1"), "b");
    manifest_unref(one);
    manifest_unref(two);
}

static void dead_letters_come_into_being_with_their_first_rows(void **state)
{
    struct commit_fixture *fixture = *state;
    struct table_put_result result;
    commit_fixture_begin(fixture);
    struct manifest *manifest =
        commit_fixture_decide(fixture, &(struct commit_epoch){.epoch = 1, .dead_letters = "dead"});
    assert_int_equal(table_put_check(table_logs_at(&fixture->logs, 0, true), manifest, &fixture->err), STATUS_OK);
    assert_int_equal(commit_fixture_version(fixture, "t0__dead_letters"), -1);
    assert_int_equal(
        table_put_run(table_logs_at(&fixture->logs, 0, true), manifest, &fixture->random, &result, &fixture->err),
        STATUS_OK);
    assert_int_equal(commit_fixture_version(fixture, "t0__dead_letters"), 1);
    assert_string_equal(commit_fixture_files(fixture, "t0__dead_letters"), "dead");
    manifest_unref(manifest);
}

// ---- It is there already ----

static void an_epoch_that_is_there_is_done(void **state)
{
    struct commit_fixture *fixture = *state;
    struct table_put_result result;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(commit_fixture_put(fixture, 0, manifest, &result), STATUS_OK);
        assert_true(result.committed);
        commit_fixture_reopen(fixture); // as after a crash
    }
    assert_int_equal(commit_fixture_version(fixture, "t0"), 1);
    manifest_unref(manifest);
}

static void an_earlier_epoch_is_done_however_far_the_log_has_gone_on(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *first = decide(fixture, 1, 0, "a");
    assert_int_equal(commit_fixture_put(fixture, 0, first, NULL), STATUS_OK);
    decide_and_put(fixture, 2, 1, "b");
    commit_fixture_foreign(fixture, "t0", "foreign");
    decide_and_put(fixture, 3, 2, "c");
    assert_int_equal(commit_fixture_put(fixture, 0, first, NULL), STATUS_OK);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a b c foreign");
    manifest_unref(first);
}

static void the_same_epoch_from_another_manifest_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    decide_and_put(fixture, 1, 0, "a");
    struct manifest *other = commit_fixture_manifest(fixture, &(struct commit_epoch){.epoch = 1, .adds = {"b", NULL}});
    assert_blocked(fixture, other, "this epoch from another manifest");
    manifest_unref(other);
}

static void an_epoch_whose_commit_was_cleaned_away_is_done_if_it_was_published(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *first = decide(fixture, 1, 0, "a");
    assert_int_equal(commit_fixture_put(fixture, 0, first, NULL), STATUS_OK);
    decide_and_put(fixture, 2, 1, "b");
    commit_fixture_clean_log(fixture, "t0");
    commit_fixture_reopen(fixture);
    assert_blocked(fixture, first, "no commit names its manifest");
    assert_int_equal(meta_store_publish(&fixture->meta, 2, 10, &fixture->err), STATUS_OK);
    assert_int_equal(commit_fixture_put(fixture, 0, first, NULL), STATUS_OK);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a b");
    manifest_unref(first);
}

// ---- Something is wrong with the table ----

static void a_transaction_older_than_the_last_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    decide_and_put(fixture, 1, 0, "a");
    struct manifest *second = decide(fixture, 2, 1, "b"); // never put: as if the table had been restored
    struct manifest *third = decide(fixture, 3, 2, "c");
    assert_blocked(fixture, third, "its last transaction is epoch 1, expected 2");
    manifest_unref(second);
    manifest_unref(third);
}

static void a_transaction_between_the_last_and_this_one_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    decide_and_put(fixture, 1, 0, "a");
    decide_and_put(fixture, 2, 1, "b");
    struct manifest *third = decide(fixture, 3, 1, "c");
    assert_blocked(fixture, third, "its last transaction is epoch 2, expected 1");
    manifest_unref(third);
}

static void a_table_that_vanished_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    char command[96];
    commit_fixture_begin(fixture);
    decide_and_put(fixture, 1, 0, "a");
    struct manifest *second = decide(fixture, 2, 1, "b");
    snprintf(command, sizeof command, "rm -rf %s/t0", fixture->folder);
    assert_int_equal(system(command), 0);
    commit_fixture_reopen(fixture);
    assert_blocked(fixture, second, "there is no table any more");
    manifest_unref(second);
}

static void a_table_of_another_pipeline_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    commit_fixture_foreign_metadata(fixture, "t0", NULL, "another-pipeline");
    assert_blocked(fixture, manifest, "another-pipeline");
    manifest_unref(manifest);
}

static void a_schema_that_no_longer_fits_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    commit_fixture_foreign_metadata(fixture, "t0", "struct<k:string,v:string>", fixture->context.pipeline_id);
    assert_blocked(fixture, manifest, "v");
    manifest_unref(manifest);
}

static void what_would_block_is_refused_before_it_is_decided(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *manifest = commit_fixture_manifest(fixture, &(struct commit_epoch){.epoch = 1, .adds = {"a"}});
    struct table_log *log = table_logs_at(&fixture->logs, 0, false);
    assert_int_equal(table_put_check(log, manifest, &fixture->err), STATUS_OK);
    commit_fixture_foreign(fixture, "t0", "foreign"); // nobody minds
    assert_int_equal(table_put_check(log, manifest, &fixture->err), STATUS_OK);
    commit_fixture_foreign_metadata(fixture, "t0", "struct<k:string,v:string>", fixture->context.pipeline_id);
    assert_int_not_equal(table_put_check(log, manifest, &fixture->err), STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(fixture->err.message, "table t0"));
    manifest_unref(manifest);
}

// ---- Other writers ----

static enum status foreign_first(struct commit_fixture *fixture, struct objstore *inner, const char *key,
                                 const void *bytes, size_t size, struct error *err)
{
    commit_hook self = fixture->hook;
    fixture->hook = NULL;
    if (fixture->hooked <= 3) {
        commit_fixture_foreign(fixture, "t0", arena_printf(&fixture->arena, "foreign-%u", fixture->hooked));
    }
    fixture->hook = self;
    return objstore_put_if_absent(inner, key, bytes, size, err);
}

static void a_version_that_another_writer_took_is_followed_by_the_next(void **state)
{
    struct commit_fixture *fixture = *state;
    struct table_put_result result;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    fixture->hook = foreign_first;
    assert_int_equal(commit_fixture_put(fixture, 0, manifest, &result), STATUS_OK);
    assert_int_equal(result.version, 4);
    assert_int_equal(fixture->hooked, 4);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a foreign-1 foreign-2 foreign-3");
    manifest_unref(manifest);
}

static enum status schema_changes_first(struct commit_fixture *fixture, struct objstore *inner, const char *key,
                                        const void *bytes, size_t size, struct error *err)
{
    fixture->hook = NULL;
    commit_fixture_foreign_metadata(fixture, "t0", "struct<k:string,v:string>", fixture->context.pipeline_id);
    return objstore_put_if_absent(inner, key, bytes, size, err);
}

static void a_schema_that_changes_between_two_attempts_blocks(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    fixture->hook = schema_changes_first;
    assert_int_not_equal(commit_fixture_put(fixture, 0, manifest, NULL), STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_BLOCKED);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "");
    manifest_unref(manifest);
}

static enum status always_taken(struct commit_fixture *fixture, struct objstore *inner, const char *key,
                                const void *bytes, size_t size, struct error *err)
{
    (void)fixture;
    (void)inner;
    (void)bytes;
    (void)size;
    return error_set(err, STATUS_EXISTS, ERROR_RETRY, "%s is there", key);
}

static void versions_that_are_always_taken_end_in_a_retry(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    fixture->hook = always_taken;
    assert_int_not_equal(commit_fixture_put(fixture, 0, manifest, NULL), STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_RETRY);
    assert_true(fixture->hooked > 10 && fixture->hooked < 100);
    manifest_unref(manifest);
}

// ---- Outcomes that nobody knows ----

static enum status timeout(struct error *err)
{
    return error_set(err, STATUS_UNKNOWN, ERROR_RETRY, "timeout");
}

static enum status happens_unheard(struct commit_fixture *fixture, struct objstore *inner, const char *key,
                                   const void *bytes, size_t size, struct error *err)
{
    fixture->hook = NULL;
    enum status status = objstore_put_if_absent(inner, key, bytes, size, err);
    return status == STATUS_OK ? timeout(err) : status;
}

static enum status does_not_happen(struct commit_fixture *fixture, struct objstore *inner, const char *key,
                                   const void *bytes, size_t size, struct error *err)
{
    (void)inner;
    (void)key;
    (void)bytes;
    (void)size;
    if (fixture->hooked == 3) fixture->hook = NULL;
    return timeout(err);
}

static enum status another_happens(struct commit_fixture *fixture, struct objstore *inner, const char *key,
                                   const void *bytes, size_t size, struct error *err)
{
    (void)inner;
    (void)key;
    (void)bytes;
    (void)size;
    fixture->hook = NULL;
    commit_fixture_foreign(fixture, "t0", "foreign");
    return timeout(err);
}

static struct {
    char key[64];
    struct text bytes;
} late;

static enum status happens_later(struct commit_fixture *fixture, struct objstore *inner, const char *key,
                                 const void *bytes, size_t size, struct error *err)
{
    if (fixture->hooked == 1) { // its caller will have read the log and found nothing
        snprintf(late.key, sizeof late.key, "%s", key);
        text_append(&late.bytes, bytes, size);
        return timeout(err);
    }
    fixture->hook = NULL;
    assert_int_equal(objstore_put_if_absent(inner, late.key, late.bytes.data, late.bytes.length, err), STATUS_OK);
    return objstore_put_if_absent(inner, key, bytes, size, err);
}

static void put_with(void **state, commit_hook hook, const char *files, int64_t version)
{
    struct commit_fixture *fixture = *state;
    struct table_put_result result;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    fixture->hook = hook;
    if (commit_fixture_put(fixture, 0, manifest, &result) != STATUS_OK) fail_msg("%s", fixture->err.message);
    assert_null(fixture->hook); // it came to pass
    assert_int_equal(result.version, version);
    assert_int_equal(commit_fixture_version(fixture, "t0"), version);
    assert_string_equal(commit_fixture_files(fixture, "t0"), files);
    manifest_unref(manifest);
}

static void an_unknown_put_that_happened_is_done(void **state)
{
    put_with(state, happens_unheard, "a", 1);
}

static void an_unknown_put_that_did_not_happen_is_put_again(void **state)
{
    put_with(state, does_not_happen, "a", 1);
}

static void an_unknown_put_whose_version_another_took_is_put_behind_it(void **state)
{
    put_with(state, another_happens, "a foreign", 2);
}

static void an_unknown_put_that_happens_during_the_next_is_done_once(void **state)
{
    put_with(state, happens_later, "a", 1);
    text_deinit(&late.bytes);
}

// ---- The log was cleaned beneath us ----

static void a_version_below_a_log_checkpoint_is_never_taken_again(void **state)
{
    struct commit_fixture *fixture = *state;
    struct table_put_result result;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    bool exists;
    assert_int_equal(table_log_refresh(table_logs_at(&fixture->logs, 0, false), &exists, &fixture->err), STATUS_OK);
    for (int i = 0; i < 5; i++) commit_fixture_foreign(fixture, "t0", arena_printf(&fixture->arena, "f%d", i));
    commit_fixture_clean_log(fixture, "t0"); // versions 0 to 5 are gone; this log still stands at 0
    assert_int_equal(commit_fixture_put(fixture, 0, manifest, &result), STATUS_OK);
    assert_int_equal(result.version, 6);
    assert_string_equal(commit_fixture_files(fixture, "t0"), "a f0 f1 f2 f3 f4");
    manifest_unref(manifest);
}

// ---- The lease ----

static void a_put_without_a_lease_is_not_tried(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    lease_lose(&fixture->lease);
    assert_int_not_equal(commit_fixture_put(fixture, 0, manifest, NULL), STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_FENCED);
    assert_int_equal(commit_fixture_version(fixture, "t0"), 0);
    manifest_unref(manifest);
}

static void lose_lease(struct commit_fixture *fixture)
{
    lease_lose(&fixture->lease);
}

static void a_lease_that_is_lost_while_the_log_is_read_stops_the_put(void **state)
{
    struct commit_fixture *fixture = *state;
    commit_fixture_begin(fixture);
    struct manifest *manifest = decide(fixture, 1, 0, "a");
    fixture->read_hint = lose_lease; // the last thing that is read
    assert_int_not_equal(commit_fixture_put(fixture, 0, manifest, NULL), STATUS_OK);
    assert_int_equal(fixture->err.class, ERROR_FENCED);
    assert_int_equal(commit_fixture_version(fixture, "t0"), 0);
    manifest_unref(manifest);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, commit_fixture_setup, commit_fixture_teardown)
    const struct CMUnitTest tests[] = {
        FACT(an_epoch_becomes_the_next_version_with_its_txn_and_manifest),
        FACT(an_epoch_that_changes_nothing_makes_no_commit),
        FACT(a_table_that_was_given_up_gets_nothing),
        FACT(complete_mode_removes_whatever_is_live_when_it_is_put),
        FACT(dead_letters_come_into_being_with_their_first_rows),
        FACT(an_epoch_that_is_there_is_done),
        FACT(an_earlier_epoch_is_done_however_far_the_log_has_gone_on),
        FACT(the_same_epoch_from_another_manifest_blocks),
        FACT(an_epoch_whose_commit_was_cleaned_away_is_done_if_it_was_published),
        FACT(a_transaction_older_than_the_last_blocks),
        FACT(a_transaction_between_the_last_and_this_one_blocks),
        FACT(a_table_that_vanished_blocks),
        FACT(a_table_of_another_pipeline_blocks),
        FACT(a_schema_that_no_longer_fits_blocks),
        FACT(what_would_block_is_refused_before_it_is_decided),
        FACT(a_version_that_another_writer_took_is_followed_by_the_next),
        FACT(a_schema_that_changes_between_two_attempts_blocks),
        FACT(versions_that_are_always_taken_end_in_a_retry),
        FACT(an_unknown_put_that_happened_is_done),
        FACT(an_unknown_put_that_did_not_happen_is_put_again),
        FACT(an_unknown_put_whose_version_another_took_is_put_behind_it),
        FACT(an_unknown_put_that_happens_during_the_next_is_done_once),
        FACT(a_version_below_a_log_checkpoint_is_never_taken_again),
        FACT(a_put_without_a_lease_is_not_tried),
        FACT(a_lease_that_is_lost_while_the_log_is_read_stops_the_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
