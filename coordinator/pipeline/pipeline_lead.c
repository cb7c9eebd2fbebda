// Leading: election, lease, recovery.
//
// The happy path: win the election (a job); recover (a job); keep the lease alive (a job every third of its time).
// What can fail:
// - the kv store does not answer: ask again, and say so; a local store that cannot be written: FAIL_PIPELINE;
// - the lease may have run out: everything volatile is dropped, a new incarnation stands for election (P3); where a
// lock
//   stands in for the lease that cannot happen;
// - recovery fails: its class decides; RETRY comes again with a pause that grows.
#include "coordinator/pipeline/pipeline_private.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/base/text.h"
#include "coordinator/commit/recover.h"
#include "coordinator/commit/table_shape.h"
#include "coordinator/commit/torn_store.h"
#include "coordinator/pipeline/pipeline_change.h"

#define PIPELINE_LEAD_ELECT_US 500000

// ---- Election ----

struct pipeline_lead_election {
    struct pipeline_job job;
    bool won;
};

static enum status pipeline_lead_campaign(struct pipeline_job *base, struct error *err)
{
    struct pipeline_lead_election *election = (struct pipeline_lead_election *)base;
    enum status status = torn_store_check(&base->pipeline->context, base->pipeline->config.adopt, err);
    if (status != STATUS_OK) return status;
    return meta_store_campaign(&base->pipeline->meta, base->pipeline->candidate, &election->won, err);
}

// No answer now: it is asked again. A store of this process's own that cannot be written does not mend itself.
static void pipeline_lead_refused(struct pipeline *pipeline, const struct error *err)
{
    bool again = err->class == ERROR_RETRY || pipeline->config.lease_ttl_us > 0;
    if (!again) {
        pipeline->fenced = true; // it never led: nothing is to be decided or put
        pipeline_trouble(pipeline, err);
        return;
    }
    if (strncmp(pipeline->status.trouble, err->message, sizeof pipeline->status.trouble - 1) == 0) return;
    log_warn("election", "pipeline=%s error=\"%s\"", pipeline->context.pipeline, err->message);
    snprintf(pipeline->status.trouble, sizeof pipeline->status.trouble, "%s", err->message);
    text_utf8_clean(pipeline->status.trouble);
}

static void pipeline_lead_campaigned(struct pipeline_job *base)
{
    struct pipeline *pipeline = base->pipeline;
    pipeline->electing = false;
    if (pipeline->machine.state != PIPELINE_STANDBY) return;
    if (base->status != STATUS_OK && base->status != STATUS_KILLED) pipeline_lead_refused(pipeline, &base->err);
    if (base->status == STATUS_OK && ((struct pipeline_lead_election *)base)->won && lease_valid(&pipeline->lease)) {
        log_info("leading", "pipeline=%s candidate=%s", pipeline->context.pipeline, pipeline->candidate);
        pipeline->keep_at_us = clock_boot_us(pipeline->seam->clock) + pipeline->config.lease_ttl_us / 3;
        pipeline->fenced = false;
        pipeline_move(pipeline, PIPELINE_RECOVERING);
        pipeline->recover_at_us = 0;
    }
}

void pipeline_lead_stand_by(struct pipeline *pipeline)
{
    lease_lose(&pipeline->lease);
    snprintf(pipeline->candidate, sizeof pipeline->candidate, "%.100s-%016llx", pipeline->config.process,
             (unsigned long long)random_u64(pipeline->seam->random));
    pipeline->elect_at_us = 0;
    pipeline->offered = pipeline->fixed = false; // another leader may have read further than the ends that were fixed
}

// ---- Lease ----

static enum status pipeline_lead_keep(struct pipeline_job *base, struct error *err)
{
    return meta_store_keepalive(&base->pipeline->meta, err);
}

static void pipeline_lead_kept(struct pipeline_job *base)
{
    base->pipeline->keeping = false;
    if (base->status != STATUS_OK && base->err.class == ERROR_FENCED) lease_lose(&base->pipeline->lease);
}

// ---- Recovery ----

struct pipeline_lead_recovery {
    struct pipeline_job job;
    struct commit_context context; // its own: id and generation come to the pipeline when it has ended
    struct table_logs logs;
    struct recover recover;
    struct pipeline_change change;
    struct pipeline_fills fills;
};

