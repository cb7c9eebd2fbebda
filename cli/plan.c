// foreset plan: checks a pipeline without running it and prints its plan.
#include <stdio.h>

#include "cli/pipeline_commands.h"
#include "cli/pipeline_options.h"
#include "coordinator/pipeline/plan_places.h"

static const char plan_help[] =
    "usage: foreset plan FILE.sql [--warehouse URL] [--set KEY=VALUE]… [--kafka KEY=VALUE]… [--config FILE]\n"
    "\n"
    "Checks the whole pipeline without running it (names, types, options, watermark rules, state that would grow "
    "without\n"
    "bound) and prints the plan: tables, stages, exchanges, state and when it expires. Nothing is read or written.\n"
    "Exit code 2 if the pipeline is wrong.\n"
    "\n"
    "Example:\n"
    "  foreset plan user_events.sql --set pipeline.trigger='5 seconds'\n";

int plan_main(int argc, char **argv)
{
    struct pipeline_options options;
    int exit_code = pipeline_options_parse(&options, "plan", plan_help, argc, argv);
    if (exit_code) {
        pipeline_options_deinit(&options);
        return exit_code - 1;
    }
    Foreset__Plan *plan = NULL;
    const char *const *warnings = NULL;
    struct error err;
    if (planner_compile(options.sql, &options.planner, &options.arena, &plan, &warnings, &err) == STATUS_OK &&
        plan_places_check(plan, pipeline_options_state(&options.arena, plan), &err) == STATUS_OK) {
        struct text text = {0};
        planner_print(plan, &text);
        fputs(text_str(&text), stdout);
        text_deinit(&text);
        for (; warnings && *warnings; warnings++) fprintf(stderr, "warning: %s\n", *warnings);
    } else {
        fprintf(stderr, "%s\n", err.message);
        exit_code = 2;
    }
    pipeline_options_deinit(&options);
    return exit_code;
}
