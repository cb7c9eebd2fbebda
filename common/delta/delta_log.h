// The files of _delta_log: which commits and checkpoints there are, and reading one commit.
#ifndef FORESET_DELTA_DELTA_LOG_H
#define FORESET_DELTA_DELTA_LOG_H

#include "common/delta/delta_action.h"
#include "common/objstore/objstore.h"

#define DELTA_VERSION_LATEST INT64_MAX

// One commit file, read. Texts live in its arena.
struct delta_commit {
    int64_t version;
    struct arena arena;
    VECTOR(struct delta_action) actions;  // in the file's order, UNKNOWN ones left out
    const struct delta_commit_info *info; // into actions; NULL: none
};
void delta_log_commit_destroy(struct delta_commit *commit); // NULL allowed
// STATUS_NOT_FOUND if there is no such version.
enum status delta_log_commit_read(struct objstore *store, int64_t version, struct delta_commit **ret_commit,
                                  struct error *err) MUST_USE;
// From bytes; for tests, the fuzzer, and a check of what is about to be written.
enum status delta_log_commit_parse(const char *bytes, size_t size, int64_t version, struct delta_commit **ret_commit,
                                   struct error *err) MUST_USE;

// What reconstructs one version: a checkpoint's files (none: the log from version 0) and the commits behind it.
struct delta_segment {
    int64_t version;
    int64_t checkpoint_version;        // -1: none
    VECTOR(char *) checkpoint_keys;    // one, or all parts in order
    int64_t first_commit, last_commit; // first > last: none
    int64_t latest_listed;             // greatest commit seen
};
void delta_log_segment_deinit(struct delta_segment *segment);
// Checkpoints that turned out to be damaged, by the key of their first file.
struct delta_log_skip {
    VECTOR(char *) keys;
};
void delta_log_skip_add(struct delta_log_skip *skip, const char *key);
void delta_log_skip_deinit(struct delta_log_skip *skip);
// STATUS_NOT_FOUND: not a Delta table, or no such version. STATUS_CORRUPT names the file: commits are missing in
// between, or a checkpoint that cannot be used (in `skip`, or a part is missing) is newer than the other files reach.
enum status delta_log_segment_find(struct objstore *store, int64_t version, const struct delta_log_skip *skip,
                                   struct delta_segment *ret_segment, struct error *err) MUST_USE;
// Versions of all commit files present, ascending (for the history).
struct delta_versions {
    VECTOR(int64_t) items;
};
enum status delta_log_versions(struct objstore *store, struct delta_versions *ret_versions, struct error *err) MUST_USE;
// The version that _last_checkpoint names, if it is above `floor` and a file of that checkpoint exists (the hint alone
// proves nothing); else -1.
enum status delta_log_checkpoint_beyond(struct objstore *store, int64_t floor, int64_t *ret_version,
                                        struct error *err) MUST_USE;

#endif
