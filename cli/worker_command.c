// foreset worker: a process that runs the lanes of whatever pipelines the leader gives it. The node (worker/node.h)
// learns which; each gets a worker role (worker/worker.h) on a thread of its own, under its channel.
#include "worker/worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cli/channel_table.h"
#include "cli/cluster_commands.h"
#include "cli/machine.h"
#include "cli/reaper.h"
#include "cli/role_network.h"
#include "cli/role_options.h"
#include "cli/signals.h"
#include "common/access/access.h"
#include "common/base/confine.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/rpc/cluster_message.h"
#include "common/rpc/envelope.h"
#include "common/rpc/role_thread.h"
#include "common/rpc/rpc_url.h"
#include "worker/node.h"

#define WORKER_JOB_THREADS      6
#define WORKER_LANE_MEMORY_MIN  (64ull << 20)
#define WORKER_MEMORY_WATCH_MS  100
#define WORKER_COORDINATORS_MAX 16u
#define WORKER_PROBE_US         3000000
#define WORKER_DEADLINE_US      3000000  // what takes nothing for so long is cut off from here
#define WORKER_REFUSED_MAX      15       // seconds that the leader may refuse us before we give up
#define WORKER_PEER_FIRST       0x10000u // numbers below are the coordinators' as they are dialled

static const char worker_help[] =
    "usage: foreset worker --name N --listen URL --coordinator URL[,URL...] [options]\n"
    "\n"
    "Joins a cluster and works for it: reads partitions, runs operators, keeps shards of state, writes files. Never\n"
    "commits. At SIGINT or SIGTERM it hands over what it holds at the end of an epoch, for at most 20 seconds, and "
    "ends;\n"
    "at a second one it ends at once, and what it held is rebuilt elsewhere from the last decided epoch.\n"
    "\n"
    "  --name N             this worker's name; no two processes may have the same\n"
    "  --listen URL         where coordinators and workers reach it, e.g. tcp://127.0.0.1:7410 or "
    "tls+tcp://10.0.0.5:7410\n"
    "  --advertise URL      what the others are told, if that is another URL (default: --listen)\n"
    "  --coordinator URLS   coordinators, separated by commas; any of them may lead\n"
    "  --lanes N            worker threads (default: the number of CPUs)\n"
    "  --memory BYTES       bound of what the process keeps, e.g. 2G (default: half of the machine's or cgroup's)\n"
    "  --allow-path DIR     what SQL may name besides the warehouse: read_files, secret('file:…'),\n"
    "                       kafka.ssl.*.location; as of the coordinators; separated by commas, or repeated\n"
    "  --allow-env NAME     variables that secret('env:…') may name; NAME or PREFIX*, separated by commas, or "
    "repeated\n"
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
    "  --config FILE        [worker] section with the same names\n"
    "\n"
    "Every flag can be an environment variable: FORESET_NAME, FORESET_COORDINATOR, ...\n"
    "Exit codes: 0 ended by a signal, 1 failed, 2 usage, 3 refused: another worker has this name.\n"
    "\n"
    "Example:\n"
    "  foreset worker --name w1 --listen tcp://127.0.0.1:7410 --coordinator tcp://127.0.0.1:7400\n";

struct worker_host {
    struct role_options options;
    uint32_t self, lanes;
    uint64_t memory_bytes;
    struct budget budget;
    struct rpc *rpc;
    struct access *access; // who may do what; any thread
    struct role_thread *node_thread;
    struct node *node;
    struct channel_table served;
    struct reaper reaper;
    uint32_t coordinator_count;
    _Atomic int exit_code; // < 0: goes on
    int64_t refused_us;    // since when; 0: not
};
struct served {
    struct worker_host *host;
    uint64_t channel;
    uint32_t leader;
    struct role_thread *thread;
    struct worker *worker;
};

// ---- The network ----

