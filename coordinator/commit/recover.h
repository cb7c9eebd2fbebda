// Recovery (P21): what a leader does before it plans anything. Also how a pipeline comes into being (P1).
#ifndef FORESET_COMMIT_RECOVER_H
#define FORESET_COMMIT_RECOVER_H

#include "coordinator/commit/replay.h"

struct recover {
    struct commit_context *context; // pipeline_id and generation are filled in
    struct table_logs *logs;
    struct random random; // seeded by the caller
    bool adopt;
    const char *adopt_table;     // NULL with adopt: every table
    const char *abandon_table;   // NULL: none
    bool overwrite;              // tables that others changed: what the pipeline's state says wins
    const char *overwrite_table; // NULL with overwrite: every table
    bool replay;                 // epochs whose files are gone are read again (P26)
    const char *replay_table;    // NULL with replay: every table
    bool full_refresh;           // tables may look different: they are about to be emptied
    // Called when the last decided epoch is known, before any table is looked at: may refuse to go on.
    enum status (*compare)(struct recover *recover, struct error *err);
    void *compare_context;
    bool renumbered;        // out, of compare: the tables of the last epoch may be others than those of this plan
    struct manifest *last;  // out: of the last decided epoch; NULL: nothing is decided yet
    uint64_t published;     // out: equals the last decided epoch
    struct replay *replays; // out: not NULL: nothing was put; these epochs are read again first
    uint64_t put;           // out: epochs that were rolled forward
};
// Blocking, in a job. Idempotent: may be run again after any error.
enum status recover_run(struct recover *recover, struct error *err) MUST_USE;

#endif
