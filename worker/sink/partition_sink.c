// Splits rows by partition values into files. A file that has to make room is finished and a later row of its values
// begins another one. Values that cannot be a folder are found by partition_sink_check, once for each combination of
// values in an epoch; their rows must not be written. Fails with what files fail with, and where a value's type cannot
// partition.
#include "worker/sink/partition_sink.h"

#include <stdio.h>

#include "common/delta/delta_path.h"
#include "common/delta/delta_stats.h"
#include "worker/expr/expr.h"

#define INDEX_FIRST 64u

struct partition {
    uint64_t hash;
    struct column **values; // one row of each partition column
    struct file_sink *file; // NULL: none is open
    char *refused;          // why its values cannot be folders; NULL: they can
    uint64_t used;          // tick of the last write
    uint32_t rows;          // of the batch at hand
    uint32_t at;
};

struct partition_sink {
    const Foreset__Table *table;
    struct file_sink_args args;
    uint32_t key_count;
    uint32_t *keys;    // partition columns: ordinals in the table's schema
    uint32_t *columns; // the others
    VECTOR(struct partition) partitions;
    uint32_t *index; // hash → partition + 1
    uint32_t index_mask;
    uint32_t open;
    uint32_t refused; // partitions whose values cannot be folders
    uint64_t tick;
    uint64_t *hashes;
    uint32_t *places; // partition of each selected row
    uint32_t capacity;
    const struct batch *placed; // the batch that partition_sink_check has just passed: its places are known
    struct partition_sink_files done;
};

enum status partition_sink_create(const Foreset__Table *table, const struct type *table_schema,
                                  const struct file_sink_args *args, struct partition_sink **ret_sink,
                                  struct error *err)
{
    struct partition_sink *sink = memory_calloc(1, sizeof *sink);
    sink->table = table;
    sink->args = *args;
    sink->key_count = (uint32_t)table->n_partition_columns;
    sink->keys = memory_calloc(sink->key_count + (size_t)1, sizeof *sink->keys);
    sink->columns = memory_calloc(table_schema->child_count, sizeof *sink->columns);
    struct field *fields = memory_calloc(table_schema->child_count, sizeof *fields);
    bool *taken = memory_calloc(table_schema->child_count, sizeof *taken);
    enum status status = STATUS_OK;
    uint32_t count = 0;
    for (uint32_t k = 0; k < sink->key_count; k++) {
        int at = type_field_find(table_schema, table->partition_columns[k]);
        if (at < 0) {
            status = error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "table %s has no partition column %s",
                               table->name, table->partition_columns[k]);
            goto out;
        }
        sink->keys[k] = (uint32_t)at;
        taken[at] = true;
    }
    for (uint32_t i = 0; i < table_schema->child_count; i++) {
        if (taken[i]) continue;
        fields[count] = table_schema->children[i];
        sink->columns[count++] = i;
    }
    sink->args.schema = type_struct(fields, count);
    *ret_sink = sink;
out:
    memory_free(fields);
    memory_free(taken);
    if (status != STATUS_OK) partition_sink_destroy(sink);
    return status;
}

static void partitions_forget(struct partition_sink *sink)
{
    for (size_t i = 0; i < sink->partitions.count; i++) {
        struct partition *partition = &sink->partitions.items[i];
        for (uint32_t k = 0; k < sink->key_count; k++) column_unref(partition->values[k]);
        memory_free(partition->values);
        memory_free(partition->refused);
        file_sink_close(partition->file);
    }
    vector_reset(&sink->partitions);
    memory_free(sink->index);
    sink->index = NULL;
    sink->index_mask = 0;
    sink->open = sink->refused = 0;
}

void partition_sink_lane(struct partition_sink *sink, uint32_t lane)
{
    sink->args.lane = lane;
}

void partition_sink_destroy(struct partition_sink *sink)
{
    if (!sink) return;
    partitions_forget(sink);
    for (size_t i = 0; i < sink->done.items.count; i++) {
        file_sink_discard(sink->args.store, sink->done.items.items[i]);
        foreset__data_file__free_unpacked(sink->done.items.items[i], NULL);
    }
    vector_deinit(&sink->done.items);
    vector_deinit(&sink->partitions);
    memory_free(sink->keys);
    memory_free(sink->columns);
    memory_free(sink->hashes);
    memory_free(sink->places);
    memory_free(sink);
}

