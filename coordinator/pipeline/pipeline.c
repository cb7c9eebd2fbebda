// The pipeline's states:
//
//   STANDBY ──elected──► RECOVERING ──► GATHERING ──workers──► ASSIGNING ──loaded──► RUNNING
//      ▲                     ▲                                     │                    │ trouble   ▲ worker comes or
//      │                     │                                     │                    │         ▼ leaves: MOVING
//      │ fenced              └───────────── QUIESCING ◄────────────┴────────────────────┘
//      └──────────────────────────────────────┘         ENDING ──published──► ENDED   (from every state)
//
// What can fail, and what the class of the error does (docs/ERRORS.md):
// RETRY, RESTART_PIPELINE: the attempt is over; what is prepared is decided under its generation, then recovery raises
// the generation (P21). PIPELINE_RESTARTS_MAX of them without a decision in between: FAIL_PIPELINE.
// FAIL_PIPELINE, USAGE: what is decided is published, then it ends. BLOCKED: it ends at once. FENCED: everything
// volatile is dropped, a new incarnation stands for election (P3); where a lock stands in for the lease it ends.
#include "coordinator/pipeline/pipeline_private.h"

#include <stdio.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/plan/plan_file.h"
#include "coordinator/commit/replay.h"

static const struct statemachine_state pipeline_states[] = {
    [PIPELINE_STANDBY] = {"standby", STATEMACHINE_TO(PIPELINE_RECOVERING) | STATEMACHINE_TO(PIPELINE_ENDING)},
    [PIPELINE_RECOVERING] = {"recovering", STATEMACHINE_TO(PIPELINE_GATHERING) | STATEMACHINE_TO(PIPELINE_QUIESCING) |
                                               STATEMACHINE_TO(PIPELINE_ENDING)},
    [PIPELINE_GATHERING] = {"gathering", STATEMACHINE_TO(PIPELINE_ASSIGNING) | STATEMACHINE_TO(PIPELINE_QUIESCING) |
                                             STATEMACHINE_TO(PIPELINE_ENDING)},
    [PIPELINE_ASSIGNING] = {"assigning", STATEMACHINE_TO(PIPELINE_RUNNING) | STATEMACHINE_TO(PIPELINE_QUIESCING) |
                                             STATEMACHINE_TO(PIPELINE_ENDING)},
    [PIPELINE_RUNNING] = {"running", STATEMACHINE_TO(PIPELINE_MOVING) | STATEMACHINE_TO(PIPELINE_QUIESCING) |
                                         STATEMACHINE_TO(PIPELINE_ENDING)},
    [PIPELINE_MOVING] = {"moving", STATEMACHINE_TO(PIPELINE_RUNNING) | STATEMACHINE_TO(PIPELINE_QUIESCING) |
                                       STATEMACHINE_TO(PIPELINE_ENDING)},
    [PIPELINE_QUIESCING] = {"quiescing", STATEMACHINE_TO(PIPELINE_RECOVERING) | STATEMACHINE_TO(PIPELINE_STANDBY) |
                                             STATEMACHINE_TO(PIPELINE_ENDING)},
    [PIPELINE_ENDING] = {"ending", STATEMACHINE_TO(PIPELINE_ENDED)},
    [PIPELINE_ENDED] = {"ended", 0},
};
static int pipeline_drain_mark; // its address is the event
struct pipeline_leaving {
    size_t count;
    char *names[];
};

// ---- Moves ----

void pipeline_move(struct pipeline *pipeline, enum pipeline_state to)
{
    statemachine_move(&pipeline->machine, (int)to);
    if (to == PIPELINE_ASSIGNING) {
        struct error err = {0};
        pipeline->decide_no_more = pipeline->put_no_more = false;
        if (pipeline_plan_begin(pipeline, &err) != STATUS_OK) pipeline_trouble(pipeline, &err);
    }
}

void pipeline_say(struct pipeline *pipeline, const char *text)
{
    if (pipeline->config.notice) pipeline->config.notice(pipeline->config.context, text);
}

