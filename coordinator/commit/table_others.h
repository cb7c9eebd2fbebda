// What other writers did to a table since the pipeline's last commit in its log (P19). The pipeline's own commits are
// those with its txn. Filled by table_log as it follows the log.
#ifndef FORESET_COMMIT_TABLE_OTHERS_H
#define FORESET_COMMIT_TABLE_OTHERS_H

#include "common/delta/delta_table.h"

// operationParameters of the pipeline's commits, update mode: object keys, one a line, of other writers' files that
// still hold rows of open groups (table_repair.h); "*": any file may. Absent: none does.
#define TABLE_OTHERS_HELD "foreset.held"

struct table_others_commit {
    int64_t version;
    bool rewrite; // rows stayed the same: every add and remove says dataChange = false
    char operation[32];
    VECTOR(char *) adds, removes; // object keys
};
struct table_others {
    const char *root; // of the table's store, borrowed; NULL: nothing absolute is below it
    bool known;       // false: table_others_find has not looked yet
    bool cleaned;     // the pipeline's last commit is no longer in the log
    char *held;       // what the pipeline's last commit says of TABLE_OTHERS_HELD; NULL: nothing
    int64_t restored; // version of the last commit that brought an earlier version back; 0: none
    int64_t changed;  // of the last commit that changed rows; 0: none
    int64_t vacuumed; // of the last VACUUM that the log tells of; 0: none
    bool with_files;  // keep the lists below: update mode needs them
    VECTOR(struct table_others_commit) commits; // that removed files, ascending; only with_files
    VECTOR(char *) appended;                    // object keys that other commits added; only with_files
    VECTOR(uint64_t) removed;                   // hashes of the paths that they, and the last commit of ours, removed
};
void table_others_deinit(struct table_others *others);
// Whether the commit is the pipeline's: it carries this txn.
bool table_others_is_own(const struct delta_commit *commit, const char *app_id);
// The next commit of the log; one of the pipeline's begins a new count.
void table_others_take(struct table_others *others, const struct delta_commit *commit, const char *app_id);
// Reads the log backwards from the table's version to the pipeline's last commit. Blocking.
enum status table_others_find(struct table_others *others, const struct delta_table *table, const char *app_id,
                              struct error *err) MUST_USE;
// Whether a file's name is one that this program gives, so that no other writer adds it but by RESTORE.
bool table_others_is_own_name(const char *path);

#endif
