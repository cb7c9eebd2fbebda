// The leader's clocks: per table the batch, its L and W, and the event time maxima (P10, P12; SQL.md, Batches). The
// lanes keep the same clocks from the same facts; what they report is held against this one.
#ifndef FORESET_EPOCH_EPOCH_CLOCK_H
#define FORESET_EPOCH_EPOCH_CLOCK_H

#include "common/base/error.h"
#include "proto/control.pb-c.h"
#include "proto/manifest.pb-c.h"

struct epoch_clock_table {
    const Foreset__Table *plan;
    int64_t *maxima;               // of plan->watermarks[i]: greatest event time of all earlier epochs
    bool *seen;                    // there was one
    bool open;                     // the batch is unfinished
    bool published;                // there was a publishing epoch
    int64_t batch;                 // of the unfinished or else the last batch; -1: none yet
    int64_t late_us, watermark_us; // L and W of that batch
    int64_t timestamp_us;          // planned time of its first epoch
    int64_t published_us;          // planned time of the last publishing epoch
};
struct epoch_clock {
    const Foreset__Plan *plan;
    struct epoch_clock_table *tables;
    size_t count;
};
// from NULL: from the beginning.
void epoch_clock_init(struct epoch_clock *clock, const Foreset__Plan *plan, const Foreset__Manifest *from);
void epoch_clock_deinit(struct epoch_clock *clock);
// W that a batch beginning now would have: never below the last.
int64_t epoch_clock_candidate(const struct epoch_clock *clock, uint32_t table);
// Whether a no-data epoch would move some table's watermark (SQL.md, Batches 5).
bool epoch_clock_moves(const struct epoch_clock *clock);
bool epoch_clock_any_open(const struct epoch_clock *clock);
// Whether an epoch planned for timestamp_us publishes the table if it takes part or is unfinished (P12).
bool epoch_clock_publishes(const struct epoch_clock *clock, uint32_t table, int64_t timestamp_us, bool last);

struct epoch_clock_facts {
    bool took_part, publishes; // publishes: as planned
    int64_t candidate_us;
    int64_t timestamp_us;
};
// Moves a table's clock over one epoch. Returns whether it really publishes in it.
bool epoch_clock_pass(struct epoch_clock *clock, uint32_t table, const struct epoch_clock_facts *facts);
// Adds an epoch's maximum; behind every pass of that epoch. False: no such WATERMARK node.
bool epoch_clock_maximum(struct epoch_clock *clock, uint32_t node, int64_t event_time_us);

#endif