// The texts of a partition's values, NULL where null; freed by the caller with texts_free.
static enum status partition_texts(struct partition_sink *sink, const struct partition *partition, char **texts,
                                   struct error *err)
{
    for (uint32_t k = 0; k < sink->key_count; k++) {
        struct text text = {0};
        bool null = false;
        enum status status = delta_stats_partition_text(partition->values[k], 0, &text, &null, err);
        if (status != STATUS_OK) {
            text_deinit(&text);
            return error_prefix(err, "table %s, partition column %s", sink->table->name,
                                sink->table->partition_columns[k]);
        }
        texts[k] = null ? NULL : memory_strdup(text_str(&text));
        text_deinit(&text);
    }
    return STATUS_OK;
}

static void texts_free(char **texts, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) memory_free(texts[k]);
    memory_free(texts);
}

static enum status partition_values(struct partition_sink *sink, const struct partition *partition,
                                    Foreset__DataFile *file, struct error *err)
{
    char **texts = memory_calloc(sink->key_count + (size_t)1, sizeof *texts);
    enum status status = partition_texts(sink, partition, texts, err);
    file->partition_values = memory_calloc(sink->key_count + (size_t)1, sizeof *file->partition_values);
    for (uint32_t k = 0; status == STATUS_OK && k < sink->key_count; k++) {
        Foreset__PartitionValue *value = memory_alloc(sizeof *value);
        foreset__partition_value__init(value);
        value->column = memory_strdup(sink->table->partition_columns[k]);
        value->value = texts[k];
        texts[k] = NULL;
        file->partition_values[file->n_partition_values++] = value;
    }
    texts_free(texts, sink->key_count);
    return status;
}

static enum status partition_open(struct partition_sink *sink, struct partition *partition, uint64_t epoch,
                                  uint32_t sequence, struct error *err)
{
    enum status status = STATUS_OK;
    char **texts = memory_calloc(sink->key_count + (size_t)1, sizeof *texts);
    struct text folder = {0};
    TRY(partition_texts(sink, partition, texts, err));
    delta_path_partition((const char *const *)sink->table->partition_columns, (const char *const *)texts,
                         sink->key_count, &folder);
    TRY(file_sink_open(&sink->args, text_str(&folder), epoch, sequence, &partition->file, err));
out:
    texts_free(texts, sink->key_count);
    text_deinit(&folder);
    return status;
}

static enum status partition_close(struct partition_sink *sink, struct partition *partition, int64_t modified_ms,
                                   struct error *err)
{
    Foreset__DataFile *file;
    enum status status = file_sink_finish(partition->file, modified_ms, &file, err);
    if (status != STATUS_OK) return status;
    vector_push(&sink->done.items, file);
    file_sink_close(partition->file);
    partition->file = NULL;
    sink->open--;
    return partition_values(sink, partition, file, err);
}

static enum status make_room(struct partition_sink *sink, struct error *err)
{
    struct partition *oldest = NULL;
    for (size_t i = 0; i < sink->partitions.count; i++) {
        struct partition *partition = &sink->partitions.items[i];
        if (partition->file && (!oldest || partition->used < oldest->used)) oldest = partition;
    }
    ASSERT(oldest);
    return partition_close(sink, oldest, 0, err);
}

// Many open files share what one may buffer: the fullest writes its row group out early.
static enum status keep_bound(struct partition_sink *sink, struct error *err)
{
    uint64_t total = 0, most = 0;
    struct file_sink *fullest = NULL;
    if (sink->open < 2 || sink->args.buffered_bytes_max == 0) return STATUS_OK;
    for (size_t i = 0; i < sink->partitions.count; i++) {
        struct file_sink *file = sink->partitions.items[i].file;
        uint64_t bytes = file ? file_sink_buffered(file) : 0;
        total += bytes;
        if (bytes <= most) continue;
        most = bytes;
        fullest = file;
    }
    return total > sink->args.buffered_bytes_max ? file_sink_flush(fullest, err) : STATUS_OK;
}

