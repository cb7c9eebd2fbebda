// A worker process among the others of a cluster: says hello to every coordinator, learns from the leader which
// pipelines it serves. One state machine behind the seam; the pipelines' own workers (worker.h) are its host's.
#ifndef FORESET_WORKER_NODE_H
#define FORESET_WORKER_NODE_H

#include "common/base/memory.h"
#include "common/rpc/rpc.h"
#include "common/rpc/seam.h"

struct node_config {
    const char *name;
    const char *url; // where others reach it
    const char *version;
    uint32_t lanes;
    uint64_t memory_bytes;
    struct budget *budget;
    const struct rpc_counters *network; // NULL: not told
    uint32_t coordinator_count;         // dialled by the host as peers 1, 2, …
    // Called on the role's thread.
    void (*follow)(void *context, uint32_t leader, const char *url); // from now on `leader` is to be reached there
    void (*serve)(void *context, uint64_t channel, const char *pipeline, uint32_t leader); // once per leader
    void (*drop)(void *context, uint64_t channel);
    void (*refused)(void *context, const char *why, bool final);
    void (*left)(void *context); // after node_leave_event: the process may end
    // In a job, may block: no leader has answered for a while. NULL: nobody listens.
    void (*unheard)(void *context);
    void *context;
};

struct node;
struct node *node_create(const struct node_config *config, struct seam *seam);
void node_role(struct node *node, struct seam_role *ret_role); // takes Cluster messages, without their envelope
// An event for the role: hand over what is held, then `left`; post it with role_thread_post, once.
void *node_leave_event(void);
void node_destroy(struct node *node);

#endif
