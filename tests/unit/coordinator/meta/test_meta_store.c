// Writes as the leader, to a store that answers late.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/format_version.h"
#include "common/kv/kv.h"
#include "coordinator/meta/meta_store.h"

// A kv store in front of a real one: a transaction may be kept back, its caller told that nothing is known of it.
struct late_kv {
    struct kv kv;
    struct kv_ops ops;
    struct kv *store;
    bool keep_next;
    size_t compare_count, op_count;
    struct kv_compare compares[4];
    struct kv_op kept[4];
    char keys[8][META_KEY_SIZE], values[8][META_KEY_SIZE];
};

static enum status late_get(struct kv *kv, const char *key, struct kv_value *ret_value, struct error *err)
{
    return kv_get(((struct late_kv *)kv)->store, key, ret_value, err);
}

static const char *copy(char *to, const void *bytes, size_t size)
{
    memcpy(to, bytes, size);
    to[size] = 0;
    return to;
}

static enum status late_txn(struct kv *kv, const struct kv_compare *compares, size_t compare_count,
                            const struct kv_op *ops, size_t op_count, struct error *err)
{
    struct late_kv *late = (struct late_kv *)kv;
    if (!late->keep_next) return kv_txn(late->store, compares, compare_count, ops, op_count, err);
    late->keep_next = false;
    late->compare_count = compare_count;
    late->op_count = op_count;
    for (size_t i = 0; i < compare_count; i++) {
        late->compares[i] = compares[i];
        late->compares[i].key = copy(late->keys[i], compares[i].key, strlen(compares[i].key));
    }
    for (size_t i = 0; i < op_count; i++) {
        late->kept[i] = ops[i];
        late->kept[i].key = copy(late->keys[4 + i], ops[i].key, strlen(ops[i].key));
        if (ops[i].kind == KV_PUT) late->kept[i].bytes = copy(late->values[i], ops[i].bytes, ops[i].size);
    }
    return error_set(err, STATUS_UNKNOWN, ERROR_RETRY, "no answer");
}

static void no_sleep(struct seam *seam, int64_t us)
{
    (void)seam;
    (void)us;
}

static bool never(struct seam *seam)
{
    (void)seam;
    return false;
}

struct fixture {
    char folder[64];
    struct late_kv late;
    struct seam_ops seam_ops;
    struct seam seam;
    struct random random;
    struct lease lease;
    struct meta_store meta;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *fixture = memory_calloc(1, sizeof *fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/foreset-meta-XXXXXX");
    if (!mkdtemp(fixture->folder)) return -1;
    if (kv_local_open(fixture->folder, &fixture->late.store, &fixture->err) != STATUS_OK) return -1;
    fixture->late.ops = *fixture->late.store->ops;
    fixture->late.ops.get = late_get;
    fixture->late.ops.txn = late_txn;
    fixture->late.kv.ops = &fixture->late.ops;
    fixture->seam_ops = (struct seam_ops){.sleep = no_sleep, .stopping = never};
    random_init(&fixture->random, 1);
    fixture->seam = (struct seam){.ops = &fixture->seam_ops, .clock = clock_system(), .random = &fixture->random};
    lease_init(&fixture->lease, clock_system(), 0);
    lease_renew(&fixture->lease, clock_boot_us(clock_system()));
    meta_store_init_at(&fixture->meta, &fixture->late.kv, &fixture->seam, &fixture->lease, "foreset/cluster/");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    kv_close(fixture->late.store);
    snprintf(command, sizeof command, "rm -r %s", fixture->folder);
    memory_free(fixture);
    return system(command);
}

static void as_leader(struct fixture *fixture, enum kv_op_kind kind, const char *key)
{
    const struct kv_op op = {.kind = kind, .key = key, .bytes = "yes", .size = 3};
    if (meta_store_as_leader(&fixture->meta, &op, &fixture->err) != STATUS_OK) fail_msg("%s", fixture->err.message);
}

static bool is_there(struct fixture *fixture, const char *key)
{
    struct kv_value value;
    assert_int_equal(kv_get(fixture->late.store, key, &value, &fixture->err), STATUS_OK);
    bool there = value.bytes != NULL;
    kv_value_deinit(&value);
    return there;
}

static enum status what_was_kept_happens(struct fixture *fixture)
{
    struct late_kv *late = &fixture->late;
    return kv_txn(late->store, late->compares, late->compare_count, late->kept, late->op_count, &fixture->err);
}

// Put, unanswered; put again, done; taken back. The first one happens now, and must not.
static void a_late_write_does_not_undo_a_later_one(void **state)
{
    struct fixture *fixture = *state;
    fixture->late.keep_next = true;
    as_leader(fixture, KV_PUT, "drained/a");
    assert_true(is_there(fixture, "drained/a"));
    as_leader(fixture, KV_DELETE, "drained/a");
    assert_int_equal(what_was_kept_happens(fixture), STATUS_CONFLICT);
    assert_false(is_there(fixture, "drained/a"));
}

static void a_leader_that_is_none_any_more_writes_nothing(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&fixture->lease.create_revision, 7); // of another term
    const struct kv_op op = {.kind = KV_PUT, .key = "drained/a", .bytes = "yes", .size = 3};
    assert_int_equal(meta_store_as_leader(&fixture->meta, &op, &fixture->err), STATUS_CONFLICT);
    assert_int_equal(fixture->err.class, ERROR_FENCED);
    assert_false(is_there(fixture, "drained/a"));
}

