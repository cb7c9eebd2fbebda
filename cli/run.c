// foreset run: a pipeline in one process.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/machine.h"
#include "cli/pipeline_commands.h"
#include "cli/pipeline_options.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/standalone.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "coordinator/pipeline/plan_places.h"

#define MEMORY_BYTES_MIN (128ull << 20)

static const char run_help[] =
    "usage: foreset run FILE.sql [options]\n"
    "\n"
    "Runs a pipeline in this process: reads its sources, writes its Delta tables, every epoch exactly once. SIGINT or "
    "SIGTERM\n"
    "finishes the epoch, publishes it and exits 0; a second signal exits at once (130), losing nothing that was "
    "decided.\n"
    "\n"
    "  --available-now         process what is there now, publish it, end\n"
    "  --warehouse URL         where tables go (default: ./warehouse beside the SQL file)\n"
    "  --state URL             where manifests and state go (default: <warehouse>/_foreset/<pipeline>)\n"
    "  --meta DIR              where the local key-value store goes (default: with the state)\n"
    "  --lanes N               worker threads (default: the number of CPUs)\n"
    "  --memory BYTES          bound of the process, e.g. 512M, 2G (default: half of the machine's or cgroup's):\n"
    "                          Kafka queues a quarter, state half of the rest, then batches, open files, snapshots;\n"
    "                          a hard limit of 1.1 times this is safe\n"
    "  --set KEY=VALUE         overrides SET of the file, e.g. --set pipeline.trigger='5 seconds'; may be repeated\n"
    "  --kafka KEY=VALUE       overrides a Kafka property of every read_kafka, e.g. --kafka "
    "bootstrap.servers=localhost:9092\n"
    "  --config FILE           settings as INI: [pipeline] trigger = 5 seconds, [kafka] security.protocol = SSL\n"
    "  --full-refresh          start again: state dropped, tables emptied by one commit, sources read from "
    "startingOffsets\n"
    "  --adopt[=TABLE]         take over tables whose key-value store is lost, from their last commits; accept tables\n"
    "                          that were restored to an older version as they are\n"
    "  --overwrite[=TABLE]     where others changed rows that the pipeline still updates, its own rows win\n"
    "  --replay[=TABLE]        epochs whose data files are gone are read again from their sources and written again\n"
    "  --abandon-table=TABLE   give up a table that refuses a decided epoch; the others go on\n"
    "  --progress KIND         on stderr: text; json (one object per table and batch, the members of Spark's\n"
    "                          StreamingQueryProgress); log (a line at the start, at each change, each minute); none.\n"
    "                          Default: text on a terminal, else log; with --available-now only how it ended\n"
    "  --log-level LEVEL       debug, info, warn or error (default: info with --progress log, else warn)\n"
    "  --log-format FORMAT     logfmt or json (default: logfmt)\n"
    "\n"
    "Flags win over environment (FORESET_WAREHOUSE, FORESET_STATE, FORESET_LANES, FORESET_MEMORY, FORESET_CONFIG), "
    "SET,\n"
    "configuration file and defaults, in this order.\n"
    "Exit codes: 0 done, 1 failed, 2 usage or SQL, 3 another process runs this pipeline, 4 a table refuses a decided "
    "epoch,\n"
    "130 second signal.\n"
    "\n"
    "Examples:\n"
    "  foreset run user_events.sql --available-now --warehouse /data/lake\n"
    "  foreset run user_events.sql --kafka bootstrap.servers=localhost:9092 --memory 1G\n";

static void run_on_progress(void *context, const struct pipeline_progress *published)
{
    progress_published(context, published);
}

static void run_on_notice(void *context, const char *text)
{
    progress_notice(context, text);
}

static void run_on_closing(void *context, const struct pipeline_closing *closing)
{
    progress_closing(context, closing);
}

static enum progress_kind run_progress(const struct pipeline_options *options, bool available_now)
{
    bool terminal = isatty(STDERR_FILENO);
    switch (options->progress) {
    case PIPELINE_PROGRESS_NONE: return PROGRESS_NONE;
    case PIPELINE_PROGRESS_TEXT: return PROGRESS_TEXT;
    case PIPELINE_PROGRESS_JSON: return PROGRESS_JSON;
    case PIPELINE_PROGRESS_LOG: return PROGRESS_LOG;
    case PIPELINE_PROGRESS_AUTO: break;
    }
    return terminal ? PROGRESS_TERMINAL : available_now ? PROGRESS_CLOSING : PROGRESS_LOG;
}

