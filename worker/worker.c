// The worker's control. Its states:
//
//   IDLE ──Assign──► OPENING ──loaded──► RUNNING ──Abort, newer Assign, silence──► CLOSING ──closed──► IDLE | OPENING
//                       │                       ▲ │ Assign of this generation, next routing: MOVING (P22)
//                       └──error──► FAILED ◄──error──┘        FAILED ──Abort, newer Assign──► CLOSING
//
// The happy path: Register until an Assign comes; open the data flow (a job); Assigned; epoch plans and watermarks go
// to the data flow; ReadDone goes out as it comes; what is frozen is persisted (a job) and reported as Prepared.
//
// What can fail:
// - anything in the data flow or in a job: Failed(class, message) once, then wait for the leader;
// - a message lost, damaged or out of order: the numbers show it: Failed(RESTART_PIPELINE) (P15). Repeats are dropped;
// - what was sent to another worker did not arrive, as the network says, so that there may be no later number to show
//   it: the same, and the leader is told if nothing goes through to that worker;
// - a message of another generation or for another incarnation: dropped and counted (P2); one of a newer generation
//   than ours means nothing until its Assign is here;
// - the leader silent for WORKER_SILENCE_US: drop everything, register again. What was not decided never happened.
#include "worker/worker.h"

#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/base/statemachine.h"
#include "common/rpc/control_pieces.h"
#include "worker/persist.h"
#include "worker/session.h"

#define WORKER_REGISTER_US  1000000
#define WORKER_HEARTBEAT_US 500000
#define WORKER_SILENCE_US   15000000

enum worker_state { WORKER_IDLE, WORKER_OPENING, WORKER_RUNNING, WORKER_MOVING, WORKER_FAILED, WORKER_CLOSING };
static const struct statemachine_state worker_states[] = {
    [WORKER_IDLE] = {"idle", STATEMACHINE_TO(WORKER_OPENING)},
    [WORKER_OPENING] = {"opening", STATEMACHINE_TO(WORKER_RUNNING) | STATEMACHINE_TO(WORKER_FAILED) |
                                       STATEMACHINE_TO(WORKER_CLOSING)},
    [WORKER_RUNNING] = {"running", STATEMACHINE_TO(WORKER_MOVING) | STATEMACHINE_TO(WORKER_FAILED) |
                                       STATEMACHINE_TO(WORKER_CLOSING)},
    [WORKER_MOVING] = {"moving", STATEMACHINE_TO(WORKER_RUNNING) | STATEMACHINE_TO(WORKER_FAILED) |
                                     STATEMACHINE_TO(WORKER_CLOSING)},
    [WORKER_FAILED] = {"failed", STATEMACHINE_TO(WORKER_CLOSING)},
    [WORKER_CLOSING] = {"closing", STATEMACHINE_TO(WORKER_IDLE) | STATEMACHINE_TO(WORKER_OPENING)},
};

struct worker {
    struct worker_config config;
    struct seam *seam;
    struct statemachine machine;
    uint64_t incarnation;
    uint64_t generation;      // greatest assigned; what is below is dropped
    uint64_t routing_version; // greatest of that generation
    uint32_t leader;          // peer that sent the current Assign
    struct session *session;
    Foreset__Control *pending; // an Assign that waits for the session before it to close
    uint32_t pending_leader;
    bool close_spawned;
    int64_t register_at_us, heartbeat_at_us, heard_us;
    uint64_t dropped;
    struct dataflow_counters before; // sums of the sessions that are gone
    struct text bytes;
    pthread_mutex_t lock; // guards the pointer `session`, which worker_receive follows on another thread
};

enum worker_job_kind { WORKER_JOB_OPEN, WORKER_JOB_PERSIST, WORKER_JOB_REROUTE, WORKER_JOB_CLOSE };
struct worker_job {
    struct seam_job job;
    struct worker *worker;
    enum worker_job_kind kind;
    struct session *session;
    struct persist persist;
    Foreset__Control *assign; // REROUTE
    enum status status;
    struct error err;
};

static void worker_settle(struct worker *worker);
static void worker_assign(struct worker *worker, uint32_t peer, Foreset__Control *control);

