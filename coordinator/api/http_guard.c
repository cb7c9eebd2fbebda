// The HTTP server's door. What can fail: an address that is invalid or not allowed, a file that cannot be read. A
// connection that takes too long is shut down, not closed: its descriptor stays its owner's, so no other one can be
// hit.
#include "coordinator/api/http_guard.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/memory.h"

enum { HTTP_FILE_MAX = 1 << 20 };

static bool http_guard_parse(const char *address, struct http_address *parsed)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    uint64_t port = 0;
    if (!colon || !text_parse_u64(colon + 1, &port) || port > UINT16_MAX) return false;
    bool brackets = address[0] == '[' && colon > address + 1 && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - address - (brackets ? 2 : 0)), address + (brackets ? 1 : 0));
    parsed->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    parsed->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    parsed->is_v6 = inet_pton(AF_INET, host, &parsed->v4.sin_addr) != 1;
    return !parsed->is_v6 || inet_pton(AF_INET6, host, &parsed->v6.sin6_addr) == 1;
}

enum status http_guard_address(const struct http_server_config *config, struct http_address *ret_address,
                               struct error *err)
{
    struct http_address parsed = {0};
    bool tls = config->certificate_file || config->key_file;
    if (!http_guard_parse(config->address, &parsed)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "--http %s: expected ADDRESS:PORT, e.g. 127.0.0.1:7480",
                         config->address);
    }
    if (tls && !(config->certificate_file && config->key_file)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "HTTPS needs --http-tls-cert and --http-tls-key together; the %s is missing",
                         config->key_file ? "certificate" : "key");
    }
    bool local = parsed.is_v6 ? IN6_IS_ADDR_LOOPBACK(&parsed.v6.sin6_addr)
                              : ntohl(parsed.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (!tls && !local && !config->insecure) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "--http %s would answer anybody, and tokens would go over the network unencrypted: give "
                         "--http-tls-cert and --http-tls-key, take a loopback address (127.0.0.1:7480), or say "
                         "--insecure",
                         config->address);
    }
    *ret_address = parsed;
    return STATUS_OK;
}

enum status http_guard_read(const char *path, char **ret_pem, struct error *err)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return error_set_errno(err, ERROR_USAGE, "cannot read %s", path);
    char *pem = memory_calloc(1, HTTP_FILE_MAX + 1);
    size_t length = 0;
    ssize_t count;
    while ((count = read(file, pem + length, HTTP_FILE_MAX - length)) > 0) length += (size_t)count;
    close(file);
    if (count < 0 || length == HTTP_FILE_MAX || !strstr(pem, "-----BEGIN ")) {
        http_guard_wipe(pem);
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "%s is no PEM file: one begins with -----BEGIN", path);
    }
    *ret_pem = pem;
    return STATUS_OK;
}

void http_guard_wipe(char *pem)
{
    if (pem) explicit_bzero(pem, strlen(pem));
    memory_free(pem);
}

void http_guard_text(const struct sockaddr *address, char ret_text[HTTP_ADDRESS_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        port = ntohs(v6->sin6_port);
    } else if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        port = ntohs(v4->sin_port);
    }
    snprintf(ret_text, HTTP_ADDRESS_SIZE, address->sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
}

enum http_right http_guard_right(const struct access_token *token, const char *header)
{
    static const char scheme[] = "Bearer ";
    if (!header) return HTTP_PUBLIC;
    if (!token) return HTTP_NOBODY;
    if (strncasecmp(header, scheme, sizeof scheme - 1) != 0) return HTTP_WRONG; // RFC 9110, 11.1
    return access_token_equal(token, header + sizeof scheme - 1) ? HTTP_ALL : HTTP_WRONG;
}

// ---- A connection's time ----

void http_guard_init(struct http_guard *guard)
{
    *guard = (struct http_guard){0};
    pthread_mutex_init(&guard->lock, NULL);
}

void http_guard_deinit(struct http_guard *guard)
{
    vector_deinit(&guard->connections);
    pthread_mutex_destroy(&guard->lock);
}

void http_guard_opened(struct http_guard *guard, int socket, int64_t now_us)
{
    struct http_connection connection = {socket, now_us};
    pthread_mutex_lock(&guard->lock);
    vector_push(&guard->connections, connection);
    pthread_mutex_unlock(&guard->lock);
}

void http_guard_closed(struct http_guard *guard, int socket)
{
    pthread_mutex_lock(&guard->lock);
    for (size_t i = 0; i < guard->connections.count; i++) {
        if (guard->connections.items[i].socket != socket) continue;
        vector_remove(&guard->connections, i);
        break;
    }
    pthread_mutex_unlock(&guard->lock);
}

size_t http_guard_expire(struct http_guard *guard, int64_t now_us, int64_t age_us)
{
    size_t expired = 0;
    pthread_mutex_lock(&guard->lock);
    for (size_t i = guard->connections.count; i-- > 0;) {
        if (now_us - guard->connections.items[i].since_us <= age_us) continue;
        shutdown(guard->connections.items[i].socket, SHUT_RDWR);
        vector_remove(&guard->connections, i);
        expired++;
    }
    pthread_mutex_unlock(&guard->lock);
    return expired;
}
