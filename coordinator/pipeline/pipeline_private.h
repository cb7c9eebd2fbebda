// The insides of coordinator/pipeline. Nobody else includes this.
//
//   pipeline.c          states, time, trouble, life
//   pipeline_job.c      how a blocking step is run and comes back
//   pipeline_lead.c     election, lease, recovery
//   pipeline_workers.c  who works, messages in and out
//   pipeline_plan.c     what there is to read, when an epoch is planned
//   pipeline_stall.c    epochs that wait for their sources, a drain that cannot finish
//   pipeline_evidence.c whether the records before an epoch are still those that were read
//   pipeline_commit.c   merge, decide, put, publish
//   pipeline_replay.c   epochs whose files are gone are read again
//   pipeline_upkeep.c   log checkpoints, cleaning, offsets for lag tools
#ifndef FORESET_PIPELINE_PIPELINE_PRIVATE_H
#define FORESET_PIPELINE_PIPELINE_PRIVATE_H

#include <stdatomic.h>

#include "common/base/statemachine.h"
#include "common/rpc/control_pieces.h"
#include "coordinator/commit/table_logs.h"
#include "coordinator/epoch/epoch.h"
#include "coordinator/pipeline/pipeline.h"
#include "coordinator/pipeline/pipeline_fill.h"
#include "coordinator/pipeline/pipeline_status.h"

#define PIPELINE_WORKERS_MAX       64
#define PIPELINE_RUNNING_MAX       2 // epochs that are read at once (P10)
#define PIPELINE_UNPREPARED_MAX    6 // those and what is read and not durable: a slow disk delays, it does not limit
#define PIPELINE_UNPREPARED_ROWS   1000000 // beyond this only those that are read
#define PIPELINE_UNPUBLISHED_MAX   10      // and those between prepared and published (P20)
#define PIPELINE_UNPUBLISHED_BYTES (4ull << 30)
#define PIPELINE_HEARTBEAT_US      500000
#define PIPELINE_SILENCE_US        2000000 // of a worker; doubled each time that it was a pause,
#define PIPELINE_SILENCE_US_MAX    8000000
#define PIPELINE_SILENCE_CALM_US   600000000 // and back to the least when it was not for so long
#define PIPELINE_ASSIGN_AGAIN_US   1000000
#define PIPELINE_DEAF_US           3000000  // one that is assigned and answers nothing is left out for a while,
#define PIPELINE_LEFT_OUT_US       5000000  // doubled each time,
#define PIPELINE_LEFT_OUT_CALM_US  10000000 // and from the least again once it took part for so long
#define PIPELINE_LEFT_OUT_US_MAX   160000000
#define PIPELINE_MOVE_PAUSE_US     300000 // others may come as well
#define PIPELINE_BACKOFF_US        100000
#define PIPELINE_BACKOFF_US_MAX    5000000
#define PIPELINE_RESTARTS_MAX      12      // in a row, for an error that a worker or a store reports
#define PIPELINE_FIRST_ROWS        1000000 // of the first epoch (P4)
#define PIPELINE_LEAST_ROWS        100000
#define PIPELINE_MOST_ROWS         50000000
#define PIPELINE_STATUS_US         250000
#define PIPELINE_IDLE_POLL_US      100000   // shortest trigger
#define PIPELINE_SOURCE_SILENCE_US 60000000 // a source that cannot be asked for so long fails the pipeline;
#define PIPELINE_SOURCE_NEVER_US   20000000 // one that never could be, sooner

enum pipeline_state {
    PIPELINE_STANDBY,    // stands for election
    PIPELINE_RECOVERING, // recovery runs, or waits to run again
    PIPELINE_GATHERING,  // waits for workers
    PIPELINE_ASSIGNING,  // waits until they have loaded
    PIPELINE_RUNNING,
    PIPELINE_MOVING,    // at a border: workers hand over and take what a new routing gives them (P22)
    PIPELINE_QUIESCING, // the attempt is over: decides what is prepared, waits for jobs; then recovers, or stands by
    PIPELINE_ENDING,    // the same, and publishes; then it is over
    PIPELINE_ENDED,
};

struct pipeline_worker {
    uint32_t peer, lanes;
    char name[ROUTING_NAME_SIZE], url[ROUTING_URL_SIZE];
    uint64_t incarnation;
    int64_t heard_us;
    uint64_t memory_bytes, rows_in;
    struct pipeline_status_worker said; // with its last heartbeat
    bool replaced;                      // another process has its name now
    bool gone;                          // its process has ended, as the network says; until it registers again
    bool silent;                        // it was given up for its silence
    int64_t silence_us, paused_us;      // how long it may be silent; when that was last too short
    char unfit[ROUTING_URL_SIZE + 256]; // why this process can take no part; "": it can
    // In this attempt:
    bool in;       // it was assigned
    size_t index;  // its number among the assigned
    bool assigned; // it said so
    bool met;      // it answered under this generation
    uint64_t sequence_in, sequence_out;
    struct control_pieces pieces; // of a message that comes in pieces
    int64_t assign_us, taken_us;  // its Assign went out last; first
    // It speaks, but did not answer, or it and another worker do not reach each other.
    int64_t left_out_us, left_out_until_us;
    unsigned cut_off; // pairs that it was one of, since it last took part for long
};

