// etcd of three members while members die, stand still and lose their quorum; TLS and authentication.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/thread.h"
#include "tests/unit/common/kv/etcd_fixture.h"

static struct etcd_fixture etcd;
static struct kv *kv;
static struct error err;

static int cluster_setup(void **state)
{
    (void)state;
    etcd_fixture_start(&etcd, 3, false);
    return 0;
}

static int cluster_teardown(void **state)
{
    (void)state;
    etcd_fixture_stop(&etcd);
    return 0;
}

static int open_kv(void **state)
{
    (void)state;
    kv = etcd_fixture_open(&etcd, 0);
    etcd_fixture_wait(kv);
    return 0;
}

static int close_kv(void **state)
{
    (void)state;
    kv_close(kv);
    for (int i = 0; i < etcd.count; i++) {
        if (etcd.pid[i] > 0) kill(etcd.pid[i], SIGCONT);
        if (etcd.pid[i] == 0) etcd_fixture_member_start(&etcd, i);
    }
    return 0;
}

static void ok(enum status status)
{
    if (status != STATUS_OK) fail_msg("%s: %s", status_name(status), err.message);
}

static enum status put_if_absent(struct kv *store, const char *key, const char *value)
{
    struct kv_compare absent = {.key = key, .kind = KV_ABSENT};
    struct kv_op op = {KV_PUT, key, value, strlen(value), 0};
    return kv_txn(store, &absent, 1, &op, 1, &err);
}

static void put(const char *key, const char *value)
{
    struct kv_op op = {KV_PUT, key, value, strlen(value), 0};
    ok(kv_txn(kv, NULL, 0, &op, 1, &err));
}

static bool holds(struct kv *store, const char *key, const char *expected)
{
    struct kv_value value;
    ok(kv_get(store, key, &value, &err));
    bool same = value.bytes && value.size == strlen(expected) && memcmp(value.bytes, expected, value.size) == 0;
    kv_value_deinit(&value);
    return same;
}

// A write as the coordinator does it: unknown outcomes are settled by a read, then tried again.
static void put_surely(const char *key, const char *value)
{
    for (int i = 0; i < 50; i++) {
        enum status status = put_if_absent(kv, key, value);
        if (status == STATUS_OK) return;
        assert_int_equal(err.class, ERROR_RETRY);
        struct kv_value now;
        while (kv_get(kv, key, &now, &err) != STATUS_OK) assert_int_equal(err.class, ERROR_RETRY);
        bool there = now.bytes != NULL;
        kv_value_deinit(&now);
        if (there) return;
    }
    fail_msg("%s: %s", key, err.message);
}

// ---- members

static void one_member_killed_and_it_goes_on(void **state)
{
    (void)state;
    char key[32];
    for (int member = 0; member < 3; member++) {
        etcd_fixture_member_kill(&etcd, member);
        snprintf(key, sizeof key, "one/%d", member);
        int64_t asked_us = clock_boot_us(clock_system());
        put_surely(key, "x");
        assert_true(holds(kv, key, "x"));
        assert_true(clock_boot_us(clock_system()) - asked_us < 10000000);
        etcd_fixture_member_start(&etcd, member);
        struct kv_etcd_config config = {0}; // until the member itself answers
        char endpoint[64];
        snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", etcd.client_port[member]);
        config.endpoints = endpoint;
        struct kv *alone = NULL;
        ok(kv_etcd_open(&config, &alone, &err));
        etcd_fixture_wait(alone);
        assert_true(holds(alone, key, "x"));
        kv_close(alone);
    }
}

