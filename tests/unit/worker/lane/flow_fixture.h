// A data flow under test: plans built by hand, rows by hand through a scripted source, and a leader of a few lines that
// plans epochs, derives watermarks as SQL.md says and turns reports into manifests. It may run on several workers in
// this process, joined by a network (flow_link.h); shards are then dealt to lanes at random.
#ifndef FORESET_TEST_FLOW_FIXTURE_H
#define FORESET_TEST_FLOW_FIXTURE_H

#include <pthread.h>

#include "tests/unit/worker/lane/flow_link.h"
#include "worker/lane/lane_group.h"

#define FLOW_TABLES_MAX 4
#define FLOW_NULL       INT64_MIN
#define FLOW_SCHEMA     "struct<id:string,k:string,v:int,ts:timestamp>"
#define MINUTE          60000000ll

struct flow_row {
    const char *id; // NULL: null
    const char *k;
    int32_t v;
    int64_t ts; // FLOW_NULL: null
};

struct flow_worker {
    struct flow *flow;
    uint32_t index;
    struct dataflow *dataflow;
};
struct flow {
    struct arena arena;
    Foreset__Plan plan;
    VECTOR(Foreset__Expr *) exprs;
    VECTOR(Foreset__Node *) nodes;
    VECTOR(Foreset__Table *) tables;
    char dir[64];
    struct objstore *stores[FLOW_TABLES_MAX], *dead[FLOW_TABLES_MAX], *state;
    struct budget budget;
    struct dataflow *dataflow;               // of the first worker
    struct flow_worker at[FLOW_WORKERS_MAX]; // processes, so to speak
    uint32_t order[FLOW_WORKERS_MAX];        // by worker of the routing: which of them
    uint32_t workers;                        // may change between close and open
    uint32_t lanes;                          // of each
    Foreset__Routing routing;                // version 0: one worker that makes its own
    uint64_t generation;
    struct random random;
    struct flow_link link;
    bool threaded;
    uint64_t epoch;
    int64_t now_us;
    pthread_mutex_t lock;
    pthread_cond_t came;
    size_t seen;
    VECTOR(struct dataflow_event *) events;
    Foreset__Manifest manifest;  // of the last frozen epoch; epoch 0: none
    Foreset__Prepared *prepared; // of the last frozen epoch, kept alive by `kept`
    VECTOR(struct dataflow_frozen *) kept;
    VECTOR(Foreset__SnapshotPart *) parts;
    struct error err; // of the last FAILED
    bool failed;
};

extern uint32_t flow_workers; // that flow_init gives a flow; 1 at first
void flow_init(struct flow *flow, uint32_t lanes, bool threaded);
void flow_deinit(struct flow *flow);

// Plan building; every function returns the index of what it made.
uint32_t flow_column(struct flow *flow, uint32_t ordinal, const char *type);
uint32_t flow_cast(struct flow *flow, uint32_t arg, const char *type);
uint32_t flow_call(struct flow *flow, const char *function, const char *type, uint32_t a, uint32_t b);
uint32_t flow_integer(struct flow *flow, const char *type, int64_t value);
uint32_t flow_text(struct flow *flow, const char *value);
uint32_t flow_source(struct flow *flow, uint32_t table);
Foreset__Node *flow_node(struct flow *flow, enum _Foreset__Node__Kind kind, uint32_t table, uint32_t input,
                         const char *schema);
uint32_t flow_last(const struct flow *flow); // index of the last node
void flow_exprs(struct flow *flow, Foreset__Node *node, uint32_t count, ...);
// A TABLE node over the last node, and its table. sources: a mask of node indices.
Foreset__Table *flow_table(struct flow *flow, const char *name, enum _Foreset__Table__Mode mode);
void flow_uint(struct flow *flow, uint32_t **list, size_t *count, uint32_t value);
void flow_aggregate(struct flow *flow, Foreset__Node *node, const char *function, const char *type, int arg);

// Rows that the source reads: partition p, appended.
void flow_rows(uint32_t partition, const struct flow_row *rows, size_t count);
void flow_rows_forget(void);

void flow_open(struct flow *flow);
enum status flow_try_open(struct flow *flow, struct error *err);
// P22: after an epoch. The workers are these processes now, in this order: those that run go on under the new routing,
// others come, the rest closes. stays: shards whose lane is still there stay, but for a few; else all are dealt anew.
void flow_move(struct flow *flow, const uint32_t *order, uint32_t workers, bool stays);
extern uint32_t flow_source_opens;  // handles that were opened so far
void flow_close(struct flow *flow); // as a crash: what was not frozen is lost
// One epoch over [from, to) of each partition: planned, watermark given, frozen. Returns its number.
struct flow_range {
    uint32_t partition;
    int64_t from, to;
};
void flow_plan(struct flow *flow, const struct flow_range *ranges, size_t count, bool no_data, int publishes);
void flow_watermarks(struct flow *flow, uint64_t epoch);
void flow_run(struct flow *flow, const struct flow_range *ranges, size_t count, bool no_data, int publishes);
bool flow_is_still(struct flow *flow); // stepped: nobody has anything to do, nor has a frame been lost
bool flow_step(struct flow *flow);     // stepped: every lane once, and some frames. Returns whether anything was done
// Waits until the epoch is frozen (or the flow failed) and takes its report in.
void flow_wait(struct flow *flow, uint64_t epoch);
// All rows of the one source's next rows on partition 0 as an epoch.
void flow_epoch(struct flow *flow, const struct flow_row *rows, size_t count);
void flow_no_data(struct flow *flow);
Foreset__TableEpoch *flow_report(struct flow *flow, uint32_t table); // of all workers together
// The rows of the last recorded batch of a table as JSON texts, sorted and joined by '\n'; "-" if there is none.
const char *flow_batch(struct flow *flow, const char *table);
size_t flow_batches(struct flow *flow, const char *table);

#endif
