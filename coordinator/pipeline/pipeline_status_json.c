// The status as JSON, for the command line, HTTP and metrics alike: one document, made on the role's thread. Times are
// milliseconds of the wall clock, lengths of time seconds. Nothing fails.
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/plan/plan_source.h"
#include "coordinator/pipeline/pipeline_private.h"

#define JSON_NULL_IF(condition, json) ((condition) ? json_null() : (json))

static double status_seconds(int64_t from_us, int64_t to_us)
{
    return from_us > 0 && to_us >= from_us ? (double)(to_us - from_us) / 1e6 : 0;
}

static json_t *status_epochs(const struct pipeline *pipeline)
{
    const struct pipeline_status *status = &pipeline->status;
    json_t *list = json_array();
    uint64_t first = status->epoch_count > PIPELINE_STATUS_EPOCHS ? status->epoch_count - PIPELINE_STATUS_EPOCHS : 0;
    for (uint64_t i = first; i < status->epoch_count; i++) {
        const struct pipeline_status_epoch *at = &status->epochs[i % PIPELINE_STATUS_EPOCHS];
        json_array_append_new(list, json_pack("{s:I, s:s, s:I, s:I, s:b, s:I, s:f, s:f, s:f, s:f}", "epoch",
                                              (json_int_t)at->epoch, "state", "published", "rows", (json_int_t)at->rows,
                                              "bytes", (json_int_t)at->bytes, "noData", (int)at->no_data, "timestampMs",
                                              (json_int_t)(at->timestamp_us / 1000), "readS",
                                              status_seconds(at->planned_us, at->read_us), "prepareS",
                                              status_seconds(at->read_us, at->prepared_us), "decideS",
                                              status_seconds(at->prepared_us, at->decided_us), "publishS",
                                              status_seconds(at->decided_us, at->published_us)));
    }
    for (size_t i = 0; i < pipeline->epochs.count; i++) {
        const struct epoch *epoch = pipeline->epochs.items[i];
        json_array_append_new(list,
                              json_pack("{s:I, s:s, s:I, s:I, s:b, s:I}", "epoch", (json_int_t)epoch->number, "state",
                                        statemachine_name(&epoch->machine), "rows", (json_int_t)epoch->cut.rows,
                                        "bytes", (json_int_t)epoch->bytes, "noData", (int)epoch->no_data, "timestampMs",
                                        (json_int_t)(epoch->timestamp_us / 1000)));
    }
    return list;
}

static json_t *status_exchange(const Foreset__ExchangeReport *report)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "framesSent",
                     (json_int_t)report->frames_sent, "bytesSent", (json_int_t)report->bytes_sent, "rowsSent",
                     (json_int_t)report->rows_sent, "framesReceived", (json_int_t)report->frames_received,
                     "bytesReceived", (json_int_t)report->bytes_received, "framesDropped",
                     (json_int_t)report->frames_dropped, "creditSentBytes", (json_int_t)report->credit_sent_bytes,
                     "creditReceivedBytes", (json_int_t)report->credit_received_bytes, "outstandingBytes",
                     (json_int_t)report->outstanding_bytes, "creditBytes", (json_int_t)report->credit_bytes,
                     "waitingFrames", (json_int_t)report->waiting_frames, "stalledS", (double)report->stalled_us / 1e6);
}

static json_t *status_budgets(const struct pipeline_status_worker *worker)
{
    json_t *list = json_array();
    for (size_t i = 0; i < worker->budget_count; i++) {
        const struct pipeline_status_budget *budget = &worker->budgets[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:I, s:I}", "budget", budget->name, "usedBytes",
                                        (json_int_t)budget->used_bytes, "peakBytes", (json_int_t)budget->peak_bytes,
                                        "limitBytes", (json_int_t)budget->limit_bytes));
    }
    return list;
}