static void put_format(struct fixture *fixture, const char *stamp)
{
    const struct kv_op op = {.kind = KV_PUT, .key = "foreset/cluster/format", .bytes = stamp, .size = strlen(stamp)};
    assert_int_equal(kv_txn(fixture->late.store, NULL, 0, &op, 1, &fixture->err), STATUS_OK);
}

static struct kv_list all(struct fixture *fixture)
{
    struct kv_list list;
    assert_int_equal(kv_list(fixture->late.store, "", &list, &fixture->err), STATUS_OK);
    return list;
}

// Each format in turn is newer, or the stamp is damaged: nobody stands for election, and nothing is written.
static void what_a_newer_program_wrote_is_refused_before_the_election(void **state)
{
    struct fixture *fixture = *state;
    fixture->meta.kv = fixture->late.store; // a lease would be the store's own
    for (int kind = 0; kind <= FORMAT_KINDS; kind++) {
        char stamp[128] = "9.8.7 plan=";
        bool won = true, newer = kind < FORMAT_KINDS;
        if (newer) {
            struct format_info info = format_version_info((enum format_kind)kind);
            snprintf(stamp, sizeof stamp, "9.8.7 %s=%u", info.name, info.reads + 1);
        }
        put_format(fixture, stamp);
        struct kv_list before = all(fixture);
        enum status status = meta_store_campaign(&fixture->meta, "me", &won, &fixture->err);
        struct kv_list after = all(fixture);
        assert_int_equal(status, newer ? STATUS_UNSUPPORTED : STATUS_CORRUPT);
        assert_false(won);
        if (newer) assert_non_null(strstr(fixture->err.message, "foreset/cluster/format was written by Foreset 9.8.7"));
        assert_int_equal(after.revision, before.revision);
        assert_int_equal(after.count, before.count);
        kv_list_deinit(&before);
        kv_list_deinit(&after);
    }
}

static void who_is_elected_stamps_what_it_writes(void **state)
{
    struct fixture *fixture = *state;
    fixture->meta.kv = fixture->late.store; // a lease is the store's own
    char stamp[FORMAT_VERSION_STAMP];
    struct kv_value value;
    bool won = false;
    format_version_stamp(NULL, stamp);
    assert_int_equal(meta_store_campaign(&fixture->meta, "me", &won, &fixture->err), STATUS_OK);
    assert_true(won);
    assert_int_equal(kv_get(fixture->late.store, "foreset/cluster/format", &value, &fixture->err), STATUS_OK);
    assert_int_equal(value.size, strlen(stamp));
    assert_memory_equal(value.bytes, stamp, value.size);
    kv_value_deinit(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_late_write_does_not_undo_a_later_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_leader_that_is_none_any_more_writes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_newer_program_wrote_is_refused_before_the_election, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_elected_stamps_what_it_writes, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
