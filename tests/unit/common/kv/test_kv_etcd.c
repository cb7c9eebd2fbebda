// The etcd store against gateways of the test that answer what a script says: what no real etcd does on demand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/thread.h"
#include "common/kv/kv_etcd.h"

#define GATEWAYS                2
#define HEAD(cluster, revision) "\"header\":{\"cluster_id\":\"" cluster "\",\"revision\":\"" revision "\"}"
#define HANGS                   "hangs"  // no answer until the client goes away
#define CLOSES                  "closes" // the request is read, the connection closed

struct answer {
    int code;
    const char *body;
};
static struct gateway {
    pthread_t thread;
    int listener, port, wake[2];
    const struct answer *_Atomic script; // the last one is repeated
    _Atomic int requests;
    pthread_mutex_t lock;
    char last[8192]; // request, under the lock
} gateways[GATEWAYS];
static struct kv *kv;
static struct error err;
static int64_t deadline_us;

static bool wait_for(struct gateway *gateway, int fd)
{
    struct pollfd polls[] = {{.fd = fd, .events = POLLIN}, {.fd = gateway->wake[0], .events = POLLIN}};
    poll(polls, 2, -1);
    return !polls[1].revents;
}

static bool hear(struct gateway *gateway, int fd)
{
    char request[sizeof gateway->last];
    size_t length = 0, wanted = SIZE_MAX;
    while (length < wanted) {
        if (!wait_for(gateway, fd)) return false;
        ssize_t got = recv(fd, request + length, sizeof request - 1 - length, 0);
        if (got <= 0) return false;
        length += (size_t)got;
        request[length] = '\0';
        const char *end = strstr(request, "\r\n\r\n"), *size = strcasestr(request, "\r\nContent-Length:");
        if (end && size) wanted = (size_t)(end + 4 - request) + strtoul(size + 17, NULL, 10);
    }
    pthread_mutex_lock(&gateway->lock);
    memcpy(gateway->last, request, length + 1);
    pthread_mutex_unlock(&gateway->lock);
    return true;
}

static bool heard_part(const char *part) // of the first gateway's last request
{
    pthread_mutex_lock(&gateways[0].lock);
    bool there = strstr(gateways[0].last, part) != NULL;
    pthread_mutex_unlock(&gateways[0].lock);
    return there;
}

