// Addresses of endpoints: tcp://HOST:PORT, tls+tcp://HOST:PORT, ipc:///PATH, inproc://NAME.
#ifndef FORESET_RPC_RPC_URL_H
#define FORESET_RPC_RPC_URL_H

#include <stdint.h>

#include "common/base/error.h"

enum rpc_url_scheme { RPC_URL_TCP, RPC_URL_TLS, RPC_URL_IPC, RPC_URL_INPROC };
struct rpc_url {
    enum rpc_url_scheme scheme;
    char host[256]; // tcp, tls; without brackets; "": every interface (only to listen at)
    uint16_t port;  // 0: any free one (only to listen at)
};

// STATUS_INVALID, ERROR_USAGE: one message with an example.
enum status rpc_url_parse(const char *url, bool listen, struct rpc_url *ret_url, struct error *err) MUST_USE;
// Only processes of this machine reach it.
bool rpc_url_is_local(const struct rpc_url *url);

#endif
