// The workers of a cluster. A worker says hello each second; the leader answers with the pipelines it is to serve. One
// that leaves is told when it may: what it held has moved at an epoch's border, or nobody is there to take it.
// Refused: a version that is not ours, a name that cannot be one or that is not this process's to bear (finally); a
// name that another living process has (until that one has ended or is silent; who comes from that one's own address
// has taken its place).
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/rpc/cluster_message.h"
#include "coordinator/cluster/cluster_private.h"

struct cluster_worker *cluster_workers_find(struct cluster *cluster, const char *name)
{
    struct cluster_worker *found = NULL;
    for (size_t i = 0; i < cluster->workers.count; i++) {
        struct cluster_worker *worker = &cluster->workers.items[i];
        if (strcmp(worker->name, name) == 0 && (!found || worker->alive)) found = worker;
    }
    return found;
}

bool cluster_workers_drained(const struct cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->drained.count; i++) {
        if (strcmp(cluster->drained.items[i].text, name) == 0) return true;
    }
    return false;
}

bool cluster_workers_stays(const struct cluster *cluster, const struct cluster_worker *worker)
{
    return worker->alive && !worker->leaving && !cluster_workers_drained(cluster, worker->name);
}

static bool cluster_workers_may_go(struct cluster *cluster, uint32_t peer)
{
    bool others = false;
    const struct cluster_worker *leaver = NULL;
    for (size_t i = 0; i < cluster->workers.count; i++) {
        const struct cluster_worker *worker = &cluster->workers.items[i];
        if (worker->peer == peer && worker->leaving) leaver = worker;
        others = others || cluster_workers_stays(cluster, worker);
    }
    if (!leaver) return false;
    if (!others) return true;
    bool told = clock_boot_us(cluster->seam->clock) - leaver->leaving_us >= CLUSTER_LEAVING_US;
    return told && !cluster_json_holds(cluster, leaver->name);
}

static void cluster_workers_welcome(struct cluster *cluster, uint32_t peer, const char *refusal, bool final)
{
    Foreset__Served served[CLUSTER_PIPELINES_MAX], *list[CLUSTER_PIPELINES_MAX];
    Foreset__Welcome welcome = FORESET__WELCOME__INIT;
    welcome.term = (uint64_t)atomic_load(&cluster->lease.create_revision);
    welcome.url = (char *)cluster->config.url;
    welcome.refusal = (char *)refusal;
    welcome.has_final = welcome.final = final;
    welcome.has_may_go = welcome.may_go = !refusal && cluster_workers_may_go(cluster, peer);
    welcome.serves = list;
    for (size_t i = 0; i < cluster->pipelines.count && !refusal; i++) {
        const struct cluster_pipeline *pipeline = &cluster->pipelines.items[i];
        if (!pipeline->runs) continue;
        Foreset__Served *serve = &served[welcome.n_serves];
        foreset__served__init(serve);
        serve->channel = pipeline->channel;
        serve->pipeline = (char *)pipeline->definition.name;
        list[welcome.n_serves++] = serve;
    }
    Foreset__Cluster message = FORESET__CLUSTER__INIT;
    message.body_case = FORESET__CLUSTER__BODY_WELCOME;
    message.welcome = &welcome;
    cluster_message_pack(&message, &cluster->bytes);
    cluster->seam->ops->send(cluster->seam, peer, cluster->bytes.data, cluster->bytes.length);
}

// Names stand in keys, log lines and tables, and are kept whole.
static bool cluster_workers_is_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length >= CLUSTER_NAME_SIZE || !text_utf8_valid((const uint8_t *)name, length)) return false;
    for (const char *at = name; *at; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7F || strchr("/\\\"", *at)) return false;
    }
    return true;
}

// It is kept whole and logged, as the name.
static bool cluster_workers_is_url(const char *url)
{
    if (strlen(url) >= sizeof((struct cluster_worker *)0)->url) return false;
    for (; *url; url++) {
        if (*url <= ' ' || *url > '~' || *url == '"' || *url == '\\') return false;
    }
    return true;
}

// Why this worker may not take part; NULL: it may.
static const char *cluster_workers_refusal(struct cluster *cluster, uint32_t peer, const Foreset__Hello *hello,
                                           char *why, size_t size, bool *ret_final)
{
    const struct cluster_host *host = &cluster->config.host;
    struct error err;
    *ret_final = false;
    if (!cluster_workers_is_name(hello->name)) {
        *ret_final = true;
        snprintf(why, size, "a worker's --name has 1 to %d bytes, without spaces, slashes, backslashes and quotes",
                 CLUSTER_NAME_SIZE - 1);
        return why;
    }
    if (!cluster_workers_is_url(hello->url)) {
        *ret_final = true;
        snprintf(why, size, "the URL of worker %s has bytes that a URL cannot have, or too many", hello->name);
        return why;
    }
    if (host->worker_name && host->worker_name(cluster->config.context, peer, hello->name, &err) != STATUS_OK) {
        *ret_final = true;
        snprintf(why, size, "%s", err.message);
        return why;
    }
    if (strcmp(hello->version, cluster->config.version) != 0) {
        *ret_final = true;
        snprintf(why, size, "worker %.60s is of version %.20s, the coordinator of %s: run the same version everywhere",
                 hello->name, hello->version, cluster->config.version);
        return why;
    }
    const struct cluster_worker *known = cluster_workers_find(cluster, hello->name);
    bool same_place = known && strcmp(known->url, hello->url) == 0;
    if (known && known->alive && known->incarnation != hello->incarnation && !same_place) {
        snprintf(why, size, "another worker named %.60s runs at %.120s: give this one another --name, or stop that one",
                 known->name, known->url);
        return why;
    }
    return NULL;
}

