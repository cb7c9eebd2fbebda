// What a person or a program sees of a running pipeline: one line that rewrites itself on a terminal, lines elsewhere,
// or one JSON object per table and batch with the field names of Spark's StreamingQueryProgress.
#ifndef FORESET_CLI_PROGRESS_H
#define FORESET_CLI_PROGRESS_H

#include "coordinator/pipeline/pipeline.h"

struct progress {
    bool json;
    bool terminal;
    bool line_open; // a line without newline stands on the terminal
    int64_t last_us;
};
void progress_init(struct progress *progress, bool json, bool terminal);
void progress_published(struct progress *progress, const struct pipeline_progress *published);
void progress_break(struct progress *progress); // before other text is written

#endif
