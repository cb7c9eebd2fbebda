// What comes from elsewhere: garbage closes its connection, is counted, and harms nobody else; and a client that
// reaches the wrong thing is told what it reached.
#include "tests/unit/common/rpc/raw_socket.h"

#include <stdio.h>

#include "common/rpc/rpc_guard.h"

#define DEADLINE_US 60000000

static void nobody_asks(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    (void)context;
    (void)bytes;
    (void)size;
    rpc_reply(request, "here", 4);
}

static struct rpc *open_small(struct inbox *box)
{
    const struct rpc_config config = {.url = "tcp://127.0.0.1:0",
                                      .self = 1,
                                      .message_bytes_max = 1000,
                                      .received = inbox_received,
                                      .requested = nobody_asks,
                                      .context = box};
    struct rpc *rpc = NULL;
    struct error err = {0};
    inbox_init(box);
    if (rpc_open(&config, &rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    return rpc;
}

static void frame_bytes(uint8_t *ret_header, enum rpc_frame_kind kind, uint32_t size)
{
    const struct rpc_frame frame = {.kind = kind, .sender = 5, .size = size};
    rpc_frame_write(&frame, ret_header);
}

static void garbage_closes_its_connection_alone(void **state)
{
    (void)state;
    struct inbox box, own;
    uint8_t bad[7][RPC_FRAME_BYTES] = {"GET / HTTP/1.1\r\n", "\0SP\0\0\x30\0\0xxxxxxx"}; // a browser, an nng socket
    struct rpc *rpc = open_small(&box);
    inbox_init(&own);
    struct rpc *good = inbox_open(&own, "inproc://good", 2);
    inbox_dial(good, 1, rpc_url(rpc), RPC_PUSH);
    inbox_send(good, 1, 0, 0, 100);
    INBOX_AWAIT(inbox_count(&box) == 1);
    frame_bytes(bad[2], RPC_FRAME_MESSAGE, 1001); // larger than allowed: nothing is read of it
    frame_bytes(bad[3], RPC_FRAME_MESSAGE, UINT32_MAX);
    frame_bytes(bad[4], RPC_FRAME_PING, 1);
    frame_bytes(bad[5], RPC_FRAME_REPLY, 0); // nobody asked
    frame_bytes(bad[6], (enum rpc_frame_kind)99, 0);
    for (unsigned i = 0; i < 7; i++) {
        int fd = raw_socket_connect(rpc_url(rpc));
        assert_true(raw_socket_send(fd, bad[i], RPC_FRAME_BYTES));
        assert_true(raw_socket_is_closed(fd));
        close(fd);
        assert_int_equal(rpc_counters(rpc)->malformed, i + 1);
    }
    inbox_send(good, 1, 0, 1, 1000); // the largest that is allowed
    INBOX_AWAIT(inbox_count(&box) == 2);
    assert_false(box.wrong);
    assert_int_equal(rpc_counters(good)->reconnected, 0);
    rpc_close(good);
    rpc_close(rpc);
}

// Everybody on this machine has that address.
static void loopback_is_never_shut_out(void **state)
{
    (void)state;
    struct inbox box;
    struct error err;
    struct rpc *rpc = open_small(&box);
    for (int i = 0; i < 3 * RPC_MALFORMED_MAX; i++) {
        int fd = raw_socket_connect(rpc_url(rpc));
        raw_socket_send(fd, "sixteen bytes...", RPC_FRAME_BYTES);
        assert_true(raw_socket_is_closed(fd));
        close(fd);
    }
    assert_int_equal(rpc_counters(rpc)->malformed, 3 * RPC_MALFORMED_MAX);
    assert_int_equal(rpc_counters(rpc)->connections_refused, 0);
    assert_int_equal(rpc_probe(rpc_url(rpc), NULL, DEADLINE_US, &err), STATUS_OK);
    rpc_close(rpc);
}

static void another_address_that_keeps_on_is_shut_out(void **state)
{
    (void)state;
    struct rpc_guard guard;
    const struct rpc_identity bad = {.address = "10.0.0.1:4000"}, again = {.address = "10.0.0.1:4001"};
    const struct rpc_identity other = {.address = "10.0.0.2:4000"}, here = {.address = "127.0.0.1:4", .local = true};
    rpc_guard_init(&guard);
    for (int i = 0; i < RPC_MALFORMED_MAX; i++) {
        assert_true(rpc_guard_allows(&guard, &again));
        rpc_guard_blame(&guard, &bad);
        rpc_guard_blame(&guard, &here);
    }
    assert_false(rpc_guard_allows(&guard, &again));
    assert_true(rpc_guard_allows(&guard, &other));
    assert_true(rpc_guard_allows(&guard, &here));
    rpc_guard_deinit(&guard);
}

static void a_cut_frame_is_not_delivered(void **state)
{
    (void)state;
    struct inbox box;
    struct rpc *rpc = open_small(&box);
    uint8_t bytes[RPC_FRAME_BYTES + 100];
    frame_bytes(bytes, RPC_FRAME_MESSAGE, 100);
    inbox_fill(bytes + RPC_FRAME_BYTES, 100, 0, 0);
    for (size_t size = 1; size < sizeof bytes; size += 5) {
        int fd = raw_socket_connect(rpc_url(rpc));
        assert_true(raw_socket_send(fd, bytes, size));
        close(fd);
    }
    int fd = raw_socket_connect(rpc_url(rpc));
    for (size_t i = 0; i < sizeof bytes; i++) assert_true(raw_socket_send(fd, bytes + i, 1)); // in pieces, it is
    INBOX_AWAIT(inbox_count(&box) == 1);
    assert_false(box.wrong);
    assert_int_equal(rpc_counters(rpc)->malformed, 0);
    close(fd);
    rpc_close(rpc);
}

static void another_version_is_told_so(void **state)
{
    (void)state;
    struct inbox box;
    struct rpc *rpc = open_small(&box);
    uint8_t header[RPC_FRAME_BYTES];
    struct rpc_frame frame = {0};
    char words[256] = "";
    frame_bytes(header, RPC_FRAME_MESSAGE, 4);
    header[4] = RPC_FRAME_VERSION + 1;
    int fd = raw_socket_connect(rpc_url(rpc));
    assert_true(raw_socket_send(fd, header, sizeof header));
    assert_true(raw_socket_receive_frame(fd, &frame, words, sizeof words - 1));
    assert_int_equal(frame.kind, RPC_FRAME_REFUSED);
    assert_non_null(strstr(words, "speaks version 1 of the protocol, the other side 2"));
    assert_true(raw_socket_is_closed(fd));
    close(fd);
    rpc_close(rpc);
}

// Accepts, says what it was given (or nothing), and keeps the connection, or closes it.
struct stranger {
    int fd;
    const char *says;
    bool closes;
};

static void *be_strange(void *argument)
{
    const struct stranger *stranger = argument;
    char bytes[RPC_FRAME_BYTES];
    int fd = accept(stranger->fd, NULL, NULL);
    raw_socket_receive(fd, bytes, sizeof bytes);
    if (stranger->says) raw_socket_send(fd, stranger->says, strlen(stranger->says));
    if (!stranger->closes) raw_socket_is_closed(fd);
    close(fd);
    return NULL;
}

static void expect_failure(const char *url, int64_t deadline_us, enum status status, const char *words)
{
    struct error err = {0};
    void *reply = NULL;
    size_t size;
    assert_int_equal(rpc_call(url, NULL, "q", 1, deadline_us, &reply, &size, &err), status);
    assert_null(reply);
    if (!strstr(err.message, words)) fail_msg("\"%s\" without \"%s\"", err.message, words);
    if (status != STATUS_INVALID) assert_non_null(strstr(err.message, url));
}

static void a_client_is_told_what_it_reached(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        bool closes;
        int64_t deadline_us;
        const char *words;
    } strangers[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", true, DEADLINE_US, "is no Foreset endpoint"},
        {NULL, true, DEADLINE_US, "is no Foreset endpoint, or one that wants tls+tcp://"},
        {NULL, false, 200000, "took the connection but did not answer within 0.2 s"},
        {"FRST\x02\x06\0\0", false, 200000, "did not answer within 0.2 s"},
    };
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        struct stranger stranger = {.says = strangers[i].says, .closes = strangers[i].closes};
        unsigned port;
        char url[64];
        pthread_t thread;
        stranger.fd = raw_socket_listen(&port);
        snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port);
        thread_create(&thread, "stranger", be_strange, &stranger);
        expect_failure(url, strangers[i].deadline_us, STATUS_ERROR, strangers[i].words);
        thread_join(thread);
        close(stranger.fd);
        expect_failure(url, DEADLINE_US, STATUS_ERROR, "nobody listens at"); // now it is gone
    }
    expect_failure("tcp://no-such-host.invalid:7400", DEADLINE_US, STATUS_ERROR, "cannot resolve the host");
    expect_failure("ipc:///nonexistent/foreset", DEADLINE_US, STATUS_ERROR, "nobody listens at");
    expect_failure("inproc://nobody", DEADLINE_US, STATUS_ERROR, "nobody listens at");
    expect_failure("localhost:7400", DEADLINE_US, STATUS_INVALID, "for example tcp://127.0.0.1:7400");
    expect_failure("tls+tcp://127.0.0.1:1", DEADLINE_US, STATUS_INVALID, "needs three PEM files");
}

static void a_worker_is_no_coordinator(void **state)
{
    (void)state;
    struct inbox box;
    struct error err;
    inbox_init(&box);
    struct rpc *worker = inbox_open(&box, "tcp://127.0.0.1:0", 3);
    assert_int_equal(rpc_probe(rpc_url(worker), NULL, DEADLINE_US, &err), STATUS_OK);
    expect_failure(rpc_url(worker), DEADLINE_US, STATUS_CONFLICT, "give a coordinator's URL");
    rpc_close(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(garbage_closes_its_connection_alone),
                                       cmocka_unit_test(loopback_is_never_shut_out),
                                       cmocka_unit_test(another_address_that_keeps_on_is_shut_out),
                                       cmocka_unit_test(a_cut_frame_is_not_delivered),
                                       cmocka_unit_test(another_version_is_told_so),
                                       cmocka_unit_test(a_client_is_told_what_it_reached),
                                       cmocka_unit_test(a_worker_is_no_coordinator)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
