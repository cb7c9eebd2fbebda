// Accepting and serving connections: one thread accepts, one per connection reads its frames and answers them. Frames
// of one connection are handled one after the other, so its order is kept; a request is answered before the next frame
// is read.
//
// What can fail: the address cannot be had (said at once). A connection that does not say who it is, sends a malformed
// frame or a frame too large, or comes to a halt within one, is closed and counted; the others go on.
//
// Lock order: listener's lock, then a stream's; none while an owner's function runs.
#include "common/rpc/rpc_listener.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/thread.h"
#include "common/rpc/rpc_frame.h"
#include "common/rpc/rpc_request.h"
#include "common/rpc/rpc_stream.h"

enum {
    RPC_LISTENER_HELLO_US = 10000000,         // from connecting to the first frame, TLS handshake included
    RPC_LISTENER_IDLE_US = 30000000,          // between frames: who dials pings more often
    RPC_LISTENER_ANSWER_US = 10000000,        // an answer that the other side does not take
    RPC_LISTENER_FRAME_US = 10000000,         // within a frame, and besides
    RPC_LISTENER_BYTES_PER_SECOND = 64 << 10, // for its size
    RPC_LISTENER_BUFFER_KEPT = 1 << 20,
    RPC_LISTENER_PAUSE_US = 20000, // after an accept that failed: no descriptors
};

struct rpc_connection {
    struct rpc_connection *next;
    struct rpc_listener *listener;
    struct rpc_stream *stream;   // listener's lock: NULL when done
    struct rpc_request *request; // listener's lock: waits for its answer
    bool done;                   // its thread ends
    pthread_t thread;
    bool known; // a frame has come
    struct rpc_who *who;
    uint8_t *buffer;
    size_t capacity;
};
struct rpc_listener {
    struct rpc *rpc;
    nng_stream_listener *inner;
    pthread_t thread;
    pthread_mutex_t lock;
    bool closing;
    struct rpc_stream *accepting;
    struct rpc_connection *connections;
    unsigned count; // not done
};

static int64_t rpc_listener_in(int64_t us)
{
    return clock_boot_us(clock_system()) + us;
}

static int rpc_connection_answer(struct rpc_connection *connection, enum rpc_frame_kind kind, const void *bytes,
                                 size_t size)
{
    uint8_t header[RPC_FRAME_BYTES];
    const struct rpc_frame frame = {kind, connection->listener->rpc->config.self, (uint32_t)size};
    rpc_frame_write(&frame, header);
    const struct rpc_stream_bytes parts[] = {{header, sizeof header}, {bytes, size}};
    rpc_stream_watch(connection->stream);
    return rpc_stream_send(connection->stream, parts, 2, RPC_LISTENER_ANSWER_US);
}

static int rpc_connection_refuse(struct rpc_connection *connection, const char *why)
{
    size_t size = strlen(why);
    return rpc_connection_answer(connection, RPC_FRAME_REFUSED, why,
                                 size < RPC_FRAME_WORDS_MAX ? size : RPC_FRAME_WORDS_MAX);
}

static int rpc_connection_malformed(struct rpc_connection *connection)
{
    struct rpc *rpc = connection->listener->rpc;
    nng_sockaddr address;
    atomic_fetch_add(&rpc->counters.malformed, 1);
    if (rpc_stream_remote(connection->stream, &address) == 0) rpc_guard_blame(&rpc->guard, &address);
    rpc_tell_refused(rpc, rpc_who_identity(connection->who), "it sent what is no frame of Foreset's, or one too large");
    return NNG_EPROTO;
}

static int rpc_connection_body(struct rpc_connection *connection, void *bytes, size_t size)
{
    int64_t patience_us = RPC_LISTENER_FRAME_US + (int64_t)size * 1000000 / RPC_LISTENER_BYTES_PER_SECOND;
    return rpc_stream_recv(connection->stream, bytes, size, rpc_listener_in(patience_us));
}

static int rpc_connection_message(struct rpc_connection *connection, const struct rpc_frame *frame)
{
    if (!connection->buffer || frame->size > connection->capacity) {
        memory_free(connection->buffer);
        connection->capacity = frame->size;
        connection->buffer = memory_alloc(frame->size);
    }
    int code = rpc_connection_body(connection, connection->buffer, frame->size);
    if (code != 0) return code;
    rpc_stream_watch(connection->stream);
    rpc_deliver(connection->listener->rpc, frame->sender, connection->who, connection->buffer, frame->size);
    if (connection->capacity > RPC_LISTENER_BUFFER_KEPT) {
        memory_free(connection->buffer);
        connection->buffer = NULL;
        connection->capacity = 0;
    }
    return 0;
}