static void worker_set_session(struct worker *worker, struct session *session)
{
    pthread_mutex_lock(&worker->lock);
    worker->session = session;
    pthread_mutex_unlock(&worker->lock);
}

void worker_receive(struct worker *worker, uint32_t peer, const void *bytes, size_t size)
{
    pthread_mutex_lock(&worker->lock);
    if (worker->session) session_receive(worker->session, peer, bytes, size);
    pthread_mutex_unlock(&worker->lock);
}

// ---- Sending ----

static void worker_frame(void *context, const void *bytes, size_t size)
{
    struct worker *worker = context;
    worker->seam->ops->send(worker->seam, worker->leader, bytes, size);
}

static enum status worker_try_send(struct worker *worker, struct session *session, Foreset__Control *control,
                                   struct error *err)
{
    control->generation = session->generation;
    control->incarnation = worker->incarnation;
    control->sequence = session->sequence_out + 1;
    enum status status =
        control_pieces_send(control, worker->config.piece_bytes, &worker->bytes, worker_frame, worker, err);
    if (status == STATUS_OK) session->sequence_out++;
    return status;
}

// What an epoch or a warehouse of any size cannot make large.
static void worker_send(struct worker *worker, struct session *session, Foreset__Control *control)
{
    struct error err = {0};
    if (worker_try_send(worker, session, control, &err) == STATUS_OK) return;
    log_error("not_sent", "worker=%s error=\"%s\"", worker->config.name, err.message);
}

static void worker_register(struct worker *worker)
{
    Foreset__Register body = FORESET__REGISTER__INIT;
    body.name = (char *)worker->config.name;
    body.lanes = worker->config.lanes;
    body.memory_bytes = worker->config.memory_bytes;
    body.version = (char *)"1";
    body.url = (char *)worker->config.url;
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.generation = worker->generation;
    control.incarnation = worker->incarnation;
    control.body_case = FORESET__CONTROL__BODY_REGISTER_;
    control.register_ = &body;
    struct error err = {0};
    if (control_message_pack(&control, &worker->bytes, &err) != STATUS_OK) {
        log_error("not_sent", "worker=%s error=\"%s\"", worker->config.name, err.message);
        return;
    }
    for (size_t i = 0; i < worker->config.coordinator_count; i++) {
        worker->seam->ops->send(worker->seam, worker->config.coordinators[i], worker->bytes.data, worker->bytes.length);
    }
}

static void worker_report_exchange(const struct worker *worker, const struct dataflow_counters *now,
                                   Foreset__ExchangeReport *report)
{
    const struct dataflow_counters *before = &worker->before;
    report->frames_sent = before->frames_sent + now->frames_sent;
    report->bytes_sent = before->bytes_sent + now->bytes_sent;
    report->rows_sent = before->rows_sent + now->rows_sent;
    report->frames_received = before->frames_received + now->frames_received;
    report->bytes_received = before->bytes_received + now->bytes_received;
    report->frames_dropped = before->frames_dropped + now->frames_dropped;
    report->credit_sent_bytes = before->credit_sent_bytes + now->credit_sent_bytes;
    report->credit_received_bytes = before->credit_received_bytes + now->credit_received_bytes;
    report->stalled_us = before->stalled_us + now->stalled_us;
    report->outstanding_bytes = now->outstanding_bytes;
    report->credit_bytes = now->credit_bytes;
    report->waiting_frames = now->waiting_frames;
}

// A session is gone; what it counted stays in the totals.
static void worker_keep_counters(struct worker *worker, const struct dataflow_counters *counted)
{
    struct dataflow_counters *before = &worker->before;
    before->frames_sent += counted->frames_sent;
    before->bytes_sent += counted->bytes_sent;
    before->rows_sent += counted->rows_sent;
    before->frames_received += counted->frames_received;
    before->bytes_received += counted->bytes_received;
    before->frames_dropped += counted->frames_dropped;
    before->credit_sent_bytes += counted->credit_sent_bytes;
    before->credit_received_bytes += counted->credit_received_bytes;
    before->stalled_us += counted->stalled_us;
}

