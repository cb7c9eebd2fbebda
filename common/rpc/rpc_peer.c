// A link. One thread sends one message after the other, so that order is kept and nobody else waits. A PING goes behind
// a message when the queue is empty, or much was sent since the last (RPC_REQUEST: behind each); its PONG says that all
// before it has arrived. An idle link pings now and then, so that both sides know whether the other is there.
//
// What can fail: nobody is there, or nothing goes through. Then the connection is made anew until the message's time is
// over; it is dropped and counted then, the receiver sees the gap in the numbers, and the pipeline's attempt is
// restarted (P15). A connection that breaks, or on which nothing moves for a deadline, is closed; what was sent since
// the last PONG may have arrived, is counted as unacknowledged and not sent again.
#include "common/rpc/rpc_peer.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/thread.h"
#include "common/rpc/rpc_frame.h"
#include "common/rpc/rpc_local.h"
#include "common/rpc/rpc_stream.h"
#include "common/rpc/rpc_url.h"
#include "common/rpc/rpc_who.h"

enum {
    RPC_PEER_WINDOW_BYTES = 16 << 20, // between two PINGs
    RPC_PEER_GATHER_BYTES = 64 << 10,
    RPC_PEER_SMALL_BYTES = 8 << 10, // a frame
    RPC_PEER_IDLE_US = 5000000,
    RPC_PEER_ATTEMPT_US = 1000000, // to connect, at least, whatever the message's time
    RPC_PEER_PAUSE_MIN_US = 20000, // between attempts, doubling
    RPC_PEER_PAUSE_MAX_US = 1000000,
    RPC_PEER_LOOK_US = 300000,  // for a lost connection's other side
    RPC_PEER_WATCH_US = 300000, // between looks for one that is watched and not there
};

struct rpc_mail {
    struct mail mail;
    int64_t posted_us;
    size_t size;
    bool end;
    uint8_t bytes[];
};
struct rpc_peer {
    uint32_t number, self;
    enum rpc_kind kind;
    char *url;
    bool local;
    struct rpc_tls_store *tls;
    uint64_t tls_generation; // the thread's: that the connection was checked with
    bool secure;
    char host[256];
    char *token;         // NULL: none
    struct rpc_who *who; // as an endpoint of this process sees this side
    struct rpc_counters *counters;
    size_t queue_bytes_max;
    int64_t deadline_us;
    struct mailbox mailbox;
    _Atomic size_t queued_bytes;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stopping;             // lock
    struct rpc_stream *stream; // lock to change; NULL: not connected
    struct mailbox stop;       // ends a pause
    struct mail stopped;
    struct mail broke; // in the mailbox while broke_posted: look after the connection
    _Atomic bool broke_posted;
    // The thread's:
    int64_t progress_us;
    bool connected_before, connected;
    bool lost;                         // the connection, and nobody has looked who is there since
    bool reached;                      // somebody was there, and that he is gone was not told
    bool owes;                         // what may not have arrived was not told
    uint64_t unsynced, unsynced_bytes; // sent since the last PONG
    size_t gathered_bytes;
    uint8_t gathered[RPC_PEER_GATHER_BYTES]; // small messages, whole frames, while others wait behind them
    void (*on_refused)(void *context, uint32_t number);
    void (*on_lost)(void *context, uint32_t number, bool silent);
    void *context;
};

static int64_t rpc_peer_now(void)
{
    return clock_boot_us(clock_system());
}

static bool rpc_peer_stopping(struct rpc_peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    bool stopping = peer->stopping;
    pthread_mutex_unlock(&peer->lock);
    return stopping;
}

static void rpc_peer_disconnect(struct rpc_peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    struct rpc_stream *stream = peer->stream;
    peer->stream = NULL;
    pthread_mutex_unlock(&peer->lock);
    rpc_stream_destroy(stream);
    peer->lost = peer->connected;
    peer->connected = false;
    atomic_fetch_add(&peer->counters->unacknowledged, peer->unsynced);
    peer->owes |= peer->unsynced > 0;
    peer->unsynced = peer->unsynced_bytes = peer->gathered_bytes = 0;
}

