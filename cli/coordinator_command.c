// foreset coordinator: a process that leads a cluster, or stands by. The cluster role (coordinator/cluster) decides
// which pipelines run; each gets a pipeline role (coordinator/pipeline) on a thread of its own, under its channel.
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cli/channel_table.h"
#include "cli/cluster_commands.h"
#include "cli/pipeline_options.h"
#include "cli/reaper.h"
#include "cli/role_options.h"
#include "cli/signals.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/kv/kv_etcd.h"
#include "common/rpc/cluster_message.h"
#include "common/rpc/envelope.h"
#include "common/rpc/role_thread.h"
#include "coordinator/api/http_server.h"
#include "coordinator/cluster/cluster.h"
#include "coordinator/pipeline/topic_catalog.h"

#define COORDINATOR_JOB_THREADS 4
#define COORDINATOR_LEASE_US    3000000
#define COORDINATOR_LEASE_MIN   1000000
#define COORDINATOR_PEER_FIRST  0x10000u
#define HTTP_ANSWER_S           5

static const char coordinator_help[] =
    "usage: foreset coordinator --name N --listen URL --etcd URL[,URL...] --warehouse URL --state URL [options]\n"
    "\n"
    "Leads a cluster of workers, or stands by until the leader is gone. Pipelines, epochs and who leads are decided "
    "in\n"
    "etcd; any number of coordinators may run.\n"
    "\n"
    "  --name N             this coordinator's name; no two processes may have the same\n"
    "  --listen URL         where workers and the command line reach it, e.g. tcp://127.0.0.1:7400 or "
    "tls+tcp://10.0.0.4:7400\n"
    "  --advertise URL      what the others are told, if that is another URL (default: --listen)\n"
    "  --etcd URLS          client URLs of etcd's members, separated by commas\n"
    "  --etcd-ca FILE --etcd-cert FILE --etcd-key FILE   for https:// URLs\n"
    "  --etcd-user NAME     with the password in FORESET_ETCD_PASSWORD or in the configuration file\n"
    "  --warehouse URL      where tables go, as all workers reach it\n"
    "  --state URL          where manifests and state go, as all workers reach it\n"
    "  --lease SECONDS      how long a leader that is not heard of stays leader (default: 3)\n"
    "  --http ADDR          metrics, health and read-only JSON over HTTP, e.g. 127.0.0.1:7480\n"
    "  --tls-ca FILE --tls-cert FILE --tls-key FILE   PEM files, for tls+tcp://; both sides show a certificate\n"
    "  --tls-server-name N  the name that the others' certificates are made out to (default: the host of the URL)\n"
    "  --insecure           listen without TLS at an address that other machines reach\n"
    "  --log-level L        debug, info, warn or error (default: info)\n"
    "  --log-format F       logfmt or json (default: logfmt)\n"
    "  --config FILE        [coordinator] section with the same names\n"
    "\n"
    "Every flag can be an environment variable: FORESET_NAME, FORESET_ETCD, ...\n"
    "Exit codes: 0 ended by a signal, 1 failed, 2 usage, 3 fenced: another process leads under this name.\n"
    "\n"
    "Example:\n"
    "  foreset coordinator --name c1 --listen tcp://127.0.0.1:7400 --etcd http://127.0.0.1:2379 \\\n"
    "    --warehouse /data/lake --state /data/foreset\n";

struct coordinator_host {
    struct role_options options;
    const char *warehouse, *state;
    int64_t lease_us;
    uint32_t self;
    struct kv *kv;
    struct rpc *rpc;
    struct role_thread *thread;
    struct cluster *cluster;
    struct channel_table hosted;
    struct reaper reaper;
    struct http_server *http; // NULL: none
    struct budget budget;
    _Atomic int exit_code; // < 0: goes on
};
// Who waits for an answer of the cluster's role: a person's request on the network, or an HTTP thread.
struct host_token {
    struct rpc_request *request; // NULL: HTTP
    struct http_answer *answer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, given_up; // given up: whoever answers frees the token
};
struct hosted { // a pipeline's role
    struct coordinator_host *host;
    uint64_t channel;
    char *name;
    struct arena arena; // holds the plan
    Foreset__Plan *plan;
    char *state_url;
    struct objstore *state;
    struct role_thread *thread;
    struct pipeline *pipeline;
    pthread_mutex_t lock;
    char *said; // under lock
};