struct pipeline_name {
    char text[ROUTING_NAME_SIZE];
};

struct pipeline_replaced { // whose evidence was found to be another record; failOnDataLoss => false
    uint32_t node;
    char *topic;
    int32_t partition;
    Foreset__Evidence evidence;
};

struct pipeline_source {
    uint32_t node;
    struct catalog *catalog; // NULL until the first poll
    bool begins;             // it came with a changed plan: startingOffsets say where it begins
    struct catalog_offer offer;
    VECTOR(struct epoch_position_end) ends; // available-now: fixed at the start
};

struct pipeline {
    struct pipeline_config config;
    struct seam *seam;
    struct statemachine machine;
    struct commit_context context;
    struct meta_store meta;
    struct lease lease;
    struct table_logs put_logs, check_logs, clean_logs;
    bool logs_ready;
    unsigned jobs; // running, all kinds
    // Election
    char candidate[160]; // name of this incarnation in the election
    bool electing, keeping;
    int64_t elect_at_us, keep_at_us;
    bool fenced; // quiescing: the lease is gone, nothing may be decided
    // Trouble
    enum pipeline_outcome outcome;
    struct error outcome_err;
    unsigned restarts; // in a row, since something was decided
    int64_t recover_at_us;
    // Not 0: one epoch at a time until this one is decided: it failed with others before it, which were planned so:
    uint64_t serial;
    VECTOR(struct epoch_position_bound) bounds;
    struct arena bounds_arena;
    bool decide_no_more; // ending: what failed was a decision
    bool put_no_more;    // ending: what failed was a put; the next run's recovery puts what is decided
    bool recovering;
    bool refreshed;
    int64_t ticked_us;
    // Workers
    struct pipeline_worker workers[PIPELINE_WORKERS_MAX];
    size_t worker_count, assigned_count;
    struct routing routing;
    VECTOR(struct pipeline_name) leaving; // workers that are to hand over what they hold, here or not
    size_t gathered;                      // workers there were when it was looked last, and
    int64_t gather_at_us;                 // when they get their shares if nobody else comes; 0: nobody is there
    int64_t move_at_us;                   // a worker came or is to go: when the others may move; 0: nothing to move
    bool move_due;                        // planning stops until the border
    int64_t heartbeat_at_us;
    uint64_t dropped; // messages of other attempts
    struct text bytes;
    // Epochs
    struct manifest *recovered; // positions' evidence points into it; the last decided at recovery
    struct meta_record carried; // recovered as the changed plan numbers it, for workers; epoch 0: it is as decided
    struct manifest *built;     // newest merged manifest; its successor starts from it
    struct meta_record decided;
    uint64_t published;
    uint64_t next_epoch;
    uint64_t passed;               // all ReadDone of epochs up to here are in
    int64_t last_timestamp_us;     // of the last planned epoch
    int64_t last_boot_us;          // when it was planned
    VECTOR(struct epoch *) epochs; // planned and not published, ascending
    struct epoch_clock clock;
    struct epoch_position position;
    struct pipeline_source *sources;
    size_t source_count;
    struct pipeline_fills fills; // what new tables read first; of the last recovery
    struct replay *replay;       // this attempt reads epochs again whose files are gone (P26); NULL: it goes on
    bool attempt_ready;          // clock and position belong to this attempt
    bool asked;                  // the sources could be asked once
    bool fixed;                  // available-now: the sources' ends are
    bool polling, offered, due, drain, finished;
    Foreset__Plan *shaped;                       // the plan for workers (table_shape.h); NULL before recovery
    struct manifest *report_due;                 // the group is still to be told of it; NULL: nothing
    bool reporting;                              // what it was told may still be on its way
    bool begins;                                 // some source does
    int64_t trigger_at_us, ask_at_us, silent_us; // silent_us: since when no source could be asked; 0: they can
    double rows_per_s;                           // of late
    // Waiting for sources
    int64_t drain_us;                  // since when it drains
    _Atomic bool hurry;                // it does: for jobs
    uint64_t stall_mark;               // of all that moves, and
    int64_t stall_us, stall_ask_at_us; // since when that has not; when the sources are asked for it
    bool stall_said;
    // Evidence (P7)
    bool verifying;
    bool verify_no_more;                       // it failed while the attempt ends: what is unverified is dropped
    int64_t verify_at_us, verify_silent_us;    // again; since when it fails: 0: it does not
    VECTOR(struct pipeline_replaced) replaced; // partitions that hold another topic now, and may
    // Commit
    bool deciding, publishing;
    bool *whole_due;         // by table, complete mode: others changed it; the next result is written, changed or not
    int64_t *checkpoint_due; // by table, then by its dead letters: newest version that wants a log checkpoint; 0: none
    bool *putting;           // by table
    bool checkpointing, cleaning;
    int64_t clean_at_us;
    struct pipeline_status status;
};

