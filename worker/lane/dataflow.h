// What the worker's control state machine sees of the data flow of one pipeline: all lanes of this worker behind one
// contract. Production: worker/lane (threads). Simulator: a trivial flow (numbered rows, one keyed count), stepped.
// Calls come from the worker's control thread. They do not block, but for load and close.
#ifndef FORESET_LANE_DATAFLOW_H
#define FORESET_LANE_DATAFLOW_H

#include "common/objstore/objstore.h"
#include "proto/control.pb-c.h"

enum dataflow_event_kind {
    DATAFLOW_READ_DONE, // the marker of `epoch` has passed every WATERMARK node on all lanes; body: read_done
    DATAFLOW_FROZEN,    // the epoch is complete: files finished (not yet durable), parts encoded; body: frozen
    DATAFLOW_FAILED,    // err
};

// A state snapshot part that is still in memory; the worker writes it, off the lanes.
struct dataflow_part {
    Foreset__SnapshotPart meta; // key empty: the worker names it
    struct buffer *bytes;
    size_t size;
};
struct dataflow_frozen {
    Foreset__Prepared *prepared; // ranges, tables (files with path, size, rows, stats); parts still empty
    struct dataflow_part *parts;
    size_t part_count;
};
void dataflow_frozen_destroy(struct dataflow_frozen *frozen);

struct dataflow_event {
    enum dataflow_event_kind kind;
    uint64_t generation;
    uint64_t epoch;
    Foreset__ReadDone *read_done;   // owned by the event
    struct dataflow_frozen *frozen; // owned by the event
    struct error err;
};
void dataflow_event_destroy(struct dataflow_event *event);

struct dataflow {
    const struct dataflow_ops *ops;
};
struct dataflow_ops {
    void (*close)(struct dataflow *flow); // stops lanes, drops everything that was not frozen (also unfinished files)
    // Begins epoch `epoch` with this worker's ranges. At most two epochs run at once.
    enum status (*plan)(struct dataflow *flow, uint64_t epoch, const Foreset__EpochPlan *plan, struct error *err);
    enum status (*watermark)(struct dataflow *flow, uint64_t epoch, const Foreset__Watermark *watermark,
                             struct error *err);
};

struct dataflow_open_args {
    const Foreset__Plan *plan;
    const Foreset__Manifest *from; // NULL: from the beginning
    uint64_t generation, incarnation, hash_seed;
    uint32_t lanes;
    uint32_t worker_index, worker_count; // this worker among those that share the pipeline
    struct budget *budget;
    struct objstore *state; // holds the snapshot parts
    struct objstore *(*table_store)(void *context, uint32_t table,
                                    bool dead_letters);          // root of the table, opened; borrowed
    void (*notify)(void *context, struct dataflow_event *event); // takes the event; called from any thread
    void *context;
};
// Compiles the plan, opens sources, loads the state snapshot of `from` (blocking).
typedef enum status (*dataflow_open)(const struct dataflow_open_args *args, struct dataflow **ret_flow,
                                     struct error *err);
enum status lane_group_open(const struct dataflow_open_args *args, struct dataflow **ret_flow,
                            struct error *err) MUST_USE;

#endif