// False: the endpoint is being closed.
static bool rpc_connection_note(struct rpc_connection *connection, struct rpc_request *request)
{
    struct rpc_listener *listener = connection->listener;
    pthread_mutex_lock(&listener->lock);
    bool closing = listener->closing;
    connection->request = closing ? NULL : request;
    pthread_mutex_unlock(&listener->lock);
    return !closing;
}

static int rpc_connection_request(struct rpc_connection *connection, const struct rpc_frame *frame)
{
    struct rpc *rpc = connection->listener->rpc;
    const char *why = NULL;
    uint8_t *bytes = memory_alloc(frame->size);
    int code = rpc_connection_body(connection, bytes, frame->size);
    if (code != 0) {
        memory_free(bytes);
        return code;
    }
    struct rpc_request *request = rpc_request_begin(rpc, connection->who, bytes, frame->size, &why);
    if (!request) return rpc_connection_refuse(connection, why);
    bool refused = false;
    const void *answer = NULL;
    size_t size = 0;
    code = NNG_ECLOSED;
    if (rpc_connection_note(connection, request) && rpc_request_wait(request, INT64_MAX, &refused, &answer, &size)) {
        if (refused && size > RPC_FRAME_WORDS_MAX) size = RPC_FRAME_WORDS_MAX;
        code = rpc_connection_answer(connection, refused ? RPC_FRAME_REFUSED : RPC_FRAME_REPLY, answer, size);
    }
    rpc_connection_note(connection, NULL);
    rpc_request_unref(request);
    return code;
}

static int rpc_connection_token(struct rpc_connection *connection, size_t size)
{
    char token[RPC_TOKEN_BYTES_MAX + 1];
    struct rpc_identity identity = *rpc_who_identity(connection->who);
    int code = rpc_connection_body(connection, token, size);
    if (code != 0) return code;
    token[size] = 0;
    if (strlen(token) != size) return rpc_connection_malformed(connection);
    identity.token = token;
    struct rpc_who *known = connection->who; // identity's names are its
    connection->who = rpc_who_create(&identity);
    rpc_who_unref(known);
    explicit_bzero(token, size);
    return 0;
}

// One frame; 0: go on.
static int rpc_connection_serve(struct rpc_connection *connection)
{
    struct rpc *rpc = connection->listener->rpc;
    struct rpc_frame frame = {0};
    uint8_t header[RPC_FRAME_BYTES];
    char why[128];
    int64_t patience_us = connection->known ? RPC_LISTENER_IDLE_US : RPC_LISTENER_HELLO_US;
    int code = rpc_stream_recv(connection->stream, header, sizeof header, rpc_listener_in(patience_us));
    if (code != 0) return code;
    enum rpc_frame_fault fault = rpc_frame_read(header, &frame);
    if (fault == RPC_FRAME_OTHER_VERSION) {
        snprintf(why, sizeof why, "this endpoint speaks version %d of the protocol, the other side %u",
                 RPC_FRAME_VERSION, header[4]);
        atomic_fetch_add(&rpc->counters.refused, 1);
        rpc_connection_refuse(connection, why);
        return NNG_EPROTO;
    }
    if (fault != RPC_FRAME_OK || frame.size > rpc->config.message_bytes_max)
        return rpc_connection_malformed(connection);
    bool first = !connection->known;
    connection->known = true;
    switch (frame.kind) {
    case RPC_FRAME_MESSAGE: return rpc_connection_message(connection, &frame);
    case RPC_FRAME_PING: return rpc_connection_answer(connection, RPC_FRAME_PONG, NULL, 0);
    case RPC_FRAME_REQUEST: return rpc_connection_request(connection, &frame);
    case RPC_FRAME_TOKEN:
        return first ? rpc_connection_token(connection, frame.size) : rpc_connection_malformed(connection);
    case RPC_FRAME_PONG:
    case RPC_FRAME_REPLY:
    case RPC_FRAME_REFUSED: return rpc_connection_malformed(connection);
    }
    return rpc_connection_malformed(connection);
}