static void worker_heartbeat(struct worker *worker)
{
    Foreset__Heartbeat body = FORESET__HEARTBEAT__INIT;
    Foreset__ExchangeReport exchange = FORESET__EXCHANGE_REPORT__INIT;
    Foreset__MemoryReport budgets[DATAFLOW_BUDGETS], *list[DATAFLOW_BUDGETS];
    struct dataflow_counters now = {0};
    if (session_counters(worker->session, &now)) {
        worker_report_exchange(worker, &now, &exchange);
        body.exchange = &exchange;
        body.has_rows_in = true;
        body.rows_in = now.rows_in;
    }
    body.memory = list;
    for (; body.n_memory < now.budget_count; body.n_memory++) {
        const struct budget *budget = now.budgets[body.n_memory];
        list[body.n_memory] = &budgets[body.n_memory];
        foreset__memory_report__init(list[body.n_memory]);
        list[body.n_memory]->budget = (char *)budget->name;
        list[body.n_memory]->used_bytes = atomic_load(&budget->used_bytes);
        list[body.n_memory]->peak_bytes = atomic_load(&budget->peak_bytes);
        list[body.n_memory]->limit_bytes = budget->limit_bytes;
    }
    if (worker->config.budget) {
        body.has_memory_bytes = true;
        body.memory_bytes = atomic_load(&worker->config.budget->used_bytes);
    }
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.body_case = FORESET__CONTROL__BODY_HEARTBEAT;
    control.heartbeat = &body;
    worker_send(worker, worker->session, &control);
}

static void worker_assigned(struct worker *worker)
{
    Foreset__Assigned body = FORESET__ASSIGNED__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.body_case = FORESET__CONTROL__BODY_ASSIGNED;
    control.assigned = &body;
    worker_send(worker, worker->session, &control);
}

static void worker_fail_of(struct worker *worker, uint64_t epoch, const struct error *err, const uint32_t *unreached)
{
    struct session *session = worker->session;
    if (!session || session->failed || session->closing) return;
    session->failed = true;
    log_debug("worker_failed", "worker=%s epoch=%llu class=%s error=\"%s\"", worker->config.name,
              (unsigned long long)epoch, error_class_name(err->class), err->message);
    Foreset__Failed body = FORESET__FAILED__INIT;
    body.class_ = (Foreset__ErrorClass)err->class;
    body.message = (char *)err->message;
    body.condition = err->condition[0] ? (char *)err->condition : NULL;
    body.has_unreached = unreached != NULL;
    body.unreached = unreached ? *unreached : 0;
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.epoch = epoch;
    control.body_case = FORESET__CONTROL__BODY_FAILED;
    control.failed = &body;
    worker_send(worker, session, &control);
    statemachine_move(&worker->machine, WORKER_FAILED);
}

// The first failure of a session is told; the rest follow from it.
static void worker_fail(struct worker *worker, uint64_t epoch, const struct error *err)
{
    worker_fail_of(worker, epoch, err, NULL);
}

// ---- Jobs ----

static void worker_job_run(struct seam_job *base)
{
    struct worker_job *job = (struct worker_job *)base;
    switch (job->kind) {
    case WORKER_JOB_OPEN: job->status = session_open(job->session, &job->err); break;
    case WORKER_JOB_PERSIST: job->status = persist_run(&job->persist, &job->err); break;
    case WORKER_JOB_REROUTE:
        job->status = session_reroute(job->session, job->assign, &job->err);
        job->assign = NULL;
        break;
    case WORKER_JOB_CLOSE: session_close(job->session); break;
    }
}

static void worker_job_drop(struct seam_job *base)
{
    struct worker_job *job = (struct worker_job *)base;
    if (job->kind == WORKER_JOB_PERSIST) dataflow_frozen_destroy(job->persist.frozen);
    if (job->kind == WORKER_JOB_CLOSE) session_destroy(job->session);
    control_message_destroy(job->assign);
    memory_free(job);
}

static void worker_opened(struct worker *worker, struct worker_job *job)
{
    job->session->opened = true;
    if (job->session->closing || job->session->failed) return;
    if (job->status != STATUS_OK) {
        worker_fail(worker, 0, &job->err);
        return;
    }
    statemachine_move(&worker->machine, WORKER_RUNNING);
    worker_assigned(worker);
}