// Certificates may have been read again since it was connected.
static void rpc_peer_check(struct rpc_peer *peer)
{
    if (!peer->stream || !peer->secure) return;
    uint64_t generation = atomic_load_explicit(&peer->tls->generation, memory_order_relaxed);
    if (generation == peer->tls_generation) return;
    peer->tls_generation = generation;
    struct rpc_tls_context *context = rpc_tls_store_get(peer->tls);
    if (!rpc_stream_is_good_for(peer->stream, context)) {
        atomic_fetch_add(&peer->counters->errors, 1);
        log_warn("rpc_certificate_refused", "peer=%u url=%s why=\"%s\"", peer->number, peer->url,
                 rpc_stream_why(peer->stream));
        rpc_peer_disconnect(peer);
    }
    rpc_tls_unref(context);
}

static int rpc_peer_await_pong(struct rpc_peer *peer)
{
    uint8_t header[RPC_FRAME_BYTES];
    char words[RPC_FRAME_WORDS_MAX + 1];
    struct rpc_frame frame = {0};
    int64_t until_us = rpc_peer_now() + peer->deadline_us;
    int code = rpc_stream_recv(peer->stream, header, sizeof header, until_us);
    if (code != 0) return code;
    enum rpc_frame_fault fault = rpc_frame_read(header, &frame);
    if (fault == RPC_FRAME_OK && frame.kind == RPC_FRAME_PONG) {
        peer->progress_us = rpc_peer_now();
        atomic_fetch_add(&peer->counters->sent, peer->unsynced);
        atomic_fetch_add(&peer->counters->sent_bytes, peer->unsynced_bytes);
        peer->unsynced = peer->unsynced_bytes = 0;
        rpc_stream_watch(peer->stream);
        return 0;
    }
    atomic_fetch_add(&peer->counters->errors, 1);
    if (fault == RPC_FRAME_MALFORMED || frame.kind != RPC_FRAME_REFUSED) return NNG_EPROTO;
    code = rpc_stream_recv(peer->stream, words, frame.size, until_us);
    words[code == 0 ? frame.size : 0] = 0;
    log_debug("rpc_refused", "peer=%u url=%s why=\"%s\"", peer->number, peer->url, words);
    return NNG_EPROTO;
}

static bool rpc_peer_gathers(const struct rpc_peer *peer, size_t size)
{
    return size <= RPC_PEER_SMALL_BYTES && peer->gathered_bytes + size <= sizeof peer->gathered;
}

static void rpc_peer_gather(struct rpc_peer *peer, const struct rpc_stream_bytes frame[2])
{
    for (int i = 0; i < 2; i++) {
        if (frame[i].size > 0) memcpy(peer->gathered + peer->gathered_bytes, frame[i].bytes, frame[i].size);
        peer->gathered_bytes += frame[i].size;
    }
}

// What is gathered, then the frame, then a PING if wanted, whose PONG is awaited.
static int rpc_peer_flush(struct rpc_peer *peer, const struct rpc_stream_bytes frame[2], bool pings)
{
    uint8_t header[RPC_FRAME_BYTES];
    const struct rpc_frame ping = {.kind = RPC_FRAME_PING, .sender = peer->self};
    rpc_frame_write(&ping, header);
    const struct rpc_stream_bytes parts[] = {
        {peer->gathered, peer->gathered_bytes}, frame[0], frame[1], {header, pings ? sizeof header : 0}};
    int code = rpc_stream_send(peer->stream, parts, 4, peer->deadline_us);
    peer->gathered_bytes = 0;
    return code == 0 && pings ? rpc_peer_await_pong(peer) : code;
}

static int rpc_peer_ping(struct rpc_peer *peer)
{
    static const struct rpc_stream_bytes nothing[2];
    return rpc_peer_flush(peer, nothing, true);
}

// With the newest certificates.
static int rpc_peer_secure(struct rpc_peer *peer, int64_t until_us)
{
    peer->tls_generation = atomic_load(&peer->tls->generation); // before the context: a newer one is checked once more
    struct rpc_tls_context *context = rpc_tls_store_get(peer->tls);
    int code = rpc_stream_secure(peer->stream, context, peer->host, until_us);
    rpc_tls_unref(context);
    if (code == 0) return 0;
    atomic_fetch_add(&peer->counters->errors, 1);
    log_debug("rpc_handshake_failed", "peer=%u url=%s why=\"%s\"", peer->number, peer->url,
              rpc_stream_why(peer->stream));
    return code;
}

