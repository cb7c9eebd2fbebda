// Flags, environment and configuration file of a pipeline. Every refusal says which flag and what it takes.
#include "cli/pipeline_options.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/text.h"
#include "worker/expr/expr_check.h"

#define SQL_BYTES_MAX (1u << 20)

enum { EXIT_GO_ON = 0, EXIT_HELP = 1, EXIT_USAGE = 3 };
enum {
    OPTION_SETTING = 1000,
    OPTION_SET,
    OPTION_KAFKA,
    OPTION_CONFIG,
    OPTION_META,
    OPTION_AVAILABLE,
    OPTION_REFRESH,
    OPTION_ADOPT,
    OPTION_ABANDON,
    OPTION_OVERWRITE,
    OPTION_REPLAY,
    OPTION_PROGRESS,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_HELP
};

// Flags that are a SET key by another name, with their environment variable.
static const struct {
    const char *flag, *key, *environment;
} setting_flags[] = {
    {"warehouse", "pipeline.warehouse", "FORESET_WAREHOUSE"},
    {"state", "pipeline.state", "FORESET_STATE"},
    {"lanes", "pipeline.lanes", "FORESET_LANES"},
    {"memory", "pipeline.memory", "FORESET_MEMORY"},
};
enum { SETTING_FLAG_COUNT = sizeof setting_flags / sizeof *setting_flags };

static int PRINTF_LIKE(2, 3) options_refuse(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "foreset %s: ", command);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry: foreset %s --help\n", command);
    return EXIT_USAGE;
}

static bool options_push(struct planner_setting *settings, size_t *count, const char *key, const char *value)
{
    if (*count == PIPELINE_SETTINGS_MAX) return false;
    settings[(*count)++] = (struct planner_setting){key, value};
    return true;
}

static bool options_pair(struct arena *arena, const char *text, struct planner_setting *settings, size_t *count)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) return false;
    char *key = arena_strndup(arena, text, (size_t)(equals - text));
    return options_push(settings, count, key, arena_strdup(arena, equals + 1));
}

// [kafka] holds --kafka properties, every other section's name is the first part of a SET key: [pipeline] trigger = 5
// seconds.
static int options_on_config(void *context, const char *section, const char *name, const char *value)
{
    struct pipeline_options *options = context;
    struct arena *arena = &options->arena;
    char *copy = arena_strdup(arena, value);
    if (strcmp(section, "kafka") == 0) {
        return options_push(options->kafka, &options->planner.kafka_count, arena_strdup(arena, name), copy);
    }
    const char *key = *section ? arena_printf(arena, "%s.%s", section, name) : arena_strdup(arena, name);
    return options_push(options->defaults, &options->planner.default_count, key, copy);
}

static int options_config(struct pipeline_options *options, const char *command, const char *path)
{
    int line = ini_parse(path, options_on_config, options);
    if (line == 0) return EXIT_GO_ON;
    if (line < 0) return options_refuse(command, "--config %s: cannot be read", path);
    return options_refuse(command, "--config %s: line %d: expected [section] or key = value", path, line);
}

static int options_progress(struct pipeline_options *options, const char *command, const char *name)
{
    static const char *const names[] = {"auto", "text", "json", "none", "log"};
    for (int i = 0; i < 5; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        options->progress = (enum pipeline_progress_kind)i;
        return EXIT_GO_ON;
    }
    return options_refuse(command, "--progress %s: expected text, json, log or none", name);
}

static int options_log(struct pipeline_options *options, const char *command, int option, const char *value)
{
    enum log_level level;
    if (option == OPTION_LOG_FORMAT) {
        if (strcmp(value, "json") != 0 && strcmp(value, "logfmt") != 0)
            return options_refuse(command, "--log-format %s: expected logfmt or json", value);
        log_json(strcmp(value, "json") == 0);
        return EXIT_GO_ON;
    }
    if (!log_level_parse(value, &level))
        return options_refuse(command, "--log-level %s: expected debug, info, warn or error", value);
    log_level_set(level);
    options->log_level = value;
    return EXIT_GO_ON;
}

