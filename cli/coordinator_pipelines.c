// The pipelines that a coordinator runs: a pipeline role each, on a thread of its own, under its channel.
#include <string.h>

#include "cli/coordinator_host.h"
#include "cli/role_network.h"
#include "common/base/log.h"
#include "coordinator/pipeline/plan_places.h"
#include "coordinator/pipeline/topic_catalog.h"
#include "worker/expr/expr_check.h"

#define GATHER_US   200000
#define JOB_THREADS 4
#define COMPILE_US  20000000

struct hosted { // a pipeline's role
    struct coordinator_host *host;
    uint64_t channel;
    char *name;
    struct arena arena;           // holds the plan
    struct definition definition; // the one applied may change while the pipeline runs: it keeps its own
    Foreset__Plan *plan;
    char *state_url;
    struct objstore *state;
    struct role_thread *thread;
    struct pipeline *pipeline;
    pthread_mutex_t lock;
    char *said;                // under lock
    bool compiling, abandoned; // the cluster's thread: a job has it
};

static void hosted_send(void *context, uint32_t peer, const void *bytes, size_t size)
{
    struct hosted *hosted = context;
    role_network_send(hosted->host->rpc, ENVELOPE_CONTROL, hosted->channel, peer, bytes, size);
}

// Compiling reads no clock of its own: this is how long a text may take, on a thread where nobody else waits.
static bool compile_stop(void *until_us)
{
    return clock_boot_us(clock_system()) > *(const int64_t *)until_us;
}

enum status coordinator_pipelines_compile(void *context, const struct definition *definition, struct arena *arena,
                                          Foreset__Plan **ret_plan, const char *const **ret_warnings, struct error *err)
{
    const struct coordinator_host *host = context;
    size_t count = 0;
    struct planner_setting *settings = arena_calloc(arena, definition->setting_count + 1, sizeof *settings);
    bool warehouse = false;
    for (; count < definition->setting_count; count++) {
        settings[count] = definition->settings[count];
        warehouse = warehouse || strcmp(settings[count].key, "pipeline.warehouse") == 0;
    }
    if (!warehouse) settings[count++] = (struct planner_setting){"pipeline.warehouse", host->warehouse};
    int64_t until_us = clock_boot_us(clock_system()) + COMPILE_US;
    const struct planner_options options = {.file_name = definition->file_name,
                                            .directory = definition->directory,
                                            .settings = settings,
                                            .setting_count = count,
                                            .kafka = definition->kafka,
                                            .kafka_count = definition->kafka_count,
                                            .check = expr_check_plan,
                                            .stop = compile_stop,
                                            .stop_context = &until_us};
    enum status status = planner_compile(definition->sql, &options, arena, ret_plan, ret_warnings, err);
    if (status != STATUS_OK) return status;
    const char *state = arena_printf(arena, "%s/%s", host->state, (*ret_plan)->pipeline);
    return plan_places_check(*ret_plan, state, err);
}

// Tables, whose places a text names.
static enum status hosted_open_table(void *context, const char *url, bool create, struct objstore **ret_store,
                                     struct error *err)
{
    (void)context;
    return objstore_open_confined("table", url, create, ret_store, err);
}

static void hosted_end(void *item)
{
    struct hosted *hosted = item;
    if (hosted->pipeline) role_thread_stop(hosted->thread);
    if (!hosted->pipeline) role_thread_forget(hosted->thread, pipeline_event_free);
    if (hosted->pipeline) {
        pipeline_resign(hosted->pipeline);
        pipeline_destroy(hosted->pipeline);
    }
    role_thread_destroy(hosted->thread);
    objstore_close(hosted->state);
    pthread_mutex_destroy(&hosted->lock);
    arena_deinit(&hosted->arena);
    definition_deinit(&hosted->definition);
    memory_free(hosted->said);
    memory_free(hosted);
}

static void hosted_on_said(void *context, const char *json)
{
    struct hosted *hosted = context;
    char *copy = memory_strdup(json);
    pthread_mutex_lock(&hosted->lock);
    memory_free(hosted->said);
    hosted->said = copy;
    pthread_mutex_unlock(&hosted->lock);
}

static enum status hosted_worker_name(void *context, uint32_t worker, const char *name, struct error *err)
{
    return coordinator_requests_worker_name(((struct hosted *)context)->host, worker, name, err);
}

