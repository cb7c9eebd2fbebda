// Which planted bug is on. The names are those that FORESET_BUG stands at in the roles and in the simulator's data
// flow.
#include <string.h>

#include "common/base/planted.h"
#include "tests/sim/sim.h"

static const char *const planted_table[] = {
    "mixed-attempts",         // reports of an earlier attempt are taken
    "gap-ignored",            // lost and repeated messages go unnoticed
    "pieces-kept",            // pieces of an earlier attempt's message are kept for the next
    "clean-by-old-leader",    // files are deleted without asking whether one still leads, or whether they may still run
    "pending-dropped",        // files of unfinished batches are forgotten
    "pending-not-kept",       // cleaning does not know pending files
    "l-w-swapped",            // late rows are tested against W
    "one-no-data-epoch",      // the second no-data epoch is skipped
    "fsync-retry",            // a second fsync is trusted
    "txn-not-rechecked",      // txn is looked at before the first attempt only
    "put-timeout-is-success", // an unknown put counts as done
    "timeout-is-success",     // an unknown kv transaction counts as done
    "decide-before-manifest", // decided before the manifest is stored
    "decide-unfenced",        // the decision does not ask for leader and generation
    "no-roll-forward",        // recovery does not put what was decided
    "put-out-of-order",       // a later epoch of a table is put first
    "offset-off-by-one",      // reading goes on one row too far
    "last-epoch-dropped",     // the end does not wait for the last epoch
    "lease-at-start",         // the lease is believed for ever
    "put-before-decided",     // tables are written before the decision
    "empty-epoch-skipped",    // epochs without rows are taken as decided, and recorded nowhere
    "clean-undecided",        // files are deleted before their epoch is decided
    "names-reused",           // every attempt at an epoch writes under the same names
    "dedupe-by-path",         // a file in the log counts as its epoch there, txn or not
    "put-timeout-is-failure", // an unknown put counts as not done
    "write-error-swallowed",  // a file that could not be saved is reported all the same
    "move-without-state",     // a shard that moved starts with empty state
    "move-keeps-state",       // who gave a shard away goes on with its state
    "drain-forgotten",        // a recovery deals to drained workers again
    "drain-unpublished",      // a drain ends a pipeline that has not recovered: decided epochs wait
    "late-word-kills",        // a late message of a worker's earlier process shuts the later one out
    "writes-unordered",       // a command's write may come after that of a later command
    "fill-read-twice",        // an epoch of a fill does not move its position
    "fill-not-awaited",       // the stream goes on before a new table is filled
    "fill-unordered",         // its files come in the order of their times
    "fill-split",             // what one epoch wrote is read in several
    "removes-remembered",     // what a manifest remembers is removed, live or not
    "restore-ignored",        // a table that others restored is written on
    "files-not-looked-at",    // files that somebody's VACUUM removed are put
    "replay-keeps-lost",      // a replayed manifest names what is gone beside what was written again
    "held-ignored",           // what others compacted keeps rows of groups that were written again
    "fill-without-pending",   // a new table is filled with what is published only
    "list-not-kept",          // cleaning does not know parts of manifests' lists
    "list-after-decision",    // decided before the parts of the manifest's lists are stored
    NULL};
static const char *planted_on;

bool planted_is_on(const char *name)
{
    return planted_on && strcmp(planted_on, name) == 0;
}

bool planted_set(const char *name)
{
    planted_on = NULL;
    if (!name) return true;
    for (const char *const *known = planted_table; *known; known++) {
        if (strcmp(*known, name) == 0) planted_on = *known;
    }
    return planted_on != NULL;
}

const char *const *planted_names(void)
{
    return planted_table;
}