static int options_one(struct pipeline_options *options, const char *command, const char *help, int option,
                       const char **ret_config)
{
    struct planner_options *planner = &options->planner;
    if (option >= OPTION_SETTING - SETTING_FLAG_COUNT && option < OPTION_SETTING) {
        const char *key = setting_flags[option - (OPTION_SETTING - SETTING_FLAG_COUNT)].key;
        bool fits =
            options_push(options->settings, &planner->setting_count, key, arena_strdup(&options->arena, optarg));
        return fits ? EXIT_GO_ON : options_refuse(command, "too many settings at %s", optarg);
    }
    switch (option) {
    case OPTION_SET:
        if (options_pair(&options->arena, optarg, options->settings, &planner->setting_count)) return EXIT_GO_ON;
        return options_refuse(command, "--set %s: expected KEY=VALUE, e.g. --set pipeline.trigger='5 seconds'", optarg);
    case OPTION_KAFKA:
        if (options_pair(&options->arena, optarg, options->kafka, &planner->kafka_count)) return EXIT_GO_ON;
        return options_refuse(command, "--kafka %s: expected KEY=VALUE, e.g. --kafka bootstrap.servers=localhost:9092",
                              optarg);
    case OPTION_CONFIG: *ret_config = optarg; return EXIT_GO_ON;
    case OPTION_META: options->meta = optarg; return EXIT_GO_ON;
    case OPTION_AVAILABLE: options->available_now = true; return EXIT_GO_ON;
    case OPTION_REFRESH: options->full_refresh = true; return EXIT_GO_ON;
    case OPTION_ADOPT:
        options->adopt = true;
        options->adopt_table = optarg;
        return EXIT_GO_ON;
    case OPTION_OVERWRITE:
        options->overwrite = true;
        options->overwrite_table = optarg;
        return EXIT_GO_ON;
    case OPTION_REPLAY:
        options->replay = true;
        options->replay_table = optarg;
        return EXIT_GO_ON;
    case OPTION_ABANDON: options->abandon_table = optarg; return EXIT_GO_ON;
    case OPTION_PROGRESS: return options_progress(options, command, optarg);
    case OPTION_LOG_LEVEL:
    case OPTION_LOG_FORMAT: return options_log(options, command, option, optarg);
    case OPTION_HELP: fputs(help, stdout); return EXIT_HELP;
    default: return options_refuse(command, "%s", "unknown or incomplete option");
    }
}

