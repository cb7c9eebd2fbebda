// What `run` and `plan` take: the SQL file and everything that can be said beside it.
// Precedence: flag, environment (FORESET_WAREHOUSE …), SET in the file, configuration file, default. Flags that have a
// SET key
// (--lanes is pipeline.lanes) become settings, so that there is one mechanism; the plan's settings hold what came out.
#ifndef FORESET_CLI_PIPELINE_OPTIONS_H
#define FORESET_CLI_PIPELINE_OPTIONS_H

#include "common/base/memory.h"
#include "coordinator/planner/planner.h"

enum pipeline_progress_kind {
    PIPELINE_PROGRESS_AUTO,
    PIPELINE_PROGRESS_TEXT,
    PIPELINE_PROGRESS_JSON,
    PIPELINE_PROGRESS_NONE,
    PIPELINE_PROGRESS_LOG
};

#define PIPELINE_SETTINGS_MAX 128u

struct pipeline_options {
    struct arena arena; // holds every text below
    const char *file;   // as given
    char *sql;          // its content
    const char *meta;   // --meta DIR; NULL: beside the state
    bool available_now;
    bool full_refresh;
    bool adopt;
    const char *adopt_table;   // NULL with adopt: every table
    const char *abandon_table; // NULL: none
    bool overwrite;
    const char *overwrite_table; // NULL with overwrite: every table
    bool replay;
    const char *replay_table; // NULL with replay: every table
    enum pipeline_progress_kind progress;
    const char *log_level; // NULL: not given
    struct planner_setting settings[PIPELINE_SETTINGS_MAX], defaults[PIPELINE_SETTINGS_MAX],
        kafka[PIPELINE_SETTINGS_MAX];
    struct planner_options planner;
};

// command: "run" or "plan". Returns 0 to go on; else the exit code + 1 (help printed: 1, usage error printed: 3).
int pipeline_options_parse(struct pipeline_options *options, const char *command, const char *help, int argc,
                           char **argv);
void pipeline_options_deinit(struct pipeline_options *options);
// A path as an absolute one, relative to where the command is given; a URL as it is.
const char *pipeline_options_absolute(struct arena *arena, const char *path);
// Where manifests and state of a compiled plan go: pipeline.state, else below the warehouse.
const char *pipeline_options_state(struct arena *arena, const Foreset__Plan *plan);
// The value of a setting of the compiled plan; NULL if it has none.
const char *pipeline_options_setting(const Foreset__Plan *plan, const char *key);

#endif
