// What a pipeline's leader remembers for whoever looks at it: totals since it leads, the last epochs.
#ifndef FORESET_PIPELINE_PIPELINE_STATUS_H
#define FORESET_PIPELINE_PIPELINE_STATUS_H

#include "common/base/text.h"
#include "coordinator/epoch/epoch.h"

#define PIPELINE_STATUS_EPOCHS  32u
#define PIPELINE_STATUS_PHASES  5u // planned → read → prepared → decided → published; and all of it
#define PIPELINE_STATUS_STEPS   12u
#define PIPELINE_STATUS_BUDGETS 8u

struct pipeline_status_epoch {
    uint64_t epoch, rows, bytes;
    bool no_data;
    int64_t timestamp_us;                                               // planned, wall clock
    int64_t planned_us, read_us, prepared_us, decided_us, published_us; // boot clock
};
struct pipeline_status_table {
    uint64_t rows_in, rows_out, rows_late, rows_dead, rows_malformed, rows_violated, bytes_out;
    uint64_t *violations; // by constraint of the plan's table; NULL: none was violated
    uint64_t rows_filtered, rows_duplicate, rows_grouped, rows_expanded, rows_unaccounted, offsets_empty;
    uint64_t commits;
    int64_t put_us; // of jobs that put its commits
};
struct pipeline_status_phase {
    int64_t sum_us;
    uint64_t steps[PIPELINE_STATUS_STEPS]; // epochs by how long it took
};
// The steps' upper bounds, in seconds; the last step has none.
extern const double pipeline_status_steps[PIPELINE_STATUS_STEPS - 1];
struct pipeline_status_budget {
    char name[24];
    uint64_t used_bytes, peak_bytes, limit_bytes;
};
struct pipeline_status_worker {
    bool exchanges;
    Foreset__ExchangeReport exchange; // plain numbers
    struct pipeline_status_budget budgets[PIPELINE_STATUS_BUDGETS];
    size_t budget_count;
};
struct pipeline_status {
    struct pipeline_status_epoch epochs[PIPELINE_STATUS_EPOCHS]; // a ring
    uint64_t epoch_count;                                        // published since it leads
    uint64_t rows_in, moves, restarts;
    uint64_t evidence_gone; // records that could not be compared before a decision: compacted or expired
    struct pipeline_status_phase phases[PIPELINE_STATUS_PHASES];
    int64_t files_us, snapshot_us;        // of the slowest worker in each epoch
    uint64_t snapshot_bytes;              // written
    uint64_t *states;                     // by node: entries alive, as of the last published epoch
    struct pipeline_status_table *tables; // by table
    int64_t move_began_us, move_us;       // of the last move
    char trouble[512];                    // the last error that ended an attempt
    int64_t said_us;                      // when the status was told last
};

struct pipeline;
// What a worker's heartbeat said.
void pipeline_status_said(struct pipeline_status_worker *worker, const Foreset__Heartbeat *heartbeat);
uint64_t pipeline_status_state_bytes(const struct pipeline *pipeline); // of all workers' state, as they last said
void pipeline_status_published(struct pipeline *pipeline, const struct epoch *epoch, int64_t now_us);
// One JSON document: state, generation, epochs, lag by partition, workers, shards, tables, state snapshot.
void pipeline_status_json(const struct pipeline *pipeline, struct text *ret_json);

#endif
