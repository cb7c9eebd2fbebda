// Adopting (P1, P21): the kv store does not know the pipeline, but its tables do. The newest manifest named in any of
// their logs is where it goes on.
#ifndef FORESET_COMMIT_ADOPT_H
#define FORESET_COMMIT_ADOPT_H

#include "coordinator/commit/table_logs.h"

// Blocking. id "" and epoch 0: no table names a pipeline. ret_generation: the greatest that any file name carries.
// Tables of different pipelines: FAIL_PIPELINE.
enum status adopt_find(struct table_logs *logs, struct commit_context *context, char ret_id[37],
                       struct meta_record *ret_record, uint64_t *ret_generation, struct error *err) MUST_USE;
// The manifest that the newest commit of pipeline `id` in a refreshed log names, if its epoch is above the record's.
enum status adopt_scan(struct table_log *log, const char *id, struct meta_record *record, struct error *err) MUST_USE;

#endif