// ---- The network ----

static void host_send(struct coordinator_host *host, enum envelope_kind kind, uint64_t channel, uint32_t peer,
                      const void *bytes, size_t size)
{
    struct envelope envelope = {kind, channel};
    uint8_t head[ENVELOPE_SIZE];
    envelope_write(&envelope, head);
    rpc_send_parts(host->rpc, peer, head, sizeof head, bytes, size);
}

static void host_cluster_send(void *context, uint32_t peer, const void *bytes, size_t size)
{
    host_send(context, ENVELOPE_CLUSTER, 0, peer, bytes, size);
}

static void host_pipeline_send(void *context, uint32_t peer, const void *bytes, size_t size)
{
    struct hosted *hosted = context;
    host_send(hosted->host, ENVELOPE_CONTROL, hosted->channel, peer, bytes, size);
}

struct host_message {
    uint32_t peer;
    const uint8_t *bytes;
    size_t size;
};

static void host_hand_over(void *owner, void *context)
{
    const struct host_message *message = context;
    role_thread_deliver(((struct hosted *)owner)->thread, message->peer, message->bytes, message->size);
}

static void host_received(void *context, uint32_t peer, const void *bytes, size_t size)
{
    struct coordinator_host *host = context;
    struct envelope envelope;
    if (!envelope_read(bytes, size, &envelope) || envelope.kind == ENVELOPE_EXCHANGE) {
        log_debug("malformed_message", "peer=%u bytes=%zu", peer, size);
        return;
    }
    struct host_message message = {peer, (const uint8_t *)bytes + ENVELOPE_SIZE, size - ENVELOPE_SIZE};
    if (envelope.kind == ENVELOPE_CLUSTER) {
        role_thread_deliver(host->thread, peer, message.bytes, message.size);
    } else if (!channel_table_with(&host->hosted, envelope.channel, host_hand_over, &message)) {
        log_debug("message_for_nobody", "channel=%llx peer=%u", (unsigned long long)envelope.channel, peer);
    }
}

static void hosted_gone(void *owner, void *peer)
{
    role_thread_gone(((struct hosted *)owner)->thread, *(const uint32_t *)peer);
}

// The process behind a worker's number has ended, as far as the network can tell.
static void host_refused(void *context, uint32_t peer)
{
    struct coordinator_host *host = context;
    role_thread_gone(host->thread, peer);
    channel_table_each(&host->hosted, hosted_gone, &peer);
}

// A person's command.
static void host_requested(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    struct coordinator_host *host = context;
    Foreset__Cluster *message = NULL;
    struct error err;
    if (cluster_message_unpack(bytes, size, &message, &err) != STATUS_OK) {
        rpc_refuse(request, err.message);
    } else if (message->body_case != FORESET__CLUSTER__BODY_REQUEST) {
        cluster_message_destroy(message);
        rpc_refuse(request, "this is no request");
    } else {
        struct host_token *token = memory_calloc(1, sizeof *token);
        token->request = request;
        role_thread_post(host->thread, cluster_request_event(token, message));
    }
}

static void host_token_free(struct host_token *token)
{
    pthread_mutex_destroy(&token->lock);
    pthread_cond_destroy(&token->changed);
    memory_free(token);
}