static bool answer(struct gateway *gateway, int fd, int number)
{
    const struct answer *is = gateway->script;
    char head[128];
    for (int i = 1; i < number && is[1].body; i++) is++;
    if (strcmp(is->body, CLOSES) == 0) return false;
    if (strcmp(is->body, HANGS) == 0) {
        (void)wait_for(gateway, fd);
        return false;
    }
    snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", is->code, strlen(is->body));
    if (send(fd, head, strlen(head), MSG_NOSIGNAL) <= 0) return false;
    for (const char *at = is->body; *at;) {
        ssize_t sent = send(fd, at, strlen(at), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += sent;
    }
    return true;
}

static void *serve(void *argument)
{
    struct gateway *gateway = argument;
    while (wait_for(gateway, gateway->listener)) {
        int fd = accept(gateway->listener, NULL, NULL);
        while (hear(gateway, fd)) {
            if (!answer(gateway, fd, atomic_fetch_add(&gateway->requests, 1) + 1)) break;
        }
        close(fd);
    }
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    deadline_us = 1000000;
    for (int i = 0; i < GATEWAYS; i++) {
        struct gateway *gateway = &gateways[i];
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t size = sizeof address;
        gateway->requests = 0;
        pthread_mutex_init(&gateway->lock, NULL);
        gateway->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(gateway->listener, (struct sockaddr *)&address, size) != 0 || listen(gateway->listener, 8) != 0 ||
            getsockname(gateway->listener, (struct sockaddr *)&address, &size) != 0 || pipe(gateway->wake) != 0) {
            return 1;
        }
        gateway->port = ntohs(address.sin_port);
        thread_create(&gateway->thread, "gateway", serve, gateway);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kv_close(kv);
    kv = NULL;
    for (int i = 0; i < GATEWAYS; i++) {
        (void)!write(gateways[i].wake[1], "x", 1);
        thread_join(gateways[i].thread);
        close(gateways[i].listener);
        close(gateways[i].wake[0]);
        close(gateways[i].wake[1]);
    }
    return 0;
}

// Opens with the first `count` gateways, which answer by these scripts.
static void open_with(int count, const struct answer *first, const struct answer *second, const char *user)
{
    char endpoints[128];
    gateways[0].script = first;
    gateways[1].script = second;
    snprintf(endpoints, sizeof endpoints,
             count > 1 ? "http://127.0.0.1:%d/,http://127.0.0.1:%d" : "http://127.0.0.1:%d", gateways[0].port,
             gateways[1].port);
    struct kv_etcd_config config = {.endpoints = endpoints, .user = user, .password = user ? "pa55word" : NULL};
    config.deadline_us = deadline_us;
    if (kv_etcd_open(&config, &kv, &err) != STATUS_OK) fail_msg("%s", err.message);
}

static enum status put(void)
{
    struct kv_compare compare = {.key = "k", .kind = KV_ABSENT};
    struct kv_op op = {KV_PUT, "k", "v", 1, 0};
    return kv_txn(kv, &compare, 1, &op, 1, &err);
}

static enum status get(void)
{
    struct kv_value value;
    enum status status = kv_get(kv, "k", &value, &err);
    if (status == STATUS_OK) kv_value_deinit(&value);
    return status;
}

static const struct answer done[] = {{200, "{" HEAD("1", "5") ",\"succeeded\":true}"}, {0}};
static const struct answer not_done[] = {{200, "{" HEAD("1", "5") "}"}, {0}};

static void what_a_member_may_have_done_is_unknown_and_not_sent_again(void **state)
{
    (void)state;
    static const struct answer cases[][2] = {
        {{503, "{\"error\":\"etcdserver: request timed out\",\"code\":14}"}},
        {{503, "{\"error\":\"etcdserver: request timed out, possibly due to connection lost\",\"code\":14}"}},
        {{503, "{\"error\":\"etcdserver: leader changed\",\"code\":14}"}},
        {{500, "{\"error\":\"etcdserver: server stopped\",\"code\":2}"}},
        {{429, "{\"error\":\"etcdserver: mvcc: database space exceeded\",\"code\":8}"}}, // it may be applied
        {{504, "{\"error\":\"context deadline exceeded\",\"code\":4}"}},
        {{500, "a proxy's page"}},
        {{200, "not JSON"}},
        {{200, "{\"succeeded\":true}"}},
        {{0, CLOSES}},
        {{0, HANGS}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gateways[0].requests = gateways[1].requests = 0;
        open_with(2, cases[i], done, NULL);
        if (put() != STATUS_UNKNOWN) fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(err.class, ERROR_RETRY);
        assert_int_equal(gateways[0].requests, 1);
        assert_int_equal(gateways[1].requests, 0);
        kv_close(kv);
        kv = NULL;
    }
}

static void what_did_not_happen_goes_to_the_next_member(void **state)
{
    (void)state;
    static const struct answer cases[][2] = {
        {{503, "{\"error\":\"etcdserver: no leader\",\"code\":14}"}},
        {{503, "{\"error\":\"etcdserver: not leader\",\"code\":9}"}},
        {{429, "{\"error\":\"etcdserver: too many requests\",\"code\":8}"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gateways[0].requests = gateways[1].requests = 0;
        open_with(2, cases[i], done, NULL);
        if (put() != STATUS_OK) fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(put(), STATUS_OK); // at once from the one that answered
        assert_int_equal(gateways[0].requests, 1);
        assert_int_equal(gateways[1].requests, 2);
        kv_close(kv);
        kv = NULL;
    }
    open_with(2, cases[0], not_done, NULL);
    assert_int_equal(put(), STATUS_CONFLICT);
}

static void a_read_goes_on_to_the_next_member_whatever_happened(void **state)
{
    (void)state;
    static const struct answer cases[][2] = {
        {{503, "{\"error\":\"etcdserver: request timed out\",\"code\":14}"}},
        {{500, "a proxy's page"}},
        {{0, CLOSES}},
        {{0, HANGS}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_with(2, cases[i], not_done, NULL);
        if (get() != STATUS_OK) fail_msg("case %zu: %s", i, err.message);
        kv_close(kv);
        kv = NULL;
    }
}

static void a_call_ends_by_its_deadline_naming_every_member(void **state)
{
    (void)state;
    static const struct answer first[] = {{503, "{\"error\":\"etcdserver: no leader\",\"code\":14}"}, {0}};
    static const struct answer second[] = {{0, HANGS}, {0}};
    char endpoint[64];
    open_with(2, first, second, NULL);
    int64_t asked_us = clock_boot_us(clock_system());
    assert_int_equal(get(), STATUS_ERROR);
    int64_t took_us = clock_boot_us(clock_system()) - asked_us;
    assert_true(took_us > 800000 && took_us < 10000000);
    assert_true(kv_failed_as(&err, KV_UNAVAILABLE));
    assert_int_equal(err.class, ERROR_RETRY);
    assert_non_null(strstr(err.message, "no leader"));
    for (int i = 0; i < GATEWAYS; i++) {
        snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", gateways[i].port);
        assert_non_null(strstr(err.message, endpoint));
    }
}

static void a_call_that_is_refused_at_once_asks_again_until_its_deadline(void **state)
{
    (void)state;
    static const struct answer no_leader[] = {{503, "{\"error\":\"etcdserver: no leader\",\"code\":14}"}, {0}};
    deadline_us = 8000000; // some eighty rounds
    open_with(2, no_leader, no_leader, NULL);
    assert_int_equal(put(), STATUS_ERROR);
    assert_true(kv_failed_as(&err, KV_UNAVAILABLE));
    assert_true(gateways[0].requests > 10 && gateways[1].requests > 10);
    gateways[1].script = done;
    assert_int_equal(put(), STATUS_OK);
}

static void what_every_member_says_is_final(void **state)
{
    (void)state;
    static const struct answer lease[] = {{404, "{\"error\":\"etcdserver: requested lease not found\",\"code\":5}"},
                                          {0}};
    static const struct answer large[] = {{400, "{\"error\":\"etcdserver: request is too large\",\"code\":3}"}, {0}};
    static const struct answer denied[] = {{403, "{\"error\":\"etcdserver: permission denied\",\"code\":7}"}, {0}};
    open_with(2, lease, done, NULL);
    assert_int_equal(put(), STATUS_NOT_FOUND);
    assert_int_equal(err.class, ERROR_FENCED);
    gateways[0].script = large;
    assert_int_equal(put(), STATUS_INVALID);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    gateways[0].script = denied;
    assert_int_equal(put(), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "'foreset/'"));
    assert_int_equal(gateways[1].requests, 0);
}

static void a_revision_that_goes_back_is_another_store(void **state)
{
    (void)state;
    static const struct answer ninth[] = {{200, "{" HEAD("1", "9") ",\"succeeded\":true}"},
                                          {200, "{" HEAD("1", "8") ",\"succeeded\":true}"},
                                          {200, "{" HEAD("1", "10") ",\"succeeded\":true}"},
                                          {0}};
    open_with(1, ninth, NULL, NULL);
    assert_int_equal(put(), STATUS_OK);
    assert_int_equal(get(), STATUS_ERROR);
    assert_true(kv_failed_as(&err, KV_REPLACED));
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "9"));
    assert_int_equal(put(), STATUS_ERROR); // for good, not until the old revision is reached again
    assert_true(kv_failed_as(&err, KV_REPLACED));
    assert_int_equal(gateways[0].requests, 2);
}

static void another_cluster_id_is_another_store(void **state)
{
    (void)state;
    static const struct answer other[] = {{200, "{" HEAD("1", "9") "}"}, {200, "{" HEAD("2", "99") "}"}, {0}};
    struct kv_identity identity;
    open_with(1, other, NULL, NULL);
    assert_int_equal(kv->ops->identity(kv, &identity, &err), STATUS_OK);
    assert_int_equal(identity.cluster, 1);
    assert_int_equal(identity.revision, 9);
    assert_int_equal(put(), STATUS_ERROR); // not CONFLICT: that would be another leader
    assert_true(kv_failed_as(&err, KV_REPLACED));
}

static void a_token_is_renewed_and_shown_to_nobody(void **state)
{
    (void)state;
    static const struct answer script[] = {{200, "{" HEAD("1", "5") ",\"token\":\"t0ken-1\"}"},
                                           {200, "{" HEAD("1", "5") ",\"succeeded\":true}"},
                                           {401, "{\"error\":\"etcdserver: invalid auth token\",\"code\":16}"},
                                           {200, "{" HEAD("1", "5") ",\"token\":\"t0ken-2\"}"},
                                           {200, "{" HEAD("1", "5") ",\"succeeded\":true}"},
                                           {401, "{\"error\":\"etcdserver: invalid auth token\",\"code\":16}"},
                                           {400, "{\"error\":\"etcdserver: authentication failed, invalid user ID or "
                                                 "password\",\"code\":3}"},
                                           {0}};
    open_with(1, script, NULL, "someone");
    assert_int_equal(put(), STATUS_OK);
    assert_true(heard_part("\r\nAuthorization: t0ken-1\r\n"));
    assert_int_equal(put(), STATUS_OK);
    assert_true(heard_part("\r\nAuthorization: t0ken-2\r\n"));
    assert_int_equal(gateways[0].requests, 5);
    assert_int_equal(put(), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "someone"));
    assert_null(strstr(err.message, "pa55word"));
    assert_null(strstr(err.message, "t0ken"));
}

static void a_list_begins_anew_when_its_revision_is_compacted(void **state)
{
    (void)state;
#define PAGE(key, more) "{" HEAD("1", "5") ",\"kvs\":[{\"key\":\"" key "\",\"mod_revision\":\"3\"}]" more "}"
    static const struct answer script[] = {
        {200, PAGE("YQ==", ",\"more\":true")},
        {400, "{\"error\":\"etcdserver: mvcc: required revision has been compacted\",\"code\":11}"},
        {200, PAGE("YQ==", ",\"more\":true")},
        {200, PAGE("Yg==", "")},
        {0}};
    struct kv_list list;
    open_with(1, script, NULL, NULL);
    assert_int_equal(kv_list(kv, "", &list, &err), STATUS_OK);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[1].key, "b");
    assert_int_equal(list.revision, 5);
    assert_true(heard_part("\"key\":\"YQA=\""));   // behind the last one
    assert_true(heard_part("\"revision\":\"5\"")); // as of the first page
    kv_list_deinit(&list);
}

