// Planning (P4, P5, P10, P12). When the pipeline runs, at most two epochs are read at once:
//
//   Plan(n) goes out when all ReadDone of n−2 are in: the late test of n needs the maxima of ≤ n−2 only;
//   Watermark(n) follows when all ReadDone of n−1 are in.
//
// The happy path: at the trigger the sources are asked (a job), the epoch is cut and sent. With available-now the ends
// are fixed once (an attempt that starts over asks again, but reads no further) and epochs follow each other; when
// nothing is left, unfinished batches publish, then no-data epochs run until no watermark moves. What can fail: a
// source cannot be asked (its class decides; RETRY: the attempt starts over), or was truncated (P7).
#include "coordinator/pipeline/pipeline_private.h"

#include <string.h>
#include <time.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/base/text.h"

// ---- An attempt's volatile state ----

static void pipeline_plan_sources(struct pipeline *pipeline)
{
    if (pipeline->sources) return;
    pipeline->source_count = pipeline->position.count;
    pipeline->sources = memory_calloc(pipeline->source_count + 1, sizeof *pipeline->sources);
    for (size_t i = 0; i < pipeline->source_count; i++) pipeline->sources[i].node = pipeline->position.sources[i].node;
}

// Sources that the plan of the last decided epoch did not have (P23).
static void pipeline_plan_begins(struct pipeline *pipeline, const Foreset__Manifest *from)
{
    bool changed = from && strcmp(from->plan_hash, pipeline->context.plan_hash) != 0;
    pipeline->begins = false;
    for (size_t i = 0; i < pipeline->source_count; i++) {
        const struct epoch_position_source *source = &pipeline->position.sources[i];
        pipeline->sources[i].begins =
            changed && source->partitions.count == 0 && source->plan->kind != FORESET__SOURCE__KIND__TABLE;
        pipeline->begins = pipeline->begins || pipeline->sources[i].begins;
    }
}

// Files below the horizon: their names are not kept, so a late one looks like one that was read.
static void pipeline_plan_say_below(struct pipeline *pipeline, struct epoch_position_source *source)
{
    if (source->below <= source->below_said) return;
    char horizon[32];
    time_t seconds = (time_t)(source->horizon_us / 1000000);
    struct tm utc;
    strftime(horizon, sizeof horizon, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
    struct text line = {0};
    text_printf(
        &line,
        "notice: source %s: %llu %s last modified before %s and %s not looked at: read before, or more than 7 days "
        "late; touch a file to have it read",
        source->plan->name, (unsigned long long)source->below, text_plural(source->below, "file was", "files were"),
        horizon, text_plural(source->below, "is", "are"));
    pipeline_say(pipeline, text_str(&line));
    text_deinit(&line);
    source->below_said = source->below;
}

void pipeline_plan_unfix(struct pipeline_source *source)
{
    for (size_t i = 0; i < source->ends.count; i++) memory_free(source->ends.items[i].topic);
    vector_deinit(&source->ends);
}

// Available-now reads up to the ends of its first offer, whatever later attempts are offered.
static void pipeline_plan_fix(struct pipeline_source *source)
{
    pipeline_plan_unfix(source);
    for (size_t i = 0; i < source->offer.partitions.count; i++) {
        const struct catalog_partition *offered = &source->offer.partitions.items[i];
        struct epoch_position_end end = {memory_strdup(offered->topic), offered->partition, offered->end};
        vector_push(&source->ends, end);
    }
}

// What was lost where that is allowed, each line a notice.
static void pipeline_plan_say_lost(struct pipeline *pipeline, struct text *note)
{
    for (const char *line = text_str(note); *line;) {
        size_t length = strcspn(line, "\n");
        struct text notice = {0};
        text_printf(&notice, "notice: %.*s", (int)length, line);
        pipeline_say(pipeline, text_str(&notice));
        text_deinit(&notice);
        line += length + (line[length] == '\n');
    }
    text_reset(note);
}

// What runs was planned over a topic that is not there any more: it would wait for ever, or read another one.
static enum status pipeline_plan_check_resets(struct pipeline *pipeline, struct error *err)
{
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct epoch_position_source *source = &pipeline->position.sources[i];
        unsigned resets = source->resets;
        source->resets = 0;
        for (size_t j = 0; resets > 0 && j < pipeline->epochs.count; j++) {
            if (pipeline->epochs.items[j]->machine.state >= EPOCH_DECIDED) continue;
            return error_set(
                err, STATUS_ERROR, ERROR_RESTART_PIPELINE,
                "source %s: %u %s truncated, created again or deleted while epoch %llu read; it is planned again",
                source->plan->name, resets, text_plural(resets, "partition was", "partitions were"),
                (unsigned long long)pipeline->epochs.items[j]->number);
        }
    }
    return STATUS_OK;
}

