// What a role (coordinator, worker) sees of the world besides its stores: time, chance, the network, and a place to
// run blocking work. Production: role_thread.c (threads, nng). Simulator: tests/sim (one process, virtual time).
//
// A role is an event-driven state machine on one thread. It never blocks: what blocks is a job. A job runs elsewhere
// in plain blocking style against kv, object stores and tables, owns everything it touches, and comes back as an event.
#ifndef FORESET_RPC_SEAM_H
#define FORESET_RPC_SEAM_H

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/random.h"

struct seam_job {
    struct seam_job *next;
    void (*run)(struct seam_job *job);  // elsewhere; may block
    void (*done)(struct seam_job *job); // on the role's thread: uses the result and frees the job
    void (*drop)(struct seam_job *job); // instead of done when the role is gone: frees the job, touches nothing else
};

struct seam {
    const struct seam_ops *ops;
    struct clock *clock;
    struct random *random; // the role's thread only
};
struct seam_ops {
    // Role's thread. Bytes are copied. Never blocks, never resends (P15): a message may be lost.
    void (*send)(struct seam *seam, uint32_t peer, const void *bytes, size_t size);
    void (*spawn)(struct seam *seam, struct seam_job *job);
    // In a job: wait; shorter when the role is being stopped.
    void (*sleep)(struct seam *seam, int64_t us);
    // In a job or on the role's thread: the role is being stopped; a job gives up at its next safe point.
    bool (*stopping)(struct seam *seam);
};

// How a role is driven. Every call comes from the role's one thread.
struct seam_role {
    void *role;
    void (*message)(void *role, uint32_t peer, const void *bytes, size_t size);
    void (*event)(void *role, void *event); // what role_thread_post was given; the role owns it
    void (*event_drop)(void *event);        // the role is gone: free it
    // The network says that a peer's process has ended (rpc.h: refused). It may be wrong. NULL: not asked for.
    void (*gone)(void *role, uint32_t peer);
    // Something that was sent to this peer did not arrive, or may not have (rpc.h: lost). NULL: not asked for.
    void (*lost)(void *role, uint32_t peer, bool silent);
    int64_t (*tick)(void *role); // after every event and at the time it returned: boot_us of the next, INT64_MAX: none
};

#endif
