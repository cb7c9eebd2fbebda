// Messages between processes, or between two threads of one (inproc://): the only folder that knows nng.
//
// A worker listens at one URL and takes messages there. A coordinator listens at one URL for everything: with
// `requested` set the endpoint answers: other roles' messages with an empty acknowledgement, clients' requests with
// whatever rpc_reply gives. Each side dials the others by number; a message carries its sender's number.
//
// Messages of one sender arrive in order and at most once; nothing is resent (P15). A cut connection loses what was
// under way, and what the other side had not read of the old connection may come after what the new one brings: the
// numbers in the messages tell. Over a network these are nng's streams (rpc_stream.c says why not its sockets) with
// frames of our own (rpc_frame.h); inproc:// leads from thread to thread.
#ifndef FORESET_RPC_RPC_H
#define FORESET_RPC_RPC_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/rpc/rpc_identity.h"

#define RPC_MESSAGE_BYTES_MAX ((64u << 20) + 4096) // of a message, where the configuration does not say
#define RPC_QUEUE_BYTES_MAX   (256u << 20)         // that wait for one peer, the same
#define RPC_DEADLINE_US       5000000              // the same
#define RPC_GREETING_US       10000000             // the same
#define RPC_PEERS_MAX         1024                 // dialled by one endpoint
#define RPC_CONNECTIONS_MAX   2048     // accepted by one endpoint, fewer where ulimit -n is low; more are closed
#define RPC_DESCRIPTORS_KEPT  64       // of the process, which connections leave free
#define RPC_REQUESTS_MAX      256      // unanswered at one endpoint; more are refused
#define RPC_MALFORMED_MAX     8        // frames from one address within RPC_MALFORMED_US, then
#define RPC_MALFORMED_US      10000000 // that address gets no new connection for as long again
#define RPC_REFUSALS_TOLD_MAX 16       // connections a second
#define RPC_TOKEN_BYTES_MAX   1024     // of a token

struct rpc;
struct rpc_request;

// PEM files. Both sides show a certificate and check the other's against the authorities in ca_file. The dialling side
// checks besides that the certificate is made out to the host of the URL (rpc_tls.h says how).
struct rpc_tls {
    const char *ca_file, *certificate_file, *key_file;
    const char *server_name; // the name that certificates of endpoints are made out to; NULL: the host of the URL
    const char *crl_file;    // PEM: certificates that their authority withdrew; NULL: none but those in ca_file
};

// What the dialling side shows. A part that is NULL is not shown.
struct rpc_credentials {
    const struct rpc_tls *tls;
    const char *token; // sent before anything else; the endpoint's owner decides what it is worth
};

struct rpc_config {
    const char *url;
    uint32_t self;             // this side's number, as others know it
    const struct rpc_tls *tls; // for tls+tcp://, both to listen and to dial; NULL: none. Files are read by rpc_open
    const char *token;         // that dialled connections send first, at most RPC_TOKEN_BYTES_MAX bytes; NULL: none
    size_t message_bytes_max;  // 0: RPC_MESSAGE_BYTES_MAX; a larger message closes the connection that brings it
    size_t queue_bytes_max;    // per peer, 0: RPC_QUEUE_BYTES_MAX; what comes beyond is dropped and counted
    int64_t greeting_us;       // 0: RPC_GREETING_US. From accepting to the first frame, TLS handshake included
    int64_t deadline_us;       // 0: RPC_DEADLINE_US. A message is dropped and counted when its peer has taken
                               // nothing for so long since it was sent; an unacknowledged one is given up
    // On a thread of rpc's, one call at a time, together with requested; bytes are borrowed for the call. Must be
    // short, may send and reply, must not dial or hang up. from: who sent it, borrowed for the call too; peer is only
    // the number that the sender gives itself.
    void (*received)(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes, size_t size);
    // NULL: the endpoint takes messages only and refuses requests. bytes live until the request is answered, which any
    // thread does, once, by rpc_reply or rpc_refuse, in any order, also after rpc_close.
    void (*requested)(void *context, struct rpc_request *request, const void *bytes, size_t size);
    // NULL: nobody asks. The connection to a peer that is dialled broke, and nobody listens there any more: its process
    // has most likely ended. Once per connection lost, within milliseconds; a machine that is gone refuses nothing and
    // is not told. On a thread of rpc's, like received.
    void (*refused)(void *context, uint32_t peer);
    // NULL: nobody asks. Of what was sent to this peer, something did not arrive or may not have. silent: nothing goes
    // through to it; else it is there again. On a thread of rpc's, like received.
    void (*lost)(void *context, uint32_t peer, bool silent);
    // NULL: nobody asks. A connection was not served, or was closed for what it sent. On a thread of rpc's, like
    // received. Of many within a second only the first RPC_REFUSALS_TOLD_MAX call it; counters count all.
    void (*refused_connection)(void *context, const struct rpc_identity *from, const char *why);
    void *context;
};

enum rpc_kind {
    RPC_PUSH,    // as fast as the other side takes them; whether they arrived is asked now and then
    RPC_REQUEST, // one message under way; the next when its arrival is known, or it is given up
    RPC_WATCH,   // no messages: connected for as long as the other side is there, so that its end is told (refused)
};