// True if that is news for the pipelines.
static bool cluster_workers_leaves(struct cluster *cluster, struct cluster_worker *worker, bool leaves)
{
    if (worker->leaving == leaves) return false;
    worker->leaving = leaves;
    worker->leaving_us = clock_boot_us(cluster->seam->clock);
    if (leaves) log_info("worker_leaves", "worker=%s url=%s", worker->name, worker->url);
    return true;
}

static void cluster_workers_dead(struct cluster *cluster, struct cluster_worker *worker)
{
    worker->alive = false;
    if (cluster_workers_leaves(cluster, worker, false)) cluster_tell_leaving(cluster);
}

// Says it once of each process, and keeps it for whoever asks.
static void cluster_workers_refused(struct cluster *cluster, const Foreset__Hello *hello, const char *why)
{
    int64_t now_us = clock_boot_us(cluster->seam->clock);
    for (size_t i = 0; i < cluster->refusals.count; i++) {
        if (cluster->refusals.items[i].incarnation != hello->incarnation) continue;
        cluster->refusals.items[i].at_us = now_us;
        return;
    }
    if (cluster->refusals.count == CLUSTER_REFUSALS_MAX) vector_remove(&cluster->refusals, 0);
    struct cluster_refusal refusal = {.incarnation = hello->incarnation, .at_us = now_us};
    snprintf(refusal.name, sizeof refusal.name, "%s", hello->name);
    snprintf(refusal.why, sizeof refusal.why, "%s", why);
    text_utf8_clean(refusal.name);
    text_utf8_clean(refusal.why);
    vector_push(&cluster->refusals, refusal);
    log_warn("worker_refused", "worker=\"%.60s\" url=\"%.200s\" why=\"%s\"", hello->name, hello->url, why);
}

void cluster_workers_hello(struct cluster *cluster, uint32_t peer, const Foreset__Hello *hello)
{
    char why[300];
    bool final;
    if (cluster_workers_is_url(hello->url)) cluster->config.host.dial(cluster->config.context, peer, hello->url);
    const char *refusal = cluster_workers_refusal(cluster, peer, hello, why, sizeof why, &final);
    if (refusal) {
        cluster_workers_refused(cluster, hello, refusal);
        cluster_workers_welcome(cluster, peer, refusal, final);
        return;
    }
    struct cluster_worker *worker = cluster_workers_find(cluster, hello->name);
    if (!worker) {
        if (cluster->workers.count == CLUSTER_WORKERS_MAX) return;
        struct cluster_worker added = {0};
        vector_push(&cluster->workers, added);
        worker = &cluster->workers.items[cluster->workers.count - 1];
    } else if (worker->peer != peer) {
        cluster->config.host.hangup(cluster->config.context, worker->peer);
    }
    bool new = !worker->alive || worker->incarnation != hello->incarnation;
    worker->peer = peer;
    snprintf(worker->name, sizeof worker->name, "%s", hello->name);
    snprintf(worker->url, sizeof worker->url, "%s", hello->url);
    snprintf(worker->version, sizeof worker->version, "%s", hello->version);
    worker->incarnation = hello->incarnation;
    worker->memory_bytes = hello->memory_bytes;
    worker->memory_used_bytes = hello->memory_used_bytes;
    worker->resident_bytes = hello->resident_bytes;
    worker->cpu_us = hello->cpu_us;
    foreset__network_report__init(&worker->network);
    if (hello->network) worker->network = *hello->network;
    worker->network.base.n_unknown_fields = 0; // they go with the message
    worker->network.base.unknown_fields = NULL;
    worker->lanes = hello->lanes;
    worker->heard_us = clock_boot_us(cluster->seam->clock);
    worker->alive = true;
    if (new) {
        log_info("worker_joined", "worker=%s url=%s lanes=%" PRIu32 " incarnation=%" PRIx64, worker->name, worker->url,
                 worker->lanes, worker->incarnation);
    }
    if (cluster_workers_leaves(cluster, worker, hello->leaving)) cluster_tell_leaving(cluster);
    cluster_workers_welcome(cluster, peer, NULL, false);
}

void cluster_workers_tell(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->workers.count; i++) {
        if (cluster->workers.items[i].alive)
            cluster_workers_welcome(cluster, cluster->workers.items[i].peer, NULL, false);
    }
}

void cluster_workers_gone(struct cluster *cluster, uint32_t peer)
{
    for (size_t i = 0; i < cluster->workers.count; i++) {
        struct cluster_worker *worker = &cluster->workers.items[i];
        if (worker->peer != peer || !worker->alive) continue;
        log_info(worker->leaving ? "worker_left" : "worker_gone", "worker=%s url=%s", worker->name, worker->url);
        cluster_workers_dead(cluster, worker);
    }
}

void cluster_workers_tick(struct cluster *cluster, int64_t now_us)
{
    for (size_t i = 0; i < cluster->workers.count; i++) {
        struct cluster_worker *worker = &cluster->workers.items[i];
        if (!worker->alive || now_us - worker->heard_us <= CLUSTER_WORKER_SILENCE_US) continue;
        cluster_workers_dead(cluster, worker);
        log_warn("worker_silent", "worker=%s seconds=%lld", worker->name,
                 (long long)(now_us - worker->heard_us) / 1000000);
    }
    for (size_t i = cluster->refusals.count; i-- > 0;) {
        if (now_us - cluster->refusals.items[i].at_us > CLUSTER_REFUSAL_US) vector_remove(&cluster->refusals, i);
    }
}
