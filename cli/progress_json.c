// A table's batch as Spark's StreamingQueryProgress: same members, same units (org.apache.spark.sql.streaming
// .StreamingQueryProgress, Spark 4.1). `name` is the table; epoch, laneStopMs, laneStopCpuMs, firstRowTimestamp and the
// counts of observedMetrics are Foreset's own. Offsets are objects by topic and partition. Cannot fail.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/progress.h"
#include "common/kafka/kafka_client.h"
#include "coordinator/epoch/epoch_position.h"

static void json_string(struct text *line, const char *key, const char *value)
{
    text_printf(line, "\"%s\": ", key);
    text_append_json(line, value, strlen(value));
}

static double per_second(uint64_t rows, double seconds)
{
    return seconds > 0 ? (double)rows / seconds : 0;
}

static const struct epoch_position_source *position_of(const struct pipeline_progress *published, uint32_t node)
{
    for (size_t i = 0; published->position && i < published->position->count; i++) {
        if (published->position->sources[i].node == node) return &published->position->sources[i];
    }
    return NULL;
}

static const struct epoch_position_partition *partition_of(const struct epoch_position_source *source,
                                                           const Foreset__Range *range)
{
    for (size_t i = 0; source && i < source->partitions.count; i++) {
        const struct epoch_position_partition *partition = &source->partitions.items[i];
        if (partition->partition != range->partition) continue;
        if (strcmp(partition->topic, range->topic ? range->topic : "") == 0) return partition;
    }
    return NULL;
}

enum offset_kind { OFFSET_START, OFFSET_END, OFFSET_LATEST };

static int64_t offset_of(const struct epoch_position_source *position, const Foreset__Range *range,
                         enum offset_kind kind)
{
    const struct epoch_position_partition *partition = partition_of(position, range);
    switch (kind) {
    case OFFSET_START: return range->from;
    case OFFSET_END: return range->to;
    case OFFSET_LATEST: return partition && partition->end > range->to ? partition->end : range->to;
    }
    return 0;
}

// {"topic": {"0": 12, "1": 7}}; ranges of a topic follow each other in the manifest.
static void json_offsets(struct text *line, const struct pipeline_progress *published, uint32_t node,
                         enum offset_kind kind)
{
    static const char *const names[] = {"startOffset", "endOffset", "latestOffset"};
    const Foreset__Manifest *manifest = published->manifest->body;
    const struct epoch_position_source *position = position_of(published, node);
    const char *topic = NULL;
    text_printf(line, ", \"%s\": {", names[kind]);
    for (size_t i = 0; i < manifest->n_ranges; i++) {
        const Foreset__Range *range = manifest->ranges[i];
        if (range->source != node || !range->has_partition) continue;
        const char *own = range->topic ? range->topic : "";
        if (!topic || strcmp(topic, own) != 0) {
            text_append_str(line, topic ? "}, " : "");
            text_append_json(line, own, strlen(own));
            text_append_str(line, ": {");
            topic = own;
        } else {
            text_append_str(line, ", ");
        }
        text_printf(line, "\"%d\": %" PRId64, range->partition, offset_of(position, range, kind));
    }
    text_append_str(line, topic ? "}}" : "}");
}

struct source_lag {
    uint64_t rows, most, least, partitions, all;
};

static struct source_lag lag_of(const struct pipeline_progress *published, uint32_t node)
{
    struct source_lag lag = {.least = UINT64_MAX};
    const Foreset__Manifest *manifest = published->manifest->body;
    const struct epoch_position_source *position = position_of(published, node);
    for (size_t i = 0; i < manifest->n_ranges; i++) {
        const Foreset__Range *range = manifest->ranges[i];
        if (range->source != node || !range->has_partition) continue;
        uint64_t behind = (uint64_t)(offset_of(position, range, OFFSET_LATEST) - range->to);
        lag.rows += (uint64_t)(range->to - range->from);
        lag.all += behind;
        lag.partitions++;
        if (behind > lag.most) lag.most = behind;
        if (behind < lag.least) lag.least = behind;
    }
    if (lag.partitions == 0) lag.least = 0;
    return lag;
}

