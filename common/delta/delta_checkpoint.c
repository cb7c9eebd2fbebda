// Writing log checkpoints: see delta_checkpoint.h, Delta protocol, Checkpoints.
// Steps: open the table at the version with files and tombstones; rows to Parquet in memory; put the file if absent;
// then _last_checkpoint, unless it names a newer one that exists. What can fail: anything before the put leaves
// nothing; between the two puts the hint is old, which readers expect. Hadoop's .crc beside _last_checkpoint would no
// longer fit, so it is removed.
#include "common/delta/delta_checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/delta/delta_checkpoint_schema.h"
#include "common/delta/delta_path.h"
#include "common/parquet/parquet_writer.h"

enum { CHECKPOINT_WRITTEN = CHECKPOINT_SIDECAR, CHECKPOINT_BATCH_ROWS = 4096 };
#define CHECKPOINT_WEEK_MS (INT64_C(7) * 86400 * 1000)

struct checkpoint_writer {
    const struct type *schema;
    struct budget *budget;
    struct column_builder *builders[CHECKPOINT_WRITTEN];
    struct parquet_writer *parquet;
    struct buffer *bytes;
    size_t size;
    uint64_t rows, adds;
    bool without_stats;       // delta.checkpoint.writeStatsAsJson = false
    delta_commit_guard guard; // NULL: nobody needs to be asked
    const void *guard_context;
};

static enum status checkpoint_sink(void *context, const void *bytes, size_t size, struct error *err)
{
    struct checkpoint_writer *writer = context;
    size_t want = writer->size + size;
    if (want > writer->bytes->size_bytes) {
        size_t grown = writer->bytes->size_bytes * 2;
        enum status status = buffer_grow(writer->bytes, grown > want ? grown : want, err);
        if (status != STATUS_OK) return status;
    }
    memcpy(writer->bytes->data + writer->size, bytes, size);
    writer->size = want;
    return STATUS_OK;
}

// ---- values

static enum status put_text(struct column_builder *parent, uint32_t child, const char *text, struct error *err)
{
    struct column_builder *builder = column_builder_child(parent, child);
    return text ? column_builder_bytes(builder, text, strlen(text), err) : column_builder_null(builder, err);
}

// value == absent: null
static enum status put_i64(struct column_builder *parent, uint32_t child, int64_t value, int64_t absent,
                           struct error *err)
{
    struct column_builder *builder = column_builder_child(parent, child);
    return value == absent ? column_builder_null(builder, err) : column_builder_fixed(builder, &value, err);
}

static enum status put_i32(struct column_builder *parent, uint32_t child, int32_t value, struct error *err)
{
    return column_builder_fixed(column_builder_child(parent, child), &value, err);
}

static enum status put_bool(struct column_builder *parent, uint32_t child, bool value, struct error *err)
{
    uint8_t byte = value;
    return column_builder_fixed(column_builder_child(parent, child), &byte, err);
}

static enum status put_map(struct column_builder *parent, uint32_t child, const struct delta_map *map,
                           struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *builder = column_builder_child(parent, child);
    for (uint32_t i = 0; i < map->count; i++) {
        TRY(put_text(builder, 0, map->items[i].key, err));
        TRY(put_text(builder, 1, map->items[i].value, err));
    }
    TRY(column_builder_nested(builder, err));
out:
    return status;
}

static enum status put_strings(struct column_builder *parent, uint32_t child, const struct delta_strings *strings,
                               bool always, struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *builder = column_builder_child(parent, child);
    if (!strings->present && !always) return column_builder_null(builder, err);
    for (uint32_t i = 0; i < strings->count; i++) TRY(put_text(builder, 0, strings->items[i], err));
    TRY(column_builder_nested(builder, err));
out:
    return status;
}

static enum status put_dv(struct column_builder *parent, uint32_t child, const struct delta_deletion_vector *dv,
                          struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *builder = column_builder_child(parent, child);
    if (!dv) return column_builder_null(builder, err);
    TRY(put_text(builder, DV_STORAGE, dv->storage_type, err));
    TRY(put_text(builder, DV_PATH, dv->path_or_inline_dv, err));
    if (dv->has_offset) {
        TRY(put_i32(builder, DV_OFFSET, dv->offset, err));
    } else {
        TRY(column_builder_null(column_builder_child(builder, DV_OFFSET), err));
    }
    TRY(put_i32(builder, DV_SIZE, dv->size_bytes, err));
    TRY(put_i64(builder, DV_CARDINALITY, dv->cardinality, INT64_MIN, err));
    TRY(column_builder_null(column_builder_child(builder, DV_CARDINALITY + 1), err)); // maxRowIndex
    TRY(column_builder_nested(builder, err));
out:
    return status;
}

