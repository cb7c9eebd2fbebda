// A client's side: one connection, one request, one answer.
//
// What can fail stands at rpc_call in rpc.h; before the request is handed over nothing can have been done.
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/rpc/rpc.h"
#include "common/rpc/rpc_frame.h"
#include "common/rpc/rpc_local.h"
#include "common/rpc/rpc_request.h"
#include "common/rpc/rpc_stream.h"
#include "common/rpc/rpc_tls.h"
#include "common/rpc/rpc_url.h"

enum { RPC_CALL_REPLY_BYTES_MAX = 256 << 20 };

struct rpc_call {
    const char *url;
    struct rpc_url parsed;
    const struct rpc_tls *tls;
    const char *token;
    struct rpc_stream *stream;
    int64_t until_us, deadline_us;
};

static enum status rpc_call_silent(const struct rpc_call *call, enum status code, const char *what, struct error *err)
{
    return error_set(err, code, ERROR_RETRY, "%s %s within %.3g s", call->url, what, (double)call->deadline_us / 1e6);
}

// Why no TCP (or local) connection was made, in words.
static enum status rpc_call_not_connected(const struct rpc_call *call, int code, struct error *err)
{
    const char *url = call->url;
    switch (code) {
    case NNG_ECONNREFUSED:
        return error_set(err, STATUS_ERROR, ERROR_RETRY,
                         "nobody listens at %s (connection refused): is the process running, and is this its --listen?",
                         url);
    case NNG_EADDRINVAL:
        return error_set(err, STATUS_ERROR, ERROR_RETRY, "cannot resolve the host '%s' of %s", call->parsed.host, url);
    case NNG_EUNREACHABLE:
        return error_set(err, STATUS_ERROR, ERROR_RETRY, "no way leads to %s (host or network unreachable)", url);
    case NNG_EPERM: return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "this user may not connect to %s", url);
    case NNG_ETIMEDOUT: return rpc_call_silent(call, STATUS_ERROR, "did not answer", err);
    default: return error_set(err, STATUS_ERROR, ERROR_RETRY, "cannot connect to %s: %s", url, nng_strerror(code));
    }
}

// Why the first exchange on a connection failed: it is also where TLS shakes hands.
static enum status rpc_call_not_met(const struct rpc_call *call, int code, struct error *err)
{
    const char *url = call->url;
    bool secure = call->parsed.scheme == RPC_URL_TLS;
    if (code == NNG_ETIMEDOUT)
        return rpc_call_silent(call, STATUS_ERROR, "took the connection but did not answer", err);
    if (code == NNG_EPEERAUTH) {
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                         "this side refused the certificate of %s: %s; its authorities are those of %s", url,
                         rpc_stream_why(call->stream), call->tls->ca_file);
    }
    if (code == NNG_ECRYPTO) {
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "%s refused this side's certificate %s: %s", url,
                         call->tls->certificate_file, rpc_stream_why(call->stream));
    }
    if (secure) {
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                         "what listens at %s does not speak TLS, is no Foreset endpoint, or refused this side's "
                         "certificate %s and closed (%s)",
                         url, call->tls->certificate_file, nng_strerror(code));
    }
    return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                     "what listens at %s is no Foreset endpoint, or one that wants tls+tcp:// (%s)", url,
                     nng_strerror(code));
}

static int rpc_call_send(const struct rpc_call *call, enum rpc_frame_kind kind, const void *bytes, size_t size)
{
    uint8_t header[RPC_FRAME_BYTES];
    const struct rpc_frame frame = {.kind = kind, .size = (uint32_t)size};
    rpc_frame_write(&frame, header);
    const struct rpc_stream_bytes parts[] = {{header, sizeof header}, {bytes, size}};
    int64_t left_us = call->until_us - clock_boot_us(clock_system());
    return rpc_stream_send(call->stream, parts, 2, left_us > 0 ? left_us : 0);
}

