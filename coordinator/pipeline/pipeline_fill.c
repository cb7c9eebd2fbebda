// Fills. The happy path: the live files of the table that is read, and those that an unfinished batch has written but
// not published, are listed in the order in which they came; the list is stored under its hash, and a position in it
// goes from manifest to manifest until it is read to the end. Rows of later epochs come by the stream, so each row
// comes once.
//
// What can fail: the table is not there or was given up (FAIL_PIPELINE); the list is gone or damaged (FAIL_PIPELINE
// with its name). A file of the list that is gone by the time it is read (VACUUM) is the worker's to tell.
#include "coordinator/pipeline/pipeline_fill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/format_version.h"
#include "common/base/hash.h"
#include "common/base/planted.h"
#include "common/delta/delta_action_json.h"
#include "common/delta/delta_stats.h"
#include "common/plan/plan_source.h"
#include "coordinator/commit/table_put.h"

enum {
    FILL_KEY_SIZE = 96,
    FILL_ROW_BYTES = 32, // of a file whose log does not tell its rows
};

void pipeline_fills_deinit(struct pipeline_fills *fills)
{
    for (size_t i = 0; i < fills->items.count; i++) foreset__fill__free_unpacked(fills->items.items[i].lines, NULL);
    vector_deinit(&fills->items);
}

// ---- What is to be filled ----

uint32_t pipeline_fill_reads(const Foreset__Plan *plan, uint32_t table, uint32_t read)
{
    uint32_t count = 0;
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const Foreset__Node *node = plan->nodes[i];
        for (size_t k = 0; node->table == table && k < node->n_inputs; k++)
            count += node->inputs[k] == plan->tables[read]->node;
    }
    return count;
}

const Foreset__Table *pipeline_fill_wanted(const Foreset__Plan *old, const Foreset__Plan *now, uint32_t node)
{
    const Foreset__Node *source = now->nodes[node];
    uint32_t table, number;
    if (!plan_source_is_fill(source)) return NULL;
    const Foreset__Table *read = plan_source_table(now, NULL, source->source->path, NULL);
    if (!read || !plan_source_table(old, read->name, NULL, &number)) return NULL;
    bool known = plan_source_table(old, now->tables[source->table]->name, NULL, &table);
    return known && pipeline_fill_reads(old, table, number) > 0 ? NULL : read;
}

const Foreset__FilesPosition *pipeline_fill_unfinished(const Foreset__Manifest *manifest)
{
    for (size_t i = 0; i < manifest->n_files; i++) {
        const Foreset__FilesPosition *position = manifest->files[i];
        if (position->fill && position->next < position->count) return position;
    }
    return NULL;
}

// ---- The list ----

struct pipeline_fill_file {
    struct delta_add add;
    uint64_t epoch;
    bool own; // one of the pipeline's, by its name
};
struct pipeline_fill_files {
    struct arena arena;
    VECTOR(struct pipeline_fill_file) items;
};

static void pipeline_fill_push(struct pipeline_fill_files *files, const struct delta_add *add)
{
    struct pipeline_fill_file file = {.add = *add};
    uint64_t generation;
    file.own = manifest_data_parse(add->path, &file.epoch, &generation);
    if (!file.own) file.epoch = 0;
    vector_push(&files->items, file);
}

static void pipeline_fill_pending(struct recover *recover, uint32_t table, struct pipeline_fill_files *files)
{
    const Foreset__TableEpoch *epoch = manifest_table(recover->last, table);
    if (FORESET_BUG("fill-without-pending")) return;
    for (size_t i = 0; epoch && i < epoch->n_pending; i++) {
        struct delta_add add = table_put_add(epoch->pending[i], INT64_MAX, &files->arena);
        pipeline_fill_push(files, &add);
    }
}

static int pipeline_fill_time(const void *a, const void *b)
{
    const struct pipeline_fill_file *left = a, *right = b;
    if (left->add.modified_ms != right->add.modified_ms) return left->add.modified_ms < right->add.modified_ms ? -1 : 1;
    return left->own == right->own ? 0 : left->own ? -1 : 1;
}

// A file that somebody else wrote came after the newest epoch of ours that is older.
static void pipeline_fill_date(struct pipeline_fill_files *files)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < files->items.count; i++) {
        struct pipeline_fill_file *file = &files->items.items[i];
        if (!file->own) file->epoch = newest;
        if (file->epoch > newest) newest = file->epoch;
    }
}