struct news {
    struct mail mail;
    bool lost;
    int64_t revision;
    char key[32];
};

static void on_news(void *argument, const struct kv_watch_news *told)
{
    struct news *news = memory_calloc(1, sizeof *news);
    news->lost = told->lost;
    news->revision = told->revision;
    if (told->count > 0) snprintf(news->key, sizeof news->key, "%s", told->events[0].key);
    mailbox_post(argument, &news->mail);
}

static void expect_news(struct mailbox *box, bool lost, int64_t revision, const char *key)
{
    struct news *news = (struct news *)mailbox_wait(box, 60000000);
    if (!news) fail_msg("no news of '%s'", key);
    assert_int_equal(news->lost, lost);
    assert_int_equal(news->revision, revision);
    assert_string_equal(news->key, key);
    memory_free(news);
}

#define CREATED(revision) "{\"result\":{" HEAD("1", revision) ",\"created\":true}}\n"
#define CHANGED(key, revision)                                                                                         \
    "{\"result\":{" HEAD("1", revision) ",\"events\":[{\"kv\":{\"key\":\"" key "\",\"mod_revision\":\"" revision       \
                                        "\"}}]}}\n"

static void a_line_too_long_for_a_watch_is_lost(void **state)
{
    (void)state;
    size_t size = 65u << 20;
    char *endless = memory_alloc(size + 1);
    memset(endless, 'x', size);
    endless[size] = '\0';
    const struct answer script[] = {{200, CREATED("5") CHANGED("YQ==", "6")},
                                    {200, endless},
                                    {200, CREATED("9") CHANGED("Yg==", "10")},
                                    {0, HANGS},
                                    {0}};
    struct mailbox box;
    struct kv_watch *watch;
    mailbox_init(&box);
    open_with(1, script, NULL, NULL);
    assert_int_equal(kv_watch(kv, "", 5, on_news, &box, &watch, &err), STATUS_OK);
    expect_news(&box, false, 6, "a");
    expect_news(&box, true, 9, "");
    expect_news(&box, false, 10, "b");
    kv_watch_stop(kv, watch);
    mailbox_deinit(&box);
    memory_free(endless);
}

