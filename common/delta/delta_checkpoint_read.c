// Reading log checkpoints: see delta_checkpoint.h. The Parquet reader finds columns by name and lists and maps by
// annotation, so the files of Spark, delta-rs and Foreset read alike; columns that a file lacks are null.
// Foreign checkpoints may carry statistics only as stats_parsed: then add.stats stays absent.
#include <string.h>

#include "common/delta/delta_checkpoint.h"
#include "common/delta/delta_checkpoint_schema.h"
#include "common/parquet/parquet_reader.h"

static const char *row_text(const struct column *column, uint32_t row, struct arena *arena)
{
    if (column_is_null(column, row)) return NULL;
    struct slice slice = column_slice(column, row);
    return arena_strndup(arena, slice.data, slice.length);
}

static int64_t row_i64(const struct column *column, uint32_t row, int64_t absent)
{
    return column_is_null(column, row) ? absent : column->i64[row];
}

static int32_t row_i32(const struct column *column, uint32_t row)
{
    return column_is_null(column, row) ? 0 : column->i32[row];
}

static bool row_bool(const struct column *column, uint32_t row, bool absent)
{
    return column_is_null(column, row) ? absent : column->boolean[row] != 0;
}

static struct delta_map row_map(const struct column *column, uint32_t row, struct arena *arena)
{
    struct delta_map map = {0};
    if (column_is_null(column, row)) return map;
    uint32_t from = (uint32_t)column->offsets[row], count = (uint32_t)column->offsets[row + 1] - from;
    map.items = arena_calloc(arena, count, sizeof *map.items);
    for (uint32_t i = 0; i < count; i++) {
        const char *key = row_text(column->children[0], from + i, arena);
        if (!key) continue;
        map.items[map.count++] = (struct delta_pair){key, row_text(column->children[1], from + i, arena)};
    }
    return map;
}

static struct delta_strings row_strings(const struct column *column, uint32_t row, struct arena *arena)
{
    struct delta_strings strings = {0};
    if (column_is_null(column, row)) return strings;
    uint32_t from = (uint32_t)column->offsets[row], count = (uint32_t)column->offsets[row + 1] - from;
    strings.present = true;
    strings.items = arena_calloc(arena, count, sizeof *strings.items);
    for (uint32_t i = 0; i < count; i++) {
        const char *text = row_text(column->children[0], from + i, arena);
        if (text) strings.items[strings.count++] = text;
    }
    return strings;
}

static const struct delta_deletion_vector *row_dv(const struct column *column, uint32_t row, struct arena *arena)
{
    if (column_is_null(column, row) || column_is_null(column->children[DV_STORAGE], row)) return NULL;
    struct delta_deletion_vector *dv = arena_calloc(arena, 1, sizeof *dv);
    dv->storage_type = row_text(column->children[DV_STORAGE], row, arena);
    dv->path_or_inline_dv = row_text(column->children[DV_PATH], row, arena);
    dv->has_offset = !column_is_null(column->children[DV_OFFSET], row);
    dv->offset = row_i32(column->children[DV_OFFSET], row);
    dv->size_bytes = row_i32(column->children[DV_SIZE], row);
    dv->cardinality = row_i64(column->children[DV_CARDINALITY], row, 0);
    return dv->path_or_inline_dv ? dv : NULL;
}

static struct delta_add row_add(const struct column *column, uint32_t row, struct arena *arena)
{
    struct column **field = column->children;
    return (struct delta_add){.path = row_text(field[ADD_PATH], row, arena),
                              .partition_values = row_map(field[ADD_PARTITION_VALUES], row, arena),
                              .size_bytes = row_i64(field[ADD_SIZE], row, 0),
                              .modified_ms = row_i64(field[ADD_MODIFIED], row, 0),
                              .data_change = row_bool(field[ADD_DATA_CHANGE], row, false),
                              .tags = row_map(field[ADD_TAGS], row, arena),
                              .deletion_vector = row_dv(field[ADD_DV], row, arena),
                              .base_row_id = row_i64(field[ADD_BASE_ROW_ID], row, INT64_MIN),
                              .default_row_commit_version = row_i64(field[ADD_ROW_COMMIT_VERSION], row, INT64_MIN),
                              .clustering_provider = row_text(field[ADD_CLUSTERING], row, arena),
                              .stats = row_text(field[ADD_STATS], row, arena)};
}