void pipeline_end(struct pipeline *pipeline, enum pipeline_outcome outcome, const struct error *err)
{
    if (pipeline->machine.state == PIPELINE_ENDED) return;
    if (pipeline->machine.state == PIPELINE_ENDING) {
        if (outcome <= pipeline->outcome) return; // what is worse is told
    } else {
        pipeline_move(pipeline, PIPELINE_ENDING);
    }
    pipeline->outcome = outcome;
    if (err) pipeline->outcome_err = *err;
}

// The attempt is over.
static void pipeline_quiesce(struct pipeline *pipeline)
{
    enum pipeline_state state = (enum pipeline_state)pipeline->machine.state;
    if (state == PIPELINE_QUIESCING || state == PIPELINE_ENDING || state == PIPELINE_ENDED) return;
    pipeline_workers_abort(pipeline, false);
    pipeline_move(pipeline, PIPELINE_QUIESCING);
}

static void pipeline_restart(struct pipeline *pipeline, const struct error *err)
{
    log_info("restart", "pipeline=%s state=%s error=\"%s\"", pipeline->context.pipeline,
             statemachine_name(&pipeline->machine), err->message);
    enum pipeline_state state = (enum pipeline_state)pipeline->machine.state;
    if (state == PIPELINE_QUIESCING || state == PIPELINE_ENDED || state == PIPELINE_STANDBY) return;
    pipeline->status.restarts++;
    snprintf(pipeline->status.trouble, sizeof pipeline->status.trouble, "%s", err->message);
    text_utf8_clean(pipeline->status.trouble); // it may quote bytes, and is cut
    if (state == PIPELINE_ENDING) {            // what could not be put is put by the next run's recovery
        if (pipeline->outcome == PIPELINE_DONE) pipeline->outcome = PIPELINE_FAILED;
        if (pipeline->outcome_err.code == STATUS_OK) pipeline->outcome_err = *err;
        pipeline->fenced = true;
        return;
    }
    if (pipeline->config.lease_ttl_us == 0 && ++pipeline->restarts > PIPELINE_RESTARTS_MAX) {
        struct error last = *err;
        last.class = ERROR_FAIL_PIPELINE;
        (void)error_prefix(&last, "given up after %d attempts", PIPELINE_RESTARTS_MAX);
        pipeline_end(pipeline, PIPELINE_FAILED, &last);
        return;
    }
    int64_t pause_us = PIPELINE_BACKOFF_US << (pipeline->restarts < 6 ? pipeline->restarts : 6);
    if (pause_us > PIPELINE_BACKOFF_US_MAX) pause_us = PIPELINE_BACKOFF_US_MAX;
    pipeline->recover_at_us = clock_boot_us(pipeline->seam->clock) + pause_us;
    if (state != PIPELINE_RECOVERING) pipeline_quiesce(pipeline);
}

static void pipeline_fence(struct pipeline *pipeline, const struct error *err)
{
    log_warn("fenced", "pipeline=%s error=\"%s\"", pipeline->context.pipeline, err->message);
    pipeline->fenced = true;
    lease_lose(&pipeline->lease);
    if (pipeline->config.lease_ttl_us == 0) {
        pipeline_end(pipeline, PIPELINE_FENCED, err);
    } else {
        pipeline_quiesce(pipeline);
    }
}

void pipeline_trouble(struct pipeline *pipeline, const struct error *err)
{
    switch (err->class) {
    case ERROR_RETRY:
    case ERROR_RESTART_PIPELINE: pipeline_restart(pipeline, err); break;
    case ERROR_FENCED: pipeline_fence(pipeline, err); break;
    case ERROR_BLOCKED: pipeline_end(pipeline, PIPELINE_BLOCKED, err); break;
    case ERROR_FAIL_PIPELINE:
    case ERROR_USAGE: pipeline_end(pipeline, PIPELINE_FAILED, err); break;
    }
}

