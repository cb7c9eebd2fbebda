// Messages between processes, or between two threads of one (inproc://): the only place that knows nng.
//
// Each side listens at an address of its own and dials the others'; a message carries its sender's number. Messages of
// one sender arrive in order and at most once; a cut connection loses what was under way (P15: nothing is resent).
#ifndef FORESET_RPC_RPC_H
#define FORESET_RPC_RPC_H

#include <stdint.h>

#include "common/base/error.h"

struct rpc;

// received: called from rpc's own thread; the bytes are borrowed.
enum status rpc_open(const char *url, uint32_t self,
                     void (*received)(void *context, uint32_t peer, const void *bytes, size_t size), void *context,
                     struct rpc **ret_rpc, struct error *err) MUST_USE;
// From now on rpc_send(peer) goes to url. Before the other side listens, messages wait.
enum status rpc_dial(struct rpc *rpc, uint32_t peer, const char *url, struct error *err) MUST_USE;
// Never blocks; unknown peer: dropped.
void rpc_send(struct rpc *rpc, uint32_t peer, const void *bytes, size_t size);
void rpc_close(struct rpc *rpc); // NULL allowed

#endif
