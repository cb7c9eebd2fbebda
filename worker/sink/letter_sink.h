// The dead letters of one table on one lane (SQL.md, Bad rows): rows whose evaluation raised, in the epoch in which
// they came. Operators of the table may be an epoch ahead of its TABLE node, so rows are kept apart by epoch.
#ifndef FORESET_SINK_LETTER_SINK_H
#define FORESET_SINK_LETTER_SINK_H

#include "worker/sink/file_sink.h"

struct expr_errors;

struct letter_sink;
// args as for the table's own files, with the dead letter table's store.
struct letter_sink *letter_sink_create(const struct file_sink_args *args);
void letter_sink_destroy(struct letter_sink *letters); // NULL allowed; removes unfinished files
// Rows of batch named by errors. The raw record comes from batch->origin; without one the row as JSON.
enum status letter_sink_add(struct letter_sink *letters, uint64_t epoch, int64_t failed_at_us,
                            const struct batch *batch, const struct expr_errors *errors, struct error *err) MUST_USE;
// Ends the epoch's file: *ret_file NULL if there were no rows.
enum status letter_sink_finish(struct letter_sink *letters, uint64_t epoch, int64_t modified_ms,
                               Foreset__DataFile **ret_file, struct error *err) MUST_USE;

#endif