// ---- What has become possible ----

static void pipeline_settle_quiescing(struct pipeline *pipeline)
{
    if (pipeline->jobs > 0 || !pipeline_commit_idle(pipeline)) return;
    pipeline_plan_drop(pipeline);
    if (pipeline->fenced) {
        pipeline_move(pipeline, PIPELINE_STANDBY);
        pipeline_lead_stand_by(pipeline);
    } else {
        pipeline_move(pipeline, PIPELINE_RECOVERING);
    }
}

static void pipeline_settle_ending(struct pipeline *pipeline)
{
    pipeline_upkeep_report(pipeline);
    if (!pipeline_commit_idle(pipeline) || pipeline->jobs > 0) return;
    pipeline_workers_abort(pipeline, true);
    pipeline_move(pipeline, PIPELINE_ENDED);
    if (pipeline->config.closing) {
        const struct pipeline_closing closing = {.pipeline_id = pipeline->context.pipeline_id,
                                                 .decided = pipeline->built ? pipeline->built : pipeline->recovered,
                                                 .position = pipeline->attempt_ready ? &pipeline->position : NULL};
        pipeline->config.closing(pipeline->config.context, &closing);
    }
    if (pipeline->config.ended) {
        pipeline->config.ended(pipeline->config.context, pipeline->outcome, &pipeline->outcome_err);
    }
}

bool pipeline_with_workers(const struct pipeline *pipeline)
{
    enum pipeline_state state = (enum pipeline_state)pipeline->machine.state;
    return state == PIPELINE_ASSIGNING || state == PIPELINE_RUNNING || state == PIPELINE_MOVING;
}

void pipeline_settle(struct pipeline *pipeline)
{
    int64_t now_us = clock_boot_us(pipeline->seam->clock);
    pipeline_lead_tick(pipeline, now_us);
    if (pipeline->machine.state == PIPELINE_GATHERING) {
        if (pipeline->drain) {
            pipeline_end(pipeline, PIPELINE_DONE, NULL);
        } else {
            pipeline_workers_gather(pipeline, now_us);
        }
    }
    if (pipeline_with_workers(pipeline)) pipeline_workers_tick(pipeline, now_us);
    if (pipeline->machine.state == PIPELINE_RUNNING) pipeline_workers_move(pipeline, now_us);
    pipeline_commit_advance(pipeline);
    pipeline_upkeep_report(pipeline);
    pipeline_plan_advance(pipeline, now_us);
    pipeline_stall_tick(pipeline, now_us);
    if (pipeline->machine.state == PIPELINE_RUNNING) {
        pipeline_upkeep_clean(pipeline);
        bool over = pipeline->epochs.count == 0 || FORESET_BUG("last-epoch-dropped");
        if (pipeline->finished && over) pipeline_end(pipeline, PIPELINE_DONE, NULL);
    }
    // Under a lease it is elected and recovers first: what is decided is published when a drain is done (P21).
    bool alone = pipeline->config.lease_ttl_us == 0 || FORESET_BUG("drain-unpublished");
    if (pipeline->machine.state == PIPELINE_STANDBY && pipeline->drain && alone && pipeline->jobs == 0) {
        pipeline_end(pipeline, PIPELINE_DONE, NULL);
    }
    if (pipeline->machine.state == PIPELINE_QUIESCING) pipeline_settle_quiescing(pipeline);
    if (pipeline->machine.state == PIPELINE_ENDING) pipeline_settle_ending(pipeline);
}

// ---- The role ----

static void pipeline_message(void *role, uint32_t peer, const void *bytes, size_t size)
{
    struct pipeline *pipeline = role;
    if (pipeline->machine.state == PIPELINE_ENDED) return;
    pipeline_workers_message(pipeline, peer, bytes, size);
    pipeline_settle(pipeline);
}

static void pipeline_gone(void *role, uint32_t peer)
{
    struct pipeline *pipeline = role;
    if (pipeline->machine.state == PIPELINE_ENDED) return;
    pipeline_workers_gone(pipeline, peer);
    pipeline_settle(pipeline);
}