// A frame of an accepted kind, whole. bytes is freed with memory_free.
static int rpc_call_receive(const struct rpc_call *call, enum rpc_frame_kind expected, struct rpc_frame *ret_frame,
                            uint8_t **ret_bytes)
{
    uint8_t header[RPC_FRAME_BYTES];
    int code = rpc_stream_recv(call->stream, header, sizeof header, call->until_us);
    if (code != 0) return code;
    enum rpc_frame_fault fault = rpc_frame_read(header, ret_frame);
    bool refused = fault != RPC_FRAME_MALFORMED && ret_frame->kind == RPC_FRAME_REFUSED;
    bool fits = ret_frame->size <= (refused ? (uint32_t)RPC_FRAME_WORDS_MAX : (uint32_t)RPC_CALL_REPLY_BYTES_MAX);
    if (!refused && (fault != RPC_FRAME_OK || ret_frame->kind != expected)) return NNG_EPROTO;
    if (!fits) return NNG_EMSGSIZE;
    uint8_t *bytes = memory_alloc(ret_frame->size);
    code = rpc_stream_recv(call->stream, bytes, ret_frame->size, call->until_us);
    if (code == 0) {
        *ret_bytes = bytes;
    } else {
        memory_free(bytes);
    }
    return code;
}

static enum status rpc_call_refused(const struct rpc_call *call, const void *words, size_t size, struct error *err)
{
    return error_set(err, STATUS_CONFLICT, ERROR_FAIL_PIPELINE, "%s refused the request: %.*s", call->url,
                     size < 768 ? (int)size : 768, (const char *)words);
}

// Connects and learns that it is Foreset who listens.
static enum status rpc_call_meet(struct rpc_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    struct rpc_tls_context *context = NULL;
    struct rpc_frame frame = {0};
    uint8_t *bytes = NULL;
    bool secure = call->parsed.scheme == RPC_URL_TLS;
    if (secure) TRY(rpc_tls_load(call->tls, &context, err));
    if (secure && !context) {
        TRY(error_set(err, STATUS_INVALID, ERROR_USAGE,
                      "%s needs three PEM files: the authorities, the certificate and its key", call->url));
    }
    int code = rpc_stream_dial(call->stream, call->url, call->until_us);
    if (code != 0) TRY(rpc_call_not_connected(call, code, err));
    if (secure) code = rpc_stream_secure(call->stream, context, call->parsed.host, call->until_us);
    if (code == 0 && call->token) code = rpc_call_send(call, RPC_FRAME_TOKEN, call->token, strlen(call->token));
    if (code == 0) code = rpc_call_send(call, RPC_FRAME_PING, NULL, 0);
    if (code == 0) code = rpc_call_receive(call, RPC_FRAME_PONG, &frame, &bytes);
    if (code != 0) {
        status = rpc_call_not_met(call, code, err);
    } else if (frame.kind == RPC_FRAME_REFUSED) {
        status = rpc_call_refused(call, bytes, frame.size, err);
    }
out:
    memory_free(bytes);
    rpc_tls_unref(context);
    return status;
}

static enum status rpc_call_ask(const struct rpc_call *call, const void *bytes, size_t size, void **ret_reply,
                                size_t *ret_size, struct error *err)
{
    struct rpc_frame frame = {0};
    uint8_t *reply = NULL;
    int code = rpc_call_send(call, RPC_FRAME_REQUEST, bytes, size);
    if (code == 0) code = rpc_call_receive(call, RPC_FRAME_REPLY, &frame, &reply);
    if (code == NNG_ETIMEDOUT) return rpc_call_silent(call, STATUS_UNKNOWN, "did not answer the request", err);
    if (code != 0) {
        return error_set(err, STATUS_UNKNOWN, ERROR_RETRY, "%s closed the connection before it answered (%s)",
                         call->url, nng_strerror(code));
    }
    if (frame.kind == RPC_FRAME_REFUSED) {
        enum status status = rpc_call_refused(call, reply, frame.size, err);
        memory_free(reply);
        return status;
    }
    *ret_reply = reply;
    *ret_size = frame.size;
    return STATUS_OK;
}