static int pipeline_fill_order(const void *a, const void *b)
{
    const struct pipeline_fill_file *left = a, *right = b;
    if (left->epoch != right->epoch) return left->epoch < right->epoch ? -1 : 1;
    if (left->own != right->own) return left->own ? -1 : 1;
    if (left->add.modified_ms != right->add.modified_ms) return left->add.modified_ms < right->add.modified_ms ? -1 : 1;
    return strcmp(left->add.path, right->add.path);
}

static void pipeline_fill_line(const struct pipeline_fill_file *file, bool joined, Foreset__Fill *fill,
                               struct text *line)
{
    char stats[48];
    uint64_t rows = 0;
    struct delta_add add = file->add;
    bool known = add.stats && delta_stats_rows(add.stats, &rows);
    snprintf(stats, sizeof stats, "{\"numRecords\":%llu}", (unsigned long long)rows);
    add.stats = known ? stats : NULL;
    add.tags = (struct delta_map){0};
    text_reset(line);
    delta_action_json_write(&(struct delta_action){.kind = DELTA_ACTION_ADD, .add = add}, line);
    fill->rows[fill->n_rows++] = known ? rows : (uint64_t)add.size_bytes / FILL_ROW_BYTES + 1;
    fill->epochs[fill->n_epochs++] = file->epoch;
    fill->joined[fill->n_joined++] = joined;
    fill->adds[fill->n_adds++] = memory_strdup(text_str(line));
}

static Foreset__Fill *pipeline_fill_make(struct pipeline_fill_files *files)
{
    Foreset__Fill *fill = memory_alloc(sizeof *fill);
    struct text line = {0};
    size_t count = files->items.count;
    foreset__fill__init(fill);
    if (count > 1) qsort(files->items.items, count, sizeof *files->items.items, pipeline_fill_time);
    pipeline_fill_date(files);
    if (count > 1 && !FORESET_BUG("fill-unordered"))
        qsort(files->items.items, count, sizeof *files->items.items, pipeline_fill_order);
    fill->adds = memory_calloc(count + 1, sizeof *fill->adds);
    fill->rows = memory_calloc(count + 1, sizeof *fill->rows);
    fill->epochs = memory_calloc(count + 1, sizeof *fill->epochs);
    fill->joined = memory_calloc(count + 1, sizeof *fill->joined);
    for (size_t i = 0; i < count; i++) {
        const struct pipeline_fill_file *file = &files->items.items[i], *before = file - 1;
        bool joined = i > 0 && file->own && before->own && before->epoch == file->epoch && !FORESET_BUG("fill-split");
        pipeline_fill_line(file, joined, fill, &line);
    }
    text_deinit(&line);
    fill->writer = memory_strdup(format_version_program());
    fill->least_reader = format_version_info(FORMAT_FILL).writes;
    fill->has_least_reader = true;
    return fill;
}

static enum status pipeline_fill_read(struct recover *recover, uint32_t number, Foreset__Fill **ret_fill,
                                      struct error *err)
{
    enum status status = STATUS_OK;
    struct pipeline_fill_files files = {0};
    struct delta_table *table = NULL;
    struct table_log *log = table_logs_at(recover->logs, number, false);
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    arena_init(&files.arena, 0);
    if (log->abandoned) {
        status = error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE,
                           "it was given up with --abandon-table, so nobody knows its rows; take the new table out, or "
                           "start again with --full-refresh");
        goto out;
    }
    TRY(table_log_open_store(log, err));
    TRY(delta_table_open(log->store, DELTA_VERSION_LATEST, DELTA_LOAD_FILES, &table, err));
    while ((add = delta_table_next_file(table, &cursor))) pipeline_fill_push(&files, add);
    pipeline_fill_pending(recover, number, &files);
    *ret_fill = pipeline_fill_make(&files);
out:
    delta_table_close(table);
    vector_deinit(&files.items);
    arena_deinit(&files.arena);
    return status;
}

// ---- The list in the state store ----