void pipeline_event_free(void *event)
{
    if (event == &pipeline_drain_mark) return;
    struct pipeline_leaving *leaving = event;
    for (size_t i = 0; i < leaving->count; i++) memory_free(leaving->names[i]);
    memory_free(leaving);
}

static void pipeline_event(void *role, void *event)
{
    struct pipeline *pipeline = role;
    if (event == &pipeline_drain_mark) {
        pipeline->drain = true;
        atomic_store(&pipeline->hurry, true);
        if (pipeline->drain_us == 0) pipeline->drain_us = clock_boot_us(pipeline->seam->clock);
    } else {
        struct pipeline_leaving *leaving = event;
        pipeline_workers_leaving(pipeline, leaving->names, leaving->count);
        pipeline_event_free(event);
    }
    pipeline_settle(pipeline);
}

void *pipeline_leaving_event(const char *const *workers, size_t count)
{
    struct pipeline_leaving *leaving = memory_calloc(1, sizeof *leaving + count * sizeof *leaving->names);
    leaving->count = count;
    for (size_t i = 0; i < count; i++) leaving->names[i] = memory_strdup(workers[i]);
    return leaving;
}

void *pipeline_drain_event(void)
{
    return &pipeline_drain_mark;
}

static void pipeline_tell(struct pipeline *pipeline, int64_t now_us)
{
    if (!pipeline->config.said || now_us - pipeline->status.said_us < PIPELINE_STATUS_US) return;
    struct text json = {0};
    pipeline_status_json(pipeline, &json);
    pipeline->config.said(pipeline->config.context, text_str(&json));
    text_deinit(&json);
    pipeline->status.said_us = now_us;
}

static int64_t pipeline_tick(void *role)
{
    struct pipeline *pipeline = role;
    if (pipeline->machine.state == PIPELINE_ENDED) return INT64_MAX;
    int64_t now_us = clock_boot_us(pipeline->seam->clock);
    pipeline_settle(pipeline);
    pipeline_tell(pipeline, now_us);
    pipeline->ticked_us = now_us;
    int64_t next = pipeline_lead_next(pipeline), plan = pipeline_plan_next(pipeline);
    if (plan < next) next = plan;
    if (pipeline->gather_at_us > now_us && pipeline->gather_at_us < next) next = pipeline->gather_at_us;
    if (pipeline_with_workers(pipeline)) {
        if (pipeline->heartbeat_at_us < next) next = pipeline->heartbeat_at_us;
        if (pipeline->move_at_us > now_us && pipeline->move_at_us < next) next = pipeline->move_at_us;
    }
    if (pipeline->config.said && pipeline->status.said_us + PIPELINE_STATUS_US < next)
        next = pipeline->status.said_us + PIPELINE_STATUS_US;
    if (pipeline->machine.state == PIPELINE_ENDED) next = INT64_MAX;
    return next;
}

void pipeline_role(struct pipeline *pipeline, struct seam_role *ret_role)
{
    *ret_role = (struct seam_role){.role = pipeline,
                                   .message = pipeline_message,
                                   .event = pipeline_event,
                                   .event_drop = pipeline_event_free,
                                   .gone = pipeline_gone,
                                   .tick = pipeline_tick};
}

// ---- Life ----

static void pipeline_hash_plan(struct pipeline *pipeline)
{
    plan_file_hash(pipeline->config.plan, pipeline->context.plan_hash);
}

