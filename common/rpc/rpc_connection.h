// One accepted connection as a machine of states, for rpc's own files. All calls are its loop's thread's.
#ifndef FORESET_RPC_RPC_CONNECTION_H
#define FORESET_RPC_RPC_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc/rpc_frame.h"

struct rpc_loop;
struct rpc_listener;
struct rpc_tls_context;
struct rpc_tls_session;
struct rpc_who;

//   SECURING ──► FRAMES ◄──► WAITING        (WAITING: a request has no answer yet; nothing is read)
//       │          │ ▲           │
//       │          ▼ └─ANSWERING◄┘          (what is to be sent does not fit into the socket now)
//       └───────► ENDING ──► gone           (sends what is left, and reads until the other side has seen it)
enum rpc_connection_state {
    RPC_CONNECTION_SECURING,
    RPC_CONNECTION_FRAMES,
    RPC_CONNECTION_WAITING,
    RPC_CONNECTION_ANSWERING,
    RPC_CONNECTION_ENDING,
    RPC_CONNECTION_GONE,
};
struct rpc_connection {
    struct rpc_connection *next, *previous; // in its loop
    struct rpc_connection *later;           // in one of the loop's other lists
    struct rpc_listener *listener;
    struct rpc_loop *loop;
    int fd;
    unsigned place;  // of its address, in the listener's counts
    uint32_t events; // that epoll reports
    enum rpc_connection_state state;
    bool greeted; // its first frame has come
    bool tired;   // it has had its turn: nothing more is read from the socket
    bool shut;    // ENDING: nothing more is sent
    int64_t deadline_us;
    struct rpc_who *who;
    struct rpc_tls_session *session; // NULL: no TLS
    // The frame that comes.
    uint8_t header[RPC_FRAME_BYTES];
    size_t header_size, body_size; // of it that have come
    struct rpc_frame frame;
    unsigned frames; // that came before; saturates at 2
    uint8_t *body;   // frame.size bytes, once the header is there
    size_t capacity;
    uint8_t *kept; // bytes behind what could be handled: [kept_begin, kept_end)
    size_t kept_begin, kept_end;
    // The answer that goes.
    struct rpc_request *request; // whose answer is waited for or sent
    uint8_t answer_header[RPC_FRAME_BYTES];
    const uint8_t *answer;
    size_t answer_size, answer_sent; // with the header
    char words[256];                 // of a refusal
};

// Takes the descriptor, and references of who and of what session holds.
struct rpc_connection *rpc_connection_create(struct rpc_listener *listener, int fd, struct rpc_who *who,
                                             struct rpc_tls_session *session);
void rpc_connection_destroy(struct rpc_connection *connection); // that is not in a loop
// Goes as far as it can without waiting.
void rpc_connection_pump(struct rpc_connection *connection);
// Its request has an answer.
void rpc_connection_answered(struct rpc_connection *connection);
// It has come to its serving loop.
void rpc_connection_arrive(struct rpc_connection *connection);
// Its deadline is over.
void rpc_connection_expire(struct rpc_connection *connection);
// Closed when the other side's certificate is not good for this context, which may be newer than its own.
void rpc_connection_check(struct rpc_connection *connection, struct rpc_tls_context *context);
// Moves a connection from its loop's list and epoll to the loop's dead. why: reported to the owner; NULL: no report.
void rpc_connection_close(struct rpc_connection *connection, const char *why);

#endif
