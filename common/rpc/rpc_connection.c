// Accepted connections. Frames of one connection are handled one after the other, so its order is kept; a request is
// answered before the next frame is looked at.
//
// What can fail: the other side. A connection that does not say who it is, sends a malformed frame or a frame too
// large, or comes to a halt within one, is closed and counted; the others go on. Before it is closed for what it sent,
// it is read on for a moment: else TCP's reset would take the words or the TLS alert with it that say why.
#include "common/rpc/rpc_connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/rpc/rpc_loop.h"
#include "common/rpc/rpc_request.h"
#include "common/rpc/rpc_tls_session.h"

enum {
    RPC_CONNECTION_IDLE_US = 30000000,          // between frames: who dials pings more often
    RPC_CONNECTION_ANSWER_US = 10000000,        // an answer that the other side does not take
    RPC_CONNECTION_FRAME_US = 10000000,         // within a frame, and besides
    RPC_CONNECTION_BYTES_PER_SECOND = 64 << 10, // for its size
    RPC_CONNECTION_ENDING_US = 1000000,
    RPC_CONNECTION_BUFFER_KEPT = 1 << 20,
    RPC_CONNECTION_READS_MAX = 16, // of one, before others have their turn
    RPC_CONNECTION_ENCRYPT_BYTES = 256 << 10,
};

static int64_t rpc_connection_in(int64_t us)
{
    return clock_boot_us(clock_system()) + us;
}

struct rpc_connection *rpc_connection_create(struct rpc_listener *listener, int fd, struct rpc_who *who,
                                             struct rpc_tls_session *session)
{
    struct rpc_connection *connection = memory_calloc(1, sizeof *connection);
    connection->listener = listener;
    connection->fd = fd;
    connection->who = who;
    connection->session = session;
    connection->state = session ? RPC_CONNECTION_SECURING : RPC_CONNECTION_FRAMES;
    connection->events = EPOLLIN;
    connection->deadline_us = rpc_connection_in(listener->rpc->config.greeting_us);
    return connection;
}

// Its request's answer is not waited for any more.
static void rpc_connection_forget_request(struct rpc_connection *connection)
{
    struct rpc_loop *loop = connection->loop;
    if (!connection->request) return;
    if (!rpc_request_unwatch(connection->request)) { // then it is in the loop's list, or was
        pthread_mutex_lock(&loop->lock);
        struct rpc_connection **at = &loop->answered;
        while (*at && *at != connection) at = &(*at)->later;
        if (*at) *at = connection->later;
        pthread_mutex_unlock(&loop->lock);
    }
    rpc_request_unref(connection->request);
    connection->request = NULL;
}

void rpc_connection_destroy(struct rpc_connection *connection)
{
    if (connection->fd >= 0) close(connection->fd);
    rpc_tls_session_destroy(connection->session);
    rpc_who_unref(connection->who);
    memory_free(connection->body);
    memory_free(connection->kept);
    memory_free(connection);
}

void rpc_connection_close(struct rpc_connection *connection, const char *why)
{
    struct rpc_listener *listener = connection->listener;
    struct rpc_loop *loop = connection->loop;
    if (connection->state == RPC_CONNECTION_GONE) return;
    rpc_connection_forget_request(connection);
    connection->state = RPC_CONNECTION_GONE;
    // Closing alone does not end its events where a process that is being started has the descriptor for a moment too.
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    close(connection->fd);
    connection->fd = -1;
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        loop->connections = connection->next;
    }
    if (connection->next) connection->next->previous = connection->previous;
    connection->later = loop->dead;
    loop->dead = connection;
    atomic_fetch_sub(&listener->connections, 1);
    atomic_fetch_sub(&listener->by_address[connection->place], 1);
    if (!connection->greeted) {
        atomic_fetch_sub(&listener->greetings, 1);
        listener->greeting_by_address[connection->place]--;
    }
    if (why) rpc_tell_refused(listener->rpc, rpc_who_identity(connection->who), why);
}

