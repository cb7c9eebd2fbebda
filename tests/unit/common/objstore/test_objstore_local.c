// The local object store: contract of objstore.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/thread.h"
#include "common/objstore/objstore.h"
#include "tests/unit/lib/unit_folder.h"

enum { NOBODY = 65534 };
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

static void assert_content(const char *key, const char *expected)
{
    struct buffer *bytes = NULL;
    assert_int_equal(objstore_get(store, key, &bytes, &err), STATUS_OK);
    assert_int_equal(bytes->size_bytes, strlen(expected));
    assert_memory_equal(bytes->data, expected, strlen(expected));
    buffer_unref(bytes);
}

static void put_replaces_and_get_reads(void **state)
{
    (void)state;
    assert_int_equal(objstore_put(store, "a/b/c", "one", 3, &err), STATUS_OK);
    assert_int_equal(objstore_put(store, "a/b/c", "", 0, &err), STATUS_OK);
    assert_content("a/b/c", "");
    assert_int_equal(objstore_put(store, "a/b/c", "three", 5, &err), STATUS_OK);
    assert_content("a/b/c", "three");
}

static void put_if_absent_keeps_the_first(void **state)
{
    (void)state;
    assert_int_equal(objstore_put_if_absent(store, "_delta_log/0.json", "one", 3, &err), STATUS_OK);
    assert_int_equal(objstore_put_if_absent(store, "_delta_log/0.json", "two", 3, &err), STATUS_EXISTS);
    assert_content("_delta_log/0.json", "one");
    struct objstore_list list;
    assert_int_equal(objstore_list(store, "", NULL, &list, &err), STATUS_OK);
    assert_int_equal(list.entries.count, 1); // no temporary file is left
    objstore_list_deinit(&list);
}

enum { RACERS = 4, RACES = 50 };
static _Atomic int race_wins[RACES];
static void *race_run(void *argument)
{
    for (int i = 0; i < RACES; i++) {
        char key[32];
        snprintf(key, sizeof key, "race/%d", i);
        struct error ignored;
        if (objstore_put_if_absent(store, key, argument, 1, &ignored) == STATUS_OK) race_wins[i]++;
    }
    return NULL;
}

static void of_many_racers_one_wins(void **state)
{
    (void)state;
    static char names[RACERS + 1] = "abcd";
    pthread_t threads[RACERS];
    for (int i = 0; i < RACES; i++) race_wins[i] = 0;
    for (int i = 0; i < RACERS; i++) thread_create(&threads[i], "racer", race_run, &names[i]);
    for (int i = 0; i < RACERS; i++) thread_join(threads[i]);
    for (int i = 0; i < RACES; i++) assert_int_equal(race_wins[i], 1);
}

static void missing_is_not_found(void **state)
{
    (void)state;
    struct buffer *bytes = NULL;
    struct objstore_entry entry;
    assert_int_equal(objstore_get(store, "no/such", &bytes, &err), STATUS_NOT_FOUND);
    assert_int_equal(store->ops->stat(store, "none", &entry, &err), STATUS_NOT_FOUND);
    assert_int_equal(objstore_remove(store, "none", &err), STATUS_OK);
    assert_int_equal(objstore_remove(store, "no/such", &err), STATUS_OK);
    struct objstore_list list;
    assert_int_equal(objstore_list(store, "no/such/", NULL, &list, &err), STATUS_OK);
    assert_int_equal(list.entries.count, 0);
    objstore_list_deinit(&list);
    assert_null(bytes);
}

static void range_is_checked(void **state)
{
    (void)state;
    struct buffer *bytes = NULL;
    assert_int_equal(objstore_put(store, "k", "0123456789", 10, &err), STATUS_OK);
    assert_int_equal(store->ops->get_range(store, "k", 3, 4, &bytes, &err), STATUS_OK);
    assert_memory_equal(bytes->data, "3456", 4);
    buffer_unref(bytes);
    assert_int_equal(store->ops->get_range(store, "k", 8, 4, &bytes, &err), STATUS_CORRUPT);
    assert_int_equal(store->ops->get_range(store, "k", UINT64_MAX, 2, &bytes, &err), STATUS_CORRUPT);
}

static void keys_stay_inside(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "/etc/x", "..", "../x", "a/../x", "a//b", "a/", "./a", "a/.", NULL};
    for (const char *const *at = bad; *at; at++) {
        assert_int_equal(objstore_put(store, *at, "x", 1, &err), STATUS_INVALID);
        assert_int_equal(objstore_remove(store, *at, &err), STATUS_INVALID);
    }
    assert_int_equal(objstore_put(store, "..a/b..c/...", "x", 1, &err), STATUS_OK);
}