static json_t *status_workers(const struct pipeline *pipeline)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        const struct pipeline_worker *worker = &pipeline->workers[i];
        bool holds = worker->in && worker->index < pipeline->routing.workers.count;
        json_array_append_new(
            list,
            json_pack("{s:s, s:s*, s:b, s:b, s:I, s:I, s:I, s:I}", "name", worker->name, "unfit",
                      *worker->unfit ? worker->unfit : NULL, "takesPart", (int)holds, "leaving",
                      (int)pipeline_workers_leaves(pipeline, worker), "lanes", (json_int_t)worker->lanes, "partitions",
                      (json_int_t)(holds ? routing_partitions_of(&pipeline->routing, worker->index) : 0), "shards",
                      (json_int_t)(holds ? routing_shards_of(&pipeline->routing, worker->index) : 0), "memoryBytes",
                      (json_int_t)worker->memory_bytes));
        json_t *at = json_array_get(list, i);
        if (worker->said.exchanges) json_object_set_new(at, "exchange", status_exchange(&worker->said.exchange));
        json_object_set_new(at, "memory", status_budgets(&worker->said));
    }
    return list;
}

// Of the last record read, as the manifest's evidence has it: how long ago it was written.
static json_t *status_behind(const struct pipeline *pipeline, uint32_t source,
                             const struct epoch_position_partition *partition)
{
    const Foreset__Manifest *body = pipeline->built ? pipeline->built->body : NULL;
    if (partition->next >= partition->end) return json_real(0);
    for (size_t i = 0; body && i < body->n_ranges; i++) {
        const Foreset__Range *range = body->ranges[i];
        if (range->source != source || !range->has_partition || range->partition != partition->partition) continue;
        if (strcmp(range->topic ? range->topic : "", partition->topic) != 0 || !range->last) continue;
        double behind_ms = (double)clock_wall_us(pipeline->seam->clock) / 1e3 - (double)range->last->timestamp_ms;
        return json_real(behind_ms > 0 ? behind_ms / 1e3 : 0);
    }
    return json_null();
}

static json_t *status_partitions(const struct pipeline *pipeline)
{
    json_t *list = json_array();
    for (size_t s = 0; pipeline->attempt_ready && s < pipeline->position.count; s++) {
        const struct epoch_position_source *source = &pipeline->position.sources[s];
        for (size_t i = 0; i < source->partitions.count; i++) {
            const struct epoch_position_partition *partition = &source->partitions.items[i];
            uint32_t lane;
            bool dealt = routing_find(&pipeline->routing, source->node, partition->topic, partition->partition, &lane);
            const struct routing_worker *worker =
                dealt ? &pipeline->routing.workers.items[routing_worker_of(&pipeline->routing, lane)] : NULL;
            int64_t lag = partition->end > partition->next ? partition->end - partition->next : 0;
            json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:s?}", "source",
                                                  source->plan->name, "topic", partition->topic, "partition",
                                                  (json_int_t)partition->partition, "next", (json_int_t)partition->next,
                                                  "end", (json_int_t)partition->end, "lagRows", (json_int_t)lag,
                                                  "lagSeconds", status_behind(pipeline, source->node, partition),
                                                  "worker", worker ? worker->name : NULL));
        }
    }
    return list;
}

// Tables that are being filled, for which all streams wait (P23).
static json_t *status_fills(const struct pipeline *pipeline)
{
    const Foreset__Plan *plan = pipeline->config.plan;
    json_t *list = json_array();
    for (size_t s = 0; pipeline->attempt_ready && s < pipeline->position.count; s++) {
        const struct epoch_position_source *source = &pipeline->position.sources[s];
        if (!source->fill || source->fill_next == source->fill->n_adds) continue;
        const Foreset__Table *read = plan_source_table(plan, NULL, source->plan->path, NULL);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:I}", "table", plan->tables[plan->nodes[source->node]->table]->name,
                            "from", read ? read->name : source->plan->path, "files", (json_int_t)source->fill->n_adds,
                            "planned", (json_int_t)source->fill_next));
    }
    return list;
}

// Runs of shards that one lane holds.
static json_t *status_shards(const struct pipeline *pipeline)
{
    const struct routing *routing = &pipeline->routing;
    json_t *list = json_array();
    for (uint32_t first = 0, next; routing->lanes > 0 && first < routing->shards; first = next) {
        uint32_t lane = routing->shard_lanes[first];
        for (next = first + 1; next < routing->shards && routing->shard_lanes[next] == lane;) next++;
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:s}", "first", (json_int_t)first, "last",
                                              (json_int_t)(next - 1), "lane", (json_int_t)lane, "worker",
                                              routing->workers.items[routing_worker_of(routing, lane)].name));
    }
    return list;
}

