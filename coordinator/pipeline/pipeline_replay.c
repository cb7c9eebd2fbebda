// Replaying (P26): an attempt whose epochs are not planned from what the sources offer, but as they were planned when
// they were decided; what they read is compared, and written down in place of what is lost (commit/replay.h).
//
// The happy path: the sources are asked (a job), the ranges are still there; the epochs are planned, two at a time, in
// order; each one's reports are merged and compared; when all are read, one job decides the new files; the attempt
// starts over and recovery puts. What can fail: the ranges are gone, or what is read is not the same: BLOCKED, and
// nothing was changed. Anything else as in every attempt: it starts over, from the search for what is lost.
#include "coordinator/pipeline/pipeline_private.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"
#include "coordinator/commit/replay.h"

void pipeline_replay_begin(struct pipeline *pipeline, struct replay *replay)
{
    struct manifest *from = replay->from;
    pipeline->replay = replay;
    pipeline->recovered = from ? manifest_ref(from) : NULL;
    pipeline->built = from ? manifest_ref(from) : NULL;
    pipeline->carried = (struct meta_record){0};
    pipeline->decided = from ? from->record : (struct meta_record){0};
    struct text line = {0};
    text_printf(&line, "notice: files that wait to be published are gone: epoch %" PRIu64, replay->first);
    if (replay->last > replay->first) text_printf(&line, " to %" PRIu64, replay->last);
    text_append_str(&line, " is read again from its sources");
    pipeline_say(pipeline, text_str(&line));
    text_deinit(&line);
}

static const struct manifest *pipeline_replay_manifest(const struct pipeline *pipeline, uint64_t epoch)
{
    return pipeline->replay->decided[epoch - pipeline->replay->first];
}

static void pipeline_replay_refuse(struct pipeline *pipeline, uint64_t epoch, const char *why)
{
    struct error err = {0};
    if (replay_refuse(pipeline->replay, &pipeline->put_logs, epoch, why, &err) != STATUS_OK)
        pipeline_trouble(pipeline, &err);
}

// ---- What the sources still have ----

static const struct catalog_partition *pipeline_replay_offered(const struct pipeline_source *source,
                                                               const Foreset__Range *range)
{
    for (size_t i = 0; i < source->offer.partitions.count; i++) {
        const struct catalog_partition *partition = &source->offer.partitions.items[i];
        if (partition->partition == range->partition && strcmp(partition->topic, range->topic ? range->topic : "") == 0)
            return partition;
    }
    return NULL;
}

static bool pipeline_replay_has_file(const struct pipeline_source *source, const char *name, int64_t time_us)
{
    for (size_t i = 0; i < source->offer.files.count; i++) {
        const struct catalog_file *file = &source->offer.files.items[i];
        if (file->time_us == time_us && strcmp(file->name, name) == 0) return true;
    }
    return false;
}

// NULL: the source has all of it.
static const char *pipeline_replay_missing(const struct pipeline_source *source, const Foreset__Range *range,
                                           struct arena *arena)
{
    for (size_t i = 0; i < range->n_files; i++) {
        if (pipeline_replay_has_file(source, range->files[i], range->file_times_us[i])) continue;
        return arena_printf(arena, "the source's file %.200s is gone or was changed since", range->files[i]);
    }
    if (!range->has_to || range->from >= range->to) return NULL;
    const struct catalog_partition *offered = pipeline_replay_offered(source, range);
    const char *topic = range->topic ? range->topic : "";
    if (!offered) return arena_printf(arena, "topic %s, partition %d is gone", topic, range->partition);
    if (offered->low <= range->from && offered->end >= range->to) return NULL;
    return arena_printf(arena,
                        "it read the offsets %" PRId64 " to %" PRId64
                        " of topic %s, partition %d; the broker has %" PRId64 " to %" PRId64,
                        range->from, range->to - 1, topic, range->partition, offered->low, offered->end - 1);
}

void pipeline_replay_offers(struct pipeline *pipeline)
{
    const struct replay *replay = pipeline->replay;
    struct arena arena;
    arena_init(&arena, 0);
    const char *why = NULL;
    uint64_t epoch = replay->first;
    for (; !why && epoch <= replay->last; epoch++) {
        const Foreset__Manifest *body = pipeline_replay_manifest(pipeline, epoch)->body;
        for (size_t i = 0; !why && i < body->n_ranges; i++) {
            const Foreset__Range *range = body->ranges[i];
            for (size_t k = 0; !why && replay->nodes[range->source] && k < pipeline->source_count; k++) {
                if (pipeline->sources[k].node == range->source)
                    why = pipeline_replay_missing(&pipeline->sources[k], range, &arena);
            }
        }
    }
    if (why) pipeline_replay_refuse(pipeline, epoch - 1, why);
    arena_deinit(&arena);
}

// ---- Planning ----

// The first epoch's ranges carry what was read before them, for the source to compare (P7).
static const Foreset__Evidence *pipeline_replay_evidence(const struct pipeline *pipeline, const Foreset__Range *range)
{
    const struct manifest *from = pipeline->replay->from;
    for (size_t i = 0; from && !range->has_gap_from && i < from->body->n_ranges; i++) {
        const Foreset__Range *before = from->body->ranges[i];
        bool same = before->source == range->source && before->has_to && before->partition == range->partition;
        if (same && strcmp(before->topic ? before->topic : "", range->topic ? range->topic : "") == 0)
            return before->last;
    }
    return NULL;
}

