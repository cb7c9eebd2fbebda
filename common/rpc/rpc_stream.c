// Byte streams. nng 1.5's sockets (PUSH, REQ and their kin) are not used over a network: closing one, or losing its
// peer, while a message is half received leaves an operation that never ends, and with it the thread that takes down
// connections of the whole process (nng issues 1543 and 1813; mended in 1.8). Its streams have no such state: an
// operation ends with the transfer, with an error, or because the stream is closed.
//
// TLS is a session over the stream's bytes (rpc_tls_session.h); who sends and receives drives it.
//
// What can fail: the network, in every call. A call waits here, and closes the stream when its time is over, which ends
// all operations. No operation is begun on a closed stream: lock covers both.
#include "common/rpc/rpc_stream.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/thread.h"
#include "common/rpc/rpc_tls_session.h"

enum { RPC_STREAM_BUFFER_BYTES = 64 << 10, RPC_STREAM_ENCRYPT_BYTES = 256 << 10 };

struct rpc_stream_operation {
    struct mail ended; // first; in done when the operation has ended
    struct mailbox done;
    nng_aio *aio;
    bool busy;                    // begun, its end not yet taken from done
    struct rpc_stream *closes;    // what a failure closes; NULL: nothing
    void (*broke)(void *context); // what a failure calls; NULL: nothing
    void *context;
};
struct rpc_stream {
    nng_stream *stream; // lock until connected
    pthread_mutex_t lock;
    bool closed;     // lock
    bool attempting; // lock: to connect
    struct rpc_stream_operation connecting, sending, receiving;
    uint8_t *buffer; // received, not yet asked for: [begin, end)
    size_t begin, end;
    bool filling;                    // receiving goes into buffer
    struct rpc_tls_session *session; // NULL: none
};

// nng's thread. A connection that broke ends a send under way only by being closed, where TLS is over it.
static void rpc_stream_on_end(void *argument)
{
    struct rpc_stream_operation *operation = argument;
    bool failed = nng_aio_result(operation->aio) != 0;
    if (failed && operation->closes) rpc_stream_close(operation->closes);
    mailbox_post(&operation->done, &operation->ended); // the operation stays until this call has returned
    if (failed && operation->broke) operation->broke(operation->context);
}

static void rpc_stream_operation_init(struct rpc_stream_operation *operation, struct rpc_stream *closes)
{
    mailbox_init(&operation->done);
    operation->closes = closes;
    int code = nng_aio_alloc(&operation->aio, rpc_stream_on_end, operation);
    ASSERT(code == 0);
    nng_aio_set_timeout(operation->aio, NNG_DURATION_INFINITE);
}

// Whether it has ended by until_us; INT64_MAX: waits for as long as it takes.
static bool rpc_stream_operation_wait(struct rpc_stream_operation *operation, int64_t until_us)
{
    while (operation->busy) {
        int64_t left_us = until_us == INT64_MAX ? -1 : until_us - clock_boot_us(clock_system());
        if (until_us != INT64_MAX && left_us < 0) left_us = 0;
        if (mailbox_wait(&operation->done, left_us)) operation->busy = false;
        if (operation->busy && left_us == 0) return false;
    }
    return true;
}

static void rpc_stream_operation_deinit(struct rpc_stream_operation *operation)
{
    rpc_stream_operation_wait(operation, INT64_MAX);
    nng_aio_free(operation->aio);
    mailbox_deinit(&operation->done);
}

struct rpc_stream *rpc_stream_create(void)
{
    struct rpc_stream *stream = memory_calloc(1, sizeof *stream);
    pthread_mutex_init(&stream->lock, NULL);
    rpc_stream_operation_init(&stream->connecting, NULL);
    rpc_stream_operation_init(&stream->sending, NULL);
    rpc_stream_operation_init(&stream->receiving, stream);
    return stream;
}

void rpc_stream_on_break(struct rpc_stream *stream, void (*broke)(void *context), void *context)
{
    stream->receiving.broke = broke;
    stream->receiving.context = context;
}

