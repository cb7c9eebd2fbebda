// Processes and the roles that they host, as the commands of cli/ host them: a coordinator's cluster role starts,
// drains and abandons pipeline roles; a worker's node serves and drops pipelines.
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

#define HOST_LEASE_US  (6 * SIM_SECOND)
#define HOST_GRACE_US  (2 * SIM_SECOND)
#define HOST_GATHER_US (SIM_SECOND / 2)
#define HOST_VERSION   "simulated"

const char *const sim_host_workers[3] = {"worker-a", "worker-b", "worker-c"};
static const char *const host_coordinators[2] = {"first", "second"};

// ---- Coordinators ----

static uint32_t host_pipeline(const struct definition *definition)
{
    return (uint32_t)(definition->sql[1] - '0'); // the text is the name, "p0", and with one table more "p0+"
}

static Foreset__Plan *host_plan(const struct definition *definition)
{
    uint32_t pipeline = host_pipeline(definition);
    return definition->sql[2] == '+' ? sim->grown[pipeline] : sim->plans[pipeline];
}

static enum status host_compile(void *context, const struct definition *definition, struct arena *arena,
                                Foreset__Plan **ret_plan, const char *const **ret_warnings, struct error *err)
{
    (void)context;
    (void)arena;
    (void)err;
    *ret_plan = host_plan(definition);
    *ret_warnings = NULL;
    return STATUS_OK;
}

static void host_ended(void *context, enum pipeline_outcome outcome, const struct error *err)
{
    struct sim_role *role = context;
    uint32_t pipeline = role->pipeline_number;
    if (role->stopping || role->process->dying) return;
    if (outcome == PIPELINE_BLOCKED && sim_others_may_block(pipeline)) {
        sim_core_trace("p%u is blocked: %s", pipeline, err->message);
        sim_operator_blocked(pipeline, err->message);
        sim_core_post(&role->process->roles[0], cluster_ended_event(role->channel, outcome, err));
        sim_core_stop(role);
        return;
    }
    if (outcome != PIPELINE_DONE) {
        sim_core_fail("I7: pipeline p%u ended with outcome %d: %s", pipeline, (int)outcome, err->message);
        return;
    }
    sim_core_trace("p%u is done", pipeline);
    if (!sim_check_published(pipeline, false))
        sim_core_fail("I2: pipeline p%u ended, but decided epochs are not published", pipeline);
    sim_core_post(&role->process->roles[0], cluster_ended_event(role->channel, outcome, err));
    sim_core_stop(role);
}

static void host_said(void *context, const char *json)
{
    struct sim_role *role = context;
    memory_free(role->said);
    role->said = memory_strdup(json);
}

static enum status host_start(void *context, const struct definition *definition, const struct cluster_start *start,
                              struct error *err)
{
    struct sim_process *process = context;
    struct sim_role *role = sim_core_role(process, definition_channel(definition));
    struct seam_role as;
    role->pipeline_number = host_pipeline(definition);
    const char *state_url = sim_plan_state_url(role->pipeline_number);
    enum status status = sim_store_open(process, state_url, true, &role->state, err);
    ASSERT(status == STATUS_OK);
    const struct pipeline_config config = {.process = host_coordinators[process->id - 1],
                                           .plan = host_plan(definition),
                                           .state_url = state_url,
                                           .kv = process->kv,
                                           .state = role->state,
                                           .stores = {sim_store_open, process},
                                           .catalogs = {sim_plan_catalog, process},
                                           .piece_bytes = sim->knobs.piece_bytes,
                                           .available_now = definition->available_now,
                                           .filter = sim_others_filter,
                                           .full_refresh = start->full_refresh,
                                           .adopt = start->adopt,
                                           .adopt_table = start->adopt_table,
                                           .overwrite = start->overwrite,
                                           .overwrite_table = start->overwrite_table,
                                           .replay = start->replay,
                                           .replay_table = start->replay_table,
                                           .lease_ttl_us = HOST_LEASE_US,
                                           .grace_us = HOST_GRACE_US,
                                           .workers_min = 1,
                                           .gather_us = HOST_GATHER_US,
                                           .said = sim->knobs.tells ? host_said : NULL,
                                           .ended = host_ended,
                                           .context = role};
    status = pipeline_create(&config, &role->seam, &role->pipeline, err);
    ASSERT(status == STATUS_OK);
    sim_core_trace("p%u has a role", role->pipeline_number);
    pipeline_role(role->pipeline, &as);
    sim_core_start(role, &as);
    return STATUS_OK;
}