static void host_node_send(void *context, uint32_t peer, const void *bytes, size_t size)
{
    role_network_send(((struct worker_host *)context)->rpc, ENVELOPE_CLUSTER, 0, peer, bytes, size);
}

static void host_control_send(void *context, uint32_t peer, const void *bytes, size_t size)
{
    struct served *served = context;
    role_network_send(served->host->rpc, ENVELOPE_CONTROL, served->channel, peer, bytes, size);
}

static void host_frame_send(void *context, uint32_t peer, const void *bytes, size_t size)
{
    struct served *served = context;
    role_network_send(served->host->rpc, ENVELOPE_EXCHANGE, served->channel, peer, bytes, size);
}

struct host_message {
    enum envelope_kind kind;
    uint32_t peer;
    const uint8_t *bytes;
    size_t size;
};

static void host_hand_over(void *owner, void *context)
{
    struct served *served = owner;
    const struct host_message *message = context;
    if (message->kind == ENVELOPE_CONTROL) {
        role_thread_deliver(served->thread, message->peer, message->bytes, message->size);
    } else {
        worker_receive(served->worker, message->peer, message->bytes, message->size);
    }
}

static void host_received(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes, size_t size)
{
    struct worker_host *host = context;
    struct envelope envelope;
    struct error err;
    if (!envelope_read(bytes, size, &envelope)) {
        log_debug("malformed_message", "peer=%u bytes=%zu", peer, size);
        return;
    }
    if (access_message(host->access, from, peer, envelope.kind, &err) != STATUS_OK) return;
    struct host_message message = {envelope.kind, peer, (const uint8_t *)bytes + ENVELOPE_SIZE, size - ENVELOPE_SIZE};
    if (envelope.kind == ENVELOPE_CLUSTER) {
        role_thread_deliver(host->node_thread, peer, message.bytes, message.size);
    } else if (!channel_table_with(&host->served, envelope.channel, host_hand_over, &message)) {
        log_debug("message_for_nobody", "channel=%llx peer=%u", (unsigned long long)envelope.channel, peer);
    }
}

static void host_refused_connection(void *context, const struct rpc_identity *from, const char *why)
{
    access_refused(((struct worker_host *)context)->access, from, "connection", why);
}

struct host_loss {
    uint32_t peer;
    bool silent;
};

static void host_tell_lost(void *owner, void *context)
{
    const struct host_loss *loss = context;
    role_thread_lost(((struct served *)owner)->thread, loss->peer, loss->silent);
}

static void host_lost(void *context, uint32_t peer, bool silent)
{
    struct host_loss loss = {peer, silent};
    channel_table_each(&((struct worker_host *)context)->served, host_tell_lost, &loss);
}

// ---- Pipelines that are served ----

static void host_on_flow_event(void *context, struct dataflow_event *event)
{
    role_thread_post(((struct served *)context)->thread, event);
}

static void host_on_dial(void *context, uint32_t peer, const char *url)
{
    role_network_dial(((struct served *)context)->host->rpc, peer, url, RPC_PUSH);
}

static enum status host_worker_name(void *context, uint32_t peer, const char *name, struct error *err)
{
    return access_peer_name(((struct served *)context)->host->access, peer, name, err);
}

static void host_follow(void *context, uint32_t leader, const char *url)
{
    struct worker_host *host = context;
    host->refused_us = 0;
    role_network_dial(host->rpc, leader, url, RPC_REQUEST);
}