static void rpc_connection_watch(struct rpc_connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (connection->events == events) return;
    connection->events = events;
    epoll_ctl(connection->loop->epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

// Nothing more is handled of what it sends; what is to be sent still goes.
static void rpc_connection_end(struct rpc_connection *connection, const char *why)
{
    if (why) rpc_tell_refused(connection->listener->rpc, rpc_who_identity(connection->who), why);
    connection->state = RPC_CONNECTION_ENDING;
    connection->kept_begin = connection->kept_end = 0;
    connection->deadline_us = rpc_connection_in(RPC_CONNECTION_ENDING_US);
}

static void rpc_connection_malformed(struct rpc_connection *connection)
{
    struct rpc *rpc = connection->listener->rpc;
    atomic_fetch_add(&rpc->counters.malformed, 1);
    rpc_guard_blame(&rpc->guard, rpc_who_identity(connection->who));
    rpc_connection_end(connection, "it sent what is no frame of Foreset's, or one too large");
}

// ---- What goes out ----

static void rpc_connection_answer(struct rpc_connection *connection, enum rpc_frame_kind kind, const void *bytes,
                                  size_t size)
{
    const struct rpc_frame frame = {kind, connection->listener->rpc->config.self, (uint32_t)size};
    rpc_frame_write(&frame, connection->answer_header);
    connection->answer = bytes;
    connection->answer_size = RPC_FRAME_BYTES + size;
    connection->answer_sent = 0;
    connection->state = RPC_CONNECTION_ANSWERING;
    connection->deadline_us = rpc_connection_in(RPC_CONNECTION_ANSWER_US);
}

static void rpc_connection_refuse(struct rpc_connection *connection, const char *why)
{
    snprintf(connection->words, sizeof connection->words, "%s", why);
    rpc_connection_answer(connection, RPC_FRAME_REFUSED, connection->words, strlen(connection->words));
}

static size_t rpc_connection_left(struct rpc_connection *connection, struct iovec parts[2])
{
    size_t at = connection->answer_sent, count = 0;
    if (at == connection->answer_size) return 0;
    if (at < RPC_FRAME_BYTES) {
        parts[count++] = (struct iovec){connection->answer_header + at, RPC_FRAME_BYTES - at};
        at = RPC_FRAME_BYTES;
    }
    if (at < connection->answer_size) {
        parts[count++] = (struct iovec){(void *)(uintptr_t)(connection->answer + (at - RPC_FRAME_BYTES)),
                                        connection->answer_size - at};
    }
    return count;
}

// Encrypts some of what is left, when all that was encrypted before is away.
static void rpc_connection_encrypt(struct rpc_connection *connection)
{
    struct iovec parts[2];
    const uint8_t *bytes;
    if (rpc_tls_session_output(connection->session, &bytes) > 0) return;
    size_t count = rpc_connection_left(connection, parts);
    for (size_t i = 0; i < count; i++) {
        size_t size = parts[i].iov_len < RPC_CONNECTION_ENCRYPT_BYTES ? parts[i].iov_len : RPC_CONNECTION_ENCRYPT_BYTES;
        if (rpc_tls_session_write(connection->session, parts[i].iov_base, size) != RPC_TLS_DONE) return;
        connection->answer_sent += size;
    }
}

// 1: all is away; 0: the socket takes no more now; -1: broken.
static int rpc_connection_flush(struct rpc_connection *connection)
{
    for (;;) {
        struct iovec parts[2];
        size_t count;
        if (connection->session) {
            const uint8_t *bytes = NULL;
            rpc_connection_encrypt(connection);
            size_t size = rpc_tls_session_output(connection->session, &bytes);
            parts[0] = (struct iovec){(void *)(uintptr_t)bytes, size};
            count = size > 0;
        } else {
            count = rpc_connection_left(connection, parts);
        }
        if (count == 0) return 1;
        const struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN ? 0 : -1;
        if (connection->session) {
            rpc_tls_session_sent(connection->session, (size_t)sent);
        } else {
            connection->answer_sent += (size_t)sent;
        }
        if (connection->state == RPC_CONNECTION_ANSWERING)
            connection->deadline_us = rpc_connection_in(RPC_CONNECTION_ANSWER_US);
    }
}

static void rpc_connection_next_frame(struct rpc_connection *connection)
{
    connection->header_size = connection->body_size = 0;
    connection->deadline_us = rpc_connection_in(RPC_CONNECTION_IDLE_US);
    if (connection->capacity > RPC_CONNECTION_BUFFER_KEPT) {
        memory_free(connection->body);
        connection->body = NULL;
        connection->capacity = 0;
    }
}

static void rpc_connection_answer_sent(struct rpc_connection *connection)
{
    if (connection->request) rpc_request_unref(connection->request);
    connection->request = NULL;
    connection->answer_size = connection->answer_sent = 0;
    connection->state = RPC_CONNECTION_FRAMES;
    rpc_connection_next_frame(connection);
}

// ---- What comes in ----

// Any thread.
static void rpc_connection_has_answer(void *context)
{
    struct rpc_connection *connection = context;
    struct rpc_loop *loop = connection->loop;
    pthread_mutex_lock(&loop->lock);
    connection->later = loop->answered;
    loop->answered = connection;
    pthread_mutex_unlock(&loop->lock);
    rpc_loop_wake(loop);
}

void rpc_connection_answered(struct rpc_connection *connection)
{
    bool refused = false;
    const void *answer = NULL;
    size_t size = 0;
    rpc_request_answer_of(connection->request, &refused, &answer, &size);
    if (refused && size > RPC_FRAME_WORDS_MAX) size = RPC_FRAME_WORDS_MAX;
    rpc_connection_answer(connection, refused ? RPC_FRAME_REFUSED : RPC_FRAME_REPLY, answer, size);
}

static void rpc_connection_request(struct rpc_connection *connection)
{
    const char *why = NULL;
    uint8_t *bytes = connection->body;
    connection->body = NULL;
    connection->capacity = 0;
    connection->request =
        rpc_request_begin(connection->listener->rpc, connection->who, bytes, connection->frame.size, &why);
    if (!connection->request) {
        rpc_connection_refuse(connection, why);
        return;
    }
    connection->state = RPC_CONNECTION_WAITING;
    connection->deadline_us = INT64_MAX;
    if (!rpc_request_watch(connection->request, rpc_connection_has_answer, connection))
        rpc_connection_answered(connection);
}

static void rpc_connection_token(struct rpc_connection *connection)
{
    char token[RPC_TOKEN_BYTES_MAX + 1];
    struct rpc_identity identity = *rpc_who_identity(connection->who);
    size_t size = connection->frame.size;
    memcpy(token, connection->body, size);
    token[size] = 0;
    if (connection->frames > 1 || strlen(token) != size) {
        rpc_connection_malformed(connection);
        return;
    }
    identity.token = token;
    struct rpc_who *known = connection->who; // identity's names are its
    connection->who = rpc_who_create(&identity);
    rpc_who_unref(known);
    explicit_bzero(token, size);
    explicit_bzero(connection->body, size);
    rpc_connection_next_frame(connection);
}

// A frame is whole.
static void rpc_connection_handle(struct rpc_connection *connection)
{
    switch (connection->frame.kind) {
    case RPC_FRAME_MESSAGE:
        rpc_deliver(connection->listener->rpc, connection->frame.sender, connection->who, connection->body,
                    connection->frame.size);
        rpc_connection_next_frame(connection);
        return;
    case RPC_FRAME_PING: rpc_connection_answer(connection, RPC_FRAME_PONG, NULL, 0); return;
    case RPC_FRAME_REQUEST: rpc_connection_request(connection); return;
    case RPC_FRAME_TOKEN: rpc_connection_token(connection); return;
    case RPC_FRAME_PONG:
    case RPC_FRAME_REPLY:
    case RPC_FRAME_REFUSED: break;
    }
    rpc_connection_malformed(connection);
}

// To a serving loop; the greeter's thread. What was read goes along in kept.
static void rpc_connection_move(struct rpc_connection *connection)
{
    struct rpc_listener *listener = connection->listener;
    struct rpc_loop *greeter = connection->loop;
    unsigned serving = listener->loop_count - 1;
    struct rpc_loop *loop = &listener->loops[1 + atomic_fetch_add(&listener->next_loop, 1) % serving];
    connection->greeted = true;
    atomic_fetch_sub(&listener->greetings, 1);
    listener->greeting_by_address[connection->place]--;
    epoll_ctl(greeter->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        greeter->connections = connection->next;
    }
    if (connection->next) connection->next->previous = connection->previous;
    connection->next = connection->previous = NULL;
    connection->loop = loop;
    pthread_mutex_lock(&loop->lock);
    connection->later = loop->arriving;
    loop->arriving = connection;
    pthread_mutex_unlock(&loop->lock);
    rpc_loop_wake(loop);
}

// A header is whole.
static void rpc_connection_begin_frame(struct rpc_connection *connection)
{
    struct rpc *rpc = connection->listener->rpc;
    char why[128];
    struct rpc_frame frame = {0};
    enum rpc_frame_fault fault = rpc_frame_read(connection->header, &frame);
    if (fault == RPC_FRAME_OTHER_VERSION) {
        snprintf(why, sizeof why, "this endpoint speaks version %d of the protocol, the other side %u",
                 RPC_FRAME_VERSION, connection->header[4]);
        atomic_fetch_add(&rpc->counters.refused, 1);
        rpc_connection_refuse(connection, why);
        rpc_connection_end(connection, why);
        return;
    }
    if (fault != RPC_FRAME_OK || frame.size > rpc->config.message_bytes_max) {
        rpc_connection_malformed(connection);
        return;
    }
    connection->frame = frame;
    if (connection->frames < 2) connection->frames++;
    if (!connection->body || frame.size > connection->capacity) {
        memory_free(connection->body);
        connection->capacity = frame.size;
        connection->body = memory_alloc(frame.size);
    }
    connection->deadline_us =
        rpc_connection_in(RPC_CONNECTION_FRAME_US + (int64_t)frame.size * 1000000 / RPC_CONNECTION_BYTES_PER_SECOND);
}

// Handles as much as the state allows; what was handled.
static size_t rpc_connection_consume(struct rpc_connection *connection, const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (connection->state == RPC_CONNECTION_FRAMES && at < size) {
        bool begun = connection->header_size < RPC_FRAME_BYTES;
        uint8_t *to = begun ? connection->header + connection->header_size : connection->body + connection->body_size;
        size_t wanted =
            begun ? RPC_FRAME_BYTES - connection->header_size : connection->frame.size - connection->body_size;
        size_t step = size - at < wanted ? size - at : wanted;
        if (step > 0) memcpy(to, bytes + at, step);
        at += step;
        *(begun ? &connection->header_size : &connection->body_size) += step;
        if (begun && step == wanted) {
            rpc_connection_begin_frame(connection);
            if (connection->state != RPC_CONNECTION_FRAMES || !connection->greeted) return at;
        }
        bool whole = connection->header_size == RPC_FRAME_BYTES && connection->body_size == connection->frame.size;
        if (whole) rpc_connection_handle(connection);
    }
    return at;
}

static void rpc_connection_keep(struct rpc_connection *connection, const uint8_t *bytes, size_t size)
{
    if (size == 0) return;
    uint8_t *kept = memory_alloc(size);
    memcpy(kept, bytes, size);
    memory_free(connection->kept);
    connection->kept = kept;
    connection->kept_begin = 0;
    connection->kept_end = size;
}

static void rpc_connection_take_in(struct rpc_connection *connection, const uint8_t *bytes, size_t size)
{
    size_t used = rpc_connection_consume(connection, bytes, size);
    rpc_connection_keep(connection, bytes + used, size - used);
}

static void rpc_connection_take_kept(struct rpc_connection *connection)
{
    uint8_t *kept = connection->kept;
    size_t begin = connection->kept_begin, end = connection->kept_end;
    connection->kept = NULL;
    connection->kept_begin = connection->kept_end = 0;
    rpc_connection_take_in(connection, kept + begin, end - begin);
    memory_free(kept);
}

// Where a large body's rest goes without a copy; NULL: no such thing comes.
static uint8_t *rpc_connection_direct(struct rpc_connection *connection, size_t least, size_t *ret_size)
{
    bool body =
        connection->state == RPC_CONNECTION_FRAMES && connection->greeted && connection->header_size == RPC_FRAME_BYTES;
    *ret_size = body ? connection->frame.size - connection->body_size : 0;
    return body && *ret_size >= least ? connection->body + connection->body_size : NULL;
}

static void rpc_connection_took_direct(struct rpc_connection *connection, size_t size)
{
    connection->body_size += size;
    if (connection->body_size == connection->frame.size) rpc_connection_handle(connection);
}

// 1: something was read; 0: nothing is there now; -1: ended.
static int rpc_connection_receive(struct rpc_connection *connection, void *bytes, size_t size, size_t *ret_size)
{
    ssize_t count;
    do count = recv(connection->fd, bytes, size, MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count < 0) return errno == EAGAIN ? 0 : -1;
    *ret_size = (size_t)count;
    return count > 0 ? 1 : -1;
}

static int rpc_connection_read_plain(struct rpc_connection *connection)
{
    size_t size, wanted;
    uint8_t *to = rpc_connection_direct(connection, RPC_LOOP_BUFFER_BYTES, &wanted);
    int result = to ? rpc_connection_receive(connection, to, wanted, &size)
                    : rpc_connection_receive(connection, connection->loop->buffer, RPC_LOOP_BUFFER_BYTES, &size);
    if (result != 1) return result;
    if (to) {
        rpc_connection_took_direct(connection, size);
    } else {
        rpc_connection_take_in(connection, connection->loop->buffer, size);
    }
    return 1;
}

static void rpc_connection_tls_failed(struct rpc_connection *connection, enum rpc_tls_step step)
{
    char why[640];
    const char *words = rpc_tls_session_why(connection->session);
    struct rpc *rpc = connection->listener->rpc;
    atomic_fetch_add(&rpc->counters.handshakes_failed, 1);
    atomic_fetch_add(&rpc->counters.errors, 1);
    snprintf(why, sizeof why, "%s: %s",
             step == RPC_TLS_REFUSED_THEM   ? "its certificate is refused"
             : step == RPC_TLS_REFUSED_THIS ? "it refused this side's certificate"
                                            : "no TLS",
             words);
    rpc_connection_end(connection, why);
}

// Like receive. What is in the session comes first.
static int rpc_connection_read_secure(struct rpc_connection *connection)
{
    struct rpc_loop *loop = connection->loop;
    struct rpc_tls_session *session = connection->session;
    size_t size = 0, wanted = 0;
    enum rpc_tls_step step;
    uint8_t *to = NULL;
    if (connection->state == RPC_CONNECTION_SECURING) {
        step = rpc_tls_session_handshake(session);
    } else {
        to = rpc_connection_direct(connection, 1, &wanted);
        step = to ? rpc_tls_session_read(session, to, wanted, &size)
                  : rpc_tls_session_read(session, loop->plain, RPC_LOOP_BUFFER_BYTES, &size);
    }
    const uint8_t *unused;
    if (step == RPC_TLS_MORE && rpc_tls_session_output(session, &unused) > 0) return 1; // which goes first
    if (step == RPC_TLS_MORE && connection->tired) return 0; // epoll reports what the socket has
    if (step == RPC_TLS_MORE) {
        int result = rpc_connection_receive(connection, loop->buffer, RPC_LOOP_BUFFER_BYTES, &size);
        if (result == 1) rpc_tls_session_feed(session, loop->buffer, size);
        return result;
    }
    if (step == RPC_TLS_ENDED) return -1;
    if (step != RPC_TLS_DONE) {
        rpc_connection_tls_failed(connection, step);
    } else if (connection->state == RPC_CONNECTION_SECURING) {
        struct rpc_who *known = connection->who;
        connection->who = rpc_tls_session_who(session, rpc_who_identity(known));
        rpc_who_unref(known);
        connection->state = RPC_CONNECTION_FRAMES;
    } else if (to) {
        rpc_connection_took_direct(connection, size);
    } else {
        rpc_connection_take_in(connection, loop->plain, size);
    }
    return 1;
}

static int rpc_connection_read_ending(struct rpc_connection *connection)
{
    size_t size;
    if (!connection->shut) shutdown(connection->fd, SHUT_WR);
    connection->shut = true;
    return rpc_connection_receive(connection, connection->loop->buffer, RPC_LOOP_BUFFER_BYTES, &size);
}

// One step; 1: there may be more to do, 0: nothing now, -1: over.
static int rpc_connection_step(struct rpc_connection *connection)
{
    int flushed = connection->shut ? 1 : rpc_connection_flush(connection);
    if (flushed < 0) return -1;
    if (flushed == 0) {
        rpc_connection_watch(connection, EPOLLOUT);
        return 0;
    }
    if (connection->state == RPC_CONNECTION_ANSWERING) rpc_connection_answer_sent(connection);
    if (connection->state == RPC_CONNECTION_WAITING) return 0; // epoll goes on; it is muted when something comes
    rpc_connection_watch(connection, EPOLLIN);
    if (connection->state == RPC_CONNECTION_ENDING) return rpc_connection_read_ending(connection);
    if (connection->kept_end > connection->kept_begin) {
        rpc_connection_take_kept(connection);
        return 1;
    }
    return connection->session ? rpc_connection_read_secure(connection) : rpc_connection_read_plain(connection);
}

void rpc_connection_pump(struct rpc_connection *connection)
{
    int result = 1;
    if (connection->state == RPC_CONNECTION_GONE) return;
    if (connection->state == RPC_CONNECTION_WAITING) { // it sends, which waits; or, where nothing was asked for, broke
        if (connection->events == 0) rpc_connection_close(connection, NULL);
        if (connection->events != 0) rpc_connection_watch(connection, 0);
        return;
    }
    for (int reads = 0; result == 1; reads++) {
        bool inside = connection->kept_end > connection->kept_begin ||
                      (connection->session && rpc_tls_session_has_more(connection->session));
        if (connection->state == RPC_CONNECTION_ANSWERING) inside = true; // nothing would report that it can go
        if (connection->state == RPC_CONNECTION_ENDING) inside = !connection->shut;
        if (reads >= RPC_CONNECTION_READS_MAX && !inside) return; // epoll reports it again
        connection->tired = reads >= RPC_CONNECTION_READS_MAX;
        result = rpc_connection_step(connection);
        bool comes = connection->header_size == RPC_FRAME_BYTES && !connection->greeted;
        if (result == 1 && comes && connection->state == RPC_CONNECTION_FRAMES) {
            rpc_connection_move(connection);
            return;
        }
    }
    if (result < 0) {
        bool silent = connection->state == RPC_CONNECTION_SECURING;
        if (silent) atomic_fetch_add(&connection->listener->rpc->counters.handshakes_failed, 1);
        rpc_connection_close(connection, silent ? "it closed before the TLS handshake was done" : NULL);
    }
}

void rpc_connection_arrive(struct rpc_connection *connection)
{
    if (connection->state == RPC_CONNECTION_FRAMES && connection->body_size == connection->frame.size)
        rpc_connection_handle(connection); // a frame that is a header alone
    rpc_connection_pump(connection);
}

void rpc_connection_check(struct rpc_connection *connection, struct rpc_tls_context *context)
{
    char why[640];
    bool shown = connection->session && connection->state != RPC_CONNECTION_SECURING &&
                 connection->state != RPC_CONNECTION_ENDING && connection->state != RPC_CONNECTION_GONE;
    if (!shown || rpc_tls_session_is_good_for(connection->session, context)) return;
    snprintf(why, sizeof why, "certificates were read again, and its own is refused now: %s",
             rpc_tls_session_why(connection->session));
    rpc_connection_close(connection, why);
}

void rpc_connection_expire(struct rpc_connection *connection)
{
    struct rpc_counters *counters = &connection->listener->rpc->counters;
    const char *why = connection->state == RPC_CONNECTION_SECURING ? "its TLS handshake took too long"
                      : !connection->greeted && connection->state != RPC_CONNECTION_ENDING ? "it sent nothing in time"
                                                                                           : NULL;
    if (connection->state == RPC_CONNECTION_SECURING) atomic_fetch_add(&counters->handshakes_failed, 1);
    if (connection->state != RPC_CONNECTION_ENDING) atomic_fetch_add(&counters->errors, 1);
    rpc_connection_close(connection, why);
}
