// A pipeline's commit side over real directories: a kv store, a state store and the tables' logs, with a store between
// that can be told to fail, to answer late, or to let somebody else write first.
#ifndef FORESET_TEST_COMMIT_FIXTURE_H
#define FORESET_TEST_COMMIT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/commit/recover.h"
#include "coordinator/commit/table_put.h"

#define COMMIT_SCHEMA "struct<k:string,v:int>"
#define COMMIT_TABLES 3 // t0: append, t1: complete, t2: update by k

struct commit_fixture;
// What happens to the put of a log entry; `inner` does it for real. NULL in the fixture: nothing but the put.
typedef enum status (*commit_hook)(struct commit_fixture *fixture, struct objstore *inner, const char *key,
                                   const void *bytes, size_t size, struct error *err);

struct commit_fixture {
    char folder[64];
    struct arena arena;
    struct clock clock;
    int64_t now_us;
    struct random random;
    struct seam seam;
    unsigned sleeps;
    struct kv *kv;
    struct lease lease;
    struct meta_store meta;
    struct objstore *state;
    struct store_opener opener;
    struct commit_context context;
    Foreset__Plan plan;
    Foreset__Table tables[COMMIT_TABLES], *table_list[COMMIT_TABLES];
    struct table_logs logs;
    struct meta_record decided;                        // last
    struct manifest *last;                             // its manifest
    commit_hook hook;                                  // of every put of "_delta_log/<20 digits>.json"
    unsigned hooked;                                   // how often it was called
    void (*read_hint)(struct commit_fixture *fixture); // before _last_checkpoint is read; NULL: nothing
    struct error err;
};

int commit_fixture_setup(void **state);
int commit_fixture_teardown(void **state);

// Leads, with id and generation 1, tables at version 0: what recovery leaves behind.
void commit_fixture_begin(struct commit_fixture *fixture);
void commit_fixture_reopen(struct commit_fixture *fixture); // new table logs, as after a restart

struct commit_epoch {
    uint64_t epoch;
    uint64_t prev[COMMIT_TABLES];
    const char *adds[COMMIT_TABLES]; // path of one added file; NULL: none
    bool overwrite[COMMIT_TABLES];
    const char *dead_letters; // of t0; NULL: none
};
// A manifest of this content, of the pipeline's generation; the caller unrefs.
struct manifest *commit_fixture_manifest(struct commit_fixture *fixture, const struct commit_epoch *epoch);
// The same, put into the state store and decided.
struct manifest *commit_fixture_decide(struct commit_fixture *fixture, const struct commit_epoch *epoch);
enum status commit_fixture_put(struct commit_fixture *fixture, uint32_t table, const struct manifest *manifest,
                               struct table_put_result *ret_result);

// Behind everybody's back:
int64_t commit_fixture_version(struct commit_fixture *fixture, const char *table); // -1: no such table
// The live files of a table, sorted and joined by ' '.
const char *commit_fixture_files(struct commit_fixture *fixture, const char *table);
// Somebody else's commit: one added file.
void commit_fixture_foreign(struct commit_fixture *fixture, const char *table, const char *path);
// Somebody else changes a table's metadata: schema or configuration as given, NULL: as it was.
void commit_fixture_foreign_metadata(struct commit_fixture *fixture, const char *table, const char *schema,
                                     const char *pipeline_id);
// Somebody else's commit of these actions.
void commit_fixture_foreign_commit(struct commit_fixture *fixture, const char *table, const char *operation,
                                   const struct delta_remove *removes, uint32_t remove_count,
                                   const struct delta_add *adds, uint32_t add_count);
// A log checkpoint of the latest version, then all earlier log entries go.
void commit_fixture_clean_log(struct commit_fixture *fixture, const char *table);
struct objstore *commit_fixture_store(struct commit_fixture *fixture, const char *table); // without hooks; close it

#endif
