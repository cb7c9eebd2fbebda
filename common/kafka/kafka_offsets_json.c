// Offsets and assignments in Spark's JSON forms. Every failure names the option and what it should look like.
#include "common/kafka/kafka_offsets_json.h"

#include <jansson.h>

#include "common/base/text.h"

void kafka_offsets_deinit(struct kafka_offsets *offsets)
{
    for (size_t i = 0; i < offsets->items.count; i++) memory_free(offsets->items.items[i].topic);
    vector_deinit(&offsets->items);
}

static void kafka_offsets_add(struct kafka_offsets *offsets, const char *topic, int64_t partition, int64_t offset)
{
    struct kafka_offset item = {.topic = memory_strdup(topic), .partition = (int32_t)partition, .offset = offset};
    vector_push(&offsets->items, item);
}

static bool kafka_offsets_topic(struct kafka_offsets *offsets, const char *topic, json_t *partitions)
{
    const char *key;
    json_t *value;
    if (!json_is_object(partitions)) return false;
    json_object_foreach(partitions, key, value)
    {
        int64_t partition;
        if (!text_parse_i64(key, &partition) || partition < 0 || partition > INT32_MAX) return false;
        if (!json_is_integer(value)) return false;
        kafka_offsets_add(offsets, topic, partition, json_integer_value(value));
    }
    return true;
}

static bool kafka_assign_topic(struct kafka_offsets *offsets, const char *topic, json_t *partitions)
{
    size_t i;
    json_t *value;
    if (!json_is_array(partitions)) return false;
    json_array_foreach(partitions, i, value)
    {
        int64_t partition = json_integer_value(value);
        if (!json_is_integer(value) || partition < 0 || partition > INT32_MAX) return false;
        kafka_offsets_add(offsets, topic, partition, 0);
    }
    return true;
}

static enum status kafka_offsets_read(const char *option, const char *json, const char *form,
                                      bool (*topic)(struct kafka_offsets *, const char *, json_t *),
                                      struct kafka_offsets *ret_offsets, struct error *err)
{
    json_error_t where;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &where);
    struct kafka_offsets offsets = {0};
    bool good = json_is_object(root);
    const char *key;
    json_t *value;
    if (good) {
        json_object_foreach(root, key, value) good = good && topic(&offsets, key, value);
    }
    json_decref(root);
    if (!good) {
        kafka_offsets_deinit(&offsets);
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "%s => '%s': expected JSON like %s", option, json, form);
    }
    *ret_offsets = offsets;
    return STATUS_OK;
}

enum status kafka_offsets_parse(const char *option, const char *json, struct kafka_offsets *ret_offsets,
                                struct error *err)
{
    return kafka_offsets_read(option, json, "{\"topic\":{\"0\":23,\"1\":-2}} (-1 is latest, -2 is earliest)",
                              kafka_offsets_topic, ret_offsets, err);
}

enum status kafka_assign_parse(const char *option, const char *json, struct kafka_offsets *ret_offsets,
                               struct error *err)
{
    return kafka_offsets_read(option, json, "{\"topic\":[0,1]}", kafka_assign_topic, ret_offsets, err);
}