static enum status pipeline_fill_store(struct recover *recover, const Foreset__Fill *fill, char key[FILL_KEY_SIZE],
                                       struct error *err)
{
    size_t size = foreset__fill__get_packed_size(fill);
    uint8_t *packed = memory_alloc(size + 1);
    foreset__fill__pack(fill, packed);
    snprintf(key, FILL_KEY_SIZE, "fills/fill-%020llu-%020llu-%016llx.pb",
             (unsigned long long)recover->last->body->epoch, (unsigned long long)recover->context->generation,
             (unsigned long long)hash_64(packed, size, 0));
    enum status status = objstore_put(recover->context->state, key, packed, size, err);
    memory_free(packed);
    if (status == STATUS_UNKNOWN) err->class = ERROR_RETRY;
    return status;
}

enum status pipeline_fill_begin(struct recover *recover, uint32_t node, struct error *err)
{
    enum status status = STATUS_OK;
    const Foreset__Plan *plan = recover->context->plan;
    Foreset__Manifest *last = recover->last->body;
    Foreset__Fill *fill = NULL;
    char key[FILL_KEY_SIZE];
    uint32_t number = 0;
    const Foreset__Table *read = plan_source_table(plan, NULL, plan->nodes[node]->source->path, &number);
    ASSERT(read);
    TRY(pipeline_fill_read(recover, number, &fill, err));
    if (fill->n_adds == 0) goto out;
    TRY(pipeline_fill_store(recover, fill, key, err));
    Foreset__FilesPosition *position = memory_alloc(sizeof *position);
    foreset__files_position__init(position);
    position->source = node;
    position->horizon_us = INT64_MIN;
    position->fill = memory_strdup(key);
    position->has_next = position->has_count = true;
    position->count = fill->n_adds;
    last->files = memory_realloc(last->files, (last->n_files + 1) * sizeof *last->files);
    last->files[last->n_files++] = position;
out:
    if (fill) foreset__fill__free_unpacked(fill, NULL);
    return status == STATUS_OK ? status
                               : error_prefix(err, "filling table %s from %s",
                                              plan->tables[plan->nodes[node]->table]->name, read->name);
}

enum status pipeline_fill_unpack(const void *bytes, size_t size, const char *key, uint64_t count,
                                 Foreset__Fill **ret_fill, struct error *err)
{
    char hash[24];
    snprintf(hash, sizeof hash, "-%016llx.pb", (unsigned long long)hash_64(bytes, size, 0));
    Foreset__Fill *fill = strstr(key, hash) ? foreset__fill__unpack(NULL, size, bytes) : NULL;
    enum status status = STATUS_OK;
    if (fill) {
        uint32_t least = fill->has_least_reader ? fill->least_reader : 0;
        status = format_version_check(FORMAT_FILL, fill->writer, least, err, "%s", key);
    }
    bool whole =
        fill && fill->n_adds == count && fill->n_rows == count && fill->n_epochs == count && fill->n_joined == count;
    if (status == STATUS_OK && !whole) status = error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "it is damaged");
    if (status == STATUS_OK) {
        *ret_fill = fill;
    } else if (fill) {
        foreset__fill__free_unpacked(fill, NULL);
    }
    return status;
}

static enum status pipeline_fill_get(struct recover *recover, const Foreset__FilesPosition *position,
                                     struct pipeline_fill *ret_fill, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *bytes = NULL;
    *ret_fill = (struct pipeline_fill){.node = position->source};
    TRY(objstore_get(recover->context->state, position->fill, &bytes, err));
    TRY(pipeline_fill_unpack(bytes->data, bytes->size_bytes, position->fill, position->count, &ret_fill->lines, err));
out:
    buffer_unref(bytes);
    if (status == STATUS_UNSUPPORTED) return status; // starting again does not help
    if (status == STATUS_NOT_FOUND) err->class = ERROR_FAIL_PIPELINE;
    return status == STATUS_OK ? status
                               : error_prefix(err,
                                              "%s, which says what a new table is filled with; start again with "
                                              "--full-refresh",
                                              position->fill);
}

enum status pipeline_fill_load(struct recover *recover, struct pipeline_fills *ret_fills, struct error *err)
{
    enum status status = STATUS_OK;
    *ret_fills = (struct pipeline_fills){0};
    for (size_t i = 0; recover->last && i < recover->last->body->n_files; i++) {
        const Foreset__FilesPosition *position = recover->last->body->files[i];
        struct pipeline_fill fill;
        if (!position->fill || position->next >= position->count) continue;
        status = pipeline_fill_get(recover, position, &fill, err);
        if (fill.lines) vector_push(&ret_fills->items, fill);
        if (status != STATUS_OK) break;
    }
    return status;
}