static enum status pipeline_lead_run(struct pipeline_job *base, struct error *err)
{
    enum status status = STATUS_OK;
    struct pipeline_lead_recovery *recovery = (struct pipeline_lead_recovery *)base;
    TRY(recover_run(&recovery->recover, err));
    if (recovery->recover.replays) goto out;
    TRY(pipeline_change_run(&recovery->change, &recovery->recover, err));
    TRY(pipeline_fill_load(&recovery->recover, &recovery->fills, err));
out:
    return status;
}

static void pipeline_lead_release(struct pipeline_job *base)
{
    struct pipeline_lead_recovery *recovery = (struct pipeline_lead_recovery *)base;
    manifest_unref(recovery->recover.last);
    replay_destroy(recovery->recover.replays);
    table_logs_deinit(&recovery->logs);
    pipeline_change_deinit(&recovery->change);
    pipeline_fills_deinit(&recovery->fills);
}

// What recovery found out is the pipeline's from here on; no job runs that could see it change.
static void pipeline_lead_take_over(struct pipeline *pipeline, struct pipeline_lead_recovery *recovery)
{
    bool refresh = recovery->recover.full_refresh && recovery->recover.last;
    pipeline->context = recovery->context;
    pipeline->carried = recovery->change.carried;
    if (pipeline->shaped) foreset__plan__free_unpacked(pipeline->shaped, NULL);
    pipeline->shaped = table_shape_plan(pipeline->config.plan, &recovery->logs, refresh);
    for (uint32_t i = 0; i < pipeline->shaped->n_tables; i++) {
        const Foreset__Table *shape = refresh ? NULL : pipeline->shaped->tables[i];
        table_logs_at(&pipeline->put_logs, i, false)->shape = shape;
        table_logs_at(&pipeline->check_logs, i, false)->shape = shape;
    }
    for (size_t i = 0; i < recovery->logs.count; i++) {
        pipeline->put_logs.items[i].abandoned = recovery->logs.items[i].abandoned;
        pipeline->check_logs.items[i].abandoned = recovery->logs.items[i].abandoned;
        const struct table_log *log = &recovery->logs.items[i];
        if (!log->dead_letters) pipeline->whole_due[log->number] = log->others.changed > 0;
    }
}

static void pipeline_lead_recovered(struct pipeline_job *base)
{
    struct pipeline *pipeline = base->pipeline;
    struct pipeline_lead_recovery *recovery = (struct pipeline_lead_recovery *)base;
    pipeline->recovering = false;
    if (pipeline->machine.state != PIPELINE_RECOVERING) return;
    if (recovery->change.differences.length > 0 && base->status == STATUS_OK)
        pipeline_say(pipeline, text_str(&recovery->change.differences));
    if (base->status != STATUS_OK) {
        pipeline_trouble(pipeline, &base->err);
        return;
    }
    pipeline_lead_take_over(pipeline, recovery);
    manifest_unref(pipeline->recovered);
    manifest_unref(pipeline->built);
    replay_destroy(pipeline->replay);
    pipeline->replay = NULL;
    pipeline->published = recovery->recover.published;
    if (recovery->recover.replays) {
        pipeline_replay_begin(pipeline, recovery->recover.replays);
        recovery->recover.replays = NULL;
        pipeline_move(pipeline, PIPELINE_GATHERING);
        return;
    }
    pipeline->refreshed = true;
    pipeline->recovered = recovery->recover.last;
    pipeline->built = recovery->recover.last ? manifest_ref(recovery->recover.last) : NULL;
    recovery->recover.last = NULL;
    pipeline_fills_deinit(&pipeline->fills);
    pipeline->fills = recovery->fills;
    recovery->fills = (struct pipeline_fills){0};
    pipeline->decided = pipeline->recovered ? pipeline->recovered->record : (struct meta_record){0};
    log_info("recovered", "pipeline=%s generation=%llu decided=%llu put=%llu", pipeline->context.pipeline,
             (unsigned long long)pipeline->context.generation, (unsigned long long)pipeline->decided.epoch,
             (unsigned long long)recovery->recover.put);
    pipeline_move(pipeline, PIPELINE_GATHERING);
}

