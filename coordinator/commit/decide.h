// Decides consecutive prepared epochs: checks that they could be put, stores their manifests, and records them in one
// kv transaction, the only commit point (P17, P18).
#ifndef FORESET_COMMIT_DECIDE_H
#define FORESET_COMMIT_DECIDE_H

#include "coordinator/commit/table_logs.h"

struct decide {
    const struct commit_context *context;
    struct table_logs *logs; // for the check; nobody else uses them meanwhile
    struct manifest *manifests[META_DECIDE_MAX];
    size_t count;
    struct meta_record previous; // the last decided epoch
};
// Blocking, in a job. OK: decided. FAIL_PIPELINE: nothing decided (P17). FENCED: another leads. RETRY: unknown;
// recovery finds out.
enum status decide_run(struct decide *decide, struct error *err) MUST_USE;

#endif
