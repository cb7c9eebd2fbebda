// The simulator: a whole cluster in one process, in virtual time, from one seed. What it drives is what ships: the
// roles of coordinator/ and worker/ and the Delta log of common/delta; it stands in for clock, network, kv store,
// object stores, sources and the data flow.
//
//   sim_core.c     events, virtual time, fibers, processes and their crashes
//   sim_network.c  messages between processes: lost, late, twice, out of order
//   sim_kv.c       the kv store, with leases and unknown outcomes
//   sim_store.c    object stores, with lost syncs, unknown outcomes, power cuts
//   sim_plan.c     the pipeline that runs: its plan, its rows
//   sim_flow.c     a worker's data flow over these rows
//   sim_model.c    the reference: what tables must hold after each decided epoch
//   sim_check.c    the invariants, checked at every decision, commit and delete
//   sim_host.c     processes and the roles that they host, as cli/*_command.c host them
//   sim_operator.c a person's commands
//   sim_others.c   what other writers do to the tables
//   sim_cluster.c  the cluster of a run, faults over time, the end
//   sim_main.c     command line
#ifndef FORESET_SIM_SIM_H
#define FORESET_SIM_SIM_H

#include <stdio.h>
#include <ucontext.h>

#include "common/base/memory.h"
#include "common/base/random.h"
#include "common/base/text.h"
#include "common/base/vector.h"
#include "common/kv/kv.h"
#include "common/rpc/seam.h"
#include "common/objstore/store_opener.h"
#include "coordinator/cluster/cluster.h"
#include "coordinator/pipeline/pipeline.h"
#include "worker/node.h"
#include "worker/worker.h"

#define SIM_SECOND         1000000ll
#define SIM_PARTITIONS_MAX 4
#define SIM_KEYS           5
#define SIM_PROCESSES_MAX  8
#define SIM_PIPELINES_MAX  3
#define SIM_ROLES_MAX      48 // of a process, with those that are being stopped
#define SIM_TABLES         7
#define SIM_CONTENTS       8 // tables, and the dead letters of one

struct sim_process;
struct sim_role;

// ---- sim_core.c ----

struct sim_event {
    int64_t at_us;
    uint64_t number;       // order among equals
    struct sim_role *role; // waits while its process is paused; dropped if it is another life's. NULL: nobody's
    uint64_t life;
    void (*run)(void *argument);
    void (*drop)(void *argument); // NULL: nothing to free
    void *argument;
};
enum sim_fault { SIM_FAULT_NONE, SIM_FAULT_ERROR, SIM_FAULT_UNKNOWN, SIM_FAULT_UNKNOWN_DONE, SIM_FAULT_UNKNOWN_LATER };

struct sim_fiber {
    ucontext_t context;
    void *stack;
    void *fake_stack; // ASan's
    struct sim_role *role;
    void (*body)(void *argument);
    void *argument;
    bool finished, waiting;
    uint64_t wakes;         // resumes that are scheduled for an earlier wait are void
    struct sim_fiber *next; // of the process
};

enum sim_kind { SIM_COORDINATOR, SIM_WORKER };
struct sim_role { // one of a process, behind a seam of its own
    struct seam seam;
    struct random random;
    struct sim_process *process;
    struct seam_role role;
    uint64_t life; // of this place
    bool used;
    bool deposed;     // its lease was given back by another process, which took it for dead
    bool stopping;    // takes nothing any more; gone when its jobs have ended
    uint64_t channel; // 0: the process's own, cluster or node
    uint32_t pipeline_number;
    uint32_t leader;         // of a served pipeline
    unsigned jobs, fibers;   // that run
    int64_t tick_at_us;      // of the tick that counts
    int64_t posted_us;       // when the last event posted comes
    struct cluster *cluster; // one of the four
    struct node *node;
    struct pipeline *pipeline;
    struct worker *worker;
    struct objstore *state;
    char *said; // by the pipeline
};
struct sim_process {
    struct clock clock;
    enum sim_kind kind;
    uint32_t id; // where it is reached
    bool alive, dying;
    uint64_t life;
    int64_t paused_until_us;
    int64_t deaf_until_us; // its kv endpoint: requests or answers are lost
    bool deaf_acts;        // requests arrive, answers do not
    int64_t away_until_us; // down, and does not come back before; a worker that joins later
    bool drained;          // a worker that is to hold nothing
    int64_t wall_skew_us;
    uint32_t lanes;   // a worker's
    uint32_t watches; // a coordinator's: the leader whose end it is to hear of; 0: nobody's
    struct kv *kv;
    struct sim_role roles[SIM_ROLES_MAX]; // [0]: cluster or node
    struct sim_fiber *fibers;
};

