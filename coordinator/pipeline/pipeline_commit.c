// Committing (P17–P20). The happy path of each epoch, in order: its reports merged into a manifest; decided, several at
// a time if they wait (one job); put, one job per table, tables side by side, each table in epoch order; the published
// mark moved (one job); progress told.
//
// What can fail: each job's error goes to pipeline_trouble; an epoch that is decided stays so and is put by recovery.
#include "coordinator/pipeline/pipeline_private.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "coordinator/commit/decide.h"
#include "coordinator/commit/table_put.h"
#include "coordinator/epoch/epoch_merge.h"

#define PIPELINE_COMMIT_KEEP_EPOCHS 32

// ---- Merging ----

// Complete mode: this epoch writes over what others changed.
static void pipeline_commit_whole(struct pipeline *pipeline, const struct epoch *epoch)
{
    for (size_t i = 0; i < epoch->table_count; i++) {
        const Foreset__TableEpoch *table = manifest_table(epoch->manifest, (uint32_t)i);
        if (table && table->overwrite) pipeline->whole_due[i] = false;
    }
}

static void pipeline_commit_merge(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        struct epoch *epoch = pipeline->epochs.items[i];
        if (epoch->machine.state >= EPOCH_BUILT) continue;
        if (epoch->machine.state != EPOCH_PREPARED) return;
        struct error err = {0};
        for (size_t k = 0; k < epoch->table_count; k++) epoch->tables[k].whole = pipeline->whole_due[k];
        if (epoch_merge(epoch, &pipeline->context, pipeline->built, &epoch->manifest, &err) != STATUS_OK) {
            pipeline->decide_no_more = true;
            pipeline_trouble(pipeline, &err);
            return;
        }
        statemachine_move(&epoch->machine, EPOCH_BUILT);
        epoch->before = pipeline->built ? manifest_ref(pipeline->built) : NULL;
        pipeline_commit_whole(pipeline, epoch);
        manifest_unref(pipeline->built);
        pipeline->built = manifest_ref(epoch->manifest);
    }
}

// ---- Deciding ----

struct pipeline_commit_decision {
    struct pipeline_job job;
    struct decide decide;
};

static enum status pipeline_commit_decide_act(struct pipeline_job *base, struct error *err)
{
    return decide_run(&((struct pipeline_commit_decision *)base)->decide, err);
}

static void pipeline_commit_decide_release(struct pipeline_job *base)
{
    struct decide *decide = &((struct pipeline_commit_decision *)base)->decide;
    for (size_t i = 0; i < decide->count; i++) manifest_unref(decide->manifests[i]);
}

static void pipeline_commit_decided(struct pipeline_job *base)
{
    struct pipeline *pipeline = base->pipeline;
    struct decide *decide = &((struct pipeline_commit_decision *)base)->decide;
    pipeline->deciding = false;
    if (base->status != STATUS_OK) {
        pipeline->decide_no_more = true; // recovery finds out what happened
        pipeline_trouble(pipeline, &base->err);
        return;
    }
    for (size_t i = 0; i < decide->count; i++) {
        struct epoch *epoch = pipeline_plan_epoch(pipeline, decide->manifests[i]->body->epoch);
        ASSERT(epoch && epoch->manifest == decide->manifests[i]);
        epoch->decided_us = clock_boot_us(pipeline->seam->clock);
        statemachine_move(&epoch->machine, EPOCH_DECIDED);
        pipeline->decided = epoch->manifest->record;
        double seconds = (double)(epoch->prepared_us - epoch->planned_us) / 1e6;
        uint64_t rows = epoch->cut.rows + epoch->cut.fill_rows;
        if (rows > 1000 && seconds > 0) {
            double rate = (double)rows / seconds;
            pipeline->rows_per_s = pipeline->rows_per_s > 0 ? 0.5 * pipeline->rows_per_s + 0.5 * rate : rate;
        }
    }
    pipeline->restarts = 0;
    if (pipeline->decided.epoch >= pipeline->serial) pipeline->serial = 0;
}

static void pipeline_commit_decide(struct pipeline *pipeline)
{
    if (pipeline->deciding || pipeline->decide_no_more || pipeline->fenced) return;
    struct epoch *ready[META_DECIDE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < pipeline->epochs.count && count < META_DECIDE_MAX; i++) {
        struct epoch *epoch = pipeline->epochs.items[i];
        if (epoch->machine.state >= EPOCH_DECIDED) continue;
        if (epoch->machine.state != EPOCH_BUILT) break;
        if (!epoch->verified && !FORESET_BUG("evidence-not-reread")) break;
        ready[count++] = epoch;
    }
    if (count == 0) return;
    struct pipeline_commit_decision *decision =
        pipeline_job_create(pipeline, sizeof *decision, pipeline_commit_decide_act, pipeline_commit_decided,
                            pipeline_commit_decide_release);
    decision->decide = (struct decide){
        .context = &pipeline->context, .logs = &pipeline->check_logs, .count = count, .previous = pipeline->decided};
    for (size_t i = 0; i < count; i++) decision->decide.manifests[i] = manifest_ref(ready[i]->manifest);
    pipeline->deciding = true;
    pipeline_job_spawn(&decision->job);
}

