// An endpoint, as rpc's own files share it.
#ifndef FORESET_RPC_RPC_PRIVATE_H
#define FORESET_RPC_RPC_PRIVATE_H

#include <pthread.h>

#include "common/rpc/rpc.h"
#include "common/rpc/rpc_guard.h"
#include "common/rpc/rpc_tls.h"
#include "common/rpc/rpc_who.h"

struct rpc_listener;
struct rpc_peer;

struct rpc {
    _Atomic uint32_t refs; // the owner's, one per unanswered request, one per call by name (inproc)
    struct rpc_config config;
    struct rpc_counters counters;
    struct rpc_tls_store tls;
    struct rpc_tls tls_files; // copied; of the configuration
    struct rpc_guard guard;
    _Atomic uint32_t requests; // unanswered
    char url[320];
    pthread_mutex_t deliver; // held in received and requested; closed
    bool closed;
    int64_t told_since_us;         // deliver: a second of refusals
    unsigned told;                 // deliver: in it
    uint64_t untold;               // deliver: refusals since the last that was told
    struct rpc_listener *listener; // NULL: inproc
    pthread_mutex_t lock;          // peers; sending posts under it, so that none is destroyed meanwhile
    struct rpc_peer *peers[RPC_PEERS_MAX];
    unsigned peer_count;
    struct rpc *next; // in rpc_local.c's list
};

struct rpc *rpc_ref(struct rpc *rpc);
void rpc_unref(struct rpc *rpc);
// Hand a message to the owner. Any thread; after rpc_close nothing happens.
void rpc_deliver(struct rpc *rpc, uint32_t sender, const struct rpc_who *from, const void *bytes, size_t size);
// Tell the owner of a connection that was refused. Any thread.
void rpc_tell_refused(struct rpc *rpc, const struct rpc_identity *from, const char *why);

#endif