enum status pipeline_create(const struct pipeline_config *config, struct seam *seam, struct pipeline **ret_pipeline,
                            struct error *err)
{
    struct pipeline *pipeline = memory_calloc(1, sizeof *pipeline);
    pipeline->config = *config;
    pipeline->seam = seam;
    arena_init(&pipeline->bounds_arena, 0);
    lease_init(&pipeline->lease, seam->clock, config->lease_ttl_us);
    enum status status =
        meta_store_init(&pipeline->meta, config->kv, seam, &pipeline->lease, config->plan->pipeline, err);
    if (status != STATUS_OK) {
        memory_free(pipeline);
        return status;
    }
    pipeline->context = (struct commit_context){.pipeline = config->plan->pipeline,
                                                .plan = config->plan,
                                                .seam = seam,
                                                .meta = &pipeline->meta,
                                                .state = config->state,
                                                .stores = &pipeline->config.stores,
                                                .budget = config->budget,
                                                .filter = config->filter};
    pipeline_hash_plan(pipeline);
    pipeline->status.states = memory_calloc(config->plan->n_nodes + 1, sizeof *pipeline->status.states);
    pipeline->status.tables = memory_calloc(config->plan->n_tables + 1, sizeof *pipeline->status.tables);
    pipeline->whole_due = memory_calloc(config->plan->n_tables + 1, sizeof *pipeline->whole_due);
    pipeline->putting = memory_calloc(config->plan->n_tables + 1, sizeof *pipeline->putting);
    pipeline->checkpoint_due = memory_calloc(2 * config->plan->n_tables + 1, sizeof *pipeline->checkpoint_due);
    statemachine_init(&pipeline->machine, "pipeline", 0, pipeline_states,
                      sizeof pipeline_states / sizeof *pipeline_states, PIPELINE_STANDBY, NULL, pipeline);
    pipeline_lead_stand_by(pipeline);
    *ret_pipeline = pipeline;
    return STATUS_OK;
}

void pipeline_resign(struct pipeline *pipeline)
{
    meta_store_resign(&pipeline->meta);
}

void pipeline_destroy(struct pipeline *pipeline)
{
    if (!pipeline) return;
    pipeline_plan_drop(pipeline);
    vector_deinit(&pipeline->epochs);
    for (size_t i = 0; i < pipeline->source_count; i++) {
        if (pipeline->sources[i].catalog) pipeline->sources[i].catalog->ops->close(pipeline->sources[i].catalog);
        catalog_offer_deinit(&pipeline->sources[i].offer);
        pipeline_plan_unfix(&pipeline->sources[i]);
    }
    memory_free(pipeline->sources);
    if (pipeline->logs_ready) {
        table_logs_deinit(&pipeline->put_logs);
        table_logs_deinit(&pipeline->check_logs);
        table_logs_deinit(&pipeline->clean_logs);
    }
    for (size_t i = 0; i < pipeline->worker_count; i++) control_pieces_reset(&pipeline->workers[i].pieces);
    routing_deinit(&pipeline->routing);
    vector_deinit(&pipeline->leaving);
    vector_deinit(&pipeline->bounds);
    pipeline_evidence_deinit(pipeline);
    replay_destroy(pipeline->replay);
    arena_deinit(&pipeline->bounds_arena);
    manifest_unref(pipeline->recovered);
    manifest_unref(pipeline->built);
    manifest_unref(pipeline->report_due);
    if (pipeline->shaped) foreset__plan__free_unpacked(pipeline->shaped, NULL);
    pipeline_fills_deinit(&pipeline->fills);
    memory_free(pipeline->status.states);
    for (uint32_t i = 0; i < pipeline->config.plan->n_tables; i++) memory_free(pipeline->status.tables[i].violations);
    memory_free(pipeline->status.tables);
    memory_free(pipeline->whole_due);
    memory_free(pipeline->putting);
    memory_free(pipeline->checkpoint_due);
    text_deinit(&pipeline->bytes);
    memory_free(pipeline);
}

enum pipeline_outcome pipeline_outcome_of(const struct pipeline *pipeline, struct error *ret_err)
{
    if (pipeline->machine.state != PIPELINE_ENDED) return PIPELINE_GOES_ON;
    *ret_err = pipeline->outcome_err;
    return pipeline->outcome;
}

const char *pipeline_state_name(const struct pipeline *pipeline)
{
    return statemachine_name(&pipeline->machine);
}
