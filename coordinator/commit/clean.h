// Deletes what no decided epoch names and nobody will ever name (P24).
#ifndef FORESET_COMMIT_CLEAN_H
#define FORESET_COMMIT_CLEAN_H

#include "coordinator/commit/table_logs.h"

#define CLEAN_MANIFESTS_MIN 10
#define CLEAN_MANIFESTS_MAX 2000

struct clean {
    const struct commit_context *context;
    const Foreset__Plan *plan; // with the columns as the tables spell them; NULL: the context's
    struct table_logs *logs;   // for their stores; nobody else uses them meanwhile
    struct meta_record last;   // the last decided epoch, as the leader knows it
    uint64_t published;
    int64_t grace_us;
    uint64_t deleted; // out
};
// Blocking, in a job. Failing harms nobody: what is left is found the next time.
enum status clean_run(struct clean *clean, struct error *err) MUST_USE;

#endif