static void host_serve(void *context, uint64_t channel, const char *pipeline, uint32_t leader)
{
    struct worker_host *host = context;
    struct served *served = memory_calloc(1, sizeof *served);
    served->host = host;
    served->channel = channel;
    served->leader = leader;
    served->thread = role_thread_create("worker", WORKER_JOB_THREADS, host_control_send, served);
    const struct worker_config config = {.name = host->options.name,
                                         .url = host->options.advertise,
                                         .lanes = host->lanes,
                                         .memory_bytes = host->memory_bytes,
                                         .coordinators = &served->leader,
                                         .coordinator_count = 1,
                                         .flow_open = lane_group_open,
                                         .stores = {.open = role_network_open_store},
                                         .budget = &host->budget,
                                         .post = host_on_flow_event,
                                         .dial = host_on_dial,
                                         .worker_name = host_worker_name,
                                         .send_frame = host_frame_send,
                                         .context = served};
    served->worker = worker_create(&config, role_thread_seam(served->thread));
    struct seam_role role;
    worker_role(served->worker, &role);
    role_thread_start(served->thread, &role);
    channel_table_add(&host->served, channel, served);
    log_info("serving", "worker=%s pipeline=%s", host->options.name, pipeline);
}

static void served_end(void *item)
{
    struct served *served = item;
    role_thread_stop(served->thread);
    worker_destroy(served->worker);
    role_thread_destroy(served->thread);
    memory_free(served);
}

static void host_drop(void *context, uint64_t channel)
{
    struct worker_host *host = context;
    struct served *served = channel_table_remove(&host->served, channel);
    if (served) reaper_take(&host->reaper, served_end, served);
}

static void host_end(struct worker_host *host, int exit_code)
{
    int goes_on = -1;
    atomic_compare_exchange_strong(&host->exit_code, &goes_on, exit_code);
    signals_notify();
}

// A name that is taken may be that of a process that has just died: the leader forgets it in a few seconds.
static void host_refused(void *context, const char *why, bool final)
{
    struct worker_host *host = context;
    int64_t now_us = clock_boot_us(clock_system());
    if (host->refused_us == 0) {
        host->refused_us = now_us;
        log_warn("refused", "worker=%s why=\"%s\"", host->options.name, why);
    }
    if (!final && now_us - host->refused_us < WORKER_REFUSED_MAX * 1000000ll) return;
    fprintf(stderr, "foreset worker: %s\n", why);
    host_end(host, final ? 2 : 3);
}

static void host_left(void *context)
{
    host_end(context, 0);
}

// Whether this coordinator would let it join. On a job's thread.
static enum status host_ask(const struct worker_host *host, const char *url, struct error *err)
{
    const struct role_options *options = &host->options;
    const struct rpc_credentials credentials = {.tls = options->has_tls ? &options->tls : NULL,
                                                .token = access_token_text(host->access)};
    Foreset__Hello hello = FORESET__HELLO__INIT;
    hello.name = (char *)options->name;
    hello.url = (char *)options->advertise;
    hello.version = FORESET_VERSION;
    Foreset__Cluster question = FORESET__CLUSTER__INIT, *answer = NULL;
    question.body_case = FORESET__CLUSTER__BODY_HELLO;
    question.hello = &hello;
    struct text bytes = {0};
    void *reply = NULL;
    size_t size = 0;
    cluster_message_pack(&question, &bytes);
    enum status status = rpc_call(url, &credentials, bytes.data, bytes.length, WORKER_PROBE_US, &reply, &size, err);
    if (status == STATUS_OK) status = cluster_message_unpack(reply, size, &answer, err);
    if (status == STATUS_OK && answer->body_case == FORESET__CLUSTER__BODY_REPLY && answer->reply->exit_code != 0) {
        status = error_set(err, STATUS_CONFLICT, ERROR_FAIL_PIPELINE, "%s",
                           answer->reply->message ? answer->reply->message : "refused");
    }
    cluster_message_destroy(answer);
    memory_free(reply);
    text_deinit(&bytes);
    return status;
}