static void host_reply_http(struct host_token *token, const Foreset__AdminReply *reply)
{
    pthread_mutex_lock(&token->lock);
    bool given_up = token->given_up;
    if (!given_up) {
        token->answer->exit_code = reply->exit_code;
        token->answer->not_leader = reply->not_leader;
        if (reply->has_json) text_append(&token->answer->json, (const char *)reply->json.data, reply->json.len);
        if (reply->leader_url) text_printf(&token->answer->json, "{\"leader\":\"%s\"}", reply->leader_url);
        if (reply->message) text_printf(&token->answer->message, "%s", reply->message);
        token->done = true;
        pthread_cond_signal(&token->changed);
    }
    pthread_mutex_unlock(&token->lock);
    if (given_up) host_token_free(token);
}

static void host_reply(void *context, void *item, const Foreset__AdminReply *reply)
{
    (void)context;
    struct host_token *token = item;
    if (!token->request) {
        host_reply_http(token, reply);
        return;
    }
    struct text bytes = {0};
    Foreset__Cluster message = FORESET__CLUSTER__INIT;
    message.body_case = FORESET__CLUSTER__BODY_REPLY;
    message.reply = (Foreset__AdminReply *)reply;
    cluster_message_pack(&message, &bytes);
    rpc_reply(token->request, bytes.data, bytes.length);
    text_deinit(&bytes);
    memory_free(token);
}

// On an HTTP thread.
static bool host_ask(void *context, const char *verb, const char *name, struct http_answer *ret_answer)
{
    struct coordinator_host *host = context;
    Foreset__Cluster *message = memory_alloc(sizeof *message);
    foreset__cluster__init(message);
    message->body_case = FORESET__CLUSTER__BODY_REQUEST;
    message->request = memory_alloc(sizeof *message->request);
    foreset__admin_request__init(message->request);
    message->request->version = memory_strdup(FORESET_VERSION);
    message->request->verb = memory_strdup(verb);
    if (name) {
        message->request->names = memory_calloc(1, sizeof *message->request->names);
        message->request->names[0] = memory_strdup(name);
        message->request->n_names = 1;
    }
    struct host_token *token = memory_calloc(1, sizeof *token);
    token->answer = ret_answer;
    pthread_mutex_init(&token->lock, NULL);
    pthread_cond_init(&token->changed, NULL);
    role_thread_post(host->thread, cluster_request_event(token, message));
    struct timespec until = {.tv_sec = clock_wall_us(clock_system()) / 1000000 + HTTP_ANSWER_S};
    pthread_mutex_lock(&token->lock);
    int waited = 0;
    while (!token->done && waited == 0) waited = pthread_cond_timedwait(&token->changed, &token->lock, &until);
    bool done = token->done;
    token->given_up = !done;
    pthread_mutex_unlock(&token->lock);
    if (done) host_token_free(token);
    return done;
}

static void host_own_metrics(void *context, struct text *text)
{
    const struct rpc_counters *counters = rpc_counters(((struct coordinator_host *)context)->rpc);
    const struct {
        const char *name, *help;
        uint64_t value;
    } metrics[] = {
        {"foreset_rpc_sent_total", "Messages sent.", atomic_load(&counters->sent)},
        {"foreset_rpc_sent_bytes_total", "Bytes sent.", atomic_load(&counters->sent_bytes)},
        {"foreset_rpc_received_total", "Messages received.", atomic_load(&counters->received)},
        {"foreset_rpc_received_bytes_total", "Bytes received.", atomic_load(&counters->received_bytes)},
        {"foreset_rpc_requests_total", "Commands received.", atomic_load(&counters->requests)},
        {"foreset_rpc_refused_total", "Commands refused.", atomic_load(&counters->refused)},
        {"foreset_rpc_malformed_total", "Frames that closed their connection.", atomic_load(&counters->malformed)},
        {"foreset_rpc_dropped_total", "Messages not sent in time.",
         atomic_load(&counters->dropped_unknown) + atomic_load(&counters->dropped_full) +
             atomic_load(&counters->dropped_late) + atomic_load(&counters->dropped_hangup)},
        {"foreset_rpc_unacknowledged_total", "Messages sent on a connection that broke.",
         atomic_load(&counters->unacknowledged)},
        {"foreset_rpc_connections_total", "Connections accepted.", atomic_load(&counters->connections)},
        {"foreset_rpc_connections_refused_total", "Connections closed at once.",
         atomic_load(&counters->connections_refused)},
        {"foreset_rpc_reconnected_total", "Connections made again.", atomic_load(&counters->reconnected)},
        {"foreset_rpc_errors_total", "Other errors of the transport.", atomic_load(&counters->errors)}};
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        text_printf(text, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", metrics[i].name, metrics[i].help,
                    metrics[i].name, metrics[i].name, (unsigned long long)metrics[i].value);
    }
    text_printf(text,
                "# HELP process_resident_memory_bytes What the process has in RAM.\n"
                "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n"
                "# HELP process_cpu_seconds_total CPU time of the process.\n"
                "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n",
                (unsigned long long)memory_resident_bytes(), (double)clock_process_cpu_us() / 1e6);
}

