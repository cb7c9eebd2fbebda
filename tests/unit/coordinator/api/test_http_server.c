// The HTTP server by a real socket: where it listens, what each token shows, and what ends a connection.
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/memory.h"
#include "coordinator/api/http_guard.h"
#include "coordinator/api/http_server.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static _Atomic unsigned refusals;
static bool leads = true;

static bool ask(void *context, const char *verb, const char *name, struct http_answer *ret_answer)
{
    (void)context;
    (void)verb;
    if (name && strcmp(name, "nobody") == 0) {
        ret_answer->exit_code = 2;
        text_append_str(&ret_answer->message, "there is no pipeline nobody");
    } else if (!leads) {
        ret_answer->exit_code = 1;
        ret_answer->not_leader = true;
        text_append_str(&ret_answer->message, "http://S3CRET:2379 does not answer");
    } else {
        text_append_str(&ret_answer->json, "{\"name\":\"shown\",\"sql\":\"S3CRET\",\"kv\":{\"trouble\":null},"
                                           "\"version\":\"1\"}");
    }
    return true;
}

static void own_metrics(void *context, struct text *text)
{
    (void)context;
    text_append_str(text, "own_metric 1\n");
}

static void refused(void *context, const char *address, const char *why)
{
    (void)context;
    assert_non_null(address);
    assert_non_null(why);
    atomic_fetch_add(&refusals, 1);
}

static const struct access_token token = {.path = "/t", .text = TOKEN};

static struct http_server *open_server(const struct access_token *with)
{
    const struct http_server_config config = {
        .address = "127.0.0.1:0", .token = with, .ask = ask, .own_metrics = own_metrics, .refused = refused};
    struct http_server *server = NULL;
    struct error err;
    assert_int_equal(http_server_open(&config, &server, &err), STATUS_OK);
    return server;
}

static int dial(const struct http_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

// Sends it, and returns what comes until the other side closes. The code; -1: none.
static int converse(const struct http_server *server, const char *bytes, struct text *ret_answer)
{
    char buffer[4096];
    int fd = dial(server), code = -1;
    for (size_t at = 0, size = strlen(bytes); at < size;) {
        ssize_t count = send(fd, bytes + at, size - at, MSG_NOSIGNAL);
        if (count <= 0) break;
        at += (size_t)count;
    }
    text_reset(ret_answer);
    for (ssize_t count; (count = recv(fd, buffer, sizeof buffer, 0)) > 0;)
        text_append(ret_answer, buffer, (size_t)count);
    close(fd);
    return sscanf(text_str(ret_answer), "HTTP/1.1 %d", &code) == 1 ? code : -1;
}

static int get(const struct http_server *server, const char *path, const char *header, struct text *ret_answer)
{
    char request[1024];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n", path, header ? header : "",
             header ? "\r\n" : "");
    return converse(server, request, ret_answer);
}

static const char *const paths[] = {"/metrics",
                                    "/healthz",
                                    "/readyz",
                                    "/api/v1/cluster",
                                    "/api/v1/pipelines",
                                    "/api/v1/pipelines/p",
                                    "/api/v1/workers",
                                    "/api/v1/workers/w",
                                    "/api/v1/epochs",
                                    "/api/v1/epochs/p",
                                    "/api/v1/lag",
                                    "/api/v1/shards",
                                    "/api/v1/pipelines/nobody",
                                    "/nothing"};
enum { PATHS = sizeof paths / sizeof *paths };

static void without_a_token_nothing_secret_is_said(void **state)
{
    (void)state;
    struct http_server *server = open_server(&token);
    struct text answer = {0};
    for (int i = 0; i < 2 * PATHS; i++) {
        leads = i < PATHS;
        assert_true(get(server, paths[i % PATHS], NULL, &answer) >= 200);
        assert_null(strstr(text_str(&answer), "S3CRET"));
    }
    leads = true;
    assert_int_equal(get(server, "/api/v1/pipelines", NULL, &answer), 200);
    assert_non_null(strstr(text_str(&answer), "\"name\":\"shown\""));
    assert_non_null(strstr(text_str(&answer), "\"sql\":\"(hidden)\""));
    text_deinit(&answer);
    http_server_close(server);
}

