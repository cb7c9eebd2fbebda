// Makes one epoch's files durable and names its state snapshot parts: what stands between FROZEN and Prepared (P16).
#ifndef FORESET_WORKER_PERSIST_H
#define FORESET_WORKER_PERSIST_H

#include "worker/session.h"

struct persist {
    struct session *session;
    struct dataflow_frozen *frozen; // parts get their key and checksum
    uint64_t epoch;
    struct random random; // names; seeded by the worker
};
// Blocking, in a job. Afterwards everything that frozen->prepared names is durable and its parts are listed in it.
enum status persist_run(struct persist *persist, struct error *err) MUST_USE;

#endif