// ---- rows

static enum status checkpoint_flush(struct checkpoint_writer *writer, struct error *err)
{
    struct batch *batch;
    if (column_builder_length(writer->builders[0]) == 0) return STATUS_OK;
    enum status status = batch_build(writer->schema, writer->builders, &batch, err);
    if (status != STATUS_OK) return status;
    status = parquet_writer_write(writer->parquet, batch, err);
    batch_unref(batch);
    return status;
}

// Ends a row whose column `which` has its fields: nulls in the other columns.
static enum status checkpoint_row(struct checkpoint_writer *writer, enum checkpoint_column which, struct error *err)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < CHECKPOINT_WRITTEN; i++) {
        if (i == (int)which) {
            TRY(column_builder_nested(writer->builders[i], err));
        } else {
            TRY(column_builder_null(writer->builders[i], err));
        }
    }
    writer->rows++;
    if (column_builder_length(writer->builders[0]) == CHECKPOINT_BATCH_ROWS) TRY(checkpoint_flush(writer, err));
out:
    return status;
}

static enum status checkpoint_add(struct checkpoint_writer *writer, const struct delta_add *add, struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *row = writer->builders[CHECKPOINT_ADD];
    TRY(put_text(row, ADD_PATH, add->path, err));
    TRY(put_map(row, ADD_PARTITION_VALUES, &add->partition_values, err));
    TRY(put_i64(row, ADD_SIZE, add->size_bytes, INT64_MIN, err));
    TRY(put_i64(row, ADD_MODIFIED, add->modified_ms, INT64_MIN, err));
    TRY(put_bool(row, ADD_DATA_CHANGE, false, err)); // as in Spark: a checkpoint changes no data
    if (add->tags.count) {
        TRY(put_map(row, ADD_TAGS, &add->tags, err));
    } else {
        TRY(column_builder_null(column_builder_child(row, ADD_TAGS), err));
    }
    TRY(put_dv(row, ADD_DV, add->deletion_vector, err));
    TRY(put_i64(row, ADD_BASE_ROW_ID, add->base_row_id, INT64_MIN, err));
    TRY(put_i64(row, ADD_ROW_COMMIT_VERSION, add->default_row_commit_version, INT64_MIN, err));
    TRY(put_text(row, ADD_CLUSTERING, add->clustering_provider, err));
    TRY(put_text(row, ADD_STATS, writer->without_stats ? NULL : add->stats, err));
    TRY(checkpoint_row(writer, CHECKPOINT_ADD, err));
    writer->adds++;
out:
    return status;
}

static enum status checkpoint_remove(struct checkpoint_writer *writer, const struct delta_remove *remove,
                                     struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *row = writer->builders[CHECKPOINT_REMOVE];
    TRY(put_text(row, REMOVE_PATH, remove->path, err));
    TRY(put_i64(row, REMOVE_DELETED, remove->deletion_ms, 0, err));
    TRY(put_bool(row, REMOVE_DATA_CHANGE, false, err));
    TRY(put_bool(row, REMOVE_EXTENDED, remove->extended, err));
    if (remove->extended) {
        TRY(put_map(row, REMOVE_PARTITION_VALUES, &remove->partition_values, err));
    } else {
        TRY(column_builder_null(column_builder_child(row, REMOVE_PARTITION_VALUES), err));
    }
    TRY(put_i64(row, REMOVE_SIZE, remove->extended ? remove->size_bytes : INT64_MIN, INT64_MIN, err));
    TRY(put_dv(row, REMOVE_DV, remove->deletion_vector, err));
    TRY(put_i64(row, REMOVE_BASE_ROW_ID, remove->base_row_id, INT64_MIN, err));
    TRY(put_i64(row, REMOVE_ROW_COMMIT_VERSION, remove->default_row_commit_version, INT64_MIN, err));
    TRY(checkpoint_row(writer, CHECKPOINT_REMOVE, err));
out:
    return status;
}

