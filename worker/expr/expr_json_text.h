// JSON text read token by token, as Spark's get_json_object sees it. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_JSON_TEXT_H
#define FORESET_EXPR_EXPR_JSON_TEXT_H

#include "common/base/text.h"

// One step of a path: a name, an index, all elements, or a wildcard of members, which finds nothing in Spark.
enum expr_json_step_kind { EXPR_JSON_NAME, EXPR_JSON_INDEX, EXPR_JSON_ALL, EXPR_JSON_NOTHING };
struct expr_json_step {
    enum expr_json_step_kind kind;
    struct slice name;
    int64_t index;
};
#define EXPR_JSON_STEPS_MAX 64
// "$.a[0]['b'].*"; false: no path.
bool expr_json_text_path(struct slice path, struct expr_json_step *ret_steps, size_t *ret_count);
// Appends what the path leads to, as get_json_object prints it; false: nothing, or the text is no JSON.
bool expr_json_text_get(struct slice json, const struct expr_json_step *steps, size_t count, struct text *text);
// Elements of a top-level array; -1: none, or no JSON.
int64_t expr_json_text_length(struct slice json);
// Calls `key` with each key of a top-level object, unescaped; false: none, or no JSON. `key` returning false stops.
bool expr_json_text_keys(struct slice json, bool (*key)(void *context, struct slice name), void *context);

#endif
