// Copies a data file less the rows whose key is among those of other files: what update mode needs where another writer
// has put rows of open groups and closed ones into one file.
#ifndef FORESET_COMMIT_FILE_FILTER_H
#define FORESET_COMMIT_FILE_FILTER_H

#include "common/base/random.h"
#include "common/delta/delta_table.h"
#include "proto/plan.pb-c.h"

struct file_filter_args {
    struct delta_table *table;  // open; its store is read and written
    const Foreset__Table *plan; // merge_keys, properties
    const struct delta_add *by; // files whose keys are looked for
    size_t by_count;
    const struct delta_add *const *files; // to be copied
    size_t count;
    uint64_t epoch, generation; // of the copies' names
    int64_t modified_ms;
    struct random *random;
    struct budget *budget; // NULL: without a bound
    struct arena *arena;   // texts of the result
};
struct file_filter_rest {
    uint64_t matched; // rows that were left out; 0: the file is as it should be and was not copied
    bool any;         // rows are left: `add` names the copy, durable, in no log yet
    struct delta_add add;
};
// Blocking. One result per file. A copy that no commit names in the end is an orphan that VACUUM finds.
typedef enum status (*file_filter)(const struct file_filter_args *args, struct file_filter_rest *ret_rests,
                                   struct error *err);
enum status file_filter_run(const struct file_filter_args *args, struct file_filter_rest *ret_rests,
                            struct error *err) MUST_USE;

#endif
