// Before an epoch is decided, the record that was read last before each of its ranges is read again (P7): a topic that
// was deleted, created again and filled beyond the position between two polls, or cut off by an unclean election, holds
// another record there, and what the epoch read belongs to another history.
//
// The happy path of each epoch, in order: it is read and the manifest before it is built, so its evidence is known; one
// job asks the sources while the workers sync their files; all records are the same: verified. What can fail:
// - another record, or none up to there: FAIL_PIPELINE; with failOnDataLoss => false the partition is noted, the
//   attempt starts over and reads the new topic from its beginning;
// - the record is compacted away or expired: only the end is compared, and counted;
// - the source does not answer: again each second, told once, FAIL_PIPELINE after a minute. Nothing is decided
//   meanwhile; in an attempt that ends, the epoch is dropped.
#include "coordinator/pipeline/pipeline_private.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"

#define PIPELINE_EVIDENCE_AGAIN_US 1000000

struct pipeline_evidence_item {
    size_t source; // in pipeline->sources
    const Foreset__Range *range;
    enum catalog_evidence found;
};

struct pipeline_evidence_job {
    struct pipeline_job job;
    uint64_t epoch;
    struct manifest *before; // the items' ranges lie in it
    VECTOR(struct pipeline_evidence_item) items;
};

static enum status pipeline_evidence_source(struct pipeline_evidence_job *job, size_t source, struct error *err)
{
    struct catalog *catalog = job->job.pipeline->sources[source].catalog;
    size_t count = 0;
    const Foreset__Range **ranges = memory_calloc(job->items.count + 1, sizeof *ranges);
    enum catalog_evidence *found = memory_calloc(job->items.count + 1, sizeof *found);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < job->items.count; i++) {
        if (job->items.items[i].source == source) ranges[count++] = job->items.items[i].range;
    }
    if (count > 0 && catalog && catalog->ops->verify) TRY(catalog->ops->verify(catalog, ranges, count, found, err));
    for (size_t i = 0, at = 0; i < job->items.count; i++) {
        if (job->items.items[i].source == source) job->items.items[i].found = found[at++];
    }
out:
    memory_free(ranges);
    memory_free(found);
    return status;
}

static enum status pipeline_evidence_act(struct pipeline_job *base, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < base->pipeline->source_count; i++)
        status = pipeline_evidence_source((struct pipeline_evidence_job *)base, i, err);
    return status;
}

static void pipeline_evidence_release(struct pipeline_job *base)
{
    struct pipeline_evidence_job *job = (struct pipeline_evidence_job *)base;
    manifest_unref(job->before);
    vector_deinit(&job->items);
}

// ---- What was found ----

static void pipeline_evidence_unanswered(struct pipeline *pipeline, const struct error *why)
{
    struct error err = *why;
    int64_t now_us = clock_boot_us(pipeline->seam->clock);
    if (err.class != ERROR_RETRY && err.class != ERROR_RESTART_PIPELINE) {
        pipeline->verify_no_more = true;
        pipeline_trouble(pipeline, &err);
        return;
    }
    if (pipeline->machine.state != PIPELINE_RUNNING && pipeline->machine.state != PIPELINE_MOVING) {
        pipeline->verify_no_more = true;
        return;
    }
    pipeline->verify_at_us = now_us + PIPELINE_EVIDENCE_AGAIN_US;
    if (pipeline->verify_silent_us == 0) {
        struct text line = {0};
        pipeline->verify_silent_us = now_us;
        text_printf(&line, "notice: %s. Nothing is decided until then; trying again for %lld s", err.message,
                    PIPELINE_SOURCE_SILENCE_US / 1000000ll);
        pipeline_say(pipeline, text_str(&line));
        text_deinit(&line);
    }
    if (now_us - pipeline->verify_silent_us < PIPELINE_SOURCE_SILENCE_US) return;
    err.class = ERROR_FAIL_PIPELINE;
    pipeline->verify_no_more = true;
    pipeline_trouble(pipeline, &err);
}

static void pipeline_evidence_replaced(struct pipeline *pipeline, const struct pipeline_evidence_item *item,
                                       uint64_t epoch)
{
    struct error err;
    const struct epoch_position_source *source = &pipeline->position.sources[item->source];
    const Foreset__Range *range = item->range;
    pipeline->verify_no_more = true;
    if (source->fail_on_data_loss) {
        (void)error_set(&err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                        "source %s: topic %s, partition %d: the record at offset %" PRId64
                        " is not the one that was read before: the topic was created again or truncated. Epoch %" PRIu64
                        " was not decided. Start with --full-refresh to read the topic from its beginning, or set "
                        "failOnDataLoss => false to go on with it",
                        source->plan->name, range->topic, range->partition, range->last->offset, epoch);
    } else {
        struct pipeline_replaced replaced = {.node = source->node,
                                             .topic = memory_strdup(range->topic ? range->topic : ""),
                                             .partition = range->partition,
                                             .evidence = *range->last};
        vector_push(&pipeline->replaced, replaced);
        (void)error_set(&err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                        "source %s: topic %s, partition %d: the record at offset %" PRId64
                        " is not the one that was read before; it is read from its beginning",
                        source->plan->name, range->topic, range->partition, range->last->offset);
    }
    pipeline_trouble(pipeline, &err);
}

