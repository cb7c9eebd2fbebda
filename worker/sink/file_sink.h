// One Parquet file of a table, written straight into the object store as rows come (P16 names it). Nothing of it is
// seen or durable before a commit names it and the worker has synced it; a file that is not finished is removed.
#ifndef FORESET_SINK_FILE_SINK_H
#define FORESET_SINK_FILE_SINK_H

#include "common/base/random.h"
#include "common/columnar/batch.h"
#include "common/objstore/objstore.h"
#include "common/parquet/parquet_writer.h"
#include "proto/manifest.pb-c.h"
#include "proto/plan.pb-c.h"

// What all files of a table on one lane share.
struct file_sink_args {
    struct objstore *store;
    const struct type *schema; // of the file: no partition columns
    enum parquet_codec codec;
    int32_t stats_columns;   // leaf columns with statistics, -1: all
    const char *stats_names; // delta.dataSkippingStatsColumns: those that have them; NULL: by number
    struct budget *budget;
    uint64_t buffered_bytes_max; // by all open files of the table on the lane, encoded; 0: the writer's default
    struct random *random;
    uint64_t generation, incarnation;
    uint32_t lane;
};
// codec and stats_columns from a table's properties; STATUS_INVALID names the property.
enum status file_sink_properties(const Foreset__Table *table, struct file_sink_args *args, struct error *err) MUST_USE;

struct file_sink;
// A sealed file that is not complete, and what the report says of it.
struct file_sink_rest {
    struct file_sink *sink;
    Foreset__DataFile *file;
};
// folder: of its partition (delta_path_partition), "": the table's root.
enum status file_sink_open(const struct file_sink_args *args, const char *folder, uint64_t epoch, uint32_t sequence,
                           struct file_sink **ret_sink, struct error *err) MUST_USE;
enum status file_sink_write(struct file_sink *sink, const struct batch *batch, struct error *err) MUST_USE;
// No more rows. What the report says of the file, allocated as protobuf-c frees it: without partition values, and
// without size, statistics and checksum, which file_sink_complete knows.
Foreset__DataFile *file_sink_seal(const struct file_sink *sink, int64_t modified_ms);
// Last pages, footer, end of writing; on any thread, after seal.
enum status file_sink_complete(struct file_sink *sink, Foreset__DataFile *file, struct error *err) MUST_USE;
// Both at once. *ret_file is untouched on failure.
enum status file_sink_finish(struct file_sink *sink, int64_t modified_ms, Foreset__DataFile **ret_file,
                             struct error *err) MUST_USE;
void file_sink_close(struct file_sink *sink); // NULL allowed; removes the object if it was not finished
// Removes a finished file that no report names. Best effort: cleaning finds what stays (P24).
void file_sink_discard(struct objstore *store, const Foreset__DataFile *file);
uint64_t file_sink_buffered(const struct file_sink *sink);                       // bytes not yet written
enum status file_sink_flush(struct file_sink *sink, struct error *err) MUST_USE; // writes them

#endif
