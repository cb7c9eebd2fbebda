// The coordinator of a cluster: one of them leads. The leader knows the workers, keeps the pipelines' definitions and
// has each running one led by a pipeline role of its own (pipeline.h). One state machine behind the seam.
//
// The kv store holds, below "foreset/cluster/": leader (name, URL and incarnation, bound to the lease), definitions by
// pipeline name, and names of workers that are to hand over what they hold.
#ifndef FORESET_CLUSTER_CLUSTER_H
#define FORESET_CLUSTER_CLUSTER_H

#include "common/kv/kv.h"
#include "common/rpc/seam.h"
#include "coordinator/cluster/definition_json.h"
#include "coordinator/pipeline/pipeline.h"
#include "proto/cluster.pb-c.h"

#define CLUSTER_PIPELINES_MAX 256u
#define CLUSTER_WORKERS_MAX   256u
#define CLUSTER_LEADER_PEER   1u // who stands by knows the leader by this number

// What a start does once, besides running the definition.
struct cluster_start {
    bool full_refresh, adopt, overwrite, replay;
    const char *adopt_table, *abandon_table, *overwrite_table, *replay_table; // NULL: none
};

struct cluster_host { // called on the role's thread
    // Compiles and checks a definition as the pipelines would run it; the plan lives in the arena. In a job: on any
    // thread, one call at a time; it ends within seconds, whatever the text.
    enum status (*compile)(void *context, const struct definition *definition, struct arena *arena,
                           Foreset__Plan **ret_plan, const char *const **ret_warnings, struct error *err);
    // Gives it a pipeline role; `leaving` are workers that it shall not use. When that ends: cluster_ended_event.
    enum status (*start)(void *context, const struct definition *definition, const struct cluster_start *start,
                         struct error *err);
    void (*drain)(void *context, uint64_t channel);   // it ends when what runs is published
    void (*abandon)(void *context, uint64_t channel); // gone at once, without ended event; what is decided stays so
    void (*leaving)(void *context, uint64_t channel, const char *const *workers, size_t count);
    // What the pipeline said of itself last: JSON (pipeline_status_json.h), memory_free; NULL: nothing yet.
    char *(*status)(void *context, uint64_t channel);
    // Whether the process behind this number may call itself so; NULL: any may. The message says why not.
    enum status (*worker_name)(void *context, uint32_t worker, const char *name, struct error *err);
    void (*dial)(void *context, uint32_t worker, const char *url);
    void (*hangup)(void *context, uint32_t worker);
    void (*watch)(void *context, const char *url); // role.gone(CLUSTER_LEADER_PEER) when the process there has ended;
                                                   // NULL: nobody any more
    void (*reply)(void *context, void *token, const Foreset__AdminReply *reply);
    void (*fenced)(void *context, const char *why);     // another process leads under our name: the process ends
    void (*lost)(void *context, const char *why);       // the kv store is another one now (P21): the process ends
    void (*unreadable)(void *context, const char *why); // a newer program wrote the kv store, or its stamp is damaged:
                                                        // the process ends
};
struct cluster_config {
    const char *name, *url, *version;
    struct kv *kv;
    const char *kv_name; // for a person: where the kv store is
    int64_t lease_ttl_us;
    struct cluster_host host;
    void *context;
};

struct cluster;
enum status cluster_create(const struct cluster_config *config, struct seam *seam, struct cluster **ret_cluster,
                           struct error *err) MUST_USE;
// Takes Cluster messages of workers, without their envelope, and the events below.
void cluster_role(struct cluster *cluster, struct seam_role *ret_role);
void cluster_resign(struct cluster *cluster);  // after the role has been stopped: gives up leading at once. Blocks
void cluster_destroy(struct cluster *cluster); // after the role has been stopped

// Events for the role; role_thread_post. A person's request: the message is taken; answered by host.reply(token).
void *cluster_request_event(void *token, Foreset__Cluster *message);
void *cluster_ended_event(uint64_t channel, enum pipeline_outcome outcome, const struct error *err);

#endif
