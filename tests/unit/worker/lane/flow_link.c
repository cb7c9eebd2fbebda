// The network (see the header). Frames to a worker that is not there are lost.
#include "tests/unit/worker/lane/flow_link.h"

#include <string.h>

#include "common/base/thread.h"
#include "tests/unit/worker/lane/flow_fixture.h"

void flow_link_init(struct flow_link *link, struct flow *flow)
{
    link->flow = flow;
    random_init(&link->random, 11);
    pthread_mutex_init(&link->lock, NULL);
    pthread_cond_init(&link->filled, NULL);
}

void flow_link_reset(struct flow_link *link)
{
    for (uint32_t i = 0; i < FLOW_WORKERS_MAX * FLOW_WORKERS_MAX; i++) {
        struct flow_link_queue *queue = &link->queues[i / FLOW_WORKERS_MAX][i % FLOW_WORKERS_MAX];
        for (size_t k = 0; k < queue->frames.count; k++) text_deinit(&queue->frames.items[k]);
        vector_deinit(&queue->frames);
    }
}

void flow_link_deinit(struct flow_link *link)
{
    flow_link_reset(link);
    pthread_mutex_destroy(&link->lock);
    pthread_cond_destroy(&link->filled);
}

static void link_push(struct flow_link *link, uint32_t from, uint32_t to, const char *bytes, size_t size)
{
    struct text frame = {0};
    text_append(&frame, bytes, size);
    vector_push(&link->queues[from][to].frames, frame);
    pthread_cond_signal(&link->filled);
}

void flow_link_order(struct flow_link *link, const uint32_t *order)
{
    pthread_mutex_lock(&link->lock);
    memcpy(link->order, order, sizeof link->order);
    pthread_mutex_unlock(&link->lock);
}

void flow_link_send(struct flow_link *link, uint32_t from, uint32_t worker, const void *bytes, size_t size)
{
    enum flow_link_fate fate = FLOW_LINK_DELIVER;
    struct text frame = {0};
    text_append(&frame, bytes, size);
    pthread_mutex_lock(&link->lock);
    uint32_t to = link->order[worker];
    link->frames++;
    link->bytes += size;
    if (link->fate) fate = link->fate(link->fate_context, from, to, &frame);
    if (fate != FLOW_LINK_LOSE) link_push(link, from, to, frame.data, frame.length);
    if (fate == FLOW_LINK_REPEAT) link_push(link, from, to, frame.data, frame.length);
    pthread_mutex_unlock(&link->lock);
    text_deinit(&frame);
}

void flow_link_inject(struct flow_link *link, uint32_t from, uint32_t to, const void *bytes, size_t size)
{
    pthread_mutex_lock(&link->lock);
    link_push(link, from, to, bytes, size);
    pthread_mutex_unlock(&link->lock);
}

// Under the lock. False: nothing is under way.
static bool link_pop(struct flow_link *link, struct text *ret_frame, uint32_t *ret_from, uint32_t *ret_to)
{
    uint32_t count = FLOW_WORKERS_MAX * FLOW_WORKERS_MAX, first = (uint32_t)random_below(&link->random, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (first + i) % count;
        struct flow_link_queue *queue = &link->queues[at / FLOW_WORKERS_MAX][at % FLOW_WORKERS_MAX];
        if (queue->frames.count == 0) continue;
        *ret_frame = queue->frames.items[0];
        vector_remove(&queue->frames, 0);
        *ret_from = at / FLOW_WORKERS_MAX;
        *ret_to = at % FLOW_WORKERS_MAX;
        return true;
    }
    return false;
}

static void link_hand_over(struct flow_link *link, struct text *frame, uint32_t from, uint32_t to)
{
    const struct flow *flow = link->flow;
    struct dataflow *dataflow = flow->at[to].dataflow;
    for (uint32_t i = 0; dataflow && i < flow->workers; i++) {
        if (flow->order[i] == from) dataflow->ops->receive(dataflow, i, frame->data, frame->length);
    }
    text_deinit(frame);
}

bool flow_link_deliver(struct flow_link *link)
{
    struct text frame;
    uint32_t from, to;
    pthread_mutex_lock(&link->lock);
    bool found = link_pop(link, &frame, &from, &to);
    pthread_mutex_unlock(&link->lock);
    if (found) link_hand_over(link, &frame, from, to);
    return found;
}

static void *link_run(void *argument)
{
    struct flow_link *link = argument;
    pthread_mutex_lock(&link->lock);
    while (!link->stopping) {
        struct text frame;
        uint32_t from, to;
        if (!link_pop(link, &frame, &from, &to)) {
            pthread_cond_wait(&link->filled, &link->lock);
            continue;
        }
        pthread_mutex_unlock(&link->lock);
        link_hand_over(link, &frame, from, to);
        pthread_mutex_lock(&link->lock);
    }
    pthread_mutex_unlock(&link->lock);
    return NULL;
}

void flow_link_start(struct flow_link *link)
{
    link->stopping = false;
    link->running = true;
    thread_create(&link->thread, "flow-link", link_run, link);
}

void flow_link_stop(struct flow_link *link)
{
    if (!link->running) return;
    pthread_mutex_lock(&link->lock);
    link->stopping = true;
    pthread_cond_signal(&link->filled);
    pthread_mutex_unlock(&link->lock);
    thread_join(link->thread);
    link->running = false;
}