// files_rows: of a FILES source, whose ranges do not say how many rows they hold.
static void json_source(struct text *line, const struct pipeline_progress *published, uint32_t node,
                        uint64_t files_rows, double since, double took)
{
    const Foreset__Source *source = published->plan->nodes[node]->source;
    struct text description = {0};
    struct source_lag lag = lag_of(published, node);
    bool kafka = source->kind == FORESET__SOURCE__KIND__KAFKA;
    if (kafka) {
        const char *topics = kafka_client_option(source, "subscribe");
        text_printf(&description, "KafkaV2[Subscribe[%s]]", topics ? topics : source->name);
    } else if (source->kind == FORESET__SOURCE__KIND__FILES) {
        text_printf(&description, "FileStreamSource[%s]", source->path);
        lag.rows = files_rows;
    } else {
        text_append_str(&description, source->name);
    }
    text_append_char(line, '{');
    json_string(line, "description", text_str(&description));
    text_append_str(line, ", ");
    json_string(line, "name", source->name);
    for (int kind = OFFSET_START; kind <= OFFSET_LATEST; kind++)
        json_offsets(line, published, node, (enum offset_kind)kind);
    text_printf(line, ", \"numInputRows\": %" PRIu64 ", \"inputRowsPerSecond\": %.1f, \"processedRowsPerSecond\": %.1f",
                lag.rows, per_second(lag.rows, since), per_second(lag.rows, took));
    if (kafka && lag.partitions) {
        text_printf(line,
                    ", \"metrics\": {\"avgOffsetsBehindLatest\": \"%.1f\", \"maxOffsetsBehindLatest\": \"%" PRIu64
                    "\", \"minOffsetsBehindLatest\": \"%" PRIu64 "\"}",
                    (double)lag.all / (double)lag.partitions, lag.most, lag.least);
    }
    text_append_char(line, '}');
    text_deinit(&description);
}

static void json_sources(struct text *line, const struct pipeline_progress *published, const Foreset__Table *table,
                         uint64_t rows_in, double since, double took)
{
    bool any = false;
    text_append_str(line, ", \"sources\": [");
    for (size_t s = 0; s < table->n_sources; s++) {
        if (published->plan->nodes[table->sources[s]]->source->kind == FORESET__SOURCE__KIND__TABLE)
            continue; // has no offsets, and mostly nothing to read
        if (any) text_append_str(line, ", ");
        json_source(line, published, table->sources[s], table->n_sources == 1 ? rows_in : 0, since, took);
        any = true;
    }
    text_append_char(line, ']');
}

// Spark's names of operators that keep state; NULL: keeps none.
static const char *state_operator(const Foreset__Node *node)
{
    if (node->kind == FORESET__NODE__KIND__DEDUP) return node->within_watermark ? "dedupeWithinWatermark" : "dedupe";
    if (node->kind == FORESET__NODE__KIND__AGGREGATE_FINAL) return "stateStoreSave";
    if (node->kind == FORESET__NODE__KIND__LIMIT) return "globalLimit";
    return NULL;
}

// State is kept for the whole pipeline: its bytes are shared out by entries.
static void json_states(struct text *line, const struct pipeline_progress *published, const Foreset__TableEpoch *epoch)
{
    const Foreset__Plan *plan = published->plan;
    uint64_t entries = 0;
    bool any = false, late = true;
    for (size_t i = 0; published->states && i < plan->n_nodes; i++) entries += published->states[i];
    text_append_str(line, ", \"stateOperators\": [");
    for (size_t i = 0; published->states && i < plan->n_nodes; i++) {
        const char *name = state_operator(plan->nodes[i]);
        if (!name || plan->nodes[i]->table != epoch->table) continue;
        double share = entries ? (double)published->states[i] / (double)entries : 0;
        text_printf(line,
                    "%s{\"operatorName\": \"%s\", \"numRowsTotal\": %" PRIu64
                    ", \"memoryUsedBytes\": %.0f, \"numRowsDroppedByWatermark\": %" PRIu64
                    ", \"numShufflePartitions\": %u, \"numStateStoreInstances\": %u, \"customMetrics\": {}}",
                    any ? ", " : "", name, published->states[i], share * (double)published->state_bytes,
                    late ? epoch->rows_late : 0, plan->shards, plan->shards);
        any = true;
        late = false; // counted for the table
    }
    text_append_char(line, ']');
}

static void json_times(struct text *line, const struct pipeline_progress *published)
{
    text_printf(
        line,
        ", \"durationMs\": {\"triggerExecution\": %" PRId64 ", \"latestOffset\": 0, \"queryPlanning\": 0"
        ", \"getBatch\": %" PRId64 ", \"addBatch\": %" PRId64 ", \"walCommit\": %" PRId64
        ", \"commitOffsets\": %" PRId64 "}",
        (published->published_us - published->planned_us) / 1000, (published->read_us - published->planned_us) / 1000,
        (published->prepared_us - published->read_us) / 1000, (published->decided_us - published->prepared_us) / 1000,
        (published->published_us - published->decided_us) / 1000);
    text_printf(line, ", \"laneStopMs\": %.3f, \"laneStopCpuMs\": %.3f", (double)published->lane_stop_us / 1000,
                (double)published->lane_stop_cpu_us / 1000);
    if (published->first_row_us) {
        char time_text[40];
        progress_time(published->first_row_us, time_text);
        text_printf(line, ", \"firstRowTimestamp\": \"%s\"", time_text);
    }
}