static int rpc_peer_introduce(struct rpc_peer *peer)
{
    if (!peer->token) return 0;
    uint8_t header[RPC_FRAME_BYTES];
    const struct rpc_frame token = {RPC_FRAME_TOKEN, peer->self, (uint32_t)strlen(peer->token)};
    rpc_frame_write(&token, header);
    const struct rpc_stream_bytes parts[] = {{header, sizeof header}, {peer->token, token.size}};
    return rpc_peer_flush(peer, parts, false);
}

// nng's thread: whoever waits for messages to send looks after the connection first.
static void rpc_peer_broke(void *argument)
{
    struct rpc_peer *peer = argument;
    if (!atomic_exchange(&peer->broke_posted, true)) mailbox_post(&peer->mailbox, &peer->broke);
}

// One attempt; nng's code.
static int rpc_peer_attempt(struct rpc_peer *peer, int64_t until_us)
{
    struct rpc_stream *stream = rpc_stream_create();
    rpc_stream_on_break(stream, rpc_peer_broke, peer);
    pthread_mutex_lock(&peer->lock);
    bool stopping = peer->stopping;
    if (!stopping) peer->stream = stream;
    pthread_mutex_unlock(&peer->lock);
    if (stopping) {
        rpc_stream_destroy(stream);
        return NNG_ECLOSED;
    }
    int code = rpc_stream_dial(stream, peer->url, until_us);
    if (code == 0) peer->reached = true;
    if (code == 0 && peer->secure) code = rpc_peer_secure(peer, until_us);
    if (code == 0) code = rpc_peer_introduce(peer);
    if (code == 0) code = rpc_peer_ping(peer);
    if (code != 0) rpc_peer_disconnect(peer);
    return code;
}

// Who was there is gone: nobody listens. A machine that is gone, or cannot be reached, says nothing of the kind.
static void rpc_peer_tell_refused(struct rpc_peer *peer)
{
    if (!peer->reached) return;
    peer->reached = false;
    peer->on_refused(peer->context, peer->number);
}

// Something did not arrive. Told when it is known whether the other side is there.
static void rpc_peer_tell_lost(struct rpc_peer *peer, bool silent)
{
    if (!peer->owes || rpc_peer_stopping(peer)) return;
    peer->owes = false;
    peer->on_lost(peer->context, peer->number, silent);
}

// Whether the message has found a way by until_us: a connection, or for inproc the endpoint.
static bool rpc_peer_reach(struct rpc_peer *peer, int64_t until_us, struct rpc **ret_local)
{
    for (int64_t pause_us = RPC_PEER_PAUSE_MIN_US;; pause_us *= 2) {
        int64_t now = rpc_peer_now();
        int64_t least_us = peer->deadline_us < RPC_PEER_ATTEMPT_US ? peer->deadline_us : RPC_PEER_ATTEMPT_US;
        if (peer->local && (*ret_local = rpc_local_find(peer->url))) return true;
        int code = peer->local ? NNG_ECONNREFUSED
                               : rpc_peer_attempt(peer, until_us - now < least_us ? now + least_us : until_us);
        if (code == 0) {
            if (peer->connected_before) atomic_fetch_add(&peer->counters->reconnected, 1);
            peer->connected_before = peer->connected = true;
            peer->lost = false;
            rpc_peer_tell_lost(peer, false);
            return true;
        }
        if (code == NNG_ECONNREFUSED && !peer->local) rpc_peer_tell_refused(peer);
        log_debug("rpc_unreachable", "peer=%u url=%s error=\"%s\"", peer->number, peer->url, nng_strerror(code));
        int64_t left_us = until_us - rpc_peer_now();
        if (left_us <= 0 || rpc_peer_stopping(peer)) return false;
        if (pause_us > RPC_PEER_PAUSE_MAX_US) pause_us = RPC_PEER_PAUSE_MAX_US;
        if (mailbox_wait(&peer->stop, left_us < pause_us ? left_us : pause_us)) return false;
    }
}