static struct delta_remove row_remove(const struct column *column, uint32_t row, struct arena *arena)
{
    struct column **field = column->children;
    return (struct delta_remove){.path = row_text(field[REMOVE_PATH], row, arena),
                                 .deletion_ms = row_i64(field[REMOVE_DELETED], row, 0),
                                 .data_change = row_bool(field[REMOVE_DATA_CHANGE], row, false),
                                 .extended = row_bool(field[REMOVE_EXTENDED], row, false),
                                 .partition_values = row_map(field[REMOVE_PARTITION_VALUES], row, arena),
                                 .size_bytes = row_i64(field[REMOVE_SIZE], row, 0),
                                 .deletion_vector = row_dv(field[REMOVE_DV], row, arena),
                                 .base_row_id = row_i64(field[REMOVE_BASE_ROW_ID], row, INT64_MIN),
                                 .default_row_commit_version =
                                     row_i64(field[REMOVE_ROW_COMMIT_VERSION], row, INT64_MIN)};
}

static struct delta_metadata row_metadata(const struct column *column, uint32_t row, struct arena *arena)
{
    struct column **field = column->children;
    struct delta_metadata metadata = {.id = row_text(field[METADATA_ID], row, arena),
                                      .name = row_text(field[METADATA_NAME], row, arena),
                                      .description = row_text(field[METADATA_DESCRIPTION], row, arena),
                                      .schema_string = row_text(field[METADATA_SCHEMA], row, arena),
                                      .partition_columns = row_strings(field[METADATA_PARTITIONS], row, arena),
                                      .configuration = row_map(field[METADATA_CONFIGURATION], row, arena),
                                      .created_time_ms = row_i64(field[METADATA_CREATED], row, 0)};
    const struct column *format = field[METADATA_FORMAT];
    if (!column_is_null(format, row)) {
        metadata.format_provider = row_text(format->children[FORMAT_PROVIDER], row, arena);
        metadata.format_options = row_map(format->children[FORMAT_OPTIONS], row, arena);
    }
    return metadata;
}

static struct delta_protocol row_protocol(const struct column *column, uint32_t row, struct arena *arena)
{
    struct column **field = column->children;
    return (struct delta_protocol){.min_reader_version = row_i32(field[PROTOCOL_READER], row),
                                   .min_writer_version = row_i32(field[PROTOCOL_WRITER], row),
                                   .reader_features = row_strings(field[PROTOCOL_READER_FEATURES], row, arena),
                                   .writer_features = row_strings(field[PROTOCOL_WRITER_FEATURES], row, arena)};
}

// The action of one column of a row. False: a required field is missing.
static bool row_action(enum checkpoint_column which, const struct column *column, uint32_t row, struct arena *arena,
                       struct delta_action *action)
{
    switch (which) {
    case CHECKPOINT_TXN:
        action->kind = DELTA_ACTION_TXN;
        action->txn = (struct delta_txn){row_text(column->children[TXN_APP_ID], row, arena),
                                         row_i64(column->children[TXN_VERSION], row, 0),
                                         row_i64(column->children[TXN_LAST_UPDATED], row, 0)};
        return action->txn.app_id != NULL;
    case CHECKPOINT_ADD:
        action->kind = DELTA_ACTION_ADD;
        action->add = row_add(column, row, arena);
        return action->add.path != NULL && action->add.size_bytes >= 0;
    case CHECKPOINT_REMOVE:
        action->kind = DELTA_ACTION_REMOVE;
        action->remove = row_remove(column, row, arena);
        return action->remove.path != NULL;
    case CHECKPOINT_METADATA:
        action->kind = DELTA_ACTION_METADATA;
        action->metadata = row_metadata(column, row, arena);
        return action->metadata.id != NULL;
    case CHECKPOINT_PROTOCOL:
        action->kind = DELTA_ACTION_PROTOCOL;
        action->protocol = row_protocol(column, row, arena);
        return true;
    case CHECKPOINT_DOMAIN:
        action->kind = DELTA_ACTION_DOMAIN;
        action->domain = (struct delta_domain){row_text(column->children[DOMAIN_NAME], row, arena),
                                               row_text(column->children[DOMAIN_CONFIGURATION], row, arena),
                                               row_bool(column->children[DOMAIN_REMOVED], row, false)};
        return action->domain.domain != NULL;
    case CHECKPOINT_SIDECAR:
        action->kind = DELTA_ACTION_SIDECAR;
        action->sidecar = (struct delta_sidecar){row_text(column->children[SIDECAR_PATH], row, arena),
                                                 row_i64(column->children[SIDECAR_SIZE], row, 0),
                                                 row_i64(column->children[SIDECAR_MODIFIED], row, 0)};
        return action->sidecar.path != NULL;
    case CHECKPOINT_COLUMNS: break;
    }
    return false;
}