static enum status pipeline_plan_take_offers(struct pipeline *pipeline, struct error *err)
{
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct pipeline_source *source = &pipeline->sources[i];
        struct epoch_position_source *position = &pipeline->position.sources[i];
        enum status status = epoch_position_offer(position, &source->offer, err);
        pipeline_plan_say_lost(pipeline, &position->note);
        if (status != STATUS_OK) return status;
        source->begins = false;
        pipeline_plan_say_below(pipeline, position);
        if (!pipeline->config.available_now) continue;
        if (!pipeline->fixed) pipeline_plan_fix(source);
        epoch_position_end_at(position, source->ends.items, source->ends.count);
    }
    pipeline->fixed = pipeline->config.available_now;
    return pipeline_plan_check_resets(pipeline, err);
}

enum status pipeline_plan_begin(struct pipeline *pipeline, struct error *err)
{
    const Foreset__Manifest *from = pipeline->recovered ? pipeline->recovered->body : NULL;
    pipeline_plan_drop(pipeline);
    epoch_clock_init(&pipeline->clock, pipeline->config.plan, from);
    pipeline->attempt_ready = true;
    enum status status = epoch_position_init(&pipeline->position, pipeline->config.plan, from, err);
    if (status != STATUS_OK) return status;
    for (size_t i = 0; i < pipeline->fills.items.count; i++) {
        const struct pipeline_fill *fill = &pipeline->fills.items.items[i];
        epoch_position_fill(&pipeline->position, fill->node, fill->lines, from);
    }
    pipeline_evidence_begin(pipeline);
    pipeline_plan_sources(pipeline);
    pipeline_plan_begins(pipeline, from);
    pipeline->passed = pipeline->decided.epoch;
    pipeline->next_epoch = pipeline->decided.epoch + 1;
    pipeline->last_timestamp_us = from ? from->timestamp_us : INT64_MIN;
    pipeline->last_boot_us = clock_boot_us(pipeline->seam->clock);
    pipeline->due = pipeline->finished = false;
    pipeline->ask_at_us = pipeline->silent_us = 0;
    pipeline->offered = false; // an attempt that starts over asks again: something may be gone meanwhile
    return STATUS_OK;
}

void pipeline_plan_drop(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->epochs.count; i++) epoch_destroy(pipeline->epochs.items[i]);
    vector_reset(&pipeline->epochs);
    if (!pipeline->attempt_ready) return;
    epoch_clock_deinit(&pipeline->clock);
    epoch_position_deinit(&pipeline->position);
    pipeline->attempt_ready = false;
}

struct epoch *pipeline_plan_epoch(struct pipeline *pipeline, uint64_t number)
{
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        if (pipeline->epochs.items[i]->number == number) return pipeline->epochs.items[i];
    }
    return NULL;
}

// ---- After an error of the data ----

static Foreset__Range *pipeline_plan_copy(struct arena *arena, const Foreset__Range *range)
{
    Foreset__Range *copy = arena_alloc(arena, sizeof *copy);
    foreset__range__init(copy);
    copy->source = range->source;
    copy->topic = arena_strdup(arena, range->topic ? range->topic : "");
    copy->has_to = range->has_to;
    copy->partition = range->partition;
    copy->to = range->to;
    copy->n_files = range->n_files; // how many; the names are the source's
    return copy;
}

