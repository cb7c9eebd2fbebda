// One Delta log as the committer sees it: opened once, then followed commit by commit; created, checked, emptied.
// Blocking; one job at a time.
#ifndef FORESET_COMMIT_TABLE_LOG_H
#define FORESET_COMMIT_TABLE_LOG_H

#include "common/delta/delta_commit.h"
#include "common/delta/delta_table.h"
#include "coordinator/commit/commit_context.h"
#include "coordinator/commit/table_others.h"

#define TABLE_LOG_APP_SIZE 320

struct table_log {
    const struct commit_context *context;
    const Foreset__Table *plan;
    const Foreset__Table *shape; // the table as workers have it (table_shape.h); NULL: not yet, or dead letters
    uint32_t number;             // of the table in the plan
    bool dead_letters;           // its dead letter table
    const char *name, *url;
    struct objstore *store;          // NULL until needed
    struct delta_table *table;       // NULL until needed
    const struct type *schema;       // interned
    bool replaces;                   // a full refresh: its commit brings the plan's schema along
    bool extends;                    // the plan may have columns that the table lacks: they are added
    bool needs_files;                // an append table is about to be emptied
    bool with_files;                 // live files are loaded
    bool abandoned;                  // nothing is put any more
    bool updates;                    // update mode with groups in state: open files are replaced (P13)
    bool looks;                      // whether a manifest's files are there is looked at before they are put
    int64_t answered;                // complete mode: version of the others' change that a decided epoch makes good
    struct table_others others;      // what other writers did since the pipeline's last commit
    char app_id[TABLE_LOG_APP_SIZE]; // of txn: pipeline id + "/" + name
};

void table_log_init(struct table_log *log, const struct commit_context *context, uint32_t number, bool dead_letters);
void table_log_deinit(struct table_log *log);
// The store alone: enough to list and delete files.
enum status table_log_open_store(struct table_log *log, struct error *err) MUST_USE;
// Reads what is new. *ret_exists false: there is no table yet.
enum status table_log_refresh(struct table_log *log, bool *ret_exists, struct error *err) MUST_USE;
// Makes version 0 if there is no table; else checks whose it is (P1), not yet what it looks like. adopt: take over
// another pipeline's.
enum status table_log_ensure(struct table_log *log, bool adopt, struct random *random, struct error *err) MUST_USE;
// Whether table_log_ensure may go on with the table that is there, before anything is written anywhere: it is ours, or
// adopted and of a kind that the pipeline can write to. columns: they must fit the plan already.
enum status table_log_admit(struct table_log *log, bool adopt, bool columns, struct error *err) MUST_USE;
// --adopt of a table that was restored or replaced: its content is taken as it is, its txn set to what the pipeline
// expects. In update mode every file may hold rows of open groups from then on.
enum status table_log_accept(struct table_log *log, uint64_t epoch, struct random *random, struct error *err) MUST_USE;
// What resolves a BLOCKED table besides setting it right and trying again, and giving it up.
enum { TABLE_LOG_ADOPT = 1, TABLE_LOG_OVERWRITE = 2, TABLE_LOG_REFRESH = 4, TABLE_LOG_REPLAY = 8 };
// ERROR_BLOCKED with the reason and the commands that resolve it, of `foreset run` and of a cluster.
enum status table_log_blocked(const struct table_log *log, const char *what, const char *reason, unsigned ways,
                              struct error *err) MUST_USE;
// Whether the files are there; ERROR_BLOCKED names those that are not. role: of a file, for the message.
enum status table_log_look(const struct table_log *log, Foreset__DataFile *const *files, size_t count, const char *role,
                           struct error *err) MUST_USE;
// Whether the table still is what the pipeline's last commit made of it, as far as that matters: ERROR_BLOCKED after a
// RESTORE, or if that commit was cleaned from the log. The log is refreshed.
enum status table_log_check_others(const struct table_log *log, const char *what, struct error *err) MUST_USE;
// Adds the columns that the table lacks to its schema, by a commit of its own (P23); nothing where it lacks none.
enum status table_log_extend(struct table_log *log, struct random *random, struct error *err) MUST_USE;
// Puts a commit under the lease (P3); what delta_commit_put says, or ERROR_FENCED and nothing was put.
enum status table_log_put(struct table_log *log, int64_t version, const struct text *bytes, struct error *err) MUST_USE;
// Makes a version durable that was found in the log after a put whose outcome is unknown, or of an earlier process.
enum status table_log_settle(struct table_log *log, int64_t version, struct error *err) MUST_USE;
// Epoch of its last commit by this pipeline; 0: none. The log is refreshed.
uint64_t table_log_txn(const struct table_log *log);
// Whether the pipeline could put into it now (P17): identity, protocol, constraints, schema.
enum status table_log_check(struct table_log *log, bool removes, struct error *err) MUST_USE;

#endif
