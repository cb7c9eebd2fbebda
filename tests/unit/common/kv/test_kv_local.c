// The local key-value store: P25 and the contract of kv.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/failpoint.h"
#include "common/base/format_version.h"
#include "common/base/hash.h"
#include "common/kv/kv.h"
#include "tests/unit/lib/unit_folder.h"

static const char *folder;
static char log_path[128];
static struct kv *kv;
static struct error err;

static int setup(void **state)
{
    (void)state;
    folder = unit_folder_create();
    snprintf(log_path, sizeof log_path, "%s/kv.log", folder);
    kv = NULL;
    return kv_local_open(folder, &kv, &err) == STATUS_OK ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    kv_close(kv);
    unit_folder_remove();
    return 0;
}

static void reopen(void)
{
    kv_close(kv);
    kv = NULL;
    enum status status = kv_local_open(folder, &kv, &err);
    if (status != STATUS_OK) print_error("%s\n", err.message);
    assert_int_equal(status, STATUS_OK);
}

static enum status put(const char *key, const char *value)
{
    struct kv_op op = {KV_PUT, key, value, strlen(value), 0};
    return kv_txn(kv, NULL, 0, &op, 1, &err);
}

static void assert_value(const char *key, const char *expected)
{
    struct kv_value value;
    assert_int_equal(kv_get(kv, key, &value, &err), STATUS_OK);
    if (expected) {
        assert_non_null(value.bytes);
        assert_int_equal(value.size, strlen(expected));
        assert_memory_equal(value.bytes, expected, value.size);
    } else {
        assert_null(value.bytes);
        assert_int_equal(value.mod_revision, 0);
    }
    kv_value_deinit(&value);
}

static void values_survive_reopening_with_their_revisions(void **state)
{
    (void)state;
    struct kv_value before, after;
    assert_int_equal(put("a", "1"), STATUS_OK);
    assert_int_equal(put("b", ""), STATUS_OK);
    assert_int_equal(put("a", "2"), STATUS_OK);
    assert_int_equal(kv_get(kv, "a", &before, &err), STATUS_OK);
    assert_int_equal(before.create_revision, 1);
    assert_int_equal(before.mod_revision, 3);
    reopen();
    assert_value("a", "2");
    assert_value("b", "");
    assert_int_equal(kv_get(kv, "a", &after, &err), STATUS_OK);
    assert_int_equal(after.create_revision, 1);
    assert_int_equal(after.mod_revision, 3);
    kv_value_deinit(&before);
    kv_value_deinit(&after);
}

static void a_transaction_happens_whole_or_not(void **state)
{
    (void)state;
    assert_int_equal(put("last", "7"), STATUS_OK);
    struct kv_compare compares[] = {{.key = "last", .kind = KV_VALUE_IS, .bytes = "7", .size = 1},
                                    {.key = "epoch/8", .kind = KV_ABSENT}};
    struct kv_op ops[] = {{KV_PUT, "epoch/8", "name", 4, 0}, {KV_PUT, "last", "8", 1, 0}};
    assert_int_equal(kv_txn(kv, compares, 2, ops, 2, &err), STATUS_OK);
    assert_int_equal(kv_txn(kv, compares, 2, ops, 2, &err), STATUS_CONFLICT);
    assert_value("last", "8");
    struct kv_op removes[] = {{KV_DELETE, "epoch/8", NULL, 0, 0}, {KV_DELETE, "none", NULL, 0, 0}};
    assert_int_equal(kv_txn(kv, NULL, 0, removes, 2, &err), STATUS_OK);
    reopen();
    assert_value("epoch/8", NULL);
}

static void revisions_compare_and_never_repeat(void **state)
{
    (void)state;
    assert_int_equal(put("k", "x"), STATUS_OK);
    struct kv_op remove = {KV_DELETE, "k", NULL, 0, 0};
    assert_int_equal(kv_txn(kv, NULL, 0, &remove, 1, &err), STATUS_OK);
    reopen();
    assert_int_equal(put("k", "x"), STATUS_OK);
    struct kv_value value;
    assert_int_equal(kv_get(kv, "k", &value, &err), STATUS_OK);
    assert_int_equal(value.create_revision, 3);
    kv_value_deinit(&value);
    struct kv_compare created = {.key = "k", .kind = KV_CREATE_REVISION_IS, .revision = 1};
    struct kv_op op = {KV_PUT, "k", "y", 1, 0};
    assert_int_equal(kv_txn(kv, &created, 1, &op, 1, &err), STATUS_CONFLICT);
    created.revision = 3;
    assert_int_equal(kv_txn(kv, &created, 1, &op, 1, &err), STATUS_OK);
    struct kv_compare modified = {.key = "k", .kind = KV_MOD_REVISION_IS, .revision = 3};
    assert_int_equal(kv_txn(kv, &modified, 1, &op, 1, &err), STATUS_CONFLICT);
}

