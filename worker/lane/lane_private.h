// The insides of worker/lane: what its files share. Nobody else includes this.
//
//   lane_group.c      dataflow_ops: opens lanes, deals plans out, gathers reports into events (control thread, lanes)
//   lane_plan.c       an epoch plan as shares of lanes
//   lane_report.c     makes ReadDone and Prepared of the lanes' reports
//   lane_load.c       state snapshot parts into operators
//   lane.c            one lane: its thread, its mailbox, polling its sources
//   lane_graph.c      the nodes of the plan on one lane: queues, markers, waiting
//   lane_clock.c      who takes part, L, W, batch numbers (pure)
//   lane_move.c     going on under another routing (P22)
//   lane_remote.c   lanes of other workers: frames out and in, credits, frames that come before their plan
//   lane_query.c    keys instead of rows: DROP DUPLICATES across workers
//   operator_table.c  Node.kind → operator
#ifndef FORESET_LANE_LANE_PRIVATE_H
#define FORESET_LANE_LANE_PRIVATE_H

#include "common/base/random.h"
#include "common/base/thread.h"
#include "common/plan/plan_source.h"
#include "worker/exchange/exchange.h"
#include "worker/exchange/exchange_frame.h"
#include "worker/exchange/exchange_routing.h"
#include "worker/lane/dataflow.h"
#include "worker/lane/lane_clock.h"
#include "worker/lane/lane_group.h"
#include "worker/expr/expr.h"
#include "worker/operator/operator.h"
#include "worker/source/source.h"

#define LANE_EPOCHS_MAX        8u           // planned and not yet frozen, on one lane
#define LANE_CREDIT_MAX_BYTES  (32u << 20)  // per channel and epoch parity (P14); less with little memory
#define LANE_HELD_MAX_BYTES    (64u << 20)  // rows of later epochs that wait on one lane
#define LANE_STALL_US          60000000ll   // a source that memory keeps from reading for so long is an error (P14)
#define LANE_POLL_US           10000        // how long a waiting source may be left alone
#define LANE_BEAT_US           1000000      // how often other workers are told how many frames there were
#define LANE_PEER_MAX_BYTES    (128u << 20) // outstanding to one other worker, over all channels
#define LANE_OWED_MAX_BYTES    (256u << 10) // taken from another worker's lane and not yet told
#define LANE_FRAME_BYTES       (4u << 20)   // a larger frame is cut in two, as long as it has two rows
#define LANE_BATCHES_PER_ROUND 4u           // source batches between two looks into the mailbox

// An epoch plan as dealt out: which lane reads what.
struct lane_share {
    Foreset__Range **ranges; // the plan's own, or the lane's part of a FILES range
    size_t count;
};
struct lane_plan {
    _Atomic uint32_t refs;
    uint64_t epoch;
    Foreset__EpochPlan *plan;
    uint32_t lanes, nodes;
    struct lane_share *shares; // [lane of this worker * nodes + source node]
    Foreset__Range **made;     // ranges that are not in the plan
    size_t made_count;
};
enum status lane_plan_create(const Foreset__Plan *plan, uint64_t epoch, const Foreset__EpochPlan *epoch_plan,
                             const struct exchange_routing *routing, struct lane_plan **ret_plan,
                             struct error *err) MUST_USE;
struct lane_plan *lane_plan_ref(struct lane_plan *plan);
void lane_plan_unref(struct lane_plan *plan);

enum lane_mail_kind {
    LANE_MAIL_PLAN,      // group → lane: lane_mail_plan
    LANE_MAIL_WATERMARK, // group → lane: lane_mail_watermark
    LANE_MAIL_BATCH,     // lane → lane, by an exchange: lane_mail_batch; from another worker: posted by its thread
    LANE_MAIL_MARKER,    // lane → lane, behind the batches: lane_mail_batch without a batch; the same
    LANE_MAIL_EMITTED,   // lane → lane: what a stateful table emitted: lane_mail_emitted; the same
    LANE_MAIL_ANSWER,    // from another worker's lane: which keys it had not seen: lane_mail_answer
    LANE_MAIL_READ,      // group → lane: every lane's mailbox holds the plan of `epoch`, read it: lane_mail_read
    LANE_MAIL_STOP,      // group → lane
};
struct lane_mail_plan {
    struct mail mail;
    struct lane_plan *plan;
};
struct lane_mail_read {
    struct mail mail;
    uint64_t epoch;
};
struct lane_mail_watermark {
    struct mail mail;
    uint64_t epoch;
    uint32_t count;
    struct {
        uint32_t table;
        int64_t watermark_us;
    } items[];
};
struct lane_mail_batch {
    struct mail mail;
    uint64_t epoch;
    uint32_t exchange; // number among the plan's exchanges
    uint32_t sender;   // lane
    uint64_t batches;  // a batch: its sequence; a marker: how many there were
    uint64_t rows;     // a marker: how many there were
    uint64_t credit_bytes;
    bool remote;
    struct batch *batch;
};
struct lane_mail_emitted {
    struct mail mail;
    uint64_t epoch;
    uint32_t table;
    uint64_t rows;
    bool final; // the table's marker has passed on the sender; else rows > 0 is known already
};

