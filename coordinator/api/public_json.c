// Texts are hidden by default: an error quotes rows, a URL may hold a user, SQL holds everything. Nothing fails.
#include "coordinator/api/public_json.h"

#include <jansson.h>
#include <string.h>

#include "common/base/error.h"

static const char *const public_members[] = {
    "name",  "pipeline", "worker",  "table", "topic",      "source", // names
    "state", "desired",  "version", "id",    "errorClass", "budget",
};
enum { PUBLIC_MEMBER_COUNT = sizeof public_members / sizeof *public_members };

const char *public_json_member(size_t index)
{
    return index < PUBLIC_MEMBER_COUNT ? public_members[index] : NULL;
}

static bool public_is_shown(const char *member)
{
    for (size_t i = 0; i < PUBLIC_MEMBER_COUNT; i++) {
        if (strcmp(public_members[i], member) == 0) return true;
    }
    return false;
}

// In place; jansson's parser bounds the depth (JSON_PARSER_MAX_DEPTH).
static void public_hide(json_t *json)
{
    const char *member;
    json_t *value;
    void *next;
    size_t i;
    json_object_foreach_safe(json, next, member, value)
    {
        if (json_is_string(value) && !public_is_shown(member))
            json_object_set_new(json, member, json_string(PUBLIC_JSON_HIDDEN));
        public_hide(value);
    }
    json_array_foreach(json, i, value)
    {
        if (json_is_string(value)) json_array_set_new(json, i, json_string(PUBLIC_JSON_HIDDEN));
        public_hide(value);
    }
}

void public_json(const char *json, struct text *ret_json)
{
    json_t *read = json_loads(json, 0, NULL);
    if (!read) {
        text_append_str(ret_json, "null");
        return;
    }
    public_hide(read);
    char *text = json_dumps(read, JSON_COMPACT | JSON_ENSURE_ASCII);
    ASSERT(text);
    text_append_str(ret_json, text);
    free(text);
    json_decref(read);
}
