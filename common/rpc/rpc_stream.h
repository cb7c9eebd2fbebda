// A byte stream to another process, for rpc's own files: nng's tcp and ipc streams, with TLS over them where it is
// asked for, in blocking calls that know a time to give up at and that another thread can end. One thread sends and
// receives; any thread closes.
//
// Calls return nng's code, 0 for done. After a failure the stream is closed.
#ifndef FORESET_RPC_RPC_STREAM_H
#define FORESET_RPC_RPC_STREAM_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_stream;
struct rpc_tls_context;
struct rpc_stream *rpc_stream_create(void);                                        // not connected
void rpc_stream_destroy(struct rpc_stream *stream);                                // NULL allowed; nobody is in a call
int rpc_stream_dial(struct rpc_stream *stream, const char *url, int64_t until_us); // tls+: without the handshake
// The handshake of TLS, once, before anything is sent. NNG_EPEERAUTH: this side refused the other's certificate;
// NNG_ECRYPTO: the other way round, which may also show later, at the first receive; NNG_EPROTO: no TLS.
int rpc_stream_secure(struct rpc_stream *stream, struct rpc_tls_context *context, const char *host, int64_t until_us);
const char *rpc_stream_why(const struct rpc_stream *stream); // in words, where TLS is the reason; else ""
// Any thread: running and later calls fail with NNG_ECLOSED.
void rpc_stream_close(struct rpc_stream *stream);

struct rpc_stream_bytes {
    const void *bytes;
    size_t size;
};
enum { RPC_STREAM_PARTS_MAX = 4 };
// All of them; gives up when nothing moved for stall_us.
int rpc_stream_send(struct rpc_stream *stream, const struct rpc_stream_bytes *parts, unsigned count, int64_t stall_us);
// Exactly so many, by until_us (boot time).
int rpc_stream_recv(struct rpc_stream *stream, void *bytes, size_t size, int64_t until_us);
// From now on a connection that breaks ends a send under way at once, and not when it stalls.
void rpc_stream_watch(struct rpc_stream *stream);
// Calls broke, on nng's thread, when a connection breaks while it is watched or received from. Before dialling.
void rpc_stream_on_break(struct rpc_stream *stream, void (*broke)(void *context), void *context);
// Whether the other side would be let in with this context too (rpc_tls_session.h); why: why not. Without TLS: yes.
bool rpc_stream_is_good_for(struct rpc_stream *stream, struct rpc_tls_context *context);
// Without waiting: whether the other side has closed, or sent what was not asked for. For who waits for nothing now;
// watches.
bool rpc_stream_ended(struct rpc_stream *stream);

#endif