struct lane_mail_answer {
    struct mail mail;
    uint64_t epoch, routing_version;
    uint32_t exchange, sender;
    uint32_t rows, passed; // rows 0: no answer of the epoch follows
    uint8_t bits[];
};

// Rows that stay until another worker's lane has said which of them pass.
struct lane_query {
    uint64_t epoch;
    struct batch *rows;   // answered: those that pass; NULL: none
    uint32_t from, count; // of its selected rows
    uint64_t bytes;
};
struct lane_query_queue {
    VECTOR(struct lane_query) items; // from `head`
    size_t head, answered;           // those before `answered` have their answer
};

struct lane_item {
    uint64_t epoch;
    struct batch *batch;              // NULL: marker
    struct exchange_channel *channel; // whose credit it holds; NULL: this lane's own, or another worker's
    bool remote;                      // it holds another worker's credit
    uint32_t sender;
    uint64_t bytes;
};
struct lane_input {
    VECTOR(struct lane_item) items; // waiting, from `head`
    size_t head;
    bool at_marker;
};
struct lane_edge {
    uint32_t node, input;
};
struct lane_node {
    struct lane *lane;
    uint32_t plan_index;
    const Foreset__Node *plan_node;
    struct operator* op;  // NULL: SOURCE, receiving end of an exchange
    bool receiver;        // of an exchange; inputs are the lanes
    bool waits_at_marker; // needs the table's clock for the epoch
    bool waits_for_rows;  // needs the table's clock through the epoch before
    uint32_t exchange;    // number, for both ends
    uint64_t epoch;       // at hand
    bool begun;
    uint64_t rows_in, rows_out; // of the epoch at hand
    uint32_t markers;
    uint32_t input_count;
    struct lane_input *inputs;
    uint32_t consumer_count;
    struct lane_edge *consumers;
};

struct lane_source {
    uint32_t node;
    struct source *source; // opened with the first range
    uint64_t epoch;        // being read or last read
    uint64_t rows;         // read in it
    bool done;             // with `epoch`
    bool waiting;          // the last poll found nothing
    bool moved;            // partitions may have gone to other lanes: without a range, the handle is closed
};

struct lane_maximum {
    bool found;
    int64_t event_time_us;
};
// What a lane knows of one epoch; also its report to the group, which takes it when it is frozen.
struct lane_epoch {
    uint64_t epoch; // 0: free
    struct lane_plan *plan;
    struct clock_epoch *tables;
    struct lane_maximum *maxima; // by node
    uint64_t *rows_in;           // by table
    uint64_t *emitted;           // by table: rows that its TABLE node has passed on
    uint64_t *states;            // by node: entries that are alive at the epoch's end
    struct operator_counts *counts;
    size_t table_count;
    struct operator_table **outputs;
    VECTOR(struct dataflow_part) parts;
    VECTOR(Foreset__Range *) ranges; // evidence
    uint32_t measured, frozen;       // nodes that have passed the marker: sources and WATERMARKs; all
    uint64_t rows_read;              // from files
    int64_t stop_us;                 // time at the markers (P11)
    int64_t stop_cpu_ns;             // of it, on a CPU
    bool reported;
};

struct lane {
    struct lane_group *group;
    uint32_t index; // among this worker's; host.lane is its number among all
    struct operator_host host;
    struct expr_bound bound; // host.bound
    struct random random;
    struct mailbox mailbox;
    pthread_t thread;
    bool threaded, stopped, failed;
    struct lane_node *nodes; // plan nodes, then the receiving ends
    uint32_t node_count;
    uint32_t measure_count; // SOURCE and WATERMARK nodes
    struct lane_source *sources;
    uint32_t source_count, next_source;
    uint64_t reading; // epoch
    uint64_t last_planned;
    uint64_t released; // epochs up to this one are in every lane's mailbox, so that no row can overtake its plan
    struct table_clock *clocks;
    uint32_t channel_count;
    struct exchange_channel *channels; // sent by this lane: [exchange * lanes + receiver]
    struct exchange_inlet *inlets;     // received by this lane: [exchange * lanes + sender]
    struct lane_query_queue *queries;  // asked by this lane: [exchange * lanes + receiver]
    struct text frame;                 // to another worker, being made
    int64_t beat_us;
    uint64_t held_bytes;
    int64_t stop_us;     // since when it is at a marker; 0: it is not
    int64_t stop_cpu_ns; // the thread's CPU time then
    int64_t stalled_us;  // since when credit or waiting rows keep it from reading; 0: they do not
    struct lane_epoch epochs[LANE_EPOCHS_MAX];
};

