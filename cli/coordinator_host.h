// What the files of `foreset coordinator` share: the process, its pipelines' roles, and what persons ask of it.
//   coordinator_command.c    flags, the process' life, the network
//   coordinator_pipelines.c  each pipeline that runs: a role on a thread of its own
//   coordinator_requests.c   commands and HTTP's questions, answered by the cluster's role
#ifndef FORESET_CLI_COORDINATOR_HOST_H
#define FORESET_CLI_COORDINATOR_HOST_H

#include <stdatomic.h>

#include "cli/channel_table.h"
#include "cli/reaper.h"
#include "cli/role_options.h"
#include "common/access/access.h"
#include "common/rpc/role_thread.h"
#include "coordinator/api/http_server.h"
#include "coordinator/cluster/cluster.h"

struct hosted_start; // coordinator_pipelines.c
struct coordinator_host {
    struct role_options options;
    const char *warehouse, *state;
    int64_t lease_us;
    uint32_t self;
    struct kv *kv;
    struct rpc *rpc;
    struct access *access; // who may do what; any thread
    struct role_thread *thread;
    struct cluster *cluster;
    struct channel_table hosted;
    struct hosted_start *starts; // pipelines that wait to be compiled; the cluster's thread
    bool starting;
    struct reaper reaper;
    struct http_server *http;       // NULL: none
    struct access_token http_token; // of --http-token-file
    struct budget budget;
    _Atomic unsigned commands; // so many were taken: their numbers in the log
    _Atomic int exit_code;     // < 0: goes on
};

// The functions below are the cluster role's and the HTTP server's callbacks, whose contracts stand in cluster.h and
// http_server.h; context: the host.

enum status coordinator_pipelines_compile(void *context, const struct definition *definition, struct arena *arena,
                                          Foreset__Plan **ret_plan, const char *const **ret_warnings,
                                          struct error *err);
enum status coordinator_pipelines_start(void *context, const struct definition *definition,
                                        const struct cluster_start *start, struct error *err);
void coordinator_pipelines_forget(struct coordinator_host *host); // what waits; after the cluster's thread has stopped
void coordinator_pipelines_drain(void *context, uint64_t channel);
void coordinator_pipelines_leaving(void *context, uint64_t channel, const char *const *workers, size_t count);
void coordinator_pipelines_abandon(void *context, uint64_t channel);
char *coordinator_pipelines_status(void *context, uint64_t channel);
// A worker's message for a pipeline. False: nobody here has the channel. Any thread.
bool coordinator_pipelines_deliver(struct coordinator_host *host, uint64_t channel, uint32_t peer, const uint8_t *bytes,
                                   size_t size);
void coordinator_pipelines_gone(struct coordinator_host *host, uint32_t peer); // for all of them. Any thread

void coordinator_requests_received(void *context, struct rpc_request *request, const void *bytes, size_t size);
enum status coordinator_requests_worker_name(void *context, uint32_t worker, const char *name, struct error *err);
bool coordinator_requests_ask(void *context, const char *verb, const char *name, struct http_answer *ret_answer);
void coordinator_requests_reply(void *context, void *token, const Foreset__AdminReply *reply);

#endif
