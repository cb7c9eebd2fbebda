// The workers of a pipeline: who is there, who takes part in this attempt, messages in and out.
//
// The happy path: Register notes a worker; when enough are there, each gets Assign; all Assigned: the pipeline runs.
// A worker that comes later, or is to leave, makes a move: at a border each gets Assign with the next routing (P22).
// What can fail (all RESTART_PIPELINE: a new generation from the last decided epoch):
// - a worker's process has ended, as the network says, or it is silent, or came back under another incarnation: what it
//   had is gone. Where that was wrong (a long pause, a network that refuses what it should carry) the worker registers
//   again and is taken on; nothing but an attempt is lost, and its next silence may last longer;
// - a worker registers and answers nothing (a link that carries one way), or two workers do not reach each other: one
//   is left out for a while, longer each time, as long as there are others;
// - a message is lost or out of order: the numbers show it (P15);
// - a worker says Failed: its class decides.
// What belongs to another generation or incarnation is dropped and counted (P2).
#include "coordinator/pipeline/pipeline_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/planted.h"

static bool pipeline_workers_alive(const struct pipeline_worker *worker, int64_t now_us)
{
    return !worker->replaced && !worker->gone && now_us - worker->heard_us <= worker->silence_us;
}

// How long it may be silent before it is given up. Where there are no other machines, only if it is stuck.
static int64_t pipeline_workers_patience(const struct pipeline_worker *worker)
{
    return *worker->url ? PIPELINE_SILENCE_US : PIPELINE_SILENCE_US_MAX;
}

// It speaks. Was it given up for its silence, then too soon.
static void pipeline_workers_heard(const struct pipeline *pipeline, struct pipeline_worker *worker)
{
    int64_t now_us = clock_boot_us(pipeline->seam->clock);
    worker->heard_us = now_us;
    if (worker->silent) {
        worker->silent = false;
        worker->paused_us = now_us;
        worker->silence_us *= 2;
        if (worker->silence_us > PIPELINE_SILENCE_US_MAX) worker->silence_us = PIPELINE_SILENCE_US_MAX;
        log_info("worker_was_paused", "pipeline=%s worker=%s may_be_silent_ms=%" PRId64, pipeline->context.pipeline,
                 worker->name, worker->silence_us / 1000);
    } else if (worker->silence_us == 0 || now_us - worker->paused_us > PIPELINE_SILENCE_CALM_US) {
        worker->silence_us = pipeline_workers_patience(worker);
    }
}

static bool pipeline_workers_left_out(const struct pipeline_worker *worker, int64_t now_us)
{
    return now_us < worker->left_out_until_us;
}

bool pipeline_workers_leaves(const struct pipeline *pipeline, const struct pipeline_worker *worker)
{
    for (size_t i = 0; i < pipeline->leaving.count; i++) {
        if (strcmp(pipeline->leaving.items[i].text, worker->name) == 0) return true;
    }
    return false;
}

// ---- Sending ----

struct pipeline_workers_target {
    struct pipeline *pipeline;
    uint32_t peer;
};

static void pipeline_workers_frame(void *context, const void *bytes, size_t size)
{
    const struct pipeline_workers_target *target = context;
    target->pipeline->seam->ops->send(target->pipeline->seam, target->peer, bytes, size);
}

static void pipeline_workers_send(struct pipeline *pipeline, struct pipeline_worker *worker, Foreset__Control *control)
{
    struct pipeline_workers_target target = {pipeline, worker->peer};
    struct error err = {0};
    control->generation = pipeline->context.generation;
    control->incarnation = worker->incarnation;
    control->sequence = worker->sequence_out + 1;
    enum status status = control_pieces_send(control, pipeline->config.piece_bytes, &pipeline->bytes,
                                             pipeline_workers_frame, &target, &err);
    if (status == STATUS_OK) {
        worker->sequence_out++;
        return;
    }
    (void)error_prefix(&err, "pipeline %s, epoch %" PRIu64 ", worker %s", pipeline->context.pipeline, control->epoch,
                       worker->name);
    pipeline_trouble(pipeline, &err);
}

