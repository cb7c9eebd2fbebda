// What a new table reads of one that was there before (P23), on a lane: data files of a Delta table, given as the `add`
// actions of a Fill. Promises: every row of every file of the range once; columns by name, as the table has them now; a
// column that a file lacks is null. What can fail: a file that is gone (FAIL_PIPELINE with its name: the epoch's ranges
// are fixed, P4), a file or line that is damaged.
#include <string.h>

#include "common/base/vector.h"
#include "common/delta/delta_action_json.h"
#include "common/delta/delta_scan.h"
#include "worker/source/source.h"

struct table_source {
    struct source base;
    struct budget *budget;
    const char *url;
    const struct type *schema;
    struct objstore *store; // NULL until there is something to read
    struct delta_table *table;
    struct arena arena;            // texts of the planned actions
    VECTOR(struct delta_add) adds; // the planned ones
    struct delta_scan *scan;       // NULL: read to the end
    Foreset__Range *const *ranges; // of the planned epoch
    size_t range_count;
};

static void table_source_close(struct source *base)
{
    struct table_source *source = (struct table_source *)base;
    delta_scan_destroy(source->scan);
    delta_table_close(source->table);
    if (source->store) objstore_close(source->store);
    vector_deinit(&source->adds);
    arena_deinit(&source->arena);
    memory_free(source);
}

static enum status table_source_failed(const struct table_source *source, enum status status, struct error *err)
{
    if (status == STATUS_OK) return status;
    if (status == STATUS_NOT_FOUND || err->class == ERROR_USAGE) err->class = ERROR_FAIL_PIPELINE;
    return error_prefix(err, "filling a new table from %s (start again with --full-refresh if this stays so)",
                        source->url);
}

static enum status table_source_open_table(struct table_source *source, struct error *err)
{
    enum status status = STATUS_OK;
    if (source->table) return STATUS_OK;
    if (!source->store) TRY(objstore_open(source->url, false, &source->store, err));
    TRY(delta_table_open(source->store, DELTA_VERSION_LATEST, DELTA_LOAD_STATE, &source->table, err));
out:
    return status;
}

// The table's columns may have changed since it was planned, by others.
static enum status table_source_check(const struct table_source *source, struct error *err)
{
    const struct type *given = delta_scan_schema(source->scan);
    for (uint32_t i = 0; i < given->child_count; i++) {
        const struct field *field = &given->children[i], *wanted = &source->schema->children[i];
        if (field->type == wanted->type) continue;
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "column %s is of type %s there, not %s",
                         wanted->name, field->type->text, wanted->type->text);
    }
    return STATUS_OK;
}

static enum status table_source_read(struct table_source *source, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < source->range_count; i++) {
        const Foreset__Range *range = source->ranges[i];
        for (size_t k = 0; k < range->n_files; k++) {
            struct delta_action action = {0};
            TRY(delta_action_json_read(range->files[k], strcspn(range->files[k], "\n"), &source->arena, &action, err));
            if (action.kind != DELTA_ACTION_ADD) {
                status = error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE, "the plan names no file: %.100s",
                                   range->files[k]);
                goto out;
            }
            vector_push(&source->adds, action.add);
        }
    }
    TRY(delta_scan_create_files(source->table, source->schema, source->adds.items, source->adds.count, source->budget,
                                &source->scan, err));
    TRY(table_source_check(source, err));
out:
    return status;
}

static enum status table_source_plan(struct source *base, uint64_t epoch, Foreset__Range *const *ranges, size_t count,
                                     struct error *err)
{
    (void)epoch;
    struct table_source *source = (struct table_source *)base;
    delta_scan_destroy(source->scan);
    source->scan = NULL;
    vector_reset(&source->adds);
    arena_reset(&source->arena);
    source->ranges = ranges;
    source->range_count = count;
    enum status status = table_source_open_table(source, err);
    if (status == STATUS_OK) status = table_source_read(source, err);
    return table_source_failed(source, status, err);
}

static enum status table_source_poll(struct source *base, uint64_t epoch, enum source_result *ret_result,
                                     struct batch **ret_batch, struct error *err)
{
    (void)epoch;
    struct table_source *source = (struct table_source *)base;
    struct batch *batch = NULL;
    if (source->scan) {
        enum status status = delta_scan_next(source->scan, &batch, err);
        if (status != STATUS_OK) return table_source_failed(source, status, err);
    }
    *ret_batch = batch;
    *ret_result = batch ? SOURCE_BATCH : SOURCE_DONE;
    if (batch) return STATUS_OK;
    delta_scan_destroy(source->scan);
    source->scan = NULL;
    return STATUS_OK;
}

static const Foreset__Range *const *table_source_evidence(struct source *base, size_t *ret_count)
{
    struct table_source *source = (struct table_source *)base;
    *ret_count = source->range_count;
    return (const Foreset__Range *const *)source->ranges;
}

static const struct source_ops table_source_ops = {.close = table_source_close,
                                                   .plan = table_source_plan,
                                                   .poll = table_source_poll,
                                                   .evidence = table_source_evidence};

enum status table_source_open(const struct source_open_args *args, struct source **ret_source, struct error *err)
{
    const Foreset__Node *node = args->plan->nodes[args->node];
    struct table_source *source = memory_calloc(1, sizeof *source);
    source->base.ops = &table_source_ops;
    source->budget = args->budget;
    source->url = node->source->path;
    arena_init(&source->arena, 0);
    enum status status = type_parse(node->schema, &source->schema, err);
    if (status != STATUS_OK) {
        table_source_close(&source->base);
        return status;
    }
    *ret_source = &source->base;
    return STATUS_OK;
}
