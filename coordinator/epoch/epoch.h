// One epoch on the leader, from its plan to its publication.
//
//   RUNNING ──all ReadDone──► READ ──all Prepared──► PREPARED ──manifest built──► BUILT ──decided──► DECIDED ──every
//   table put──► PUT. An epoch that is not DECIDED when its attempt ends never happened.
#ifndef FORESET_EPOCH_EPOCH_H
#define FORESET_EPOCH_EPOCH_H

#include "common/base/statemachine.h"
#include "coordinator/commit/manifest.h"
#include "coordinator/epoch/epoch_clock.h"
#include "coordinator/epoch/epoch_position.h"
#include "coordinator/schedule/routing.h"

enum epoch_state { EPOCH_RUNNING, EPOCH_READ, EPOCH_PREPARED, EPOCH_BUILT, EPOCH_DECIDED, EPOCH_PUT };

struct epoch_table {
    bool publishes_planned;
    int64_t candidate_us;      // W if its batch begins in this epoch
    bool took_part, publishes; // from READ on
    bool open;                 // the batch is unfinished behind this epoch
    int64_t batch, late_us, watermark_us, timestamp_us, published_us;
    bool published;
    Foreset__Maximum *maxima; // cumulative, behind this epoch
    size_t maximum_count;
    bool put_begun, put; // from DECIDED on
    bool whole;          // complete mode: others changed the table, so an unchanged result is written too
};
struct epoch_report { // of one worker
    bool read_done;
    Foreset__Control *read; // NULL until it came
    Foreset__Control *prepared;
};
struct epoch {
    struct statemachine machine;
    uint64_t number;
    struct arena arena; // of the plan
    int64_t timestamp_us;
    struct epoch_position_cut cut;
    bool no_data, last;
    uint32_t *sources; // SOURCE nodes with a planned range
    size_t source_count;
    struct epoch_table *tables;
    size_t table_count;
    struct epoch_report *reports;
    size_t worker_count;
    uint64_t routing_version;
    uint32_t *lanes;      // by range of the cut: who reads it
    size_t *lane_workers; // by lane
    uint32_t lane_count;
    bool watermark_sent;
    struct manifest *manifest;                            // from BUILT on
    bool verified;                                        // the records before its ranges are the ones read (P7)
    struct manifest *before;                              // of the previous epoch, from BUILT on; NULL: no epoch before
    uint64_t bytes;                                       // of its files
    int64_t planned_us, read_us, prepared_us, decided_us; // boot clock, for progress
};

struct epoch *epoch_create(uint64_t number, const Foreset__Plan *plan, size_t worker_count);
void epoch_destroy(struct epoch *epoch); // NULL allowed

// Fixes the plan: cut is filled, in the epoch's arena.
void epoch_fix(struct epoch *epoch, const struct epoch_clock *clock, int64_t timestamp_us, bool no_data, bool last);
// Says who reads what: partitions as the routing deals them (P8: a partition stays where it is as long as it can),
// files in turn over all lanes. Numbered rows are a shard's own, as the simulator's flow exchanges nothing.
void epoch_deal(struct epoch *epoch, const Foreset__Plan *plan, struct routing *routing);
// The EpochPlan for one worker; lives in the epoch's arena.
Foreset__EpochPlan *epoch_message(struct epoch *epoch, size_t worker);
Foreset__Watermark *epoch_watermark(struct epoch *epoch, const Foreset__Plan *plan);

// A worker's report; takes the message. STATUS_EXISTS: it was there before (a repeat, dropped).
enum status epoch_read_done(struct epoch *epoch, size_t worker, Foreset__Control *control, struct error *err) MUST_USE;
enum status epoch_prepared(struct epoch *epoch, size_t worker, Foreset__Control *control, struct error *err) MUST_USE;
bool epoch_all_read(const struct epoch *epoch);
bool epoch_all_prepared(const struct epoch *epoch);
// All ReadDone are in, those of earlier epochs too: moves the clock over this epoch and keeps what it showed.
enum status epoch_pass(struct epoch *epoch, struct epoch_clock *clock, struct error *err) MUST_USE;

#endif
