// Messages that are acknowledged, and clients' requests: each answered once, by whom and when the owner likes.
#include "tests/unit/common/rpc/raw_socket.h"

#include <stdio.h>

enum { MESSAGES = 2000, CLIENTS = 8 };
#define DEADLINE_US 60000000

// A coordinator that gathers requests and answers them when the test says so.
struct desk {
    struct inbox inbox;
    pthread_mutex_t lock;
    struct rpc_request *requests[512];
    char words[512][32];
    unsigned count;
    struct rpc *rpc;
};

static void requested(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    struct desk *desk = context;
    pthread_mutex_lock(&desk->lock);
    assert_true(size < sizeof desk->words[0]);
    memcpy(desk->words[desk->count], bytes, size);
    desk->requests[desk->count++] = request;
    pthread_mutex_unlock(&desk->lock);
}

static unsigned desk_count(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    unsigned count = desk->count;
    pthread_mutex_unlock(&desk->lock);
    return count;
}

static void desk_received(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes, size_t size)
{
    inbox_received(&((struct desk *)context)->inbox, peer, from, bytes, size);
}

static struct desk *desk_open(const char *url)
{
    struct desk *desk = memory_calloc(1, sizeof *desk);
    struct error err = {0};
    const struct rpc_config config = {
        .url = url, .self = 1, .received = desk_received, .requested = requested, .context = desk};
    inbox_init(&desk->inbox);
    pthread_mutex_init(&desk->lock, NULL);
    if (rpc_open(&config, &desk->rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    return desk;
}

static void desk_close(struct desk *desk)
{
    rpc_close(desk->rpc);
    memory_free(desk);
}

static void messages_are_acknowledged_in_order(void **state)
{
    (void)state;
    const char *urls[] = {"tcp://127.0.0.1:0", "inproc://desk"};
    for (int i = 0; i < 2; i++) {
        struct desk *desk = desk_open(urls[i]);
        struct inbox box;
        inbox_init(&box);
        struct rpc *from = inbox_open(&box, "inproc://from", 2);
        inbox_dial(from, 1, rpc_url(desk->rpc), RPC_REQUEST);
        for (uint32_t m = 0; m < MESSAGES; m++) inbox_send(from, 1, 0, m, 8 + m % 3000);
        INBOX_AWAIT(rpc_counters(from)->sent == MESSAGES);
        assert_int_equal(inbox_count(&desk->inbox), MESSAGES); // acknowledged: it is there
        assert_false(desk->inbox.wrong);
        assert_int_equal(desk->inbox.gaps, 0);
        rpc_close(from);
        desk_close(desk);
    }
}

struct client {
    const char *url;
    char words[32], answer[64];
    enum status status;
    struct error err;
    int64_t deadline_us;
    pthread_t thread;
};

static void *call(void *argument)
{
    struct client *client = argument;
    void *reply = NULL;
    size_t size = 0;
    client->status = rpc_call(client->url, NULL, client->words, strlen(client->words), client->deadline_us, &reply,
                              &size, &client->err);
    if (client->status == STATUS_OK) memcpy(client->answer, reply, size);
    memory_free(reply);
    return NULL;
}

static void start_clients(struct client clients[CLIENTS], const char *url)
{
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.url = url, .deadline_us = DEADLINE_US};
        snprintf(clients[i].words, sizeof clients[i].words, "question %d", i);
        thread_create(&clients[i].thread, "client", call, &clients[i]);
    }
}

static void requests_are_answered_in_any_order_from_any_thread(void **state)
{
    (void)state;
    const char *urls[] = {"tcp://127.0.0.1:0", "inproc://desk"};
    for (int u = 0; u < 2; u++) {
        struct desk *desk = desk_open(urls[u]);
        struct client clients[CLIENTS];
        start_clients(clients, rpc_url(desk->rpc));
        INBOX_AWAIT(desk_count(desk) == CLIENTS);
        for (int i = CLIENTS - 1; i >= 0; i--) {
            char answer[64];
            int size = snprintf(answer, sizeof answer, "answer to %s", desk->words[i]);
            rpc_reply(desk->requests[i], answer, (size_t)size);
        }
        for (int i = 0; i < CLIENTS; i++) {
            char expected[64];
            thread_join(clients[i].thread);
            snprintf(expected, sizeof expected, "answer to question %d", i);
            assert_int_equal(clients[i].status, STATUS_OK);
            assert_string_equal(clients[i].answer, expected);
        }
        assert_int_equal(rpc_counters(desk->rpc)->requests, CLIENTS);
        desk_close(desk);
    }
}

static void a_refusal_carries_its_words(void **state)
{
    (void)state;
    struct desk *desk = desk_open("tcp://127.0.0.1:0");
    struct client clients[CLIENTS];
    start_clients(clients, rpc_url(desk->rpc));
    INBOX_AWAIT(desk_count(desk) == CLIENTS);
    for (int i = 0; i < CLIENTS; i++) rpc_refuse(desk->requests[i], "not while it rains");
    for (int i = 0; i < CLIENTS; i++) {
        thread_join(clients[i].thread);
        assert_int_equal(clients[i].status, STATUS_CONFLICT);
        assert_non_null(strstr(clients[i].err.message, "not while it rains"));
    }
    desk_close(desk);
}