static void pipeline_workers_assign(struct pipeline *pipeline, struct pipeline_worker *worker, int64_t now_us)
{
    Foreset__Assign body = FORESET__ASSIGN__INIT;
    body.pipeline_id = pipeline->context.pipeline_id;
    body.plan = pipeline->shaped ? pipeline->shaped : (Foreset__Plan *)pipeline->config.plan;
    // Nothing is decided meanwhile. What recovery carried over to a changed plan lies beside the decided manifest.
    const struct meta_record *record = pipeline->built ? &pipeline->built->record : NULL;
    if (record && pipeline->built == pipeline->recovered && pipeline->carried.epoch > 0) record = &pipeline->carried;
    Foreset__ManifestName from = FORESET__MANIFEST_NAME__INIT;
    if (record) {
        from.name = (char *)record->name;
        from.epoch = record->epoch;
        from.generation = record->generation;
        from.hash = record->hash;
        body.from = &from;
    }
    body.routing_version = pipeline->routing.version;
    struct arena arena;
    arena_init(&arena, 0);
    body.routing = routing_message(&pipeline->routing, &arena);
    body.abandoned = arena_calloc(&arena, pipeline->config.plan->n_tables + 1, sizeof *body.abandoned);
    for (uint32_t i = 0; i < pipeline->config.plan->n_tables; i++) {
        if (table_logs_at(&pipeline->put_logs, i, false)->abandoned) body.abandoned[body.n_abandoned++] = i;
    }
    body.hash_seed = pipeline->context.plan ? hash_64(pipeline->context.pipeline_id, 36, 0) : 0;
    body.state_url = (char *)pipeline->config.state_url;
    body.has_worker_index = body.has_worker_count = true;
    body.worker_index = (uint32_t)worker->index;
    body.worker_count = (uint32_t)pipeline->assigned_count;
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.body_case = FORESET__CONTROL__BODY_ASSIGN;
    control.assign = &body;
    if (!worker->met) worker->sequence_out = 0; // sent again, it is the same message
    worker->assign_us = now_us;
    pipeline_workers_send(pipeline, worker, &control);
    arena_deinit(&arena);
}

void pipeline_workers_plan(struct pipeline *pipeline, struct epoch *epoch)
{
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        struct pipeline_worker *worker = &pipeline->workers[i];
        if (!worker->in) continue;
        Foreset__Control control = FORESET__CONTROL__INIT;
        control.epoch = epoch->number;
        control.body_case = FORESET__CONTROL__BODY_PLAN;
        control.plan = epoch_message(epoch, worker->index);
        pipeline_workers_send(pipeline, worker, &control);
    }
}

void pipeline_workers_watermark(struct pipeline *pipeline, struct epoch *epoch)
{
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        if (!pipeline->workers[i].in) continue;
        Foreset__Control control = FORESET__CONTROL__INIT;
        control.epoch = epoch->number;
        control.body_case = FORESET__CONTROL__BODY_WATERMARK;
        control.watermark = epoch_watermark(epoch, pipeline->config.plan);
        pipeline_workers_send(pipeline, &pipeline->workers[i], &control);
    }
}

// What came of a message in pieces ends with the attempt.
static void pipeline_workers_forget(struct pipeline_worker *worker)
{
    if (!FORESET_BUG("pieces-kept")) control_pieces_reset(&worker->pieces);
}

static void pipeline_workers_let_go(struct pipeline *pipeline, struct pipeline_worker *worker, bool stop)
{
    Foreset__Abort body = FORESET__ABORT__INIT;
    body.has_stop = body.stop = stop;
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.body_case = FORESET__CONTROL__BODY_ABORT_;
    control.abort_ = &body;
    pipeline_workers_send(pipeline, worker, &control);
    pipeline_workers_forget(worker);
    worker->in = false;
}

void pipeline_workers_abort(struct pipeline *pipeline, bool stop)
{
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        pipeline_workers_forget(&pipeline->workers[i]);
        if (pipeline->workers[i].in) pipeline_workers_let_go(pipeline, &pipeline->workers[i], stop);
    }
    pipeline->assigned_count = 0;
}

// ---- Receiving ----

