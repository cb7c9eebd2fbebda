// Metrics. Names follow Prometheus: base units, _total for what only rises; totals begin anew with each leader.
#include "coordinator/api/metrics_json.h"

#include <jansson.h>
#include <string.h>

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

// A member, or a member's member: "exchange.bytesSent".
static const json_t *metrics_at(const json_t *json, const char *path)
{
    char name[64];
    for (const char *dot = strchr(path, '.'); dot; path = dot + 1, dot = strchr(path, '.')) {
        snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
        json = json_object_get(json, name);
    }
    return json_object_get(json, path);
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
            const json_t *value = metrics_at(member, metric->field);
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

// A histogram of every pipeline: its steps are cumulative already. phase NULL: no such label.
static void metrics_histogram(struct text *text, const char *name, const char *pipeline, const char *phase,
                              const json_t *histogram)
{
    size_t i;
    const json_t *step;
    struct text labels = {0}, whole = {0};
    json_t *names[] = {json_string(pipeline), phase ? json_string(phase) : NULL};
    metrics_label(&labels, "pipeline", names[0]);
    if (phase) metrics_label(&labels, "phase", names[1]);
    json_array_foreach(json_object_get(histogram, "steps"), i, step)
    {
        const json_t *bound = json_object_get(step, "le");
        text_printf(text, "%s_bucket{%s,le=\"", name, text_str(&labels));
        if (json_is_number(bound)) {
            text_printf(text, "%g", json_number_value(bound));
        } else {
            text_printf(text, "+Inf");
        }
        text_printf(text, "\"} %lld\n", (long long)json_integer_value(json_object_get(step, "count")));
    }
    text_printf(&whole, "%s_sum", name);
    metrics_line(text, text_str(&whole), &labels, json_number_value(json_object_get(histogram, "seconds")));
    text_reset(&whole);
    text_printf(&whole, "%s_count", name);
    metrics_line(text, text_str(&whole), &labels, json_number_value(json_object_get(histogram, "count")));
    for (size_t k = 0; k < 2; k++) json_decref(names[k]);
    text_deinit(&labels);
    text_deinit(&whole);
}

static void metrics_phases(struct text *text, const json_t *list, bool whole, const char *name, const char *help)
{
    size_t i;
    json_t *pipeline, *histogram;
    const char *phase;
    metrics_head(text, name, "histogram", help);
    json_array_foreach(list, i, pipeline)
    {
        json_object_foreach(json_object_get(json_object_get(pipeline, "status"), "phases"), phase, histogram)
        {
            if ((strcmp(phase, "all") == 0) != whole) continue;
            metrics_histogram(text, name, json_string_value(json_object_get(pipeline, "name")), whole ? NULL : phase,
                              histogram);
        }
    }
}

// Of every budget of every pipeline on every worker.
static void metrics_memory(struct text *text, const json_t *list, const char *field, const char *name, const char *help)
{
    size_t i, w, b;
    const json_t *pipeline, *worker, *budget;
    metrics_head(text, name, "gauge", help);
    json_array_foreach(list, i, pipeline)
    {
        json_array_foreach(json_object_get(json_object_get(pipeline, "status"), "workers"), w, worker)
        {
            json_array_foreach(json_object_get(worker, "memory"), b, budget)
            {
                struct text labels = {0};
                metrics_label(&labels, "pipeline", json_object_get(pipeline, "name"));
                metrics_label(&labels, "worker", json_object_get(worker, "name"));
                metrics_label(&labels, "budget", json_object_get(budget, "budget"));
                metrics_line(text, name, &labels, json_number_value(json_object_get(budget, field)));
                text_deinit(&labels);
            }
        }
    }
}

struct metrics_worker {
    const char *field, *name, *type, *help; // field NULL: whether it was heard of
};

static void metrics_workers(struct text *text, const json_t *list, const struct metrics_worker *metric)
{
    size_t i;
    const json_t *worker;
    metrics_head(text, metric->name, metric->type, metric->help);
    json_array_foreach(list, i, worker)
    {
        struct text labels = {0};
        metrics_label(&labels, "worker", json_object_get(worker, "name"));
        double value = metric->field ? json_number_value(metrics_at(worker, metric->field))
                                     : strcmp(json_string_value(json_object_get(worker, "state")), "silent") != 0;
        metrics_line(text, metric->name, &labels, value);
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
    {"evidenceGone", "foreset_evidence_gone_total", "counter",
     "Last records read that could not be compared before a decision: compacted or expired."},
    {"moves", "foreset_pipeline_moves_total", "counter", "Planned moves of shards and partitions."},
    {"messagesDropped", "foreset_pipeline_messages_dropped_total", "counter", "Messages of other attempts."},
    {"filesS", "foreset_data_sync_seconds_total", "counter", "Completing and syncing data files, slowest worker."},
    {"snapshotS", "foreset_state_snapshot_seconds_total", "counter", "Writing and syncing state, slowest worker."},
    {"snapshotBytes", "foreset_state_snapshot_written_bytes_total", "counter",
     "Bytes of state snapshot parts written."},
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
     "violations",
     "foreset_table_violations_total",
     "counter",
     "Constraints that rows did not meet.",
     {{"table", "name"}}},
    {"constraints",
     "violations",
     "foreset_constraint_violations_total",
     "counter",
     "Rows that did not meet a constraint which only counts.",
     {{"table", "table"}, {"constraint", "name"}}},
    {"tables",
     "bytesOut",
     "foreset_table_bytes_out_total",
     "counter",
     "Bytes of data files written.",
     {{"table", "name"}}},
    {"tables",
     "filtered",
     "foreset_table_rows_filtered_total",
     "counter",
     "Rows that a condition or a limit kept out.",
     {{"table", "name"}}},
    {"tables",
     "duplicates",
     "foreset_table_rows_duplicate_total",
     "counter",
     "Rows whose key was there before.",
     {{"table", "name"}}},
    {"tables",
     "grouped",
     "foreset_table_rows_grouped_total",
     "counter",
     "Rows folded into groups.",
     {{"table", "name"}}},
    {"tables",
     "unaccounted",
     "foreset_table_rows_unaccounted",
     "gauge",
     "Rows in none of the counts: 0, or the program has a fault.",
     {{"table", "name"}}},
    {"tables", "commits", "foreset_table_commits_total", "counter", "Delta commits put.", {{"table", "name"}}},
    {"tables",
     "putS",
     "foreset_table_put_seconds_total",
     "counter",
     "Time that putting a table's commits took.",
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
    {"workers",
     "exchange.bytesSent",
     "foreset_exchange_sent_bytes_total",
     "counter",
     "Bytes sent to other workers' lanes.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.bytesReceived",
     "foreset_exchange_received_bytes_total",
     "counter",
     "Bytes received from other workers' lanes.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.rowsSent",
     "foreset_exchange_sent_rows_total",
     "counter",
     "Rows sent to other workers' lanes.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.framesSent",
     "foreset_exchange_sent_frames_total",
     "counter",
     "Frames sent to other workers.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.framesReceived",
     "foreset_exchange_received_frames_total",
     "counter",
     "Frames received from other workers.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.framesDropped",
     "foreset_exchange_dropped_frames_total",
     "counter",
     "Frames of another generation or routing, or that came twice.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.creditSentBytes",
     "foreset_exchange_credit_sent_bytes_total",
     "counter",
     "Bytes told to other workers as taken.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.creditReceivedBytes",
     "foreset_exchange_credit_received_bytes_total",
     "counter",
     "Bytes told by other workers as taken.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.outstandingBytes",
     "foreset_exchange_outstanding_bytes",
     "gauge",
     "Bytes sent and not yet told as taken.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.creditBytes",
     "foreset_exchange_credit_bytes",
     "gauge",
     "The most that may be outstanding.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.waitingFrames",
     "foreset_exchange_waiting_frames",
     "gauge",
     "Frames that came before the plan of their epoch.",
     {{"worker", "name"}}},
    {"workers",
     "exchange.stalledS",
     "foreset_exchange_stalled_seconds_total",
     "counter",
     "Time of lanes that might not read: no credit, or too many rows wait.",
     {{"worker", "name"}}},
    {"workers", "shards", "foreset_worker_shards", "gauge", "Shards a worker holds.", {{"worker", "name"}}},
    {"workers",
     "partitions",
     "foreset_worker_partitions",
     "gauge",
     "Partitions a worker reads.",
     {{"worker", "name"}}}};

static const struct metrics_worker metrics_worker_list[] = {
    {NULL, "foreset_worker_up", "gauge", "1 if the worker was heard of lately."},
    {"lanes", "foreset_worker_lanes", "gauge", "Lanes of a worker."},
    {"memoryBytes", "foreset_worker_memory_limit_bytes", "gauge", "Its --memory."},
    {"memoryUsedBytes", "foreset_worker_memory_used_bytes", "gauge", "What is counted of it."},
    {"residentBytes", "foreset_worker_resident_memory_bytes", "gauge", "What the process has in RAM."},
    {"cpuSeconds", "foreset_worker_cpu_seconds_total", "counter", "CPU time of the process."},
    {"network.sent", "foreset_worker_rpc_sent_total", "counter", "Messages sent."},
    {"network.sentBytes", "foreset_worker_rpc_sent_bytes_total", "counter", "Bytes sent."},
    {"network.received", "foreset_worker_rpc_received_total", "counter", "Messages received."},
    {"network.receivedBytes", "foreset_worker_rpc_received_bytes_total", "counter", "Bytes received."},
    {"network.dropped", "foreset_worker_rpc_dropped_total", "counter", "Messages not sent in time."},
    {"network.unacknowledged", "foreset_worker_rpc_unacknowledged_total", "counter",
     "Messages sent on a connection that broke."},
    {"network.malformed", "foreset_worker_rpc_malformed_total", "counter", "Frames that closed their connection."},
    {"network.reconnected", "foreset_worker_rpc_reconnected_total", "counter", "Connections made again."},
    {"network.errors", "foreset_worker_rpc_errors_total", "counter", "Other errors of the transport."}};

static void metrics_of_pipelines(struct text *text, const json_t *list)
{
    metrics_states(text, list);
    for (size_t i = 0; i < sizeof metrics_numbers / sizeof *metrics_numbers; i++)
        metrics_pipelines(text, list, metrics_numbers[i].field, metrics_numbers[i].name, metrics_numbers[i].type,
                          metrics_numbers[i].help);
    for (size_t i = 0; i < sizeof metrics_member_list / sizeof *metrics_member_list; i++)
        metrics_members(text, list, &metrics_member_list[i]);
    metrics_phases(text, list, false, "foreset_epoch_phase_seconds", "How long published epochs were in each phase.");
    metrics_phases(text, list, true, "foreset_epoch_seconds", "How long epochs took, from planned to published.");
    metrics_memory(text, list, "usedBytes", "foreset_memory_used_bytes", "Memory in use, by budget.");
    metrics_memory(text, list, "peakBytes", "foreset_memory_peak_bytes", "The most that was in use, by budget.");
    metrics_memory(text, list, "limitBytes", "foreset_memory_limit_bytes", "What a budget may take.");
    metrics_named(text, list, "stateEntries", NULL, "operator", "foreset_state_entries", "gauge",
                  "Entries of the state that are alive.");
    metrics_named(text, list, "stateSnapshot", "entries", "operator", "foreset_state_snapshot_entries", "gauge",
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
    for (size_t i = 0; i < sizeof metrics_worker_list / sizeof *metrics_worker_list; i++)
        metrics_workers(ret_text, list, &metrics_worker_list[i]);
    for (size_t i = 0; i < 3; i++) json_decref(read[i]);
}

bool metrics_json_kv_answers(const char *status)
{
    json_t *read = json_loads(status, 0, NULL);
    bool answers = read && !json_is_string(json_object_get(json_object_get(read, "kv"), "trouble"));
    json_decref(read);
    return answers;
}