static void a_watch_begins_behind_what_it_told(void **state)
{
    (void)state;
    static const struct answer script[] = {{200, CREATED("5") CHANGED("YQ==", "6") CHANGED("Yg==", "8")},
                                           {503, "{\"error\":\"etcdserver: no leader\",\"code\":14}"},
                                           {200, CREATED("8") CHANGED("Yw==", "9")},
                                           {0, HANGS},
                                           {0}};
    struct mailbox box;
    struct kv_watch *watch;
    mailbox_init(&box);
    open_with(1, script, NULL, NULL);
    assert_int_equal(kv_watch(kv, "foreset/", 0, on_news, &box, &watch, &err), STATUS_OK);
    expect_news(&box, false, 6, "a");
    expect_news(&box, false, 8, "b");
    expect_news(&box, false, 9, "c");
    while (gateways[0].requests < 4) thread_sleep_us(1000);
    assert_true(heard_part("\"key\":\"Zm9yZXNldC8=\",\"range_end\":\"Zm9yZXNldDA=\"")); // foreset/ … foreset0
    assert_true(heard_part("\"start_revision\":\"10\""));
    kv_watch_stop(kv, watch);
    mailbox_deinit(&box);
}

static void a_keepalive_waits_a_third_of_the_lease(void **state)
{
    (void)state;
    static const struct answer script[] = {{200, "{" HEAD("1", "5") ",\"ID\":\"77\",\"TTL\":\"2\"}"}, {0, HANGS}, {0}};
    int64_t lease;
    open_with(1, script, NULL, NULL);
    assert_int_equal(kv->ops->lease_grant(kv, 900, &lease, &err), STATUS_OK);
    assert_true(heard_part("\"TTL\":\"1\"")); // never shorter than asked for
    assert_int_equal(lease, 77);
    int64_t asked_us = clock_boot_us(clock_system());
    assert_int_equal(kv->ops->lease_keepalive(kv, lease, &err), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_RETRY);
    assert_true(clock_boot_us(clock_system()) - asked_us < 900000);
}