static int rpc_peer_transmit(struct rpc_peer *peer, const struct rpc_mail *mail)
{
    uint8_t header[RPC_FRAME_BYTES];
    const struct rpc_frame frame = {RPC_FRAME_MESSAGE, peer->self, (uint32_t)mail->size};
    rpc_frame_write(&frame, header);
    peer->unsynced++;
    peer->unsynced_bytes += mail->size;
    bool pings = peer->kind == RPC_REQUEST || atomic_load(&peer->queued_bytes) == 0 ||
                 peer->unsynced_bytes >= RPC_PEER_WINDOW_BYTES;
    const struct rpc_stream_bytes parts[] = {{header, sizeof header}, {mail->bytes, mail->size}}, nothing[2] = {{0}};
    if (!rpc_peer_gathers(peer, sizeof header + mail->size)) return rpc_peer_flush(peer, parts, pings);
    rpc_peer_gather(peer, parts); // another comes and takes it along; or one piece is less work than three
    return pings ? rpc_peer_flush(peer, nothing, true) : 0;
}

static void rpc_peer_deliver(struct rpc_peer *peer, const struct rpc_mail *mail)
{
    int64_t since_us = mail->posted_us > peer->progress_us ? mail->posted_us : peer->progress_us;
    int64_t until_us = since_us + peer->deadline_us;
    struct rpc *local = NULL;
    rpc_peer_check(peer);
    if (peer->stream && peer->unsynced == 0 && rpc_stream_ended(peer->stream)) rpc_peer_disconnect(peer);
    bool reached = peer->stream || (rpc_peer_now() < until_us && rpc_peer_reach(peer, until_us, &local));
    if (!reached) {
        bool stopping = rpc_peer_stopping(peer);
        atomic_fetch_add(stopping ? &peer->counters->dropped_hangup : &peer->counters->dropped_late, 1);
        peer->owes = true;
        rpc_peer_tell_lost(peer, true);
        return;
    }
    if (local) {
        rpc_deliver(local, peer->self, peer->who, mail->bytes, mail->size);
        rpc_unref(local);
        peer->progress_us = rpc_peer_now();
        atomic_fetch_add(&peer->counters->sent, 1);
        atomic_fetch_add(&peer->counters->sent_bytes, mail->size);
        return;
    }
    int code = rpc_peer_transmit(peer, mail);
    if (code == 0) return;
    log_debug("rpc_send_failed", "peer=%u url=%s error=\"%s\"", peer->number, peer->url, nng_strerror(code));
    rpc_peer_disconnect(peer);
}

// The connection broke, and nothing is to be sent that would make it anew: is anybody there?
static void rpc_peer_look(struct rpc_peer *peer)
{
    struct rpc *local = NULL;
    peer->lost = false;
    if (!rpc_peer_stopping(peer) && !rpc_peer_reach(peer, rpc_peer_now() + RPC_PEER_LOOK_US, &local))
        rpc_peer_tell_lost(peer, true);
}

static void *rpc_peer_run(void *argument)
{
    struct rpc_peer *peer = argument;
    for (bool end = false; !end;) {
        bool looks = peer->lost && !peer->stream;
        bool watches = peer->kind == RPC_WATCH && !peer->stream;
        int64_t wait_us = looks ? 0 : peer->stream ? RPC_PEER_IDLE_US : watches ? RPC_PEER_WATCH_US : -1;
        struct rpc_mail *mail = (struct rpc_mail *)mailbox_wait(&peer->mailbox, wait_us);
        if (mail == (struct rpc_mail *)&peer->broke) {
            atomic_store(&peer->broke_posted, false);
            if (peer->stream && rpc_stream_ended(peer->stream)) rpc_peer_disconnect(peer);
            continue;
        }
        if (!mail && (looks || watches)) rpc_peer_look(peer);
        if (!mail) {
            rpc_peer_check(peer);
            if (peer->stream && (rpc_stream_ended(peer->stream) || rpc_peer_ping(peer) != 0)) rpc_peer_disconnect(peer);
            continue;
        }
        atomic_fetch_sub(&peer->queued_bytes, mail->size);
        end = mail->end;
        if (!end && rpc_peer_stopping(peer)) {
            atomic_fetch_add(&peer->counters->dropped_hangup, 1);
        } else if (!end) {
            rpc_peer_deliver(peer, mail);
        }
        memory_free(mail);
    }
    rpc_peer_disconnect(peer);
    mailbox_poll(&peer->mailbox); // broke, or nothing: nobody posts any more
    return NULL;
}