static uint32_t run_lanes(const Foreset__Plan *plan)
{
    const char *given = pipeline_options_setting(plan, "pipeline.lanes");
    uint64_t lanes = 0;
    if (!given || !text_parse_u64(given, &lanes) || lanes == 0) return machine_lanes();
    return (uint32_t)(lanes < MACHINE_LANES_MAX ? lanes : MACHINE_LANES_MAX);
}

static uint64_t run_memory(const Foreset__Plan *plan)
{
    const char *given = pipeline_options_setting(plan, "pipeline.memory");
    uint64_t bytes = 0;
    if (given && text_parse_bytes(given, &bytes)) return bytes;
    return machine_memory();
}

static const char *run_outcome(enum pipeline_outcome outcome)
{
    switch (outcome) {
    case PIPELINE_GOES_ON:
    case PIPELINE_DONE: return "done";
    case PIPELINE_FENCED: return "fenced";
    case PIPELINE_BLOCKED: return "blocked";
    case PIPELINE_FAILED: return "failed";
    }
    return "failed";
}

static int run_exit_code(enum pipeline_outcome outcome, const struct error *err)
{
    switch (outcome) {
    case PIPELINE_GOES_ON:
    case PIPELINE_DONE: return 0;
    case PIPELINE_FENCED: return 3;
    case PIPELINE_BLOCKED: return 4;
    case PIPELINE_FAILED: return err->class == ERROR_USAGE ? 2 : err->class == ERROR_FENCED ? 3 : 1;
    }
    return 1;
}

static int run_plan(struct pipeline_options *options, const Foreset__Plan *plan)
{
    const char *state = pipeline_options_state(&options->arena, plan);
    const char *meta = options->meta ? options->meta : pipeline_options_setting(plan, "pipeline.meta");
    bool available_now = options->available_now || plan->trigger_us == 0;
    struct progress progress;
    const struct standalone_config config = {.plan = plan,
                                             .state_url = state,
                                             .meta = meta,
                                             .lanes = run_lanes(plan),
                                             .memory_bytes = run_memory(plan),
                                             .available_now = available_now,
                                             .full_refresh = options->full_refresh,
                                             .adopt = options->adopt,
                                             .adopt_table = options->adopt_table,
                                             .abandon_table = options->abandon_table,
                                             .overwrite = options->overwrite,
                                             .overwrite_table = options->overwrite_table,
                                             .replay = options->replay,
                                             .replay_table = options->replay_table,
                                             .progress = run_on_progress,
                                             .notice = run_on_notice,
                                             .closing = run_on_closing,
                                             .context = &progress};
    if (config.memory_bytes < MEMORY_BYTES_MIN) {
        fprintf(stderr, "foreset run: --memory %llu: at least 128M are needed\n",
                (unsigned long long)config.memory_bytes);
        return 2;
    }
    memory_tune(config.memory_bytes);
    enum progress_kind kind = run_progress(options, available_now);
    if (!options->log_level && !getenv("FORESET_LOG") && kind == PROGRESS_LOG) log_level_set(LOG_LEVEL_INFO);
    progress_init(&progress, kind, plan);
    struct error err = {0};
    enum pipeline_outcome outcome = standalone_run(&config, &err);
    progress_ended(&progress, run_outcome(outcome));
    progress_deinit(&progress);
    if (outcome != PIPELINE_DONE) fprintf(stderr, "foreset run: %s\n", err.message);
    return run_exit_code(outcome, &err);
}

int run_main(int argc, char **argv)
{
    struct pipeline_options options;
    struct error err;
    int exit_code = pipeline_options_parse(&options, "run", run_help, argc, argv);
    if (exit_code) {
        pipeline_options_deinit(&options);
        return exit_code - 1;
    }
    Foreset__Plan *plan = NULL;
    const char *const *warnings = NULL;
    if (failpoint_init(&err) != STATUS_OK ||
        planner_compile(options.sql, &options.planner, &options.arena, &plan, &warnings, &err) != STATUS_OK ||
        plan_places_check(plan, pipeline_options_state(&options.arena, plan), &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit_code = 2;
    } else {
        for (; warnings && *warnings; warnings++) fprintf(stderr, "warning: %s\n", *warnings);
        signals_catch();
        signal(SIGHUP, SIG_IGN); // a terminal that closes must not end it: SIGTERM drains
        exit_code = run_plan(&options, plan);
    }
    pipeline_options_deinit(&options);
    return exit_code;
}