static void worker_rerouted(struct worker *worker, struct worker_job *job)
{
    if (job->session->closing || job->session->failed) return;
    if (job->status != STATUS_OK) {
        worker_fail(worker, 0, &job->err);
        return;
    }
    statemachine_move(&worker->machine, WORKER_RUNNING);
    worker_assigned(worker);
}

// The report of an epoch is too large: says which table's files make it so, and what bounds them.
static void worker_too_many_files(const Foreset__Plan *plan, const Foreset__Prepared *prepared, struct error *err)
{
    const Foreset__TableEpoch *most = NULL;
    for (size_t i = 0; i < prepared->n_tables; i++) {
        if (!most || prepared->tables[i]->n_adds > most->n_adds) most = prepared->tables[i];
    }
    if (!most) return;
    (void)error_prefix(
        err,
        "table %s: %zu files in one epoch are more than can be reported with their statistics; read less "
        "per epoch (maxFilesPerTrigger, maxOffsetsPerTrigger), partition by fewer values, or set "
        "'delta.dataSkippingNumIndexedCols' lower",
        plan->tables[most->table]->name, most->n_adds);
}

static void worker_persisted(struct worker *worker, struct worker_job *job)
{
    if (job->session->closing || job->session->failed) return;
    if (job->status != STATUS_OK) {
        worker_fail(worker, job->persist.epoch, &job->err);
        return;
    }
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.epoch = job->persist.epoch;
    control.body_case = FORESET__CONTROL__BODY_PREPARED;
    control.prepared = job->persist.frozen->prepared;
    struct error err = {0};
    if (worker_try_send(worker, job->session, &control, &err) != STATUS_OK) {
        worker_too_many_files(session_plan(job->session), control.prepared, &err);
        worker_fail(worker, job->persist.epoch, &err);
        return;
    }
    if (FAILPOINT("prepared.after", &err) != STATUS_OK) worker_fail(worker, job->persist.epoch, &err);
}

static void worker_job_done(struct seam_job *base)
{
    struct worker_job *job = (struct worker_job *)base;
    struct worker *worker = job->worker;
    ASSERT(worker->session);
    if (job->kind == WORKER_JOB_CLOSE) {
        worker_keep_counters(worker, &job->session->counted);
        worker_set_session(worker, NULL);
        worker->close_spawned = false;
    } else {
        ASSERT(worker->session == job->session && job->session->jobs > 0);
        job->session->jobs--;
        if (job->kind == WORKER_JOB_OPEN) worker_opened(worker, job);
        if (job->kind == WORKER_JOB_PERSIST) worker_persisted(worker, job);
        if (job->kind == WORKER_JOB_REROUTE) worker_rerouted(worker, job);
    }
    worker_job_drop(base);
    worker_settle(worker);
}

static struct worker_job *worker_job(struct worker *worker, enum worker_job_kind kind)
{
    struct worker_job *job = memory_calloc(1, sizeof *job);
    job->job.run = worker_job_run;
    job->job.done = worker_job_done;
    job->job.drop = worker_job_drop;
    job->worker = worker;
    job->kind = kind;
    job->session = worker->session;
    return job;
}

// ---- Sessions ----

// Closes what is to be closed once its jobs have ended, and opens what waits.
static void worker_settle(struct worker *worker)
{
    struct session *session = worker->session;
    if (session) {
        if (!session->closing || session->jobs > 0 || worker->close_spawned) return;
        worker->close_spawned = true;
        struct worker_job *job = worker_job(worker, WORKER_JOB_CLOSE);
        worker->seam->ops->spawn(worker->seam, &job->job);
        return;
    }
    Foreset__Control *pending = worker->pending;
    worker->pending = NULL;
    if (pending) {
        worker_assign(worker, worker->pending_leader, pending);
    } else if (worker->machine.state == WORKER_CLOSING) {
        statemachine_move(&worker->machine, WORKER_IDLE);
        worker->register_at_us = 0;
    }
}

static void worker_end(struct worker *worker)
{
    if (!worker->session || worker->session->closing) return;
    worker->session->closing = true;
    statemachine_move(&worker->machine, WORKER_CLOSING);
    worker_settle(worker);
}

