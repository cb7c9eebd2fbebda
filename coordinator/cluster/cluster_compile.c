// plan and apply: the commands that compile. A text of others may cost time and memory, within the planner's limits, so
// it is compiled in a job, one at a time: the role's thread goes on keeping leases and answering, whatever came.
//
//   begin    the text is looked at and waits for its turn
//   job      compiles it
//   done     the pipeline's definition as applied is copied, if there is one
//   job      compiles that too and compares
//   done     answered, or written. If another definition has been applied meanwhile, that one is compared with first
//
// What can fail: SQL that does not compile, a change that would lose state (exit 2, with what to do); leading was lost
// meanwhile, or too many texts wait (exit 1, nothing was changed).
#include <stdio.h>
#include <string.h>

#include "common/plan/plan_secret.h"
#include "coordinator/cluster/cluster_private.h"
#include "coordinator/pipeline/pipeline_change.h"
#include "coordinator/pipeline/pipeline_fill.h"

#define COMPILES_MAX 16u // that wait

struct compile_job {
    struct seam_job job;
    struct cluster *cluster;
    void *token;
    bool applies, refresh;
    struct definition definition; // as sent
    Foreset__Plan *plan;
    struct text warnings, printed;
    struct definition applied; // what it is compared with
    bool compares;
    struct text differences, states;
    bool loses, fills;
    enum status status;
    struct error err;
    struct compile_job *behind; // waits until this one is answered
};

// ---- In the job ----

static enum status compile(const struct compile_job *job, const struct definition *definition, struct arena *arena,
                           Foreset__Plan **ret_plan, const char *const **ret_warnings, struct error *err)
{
    const struct cluster_config *config = &job->cluster->config;
    return config->host.compile(config->context, definition, arena, ret_plan, ret_warnings, err);
}

static void compile_new(struct compile_job *job)
{
    const char *const *warnings = NULL;
    job->status = compile(job, &job->definition, &job->definition.arena, &job->plan, &warnings, &job->err);
    if (job->status != STATUS_OK) return;
    job->definition.name = job->plan->pipeline;
    for (; warnings && *warnings; warnings++) text_printf(&job->warnings, "warning: %s\n", *warnings);
    if (!job->applies) planner_print(job->plan, &job->printed);
}

// One that does not compile any more is replaced without a comparison.
static void compile_applied(struct compile_job *job)
{
    Foreset__Plan *old = NULL;
    const char *const *warnings;
    struct error ignored;
    text_reset(&job->differences);
    text_reset(&job->states);
    job->loses = job->fills = false;
    if (compile(job, &job->applied, &job->applied.arena, &old, &warnings, &ignored) != STATUS_OK) return;
    pipeline_change_compare(old, job->plan, &job->differences, &job->loses);
    for (uint32_t node = 0; node < job->plan->n_nodes; node++)
        job->fills = job->fills || pipeline_fill_wanted(old, job->plan, node);
    if (!job->applies && job->differences.length > 0) pipeline_change_states(old, job->plan, &job->states);
}

static void compile_run(struct seam_job *base)
{
    struct compile_job *job = (struct compile_job *)base;
    if (job->plan)
        compile_applied(job);
    else
        compile_new(job);
}

// ---- Back on the role's thread ----

static void compile_free(struct compile_job *job)
{
    definition_deinit(&job->definition);
    definition_deinit(&job->applied);
    text_deinit(&job->warnings);
    text_deinit(&job->printed);
    text_deinit(&job->differences);
    text_deinit(&job->states);
    memory_free(job);
}

static void compile_drop(struct seam_job *base)
{
    compile_free((struct compile_job *)base);
}

