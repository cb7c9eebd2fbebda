// Keys and certificates, for rpc's own files. What OpenSSL checks when a connection is made:
//   both sides   the other's certificate chain leads to an authority of ca_file, is in its time, is for its use (TLS
//                client or server, where the certificate limits it), and is not in a revocation list; a side without a
//                certificate is refused; TLS 1.2 or 1.3
//   dialling     besides, the name: server_name, else the host of the URL, is among the certificate's DNS names (with
//                wildcards), or is its common name if it has no DNS names. An address of numbers is compared with the
//                certificate's IP addresses, then like a name
//   listening    not the name: any certificate of an authority may dial. Its names are in struct rpc_identity
// With crl_file, or revocation lists in ca_file, every authority that signs certificates must have a list that is in
// its time; certificates of an authority without one are refused.
#ifndef FORESET_RPC_RPC_TLS_H
#define FORESET_RPC_RPC_TLS_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "common/rpc/rpc.h"

// What files said when they were read. Immutable; lives as long as somebody holds it.
struct rpc_tls_context {
    _Atomic unsigned refs;
    SSL_CTX *ssl;
    char *server_name; // NULL: the host of the URL
};
// The newest context of an endpoint. All zero but for the lock: no TLS.
struct rpc_tls_store {
    pthread_mutex_t lock;
    struct rpc_tls_context *context; // lock
    _Atomic uint64_t generation;     // of the context
};

// tls NULL: *ret_context is NULL. STATUS_INVALID, ERROR_USAGE with the file's name.
enum status rpc_tls_load(const struct rpc_tls *tls, struct rpc_tls_context **ret_context, struct error *err) MUST_USE;
void rpc_tls_unref(struct rpc_tls_context *context); // NULL allowed

void rpc_tls_store_init(struct rpc_tls_store *store);
void rpc_tls_store_deinit(struct rpc_tls_store *store);
void rpc_tls_store_set(struct rpc_tls_store *store, struct rpc_tls_context *context); // takes it
struct rpc_tls_context *rpc_tls_store_get(struct rpc_tls_store *store);               // rpc_tls_unref; NULL: no TLS
// STATUS_INVALID, ERROR_USAGE: the URL needs TLS and the store has none.
enum status rpc_tls_store_check(struct rpc_tls_store *store, const char *url, struct error *err) MUST_USE;

#endif
