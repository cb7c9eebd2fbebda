// What the cluster says of itself, as JSON. The same documents answer the command line and HTTP. Nothing fails.
#include <jansson.h>
#include <string.h>

#include "coordinator/cluster/cluster_private.h"
#include "coordinator/sql/sql_text.h"

static void json_put(json_t *json, struct text *ret_json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
    ASSERT(text);
    text_append(ret_json, text, strlen(text));
    free(text);
    json_decref(json);
}

// What the pipeline's role said last; null before it did.
static json_t *json_said(struct cluster *cluster, const struct cluster_pipeline *pipeline)
{
    char *said = pipeline->runs ? cluster->config.host.status(cluster->config.context, pipeline->channel) : NULL;
    json_t *json = said ? json_loads(said, 0, NULL) : NULL;
    memory_free(said);
    return json ? json : json_null();
}

bool cluster_json_filling(struct cluster *cluster, const struct cluster_pipeline *pipeline, struct text *text)
{
    json_t *said = json_said(cluster, pipeline), *fill;
    size_t i, count = json_array_size(json_object_get(said, "fills"));
    json_array_foreach(json_object_get(said, "fills"), i, fill)
    {
        text_printf(text, "table %s is being filled: wait until that is done\n",
                    json_string_value(json_object_get(fill, "table")));
    }
    json_decref(said);
    return count > 0;
}

static const char *json_pipeline_state(const struct cluster_pipeline *pipeline, const json_t *said)
{
    if (!pipeline->runs) return definition_desired_name(pipeline->definition.desired);
    if (pipeline->stopping) return "stopping";
    const char *state = json_string_value(json_object_get(said, "state"));
    return state ? state : "starting";
}

// A text that was applied before secrets in it were refused may hold one.
static json_t *json_masked(const char *sql)
{
    char *masked = memory_strdup(sql);
    sql_text_mask(masked, strlen(masked));
    json_t *text = json_string(masked);
    memory_free(masked);
    return text;
}

static json_t *json_pipeline(struct cluster *cluster, const struct cluster_pipeline *pipeline, bool with_sql)
{
    const struct definition *definition = &pipeline->definition;
    json_t *said = json_said(cluster, pipeline);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:b, s:s*}", "name", definition->name, "state",
                  json_pipeline_state(pipeline, said), "desired", definition_desired_name(definition->desired),
                  "version", (json_int_t)definition->version, "appliedMs", (json_int_t)definition->applied_ms, "file",
                  definition->file_name, "availableNow", (int)definition->available_now, "error", definition->error);
    ASSERT(json);
    if (definition->error_class) json_object_set_new(json, "errorClass", json_string(definition->error_class));
    if (with_sql) json_object_set_new(json, "sql", json_masked(definition->sql));
    json_object_set_new(json, "status", said);
    return json;
}

void cluster_json_pipelines(struct cluster *cluster, const char *name, bool with_sql, struct text *ret_json)
{
    json_t *list = json_array();
    for (size_t i = 0; i < cluster->pipelines.count; i++) {
        const struct cluster_pipeline *pipeline = &cluster->pipelines.items[i];
        if (name && strcmp(name, pipeline->definition.name) != 0) continue;
        json_array_append_new(list, json_pipeline(cluster, pipeline, with_sql));
    }
    json_put(json_pack("{s:o}", "pipelines", list), ret_json);
}

// What a worker holds of each pipeline, as the pipelines say. *ret_holds: anything.
static json_t *json_held(const json_t *pipelines, const char *worker, bool *ret_holds)
{
    json_t *list = json_array();
    size_t i, k;
    const json_t *pipeline, *at;
    json_array_foreach(pipelines, i, pipeline)
    {
        json_array_foreach(json_object_get(json_object_get(pipeline, "status"), "workers"), k, at)
        {
            const char *name = json_string_value(json_object_get(at, "name"));
            if (!name || strcmp(name, worker) != 0 || !json_is_true(json_object_get(at, "takesPart"))) continue;
            *ret_holds = true;
            json_array_append_new(list, json_pack("{s:O, s:O, s:O}", "pipeline", json_object_get(pipeline, "name"),
                                                  "partitions", json_object_get(at, "partitions"), "shards",
                                                  json_object_get(at, "shards")));
        }
    }
    return list;
}