static void symbolic_links_are_not_followed(void **state)
{
    (void)state;
    char path[128];
    struct buffer *bytes = NULL;
    snprintf(path, sizeof path, "%s/out", folder);
    assert_int_equal(symlink("/etc", path), 0);
    snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_not_equal(objstore_get(store, "out/passwd", &bytes, &err), STATUS_OK);
    assert_int_not_equal(objstore_get(store, "file", &bytes, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "symbolic link"));
    assert_int_not_equal(objstore_put(store, "out/x", "x", 1, &err), STATUS_OK);
    assert_int_equal(objstore_put_if_absent(store, "file", "x", 1, &err), STATUS_EXISTS);
}

static void list_is_sorted_recursive_and_starts_after(void **state)
{
    (void)state;
    static const char *const keys[] = {"log/10", "log/2", "log/1", "log/sub/x", "log2/a", "lo", NULL};
    for (const char *const *at = keys; *at; at++) assert_int_equal(objstore_put(store, *at, *at, strlen(*at), &err), 0);
    struct objstore_list list;
    assert_int_equal(objstore_list(store, "log/", NULL, &list, &err), STATUS_OK);
    assert_int_equal(list.entries.count, 4);
    assert_string_equal(list.entries.items[0].key, "log/1");
    assert_string_equal(list.entries.items[1].key, "log/10");
    assert_string_equal(list.entries.items[3].key, "log/sub/x");
    assert_int_equal(list.entries.items[1].size_bytes, 6);
    assert_true(list.entries.items[0].modified_us > 1600000000000000);
    objstore_list_deinit(&list);
    assert_int_equal(objstore_list(store, "log/", "log/10", &list, &err), STATUS_OK);
    assert_int_equal(list.entries.count, 2);
    assert_string_equal(list.entries.items[0].key, "log/2");
    objstore_list_deinit(&list);
    assert_int_equal(objstore_list(store, "log", "log/sub/x", &list, &err), STATUS_OK);
    assert_int_equal(list.entries.count, 1);
    assert_string_equal(list.entries.items[0].key, "log2/a");
    objstore_list_deinit(&list);
}

static void a_streamed_file_is_whole(void **state)
{
    (void)state;
    struct objstore_writer *writer = NULL;
    static char big[700000];
    memset(big, 'x', sizeof big);
    assert_int_equal(store->ops->create(store, "data/part-1", &writer, &err), STATUS_OK);
    for (int i = 0; i < 1000; i++) assert_int_equal(store->ops->write(writer, big, 997, &err), STATUS_OK);
    assert_int_equal(store->ops->write(writer, big, sizeof big, &err), STATUS_OK);
    assert_int_equal(store->ops->write(writer, "end", 3, &err), STATUS_OK);
    assert_int_equal(store->ops->finish(writer, &err), STATUS_OK);
    store->ops->writer_close(writer);
    const char *key = "data/part-1";
    assert_int_equal(store->ops->sync(store, &key, 1, &err), STATUS_OK);
    struct objstore_entry entry;
    assert_int_equal(store->ops->stat(store, key, &entry, &err), STATUS_OK);
    assert_int_equal(entry.size_bytes, 997000 + sizeof big + 3);
    memory_free(entry.key);
    assert_int_equal(store->ops->create(store, key, &writer, &err), STATUS_EXISTS);
}

static void an_unfinished_file_vanishes(void **state)
{
    (void)state;
    struct objstore_writer *writer = NULL;
    assert_int_equal(store->ops->create(store, "data/part-2", &writer, &err), STATUS_OK);
    assert_int_equal(store->ops->write(writer, "x", 1, &err), STATUS_OK);
    store->ops->writer_close(writer);
    struct buffer *bytes = NULL;
    assert_int_equal(objstore_get(store, "data/part-2", &bytes, &err), STATUS_NOT_FOUND);
    const char *key = "data/part-2";
    assert_int_equal(store->ops->sync(store, &key, 1, &err), STATUS_NOT_FOUND);
}

static unsigned mode_of(const char *key)
{
    char path[300];
    struct stat found;
    snprintf(path, sizeof path, "%s%s%s", folder, *key ? "/" : "", key);
    assert_int_equal(lstat(path, &found), 0);
    return found.st_mode & 07777;
}

