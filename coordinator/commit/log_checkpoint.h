// Delta log checkpoints, off the commit path (P20).
#ifndef FORESET_COMMIT_LOG_CHECKPOINT_H
#define FORESET_COMMIT_LOG_CHECKPOINT_H

#include "coordinator/commit/table_log.h"

// Blocking, in a job of its own. Failing harms nobody.
enum status log_checkpoint_run(const struct commit_context *context, uint32_t table, bool dead_letters, int64_t version,
                               struct error *err) MUST_USE;

#endif
