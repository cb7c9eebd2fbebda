// Epochs that wait for their sources. While one is read and nothing moves, the sources are asked again, so that a topic
// which was deleted, truncated or created again is noticed though no epoch can be planned (P7); then a notice reports
// the wait. A drain does not wait for ever: after PIPELINE_STALL_DRAIN_US without progress the run ends
// (FAIL_PIPELINE). What is decided is published; the epochs that were not read never happened and are read again by the
// next run.
#include "coordinator/pipeline/pipeline_private.h"

#include <inttypes.h>

#include "common/base/hash.h"
#include "common/base/log.h"

#define PIPELINE_STALL_ASK_US   5000000  // without progress: asks the sources, and again after as long
#define PIPELINE_STALL_SAY_US   10000000 // tells of it
#define PIPELINE_STALL_DRAIN_US 10000000 // a drain ends

// The oldest epoch that waits for a source; NULL: none does.
static const struct epoch *pipeline_stall_epoch(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        const struct epoch *epoch = pipeline->epochs.items[i];
        bool unverified = pipeline->verify_silent_us != 0 && !epoch->verified;
        if (epoch->machine.state < EPOCH_READ || unverified) return epoch;
    }
    return NULL;
}

// Another number whenever something moved.
static uint64_t pipeline_stall_mark(const struct pipeline *pipeline)
{
    uint64_t mark = hash_mix(pipeline->passed, pipeline->decided.epoch);
    for (size_t i = 0; i < pipeline->worker_count; i++) mark = hash_mix(mark, pipeline->workers[i].rows_in);
    uint64_t done = 0; // that an epoch is planned is no progress
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        const struct epoch *epoch = pipeline->epochs.items[i];
        for (size_t k = 0; k < epoch->worker_count; k++) done += epoch->reports[k].read_done;
    }
    return hash_mix(mark, done);
}

// "epoch 7 waits for source bronze/source-1: topic events, partition 0, offsets 100 to 199 and 3 more partitions"
static void pipeline_stall_describe(const struct pipeline *pipeline, const struct epoch *epoch, struct text *text)
{
    const Foreset__Range *first = NULL;
    size_t more = 0;
    for (size_t i = 0; i < epoch->cut.count; i++) {
        const Foreset__Range *range = epoch->cut.ranges[i];
        if (!range->has_to || range->to <= range->from) continue;
        more += first != NULL;
        if (!first) first = range;
    }
    text_printf(text, "epoch %" PRIu64 " waits for its sources", epoch->number);
    if (!first) return;
    text_printf(text, ": source %s, topic %s, partition %d, offsets %" PRId64 " to %" PRId64,
                pipeline->config.plan->nodes[first->source]->source->name, first->topic ? first->topic : "",
                first->partition, first->from, first->to - 1);
    if (more > 0) text_printf(text, ", and %zu more", more);
}

static void pipeline_stall_say(struct pipeline *pipeline, const struct epoch *epoch, int64_t quiet_us)
{
    struct text text = {0};
    text_append_str(&text, "notice: ");
    pipeline_stall_describe(pipeline, epoch, &text);
    text_printf(&text, "; nothing has come for %" PRId64 " s. Check the brokers and the topic", quiet_us / 1000000);
    pipeline_say(pipeline, text_str(&text));
    text_deinit(&text);
}

static void pipeline_stall_give_up(struct pipeline *pipeline, const struct epoch *epoch, int64_t quiet_us)
{
    struct error err;
    struct text text = {0};
    pipeline_stall_describe(pipeline, epoch, &text);
    (void)error_set(&err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                    "the drain was given up after %" PRId64
                    " s without progress: %s. Nothing is lost: what is decided is published, the next run reads the "
                    "rest. Check the brokers and the topic",
                    quiet_us / 1000000, text_str(&text));
    text_deinit(&text);
    pipeline_trouble(pipeline, &err);
}

void pipeline_stall_tick(struct pipeline *pipeline, int64_t now_us)
{
    const struct epoch *epoch = pipeline->machine.state == PIPELINE_RUNNING ? pipeline_stall_epoch(pipeline) : NULL;
    uint64_t mark = epoch ? pipeline_stall_mark(pipeline) : 0;
    if (!epoch || mark != pipeline->stall_mark || pipeline->stall_us == 0) {
        pipeline->stall_mark = mark;
        pipeline->stall_us = now_us;
        pipeline->stall_ask_at_us = now_us + PIPELINE_STALL_ASK_US;
        pipeline->stall_said = false;
        return;
    }
    int64_t quiet_us = now_us - pipeline->stall_us;
    int64_t drain_us = pipeline->drain ? now_us - pipeline->drain_us : 0;
    if (drain_us >= PIPELINE_STALL_DRAIN_US && quiet_us >= PIPELINE_STALL_DRAIN_US) {
        pipeline_stall_give_up(pipeline, epoch, quiet_us);
        return;
    }
    if (quiet_us >= PIPELINE_STALL_SAY_US && !pipeline->stall_said) {
        pipeline->stall_said = true;
        pipeline_stall_say(pipeline, epoch, quiet_us);
    }
    if (now_us < pipeline->stall_ask_at_us || now_us < pipeline->ask_at_us || pipeline->polling) return;
    log_info("stalled", "pipeline=%s epoch=%" PRIu64 " quiet_ms=%" PRId64, pipeline->context.pipeline, epoch->number,
             quiet_us / 1000);
    pipeline->stall_ask_at_us = now_us + PIPELINE_STALL_ASK_US;
    pipeline_plan_ask_sources(pipeline);
}
