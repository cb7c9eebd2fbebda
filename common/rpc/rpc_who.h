// An identity that lives as long as somebody holds it, for rpc's own files: a connection, and each request of it.
#ifndef FORESET_RPC_RPC_WHO_H
#define FORESET_RPC_RPC_WHO_H

#include <stddef.h>
#include <sys/socket.h>

#include "common/rpc/rpc_identity.h"

struct rpc_who;
// Copies everything that from points to.
struct rpc_who *rpc_who_create(const struct rpc_identity *from);
struct rpc_who *rpc_who_ref(struct rpc_who *who);
void rpc_who_unref(struct rpc_who *who); // NULL allowed
const struct rpc_identity *rpc_who_identity(const struct rpc_who *who);
// Fills address and local; an address of another family than IPv4 and IPv6 is a local socket's.
void rpc_who_address(const struct sockaddr *address, struct rpc_identity *identity);

#endif