static void without_a_quorum_it_says_so_and_goes_on_when_it_is_back(void **state)
{
    (void)state;
    struct kv_value value;
    put("quorum/a", "1");
    int leader = etcd_fixture_leader(&etcd), left = (leader + 1) % 3;
    for (int i = 0; i < 3; i++) {
        if (i != left) etcd_fixture_member_kill(&etcd, i);
    }
    assert_int_not_equal(kv_get(kv, "quorum/a", &value, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_RETRY);
    assert_true(kv_failed_as(&err, KV_UNAVAILABLE));
    assert_non_null(strstr(err.message, "quorum"));
    for (int i = 0; i < 3; i++) {
        char endpoint[64];
        snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", etcd.client_port[i]);
        assert_non_null(strstr(err.message, endpoint));
    }
    assert_non_null(strstr(err.message, "no leader"));
    enum status status = put_if_absent(kv, "quorum/b", "2");
    assert_true(status == STATUS_UNKNOWN || kv_failed_as(&err, KV_UNAVAILABLE));
    assert_int_equal(err.class, ERROR_RETRY);
    int64_t lease;
    assert_int_not_equal(kv->ops->lease_grant(kv, 5000, &lease, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_RETRY);
    etcd_fixture_member_start(&etcd, leader);
    etcd_fixture_wait(kv);
    assert_true(holds(kv, "quorum/a", "1"));
    put_surely("quorum/b", "2");
    assert_true(holds(kv, "quorum/b", "2"));
}

static void a_leader_that_stands_still_is_left(void **state)
{
    (void)state;
    struct kv_etcd_config config = etcd_fixture_config(&etcd);
    char endpoints[256];
    int leader = etcd_fixture_leader(&etcd);
    // The leader is the one that is asked first.
    snprintf(endpoints, sizeof endpoints, "http://127.0.0.1:%d,http://127.0.0.1:%d,http://127.0.0.1:%d",
             etcd.client_port[leader], etcd.client_port[(leader + 1) % 3], etcd.client_port[(leader + 2) % 3]);
    config.endpoints = endpoints;
    kv_close(kv);
    ok(kv_etcd_open(&config, &kv, &err));
    put("still/a", "1");
    etcd_fixture_member_pause(&etcd, leader);
    int64_t asked_us = clock_boot_us(clock_system());
    assert_true(holds(kv, "still/a", "1"));
    put_surely("still/b", "2");
    assert_true(holds(kv, "still/b", "2"));
    assert_true(clock_boot_us(clock_system()) - asked_us < 10000000);
    kill(etcd.pid[leader], SIGCONT);
    assert_true(holds(kv, "still/b", "2"));
}

static void a_write_to_a_member_that_stands_still_is_unknown(void **state)
{
    (void)state;
    struct kv_etcd_config config = {.deadline_us = 1000000};
    char endpoint[64];
    struct kv *alone = NULL;
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", etcd.client_port[1]);
    config.endpoints = endpoint;
    ok(kv_etcd_open(&config, &alone, &err));
    struct kv_op op = {KV_PUT, "cut/a", "1", 1, 0}; // its connection is kept; the member may still look for a leader
    while (kv_txn(alone, NULL, 0, &op, 1, &err) != STATUS_OK) assert_int_equal(err.class, ERROR_RETRY);
    etcd_fixture_member_pause(&etcd, 1);
    assert_int_equal(put_if_absent(alone, "cut/b", "2"), STATUS_UNKNOWN);
    assert_int_equal(err.class, ERROR_RETRY);
    struct kv_value value;
    assert_int_equal(kv_get(alone, "cut/a", &value, &err), STATUS_ERROR);
    assert_true(kv_failed_as(&err, KV_UNAVAILABLE));
    etcd_fixture_member_kill(&etcd, 1); // with the write in its socket
    assert_int_equal(put_if_absent(alone, "cut/b", "2"), STATUS_ERROR);
    assert_true(kv_failed_as(&err, KV_UNAVAILABLE)); // refused: nothing was sent
    assert_true(holds(kv, "cut/a", "1"));
    kv_close(alone);
}

static void a_lease_runs_out_unless_it_is_kept(void **state)
{
    (void)state;
    int64_t kept, left;
    ok(kv->ops->lease_grant(kv, 2000, &kept, &err));
    ok(kv->ops->lease_grant(kv, 2000, &left, &err));
    struct kv_op ops[] = {{KV_PUT, "lease/kept", "1", 1, kept}, {KV_PUT, "lease/left", "2", 1, left}};
    ok(kv_txn(kv, NULL, 0, ops, 2, &err));
    int64_t until_us = clock_boot_us(clock_system()) + 30000000;
    for (;;) {
        struct kv_value value;
        ok(kv->ops->lease_keepalive(kv, kept, &err));
        ok(kv_get(kv, "lease/left", &value, &err));
        bool there = value.bytes != NULL;
        kv_value_deinit(&value);
        if (!there) break;
        assert_true(clock_boot_us(clock_system()) < until_us);
        thread_sleep_us(50000);
    }
    assert_true(holds(kv, "lease/kept", "1"));
    assert_int_equal(kv->ops->lease_keepalive(kv, left, &err), STATUS_NOT_FOUND);
    assert_int_equal(err.class, ERROR_FENCED);
}

static void a_keepalive_finds_another_member_within_the_lease(void **state)
{
    (void)state;
    int64_t lease;
    ok(kv->ops->lease_grant(kv, 6000, &lease, &err));
    for (int member = 0; member < 3; member++) {
        etcd_fixture_member_pause(&etcd, member);
        int64_t asked_us = clock_boot_us(clock_system());
        enum status status = kv->ops->lease_keepalive(kv, lease, &err);
        for (int i = 0; i < 2 && status != STATUS_OK; i++) {
            assert_int_equal(err.class, ERROR_RETRY);
            status = kv->ops->lease_keepalive(kv, lease, &err);
        }
        ok(status);
        assert_true(clock_boot_us(clock_system()) - asked_us < 6000000);
        kill(etcd.pid[member], SIGCONT);
        etcd_fixture_wait(kv);
    }
}

// ---- watches

struct news {
    struct mail mail;
    bool lost, over;
    char text[512];
};

static void on_news(void *argument, const struct kv_watch_news *told)
{
    struct news *news = memory_calloc(1, sizeof *news);
    news->lost = told->lost;
    news->over = told->err != NULL;
    if (told->err) snprintf(news->text, sizeof news->text, "%s %s", told->err->condition, told->err->message);
    for (size_t i = 0; i < told->count; i++) {
        size_t length = strlen(news->text);
        snprintf(news->text + length, sizeof news->text - length, "%s ", told->events[i].key);
    }
    mailbox_post(argument, &news->mail);
}

static struct news *next_news(struct mailbox *box)
{
    struct news *news = (struct news *)mailbox_wait(box, 40000000);
    if (!news) fail_msg("a watch tells nothing");
    return news;
}

// Until everything up to the last key was told, in order; what comes again is allowed.
static void expect_keys(struct mailbox *box, int from, int to)
{
    for (int next = from; next <= to;) {
        struct news *news = next_news(box);
        char key[32];
        assert_false(news->lost || news->over);
        for (const char *at = news->text; *at; at += strcspn(at, " ") + 1) {
            snprintf(key, sizeof key, "watch/%04d ", next);
            if (strncmp(at, key, strlen(key)) == 0) {
                next++;
                continue;
            }
            assert_true(atoi(at + 6) < next);
        }
        memory_free(news);
    }
}

static void a_watch_outlives_its_members(void **state)
{
    (void)state;
    struct mailbox box;
    struct kv_watch *watch;
    struct kv_list list;
    mailbox_init(&box);
    ok(kv_list(kv, "watch/", &list, &err));
    ok(kv_watch(kv, "watch/", list.revision + 1, on_news, &box, &watch, &err));
    kv_list_deinit(&list);
    int number = 0;
    for (int round = 0; round < 6; round++) {
        int member = round % 3;
        bool stop = round >= 3;
        if (stop) {
            etcd_fixture_member_pause(&etcd, member);
        } else {
            etcd_fixture_member_kill(&etcd, member);
        }
        int from = number;
        for (int i = 0; i < 5; i++) {
            char key[32];
            snprintf(key, sizeof key, "watch/%04d", number++);
            put_surely(key, "x");
        }
        expect_keys(&box, from, number - 1);
        if (stop) {
            kill(etcd.pid[member], SIGCONT);
        } else {
            etcd_fixture_member_start(&etcd, member);
        }
        etcd_fixture_wait(kv);
    }
    kv_watch_stop(kv, watch);
    for (struct mail *mail; (mail = mailbox_poll(&box));) memory_free(mail);
    mailbox_deinit(&box);
}

static void a_watch_of_compacted_revisions_says_lost_and_goes_on(void **state)
{
    (void)state;
    struct mailbox box;
    struct kv_watch *watch;
    struct kv_value first, last;
    char body[64], answer[4096];
    mailbox_init(&box);
    put("compact/a", "1");
    ok(kv_get(kv, "compact/a", &first, &err));
    for (int i = 0; i < 5; i++) put("compact/a", "2");
    ok(kv_get(kv, "compact/a", &last, &err));
    snprintf(body, sizeof body, "{\"revision\":\"%" PRId64 "\",\"physical\":true}", last.mod_revision);
    etcd_fixture_post(&etcd, 0, "/v3/kv/compaction", body, NULL, answer);
    ok(kv_watch(kv, "compact/", first.mod_revision, on_news, &box, &watch, &err));
    struct news *news = next_news(&box);
    assert_true(news->lost);
    memory_free(news);
    news = next_news(&box); // the last one before the compaction still stands
    assert_string_equal(news->text, "compact/a ");
    memory_free(news);
    put("compact/b", "3");
    news = next_news(&box);
    assert_false(news->lost);
    assert_string_equal(news->text, "compact/b ");
    memory_free(news);
    kv_watch_stop(kv, watch);
    mailbox_deinit(&box);
    kv_value_deinit(&first);
    kv_value_deinit(&last);
}

static void a_watch_stops_at_once_also_without_etcd(void **state)
{
    (void)state;
    struct mailbox box;
    struct kv_watch *watch, *other;
    mailbox_init(&box);
    for (int i = 0; i < 3; i++) etcd_fixture_member_kill(&etcd, i);
    ok(kv_watch(kv, "stop/", 0, on_news, &box, &watch, &err));
    ok(kv_watch(kv, "stop/", 7, on_news, &box, &other, &err));
    int64_t asked_us = clock_boot_us(clock_system());
    kv_watch_stop(kv, watch);
    kv_watch_stop(kv, other);
    assert_true(clock_boot_us(clock_system()) - asked_us < 2000000);
    assert_null(mailbox_poll(&box));
    mailbox_deinit(&box);
}

// ---- another store

static void a_wiped_store_is_told_apart(void **state)
{
    (void)state;
    struct mailbox box;
    struct kv_watch *watch;
    struct kv_value value;
    struct kv_identity before, after;
    mailbox_init(&box);
    put("wipe/a", "1");
    ok(kv->ops->identity(kv, &before, &err));
    ok(kv_watch(kv, "wipe/", before.revision + 1, on_news, &box, &watch, &err));
    etcd_fixture_wipe(&etcd);
    assert_int_equal(kv_get(kv, "wipe/a", &value, &err), STATUS_ERROR);
    assert_true(kv_failed_as(&err, KV_REPLACED));
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_int_equal(put_if_absent(kv, "wipe/a", "2"), STATUS_ERROR);
    assert_true(kv_failed_as(&err, KV_REPLACED));
    struct news *news = next_news(&box);
    assert_true(news->over);
    assert_non_null(strstr(news->text, KV_REPLACED));
    memory_free(news);
    kv_watch_stop(kv, watch);
    mailbox_deinit(&box);
    kv_close(kv);
    kv = etcd_fixture_open(&etcd, 0); // anew: the store as it is now
    ok(kv_get(kv, "wipe/a", &value, &err));
    assert_null(value.bytes);
    ok(kv->ops->identity(kv, &after, &err));
    assert_true(after.cluster != before.cluster);
}

// ---- TLS and authentication

static void tls_needs_both_certificates(void **state)
{
    (void)state;
    struct etcd_fixture tls;
    struct kv *store = NULL;
    struct kv_value value;
    char other[96], missing[96], other_key[96];
    etcd_fixture_start(&tls, 1, true);
    struct kv_etcd_config config = etcd_fixture_config(&tls);
    ok(kv_etcd_open(&config, &store, &err));
    ok(put_if_absent(store, "tls", "yes"));
    assert_true(holds(store, "tls", "yes"));
    kv_close(store);

    snprintf(other, sizeof other, "%s/other.pem", tls.dir);
    snprintf(other_key, sizeof other_key, "%s/other.key", tls.dir);
    snprintf(missing, sizeof missing, "%s/none.pem", tls.dir);
    struct kv_etcd_config bad = config;
    bad.ca = other; // does not know the server
    ok(kv_etcd_open(&bad, &store, &err));
    assert_int_equal(kv_get(store, "tls", &value, &err), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "certificate"));
    assert_non_null(strstr(err.message, other));
    kv_close(store);

    bad = config;
    bad.cert = bad.key = NULL; // shows none
    ok(kv_etcd_open(&bad, &store, &err));
    assert_int_equal(kv_get(store, "tls", &value, &err), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "certificate"));
    kv_close(store);

    bad = config;
    bad.cert = other; // nobody knows it
    bad.key = other_key;
    ok(kv_etcd_open(&bad, &store, &err));
    assert_int_equal(kv_get(store, "tls", &value, &err), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    kv_close(store);

    bad = config;
    bad.cert = missing;
    assert_int_equal(kv_etcd_open(&bad, &store, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, missing));
    etcd_fixture_stop(&tls);
}

static void add_users(const struct etcd_fixture *auth)
{
    char answer[4096];
    // {"key": "foreset/", "range_end": "foreset0"} in Base64
    static const char *const steps[][2] = {
        {"/v3/auth/user/add", "{\"name\":\"root\",\"password\":\"r00t\"}"},
        {"/v3/auth/role/add", "{\"name\":\"root\"}"},
        {"/v3/auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}"},
        {"/v3/auth/user/add", "{\"name\":\"foreset\",\"password\":\"s3cret-\\\"\\\\\"}"},
        {"/v3/auth/role/add", "{\"name\":\"decides\"}"},
        {"/v3/auth/role/grant", "{\"name\":\"decides\",\"perm\":{\"permType\":\"READWRITE\",\"key\":\"Zm9yZXNldC8=\","
                                "\"range_end\":\"Zm9yZXNldDA=\"}}"},
        {"/v3/auth/user/grant", "{\"user\":\"foreset\",\"role\":\"decides\"}"},
        {"/v3/auth/enable", "{}"},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        etcd_fixture_post(auth, 0, steps[i][0], steps[i][1], NULL, answer);
    }
}

static struct kv *open_as(const struct etcd_fixture *auth, const char *user, const char *password)
{
    struct kv *store = NULL;
    struct kv_etcd_config config = etcd_fixture_config(auth);
    config.user = user;
    config.password = password;
    ok(kv_etcd_open(&config, &store, &err));
    return store;
}

static void users_see_what_is_theirs(void **state)
{
    (void)state;
    struct etcd_fixture auth;
    struct kv_value value;
    struct kv_watch *watch;
    struct mailbox box;
    mailbox_init(&box);
    etcd_fixture_start(&auth, 1, false);
    struct kv *early = open_as(&auth, "foreset", "s3cret-\"\\"); // before authentication is on
    ok(put_if_absent(early, "foreset/early", "1"));
    add_users(&auth);
    ok(put_if_absent(early, "foreset/late", "1"));
    kv_close(early);

    struct kv *store = open_as(&auth, "foreset", "s3cret-\"\\");
    ok(put_if_absent(store, "foreset/a", "1"));
    assert_true(holds(store, "foreset/a", "1"));
    int64_t lease;
    ok(store->ops->lease_grant(store, 5000, &lease, &err));
    ok(store->ops->lease_keepalive(store, lease, &err));
    ok(kv_watch(store, "foreset/", 1, on_news, &box, &watch, &err));
    struct news *news = next_news(&box);
    assert_non_null(strstr(news->text, "foreset/a "));
    memory_free(news);
    kv_watch_stop(store, watch);

    assert_int_equal(put_if_absent(store, "elsewhere", "1"), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "permission denied"));
    ok(kv_watch(store, "elsewhere", 0, on_news, &box, &watch, &err));
    news = next_news(&box);
    assert_true(news->over);
    assert_non_null(strstr(news->text, "permission denied"));
    memory_free(news);
    kv_watch_stop(store, watch);

    etcd_fixture_member_kill(&auth, 0); // tokens are forgotten with it
    etcd_fixture_member_start(&auth, 0);
    etcd_fixture_wait(store);
    ok(put_if_absent(store, "foreset/b", "1"));
    kv_close(store);

    store = open_as(&auth, "foreset", "wr0ng-secret");
    assert_int_equal(kv_get(store, "foreset/a", &value, &err), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "'foreset'"));
    assert_null(strstr(err.message, "wr0ng-secret"));
    kv_close(store);

    store = open_as(&auth, NULL, NULL);
    assert_int_equal(kv_get(store, "foreset/a", &value, &err), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "give a user"));
    kv_close(store);
    etcd_fixture_stop(&auth);
    mailbox_deinit(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_member_killed_and_it_goes_on, open_kv, close_kv),
        cmocka_unit_test_setup_teardown(without_a_quorum_it_says_so_and_goes_on_when_it_is_back, open_kv, close_kv),
        cmocka_unit_test_setup_teardown(a_leader_that_stands_still_is_left, open_kv, close_kv),
        cmocka_unit_test_setup_teardown(a_write_to_a_member_that_stands_still_is_unknown, open_kv, close_kv),
        cmocka_unit_test_setup_teardown(a_lease_runs_out_unless_it_is_kept, open_kv, close_kv),
        cmocka_unit_test_setup_teardown(a_keepalive_finds_another_member_within_the_lease, open_kv, close_kv),
        cmocka_unit_test_setup_teardown(a_watch_outlives_its_members, open_kv, close_kv),
        cmocka_unit_test_setup_teardown(a_watch_of_compacted_revisions_says_lost_and_goes_on, open_kv, close_kv),
        cmocka_unit_test_setup_teardown(a_watch_stops_at_once_also_without_etcd, open_kv, close_kv),
        cmocka_unit_test_setup_teardown(a_wiped_store_is_told_apart, open_kv, close_kv),
        cmocka_unit_test(tls_needs_both_certificates),
        cmocka_unit_test(users_see_what_is_theirs),
    };
    if (!etcd_fixture_found()) return getenv("CI") != NULL;
    return cmocka_run_group_tests_name("kv_etcd_cluster", tests, cluster_setup, cluster_teardown);
}