// The state store is its user's alone; tables keep the umask's modes.
static void a_private_store_is_its_users_alone(void **state)
{
    (void)state;
    struct objstore_writer *writer;
    mode_t before = umask(0022);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(store->ops->put(store, "open/a", "x", 1, &err), STATUS_OK);
    assert_int_equal(mode_of("open/a"), 0644);
    assert_int_equal(mode_of("open"), 0755);
    objstore_set_private(store);
    assert_int_equal(mode_of(""), 0700);
    assert_int_equal(store->ops->put(store, "shut/a/b", "x", 1, &err), STATUS_OK);
    assert_int_equal(store->ops->put(store, "open/a", "y", 1, &err), STATUS_OK);
    assert_int_equal(store->ops->put_if_absent(store, "shut/c", "x", 1, &err), STATUS_OK);
    assert_int_equal(store->ops->create(store, "shut/d", &writer, &err), STATUS_OK);
    assert_int_equal(store->ops->write(writer, "x", 1, &err), STATUS_OK);
    assert_int_equal(store->ops->finish(writer, &err), STATUS_OK);
    store->ops->writer_close(writer);
    static const char *const files[] = {"shut/a/b", "open/a", "shut/c", "shut/d"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) assert_int_equal(mode_of(files[i]), 0600);
    assert_int_equal(mode_of("shut"), 0700);
    assert_int_equal(mode_of("shut/a"), 0700);
    umask(before);
}

static void addresses_are_understood_or_refused_by_name(void **state)
{
    (void)state;
    struct objstore *other = NULL;
    char url[128];
    snprintf(url, sizeof url, "file://%s/with%%20space", folder);
    assert_int_equal(objstore_open(url, false, &other, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "with space does not exist"));
    assert_int_equal(objstore_open(url, true, &other, &err), STATUS_OK);
    objstore_close(other);
    assert_int_equal(objstore_open("s3://bucket/x", true, &other, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'s3'"));
    assert_int_equal(objstore_open("", true, &other, &err), STATUS_INVALID);
    assert_int_equal(objstore_put(store, "file", "x", 1, &err), STATUS_OK);
    snprintf(url, sizeof url, "%s/file", folder);
    assert_int_equal(objstore_open(url, false, &other, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "is not a directory"));
    snprintf(url, sizeof url, "%s/file/below", folder);
    assert_int_not_equal(objstore_open(url, true, &other, &err), STATUS_OK);
}

static void a_read_only_directory_says_so(void **state)
{
    (void)state;
    struct objstore *other = NULL;
    uid_t self = geteuid();
    assert_int_equal(chmod(folder, 0555), 0);
    if (self == 0) assert_int_equal(seteuid(NOBODY), 0); // root may write anywhere
    struct error put_err;
    enum status put = objstore_put(store, "x", "x", 1, &put_err);
    enum status opened = objstore_open(folder, true, &other, &err);
    assert_int_equal(seteuid(self), 0);
    assert_int_equal(put, STATUS_ERROR);
    assert_non_null(strstr(put_err.message, "read-only or not permitted"));
    assert_int_equal(opened, STATUS_ERROR);
    assert_non_null(strstr(err.message, "cannot be written"));
}

static void a_full_disk_says_so(void **state)
{
    (void)state;
    if (access("/dev/shm", W_OK) != 0 || geteuid() != 0) skip();
    char command[256];
    snprintf(command, sizeof command, "mount -t tmpfs -o size=64k none %s 2>/dev/null", folder);
    if (system(command) != 0) skip();
    struct objstore *full = NULL;
    static char big[1 << 20];
    assert_int_equal(objstore_open(folder, true, &full, &err), STATUS_OK);
    enum status status = objstore_put_if_absent(full, "big", big, sizeof big, &err);
    struct objstore_list list;
    enum status listed = objstore_list(full, "", NULL, &list, &err);
    objstore_close(full);
    snprintf(command, sizeof command, "umount %s", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(status, STATUS_ERROR);
    assert_int_equal(listed, STATUS_OK);
    assert_int_equal(list.entries.count, 0);
    objstore_list_deinit(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(put_replaces_and_get_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(put_if_absent_keeps_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(of_many_racers_one_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(range_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_stay_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(symbolic_links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(list_is_sorted_recursive_and_starts_after, setup, teardown),
        cmocka_unit_test_setup_teardown(a_streamed_file_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unfinished_file_vanishes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_private_store_is_its_users_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_are_understood_or_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_only_directory_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_says_so, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
