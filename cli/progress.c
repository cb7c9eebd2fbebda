// Progress on stderr. Nothing here can fail but the terminal.
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/base/text.h"

void progress_init(struct progress *progress, bool json, bool terminal)
{
    *progress = (struct progress){.json = json, .terminal = terminal};
}

void progress_break(struct progress *progress)
{
    if (progress->line_open) fputc('\n', stderr);
    progress->line_open = false;
}

static void progress_time(int64_t us, char ret_text[40])
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t used = strftime(ret_text, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + used, 40 - used, ".%03dZ", (int)(us / 1000 % 1000));
}

static const Foreset__TableEpoch *progress_slowest(const struct pipeline_progress *published)
{
    const Foreset__Manifest *manifest = published->manifest->body;
    const Foreset__TableEpoch *slowest = NULL;
    for (size_t i = 0; i < manifest->n_tables; i++) {
        const Foreset__TableEpoch *table = manifest->tables[i];
        if (published->plan->tables[table->table]->n_watermarks == 0) continue;
        if (!slowest || table->watermark_us < slowest->watermark_us) slowest = table;
    }
    return slowest;
}

static void progress_text(struct progress *progress, const struct pipeline_progress *published)
{
    const Foreset__Manifest *manifest = published->manifest->body;
    double seconds = progress->last_us ? (double)(published->published_us - progress->last_us) / 1e6
                                       : (double)(published->published_us - published->planned_us) / 1e6;
    if (seconds <= 0) seconds = 1e-6;
    uint64_t rows_out = 0, dead = 0;
    for (size_t i = 0; i < manifest->n_tables; i++) {
        rows_out += manifest->tables[i]->rows_out;
        dead += manifest->tables[i]->rows_dead;
    }
    struct text line = {0};
    text_printf(&line, "epoch %llu  in %.0f rows/s  out %.0f rows/s  lag %llu", (unsigned long long)manifest->epoch,
                (double)manifest->rows_in / seconds, (double)rows_out / seconds, (unsigned long long)published->lag);
    const Foreset__TableEpoch *slowest = progress_slowest(published);
    if (slowest) {
        char time_text[40];
        progress_time(slowest->watermark_us, time_text);
        text_printf(&line, "  watermark %s", time_text);
    }
    text_printf(&line, "  memory %llu MiB", (unsigned long long)(memory_resident_bytes() >> 20));
    if (dead) text_printf(&line, "  dead letters %llu", (unsigned long long)dead);
    fprintf(stderr, progress->terminal ? "\r\033[K%s" : "%s\n", text_str(&line));
    fflush(stderr);
    progress->line_open = progress->terminal;
    text_deinit(&line);
}

static void progress_json_sources(struct text *line, const Foreset__Manifest *manifest,
                                  const struct pipeline_progress *published, const Foreset__Table *table)
{
    text_append_str(line, ", \"sources\": [");
    bool any = false;
    for (size_t s = 0; s < table->n_sources; s++) {
        const Foreset__Node *node = published->plan->nodes[table->sources[s]];
        if (node->source->kind == FORESET__SOURCE__KIND__TABLE) continue; // has no offsets, and mostly nothing to read
        text_append_str(line, any ? ", {\"description\": " : "{\"description\": ");
        any = true;
        text_append_json(line, node->source->name, strlen(node->source->name));
        text_append_str(line, ", \"ranges\": [");
        bool first = true;
        for (size_t i = 0; i < manifest->n_ranges; i++) {
            const Foreset__Range *range = manifest->ranges[i];
            if (range->source != table->sources[s] || !range->has_partition) continue;
            text_append_str(line, first ? "{\"topic\": " : ", {\"topic\": ");
            text_append_json(line, range->topic ? range->topic : "", range->topic ? strlen(range->topic) : 0);
            text_printf(line, ", \"partition\": %d, \"startOffset\": %lld, \"endOffset\": %lld}", range->partition,
                        (long long)range->from, (long long)range->to);
            first = false;
        }
        text_append_str(line, "]}");
    }
    text_append_char(line, ']');
}

