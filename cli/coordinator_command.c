// foreset coordinator: a process that leads a cluster, or stands by. The cluster role (coordinator/cluster) decides
// which pipelines run; each gets a pipeline role (coordinator/pipeline) on a thread of its own, under its channel.
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cli/cluster_commands.h"
#include "cli/coordinator_host.h"
#include "cli/pipeline_options.h"
#include "cli/process_metrics.h"
#include "cli/role_network.h"
#include "cli/signals.h"
#include "common/base/confine.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/kv/kv_etcd.h"

#define CLUSTER_JOB_THREADS 3 // one may compile a text of others, the lease is kept beside it

#define COORDINATOR_LEASE_US   3000000
#define COORDINATOR_LEASE_MIN  1000000
#define COORDINATOR_PEER_FIRST 0x10000u
#define HTTP_WATCH_MS          1000

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
    "  --allow-path DIR     what SQL may name besides the warehouse: LOCATION, read_files, secret('file:…'),\n"
    "                       kafka.ssl.*.location; separated by commas, or repeated\n"
    "  --allow-env NAME     variables that secret('env:…') may name; NAME or PREFIX*, separated by commas, or "
    "repeated\n"
    "  --lease SECONDS      how long a leader that is not heard of stays leader (default: 3)\n"
    "  --http ADDR          metrics, health and read-only JSON over HTTP, e.g. 127.0.0.1:7480\n"
    "  --http-tls-cert FILE --http-tls-key FILE   PEM files, for HTTPS; needed where other machines reach ADDR\n"
    "  --http-token-file FILE   the Bearer token that shows everything over HTTP; made if missing (default: the token "
    "of\n"
    "                       --token-file). Without it: names, counts, states\n"
    "  --tls-ca FILE --tls-cert FILE --tls-key FILE   PEM files, for tls+tcp://; both sides show a certificate\n"
    "  --tls-server-name N  the name that the others' certificates are made out to (default: the host of the URL)\n"
    "  --role-map FILE      lines `NAME -> ROLE`: which O or alternative name of a certificate gives which role "
    "(reader,\n"
    "                       operator, admin, worker, coordinator; default: O=foreset:reader -> reader, ...)\n"
    "  --token-file FILE    without TLS: the token that lets this user's processes in; made if missing (default:\n"
    "                       ~/.foreset/token, mode 0600)\n"
    "  --tls-crl FILE       PEM, revoked certificates; SIGHUP reads all four files again\n"
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

// ---- The network ----

static void host_cluster_send(void *context, uint32_t peer, const void *bytes, size_t size)
{
    role_network_send(((struct coordinator_host *)context)->rpc, ENVELOPE_CLUSTER, 0, peer, bytes, size);
}

static void host_received(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes, size_t size)
{
    struct coordinator_host *host = context;
    struct envelope envelope;
    struct error err;
    if (!envelope_read(bytes, size, &envelope)) {
        log_debug("malformed_message", "peer=%u bytes=%zu", peer, size);
        return;
    }
    if (access_message(host->access, from, peer, envelope.kind, &err) != STATUS_OK) return;
    const uint8_t *message = (const uint8_t *)bytes + ENVELOPE_SIZE;
    size -= ENVELOPE_SIZE;
    if (envelope.kind == ENVELOPE_CLUSTER) {
        role_thread_deliver(host->thread, peer, message, size);
    } else if (!coordinator_pipelines_deliver(host, envelope.channel, peer, message, size)) {
        log_debug("message_for_nobody", "channel=%llx peer=%u", (unsigned long long)envelope.channel, peer);
    }
}

// The process behind a worker's number has ended, as far as the network can tell.
static void host_refused(void *context, uint32_t peer)
{
    struct coordinator_host *host = context;
    role_thread_gone(host->thread, peer);
    coordinator_pipelines_gone(host, peer);
}

static void host_refused_connection(void *context, const struct rpc_identity *from, const char *why)
{
    access_refused(((struct coordinator_host *)context)->access, from, "connection", why);
}

static void host_refused_http(void *context, const char *address, const char *why)
{
    struct rpc_identity from = {0};
    snprintf(from.address, sizeof from.address, "%s", address);
    access_refused(((struct coordinator_host *)context)->access, &from, "http", why);
}

static void host_own_metrics(void *context, struct text *text)
{
    process_metrics_print(rpc_counters(((struct coordinator_host *)context)->rpc), text);
}

static void host_dial(void *context, uint32_t worker, const char *url)
{
    role_network_dial(((struct coordinator_host *)context)->rpc, worker, url, RPC_PUSH);
}

static void host_watch(void *context, const char *url)
{
    struct coordinator_host *host = context;
    struct error err;
    if (!url) {
        rpc_hangup(host->rpc, CLUSTER_LEADER_PEER);
    } else if (rpc_dial(host->rpc, CLUSTER_LEADER_PEER, url, RPC_WATCH, &err) != STATUS_OK) {
        log_error("dial_failed", "url=%s error=\"%s\"", url, err.message);
    }
}

