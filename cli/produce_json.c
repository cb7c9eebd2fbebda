// Completing an event with jansson (a producer's speed is the network's, not the parser's).
#include "cli/produce_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void produce_json_time(int64_t now_us, char ret_text[40])
{
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t used = strftime(ret_text, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + used, 40 - used, ".%06d+00:00", (int)(now_us % 1000000));
}

bool produce_json_complete(const char *line, size_t length, int64_t now_us, const char *event_id, const char *key_field,
                           struct text *ret_value, struct text *ret_key, char *ret_problem, size_t problem_size)
{
    text_reset(ret_value);
    text_reset(ret_key);
    json_error_t where;
    json_t *event = json_loadb(line, length, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(event)) {
        snprintf(ret_problem, problem_size, "%s", event ? "not a JSON object" : where.text);
        json_decref(event);
        text_append(ret_value, line, length);
        return false;
    }
    bool changed = false;
    if (!json_object_get(event, "_event_time")) {
        char now[40];
        produce_json_time(now_us, now);
        json_object_set_new(event, "_event_time", json_string(now));
        changed = true;
    }
    if (!json_object_get(event, "_event_id")) {
        json_object_set_new(event, "_event_id", json_string(event_id));
        changed = true;
    }
    const json_t *key = json_object_get(event, key_field);
    if (json_is_string(key)) {
        text_append(ret_key, json_string_value(key), json_string_length(key));
    } else if (key && !json_is_null(key)) {
        char *dumped = json_dumps(key, JSON_COMPACT | JSON_ENCODE_ANY);
        text_append_str(ret_key, dumped);
        free(dumped);
    }
    char *dumped = changed ? json_dumps(event, JSON_COMPACT) : NULL;
    if (dumped) {
        text_append_str(ret_value, dumped);
        free(dumped);
    } else {
        text_append(ret_value, line, length);
    }
    json_decref(event);
    return true;
}