// On a job's thread: which coordinator cannot be reached, and why.
static void host_unheard(void *context)
{
    const struct worker_host *host = context;
    const struct role_options *options = &host->options;
    char *list = memory_strdup(options->coordinators), *rest = NULL;
    for (char *url = strtok_r(list, ", ", &rest); url; url = strtok_r(NULL, ", ", &rest)) {
        struct error err;
        enum status status = host_ask(host, url, &err);
        if (status == STATUS_CONFLICT) {
            log_warn("refused", "worker=%s coordinator=%s why=\"%s\"", options->name, url, err.message);
        } else if (status != STATUS_OK) {
            log_warn("coordinator_unreachable", "worker=%s coordinator=%s error=\"%s\"", options->name, url,
                     err.message);
        } else {
            log_warn(
                "no_leader",
                "worker=%s coordinator=%s error=\"it answers, but no leader has: nobody leads, or the leader cannot "
                "reach this worker at %s (--advertise)\"",
                options->name, url, options->advertise);
        }
    }
    memory_free(list);
}

// ---- Life ----

// A process that listens with --insecure has said that it does not mind.
static bool host_gives_token_away(const struct worker_host *host, const char *url)
{
    const struct role_options *options = &host->options;
    struct rpc_url parsed;
    struct error err;
    if (options->has_tls || options->token_file || options->insecure) return false;
    return rpc_url_parse(url, false, &parsed, &err) == STATUS_OK && !rpc_url_is_local(&parsed);
}

static int host_coordinators(struct worker_host *host)
{
    char *list = arena_strdup(&host->options.arena, host->options.coordinators), *rest = NULL;
    for (char *url = strtok_r(list, ", ", &rest); url; url = strtok_r(NULL, ", ", &rest)) {
        struct error err;
        if (++host->coordinator_count > WORKER_COORDINATORS_MAX)
            return role_options_refuse(ROLE_WORKER, "--coordinator: at most %u URLs", WORKER_COORDINATORS_MAX);
        if (host_gives_token_away(host, url))
            return role_options_refuse(
                ROLE_WORKER,
                "--coordinator %s: without TLS this user's token would go over the network; give "
                "--tls-ca, --tls-cert and --tls-key, or --token-file FILE to send that one",
                url);
        if (rpc_dial(host->rpc, host->coordinator_count, url, RPC_REQUEST, &err) != STATUS_OK)
            return role_options_refuse(ROLE_WORKER, "--coordinator %s: %s", url, err.message);
    }
    return 0;
}

static int host_open(struct worker_host *host)
{
    const struct role_options *options = &host->options;
    struct random random;
    struct error err;
    random_init_system(&random);
    host->self = WORKER_PEER_FIRST + (uint32_t)random_below(&random, UINT32_MAX - WORKER_PEER_FIRST);
    budget_init(&host->budget, "memory", NULL, host->memory_bytes);
    channel_table_init(&host->served);
    reaper_start(&host->reaper);
    host->node_thread = role_thread_create("node", 1, host_node_send, host);
    const struct access_config access = {.self = ACCESS_WORKER,
                                         .name = options->name,
                                         .tls = options->has_tls,
                                         .role_map = options->role_map,
                                         .token_file = options->token_file};
    if (access_open(&access, &host->access, &err) != STATUS_OK)
        return role_options_refuse(ROLE_WORKER, "%s", err.message);
    const struct rpc_config rpc = {.url = options->listen,
                                   .self = host->self,
                                   .tls = options->has_tls ? &options->tls : NULL,
                                   .token = access_token_text(host->access),
                                   .deadline_us = WORKER_DEADLINE_US,
                                   .received = host_received,
                                   .lost = host_lost,
                                   .refused_connection = host_refused_connection,
                                   .context = host};
    if (rpc_open(&rpc, &host->rpc, &err) != STATUS_OK) return role_options_refuse(ROLE_WORKER, "%s", err.message);
    int refused = host_coordinators(host);
    if (refused) return refused;
    if (host->options.advertise == host->options.listen)
        host->options.advertise = arena_strdup(&host->options.arena, rpc_url(host->rpc));
    const struct node_config node = {.name = options->name,
                                     .url = options->advertise,
                                     .version = FORESET_VERSION,
                                     .lanes = host->lanes,
                                     .memory_bytes = host->memory_bytes,
                                     .budget = &host->budget,
                                     .network = rpc_counters(host->rpc),
                                     .coordinator_count = host->coordinator_count,
                                     .follow = host_follow,
                                     .serve = host_serve,
                                     .drop = host_drop,
                                     .refused = host_refused,
                                     .left = host_left,
                                     .unheard = host_unheard,
                                     .context = host};
    host->node = node_create(&node, role_thread_seam(host->node_thread));
    return 0;
}