static void host_drain(void *context, uint64_t channel)
{
    struct sim_role *role = sim_core_find(context, channel);
    if (role) sim_core_post(role, pipeline_drain_event());
}

static void host_abandon(void *context, uint64_t channel)
{
    struct sim_role *role = sim_core_find(context, channel);
    if (!role) return;
    sim_core_trace("p%u is abandoned", role->pipeline_number);
    sim_core_stop(role);
}

static void host_leaving(void *context, uint64_t channel, const char *const *workers, size_t count)
{
    struct sim_role *role = sim_core_find(context, channel);
    if (role) sim_core_post(role, pipeline_leaving_event(workers, count));
}

static char *host_status(void *context, uint64_t channel)
{
    const struct sim_role *role = sim_core_find(context, channel);
    return role && role->said ? memory_strdup(role->said) : NULL;
}

static void host_dial(void *context, uint32_t worker, const char *url)
{
    (void)context;
    (void)worker;
    (void)url;
}

static void host_hangup(void *context, uint32_t worker)
{
    (void)context;
    (void)worker;
}

static void host_watch(void *context, const char *url)
{
    struct sim_process *process = context;
    process->watches = url ? (uint32_t)(url[6] - '0') : 0; // "sim://1"
}

static void host_reply(void *context, void *token, const Foreset__AdminReply *reply)
{
    (void)context;
    sim_operator_reply(token, reply);
}

// It restarts, and finds its earlier life's key there: after twice the lease's time it takes that for another process.
static void host_fenced(void *context, const char *why)
{
    sim_core_trace("fenced: %s", why);
    sim_core_kill(context);
}

static void host_lost(void *context, const char *why)
{
    (void)context;
    sim_core_fail("P21: the kv store is taken for another one: %s", why);
}

static void host_start_coordinator(struct sim_process *process)
{
    struct sim_role *role = sim_core_role(process, 0);
    struct seam_role as;
    struct error err;
    process->kv = sim_kv_open(process);
    const struct cluster_config config = {.name = host_coordinators[process->id - 1],
                                          .url = process->id == 1 ? "sim://1" : "sim://2",
                                          .version = HOST_VERSION,
                                          .kv = process->kv,
                                          .kv_name = "simulated",
                                          .lease_ttl_us = HOST_LEASE_US,
                                          .host = {.compile = host_compile,
                                                   .start = host_start,
                                                   .drain = host_drain,
                                                   .abandon = host_abandon,
                                                   .leaving = host_leaving,
                                                   .status = host_status,
                                                   .dial = host_dial,
                                                   .hangup = host_hangup,
                                                   .watch = host_watch,
                                                   .reply = host_reply,
                                                   .fenced = host_fenced,
                                                   .lost = host_lost,
                                                   .unreadable = host_lost},
                                          .context = process};
    enum status status = cluster_create(&config, &role->seam, &role->cluster, &err);
    ASSERT(status == STATUS_OK);
    cluster_role(role->cluster, &as);
    sim_core_start(role, &as);
}

// ---- Workers ----

static void host_post(void *context, struct dataflow_event *event)
{
    sim_core_post(context, event);
}

static void host_follow(void *context, uint32_t leader, const char *url)
{
    sim_core_trace("follows %u at %s", leader, url);
    (void)context;
}

