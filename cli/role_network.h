// What both roles of a cluster do with the network, and with stores.
#ifndef FORESET_CLI_ROLE_NETWORK_H
#define FORESET_CLI_ROLE_NETWORK_H

#include "common/objstore/objstore.h"
#include "common/rpc/envelope.h"
#include "common/rpc/rpc.h"

void role_network_send(struct rpc *rpc, enum envelope_kind kind, uint64_t channel, uint32_t peer, const void *bytes,
                       size_t size);
void role_network_dial(struct rpc *rpc, uint32_t peer, const char *url, enum rpc_kind kind); // a refusal is logged
// Reads certificates and revocation lists again (SIGHUP); says in the log whether that worked.
void role_network_reload(struct rpc *rpc);
enum status role_network_open_store(void *context, const char *url, bool create, struct objstore **ret_store,
                                    struct error *err); // of `stores`: objstore_open

#endif
