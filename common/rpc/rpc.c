// Endpoints: what they listen at, whom they dial, and what comes in. Connections that come in are rpc_listener.c's,
// outgoing links rpc_peer.c's; endpoints of this process find each other by name in rpc_local.c.
//
// What can fail: the address cannot be listened at (said at once); what happens to a message that cannot be sent stands
// at struct rpc_config and in the counters.
//
// Lock order: deliver, then lock; an owner's received and requested run under deliver.
#include "common/rpc/rpc.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/rpc/rpc_listener.h"
#include "common/rpc/rpc_local.h"
#include "common/rpc/rpc_peer.h"
#include "common/rpc/rpc_private.h"
#include "common/rpc/rpc_request.h"

struct rpc *rpc_ref(struct rpc *rpc)
{
    atomic_fetch_add(&rpc->refs, 1);
    return rpc;
}

void rpc_unref(struct rpc *rpc)
{
    if (atomic_fetch_sub(&rpc->refs, 1) > 1) return;
    rpc_tls_store_deinit(&rpc->tls);
    memory_free((void *)(uintptr_t)rpc->tls_files.ca_file);
    memory_free((void *)(uintptr_t)rpc->tls_files.certificate_file);
    memory_free((void *)(uintptr_t)rpc->tls_files.key_file);
    memory_free((void *)(uintptr_t)rpc->tls_files.crl_file);
    memory_free((void *)(uintptr_t)rpc->tls_files.server_name);
    rpc_guard_deinit(&rpc->guard);
    memory_free((void *)(uintptr_t)rpc->config.token);
    pthread_mutex_destroy(&rpc->deliver);
    pthread_mutex_destroy(&rpc->lock);
    memory_free(rpc);
}

void rpc_deliver(struct rpc *rpc, uint32_t sender, const struct rpc_who *from, const void *bytes, size_t size)
{
    pthread_mutex_lock(&rpc->deliver);
    if (!rpc->closed) {
        atomic_fetch_add(&rpc->counters.received, 1);
        atomic_fetch_add(&rpc->counters.received_bytes, size);
        rpc->config.received(rpc->config.context, sender, rpc_who_identity(from), bytes, size);
    }
    pthread_mutex_unlock(&rpc->deliver);
}

void rpc_tell_refused(struct rpc *rpc, const struct rpc_identity *from, const char *why)
{
    int64_t now = clock_boot_us(clock_system());
    char longer[768];
    if (!rpc->config.refused_connection) return;
    pthread_mutex_lock(&rpc->deliver);
    if (now - rpc->told_since_us >= 1000000) {
        rpc->told_since_us = now;
        rpc->told = 0;
    }
    bool tells = !rpc->closed && rpc->told++ < RPC_REFUSALS_TOLD_MAX;
    if (tells && rpc->untold > 0) {
        snprintf(longer, sizeof longer, "%s; %llu other connections were refused since the last line", why,
                 (unsigned long long)rpc->untold);
        why = longer;
    }
    if (tells) rpc->config.refused_connection(rpc->config.context, from, why);
    rpc->untold = tells ? 0 : rpc->untold + 1;
    pthread_mutex_unlock(&rpc->deliver);
}

static void rpc_refused(void *context, uint32_t peer)
{
    struct rpc *rpc = context;
    pthread_mutex_lock(&rpc->deliver);
    if (!rpc->closed && rpc->config.refused) rpc->config.refused(rpc->config.context, peer);
    pthread_mutex_unlock(&rpc->deliver);
}

static void rpc_lost(void *context, uint32_t peer, bool silent)
{
    struct rpc *rpc = context;
    pthread_mutex_lock(&rpc->deliver);
    if (!rpc->closed && rpc->config.lost) rpc->config.lost(rpc->config.context, peer, silent);
    pthread_mutex_unlock(&rpc->deliver);
}

