// Counts of a run, and what is said where there was nothing to count. Cannot fail.
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/progress.h"
#include "common/base/clock.h"
#include "common/kafka/kafka_client.h"
#include "coordinator/epoch/epoch_position.h"

void progress_counts_add(struct progress_counts *counts, const Foreset__TableEpoch *epoch)
{
    counts->in += epoch->rows_in;
    counts->out += epoch->rows_out;
    counts->filtered += epoch->rows_filtered;
    counts->duplicate += epoch->rows_duplicate;
    counts->grouped += epoch->rows_grouped;
    counts->expanded += epoch->rows_expanded;
    counts->late += epoch->rows_late;
    counts->dead += epoch->rows_dead;
    counts->malformed += epoch->rows_malformed;
    counts->violated += epoch->rows_violated;
    counts->empty += epoch->offsets_empty;
    counts->unaccounted += epoch->rows_unaccounted;
}

void progress_number(struct text *text, uint64_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) text_append_char(text, ',');
        text_append_char(text, digits[i]);
    }
}

void progress_counts_text(const struct progress_counts *counts, struct text *text)
{
    const struct {
        const char *name;
        uint64_t count;
    } others[] = {{"filtered", counts->filtered},
                  {"duplicates", counts->duplicate},
                  {"grouped", counts->grouped},
                  {"copied to further windows", counts->expanded},
                  {"late", counts->late},
                  {"dead letters", counts->dead},
                  {"malformed", counts->malformed},
                  {"violations", counts->violated},
                  {"offsets without a record", counts->empty},
                  {"UNACCOUNTED FOR", counts->unaccounted}};
    text_append_str(text, "in ");
    progress_number(text, counts->in);
    text_append_str(text, ", written ");
    progress_number(text, counts->out);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (others[i].count == 0) continue;
        text_printf(text, ", %s ", others[i].name);
        progress_number(text, others[i].count);
    }
}

void progress_time(int64_t us, char ret_text[40])
{
    int64_t ms = us >= 0 ? us / 1000 : -((999 - us) / 1000);
    int64_t part = (ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)((ms - part) / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t used = strftime(ret_text, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + used, 40 - used, ".%03dZ", (int)part);
}

double progress_lag_seconds(const struct pipeline_progress *published)
{
    const Foreset__Manifest *body = published->manifest->body;
    if (published->lag == 0) return 0;
    int64_t oldest_ms = -1;
    for (size_t i = 0; i < body->n_ranges; i++) {
        const Foreset__Range *range = body->ranges[i];
        if (!range->last || range->from == range->to) continue;
        if (oldest_ms < 0 || range->last->timestamp_ms < oldest_ms) oldest_ms = range->last->timestamp_ms;
    }
    if (oldest_ms < 0) return -1;
    double seconds = (double)clock_wall_us(clock_system()) / 1e6 - (double)oldest_ms / 1e3;
    return seconds > 0 ? seconds : 0;
}

static void idle_kafka(const struct epoch_position_source *source, bool first, struct text *text)
{
    const char *topics = kafka_client_option(source->plan, "subscribe"),
               *start = kafka_client_option(source->plan, "startingOffsets");
    if (!topics) topics = source->plan->name;
    int64_t ends = 0;
    for (size_t i = 0; i < source->partitions.count; i++) ends += source->partitions.items[i].end;
    if (source->partitions.count == 0) {
        text_printf(text, "topic %s has no partitions yet", topics);
    } else if (ends == 0) {
        text_printf(text, "topic %s is empty", topics);
    } else if (!first) {
        text_printf(text, "topic %s has no record that was not read before", topics);
    } else if (!start || strcmp(start, "latest") == 0) {
        text_printf(text, "startingOffsets of topic %s is latest: only records that come later are read", topics);
    } else {
        text_printf(text, "topic %s has no record behind its startingOffsets", topics);
    }
}

static void idle_source(const struct epoch_position_source *source, bool first, struct text *text)
{
    if (source->plan->kind == FORESET__SOURCE__KIND__KAFKA) {
        idle_kafka(source, first, text);
        return;
    }
    text_printf(text, source->seen.count ? "%s has no file that was not read before" : "%s has no files",
                source->plan->path);
    if (source->below) text_printf(text, " (%" PRIu64 " are older than maxFileAge and are not read)", source->below);
}

void progress_idle_text(const struct progress *progress, const struct pipeline_closing *closing, struct text *text)
{
    bool first = !closing->decided || closing->decided->body->epoch <= progress->epochs; // all epochs are this run's
    for (size_t i = 0; closing->position && i < closing->position->count; i++) {
        const struct epoch_position_source *source = &closing->position->sources[i];
        bool named =
            source->plan->kind == FORESET__SOURCE__KIND__KAFKA || source->plan->kind == FORESET__SOURCE__KIND__FILES;
        if (!named || source->node >= progress->plan->n_nodes) continue;
        if (text->length) text_append_str(text, "; ");
        idle_source(source, first, text);
    }
}
