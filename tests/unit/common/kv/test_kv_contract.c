// What kv.h promises, the same cases over every store: the local file and a real etcd.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "common/base/thread.h"
#include "common/base/vector.h"
#include "tests/unit/common/kv/etcd_fixture.h"

static struct kv *kv;
static struct error err;
static char folder[64];
static struct etcd_fixture etcd;

static int local_setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_kv_XXXXXX");
    return mkdtemp(folder) && kv_local_open(folder, &kv, &err) == STATUS_OK ? 0 : 1;
}

static int local_teardown(void **state)
{
    (void)state;
    char command[128];
    kv_close(kv);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static int etcd_setup(void **state)
{
    (void)state;
    etcd_fixture_start(&etcd, 1, false);
    kv = etcd_fixture_open(&etcd, 0);
    return 0;
}

static int etcd_teardown(void **state)
{
    (void)state;
    kv_close(kv);
    etcd_fixture_stop(&etcd);
    return 0;
}

static void ok(enum status status)
{
    if (status != STATUS_OK) fail_msg("%s: %s", status_name(status), err.message);
}

static void put(const char *key, const char *value, int64_t lease)
{
    struct kv_op op = {KV_PUT, key, value, strlen(value), lease};
    ok(kv_txn(kv, NULL, 0, &op, 1, &err));
}

static void delete (const char *key)
{
    struct kv_op op = {.kind = KV_DELETE, .key = key};
    ok(kv_txn(kv, NULL, 0, &op, 1, &err));
}

static struct kv_value value_of(const char *key)
{
    struct kv_value value;
    ok(kv_get(kv, key, &value, &err));
    return value;
}

static void assert_value(const char *key, const char *expected)
{
    struct kv_value value = value_of(key);
    if (expected) {
        assert_non_null(value.bytes);
        assert_int_equal(value.size, strlen(expected));
        assert_memory_equal(value.bytes, expected, value.size);
    } else {
        assert_null(value.bytes);
        assert_int_equal(value.create_revision, 0);
        assert_int_equal(value.mod_revision, 0);
    }
    kv_value_deinit(&value);
}

static void what_is_put_is_read_with_rising_revisions(void **state)
{
    (void)state;
    assert_value("get/a", NULL);
    put("get/a", "1", 0);
    struct kv_value first = value_of("get/a");
    assert_int_equal(first.create_revision, first.mod_revision);
    put("get/a", "", 0);
    struct kv_value second = value_of("get/a");
    assert_non_null(second.bytes);
    assert_int_equal(second.size, 0);
    assert_int_equal(second.create_revision, first.create_revision);
    assert_true(second.mod_revision > first.mod_revision);
    delete ("get/a");
    assert_value("get/a", NULL);
    put("get/a", "2", 0);
    struct kv_value third = value_of("get/a");
    assert_true(third.create_revision > second.mod_revision);
    kv_value_deinit(&first);
    kv_value_deinit(&second);
    kv_value_deinit(&third);
}

static void any_bytes_are_a_value(void **state)
{
    (void)state;
    unsigned char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7);
    for (size_t size = 990; size <= sizeof bytes; size++) {
        struct kv_op op = {KV_PUT, "bytes/\xc3\xa9 \"\\", bytes, size, 0};
        ok(kv_txn(kv, NULL, 0, &op, 1, &err));
        struct kv_value value = value_of(op.key);
        assert_int_equal(value.size, size);
        assert_memory_equal(value.bytes, bytes, size);
        struct kv_compare same = {.key = op.key, .kind = KV_VALUE_IS, .bytes = bytes, .size = size};
        ok(kv_txn(kv, &same, 1, &op, 1, &err));
        kv_value_deinit(&value);
    }
}

static enum status try(struct kv_compare compare, const char *value)
{
    struct kv_op op = {KV_PUT, compare.key, value, strlen(value), 0};
    return kv_txn(kv, &compare, 1, &op, 1, &err);
}

