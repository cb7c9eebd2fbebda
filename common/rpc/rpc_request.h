// A client's request between the connection that brought it and the owner who answers it, for rpc's own files.
#ifndef FORESET_RPC_RPC_REQUEST_H
#define FORESET_RPC_RPC_REQUEST_H

#include "common/rpc/rpc_private.h"

// Hands it to the owner; takes bytes. The caller waits for the answer and ends with rpc_request_unref. NULL: refused,
// and *ret_why says why.
struct rpc_request *rpc_request_begin(struct rpc *rpc, struct rpc_who *from, void *bytes, size_t size,
                                      const char **ret_why);
const struct rpc_who *rpc_request_who(const struct rpc_request *request);
// False: not answered by until_us (boot time; INT64_MAX: for ever). answer is the request's.
bool rpc_request_wait(struct rpc_request *request, int64_t until_us, bool *ret_refused, const void **ret_answer,
                      size_t *ret_size);
// The owner's answer; copies the bytes, never blocks. Once.
void rpc_request_answer(struct rpc_request *request, bool refused, const void *bytes, size_t size);
// Instead of waiting: answered is called once, by whoever answers, and must not block. False: it has an answer already.
bool rpc_request_watch(struct rpc_request *request, void (*answered)(void *context), void *context);
bool rpc_request_unwatch(struct rpc_request *request); // false: answered was called, or nothing is watched
// Of a request that has an answer.
void rpc_request_answer_of(const struct rpc_request *request, bool *ret_refused, const void **ret_answer,
                           size_t *ret_size);
void rpc_request_unref(struct rpc_request *request);

#endif