static enum status partition_write(struct partition_sink *sink, struct partition *partition, uint64_t epoch,
                                   uint32_t *sequence, const struct batch *batch, struct error *err)
{
    enum status status = STATUS_OK;
    partition->used = ++sink->tick;
    if (!partition->file) {
        if (sink->open == PARTITION_SINK_OPEN_MAX) TRY(make_room(sink, err));
        TRY(partition_open(sink, partition, epoch, (*sequence)++, err));
        sink->open++;
    }
    TRY(file_sink_write(partition->file, batch, err));
    TRY(keep_bound(sink, err));
out:
    return status;
}

static bool partition_is(const struct partition_sink *sink, const struct partition *partition,
                         const struct batch *batch, uint32_t row)
{
    for (uint32_t k = 0; k < sink->key_count; k++) {
        if (column_compare(partition->values[k], 0, batch->columns[sink->keys[k]], row) != 0) return false;
    }
    return true;
}

static void index_put(struct partition_sink *sink, uint32_t number)
{
    uint32_t at = (uint32_t)sink->partitions.items[number].hash & sink->index_mask;
    while (sink->index[at]) at = (at + 1) & sink->index_mask;
    sink->index[at] = number + 1;
}

static void index_grow(struct partition_sink *sink)
{
    uint32_t capacity = sink->index ? (sink->index_mask + 1) * 2 : INDEX_FIRST;
    memory_free(sink->index);
    sink->index = memory_calloc(capacity, sizeof *sink->index);
    sink->index_mask = capacity - 1;
    for (uint32_t i = 0; i < sink->partitions.count; i++) index_put(sink, i);
}

// Why the values cannot be folders of the table, as NULL or a text to be freed. A folder's name has at most NAME_MAX
// bytes, a file's path PATH_MAX, and neither holds NUL.
static enum status partition_refusal(const struct partition_sink *sink, const struct partition *partition,
                                     char **ret_refused, struct error *err)
{
    struct text value = {0}, folder = {0}, refused = {0};
    size_t path = strlen(sink->table->url ? sink->table->url : "") + PARTITION_SINK_FILE_NAME;
    enum status status = STATUS_OK;
    for (uint32_t k = 0; k < sink->key_count && refused.length == 0; k++) {
        const char *column = sink->table->partition_columns[k];
        bool null = false;
        text_reset(&value);
        text_reset(&folder);
        TRY(delta_stats_partition_text(partition->values[k], 0, &value, &null, err));
        delta_path_escape(column, &folder);
        size_t before = folder.length + 1;
        delta_path_escape(null ? "" : text_str(&value), &folder);
        size_t size = folder.length - before + 1;
        path += before + size + 1;
        if (memchr(text_str(&value), 0, value.length)) {
            text_printf(&refused, "partition value of column %s holds the character NUL", column);
        } else if (before + size > PARTITION_SINK_NAME_MAX) {
            text_printf(&refused, "partition value of column %s is %zu bytes as a folder name, the limit is %zu",
                        column, size, (size_t)PARTITION_SINK_NAME_MAX - before);
        }
    }
    if (refused.length == 0 && path > PARTITION_SINK_PATH_MAX) {
        text_printf(&refused, "the partition values make a path of %zu bytes, the limit is %d", path,
                    PARTITION_SINK_PATH_MAX);
    }
out:
    *ret_refused = refused.length ? text_take(&refused) : NULL;
    text_deinit(&value);
    text_deinit(&folder);
    text_deinit(&refused);
    return status == STATUS_OK ? status : error_prefix(err, "table %s", sink->table->name);
}