static void rpc_connection_free(struct rpc_connection *connection)
{
    thread_join(connection->thread);
    rpc_who_unref(connection->who);
    memory_free(connection->buffer);
    memory_free(connection);
}

// Takes those whose thread ends out of the list. Under the lock.
static struct rpc_connection *rpc_listener_take_done(struct rpc_listener *listener)
{
    struct rpc_connection *taken = NULL;
    for (struct rpc_connection **at = &listener->connections; *at;) {
        struct rpc_connection *connection = *at;
        if (!connection->done) {
            at = &connection->next;
            continue;
        }
        *at = connection->next;
        connection->next = taken;
        taken = connection;
    }
    return taken;
}

static void rpc_listener_free_all(struct rpc_connection *connections)
{
    while (connections) {
        struct rpc_connection *next = connections->next;
        rpc_connection_free(connections);
        connections = next;
    }
}

static void *rpc_connection_run(void *argument)
{
    struct rpc_connection *connection = argument;
    struct rpc_listener *listener = connection->listener;
    int code;
    while ((code = rpc_connection_serve(connection)) == 0) continue;
    bool failed = code != NNG_ECLOSED && code != NNG_ECONNSHUT && code != NNG_ECONNRESET && code != NNG_EPROTO;
    if (failed) atomic_fetch_add(&listener->rpc->counters.errors, 1);
    if (failed) log_debug("rpc_connection_failed", "url=%s error=\"%s\"", listener->rpc->url, nng_strerror(code));
    pthread_mutex_lock(&listener->lock);
    struct rpc_connection *others = rpc_listener_take_done(listener); // each ends after those that it joins: no circle
    rpc_stream_destroy(connection->stream);
    connection->stream = NULL;
    connection->done = true;
    listener->count--;
    pthread_mutex_unlock(&listener->lock);
    rpc_listener_free_all(others);
    return NULL;
}

static struct rpc_identity rpc_listener_identify(const struct rpc *rpc, const nng_sockaddr *address)
{
    struct rpc_identity identity = {.tls = strncmp(rpc->url, "tls+", 4) == 0};
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } remote = {.any = {.sa_family = AF_UNIX}};
    if (address->s_family == NNG_AF_INET) {
        remote.four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = address->s_in.sa_port};
        remote.four.sin_addr.s_addr = address->s_in.sa_addr;
    } else if (address->s_family == NNG_AF_INET6) {
        remote.six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = address->s_in6.sa_port};
        memcpy(&remote.six.sin6_addr, address->s_in6.sa_addr, sizeof remote.six.sin6_addr);
    }
    rpc_who_address(&remote.any, &identity);
    return identity;
}

static void rpc_listener_admit(struct rpc_listener *listener, struct rpc_stream *stream)
{
    struct rpc *rpc = listener->rpc;
    nng_sockaddr address = {.s_family = NNG_AF_UNSPEC};
    rpc_stream_remote(stream, &address);
    struct rpc_identity from = rpc_listener_identify(rpc, &address);
    bool allowed = rpc_guard_allows(&rpc->guard, &address);
    struct rpc_connection *connection = memory_calloc(1, sizeof *connection);
    connection->listener = listener;
    connection->stream = stream;
    connection->who = rpc_who_create(&from);
    pthread_mutex_lock(&listener->lock);
    allowed = allowed && !listener->closing && listener->count < RPC_CONNECTIONS_MAX;
    if (allowed) {
        listener->count++;
        connection->next = listener->connections;
        listener->connections = connection;
        thread_create(&connection->thread, "rpc-serve", rpc_connection_run, connection);
    }
    pthread_mutex_unlock(&listener->lock);
    atomic_fetch_add(allowed ? &rpc->counters.connections : &rpc->counters.connections_refused, 1);
    if (allowed) return;
    rpc_tell_refused(rpc, &from, "too many connections, or too many malformed frames from its address");
    rpc_who_unref(connection->who);
    memory_free(connection);
    rpc_stream_destroy(stream);
}

static bool rpc_listener_accepts_into(struct rpc_listener *listener, struct rpc_stream *stream)
{
    pthread_mutex_lock(&listener->lock);
    bool closing = listener->closing;
    listener->accepting = closing ? NULL : stream;
    pthread_mutex_unlock(&listener->lock);
    return !closing;
}