static void json_event_time(struct text *line, const Foreset__Table *table, const Foreset__TableEpoch *epoch)
{
    char time_text[40];
    text_append_str(line, ", \"eventTime\": {");
    int64_t most_us = INT64_MIN;
    for (size_t i = 0; i < epoch->n_maxima; i++) {
        if (epoch->maxima[i]->event_time_us > most_us) most_us = epoch->maxima[i]->event_time_us;
    }
    if (table->n_watermarks && epoch->n_maxima) {
        progress_time(most_us, time_text);
        text_printf(line, "\"max\": \"%s\", ", time_text);
    }
    if (table->n_watermarks) {
        progress_time(epoch->watermark_us, time_text);
        text_printf(line, "\"watermark\": \"%s\"", time_text);
    }
    text_append_char(line, '}');
}

static void json_counts(struct text *line, const Foreset__TableEpoch *epoch)
{
    text_printf(line,
                ", \"observedMetrics\": {\"late\": %" PRIu64 ", \"deadLetters\": %" PRIu64 ", \"malformed\": %" PRIu64
                ", \"violations\": %" PRIu64 ", \"filtered\": %" PRIu64 ", \"duplicates\": %" PRIu64
                ", \"grouped\": %" PRIu64 ", \"expanded\": %" PRIu64 ", \"emptyOffsets\": %" PRIu64
                ", \"unaccounted\": %" PRId64,
                epoch->rows_late, epoch->rows_dead, epoch->rows_malformed, epoch->rows_violated, epoch->rows_filtered,
                epoch->rows_duplicate, epoch->rows_grouped, epoch->rows_expanded, epoch->offsets_empty,
                (int64_t)epoch->rows_unaccounted);
    for (size_t i = 0; i < epoch->n_violations; i++) {
        text_append_str(line, i == 0 ? ", \"constraints\": {" : ", ");
        text_append_json(line, epoch->violations[i]->constraint, strlen(epoch->violations[i]->constraint));
        text_printf(line, ": %" PRIu64 "%s", epoch->violations[i]->rows, i + 1 == epoch->n_violations ? "}" : "");
    }
    text_append_char(line, '}');
}

void progress_json_table(const struct progress *progress, const struct pipeline_progress *published,
                         const Foreset__TableEpoch *epoch, struct text *line)
{
    const Foreset__Manifest *manifest = published->manifest->body;
    const Foreset__Table *table = published->plan->tables[epoch->table];
    double took = (double)(published->published_us - published->planned_us) / 1e6;
    int64_t last_us = progress->published_us[epoch->table];
    double since = (double)(published->published_us - (last_us ? last_us : progress->began_us)) / 1e6;
    char time_text[40];
    text_append_char(line, '{');
    json_string(line, "id", manifest->pipeline_id);
    text_append_str(line, ", ");
    json_string(line, "runId", progress->run_id);
    text_append_str(line, ", ");
    json_string(line, "name", table->name);
    progress_time(manifest->timestamp_us, time_text);
    text_printf(line,
                ", \"timestamp\": \"%s\", \"batchId\": %" PRId64 ", \"epoch\": %" PRIu64 ", \"batchDuration\": %" PRId64
                ", \"numInputRows\": %" PRIu64 ", \"inputRowsPerSecond\": %.1f, \"processedRowsPerSecond\": %.1f",
                time_text, epoch->batch, manifest->epoch, (published->published_us - published->planned_us) / 1000,
                epoch->rows_in, per_second(epoch->rows_in, since), per_second(epoch->rows_in, took));
    json_times(line, published);
    json_event_time(line, table, epoch);
    json_states(line, published, epoch);
    json_sources(line, published, table, epoch->rows_in, since, took);
    text_append_str(line, ", \"sink\": {\"description\": ");
    struct text sink = {0};
    text_printf(&sink, "DeltaSink[%s]", table->url);
    text_append_json(line, text_str(&sink), sink.length);
    text_deinit(&sink);
    text_printf(line, ", \"numOutputRows\": %" PRIu64 "}", epoch->rows_out);
    json_counts(line, epoch);
    text_append_str(line, "}\n");
}
