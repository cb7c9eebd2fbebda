// A network between the workers of a flow under test: each pair of workers keeps its order, pairs overtake each other
// at random. Stepped: the test delivers frame by frame; threaded: a thread does. A test may look at every frame and
// lose, repeat or replace it.
#ifndef FORESET_TEST_FLOW_LINK_H
#define FORESET_TEST_FLOW_LINK_H

#include <pthread.h>

#include "common/base/random.h"
#include "common/base/text.h"
#include "common/base/vector.h"

#define FLOW_WORKERS_MAX 3

struct flow;
enum flow_link_fate { FLOW_LINK_DELIVER, FLOW_LINK_LOSE, FLOW_LINK_REPEAT };
struct flow_link_queue {
    VECTOR(struct text) frames;
};
struct flow_link {
    struct flow *flow;
    struct random random;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct flow_link_queue queues[FLOW_WORKERS_MAX][FLOW_WORKERS_MAX];
    uint32_t order[FLOW_WORKERS_MAX]; // by worker of the routing: which process
    bool running, stopping;
    pthread_t thread;
    uint64_t frames, bytes; // sent so far
    // Between two processes; may alter the frame. NULL: all are delivered. Under the link's lock.
    enum flow_link_fate (*fate)(void *context, uint32_t from, uint32_t to, struct text *frame);
    void *fate_context;
};
void flow_link_init(struct flow_link *link, struct flow *flow);
void flow_link_deinit(struct flow_link *link);
void flow_link_reset(struct flow_link *link); // what is under way is lost
void flow_link_order(struct flow_link *link, const uint32_t *order);
void flow_link_start(struct flow_link *link);
void flow_link_stop(struct flow_link *link);
// from: a process; worker: of the routing.
void flow_link_send(struct flow_link *link, uint32_t from, uint32_t worker, const void *bytes, size_t size);
bool flow_link_deliver(struct flow_link *link); // one frame; false: there is none
// Puts a frame of the test's own under way.
void flow_link_inject(struct flow_link *link, uint32_t from, uint32_t to, const void *bytes, size_t size);

#endif