static void host_hangup(void *context, uint32_t worker)
{
    rpc_hangup(((struct coordinator_host *)context)->rpc, worker);
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

static void host_unreadable(void *context, const char *why)
{
    struct coordinator_host *host = context;
    if (atomic_load(&host->exit_code) < 0) fprintf(stderr, "foreset coordinator: %s\n", why);
    host_end(host, 1);
}

static int host_open_http(struct coordinator_host *host)
{
    const struct role_options *options = &host->options;
    struct http_server_config http = {.address = options->http,
                                      .certificate_file = options->http_tls_cert,
                                      .key_file = options->http_tls_key,
                                      .insecure = options->insecure,
                                      .token = access_own_token(host->access),
                                      .ask = coordinator_requests_ask,
                                      .own_metrics = host_own_metrics,
                                      .refused = host_refused_http,
                                      .context = host};
    struct error err;
    if (options->http_token_file) {
        if (access_token_make(options->http_token_file, &host->http_token, &err) != STATUS_OK)
            return role_options_refuse(ROLE_COORDINATOR, "%s", err.message);
        http.token = &host->http_token;
    }
    if (http_server_open(&http, &host->http, &err) != STATUS_OK)
        return role_options_refuse(ROLE_COORDINATOR, "%s", err.message);
    return 0;
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
    host->thread = role_thread_create("cluster", CLUSTER_JOB_THREADS, host_cluster_send, host);
    const struct kv_etcd_config etcd = {.endpoints = options->etcd,
                                        .ca = options->etcd_ca,
                                        .cert = options->etcd_cert,
                                        .key = options->etcd_key,
                                        .user = options->etcd_user,
                                        .password = options->etcd_password};
    if (kv_etcd_open(&etcd, &host->kv, &err) != STATUS_OK)
        return role_options_refuse(ROLE_COORDINATOR, "--etcd: %s", err.message);
    const struct access_config access = {.self = ACCESS_COORDINATOR,
                                         .name = options->name,
                                         .tls = options->has_tls,
                                         .role_map = options->role_map,
                                         .token_file = options->token_file};
    if (access_open(&access, &host->access, &err) != STATUS_OK)
        return role_options_refuse(ROLE_COORDINATOR, "%s", err.message);
    const struct rpc_config rpc = {.url = options->listen,
                                   .self = host->self,
                                   .tls = options->has_tls ? &options->tls : NULL,
                                   .received = host_received,
                                   .requested = coordinator_requests_received,
                                   .token = access_token_text(host->access),
                                   .refused = host_refused,
                                   .refused_connection = host_refused_connection,
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
                                          .host = {.compile = coordinator_pipelines_compile,
                                                   .start = coordinator_pipelines_start,
                                                   .drain = coordinator_pipelines_drain,
                                                   .abandon = coordinator_pipelines_abandon,
                                                   .leaving = coordinator_pipelines_leaving,
                                                   .status = coordinator_pipelines_status,
                                                   .worker_name = coordinator_requests_worker_name,
                                                   .dial = host_dial,
                                                   .hangup = host_hangup,
                                                   .watch = host_watch,
                                                   .reply = coordinator_requests_reply,
                                                   .fenced = host_fenced,
                                                   .lost = host_lost,
                                                   .unreadable = host_unreadable},
                                          .context = host};
    if (cluster_create(&config, role_thread_seam(host->thread), &host->cluster, &err) != STATUS_OK)
        return role_options_refuse(ROLE_COORDINATOR, "%s", err.message);
    return options->http ? host_open_http(host) : 0;
}

static void host_run(struct coordinator_host *host)
{
    struct seam_role role;
    cluster_role(host->cluster, &role);
    role_thread_start(host->thread, &role);
    log_info("coordinator_started", "coordinator=%s url=%s etcd=%s", host->options.name, host->options.advertise,
             host->options.etcd);
    while (atomic_load(&host->exit_code) < 0) {
        if (signals_wait(host->http ? HTTP_WATCH_MS : -1)) host_end(host, 0);
        if (signals_reload()) role_network_reload(host->rpc);
        http_server_tick(host->http);
    }
    http_server_close(host->http); // its threads wait for the role
    host->http = NULL;
    role_thread_stop(host->thread);
}

static void host_close(struct coordinator_host *host)
{
    http_server_close(host->http);
    coordinator_pipelines_forget(host);
    while (host->hosted.entries.count > 0) coordinator_pipelines_abandon(host, host->hosted.entries.items[0].channel);
    reaper_stop(&host->reaper);
    rpc_close(host->rpc); // nobody sends any more
    if (host->cluster) cluster_resign(host->cluster);
    cluster_destroy(host->cluster);
    role_thread_destroy(host->thread);
    access_close(host->access);
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

// From here on the text of a pipeline names nothing but the warehouse and what the operator allows.
static int host_confine(struct coordinator_host *host)
{
    struct error err;
    char *warehouse = objstore_path(host->warehouse), *state = objstore_path(host->state);
    enum status status = confine_start(host->options.allow_path, host->options.allow_env, &err);
    if (warehouse) confine_allow(warehouse);
    if (state) confine_close(state);
    memory_free(warehouse);
    memory_free(state);
    return status == STATUS_OK ? 0 : role_options_refuse(ROLE_COORDINATOR, "%s", err.message);
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
    if (!refused) refused = host_needs_place("state", host->state);
    return refused ? refused : host_confine(host);
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
            signals_catch_reload();
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