static struct pipeline_worker *pipeline_workers_find(struct pipeline *pipeline, uint32_t peer)
{
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        if (pipeline->workers[i].peer == peer) return &pipeline->workers[i];
    }
    return NULL;
}

static void pipeline_workers_lost(struct pipeline *pipeline, const struct pipeline_worker *worker, const char *why)
{
    if (!pipeline_with_workers(pipeline)) return; // not needed
    struct error err;
    (void)error_set(&err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "worker %s %s", worker->name, why);
    pipeline_trouble(pipeline, &err);
}

static void pipeline_workers_want_move(struct pipeline *pipeline)
{
    if (pipeline->move_at_us == 0) pipeline->move_at_us = clock_boot_us(pipeline->seam->clock) + PIPELINE_MOVE_PAUSE_US;
}

// The same name as another process: that one is gone, silent or not yet.
static void pipeline_workers_replaced(struct pipeline *pipeline, uint32_t peer, const char *name)
{
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        struct pipeline_worker *old = &pipeline->workers[i];
        if (old->peer == peer || strcmp(old->name, name) != 0 || old->replaced) continue;
        old->replaced = true;
        if (old->in) pipeline_workers_lost(pipeline, old, "came back as another process");
    }
}

// A worker that registers under another one's name would take its place.
static bool pipeline_workers_may(const struct pipeline *pipeline, uint32_t peer, const Foreset__Register *says)
{
    struct error err;
    return !pipeline->config.worker_name ||
           pipeline->config.worker_name(pipeline->config.context, peer, says->name, &err) == STATUS_OK;
}

static void pipeline_workers_register(struct pipeline *pipeline, uint32_t peer, const Foreset__Control *control)
{
    pipeline_workers_replaced(pipeline, peer, control->register_->name);
    struct pipeline_worker *worker = pipeline_workers_find(pipeline, peer);
    if (!worker) {
        if (pipeline->worker_count == PIPELINE_WORKERS_MAX) return;
        worker = &pipeline->workers[pipeline->worker_count++];
        *worker = (struct pipeline_worker){.peer = peer};
    }
    bool restarted = worker->incarnation != control->incarnation || worker->met;
    bool was_in = worker->in;
    if (worker->incarnation != control->incarnation) worker->silent = false; // another life
    worker->gone = false;
    snprintf(worker->name, sizeof worker->name, "%s", control->register_->name);
    snprintf(worker->url, sizeof worker->url, "%s", control->register_->url ? control->register_->url : "");
    worker->lanes = control->register_->lanes;
    if (!FORESET_BUG("late-word-kills")) worker->replaced = false; // a late word of the process before may have said so
    pipeline_workers_heard(pipeline, worker);
    // It registers: so it runs nothing of ours any more, unless our Assign is still on its way.
    if (was_in && restarted) pipeline_workers_lost(pipeline, worker, "came back without what it had");
    if (worker->incarnation != control->incarnation) worker->unfit[0] = '\0';
    worker->incarnation = control->incarnation;
    if (control->generation > pipeline->context.generation && pipeline->machine.state == PIPELINE_RUNNING) {
        pipeline_workers_lost(pipeline, worker, "has seen a newer generation");
    }
    bool may = !*worker->unfit && !pipeline_workers_leaves(pipeline, worker) &&
               !pipeline_workers_left_out(worker, worker->heard_us);
    if (pipeline->machine.state == PIPELINE_RUNNING && !worker->in && may) pipeline_workers_want_move(pipeline);
}

static enum status pipeline_workers_read_done(struct pipeline *pipeline, struct pipeline_worker *worker,
                                              Foreset__Control **control, struct error *err)
{
    struct epoch *epoch = pipeline_plan_epoch(pipeline, (*control)->epoch);
    if (!epoch)
        return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "ReadDone of epoch %" PRIu64 ", which does not run",
                         (*control)->epoch);
    enum status status = epoch_read_done(epoch, worker->index, *control, err);
    if (status != STATUS_OK) return status;
    *control = NULL;
    return pipeline_plan_read(pipeline, err);
}

