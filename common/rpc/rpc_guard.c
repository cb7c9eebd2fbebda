// Who misbehaved lately. Bounded: two addresses that fall into one place forget each other. Cannot fail.
#include "common/rpc/rpc_guard.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/rpc/rpc.h"

void rpc_guard_init(struct rpc_guard *guard)
{
    *guard = (struct rpc_guard){0};
    pthread_mutex_init(&guard->lock, NULL);
}

void rpc_guard_deinit(struct rpc_guard *guard)
{
    pthread_mutex_destroy(&guard->lock);
}

// Without the port; 0 for those of this machine.
static uint64_t rpc_guard_hash(const struct rpc_identity *from)
{
    const char *port = strrchr(from->address, ':');
    if (from->local || !port) return 0;
    return hash_64(from->address, (size_t)(port - from->address), 4);
}

void rpc_guard_blame(struct rpc_guard *guard, const struct rpc_identity *from)
{
    uint64_t hash = rpc_guard_hash(from);
    if (hash == 0) return;
    int64_t now = clock_boot_us(clock_system());
    struct rpc_guard_address *at = &guard->addresses[hash % RPC_GUARD_ADDRESSES];
    pthread_mutex_lock(&guard->lock);
    if (at->address != hash || now - at->since_us > RPC_MALFORMED_US) {
        int64_t banned_us = at->address == hash ? at->banned_us : 0;
        *at = (struct rpc_guard_address){.address = hash, .since_us = now, .banned_us = banned_us};
    }
    if (++at->malformed >= RPC_MALFORMED_MAX) at->banned_us = now + RPC_MALFORMED_US;
    pthread_mutex_unlock(&guard->lock);
}

bool rpc_guard_allows(struct rpc_guard *guard, const struct rpc_identity *from)
{
    uint64_t hash = rpc_guard_hash(from);
    const struct rpc_guard_address *at = &guard->addresses[hash % RPC_GUARD_ADDRESSES];
    pthread_mutex_lock(&guard->lock);
    bool banned = hash != 0 && at->address == hash && at->banned_us > clock_boot_us(clock_system());
    pthread_mutex_unlock(&guard->lock);
    return !banned;
}