// lane.c
void lane_init(struct lane *lane, struct lane_group *group, uint32_t index);
void lane_route(struct lane *lane); // takes its number and its shards from the group's routing
enum status lane_open(struct lane *lane, struct error *err) MUST_USE;
void lane_channels(struct lane *lane); // made for the routing
void lane_deinit(struct lane *lane);
void *lane_run(void *argument);
// Serves the mailbox and polls the sources once. Returns whether anything was done.
bool lane_step(struct lane *lane);
struct lane_epoch *lane_epoch_find(struct lane *lane, uint64_t epoch);
void lane_epoch_deinit(struct lane_epoch *epoch, const Foreset__Plan *plan);
// Time at an epoch's markers (P11): from the first node that completes until the lane goes on with rows. begin: whether
// it was not at a marker already. end: epoch NULL if it was reported meanwhile.
bool lane_stop_begin(struct lane *lane);
void lane_stop_end(struct lane *lane, struct lane_epoch *epoch);
enum status lane_check_reports(struct lane *lane, struct lane_epoch *epoch, struct error *err) MUST_USE;

// lane_graph.c
enum status lane_graph_open(struct lane *lane, struct error *err) MUST_USE;
void lane_graph_close(struct lane *lane);
// Rows of the epoch that a table was given.
void lane_graph_count_in(struct lane_epoch *epoch, uint32_t table, uint64_t rows);
enum status lane_graph_emit(struct lane_node *node, struct batch *batch, struct error *err) MUST_USE;
enum status lane_graph_marker(struct lane_node *node, uint64_t epoch, struct error *err) MUST_USE; // to the consumers
enum status lane_graph_receive(struct lane *lane, const struct lane_mail_batch *mail,
                               struct error *err) MUST_USE;                          // takes its batch
enum status lane_graph_complete(struct lane_node *node, struct error *err) MUST_USE; // a receiver that waited
enum status lane_graph_resume(struct lane *lane, struct error *err) MUST_USE;        // nodes that waited for the clock
static inline struct lane_node *lane_node_of(struct lane *lane, uint32_t plan_index)
{
    return &lane->nodes[plan_index];
}

// lane_remote.c
void lane_remote_open(struct lane_group *group); // under the group's routing
void lane_remote_close(struct lane_group *group);
enum status lane_remote_send(struct lane_node *node, uint32_t target, struct batch *batch, struct error *err) MUST_USE;
void lane_remote_marker(struct lane_node *node, uint32_t target, uint64_t epoch,
                        const struct exchange_channel *channel);
void lane_remote_emitted(struct lane *lane, const struct lane_mail_emitted *mail);
enum status lane_remote_answer(struct operator* op, uint32_t lane, const uint32_t *rows, uint32_t passed,
                               uint32_t count, struct error *err) MUST_USE;      // operator_host.answer
void lane_remote_answered(struct lane *lane, uint32_t exchange, uint64_t epoch); // no answer of the epoch follows
void lane_remote_taken(struct lane_node *node, const struct lane_item *item);
void lane_remote_settle(struct lane_node *node, uint64_t epoch); // tells what is still owed of an epoch
void lane_remote_beat(struct lane *lane);
void lane_remote_limits(struct lane_group *group); // lane_credits
void lane_remote_receive(struct dataflow *flow, uint32_t worker, const void *bytes, size_t size);
void lane_remote_counters(struct dataflow *flow, struct dataflow_counters *ret_counters);
void lane_remote_dealt(struct lane_group *group, uint64_t epoch); // every lane's mailbox holds its plan
void lane_mail_free(struct mail *mail);

// lane_query.c
// Of what is asked with; NULL: rows cross this exchange.
const struct type *lane_query_type(struct lane *lane, uint32_t exchange);
enum status lane_query_keys(struct lane *lane, uint32_t exchange, const struct batch *rows, struct batch **ret_keys,
                            struct error *err) MUST_USE;
void lane_query_hold(struct lane *lane, uint32_t exchange, uint32_t target, uint64_t epoch, struct batch *rows,
                     uint32_t from, uint32_t count);
bool lane_query_pending(const struct lane_node *receiver); // of its epoch or an earlier one
enum status lane_query_answered(struct lane *lane, const struct lane_mail_answer *mail, struct error *err) MUST_USE;
enum status lane_query_settle(struct lane *lane, uint32_t exchange, struct error *err) MUST_USE; // what may go on
void lane_query_open(struct lane *lane);                                                         // for the channels
void lane_query_close(struct lane *lane);