static enum status pipeline_workers_prepared(struct pipeline *pipeline, struct pipeline_worker *worker,
                                             Foreset__Control **control, struct error *err)
{
    struct epoch *epoch = pipeline_plan_epoch(pipeline, (*control)->epoch);
    if (!epoch)
        return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "Prepared of epoch %" PRIu64 ", which does not run",
                         (*control)->epoch);
    enum status status = epoch_prepared(epoch, worker->index, *control, err);
    if (status != STATUS_OK) return status;
    *control = NULL;
    if (epoch->machine.state == EPOCH_READ && epoch_all_prepared(epoch)) {
        epoch->prepared_us = clock_boot_us(pipeline->seam->clock);
        statemachine_move(&epoch->machine, EPOCH_PREPARED);
    }
    return STATUS_OK;
}

// The others go on without it, for a while.
static void pipeline_workers_leave_out(const struct pipeline *pipeline, struct pipeline_worker *worker, const char *why)
{
    int64_t pause_us = worker->left_out_us ? worker->left_out_us * 2 : PIPELINE_LEFT_OUT_US;
    worker->left_out_us = pause_us < PIPELINE_LEFT_OUT_US_MAX ? pause_us : PIPELINE_LEFT_OUT_US_MAX;
    worker->left_out_until_us = clock_boot_us(pipeline->seam->clock) + worker->left_out_us;
    log_warn("worker_left_out", "pipeline=%s worker=%s why=\"%s\" left_out_ms=%" PRId64, pipeline->context.pipeline,
             worker->name, why, worker->left_out_us / 1000);
}

// Two workers do not reach each other, and we reach both: one must go. The one that was cut off more often is likelier
// the cause.
static void pipeline_workers_unreached(struct pipeline *pipeline, struct pipeline_worker *worker, uint32_t peer)
{
    struct pipeline_worker *other = pipeline_workers_find(pipeline, peer);
    if (!other || other == worker || !other->in) return;
    bool first = ++worker->cut_off > ++other->cut_off;
    char why[ROUTING_NAME_SIZE + 64];
    snprintf(why, sizeof why, "it and worker %s do not reach each other", first ? other->name : worker->name);
    pipeline_workers_leave_out(pipeline, first ? worker : other, why);
}

static void pipeline_workers_failed(struct pipeline *pipeline, struct pipeline_worker *worker,
                                    const Foreset__Control *control)
{
    struct error err;
    const Foreset__Failed *failed = control->failed;
    (void)error_set(&err, STATUS_ERROR, (enum error_class)failed->class_, "%s", failed->message);
    snprintf(err.condition, sizeof err.condition, "%s", failed->condition ? failed->condition : "");
    if (*worker->url) (void)error_prefix(&err, "worker %s", worker->name); // one of several
    if (strcmp(err.condition, CONTROL_WORKER_UNFIT) == 0) {
        log_warn("worker_unfit", "pipeline=%s worker=%s error=\"%s\"", pipeline->context.pipeline, worker->name,
                 err.message);
        snprintf(worker->unfit, sizeof worker->unfit, "%s", failed->message);
        text_utf8_clean(worker->unfit);
    }
    if (failed->has_unreached) pipeline_workers_unreached(pipeline, worker, failed->unreached);
    log_debug("worker_failed", "worker=%s epoch=%" PRIu64 " class=%s error=\"%s\"", worker->name, control->epoch,
              error_class_name(err.class), err.message);
    // An error of the data is final only where everything before it is decided: else once more, one epoch at a time.
    bool final = err.class == ERROR_FAIL_PIPELINE || err.class == ERROR_USAGE;
    if (final && !pipeline->serial && control->epoch != 0 && control->epoch > pipeline->decided.epoch + 1) {
        pipeline_plan_serially(pipeline, control->epoch);
        err.class = ERROR_RESTART_PIPELINE;
    }
    bool again = err.class == ERROR_RESTART_PIPELINE || err.class == ERROR_RETRY;
    if (again && !pipeline_with_workers(pipeline)) return; // all that is left to do is ours
    pipeline_trouble(pipeline, &err);
}

