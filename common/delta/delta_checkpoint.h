// Log checkpoints (Delta protocol, Checkpoints): the state of one version in one Parquet file, so that readers need
// not replay the log from its start. A failed one harms nobody.
#ifndef FORESET_DELTA_DELTA_CHECKPOINT_H
#define FORESET_DELTA_DELTA_CHECKPOINT_H

#include "common/delta/delta_commit.h"
#include "common/delta/delta_table.h"

// Opens the table at `version` on its own, writes _delta_log/<version>.checkpoint.parquet and then _last_checkpoint. A
// checkpoint that is there already is left as it is. Passes the failpoints checkpoint.before and checkpoint.after.
// now_ms: for the retention of tombstones. STATUS_UNSUPPORTED: the table wants another kind of checkpoint
// (delta.checkpointPolicy = v2).
enum status delta_checkpoint_write(struct objstore *store, int64_t version, int64_t now_ms, struct budget *budget,
                                   struct error *err) MUST_USE;
// The same; `guard` is asked right before each put and delete (delta_commit_put_guarded).
enum status delta_checkpoint_write_guarded(struct objstore *store, int64_t version, int64_t now_ms,
                                           struct budget *budget, delta_commit_guard guard, const void *context,
                                           struct error *err) MUST_USE;
// delta.checkpointInterval of a table, default 10.
int64_t delta_checkpoint_interval(const struct delta_table *table);

// Called for each action of a checkpoint file; texts live until the callback returns.
typedef enum status (*delta_checkpoint_visit)(void *context, const struct delta_action *action, struct error *err);
// Reads one checkpoint file (Parquet, or JSON of a V2 checkpoint), by names and annotations, as Spark and delta-rs
// write them. files: also adds and removes, else they are skipped unread. Sidecars are visited as actions, not opened.
enum status delta_checkpoint_read(struct objstore *store, const char *key, bool files, delta_checkpoint_visit visit,
                                  void *context, struct error *err) MUST_USE;

#endif