static void host_dial(void *context, uint32_t worker, const char *url)
{
    struct error err;
    if (rpc_dial(((struct coordinator_host *)context)->rpc, worker, url, RPC_PUSH, &err) != STATUS_OK)
        log_error("dial_failed", "url=%s error=\"%s\"", url, err.message);
}

static void host_hangup(void *context, uint32_t worker)
{
    rpc_hangup(((struct coordinator_host *)context)->rpc, worker);
}

// ---- Pipelines ----

static enum status host_compile(void *context, const struct definition *definition, struct arena *arena,
                                Foreset__Plan **ret_plan, const char *const **ret_warnings, struct error *err)
{
    const struct coordinator_host *host = context;
    size_t count = 0;
    struct planner_setting *settings = arena_calloc(arena, definition->setting_count + 1, sizeof *settings);
    bool warehouse = false;
    for (; count < definition->setting_count; count++) {
        settings[count] = definition->settings[count];
        warehouse = warehouse || strcmp(settings[count].key, "pipeline.warehouse") == 0;
    }
    if (!warehouse) settings[count++] = (struct planner_setting){"pipeline.warehouse", host->warehouse};
    const struct planner_options options = {.file_name = definition->file_name,
                                            .directory = definition->directory,
                                            .settings = settings,
                                            .setting_count = count,
                                            .kafka = definition->kafka,
                                            .kafka_count = definition->kafka_count};
    return planner_compile(definition->sql, &options, arena, ret_plan, ret_warnings, err);
}

static enum status host_open_store(void *context, const char *url, bool create, struct objstore **ret_store,
                                   struct error *err)
{
    (void)context;
    return objstore_open(url, create, ret_store, err);
}

static void hosted_end(void *item)
{
    struct hosted *hosted = item;
    if (hosted->pipeline) role_thread_stop(hosted->thread);
    if (hosted->pipeline) {
        pipeline_resign(hosted->pipeline);
        pipeline_destroy(hosted->pipeline);
    }
    role_thread_destroy(hosted->thread);
    objstore_close(hosted->state);
    pthread_mutex_destroy(&hosted->lock);
    arena_deinit(&hosted->arena);
    memory_free(hosted->said);
    memory_free(hosted);
}

static void hosted_on_said(void *context, const char *json)
{
    struct hosted *hosted = context;
    char *copy = memory_strdup(json);
    pthread_mutex_lock(&hosted->lock);
    memory_free(hosted->said);
    hosted->said = copy;
    pthread_mutex_unlock(&hosted->lock);
}

static void hosted_on_notice(void *context, const char *text)
{
    log_info("notice", "pipeline=%s text=\"%s\"", ((struct hosted *)context)->name, text);
}