static void a_request_without_an_answer_ends_at_its_deadline(void **state)
{
    (void)state;
    const char *urls[] = {"tcp://127.0.0.1:0", "inproc://desk"};
    for (int u = 0; u < 2; u++) {
        struct desk *desk = desk_open(urls[u]);
        struct client client = {.url = rpc_url(desk->rpc), .words = "anybody?", .deadline_us = 100000};
        int64_t begin_us = clock_boot_us(clock_system());
        call(&client);
        assert_int_equal(client.status, STATUS_UNKNOWN); // it may have been done
        assert_true(clock_boot_us(clock_system()) - begin_us >= 100000);
        assert_non_null(strstr(client.err.message, "within 0.1 s"));
        INBOX_AWAIT(desk_count(desk) == 1);
        rpc_reply(desk->requests[0], "too late", 8);
        desk_close(desk);
    }
}

static void an_endpoint_closes_while_requests_are_open(void **state)
{
    (void)state;
    struct desk *desk = desk_open("tcp://127.0.0.1:0");
    struct client clients[CLIENTS];
    char url[64];
    snprintf(url, sizeof url, "%s", rpc_url(desk->rpc));
    start_clients(clients, url);
    INBOX_AWAIT(desk_count(desk) == CLIENTS);
    rpc_close(desk->rpc);
    for (int i = 0; i < CLIENTS; i++) {
        thread_join(clients[i].thread);
        assert_int_equal(clients[i].status, STATUS_UNKNOWN);
        rpc_reply(desk->requests[i], "nobody hears it", 15);
    }
    memory_free(desk);
}

static void too_many_requests_are_refused_not_queued(void **state)
{
    (void)state;
    struct desk *desk = desk_open("tcp://127.0.0.1:0");
    int fds[RPC_REQUESTS_MAX + 1];
    char words[256] = "";
    struct rpc_frame frame = {0};
    for (int i = 0; i <= RPC_REQUESTS_MAX; i++) {
        fds[i] = raw_socket_connect(rpc_url(desk->rpc));
        assert_true(raw_socket_send_frame(fds[i], RPC_FRAME_REQUEST, "q", 1));
        if (i < RPC_REQUESTS_MAX) INBOX_AWAIT(desk_count(desk) == (unsigned)i + 1);
    }
    assert_true(raw_socket_receive_frame(fds[RPC_REQUESTS_MAX], &frame, words, sizeof words - 1));
    assert_int_equal(frame.kind, RPC_FRAME_REFUSED);
    assert_non_null(strstr(words, "too many requests"));
    assert_int_equal(rpc_counters(desk->rpc)->refused, 1);
    for (int i = 0; i < RPC_REQUESTS_MAX; i++) rpc_reply(desk->requests[i], "a", 1);
    for (int i = 0; i < RPC_REQUESTS_MAX; i++) {
        assert_true(raw_socket_receive_frame(fds[i], &frame, words, sizeof words - 1));
        assert_int_equal(frame.kind, RPC_FRAME_REPLY);
    }
    for (int i = 0; i <= RPC_REQUESTS_MAX; i++) close(fds[i]);
    desk_close(desk);
}

// Takes each message and goes away without a word, but for the last.
struct mute {
    int fd;
    uint32_t numbers[8];
    unsigned count;
};

static void *take_and_leave(void *argument)
{
    struct mute *mute = argument;
    uint8_t bytes[64];
    struct rpc_frame frame;
    while (mute->count < 8) {
        int fd = accept(mute->fd, NULL, NULL);
        bool met = raw_socket_receive_frame(fd, &frame, bytes, sizeof bytes) && frame.kind == RPC_FRAME_PING &&
                   raw_socket_send_frame(fd, RPC_FRAME_PONG, NULL, 0);
        if (met && raw_socket_receive_frame(fd, &frame, bytes, sizeof bytes)) {
            memcpy(&mute->numbers[mute->count++], bytes + 4, 4);
        }
        close(fd);
    }
    return NULL;
}

static void what_is_not_acknowledged_is_not_sent_again(void **state)
{
    (void)state;
    struct mute mute = {0};
    unsigned port;
    char url[64];
    pthread_t thread;
    struct inbox box;
    mute.fd = raw_socket_listen(&port);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port);
    thread_create(&thread, "mute", take_and_leave, &mute);
    inbox_init(&box);
    struct rpc *from = inbox_open(&box, "inproc://from", 2);
    inbox_dial(from, 1, url, RPC_REQUEST);
    for (uint32_t i = 0; i < 8; i++) inbox_send(from, 1, 0, i, 16);
    thread_join(thread);
    for (uint32_t i = 0; i < 8; i++) assert_int_equal(mute.numbers[i], i);
    INBOX_AWAIT(rpc_counters(from)->unacknowledged == 8);
    assert_int_equal(rpc_counters(from)->sent, 0);
    rpc_close(from);
    close(mute.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages_are_acknowledged_in_order),
                                       cmocka_unit_test(requests_are_answered_in_any_order_from_any_thread),
                                       cmocka_unit_test(a_refusal_carries_its_words),
                                       cmocka_unit_test(a_request_without_an_answer_ends_at_its_deadline),
                                       cmocka_unit_test(an_endpoint_closes_while_requests_are_open),
                                       cmocka_unit_test(too_many_requests_are_refused_not_queued),
                                       cmocka_unit_test(what_is_not_acknowledged_is_not_sent_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