static void with_the_token_everything_is(void **state)
{
    (void)state;
    struct http_server *server = open_server(&token);
    struct text answer = {0};
    assert_int_equal(get(server, "/api/v1/pipelines", "Authorization: Bearer " TOKEN, &answer), 200);
    assert_non_null(strstr(text_str(&answer), "\"sql\":\"S3CRET\""));
    assert_int_equal(get(server, "/api/v1/pipelines", "authorization: bearer " TOKEN, &answer), 200);
    assert_non_null(strstr(text_str(&answer), "S3CRET"));
    leads = false;
    assert_int_equal(get(server, "/api/v1/pipelines", "Authorization: Bearer " TOKEN, &answer), 503);
    assert_non_null(strstr(text_str(&answer), "S3CRET"));
    leads = true;
    text_deinit(&answer);
    http_server_close(server);
}

static void a_wrong_token_gets_nothing_and_is_reported(void **state)
{
    (void)state;
    static const char *const wrong[] = {"Authorization: Bearer ",        "Authorization: Bearer " TOKEN "0",
                                        "Authorization: Bearer 0123",    "Authorization: Bearer  " TOKEN "x",
                                        "Authorization: Basic " TOKEN,   "Authorization: " TOKEN,
                                        "Authorization: Bearer x" TOKEN, "Authorization:"};
    struct http_server *server = open_server(&token);
    struct text answer = {0};
    unsigned before = atomic_load(&refusals);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (int p = 0; p < PATHS; p++) {
            assert_int_equal(get(server, paths[p], wrong[i], &answer), 401);
            assert_non_null(strstr(text_str(&answer), "WWW-Authenticate: Bearer"));
            assert_non_null(strstr(text_str(&answer), "{\"error\":\""));
            assert_null(strstr(text_str(&answer), "S3CRET"));
            assert_null(strstr(text_str(&answer), TOKEN));
        }
    }
    assert_int_equal(atomic_load(&refusals) - before, PATHS * sizeof wrong / sizeof *wrong);
    http_server_close(server);
    server = open_server(NULL);
    assert_int_equal(get(server, "/api/v1/pipelines", "Authorization: Bearer " TOKEN, &answer), 403);
    assert_non_null(strstr(text_str(&answer), "--http-token-file"));
    assert_int_equal(get(server, "/api/v1/pipelines", NULL, &answer), 200);
    text_deinit(&answer);
    http_server_close(server);
}

static void only_reading_methods_are_taken(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "NONSENSE"};
    struct http_server *server = open_server(&token);
    struct text answer = {0};
    char request[200];
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        snprintf(request, sizeof request,
                 "%s /api/v1/cluster HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                 "Content-Length: 3\r\n\r\nabc",
                 methods[i], TOKEN);
        assert_int_equal(converse(server, request, &answer), 405);
        assert_null(strstr(text_str(&answer), "S3CRET"));
    }
    text_deinit(&answer);
    http_server_close(server);
}