static void pipeline_evidence_found(struct pipeline_job *base)
{
    struct pipeline *pipeline = base->pipeline;
    struct pipeline_evidence_job *job = (struct pipeline_evidence_job *)base;
    pipeline->verifying = false;
    struct epoch *epoch = pipeline_plan_epoch(pipeline, job->epoch);
    if (!epoch || base->status == STATUS_KILLED) return;
    if (base->status != STATUS_OK) {
        pipeline_evidence_unanswered(pipeline, &base->err);
        return;
    }
    if (pipeline->verify_silent_us) pipeline_say(pipeline, "notice: the sources answer again");
    pipeline->verify_silent_us = 0;
    for (size_t i = 0; i < job->items.count; i++) {
        pipeline->status.evidence_gone += job->items.items[i].found == CATALOG_EVIDENCE_GONE;
        if (job->items.items[i].found != CATALOG_EVIDENCE_OTHER) continue;
        pipeline_evidence_replaced(pipeline, &job->items.items[i], job->epoch);
        return;
    }
    epoch->verified = true;
}

// ---- Asking ----

static const Foreset__Range *pipeline_evidence_before(const Foreset__Manifest *before, const Foreset__Range *range)
{
    for (size_t i = 0; i < before->n_ranges; i++) {
        const Foreset__Range *old = before->ranges[i];
        if (old->source != range->source || old->partition != range->partition || !old->has_to) continue;
        if (strcmp(old->topic ? old->topic : "", range->topic ? range->topic : "") == 0) return old;
    }
    return NULL;
}

static void pipeline_evidence_gather(const struct pipeline *pipeline, const struct epoch *epoch,
                                     struct pipeline_evidence_job *job)
{
    for (size_t i = 0; i < epoch->cut.count; i++) {
        const Foreset__Range *range = epoch->cut.ranges[i];
        if (!range->has_to || range->to <= range->from || range->has_gap_from) continue;
        const Foreset__Range *old = pipeline_evidence_before(job->before->body, range);
        if (!old || !old->last) continue;
        for (size_t s = 0; s < pipeline->source_count; s++) {
            struct pipeline_evidence_item item = {.source = s, .range = old};
            const struct catalog *catalog = pipeline->sources[s].catalog;
            if (pipeline->sources[s].node == range->source && catalog && catalog->ops->verify)
                vector_push(&job->items, item);
        }
    }
}

// The manifest before this epoch, as far as it is built. False: it is not.
static bool pipeline_evidence_manifest(const struct pipeline *pipeline, const struct epoch *epoch,
                                       struct manifest **ret_before)
{
    if (epoch->machine.state >= EPOCH_BUILT) {
        *ret_before = epoch->before;
        return true;
    }
    if (pipeline->built && pipeline->built->body->epoch + 1 != epoch->number) return false;
    if (!pipeline->built && epoch->number != 1) return false;
    *ret_before = pipeline->built;
    return true;
}

void pipeline_evidence_advance(struct pipeline *pipeline)
{
    bool works = pipeline->machine.state == PIPELINE_RUNNING || pipeline->machine.state == PIPELINE_MOVING;
    if (pipeline->verifying || pipeline->verify_no_more) return;
    if (works && clock_boot_us(pipeline->seam->clock) < pipeline->verify_at_us) return;
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        struct epoch *epoch = pipeline->epochs.items[i];
        struct manifest *before = NULL;
        if (epoch->verified) continue;
        if (epoch->machine.state < (works ? EPOCH_READ : EPOCH_PREPARED)) return;
        if (!pipeline_evidence_manifest(pipeline, epoch, &before)) return;
        epoch->verified = before == NULL;
        if (epoch->verified) continue;
        struct pipeline_evidence_job *job = pipeline_job_create(pipeline, sizeof *job, pipeline_evidence_act,
                                                                pipeline_evidence_found, pipeline_evidence_release);
        job->epoch = epoch->number;
        job->before = manifest_ref(before);
        pipeline_evidence_gather(pipeline, epoch, job);
        if (job->items.count == 0) {
            epoch->verified = true;
            job->job.job.drop(&job->job.job);
            continue;
        }
        pipeline->verifying = true;
        pipeline_job_spawn(&job->job);
        return;
    }
}

// ---- A new attempt ----

void pipeline_evidence_begin(struct pipeline *pipeline)
{
    pipeline->verify_no_more = false;
    pipeline->verify_at_us = pipeline->verify_silent_us = 0;
    for (size_t i = 0; i < pipeline->replaced.count; i++) {
        const struct pipeline_replaced *replaced = &pipeline->replaced.items[i];
        epoch_position_replaced(&pipeline->position, replaced->node, replaced->topic, replaced->partition,
                                &replaced->evidence);
    }
}

void pipeline_evidence_deinit(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->replaced.count; i++) memory_free(pipeline->replaced.items[i].topic);
    vector_deinit(&pipeline->replaced);
}