// Since rpc_open. Any thread reads them at any time.
struct rpc_counters {
    _Atomic uint64_t sent, sent_bytes;         // known to have arrived
    _Atomic uint64_t received, received_bytes; // messages delivered
    _Atomic uint64_t requests, refused;        // clients' requests handed on; refused, also for their version
    _Atomic uint64_t dropped_unknown;          // to a number that is not dialled
    _Atomic uint64_t dropped_full;             // beyond queue_bytes_max
    _Atomic uint64_t dropped_late;             // no way to its peer within the deadline
    _Atomic uint64_t dropped_hangup;           // waited when the peer was hung up, replaced or closed
    _Atomic uint64_t unacknowledged;           // sent, then the connection broke: they may have arrived
    _Atomic uint64_t malformed;                // frames; each closed its connection
    _Atomic uint64_t connections;              // accepted
    _Atomic uint64_t connections_refused;      // closed for a bound: of connections, descriptors, RPC_MALFORMED_MAX
    _Atomic uint64_t handshakes_failed;        // of TLS, accepted connections
    _Atomic uint64_t reconnected;              // links whose connection was made again
    _Atomic uint64_t errors;                   // handshakes that failed, halts within a frame, answers not taken, …
};
// Every rpc_send ends in one of sent, dropped_… and unacknowledged.

// ERROR_USAGE: URL or TLS file wrong; else the address cannot be listened at (taken, not of this machine, not allowed).
enum status rpc_open(const struct rpc_config *config, struct rpc **ret_rpc, struct error *err) MUST_USE;
// Hangs up all peers; no call of received or requested runs afterwards. Nobody else uses the endpoint meanwhile or
// later, but to answer requests: whoever sends is stopped first. NULL allowed.
void rpc_close(struct rpc *rpc);
// Reads certificate, key, authorities and revocation list again. Connections that are made from now on use them; those
// whose other side would not be let in now (revoked, out of its time, its authority gone) are closed: accepted ones
// within 250 ms, dialled ones before the next message or PING. The others go on. A file that is wrong: nothing changes,
// ERROR_USAGE names it. Any thread; without TLS: nothing.
enum status rpc_reload(struct rpc *rpc, struct error *err) MUST_USE;
// Where it listens, with the port that was taken for port 0.
const char *rpc_url(const struct rpc *rpc);
const struct rpc_counters *rpc_counters(const struct rpc *rpc);

// From now on rpc_send(peer) goes to url; whether anybody is there shows later, and connections are made again by
// themselves. The same number, URL and kind again: nothing happens. Another: the old link is hung up. Any thread.
enum status rpc_dial(struct rpc *rpc, uint32_t peer, const char *url, enum rpc_kind kind, struct error *err) MUST_USE;
// What waits for the peer is dropped. hangup + dial makes a fresh connection. Any thread; unknown peer: nothing.
void rpc_hangup(struct rpc *rpc, uint32_t peer);
// Never blocks; the bytes are copied. Any thread.
void rpc_send(struct rpc *rpc, uint32_t peer, const void *bytes, size_t size);
// The same of a message that lies in two places.
void rpc_send_parts(struct rpc *rpc, uint32_t peer, const void *head, size_t head_size, const void *bytes, size_t size);

// Who asks. Valid until the request is answered.
const struct rpc_identity *rpc_request_from(const struct rpc_request *request);
// Answer a request. Once; the request is gone afterwards.
void rpc_reply(struct rpc_request *request, const void *bytes, size_t size);
void rpc_refuse(struct rpc_request *request, const char *why);

// A client's request, blocking. credentials NULL: none. *ret_reply is freed with memory_free. Failures (the message
// names the URL):
//   STATUS_INVALID (ERROR_USAGE)  URL or TLS file wrong
//   STATUS_ERROR (ERROR_RETRY)    not reached: cannot resolve, refused, no connection within the deadline
//   STATUS_ERROR (ERROR_FAIL_PIPELINE)  certificate refused by one of the sides, no Foreset endpoint
//   STATUS_CONFLICT               the endpoint refused the request, in its words (also: a worker's, another version)
//   STATUS_UNKNOWN (ERROR_RETRY)  sent, but no answer within the deadline: it may have been done
enum status rpc_call(const char *url, const struct rpc_credentials *credentials, const void *bytes, size_t size,
                     int64_t deadline_us, void **ret_reply, size_t *ret_size, struct error *err) MUST_USE;
// Only connects, and fails as rpc_call: says why a peer cannot be reached, which rpc_dial keeps to itself.
enum status rpc_probe(const char *url, const struct rpc_credentials *credentials, int64_t deadline_us,
                      struct error *err) MUST_USE;

// Whether an endpoint may listen there: without TLS only where none but this machine's processes reach it, unless
// insecure. ERROR_USAGE with one message.
enum status rpc_check_listen(const char *url, const struct rpc_tls *tls, bool insecure, struct error *err) MUST_USE;

#endif