static void pipeline_workers_assigned(struct pipeline *pipeline, struct pipeline_worker *worker)
{
    worker->assigned = true;
    if (pipeline->machine.state != PIPELINE_ASSIGNING && pipeline->machine.state != PIPELINE_MOVING) return;
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        if (pipeline->workers[i].in && !pipeline->workers[i].assigned) return;
    }
    if (pipeline->machine.state == PIPELINE_MOVING)
        pipeline->status.move_us = clock_boot_us(pipeline->seam->clock) - pipeline->status.move_began_us;
    pipeline_move(pipeline, PIPELINE_RUNNING);
}

// True if the message is the next of its sender; of one in pieces, all are here and *control is the whole.
static bool pipeline_workers_in_order(struct pipeline *pipeline, struct pipeline_worker *worker,
                                      Foreset__Control **control)
{
    struct error err = {0};
    enum control_pieces_step step;
    if (FORESET_BUG("gap-ignored") && (*control)->body_case != FORESET__CONTROL__BODY_PIECE) return true;
    enum status status =
        control_pieces_take(&worker->pieces, &worker->sequence_in, pipeline->config.budget, control, &step, &err);
    if (status == STATUS_OK) {
        if (step == CONTROL_PIECES_REPEAT) pipeline->dropped++;
        return step == CONTROL_PIECES_WHOLE;
    }
    (void)error_prefix(&err, "worker %s", worker->name);
    if (pipeline_with_workers(pipeline)) pipeline_trouble(pipeline, &err); // else nobody needs what it says
    return false;
}

static void pipeline_workers_handle(struct pipeline *pipeline, struct pipeline_worker *worker,
                                    Foreset__Control **control)
{
    struct error err = {0};
    enum status status = STATUS_OK;
    switch ((*control)->body_case) {
    case FORESET__CONTROL__BODY_ASSIGNED: pipeline_workers_assigned(pipeline, worker); break;
    case FORESET__CONTROL__BODY_READ_DONE: status = pipeline_workers_read_done(pipeline, worker, control, &err); break;
    case FORESET__CONTROL__BODY_PREPARED: status = pipeline_workers_prepared(pipeline, worker, control, &err); break;
    case FORESET__CONTROL__BODY_FAILED: pipeline_workers_failed(pipeline, worker, *control); break;
    case FORESET__CONTROL__BODY_HEARTBEAT:
        worker->memory_bytes = (*control)->heartbeat->memory_bytes;
        worker->rows_in = (*control)->heartbeat->rows_in;
        pipeline_status_said(&worker->said, (*control)->heartbeat);
        break;
    default: break;
    }
    if (status != STATUS_OK) pipeline_trouble(pipeline, &err);
}

void pipeline_workers_message(struct pipeline *pipeline, uint32_t peer, const void *bytes, size_t size)
{
    Foreset__Control *control = NULL;
    struct error err;
    if (control_message_unpack(bytes, size, &control, &err) != STATUS_OK) {
        pipeline->dropped++;
        return;
    }
    struct pipeline_worker *worker = pipeline_workers_find(pipeline, peer);
    if (control->body_case == FORESET__CONTROL__BODY_REGISTER_) {
        if (pipeline_workers_may(pipeline, peer, control->register_)) {
            pipeline_workers_register(pipeline, peer, control);
        } else {
            pipeline->dropped++;
        }
    } else if (worker && worker->incarnation == control->incarnation) {
        bool ours = control->generation == pipeline->context.generation;
        if (FORESET_BUG("mixed-attempts") && control->body_case == FORESET__CONTROL__BODY_PREPARED) ours = true;
        pipeline_workers_heard(pipeline, worker);
        if (!ours || !worker->in) {
            pipeline->dropped++;
        } else {
            worker->met = true;
            if (worker->heard_us - worker->taken_us > PIPELINE_LEFT_OUT_CALM_US) {
                worker->left_out_us = 0;
                worker->cut_off = 0;
            }
            bool mixed = control->generation != pipeline->context.generation;
            if (mixed || pipeline_workers_in_order(pipeline, worker, &control)) {
                pipeline_workers_handle(pipeline, worker, &control);
            }
        }
    } else {
        pipeline->dropped++;
    }
    control_message_destroy(control);
}

void pipeline_workers_gone(struct pipeline *pipeline, uint32_t peer)
{
    struct pipeline_worker *worker = pipeline_workers_find(pipeline, peer);
    if (!worker || worker->gone) return;
    worker->gone = true; // the tick behind this ends the attempt, if it takes part
}

