// Addresses of endpoints. nng would take more (zt://, ws://, names without a port) and say less about what is wrong.
#include "common/rpc/rpc_url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "common/base/text.h"

static enum status rpc_url_wrong(const char *url, bool listen, const char *why, struct error *err)
{
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "the URL '%.200s' to %s %s; write tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH, for "
                     "example tcp://127.0.0.1:7400",
                     url, listen ? "listen at" : "connect to", why);
}

static enum status rpc_url_parse_host(const char *url, const char *rest, bool listen, struct rpc_url *parsed,
                                      struct error *err)
{
    const char *end, *host = rest;
    if (*rest == '[') {
        host = rest + 1;
        end = strchr(host, ']');
        if (!end || end[1] != ':') return rpc_url_wrong(url, listen, "has no ] or no port behind it", err);
        rest = end + 1;
    } else {
        end = rest = strrchr(rest, ':');
        if (!end) return rpc_url_wrong(url, listen, "names no port", err);
    }
    size_t length = (size_t)(end - host);
    if (length >= sizeof parsed->host) return rpc_url_wrong(url, listen, "names a host that is too long", err);
    memcpy(parsed->host, host, length);
    parsed->host[length] = 0;
    if (strcmp(parsed->host, "*") == 0) parsed->host[0] = 0;
    if (strspn(parsed->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:%") !=
        strlen(parsed->host)) {
        return rpc_url_wrong(url, listen, "names a host that cannot be", err);
    }
    uint64_t port;
    if (!text_parse_u64(rest + 1, &port) || port > UINT16_MAX || (port == 0 && !listen)) {
        return rpc_url_wrong(url, listen, "has a port that is no number from 1 to 65535", err);
    }
    if (!parsed->host[0] && !listen) return rpc_url_wrong(url, listen, "names no host", err);
    parsed->port = (uint16_t)port;
    return STATUS_OK;
}

enum status rpc_url_parse(const char *url, bool listen, struct rpc_url *ret_url, struct error *err)
{
    static const struct {
        const char *prefix;
        enum rpc_url_scheme scheme;
    } schemes[] = {
        {"tcp://", RPC_URL_TCP}, {"tls+tcp://", RPC_URL_TLS}, {"ipc://", RPC_URL_IPC}, {"inproc://", RPC_URL_INPROC}};
    struct rpc_url parsed = {.scheme = RPC_URL_TCP};
    const char *rest = NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes && !rest; i++) {
        if (strncmp(url, schemes[i].prefix, strlen(schemes[i].prefix)) != 0) continue;
        parsed.scheme = schemes[i].scheme;
        rest = url + strlen(schemes[i].prefix);
    }
    if (!rest) return rpc_url_wrong(url, listen, "is of no known kind", err);
    switch (parsed.scheme) {
    case RPC_URL_IPC:
        if (*rest != '/') return rpc_url_wrong(url, listen, "has no absolute path", err);
        if (strlen(rest) >= sizeof((struct sockaddr_un *)0)->sun_path) {
            return rpc_url_wrong(url, listen, "has a path of more than 107 bytes", err);
        }
        break;
    case RPC_URL_INPROC:
        if (!*rest || strlen(rest) > 100) return rpc_url_wrong(url, listen, "has no name", err);
        break;
    case RPC_URL_TCP:
    case RPC_URL_TLS: {
        enum status status = rpc_url_parse_host(url, rest, listen, &parsed, err);
        if (status != STATUS_OK) return status;
    }
    }
    *ret_url = parsed;
    return STATUS_OK;
}

bool rpc_url_is_local(const struct rpc_url *url)
{
    struct in_addr four;
    struct in6_addr six;
    if (url->scheme == RPC_URL_IPC || url->scheme == RPC_URL_INPROC) return true;
    if (strcasecmp(url->host, "localhost") == 0) return true;
    if (inet_pton(AF_INET, url->host, &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, url->host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}
