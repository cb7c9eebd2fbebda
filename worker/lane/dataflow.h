// What the worker's control state machine sees of the data flow of one pipeline: all lanes of this worker behind one
// contract. Production: worker/lane (threads). Simulator: a trivial flow (numbered rows, one keyed count), stepped.
// Calls come from the worker's control thread. They do not block, but for load and close.
#ifndef FORESET_LANE_DATAFLOW_H
#define FORESET_LANE_DATAFLOW_H

#include "common/objstore/objstore.h"
#include "proto/control.pb-c.h"
#include "worker/snapshot/snapshot_part.h"

enum dataflow_event_kind {
    DATAFLOW_READ_DONE, // the marker of `epoch` has passed every WATERMARK node on all lanes; body: read_done
    DATAFLOW_FROZEN,    // the epoch is complete: files sealed, changes of state taken; body: frozen
    DATAFLOW_FAILED,    // err; epoch: whose rows it is about, 0: unknown
};

// A state snapshot part that is still in memory; the worker writes it, off the lanes.
struct dataflow_part {
    Foreset__SnapshotPart meta; // key empty: the worker names it
    struct buffer *bytes;       // NULL: `late` makes them
    size_t size;
    struct snapshot_late *late;
};
// What of the report's files is left to do (P11).
struct dataflow_late {
    const struct dataflow_late_ops *ops;
};
struct dataflow_late_ops {
    enum status (*run)(struct dataflow_late *late, struct error *err); // once, in a job; the files are complete then
    void (*destroy)(struct dataflow_late *late);                       // any thread
};
struct dataflow_frozen {
    Foreset__Prepared *prepared; // ranges, tables (files with path, size, rows, stats); parts still empty
    struct dataflow_late *late;  // NULL: every file is finished; else size, stats and checksum are missing
    struct dataflow_part *parts;
    size_t part_count;
};
// Finishes the files, not yet durably.
enum status dataflow_frozen_complete(struct dataflow_frozen *frozen, struct error *err) MUST_USE;
// Makes a part's bytes if they are not there; forget gives up bytes that can be made again.
enum status dataflow_part_encode(struct dataflow_part *part, struct error *err) MUST_USE;
void dataflow_part_forget(struct dataflow_part *part);
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

#define DATAFLOW_BUDGETS 4u
struct dataflow {
    const struct dataflow_ops *ops;
};
// What went over the network since the flow was opened.
struct dataflow_counters {
    uint64_t rows_in; // read from sources
    uint64_t frames_sent, bytes_sent, rows_sent;
    uint64_t frames_received, bytes_received;
    uint64_t frames_dropped;                           // of another generation or routing (P2, P22), or that came twice
    uint64_t outstanding_bytes;                        // sent, and not yet told as taken (P14)
    uint64_t credit_bytes;                             // the most that may be outstanding
    uint64_t credit_sent_bytes, credit_received_bytes; // told others as taken, told by others
    uint64_t waiting_frames;                           // that came before the plan of their epoch
    uint64_t stalled_us;   // of lanes that might not read: without credit, or with too many rows that wait
    uint32_t budget_count; // the flow's own, within the worker's; theirs as long as it is open
    const struct budget *budgets[DATAFLOW_BUDGETS];
};
struct dataflow_ops {
    void (*close)(struct dataflow *flow); // stops lanes, drops everything that was not frozen (also unfinished files)
    // Begins epoch `epoch` with this worker's ranges. At most two epochs are read at once.
    enum status (*plan)(struct dataflow *flow, uint64_t epoch, const Foreset__EpochPlan *plan, struct error *err);
    enum status (*watermark)(struct dataflow *flow, uint64_t epoch, const Foreset__Watermark *watermark,
                             struct error *err);
    // A frame of another worker of the same pipeline; any thread, borrowed bytes. NULL: it exchanges nothing.
    void (*receive)(struct dataflow *flow, uint32_t worker, const void *bytes, size_t size);
    // P22, in a job, while nothing planned is unfrozen: hands over what `routing` takes, loads what it gives from the
    // parts of `from` (NULL: nothing was decided yet). Blocks.
    enum status (*reroute)(struct dataflow *flow, const Foreset__Routing *routing, uint32_t worker_index,
                           const Foreset__Manifest *from, struct error *err);
    // Any thread that may call receive. NULL: it exchanges nothing.
    void (*counters)(struct dataflow *flow, struct dataflow_counters *ret_counters);
};

struct dataflow_open_args {
    const Foreset__Plan *plan;
    const Foreset__Manifest *from; // NULL: from the beginning
    uint64_t generation, incarnation, hash_seed;
    uint32_t lanes;
    uint32_t worker_index, worker_count; // this worker among those that share the pipeline
    const Foreset__Routing *routing;     // who holds what; NULL: this worker alone holds everything
    struct budget *budget;
    struct objstore *state; // holds the snapshot parts
    struct objstore *(*table_store)(void *context, uint32_t table,
                                    bool dead_letters);          // root of the table, opened; borrowed
    void (*notify)(void *context, struct dataflow_event *event); // takes the event; called from any thread
    // To a worker of the routing: any thread, in order, never blocks, copies; may lose (P15). NULL: there is no other.
    void (*send)(void *context, uint32_t worker, const void *bytes, size_t size);
    void *context;
};
// Compiles the plan, opens sources, loads the state snapshot of `from` (blocking).
typedef enum status (*dataflow_open)(const struct dataflow_open_args *args, struct dataflow **ret_flow,
                                     struct error *err);
enum status lane_group_open(const struct dataflow_open_args *args, struct dataflow **ret_flow,
                            struct error *err) MUST_USE;

#endif
