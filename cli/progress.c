// Progress on stderr. Nothing here can fail but the terminal.
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/pipeline_options.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/random.h"

#define PROGRESS_LOG_US 60000000

void progress_init(struct progress *progress, enum progress_kind kind, const Foreset__Plan *plan)
{
    struct random random;
    random_init_system(&random);
    *progress = (struct progress){.kind = kind, .plan = plan};
    random_uuid(&random, progress->run_id);
    progress->began_us = progress->logged_us = clock_boot_us(clock_system());
    progress->tables = memory_calloc(plan->n_tables + 1, sizeof *progress->tables);
    progress->logged = memory_calloc(plan->n_tables + 1, sizeof *progress->logged);
    progress->published_us = memory_calloc(plan->n_tables + 1, sizeof *progress->published_us);
    if (kind == PROGRESS_LOG)
        log_info("run_started", "pipeline=%s run=%s tables=%zu", plan->pipeline, progress->run_id, plan->n_tables);
}

void progress_deinit(struct progress *progress)
{
    memory_free(progress->tables);
    memory_free(progress->logged);
    memory_free(progress->published_us);
    text_deinit(&progress->idle);
}

void progress_break(struct progress *progress)
{
    progress->lines = 0; // what stands there stays
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

static void progress_lag(struct text *line, const struct pipeline_progress *published)
{
    double seconds = progress_lag_seconds(published);
    text_append_str(line, "lag ");
    progress_number(line, published->lag);
    text_append_str(line, " rows");
    if (published->lag && seconds >= 0) text_printf(line, " (%.1f s)", seconds);
}

static void progress_watermark(struct text *line, const Foreset__TableEpoch *table)
{
    char time_text[40];
    if (table->watermark_us == 0) { // none of its inputs has had a row
        text_append_str(line, "watermark none yet");
        return;
    }
    progress_time(table->watermark_us, time_text);
    text_printf(line, "watermark %s", time_text);
}

static unsigned progress_rows(void)
{
    struct winsize size = {0};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

// One line of the block that is written over; cut at the terminal's width, as a wrapped line could not be.
static void progress_put(struct progress *progress, struct text *line)
{
    struct winsize size = {0};
    bool terminal = progress->kind == PROGRESS_TERMINAL;
    if (terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && line->length >= size.ws_col) {
        line->length = size.ws_col - 2u;
        line->data[line->length] = '\0';
        text_append_str(line, "…");
    }
    fprintf(stderr, terminal ? "\033[K%s\n" : "%s\n", text_str(line));
    text_reset(line);
}

static void progress_text(struct progress *progress, const struct pipeline_progress *published)
{
    const Foreset__Manifest *manifest = published->manifest->body;
    int64_t since_us = progress->last_us ? progress->last_us : published->planned_us;
    double seconds = (double)(published->published_us - since_us) / 1e6;
    struct text line = {0};
    if (progress->lines) fprintf(stderr, "\033[%uA", progress->lines);
    text_printf(&line, "epoch %" PRIu64 "  in ", manifest->epoch);
    progress_number(&line, (uint64_t)((double)manifest->rows_in / (seconds > 1e-6 ? seconds : 1e-6)));
    text_append_str(&line, " rows/s  ");
    progress_lag(&line, published);
    const Foreset__TableEpoch *slowest = progress_slowest(published);
    if (slowest) {
        text_append_str(&line, "  ");
        progress_watermark(&line, slowest);
    }
    text_printf(&line, "  memory %" PRIu64 " MiB", memory_resident_bytes() >> 20);
    progress_put(progress, &line);
    bool each = progress->kind == PROGRESS_TERMINAL && progress->plan->n_tables + 2 < progress_rows();
    for (size_t i = 0; each && i < progress->plan->n_tables; i++) {
        text_printf(&line, "  %s: ", progress->plan->tables[i]->name);
        progress_counts_text(&progress->tables[i], &line);
        progress_put(progress, &line);
    }
    fflush(stderr);
    if (progress->kind == PROGRESS_TERMINAL) progress->lines = each ? 1 + (unsigned)progress->plan->n_tables : 1;
    text_deinit(&line);
}

static void progress_log_table(const struct progress *progress, size_t table)
{
    const struct progress_counts *now = &progress->tables[table], *then = &progress->logged[table];
    log_info("table",
             "pipeline=%s table=%s rows_in=%" PRIu64 " rows_out=%" PRIu64 " filtered=%" PRIu64 " duplicates=%" PRIu64
             " late=%" PRIu64 " dead_letters=%" PRIu64 " malformed=%" PRIu64,
             progress->plan->pipeline, progress->plan->tables[table]->name, now->in - then->in, now->out - then->out,
             now->filtered - then->filtered, now->duplicate - then->duplicate, now->late - then->late,
             now->dead - then->dead, now->malformed - then->malformed);
}

// Each minute: counts since the last such line.
static void progress_log(struct progress *progress, const struct pipeline_progress *published)
{
    if (published->published_us - progress->logged_us < PROGRESS_LOG_US) return;
    double seconds = (double)(published->published_us - progress->logged_us) / 1e6;
    uint64_t rows = progress->rows_read;
    log_info("progress",
             "pipeline=%s epoch=%" PRIu64 " rows_read=%" PRIu64 " lag_rows=%" PRIu64
             " lag_s=%.1f seconds=%.0f memory_mib=%" PRIu64,
             progress->plan->pipeline, published->manifest->body->epoch, rows, published->lag,
             progress_lag_seconds(published), seconds, memory_resident_bytes() >> 20);
    for (size_t i = 0; i < progress->plan->n_tables; i++) progress_log_table(progress, i);
    memcpy(progress->logged, progress->tables, progress->plan->n_tables * sizeof *progress->logged);
    progress->logged_us = published->published_us;
}

static void progress_json(struct progress *progress, const struct pipeline_progress *published)
{
    const Foreset__Manifest *manifest = published->manifest->body;
    struct text line = {0};
    for (size_t i = 0; i < manifest->n_tables; i++) {
        if (manifest->tables[i]->publishes) progress_json_table(progress, published, manifest->tables[i], &line);
    }
    fputs(text_str(&line), stderr);
    fflush(stderr);
    text_deinit(&line);
}

void progress_published(struct progress *progress, const struct pipeline_progress *published)
{
    const Foreset__Manifest *manifest = published->manifest->body;
    progress->epochs++;
    progress->rows_read += manifest->rows_in;
    progress->lag = published->lag;
    for (size_t i = 0; i < manifest->n_tables; i++)
        progress_counts_add(&progress->tables[manifest->tables[i]->table], manifest->tables[i]);
    switch (progress->kind) {
    case PROGRESS_NONE:
    case PROGRESS_CLOSING: break;
    case PROGRESS_LOG: progress_log(progress, published); break;
    case PROGRESS_TEXT:
    case PROGRESS_TERMINAL: progress_text(progress, published); break;
    case PROGRESS_JSON: progress_json(progress, published); break;
    }
    for (size_t i = 0; i < manifest->n_tables; i++) {
        if (manifest->tables[i]->publishes)
            progress->published_us[manifest->tables[i]->table] = published->published_us;
    }
    progress->last_us = published->published_us;
}

void progress_notice(struct progress *progress, const char *text)
{
    progress_break(progress);
    if (progress->kind == PROGRESS_LOG) {
        log_info("notice", "pipeline=%s text=\"%s\"", progress->plan->pipeline, text);
    } else {
        fprintf(stderr, "%s\n", text);
    }
}

void progress_closing(struct progress *progress, const struct pipeline_closing *closing)
{
    if (progress->rows_read == 0) progress_idle_text(progress, closing, &progress->idle);
}

static void progress_ended_text(const struct progress *progress, const char *outcome, double seconds)
{
    struct text line = {0};
    text_printf(&line, "%s: pipeline %s read ", outcome, progress->plan->pipeline);
    progress_number(&line, progress->rows_read);
    text_append_str(&line, progress->rows_read == 1 ? " row in " : " rows in ");
    progress_number(&line, progress->epochs);
    text_printf(&line, progress->epochs == 1 ? " epoch, %.1f s; tables in %s" : " epochs, %.1f s; tables in %s",
                seconds, pipeline_options_setting(progress->plan, "pipeline.warehouse"));
    if (progress->idle.length) text_printf(&line, "\nnothing was read: %s", text_str(&progress->idle));
    for (size_t i = 0; progress->epochs && i < progress->plan->n_tables; i++) {
        text_printf(&line, "\n  %s: ", progress->plan->tables[i]->name);
        progress_counts_text(&progress->tables[i], &line);
    }
    fprintf(stderr, "%s\n", text_str(&line));
    text_deinit(&line);
}

void progress_ended(struct progress *progress, const char *outcome)
{
    double seconds = (double)(clock_boot_us(clock_system()) - progress->began_us) / 1e6;
    if (progress->kind == PROGRESS_NONE) return;
    if (progress->lines) fprintf(stderr, "\033[%uA\033[J", progress->lines); // the block says the same
    progress_break(progress);
    if (progress->kind != PROGRESS_LOG) {
        progress_ended_text(progress, outcome, seconds);
        return;
    }
    for (size_t i = 0; i < progress->plan->n_tables; i++) progress_log_table(progress, i);
    log_info("run_ended", "pipeline=%s outcome=%s rows_read=%" PRIu64 " epochs=%" PRIu64 " seconds=%.1f idle=\"%s\"",
             progress->plan->pipeline, outcome, progress->rows_read, progress->epochs, seconds,
             text_str(&progress->idle));
}
