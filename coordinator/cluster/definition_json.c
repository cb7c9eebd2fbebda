// Definitions. What can fail: text that is not what definition_json_pack wrote.
#include "coordinator/cluster/definition_json.h"

#include <jansson.h>
#include <string.h>

#include "common/base/format_version.h"
#include "common/base/hash.h"

static const char *const definition_desires[] = {"running", "stopped", "failed"};

void definition_init(struct definition *definition)
{
    *definition = (struct definition){0};
    arena_init(&definition->arena, 0);
}

void definition_deinit(struct definition *definition)
{
    arena_deinit(&definition->arena);
    *definition = (struct definition){0};
}

static struct planner_setting *definition_copy_settings(struct arena *arena, const struct planner_setting *from,
                                                        size_t count)
{
    struct planner_setting *to = arena_calloc(arena, count + 1, sizeof *to);
    for (size_t i = 0; i < count; i++) {
        to[i].key = arena_strdup(arena, from[i].key);
        to[i].value = arena_strdup(arena, from[i].value);
    }
    return to;
}

void definition_copy(const struct definition *from, struct definition *ret_definition)
{
    definition_init(ret_definition);
    struct definition *to = ret_definition;
    struct arena *arena = &to->arena;
    to->name = arena_strdup(arena, from->name);
    to->instance = arena_strdup(arena, from->instance);
    to->file_name = arena_strdup(arena, from->file_name);
    to->sql = arena_strdup(arena, from->sql);
    to->directory = arena_strdup(arena, from->directory);
    to->settings = definition_copy_settings(arena, from->settings, from->setting_count);
    to->setting_count = from->setting_count;
    to->kafka = definition_copy_settings(arena, from->kafka, from->kafka_count);
    to->kafka_count = from->kafka_count;
    to->available_now = from->available_now;
    to->desired = from->desired;
    to->error = from->error ? arena_strdup(arena, from->error) : NULL;
    to->error_class = from->error_class ? arena_strdup(arena, from->error_class) : NULL;
    to->version = from->version;
    to->applied_ms = from->applied_ms;
}

const char *definition_desired_name(enum definition_desired desired)
{
    return definition_desires[desired];
}

uint64_t definition_channel(const struct definition *definition)
{
    uint64_t hash = hash_64(definition->instance, strlen(definition->instance), 0);
    return hash ? hash : 1;
}

static json_t *definition_json_settings(const struct planner_setting *settings, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("[ss]", settings[i].key, settings[i].value));
    return list;
}

void definition_json_pack(const struct definition *definition, struct text *ret_json)
{
    json_t *json = json_pack(
        "{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:s, s:s*, s:I, s:I}", "writer", format_version_program(),
        "leastReader", (int)format_version_info(FORMAT_CLUSTER_KEYS).writes, "name", definition->name, "instance",
        definition->instance, "file", definition->file_name, "directory", definition->directory, "sql", definition->sql,
        "settings", definition_json_settings(definition->settings, definition->setting_count), "kafka",
        definition_json_settings(definition->kafka, definition->kafka_count), "availableNow",
        (int)definition->available_now, "desired", definition_desires[definition->desired], "error", definition->error,
        "version", (json_int_t)definition->version, "appliedMs", (json_int_t)definition->applied_ms);
    if (json && definition->error_class) json_object_set_new(json, "errorClass", json_string(definition->error_class));
    ASSERT(json); // every text is UTF-8: the planner refuses others
    char *text = json_dumps(json, JSON_INDENT(1));
    text_reset(ret_json);
    text_append(ret_json, text, strlen(text));
    free(text);
    json_decref(json);
}

static bool definition_json_list(struct arena *arena, const json_t *list, struct planner_setting **ret, size_t *count)
{
    if (!json_is_array(list)) return false;
    *ret = arena_calloc(arena, json_array_size(list) + 1, sizeof **ret);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *key = json_string_value(json_array_get(json_array_get(list, i), 0));
        const char *value = json_string_value(json_array_get(json_array_get(list, i), 1));
        if (!key || !value) return false;
        (*ret)[(*count)++] = (struct planner_setting){arena_strdup(arena, key), arena_strdup(arena, value)};
    }
    return true;
}

static const char *definition_json_text(struct definition *definition, const json_t *json, const char *field)
{
    const char *text = json_string_value(json_object_get(json, field));
    return text ? arena_strdup(&definition->arena, text) : NULL;
}

static const char *definition_json_fill(struct definition *definition, const json_t *json)
{
    static const char *const texts[] = {"name", "instance", "file", "sql", "directory"};
    const char **fields[] = {&definition->name, &definition->instance, &definition->file_name, &definition->sql,
                             &definition->directory};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *fields[i] = definition_json_text(definition, json, texts[i]);
        if (!*fields[i]) return texts[i];
    }
    struct arena *arena = &definition->arena;
    const json_t *settings = json_object_get(json, "settings"), *kafka = json_object_get(json, "kafka");
    if (!definition_json_list(arena, settings, &definition->settings, &definition->setting_count)) return "settings";
    if (!definition_json_list(arena, kafka, &definition->kafka, &definition->kafka_count)) return "kafka";
    definition->available_now = json_is_true(json_object_get(json, "availableNow"));
    const char *desired = json_string_value(json_object_get(json, "desired"));
    bool known = false;
    for (int i = 0; desired && i < 3; i++) {
        if (strcmp(desired, definition_desires[i]) != 0) continue;
        definition->desired = (enum definition_desired)i;
        known = true;
    }
    if (!known) return "desired";
    definition->error = definition_json_text(definition, json, "error");
    definition->error_class = definition_json_text(definition, json, "errorClass");
    definition->version = (uint64_t)json_integer_value(json_object_get(json, "version"));
    definition->applied_ms = json_integer_value(json_object_get(json, "appliedMs"));
    return NULL;
}

// Before anything else of it is believed.
static enum status definition_json_version(const json_t *json, struct error *err)
{
    const json_t *writer = json_object_get(json, "writer"), *least = json_object_get(json, "leastReader");
    const char *name = json_string_value(json_object_get(json, "name"));
    json_int_t number = json_integer_value(least);
    bool silent = !writer && !least;
    if (!silent && (number < 1 || number > INT32_MAX)) number = 0;
    return format_version_check(FORMAT_CLUSTER_KEYS, silent ? NULL : json_string_value(writer), (uint32_t)number, err,
                                "the definition of pipeline %.100s", name ? name : "without a name");
}

enum status definition_json_unpack(const void *json, size_t size, struct definition *ret_definition, struct error *err)
{
    json_error_t where;
    json_t *read = json_loadb(json, size, JSON_REJECT_DUPLICATES, &where);
    if (!read) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "a pipeline's definition, line %d: %s", where.line,
                         where.text);
    }
    enum status status = definition_json_version(read, err);
    if (status != STATUS_OK) {
        json_decref(read);
        return status;
    }
    definition_init(ret_definition);
    const char *wrong = definition_json_fill(ret_definition, read);
    json_decref(read);
    if (!wrong) return STATUS_OK;
    definition_deinit(ret_definition);
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "a pipeline's definition: field '%s' is wrong", wrong);
}