static enum status checkpoint_metadata(struct checkpoint_writer *writer, const struct delta_metadata *metadata,
                                       struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *row = writer->builders[CHECKPOINT_METADATA];
    struct column_builder *format = column_builder_child(row, METADATA_FORMAT);
    TRY(put_text(row, METADATA_ID, metadata->id, err));
    TRY(put_text(row, METADATA_NAME, metadata->name, err));
    TRY(put_text(row, METADATA_DESCRIPTION, metadata->description, err));
    TRY(put_text(format, FORMAT_PROVIDER, metadata->format_provider ? metadata->format_provider : "parquet", err));
    TRY(put_map(format, FORMAT_OPTIONS, &metadata->format_options, err));
    TRY(column_builder_nested(format, err));
    TRY(put_text(row, METADATA_SCHEMA, metadata->schema_string, err));
    TRY(put_strings(row, METADATA_PARTITIONS, &metadata->partition_columns, true, err));
    TRY(put_map(row, METADATA_CONFIGURATION, &metadata->configuration, err));
    TRY(put_i64(row, METADATA_CREATED, metadata->created_time_ms, 0, err));
    TRY(checkpoint_row(writer, CHECKPOINT_METADATA, err));
out:
    return status;
}

static enum status checkpoint_protocol(struct checkpoint_writer *writer, const struct delta_protocol *protocol,
                                       struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *row = writer->builders[CHECKPOINT_PROTOCOL];
    TRY(put_i32(row, PROTOCOL_READER, protocol->min_reader_version, err));
    TRY(put_i32(row, PROTOCOL_WRITER, protocol->min_writer_version, err));
    TRY(put_strings(row, PROTOCOL_READER_FEATURES, &protocol->reader_features, false, err));
    TRY(put_strings(row, PROTOCOL_WRITER_FEATURES, &protocol->writer_features, false, err));
    TRY(checkpoint_row(writer, CHECKPOINT_PROTOCOL, err));
out:
    return status;
}

static enum status checkpoint_small(struct checkpoint_writer *writer, const struct delta_table *table,
                                    struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < table->txns.count; i++) {
        struct column_builder *row = writer->builders[CHECKPOINT_TXN];
        const struct delta_txn *txn = &table->txns.items[i];
        TRY(put_text(row, TXN_APP_ID, txn->app_id, err));
        TRY(put_i64(row, TXN_VERSION, txn->version, INT64_MIN, err));
        TRY(put_i64(row, TXN_LAST_UPDATED, txn->last_updated_ms, 0, err));
        TRY(checkpoint_row(writer, CHECKPOINT_TXN, err));
    }
    for (size_t i = 0; i < table->domains.count; i++) {
        struct column_builder *row = writer->builders[CHECKPOINT_DOMAIN];
        TRY(put_text(row, DOMAIN_NAME, table->domains.items[i].domain, err));
        TRY(put_text(row, DOMAIN_CONFIGURATION, table->domains.items[i].configuration, err));
        TRY(put_bool(row, DOMAIN_REMOVED, false, err));
        TRY(checkpoint_row(writer, CHECKPOINT_DOMAIN, err));
    }
out:
    return status;
}

// "interval 1 week", "interval 168 hours"; -1 if it is not understood.
static int64_t checkpoint_retention_ms(const struct delta_table *table)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {
        {"week", CHECKPOINT_WEEK_MS}, {"day", 86400000}, {"hour", 3600000}, {"minute", 60000}, {"second", 1000}};
    const char *text = delta_table_property(table, "delta.deletedFileRetentionDuration");
    if (!text) return CHECKPOINT_WEEK_MS;
    if (strncasecmp(text, "interval ", 9) == 0) text += 9;
    char *unit;
    long count = strtol(text, &unit, 10);
    while (*unit == ' ') unit++;
    size_t letters = strlen(unit);
    if (letters && (unit[letters - 1] == 's' || unit[letters - 1] == 'S')) letters--;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (letters != strlen(units[i].unit) || strncasecmp(unit, units[i].unit, letters) != 0) continue;
        if (count >= 0 && count < INT64_MAX / units[i].ms) return count * units[i].ms;
    }
    return -1;
}

static enum status checkpoint_rows(struct checkpoint_writer *writer, const struct delta_table *table, int64_t now_ms,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    int64_t retention_ms = checkpoint_retention_ms(table);
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    const struct delta_remove *remove;
    TRY(checkpoint_protocol(writer, &table->protocol, err));
    TRY(checkpoint_metadata(writer, &table->metadata, err));
    TRY(checkpoint_small(writer, table, err));
    while ((add = delta_table_next_file(table, &cursor))) TRY(checkpoint_add(writer, add, err));
    cursor.at = 0;
    while ((remove = delta_table_next_remove(table, &cursor))) {
        if (retention_ms >= 0 && remove->deletion_ms <= now_ms - retention_ms) continue;
        TRY(checkpoint_remove(writer, remove, err));
    }
    TRY(checkpoint_flush(writer, err));
    TRY(parquet_writer_finish(writer->parquet, err));
out:
    return status;
}