static enum status rpc_listen(struct rpc *rpc, struct error *err)
{
    enum status status = STATUS_OK;
    struct rpc_url parsed;
    snprintf(rpc->url, sizeof rpc->url, "%s", rpc->config.url);
    TRY(rpc_url_parse(rpc->config.url, true, &parsed, err));
    if (parsed.scheme != RPC_URL_INPROC) {
        TRY(rpc_listener_open(rpc, &parsed, &rpc->listener, err));
    } else if (!rpc_local_add(rpc)) {
        status = error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "cannot listen at %s: another process listens there",
                           rpc->url);
    }
out:
    return status;
}

static const char *rpc_copy(const char *text)
{
    return text ? memory_strdup(text) : NULL;
}

// rpc_reload reads them when the owner's may be gone.
static void rpc_keep_files(struct rpc *rpc, const struct rpc_tls *tls)
{
    rpc->tls_files = (struct rpc_tls){.ca_file = rpc_copy(tls->ca_file),
                                      .certificate_file = rpc_copy(tls->certificate_file),
                                      .key_file = rpc_copy(tls->key_file),
                                      .server_name = rpc_copy(tls->server_name),
                                      .crl_file = rpc_copy(tls->crl_file)};
}

enum status rpc_open(const struct rpc_config *config, struct rpc **ret_rpc, struct error *err)
{
    enum status status = STATUS_OK;
    ASSERT(config->url && config->received);
    struct rpc *rpc = memory_calloc(1, sizeof *rpc);
    atomic_store(&rpc->refs, 1);
    rpc->config = *config;
    if (!rpc->config.message_bytes_max) rpc->config.message_bytes_max = RPC_MESSAGE_BYTES_MAX;
    if (!rpc->config.queue_bytes_max) rpc->config.queue_bytes_max = RPC_QUEUE_BYTES_MAX;
    if (!rpc->config.deadline_us) rpc->config.deadline_us = RPC_DEADLINE_US;
    if (!rpc->config.greeting_us) rpc->config.greeting_us = RPC_GREETING_US;
    ASSERT(rpc->config.message_bytes_max <= UINT32_MAX);
    if (config->token) rpc->config.token = memory_strdup(config->token);
    pthread_mutex_init(&rpc->deliver, NULL);
    pthread_mutex_init(&rpc->lock, NULL);
    rpc_guard_init(&rpc->guard);
    rpc_tls_store_init(&rpc->tls);
    if (config->tls) rpc_keep_files(rpc, config->tls);
    TRY(rpc_reload(rpc, err));
    TRY(rpc_listen(rpc, err));
    *ret_rpc = rpc;
    return STATUS_OK;
out:
    rpc_unref(rpc);
    return status;
}

void rpc_close(struct rpc *rpc)
{
    if (!rpc) return;
    if (!rpc->listener) rpc_local_remove(rpc);
    pthread_mutex_lock(&rpc->deliver);
    rpc->closed = true;
    pthread_mutex_unlock(&rpc->deliver);
    rpc_listener_close(rpc->listener);
    for (unsigned i = 0; i < rpc->peer_count; i++) rpc_peer_destroy(rpc->peers[i]);
    rpc->peer_count = 0;
    rpc_unref(rpc);
}

enum status rpc_reload(struct rpc *rpc, struct error *err)
{
    enum status status = STATUS_OK;
    struct rpc_tls_context *fresh = NULL;
    if (!rpc->config.tls) return STATUS_OK;
    TRY(rpc_tls_load(&rpc->tls_files, &fresh, err));
    rpc_tls_store_set(&rpc->tls, fresh);
out:
    return status;
}

const char *rpc_url(const struct rpc *rpc)
{
    return rpc->url;
}

const struct rpc_counters *rpc_counters(const struct rpc *rpc)
{
    return &rpc->counters;
}

// Under the lock. The peer's place, or peer_count.
static unsigned rpc_find(const struct rpc *rpc, uint32_t peer)
{
    unsigned i = 0;
    while (i < rpc->peer_count && rpc_peer_number(rpc->peers[i]) != peer) i++;
    return i;
}