static void hosted_on_ended(void *context, enum pipeline_outcome outcome, const struct error *err)
{
    struct hosted *hosted = context;
    struct coordinator_host *host = hosted->host;
    if (channel_table_remove(&host->hosted, hosted->channel) != hosted) return; // it was abandoned
    role_thread_post(host->thread, cluster_ended_event(hosted->channel, outcome, err));
    reaper_take(&host->reaper, hosted_end, hosted);
}

static enum status hosted_open(struct hosted *hosted, const struct cluster_start *start, bool available_now,
                               struct error *err)
{
    struct coordinator_host *host = hosted->host;
    enum status status = STATUS_OK;
    TRY(objstore_open(hosted->state_url, true, &hosted->state, err));
    hosted->thread = role_thread_create("pipeline", COORDINATOR_JOB_THREADS, host_pipeline_send, hosted);
    const struct pipeline_config config = {.process = host->options.name,
                                           .plan = hosted->plan,
                                           .state_url = hosted->state_url,
                                           .kv = host->kv,
                                           .state = hosted->state,
                                           .stores = {.open = host_open_store},
                                           .catalogs = {.open = topic_catalog_open},
                                           .budget = &host->budget,
                                           .available_now = available_now || hosted->plan->trigger_us == 0,
                                           .full_refresh = start->full_refresh,
                                           .adopt = start->adopt,
                                           .adopt_table = start->adopt_table,
                                           .abandon_table = start->abandon_table,
                                           .lease_ttl_us = host->lease_us,
                                           .workers_min = 1,
                                           .said = hosted_on_said,
                                           .notice = hosted_on_notice,
                                           .ended = hosted_on_ended,
                                           .context = hosted};
    TRY(pipeline_create(&config, role_thread_seam(hosted->thread), &hosted->pipeline, err));
out:
    return status;
}

static enum status host_start(void *context, const struct definition *definition, const struct cluster_start *start,
                              struct error *err)
{
    struct coordinator_host *host = context;
    struct hosted *hosted = memory_calloc(1, sizeof *hosted);
    const char *const *warnings;
    hosted->host = host;
    hosted->channel = definition_channel(definition);
    arena_init(&hosted->arena, 0);
    pthread_mutex_init(&hosted->lock, NULL);
    hosted->name = arena_strdup(&hosted->arena, definition->name);
    // The definition may change while the pipeline runs: it keeps its own.
    struct definition *own = arena_calloc(&hosted->arena, 1, sizeof *own);
    definition_copy(definition, own);
    struct cluster_start once = *start;
    if (once.adopt_table) once.adopt_table = arena_strdup(&hosted->arena, once.adopt_table);
    if (once.abandon_table) once.abandon_table = arena_strdup(&hosted->arena, once.abandon_table);
    hosted->state_url = arena_printf(&hosted->arena, "%s/%s", host->state, definition->name);
    enum status status = host_compile(host, own, &hosted->arena, &hosted->plan, &warnings, err);
    if (status == STATUS_OK) status = hosted_open(hosted, &once, own->available_now, err);
    if (status != STATUS_OK) {
        hosted_end(hosted);
        return status;
    }
    struct seam_role role;
    pipeline_role(hosted->pipeline, &role);
    channel_table_add(&host->hosted, hosted->channel, hosted);
    role_thread_start(hosted->thread, &role);
    return STATUS_OK;
}

static void hosted_post(void *owner, void *event)
{
    role_thread_post(((struct hosted *)owner)->thread, event);
}

static void host_drain(void *context, uint64_t channel)
{
    channel_table_with(&((struct coordinator_host *)context)->hosted, channel, hosted_post, pipeline_drain_event());
}

static void host_leaving(void *context, uint64_t channel, const char *const *workers, size_t count)
{
    struct coordinator_host *host = context;
    void *event = pipeline_leaving_event(workers, count);
    if (!channel_table_with(&host->hosted, channel, hosted_post, event)) pipeline_event_free(event);
}

