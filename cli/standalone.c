// Standalone mode. Opens the stores (the local kv store's lock keeps a second process out), starts both roles, waits.
// Failures: a store that cannot be opened (told with its path), the lock (ERROR_FENCED), whatever ends the pipeline.
#include "cli/standalone.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/signals.h"
#include "common/kv/kv.h"
#include "common/rpc/role_thread.h"
#include "common/rpc/rpc.h"
#include "coordinator/pipeline/topic_catalog.h"
#include "worker/worker.h"

#define COORDINATOR_URL "inproc://foreset-coordinator"
#define WORKER_URL      "inproc://foreset-worker"
#define JOB_THREADS     6
#define MEMORY_WATCH_MS 50
#define PROCESS_BYTES   (24u << 20) // code, threads, plans, logs: counted whatever they are

enum { PEER_COORDINATOR = 1, PEER_WORKER = 2 };

struct standalone {
    const struct standalone_config *config;
    struct budget budget;
    struct objstore *state;
    struct kv *kv;
    struct role_thread *coordinator_thread, *worker_thread;
    struct rpc *coordinator_rpc, *worker_rpc;
    struct pipeline *pipeline;
    struct worker *worker;
    _Atomic bool ended;
    enum pipeline_outcome outcome;
    struct error err;
};

static void standalone_coordinator_send(void *context, uint32_t peer, const void *bytes, size_t size)
{
    rpc_send(((struct standalone *)context)->coordinator_rpc, peer, bytes, size);
}

static void standalone_worker_send(void *context, uint32_t peer, const void *bytes, size_t size)
{
    rpc_send(((struct standalone *)context)->worker_rpc, peer, bytes, size);
}

static void standalone_to_coordinator(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes,
                                      size_t size)
{
    (void)from;
    role_thread_deliver(((struct standalone *)context)->coordinator_thread, peer, bytes, size);
}

static void standalone_to_worker(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes,
                                 size_t size)
{
    (void)from;
    role_thread_deliver(((struct standalone *)context)->worker_thread, peer, bytes, size);
}

static enum status standalone_open_store(void *context, const char *url, bool create, struct objstore **ret_store,
                                         struct error *err)
{
    (void)context;
    return objstore_open(url, create, ret_store, err);
}

static void standalone_on_flow_event(void *context, struct dataflow_event *event)
{
    role_thread_post(((struct standalone *)context)->worker_thread, event);
}

static void standalone_on_ended(void *context, enum pipeline_outcome outcome, const struct error *err)
{
    struct standalone *standalone = context;
    standalone->outcome = outcome;
    if (err) standalone->err = *err;
    atomic_store(&standalone->ended, true);
    signals_notify();
}

static void standalone_on_progress(void *context, const struct pipeline_progress *progress)
{
    const struct standalone_config *config = ((struct standalone *)context)->config;
    if (config->progress) config->progress(config->context, progress);
}

static void standalone_on_notice(void *context, const char *text)
{
    const struct standalone_config *config = ((struct standalone *)context)->config;
    if (config->notice) config->notice(config->context, text);
}

static void standalone_on_closing(void *context, const struct pipeline_closing *closing)
{
    const struct standalone_config *config = ((struct standalone *)context)->config;
    if (config->closing) config->closing(config->context, closing);
}

static enum status standalone_open_stores(struct standalone *standalone, struct error *err)
{
    const struct standalone_config *config = standalone->config;
    enum status status = STATUS_OK;
    const char *directory = config->meta;
    if (!directory && strncmp(config->state_url, "file://", 7) == 0) directory = config->state_url + 7;
    if (!directory) {
        return error_set(
            err, STATUS_INVALID, ERROR_USAGE,
            "the state is at %s, which is not local: say with --meta DIR where the local key-value store may be",
            config->state_url);
    }
    TRY(objstore_open(config->state_url, true, &standalone->state, err));
    objstore_set_private(standalone->state);
    TRY(kv_local_open(directory, &standalone->kv, err));
out:
    return status;
}

static enum status standalone_open_network(struct standalone *standalone, struct error *err)
{
    enum status status = STATUS_OK;
    const struct rpc_config coordinator = {
        .url = COORDINATOR_URL, .self = PEER_COORDINATOR, .received = standalone_to_coordinator, .context = standalone};
    const struct rpc_config worker = {
        .url = WORKER_URL, .self = PEER_WORKER, .received = standalone_to_worker, .context = standalone};
    TRY(rpc_open(&coordinator, &standalone->coordinator_rpc, err));
    TRY(rpc_open(&worker, &standalone->worker_rpc, err));
    TRY(rpc_dial(standalone->coordinator_rpc, PEER_WORKER, WORKER_URL, RPC_PUSH, err));
    TRY(rpc_dial(standalone->worker_rpc, PEER_COORDINATOR, COORDINATOR_URL, RPC_PUSH, err));
out:
    return status;
}

