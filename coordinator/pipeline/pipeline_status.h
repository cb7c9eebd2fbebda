// What a pipeline's leader remembers for whoever looks at it: totals since it leads, the last epochs.
#ifndef FORESET_PIPELINE_PIPELINE_STATUS_H
#define FORESET_PIPELINE_PIPELINE_STATUS_H

#include "common/base/text.h"
#include "coordinator/epoch/epoch.h"

#define PIPELINE_STATUS_EPOCHS 32u

struct pipeline_status_epoch {
    uint64_t epoch, rows, bytes;
    bool no_data;
    int64_t timestamp_us;                                               // planned, wall clock
    int64_t planned_us, read_us, prepared_us, decided_us, published_us; // boot clock
};
struct pipeline_status_table {
    uint64_t rows_in, rows_out, rows_late, rows_dead, rows_malformed, bytes_out;
};
struct pipeline_status {
    struct pipeline_status_epoch epochs[PIPELINE_STATUS_EPOCHS]; // a ring
    uint64_t epoch_count;                                        // published since it leads
    uint64_t rows_in, moves, restarts;
    int64_t phase_us[4]; // sums: planned → read → prepared → decided → published
    struct pipeline_status_table *tables; // by table
    int64_t move_began_us, move_us; // of the last move
    char trouble[512];              // the last error that ended an attempt
    int64_t said_us;                // when the status was told last
};

struct pipeline;
void pipeline_status_published(struct pipeline *pipeline, const struct epoch *epoch, int64_t now_us);
// One JSON document: state, generation, epochs, lag by partition, workers, shards, tables, state snapshot.
void pipeline_status_json(const struct pipeline *pipeline, struct text *ret_json);

#endif
