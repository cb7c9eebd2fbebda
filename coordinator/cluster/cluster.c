// The cluster's leader. Its states:
//
//   STANDBY ──elected──► LOADING ──definitions read──► LEADING ──lease gone──► STANDBY
//
// What can fail:
// - the kv store does not answer: asked again; while we lead and the lease holds, what runs goes on, and nothing that
//   must be decided is decided without it; `trouble` says so to whoever asks;
// - the lease may have run out (P3): every pipeline role is abandoned, a new incarnation stands for election. Each
//   pipeline is fenced by a lease of its own besides, so nothing depends on the order in which that happens;
// - the leader's process ends: who stands by watches it (host.watch), gives its leases back for it, and stands for
//   election at once. Where that was wrong the deposed one is fenced, as by a lease that ran out;
// - another process leads under our name: the process ends (FENCED); so it does when the kv store is another one now:
//   what it decided is gone, and only a person can say that the tables' logs are to be believed instead (P21);
// - a definition cannot be run: it is kept as failed, with the reason, until a person says otherwise.
#include "coordinator/cluster/cluster_private.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/rpc/cluster_message.h"

static const struct statemachine_state cluster_states[] = {
    [CLUSTER_STANDBY] = {"standby", STATEMACHINE_TO(CLUSTER_LOADING)},
    [CLUSTER_LOADING] = {"loading", STATEMACHINE_TO(CLUSTER_LEADING) | STATEMACHINE_TO(CLUSTER_STANDBY)},
    [CLUSTER_LEADING] = {"leading", STATEMACHINE_TO(CLUSTER_STANDBY)},
};

enum cluster_event_kind { CLUSTER_EVENT_REQUEST, CLUSTER_EVENT_ENDED };
struct cluster_event {
    enum cluster_event_kind kind;
    void *token;
    Foreset__Cluster *message;
    uint64_t channel;
    enum pipeline_outcome outcome;
    struct error err;
};

// ---- Pipelines ----

struct cluster_pipeline *cluster_pipeline_find(struct cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->pipelines.count; i++) {
        if (strcmp(cluster->pipelines.items[i].definition.name, name) == 0) return &cluster->pipelines.items[i];
    }
    return NULL;
}

static void cluster_tell_leaving_one(struct cluster *cluster, uint64_t channel)
{
    const char *names[2 * CLUSTER_WORKERS_MAX];
    size_t count = 0;
    for (; count < cluster->drained.count && count < CLUSTER_WORKERS_MAX; count++)
        names[count] = cluster->drained.items[count].text;
    for (size_t i = 0; i < cluster->workers.count; i++) {
        if (cluster->workers.items[i].leaving) names[count++] = cluster->workers.items[i].name;
    }
    cluster->config.host.leaving(cluster->config.context, channel, names, count);
}

void cluster_tell_leaving(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->pipelines.count; i++) {
        if (cluster->pipelines.items[i].runs) cluster_tell_leaving_one(cluster, cluster->pipelines.items[i].channel);
    }
}

enum status cluster_pipeline_start(struct cluster *cluster, struct cluster_pipeline *pipeline,
                                   const struct cluster_start *start, struct error *err)
{
    ASSERT(!pipeline->runs);
    // Two commands that applied a new pipeline at once drew an instance each: the later one is what is kept.
    pipeline->channel = definition_channel(&pipeline->definition);
    enum status status = cluster->config.host.start(cluster->config.context, &pipeline->definition, start, err);
    if (status != STATUS_OK) return status;
    pipeline->runs = true;
    pipeline->stopping = pipeline->restart = false;
    cluster_tell_leaving_one(cluster, pipeline->channel);
    cluster_workers_tell(cluster);
    log_info("pipeline_started", "pipeline=%s version=%llu", pipeline->definition.name,
             (unsigned long long)pipeline->definition.version);
    return STATUS_OK;
}

void cluster_pipeline_remove(struct cluster *cluster, struct cluster_pipeline *pipeline)
{
    ASSERT(!pipeline->runs);
    definition_deinit(&pipeline->definition);
    vector_remove(&cluster->pipelines, (size_t)(pipeline - cluster->pipelines.items));
}

