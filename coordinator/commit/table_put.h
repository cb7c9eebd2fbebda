// Puts one decided epoch of one table into its Delta log: exactly once, whatever happened before (P19).
#ifndef FORESET_COMMIT_TABLE_PUT_H
#define FORESET_COMMIT_TABLE_PUT_H

#include "coordinator/commit/table_log.h"

struct table_put_result {
    bool committed;  // by this call or an earlier one; false: the epoch changes nothing in this log
    int64_t version; // of the commit if this call made it, else the log's
};
// Blocking, in a job. ERROR_BLOCKED: the log is not as the manifest says it must be; a person decides.
enum status table_put_run(struct table_log *log, const struct manifest *manifest, struct random *random,
                          struct table_put_result *ret_result, struct error *err) MUST_USE;
// The add action of a data file; texts in the arena or the file's own. modified_ms: where the file does not say.
struct delta_add table_put_add(const Foreset__DataFile *file, int64_t modified_ms, struct arena *arena);
// P17, before the epoch is decided: whether it could be put now.
enum status table_put_check(struct table_log *log, const struct manifest *manifest, struct error *err) MUST_USE;

#endif