static void progress_json_table(const struct pipeline_progress *published, const Foreset__TableEpoch *epoch)
{
    const Foreset__Manifest *manifest = published->manifest->body;
    const Foreset__Table *table = published->plan->tables[epoch->table];
    double seconds = (double)(published->published_us - published->planned_us) / 1e6;
    char time_text[40];
    struct text line = {0};
    text_append_str(&line, "{\"name\": ");
    text_append_json(&line, table->name, strlen(table->name));
    progress_time(manifest->timestamp_us, time_text);
    text_printf(&line, ", \"timestamp\": \"%s\", \"batchId\": %lld, \"epoch\": %llu, \"numInputRows\": %llu", time_text,
                (long long)epoch->batch, (unsigned long long)manifest->epoch, (unsigned long long)epoch->rows_in);
    text_printf(&line, ", \"processedRowsPerSecond\": %.1f", seconds > 0 ? (double)epoch->rows_in / seconds : 0.0);
    text_printf(
        &line,
        ", \"durationMs\": {\"triggerExecution\": %lld, \"getBatch\": %lld, \"addBatch\": %lld, \"walCommit\": %lld, "
        "\"commitOffsets\": %lld}",
        (long long)(published->published_us - published->planned_us) / 1000,
        (long long)(published->read_us - published->planned_us) / 1000,
        (long long)(published->prepared_us - published->read_us) / 1000,
        (long long)(published->decided_us - published->prepared_us) / 1000,
        (long long)(published->published_us - published->decided_us) / 1000);
    text_printf(&line, ", \"laneStopMs\": %.3f, \"laneStopCpuMs\": %.3f", (double)published->lane_stop_us / 1000,
                (double)published->lane_stop_cpu_us / 1000);
    if (published->first_row_us) {
        progress_time(published->first_row_us, time_text);
        text_printf(&line, ", \"firstRowTimestamp\": \"%s\"", time_text);
    }
    if (table->n_watermarks) {
        progress_time(epoch->watermark_us, time_text);
        text_printf(&line, ", \"eventTime\": {\"watermark\": \"%s\"}", time_text);
    }
    progress_json_sources(&line, manifest, published, table);
    text_append_str(&line, ", \"sink\": {\"description\": ");
    text_append_json(&line, table->url, strlen(table->url));
    text_printf(&line, ", \"numOutputRows\": %llu}", (unsigned long long)epoch->rows_out);
    text_printf(
        &line,
        ", \"observedMetrics\": {\"late\": %llu, \"deadLetters\": %llu, \"malformed\": %llu, \"violations\": %llu",
        (unsigned long long)epoch->rows_late, (unsigned long long)epoch->rows_dead,
        (unsigned long long)epoch->rows_malformed, (unsigned long long)epoch->rows_violated);
    for (size_t i = 0; i < epoch->n_violations; i++) {
        text_append_str(&line, i == 0 ? ", \"constraints\": {" : ", ");
        text_append_json(&line, epoch->violations[i]->constraint, strlen(epoch->violations[i]->constraint));
        text_printf(&line, ": %llu%s", (unsigned long long)epoch->violations[i]->rows,
                    i + 1 == epoch->n_violations ? "}" : "");
    }
    text_append_str(&line, "}}\n");
    fputs(text_str(&line), stderr);
    text_deinit(&line);
}

void progress_published(struct progress *progress, const struct pipeline_progress *published)
{
    const Foreset__Manifest *manifest = published->manifest->body;
    if (!progress->json) {
        progress_text(progress, published);
    } else {
        for (size_t i = 0; i < manifest->n_tables; i++) {
            if (manifest->tables[i]->publishes) progress_json_table(published, manifest->tables[i]);
        }
        fflush(stderr);
    }
    progress->last_us = published->published_us;
}
