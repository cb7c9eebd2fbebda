// One event's JSON on its way into a topic.
#ifndef FORESET_CLI_PRODUCE_JSON_H
#define FORESET_CLI_PRODUCE_JSON_H

#include "common/base/text.h"

// Copies the object, adding _event_time (now_us as UTC ISO) and _event_id where they are missing; ret_key is the key
// field's value ("" if it has none). False, with the problem in words and the line copied as it is, if it is no JSON
// object.
bool produce_json_complete(const char *line, size_t length, int64_t now_us, const char *event_id, const char *key_field,
                           struct text *ret_value, struct text *ret_key, char *ret_problem, size_t problem_size);

#endif