static void each_compare_holds_or_conflicts(void **state)
{
    (void)state;
    const char *key = "compare/k";
    assert_int_equal(try((struct kv_compare){key, KV_VALUE_IS, "", 0, 0}, "x"), STATUS_CONFLICT);
    ok(try((struct kv_compare){.key = key, .kind = KV_ABSENT}, "a"));
    assert_int_equal(try((struct kv_compare){.key = key, .kind = KV_ABSENT}, "x"), STATUS_CONFLICT);
    assert_int_equal(err.class, ERROR_RETRY);
    struct kv_value value = value_of(key);
    ok(try((struct kv_compare){.key = key, .kind = KV_CREATE_REVISION_IS, .revision = value.create_revision}, "b"));
    struct kv_compare modified = {.key = key, .kind = KV_MOD_REVISION_IS, .revision = value.mod_revision};
    assert_int_equal(try(modified, "x"), STATUS_CONFLICT);
    kv_value_deinit(&value);
    value = value_of(key);
    modified.revision = value.mod_revision;
    ok(try(modified, "c"));
    ok(try((struct kv_compare){key, KV_VALUE_IS, "c", 1, 0}, "d"));
    assert_int_equal(try((struct kv_compare){key, KV_VALUE_IS, "c", 1, 0}, "x"), STATUS_CONFLICT);
    assert_int_equal(
        try((struct kv_compare){.key = key, .kind = KV_CREATE_REVISION_IS, .revision = value.create_revision + 1000},
            "x"),
        STATUS_CONFLICT);
    assert_value(key, "d");
    kv_value_deinit(&value);
}

static void a_transaction_happens_whole_or_not(void **state)
{
    (void)state;
    struct kv_compare compares[] = {{.key = "txn/last", .kind = KV_ABSENT}, {.key = "txn/1", .kind = KV_ABSENT}};
    struct kv_op ops[] = {{KV_PUT, "txn/1", "name", 4, 0}, {KV_PUT, "txn/last", "1", 1, 0}, {.key = "txn/none"}};
    ops[2].kind = KV_DELETE;
    ok(kv_txn(kv, compares, 2, ops, 3, &err));
    struct kv_value one = value_of("txn/1"), last = value_of("txn/last");
    assert_int_equal(one.mod_revision, last.mod_revision);
    delete ("txn/1");
    assert_int_equal(kv_txn(kv, compares, 2, ops, 3, &err), STATUS_CONFLICT);
    assert_value("txn/1", NULL);
    ok(kv_txn(kv, &compares[1], 1, NULL, 0, &err));
    assert_int_equal(kv_txn(kv, &compares[0], 1, NULL, 0, &err), STATUS_CONFLICT);
    kv_value_deinit(&one);
    kv_value_deinit(&last);
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    struct kv_op ops[KV_OPS_MAX + 1];
    for (size_t i = 0; i <= KV_OPS_MAX; i++) ops[i] = (struct kv_op){.kind = KV_DELETE, .key = "large"};
    assert_int_equal(kv_txn(kv, NULL, 0, ops, KV_OPS_MAX + 1, &err), STATUS_INVALID);
    char *bytes = memory_calloc(1, KV_VALUE_BYTES_MAX + 1);
    ops[0] = (struct kv_op){KV_PUT, "large", bytes, KV_VALUE_BYTES_MAX + 1, 0};
    assert_int_equal(kv_txn(kv, NULL, 0, ops, 1, &err), STATUS_INVALID);
    ops[0].size = KV_VALUE_BYTES_MAX;
    ok(kv_txn(kv, NULL, 0, ops, 1, &err));
    struct kv_value value = value_of("large");
    assert_int_equal(value.size, KV_VALUE_BYTES_MAX);
    kv_value_deinit(&value);
    memory_free(bytes);
}

static void a_prefix_is_listed_in_order(void **state)
{
    (void)state;
    struct kv_list list;
    ok(kv_list(kv, "list/", &list, &err));
    assert_int_equal(list.count, 0);
    kv_list_deinit(&list);
    put("list/b", "2", 0);
    put("list/a", "1", 0);
    put("list0", "not in it", 0);
    put("list", "not in it", 0);
    put("list/b/c", "", 0);
    ok(kv_list(kv, "list/", &list, &err));
    assert_int_equal(list.count, 3);
    const char *keys[] = {"list/a", "list/b", "list/b/c"}, *values[] = {"1", "2", ""};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(list.items[i].key, keys[i]);
        assert_int_equal(list.items[i].value.size, strlen(values[i]));
        assert_memory_equal(list.items[i].value.bytes, values[i], strlen(values[i]));
        assert_true(list.items[i].value.mod_revision <= list.revision);
        assert_true(list.items[i].value.create_revision > 0);
    }
    kv_list_deinit(&list);
}