// The state snapshot of the last manifest, by operator.
static json_t *status_state(const struct pipeline *pipeline)
{
    const Foreset__Manifest *body = pipeline->built ? pipeline->built->body : NULL;
    json_t *operators = json_object();
    for (size_t i = 0; body && i < body->n_parts; i++) {
        const Foreset__SnapshotPart *part = body->parts[i];
        json_t *at = json_object_get(operators, part->operator_);
        if (!at) {
            at = json_pack("{s:I, s:I, s:I, s:I}", "parts", (json_int_t)0, "bytes", (json_int_t)0, "entries",
                           (json_int_t)0, "lastEpoch", (json_int_t)0);
            json_object_set_new(operators, part->operator_, at);
        }
        json_int_t epoch = json_integer_value(json_object_get(at, "lastEpoch"));
        json_object_set_new(at, "parts", json_integer(json_integer_value(json_object_get(at, "parts")) + 1));
        json_object_set_new(
            at, "bytes", json_integer(json_integer_value(json_object_get(at, "bytes")) + (json_int_t)part->size_bytes));
        json_object_set_new(
            at, "entries",
            json_integer(json_integer_value(json_object_get(at, "entries")) + (json_int_t)part->entries));
        if ((json_int_t)part->epoch > epoch)
            json_object_set_new(at, "lastEpoch", json_integer((json_int_t)part->epoch));
    }
    return operators;
}

// What is alive, by operator, as of the last published epoch.
static json_t *status_entries(const struct pipeline *pipeline)
{
    const Foreset__Plan *plan = pipeline->config.plan;
    json_t *operators = json_object();
    for (size_t node = 0; node < plan->n_nodes; node++) {
        if (pipeline->status.states[node] == 0) continue;
        const Foreset__Node *at = plan->nodes[node];
        char name[512];
        snprintf(name, sizeof name, "%s/%s", plan->tables[at->table]->name,
                 at->name && *at->name ? at->name : "output");
        json_object_set_new(operators, name, json_integer((json_int_t)pipeline->status.states[node]));
    }
    return operators;
}

static const char *const status_phase_names[PIPELINE_STATUS_PHASES] = {"read", "prepare", "decide", "publish", "all"};

// How many epochs took at most so long: cumulative, as histograms have it.
static json_t *status_phases(const struct pipeline_status *status)
{
    json_t *phases = json_object();
    for (size_t p = 0; p < PIPELINE_STATUS_PHASES; p++) {
        const struct pipeline_status_phase *phase = &status->phases[p];
        json_t *steps = json_array();
        uint64_t count = 0;
        for (size_t i = 0; i < PIPELINE_STATUS_STEPS; i++) {
            count += phase->steps[i];
            json_t *bound = i < PIPELINE_STATUS_STEPS - 1 ? json_real(pipeline_status_steps[i]) : json_null();
            json_array_append_new(steps, json_pack("{s:o, s:I}", "le", bound, "count", (json_int_t)count));
        }
        json_object_set_new(phases, status_phase_names[p],
                            json_pack("{s:f, s:I, s:o}", "seconds", (double)phase->sum_us / 1e6, "count",
                                      (json_int_t)count, "steps", steps));
    }
    return phases;
}

// Where the records went that a table was given (proto/manifest.proto, TableEpoch).
static json_t *status_accounts(const struct pipeline_status_table *total)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "filtered", (json_int_t)total->rows_filtered, "duplicates",
                     (json_int_t)total->rows_duplicate, "grouped", (json_int_t)total->rows_grouped, "expanded",
                     (json_int_t)total->rows_expanded, "emptyOffsets", (json_int_t)total->offsets_empty, "unaccounted",
                     (json_int_t)total->rows_unaccounted);
}

