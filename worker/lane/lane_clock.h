// A table's clock on a lane: from epoch to epoch, whether the table takes part, and L, W, number and timestamp of its
// batch (SQL.md, Batches and watermarks; P10, P12). Pure: every lane feeds its own copy the same facts and gets the
// same answers.
#ifndef FORESET_LANE_LANE_CLOCK_H
#define FORESET_LANE_LANE_CLOCK_H

#include <stdbool.h>

#include "proto/control.pb-c.h"

struct table_clock {
    const Foreset__Table *table;
    uint64_t next_epoch;  // the first that is not resolved
    bool open;            // the batch is unfinished
    int64_t batch;        // of the unfinished or else the last batch; -1: none yet
    int64_t late_us;      // L of that batch
    int64_t watermark_us; // W of that batch
    int64_t timestamp_us; // of that batch
    int64_t published_us; // planned time of the last publishing epoch
    bool published;       // there was one
};

// What is known of one table in one epoch. The first half comes from outside, the second is the answer.
struct clock_epoch {
    bool planned_input;  // a source that it reads has a planned range
    bool plan_publishes; // TablePlan
    bool has_watermark;  // the candidate is there (once Watermark(epoch) came)
    int64_t candidate_us;
    uint64_t emitted_rows;  // of this table, over all lanes, as far as reported
    uint32_t emitted_final; // lanes that have passed its marker

    bool resolved;
    bool takes_part;
    bool publishes;
    int64_t batch, late_us, watermark_us, timestamp_us, published_us;
    bool open;      // unfinished behind this epoch
    bool published; // it has published before or now
};

void lane_clock_init(struct table_clock *clock, const Foreset__Table *table, const Foreset__TableEpoch *from,
                     uint64_t next_epoch);
// Resolves `epoch` if it is the clock's next and enough is known. epochs: all tables' facts of this epoch, by table.
bool lane_clock_resolve(struct table_clock *clock, const Foreset__EpochPlan *plan, struct clock_epoch *epochs,
                        uint32_t table, uint32_t lanes);
// The batch that rows of the clock's next epoch belong to.
static inline int64_t lane_clock_batch(const struct table_clock *clock)
{
    return clock->open ? clock->batch : clock->batch + 1;
}
static inline int64_t lane_clock_late(const struct table_clock *clock)
{
    return clock->open ? clock->late_us : clock->watermark_us;
}

#endif