static void *rpc_listener_run(void *argument)
{
    struct rpc_listener *listener = argument;
    for (;;) {
        struct rpc_stream *stream = rpc_stream_create();
        bool open = rpc_listener_accepts_into(listener, stream);
        int code = open ? rpc_stream_accept(stream, listener->inner) : NNG_ECLOSED;
        open = rpc_listener_accepts_into(listener, NULL);
        if (code == 0 && open) {
            rpc_listener_admit(listener, stream);
            continue;
        }
        rpc_stream_destroy(stream);
        if (!open) return NULL;
        atomic_fetch_add(&listener->rpc->counters.errors, 1);
        thread_sleep_us(RPC_LISTENER_PAUSE_US);
    }
}

static enum status rpc_listener_failed(const char *url, int code, struct error *err)
{
    const char *help = code == NNG_EADDRINUSE     ? ": another process listens there"
                       : code == NNG_EADDRINVAL   ? ": no address of this machine"
                       : code == NNG_EPERM        ? ": not allowed for this user"
                       : code == NNG_EUNREACHABLE ? ": no such host"
                                                  : "";
    return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "cannot listen at %s: %s%s", url, nng_strerror(code),
                     help);
}

// The port that was taken where none was asked for.
static int rpc_listener_note_url(struct rpc *rpc, nng_stream_listener *inner, const struct rpc_url *parsed)
{
    int port = 0;
    bool tcp = parsed->scheme == RPC_URL_TCP || parsed->scheme == RPC_URL_TLS;
    if (!tcp || parsed->port != 0) return 0;
    int code = nng_stream_listener_get_int(inner, NNG_OPT_TCP_BOUND_PORT, &port);
    char *colon = strrchr(rpc->url, ':');
    snprintf(colon, sizeof rpc->url - (size_t)(colon - rpc->url), ":%d", port);
    return code;
}

enum status rpc_listener_open(struct rpc *rpc, const struct rpc_url *parsed, struct rpc_listener **ret_listener,
                              struct error *err)
{
    enum status status = STATUS_OK;
    const char *url = rpc->config.url;
    nng_tls_config *tls = NULL;
    nng_stream_listener *inner = NULL;
    TRY(rpc_tls_configure(&rpc->tls, url, parsed, true, &tls, err));
    int code = nng_stream_listener_alloc(&inner, url);
    if (code == 0 && tls) code = nng_stream_listener_set_ptr(inner, NNG_OPT_TLS_CONFIG, tls);
    if (code == 0 && parsed->scheme == RPC_URL_IPC) {
        code = nng_stream_listener_set_int(inner, NNG_OPT_IPC_PERMISSIONS, 0600);
    }
    if (code == 0) code = nng_stream_listener_listen(inner);
    if (code == 0) code = rpc_listener_note_url(rpc, inner, parsed);
    if (code != 0) {
        if (inner) nng_stream_listener_free(inner);
        TRY(rpc_listener_failed(url, code, err));
    }
    struct rpc_listener *listener = memory_calloc(1, sizeof *listener);
    listener->rpc = rpc;
    listener->inner = inner;
    pthread_mutex_init(&listener->lock, NULL);
    thread_create(&listener->thread, "rpc-accept", rpc_listener_run, listener);
    *ret_listener = listener;
out:
    if (tls) nng_tls_config_free(tls);
    return status;
}

void rpc_listener_close(struct rpc_listener *listener)
{
    if (!listener) return;
    pthread_mutex_lock(&listener->lock);
    listener->closing = true;
    if (listener->accepting) rpc_stream_close(listener->accepting);
    for (struct rpc_connection *at = listener->connections; at; at = at->next) {
        if (at->stream) rpc_stream_close(at->stream);
        if (at->request) rpc_request_abandon(at->request);
    }
    pthread_mutex_unlock(&listener->lock);
    nng_stream_listener_close(listener->inner);
    thread_join(listener->thread);
    for (;;) {
        pthread_mutex_lock(&listener->lock);
        struct rpc_connection *connection = listener->connections;
        if (connection) listener->connections = connection->next;
        pthread_mutex_unlock(&listener->lock);
        if (!connection) break;
        rpc_connection_free(connection);
    }
    nng_stream_listener_free(listener->inner);
    pthread_mutex_destroy(&listener->lock);
    memory_free(listener);
}
