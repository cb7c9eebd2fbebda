// The threads that serve an endpoint's connections, and what they share with a connection, for rpc_listener.c,
// rpc_loop.c and rpc_connection.c.
//
// A loop is one thread over many connections. The first loop of an endpoint, the greeter, accepts, shakes hands and
// waits for the first frame; it calls nothing of the owner's but refused_connection. Then a connection moves to a
// serving loop and stays there, so who floods the door does not slow down who is inside.
#ifndef FORESET_RPC_RPC_LOOP_H
#define FORESET_RPC_RPC_LOOP_H

#include "common/base/thread.h"
#include "common/rpc/rpc_connection.h"
#include "common/rpc/rpc_private.h"

enum {
    RPC_LOOPS_MAX = 5, // the greeter, and up to four that serve
    RPC_LOOP_BUFFER_BYTES = 64 << 10,
    RPC_LOOP_ADDRESSES = 65536, // places of addresses, by hash; two that fall into one share its bounds
};

struct rpc_loop {
    struct rpc_listener *listener;
    int epoll, wake;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    bool stopping;                   // lock
    struct rpc_connection *arriving; // lock: handed over, by later
    struct rpc_connection *answered; // lock: whose requests have an answer, by later
    // The thread's:
    struct rpc_connection *connections; // newest first
    struct rpc_connection *dead;        // freed when the events at hand are done with, by later
    uint8_t *buffer;                    // what was read
    uint8_t *plain;                     // decrypted
    int64_t tick_us;                    // when deadlines are looked at next
};
struct rpc_listener {
    struct rpc *rpc;
    int fd, spare;  // spare: a descriptor to give up when there are no others
    char path[108]; // of a local socket; "": none
    bool secure;
    bool paused; // the greeter's: accepts nothing until the next tick
    struct rpc_loop loops[RPC_LOOPS_MAX];
    unsigned loop_count;
    _Atomic unsigned next_loop;
    uint64_t seed;
    unsigned connections_max, address_max, greetings_max, greetings_address_max, descriptors_max;
    _Atomic unsigned connections, greetings;
    _Atomic unsigned by_address[RPC_LOOP_ADDRESSES];  // connections
    unsigned greeting_by_address[RPC_LOOP_ADDRESSES]; // the greeter's
    int64_t counted_us;                               // the greeter's: when the open descriptors were counted
    unsigned descriptors; // the greeter's: those of the process that are no accepted connections
};

// False: no thread or descriptor is to be had; rpc_loop_deinit all the same.
bool rpc_loop_start(struct rpc_loop *loop, struct rpc_listener *listener, const char *name, void *(*run)(void *));
void rpc_loop_stop(struct rpc_loop *loop);   // joins its thread
void rpc_loop_deinit(struct rpc_loop *loop); // closes its connections
void rpc_loop_wake(struct rpc_loop *loop);   // any thread
// The loop's thread: it serves the connection from now on.
void rpc_loop_admit(struct rpc_loop *loop, struct rpc_connection *connection);
void *rpc_loop_run(void *loop); // of a serving loop
// One wait and what came of it. accepts: what an event without a connection means; NULL: cannot be. False: stopping.
bool rpc_loop_turn(struct rpc_loop *loop, void (*accepts)(struct rpc_listener *listener));

#endif
