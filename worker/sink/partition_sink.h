// The files of one table on one lane in one epoch: one for each combination of partition values, a bounded number open
// at once.
#ifndef FORESET_SINK_PARTITION_SINK_H
#define FORESET_SINK_PARTITION_SINK_H

#include "worker/sink/file_sink.h"

#define PARTITION_SINK_OPEN_MAX  32u
#define PARTITION_SINK_NAME_MAX  255  // bytes of a folder's name "column=value"
#define PARTITION_SINK_PATH_MAX  3900 // bytes of a file's path; 4,095 on Linux, less in some readers
#define PARTITION_SINK_FILE_NAME 200  // bytes of a file's own name at most
#define PARTITION_SINK_CONDITION "INVALID_PARTITION_VALUE"

struct expr_errors;
struct partition_sink;
// args->schema is set here: table_schema without its partition columns.
enum status partition_sink_create(const Foreset__Table *table, const struct type *table_schema,
                                  const struct file_sink_args *args, struct partition_sink **ret_sink,
                                  struct error *err) MUST_USE;
void partition_sink_lane(struct partition_sink *sink, uint32_t lane); // of files from now on
void partition_sink_destroy(struct partition_sink *sink);             // NULL allowed; unfinished files are removed
// Adds an error for each selected row whose partition values cannot be folders (too long, NUL). Where there is none the
// same batch may be written next without its rows being looked up again; partition_sink_unplace if it is not.
enum status partition_sink_check(struct partition_sink *sink, const struct batch *batch, struct expr_errors *errors,
                                 struct error *err) MUST_USE;
void partition_sink_unplace(struct partition_sink *sink);
// Rows of the table's schema, checked before. sequence numbers the files of the lane's table in the epoch.
enum status partition_sink_write(struct partition_sink *sink, uint64_t epoch, uint32_t *sequence, struct batch *batch,
                                 struct error *err) MUST_USE;
struct partition_sink_files {
    VECTOR(Foreset__DataFile *) items;
    VECTOR(struct file_sink_rest) rest; // those of them that the caller has to complete and close
};
// Ends the epoch: every file of it is handed over, those that were open as `rest`; the sink is empty then.
enum status partition_sink_seal(struct partition_sink *sink, int64_t modified_ms, struct partition_sink_files *files,
                                struct error *err) MUST_USE;
// The same with every file complete.
enum status partition_sink_finish(struct partition_sink *sink, int64_t modified_ms, struct partition_sink_files *files,
                                  struct error *err) MUST_USE;

#endif