enum status rpc_dial(struct rpc *rpc, uint32_t peer, const char *url, enum rpc_kind kind, struct error *err)
{
    enum status status = STATUS_OK;
    const struct rpc_peer_config config = {.number = peer,
                                           .self = rpc->config.self,
                                           .kind = kind,
                                           .url = url,
                                           .tls = &rpc->tls,
                                           .token = rpc->config.token,
                                           .counters = &rpc->counters,
                                           .queue_bytes_max = rpc->config.queue_bytes_max,
                                           .deadline_us = rpc->config.deadline_us,
                                           .refused = rpc_refused,
                                           .lost = rpc_lost,
                                           .context = rpc};
    struct rpc_peer *fresh = NULL, *old = NULL;
    pthread_mutex_lock(&rpc->lock);
    unsigned at = rpc_find(rpc, peer);
    bool same = at < rpc->peer_count && rpc_peer_leads_to(rpc->peers[at], url, kind);
    pthread_mutex_unlock(&rpc->lock);
    if (same) return STATUS_OK;
    TRY(rpc_peer_create(&config, &fresh, err));
    pthread_mutex_lock(&rpc->lock);
    at = rpc_find(rpc, peer);
    if (at == RPC_PEERS_MAX) {
        old = fresh;
        status = error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "cannot dial %s: %d peers are dialled already", url,
                           RPC_PEERS_MAX);
    } else {
        if (at == rpc->peer_count) {
            rpc->peer_count++;
        } else {
            old = rpc->peers[at];
        }
        rpc->peers[at] = fresh;
    }
    pthread_mutex_unlock(&rpc->lock);
    rpc_peer_destroy(old);
out:
    return status;
}

void rpc_hangup(struct rpc *rpc, uint32_t peer)
{
    struct rpc_peer *old = NULL;
    pthread_mutex_lock(&rpc->lock);
    unsigned at = rpc_find(rpc, peer);
    if (at < rpc->peer_count) {
        old = rpc->peers[at];
        rpc->peers[at] = rpc->peers[--rpc->peer_count];
    }
    pthread_mutex_unlock(&rpc->lock);
    rpc_peer_destroy(old);
}

void rpc_send(struct rpc *rpc, uint32_t peer, const void *bytes, size_t size)
{
    rpc_send_parts(rpc, peer, bytes, size, NULL, 0);
}

void rpc_send_parts(struct rpc *rpc, uint32_t peer, const void *head, size_t head_size, const void *bytes, size_t size)
{
    ASSERT(head_size + size <= rpc->config.message_bytes_max);
    struct rpc_mail *mail = rpc_peer_mail(head, head_size, bytes, size);
    pthread_mutex_lock(&rpc->lock);
    unsigned at = rpc_find(rpc, peer);
    bool known = at < rpc->peer_count;
    if (known) rpc_peer_post(rpc->peers[at], mail);
    pthread_mutex_unlock(&rpc->lock);
    if (known) return;
    memory_free(mail);
    atomic_fetch_add(&rpc->counters.dropped_unknown, 1);
}

void rpc_reply(struct rpc_request *request, const void *bytes, size_t size)
{
    rpc_request_answer(request, false, bytes, size);
}

void rpc_refuse(struct rpc_request *request, const char *why)
{
    rpc_request_answer(request, true, why, strlen(why));
}

const struct rpc_identity *rpc_request_from(const struct rpc_request *request)
{
    return rpc_who_identity(rpc_request_who(request));
}

enum status rpc_check_listen(const char *url, const struct rpc_tls *tls, bool insecure, struct error *err)
{
    struct rpc_url parsed;
    enum status status = rpc_url_parse(url, true, &parsed, err);
    if (status != STATUS_OK) return status;
    if (parsed.scheme == RPC_URL_TLS && !tls) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "%s needs three PEM files: the authorities, the certificate and its key", url);
    }
    if (parsed.scheme == RPC_URL_TCP && tls) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "certificates are given, but %s does not use them; write tls+%s", url, url);
    }
    if (parsed.scheme == RPC_URL_TCP && !insecure && !rpc_url_is_local(&parsed)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "%s would take anybody's commands, unencrypted: listen at tls+tcp://… with certificates, at "
                         "a loopback address (tcp://127.0.0.1:%u), or say --insecure",
                         url, parsed.port);
    }
    return STATUS_OK;
}
