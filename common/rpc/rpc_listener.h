// Where an endpoint listens, and who is connected, for rpc's own files.
#ifndef FORESET_RPC_RPC_LISTENER_H
#define FORESET_RPC_RPC_LISTENER_H

#include "common/rpc/rpc_private.h"
#include "common/rpc/rpc_url.h"

// Listens at rpc->config.url and writes rpc->url.
enum status rpc_listener_open(struct rpc *rpc, const struct rpc_url *parsed, struct rpc_listener **ret_listener,
                              struct error *err) MUST_USE;
void rpc_listener_close(struct rpc_listener *listener); // NULL allowed; nothing is delivered afterwards

#endif