static int options_flags(struct pipeline_options *options, const char *command, const char *help, int argc, char **argv,
                         const char **ret_config)
{
    enum { RUN_ONLY = 10 };
    static const struct option flags[] = {{"meta", required_argument, NULL, OPTION_META},
                                          {"available-now", no_argument, NULL, OPTION_AVAILABLE},
                                          {"full-refresh", no_argument, NULL, OPTION_REFRESH},
                                          {"adopt", optional_argument, NULL, OPTION_ADOPT},
                                          {"abandon-table", required_argument, NULL, OPTION_ABANDON},
                                          {"overwrite", optional_argument, NULL, OPTION_OVERWRITE},
                                          {"replay", optional_argument, NULL, OPTION_REPLAY},
                                          {"progress", required_argument, NULL, OPTION_PROGRESS},
                                          {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
                                          {"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
                                          // from here on those of `plan` too
                                          {"warehouse", required_argument, NULL, OPTION_SETTING - SETTING_FLAG_COUNT},
                                          {"state", required_argument, NULL, OPTION_SETTING - SETTING_FLAG_COUNT + 1},
                                          {"lanes", required_argument, NULL, OPTION_SETTING - SETTING_FLAG_COUNT + 2},
                                          {"memory", required_argument, NULL, OPTION_SETTING - SETTING_FLAG_COUNT + 3},
                                          {"set", required_argument, NULL, OPTION_SET},
                                          {"kafka", required_argument, NULL, OPTION_KAFKA},
                                          {"config", required_argument, NULL, OPTION_CONFIG},
                                          {"help", no_argument, NULL, OPTION_HELP},
                                          {NULL, 0, NULL, 0}};
    const struct option *known = strcmp(command, "run") == 0 ? flags : flags + RUN_ONLY;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        int refused = options_one(options, command, help, option, ret_config);
        if (refused) return refused;
    }
    if (optind + 1 != argc) {
        return options_refuse(command, "give one SQL file%s", optind == argc ? "" : ", not several");
    }
    options->file = argv[optind];
    return EXIT_GO_ON;
}

// Environment variables stand below flags: they are pushed only where no flag gave the key.
static void options_environment(struct pipeline_options *options, const char **config)
{
    for (size_t i = 0; i < SETTING_FLAG_COUNT; i++) {
        const char *value = getenv(setting_flags[i].environment);
        bool given = value == NULL || *value == '\0';
        for (size_t j = 0; j < options->planner.setting_count; j++) {
            given = given || strcmp(options->settings[j].key, setting_flags[i].key) == 0;
        }
        if (!given) {
            options_push(options->settings, &options->planner.setting_count, setting_flags[i].key,
                         arena_strdup(&options->arena, value));
        }
    }
    if (!*config) *config = getenv("FORESET_CONFIG");
}

static int options_read_sql(struct pipeline_options *options, const char *command)
{
    FILE *file = fopen(options->file, "re");
    if (!file) {
        fprintf(stderr, "foreset %s: %s: %s\n", command, options->file, strerror(errno));
        return EXIT_USAGE;
    }
    options->sql = memory_alloc(SQL_BYTES_MAX + 2);
    size_t size = fread(options->sql, 1, SQL_BYTES_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    options->sql[size] = '\0';
    if (failed || strlen(options->sql) != size) {
        return options_refuse(command, "%s is not a text file that can be read", options->file);
    }
    if (size > SQL_BYTES_MAX) return options_refuse(command, "%s is longer than 1 MiB", options->file);
    char absolute[PATH_MAX];
    if (!realpath(options->file, absolute)) return options_refuse(command, "%s: no absolute path", options->file);
    *strrchr(absolute, '/') = '\0';
    const char *base = strrchr(options->file, '/');
    options->planner.file_name = base ? base + 1 : options->file;
    options->planner.directory = arena_strdup(&options->arena, *absolute ? absolute : "/");
    return EXIT_GO_ON;
}

const char *pipeline_options_absolute(struct arena *arena, const char *path)
{
    char here[PATH_MAX];
    if (*path == '/' || strstr(path, "://") || !getcwd(here, sizeof here)) return path;
    return arena_printf(arena, "%s/%s", here, path);
}

// A relative path on the command line is relative to where the command is given, not to the SQL file.
static void options_absolute(struct pipeline_options *options)
{
    for (size_t i = 0; i < options->planner.setting_count; i++) {
        struct planner_setting *setting = &options->settings[i];
        bool path = strcmp(setting->key, "pipeline.warehouse") == 0 || strcmp(setting->key, "pipeline.state") == 0;
        if (path) setting->value = pipeline_options_absolute(&options->arena, setting->value);
    }
}

int pipeline_options_parse(struct pipeline_options *options, const char *command, const char *help, int argc,
                           char **argv)
{
    memset(options, 0, sizeof *options);
    arena_init(&options->arena, 0);
    options->planner.settings = options->settings;
    options->planner.defaults = options->defaults;
    options->planner.kafka = options->kafka;
    options->planner.check = expr_check_plan;
    const char *config = NULL;
    int refused = options_flags(options, command, help, argc, argv, &config);
    if (refused) return refused;
    options_environment(options, &config);
    options_absolute(options);
    if (config && *config && (refused = options_config(options, command, config))) return refused;
    return options_read_sql(options, command);
}

void pipeline_options_deinit(struct pipeline_options *options)
{
    memory_free(options->sql);
    arena_deinit(&options->arena);
}

const char *pipeline_options_setting(const Foreset__Plan *plan, const char *key)
{
    for (size_t i = 0; i < plan->n_settings; i++) {
        if (strcmp(plan->settings[i]->key, key) == 0) return plan->settings[i]->value;
    }
    return NULL;
}

const char *pipeline_options_state(struct arena *arena, const Foreset__Plan *plan)
{
    const char *state = pipeline_options_setting(plan, "pipeline.state");
    const char *warehouse = pipeline_options_setting(plan, "pipeline.warehouse");
    return state ? state : arena_printf(arena, "%s/_foreset/%s", warehouse, plan->pipeline);
}