static void worker_assign(struct worker *worker, uint32_t peer, Foreset__Control *control)
{
    worker->generation = control->generation;
    worker->routing_version = control->assign->routing_version;
    if (worker->session) {
        control_message_destroy(worker->pending);
        worker->pending = control;
        worker->pending_leader = peer;
        worker_end(worker);
        return;
    }
    worker->leader = peer;
    worker_set_session(worker, session_create(&worker->config, worker->seam, control, worker->incarnation));
    worker->session->jobs = 1;
    worker->heartbeat_at_us = 0;
    statemachine_move(&worker->machine, WORKER_OPENING);
    struct worker_job *job = worker_job(worker, WORKER_JOB_OPEN);
    worker->seam->ops->spawn(worker->seam, &job->job);
}

// ---- Messages ----

// Everything planned is decided (P22): nothing runs in the lanes.
static void worker_reroute(struct worker *worker, Foreset__Control *control)
{
    worker->session->routing_version = worker->routing_version = control->assign->routing_version;
    statemachine_move(&worker->machine, WORKER_MOVING);
    struct worker_job *job = worker_job(worker, WORKER_JOB_REROUTE);
    job->assign = control;
    worker->session->jobs++;
    worker->seam->ops->spawn(worker->seam, &job->job);
}

static void worker_handle(struct worker *worker, const Foreset__Control *control)
{
    struct session *session = worker->session;
    struct error err = {0};
    enum status status = STATUS_OK;
    if (control->body_case == FORESET__CONTROL__BODY_ABORT_) {
        worker_end(worker);
        return;
    }
    if (worker->machine.state != WORKER_RUNNING) return; // failed or loading: heartbeats only
    if (control->body_case == FORESET__CONTROL__BODY_PLAN) {
        status = session->flow->ops->plan(session->flow, control->epoch, control->plan, &err);
    } else if (control->body_case == FORESET__CONTROL__BODY_WATERMARK) {
        status = session->flow->ops->watermark(session->flow, control->epoch, control->watermark, &err);
    }
    if (status != STATUS_OK) worker_fail(worker, control->epoch, &err);
}

// True if the message is the next of its sender; of one in pieces, all are here and *control is the whole.
static bool worker_in_order(struct worker *worker, Foreset__Control **control)
{
    struct session *session = worker->session;
    struct error err = {0};
    enum control_pieces_step step;
    enum status status =
        control_pieces_take(&session->pieces, &session->sequence_in, worker->config.budget, control, &step, &err);
    if (status == STATUS_OK) return step == CONTROL_PIECES_WHOLE;
    (void)error_prefix(&err, "worker %s: of the leader", worker->config.name);
    worker_fail(worker, (*control)->epoch, &err);
    return false;
}

static void worker_message(void *role, uint32_t peer, const void *bytes, size_t size)
{
    struct worker *worker = role;
    Foreset__Control *control = NULL;
    struct error err;
    if (control_message_unpack(bytes, size, &control, &err) != STATUS_OK) {
        worker->dropped++;
        return;
    }
    bool assign = control->body_case == FORESET__CONTROL__BODY_ASSIGN;
    if (control->incarnation != worker->incarnation || control->generation < worker->generation ||
        (control->generation > worker->generation && !assign)) {
        worker->dropped++;
        control_message_destroy(control);
        return;
    }
    worker->heard_us = clock_boot_us(worker->seam->clock);
    // A worker that was let go may be taken on again within a generation, by a later routing.
    bool idle = !worker->session || worker->session->closing;
    bool again = idle && assign && control->assign->routing_version > worker->routing_version;
    if (assign && (control->generation > worker->generation || again)) {
        worker_assign(worker, peer, control);
        return;
    }
    if (worker->session && !worker->session->closing && peer == worker->leader && worker_in_order(worker, &control)) {
        assign = control->body_case == FORESET__CONTROL__BODY_ASSIGN;
        if (assign && worker->machine.state == WORKER_RUNNING &&
            control->assign->routing_version > worker->session->routing_version) {
            worker_reroute(worker, control);
            return;
        }
        worker_handle(worker, control);
    }
    control_message_destroy(control);
}