static void hosted_on_notice(void *context, const char *text)
{
    log_info("notice", "pipeline=%s text=\"%s\"", ((struct hosted *)context)->name, text);
}

static void hosted_on_ended(void *context, enum pipeline_outcome outcome, const struct error *err)
{
    struct hosted *hosted = context;
    struct coordinator_host *host = hosted->host;
    if (channel_table_remove(&host->hosted, hosted->channel) != hosted) return; // it was abandoned
    role_thread_post(host->thread, cluster_ended_event(hosted->channel, outcome, err));
    reaper_take(&host->reaper, hosted_end, hosted);
}

static enum status hosted_open(struct hosted *hosted, const struct cluster_start *start, bool available_now,
                               struct error *err)
{
    struct coordinator_host *host = hosted->host;
    enum status status = STATUS_OK;
    TRY(objstore_open(hosted->state_url, true, &hosted->state, err));
    objstore_set_private(hosted->state);
    const struct pipeline_config config = {.process = host->options.name,
                                           .plan = hosted->plan,
                                           .state_url = hosted->state_url,
                                           .kv = host->kv,
                                           .state = hosted->state,
                                           .stores = {.open = hosted_open_table},
                                           .catalogs = {.open = topic_catalog_open},
                                           .budget = &host->budget,
                                           .available_now = available_now || hosted->plan->trigger_us == 0,
                                           .full_refresh = start->full_refresh,
                                           .adopt = start->adopt,
                                           .adopt_table = start->adopt_table,
                                           .abandon_table = start->abandon_table,
                                           .overwrite = start->overwrite,
                                           .overwrite_table = start->overwrite_table,
                                           .replay = start->replay,
                                           .replay_table = start->replay_table,
                                           .lease_ttl_us = host->lease_us,
                                           .workers_min = 1,
                                           .gather_us = GATHER_US,
                                           .worker_name = hosted_worker_name,
                                           .said = hosted_on_said,
                                           .notice = hosted_on_notice,
                                           .ended = hosted_on_ended,
                                           .context = hosted};
    TRY(pipeline_create(&config, role_thread_seam(hosted->thread), &hosted->pipeline, err));
out:
    return status;
}

// A pipeline that starts is compiled in a job: the cluster's thread keeps its lease and answers meanwhile. One at a
// time, so that job threads are left for the kv store. What is said to the pipeline until then waits in its mailbox.
struct hosted_start {
    struct seam_job job;
    struct hosted *hosted;
    struct cluster_start once; // texts live in the hosted's arena
    enum status status;
    struct error err;
    struct hosted_start *behind; // waits until this one is done
};

static void start_run(struct seam_job *base)
{
    struct hosted_start *start = (struct hosted_start *)base;
    struct hosted *hosted = start->hosted;
    const char *const *warnings;
    start->status = coordinator_pipelines_compile(hosted->host, &hosted->definition, &hosted->arena, &hosted->plan,
                                                  &warnings, &start->err);
}

static void start_drop(struct seam_job *base)
{
    struct hosted_start *start = (struct hosted_start *)base;
    start->hosted->compiling = false;
    if (start->hosted->abandoned) hosted_end(start->hosted);
    memory_free(start);
}

static void start_next(struct coordinator_host *host)
{
    while (host->starts && !host->starting) {
        struct hosted_start *start = host->starts;
        host->starts = start->behind;
        if (start->hosted->abandoned) {
            start_drop(&start->job);
            continue;
        }
        host->starting = true;
        struct seam *seam = role_thread_seam(host->thread);
        seam->ops->spawn(seam, &start->job);
    }
}

void coordinator_pipelines_forget(struct coordinator_host *host)
{
    while (host->starts) {
        struct hosted_start *start = host->starts;
        host->starts = start->behind;
        start_drop(&start->job);
    }
}

static void start_done(struct seam_job *base)
{
    struct hosted_start *start = (struct hosted_start *)base;
    struct hosted *hosted = start->hosted;
    struct coordinator_host *host = hosted->host;
    struct seam_role role;
    host->starting = false;
    start_next(host);
    if (hosted->abandoned) {
        start_drop(base);
        return;
    }
    hosted->compiling = false;
    enum status status = start->status;
    if (status == STATUS_OK) status = hosted_open(hosted, &start->once, hosted->definition.available_now, &start->err);
    if (status == STATUS_OK) {
        pipeline_role(hosted->pipeline, &role);
        role_thread_start(hosted->thread, &role);
    } else {
        hosted_on_ended(hosted, PIPELINE_FAILED, &start->err);
    }
    memory_free(start);
}