void pipeline_lead_recover(struct pipeline *pipeline)
{
    if (!pipeline->logs_ready) {
        table_logs_init(&pipeline->put_logs, &pipeline->context);
        table_logs_init(&pipeline->check_logs, &pipeline->context);
        table_logs_init(&pipeline->clean_logs, &pipeline->context);
        pipeline->logs_ready = true;
    }
    struct pipeline_lead_recovery *recovery = pipeline_job_create(pipeline, sizeof *recovery, pipeline_lead_run,
                                                                  pipeline_lead_recovered, pipeline_lead_release);
    recovery->context = pipeline->context;
    table_logs_init(&recovery->logs, &recovery->context);
    recovery->recover = (struct recover){.context = &recovery->context,
                                         .logs = &recovery->logs,
                                         .adopt = pipeline->config.adopt && !pipeline->refreshed,
                                         .adopt_table = pipeline->config.adopt_table,
                                         .abandon_table = pipeline->config.abandon_table,
                                         .overwrite = pipeline->config.overwrite && !pipeline->refreshed,
                                         .overwrite_table = pipeline->config.overwrite_table,
                                         .replay = pipeline->config.replay && !pipeline->refreshed,
                                         .replay_table = pipeline->config.replay_table};
    random_init(&recovery->recover.random, random_u64(pipeline->seam->random));
    recovery->recover.compare = pipeline_change_check;
    recovery->recover.compare_context = &recovery->change;
    recovery->change.full_refresh = pipeline->config.full_refresh && !pipeline->refreshed;
    recovery->recover.full_refresh = recovery->change.full_refresh;
    pipeline->recovering = true;
    pipeline_job_spawn(&recovery->job);
}

// ---- Time ----

void pipeline_lead_tick(struct pipeline *pipeline, int64_t now_us)
{
    enum pipeline_state state = (enum pipeline_state)pipeline->machine.state;
    if (state == PIPELINE_STANDBY) {
        if (!pipeline->electing && now_us >= pipeline->elect_at_us) {
            struct pipeline_lead_election *election =
                pipeline_job_create(pipeline, sizeof *election, pipeline_lead_campaign, pipeline_lead_campaigned, NULL);
            pipeline->electing = true;
            pipeline->elect_at_us = now_us + PIPELINE_LEAD_ELECT_US;
            pipeline_job_spawn(&election->job);
        }
        return;
    }
    if (state == PIPELINE_ENDED || pipeline->fenced) return;
    if (!lease_valid(&pipeline->lease)) {
        struct error err;
        (void)error_set(&err, STATUS_ERROR, ERROR_FENCED, "pipeline %s: the lease may have run out",
                        pipeline->context.pipeline);
        pipeline_trouble(pipeline, &err);
        return;
    }
    if (pipeline->config.lease_ttl_us > 0 && !pipeline->keeping && now_us >= pipeline->keep_at_us) {
        struct pipeline_job *keep =
            pipeline_job_create(pipeline, sizeof *keep, pipeline_lead_keep, pipeline_lead_kept, NULL);
        pipeline->keeping = true;
        pipeline->keep_at_us = now_us + pipeline->config.lease_ttl_us / 3;
        pipeline_job_spawn(keep);
    }
    if (state == PIPELINE_RECOVERING && !pipeline->recovering && now_us >= pipeline->recover_at_us) {
        bool alone = pipeline->config.lease_ttl_us == 0 || FORESET_BUG("drain-unpublished");
        if (pipeline->drain && alone) {
            pipeline_end(pipeline, PIPELINE_DONE, NULL);
        } else {
            pipeline_lead_recover(pipeline);
        }
    }
}

int64_t pipeline_lead_next(const struct pipeline *pipeline)
{
    enum pipeline_state state = (enum pipeline_state)pipeline->machine.state;
    int64_t next = INT64_MAX;
    if (state == PIPELINE_STANDBY) return pipeline->electing ? INT64_MAX : pipeline->elect_at_us;
    if (state == PIPELINE_ENDED || pipeline->fenced) return INT64_MAX;
    if (pipeline->config.lease_ttl_us > 0) {
        if (!pipeline->keeping) next = pipeline->keep_at_us;
        int64_t until = atomic_load(&pipeline->lease.valid_until_us);
        if (until < next) next = until;
    }
    if (state == PIPELINE_RECOVERING && !pipeline->recovering && pipeline->recover_at_us < next)
        next = pipeline->recover_at_us;
    return next;
}