// ---- Putting ----

struct pipeline_commit_put {
    struct pipeline_job job;
    struct manifest *manifest;
    uint32_t table;
    struct random random;
    struct table_put_result result, dead_letters;
    int64_t put_us; // how long it took
};

static enum status pipeline_commit_put_act(struct pipeline_job *base, struct error *err)
{
    enum status status = STATUS_OK;
    struct pipeline_commit_put *put = (struct pipeline_commit_put *)base;
    struct table_logs *logs = &base->pipeline->put_logs;
    int64_t began_us = clock_boot_us(base->pipeline->seam->clock);
    TRY(table_put_run(table_logs_at(logs, put->table, false), put->manifest, &put->random, &put->result, err));
    TRY(table_put_run(table_logs_at(logs, put->table, true), put->manifest, &put->random, &put->dead_letters, err));
    put->put_us = clock_boot_us(base->pipeline->seam->clock) - began_us;
out:
    return status;
}

static void pipeline_commit_put_release(struct pipeline_job *base)
{
    manifest_unref(((struct pipeline_commit_put *)base)->manifest);
}

static void pipeline_commit_epoch_put(struct epoch *epoch)
{
    for (size_t i = 0; i < epoch->table_count; i++) {
        if (!epoch->tables[i].put) return;
    }
    if (epoch->machine.state == EPOCH_DECIDED) statemachine_move(&epoch->machine, EPOCH_PUT);
}

static void pipeline_commit_was_put(struct pipeline_job *base)
{
    struct pipeline *pipeline = base->pipeline;
    struct pipeline_commit_put *put = (struct pipeline_commit_put *)base;
    pipeline->putting[put->table] = false;
    if (base->status != STATUS_OK) {
        pipeline->put_no_more = true;
        pipeline_trouble(pipeline, &base->err);
        return;
    }
    struct epoch *epoch = pipeline_plan_epoch(pipeline, put->manifest->body->epoch);
    ASSERT(epoch);
    epoch->tables[put->table].put = true;
    pipeline->status.tables[put->table].put_us += put->put_us;
    if (put->result.committed) pipeline->status.tables[put->table].commits++;
    pipeline_commit_epoch_put(epoch);
    if (put->result.committed) pipeline_upkeep_checkpoint(pipeline, put->table, false, put->result.version);
    if (put->dead_letters.committed) pipeline_upkeep_checkpoint(pipeline, put->table, true, put->dead_letters.version);
}

static void pipeline_commit_put_table(struct pipeline *pipeline, struct epoch *epoch, uint32_t table)
{
    const Foreset__TableEpoch *body = manifest_table(epoch->manifest, table);
    epoch->tables[table].put_begun = true;
    if (!body || (!manifest_commits(body) && !manifest_commits_dead_letters(body))) {
        epoch->tables[table].put = true;
        pipeline_commit_epoch_put(epoch);
        return;
    }
    struct pipeline_commit_put *put = pipeline_job_create(pipeline, sizeof *put, pipeline_commit_put_act,
                                                          pipeline_commit_was_put, pipeline_commit_put_release);
    put->manifest = manifest_ref(epoch->manifest);
    put->table = table;
    random_init(&put->random, random_u64(pipeline->seam->random));
    pipeline->putting[table] = true;
    pipeline_job_spawn(&put->job);
}

static void pipeline_commit_put(struct pipeline *pipeline)
{
    for (uint32_t table = 0; table < pipeline->config.plan->n_tables; table++) {
        for (size_t i = 0; i < pipeline->epochs.count && !pipeline->putting[table]; i++) {
            struct epoch *epoch = pipeline->epochs.items[i];
            if (epoch->machine.state < (FORESET_BUG("put-before-decided") ? EPOCH_BUILT : EPOCH_DECIDED)) break;
            if (FORESET_BUG("put-out-of-order") && i + 1 < pipeline->epochs.count &&
                pipeline->epochs.items[i + 1]->machine.state >= EPOCH_DECIDED &&
                !pipeline->epochs.items[i + 1]->tables[table].put_begun) {
                continue;
            }
            if (!epoch->tables[table].put_begun) pipeline_commit_put_table(pipeline, epoch, table);
        }
    }
}

// ---- Publishing ----

struct pipeline_commit_mark {
    struct pipeline_job job;
    uint64_t epoch;
};

static enum status pipeline_commit_mark_act(struct pipeline_job *base, struct error *err)
{
    return meta_store_publish(&base->pipeline->meta, ((struct pipeline_commit_mark *)base)->epoch,
                              PIPELINE_COMMIT_KEEP_EPOCHS, err);
}