static void host_run(struct worker_host *host)
{
    struct seam_role role;
    node_role(host->node, &role);
    role_thread_start(host->node_thread, &role);
    log_info("worker_started", "worker=%s url=%s lanes=%u memory=%llu", host->options.name, host->options.advertise,
             host->lanes, (unsigned long long)host->memory_bytes);
    for (bool leaving = false; atomic_load(&host->exit_code) < 0;) {
        bool asked = signals_wait(WORKER_MEMORY_WATCH_MS);
        if (signals_reload()) role_network_reload(host->rpc);
        if (asked && !leaving) role_thread_post(host->node_thread, node_leave_event());
        leaving = asked;
        memory_watch(host->memory_bytes);
    }
    role_thread_stop(host->node_thread);
}

static void host_close(struct worker_host *host)
{
    while (host->served.entries.count > 0) host_drop(host, host->served.entries.items[0].channel);
    reaper_stop(&host->reaper);
    rpc_close(host->rpc); // nobody sends any more
    access_close(host->access);
    node_destroy(host->node);
    role_thread_destroy(host->node_thread);
    channel_table_deinit(&host->served);
}

static int host_limits(struct worker_host *host)
{
    uint64_t lanes = 0;
    const struct role_options *options = &host->options;
    if (!options->coordinators)
        return role_options_refuse(ROLE_WORKER, "--coordinator URL is needed, e.g. --coordinator tcp://127.0.0.1:7400");
    if (options->lanes && (!text_parse_u64(options->lanes, &lanes) || lanes == 0 || lanes > MACHINE_LANES_MAX))
        return role_options_refuse(ROLE_WORKER, "--lanes %s: expected a number from 1 to %u", options->lanes,
                                   MACHINE_LANES_MAX);
    host->lanes = lanes ? (uint32_t)lanes : machine_lanes();
    host->memory_bytes = machine_memory();
    if (options->memory && !text_parse_bytes(options->memory, &host->memory_bytes))
        return role_options_refuse(ROLE_WORKER, "--memory %s: expected bytes, e.g. 512M, 2G", options->memory);
    uint64_t least = 2 * WORKER_LANE_MEMORY_MIN > host->lanes * WORKER_LANE_MEMORY_MIN
                         ? 2 * WORKER_LANE_MEMORY_MIN
                         : host->lanes * WORKER_LANE_MEMORY_MIN;
    if (host->memory_bytes < least)
        return role_options_refuse(
            ROLE_WORKER,
            "worker %s: %llu bytes of memory are too little for %u lanes: give --memory %lluM, or fewer --lanes",
            options->name, (unsigned long long)host->memory_bytes, host->lanes, (unsigned long long)(least >> 20));
    return 0;
}

int worker_main(int argc, char **argv)
{
    struct worker_host host = {.exit_code = -1};
    struct error err;
    int exit_code = role_options_parse(&host.options, ROLE_WORKER, worker_help, argc, argv);
    if (exit_code == 0) {
        exit_code = 1 + host_limits(&host);
        if (exit_code == 1 && confine_start(host.options.allow_path, host.options.allow_env, &err) != STATUS_OK)
            exit_code = 1 + role_options_refuse(ROLE_WORKER, "%s", err.message);
        if (exit_code == 1 && failpoint_init(&err) != STATUS_OK)
            exit_code = 1 + role_options_refuse(ROLE_WORKER, "%s", err.message);
        if (exit_code == 1) {
            memory_tune(host.memory_bytes);
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