static enum status partition_add(struct partition_sink *sink, uint64_t hash, const struct batch *batch, uint32_t row,
                                 uint32_t *ret_number, struct error *err)
{
    if (!sink->index || (sink->partitions.count + 1) * 2 > sink->index_mask + (size_t)1) index_grow(sink);
    struct partition partition = {.hash = hash, .values = memory_calloc(sink->key_count, sizeof *partition.values)};
    for (uint32_t k = 0; k < sink->key_count; k++) {
        enum status status =
            column_gather(sink->args.budget, batch->columns[sink->keys[k]], &row, 1, &partition.values[k], err);
        if (status == STATUS_OK) continue;
        while (k > 0) column_unref(partition.values[--k]);
        memory_free(partition.values);
        return status;
    }
    if (sink->key_count > 0) {
        enum status status = partition_refusal(sink, &partition, &partition.refused, err);
        if (status != STATUS_OK) {
            for (uint32_t k = 0; k < sink->key_count; k++) column_unref(partition.values[k]);
            memory_free(partition.values);
            return status;
        }
        if (partition.refused) sink->refused++;
    }
    *ret_number = (uint32_t)sink->partitions.count;
    vector_push(&sink->partitions, partition);
    index_put(sink, *ret_number);
    return STATUS_OK;
}

static enum status partition_find(struct partition_sink *sink, uint64_t hash, const struct batch *batch, uint32_t row,
                                  uint32_t *ret_number, struct error *err)
{
    for (uint32_t at = (uint32_t)hash & sink->index_mask; sink->index && sink->index[at];
         at = (at + 1) & sink->index_mask) {
        uint32_t number = sink->index[at] - 1;
        const struct partition *partition = &sink->partitions.items[number];
        if (partition->hash == hash && partition_is(sink, partition, batch, row)) {
            *ret_number = number;
            return STATUS_OK;
        }
    }
    return partition_add(sink, hash, batch, row, ret_number, err);
}

// The partition of every selected row; rows are counted per partition.
static enum status partition_rows(struct partition_sink *sink, const struct batch *batch, struct error *err)
{
    if (sink->capacity < batch->row_count) {
        sink->capacity = batch->row_count > BATCH_ROWS_MAX ? batch->row_count : BATCH_ROWS_MAX;
        sink->hashes = memory_realloc(sink->hashes, sink->capacity * sizeof *sink->hashes);
        sink->places = memory_realloc(sink->places, sink->capacity * sizeof *sink->places);
    }
    memset(sink->hashes, 0, batch->row_count * sizeof *sink->hashes);
    for (uint32_t k = 0; k < sink->key_count; k++) {
        column_hash(batch->columns[sink->keys[k]], batch->selection, batch->row_count, sink->hashes);
    }
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        bool as_before = i > 0 && sink->hashes[i] == sink->hashes[i - 1] &&
                         partition_is(sink, &sink->partitions.items[sink->places[i - 1]], batch, row);
        if (as_before) {
            sink->places[i] = sink->places[i - 1];
        } else {
            enum status status = partition_find(sink, sink->hashes[i], batch, row, &sink->places[i], err);
            if (status != STATUS_OK) return status;
        }
        sink->partitions.items[sink->places[i]].rows++;
    }
    return STATUS_OK;
}

// The columns of the file over the rows of the batch.
static struct batch *file_batch(const struct partition_sink *sink, struct batch *batch)
{
    if (sink->key_count == 0 && batch->schema == sink->args.schema) return batch_ref(batch);
    uint32_t count = sink->args.schema->child_count;
    struct column **columns = memory_calloc(count + (size_t)1, sizeof *columns);
    for (uint32_t i = 0; i < count; i++) columns[i] = column_ref(batch->columns[sink->columns[i]]);
    struct batch *derived = batch_derive(batch, sink->args.schema, columns);
    memory_free(columns);
    return derived;
}