static void host_abandon(void *context, uint64_t channel)
{
    struct coordinator_host *host = context;
    struct hosted *hosted = channel_table_remove(&host->hosted, channel);
    if (hosted) reaper_take(&host->reaper, hosted_end, hosted);
}

static void hosted_copy_said(void *owner, void *context)
{
    struct hosted *hosted = owner;
    pthread_mutex_lock(&hosted->lock);
    *(char **)context = hosted->said ? memory_strdup(hosted->said) : NULL;
    pthread_mutex_unlock(&hosted->lock);
}

static char *host_status(void *context, uint64_t channel)
{
    char *said = NULL;
    channel_table_with(&((struct coordinator_host *)context)->hosted, channel, hosted_copy_said, &said);
    return said;
}

// ---- Life ----

static void host_end(struct coordinator_host *host, int exit_code)
{
    int goes_on = -1;
    atomic_compare_exchange_strong(&host->exit_code, &goes_on, exit_code);
    signals_notify();
}

static void host_fenced(void *context, const char *why)
{
    fprintf(stderr,
            "foreset coordinator: fenced: another process leads under this name (%s): give each its own --name\n", why);
    host_end(context, 3);
}

static void host_lost(void *context, const char *why)
{
    struct coordinator_host *host = context;
    if (atomic_load(&host->exit_code) < 0) {
        fprintf(stderr,
                "foreset coordinator: %s. If etcd's data is lost for good, start the coordinators again, apply the "
                "pipelines, and let each take over its tables: foreset pipelines adopt PIPELINE\n",
                why);
    }
    host_end(host, 1);
}

static int host_open(struct coordinator_host *host)
{
    const struct role_options *options = &host->options;
    struct random random;
    struct error err;
    random_init_system(&random);
    host->self = COORDINATOR_PEER_FIRST + (uint32_t)random_below(&random, UINT32_MAX - COORDINATOR_PEER_FIRST);
    budget_init(&host->budget, "memory", NULL, 0);
    channel_table_init(&host->hosted);
    reaper_start(&host->reaper);
    host->thread = role_thread_create("cluster", 2, host_cluster_send, host);
    const struct kv_etcd_config etcd = {.endpoints = options->etcd,
                                        .ca = options->etcd_ca,
                                        .cert = options->etcd_cert,
                                        .key = options->etcd_key,
                                        .user = options->etcd_user,
                                        .password = options->etcd_password};
    if (kv_etcd_open(&etcd, &host->kv, &err) != STATUS_OK)
        return role_options_refuse(ROLE_COORDINATOR, "--etcd: %s", err.message);
    const struct rpc_config rpc = {.url = options->listen,
                                   .self = host->self,
                                   .tls = options->has_tls ? &options->tls : NULL,
                                   .received = host_received,
                                   .requested = host_requested,
                                   .refused = host_refused,
                                   .context = host};
    if (rpc_open(&rpc, &host->rpc, &err) != STATUS_OK) return role_options_refuse(ROLE_COORDINATOR, "%s", err.message);
    if (options->advertise == options->listen)
        host->options.advertise = arena_strdup(&host->options.arena, rpc_url(host->rpc));
    const struct cluster_config config = {.name = options->name,
                                          .url = host->options.advertise,
                                          .version = FORESET_VERSION,
                                          .kv = host->kv,
                                          .kv_name = options->etcd,
                                          .lease_ttl_us = host->lease_us,
                                          .host = {.compile = host_compile,
                                                   .start = host_start,
                                                   .drain = host_drain,
                                                   .abandon = host_abandon,
                                                   .leaving = host_leaving,
                                                   .status = host_status,
                                                   .dial = host_dial,
                                                   .hangup = host_hangup,
                                                   .reply = host_reply,
                                                   .fenced = host_fenced,
                                                   .lost = host_lost},
                                          .context = host};
    if (cluster_create(&config, role_thread_seam(host->thread), &host->cluster, &err) != STATUS_OK)
        return role_options_refuse(ROLE_COORDINATOR, "%s", err.message);
    const struct http_server_config http = {
        .address = options->http, .ask = host_ask, .own_metrics = host_own_metrics, .context = host};
    if (options->http && http_server_open(&http, &host->http, &err) != STATUS_OK)
        return role_options_refuse(ROLE_COORDINATOR, "%s", err.message);
    return 0;
}

