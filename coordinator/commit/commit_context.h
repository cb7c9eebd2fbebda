// What every blocking step of a commit needs. Read-only while jobs run; each job has its own.
#ifndef FORESET_COMMIT_COMMIT_CONTEXT_H
#define FORESET_COMMIT_COMMIT_CONTEXT_H

#include "common/objstore/store_opener.h"
#include "coordinator/commit/manifest.h"
#include "coordinator/commit/file_filter.h"
#include "coordinator/meta/meta_store.h"
#include "proto/plan.pb-c.h"

struct commit_context {
    const char *pipeline; // its name
    char pipeline_id[37]; // "" until recovery knows it
    uint64_t generation;
    const Foreset__Plan *plan;
    char plan_hash[17]; // of the packed plan: names its copy in the state store
    struct seam *seam;
    struct meta_store *meta; // with its lease
    struct objstore *state;  // manifests/ and state/
    const struct store_opener *stores;
    struct budget *budget;
    file_filter filter; // NULL: file_filter_run
};

#endif
