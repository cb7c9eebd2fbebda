// The insides of coordinator/cluster. Nobody else includes this.
//
//   cluster.c          states, election, lease, events
//   cluster_workers.c  who is there, who may not be
//   cluster_store.c    jobs that read and write the kv store
//   cluster_admin.c    a person's commands
//   cluster_compile.c  those that compile
//   cluster_json.c     their answers
#ifndef FORESET_CLUSTER_CLUSTER_PRIVATE_H
#define FORESET_CLUSTER_CLUSTER_PRIVATE_H

#include "common/base/statemachine.h"
#include "common/base/vector.h"
#include "coordinator/cluster/cluster.h"
#include "coordinator/meta/meta_store.h"

#define CLUSTER_ELECT_US          300000
#define CLUSTER_WORKER_SILENCE_US 4000000
#define CLUSTER_LEAVING_US        600000 // for the pipelines to hear of it and to say what it holds
#define CLUSTER_NAME_SIZE         64
#define CLUSTER_REFUSALS_MAX      16
#define CLUSTER_REFUSAL_US        60000000 // so long it is told after the last hello

enum cluster_state {
    CLUSTER_STANDBY, // stands for election
    CLUSTER_LOADING, // won: reads the definitions
    CLUSTER_LEADING,
};

struct cluster_worker {
    uint32_t peer;
    char name[CLUSTER_NAME_SIZE], url[256], version[32];
    uint64_t incarnation, memory_bytes, memory_used_bytes, resident_bytes, cpu_us;
    Foreset__NetworkReport network; // plain numbers; as it said last
    uint32_t lanes;
    int64_t heard_us; // boot clock
    bool alive;
    bool leaving; // it was asked to end, and hands over what it holds
    int64_t leaving_us;
};
struct cluster_pipeline {
    struct definition definition;
    uint64_t channel;
    bool runs;                  // it has a role
    bool stopping;              // it drains
    bool restart;               // it drains to run again, as applied anew
    struct cluster_start start; // of that restart; texts live in the definition's arena
};
struct cluster_refusal { // of a worker process
    char name[CLUSTER_NAME_SIZE], why[300];
    uint64_t incarnation;
    int64_t at_us;
};
struct store_job;
struct compile_job;
struct cluster_name {
    char text[CLUSTER_NAME_SIZE];
};

struct cluster {
    struct cluster_config config;
    struct seam *seam;
    struct statemachine machine;
    struct meta_store meta;
    struct lease lease;
    char candidate[220]; // "<name> <url> <incarnation> <version>"
    char leader[256];    // as last read: another's candidate; "" unknown
    char strange[256];   // a leader of another version that was warned of
    char watched[128];   // the URL of a leader whose end would be told; "": none
    char ended[256];     // a leader whose process has ended; "": none
    char namesake[256];  // another's candidate under our own name, and since when it was seen
    int64_t namesake_us;
    unsigned jobs;
    bool electing, keeping, writing;
    struct store_job *writes; // that wait for the one under way
    bool compiling;
    struct compile_job *compiles; // that wait, too
    int64_t elect_at_us, keep_at_us;
    char trouble[256]; // the kv store's, for a person; "": it answers
    VECTOR(struct cluster_worker) workers;
    VECTOR(struct cluster_refusal) refusals;
    VECTOR(struct cluster_pipeline) pipelines; // by name
    VECTOR(struct cluster_name) drained;       // workers that shall hold nothing
    uint64_t dropped;
    struct text bytes;
};

// cluster.c
struct cluster_pipeline *cluster_pipeline_find(struct cluster *cluster, const char *name);
enum status cluster_pipeline_start(struct cluster *cluster, struct cluster_pipeline *pipeline,
                                   const struct cluster_start *start, struct error *err) MUST_USE;
void cluster_pipeline_remove(struct cluster *cluster, struct cluster_pipeline *pipeline);
void cluster_tell_leaving(struct cluster *cluster);