void pipeline_plan_serially(struct pipeline *pipeline, uint64_t failed)
{
    pipeline->serial = failed;
    vector_reset(&pipeline->bounds);
    arena_deinit(&pipeline->bounds_arena);
    arena_init(&pipeline->bounds_arena, 0);
    struct arena *arena = &pipeline->bounds_arena;
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        const struct epoch *epoch = pipeline->epochs.items[i];
        if (epoch->machine.state >= EPOCH_DECIDED || epoch->number >= failed) continue;
        if (epoch->cut.rows + epoch->cut.files == 0 || epoch_position_is_filling(&pipeline->position)) continue;
        struct epoch_position_bound bound = {.epoch = epoch->number};
        bound.ranges = arena_calloc(arena, epoch->cut.count + 1, sizeof *bound.ranges);
        for (size_t j = 0; j < epoch->cut.count; j++) {
            const Foreset__Range *range = epoch->cut.ranges[j];
            if (range->n_files > 0 || (range->has_to && range->to > range->from))
                bound.ranges[bound.count++] = pipeline_plan_copy(arena, range);
        }
        vector_push(&pipeline->bounds, bound);
    }
}

// The oldest that is not decided; NULL: the cut is free.
static const struct epoch_position_bound *pipeline_plan_bound(struct pipeline *pipeline)
{
    while (pipeline->bounds.count > 0 && pipeline->bounds.items[0].epoch <= pipeline->decided.epoch)
        vector_remove(&pipeline->bounds, 0);
    return pipeline->serial && pipeline->bounds.count > 0 ? &pipeline->bounds.items[0] : NULL;
}

// ---- Asking the sources ----

struct pipeline_plan_question {
    struct pipeline_job job;
    bool first; // nothing is decided yet
    bool fixed; // the files to read are known
};