static enum status standalone_open_roles(struct standalone *standalone, struct error *err)
{
    static const uint32_t coordinators[] = {PEER_COORDINATOR};
    const struct standalone_config *config = standalone->config;
    enum status status = STATUS_OK;
    char process[64];
    snprintf(process, sizeof process, "standalone-%d", (int)getpid());
    standalone->coordinator_thread =
        role_thread_create("coordinator", JOB_THREADS, standalone_coordinator_send, standalone);
    standalone->worker_thread = role_thread_create("worker", JOB_THREADS, standalone_worker_send, standalone);
    TRY(standalone_open_network(standalone, err));
    const struct pipeline_config pipeline = {.process = process,
                                             .plan = config->plan,
                                             .state_url = config->state_url,
                                             .kv = standalone->kv,
                                             .state = standalone->state,
                                             .stores = {.open = standalone_open_store},
                                             .catalogs = {.open = topic_catalog_open},
                                             .budget = &standalone->budget,
                                             .available_now = config->available_now,
                                             .full_refresh = config->full_refresh,
                                             .adopt = config->adopt,
                                             .adopt_table = config->adopt_table,
                                             .abandon_table = config->abandon_table,
                                             .overwrite = config->overwrite,
                                             .overwrite_table = config->overwrite_table,
                                             .replay = config->replay,
                                             .replay_table = config->replay_table,
                                             .workers_min = 1,
                                             .progress = standalone_on_progress,
                                             .notice = standalone_on_notice,
                                             .closing = standalone_on_closing,
                                             .ended = standalone_on_ended,
                                             .context = standalone};
    TRY(pipeline_create(&pipeline, role_thread_seam(standalone->coordinator_thread), &standalone->pipeline, err));
    const struct worker_config worker = {.name = "standalone",
                                         .lanes = config->lanes,
                                         .memory_bytes = config->memory_bytes,
                                         .coordinators = coordinators,
                                         .coordinator_count = 1,
                                         .flow_open = lane_group_open,
                                         .stores = {.open = standalone_open_store},
                                         .budget = &standalone->budget,
                                         .post = standalone_on_flow_event,
                                         .context = standalone};
    standalone->worker = worker_create(&worker, role_thread_seam(standalone->worker_thread));
out:
    return status;
}

static void standalone_wait(struct standalone *standalone)
{
    struct seam_role role;
    pipeline_role(standalone->pipeline, &role);
    role_thread_start(standalone->coordinator_thread, &role);
    worker_role(standalone->worker, &role);
    role_thread_start(standalone->worker_thread, &role);
    bool draining = false;
    while (!atomic_load(&standalone->ended)) {
        bool caught = signals_wait(MEMORY_WATCH_MS);
        memory_watch(standalone->config->memory_bytes);
        if (!caught || draining) continue;
        draining = true;
        role_thread_post(standalone->coordinator_thread, pipeline_drain_event());
    }
    role_thread_stop(standalone->coordinator_thread);
    role_thread_stop(standalone->worker_thread);
}

// In the order that lets each find what it still uses: roles, then their threads, the transport, the stores.
static void standalone_close(struct standalone *standalone)
{
    if (standalone->worker) worker_destroy(standalone->worker);
    if (standalone->pipeline) pipeline_destroy(standalone->pipeline);
    rpc_close(standalone->coordinator_rpc);
    rpc_close(standalone->worker_rpc);
    role_thread_destroy(standalone->worker_thread);
    role_thread_destroy(standalone->coordinator_thread);
    kv_close(standalone->kv);
    objstore_close(standalone->state);
}

enum pipeline_outcome standalone_run(const struct standalone_config *config, struct error *err)
{
    struct standalone standalone = {.config = config, .outcome = PIPELINE_FAILED};
    budget_init(&standalone.budget, "memory", NULL, config->memory_bytes);
    budget_force(&standalone.budget, PROCESS_BYTES);
    enum status status = standalone_open_stores(&standalone, err);
    if (status == STATUS_OK) status = standalone_open_roles(&standalone, err);
    if (status == STATUS_OK) {
        standalone_wait(&standalone);
        *err = standalone.err;
    } else if (err->class == ERROR_FENCED) {
        standalone.outcome = PIPELINE_FENCED;
    }
    standalone_close(&standalone);
    return standalone.outcome;
}