static void host_serve(void *context, uint64_t channel, const char *pipeline, uint32_t leader)
{
    struct sim_process *process = context;
    struct sim_role *role = sim_core_role(process, channel);
    struct seam_role as;
    role->leader = leader;
    role->pipeline_number = (uint32_t)(pipeline[1] - '0');
    const struct worker_config config = {.name = sim_host_workers[process->id - 11],
                                         .url = "sim://worker",
                                         .lanes = process->lanes,
                                         .coordinators = &role->leader,
                                         .coordinator_count = 1,
                                         .piece_bytes = sim->knobs.piece_bytes,
                                         .flow_open = sim_flow_open,
                                         .stores = {sim_store_open, process},
                                         .post = host_post,
                                         .context = role};
    role->worker = worker_create(&config, &role->seam);
    worker_role(role->worker, &as);
    sim_core_start(role, &as);
}

static void host_drop(void *context, uint64_t channel)
{
    struct sim_role *role = sim_core_find(context, channel);
    if (role) sim_core_stop(role);
}

static void host_refused(void *context, const char *why, bool final)
{
    (void)context;
    sim_core_trace("refused: %s", why);
    if (final) sim_core_fail("I7: a worker is refused for good: %s", why);
}

static void host_left(void *context)
{
    struct sim_process *process = context;
    sim_core_trace("process %u has left", process->id);
    process->away_until_us = sim->now_us + (int64_t)random_below(&sim->random, 10 * SIM_SECOND);
    sim_core_kill(process);
}

void sim_host_leave(struct sim_process *worker)
{
    sim_core_trace("process %u is asked to end", worker->id);
    sim_core_post(&worker->roles[0], node_leave_event());
}

static void host_start_worker(struct sim_process *process)
{
    static const char *const urls[3] = {"sim://11", "sim://12", "sim://13"};
    struct sim_role *role = sim_core_role(process, 0);
    struct seam_role as;
    process->lanes = random_chance(&sim->random, 0.3) ? 2 : 1; // it may come back on another machine
    const struct node_config config = {.name = sim_host_workers[process->id - 11],
                                       .url = urls[process->id - 11],
                                       .version = HOST_VERSION,
                                       .lanes = process->lanes,
                                       .memory_bytes = 1 << 30,
                                       .coordinator_count = sim->knobs.coordinators,
                                       .follow = host_follow,
                                       .serve = host_serve,
                                       .drop = host_drop,
                                       .refused = host_refused,
                                       .left = host_left,
                                       .context = process};
    role->node = node_create(&config, &role->seam);
    node_role(role->node, &as);
    sim_core_start(role, &as);
}

void sim_host_start(struct sim_process *process)
{
    if (process->alive) return;
    process->alive = true;
    process->wall_skew_us = sim_core_roll(0.2) ? (int64_t)random_below(&sim->random, 4 * SIM_SECOND) : 0;
    if (process->kind == SIM_COORDINATOR) {
        host_start_coordinator(process);
    } else {
        host_start_worker(process);
    }
    sim_core_trace("process %u starts", process->id);
}

// ---- Looking on ----

const char *sim_host_state(const struct sim_process *process, char *text, size_t size)
{
    size_t length = (size_t)snprintf(text, size, "%s", process->alive ? "up" : "down");
    for (size_t i = 0; i < SIM_ROLES_MAX && length < size; i++) {
        const struct sim_role *role = &process->roles[i];
        if (!role->used || !(role->pipeline || role->worker)) continue;
        const char *state = role->pipeline ? pipeline_state_name(role->pipeline) : worker_state_name(role->worker);
        length += (size_t)snprintf(text + length, size - length, " p%u:%s%s", role->pipeline_number, state,
                                   role->stopping ? "(stopping)" : "");
    }
    return text;
}

bool sim_host_holds(const struct sim_process *worker)
{
    for (size_t i = 0; i < SIM_ROLES_MAX; i++) {
        const struct sim_role *role = &worker->roles[i];
        if (!role->used || !role->worker) continue;
        if (strcmp(worker_state_name(role->worker), "idle") != 0) return true;
    }
    return false;
}
