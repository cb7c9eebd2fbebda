// One link to another endpoint, for rpc's own files: a queue, and a thread that sends what is in it.
#ifndef FORESET_RPC_RPC_PEER_H
#define FORESET_RPC_RPC_PEER_H

#include "common/rpc/rpc.h"
#include "common/rpc/rpc_tls.h"

struct rpc_peer;
struct rpc_peer_config {
    uint32_t number, self;
    enum rpc_kind kind;
    const char *url;               // copied
    struct rpc_tls_store *tls;     // outlives the peer
    const char *token;             // copied; NULL: none
    struct rpc_counters *counters; // outlive the peer
    size_t queue_bytes_max;
    int64_t deadline_us;
    // On the peer's thread; rpc.h, struct rpc_config.
    void (*refused)(void *context, uint32_t number);
    void (*lost)(void *context, uint32_t number, bool silent);
    void *context;
};
enum status rpc_peer_create(const struct rpc_peer_config *config, struct rpc_peer **ret_peer,
                            struct error *err) MUST_USE;
void rpc_peer_destroy(struct rpc_peer *peer); // NULL allowed; nobody posts any more; drops what waits
uint32_t rpc_peer_number(const struct rpc_peer *peer);
bool rpc_peer_leads_to(const struct rpc_peer *peer, const char *url, enum rpc_kind kind);

struct rpc_mail; // a message on its way
// Copies both parts.
struct rpc_mail *rpc_peer_mail(const void *head, size_t head_size, const void *bytes, size_t size);
void rpc_peer_post(struct rpc_peer *peer, struct rpc_mail *mail); // takes it; any thread, never blocks

#endif