struct sim_knobs { // probabilities, drawn from the seed
    double crash, call_error, call_unknown, call_slow, drop, duplicate, delay, sync_error, failpoint_error;
    double command;           // a tenth of a second's, for a pipeline: stop, start, apply
    double drain;             // a tenth of a second's, of a worker
    double cut, deaf, quorum; // a tenth of a second's: of a link in one direction, a kv endpoint, the kv store's quorum
    bool available_now;
    bool tells;    // pipelines say how they are, workers leave as they should
    bool grows;    // a person adds a table to each pipeline while it runs (P23)
    double others; // a tenth of a second's, for a pipeline: another writer's commit to one of its tables
    bool steers;   // workers are drained and undrained all the time, little else happens
    uint32_t partitions, workers, coordinators, pipelines;
    size_t piece_bytes; // longer messages go in pieces (P15); 0: none is that long
    int64_t faults_until_us;
};

struct sim {
    uint64_t seed;
    bool trace;
    struct random random;
    int64_t now_us;
    uint64_t event_number;
    VECTOR(struct sim_event) heap;
    struct sim_process processes[SIM_PROCESSES_MAX];
    size_t process_count;
    int64_t cut_until_us[SIM_PROCESSES_MAX][SIM_PROCESSES_MAX]; // messages from, to
    struct sim_role *current;                                   // whose code runs
    struct sim_fiber *fiber;                                    // NULL: the scheduler, or a role's own thread
    ucontext_t main;
    VECTOR(void *) stacks;
    struct sim_knobs knobs;
    bool faults; // on
    bool failed;
    char failure[2048];
    uint64_t steps, crashes, decisions, commits, moves, replays, list_parts;
    Foreset__Plan *plans[SIM_PIPELINES_MAX], *grown[SIM_PIPELINES_MAX]; // without SIM_COPY, with it
    struct arena arena;
};
extern struct sim *sim; // the one that runs

void sim_core_init(uint64_t seed, bool trace);
void sim_core_deinit(void);
bool sim_core_step(void); // false: nothing left to do
void sim_core_at(int64_t delay_us, struct sim_role *role, void (*run)(void *), void (*drop)(void *), void *argument);
void sim_core_fail(const char *format, ...) PRINTF_LIKE(1, 2); // an invariant is broken: the run ends
void sim_core_trace(const char *format, ...) PRINTF_LIKE(1, 2);
bool sim_core_roll(double probability); // only while faults are on
// A blocking call of the current fiber: takes time, may fail, may be the last thing the process does. STATUS_KILLED:
// the caller returns it at once. *ret_fault: what happens to the call itself.
enum status sim_core_call(struct sim_process *process, bool writes, enum sim_fault *ret_fault, struct error *err);
// Behind the effect of a call: the process may die before it hears of it.
enum status sim_core_effect(struct sim_process *process, enum sim_fault fault, struct error *err);
void sim_core_fiber(struct sim_role *role, void (*body)(void *), void *argument);
void sim_core_sleep(int64_t us); // current fiber
void sim_core_wait(void);        // current fiber, until woken or the process dies
void sim_core_pass(void);        // current fiber of a dying process: lets its others unwind first
void sim_core_wake(struct sim_fiber *fiber);
void sim_core_process(struct sim_process *process, enum sim_kind kind, uint32_t id);
void sim_core_kill(struct sim_process *process);                               // at once, or as soon as its code yields
struct sim_role *sim_core_role(struct sim_process *process, uint64_t channel); // a place; fill it, then start it
void sim_core_start(struct sim_role *role, const struct seam_role *as);
void sim_core_stop(struct sim_role *role); // takes nothing any more; its jobs end, then it resigns and is destroyed
void sim_core_post(struct sim_role *role, void *event);
void sim_core_tick(struct sim_role *role);
bool sim_core_takes(const struct sim_role *role);                              // messages, events, results
struct sim_role *sim_core_find(struct sim_process *process, uint64_t channel); // NULL: nobody takes it
enum status sim_core_killed(struct error *err);