static json_t *status_tables(const struct pipeline *pipeline)
{
    const Foreset__Plan *plan = pipeline->config.plan;
    json_t *list = json_array();
    for (uint32_t t = 0; t < plan->n_tables; t++) {
        const struct pipeline_status_table *total = &pipeline->status.tables[t];
        const struct epoch_clock_table *clock = pipeline->attempt_ready ? &pipeline->clock.tables[t] : NULL;
        bool marked = clock && plan->tables[t]->n_watermarks > 0 && clock->batch >= 0;
        json_t *table = json_pack(
            "{s:s, s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "name", plan->tables[t]->name, "url",
            plan->tables[t]->url, "batch", (json_int_t)(clock ? clock->batch : -1), "watermarkMs",
            JSON_NULL_IF(!marked, json_integer(clock ? clock->watermark_us / 1000 : 0)), "rowsIn",
            (json_int_t)total->rows_in, "rowsOut", (json_int_t)total->rows_out, "rowsLate",
            (json_int_t)total->rows_late, "deadLetters", (json_int_t)total->rows_dead, "rowsMalformed",
            (json_int_t)total->rows_malformed, "violations", (json_int_t)total->rows_violated, "bytesOut",
            (json_int_t)total->bytes_out, "commits", (json_int_t)total->commits, "putS", (double)total->put_us / 1e6);
        json_object_update_new(table, status_accounts(total));
        json_array_append_new(list, table);
    }
    return list;
}

// Constraints that only count (EXPECT), each with the rows that did not meet it.
static json_t *status_constraints(const struct pipeline *pipeline)
{
    const Foreset__Plan *plan = pipeline->config.plan;
    json_t *list = json_array();
    for (uint32_t t = 0; t < plan->n_tables; t++) {
        const uint64_t *violations = pipeline->status.tables[t].violations;
        for (size_t i = 0; i < plan->tables[t]->n_constraints; i++) {
            const Foreset__Constraint *constraint = plan->tables[t]->constraints[i];
            if (constraint->fail) continue;
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:I}", "table", plan->tables[t]->name, "name", constraint->name,
                                            "violations", (json_int_t)(violations ? violations[i] : 0)));
        }
    }
    return list;
}

void pipeline_status_json(const struct pipeline *pipeline, struct text *ret_json)
{
    const struct pipeline_status *status = &pipeline->status;
    const Foreset__Plan *plan = pipeline->config.plan;
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:s*, s:o}", "name",
        plan->pipeline, "id", pipeline->context.pipeline_id, "state", statemachine_name(&pipeline->machine),
        "generation", (json_int_t)pipeline->context.generation, "routingVersion", (json_int_t)pipeline->routing.version,
        "planVersion", (json_int_t)plan->version, "planned",
        (json_int_t)(pipeline->next_epoch ? pipeline->next_epoch - 1 : 0), "decided",
        (json_int_t)pipeline->decided.epoch, "published", (json_int_t)pipeline->published, "epochsPublished",
        (json_int_t)status->epoch_count, "rowsIn", (json_int_t)status->rows_in, "restarts",
        (json_int_t)status->restarts, "moves", (json_int_t)status->moves, "messagesDropped",
        (json_int_t)pipeline->dropped, "lastMoveS", (double)status->move_us / 1e6, "filesS",
        (double)status->files_us / 1e6, "snapshotS", (double)status->snapshot_us / 1e6, "snapshotBytes",
        (json_int_t)status->snapshot_bytes, "trouble", *status->trouble ? status->trouble : NULL, "phases",
        status_phases(status));
    ASSERT(json);
    json_object_set_new(
        json, "lagRows",
        json_integer(pipeline->attempt_ready ? (json_int_t)epoch_position_lag(&pipeline->position) : 0));
    json_object_set_new(json, "evidenceGone", json_integer((json_int_t)status->evidence_gone));
    json_object_set_new(json, "tables", status_tables(pipeline));
    json_object_set_new(json, "constraints", status_constraints(pipeline));
    json_object_set_new(json, "workers", status_workers(pipeline));
    json_object_set_new(json, "partitions", status_partitions(pipeline));
    json_object_set_new(json, "fills", status_fills(pipeline));
    json_object_set_new(json, "shards", status_shards(pipeline));
    json_object_set_new(json, "stateEntries", status_entries(pipeline));
    json_object_set_new(json, "stateSnapshot", status_state(pipeline));
    json_object_set_new(json, "epochs", status_epochs(pipeline));
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
    ASSERT(text);
    text_append(ret_json, text, strlen(text));
    free(text);
    json_decref(json);
}