void rpc_stream_close(struct rpc_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool first = !stream->closed;
    stream->closed = true;
    nng_stream *inner = stream->stream;
    // Under the lock, and only until the attempt is over: a cancel reaches into nng's dialer, also when the attempt
    // ends by itself meanwhile, and who dials frees that.
    if (first && !inner && stream->attempting) nng_aio_cancel(stream->connecting.aio);
    pthread_mutex_unlock(&stream->lock);
    if (first && inner) nng_stream_close(inner);
}

void rpc_stream_destroy(struct rpc_stream *stream)
{
    if (!stream) return;
    rpc_stream_close(stream);
    rpc_stream_operation_deinit(&stream->connecting);
    rpc_stream_operation_deinit(&stream->sending);
    rpc_stream_operation_deinit(&stream->receiving);
    if (stream->stream) nng_stream_free(stream->stream);
    pthread_mutex_destroy(&stream->lock);
    rpc_tls_session_destroy(stream->session);
    memory_free(stream->buffer);
    memory_free(stream);
}

// Waits for a connection under way and keeps it.
static int rpc_stream_connected(struct rpc_stream *stream, int64_t until_us)
{
    struct rpc_stream_operation *connecting = &stream->connecting;
    bool late = !rpc_stream_operation_wait(connecting, until_us);
    if (late) {
        nng_aio_cancel(connecting->aio);
        rpc_stream_operation_wait(connecting, INT64_MAX);
    }
    int code = nng_aio_result(connecting->aio);
    pthread_mutex_lock(&stream->lock);
    stream->attempting = false;
    if (code == 0) stream->stream = nng_aio_get_output(connecting->aio, 0);
    bool closed = stream->closed;
    pthread_mutex_unlock(&stream->lock);
    if (code != 0) return late ? NNG_ETIMEDOUT : code;
    if (closed) nng_stream_close(stream->stream);
    nng_stream_set_bool(stream->stream, NNG_OPT_TCP_NODELAY, true); // not for ipc
    return closed ? NNG_ECLOSED : 0;
}

int rpc_stream_dial(struct rpc_stream *stream, const char *url, int64_t until_us)
{
    nng_stream_dialer *dialer = NULL;
    bool secure = strncmp(url, "tls+", 4) == 0; // the session is over it
    int code = nng_stream_dialer_alloc(&dialer, secure ? url + 4 : url);
    if (code == 0) {
        pthread_mutex_lock(&stream->lock);
        code = stream->closed ? NNG_ECLOSED : 0;
        if (code == 0) {
            stream->connecting.busy = stream->attempting = true;
            nng_stream_dialer_dial(dialer, stream->connecting.aio);
        }
        pthread_mutex_unlock(&stream->lock);
    }
    if (code == 0) code = rpc_stream_connected(stream, until_us);
    if (dialer) nng_stream_dialer_free(dialer);
    return code;
}

// Begins a transfer; false: closed.
static bool rpc_stream_begin(struct rpc_stream *stream, struct rpc_stream_operation *operation,
                             void (*transfer)(nng_stream *inner, nng_aio *aio))
{
    pthread_mutex_lock(&stream->lock);
    bool open = stream->stream && !stream->closed;
    operation->busy = open;
    if (open) transfer(stream->stream, operation->aio);
    pthread_mutex_unlock(&stream->lock);
    return open;
}

// Waits for its end; after until_us the stream is closed.
static int rpc_stream_finish(struct rpc_stream *stream, struct rpc_stream_operation *operation, int64_t until_us)
{
    bool late = !rpc_stream_operation_wait(operation, until_us);
    if (late) {
        rpc_stream_close(stream);
        rpc_stream_operation_wait(operation, INT64_MAX);
    }
    int code = nng_aio_result(operation->aio);
    if (code == 0 && nng_aio_count(operation->aio) == 0) code = NNG_ECONNSHUT;
    if (code != 0) rpc_stream_close(stream);
    return code != 0 && late ? NNG_ETIMEDOUT : code;
}