static void pipeline_commit_times(const struct epoch *epoch, struct pipeline_progress *progress)
{
    for (size_t i = 0; i < epoch->worker_count; i++) {
        const Foreset__Prepared *prepared = epoch->reports[i].prepared->prepared;
        if (prepared->lane_stop_us > progress->lane_stop_us) progress->lane_stop_us = prepared->lane_stop_us;
        if (prepared->lane_stop_cpu_us > progress->lane_stop_cpu_us)
            progress->lane_stop_cpu_us = prepared->lane_stop_cpu_us;
        if (!prepared->has_first_row_us) continue;
        if (progress->first_row_us == 0 || prepared->first_row_us < progress->first_row_us)
            progress->first_row_us = prepared->first_row_us;
    }
}

static void pipeline_commit_tell(struct pipeline *pipeline, const struct epoch *epoch)
{
    if (!pipeline->config.progress) return;
    struct pipeline_progress progress = {.plan = pipeline->config.plan,
                                         .manifest = epoch->manifest,
                                         .planned_us = epoch->planned_us,
                                         .read_us = epoch->read_us,
                                         .prepared_us = epoch->prepared_us,
                                         .decided_us = epoch->decided_us,
                                         .published_us = clock_boot_us(pipeline->seam->clock),
                                         .lag = epoch_position_lag(&pipeline->position),
                                         .memory_bytes = pipeline_workers_memory(pipeline),
                                         .in_flight = pipeline->epochs.count - 1,
                                         .position = &pipeline->position,
                                         .states = pipeline->status.states,
                                         .state_bytes = pipeline_status_state_bytes(pipeline)};
    pipeline_commit_times(epoch, &progress);
    pipeline->config.progress(pipeline->config.context, &progress);
}

static void pipeline_commit_marked(struct pipeline_job *base)
{
    struct pipeline *pipeline = base->pipeline;
    uint64_t mark = ((struct pipeline_commit_mark *)base)->epoch;
    pipeline->publishing = false;
    if (base->status != STATUS_OK) {
        pipeline->put_no_more = true;
        pipeline_trouble(pipeline, &base->err);
        return;
    }
    pipeline->published = mark;
    while (pipeline->epochs.count > 0 && pipeline->epochs.items[0]->number <= mark) {
        struct epoch *epoch = pipeline->epochs.items[0];
        ASSERT(epoch->machine.state == EPOCH_PUT);
        pipeline_status_published(pipeline, epoch, clock_boot_us(pipeline->seam->clock));
        pipeline_commit_tell(pipeline, epoch);
        pipeline_upkeep_published(pipeline, epoch->manifest);
        vector_remove(&pipeline->epochs, 0);
        epoch_destroy(epoch);
    }
}

static void pipeline_commit_publish(struct pipeline *pipeline)
{
    uint64_t mark = 0;
    if (pipeline->publishing) return;
    for (size_t i = 0; i < pipeline->epochs.count && pipeline->epochs.items[i]->machine.state == EPOCH_PUT; i++) {
        mark = pipeline->epochs.items[i]->number;
    }
    if (mark == 0) return;
    struct pipeline_commit_mark *job =
        pipeline_job_create(pipeline, sizeof *job, pipeline_commit_mark_act, pipeline_commit_marked, NULL);
    job->epoch = mark;
    pipeline->publishing = true;
    pipeline_job_spawn(&job->job);
}

void pipeline_commit_advance(struct pipeline *pipeline)
{
    enum pipeline_state state = (enum pipeline_state)pipeline->machine.state;
    if (state != PIPELINE_RUNNING && state != PIPELINE_MOVING && state != PIPELINE_QUIESCING &&
        state != PIPELINE_ENDING)
        return;
    if (pipeline->fenced || !pipeline->attempt_ready) return;
    if (!pipeline->decide_no_more) pipeline_commit_merge(pipeline);
    if (pipeline->fenced) return;
    if (pipeline->replay) {
        pipeline_replay_commit(pipeline);
        return;
    }
    pipeline_evidence_advance(pipeline);
    pipeline_commit_decide(pipeline);
    if (state == PIPELINE_QUIESCING || pipeline->outcome == PIPELINE_BLOCKED || pipeline->outcome == PIPELINE_FENCED)
        return;
    if (state == PIPELINE_ENDING && pipeline->put_no_more) return;
    pipeline_commit_put(pipeline);
    pipeline_commit_publish(pipeline);
}

bool pipeline_commit_idle(const struct pipeline *pipeline)
{
    if (pipeline->fenced || !pipeline->attempt_ready) return true;
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        const struct epoch *epoch = pipeline->epochs.items[i];
        if (epoch->machine.state >= EPOCH_DECIDED) {
            bool puts = pipeline->outcome != PIPELINE_BLOCKED && !pipeline->put_no_more;
            if (pipeline->machine.state == PIPELINE_ENDING && puts) return false;
            continue;
        }
        bool ready = epoch->machine.state == EPOCH_PREPARED || epoch->machine.state == EPOCH_BUILT;
        if (!epoch->verified && pipeline->verify_no_more) ready = false;
        return !ready || pipeline->decide_no_more;
    }
    return true;
}