// ---- Time ----

// Adds those that could come. anybody: also those left out, where there are no others.
static size_t pipeline_workers_others(const struct pipeline *pipeline, int64_t now_us, bool anybody,
                                      struct pipeline_worker **ret, size_t count)
{
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        struct pipeline_worker *worker = (struct pipeline_worker *)&pipeline->workers[i];
        bool leaves = pipeline_workers_leaves(pipeline, worker) && !FORESET_BUG("drain-forgotten");
        bool may = !leaves && !*worker->unfit && (anybody || !pipeline_workers_left_out(worker, now_us));
        if (!worker->in && may && pipeline_workers_alive(worker, now_us)) ret[count++] = worker;
    }
    return count;
}

// Who can take part: those of this attempt first, in their order, so that lanes keep their numbers.
static size_t pipeline_workers_able(const struct pipeline *pipeline, int64_t now_us, struct pipeline_worker **ret)
{
    size_t count = 0;
    for (size_t at = 0; at < pipeline->assigned_count; at++) {
        for (size_t i = 0; i < pipeline->worker_count; i++) {
            struct pipeline_worker *worker = (struct pipeline_worker *)&pipeline->workers[i];
            if (worker->in && worker->index == at && !pipeline_workers_leaves(pipeline, worker)) ret[count++] = worker;
        }
    }
    size_t stay = count;
    count = pipeline_workers_others(pipeline, now_us, false, ret, stay);
    return count > 0 ? count : pipeline_workers_others(pipeline, now_us, true, ret, stay);
}

// Deals everything to these workers and sends each its Assign; the others of the attempt are let go.
static void pipeline_workers_deal(struct pipeline *pipeline, struct pipeline_worker **able, size_t count,
                                  int64_t now_us)
{
    struct routing_worker dealt[PIPELINE_WORKERS_MAX];
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        struct pipeline_worker *worker = &pipeline->workers[i];
        bool stays = false;
        for (size_t k = 0; k < count; k++) stays = stays || able[k] == worker;
        if (worker->in && !stays) pipeline_workers_let_go(pipeline, worker, false);
    }
    for (size_t i = 0; i < count; i++) {
        struct pipeline_worker *worker = able[i];
        if (!worker->in) {
            worker->in = true;
            worker->met = false;
            worker->taken_us = now_us;
            worker->sequence_in = worker->sequence_out = 0;
            pipeline_workers_forget(worker);
        }
        worker->assigned = false;
        worker->index = i;
        dealt[i] = (struct routing_worker){
            .incarnation = worker->incarnation, .peer = worker->peer, .lanes = worker->lanes ? worker->lanes : 1};
        snprintf(dealt[i].name, sizeof dealt[i].name, "%s", worker->name);
        snprintf(dealt[i].url, sizeof dealt[i].url, "%s", worker->url);
    }
    pipeline->assigned_count = count;
    if (!pipeline->routing.shard_lanes) routing_init(&pipeline->routing, pipeline->config.plan->shards);
    routing_change(&pipeline->routing, dealt, count);
    for (size_t i = 0; i < count; i++) pipeline_workers_assign(pipeline, able[i], now_us);
}

void pipeline_workers_gather(struct pipeline *pipeline, int64_t now_us)
{
    struct pipeline_worker *able[PIPELINE_WORKERS_MAX];
    size_t count = pipeline_workers_able(pipeline, now_us, able);
    if (count != pipeline->gathered) {
        pipeline->gathered = count;
        pipeline->gather_at_us = count > 0 ? now_us + pipeline->config.gather_us : 0;
    }
    if (count == 0 || count < pipeline->config.workers_min || now_us < pipeline->gather_at_us) return;
    pipeline->gathered = 0;
    pipeline->gather_at_us = 0;
    pipeline->move_at_us = 0;
    pipeline_move(pipeline, PIPELINE_ASSIGNING);
    pipeline_workers_deal(pipeline, able, count, now_us);
}

