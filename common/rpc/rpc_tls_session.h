// One side of a TLS connection as a machine of bytes, for rpc's own files: what comes from the network is fed, what is
// to go there is taken. No sockets, no waiting, one thread at a time.
#ifndef FORESET_RPC_RPC_TLS_SESSION_H
#define FORESET_RPC_RPC_TLS_SESSION_H

#include <stdint.h>

#include "common/rpc/rpc_tls.h"
#include "common/rpc/rpc_who.h"

struct rpc_tls_session;
enum rpc_tls_step {
    RPC_TLS_DONE,
    RPC_TLS_MORE,         // feed more first
    RPC_TLS_ENDED,        // the other side said goodbye
    RPC_TLS_REFUSED_THEM, // this side does not accept the other's certificate
    RPC_TLS_REFUSED_THIS, // the other side does not accept this one's
    RPC_TLS_BROKEN,       // no TLS, or a version or cipher that this side does not take, or damaged
};
// Takes a reference of the context. host: NULL to listen; else the host that is dialled, whose name is checked.
struct rpc_tls_session *rpc_tls_session_create(struct rpc_tls_context *context, const char *host);
void rpc_tls_session_destroy(struct rpc_tls_session *session); // NULL allowed
void rpc_tls_session_feed(struct rpc_tls_session *session, const void *bytes, size_t size);
// What is to go to the network, until it is taken away with rpc_tls_session_sent; also after a failure (an alert).
size_t rpc_tls_session_output(struct rpc_tls_session *session, const uint8_t **ret_bytes);
void rpc_tls_session_sent(struct rpc_tls_session *session, size_t size);
enum rpc_tls_step rpc_tls_session_handshake(struct rpc_tls_session *session);
// DONE: *ret_size bytes, at least one, have been read. After the handshake.
enum rpc_tls_step rpc_tls_session_read(struct rpc_tls_session *session, void *bytes, size_t size, size_t *ret_size);
bool rpc_tls_session_has_more(struct rpc_tls_session *session); // to read without another feed, perhaps
// Encrypts all bytes into the output. After the handshake.
enum rpc_tls_step rpc_tls_session_write(struct rpc_tls_session *session, const void *bytes, size_t size);
// Of a step that failed: words that say what is wrong and what to do.
const char *rpc_tls_session_why(const struct rpc_tls_session *session);
// Whether the other side would be let in with this context too, which is its own from then on; why: why not. After the
// handshake. The name that was dialled is not compared again.
bool rpc_tls_session_is_good_for(struct rpc_tls_session *session, struct rpc_tls_context *context);
// After the handshake: identity with the names of the other side's certificate.
struct rpc_who *rpc_tls_session_who(struct rpc_tls_session *session, const struct rpc_identity *known);

#endif