static void a_request_has_a_greatest_size(void **state)
{
    (void)state;
    struct http_server *server = open_server(&token);
    struct text answer = {0}, request = {0};
    text_append_str(&request, "GET /healthz HTTP/1.1\r\nHost: x\r\n");
    while (request.length < 4 * HTTP_REQUEST_BYTES_MAX)
        text_append_str(&request, "X-More: aaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    text_append_str(&request, "\r\n");
    int code = converse(server, text_str(&request), &answer);
    assert_true(code == -1 || (code >= 400 && code < 500)); // an answer may be lost, as bytes were left unread
    assert_int_equal(get(server, "/healthz", NULL, &answer), 200);
    text_deinit(&request);
    text_deinit(&answer);
    http_server_close(server);
}

static void a_connection_has_a_greatest_age(void **state)
{
    (void)state;
    int pair[2][2];
    char byte;
    struct http_guard guard;
    http_guard_init(&guard);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair[i]), 0);
        http_guard_opened(&guard, pair[i][0], i * 1000);
    }
    assert_int_equal(http_guard_expire(&guard, 5000, 5000), 0);
    assert_int_equal(http_guard_expire(&guard, 5001, 5000), 1);
    assert_int_equal(recv(pair[0][1], &byte, 1, 0), 0);             // shut down
    assert_int_equal(recv(pair[1][1], &byte, 1, MSG_DONTWAIT), -1); // goes on
    assert_int_equal(http_guard_expire(&guard, 5001, 5000), 0);     // once
    http_guard_closed(&guard, pair[1][0]);
    assert_int_equal(http_guard_expire(&guard, 1000000, 0), 0); // what its owner closed is not touched
    assert_int_equal(recv(pair[1][1], &byte, 1, MSG_DONTWAIT), -1);
    for (int i = 0; i < 4; i++) close(pair[i / 2][i % 2]);
    http_guard_deinit(&guard);
}

static void one_address_does_not_take_all_connections(void **state)
{
    (void)state;
    struct http_server *server = open_server(&token);
    struct text answer = {0};
    int held[HTTP_CONNECTIONS_OF_IP + 8];
    unsigned closed = 0;
    char byte;
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) held[i] = dial(server);
    for (size_t i = HTTP_CONNECTIONS_OF_IP; i < sizeof held / sizeof *held; i++)
        closed += recv(held[i], &byte, 1, 0) <= 0; // blocks: only what is refused ends by itself at once
    assert_true(closed > 0);
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) close(held[i]);
    while (get(server, "/healthz", NULL, &answer) != 200) continue; // when the server has seen that they are gone
    text_deinit(&answer);
    http_server_close(server);
}

static void other_machines_are_served_with_tls_alone(void **state)
{
    (void)state;
    static const char *const open[] = {"0.0.0.0:0",          "10.0.0.1:7480",        "[::]:0",
                                       "[2001:db8::1]:7480", "[::ffff:127.0.0.1]:0", "128.0.0.1:0"};
    static const char *const local[] = {"127.0.0.1:0", "127.9.9.9:7480", "[::1]:0"};
    struct http_address address;
    struct error err;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        struct http_server_config config = {.address = open[i]};
        assert_int_equal(http_guard_address(&config, &address, &err), STATUS_INVALID);
        assert_int_equal(err.class, ERROR_USAGE);
        assert_non_null(strstr(err.message, "--insecure"));
        config.insecure = true;
        assert_int_equal(http_guard_address(&config, &address, &err), STATUS_OK);
        config = (struct http_server_config){.address = open[i], .certificate_file = "c", .key_file = "k"};
        assert_int_equal(http_guard_address(&config, &address, &err), STATUS_OK);
        config.key_file = NULL;
        assert_int_equal(http_guard_address(&config, &address, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "the key is missing"));
    }
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        const struct http_server_config config = {.address = local[i]};
        assert_int_equal(http_guard_address(&config, &address, &err), STATUS_OK);
    }
    static const char *const wrong[] = {
        "", "7480", "localhost:7480", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "[::1:7480", "::1]:7480x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct http_server_config config = {.address = wrong[i], .insecure = true};
        assert_int_equal(http_guard_address(&config, &address, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "127.0.0.1:7480"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_token_nothing_secret_is_said),
        cmocka_unit_test(with_the_token_everything_is),
        cmocka_unit_test(a_wrong_token_gets_nothing_and_is_reported),
        cmocka_unit_test(only_reading_methods_are_taken),
        cmocka_unit_test(a_request_has_a_greatest_size),
        cmocka_unit_test(a_connection_has_a_greatest_age),
        cmocka_unit_test(one_address_does_not_take_all_connections),
        cmocka_unit_test(other_machines_are_served_with_tls_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