static void compile_apply(struct compile_job *job, const struct cluster_pipeline *known)
{
    struct cluster *cluster = job->cluster;
    struct cluster_admin admin = {.cluster = cluster, .token = job->token};
    if (job->loses && !job->refresh) {
        cluster_admin_refuse(&admin,
                             "%s%s: the change would lose state or rows; apply it with --full-refresh to start again",
                             text_str(&job->differences), job->plan->pipeline);
        return;
    }
    struct cluster_write *write = memory_calloc(1, sizeof *write);
    write->token = job->token;
    write->definition = job->definition;
    definition_init(&job->definition);
    struct arena *arena = &write->definition.arena;
    char instance[37];
    random_uuid(cluster->seam->random, instance);
    write->definition.instance = arena_strdup(arena, known ? known->definition.instance : instance);
    write->definition.version = known ? known->definition.version + 1 : 1;
    write->definition.applied_ms = clock_wall_us(cluster->seam->clock) / 1000;
    write->start.full_refresh = job->refresh;
    write->starts = true;
    text_printf(&write->message, "%s%spipeline %s applied, version %llu", text_str(&job->warnings),
                text_str(&job->differences), job->plan->pipeline, (unsigned long long)write->definition.version);
    cluster_admin_write(cluster, write);
}

static void compile_plan(struct compile_job *job, bool known)
{
    struct text message = {0};
    text_printf(&message, "%s%s", text_str(&job->warnings), known ? "" : "new pipeline\n");
    if (known && job->differences.length == 0) text_printf(&message, "no difference to what is applied\n");
    text_append(&message, text_str(&job->differences), job->differences.length);
    if (job->loses) text_printf(&message, "apply needs --full-refresh: it would lose state\n");
    text_append(&message, text_str(&job->states), job->states.length);
    text_append(&message, text_str(&job->printed), job->printed.length);
    cluster_admin_reply(job->cluster, job->token, ADMIN_DONE, text_str(&message), NULL);
    text_deinit(&message);
}

static void compile_answer(struct compile_job *job, struct cluster_pipeline *known)
{
    if (known) {
        // Recovery would refuse a second filling (pipeline_change.c): said before anything is drained.
        if (job->fills && cluster_json_filling(job->cluster, known, &job->differences)) job->loses = true;
        // What failed may never have run as it was applied; recovery compares with what did.
        if (known->definition.desired == DEFINITION_FAILED) job->loses = false;
    }
    if (job->applies)
        compile_apply(job, known);
    else
        compile_plan(job, known != NULL);
}

static bool compile_is_compared(const struct compile_job *job, const struct cluster_pipeline *known)
{
    return job->compares && job->applied.version == known->definition.version &&
           strcmp(job->applied.instance, known->definition.instance) == 0;
}

// etcd would keep it for whoever reads etcd, or a backup of it.
static bool compile_refuses_secret(const struct cluster_admin *admin, const Foreset__Plan *plan)
{
    const char *source = NULL;
    const Foreset__Property *option = plan_secret_find(plan, &source);
    if (!option) return false;
    cluster_admin_refuse(admin,
                         "source %s: %s is given in plain words, which would be stored with the pipeline; write "
                         "secret('env:NAME') or secret('file:/path') in the text, and allow it with --allow-env or "
                         "--allow-path of the coordinators and workers",
                         source, option->key);
    return true;
}

// False: it goes on in another job.
static bool compile_went_on(struct compile_job *job)
{
    struct cluster *cluster = job->cluster;
    struct cluster_admin admin = {.cluster = cluster, .token = job->token};
    if (cluster->machine.state != CLUSTER_LEADING) {
        cluster_admin_redirect(cluster, job->token);
        return true;
    }
    if (job->status != STATUS_OK) {
        cluster_admin_refuse(&admin, "%s", job->err.message);
        return true;
    }
    if (compile_refuses_secret(&admin, job->plan)) return true;
    struct cluster_pipeline *known = cluster_pipeline_find(cluster, job->plan->pipeline);
    if (known && !compile_is_compared(job, known)) {
        definition_deinit(&job->applied);
        definition_copy(&known->definition, &job->applied);
        job->compares = true;
        cluster->seam->ops->spawn(cluster->seam, &job->job);
        return false;
    }
    compile_answer(job, known);
    return true;
}

