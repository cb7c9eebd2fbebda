// A pipeline on the coordinator: stands for election, recovers, assigns the plan to workers, drives epochs from plan to
// publication. One state machine behind the seam.
#ifndef FORESET_PIPELINE_PIPELINE_H
#define FORESET_PIPELINE_PIPELINE_H

#include "common/rpc/seam.h"
#include "common/objstore/store_opener.h"
#include "coordinator/commit/manifest.h"
#include "coordinator/commit/file_filter.h"
#include "coordinator/pipeline/catalog.h"

enum pipeline_outcome {
    PIPELINE_GOES_ON,
    PIPELINE_DONE,    // available-now or drain: everything is published
    PIPELINE_FAILED,  // stopped; what is decided is kept
    PIPELINE_BLOCKED, // a decided epoch cannot be put; a person resolves it
    PIPELINE_FENCED,  // another process leads under this name
};

// What was published, for whoever shows it.
struct pipeline_progress {
    const Foreset__Plan *plan;
    const struct manifest *manifest;
    int64_t planned_us, read_us, prepared_us, decided_us, published_us; // boot clock
    uint64_t lag;                                                       // rows and files that wait
    uint64_t memory_bytes;                                              // of the workers, as they last said
    uint64_t in_flight;        // epochs planned and not published, this one not counted
    uint64_t lane_stop_us;     // P11: longest time that a lane spent at the epoch's markers
    uint64_t lane_stop_cpu_us; // the same without waits for a CPU
    int64_t first_row_us;      // wall clock: when a worker read its first row, in the epoch that tells it; else 0
    const struct epoch_position *position; // what is planned, and where the sources end
    const uint64_t *states;                // by node: entries of state
    uint64_t state_bytes;                  // of the workers' state, as they last said
};

// Where a pipeline stands when it ends.
struct pipeline_closing {
    const char *pipeline_id;               // NULL: it has never led
    const struct manifest *decided;        // the last one; NULL: none was ever decided
    const struct epoch_position *position; // NULL: no sources were asked
};

struct pipeline_config {
    const char *process;       // this process's name in elections
    const Foreset__Plan *plan; // must outlive the pipeline
    const char *state_url;     // as the workers open it
    struct kv *kv;             // borrowed
    struct objstore *state;    // borrowed
    struct store_opener stores;
    struct catalog_opener catalogs;
    struct budget *budget;
    file_filter filter; // NULL: data files are Parquet (file_filter.h)
    size_t piece_bytes; // messages of up to this size go in one frame (P15); 0: CONTROL_PIECE_BYTES
    bool available_now;
    bool full_refresh;
    bool adopt, overwrite, replay;
    const char *adopt_table, *abandon_table, *overwrite_table, *replay_table;
    int64_t lease_ttl_us; // 0: a lock stands in for the lease
    int64_t grace_us;     // P24; 0: one hour
    size_t workers_min;   // waits for so many before it assigns
    int64_t gather_us;    // and until nobody has come for so long: else the first would load what all of them share
    // Everything below is called on the role's thread; NULL: nobody listens.
    // Whether the process behind this number may call itself so; NULL: any may. Else its Register is dropped.
    enum status (*worker_name)(void *context, uint32_t worker, const char *name, struct error *err);
    void (*progress)(void *context, const struct pipeline_progress *progress);
    void (*notice)(void *context, const char *text);                        // for a person
    void (*closing)(void *context, const struct pipeline_closing *closing); // once, before ended
    void (*said)(void *context, const char *json); // what it says of itself, a few times a second
    void (*ended)(void *context, enum pipeline_outcome outcome, const struct error *err);
    void *context;
};

struct pipeline;
enum status pipeline_create(const struct pipeline_config *config, struct seam *seam, struct pipeline **ret_pipeline,
                            struct error *err) MUST_USE;
void pipeline_role(struct pipeline *pipeline, struct seam_role *ret_role);
// An event for the role: finish what runs, publish it, end. Post it with role_thread_post.
void *pipeline_drain_event(void);
// An event: these workers are to hand over what they hold; all others may hold again.
void *pipeline_leaving_event(const char *const *workers, size_t count);
void pipeline_event_free(void *event); // one that was not posted
// After the role has been stopped: gives up leading at once. Blocks; not where a crash is to be like one.
void pipeline_resign(struct pipeline *pipeline);
// After the role has been stopped.
void pipeline_destroy(struct pipeline *pipeline);

enum pipeline_outcome pipeline_outcome_of(const struct pipeline *pipeline, struct error *ret_err);
const char *pipeline_state_name(const struct pipeline *pipeline);

#endif