static void pipeline_replay_cut(const struct pipeline *pipeline, uint64_t number, struct epoch *epoch)
{
    const struct replay *replay = pipeline->replay;
    const Foreset__Manifest *body = pipeline_replay_manifest(pipeline, number)->body;
    struct epoch_position_cut *cut = &epoch->cut;
    cut->ranges = arena_calloc(&epoch->arena, body->n_ranges + 1, sizeof *cut->ranges);
    for (size_t i = 0; i < body->n_ranges; i++) {
        if (!replay->nodes[body->ranges[i]->source]) continue; // of other tables, whose rows are thrown away
        Foreset__Range *range = arena_alloc(&epoch->arena, sizeof *range);
        *range = *body->ranges[i];
        range->last = number == replay->first ? (Foreset__Evidence *)pipeline_replay_evidence(pipeline, range) : NULL;
        if (range->has_to && range->to > range->from) cut->rows += (uint64_t)(range->to - range->from);
        cut->files += range->n_files;
        cut->ranges[cut->count++] = range;
    }
}

static void pipeline_replay_send(struct pipeline *pipeline, int64_t now_us)
{
    uint64_t number = pipeline->next_epoch;
    const struct manifest *manifest = pipeline_replay_manifest(pipeline, number);
    struct epoch *epoch = epoch_create(number, pipeline->config.plan, pipeline->assigned_count);
    pipeline_replay_cut(pipeline, number, epoch);
    epoch_deal(epoch, pipeline->config.plan, &pipeline->routing);
    epoch_fix(epoch, &pipeline->clock, manifest->body->timestamp_us, (bool)manifest->body->no_data, false);
    for (uint32_t i = 0; i < epoch->table_count; i++) {
        const Foreset__TableEpoch *table = manifest_table(manifest, i);
        epoch->tables[i].publishes_planned = table && table->publishes;
    }
    pipeline_plan_start(pipeline, epoch, now_us);
}

void pipeline_replay_plan(struct pipeline *pipeline, int64_t now_us)
{
    if (pipeline->polling || now_us < pipeline->ask_at_us) return;
    if (!pipeline->offered) {
        pipeline_plan_ask_sources(pipeline);
        return;
    }
    while (pipeline->machine.state == PIPELINE_RUNNING && pipeline->next_epoch <= pipeline->replay->last &&
           pipeline->next_epoch <= pipeline->passed + PIPELINE_RUNNING_MAX &&
           pipeline->epochs.count < PIPELINE_UNPREPARED_MAX)
        pipeline_replay_send(pipeline, now_us);
}

// ---- What was read ----

struct pipeline_replay_job {
    struct pipeline_job job;
    struct random random;
};

static enum status pipeline_replay_act(struct pipeline_job *base, struct error *err)
{
    struct pipeline *pipeline = base->pipeline;
    return replay_put(pipeline->replay, &pipeline->context, &((struct pipeline_replay_job *)base)->random, err);
}

static void pipeline_replay_finished(struct pipeline_job *base)
{
    struct pipeline *pipeline = base->pipeline;
    const struct replay *replay = pipeline->replay;
    struct error err = base->err;
    pipeline->deciding = false;
    pipeline->decide_no_more = true;
    if (base->status == STATUS_OK) {
        struct text line = {0};
        text_printf(&line, "notice: replayed: %" PRIu64 " %s of epoch %" PRIu64, replay->rows,
                    text_plural(replay->rows, "row", "rows"), replay->first);
        if (replay->last > replay->first) text_printf(&line, " to %" PRIu64, replay->last);
        text_printf(&line, " %s written again, in %" PRIu64 " %s", text_plural(replay->rows, "is", "are"),
                    replay->files, text_plural(replay->files, "file", "files"));
        pipeline_say(pipeline, text_str(&line));
        text_deinit(&line);
        log_info("replayed", "pipeline=%s first=%" PRIu64 " last=%" PRIu64 " rows=%" PRIu64 " files=%" PRIu64,
                 pipeline->context.pipeline, replay->first, replay->last, replay->rows, replay->files);
        pipeline->restarts = 0;
        (void)error_set(&err, STATUS_ERROR, ERROR_RESTART_PIPELINE,
                        "epoch %" PRIu64 " to %" PRIu64 " is replayed: recovery publishes it", replay->first,
                        replay->last);
    }
    pipeline_trouble(pipeline, &err);
}

void pipeline_replay_commit(struct pipeline *pipeline)
{
    if (pipeline->deciding || pipeline->decide_no_more) return;
    if (pipeline->machine.state != PIPELINE_RUNNING) {
        pipeline->decide_no_more = true; // nothing of it is decided; the next attempt begins again
        return;
    }
    while (pipeline->epochs.count > 0 && pipeline->epochs.items[0]->machine.state == EPOCH_BUILT) {
        struct error err = {0};
        struct epoch *epoch = pipeline->epochs.items[0];
        if (replay_take(pipeline->replay, &pipeline->put_logs, epoch->manifest, &err) != STATUS_OK) {
            pipeline->decide_no_more = true;
            pipeline_trouble(pipeline, &err);
            return;
        }
        vector_remove(&pipeline->epochs, 0);
        epoch_destroy(epoch);
    }
    if (!replay_is_read(pipeline->replay)) return;
    struct pipeline_replay_job *job =
        pipeline_job_create(pipeline, sizeof *job, pipeline_replay_act, pipeline_replay_finished, NULL);
    random_init(&job->random, random_u64(pipeline->seam->random));
    pipeline->deciding = true;
    pipeline_job_spawn(&job->job);
}