static enum status checkpoint_may(const struct checkpoint_writer *writer, struct error *err)
{
    return writer->guard ? writer->guard(writer->guard_context, err) : STATUS_OK;
}

static enum status checkpoint_put_hint(struct objstore *store, int64_t version, const struct checkpoint_writer *writer,
                                       struct error *err)
{
    int64_t hint;
    struct text text = {0};
    enum status status = delta_log_checkpoint_beyond(store, version, &hint, err);
    if (status != STATUS_OK || hint > version) return status;
    text_printf(&text, "{\"version\":%ld,\"size\":%lu,\"sizeInBytes\":%lu,\"numOfAddFiles\":%lu}", (long)version,
                (unsigned long)writer->rows, (unsigned long)writer->size, (unsigned long)writer->adds);
    TRY(checkpoint_may(writer, err));
    TRY(objstore_remove(store, "_delta_log/._last_checkpoint.crc", err));
    TRY(checkpoint_may(writer, err));
    TRY(objstore_put(store, "_delta_log/_last_checkpoint", text_str(&text), text.length, err));
out:
    text_deinit(&text);
    return status;
}

static enum status checkpoint_put(struct objstore *store, int64_t version, const struct checkpoint_writer *writer,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    char key[DELTA_PATH_NAME_SIZE];
    delta_path_checkpoint(version, key);
    TRY(FAILPOINT("checkpoint.before", err));
    TRY(checkpoint_may(writer, err));
    status = objstore_put_if_absent(store, key, writer->bytes->data, writer->size, err);
    if (status == STATUS_EXISTS) return STATUS_OK; // another writer was first
    if (status != STATUS_OK) return status;
    TRY(checkpoint_put_hint(store, version, writer, err));
    TRY(FAILPOINT("checkpoint.after", err));
out:
    return status;
}

enum status delta_checkpoint_write(struct objstore *store, int64_t version, int64_t now_ms, struct budget *budget,
                                   struct error *err)
{
    return delta_checkpoint_write_guarded(store, version, now_ms, budget, NULL, NULL, err);
}

enum status delta_checkpoint_write_guarded(struct objstore *store, int64_t version, int64_t now_ms,
                                           struct budget *budget, delta_commit_guard guard, const void *context,
                                           struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_table *table = NULL;
    struct checkpoint_writer writer = {
        .schema = delta_checkpoint_schema_written(), .budget = budget, .guard = guard, .guard_context = context};
    struct parquet_writer_options options = {.codec = PARQUET_SNAPPY, .checkpoint = true};
    TRY(delta_table_open(store, version, DELTA_LOAD_REMOVES, &table, err));
    TRY(delta_table_check_write(table, false, err));
    const char *policy = delta_table_property(table, "delta.checkpointPolicy");
    if (policy && strcasecmp(policy, "v2") == 0) {
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                      "%s: delta.checkpointPolicy = v2, such log checkpoints are not written yet", store->url));
    }
    const char *stats = delta_table_property(table, "delta.checkpoint.writeStatsAsJson");
    writer.without_stats = stats && strcasecmp(stats, "false") == 0;
    TRY(buffer_create(budget, 1 << 16, &writer.bytes, err));
    for (uint32_t i = 0; i < CHECKPOINT_WRITTEN; i++) {
        writer.builders[i] = column_builder_create(budget, writer.schema->children[i].type);
    }
    TRY(parquet_writer_create(writer.schema, &options, budget, checkpoint_sink, &writer, &writer.parquet, err));
    TRY(checkpoint_rows(&writer, table, now_ms, err));
    TRY(checkpoint_put(store, version, &writer, err));
out:
    parquet_writer_destroy(writer.parquet);
    for (int i = 0; i < CHECKPOINT_WRITTEN; i++) column_builder_destroy(writer.builders[i]);
    buffer_unref(writer.bytes);
    delta_table_close(table);
    return status;
}

int64_t delta_checkpoint_interval(const struct delta_table *table)
{
    const char *text = delta_table_property(table, "delta.checkpointInterval");
    int64_t interval;
    return text && text_parse_i64(text, &interval) && interval > 0 ? interval : 10;
}
