// A person's commands. Each is idempotent by its effect: what it wants is written to the kv store first, then done; a
// leader that dies in between leaves it to the next one, who reads it there. Reads are answered at once.
//
// What can fail: names that nobody has, SQL that does not compile, a change that would lose state (exit 2, with what to
// do); the kv store does not answer (exit 1: nothing was changed, or it will be as asked).
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "coordinator/cluster/cluster_private.h"

// ---- Answers ----

void cluster_admin_reply(struct cluster *cluster, void *token, unsigned exit_code, const char *message,
                         const struct text *json)
{
    Foreset__AdminReply reply = FORESET__ADMIN_REPLY__INIT;
    reply.exit_code = exit_code;
    reply.message = message && *message ? (char *)message : NULL;
    if (json && json->length > 0) {
        reply.has_json = true;
        reply.json = (ProtobufCBinaryData){.len = json->length, .data = (uint8_t *)json->data};
    }
    cluster->config.host.reply(cluster->config.context, token, &reply);
}

void cluster_admin_refuse(const struct cluster_admin *admin, const char *format, ...)
{
    char message[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    cluster_admin_reply(admin->cluster, admin->token, ADMIN_USAGE, message, NULL);
}

const char *cluster_admin_option(const Foreset__AdminRequest *request, const char *key)
{
    for (size_t i = 0; i < request->n_options; i++) {
        if (strcmp(request->options[i]->key, key) == 0) return request->options[i]->value;
    }
    return NULL;
}

static const char *admin_name(const struct cluster_admin *admin)
{
    return admin->request->n_names > 0 ? admin->request->names[0] : NULL;
}

// The pipeline that the command names; NULL: refused already.
static struct cluster_pipeline *admin_pipeline(const struct cluster_admin *admin)
{
    const char *name = admin_name(admin);
    struct cluster_pipeline *found = name ? cluster_pipeline_find(admin->cluster, name) : NULL;
    if (found) return found;
    if (!name) {
        cluster_admin_refuse(admin, "foreset %s: name a pipeline; `foreset pipelines list` shows them",
                             admin->request->verb);
    } else {
        cluster_admin_refuse(admin, "there is no pipeline %s; `foreset pipelines list` shows those that are applied",
                             name);
    }
    return NULL;
}

// ---- What is written, then done ----

void cluster_admin_write_free(void *argument)
{
    struct cluster_write *write = argument;
    definition_deinit(&write->definition);
    text_deinit(&write->message);
    text_deinit(&write->json);
    memory_free(write);
}

static void admin_begin(struct cluster *cluster, struct cluster_pipeline *pipeline, struct cluster_write *write,
                        struct error *err)
{
    pipeline->start = write->start; // its texts live in the definition, which the pipeline has taken over
    if (pipeline->runs) {
        pipeline->restart = pipeline->stopping = true;
        cluster->config.host.drain(cluster->config.context, pipeline->channel);
        return;
    }
    if (cluster_pipeline_start(cluster, pipeline, &pipeline->start, err) != STATUS_OK)
        cluster_admin_ended(cluster, pipeline, PIPELINE_FAILED, err);
}

static void admin_end(struct cluster *cluster, struct cluster_pipeline *pipeline, const struct cluster_write *write)
{
    pipeline->restart = false;
    if (pipeline->runs && write->drains) {
        pipeline->stopping = true;
        cluster->config.host.drain(cluster->config.context, pipeline->channel);
        return;
    }
    if (pipeline->runs) cluster->config.host.abandon(cluster->config.context, pipeline->channel);
    pipeline->runs = pipeline->stopping = false;
    if (write->deletes) cluster_pipeline_remove(cluster, pipeline);
}

static void admin_written(struct cluster *cluster, void *argument, enum status status, const struct error *err)
{
    struct cluster_write *write = argument;
    struct error failed = {0};
    if (status != STATUS_OK) {
        cluster_admin_reply(cluster, write->token, ADMIN_FAILED, err->message, NULL);
        cluster_admin_write_free(write);
        return;
    }
    struct cluster_pipeline *pipeline = cluster_pipeline_find(cluster, write->definition.name);
    if (!pipeline && !write->deletes && cluster->pipelines.count < CLUSTER_PIPELINES_MAX) {
        struct cluster_pipeline added = {.channel = definition_channel(&write->definition)};
        definition_init(&added.definition);
        vector_push(&cluster->pipelines, added);
        pipeline = &cluster->pipelines.items[cluster->pipelines.count - 1];
    }
    if (pipeline && write->stops) {
        if (!write->deletes) {
            definition_deinit(&pipeline->definition);
            definition_copy(&write->definition, &pipeline->definition);
        }
        admin_end(cluster, pipeline, write);
    } else if (pipeline) {
        definition_deinit(&pipeline->definition);
        pipeline->definition = write->definition;
        definition_init(&write->definition);
        if (write->starts) admin_begin(cluster, pipeline, write, &failed);
    }
    bool ok = failed.code == STATUS_OK;
    cluster_admin_reply(cluster, write->token, ok ? ADMIN_DONE : ADMIN_FAILED,
                        ok ? text_str(&write->message) : failed.message, &write->json);
    cluster_admin_write_free(write);
}

void cluster_admin_write(struct cluster *cluster, struct cluster_write *write)
{
    char key[META_KEY_SIZE];
    struct text value = {0};
    cluster_store_definition_key(write->definition.name, key);
    definition_json_pack(&write->definition, &value);
    if (write->deletes) {
        cluster_store_delete(cluster, write->definition.name, admin_written, cluster_admin_write_free, write);
    } else {
        cluster_store_write(cluster, key, &value, admin_written, cluster_admin_write_free, write);
    }
    text_deinit(&value);
}

static struct cluster_write *admin_change(const struct cluster_admin *admin, const struct cluster_pipeline *pipeline,
                                          enum definition_desired desired)
{
    struct cluster_write *write = memory_calloc(1, sizeof *write);
    write->token = admin->token;
    definition_copy(&pipeline->definition, &write->definition);
    write->definition.desired = desired;
    write->definition.error = write->definition.error_class = NULL;
    return write;
}

// ---- start, stop, delete ----

static void admin_run(struct cluster_admin *admin)
{
    struct cluster_pipeline *pipeline = admin_pipeline(admin);
    if (!pipeline) return;
    const char *verb = admin->request->verb, *table = cluster_admin_option(admin->request, "table");
    bool adopt = strcmp(verb, "pipelines adopt") == 0, abandon = strcmp(verb, "pipelines abandon-table") == 0;
    if (abandon && !table) {
        cluster_admin_refuse(admin, "foreset pipelines abandon-table PIPELINE TABLE: name the table");
        return;
    }
    bool retry = strcmp(verb, "pipelines retry") == 0;
    bool overwrite = retry && cluster_admin_option(admin->request, "overwrite");
    bool replay = retry && cluster_admin_option(admin->request, "replay");
    if (table && retry && !overwrite && !replay) {
        cluster_admin_refuse(admin,
                             "foreset pipelines retry PIPELINE --table TABLE: only with --overwrite or --replay");
        return;
    }
    if (pipeline->runs && !pipeline->stopping) {
        cluster_admin_refuse(admin, "pipeline %s runs; stop it first", pipeline->definition.name);
        return;
    }
    struct cluster_write *write = admin_change(admin, pipeline, DEFINITION_RUNNING);
    struct arena *arena = &write->definition.arena;
    write->starts = true;
    write->start.adopt = adopt;
    if (adopt && table) write->start.adopt_table = arena_strdup(arena, table);
    if (abandon) write->start.abandon_table = arena_strdup(arena, table);
    write->start.overwrite = overwrite;
    if (overwrite && table) write->start.overwrite_table = arena_strdup(arena, table);
    write->start.replay = replay;
    if (replay && table) write->start.replay_table = arena_strdup(arena, table);
    text_printf(&write->message, "pipeline %s starts", write->definition.name);
    cluster_admin_write(admin->cluster, write);
}

static void admin_stop(struct cluster_admin *admin)
{
    struct cluster_pipeline *pipeline = admin_pipeline(admin);
    if (!pipeline) return;
    bool deletes = strcmp(admin->request->verb, "pipelines delete") == 0;
    if (deletes && pipeline->runs) { // its role would write the keys again
        cluster_admin_refuse(admin, "pipeline %s runs; stop it first", pipeline->definition.name);
        return;
    }
    struct cluster_write *write = admin_change(admin, pipeline, DEFINITION_STOPPED);
    write->stops = true;
    write->deletes = deletes;
    write->drains = cluster_admin_option(admin->request, "drain") != NULL;
    text_printf(&write->message, "pipeline %s %s%s", write->definition.name,
                write->deletes ? "is deleted; its tables stay" : "stops",
                write->drains && pipeline->runs ? " when what runs is published" : "");
    cluster_admin_write(admin->cluster, write);
}

void cluster_admin_ended(struct cluster *cluster, struct cluster_pipeline *pipeline, enum pipeline_outcome outcome,
                         const struct error *err)
{
    bool restart = pipeline->restart && (outcome == PIPELINE_DONE || outcome == PIPELINE_GOES_ON);
    static const char *const outcomes[] = {"stopped", "done", "failed", "blocked", "fenced"};
    log_info("pipeline_ended", "pipeline=%s outcome=%s restart=%s error=\"%s\"", pipeline->definition.name,
             outcomes[outcome], restart ? "yes" : "no", outcome == PIPELINE_DONE ? "" : err->message);
    pipeline->stopping = pipeline->restart = false;
    struct error failed = *err;
    if (restart && cluster_pipeline_start(cluster, pipeline, &pipeline->start, &failed) == STATUS_OK) return;
    if (!restart && outcome == PIPELINE_DONE && pipeline->definition.desired == DEFINITION_STOPPED) return;
    bool done = !restart && outcome == PIPELINE_DONE;
    text_utf8_clean(failed.message); // it may quote bytes, and is cut
    pipeline->definition.desired = done ? DEFINITION_STOPPED : DEFINITION_FAILED;
    pipeline->definition.error = done ? NULL : arena_strdup(&pipeline->definition.arena, failed.message);
    pipeline->definition.error_class = done ? NULL : error_class_name(failed.class);
    char key[META_KEY_SIZE];
    struct text value = {0};
    cluster_store_definition_key(pipeline->definition.name, key);
    definition_json_pack(&pipeline->definition, &value);
    cluster_store_write(cluster, key, &value, NULL, NULL, NULL);
    text_deinit(&value);
}

// ---- Workers ----

struct admin_drain {
    void *token;
    bool drains;
    char name[CLUSTER_NAME_SIZE];
};

static void admin_drained(struct cluster *cluster, void *argument, enum status status, const struct error *err)
{
    struct admin_drain *drain = argument;
    char message[200] = "";
    if (status == STATUS_OK) {
        for (size_t i = 0; i < cluster->drained.count; i++) {
            if (strcmp(cluster->drained.items[i].text, drain->name) != 0) continue;
            vector_remove(&cluster->drained, i);
            break;
        }
        struct cluster_name name;
        snprintf(name.text, sizeof name.text, "%s", drain->name);
        if (drain->drains) vector_push(&cluster->drained, name);
        cluster_tell_leaving(cluster);
        snprintf(message, sizeof message, "worker %s %s", drain->name,
                 drain->drains ? "hands over what it holds" : "may hold partitions and shards again");
    }
    bool ok = status == STATUS_OK;
    cluster_admin_reply(cluster, drain->token, ok ? ADMIN_DONE : ADMIN_FAILED, ok ? message : err->message, NULL);
    memory_free(drain);
}

static void admin_workers_drain(struct cluster_admin *admin)
{
    const char *name = admin_name(admin);
    bool drains = strcmp(admin->request->verb, "workers drain") == 0;
    bool known = name && (cluster_workers_find(admin->cluster, name) || cluster_workers_drained(admin->cluster, name));
    if (!known) {
        cluster_admin_refuse(admin, "there is no worker %s; `foreset workers list` shows them", name ? name : "named");
        return;
    }
    struct admin_drain *drain = memory_calloc(1, sizeof *drain);
    drain->token = admin->token;
    drain->drains = drains;
    snprintf(drain->name, sizeof drain->name, "%s", name);
    char key[META_KEY_SIZE];
    struct text value = {0};
    cluster_store_drain_key(name, key);
    text_printf(&value, "drained");
    cluster_store_write(admin->cluster, key, drains ? &value : NULL, admin_drained, memory_free, drain);
    text_deinit(&value);
}

// ---- Reads ----

static void admin_read_pipelines(struct cluster_admin *admin)
{
    const char *name = admin_name(admin);
    if (name && !admin_pipeline(admin)) return;
    bool sql = strcmp(admin->request->verb, "pipelines describe") == 0;
    cluster_json_pipelines(admin->cluster, name, sql, &admin->json);
    cluster_admin_reply(admin->cluster, admin->token, ADMIN_DONE, NULL, &admin->json);
}

static void admin_read_workers(struct cluster_admin *admin)
{
    const char *name = admin_name(admin);
    if (name && !cluster_workers_find(admin->cluster, name)) {
        cluster_admin_refuse(admin, "there is no worker %s; `foreset workers list` shows them", name);
        return;
    }
    cluster_json_workers(admin->cluster, name, &admin->json);
    cluster_admin_reply(admin->cluster, admin->token, ADMIN_DONE, NULL, &admin->json);
}

static void admin_read_status(struct cluster_admin *admin)
{
    cluster_json_status(admin->cluster, &admin->json);
    cluster_admin_reply(admin->cluster, admin->token, ADMIN_DONE, NULL, &admin->json);
}

static const struct {
    const char *verb;
    void (*run)(struct cluster_admin *admin);
} admin_verbs[] = {
    {"pipelines plan", cluster_compile_begin},
    {"pipelines apply", cluster_compile_begin},
    {"pipelines list", admin_read_pipelines},
    {"pipelines describe", admin_read_pipelines},
    {"pipelines start", admin_run},
    {"pipelines retry", admin_run},
    {"pipelines adopt", admin_run},
    {"pipelines abandon-table", admin_run},
    {"pipelines stop", admin_stop},
    {"pipelines delete", admin_stop},
    {"workers list", admin_read_workers},
    {"workers describe", admin_read_workers},
    {"workers drain", admin_workers_drain},
    {"workers undrain", admin_workers_drain},
    {"epochs", admin_read_pipelines},
    {"lag", admin_read_pipelines},
    {"shards", admin_read_pipelines},
    {"cluster status", admin_read_status},
};

// Somebody else leads: says who, as far as it is known.
void cluster_admin_redirect(struct cluster *cluster, void *token)
{
    Foreset__AdminReply reply = FORESET__ADMIN_REPLY__INIT;
    char url[256] = "";
    const char *space = strchr(cluster->leader, ' ');
    if (space) snprintf(url, sizeof url, "%.*s", (int)strcspn(space + 1, " "), space + 1);
    bool ours = strcmp(url, cluster->config.url) == 0; // not yet, or an incarnation before this one
    reply.exit_code = ADMIN_FAILED;
    reply.has_not_leader = reply.not_leader = true;
    reply.leader_url = *url && !ours ? url : NULL;
    reply.message = *cluster->trouble ? cluster->trouble : "no coordinator leads at the moment";
    cluster->config.host.reply(cluster->config.context, token, &reply);
}

// What is kept goes into JSON.
static bool admin_is_text(const Foreset__AdminRequest *request)
{
    bool valid = true;
    for (size_t i = 0; i < request->n_names; i++)
        valid = valid && text_utf8_valid((const uint8_t *)request->names[i], strlen(request->names[i]));
    for (size_t i = 0; i < request->n_options; i++) {
        const Foreset__Property *option = request->options[i];
        valid = valid && text_utf8_valid((const uint8_t *)option->key, strlen(option->key)) &&
                text_utf8_valid((const uint8_t *)option->value, strlen(option->value));
    }
    return valid;
}

void cluster_admin_request(struct cluster *cluster, void *token, const Foreset__AdminRequest *request)
{
    struct cluster_admin admin = {.cluster = cluster, .token = token, .request = request};
    if (!admin_is_text(request)) {
        cluster_admin_refuse(&admin, "a name, setting or path of the command is not in UTF-8");
        return;
    }
    if (strcmp(request->version, cluster->config.version) != 0) {
        cluster_admin_refuse(&admin, "this command line is of version %.20s, the coordinator of %s: use the same",
                             request->version, cluster->config.version);
        return;
    }
    if (cluster->machine.state != CLUSTER_LEADING) {
        cluster_admin_redirect(cluster, token);
        return;
    }
    for (size_t i = 0; i < sizeof admin_verbs / sizeof *admin_verbs; i++) {
        if (strcmp(admin_verbs[i].verb, request->verb) != 0) continue;
        admin_verbs[i].run(&admin);
        text_deinit(&admin.json);
        text_deinit(&admin.message);
        return;
    }
    cluster_admin_refuse(&admin, "the coordinator knows no command '%.60s'", request->verb);
}