void pipeline_workers_leaving(struct pipeline *pipeline, char *const *names, size_t count)
{
    vector_reset(&pipeline->leaving);
    for (size_t i = 0; i < count; i++) {
        struct pipeline_name name;
        snprintf(name.text, sizeof name.text, "%s", names[i]);
        vector_push(&pipeline->leaving, name);
    }
    pipeline_workers_want_move(pipeline); // comes to nothing if everybody holds what he should
}

// P22: planning stops while a move is due; at the border, when everything planned is decided and so durable, the new
// routing goes out under the same generation.
void pipeline_workers_move(struct pipeline *pipeline, int64_t now_us)
{
    pipeline->move_due = false;
    if (pipeline->move_at_us == 0 || now_us < pipeline->move_at_us || pipeline->finished) return;
    if (pipeline->replay) return; // it ends soon, and then everybody is assigned again
    struct pipeline_worker *able[PIPELINE_WORKERS_MAX];
    size_t count = pipeline_workers_able(pipeline, now_us, able), stay = 0;
    for (size_t i = 0; i < count; i++) stay += able[i]->in;
    if (count == 0 || (count == stay && stay == pipeline->assigned_count)) { // nobody else could take it, or no need
        pipeline->move_at_us = 0;
        return;
    }
    pipeline->move_due = true;
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        if (pipeline->epochs.items[i]->machine.state < EPOCH_DECIDED) return;
    }
    pipeline->move_due = false;
    pipeline->move_at_us = 0;
    log_info("moving", "pipeline=%s workers=%zu stay=%zu routing_version=%" PRIu64, pipeline->context.pipeline, count,
             stay, pipeline->routing.version + 1);
    pipeline->status.moves++;
    pipeline->status.move_began_us = now_us;
    pipeline_move(pipeline, PIPELINE_MOVING);
    pipeline_workers_deal(pipeline, able, count, now_us);
}

static void pipeline_workers_heartbeat(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        if (!pipeline->workers[i].in || !pipeline->workers[i].met) continue;
        Foreset__Heartbeat body = FORESET__HEARTBEAT__INIT;
        Foreset__Control control = FORESET__CONTROL__INIT;
        control.body_case = FORESET__CONTROL__BODY_HEARTBEAT;
        control.heartbeat = &body;
        pipeline_workers_send(pipeline, &pipeline->workers[i], &control);
    }
}

// It registers, and hears nothing of what it is sent: the others go on without it.
static bool pipeline_workers_deaf(struct pipeline *pipeline, struct pipeline_worker *worker, int64_t now_us)
{
    if (worker->met || pipeline->assigned_count < 2 || now_us - worker->taken_us < PIPELINE_DEAF_US) return false;
    pipeline_workers_leave_out(pipeline, worker, "does not answer");
    pipeline_workers_lost(pipeline, worker, "does not answer");
    return true;
}

void pipeline_workers_tick(struct pipeline *pipeline, int64_t now_us)
{
    // If this process itself stood still, nobody else was silent.
    bool paused = pipeline->ticked_us > 0 && now_us - pipeline->ticked_us > PIPELINE_SILENCE_US / 2;
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        struct pipeline_worker *worker = &pipeline->workers[i];
        if (paused) worker->heard_us = worker->taken_us = now_us;
        if (!worker->in) continue;
        if (!worker->met && now_us - worker->assign_us >= PIPELINE_ASSIGN_AGAIN_US &&
            pipeline->machine.state != PIPELINE_RUNNING) {
            pipeline_workers_assign(pipeline, worker, now_us);
        }
        if (!pipeline_workers_alive(worker, now_us)) {
            worker->silent = !worker->gone && !worker->replaced;
            pipeline_workers_lost(pipeline, worker, worker->silent ? "is silent" : "has ended");
            return;
        }
        if (pipeline_workers_deaf(pipeline, worker, now_us)) return;
    }
    if (now_us >= pipeline->heartbeat_at_us) {
        pipeline_workers_heartbeat(pipeline);
        pipeline->heartbeat_at_us = now_us + PIPELINE_HEARTBEAT_US;
    }
}

uint64_t pipeline_workers_memory(const struct pipeline *pipeline)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < pipeline->worker_count; i++) bytes += pipeline->workers[i].memory_bytes;
    return bytes;
}
