// The worker's control state machine: registers with the leader, runs the data flow it is given, makes what the data
// flow froze durable, reports. It never commits.
#ifndef FORESET_WORKER_WORKER_H
#define FORESET_WORKER_WORKER_H

#include "common/rpc/seam.h"
#include "common/objstore/store_opener.h"
#include "worker/lane/dataflow.h"

struct worker_config {
    const char *name;
    const char *url; // where other workers reach this one; NULL: there are none
    uint32_t lanes;
    uint64_t memory_bytes;
    const uint32_t *coordinators; // peers that may lead; Register goes to all of them
    size_t coordinator_count;
    dataflow_open flow_open;
    struct store_opener stores;
    struct budget *budget; // NULL: none
    size_t piece_bytes;    // messages of up to this size go in one frame (P15); 0: CONTROL_PIECE_BYTES
    // Brings a data flow's event to worker_event, on the worker's thread; called from any thread.
    void (*post)(void *context, struct dataflow_event *event);
    // To other workers (exchange frames), which an Assign names. Any thread; NULL: there are none.
    void (*dial)(void *context, uint32_t peer, const char *url);
    // Whether the process behind this number may call itself so; NULL: any may. Else its frames are dropped.
    enum status (*worker_name)(void *context, uint32_t peer, const char *name, struct error *err);
    void (*send_frame)(void *context, uint32_t peer, const void *bytes, size_t size);
    void *context;
};

struct worker;
struct worker *worker_create(const struct worker_config *config, struct seam *seam);
void worker_role(struct worker *worker, struct seam_role *ret_role);
// An exchange frame of another worker. Any thread, borrowed bytes; not once the role is being stopped.
void worker_receive(struct worker *worker, uint32_t peer, const void *bytes, size_t size);
// After the role has been stopped: no job runs any more.
void worker_destroy(struct worker *worker);
const char *worker_state_name(const struct worker *worker);

#endif