static void cluster_forget(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->pipelines.count; i++) {
        struct cluster_pipeline *pipeline = &cluster->pipelines.items[i];
        if (pipeline->runs) cluster->config.host.abandon(cluster->config.context, pipeline->channel);
        definition_deinit(&pipeline->definition);
    }
    vector_reset(&cluster->pipelines);
    vector_reset(&cluster->drained);
    vector_reset(&cluster->workers);
    vector_reset(&cluster->refusals);
}

// ---- Leading ----

static void cluster_stand_by(struct cluster *cluster)
{
    lease_lose(&cluster->lease);
    cluster_forget(cluster);
    snprintf(cluster->candidate, sizeof cluster->candidate, "%.60s %.120s %016llx %.20s", cluster->config.name,
             cluster->config.url, (unsigned long long)random_u64(cluster->seam->random), cluster->config.version);
    cluster->elect_at_us = 0;
}

static void cluster_lose(struct cluster *cluster, const char *why)
{
    log_warn("leading_ends", "coordinator=%s why=\"%s\"", cluster->config.name, why);
    cluster_stand_by(cluster);
    statemachine_move(&cluster->machine, CLUSTER_STANDBY);
}

static void cluster_note_trouble(struct cluster *cluster, const struct error *trouble)
{
    if (trouble && !cluster->trouble[0])
        log_warn("kv_trouble", "coordinator=%s error=\"%s\"", cluster->config.name, trouble->message);
    if (trouble && kv_failed_as(trouble, KV_REPLACED))
        cluster->config.host.lost(cluster->config.context, trouble->message);
    bool readable = !trouble || (trouble->code != STATUS_UNSUPPORTED && trouble->code != STATUS_CORRUPT);
    if (!readable) cluster->config.host.unreadable(cluster->config.context, trouble->message);
    if (!trouble && cluster->trouble[0]) log_info("kv_back", "coordinator=%s", cluster->config.name);
    snprintf(cluster->trouble, sizeof cluster->trouble, "%s", trouble ? trouble->message : "");
    text_utf8_clean(cluster->trouble);
}

// Another process leads under our name (P3). One that died keeps its key until its lease has run out.
static bool cluster_namesake(struct cluster *cluster)
{
    int64_t now_us = clock_boot_us(cluster->seam->clock);
    if (strcmp(cluster->leader, cluster->namesake) != 0) {
        snprintf(cluster->namesake, sizeof cluster->namesake, "%s", cluster->leader);
        cluster->namesake_us = now_us;
    }
    return now_us - cluster->namesake_us > 2 * cluster->config.lease_ttl_us;
}

// Once of each: it can only be noted here, workers of the one are refused by the other.
static void cluster_compare_version(struct cluster *cluster)
{
    const char *version = strrchr(cluster->leader, ' ');
    if (!version || strcmp(version + 1, cluster->config.version) == 0) return;
    if (strcmp(cluster->strange, cluster->leader) == 0) return;
    snprintf(cluster->strange, sizeof cluster->strange, "%s", cluster->leader);
    log_warn(
        "version_differs",
        "coordinator=%s version=%s leader=\"%s\" error=\"the coordinator that leads is of another version: run the "
        "same version everywhere\"",
        cluster->config.name, cluster->config.version, cluster->leader);
}

// Whoever leads is watched by who stands by: "<name> <url> …".
static void cluster_watch(struct cluster *cluster, const char *leader)
{
    char url[sizeof cluster->watched] = "";
    if (*leader && sscanf(leader, "%*s %127s", url) != 1) return;
    if (strcmp(url, cluster->watched) == 0 || !cluster->config.host.watch) return;
    snprintf(cluster->watched, sizeof cluster->watched, "%s", url);
    cluster->config.host.watch(cluster->config.context, *url ? url : NULL);
}