// To an endpoint of this process.
static enum status rpc_call_local(const struct rpc_call *call, const void *bytes, size_t size, void **ret_reply,
                                  size_t *ret_size, struct error *err)
{
    const char *why = NULL;
    const void *answer = NULL;
    size_t answer_size = 0;
    bool refused = false;
    struct rpc *rpc = rpc_local_find(call->url);
    if (!rpc) return rpc_call_not_connected(call, NNG_ECONNREFUSED, err);
    uint8_t *copy = memory_alloc(size);
    if (size > 0) memcpy(copy, bytes, size);
    const struct rpc_identity self = {.local = true, .address = "inproc client", .token = call->token};
    struct rpc_who *who = rpc_who_create(&self);
    struct rpc_request *request = rpc_request_begin(rpc, who, copy, size, &why);
    rpc_who_unref(who);
    rpc_unref(rpc);
    if (!request) return rpc_call_refused(call, why, strlen(why), err);
    enum status status = STATUS_OK;
    if (!rpc_request_wait(request, call->until_us, &refused, &answer, &answer_size)) {
        status = rpc_call_silent(call, STATUS_UNKNOWN, "did not answer the request", err);
    } else if (refused) {
        status = rpc_call_refused(call, answer, answer_size, err);
    } else {
        *ret_size = answer_size;
        *ret_reply = memory_alloc(answer_size);
        if (answer_size > 0) memcpy(*ret_reply, answer, answer_size);
    }
    rpc_request_unref(request);
    return status;
}

static enum status rpc_call_begin(struct rpc_call *call, const char *url, const struct rpc_credentials *credentials,
                                  int64_t deadline_us, struct error *err)
{
    *call = (struct rpc_call){.url = url, .deadline_us = deadline_us};
    if (credentials) call->tls = credentials->tls;
    if (credentials) call->token = credentials->token;
    if (call->token && strlen(call->token) > RPC_TOKEN_BYTES_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "the token for %s is longer than %d bytes", url,
                         RPC_TOKEN_BYTES_MAX);
    }
    call->until_us = clock_boot_us(clock_system()) + deadline_us;
    return rpc_url_parse(url, false, &call->parsed, err);
}

enum status rpc_call(const char *url, const struct rpc_credentials *credentials, const void *bytes, size_t size,
                     int64_t deadline_us, void **ret_reply, size_t *ret_size, struct error *err)
{
    struct rpc_call call;
    enum status status = rpc_call_begin(&call, url, credentials, deadline_us, err);
    if (status != STATUS_OK) return status;
    ASSERT(size <= UINT32_MAX);
    if (call.parsed.scheme == RPC_URL_INPROC) return rpc_call_local(&call, bytes, size, ret_reply, ret_size, err);
    call.stream = rpc_stream_create();
    status = rpc_call_meet(&call, err);
    if (status == STATUS_OK) status = rpc_call_ask(&call, bytes, size, ret_reply, ret_size, err);
    rpc_stream_destroy(call.stream);
    return status;
}

enum status rpc_probe(const char *url, const struct rpc_credentials *credentials, int64_t deadline_us,
                      struct error *err)
{
    struct rpc_call call;
    enum status status = rpc_call_begin(&call, url, credentials, deadline_us, err);
    if (status != STATUS_OK) return status;
    if (call.parsed.scheme == RPC_URL_INPROC) {
        struct rpc *rpc = rpc_local_find(url);
        if (!rpc) return rpc_call_not_connected(&call, NNG_ECONNREFUSED, err);
        rpc_unref(rpc);
        return STATUS_OK;
    }
    call.stream = rpc_stream_create();
    status = rpc_call_meet(&call, err);
    rpc_stream_destroy(call.stream);
    return status;
}