static int rpc_stream_send_raw(struct rpc_stream *stream, const struct rpc_stream_bytes *parts, unsigned count,
                               int64_t stall_us)
{
    nng_iov rest[RPC_STREAM_PARTS_MAX];
    unsigned at = 0, filled = 0;
    ASSERT(count <= RPC_STREAM_PARTS_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].size == 0) continue;
        rest[filled++] = (nng_iov){.iov_buf = (void *)(uintptr_t)parts[i].bytes, .iov_len = parts[i].size};
    }
    while (at < filled) {
        int code = nng_aio_set_iov(stream->sending.aio, filled - at, rest + at);
        ASSERT(code == 0);
        if (!rpc_stream_begin(stream, &stream->sending, nng_stream_send)) return NNG_ECLOSED;
        code = rpc_stream_finish(stream, &stream->sending, clock_boot_us(clock_system()) + stall_us);
        if (code != 0) return code;
        size_t sent = nng_aio_count(stream->sending.aio);
        while (sent > 0) {
            size_t step = sent < rest[at].iov_len ? sent : rest[at].iov_len;
            rest[at].iov_buf = (uint8_t *)rest[at].iov_buf + step;
            rest[at].iov_len -= step;
            sent -= step;
            if (rest[at].iov_len == 0) at++;
        }
    }
    return 0;
}

static bool rpc_stream_begin_receive(struct rpc_stream *stream, void *bytes, size_t size)
{
    nng_iov into = {.iov_buf = bytes, .iov_len = size};
    stream->filling = !bytes;
    if (!bytes) {
        if (!stream->buffer) stream->buffer = memory_alloc(RPC_STREAM_BUFFER_BYTES);
        into = (nng_iov){.iov_buf = stream->buffer, .iov_len = RPC_STREAM_BUFFER_BYTES};
    }
    int code = nng_aio_set_iov(stream->receiving.aio, 1, &into);
    ASSERT(code == 0);
    return rpc_stream_begin(stream, &stream->receiving, nng_stream_recv);
}

// Takes what a receive brought: into buffer, or *ret_direct bytes to where it was told.
static int rpc_stream_receive(struct rpc_stream *stream, void *to, size_t size, int64_t until_us, size_t *ret_direct)
{
    *ret_direct = 0;
    if (!stream->receiving.busy && !rpc_stream_begin_receive(stream, to, size)) return NNG_ECLOSED;
    int code = rpc_stream_finish(stream, &stream->receiving, until_us);
    if (code != 0) return code;
    size_t received = nng_aio_count(stream->receiving.aio);
    if (stream->filling) {
        stream->begin = 0;
        stream->end = received;
    } else {
        *ret_direct = received;
    }
    return 0;
}

// nng's code for what the session says; closes the stream when that is the end of it.
static int rpc_stream_judge(struct rpc_stream *stream, enum rpc_tls_step step)
{
    if (step == RPC_TLS_DONE) return 0;
    rpc_stream_close(stream);
    switch (step) {
    case RPC_TLS_REFUSED_THEM: return NNG_EPEERAUTH;
    case RPC_TLS_REFUSED_THIS: return NNG_ECRYPTO;
    case RPC_TLS_ENDED: return NNG_ECONNSHUT;
    default: return NNG_EPROTO;
    }
}

static int rpc_stream_flush(struct rpc_stream *stream, int64_t stall_us)
{
    const uint8_t *bytes = NULL;
    size_t size = rpc_tls_session_output(stream->session, &bytes);
    const struct rpc_stream_bytes output = {bytes, size};
    int code = size > 0 ? rpc_stream_send_raw(stream, &output, 1, stall_us) : 0;
    if (code == 0 && size > 0) rpc_tls_session_sent(stream->session, size);
    return code;
}

static int rpc_stream_feed(struct rpc_stream *stream, int64_t until_us)
{
    size_t direct;
    int code = rpc_stream_receive(stream, NULL, 0, until_us, &direct);
    if (code == 0) rpc_tls_session_feed(stream->session, stream->buffer, stream->end);
    stream->begin = stream->end = 0;
    return code;
}

