// Coordinator and worker in one process, joined by nng's inproc:// and the same messages that cross a network in a
// cluster.
#ifndef FORESET_CLI_STANDALONE_H
#define FORESET_CLI_STANDALONE_H

#include "coordinator/pipeline/pipeline.h"

struct standalone_config {
    const Foreset__Plan *plan;
    const char *state_url;
    const char *meta; // directory of the local kv store; NULL: the state's own, which must be local then
    uint32_t lanes;
    uint64_t memory_bytes;
    bool available_now, full_refresh, adopt, overwrite, replay;
    const char *adopt_table, *abandon_table, *overwrite_table, *replay_table;
    void (*progress)(void *context, const struct pipeline_progress *progress);
    void (*notice)(void *context, const char *text);
    void (*closing)(void *context, const struct pipeline_closing *closing); // where it stands when it ends
    void *context;
};
// Runs until the pipeline ends, or until a signal has drained it. Returns how it ended; err says why if it failed.
enum pipeline_outcome standalone_run(const struct standalone_config *config, struct error *err);

#endif
