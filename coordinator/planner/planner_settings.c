// SET key = value, overridden by what flags, environment and configuration file say. Unknown keys are errors with the
// nearest one.
#include <strings.h>

#include "coordinator/planner/planner_private.h"
#include "coordinator/sql/sql_interval.h"

#define TRIGGER_US_DEFAULT INT64_C(10000000)
#define SHARDS_DEFAULT     256u
#define SHARDS_MAX         65536u

enum setting_kind {
    SETTING_NAME,
    SETTING_URL,
    SETTING_TEXT,
    SETTING_TRIGGER,
    SETTING_ON_ERROR,
    SETTING_COUNT,
    SETTING_BYTES,
};
static const struct setting {
    const char *key;
    enum setting_kind kind;
} known[] = {
    {"pipeline.name", SETTING_NAME},   {"pipeline.warehouse", SETTING_URL},   {"pipeline.state", SETTING_URL},
    {"pipeline.meta", SETTING_TEXT},   {"pipeline.trigger", SETTING_TRIGGER}, {"pipeline.on_error", SETTING_ON_ERROR},
    {"pipeline.lanes", SETTING_COUNT}, {"pipeline.memory", SETTING_BYTES},    {"pipeline.shards", SETTING_COUNT},
};
#define KNOWN (sizeof known / sizeof *known)

static const struct setting *find_setting(const char *key)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (strcasecmp(known[i].key, key) == 0) return &known[i];
    }
    return NULL;
}

// At the SET statement, or for what came from outside (statement NULL) without a place.
static enum status fail(struct planner *planner, const struct sql_statement *statement, uint32_t offset,
                        const char *hint, struct error *err, const char *message)
{
    if (statement) return sql_text_error(&planner->text, offset, STATUS_INVALID, NULL, hint, err, "%s", message);
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "setting: %s%s%s", message, hint ? "; " : "", hint ? hint : "");
}

static enum status unknown(struct planner *planner, const struct sql_statement *statement, const char *key,
                           struct error *err)
{
    const char *names[KNOWN + 1] = {NULL};
    for (size_t i = 0; i < KNOWN; i++) names[i] = known[i].key;
    const char *near = text_nearest(key, names);
    if (!near && !strchr(key, '.')) {
        const char *full = arena_printf(planner->arena, "pipeline.%s", key);
        if (find_setting(full)) near = full;
    }
    const char *hint = near                                 ? arena_printf(planner->arena, "did you mean %s?", near)
                       : strncasecmp(key, "spark.", 6) == 0 ? "settings of Spark have no meaning here; the known ones "
                                                              "start with pipeline."
                                                            : "known: pipeline.name, .warehouse, .state, .trigger, "
                                                              ".on_error, .lanes, .memory, .shards";
    return fail(planner, statement, statement ? statement->name.offset : 0, hint, err,
                arena_printf(planner->arena, "there is no setting %.100s", key));
}

static bool is_pipeline_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > 100) return false;
    for (const char *c = name; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!letter && *c != '_' && *c != '-' && *c != '.') return false;
    }
    return name[0] != '.';
}

static enum status check(struct planner *planner, const struct setting *setting, const char *value,
                         const struct sql_statement *statement, struct error *err)
{
    uint32_t offset = statement ? statement->value_offset : 0;
    uint64_t number = 0;
    switch (setting->kind) {
    case SETTING_NAME:
        if (is_pipeline_name(value)) break;
        return fail(planner, statement, offset, NULL, err,
                    "a pipeline's name has up to 100 letters, digits, _, - and .");
    case SETTING_TRIGGER:
        if (strcasecmp(value, "available-now") == 0 || strcasecmp(value, "availableNow") == 0) {
            planner->trigger_us = 0;
        } else if (!sql_interval_parse_us(value, &planner->trigger_us) || planner->trigger_us < 1000) {
            return fail(planner, statement, offset, "SET pipeline.trigger = 30 seconds", err,
                        "pipeline.trigger is an interval of 1 millisecond or more, or available-now");
        }
        break;
    case SETTING_ON_ERROR:
        planner->on_error_fail = strcasecmp(value, "fail") == 0;
        if (planner->on_error_fail || strcasecmp(value, "dead_letters") == 0) break;
        return fail(planner, statement, offset, NULL, err, "pipeline.on_error is fail or dead_letters");
    case SETTING_COUNT:
        if (!text_parse_u64(value, &number) || number < 1 || number > SHARDS_MAX) {
            return fail(planner, statement, offset, NULL, err,
                        arena_printf(planner->arena, "%s is a number from 1 to %u", setting->key, SHARDS_MAX));
        }
        if (strcmp(setting->key, "pipeline.shards") == 0) planner->shards = (uint32_t)number;
        break;
    case SETTING_BYTES:
        if (text_parse_bytes(value, &number) && number) break;
        return fail(planner, statement, offset, "SET pipeline.memory = 2G", err,
                    "pipeline.memory is a number of bytes (suffixes K, M, G)");
    case SETTING_URL:
    case SETTING_TEXT:
        if (*value) break;
        return fail(planner, statement, offset, NULL, err, arena_printf(planner->arena, "%s is empty", setting->key));
    }
    return STATUS_OK;
}