static void a_long_list_is_whole(void **state)
{
    (void)state;
    enum { KEYS = 2500 };
    for (int i = 0; i < KEYS;) {
        char keys[KV_OPS_MAX][32];
        struct kv_op ops[KV_OPS_MAX];
        size_t count = 0;
        for (; i < KEYS && count < KV_OPS_MAX; i++, count++) {
            snprintf(keys[count], sizeof keys[count], "long/%06d", i);
            ops[count] = (struct kv_op){KV_PUT, keys[count], keys[count], strlen(keys[count]), 0};
        }
        ok(kv_txn(kv, NULL, 0, ops, count, &err));
    }
    struct kv_list list;
    ok(kv_list(kv, "long/", &list, &err));
    assert_int_equal(list.count, KEYS);
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        snprintf(key, sizeof key, "long/%06d", i);
        assert_string_equal(list.items[i].key, key);
    }
    kv_list_deinit(&list);
    ok(kv_list(kv, "", &list, &err));
    assert_true(list.count >= KEYS);
    kv_list_deinit(&list);
}

static void a_revoked_lease_takes_its_keys(void **state)
{
    (void)state;
    int64_t lease, other;
    ok(kv->ops->lease_grant(kv, 60000, &lease, &err));
    ok(kv->ops->lease_grant(kv, 60000, &other, &err));
    assert_true(lease != other && lease != 0);
    put("lease/a", "1", lease);
    put("lease/b", "2", other);
    put("lease/c", "3", lease);
    put("lease/c", "4", 0); // no lease any more
    ok(kv->ops->lease_keepalive(kv, lease, &err));
    ok(kv->ops->lease_revoke(kv, lease, &err));
    assert_value("lease/a", NULL);
    assert_value("lease/b", "2");
    assert_value("lease/c", "4");
    assert_int_equal(kv->ops->lease_keepalive(kv, lease, &err), STATUS_NOT_FOUND);
    assert_int_equal(err.class, ERROR_FENCED);
    assert_int_equal(kv->ops->lease_revoke(kv, lease, &err), STATUS_NOT_FOUND);
    struct kv_op op = {KV_PUT, "lease/a", "1", 1, lease};
    assert_int_equal(kv_txn(kv, NULL, 0, &op, 1, &err), STATUS_NOT_FOUND);
    assert_int_equal(err.class, ERROR_FENCED);
    assert_value("lease/a", NULL);
    ok(kv->ops->lease_keepalive(kv, other, &err));
}

// ---- watches

struct news {
    struct mail mail;
    bool lost;
    int64_t revision;
    char text[256]; // "key=value " or "key- " an event
};

static void on_news(void *argument, const struct kv_watch_news *told)
{
    struct news *news = memory_calloc(1, sizeof *news);
    news->lost = told->lost;
    news->revision = told->revision;
    for (size_t i = 0; i < told->count; i++) {
        const struct kv_event *event = &told->events[i];
        size_t length = strlen(news->text);
        snprintf(news->text + length, sizeof news->text - length, "%s%s%.*s ", event->key, event->removed ? "-" : "=",
                 (int)event->size, event->bytes ? (const char *)event->bytes : "");
        assert_true(event->mod_revision <= told->revision);
    }
    mailbox_post(argument, &news->mail);
}

// What is told next, in one piece of news or in several. The time is far beyond what it takes.
static void expect(struct mailbox *box, const char *text)
{
    static struct text told; // behind what was expected before
    for (size_t length = strlen(text);;) {
        if (told.length >= length) {
            if (strncmp(told.data, text, length) != 0) fail_msg("'%s' is told, not '%s'", told.data, text);
            memmove(told.data, told.data + length, told.length - length + 1);
            told.length -= length;
            if (told.length == 0) text_deinit(&told);
            return;
        }
        struct news *news = (struct news *)mailbox_wait(box, 20000000);
        if (!news) fail_msg("no news of %s", text);
        assert_false(news->lost);
        text_append_str(&told, news->text);
        memory_free(news);
    }
}

