// The HTTP client against a plain socket server of the test: what it sends, what it makes of good and broken answers.
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
#include "common/base/memory.h"
#include "common/base/thread.h"
#include "common/http/http_client.h"

// One thread, one connection at a time; the path says how it behaves.
static struct {
    pthread_t thread;
    int listener, port, wake[2];
    _Atomic int connections, requests;
    pthread_mutex_t lock;
    char last[4096]; // the request as it came, under the lock
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct http_client *client;
static struct error err;

static void say(int fd, const char *bytes)
{
    for (size_t left = strlen(bytes); left > 0;) {
        ssize_t sent = send(fd, bytes, left, MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes += sent;
        left -= (size_t)sent;
    }
}

// Until the peer is gone, or the test ends. False: the test ends.
static bool wait_for(int fd)
{
    struct pollfd polls[] = {{.fd = fd, .events = POLLIN}, {.fd = server.wake[0], .events = POLLIN}};
    poll(polls, 2, -1);
    return !polls[1].revents;
}

// One request with its body. False: the connection is at its end.
static bool hear(int fd, char request[4096])
{
    size_t length = 0, wanted = SIZE_MAX;
    while (length < wanted) {
        if (!wait_for(fd)) return false;
        ssize_t got = recv(fd, request + length, 4095 - length, 0);
        if (got <= 0) return false;
        length += (size_t)got;
        request[length] = '\0';
        const char *end = strstr(request, "\r\n\r\n"), *size = strcasestr(request, "\r\nContent-Length:");
        if (end) wanted = (size_t)(end + 4 - request) + (size && size < end ? strtoul(size + 17, NULL, 10) : 0);
    }
    pthread_mutex_lock(&server.lock);
    memcpy(server.last, request, length + 1);
    pthread_mutex_unlock(&server.lock);
    return true;
}

static bool heard_part(const char *part) // of the last request
{
    pthread_mutex_lock(&server.lock);
    bool there = strcasestr(server.last, part) != NULL;
    pthread_mutex_unlock(&server.lock);
    return there;
}

// False: the connection is closed.
static bool answer(int fd, const char *request)
{
    const char *path = strchr(request, ' ') + 1;
    if (strncmp(path, "/close", 6) == 0) return false;
    if (strncmp(path, "/half", 5) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        return false;
    }
    if (strncmp(path, "/hang", 5) == 0) {
        (void)wait_for(fd);
        return false;
    }
    if (strncmp(path, "/stream", 7) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        if (strncmp(path, "/stream/hang", 12) == 0) (void)wait_for(fd);
        if (strncmp(path, "/stream/cut", 11) == 0) return false;
        say(fd, "6\r\nsecond\r\n0\r\n\r\n");
        return true;
    }
    if (strncmp(path, "/none", 5) == 0) {
        say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
    } else if (strncmp(path, "/away", 5) == 0) {
        say(fd, "HTTP/1.1 307 Away\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
    } else if (strncmp(path, "/garbage", 8) == 0) {
        say(fd, "what?\r\n\r\n");
        return false;
    } else if (strncmp(request, "HEAD", 4) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n");
    } else {
        say(fd, "HTTP/1.1 200 OK\r\nETag:  \"a-1\"\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nhello");
    }
    return true;
}

static void *serve(void *argument)
{
    static char request[4096];
    (void)argument;
    while (wait_for(server.listener)) {
        int fd = accept(server.listener, NULL, NULL);
        atomic_fetch_add(&server.connections, 1);
        while (hear(fd, request)) {
            atomic_fetch_add(&server.requests, 1);
            if (!answer(fd, request)) break;
            struct pollfd next[] = {{.fd = fd, .events = POLLIN}, {.fd = server.listener, .events = POLLIN}};
            if (poll(next, 2, -1) > 0 && !next[0].revents) break; // another connection is due
        }
        close(fd);
    }
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    server.connections = server.requests = 0;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server.listener, (struct sockaddr *)&address, size) != 0 || listen(server.listener, 8) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &size) != 0 || pipe(server.wake) != 0) {
        return 1;
    }
    server.port = ntohs(address.sin_port);
    thread_create(&server.thread, "server", serve, NULL);
    struct http_client_config config = {0};
    return http_client_create(&config, &client, &err) == STATUS_OK ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    http_client_destroy(client);
    (void)!write(server.wake[1], "x", 1);
    thread_join(server.thread);
    close(server.listener);
    close(server.wake[0]);
    close(server.wake[1]);
    return 0;
}

static enum status ask(const char *method, const char *path, const char *body, struct http_response *ret_response)
{
    static char url[256];
    static const char *const headers[] = {"X-Test: yes", "Authorization: hidden"};
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server.port, path);
    struct http_request request = {.method = method,
                                   .url = url,
                                   .headers = headers,
                                   .header_count = 2,
                                   .body = body,
                                   .size = body ? strlen(body) : 0,
                                   .deadline_us = 20000000,
                                   .answer_max = 1000};
    if (strncmp(path, "/hang", 5) == 0) request.deadline_us = 200000;
    return http_client_send(client, &request, ret_response, &err);
}