static void set(struct planner *planner, const char *key, const char *value)
{
    for (uint32_t i = 0; i < planner->settings.count; i++) {
        if (strcmp(planner->settings.items[i].key, key) != 0) continue;
        planner->settings.items[i].value = value;
        return;
    }
    struct planner_property property = {.key = key, .value = value};
    sql_list_push(planner->arena, &planner->settings, property);
}

static const char *get(const struct planner *planner, const char *key)
{
    for (uint32_t i = 0; i < planner->settings.count; i++) {
        if (strcmp(planner->settings.items[i].key, key) == 0) return planner->settings.items[i].value;
    }
    return NULL;
}

const char *planner_settings_url(struct planner *planner, const char *url)
{
    const char *path = url;
    if (strstr(url, "://") && strncmp(url, "file://", 7) != 0) return url;
    if (strncmp(path, "file://", 7) == 0) path += 7;
    while (path[0] == '.' && path[1] == '/') path += 2;
    const char *directory = planner->options->directory ? planner->options->directory : "";
    char *whole = path[0] == '/' ? arena_printf(planner->arena, "file://%s", path)
                                 : arena_printf(planner->arena, "file://%s/%s", directory, path);
    for (size_t length = strlen(whole); length > 8 && whole[length - 1] == '/'; length--) whole[length - 1] = '\0';
    return whole;
}

// The file's name without folder and .sql, with what a name may not hold replaced.
static const char *default_name(struct planner *planner)
{
    const char *file = planner->options->file_name ? planner->options->file_name : "pipeline";
    const char *slash = strrchr(file, '/');
    char *name = arena_strdup(planner->arena, slash ? slash + 1 : file);
    size_t length = strlen(name);
    if (length > 4 && strcasecmp(name + length - 4, ".sql") == 0) name[length - 4] = '\0';
    if (strlen(name) > 100) name[100] = '\0';
    for (char *c = name; *c; c++) {
        char one[2] = {*c, '\0'};
        if (!is_pipeline_name(one) && *c != '.') *c = '_';
    }
    return is_pipeline_name(name) ? name : "pipeline";
}

static enum status settings_from_outside(struct planner *planner, const struct planner_setting *given, size_t count,
                                         struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct setting *setting = find_setting(given[i].key);
        if (!setting) return unknown(planner, NULL, given[i].key, err);
        enum status status = check(planner, setting, given[i].value, NULL, err);
        if (status != STATUS_OK) return status;
        set(planner, setting->key, arena_strdup(planner->arena, given[i].value));
    }
    return STATUS_OK;
}

enum status planner_settings_read(struct planner *planner, struct error *err)
{
    enum status status = STATUS_OK;
    planner->trigger_us = TRIGGER_US_DEFAULT;
    planner->shards = SHARDS_DEFAULT;
    TRY(settings_from_outside(planner, planner->options->defaults, planner->options->default_count, err));
    for (uint32_t i = 0; i < planner->script->statements.count; i++) {
        const struct sql_statement *statement = planner->script->statements.items[i];
        if (statement->kind != SQL_STATEMENT_SET) continue;
        const struct setting *setting = find_setting(statement->key);
        if (!setting) return unknown(planner, statement, statement->key, err);
        TRY(check(planner, setting, statement->value, statement, err));
        set(planner, setting->key, statement->value);
    }
    TRY(settings_from_outside(planner, planner->options->settings, planner->options->setting_count, err));
    if (planner->options->warehouse)
        set(planner, "pipeline.warehouse", arena_strdup(planner->arena, planner->options->warehouse));
    const char *name = get(planner, "pipeline.name"), *warehouse = get(planner, "pipeline.warehouse"),
               *state = get(planner, "pipeline.state");
    planner->pipeline = name ? name : default_name(planner);
    planner->warehouse = planner_settings_url(planner, warehouse ? warehouse : "warehouse");
    set(planner, "pipeline.name", planner->pipeline);
    set(planner, "pipeline.warehouse", planner->warehouse);
    if (state) set(planner, "pipeline.state", planner_settings_url(planner, state));
out:
    return status;
}
