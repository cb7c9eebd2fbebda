// A client's request between the connection that brought it and the owner who answers it, for rpc's own files.
#ifndef FORESET_RPC_RPC_REQUEST_H
#define FORESET_RPC_RPC_REQUEST_H

#include "common/rpc/rpc_private.h"

// Hands it to the owner; takes bytes. The caller waits for the answer and ends with rpc_request_unref. NULL: refused,
// and *ret_why says why.
struct rpc_request *rpc_request_begin(struct rpc *rpc, struct rpc_who *from, void *bytes, size_t size,
                                      const char **ret_why);
const struct rpc_who *rpc_request_who(const struct rpc_request *request);
// False: not answered by until_us (boot time; INT64_MAX: for ever), or abandoned. answer is the request's.
bool rpc_request_wait(struct rpc_request *request, int64_t until_us, bool *ret_refused, const void **ret_answer,
                      size_t *ret_size);
// The owner's answer; copies the bytes, never blocks. Once.
void rpc_request_answer(struct rpc_request *request, bool refused, const void *bytes, size_t size);
void rpc_request_abandon(struct rpc_request *request); // any thread: whoever waits waits no longer
void rpc_request_unref(struct rpc_request *request);

#endif