static json_t *json_network(const Foreset__NetworkReport *network)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "sent", (json_int_t)network->sent, "sentBytes",
                     (json_int_t)network->sent_bytes, "received", (json_int_t)network->received, "receivedBytes",
                     (json_int_t)network->received_bytes, "dropped", (json_int_t)network->dropped, "unacknowledged",
                     (json_int_t)network->unacknowledged, "malformed", (json_int_t)network->malformed, "reconnected",
                     (json_int_t)network->reconnected, "errors", (json_int_t)network->errors);
}

static json_t *json_worker(const struct cluster *cluster, const struct cluster_worker *worker, const json_t *pipelines)
{
    bool holds = false, drained = cluster_workers_drained(cluster, worker->name);
    json_t *held = json_held(pipelines, worker->name, &holds);
    const char *state = !worker->alive    ? "silent"
                        : worker->leaving ? "leaving"
                        : !drained        ? "active"
                        : holds           ? "draining"
                                          : "drained";
    int64_t now_us = clock_boot_us(cluster->seam->clock);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o}", "name", worker->name, "url", worker->url,
        "state", state, "version", worker->version, "lanes", (json_int_t)worker->lanes, "memoryBytes",
        (json_int_t)worker->memory_bytes, "memoryUsedBytes", (json_int_t)worker->memory_used_bytes, "residentBytes",
        (json_int_t)worker->resident_bytes, "cpuSeconds", (double)worker->cpu_us / 1e6, "heardSecondsAgo",
        (double)(now_us - worker->heard_us) / 1e6, "network", json_network(&worker->network), "holds", held);
}

bool cluster_json_holds(struct cluster *cluster, const char *worker)
{
    bool holds = false;
    json_t *pipelines = json_array();
    for (size_t i = 0; i < cluster->pipelines.count; i++)
        json_array_append_new(pipelines, json_pipeline(cluster, &cluster->pipelines.items[i], false));
    json_decref(json_held(pipelines, worker, &holds));
    json_decref(pipelines);
    return holds;
}

void cluster_json_workers(struct cluster *cluster, const char *name, struct text *ret_json)
{
    json_t *list = json_array(), *pipelines = json_array();
    for (size_t i = 0; i < cluster->pipelines.count; i++)
        json_array_append_new(pipelines, json_pipeline(cluster, &cluster->pipelines.items[i], false));
    for (size_t i = 0; i < cluster->workers.count; i++) {
        const struct cluster_worker *worker = &cluster->workers.items[i];
        if (name && strcmp(name, worker->name) != 0) continue;
        json_array_append_new(list, json_worker(cluster, worker, pipelines));
    }
    json_decref(pipelines);
    json_put(json_pack("{s:o}", "workers", list), ret_json);
}

void cluster_json_status(struct cluster *cluster, struct text *ret_json)
{
    json_int_t alive = 0, runs = 0, failed = 0;
    for (size_t i = 0; i < cluster->workers.count; i++) alive += cluster->workers.items[i].alive;
    for (size_t i = 0; i < cluster->pipelines.count; i++) {
        runs += cluster->pipelines.items[i].runs;
        failed += cluster->pipelines.items[i].definition.desired == DEFINITION_FAILED;
    }
    json_t *refused = json_array();
    for (size_t i = 0; i < cluster->refusals.count; i++) {
        const struct cluster_refusal *refusal = &cluster->refusals.items[i];
        json_array_append_new(refused, json_pack("{s:s, s:s}", "worker", refusal->name, "why", refusal->why));
    }
    bool ok = !*cluster->trouble && alive > 0 && failed == 0;
    json_put(json_pack("{s:s, s:s, s:{s:s, s:s, s:I}, s:{s:s, s:s*}, s:{s:I, s:I}, s:{s:I, s:I, s:I}, s:o}", "state",
                       ok ? "ok" : "degraded", "version", cluster->config.version, "leader", "name",
                       cluster->config.name, "url", cluster->config.url, "term",
                       (json_int_t)atomic_load(&cluster->lease.create_revision), "kv", "url", cluster->config.kv_name,
                       "trouble", *cluster->trouble ? cluster->trouble : NULL, "workers", "alive", alive, "silent",
                       (json_int_t)cluster->workers.count - alive, "pipelines", "applied",
                       (json_int_t)cluster->pipelines.count, "running", runs, "failed", failed, "refused", refused),
             ret_json);
}
