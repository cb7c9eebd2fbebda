// Update mode beside other writers (P13, P19): which of a table's live files hold rows of open groups, and what a
// commit has to remove and add so that each group has one row.
//
// Open files hold the rows of groups in state and nothing else. Another writer's OPTIMIZE puts them together with rows
// of closed groups, which are nowhere else, into a file that is then *held*. A held file is copied less the rows whose
// group the commit writes; it stays held until every open file that the commit leaves alone is live again by its name.
#ifndef FORESET_COMMIT_TABLE_REPAIR_H
#define FORESET_COMMIT_TABLE_REPAIR_H

#include "coordinator/commit/manifest.h"
#include "coordinator/commit/table_log.h"

struct table_repair {
    struct arena *arena;       // borrowed: texts of what is made
    Foreset__DataFile **goes;  // open files of before the epoch: those that it replaces,
    Foreset__DataFile **stays; // and those that it leaves alone
    size_t goes_count, stays_count;
    VECTOR(const struct delta_add *) open; // live open files that go
    VECTOR(const struct delta_add *) held;
    bool absent;             // an open file that stays is not live: its rows are in held files
    int64_t changed_version; // another writer's commit that changed rows of a file with open groups; 0: none
    char changed_operation[32], *changed_key;
    // Of table_repair_make:
    VECTOR(struct delta_remove) removes;
    VECTOR(struct delta_add) adds;
    const char *still_held; // for TABLE_OTHERS_HELD; NULL: nothing
};
void table_repair_deinit(struct table_repair *repair);
// What the log says; no file is read. The log was refreshed; the table's files are loaded. What is found is borrowed
// from both. epoch: that is about to be put; 0: none, every open file of the table stays.
void table_repair_find(struct table_repair *ret_repair, struct table_log *log, const Foreset__TableEpoch *table,
                       uint64_t epoch, struct arena *arena);
// ERROR_BLOCKED, for what changed_version says. what: as table_log_blocked has it.
enum status table_repair_changed(const struct table_repair *repair, const struct table_log *log, const char *what,
                                 struct error *err) MUST_USE;
// Copies the held files less the keys of the epoch's files. Blocking.
enum status table_repair_make(struct table_repair *repair, struct table_log *log, const struct manifest *manifest,
                              struct random *random, struct error *err) MUST_USE;
// The state wins (`--overwrite`): one commit makes every open file live as it was written, and takes its groups out of
// all other files that may hold them. txn: what it has, or is to have. Blocking; ERROR_BLOCKED: an open file is gone.
enum status table_repair_overwrite(struct table_repair *repair, struct table_log *log, uint64_t txn,
                                   struct random *random, struct error *err) MUST_USE;

#endif