static enum status checkpoint_visit_batch(const struct batch *batch, bool files, struct arena *arena,
                                          delta_checkpoint_visit visit, void *context, struct error *err)
{
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        for (int which = 0; which < CHECKPOINT_COLUMNS; which++) {
            const struct column *column = batch->columns[which];
            if (column_is_null(column, row)) continue;
            if (!files && (which == CHECKPOINT_ADD || which == CHECKPOINT_REMOVE)) continue;
            struct delta_action action;
            if (!row_action((enum checkpoint_column)which, column, row, arena, &action)) {
                return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "an action '%s' lacks a required field",
                                 batch->schema->children[which].name);
            }
            enum status status = visit(context, &action, err);
            if (status != STATUS_OK) return status;
        }
        if (arena->used_bytes > (1u << 20)) arena_reset(arena);
    }
    return STATUS_OK;
}

static enum status checkpoint_read_parquet(struct buffer *bytes, bool files, delta_checkpoint_visit visit,
                                           void *context, struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_reader *reader = NULL;
    struct arena arena;
    arena_init(&arena, 0);
    TRY(parquet_reader_open_bytes(bytes, bytes->size_bytes, NULL, &reader, err));
    TRY(parquet_reader_project(reader, delta_checkpoint_schema_read(files), err));
    for (;;) {
        struct batch *batch = NULL;
        TRY(parquet_reader_next(reader, &batch, err));
        if (!batch) break;
        status = checkpoint_visit_batch(batch, files, &arena, visit, context, err);
        batch_unref(batch);
        if (status != STATUS_OK) goto out;
    }
out:
    parquet_reader_close(reader);
    arena_deinit(&arena);
    return status;
}

static enum status checkpoint_read_json(const struct buffer *bytes, bool files, delta_checkpoint_visit visit,
                                        void *context, struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_commit *commit = NULL;
    TRY(delta_log_commit_parse((const char *)bytes->data, bytes->size_bytes, 0, &commit, err));
    for (size_t i = 0; i < commit->actions.count; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        bool is_file = action->kind == DELTA_ACTION_ADD || action->kind == DELTA_ACTION_REMOVE;
        if (files || !is_file) TRY(visit(context, action, err));
    }
out:
    delta_log_commit_destroy(commit);
    return status;
}

enum status delta_checkpoint_read(struct objstore *store, const char *key, bool files, delta_checkpoint_visit visit,
                                  void *context, struct error *err)
{
    struct buffer *bytes = NULL;
    enum status status = objstore_get(store, key, &bytes, err);
    if (status != STATUS_OK) return status;
    size_t length = strlen(key);
    if (length > 5 && strcmp(key + length - 5, ".json") == 0) {
        status = checkpoint_read_json(bytes, files, visit, context, err);
    } else {
        status = checkpoint_read_parquet(bytes, files, visit, context, err);
    }
    buffer_unref(bytes);
    if (status != STATUS_OK && err) (void)error_prefix(err, "log checkpoint %s/%s", store->url, key);
    return status;
}
