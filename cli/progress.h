// What an operator or a program sees of a running pipeline: lines that rewrite themselves on a terminal, plain lines
// elsewhere, one JSON object per table and batch with the members of Spark's StreamingQueryProgress, or a log line each
// minute; and always how it ended.
#ifndef FORESET_CLI_PROGRESS_H
#define FORESET_CLI_PROGRESS_H

#include "common/base/text.h"
#include "coordinator/pipeline/pipeline.h"

enum progress_kind {
    PROGRESS_NONE,    // nothing, not even how it ended
    PROGRESS_CLOSING, // only how it ended
    PROGRESS_LOG,     // log lines: at the start, each minute, at the end
    PROGRESS_TEXT,
    PROGRESS_TERMINAL, // the same, rewritten in place
    PROGRESS_JSON,
};

// Where the records went that a table was given (proto/manifest.proto, TableEpoch), since the start of the run.
struct progress_counts {
    uint64_t in, out, filtered, duplicate, grouped, expanded, late, dead, malformed, violated, empty, unaccounted;
};
struct progress {
    enum progress_kind kind;
    const Foreset__Plan *plan; // borrowed
    char run_id[37];
    unsigned lines; // that stand on the terminal and are written over
    int64_t began_us, last_us, logged_us;
    uint64_t epochs, rows_read, lag;
    struct progress_counts *tables, *logged; // by table; logged: as the last log line had them
    int64_t *published_us;                   // by table: its last batch
    struct text idle;                        // why nothing was read, if it was so
};
void progress_init(struct progress *progress, enum progress_kind kind, const Foreset__Plan *plan);
void progress_deinit(struct progress *progress);
void progress_published(struct progress *progress, const struct pipeline_progress *published);
void progress_notice(struct progress *progress, const char *text);
void progress_closing(struct progress *progress, const struct pipeline_closing *closing);
// The last word: what was read and written, and where. outcome: "done", "failed", …
void progress_ended(struct progress *progress, const char *outcome);
void progress_break(struct progress *progress); // before other text is written

// progress_json.c: appends one object and a newline for a table that publishes.
void progress_json_table(const struct progress *progress, const struct pipeline_progress *published,
                         const Foreset__TableEpoch *epoch, struct text *line);
// progress_counts.c
void progress_counts_add(struct progress_counts *counts, const Foreset__TableEpoch *epoch);
// "in 18, written 14, filtered 2": what is 0 is left out, but in and written.
void progress_counts_text(const struct progress_counts *counts, struct text *text);
void progress_number(struct text *text, uint64_t number); // 1,234,567
// ISO 8601 in UTC with milliseconds, as Spark writes it.
void progress_time(int64_t us, char ret_text[40]);
// Seconds that the newest record read of a partition with a lag is old; -1: unknown; 0: no lag.
double progress_lag_seconds(const struct pipeline_progress *published);
// Why a run has read nothing, from where it stands.
void progress_idle_text(const struct progress *progress, const struct pipeline_closing *closing, struct text *text);

#endif