// ---- sim_network.c ----
void sim_network_reset(void);
// It hears that what it sent there may not have arrived.
void sim_network_lost(struct sim_process *from, const struct sim_process *to);
void sim_network_gone(const struct sim_process *process); // coordinators hear that this life of it has ended
void sim_network_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size);

// ---- sim_kv.c ----
void sim_kv_reset(void);
struct kv *sim_kv_open(struct sim_process *process);
void sim_kv_lose_quorum(int64_t us);      // nothing happens in it, nobody is answered; leases stand still
void sim_kv_back(void);                   // they begin anew
const char *sim_kv_look(const char *key); // behind everybody's back; NULL: absent
bool sim_kv_leads(const struct sim_role *role, uint32_t pipeline); // its lease holds the leader key now

// ---- sim_store.c ----
struct sim_object {
    char *key;
    uint8_t *bytes;
    size_t size;
    bool durable;     // survives a power cut
    bool sync_failed; // its pages are gone: a second sync says OK and does nothing
    int64_t modified_us;
};
void sim_store_reset(void);
enum status sim_store_open(void *process, const char *url, bool create, struct objstore **ret_store, struct error *err);
void sim_store_power_cut(void);
const struct sim_object *sim_store_look(const char *url, const char *key);
size_t sim_store_count(const char *url); // objects there are
// Another writer's: whole, durable, at once.
void sim_store_foreign(const char *url, const char *key, const void *bytes, size_t size);
void sim_store_vanish(const char *url, const char *key);

// ---- sim_plan.c ----
enum { SIM_ROWS, SIM_COUNTS, SIM_WINDOWS, SIM_SLOW, SIM_LATEST, SIM_CHAIN, SIM_COPY, SIM_DEAD };
enum {
    SIM_NODE_SOURCE,
    SIM_NODE_WATERMARK,
    SIM_NODE_COUNTS,
    SIM_NODE_WINDOWS,
    SIM_NODE_LATEST,
    SIM_NODE_CHAIN_WATERMARK,
    SIM_NODE_CHAIN,
    SIM_NODE_TABLES,                                  // one each, but for SIM_COPY
    SIM_NODE_FILL = SIM_NODE_TABLES + SIM_TABLES - 1, // of the grown plan, as what follows
    SIM_NODE_UNION,
    SIM_NODE_COPY,
    SIM_NODE_COUNT
};
#define SIM_DELAY_US        (2 * SIM_SECOND)
#define SIM_WINDOW_US       (5 * SIM_SECOND)
#define SIM_CHAIN_DELAY_US  SIM_SECOND
#define SIM_CHAIN_WINDOW_US (20 * SIM_SECOND)
#define SIM_INTERVAL_US     (6 * SIM_SECOND)
struct sim_row { // of every table
    uint64_t key, value;
};
void sim_plan_make(uint32_t pipeline);
uint32_t sim_plan_number(const Foreset__Plan *plan);
// "sim://p1/rows": of which pipeline; UINT32_MAX: of none.
uint32_t sim_plan_of_url(const char *url);
const char *sim_plan_state_url(uint32_t pipeline);
int64_t sim_plan_event_time(uint32_t partition, int64_t number);
// The rows of a data file that a Fill's line names, as the store has them; NULL: it is not there whole.
const struct sim_row *sim_plan_filled(uint32_t pipeline, const char *line, size_t *ret_count);
bool sim_plan_grown(const Foreset__Plan *plan);              // has SIM_COPY
bool sim_plan_chained(void);                                 // one worker only: the simulated flow has no exchange
bool sim_plan_is_dead(int64_t number);                       // goes to the dead letters of SIM_SLOW
bool sim_plan_is_slow(int64_t number);                       // goes to SIM_SLOW
int64_t sim_plan_end(uint32_t pipeline, uint32_t partition); // rows there are by now
int64_t sim_plan_total(uint32_t pipeline, uint32_t partition);
uint64_t sim_plan_hash(const struct sim_row *row);
enum status sim_plan_catalog(void *process, const Foreset__Plan *plan, uint32_t node, struct catalog **ret_catalog,
                             struct error *err);