// pipeline.c
void pipeline_move(struct pipeline *pipeline, enum pipeline_state to);
// An error that somebody reported: its class decides (docs/ERRORS.md).
void pipeline_trouble(struct pipeline *pipeline, const struct error *err);
void pipeline_end(struct pipeline *pipeline, enum pipeline_outcome outcome, const struct error *err);
// After every event: does what has become possible.
void pipeline_settle(struct pipeline *pipeline);
void pipeline_say(struct pipeline *pipeline, const char *text);
// True while an attempt needs its workers: what becomes of them before and after is no trouble.
bool pipeline_with_workers(const struct pipeline *pipeline);

// pipeline_job.c
struct pipeline_job {
    struct seam_job job;
    struct pipeline *pipeline;
    enum status (*act)(struct pipeline_job *job, struct error *err); // elsewhere
    void (*finished)(struct pipeline_job *job);                      // on the role's thread
    void (*release)(struct pipeline_job *job);                       // frees what it holds; NULL: nothing
    enum status status;
    struct error err;
};
void *pipeline_job_create(struct pipeline *pipeline, size_t size,
                          enum status (*act)(struct pipeline_job *, struct error *),
                          void (*finished)(struct pipeline_job *), void (*release)(struct pipeline_job *));
void pipeline_job_spawn(struct pipeline_job *job);

// pipeline_lead.c
void pipeline_lead_tick(struct pipeline *pipeline, int64_t now_us);
void pipeline_lead_stand_by(struct pipeline *pipeline);
void pipeline_lead_recover(struct pipeline *pipeline);
int64_t pipeline_lead_next(const struct pipeline *pipeline);

// pipeline_workers.c
void pipeline_workers_message(struct pipeline *pipeline, uint32_t peer, const void *bytes, size_t size);
void pipeline_workers_gone(struct pipeline *pipeline, uint32_t peer);
bool pipeline_workers_leaves(const struct pipeline *pipeline, const struct pipeline_worker *worker);
void pipeline_workers_leaving(struct pipeline *pipeline, char *const *names, size_t count);
void pipeline_workers_move(struct pipeline *pipeline, int64_t now_us); // if it is time and a border
void pipeline_workers_gather(struct pipeline *pipeline, int64_t now_us);
void pipeline_workers_tick(struct pipeline *pipeline, int64_t now_us);
void pipeline_workers_plan(struct pipeline *pipeline, struct epoch *epoch);
void pipeline_workers_watermark(struct pipeline *pipeline, struct epoch *epoch);
void pipeline_workers_abort(struct pipeline *pipeline, bool stop);
uint64_t pipeline_workers_memory(const struct pipeline *pipeline);

// pipeline_plan.c
enum status pipeline_plan_begin(struct pipeline *pipeline, struct error *err) MUST_USE; // a new attempt
void pipeline_plan_drop(struct pipeline *pipeline);                                     // its volatile state
void pipeline_plan_unfix(struct pipeline_source *source);
void pipeline_plan_advance(struct pipeline *pipeline, int64_t now_us);
int64_t pipeline_plan_next(const struct pipeline *pipeline);
struct epoch *pipeline_plan_epoch(struct pipeline *pipeline, uint64_t number);
// Epoch `failed` cannot be decided. The next attempt plans those before it as they are, each alone.
void pipeline_plan_serially(struct pipeline *pipeline, uint64_t failed);
// ReadDone came: passes what is complete, sends watermarks.
enum status pipeline_plan_read(struct pipeline *pipeline, struct error *err) MUST_USE;

// The epoch is cut, dealt and fixed: sends it to the workers.
void pipeline_plan_start(struct pipeline *pipeline, struct epoch *epoch, int64_t now_us);

void pipeline_plan_ask_sources(struct pipeline *pipeline); // a job; not while one polls

// pipeline_stall.c
void pipeline_stall_tick(struct pipeline *pipeline, int64_t now_us);

// pipeline_evidence.c
void pipeline_evidence_advance(struct pipeline *pipeline);
void pipeline_evidence_begin(struct pipeline *pipeline); // a new attempt: positions are there, nothing is offered yet
void pipeline_evidence_deinit(struct pipeline *pipeline);

// pipeline_replay.c
void pipeline_replay_begin(struct pipeline *pipeline, struct replay *replay); // recovery found what is lost
void pipeline_replay_offers(struct pipeline *pipeline);                       // the sources have answered
void pipeline_replay_plan(struct pipeline *pipeline, int64_t now_us);
void pipeline_replay_commit(struct pipeline *pipeline);

// pipeline_commit.c
void pipeline_commit_advance(struct pipeline *pipeline);
bool pipeline_commit_idle(const struct pipeline *pipeline); // nothing is left that could be decided or put

// pipeline_upkeep.c
void pipeline_upkeep_checkpoint(struct pipeline *pipeline, uint32_t table, bool dead_letters, int64_t version);
void pipeline_upkeep_published(struct pipeline *pipeline, const struct manifest *manifest);
void pipeline_upkeep_report(struct pipeline *pipeline); // what is published, as soon as the sources can be asked
void pipeline_upkeep_clean(struct pipeline *pipeline);

#endif