static void leased_keys_die_with_their_process(void **state)
{
    (void)state;
    int64_t lease;
    assert_int_equal(kv->ops->lease_grant(kv, 1000, &lease, &err), STATUS_OK);
    struct kv_op op = {KV_PUT, "leader", "me", 2, lease};
    assert_int_equal(kv_txn(kv, NULL, 0, &op, 1, &err), STATUS_OK);
    assert_int_equal(kv->ops->lease_keepalive(kv, lease, &err), STATUS_OK);
    assert_value("leader", "me");
    reopen();
    assert_value("leader", NULL);
    assert_int_equal(kv->ops->lease_keepalive(kv, lease, &err), STATUS_NOT_FOUND);
    reopen();
    assert_value("leader", NULL);
}

static void a_second_process_is_refused_by_pid(void **state)
{
    (void)state;
    struct kv *other = NULL;
    char pid[32];
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_int_not_equal(kv_local_open(folder, &other, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_FENCED);
    assert_non_null(strstr(err.message, pid));
}

static char *log_bytes(size_t *ret_size)
{
    struct stat found;
    int fd = open(log_path, O_RDONLY);
    *ret_size = 0;
    if (fd < 0) return NULL; // no transaction yet
    assert_int_equal(fstat(fd, &found), 0);
    char *bytes = malloc((size_t)found.st_size + 1);
    assert_int_equal(read(fd, bytes, (size_t)found.st_size), found.st_size);
    close(fd);
    *ret_size = (size_t)found.st_size;
    return bytes;
}

static void log_write_bytes(const char *bytes, size_t size)
{
    int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

enum { TORN_RECORDS = 4 };
static size_t torn_ends[TORN_RECORDS + 1]; // log size after so many records
static char *torn_log(size_t *ret_size)
{
    static const char *const values[TORN_RECORDS] = {"one", "a longer second value", "", "the last one"};
    char *bytes = log_bytes(&torn_ends[0]);
    for (int i = 0; i < TORN_RECORDS; i++) {
        free(bytes);
        assert_int_equal(put("key", values[i]), STATUS_OK);
        bytes = log_bytes(&torn_ends[i + 1]);
    }
    *ret_size = torn_ends[TORN_RECORDS];
    kv_close(kv);
    kv = NULL;
    return bytes;
}

static void assert_records(size_t whole)
{
    struct kv_value value;
    assert_int_equal(kv_local_open(folder, &kv, &err), STATUS_OK);
    assert_int_equal(kv_get(kv, "key", &value, &err), STATUS_OK);
    assert_int_equal(value.mod_revision, whole);
    kv_value_deinit(&value);
    assert_int_equal(put("more", "x"), STATUS_OK); // and the log goes on behind the cut
    reopen();
    assert_value("more", "x");
    kv_close(kv);
    kv = NULL;
}

static void a_log_torn_at_any_byte_keeps_the_whole_records(void **state)
{
    (void)state;
    size_t size;
    char *bytes = torn_log(&size);
    for (size_t cut = 0; cut <= size; cut++) {
        size_t whole = 0;
        while (whole < TORN_RECORDS && torn_ends[whole + 1] <= cut) whole++;
        log_write_bytes(bytes, cut);
        assert_records(whole);
    }
    free(bytes);
}

static void a_tail_of_unwritten_blocks_is_cut(void **state)
{
    (void)state;
    size_t size;
    char *bytes = torn_log(&size), *torn = malloc(size);
    for (size_t from = torn_ends[TORN_RECORDS - 1]; from < size; from++) {
        memcpy(torn, bytes, size);
        memset(torn + from, 0, size - from); // the size was written, the last bytes were not
        log_write_bytes(torn, size);
        size_t whole = memcmp(torn, bytes, size) == 0 ? TORN_RECORDS : TORN_RECORDS - 1;
        assert_records(whole);
    }
    free(torn);
    free(bytes);
}

static void damage_before_the_tail_is_never_guessed_at(void **state)
{
    (void)state;
    size_t size;
    char *bytes = torn_log(&size);
    for (size_t at = 0; at < torn_ends[TORN_RECORDS - 1]; at++) {
        bytes[at] ^= 0x10;
        log_write_bytes(bytes, size);
        assert_int_equal(kv_local_open(folder, &kv, &err), STATUS_CORRUPT);
        assert_non_null(strstr(err.message, "kv.log is damaged at byte"));
        bytes[at] ^= 0x10;
    }
    free(bytes);
}

// The check over the version fields, so that damage of them is not taken for the future.
static char version_check(const char *version)
{
    return (char)(hash_64(version, 4, 0) | 1);
}

static void a_log_of_a_newer_program_is_refused_and_one_of_the_first_is_read(void **state)
{
    (void)state;
    size_t size;
    char *bytes = torn_log(&size);
    struct stat before, after;
    uint32_t reads = format_version_info(FORMAT_KV_LOG).reads;
    const char version[4] = {9, 8, 7, (char)(reads + 1)};
    memcpy(bytes + 11, version, 4);
    bytes[15] = version_check(version);
    log_write_bytes(bytes, size);
    assert_int_equal(stat(log_path, &before), 0);
    assert_int_equal(kv_local_open(folder, &kv, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "/kv.log was written by Foreset 9.8.7 in kv-log format"));
    assert_int_equal(stat(log_path, &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
    memset(bytes + 11, 0, 5);
    log_write_bytes(bytes, size);
    assert_records(TORN_RECORDS);
    free(bytes);
}

// What the process before could not sync can be read and is not on the disk: nothing is decided behind it.
static void opening_changes_nothing_and_the_first_transaction_writes_a_new_log(void **state)
{
    (void)state;
    struct stat before, after;
    assert_int_equal(put("k", "1"), STATUS_OK);
    assert_int_equal(stat(log_path, &before), 0);
    reopen();
    assert_value("k", "1");
    assert_int_equal(stat(log_path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(put("k", "2"), STATUS_OK);
    assert_int_equal(stat(log_path, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    reopen();
    assert_value("k", "2");
}

static void compaction_keeps_content_and_revisions(void **state)
{
    (void)state;
    static char big[65536 + 1];
    memset(big, 'v', sizeof big - 1);
    assert_int_equal(put("first", "stays"), STATUS_OK);
    for (int i = 0; i < 100; i++) assert_int_equal(put("big", big), STATUS_OK);
    size_t size;
    free(log_bytes(&size));
    assert_true(size < 40 * sizeof big);
    assert_int_equal(put("last", "too"), STATUS_OK);
    reopen();
    assert_value("first", "stays");
    assert_value("big", big);
    struct kv_value value;
    assert_int_equal(kv_get(kv, "last", &value, &err), STATUS_OK);
    assert_int_equal(value.mod_revision, 102);
    kv_value_deinit(&value);
}

static void too_big_is_refused(void **state)
{
    (void)state;
    char *big = calloc(1, KV_VALUE_BYTES_MAX + 1);
    struct kv_op op = {KV_PUT, "k", big, KV_VALUE_BYTES_MAX + 1, 0};
    assert_int_equal(kv_txn(kv, NULL, 0, &op, 1, &err), STATUS_INVALID);
    op.size--;
    assert_int_equal(kv_txn(kv, NULL, 0, &op, 1, &err), STATUS_OK);
    free(big);
}

static enum status fail_hook(void *context, const char *name, struct error *error)
{
    if (strcmp(name, context) != 0) return STATUS_OK;
    return error_set(error, STATUS_KILLED, ERROR_FAIL_PIPELINE, "killed at %s", name);
}

static void failpoints_stand_on_both_sides_of_the_append(void **state)
{
    (void)state;
    failpoint_hook_set(fail_hook, "kv_append.before");
    assert_int_equal(put("k", "1"), STATUS_KILLED);
    failpoint_hook_set(fail_hook, "kv_append.after");
    assert_int_equal(put("l", "1"), STATUS_KILLED);
    failpoint_hook_set(NULL, NULL);
    reopen();
    assert_value("k", NULL);
    assert_value("l", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_survive_reopening_with_their_revisions, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_happens_whole_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(revisions_compare_and_never_repeat, setup, teardown),
        cmocka_unit_test_setup_teardown(leased_keys_die_with_their_process, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_process_is_refused_by_pid, setup, teardown),
        cmocka_unit_test_setup_teardown(a_log_torn_at_any_byte_keeps_the_whole_records, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tail_of_unwritten_blocks_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(a_log_of_a_newer_program_is_refused_and_one_of_the_first_is_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(damage_before_the_tail_is_never_guessed_at, setup, teardown),
        cmocka_unit_test_setup_teardown(opening_changes_nothing_and_the_first_transaction_writes_a_new_log, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(compaction_keeps_content_and_revisions, setup, teardown),
        cmocka_unit_test_setup_teardown(too_big_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(failpoints_stand_on_both_sides_of_the_append, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