static void expect(const char *method, const char *path, const char *body, long code, const char *answer_body)
{
    struct http_response response;
    if (ask(method, path, body, &response) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(response.code, code);
    assert_string_equal(text_str(&response.body), answer_body);
    http_client_response_deinit(&response);
}

static void requests_are_as_asked_for(void **state)
{
    (void)state;
    expect("POST", "/a?b=c", "the body", 200, "hello");
    assert_true(heard_part("POST /a?b=c HTTP/1.1\r\n"));
    assert_true(heard_part("\r\nX-Test: yes\r\n"));
    assert_true(heard_part("\r\nContent-Length: 8\r\n"));
    assert_true(heard_part("\r\n\r\nthe body"));
    assert_false(heard_part("Expect:"));
    expect("PUT", "/p", "put this", 200, "hello");
    assert_true(heard_part("PUT /p "));
    assert_true(heard_part("\r\n\r\nput this"));
    expect("GET", "/g", NULL, 200, "hello");
    assert_true(heard_part("GET /g "));
    expect("DELETE", "/d", NULL, 200, "hello");
    assert_true(heard_part("DELETE /d "));
    expect("HEAD", "/h", NULL, 200, "");
    assert_true(heard_part("HEAD /h "));
    expect("POST", "/e", NULL, 200, "hello");
    assert_true(heard_part("\r\nContent-Length: 0\r\n"));
}

static void a_connection_is_used_again(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) expect("POST", "/a", "x", 200, "hello");
    assert_int_equal(server.connections, 1);
    assert_int_equal(server.requests, 5);
}

static void every_code_is_an_answer_and_nothing_is_redirected(void **state)
{
    (void)state;
    expect("GET", "/none", NULL, 404, "none");
    expect("GET", "/away", NULL, 307, "");
    assert_int_equal(server.requests, 2);
}

static void headers_of_the_answer_are_found(void **state)
{
    (void)state;
    struct http_response response;
    assert_int_equal(ask("GET", "/a", NULL, &response), STATUS_OK);
    struct slice tag = http_client_header(&response, "etag");
    assert_true(slice_equal(tag, slice_str("\"a-1\"")));
    assert_int_equal(http_client_header(&response, "X-Empty").length, 0);
    assert_int_equal(http_client_header(&response, "Tag").length, 0);
    http_client_response_deinit(&response);
}

static void a_body_is_never_sent_twice(void **state)
{
    (void)state;
    struct http_response response;
    expect("POST", "/a", "x", 200, "hello"); // the connection is kept, and breaks under the next request
    assert_int_equal(ask("POST", "/close", "decide", &response), STATUS_UNKNOWN);
    assert_int_equal(err.class, ERROR_RETRY);
    assert_int_equal(server.requests, 2);
    assert_int_equal(ask("POST", "/close", "decide", &response), STATUS_UNKNOWN); // on a fresh one
    assert_int_equal(server.requests, 3);
    assert_int_equal(ask("POST", "/half", "decide", &response), STATUS_UNKNOWN);
    assert_int_equal(ask("POST", "/garbage", "decide", &response), STATUS_UNKNOWN);
    assert_int_equal(server.requests, 5);
}

static void a_deadline_holds_and_is_unknown(void **state)
{
    (void)state;
    struct http_response response;
    int64_t asked_us = clock_boot_us(clock_system());
    assert_int_equal(ask("POST", "/hang", "x", &response), STATUS_UNKNOWN);
    int64_t took_us = clock_boot_us(clock_system()) - asked_us;
    assert_true(took_us >= 150000 && took_us < 10000000);
    assert_int_equal(server.requests, 1);
}

static void an_answer_too_large_is_refused(void **state)
{
    (void)state;
    struct http_response response;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/a", server.port);
    struct http_request request = {.method = "GET", .url = url, .deadline_us = 20000000, .answer_max = 4};
    assert_int_equal(http_client_send(client, &request, &response, &err), STATUS_NO_MEMORY);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
}

static void where_nobody_listens_nothing_happened(void **state)
{
    (void)state;
    struct http_response response;
    char url[128];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0); // bound, not listening: refused
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof url, "http://me:pa55word@127.0.0.1:%d/path?signature=5ecret", ntohs(address.sin_port));
    struct http_request request = {.method = "POST", .url = url, .body = "x", .size = 1, .deadline_us = 20000000};
    assert_int_equal(http_client_send(client, &request, &response, &err), STATUS_ERROR);
    assert_int_equal(err.class, ERROR_RETRY);
    assert_non_null(strstr(err.message, "/path"));
    assert_null(strstr(err.message, "pa55word"));
    assert_null(strstr(err.message, "5ecret"));
    close(fd);
    const char *bad[] = {"", "ftp://x/", "127.0.0.1:2379", "http://"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        request.url = bad[i];
        assert_int_equal(http_client_send(client, &request, &response, &err), STATUS_INVALID);
        assert_int_equal(err.class, ERROR_USAGE);
    }
}

// ---- streams