void cluster_elected(struct cluster *cluster, bool won, const struct error *trouble)
{
    cluster->electing = false;
    cluster_note_trouble(cluster, trouble);
    if (cluster->machine.state != CLUSTER_STANDBY || trouble) return;
    if (!won) cluster_compare_version(cluster);
    if (!won && *cluster->leader) cluster_watch(cluster, cluster->leader);
    size_t name = strlen(cluster->config.name);
    bool ours = strncmp(cluster->leader, cluster->config.name, name) == 0 && cluster->leader[name] == ' ';
    if (!won && ours && cluster_namesake(cluster)) {
        cluster->config.host.fenced(cluster->config.context, cluster->leader);
        return;
    }
    if (!won || !lease_valid(&cluster->lease)) return;
    log_info("leading", "coordinator=%s url=%s", cluster->config.name, cluster->config.url);
    cluster_watch(cluster, "");
    cluster->keep_at_us = clock_boot_us(cluster->seam->clock) + cluster->config.lease_ttl_us / 3;
    statemachine_move(&cluster->machine, CLUSTER_LOADING);
    cluster_store_load(cluster);
}

void cluster_kept(struct cluster *cluster, const struct error *trouble)
{
    cluster->keeping = false;
    cluster_note_trouble(cluster, trouble);
    if (trouble && trouble->class == ERROR_FENCED) lease_lose(&cluster->lease);
}

void cluster_loaded(struct cluster *cluster, struct definition *definitions, size_t count, struct cluster_name *drained,
                    size_t drained_count, const struct error *trouble)
{
    cluster_note_trouble(cluster, trouble);
    if (cluster->machine.state != CLUSTER_LOADING) {
        for (size_t i = 0; i < count; i++) definition_deinit(&definitions[i]);
        return;
    }
    if (trouble) {
        cluster_lose(cluster, trouble->message);
        return;
    }
    for (size_t i = 0; i < drained_count; i++) vector_push(&cluster->drained, drained[i]);
    for (size_t i = 0; i < count; i++) {
        struct cluster_pipeline pipeline = {.definition = definitions[i],
                                            .channel = definition_channel(&definitions[i])};
        vector_push(&cluster->pipelines, pipeline);
    }
    statemachine_move(&cluster->machine, CLUSTER_LEADING);
    for (size_t i = 0; i < cluster->pipelines.count; i++) {
        struct cluster_pipeline *pipeline = &cluster->pipelines.items[i];
        struct error err = {0};
        if (pipeline->definition.desired != DEFINITION_RUNNING) continue;
        if (cluster_pipeline_start(cluster, pipeline, &(struct cluster_start){0}, &err) == STATUS_OK) continue;
        cluster_admin_ended(cluster, pipeline, PIPELINE_FAILED, &err);
    }
}

// ---- The role ----

static void cluster_message(void *role, uint32_t peer, const void *bytes, size_t size)
{
    struct cluster *cluster = role;
    Foreset__Cluster *message = NULL;
    struct error err;
    if (cluster_message_unpack(bytes, size, &message, &err) != STATUS_OK) {
        cluster->dropped++;
        return;
    }
    if (message->body_case != FORESET__CLUSTER__BODY_HELLO) {
        cluster->dropped++;
    } else if (cluster->machine.state == CLUSTER_LEADING) {
        cluster_workers_hello(cluster, peer, message->hello);
    }
    cluster_message_destroy(message);
}

static void cluster_gone(void *role, uint32_t peer)
{
    struct cluster *cluster = role;
    if (peer != CLUSTER_LEADER_PEER) {
        cluster_workers_gone(cluster, peer);
    } else if (cluster->machine.state == CLUSTER_STANDBY && *cluster->leader) {
        log_info("leader_gone", "coordinator=%s leader=\"%s\"", cluster->config.name, cluster->leader);
        snprintf(cluster->ended, sizeof cluster->ended, "%s", cluster->leader);
        cluster->elect_at_us = 0;
    }
}

static struct cluster_pipeline *cluster_pipeline_on(struct cluster *cluster, uint64_t channel)
{
    for (size_t i = 0; i < cluster->pipelines.count; i++) {
        if (cluster->pipelines.items[i].channel == channel) return &cluster->pipelines.items[i];
    }
    return NULL;
}

static void cluster_event_drop(void *item)
{
    struct cluster_event *event = item;
    cluster_message_destroy(event->message);
    memory_free(event);
}

