// A commit of a Delta log, which anybody may have written: any bytes give actions or an error, and a schema in them
// reads or is refused.
#include "common/delta/delta_log.h"
#include "common/delta/delta_path.h"
#include "common/delta/delta_schema_json.h"
#include "tests/fuzz/fuzz.h"

static void schema_of(const struct delta_action *action, struct arena *arena)
{
    struct delta_schema schema;
    struct error err;
    if (action->kind != DELTA_ACTION_METADATA || !action->metadata.schema_string) return;
    enum status status = delta_schema_json_read(action->metadata.schema_string, arena, &schema, &err);
    ASSERT(status == STATUS_OK || err.message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct delta_commit *commit = NULL;
    struct error err;
    if (delta_log_commit_parse((const char *)bytes, size, 1, &commit, &err) != STATUS_OK) {
        ASSERT(err.message[0]);
        return 0;
    }
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < commit->actions.count; i++) schema_of(&commit->actions.items[i], &arena);
    arena_deinit(&arena);
    delta_log_commit_destroy(commit);
    return 0;
}
