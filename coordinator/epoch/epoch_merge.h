// The manifest of an epoch: the manifest before it, the plan, and the workers' reports put together.
#ifndef FORESET_EPOCH_EPOCH_MERGE_H
#define FORESET_EPOCH_EPOCH_MERGE_H

#include "coordinator/commit/commit_context.h"
#include "coordinator/epoch/epoch.h"

// previous NULL: the first epoch. Contradictions between reports, plan and clocks are RESTART_PIPELINE, never repaired.
enum status epoch_merge(struct epoch *epoch, const struct commit_context *context, const struct manifest *previous,
                        struct manifest **ret_manifest, struct error *err) MUST_USE;

#endif