struct heard {
    struct text text;
    struct http_cancel cancel;
    size_t enough; // bytes
    bool cancel_now;
};

static bool on_chunk(void *argument, long code, const char *bytes, size_t size)
{
    struct heard *heard = argument;
    assert_int_equal(code, 200);
    text_append(&heard->text, bytes, size);
    if (heard->cancel_now) http_cancel_now(&heard->cancel);
    return heard->enough == 0 || heard->text.length < heard->enough;
}

static enum status stream(const char *path, int64_t idle_us, struct heard *heard, enum http_stream_end *ret_end)
{
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server.port, path);
    struct http_request request = {.method = "POST", .url = url, .body = "{}", .size = 2, .deadline_us = 20000000};
    if (strcmp(path, "/hang") == 0) request.deadline_us = 200000;
    http_cancel_init(&heard->cancel);
    enum status status = http_client_stream(client, &request, idle_us, &heard->cancel, on_chunk, heard, ret_end, &err);
    http_cancel_deinit(&heard->cancel);
    return status;
}

static void a_stream_ends_in_each_way(void **state)
{
    (void)state;
    enum http_stream_end end;
    struct heard whole = {0}, enough = {.enough = 5}, idle = {0}, cut = {0}, cancelled = {.cancel_now = true};
    assert_int_equal(stream("/stream", 20000000, &whole, &end), STATUS_OK);
    assert_int_equal(end, HTTP_STREAM_DONE);
    assert_string_equal(text_str(&whole.text), "firstsecond");
    assert_int_equal(stream("/stream/hang", 20000000, &enough, &end), STATUS_OK);
    assert_int_equal(end, HTTP_STREAM_ENOUGH);
    assert_int_equal(stream("/stream/hang", 200000, &idle, &end), STATUS_OK);
    assert_int_equal(end, HTTP_STREAM_IDLE);
    assert_string_equal(text_str(&idle.text), "first");
    assert_int_equal(stream("/stream/hang", 20000000, &cancelled, &end), STATUS_OK);
    assert_int_equal(end, HTTP_STREAM_CANCELLED);
    assert_int_equal(stream("/stream/cut", 20000000, &cut, &end), STATUS_UNKNOWN);
    assert_int_equal(err.class, ERROR_RETRY);
    assert_string_equal(text_str(&cut.text), "first");
    struct heard none = {0};
    assert_int_equal(stream("/hang", 20000000, &none, &end), STATUS_UNKNOWN); // no first byte by the deadline
    struct heard *all[] = {&whole, &enough, &idle, &cut, &cancelled};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) text_deinit(&all[i]->text);
}

static struct http_cancel shared_cancel;

static void *stream_until_cancelled(void *argument)
{
    enum http_stream_end *end = argument;
    char url[128];
    struct heard heard = {0};
    struct error error;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/stream/hang", server.port);
    struct http_request request = {.method = "POST", .url = url, .body = "{}", .size = 2, .deadline_us = 60000000};
    enum status status = http_client_stream(client, &request, 60000000, &shared_cancel, on_chunk, &heard, end, &error);
    assert_int_equal(status, STATUS_OK);
    text_deinit(&heard.text);
    return NULL;
}

static void a_stream_is_cancelled_from_another_thread(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) { // wherever it happens to be
        pthread_t thread;
        enum http_stream_end end = HTTP_STREAM_DONE;
        http_cancel_init(&shared_cancel);
        int before = server.requests;
        int64_t asked_us = clock_boot_us(clock_system());
        thread_create(&thread, "streams", stream_until_cancelled, &end);
        while (i % 2 == 0 && server.requests == before) thread_sleep_us(100);
        http_cancel_now(&shared_cancel);
        thread_join(thread);
        assert_int_equal(end, HTTP_STREAM_CANCELLED);
        assert_true(clock_boot_us(clock_system()) - asked_us < 10000000);
        assert_true(http_cancel_wait(&shared_cancel, 60000000)); // at once: it stays cancelled
        http_cancel_deinit(&shared_cancel);
    }
}

static void *ask_many(void *argument)
{
    (void)argument;
    for (int i = 0; i < 50; i++) {
        struct http_response response;
        struct error error;
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%d/a", server.port);
        struct http_request request = {.method = "GET", .url = url, .deadline_us = 60000000, .answer_max = 100};
        assert_int_equal(http_client_send(client, &request, &response, &error), STATUS_OK);
        http_client_response_deinit(&response);
    }
    return NULL;
}

static void threads_share_a_client(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) thread_create(&threads[i], "asks", ask_many, NULL);
    for (int i = 0; i < 4; i++) thread_join(threads[i]);
    assert_int_equal(server.requests, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_as_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_connection_is_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(every_code_is_an_answer_and_nothing_is_redirected, setup, teardown),
        cmocka_unit_test_setup_teardown(headers_of_the_answer_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_is_never_sent_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_holds_and_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_too_large_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(where_nobody_listens_nothing_happened, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_ends_in_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_is_cancelled_from_another_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_share_a_client, setup, teardown),
    };
    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
