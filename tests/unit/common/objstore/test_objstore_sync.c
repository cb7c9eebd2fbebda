// What the local object store syncs, and in which order (P16, P25): fsync, link and rename are this file's.
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/objstore/objstore.h"

static char folder[64];
static struct objstore *store;
static struct error err;
static struct {
    char steps[64]; // f: a file was synced, d: a directory, L: a name appeared
    size_t count;
    char fails; // 'f' or 'd': the next syncs of such a thing fail, `times` of them
    int times;
} trace;

int __real_fsync(int fd);
int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_fsync(int fd);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);

static void step(char what)
{
    if (trace.count + 1 < sizeof trace.steps) trace.steps[trace.count++] = what;
    trace.steps[trace.count] = '\0';
}

int __wrap_fsync(int fd)
{
    struct stat found;
    assert_int_equal(fstat(fd, &found), 0);
    char what = S_ISDIR(found.st_mode) ? 'd' : 'f';
    step(what);
    if (trace.fails != what) return __real_fsync(fd);
    if (trace.times-- <= 1) trace.fails = 0;
    errno = EIO;
    return -1;
}

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    step('L');
    return __real_linkat(from_fd, from, to_fd, to, flags);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    step('L');
    return __real_renameat(from_fd, from, to_fd, to);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_objstore_sync_XXXXXX");
    if (!mkdtemp(folder) || objstore_open(folder, true, &store, &err) != STATUS_OK) return 1;
    memset(&trace, 0, sizeof trace);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    objstore_close(store);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static enum status data_file(const char *key)
{
    struct objstore_writer *writer = NULL;
    enum status created = store->ops->create(store, key, &writer, &err);
    if (created != STATUS_OK) return created;
    assert_int_equal(store->ops->write(writer, "rows", 4, &err), STATUS_OK);
    enum status status = store->ops->finish(writer, &err);
    store->ops->writer_close(writer);
    return status;
}

static void a_name_appears_behind_its_content_and_before_its_directory_is_synced(void **state)
{
    (void)state;
    assert_int_equal(objstore_put_if_absent(store, "0.json", "x", 1, &err), STATUS_OK);
    assert_string_equal(trace.steps, "fLd");
    trace.count = 0;
    assert_int_equal(objstore_put(store, "0.json", "y", 1, &err), STATUS_OK);
    assert_string_equal(trace.steps, "fLd");
}

static void a_new_folder_is_synced_in_its_parent(void **state)
{
    (void)state;
    assert_int_equal(objstore_put_if_absent(store, "_delta_log/0.json", "x", 1, &err), STATUS_OK);
    assert_string_equal(trace.steps, "dfLd");
}

static void data_files_are_synced_first_then_each_of_their_folders_once(void **state)
{
    (void)state;
    static const char *const keys[] = {"day=1/a", "day=1/b", "day=2/c"};
    for (int i = 0; i < 3; i++) assert_int_equal(data_file(keys[i]), STATUS_OK);
    trace.count = 0;
    assert_int_equal(store->ops->sync(store, keys, 3, &err), STATUS_OK);
    assert_string_equal(trace.steps, "fffdd");
}

static void a_data_file_that_cannot_be_synced_fails_the_sync(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b"};
    for (int i = 0; i < 2; i++) assert_int_equal(data_file(keys[i]), STATUS_OK);
    trace.fails = 'f';
    assert_int_not_equal(store->ops->sync(store, keys, 2, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "fsync of"));
    assert_non_null(strstr(err.message, "/a"));
}

static void fail_syncs(char what, int times)
{
    trace.count = 0;
    trace.fails = what;
    trace.times = times;
}

static void a_directory_that_cannot_be_synced_fails_the_sync(void **state)
{
    (void)state;
    static const char *const keys[] = {"a"};
    assert_int_equal(data_file(keys[0]), STATUS_OK);
    fail_syncs('d', 3);
    assert_int_not_equal(store->ops->sync(store, keys, 1, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "directory"));
    assert_string_equal(trace.steps, "fdLLdLLd");
}

static void a_failed_sync_of_a_directory_counts_for_every_name_that_was_new(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b"};
    static const char *const later[] = {"c"};
    for (int i = 0; i < 2; i++) assert_int_equal(data_file(keys[i]), STATUS_OK);
    fail_syncs('d', 1);
    assert_int_equal(objstore_put(store, "0.json", "x", 1, &err), STATUS_OK);
    assert_string_equal(trace.steps, "fLdfLd");
    assert_int_equal(data_file(later[0]), STATUS_OK);
    trace.count = 0;
    assert_int_equal(store->ops->sync(store, keys, 2, &err), STATUS_OK);
    assert_string_equal(trace.steps, "ffLLLLd"); // each is renamed away and back
    trace.count = 0;
    assert_int_equal(store->ops->sync(store, later, 1, &err), STATUS_OK);
    assert_string_equal(trace.steps, "fd");
}