// cluster_workers.c
void cluster_workers_hello(struct cluster *cluster, uint32_t peer, const Foreset__Hello *hello);
void cluster_workers_tell(struct cluster *cluster); // all of them: which pipelines they serve has changed
void cluster_workers_gone(struct cluster *cluster, uint32_t peer); // its process has ended, as the network says
void cluster_workers_tick(struct cluster *cluster, int64_t now_us);
struct cluster_worker *cluster_workers_find(struct cluster *cluster, const char *name); // alive before dead
bool cluster_workers_drained(const struct cluster *cluster, const char *name);
bool cluster_workers_stays(const struct cluster *cluster, const struct cluster_worker *worker); // may hold something

// cluster_store.c
void cluster_store_elect(struct cluster *cluster);
void cluster_store_keep(struct cluster *cluster);
void cluster_store_load(struct cluster *cluster);
// Writes (definition) or removes a key under the leader's lease, then calls done on the role's thread; when the role is
// gone before, forget. One after the other.
typedef void (*cluster_store_done)(struct cluster *cluster, void *argument, enum status status,
                                   const struct error *err);
void cluster_store_write(struct cluster *cluster, const char *key, const struct text *value, cluster_store_done done,
                         void (*forget)(void *argument), void *argument);
// Removes a definition and everything the kv store holds of the pipeline; its tables stay.
void cluster_store_delete(struct cluster *cluster, const char *name, cluster_store_done done,
                          void (*forget)(void *argument), void *argument);
void cluster_store_forget(struct cluster *cluster); // what waits to be written
void cluster_store_definition_key(const char *name, char ret_key[META_KEY_SIZE]);
void cluster_store_drain_key(const char *name, char ret_key[META_KEY_SIZE]);
// Results of the jobs, in cluster.c.
void cluster_elected(struct cluster *cluster, bool won, const struct error *trouble);
void cluster_kept(struct cluster *cluster, const struct error *trouble);
void cluster_loaded(struct cluster *cluster, struct definition *definitions, size_t count, struct cluster_name *drained,
                    size_t drained_count, const struct error *trouble);

// cluster_admin.c
void cluster_admin_request(struct cluster *cluster, void *token, const Foreset__AdminRequest *request);
void cluster_admin_ended(struct cluster *cluster, struct cluster_pipeline *pipeline, enum pipeline_outcome outcome,
                         const struct error *err);

// A command under way, and what it has written before it is done: cluster_admin.c, cluster_compile.c.
enum { ADMIN_DONE = 0, ADMIN_FAILED = 1, ADMIN_USAGE = 2 };
struct cluster_admin {
    struct cluster *cluster;
    void *token;
    const Foreset__AdminRequest *request; // not beyond the call
    struct text json, message;
};
struct cluster_write { // waits for the kv store
    void *token;
    struct definition definition; // as it will be
    struct text message, json;
    bool starts; // when written: run it
    bool stops;  // when written: end it
    bool drains; // and publish what runs before
    bool deletes;
    struct cluster_start start;
};
void cluster_admin_reply(struct cluster *cluster, void *token, unsigned exit_code, const char *message,
                         const struct text *json);
void cluster_admin_refuse(const struct cluster_admin *admin, const char *format, ...) PRINTF_LIKE(2, 3);
const char *cluster_admin_option(const Foreset__AdminRequest *request, const char *key); // NULL: not given
void cluster_admin_redirect(struct cluster *cluster, void *token);
void cluster_admin_write(struct cluster *cluster, struct cluster_write *write);
void cluster_admin_write_free(void *argument);

// cluster_compile.c: plan and apply. Compiles in a job; answered when that is done.
void cluster_compile_begin(struct cluster_admin *admin);
void cluster_compile_forget(struct cluster *cluster); // what waits

// cluster_json.c: each appends one JSON document.
void cluster_json_status(struct cluster *cluster, struct text *ret_json);
void cluster_json_workers(struct cluster *cluster, const char *name, struct text *ret_json); // NULL: all
// Whether it fills a table, as it said last: a line for each, for a person, is appended.
bool cluster_json_filling(struct cluster *cluster, const struct cluster_pipeline *pipeline, struct text *text);
bool cluster_json_holds(struct cluster *cluster, const char *worker); // anything, as the pipelines said last
// Of all pipelines, or of one: what they said of themselves, with the definition's facts.
void cluster_json_pipelines(struct cluster *cluster, const char *name, bool with_sql, struct text *ret_json);

#endif