static void cluster_event(void *role, void *item)
{
    struct cluster *cluster = role;
    struct cluster_event *event = item;
    if (event->kind == CLUSTER_EVENT_REQUEST) {
        cluster_admin_request(cluster, event->token, event->message->request);
    } else {
        struct cluster_pipeline *pipeline = cluster_pipeline_on(cluster, event->channel);
        if (pipeline && pipeline->runs) {
            pipeline->runs = false;
            cluster_admin_ended(cluster, pipeline, event->outcome, &event->err);
        }
    }
    cluster_event_drop(event);
}

void *cluster_request_event(void *token, Foreset__Cluster *message)
{
    struct cluster_event *event = memory_calloc(1, sizeof *event);
    event->kind = CLUSTER_EVENT_REQUEST;
    event->token = token;
    event->message = message;
    return event;
}

void *cluster_ended_event(uint64_t channel, enum pipeline_outcome outcome, const struct error *err)
{
    struct cluster_event *event = memory_calloc(1, sizeof *event);
    event->kind = CLUSTER_EVENT_ENDED;
    event->channel = channel;
    event->outcome = outcome;
    if (err) event->err = *err;
    return event;
}

static int64_t cluster_tick(void *role)
{
    struct cluster *cluster = role;
    int64_t now_us = clock_boot_us(cluster->seam->clock);
    if (cluster->machine.state == CLUSTER_STANDBY) {
        if (!cluster->electing && now_us >= cluster->elect_at_us) {
            cluster->electing = true;
            cluster->elect_at_us = now_us + CLUSTER_ELECT_US;
            cluster_store_elect(cluster);
        }
        return cluster->electing ? INT64_MAX : cluster->elect_at_us;
    }
    if (!lease_valid(&cluster->lease)) {
        cluster_lose(cluster, "the lease may have run out");
        return now_us;
    }
    if (!cluster->keeping && now_us >= cluster->keep_at_us) {
        cluster->keeping = true;
        cluster->keep_at_us = now_us + cluster->config.lease_ttl_us / 3;
        cluster_store_keep(cluster);
    }
    cluster_workers_tick(cluster, now_us);
    int64_t next = atomic_load(&cluster->lease.valid_until_us);
    if (!cluster->keeping && cluster->keep_at_us < next) next = cluster->keep_at_us;
    return next < now_us + CLUSTER_WORKER_SILENCE_US / 4 ? next : now_us + CLUSTER_WORKER_SILENCE_US / 4;
}

enum status cluster_create(const struct cluster_config *config, struct seam *seam, struct cluster **ret_cluster,
                           struct error *err)
{
    if (strlen(config->name) >= CLUSTER_NAME_SIZE || strpbrk(config->name, " /")) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "--name '%.80s': give a name of at most %d bytes without spaces and slashes", config->name,
                         CLUSTER_NAME_SIZE - 1);
    }
    struct cluster *cluster = memory_calloc(1, sizeof *cluster);
    cluster->config = *config;
    cluster->seam = seam;
    lease_init(&cluster->lease, seam->clock, config->lease_ttl_us);
    meta_store_init_at(&cluster->meta, config->kv, seam, &cluster->lease, "foreset/cluster/");
    statemachine_init(&cluster->machine, "cluster", 0, cluster_states, sizeof cluster_states / sizeof *cluster_states,
                      CLUSTER_STANDBY, NULL, cluster);
    cluster_stand_by(cluster);
    *ret_cluster = cluster;
    return STATUS_OK;
}

void cluster_role(struct cluster *cluster, struct seam_role *ret_role)
{
    *ret_role = (struct seam_role){.role = cluster,
                                   .message = cluster_message,
                                   .event = cluster_event,
                                   .event_drop = cluster_event_drop,
                                   .gone = cluster_gone,
                                   .tick = cluster_tick};
}

void cluster_resign(struct cluster *cluster)
{
    meta_store_resign(&cluster->meta);
}

void cluster_destroy(struct cluster *cluster)
{
    if (!cluster) return;
    cluster_store_forget(cluster);
    cluster_compile_forget(cluster);
    for (size_t i = 0; i < cluster->pipelines.count; i++) definition_deinit(&cluster->pipelines.items[i].definition);
    vector_deinit(&cluster->pipelines);
    vector_deinit(&cluster->workers);
    vector_deinit(&cluster->refusals);
    vector_deinit(&cluster->drained);
    text_deinit(&cluster->bytes);
    memory_free(cluster);
}