static void a_watch_tells_what_follows_a_list(void **state)
{
    (void)state;
    struct mailbox box;
    struct kv_watch *watch;
    struct kv_list list;
    int64_t lease;
    mailbox_init(&box);
    ok(kv->ops->lease_grant(kv, 60000, &lease, &err));
    put("watch/a", "0", 0);
    ok(kv_list(kv, "watch/", &list, &err));
    ok(kv_watch(kv, "watch/", list.revision + 1, on_news, &box, &watch, &err));
    put("watch/a", "1", 0);
    expect(&box, "watch/a=1 ");
    put("watc", "elsewhere", 0);
    put("watch0", "elsewhere", 0);
    delete ("watch/none");
    struct kv_op ops[] = {{KV_PUT, "watch/b", "", 0, 0}, {KV_PUT, "watch/c", "3", 1, lease}};
    ok(kv_txn(kv, NULL, 0, ops, 2, &err));
    expect(&box, "watch/b= watch/c=3 ");
    delete ("watch/a");
    expect(&box, "watch/a- ");
    ok(kv->ops->lease_revoke(kv, lease, &err));
    expect(&box, "watch/c- ");
    kv_watch_stop(kv, watch);
    put("watch/a", "2", 0);
    assert_null(mailbox_poll(&box));
    mailbox_deinit(&box);
    kv_list_deinit(&list);
}

static void two_watches_hear_their_own(void **state)
{
    (void)state;
    struct mailbox boxes[2];
    struct kv_watch *watches[2];
    const char *prefixes[] = {"two/", "two/b"};
    put("two", "", 0);
    struct kv_value now = value_of("two");
    for (int i = 0; i < 2; i++) {
        mailbox_init(&boxes[i]);
        ok(kv_watch(kv, prefixes[i], now.mod_revision + 1, on_news, &boxes[i], &watches[i], &err));
    }
    put("two/a", "1", 0);
    put("two/b", "2", 0);
    expect(&boxes[0], "two/a=1 ");
    expect(&boxes[0], "two/b=2 ");
    expect(&boxes[1], "two/b=2 ");
    for (int i = 0; i < 2; i++) {
        kv_watch_stop(kv, watches[i]);
        mailbox_deinit(&boxes[i]);
    }
    kv_value_deinit(&now);
}

// Together far more than a store may answer at once.
static void large_values_are_listed_whole(void **state)
{
    (void)state;
    enum { KEYS = 72 };
    struct kv_list list;
    char key[32], *bytes = memory_calloc(1, KV_VALUE_BYTES_MAX);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "large/%04d", i);
        memcpy(bytes, key, strlen(key));
        struct kv_op op = {KV_PUT, key, bytes, KV_VALUE_BYTES_MAX, 0};
        ok(kv_txn(kv, NULL, 0, &op, 1, &err));
    }
    ok(kv_list(kv, "large/", &list, &err));
    assert_int_equal(list.count, KEYS);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "large/%04d", i);
        assert_string_equal(list.items[i].key, key);
        assert_int_equal(list.items[i].value.size, KV_VALUE_BYTES_MAX);
        assert_memory_equal(list.items[i].value.bytes, key, strlen(key));
    }
    kv_list_deinit(&list);
    memory_free(bytes);
}

static void what_is_past_for_a_local_watch_is_lost(void **state)
{
    (void)state;
    struct mailbox box;
    struct kv_watch *watch;
    mailbox_init(&box);
    put("past/a", "1", 0);
    struct kv_value value = value_of("past/a");
    ok(kv_watch(kv, "past/", value.mod_revision, on_news, &box, &watch, &err));
    struct news *news = (struct news *)mailbox_poll(&box);
    assert_true(news && news->lost && news->revision == value.mod_revision);
    memory_free(news);
    put("past/a", "2", 0);
    expect(&box, "past/a=2 ");
    kv_watch_stop(kv, watch);
    mailbox_deinit(&box);
    kv_value_deinit(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_read_with_rising_revisions),
        cmocka_unit_test(any_bytes_are_a_value),
        cmocka_unit_test(each_compare_holds_or_conflicts),
        cmocka_unit_test(a_transaction_happens_whole_or_not),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(a_prefix_is_listed_in_order),
        cmocka_unit_test(a_long_list_is_whole),
        cmocka_unit_test(a_revoked_lease_takes_its_keys),
        cmocka_unit_test(a_watch_tells_what_follows_a_list),
        cmocka_unit_test(two_watches_hear_their_own),
        cmocka_unit_test(large_values_are_listed_whole),
    };
    const struct CMUnitTest local[] = {cmocka_unit_test(what_is_past_for_a_local_watch_is_lost)};
    int failed = cmocka_run_group_tests_name("kv_local", tests, local_setup, local_teardown);
    failed += cmocka_run_group_tests_name("kv_local_watch", local, local_setup, local_teardown);
    if (!etcd_fixture_found()) return failed ? failed : getenv("CI") != NULL;
    return failed + cmocka_run_group_tests_name("kv_etcd", tests, etcd_setup, etcd_teardown);
}
