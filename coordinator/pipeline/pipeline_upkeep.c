// What is done off the commit path (P20, P24): log checkpoints, cleaning, offsets told to lag tools. Each is one job at
// a time; what fails is logged and left to the next time.
#include "coordinator/pipeline/pipeline_private.h"

#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "coordinator/commit/clean.h"
#include "coordinator/commit/log_checkpoint.h"

#define PIPELINE_UPKEEP_CHECKPOINT_VERSIONS 10
#define PIPELINE_UPKEEP_CLEAN_US            60000000

static void pipeline_upkeep_log(const struct pipeline_job *job, const char *what)
{
    if (job->status == STATUS_OK || job->status == STATUS_KILLED) return;
    log_info("upkeep_failed", "step=%s error=\"%s\"", what, job->err.message);
}

// ---- Log checkpoints ----

struct pipeline_upkeep_log_checkpoint {
    struct pipeline_job job;
    uint32_t table;
    bool dead_letters;
    int64_t version;
};

static enum status pipeline_upkeep_checkpoint_act(struct pipeline_job *base, struct error *err)
{
    struct pipeline_upkeep_log_checkpoint *checkpoint = (struct pipeline_upkeep_log_checkpoint *)base;
    return log_checkpoint_run(&base->pipeline->context, checkpoint->table, checkpoint->dead_letters,
                              checkpoint->version, err);
}

static void pipeline_upkeep_checkpoint_next(struct pipeline *pipeline);

static void pipeline_upkeep_checkpointed(struct pipeline_job *base)
{
    base->pipeline->checkpointing = false;
    pipeline_upkeep_log(base, "checkpoint");
    if (base->status != STATUS_KILLED) pipeline_upkeep_checkpoint_next(base->pipeline);
}

// One at a time; a table that is due waits for its turn, and a newer version takes the place of an older one.
static void pipeline_upkeep_checkpoint_next(struct pipeline *pipeline)
{
    size_t tables = pipeline->config.plan->n_tables, slot = 0;
    while (slot < 2 * tables && pipeline->checkpoint_due[slot] == 0) slot++;
    if (slot == 2 * tables || pipeline->checkpointing) return;
    struct pipeline_upkeep_log_checkpoint *job =
        pipeline_job_create(pipeline, sizeof *job, pipeline_upkeep_checkpoint_act, pipeline_upkeep_checkpointed, NULL);
    job->table = (uint32_t)(slot % tables);
    job->dead_letters = slot >= tables;
    job->version = pipeline->checkpoint_due[slot];
    pipeline->checkpoint_due[slot] = 0;
    pipeline->checkpointing = true;
    pipeline_job_spawn(&job->job);
}

static int64_t pipeline_upkeep_interval(const struct pipeline *pipeline, uint32_t table)
{
    const Foreset__Plan *shaped = pipeline->shaped ? pipeline->shaped : pipeline->config.plan;
    const Foreset__Table *plan = shaped->tables[table];
    int64_t versions = PIPELINE_UPKEEP_CHECKPOINT_VERSIONS;
    for (size_t i = 0; i < plan->n_properties; i++) {
        int64_t wanted = 0;
        if (strcmp(plan->properties[i]->key, "delta.checkpointInterval") != 0) continue;
        if (text_parse_i64(plan->properties[i]->value, &wanted) && wanted > 0) versions = wanted;
    }
    return versions;
}

void pipeline_upkeep_checkpoint(struct pipeline *pipeline, uint32_t table, bool dead_letters, int64_t version)
{
    if (version <= 0 || version % pipeline_upkeep_interval(pipeline, table) != 0) return;
    pipeline->checkpoint_due[table + (dead_letters ? pipeline->config.plan->n_tables : 0)] = version;
    pipeline_upkeep_checkpoint_next(pipeline);
}

// ---- Offsets for lag tools ----

struct pipeline_upkeep_report {
    struct pipeline_job job;
    struct manifest *manifest; // NULL: nothing new, only the wait for what was told
    bool last;
};