// Until it has ended the sources are the job's alone: pipeline->polling says so.
static enum status pipeline_plan_ask(struct pipeline_job *base, struct error *err)
{
    struct pipeline *pipeline = base->pipeline;
    bool first = ((struct pipeline_plan_question *)base)->first;
    bool fixed = ((struct pipeline_plan_question *)base)->fixed && !pipeline->replay;
    for (size_t i = 0; i < pipeline->source_count; i++) {
        struct pipeline_source *source = &pipeline->sources[i];
        enum status status = STATUS_OK;
        if (i > 0 && atomic_load(&pipeline->hurry))
            return error_set(err, STATUS_ERROR, ERROR_RETRY, "the run ends: not every source was asked");
        Foreset__Source__Kind kind = pipeline->config.plan->nodes[source->node]->source->kind;
        if (kind == FORESET__SOURCE__KIND__TABLE || (kind == FORESET__SOURCE__KIND__FILES && fixed)) continue;
        if (!source->catalog) {
            status = pipeline->config.catalogs.open(pipeline->config.catalogs.context, pipeline->config.plan,
                                                    source->node, &source->catalog, err);
        }
        catalog_offer_deinit(&source->offer);
        bool begins = first || source->begins;
        if (status == STATUS_OK) status = source->catalog->ops->poll(source->catalog, begins, &source->offer, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static void pipeline_plan_say_silent(struct pipeline *pipeline, const struct error *err, int64_t most_us)
{
    struct text line = {0};
    text_printf(&line, "notice: %s. Trying again for %lld s", err->message, (long long)most_us / 1000000);
    pipeline_say(pipeline, text_str(&line));
    text_deinit(&line);
}

static void pipeline_plan_asked(struct pipeline_job *base)
{
    struct pipeline *pipeline = base->pipeline;
    pipeline->polling = false;
    if (pipeline->machine.state != PIPELINE_RUNNING) return;
    struct error err = base->err;
    enum status status = base->status;
    if (status != STATUS_OK && pipeline->drain && err.class == ERROR_RETRY) return; // it plans nothing more
    if (status != STATUS_OK && (err.class == ERROR_RETRY || err.class == ERROR_RESTART_PIPELINE)) {
        int64_t now_us = clock_boot_us(pipeline->seam->clock);
        int64_t most_us = pipeline->asked ? PIPELINE_SOURCE_SILENCE_US : PIPELINE_SOURCE_NEVER_US;
        if (pipeline->silent_us == 0) {
            pipeline->silent_us = now_us;
            pipeline_plan_say_silent(pipeline, &err, most_us);
        }
        pipeline->ask_at_us = now_us + PIPELINE_BACKOFF_US * 10;
        if (now_us - pipeline->silent_us < most_us) return;
        err.class = ERROR_FAIL_PIPELINE;
    }
    if (status == STATUS_OK && pipeline->replay) {
        pipeline_replay_offers(pipeline);
    } else if (status == STATUS_OK) {
        status = pipeline_plan_take_offers(pipeline, &err);
    }
    if (status != STATUS_OK) {
        pipeline_trouble(pipeline, &err);
        return;
    }
    if (pipeline->silent_us) pipeline_say(pipeline, "notice: the sources answer again");
    pipeline->silent_us = 0;
    pipeline->asked = pipeline->offered = true;
}

void pipeline_plan_ask_sources(struct pipeline *pipeline)
{
    struct pipeline_plan_question *ask =
        pipeline_job_create(pipeline, sizeof *ask, pipeline_plan_ask, pipeline_plan_asked, NULL);
    ask->first = pipeline->decided.epoch == 0;
    ask->fixed = pipeline->fixed;
    pipeline->polling = true;
    pipeline_job_spawn(&ask->job);
}

// ---- Planning ----

static uint64_t pipeline_plan_rows_max(const struct pipeline *pipeline)
{
    if (pipeline->rows_per_s <= 0) return PIPELINE_FIRST_ROWS;
    double seconds = (double)pipeline->config.plan->trigger_us / 1e6;
    double rows = pipeline->rows_per_s * (seconds > 1 ? seconds : 1);
    if (rows < PIPELINE_LEAST_ROWS) return PIPELINE_LEAST_ROWS;
    return rows > PIPELINE_MOST_ROWS ? PIPELINE_MOST_ROWS : (uint64_t)rows;
}

static void pipeline_plan_watermark(struct pipeline *pipeline, struct epoch *epoch)
{
    if (epoch->watermark_sent || pipeline->passed + 1 < epoch->number) return;
    for (uint32_t i = 0; i < epoch->table_count; i++)
        epoch->tables[i].candidate_us = epoch_clock_candidate(&pipeline->clock, i);
    epoch->watermark_sent = true;
    pipeline_workers_watermark(pipeline, epoch);
}

enum pipeline_plan_kind { PIPELINE_PLAN_DATA, PIPELINE_PLAN_NOTHING_READ, PIPELINE_PLAN_NO_DATA };

// Epochs' time rises. Where the clock was set back it goes on from the last epoch as fast as time passes, so that a
// table with an interval does not wait until the clock has caught up.
static int64_t pipeline_plan_time(const struct pipeline *pipeline, int64_t now_us)
{
    int64_t wall_us = clock_wall_us(pipeline->seam->clock), passed_us = now_us - pipeline->last_boot_us;
    if (wall_us > pipeline->last_timestamp_us) return wall_us;
    return pipeline->last_timestamp_us + (passed_us > 1 ? passed_us : 1);
}

void pipeline_plan_start(struct pipeline *pipeline, struct epoch *epoch, int64_t now_us)
{
    epoch->planned_us = now_us;
    vector_push(&pipeline->epochs, epoch);
    pipeline->next_epoch++;
    log_debug("epoch_planned", "pipeline=%s epoch=%llu rows=%llu files=%llu no_data=%d last=%d",
              pipeline->context.pipeline, (unsigned long long)epoch->number, (unsigned long long)epoch->cut.rows,
              (unsigned long long)epoch->cut.files, epoch->no_data, epoch->last);
    pipeline_workers_plan(pipeline, epoch);
    pipeline_plan_watermark(pipeline, epoch);
}

static void pipeline_plan_send(struct pipeline *pipeline, enum pipeline_plan_kind kind, bool last, int64_t now_us)
{
    struct error err = {0};
    if (FAILPOINT("plan.before", &err) != STATUS_OK) {
        pipeline_trouble(pipeline, &err);
        return;
    }
    struct epoch *epoch = epoch_create(pipeline->next_epoch, pipeline->config.plan, pipeline->assigned_count);
    if (kind == PIPELINE_PLAN_DATA) {
        pipeline->position.bound = pipeline_plan_bound(pipeline);
        epoch_position_take(&pipeline->position, pipeline_plan_rows_max(pipeline), &epoch->arena, &epoch->cut);
        last = last || (pipeline->config.available_now && epoch->cut.exhausted);
        if (pipeline->fills.items.count > 0 && !epoch_position_is_filling(&pipeline->position)) {
            epoch_position_unfill(&pipeline->position); // an attempt that starts over reads what is left again
            pipeline_fills_deinit(&pipeline->fills);
        }
    } else {
        epoch_position_take_nothing(&pipeline->position, &epoch->arena, &epoch->cut);
    }
    int64_t timestamp_us = pipeline_plan_time(pipeline, now_us);
    pipeline->last_timestamp_us = timestamp_us;
    pipeline->last_boot_us = now_us;
    epoch_deal(epoch, pipeline->config.plan, &pipeline->routing);
    epoch_fix(epoch, &pipeline->clock, timestamp_us, kind == PIPELINE_PLAN_NO_DATA, last);
    pipeline_plan_start(pipeline, epoch, now_us);
    if (FAILPOINT("plan.after", &err) != STATUS_OK) pipeline_trouble(pipeline, &err);
}

// Whether whatever the newest epoch turns out to do leaves open what the next one publishes.
static bool pipeline_plan_open(struct pipeline *pipeline, uint64_t newest)
{
    if (pipeline->passed == newest) return false;
    const struct epoch *epoch = pipeline_plan_epoch(pipeline, newest);
    for (uint32_t i = 0; epoch && i < pipeline->clock.count; i++) {
        // If it publishes a table with an interval, that says when the next one does.
        if (pipeline->clock.tables[i].plan->has_interval_us && epoch->tables[i].publishes_planned) return true;
    }
    return false;
}

// Whether one more epoch may run beside those that do.
static bool pipeline_plan_may(struct pipeline *pipeline)
{
    if (pipeline->move_due) return false;
    size_t unprepared = 0;
    uint64_t rows = 0, bytes = 0, newest = pipeline->next_epoch - 1;
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        const struct epoch *epoch = pipeline->epochs.items[i];
        bytes += epoch->bytes;
        if (epoch->machine.state >= EPOCH_PREPARED) continue;
        unprepared++;
        rows += epoch->cut.rows + epoch->cut.fill_rows;
    }
    if (unprepared >= PIPELINE_RUNNING_MAX && rows > PIPELINE_UNPREPARED_ROWS) return false;
    if (unprepared >= PIPELINE_UNPREPARED_MAX || pipeline->epochs.count >= PIPELINE_UNPUBLISHED_MAX) return false;
    if (bytes > PIPELINE_UNPUBLISHED_BYTES || (pipeline->serial && pipeline->epochs.count > 0)) return false;
    return pipeline->passed + PIPELINE_RUNNING_MAX > newest && !pipeline_plan_open(pipeline, newest);
}

// Unfinished batches and no-data epochs, once all rows are read (P5). True if an epoch was planned.
static bool pipeline_plan_rest(struct pipeline *pipeline, bool ends, int64_t now_us)
{
    int64_t wall_us = pipeline_plan_time(pipeline, now_us);
    if (epoch_clock_any_open(&pipeline->clock)) {
        bool due = ends;
        for (uint32_t i = 0; i < pipeline->clock.count && !due; i++) {
            due = pipeline->clock.tables[i].open && epoch_clock_publishes(&pipeline->clock, i, wall_us, false);
        }
        if (due) {
            pipeline_plan_send(pipeline, PIPELINE_PLAN_NOTHING_READ, ends, now_us);
            return true;
        }
    }
    if (pipeline->drain || !epoch_clock_moves(&pipeline->clock)) return false;
    if (FORESET_BUG("one-no-data-epoch") && pipeline->epochs.count == 0 && pipeline->built &&
        pipeline->built->body->no_data) {
        return false;
    }
    pipeline_plan_send(pipeline, PIPELINE_PLAN_NO_DATA, ends, now_us);
    return true;
}

static void pipeline_plan_at_trigger(struct pipeline *pipeline, int64_t now_us)
{
    bool ends = pipeline->config.available_now || pipeline->drain;
    bool idle = pipeline->passed == pipeline->next_epoch - 1;
    bool planned = false;
    bool begins = pipeline->next_epoch == 1 || pipeline->begins;
    pipeline->begins = false;
    if (begins && epoch_position_anchors(&pipeline->position)) {
        pipeline_plan_send(pipeline, PIPELINE_PLAN_NOTHING_READ, false,
                           now_us); // where reading starts is decided first
        return;
    }
    if (!pipeline->drain && epoch_position_has_input(&pipeline->position)) {
        pipeline_plan_send(pipeline, PIPELINE_PLAN_DATA, false, now_us);
        planned = true;
    } else if (!idle) {
        return; // what runs may still open a batch or move a watermark
    } else {
        planned = pipeline_plan_rest(pipeline, ends, now_us);
        if (!planned && ends) pipeline->finished = true;
    }
    if (pipeline->config.available_now) return;
    int64_t interval_us = pipeline->config.plan->trigger_us;
    if (interval_us < PIPELINE_IDLE_POLL_US) interval_us = PIPELINE_IDLE_POLL_US;
    pipeline->due = false;
    pipeline->offered = false;
    pipeline->trigger_at_us += interval_us;
    // A fill does not wait for triggers: all streams wait for it.
    if (pipeline->trigger_at_us < now_us || epoch_position_is_filling(&pipeline->position))
        pipeline->trigger_at_us =
            planned && epoch_position_has_input(&pipeline->position) ? now_us : now_us + interval_us;
}

void pipeline_plan_advance(struct pipeline *pipeline, int64_t now_us)
{
    if (pipeline->machine.state != PIPELINE_RUNNING || pipeline->finished) return;
    if (pipeline->replay) {
        pipeline_replay_plan(pipeline, now_us);
        return;
    }
    if (!pipeline->config.available_now && !pipeline->drain && !pipeline->due) {
        if (now_us < pipeline->trigger_at_us) return;
        if (pipeline->trigger_at_us == 0) pipeline->trigger_at_us = now_us;
        pipeline->due = true;
        pipeline->offered = false;
    }
    if (!pipeline_plan_may(pipeline) || pipeline->polling || now_us < pipeline->ask_at_us) return;
    if (!pipeline->offered && !pipeline->drain) {
        pipeline_plan_ask_sources(pipeline);
        return;
    }
    uint64_t before = pipeline->next_epoch;
    pipeline_plan_at_trigger(pipeline, now_us);
    if (pipeline->next_epoch > before && (pipeline->config.available_now || pipeline->drain)) {
        pipeline_plan_advance(pipeline, now_us); // as many as may run
    }
}

int64_t pipeline_plan_next(const struct pipeline *pipeline)
{
    if (pipeline->machine.state != PIPELINE_RUNNING) return INT64_MAX;
    if (pipeline->silent_us > 0 && !pipeline->polling) return pipeline->ask_at_us;
    if (pipeline->due || pipeline->drain) return INT64_MAX;
    return pipeline->config.available_now ? INT64_MAX : pipeline->trigger_at_us;
}

// ---- ReadDone ----

enum status pipeline_plan_read(struct pipeline *pipeline, struct error *err)
{
    for (;;) {
        struct epoch *epoch = pipeline_plan_epoch(pipeline, pipeline->passed + 1);
        if (!epoch || !epoch_all_read(epoch)) return STATUS_OK;
        ASSERT(epoch->watermark_sent);
        enum status status = epoch_pass(epoch, &pipeline->clock, err);
        if (status != STATUS_OK) return status;
        epoch->read_us = clock_boot_us(pipeline->seam->clock);
        statemachine_move(&epoch->machine, EPOCH_READ);
        pipeline->passed++;
        struct epoch *next = pipeline_plan_epoch(pipeline, pipeline->passed + 1);
        if (next) pipeline_plan_watermark(pipeline, next);
    }
}
