// Addresses that sent malformed frames, for rpc's own files: such a one gets no new connection for a while. Loopback
// and local sockets are never shut out: everybody on the machine shares that address.
#ifndef FORESET_RPC_RPC_GUARD_H
#define FORESET_RPC_RPC_GUARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/rpc/rpc_identity.h"

enum { RPC_GUARD_ADDRESSES = 64 };
struct rpc_guard_address {
    uint64_t address; // hash; 0: free
    int64_t since_us, banned_us;
    unsigned malformed;
};
struct rpc_guard {
    pthread_mutex_t lock;
    struct rpc_guard_address addresses[RPC_GUARD_ADDRESSES]; // by hash; a newer one takes an older one's place
};
void rpc_guard_init(struct rpc_guard *guard);
void rpc_guard_deinit(struct rpc_guard *guard);
void rpc_guard_blame(struct rpc_guard *guard, const struct rpc_identity *from); // it sent a malformed frame
bool rpc_guard_allows(struct rpc_guard *guard, const struct rpc_identity *from);

#endif