static void compile_next(struct cluster *cluster)
{
    struct compile_job *job = cluster->compiles;
    if (cluster->compiling || !job) return;
    cluster->compiles = job->behind;
    cluster->compiling = true;
    cluster->seam->ops->spawn(cluster->seam, &job->job);
}

static void compile_done(struct seam_job *base)
{
    struct compile_job *job = (struct compile_job *)base;
    struct cluster *cluster = job->cluster;
    if (!compile_went_on(job)) return;
    compile_free(job);
    cluster->compiling = false;
    compile_next(cluster);
}

// ---- Begin ----

static void compile_definition(const struct cluster_admin *admin, struct definition *definition)
{
    const Foreset__AdminRequest *request = admin->request;
    struct arena *arena = &definition->arena;
    const char *file = cluster_admin_option(request, "file");
    definition->file_name = arena_strdup(arena, file ? file : "pipeline.sql");
    const char *directory = cluster_admin_option(request, "directory");
    definition->directory = arena_strdup(arena, directory && *directory == '/' ? directory : "/");
    definition->sql = arena_strndup(arena, (const char *)request->text.data, request->text.len);
    definition->settings = arena_calloc(arena, request->n_options + 1, sizeof *definition->settings);
    definition->kafka = arena_calloc(arena, request->n_options + 1, sizeof *definition->kafka);
    for (size_t i = 0; i < request->n_options; i++) {
        const Foreset__Property *option = request->options[i];
        bool kafka = strncmp(option->key, "kafka:", 6) == 0;
        if (!kafka && strncmp(option->key, "set:", 4) != 0) continue;
        struct planner_setting setting = {arena_strdup(arena, strchr(option->key, ':') + 1),
                                          arena_strdup(arena, option->value)};
        if (kafka) definition->kafka[definition->kafka_count++] = setting;
        if (!kafka) definition->settings[definition->setting_count++] = setting;
    }
    definition->available_now = cluster_admin_option(request, "available-now") != NULL;
    definition->desired = DEFINITION_RUNNING;
}

void cluster_compile_begin(struct cluster_admin *admin)
{
    struct cluster *cluster = admin->cluster;
    const Foreset__AdminRequest *request = admin->request;
    const ProtobufCBinaryData *sql = &request->text;
    if (!request->has_text || sql->len > DEFINITION_SQL_BYTES_MAX || memchr(sql->data, 0, sql->len) ||
        !text_utf8_valid(sql->data, sql->len)) {
        cluster_admin_refuse(admin, "give the text of a pipeline, in UTF-8, of at most %u KiB",
                             DEFINITION_SQL_BYTES_MAX >> 10);
        return;
    }
    struct compile_job **end = &cluster->compiles;
    unsigned waiting = 0;
    for (; *end; end = &(*end)->behind) waiting++;
    if (waiting >= COMPILES_MAX) {
        cluster_admin_reply(cluster, admin->token, ADMIN_FAILED,
                            "the coordinator compiles other pipelines; nothing was changed, try again", NULL);
        return;
    }
    struct compile_job *job = memory_calloc(1, sizeof *job);
    job->job = (struct seam_job){.run = compile_run, .done = compile_done, .drop = compile_drop};
    job->cluster = cluster;
    job->token = admin->token;
    job->applies = strcmp(request->verb, "pipelines apply") == 0;
    job->refresh = cluster_admin_option(request, "full-refresh") != NULL;
    definition_init(&job->definition);
    definition_init(&job->applied);
    compile_definition(admin, &job->definition);
    *end = job;
    compile_next(cluster);
}

void cluster_compile_forget(struct cluster *cluster)
{
    while (cluster->compiles) {
        struct compile_job *job = cluster->compiles;
        cluster->compiles = job->behind;
        compile_free(job);
    }
}
