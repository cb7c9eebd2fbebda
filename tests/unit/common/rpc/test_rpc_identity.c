// Who sent it: every message and every request comes with the address and the token of its connection.
#include "tests/unit/common/rpc/raw_socket.h"

#include <stdio.h>

#define DEADLINE_US 60000000

struct seen {
    pthread_mutex_t lock;
    char address[80], token[RPC_TOKEN_BYTES_MAX + 1];
    bool tls, local, has_token;
    unsigned names, count, refused;
    char why[256];
};

static void see(struct seen *seen, const struct rpc_identity *from)
{
    pthread_mutex_lock(&seen->lock);
    snprintf(seen->address, sizeof seen->address, "%s", from->address);
    snprintf(seen->token, sizeof seen->token, "%s", from->token ? from->token : "");
    seen->has_token = from->token != NULL;
    seen->tls = from->tls;
    seen->local = from->local;
    seen->names = from->common_name || from->organization;
    seen->count++;
    pthread_mutex_unlock(&seen->lock);
}

static unsigned seen_count(struct seen *seen)
{
    pthread_mutex_lock(&seen->lock);
    unsigned count = seen->count;
    pthread_mutex_unlock(&seen->lock);
    return count;
}

static void seen_received(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes, size_t size)
{
    (void)peer;
    (void)bytes;
    (void)size;
    see(context, from);
}

static void seen_requested(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    see(context, rpc_request_from(request));
    rpc_reply(request, bytes, size);
}

static void seen_refused(void *context, const struct rpc_identity *from, const char *why)
{
    struct seen *seen = context;
    pthread_mutex_lock(&seen->lock);
    seen->refused++;
    snprintf(seen->address, sizeof seen->address, "%s", from->address);
    snprintf(seen->why, sizeof seen->why, "%s", why);
    pthread_mutex_unlock(&seen->lock);
}

static unsigned seen_refusals(struct seen *seen)
{
    pthread_mutex_lock(&seen->lock);
    unsigned count = seen->refused;
    pthread_mutex_unlock(&seen->lock);
    return count;
}

static struct rpc *open_seen(struct seen *seen, const char *url, const char *token)
{
    const struct rpc_config config = {.url = url,
                                      .self = 1,
                                      .token = token,
                                      .received = seen_received,
                                      .requested = seen_requested,
                                      .refused_connection = seen_refused,
                                      .context = seen};
    struct rpc *rpc = NULL;
    struct error err = {0};
    *seen = (struct seen){0};
    pthread_mutex_init(&seen->lock, NULL);
    if (rpc_open(&config, &rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    return rpc;
}

static void ask_with(const char *url, const char *token)
{
    const struct rpc_credentials credentials = {.token = token};
    struct error err = {0};
    void *reply = NULL;
    size_t size = 0;
    if (rpc_call(url, &credentials, "q", 1, DEADLINE_US, &reply, &size, &err) != STATUS_OK) fail_msg("%s", err.message);
    memory_free(reply);
}

static void a_request_says_who_asks(void **state)
{
    (void)state;
    static const char *const urls[] = {"tcp://127.0.0.1:0", "inproc://seen", "ipc:///tmp/foreset-test-identity"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct seen seen;
        struct rpc *rpc = open_seen(&seen, urls[i], NULL);
        ask_with(rpc_url(rpc), NULL);
        assert_false(seen.has_token);
        assert_true(seen.local);
        assert_false(seen.tls);
        if (i == 0) assert_memory_equal(seen.address, "127.0.0.1:", 10);
        ask_with(rpc_url(rpc), "hush");
        assert_true(seen.has_token);
        assert_string_equal(seen.token, "hush");
        assert_int_equal(seen.count, 2);
        rpc_close(rpc);
    }
}

static void a_message_says_who_sent_it(void **state)
{
    (void)state;
    static const char *const urls[] = {"tcp://127.0.0.1:0", "inproc://seen"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct seen seen, own;
        struct rpc *rpc = open_seen(&seen, urls[i], NULL), *other = open_seen(&own, "inproc://other", "mine");
        inbox_dial(other, 7, rpc_url(rpc), RPC_PUSH);
        rpc_send(other, 7, "m", 1);
        INBOX_AWAIT(seen_count(&seen) == 1);
        assert_string_equal(seen.token, "mine");
        assert_true(seen.local);
        rpc_close(other);
        rpc_close(rpc);
    }
}

// A token that is too long, comes late or holds a zero closes its connection, and the owner learns whose.
static void a_token_comes_first_and_is_bounded(void **state)
{
    (void)state;
    struct seen seen;
    struct error err;
    void *reply = NULL;
    size_t size;
    char token[RPC_TOKEN_BYTES_MAX + 2];
    struct rpc *rpc = open_seen(&seen, "tcp://127.0.0.1:0", NULL);
    memset(token, 'x', sizeof token);
    token[sizeof token - 1] = 0;
    const struct rpc_credentials credentials = {.token = token};
    assert_int_equal(rpc_call(rpc_url(rpc), &credentials, "q", 1, DEADLINE_US, &reply, &size, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "longer than 1024 bytes"));
    static const struct {
        uint32_t first, second;
    } cases[] = {{RPC_TOKEN_BYTES_MAX + 1, 0}, {4, 4}, {5, 0}};
    for (unsigned i = 0; i < 3; i++) {
        int fd = raw_socket_connect(rpc_url(rpc));
        raw_socket_send_frame(fd, RPC_FRAME_TOKEN, i == 2 ? "ab\0cd" : token, cases[i].first);
        if (cases[i].second) raw_socket_send_frame(fd, RPC_FRAME_TOKEN, token, cases[i].second);
        assert_true(raw_socket_is_closed(fd));
        close(fd);
        INBOX_AWAIT(seen_refusals(&seen) == i + 1);
        assert_memory_equal(seen.address, "127.0.0.1:", 10);
        assert_non_null(strstr(seen.why, "no frame of Foreset's"));
    }
    assert_int_equal(seen.count, 0);
    token[RPC_TOKEN_BYTES_MAX] = 0; // the longest
    ask_with(rpc_url(rpc), token);
    assert_string_equal(seen.token, token);
    rpc_close(rpc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_request_says_who_asks),
                                       cmocka_unit_test(a_message_says_who_sent_it),
                                       cmocka_unit_test(a_token_comes_first_and_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
