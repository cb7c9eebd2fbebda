// The dead letters of one table on one lane (SQL.md, Bad rows): rows whose evaluation raised, in the epoch in which they came.
// Operators of the table may be an epoch ahead of its TABLE node, so rows are kept apart by epoch.
#ifndef FORESET_SINK_DEAD_LETTERS_H
#define FORESET_SINK_DEAD_LETTERS_H

#include "worker/sink/file_sink.h"

struct expr_errors;

const struct type *dead_letters_schema(void);

struct dead_letters;
// args as for the table's own files, with the dead letter table's store.
struct dead_letters *dead_letters_create(const struct file_sink_args *args);
void dead_letters_destroy(struct dead_letters *letters); // NULL allowed; removes unfinished files
// Rows of batch named by errors. The raw record comes from batch->origin; without one the row as JSON.
enum status dead_letters_add(struct dead_letters *letters, uint64_t epoch, int64_t failed_at_us, const struct batch *batch,
                             const struct expr_errors *errors, struct error *err) MUST_USE;
// Ends the epoch's file: *ret_file NULL if there were no rows.
enum status dead_letters_finish(struct dead_letters *letters, uint64_t epoch, int64_t modified_ms,
                                Foreset__DataFile **ret_file, struct error *err) MUST_USE;

#endif