static enum status pipeline_upkeep_report_act(struct pipeline_job *base, struct error *err)
{
    enum status status = STATUS_OK;
    struct pipeline *pipeline = base->pipeline;
    const struct pipeline_upkeep_report *report = (struct pipeline_upkeep_report *)base;
    const Foreset__Manifest *body = report->manifest ? report->manifest->body : NULL;
    size_t range_count = body ? body->n_ranges : 0;
    Foreset__Range **ranges = memory_calloc(range_count + 1, sizeof *ranges);
    TRY(FAILPOINT("offsets.before", err));
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct catalog *catalog = pipeline->sources[i].catalog;
        size_t count = 0;
        if (!catalog || !catalog->ops->report) continue;
        for (size_t j = 0; j < range_count; j++) {
            if (body->ranges[j]->source == pipeline->sources[i].node) ranges[count++] = body->ranges[j];
        }
        if (count == 0 && !report->last) continue;
        struct error trouble;
        enum status told = catalog->ops->report(catalog, ranges, count, report->last, &trouble);
        if (told == STATUS_OK || status != STATUS_OK) continue; // the first is told, none keeps the others waiting
        status = told;
        if (err) *err = trouble;
    }
    if (status == STATUS_OK) TRY(FAILPOINT("offsets.after", err));
out:
    memory_free(ranges);
    return status;
}

static void pipeline_upkeep_report_release(struct pipeline_job *base)
{
    manifest_unref(((struct pipeline_upkeep_report *)base)->manifest);
}

static void pipeline_upkeep_reported(struct pipeline_job *base)
{
    base->pipeline->polling = false;
    pipeline_upkeep_log(base, "offsets");
}

void pipeline_upkeep_report(struct pipeline *pipeline)
{
    bool ends = pipeline->machine.state == PIPELINE_ENDING && pipeline->outcome == PIPELINE_DONE;
    if (pipeline->polling || (pipeline->machine.state != PIPELINE_RUNNING && !ends)) return;
    if (!pipeline->report_due && !(ends && pipeline->reporting)) return;
    struct pipeline_upkeep_report *job = pipeline_job_create(pipeline, sizeof *job, pipeline_upkeep_report_act,
                                                             pipeline_upkeep_reported, pipeline_upkeep_report_release);
    job->manifest = pipeline->report_due;
    job->last = ends;
    pipeline->reporting = !ends;
    pipeline->report_due = NULL;
    pipeline->polling = true; // a catalog serves one job at a time
    pipeline_job_spawn(&job->job);
}

void pipeline_upkeep_published(struct pipeline *pipeline, const struct manifest *manifest)
{
    bool reports = false;
    for (size_t i = 0; i < pipeline->source_count; i++) {
        reports |= pipeline->sources[i].catalog && pipeline->sources[i].catalog->ops->report;
    }
    if (!reports) return;
    manifest_unref(pipeline->report_due); // the later one says more
    pipeline->report_due = manifest_ref((struct manifest *)manifest);
    pipeline_upkeep_report(pipeline);
}

// ---- Cleaning ----

struct pipeline_upkeep_cleaning {
    struct pipeline_job job;
    struct clean clean;
};

static enum status pipeline_upkeep_clean_act(struct pipeline_job *base, struct error *err)
{
    return clean_run(&((struct pipeline_upkeep_cleaning *)base)->clean, err);
}

static void pipeline_upkeep_cleaned(struct pipeline_job *base)
{
    const struct clean *clean = &((struct pipeline_upkeep_cleaning *)base)->clean;
    base->pipeline->cleaning = false;
    if (clean->deleted > 0) log_info("cleaned", "files=%llu", (unsigned long long)clean->deleted);
    pipeline_upkeep_log(base, "clean");
}

void pipeline_upkeep_clean(struct pipeline *pipeline)
{
    int64_t now_us = clock_boot_us(pipeline->seam->clock), grace_us = pipeline->config.grace_us;
    if (pipeline->cleaning || pipeline->machine.state != PIPELINE_RUNNING || now_us < pipeline->clean_at_us) return;
    if (pipeline->decided.epoch == 0 || pipeline->replay) return;
    struct pipeline_upkeep_cleaning *job =
        pipeline_job_create(pipeline, sizeof *job, pipeline_upkeep_clean_act, pipeline_upkeep_cleaned, NULL);
    job->clean = (struct clean){.context = &pipeline->context,
                                .plan = pipeline->shaped,
                                .logs = &pipeline->clean_logs,
                                .last = pipeline->decided,
                                .published = pipeline->published,
                                .grace_us = grace_us > 0 ? grace_us : 3600ll * 1000000};
    pipeline->clean_at_us = now_us + (grace_us > 0 ? grace_us : PIPELINE_UPKEEP_CLEAN_US);
    pipeline->cleaning = true;
    pipeline_job_spawn(&job->job);
}
