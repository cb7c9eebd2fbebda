// Replay (P26): a decided epoch whose data files are gone, and which its table does not show yet, is read again from
// the sources and gets other files. The rows are the same, or the replay is refused.
#ifndef FORESET_COMMIT_REPLAY_H
#define FORESET_COMMIT_REPLAY_H

#include "coordinator/commit/table_logs.h"

#define REPLAY_EPOCHS_MAX 32 // of one attempt; what is lost beyond them has its turn in the next one

struct replay_lost {
    size_t log; // its index in table_logs
    uint64_t epoch;
};
struct replay {
    VECTOR(struct replay_lost) lost; // ascending by epoch
    uint64_t first, last;            // the epochs that this attempt reads again
    struct manifest **decided;       // of these epochs, as they were decided
    struct manifest **again;         // as they are read again; NULL: not yet
    struct manifest *from;     // what workers begin with: the positions before `first`, no state; NULL: first is 1
    bool *nodes;               // of the plan: what the lost tables are made by
    struct meta_record newest; // the last decided epoch
    uint64_t published;
    uint64_t rows, files; // written again
};

// Why a table's rows cannot be written again from the sources alone. False: they can, and ret_why is "".
bool replay_obstacle(const Foreset__Plan *plan, uint32_t table, char *ret_why, size_t size);

struct replay_find {
    struct commit_context *context;
    struct table_logs *logs; // refreshed
    struct random *random;
    const char *table; // NULL: every table
    struct meta_record newest;
    uint64_t published;
};
// Blocking. Looks for the files that are decided and in no log yet. *ret_replay NULL: all of them are there.
// ERROR_BLOCKED: some are gone and cannot be replayed; says why and what is left.
enum status replay_find(const struct replay_find *find, struct replay **ret_replay, struct error *err) MUST_USE;
void replay_destroy(struct replay *replay); // NULL allowed

// Takes what was read again of an epoch, in order. ERROR_BLOCKED: it is not what was read the first time.
enum status replay_take(struct replay *replay, const struct table_logs *logs, struct manifest *again,
                        struct error *err) MUST_USE;
bool replay_is_read(const struct replay *replay);
// ERROR_BLOCKED for the first lost table of the epoch: why its replay is refused.
enum status replay_refuse(const struct replay *replay, const struct table_logs *logs, uint64_t epoch, const char *why,
                          struct error *err) MUST_USE;
// Blocking. Stores the manifests that name the new files and decides them in place of the old ones, in one transaction.
enum status replay_put(struct replay *replay, const struct commit_context *context, struct random *random,
                       struct error *err) MUST_USE;

#endif