enum status coordinator_pipelines_start(void *context, const struct definition *definition,
                                        const struct cluster_start *start, struct error *err)
{
    struct coordinator_host *host = context;
    struct hosted *hosted = memory_calloc(1, sizeof *hosted);
    struct hosted_start *job = memory_calloc(1, sizeof *job);
    (void)err;
    hosted->host = host;
    hosted->channel = definition_channel(definition);
    arena_init(&hosted->arena, 0);
    pthread_mutex_init(&hosted->lock, NULL);
    hosted->name = arena_strdup(&hosted->arena, definition->name);
    definition_copy(definition, &hosted->definition);
    struct cluster_start once = *start;
    if (once.adopt_table) once.adopt_table = arena_strdup(&hosted->arena, once.adopt_table);
    if (once.overwrite_table) once.overwrite_table = arena_strdup(&hosted->arena, once.overwrite_table);
    if (once.replay_table) once.replay_table = arena_strdup(&hosted->arena, once.replay_table);
    if (once.abandon_table) once.abandon_table = arena_strdup(&hosted->arena, once.abandon_table);
    hosted->state_url = arena_printf(&hosted->arena, "%s/%s", host->state, definition->name);
    hosted->thread = role_thread_create("pipeline", JOB_THREADS, hosted_send, hosted);
    hosted->compiling = true;
    *job = (struct hosted_start){
        .job = {.run = start_run, .done = start_done, .drop = start_drop}, .hosted = hosted, .once = once};
    channel_table_add(&host->hosted, hosted->channel, hosted);
    struct hosted_start **end = &host->starts;
    while (*end) end = &(*end)->behind;
    *end = job;
    start_next(host);
    return STATUS_OK;
}

static void hosted_post(void *owner, void *event)
{
    role_thread_post(((struct hosted *)owner)->thread, event);
}

void coordinator_pipelines_drain(void *context, uint64_t channel)
{
    channel_table_with(&((struct coordinator_host *)context)->hosted, channel, hosted_post, pipeline_drain_event());
}

void coordinator_pipelines_leaving(void *context, uint64_t channel, const char *const *workers, size_t count)
{
    struct coordinator_host *host = context;
    void *event = pipeline_leaving_event(workers, count);
    if (!channel_table_with(&host->hosted, channel, hosted_post, event)) pipeline_event_free(event);
}

void coordinator_pipelines_abandon(void *context, uint64_t channel)
{
    struct coordinator_host *host = context;
    struct hosted *hosted = channel_table_remove(&host->hosted, channel);
    if (hosted && hosted->compiling)
        hosted->abandoned = true; // the job ends it
    else if (hosted)
        reaper_take(&host->reaper, hosted_end, hosted);
}

static void hosted_copy_said(void *owner, void *context)
{
    struct hosted *hosted = owner;
    pthread_mutex_lock(&hosted->lock);
    *(char **)context = hosted->said ? memory_strdup(hosted->said) : NULL;
    pthread_mutex_unlock(&hosted->lock);
}

char *coordinator_pipelines_status(void *context, uint64_t channel)
{
    char *said = NULL;
    channel_table_with(&((struct coordinator_host *)context)->hosted, channel, hosted_copy_said, &said);
    return said;
}

struct hosted_message {
    uint32_t peer;
    const uint8_t *bytes;
    size_t size;
};

static void hosted_deliver(void *owner, void *context)
{
    const struct hosted_message *message = context;
    role_thread_deliver(((struct hosted *)owner)->thread, message->peer, message->bytes, message->size);
}

bool coordinator_pipelines_deliver(struct coordinator_host *host, uint64_t channel, uint32_t peer, const uint8_t *bytes,
                                   size_t size)
{
    struct hosted_message message = {peer, bytes, size};
    return channel_table_with(&host->hosted, channel, hosted_deliver, &message);
}

static void hosted_gone(void *owner, void *peer)
{
    role_thread_gone(((struct hosted *)owner)->thread, *(const uint32_t *)peer);
}

void coordinator_pipelines_gone(struct coordinator_host *host, uint32_t peer)
{
    channel_table_each(&host->hosted, hosted_gone, &peer);
}
