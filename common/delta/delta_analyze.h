// Statistics of a table's live files, found by reading them, and put right in the log: files whose add.stats are wrong
// or missing are added again with dataChange = false. Safe beside other writers: the commit is put if absent, at the
// version behind the one just read, and names only files that are live in that one.
#ifndef FORESET_DELTA_DELTA_ANALYZE_H
#define FORESET_DELTA_DELTA_ANALYZE_H

#include "common/base/random.h"
#include "common/delta/delta_table.h"

enum delta_analyze_state { DELTA_ANALYZE_RIGHT, DELTA_ANALYZE_WRONG, DELTA_ANALYZE_MISSING };

struct delta_analyze_file {
    char *path; // as the log has it
    enum delta_analyze_state state;
    char *reason; // why it is wrong; NULL: it is not
    char *stats;  // as they should be; NULL: as they are
    bool mended;
};
struct delta_analyze {
    VECTOR(struct delta_analyze_file) files; // by path
    uint64_t rows;
    uint64_t right, wrong, missing, mended; // files
    int64_t version;                        // that was read; after a commit, the commit's
};

// Reads every live file of the table, which was loaded with DELTA_LOAD_REMOVES (statistics). Fails as delta_scan does.
enum status delta_analyze_read(struct delta_table *table, struct budget *budget, struct delta_analyze *ret_analyze,
                               struct error *err) MUST_USE;
// Puts one commit with the wrong files that are still live; no commit if no file is wrong. Refuses tables with rules
// that writers here cannot obey.
enum status delta_analyze_mend(struct delta_table *table, struct delta_analyze *analyze, struct random *random,
                               struct error *err) MUST_USE;
void delta_analyze_deinit(struct delta_analyze *analyze);

#endif
