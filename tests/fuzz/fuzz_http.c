// HTTP requests by a real socket: whatever is sent, what comes back is HTTP, holds no secret (no input has the token),
// and the connection ends.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coordinator/api/http_server.h"
#include "tests/fuzz/fuzz.h"

enum { SECRET_LENGTH = 300 }; // longer than a name that an answer repeats

static char secret[SECRET_LENGTH + 1];

// What names and paths become is in the answer's message, as the coordinator's does it.
static bool ask(void *context, const char *verb, const char *name, struct http_answer *ret_answer)
{
    (void)context;
    ASSERT(verb && (!name || (*name && !strchr(name, '/'))));
    if (name) {
        ret_answer->exit_code = 2;
        text_printf(&ret_answer->message, "there is no pipeline %s", name);
    } else {
        text_printf(&ret_answer->json, "{\"name\":\"p\",\"sql\":\"%s\",\"list\":[\"%s\"]}", secret, secret);
    }
    return true;
}

static void own_metrics(void *context, struct text *text)
{
    (void)context;
    text_append_str(text, "own 1\n");
}

static struct http_server *server;

static void close_server(void)
{
    http_server_close(server);
}

static struct sockaddr_in endpoint(void)
{
    static struct sockaddr_in address = {.sin_family = AF_INET};
    static struct access_token token;
    struct error err;
    if (server) return address;
    memset(secret, 's', SECRET_LENGTH);
    memset(token.text, 'x', ACCESS_TOKEN_LENGTH_MAX); // longer than what an input repeats by chance
    const struct http_server_config config = {
        .address = "127.0.0.1:0", .token = &token, .ask = ask, .own_metrics = own_metrics};
    ASSERT(http_server_open(&config, &server, &err) == STATUS_OK);
    ASSERT(atexit(close_server) == 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)http_server_port(server));
    return address;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct sockaddr_in address = endpoint();
    char buffer[4096];
    struct text answer = {0};
    if (size > 4 * HTTP_REQUEST_BYTES_MAX) return 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    if (size > 0) (void)!send(fd, bytes, size, MSG_NOSIGNAL); // it may have hung up already
    shutdown(fd, SHUT_WR);
    for (ssize_t count; (count = recv(fd, buffer, sizeof buffer, 0)) > 0;) text_append(&answer, buffer, (size_t)count);
    close(fd);
    ASSERT(!strstr(text_str(&answer), secret));
    ASSERT(answer.length == 0 || strncmp(text_str(&answer), "HTTP/1.", 7) == 0 || size < 16); // 0.9 has no header
    text_deinit(&answer);
    return 0;
}