// operator_table.c
enum status operator_table_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                struct error *err) MUST_USE; // *ret_op NULL: SOURCE
source_open operator_table_source(const Foreset__Source *source);

struct group_epoch {
    uint64_t epoch; // 0: free
    struct lane_plan *plan;
    uint32_t measured, frozen;
    struct lane_maximum *maxima; // by node, over the lanes
    bool *took_part;             // by table
    struct lane_epoch *reports;  // by lane
};
// Another worker. Who sends numbers its frames under the lock, so that they go out in that order.
struct lane_peer {
    pthread_mutex_t lock;
    uint64_t sent;     // frames
    uint64_t owed_max; // taken on a channel and not yet told: a quarter at most of what its sender may have outstanding
    uint64_t expected; // under the gate: the next frame's number
};
struct lane_waiting {
    struct mail *mail;
    uint32_t lane; // of this worker
    uint64_t epoch;
};
struct lane_group {
    struct dataflow base;
    struct dataflow_open_args args;
    Foreset__Plan *plan;     // our copy
    Foreset__Manifest *from; // our copy; NULL
    struct lane_group_options options;
    // Within the worker's. Nothing that outlives the lanes is in one of them.
    struct budget state_budget, source_budget, exchange_budget, writer_budget;
    struct exchange_routing *routing;
    struct lane *lanes; // this worker's
    uint32_t lane_count;
    uint32_t exchange_count;
    uint64_t queue_bytes_max; // of one source on one lane
    uint64_t credit_bytes, held_bytes_max;
    uint64_t *lane_credits; // by lane of all workers: credit_bytes, or less where frames wait for the network together
    const char *record;     // FORESET_RECORD's directory; NULL
    struct lane_lates *lates;
    _Atomic uint64_t rows_in;           // read from sources
    _Atomic int64_t first_row_us;       // wall clock; 0: no row has been read
    const struct type **exchange_types; // by exchange: of its rows
    const struct type **exchange_keys;  // by exchange: of what is asked with instead; NULL: rows cross
    struct lane_peer *peers;            // by worker
    pthread_mutex_t gate; // guards routing and channels against lane_remote_receive, and the four that follow
    uint64_t dealt;       // epochs up to this one are in every lane's mailbox
    VECTOR(struct lane_waiting) waiting;   // mails of later epochs, in order
    uint64_t dropped_old, dropped_repeats; // frames of another generation or routing; frames that came twice
    _Atomic uint64_t frames_sent, bytes_sent, rows_sent, frames_received, bytes_received;
    _Atomic uint64_t credit_sent_bytes, credit_received_bytes, stalled_us;
    pthread_mutex_t lock; // guards what follows; nothing is called under it but notify's preparation
    bool failed, closing;
    bool first_row_told;
    struct group_epoch epochs[LANE_EPOCHS_MAX];
    struct lane_maximum *maxima; // cumulative, by node
    struct group_open *open;     // update mode: by table, the open files
    bool *rewrite;               // by table: open files of another routing stood at the start
    struct text *records;        // by table: rows of the unpublished batch
};
struct group_open {
    VECTOR(Foreset__DataFile *) files;
    bool all; // written under another routing: the next publication replaces them all
};
// Called by lanes.
void lane_group_measured(struct lane_group *group, struct lane_epoch *epoch);
void lane_group_frozen(struct lane_group *group, uint32_t lane, struct lane_epoch *report); // takes *report's contents
void lane_group_fail(struct lane_group *group, const struct error *err);
// For lane_move.c. halt: the lanes' threads have ended; continue: what the group knows from a manifest, copied; the
// limits under its routing.
void lane_group_halt(struct lane_group *group);
void lane_group_start(struct lane_group *group);
void lane_group_continue(struct lane_group *group, const Foreset__Manifest *from);

// lane_move.c
enum status lane_move(struct dataflow *flow, const Foreset__Routing *message, uint32_t worker_index,
                      const Foreset__Manifest *from, struct error *err) MUST_USE;

// lane_report.c; under the group's lock
Foreset__ReadDone *lane_report_read_done(struct lane_group *group, struct group_epoch *epoch);
struct dataflow_frozen *lane_report_frozen(struct lane_group *group, struct group_epoch *epoch);
Foreset__DataFile *lane_report_copy_file(const Foreset__DataFile *file);
// Update mode: this worker's share of the open files that the manifest names.
void lane_report_continue(struct lane_group *group);
void lane_report_record(struct lane_group *group, struct group_epoch *epoch); // FORESET_RECORD

// lane_load.c
// wanted: shards of this worker whose state is to come from the parts of group->from.
enum status lane_load(struct lane_group *group, const uint8_t *wanted, struct error *err) MUST_USE;

#endif
