// Metrics. Names follow Prometheus: base units, _total for what only rises; totals begin anew with each leader.
#include "coordinator/api/metrics_json.h"

#include <jansson.h>
#include <string.h>

#define METRICS_LABELS 400u

static void metrics_head(struct text *text, const char *name, const char *type, const char *help)
{
    text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

// Label values: backslash, quote and newline are escaped.
static void metrics_label(struct text *labels, const char *key, const json_t *value)
{
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    const char *text = json_is_string(value) ? json_string_value(value) : number;
    text_printf(labels, "%s%s=\"", labels->length ? "," : "", key);
    for (; *text; text++) {
        if (*text == '\n') {
            text_printf(labels, "\\n");
            continue;
        }
        if (*text == '"' || *text == '\\') text_append_char(labels, '\\');
        text_append_char(labels, *text);
    }
    text_append_char(labels, '"');
}

static void metrics_line(struct text *text, const char *name, const struct text *labels, double value)
{
    text_printf(text, "%s{%s} %.17g\n", name, text_str(labels), value);
}

// One metric of every pipeline: a number of its status.
static void metrics_pipelines(struct text *text, const json_t *list, const char *field, const char *name,
                              const char *type, const char *help)
{
    size_t i;
    const json_t *pipeline;
    metrics_head(text, name, type, help);
    json_array_foreach(list, i, pipeline)
    {
        const json_t *value = json_object_get(json_object_get(pipeline, "status"), field);
        if (!json_is_number(value)) continue;
        struct text labels = {0};
        metrics_label(&labels, "pipeline", json_object_get(pipeline, "name"));
        metrics_line(text, name, &labels, json_number_value(value));
        text_deinit(&labels);
    }
}

// One metric of every member of a list within the status: labels by field, then a number.
struct metrics_member {
    const char *list, *field, *name, *type, *help;
    const char *labels[4][2]; // label, field
};

static void metrics_members(struct text *text, const json_t *list, const struct metrics_member *metric)
{
    size_t i, k;
    const json_t *pipeline, *member;
    metrics_head(text, metric->name, metric->type, metric->help);
    json_array_foreach(list, i, pipeline)
    {
        json_array_foreach(json_object_get(json_object_get(pipeline, "status"), metric->list), k, member)
        {
            const json_t *value = json_object_get(member, metric->field);
            if (!json_is_number(value)) continue;
            struct text labels = {0};
            metrics_label(&labels, "pipeline", json_object_get(pipeline, "name"));
            for (size_t l = 0; l < 4 && metric->labels[l][0]; l++)
                metrics_label(&labels, metric->labels[l][0], json_object_get(member, metric->labels[l][1]));
            metrics_line(text, metric->name, &labels, json_number_value(value));
            text_deinit(&labels);
        }
    }
}

// What lies in an object by name: phases of epochs, operators' state.
static void metrics_named(struct text *text, const json_t *list, const char *object, const char *field,
                          const char *label, const char *name, const char *type, const char *help)
{
    size_t i;
    const json_t *pipeline;
    const char *key;
    json_t *value;
    metrics_head(text, name, type, help);
    json_array_foreach(list, i, pipeline)
    {
        json_object_foreach(json_object_get(json_object_get(pipeline, "status"), object), key, value)
        {
            struct text labels = {0};
            json_t *text_value = json_string(key);
            metrics_label(&labels, "pipeline", json_object_get(pipeline, "name"));
            metrics_label(&labels, label, text_value);
            metrics_line(text, name, &labels, json_number_value(field ? json_object_get(value, field) : value));
            json_decref(text_value);
            text_deinit(&labels);
        }
    }
}

static void metrics_states(struct text *text, const json_t *list)
{
    size_t i;
    const json_t *pipeline;
    metrics_head(text, "foreset_pipeline_state", "gauge", "1 with the state a pipeline is in.");
    json_array_foreach(list, i, pipeline)
    {
        struct text labels = {0};
        metrics_label(&labels, "pipeline", json_object_get(pipeline, "name"));
        metrics_label(&labels, "state", json_object_get(pipeline, "state"));
        metrics_line(text, "foreset_pipeline_state", &labels, 1);
        text_deinit(&labels);
    }
}

static void metrics_workers(struct text *text, const json_t *list, const char *field, const char *name,
                            const char *help)
{
    size_t i;
    const json_t *worker;
    metrics_head(text, name, "gauge", help);
    json_array_foreach(list, i, worker)
    {
        struct text labels = {0};
        metrics_label(&labels, "worker", json_object_get(worker, "name"));
        double value = field ? json_number_value(json_object_get(worker, field))
                             : strcmp(json_string_value(json_object_get(worker, "state")), "silent") != 0;
        metrics_line(text, name, &labels, value);
        text_deinit(&labels);
    }
}

static const struct {
    const char *field, *name, *type, *help;
} metrics_numbers[] = {
    {"generation", "foreset_pipeline_generation", "gauge", "Rises with every recovery."},
    {"decided", "foreset_pipeline_decided_epoch", "gauge", "Last epoch that is decided."},
    {"published", "foreset_pipeline_published_epoch", "gauge", "Last epoch that all tables show."},
    {"epochsPublished", "foreset_epochs_published_total", "counter", "Epochs published."},
    {"rowsIn", "foreset_rows_in_total", "counter", "Rows read from sources, in published epochs."},
    {"lagRows", "foreset_lag_rows", "gauge", "Rows that wait, of all partitions."},
    {"restarts", "foreset_pipeline_restarts_total", "counter", "Attempts that ended early."},
    {"moves", "foreset_pipeline_moves_total", "counter", "Planned moves of shards and partitions."},
    {"lastMoveS", "foreset_pipeline_last_move_seconds", "gauge", "How long the last planned move took."}};
static const struct metrics_member metrics_member_list[] = {
    {"tables", "rowsIn", "foreset_table_rows_in_total", "counter", "Rows a table was given.", {{"table", "name"}}},
    {"tables", "rowsOut", "foreset_table_rows_out_total", "counter", "Rows written.", {{"table", "name"}}},
    {"tables",
     "rowsLate",
     "foreset_table_rows_late_total",
     "counter",
     "Rows behind the watermark.",
     {{"table", "name"}}},
    {"tables",
     "deadLetters",
     "foreset_table_dead_letters_total",
     "counter",
     "Rows sent to dead letters.",
     {{"table", "name"}}},
    {"tables",
     "rowsMalformed",
     "foreset_table_rows_malformed_total",
     "counter",
     "Rows that could not be decoded.",
     {{"table", "name"}}},
    {"tables",
     "bytesOut",
     "foreset_table_bytes_out_total",
     "counter",
     "Bytes of data files written.",
     {{"table", "name"}}},
    {"tables",
     "watermarkMs",
     "foreset_table_watermark_milliseconds",
     "gauge",
     "Watermark, since 1970.",
     {{"table", "name"}}},
    {"partitions",
     "lagRows",
     "foreset_partition_lag_rows",
     "gauge",
     "Rows that wait.",
     {{"topic", "topic"}, {"partition", "partition"}}},
    {"partitions",
     "lagSeconds",
     "foreset_partition_lag_seconds",
     "gauge",
     "Age of the last record read, while rows wait.",
     {{"topic", "topic"}, {"partition", "partition"}}},
    {"workers", "shards", "foreset_worker_shards", "gauge", "Shards a worker holds.", {{"worker", "name"}}},
    {"workers",
     "partitions",
     "foreset_worker_partitions",
     "gauge",
     "Partitions a worker reads.",
     {{"worker", "name"}}}};

static void metrics_of_pipelines(struct text *text, const json_t *list)
{
    metrics_states(text, list);
    for (size_t i = 0; i < sizeof metrics_numbers / sizeof *metrics_numbers; i++)
        metrics_pipelines(text, list, metrics_numbers[i].field, metrics_numbers[i].name, metrics_numbers[i].type,
                          metrics_numbers[i].help);
    for (size_t i = 0; i < sizeof metrics_member_list / sizeof *metrics_member_list; i++)
        metrics_members(text, list, &metrics_member_list[i]);
    metrics_named(text, list, "phaseSeconds", NULL, "phase", "foreset_epoch_phase_seconds_total", "counter",
                  "Time that published epochs spent in each phase.");
    metrics_named(text, list, "stateSnapshot", "entries", "operator", "foreset_state_entries", "gauge",
                  "Entries in the parts of the state snapshot.");
    metrics_named(text, list, "stateSnapshot", "bytes", "operator", "foreset_state_snapshot_bytes", "gauge",
                  "Bytes of the state snapshot.");
}

static void metrics_of_cluster(struct text *text, const json_t *status)
{
    metrics_head(text, "foreset_kv_up", "gauge", "1 if etcd answers the leader.");
    text_printf(text, "foreset_kv_up %d\n",
                json_is_string(json_object_get(json_object_get(status, "kv"), "trouble")) ? 0 : 1);
    metrics_head(text, "foreset_build_info", "gauge", "The program's version.");
    text_printf(text, "foreset_build_info{version=\"%s\"} 1\n", json_string_value(json_object_get(status, "version")));
}

void metrics_json(const char *status, const char *pipelines, const char *workers, struct text *ret_text)
{
    metrics_head(ret_text, "foreset_leader", "gauge", "1 if this coordinator leads.");
    text_printf(ret_text, "foreset_leader %d\n", status ? 1 : 0);
    if (!status) return;
    json_t *read[] = {json_loads(status, 0, NULL), json_loads(pipelines, 0, NULL), json_loads(workers, 0, NULL)};
    if (read[0]) metrics_of_cluster(ret_text, read[0]);
    metrics_of_pipelines(ret_text, json_object_get(read[1], "pipelines"));
    const json_t *list = json_object_get(read[2], "workers");
    metrics_workers(ret_text, list, NULL, "foreset_worker_up", "1 if the worker was heard of lately.");
    metrics_workers(ret_text, list, "lanes", "foreset_worker_lanes", "Lanes of a worker.");
    metrics_workers(ret_text, list, "memoryBytes", "foreset_worker_memory_limit_bytes", "Its --memory.");
    metrics_workers(ret_text, list, "memoryUsedBytes", "foreset_worker_memory_used_bytes", "What is counted of it.");
    for (size_t i = 0; i < 3; i++) json_decref(read[i]);
}

bool metrics_json_kv_answers(const char *status)
{
    json_t *read = json_loads(status, 0, NULL);
    bool answers = read && !json_is_string(json_object_get(json_object_get(read, "kv"), "trouble"));
    json_decref(read);
    return answers;
}
