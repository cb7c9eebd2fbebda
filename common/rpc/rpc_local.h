// Endpoints of this process by name (inproc://NAME), for rpc's own files: no network, no copy, no nng.
#ifndef FORESET_RPC_RPC_LOCAL_H
#define FORESET_RPC_RPC_LOCAL_H

#include "common/rpc/rpc_private.h"

bool rpc_local_add(struct rpc *rpc); // by its url; false: the name is taken
void rpc_local_remove(struct rpc *rpc);
struct rpc *rpc_local_find(const char *url); // rpc_unref; NULL: nobody listens there

#endif