// A data file: rows with a checksum. NULL rows: it is not whole.
void sim_plan_encode(const struct sim_row *rows, size_t count, struct text *ret_bytes);
const struct sim_row *sim_plan_decode(const void *bytes, size_t size, size_t *ret_count);

// ---- sim_flow.c ----
enum status sim_flow_open(const struct dataflow_open_args *args, struct dataflow **ret_flow, struct error *err);

// ---- sim_model.c ----
struct sim_content { // a multiset of rows
    uint64_t rows, hash;
};
void sim_model_reset(void);
void sim_model_decide(uint32_t pipeline, const Foreset__Manifest *manifest); // moves the reference over an epoch
struct sim_content sim_model_at(uint32_t pipeline, uint32_t table, uint64_t epoch);
uint64_t sim_model_epoch(uint32_t pipeline);
// Every row there will ever be is decided, and no watermark would move.
bool sim_model_complete(uint32_t pipeline);

// ---- sim_check.c ----
void sim_check_reset(void);
void sim_check_decided(uint32_t pipeline, const char *record); // the kv store's `last` changed
void sim_check_commit(const char *url, const char *key);       // a Delta commit came into being
void sim_check_remove(const char *url, const char *key);       // an object is about to vanish
void sim_check_end(bool complete);                             // the run is over: everything must be there
// All tables hold what the model says of its last epoch; all = false: but those that others changed since.
bool sim_check_published(uint32_t pipeline, bool all);

struct sim_check_file {
    const char *path;
    bool live, was_live; // a commit has added it
    bool awaited;        // decided, and no commit has added it yet
};
size_t sim_check_files(uint32_t pipeline, uint32_t table);
struct sim_check_file sim_check_file(uint32_t pipeline, uint32_t table, size_t at);
int64_t sim_check_version(uint32_t pipeline, uint32_t table); // of its log
uint64_t sim_check_epoch(uint32_t pipeline, uint32_t table);  // of its last commit of ours

// ---- sim_others.c ----
#define SIM_OTHERS_ENGINE "another writer"
#define SIM_OTHERS_KEY    (UINT64_C(1) << 63) // in keys of rows that others append
void sim_others_reset(void);
void sim_others_act(void);                     // each tenth of a second
bool sim_others_may_block(uint32_t pipeline);  // something was done to it that no pipeline can go on from
void sim_others_bring_back(uint32_t pipeline); // the files that a VACUUM removed
enum status sim_others_filter(const struct file_filter_args *args, struct file_filter_rest *ret_rests,
                              struct error *err);

// ---- sim_host.c ----
extern const char *const sim_host_workers[3]; // names
void sim_host_start(struct sim_process *process);
void sim_host_leave(struct sim_process *worker); // it is to hand over what it holds, and to end
const char *sim_host_state(const struct sim_process *process, char *text, size_t size); // for a person
bool sim_host_holds(const struct sim_process *worker);                                  // anything of any pipeline

// ---- sim_operator.c ----
void sim_operator_reset(void);
void sim_operator_act(void);                               // each tenth of a second
void sim_operator_calm(void);                              // everything is to run
void sim_operator_drain(const struct sim_process *worker); // as worker->drained says
void sim_operator_reply(void *token, const Foreset__AdminReply *reply);
void sim_operator_blocked(uint32_t pipeline, const char *why); // it has ended so
bool sim_operator_content(void);                               // all that was wished for is done

// ---- sim_cluster.c ----
bool sim_cluster_run(uint64_t seed, bool trace); // true: no invariant was broken; else sim->failure

// ---- planted.c ----
bool planted_is_on(const char *name);
bool planted_set(const char *name); // false: no such bug
const char *const *planted_names(void);

#endif