static void worker_lost(void *role, uint32_t peer, bool silent)
{
    struct worker *worker = role;
    char name[SESSION_NAME_SIZE];
    struct error err;
    if (!worker->session || !session_peer_name(worker->session, peer, name)) return; // no frames of this attempt
    (void)error_set(&err, STATUS_ERROR, ERROR_RESTART_PIPELINE,
                    silent ? "nothing goes through to worker %s" : "what was sent to worker %s was lost", name);
    worker_fail_of(worker, 0, &err, silent ? &peer : NULL);
}

// ---- Events of the data flow ----

static void worker_frozen(struct worker *worker, struct dataflow_event *event)
{
    struct worker_job *job = worker_job(worker, WORKER_JOB_PERSIST);
    job->persist.session = worker->session;
    job->persist.frozen = event->frozen;
    event->frozen = NULL;
    job->persist.epoch = event->epoch;
    random_init(&job->persist.random, random_u64(worker->seam->random));
    worker->session->jobs++;
    worker->seam->ops->spawn(worker->seam, &job->job);
}

static void worker_event(void *role, void *item)
{
    struct worker *worker = role;
    struct dataflow_event *event = item;
    struct session *session = worker->session;
    bool ours = session && event->generation == session->generation && !session->closing;
    if (ours && worker->machine.state == WORKER_RUNNING) {
        if (event->kind == DATAFLOW_READ_DONE) {
            Foreset__Control control = FORESET__CONTROL__INIT;
            control.epoch = event->epoch;
            control.body_case = FORESET__CONTROL__BODY_READ_DONE;
            control.read_done = event->read_done;
            worker_send(worker, session, &control);
        } else if (event->kind == DATAFLOW_FROZEN) {
            worker_frozen(worker, event);
        }
    }
    if (ours && event->kind == DATAFLOW_FAILED) worker_fail(worker, event->epoch, &event->err);
    dataflow_event_destroy(event);
}

static void worker_event_drop(void *item)
{
    dataflow_event_destroy(item);
}

// ---- Time ----

static int64_t worker_tick(void *role)
{
    struct worker *worker = role;
    int64_t now_us = clock_boot_us(worker->seam->clock);
    if (worker->machine.state == WORKER_IDLE) {
        if (now_us >= worker->register_at_us) {
            worker_register(worker);
            worker->register_at_us = now_us + WORKER_REGISTER_US;
        }
        return worker->register_at_us;
    }
    if (worker->session && !worker->session->closing) {
        if (now_us >= worker->heartbeat_at_us) {
            worker_heartbeat(worker);
            worker->heartbeat_at_us = now_us + WORKER_HEARTBEAT_US;
        }
        if (now_us - worker->heard_us > WORKER_SILENCE_US) {
            log_warn("leader_silent", "worker=%s seconds=%lld", worker->config.name,
                     (long long)(now_us - worker->heard_us) / 1000000);
            worker_end(worker);
            return now_us;
        }
        return worker->heartbeat_at_us;
    }
    return INT64_MAX;
}

// ---- Life ----

struct worker *worker_create(const struct worker_config *config, struct seam *seam)
{
    struct worker *worker = memory_calloc(1, sizeof *worker);
    worker->config = *config;
    worker->seam = seam;
    pthread_mutex_init(&worker->lock, NULL);
    worker->incarnation = random_u64(seam->random) >> 1 | 1;
    statemachine_init(&worker->machine, "worker", worker->incarnation, worker_states,
                      sizeof worker_states / sizeof *worker_states, WORKER_IDLE, NULL, worker);
    return worker;
}

void worker_role(struct worker *worker, struct seam_role *ret_role)
{
    *ret_role = (struct seam_role){.role = worker,
                                   .message = worker_message,
                                   .event = worker_event,
                                   .event_drop = worker_event_drop,
                                   .lost = worker_lost,
                                   .tick = worker_tick};
}

void worker_destroy(struct worker *worker)
{
    if (!worker) return;
    // A close job that was spawned has freed its session, whether it ran or was dropped.
    if (worker->session && !worker->close_spawned) session_destroy(worker->session);
    control_message_destroy(worker->pending);
    text_deinit(&worker->bytes);
    pthread_mutex_destroy(&worker->lock);
    memory_free(worker);
}

const char *worker_state_name(const struct worker *worker)
{
    return statemachine_name(&worker->machine);
}