static enum status write_split(struct partition_sink *sink, uint64_t epoch, uint32_t *sequence, struct batch *batch,
                               struct error *err)
{
    uint32_t total = batch->row_count;
    uint32_t *sorted = memory_alloc((total + (size_t)1) * sizeof *sorted);
    uint32_t from = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sink->partitions.count; i++) {
        sink->partitions.items[i].at = from;
        from += sink->partitions.items[i].rows;
    }
    for (uint32_t i = 0; i < total; i++) sorted[sink->partitions.items[sink->places[i]].at++] = batch_row(batch, i);
    for (size_t i = 0; i < sink->partitions.count; i++) {
        struct partition *partition = &sink->partitions.items[i];
        uint32_t rows = partition->rows;
        partition->rows = 0;
        if (rows == 0 || status != STATUS_OK) continue;
        struct buffer *selection;
        status = buffer_create(sink->args.budget, rows * sizeof(uint32_t), &selection, err);
        if (status != STATUS_OK) continue;
        memcpy(selection->data, sorted + partition->at - rows, rows * sizeof(uint32_t));
        struct batch *share = batch_select(batch, selection, rows);
        status = partition_write(sink, partition, epoch, sequence, share, err);
        batch_unref(share);
    }
    memory_free(sorted);
    return status;
}

enum status partition_sink_check(struct partition_sink *sink, const struct batch *batch, struct expr_errors *errors,
                                 struct error *err)
{
    if (sink->key_count == 0) return STATUS_OK;
    enum status status = partition_rows(sink, batch, err);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; sink->refused > 0 && i < batch->row_count; i++) {
        const char *refused = sink->partitions.items[sink->places[i]].refused;
        if (!refused) continue;
        struct expr_row_error error = {.row = batch_row(batch, i), .message = memory_strdup(refused)};
        snprintf(error.condition, sizeof error.condition, "%s", PARTITION_SINK_CONDITION);
        vector_push(&errors->items, error);
    }
    sink->placed = batch;
    if (errors->items.count > 0) partition_sink_unplace(sink);
    return STATUS_OK;
}

void partition_sink_unplace(struct partition_sink *sink)
{
    if (!sink->placed) return;
    for (size_t i = 0; i < sink->partitions.count; i++) sink->partitions.items[i].rows = 0;
    sink->placed = NULL;
}

enum status partition_sink_write(struct partition_sink *sink, uint64_t epoch, uint32_t *sequence, struct batch *batch,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    struct batch *file = NULL;
    if (sink->placed != batch) TRY(partition_rows(sink, batch, err));
    sink->placed = NULL;
    file = file_batch(sink, batch);
    if (sink->partitions.items[sink->places[0]].rows == batch->row_count) {
        struct partition *only = &sink->partitions.items[sink->places[0]];
        only->rows = 0;
        TRY(partition_write(sink, only, epoch, sequence, file, err));
    } else {
        TRY(write_split(sink, epoch, sequence, file, err));
    }
out:
    batch_unref(file);
    return status;
}

static void files_take(struct partition_sink *sink, int64_t modified_ms, struct partition_sink_files *files)
{
    for (size_t i = 0; i < sink->done.items.count; i++) {
        sink->done.items.items[i]->modified_ms = modified_ms;
        vector_push(&files->items, sink->done.items.items[i]);
    }
    vector_reset(&sink->done.items);
    partitions_forget(sink);
}

enum status partition_sink_finish(struct partition_sink *sink, int64_t modified_ms, struct partition_sink_files *files,
                                  struct error *err)
{
    for (size_t i = 0; i < sink->partitions.count; i++) {
        if (!sink->partitions.items[i].file) continue;
        enum status status = partition_close(sink, &sink->partitions.items[i], modified_ms, err);
        if (status != STATUS_OK) return status;
    }
    files_take(sink, modified_ms, files);
    return STATUS_OK;
}

enum status partition_sink_seal(struct partition_sink *sink, int64_t modified_ms, struct partition_sink_files *files,
                                struct error *err)
{
    for (size_t i = 0; i < sink->partitions.count; i++) {
        struct partition *partition = &sink->partitions.items[i];
        if (!partition->file) continue;
        struct file_sink_rest rest = {partition->file, file_sink_seal(partition->file, modified_ms)};
        enum status status = partition_values(sink, partition, rest.file, err);
        if (status != STATUS_OK) {
            foreset__data_file__free_unpacked(rest.file, NULL);
            return status;
        }
        partition->file = NULL;
        sink->open--;
        vector_push(&files->items, rest.file);
        vector_push(&files->rest, rest);
    }
    files_take(sink, modified_ms, files);
    return STATUS_OK;
}