static void rpc_peer_free(struct rpc_peer *peer)
{
    mailbox_deinit(&peer->stop);
    mailbox_deinit(&peer->mailbox);
    pthread_mutex_destroy(&peer->lock);
    rpc_who_unref(peer->who);
    memory_free(peer->token);
    memory_free(peer->url);
    memory_free(peer);
}

enum status rpc_peer_create(const struct rpc_peer_config *config, struct rpc_peer **ret_peer, struct error *err)
{
    enum status status = STATUS_OK;
    struct rpc_url parsed;
    struct rpc_peer *peer = memory_calloc(1, sizeof *peer);
    peer->number = config->number;
    peer->self = config->self;
    peer->kind = config->kind;
    peer->lost = peer->kind == RPC_WATCH;
    peer->url = memory_strdup(config->url);
    peer->counters = config->counters;
    peer->queue_bytes_max = config->queue_bytes_max;
    peer->deadline_us = config->deadline_us;
    peer->on_refused = config->refused;
    peer->on_lost = config->lost;
    peer->context = config->context;
    TRY(rpc_url_parse(config->url, false, &parsed, err));
    if (config->token && strlen(config->token) > RPC_TOKEN_BYTES_MAX) {
        TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "the token for %s is longer than %d bytes", config->url,
                      RPC_TOKEN_BYTES_MAX));
    }
    TRY(rpc_tls_store_check(config->tls, config->url, err));
    peer->tls = config->tls;
    peer->secure = parsed.scheme == RPC_URL_TLS;
    snprintf(peer->host, sizeof peer->host, "%s", parsed.host);
    peer->local = parsed.scheme == RPC_URL_INPROC;
    peer->token = config->token ? memory_strdup(config->token) : NULL;
    struct rpc_identity self = {.local = true, .token = peer->token};
    snprintf(self.address, sizeof self.address, "inproc peer %u", peer->self);
    peer->who = rpc_who_create(&self);
    pthread_mutex_init(&peer->lock, NULL);
    mailbox_init(&peer->mailbox);
    mailbox_init(&peer->stop);
    if (!thread_try_create(&peer->thread, "rpc-send", rpc_peer_run, peer)) {
        rpc_peer_free(peer);
        return error_set(err, STATUS_ERROR, ERROR_RETRY,
                         "cannot dial %s: no thread is left (raise ulimit -u, or TasksMax=)", config->url);
    }
    *ret_peer = peer;
    return STATUS_OK;
out:
    memory_free(peer->url);
    memory_free(peer);
    return status;
}

struct rpc_mail *rpc_peer_mail(const void *head, size_t head_size, const void *bytes, size_t size)
{
    struct rpc_mail *mail = memory_alloc(sizeof *mail + head_size + size);
    *mail = (struct rpc_mail){.posted_us = rpc_peer_now(), .size = head_size + size};
    if (head_size > 0) memcpy(mail->bytes, head, head_size);
    if (size > 0) memcpy(mail->bytes + head_size, bytes, size);
    return mail;
}

void rpc_peer_post(struct rpc_peer *peer, struct rpc_mail *mail)
{
    size_t queued = atomic_fetch_add(&peer->queued_bytes, mail->size);
    if (queued > 0 && queued + mail->size > peer->queue_bytes_max) { // one message always fits
        atomic_fetch_sub(&peer->queued_bytes, mail->size);
        atomic_fetch_add(&peer->counters->dropped_full, 1);
        memory_free(mail);
        return;
    }
    mailbox_post(&peer->mailbox, &mail->mail);
}

uint32_t rpc_peer_number(const struct rpc_peer *peer)
{
    return peer->number;
}

bool rpc_peer_leads_to(const struct rpc_peer *peer, const char *url, enum rpc_kind kind)
{
    return peer->kind == kind && strcmp(peer->url, url) == 0;
}

void rpc_peer_destroy(struct rpc_peer *peer)
{
    if (!peer) return;
    pthread_mutex_lock(&peer->lock);
    peer->stopping = true;
    if (peer->stream) rpc_stream_close(peer->stream); // what the thread waits for ends
    pthread_mutex_unlock(&peer->lock);
    mailbox_post(&peer->stop, &peer->stopped);
    struct rpc_mail *end = rpc_peer_mail(NULL, 0, NULL, 0);
    end->end = true;
    mailbox_post(&peer->mailbox, &end->mail);
    thread_join(peer->thread);
    mailbox_poll(&peer->stop);
    rpc_peer_free(peer);
}
