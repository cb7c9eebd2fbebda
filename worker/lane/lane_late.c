// Files that lanes have sealed and the worker's job completes (P11): last pages, footers, statistics.
// The happy path: made with the epoch's report, run once by a job, destroyed with the report. What can fail: the store,
// memory; the epoch then fails, and what is incomplete is removed. A report may outlive the lanes that made it, and the
// stores with them (an event that nobody took): so a group that closes first closes the sinks of every report that is
// still about. No run is under way then: a session closes its data flow after its last job.
#include "worker/lane/lane_late.h"

#include <pthread.h>

#include "common/base/error.h"

struct lane_lates {
    pthread_mutex_t lock;
    uint32_t refs; // the group, and every late
    struct lane_late *first;
};

struct lane_late {
    struct dataflow_late base;
    struct lane_lates *lates;
    struct lane_late *previous, *next;
    VECTOR(struct file_sink_rest) rest; // their files belong to the report; emptied when the group closes
    bool closed;
};

struct lane_lates *lane_lates_create(void)
{
    struct lane_lates *lates = memory_calloc(1, sizeof *lates);
    pthread_mutex_init(&lates->lock, NULL);
    lates->refs = 1;
    return lates;
}

// Unlocks.
static void lates_unref(struct lane_lates *lates)
{
    bool last = --lates->refs == 0;
    pthread_mutex_unlock(&lates->lock);
    if (!last) return;
    pthread_mutex_destroy(&lates->lock);
    memory_free(lates);
}

static void late_close_sinks(struct lane_late *late)
{
    for (size_t i = 0; i < late->rest.count; i++) file_sink_close(late->rest.items[i].sink);
    vector_deinit(&late->rest);
    late->closed = true;
}

void lane_lates_close(struct lane_lates *lates)
{
    if (!lates) return;
    pthread_mutex_lock(&lates->lock);
    for (struct lane_late *late = lates->first; late; late = late->next) late_close_sinks(late);
    lates_unref(lates);
}

static enum status late_run(struct dataflow_late *base, struct error *err)
{
    struct lane_late *late = (struct lane_late *)base;
    ASSERT(!late->closed);
    for (size_t i = 0; i < late->rest.count; i++) {
        struct file_sink_rest *rest = &late->rest.items[i];
        enum status status = file_sink_complete(rest->sink, rest->file, err);
        if (status != STATUS_OK) return status;
        file_sink_close(rest->sink);
        rest->sink = NULL;
    }
    return STATUS_OK;
}

static void late_destroy(struct dataflow_late *base)
{
    struct lane_late *late = (struct lane_late *)base;
    struct lane_lates *lates = late->lates;
    pthread_mutex_lock(&lates->lock);
    if (late->previous) late->previous->next = late->next;
    if (late->next) late->next->previous = late->previous;
    if (lates->first == late) lates->first = late->next;
    late_close_sinks(late);
    lates_unref(lates);
    memory_free(late);
}

struct lane_late *lane_late_create(struct lane_lates *lates)
{
    static const struct dataflow_late_ops ops = {.run = late_run, .destroy = late_destroy};
    struct lane_late *late = memory_calloc(1, sizeof *late);
    late->base.ops = &ops;
    late->lates = lates;
    pthread_mutex_lock(&lates->lock);
    lates->refs++;
    late->next = lates->first;
    if (late->next) late->next->previous = late;
    lates->first = late;
    pthread_mutex_unlock(&lates->lock);
    return late;
}

void lane_late_add(struct lane_late *late, struct file_sink_rest rest)
{
    vector_push(&late->rest, rest);
}

struct dataflow_late *lane_late_base(struct lane_late *late)
{
    return &late->base;
}
