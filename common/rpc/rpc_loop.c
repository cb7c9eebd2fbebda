// Loops. What can fail: a thread or descriptor is not to be had when an endpoint opens (said there). Later nothing is
// created but connections, so that a process at its limits goes on with those that it has.
#include "common/rpc/rpc_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"

enum { RPC_LOOP_EVENTS = 64, RPC_LOOP_TICK_MS = 250 };

bool rpc_loop_start(struct rpc_loop *loop, struct rpc_listener *listener, const char *name, void *(*run)(void *))
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = loop};
    loop->listener = listener;
    pthread_mutex_init(&loop->lock, NULL);
    loop->buffer = memory_alloc(RPC_LOOP_BUFFER_BYTES);
    loop->plain = memory_alloc(RPC_LOOP_BUFFER_BYTES);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll < 0 || loop->wake < 0) return false;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) return false;
    loop->started = thread_try_create(&loop->thread, name, run, loop);
    return loop->started;
}

void rpc_loop_wake(struct rpc_loop *loop)
{
    const uint64_t one = 1;
    ssize_t ignored = write(loop->wake, &one, sizeof one);
    (void)ignored;
}

void rpc_loop_stop(struct rpc_loop *loop)
{
    if (!loop->started) return;
    pthread_mutex_lock(&loop->lock);
    loop->stopping = true;
    pthread_mutex_unlock(&loop->lock);
    rpc_loop_wake(loop);
    thread_join(loop->thread);
    loop->started = false;
}

static void rpc_loop_bury(struct rpc_loop *loop)
{
    while (loop->dead) {
        struct rpc_connection *connection = loop->dead;
        loop->dead = connection->later;
        rpc_connection_destroy(connection);
    }
}

static void rpc_loop_add(struct rpc_loop *loop, struct rpc_connection *connection)
{
    connection->loop = loop;
    connection->previous = NULL;
    connection->next = loop->connections;
    if (loop->connections) loop->connections->previous = connection;
    loop->connections = connection;
}

void rpc_loop_admit(struct rpc_loop *loop, struct rpc_connection *connection)
{
    struct epoll_event event = {.events = connection->events, .data.ptr = connection};
    rpc_loop_add(loop, connection);
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        rpc_connection_close(connection, "the kernel watches no more connections for this user");
}

void rpc_loop_deinit(struct rpc_loop *loop)
{
    if (!loop->listener) return; // never begun
    while (loop->arriving) {
        struct rpc_connection *connection = loop->arriving;
        loop->arriving = connection->later;
        rpc_loop_add(loop, connection);
    }
    while (loop->connections) rpc_connection_close(loop->connections, NULL);
    rpc_loop_bury(loop);
    if (loop->epoll >= 0) close(loop->epoll);
    if (loop->wake >= 0) close(loop->wake);
    pthread_mutex_destroy(&loop->lock);
    memory_free(loop->buffer);
    memory_free(loop->plain);
}

// What other threads have left here. False: stopping.
static bool rpc_loop_take(struct rpc_loop *loop)
{
    uint64_t count;
    ssize_t ignored = read(loop->wake, &count, sizeof count);
    (void)ignored;
    pthread_mutex_lock(&loop->lock);
    bool stopping = loop->stopping;
    struct rpc_connection *arriving = stopping ? NULL : loop->arriving;
    struct rpc_connection *answered = stopping ? NULL : loop->answered;
    if (!stopping) loop->arriving = loop->answered = NULL;
    pthread_mutex_unlock(&loop->lock);
    while (answered) {
        struct rpc_connection *connection = answered;
        answered = connection->later;
        rpc_connection_answered(connection);
        rpc_connection_pump(connection);
    }
    while (arriving) {
        struct rpc_connection *connection = arriving;
        arriving = connection->later;
        rpc_loop_admit(loop, connection);
        rpc_connection_arrive(connection);
    }
    return !stopping;
}

static void rpc_loop_expire(struct rpc_loop *loop)
{
    int64_t now = clock_boot_us(clock_system());
    if (now < loop->tick_us) return;
    loop->tick_us = now + RPC_LOOP_TICK_MS * 1000;
    struct rpc_tls_context *context = rpc_tls_store_get(&loop->listener->rpc->tls);
    for (struct rpc_connection *at = loop->connections, *next; at; at = next) {
        next = at->next;
        if (at->deadline_us <= now) {
            rpc_connection_expire(at);
        } else if (context) {
            rpc_connection_check(at, context);
        }
    }
    rpc_tls_unref(context);
}

bool rpc_loop_turn(struct rpc_loop *loop, void (*accepts)(struct rpc_listener *listener))
{
    struct epoll_event events[RPC_LOOP_EVENTS];
    bool woken = false;
    int count = epoll_wait(loop->epoll, events, RPC_LOOP_EVENTS, loop->connections || accepts ? RPC_LOOP_TICK_MS : -1);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == loop) {
            woken = true;
        } else if (!events[i].data.ptr) {
            accepts(loop->listener);
        } else {
            rpc_connection_pump(events[i].data.ptr);
        }
    }
    bool goes_on = !woken || rpc_loop_take(loop);
    rpc_loop_expire(loop);
    rpc_loop_bury(loop);
    return goes_on;
}

void *rpc_loop_run(void *argument)
{
    while (rpc_loop_turn(argument, NULL)) continue;
    return NULL;
}
