// A version of a Delta table, reconstructed from its log, and kept up to date commit by commit.
// One thread at a time; the object store is borrowed and must outlive the table.
#ifndef FORESET_DELTA_DELTA_TABLE_H
#define FORESET_DELTA_DELTA_TABLE_H

#include "common/delta/delta_log.h"
#include "common/delta/delta_schema_json.h"

enum delta_table_load {
    DELTA_LOAD_STATE = 0,   // protocol, metaData, txn, domains: what a blind append needs; no files are kept
    DELTA_LOAD_FILES = 1,   // and the live files
    DELTA_LOAD_REMOVES = 3, // and tombstones and statistics (for log checkpoints)
};

struct delta_table {
    struct objstore *store;
    enum delta_table_load load;
    int64_t version;
    int64_t checkpoint_version; // the one it started from; -1: none
    struct delta_protocol protocol;
    struct delta_metadata metadata;
    struct delta_schema schema;    // of metadata.schema_string
    VECTOR(struct delta_txn) txns; // latest of each appId
    VECTOR(struct delta_domain) domains;
    uint64_t file_count, file_bytes; // live files (loaded only)
    char *warning;                   // a damaged checkpoint was passed over: what was wrong; NULL: none
    struct delta_files *files;       // private
    struct arena arena;              // private: texts of the above
};

// version: DELTA_VERSION_LATEST or a number. STATUS_NOT_FOUND: no Delta table there, or no such version;
// STATUS_UNSUPPORTED: a feature that readers here do not know; STATUS_CORRUPT: the log is damaged, the message names
// the file. A damaged checkpoint that older files make up for is passed over, with a `warning`.
enum status delta_table_open(struct objstore *store, int64_t version, enum delta_table_load load,
                             struct delta_table **ret_table, struct error *err) MUST_USE;
void delta_table_close(struct delta_table *table); // NULL allowed

// The commits that a table took over since it was opened or updated before, oldest first.
struct delta_commits {
    VECTOR(struct delta_commit *) items;
};
void delta_table_commits_deinit(struct delta_commits *commits);
// Reads the new commits only and takes them over. ret_commits (NULL: not wanted) gets them, also metaData, protocol,
// txn and commitInfo for P17 and P19. STATUS_CONFLICT: the log was cleaned past the version held; open the table anew.
// On any failure the table stays at the version it had.
enum status delta_table_update(struct delta_table *table, struct delta_commits *ret_commits,
                               struct error *err) MUST_USE;

// The version of an appId's txn; false: none.
bool delta_table_txn(const struct delta_table *table, const char *app_id, int64_t *ret_version);
// A property of metaData.configuration; NULL: none.
const char *delta_table_property(const struct delta_table *table, const char *key);
// Refuses by name what a writer here cannot obey (P17). removes: the commit will remove files.
enum status delta_table_check_write(const struct delta_table *table, bool removes, struct error *err) MUST_USE;
// Whether rows of `schema` (struct type) may be added: same columns (any order, ASCII case-insensitive) and types, same
// partition columns in order. Columns that only the table has are allowed: they read as null. STATUS_INVALID names the
// first difference.
enum status delta_table_check_schema(const struct delta_table *table, const struct type *schema,
                                     const char *const *partition_columns, uint32_t partition_count,
                                     struct error *err) MUST_USE;

// Live files in no particular order; needs DELTA_LOAD_FILES. The add is borrowed until the next update.
struct delta_table_cursor {
    size_t at;
};
const struct delta_add *delta_table_next_file(const struct delta_table *table, struct delta_table_cursor *cursor);
// The live file of this path, as the log spells it, that has no deletion vector; NULL: none. Needs DELTA_LOAD_FILES.
const struct delta_add *delta_table_find_file(const struct delta_table *table, const char *path);
// Tombstones; needs DELTA_LOAD_REMOVES.
const struct delta_remove *delta_table_next_remove(const struct delta_table *table, struct delta_table_cursor *cursor);

#endif
