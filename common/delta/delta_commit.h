// One commit of a table: built from plain structs, put if absent, read back. The loop of P19 is the caller's.
#ifndef FORESET_DELTA_DELTA_COMMIT_H
#define FORESET_DELTA_DELTA_COMMIT_H

#include "common/base/text.h"
#include "common/delta/delta_log.h"

struct delta_commit_content {
    struct delta_commit_info info;         // written first; txn_id is required
    const struct delta_protocol *protocol; // NULL: unchanged (required for version 0)
    const struct delta_metadata *metadata; // NULL: unchanged (required for version 0)
    const struct delta_txn *txns;
    uint32_t txn_count;
    const struct delta_remove *removes;
    uint32_t remove_count;
    const struct delta_add *adds;
    uint32_t add_count;
};

// The commit's NDJSON. What breaks the log's rules (a path twice, a partition value missing, no txn_id, a negative
// size) is STATUS_INVALID; the text is read back before it is given out, so that nothing is committed that cannot be
// read.
enum status delta_commit_encode(const struct delta_commit_content *content, struct text *ret_text,
                                struct error *err) MUST_USE;
// Puts version N if absent. Passes the failpoints put.before and put.after.
//   STATUS_EXISTS    another commit has this version: update, check, take the next number
//   STATUS_CONFLICT  a log checkpoint at or above N exists (P19): the log was cleaned, nothing was put
//   STATUS_UNKNOWN   it may be there: settle by delta_commit_read and delta_commit_is
enum status delta_commit_put(struct objstore *store, int64_t version, const char *bytes, size_t size,
                             struct error *err) MUST_USE;
// The same; `guard` is asked when all has been read and nothing but the put is left to do, and what it refuses is not
// put: reading may have stood still for longer than the right to write holds (P3).
typedef enum status (*delta_commit_guard)(const void *context, struct error *err);
enum status delta_commit_put_guarded(struct objstore *store, int64_t version, const char *bytes, size_t size,
                                     delta_commit_guard guard, const void *context, struct error *err) MUST_USE;
// Version N as it is in the log; STATUS_NOT_FOUND. Frees with delta_log_commit_destroy.
enum status delta_commit_read(struct objstore *store, int64_t version, struct delta_commit **ret_commit,
                              struct error *err) MUST_USE;
// Whether it is the commit that was written with this txn_id.
bool delta_commit_is(const struct delta_commit *commit, const char *txn_id);
// The remove of a live file; path, partition values and deletion vector are borrowed from the add.
struct delta_remove delta_commit_remove_of(const struct delta_add *add, int64_t deletion_ms, bool data_change);

#endif