static void host_run(struct coordinator_host *host)
{
    struct seam_role role;
    cluster_role(host->cluster, &role);
    role_thread_start(host->thread, &role);
    log_info("coordinator_started", "coordinator=%s url=%s etcd=%s", host->options.name, host->options.advertise,
             host->options.etcd);
    while (atomic_load(&host->exit_code) < 0) {
        if (signals_wait(-1)) host_end(host, 0);
    }
    http_server_close(host->http); // its threads wait for the role
    host->http = NULL;
    role_thread_stop(host->thread);
}

static void host_close(struct coordinator_host *host)
{
    http_server_close(host->http);
    rpc_close(host->rpc); // nothing comes in any more
    while (host->hosted.entries.count > 0) host_abandon(host, host->hosted.entries.items[0].channel);
    reaper_stop(&host->reaper);
    if (host->cluster) cluster_resign(host->cluster);
    cluster_destroy(host->cluster);
    role_thread_destroy(host->thread);
    kv_close(host->kv);
    channel_table_deinit(&host->hosted);
}

// A place that this process cannot use is told at once, not by the first pipeline.
static int host_needs_place(const char *flag, const char *url)
{
    struct objstore *store = NULL;
    struct error err;
    if (objstore_open(url, true, &store, &err) != STATUS_OK)
        return role_options_refuse(ROLE_COORDINATOR, "--%s: %s", flag, err.message);
    objstore_close(store);
    return 0;
}

// Stores must be told; a path stands for a file:// URL.
static int host_needs(struct coordinator_host *host)
{
    const struct role_options *options = &host->options;
    uint64_t seconds = 0;
    if (!options->etcd)
        return role_options_refuse(ROLE_COORDINATOR, "--etcd URL is needed, e.g. --etcd http://127.0.0.1:2379");
    if (!options->warehouse || !options->state)
        return role_options_refuse(ROLE_COORDINATOR, "--warehouse URL and --state URL are needed, as all workers reach "
                                                     "them");
    if (options->lease && (!text_parse_u64(options->lease, &seconds) || seconds < 1 || seconds > 300))
        return role_options_refuse(ROLE_COORDINATOR, "--lease %s: expected seconds, from 1 to 300", options->lease);
    host->lease_us = seconds ? (int64_t)seconds * 1000000 : COORDINATOR_LEASE_US;
    host->warehouse = pipeline_options_absolute(&host->options.arena, options->warehouse);
    host->state = pipeline_options_absolute(&host->options.arena, options->state);
    int refused = host_needs_place("warehouse", host->warehouse);
    return refused ? refused : host_needs_place("state", host->state);
}

int coordinator_main(int argc, char **argv)
{
    struct coordinator_host host = {.exit_code = -1};
    struct error err;
    int exit_code = role_options_parse(&host.options, ROLE_COORDINATOR, coordinator_help, argc, argv);
    if (exit_code == 0) {
        exit_code = 1 + host_needs(&host);
        if (exit_code == 1 && failpoint_init(&err) != STATUS_OK)
            exit_code = 1 + role_options_refuse(ROLE_COORDINATOR, "%s", err.message);
        if (exit_code == 1) {
            signals_catch();
            exit_code = 1 + host_open(&host);
            if (exit_code == 1) {
                host_run(&host);
                exit_code = 1 + atomic_load(&host.exit_code);
            }
            host_close(&host);
        }
    }
    role_options_deinit(&host.options);
    return exit_code - 1;
}