static void a_directory_is_synced_again_only_after_its_name_was_made_once_more(void **state)
{
    (void)state;
    fail_syncs('d', 1);
    assert_int_equal(objstore_put_if_absent(store, "0.json", "x", 1, &err), STATUS_OK);
    assert_string_equal(trace.steps, "fLdfLd");
    fail_syncs('d', 1);
    assert_int_equal(objstore_put(store, "1.json", "x", 1, &err), STATUS_OK);
    assert_string_equal(trace.steps, "fLdfLd");
}

static void a_name_whose_directory_cannot_be_synced_is_an_unknown_outcome(void **state)
{
    (void)state;
    fail_syncs('d', 4);
    assert_int_equal(objstore_put_if_absent(store, "0.json", "x", 1, &err), STATUS_UNKNOWN);
    fail_syncs('d', 3);
    assert_int_equal(objstore_put(store, "1.json", "x", 1, &err), STATUS_UNKNOWN);
}

static void what_was_found_by_reading_is_made_durable_with_its_bytes_and_time(void **state)
{
    (void)state;
    char path[128];
    struct stat before, after;
    struct buffer *bytes = NULL;
    fail_syncs('d', 4);
    assert_int_equal(objstore_put_if_absent(store, "0.json", "x", 1, &err), STATUS_UNKNOWN);
    snprintf(path, sizeof path, "%s/0.json", folder);
    assert_int_equal(stat(path, &before), 0);
    trace.count = 0;
    assert_int_equal(objstore_settle(store, "0.json", &err), STATUS_OK);
    assert_string_equal(trace.steps, "fLd");
    assert_int_equal(stat(path, &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
    assert_int_equal(objstore_get(store, "0.json", &bytes, &err), STATUS_OK);
    assert_memory_equal(bytes->data, "x", 1);
    buffer_unref(bytes);
    fail_syncs('d', 3);
    assert_int_not_equal(objstore_settle(store, "0.json", &err), STATUS_OK);
    assert_int_equal(objstore_settle(store, "1.json", &err), STATUS_NOT_FOUND);
}

// Else the next attempt would find the folder there and take it for durable.
static void a_new_folder_that_could_not_be_synced_is_made_again(void **state)
{
    (void)state;
    fail_syncs('d', 1);
    assert_int_not_equal(data_file("day=1/a"), STATUS_OK);
    assert_int_equal(data_file("day=1/a"), STATUS_OK);
    assert_string_equal(trace.steps, "dd");
    assert_int_equal(data_file("day=1/b"), STATUS_OK);
    assert_string_equal(trace.steps, "dd");
}

static void a_folder_of_an_earlier_process_is_synced_once_before_it_is_written_into(void **state)
{
    (void)state;
    char path[128];
    for (int day = 1; day <= 3; day++) {
        snprintf(path, sizeof path, "%s/day=%d", folder, day);
        assert_int_equal(mkdir(path, 0777), 0);
    }
    assert_int_equal(data_file("day=1/a"), STATUS_OK);
    assert_string_equal(trace.steps, "d");
    assert_int_equal(data_file("day=2/a"), STATUS_OK); // the sync of their parent was for all
    assert_string_equal(trace.steps, "d");
    fail_syncs('d', 1);
    assert_int_not_equal(data_file("log/a"), STATUS_OK); // now nothing is taken for durable any more
    assert_int_equal(data_file("day=3/a"), STATUS_OK);
}

static void content_that_cannot_be_synced_gets_no_name(void **state)
{
    (void)state;
    struct buffer *bytes = NULL;
    trace.fails = 'f';
    assert_int_not_equal(objstore_put_if_absent(store, "0.json", "x", 1, &err), STATUS_OK);
    assert_int_equal(objstore_get(store, "0.json", &bytes, &err), STATUS_NOT_FOUND);
    assert_null(strchr(trace.steps, 'L'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_appears_behind_its_content_and_before_its_directory_is_synced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_new_folder_is_synced_in_its_parent, setup, teardown),
        cmocka_unit_test_setup_teardown(data_files_are_synced_first_then_each_of_their_folders_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_data_file_that_cannot_be_synced_fails_the_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_synced_fails_the_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_sync_of_a_directory_counts_for_every_name_that_was_new, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_directory_is_synced_again_only_after_its_name_was_made_once_more, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_name_whose_directory_cannot_be_synced_is_an_unknown_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_found_by_reading_is_made_durable_with_its_bytes_and_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_new_folder_that_could_not_be_synced_is_made_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_of_an_earlier_process_is_synced_once_before_it_is_written_into, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(content_that_cannot_be_synced_gets_no_name, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