int rpc_stream_secure(struct rpc_stream *stream, struct rpc_tls_context *context, const char *host, int64_t until_us)
{
    stream->session = rpc_tls_session_create(context, host);
    for (;;) {
        enum rpc_tls_step step = rpc_tls_session_handshake(stream->session);
        int64_t left_us = until_us - clock_boot_us(clock_system());
        int code = rpc_stream_flush(stream, left_us > 0 ? left_us : 0);
        if (step != RPC_TLS_MORE) return step == RPC_TLS_DONE ? code : rpc_stream_judge(stream, step);
        if (code == 0) code = rpc_stream_feed(stream, until_us);
        if (code != 0) return code;
    }
}

bool rpc_stream_is_good_for(struct rpc_stream *stream, struct rpc_tls_context *context)
{
    return !stream->session || rpc_tls_session_is_good_for(stream->session, context);
}

const char *rpc_stream_why(const struct rpc_stream *stream)
{
    return stream->session ? rpc_tls_session_why(stream->session) : "";
}

static int rpc_stream_send_secure(struct rpc_stream *stream, const struct rpc_stream_bytes *part, int64_t stall_us)
{
    const uint8_t *bytes = part->bytes, *end = bytes + part->size, *unused;
    int code = 0;
    while (bytes < end && code == 0) {
        size_t left = (size_t)(end - bytes);
        size_t step = left < RPC_STREAM_ENCRYPT_BYTES ? left : RPC_STREAM_ENCRYPT_BYTES;
        code = rpc_stream_judge(stream, rpc_tls_session_write(stream->session, bytes, step));
        bytes += step;
        bool much = rpc_tls_session_output(stream->session, &unused) >= RPC_STREAM_ENCRYPT_BYTES;
        if (code == 0 && much) code = rpc_stream_flush(stream, stall_us);
    }
    return code;
}

int rpc_stream_send(struct rpc_stream *stream, const struct rpc_stream_bytes *parts, unsigned count, int64_t stall_us)
{
    int code = 0;
    if (!stream->session) return rpc_stream_send_raw(stream, parts, count, stall_us);
    for (unsigned i = 0; i < count && code == 0; i++) {
        if (parts[i].size > 0) code = rpc_stream_send_secure(stream, &parts[i], stall_us);
    }
    return code == 0 ? rpc_stream_flush(stream, stall_us) : code;
}

static int rpc_stream_recv_secure(struct rpc_stream *stream, uint8_t *to, size_t size, int64_t until_us)
{
    while (size > 0) {
        size_t read = 0;
        enum rpc_tls_step step = rpc_tls_session_read(stream->session, to, size, &read);
        int code = step == RPC_TLS_MORE ? rpc_stream_feed(stream, until_us) : rpc_stream_judge(stream, step);
        if (code != 0) return code;
        to += read;
        size -= read;
    }
    return 0;
}

int rpc_stream_recv(struct rpc_stream *stream, void *bytes, size_t size, int64_t until_us)
{
    uint8_t *to = bytes;
    if (stream->session) return rpc_stream_recv_secure(stream, to, size, until_us);
    while (size > 0) {
        size_t ready = stream->end - stream->begin, direct;
        if (ready > 0) {
            size_t step = ready < size ? ready : size;
            memcpy(to, stream->buffer + stream->begin, step);
            stream->begin += step;
            to += step;
            size -= step;
            continue;
        }
        int code = rpc_stream_receive(stream, size >= RPC_STREAM_BUFFER_BYTES ? to : NULL, size, until_us, &direct);
        if (code != 0) return code;
        to += direct;
        size -= direct;
    }
    return 0;
}

static bool rpc_stream_has_bytes(struct rpc_stream *stream)
{
    return stream->end > stream->begin || (stream->session && rpc_tls_session_has_more(stream->session));
}

void rpc_stream_watch(struct rpc_stream *stream)
{
    if (!rpc_stream_has_bytes(stream) && !stream->receiving.busy) rpc_stream_begin_receive(stream, NULL, 0);
}

bool rpc_stream_ended(struct rpc_stream *stream)
{
    rpc_stream_watch(stream);
    if (!stream->receiving.busy) return true;
    if (!mailbox_poll(&stream->receiving.done)) return false;
    stream->receiving.busy = false;
    return true;
}