static void a_stream_s_error_in_a_keepalive_is_a_refusal(void **state)
{
    (void)state;
    static const struct answer first[] = {{200, "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":"
                                                "\"etcdserver: no leader\"}}\n"},
                                          {0}};
    static const struct answer second[] = {{200, "{\"result\":{" HEAD("1", "5") ",\"ID\":\"77\",\"TTL\":\"2\"}}\n"},
                                           {0}};
    static const struct answer gone[] = {{200, "{\"result\":{" HEAD("1", "5") ",\"ID\":\"77\"}}\n"}, {0}};
    open_with(2, first, second, NULL);
    assert_int_equal(kv->ops->lease_keepalive(kv, 77, &err), STATUS_OK);
    gateways[1].script = gone;
    assert_int_equal(kv->ops->lease_keepalive(kv, 77, &err), STATUS_NOT_FOUND);
    assert_int_equal(err.class, ERROR_FENCED);
}

static void a_wrong_configuration_is_told_at_once(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "a:2379", "http://", "http://a:2379,", "http://a:2379/v3", "ftp://a:2379", "http://me:s3cret@a:2379"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct kv_etcd_config config = {.endpoints = bad[i]};
        assert_int_equal(kv_etcd_open(&config, &kv, &err), STATUS_INVALID);
        assert_int_equal(err.class, ERROR_USAGE);
        assert_null(strstr(err.message, "s3cret"));
    }
    struct kv_etcd_config config = {.endpoints = "http://a:2379", .password = "s3cret"};
    assert_int_equal(kv_etcd_open(&config, &kv, &err), STATUS_INVALID);
    assert_null(strstr(err.message, "s3cret"));
    config = (struct kv_etcd_config){.endpoints = "https://a:2379", .ca = "/no/such/ca.pem"};
    assert_int_equal(kv_etcd_open(&config, &kv, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "/no/such/ca.pem"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_member_may_have_done_is_unknown_and_not_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_did_not_happen_goes_to_the_next_member, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_goes_on_to_the_next_member_whatever_happened, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_ends_by_its_deadline_naming_every_member, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_that_is_refused_at_once_asks_again_until_its_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(what_every_member_says_is_final, setup, teardown),
        cmocka_unit_test_setup_teardown(a_revision_that_goes_back_is_another_store, setup, teardown),
        cmocka_unit_test_setup_teardown(another_cluster_id_is_another_store, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_is_renewed_and_shown_to_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_begins_anew_when_its_revision_is_compacted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_too_long_for_a_watch_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_begins_behind_what_it_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_keepalive_waits_a_third_of_the_lease, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_s_error_in_a_keepalive_is_a_refusal, setup, teardown),
        cmocka_unit_test(a_wrong_configuration_is_told_at_once),
    };
    return cmocka_run_group_tests_name("kv_etcd", tests, NULL, NULL);
}
