// Filtering. The happy path: the keys of all rows of `by` become a set of 128-bit hashes; each file is read by row
// groups, the rows whose key is not in the set go to a new file in the same folder; the file is made durable. In
// memory are the set, 16 bytes a key in the budget, and a row group's columns.
//
// What can fail: a file that is not there or damaged (its name is in the message), the store, the budget. A file that
// was begun is removed. After a crash the copies are orphans: their names carry a fresh uuid and begin with "rest-", so
// that neither a later attempt nor cleaning (P24) meets them.
#include "coordinator/commit/file_filter.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/failpoint.h"
#include "common/base/hash.h"
#include "common/delta/delta_path.h"
#include "common/delta/delta_scan.h"
#include "common/delta/delta_stats.h"
#include "common/parquet/parquet_writer.h"

enum { FILTER_SLOTS_MIN = 1024 };

struct filter_set {
    struct hash128 *slots; // {0, 0}: free
    size_t capacity, used; // capacity: a power of two
    struct budget *budget;
};
struct filter {
    const struct file_filter_args *args;
    const struct type *keys;             // struct type of the key columns
    const struct type *rows;             // of what a data file holds: no partition columns
    uint32_t *key_columns, *row_columns; // ordinals in the table's schema
    struct filter_set set;
    struct text bytes; // of the key at hand
};

// ---- Keys ----

static void filter_put(struct text *bytes, uint64_t value)
{
    text_append(bytes, (const char *)&value, sizeof value);
}

static void filter_put_double(struct text *bytes, double value)
{
    uint64_t bits;
    if (value == 0.0) value = 0.0; // -0.0
    memcpy(&bits, &value, sizeof bits);
    filter_put(bytes, isnan(value) ? UINT64_C(0x7FF8000000000000) : bits);
}

// Equal by Spark's grouping equality exactly if the bytes are equal.
static void filter_key(const struct column *column, uint32_t row, struct text *bytes)
{
    bool null = column_is_null(column, row) || column->type->kind == TYPE_VOID;
    text_append_char(bytes, null ? 0 : 1);
    if (null) return;
    switch (column->type->kind) {
    case TYPE_VOID: break;
    case TYPE_BOOLEAN: filter_put(bytes, column->boolean[row]); break;
    case TYPE_TINYINT: filter_put(bytes, (uint64_t)column->i8[row]); break;
    case TYPE_SMALLINT: filter_put(bytes, (uint64_t)column->i16[row]); break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: filter_put(bytes, (uint64_t)column->i32[row]); break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_DAY_TIME: filter_put(bytes, (uint64_t)column->i64[row]); break;
    case TYPE_FLOAT: filter_put_double(bytes, (double)column->f32[row]); break;
    case TYPE_DOUBLE: filter_put_double(bytes, column->f64[row]); break;
    case TYPE_DECIMAL: text_append(bytes, (const char *)&column->i128[row], sizeof *column->i128); break;
    case TYPE_STRING:
    case TYPE_BINARY: {
        struct slice slice = column_slice(column, row);
        filter_put(bytes, slice.length);
        text_append(bytes, slice.data, slice.length);
        break;
    }
    case TYPE_STRUCT:
        for (uint32_t i = 0; i < column->type->child_count; i++) filter_key(column->children[i], row, bytes);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
        filter_put(bytes, (uint64_t)(column->offsets[row + 1] - column->offsets[row]));
        for (int32_t at = column->offsets[row]; at < column->offsets[row + 1]; at++) {
            for (uint32_t i = 0; i < column->type->child_count; i++)
                filter_key(column->children[i], (uint32_t)at, bytes);
        }
        break;
    }
}

static struct hash128 filter_hash(struct filter *filter, const struct batch *batch, const uint32_t *columns,
                                  uint32_t row)
{
    text_reset(&filter->bytes);
    for (uint32_t i = 0; i < filter->keys->child_count; i++)
        filter_key(batch->columns[columns ? columns[i] : i], row, &filter->bytes);
    struct hash128 hash = hash_128(text_str(&filter->bytes), filter->bytes.length, 0);
    if (hash.low == 0 && hash.high == 0) hash.low = 1;
    return hash;
}

static size_t filter_find(const struct filter_set *set, struct hash128 hash)
{
    size_t at = hash.low & (set->capacity - 1);
    for (; set->slots[at].low || set->slots[at].high; at = (at + 1) & (set->capacity - 1)) {
        if (set->slots[at].low == hash.low && set->slots[at].high == hash.high) break;
    }
    return at;
}

static enum status filter_grow(struct filter_set *set, struct error *err)
{
    struct filter_set grown = *set;
    grown.capacity = set->capacity ? set->capacity * 2 : FILTER_SLOTS_MIN;
    enum status status = budget_take(set->budget, grown.capacity * sizeof *grown.slots, err);
    if (status != STATUS_OK) return status;
    grown.slots = memory_calloc(grown.capacity, sizeof *grown.slots);
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i].low || set->slots[i].high) grown.slots[filter_find(&grown, set->slots[i])] = set->slots[i];
    }
    budget_give(set->budget, set->capacity * sizeof *set->slots);
    memory_free(set->slots);
    *set = grown;
    return STATUS_OK;
}

static enum status filter_add(struct filter *filter, const struct batch *batch, struct error *err)
{
    struct filter_set *set = &filter->set;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        if (set->used * 2 >= set->capacity) {
            enum status status = filter_grow(set, err);
            if (status != STATUS_OK) return status;
        }
        struct hash128 hash = filter_hash(filter, batch, NULL, batch_row(batch, i));
        size_t at = filter_find(set, hash);
        set->used += set->slots[at].low == 0 && set->slots[at].high == 0;
        set->slots[at] = hash;
    }
    return STATUS_OK;
}

static enum status filter_read_keys(struct filter *filter, struct error *err)
{
    enum status status = STATUS_OK;
    const struct file_filter_args *args = filter->args;
    struct delta_scan *scan = NULL;
    struct batch *batch = NULL;
    TRY(filter_grow(&filter->set, err));
    TRY(delta_scan_create_files(args->table, filter->keys, args->by, args->by_count, args->budget, &scan, err));
    for (;;) {
        TRY(delta_scan_next(scan, &batch, err));
        if (!batch) break;
        status = filter_add(filter, batch, err);
        batch_unref(batch);
        if (status != STATUS_OK) goto out;
    }
out:
    delta_scan_destroy(scan);
    return status;
}

// ---- One file ----

struct filter_file {
    struct filter *filter;
    struct objstore *store;
    char *key;
    struct objstore_writer *object;
    struct parquet_writer *parquet;
    uint64_t size_bytes;
};

static enum status filter_write(void *context, const void *bytes, size_t size, struct error *err)
{
    struct filter_file *file = context;
    file->size_bytes += size;
    return file->store->ops->write(file->object, bytes, size, err);
}

static enum parquet_codec filter_codec(const Foreset__Table *plan)
{
    static const enum parquet_codec codecs[] = {PARQUET_UNCOMPRESSED, PARQUET_SNAPPY, PARQUET_GZIP, PARQUET_ZSTD,
                                                PARQUET_LZ4_RAW};
    for (size_t i = 0; i < plan->n_properties; i++) {
        if (strcmp(plan->properties[i]->key, "delta.parquet.compression.codec") != 0) continue;
        for (size_t k = 0; k < sizeof codecs / sizeof *codecs; k++) {
            if (strcasecmp(parquet_codec_name(codecs[k]), plan->properties[i]->value) == 0) return codecs[k];
        }
    }
    return PARQUET_ZSTD;
}

// In the folder of the file that it is made from: there some readers look for partition values.
static enum status filter_open(struct filter_file *file, const struct delta_add *from, struct error *err)
{
    enum status status = STATUS_OK;
    const struct file_filter_args *args = file->filter->args;
    struct parquet_writer_options options = {.codec = filter_codec(args->plan)};
    struct text key = {0};
    char uuid[37];
    TRY(delta_path_decode(from->path, args->table->store->url, &key, err));
    const char *slash = strrchr(text_str(&key), '/');
    int folder = slash ? (int)(slash + 1 - text_str(&key)) : 0;
    struct text name = {0};
    random_uuid(args->random, uuid);
    text_printf(&name, "%.*srest-%" PRIu64 "-%" PRIu64 "-%s.%s.parquet", folder, text_str(&key), args->epoch,
                args->generation, uuid, parquet_codec_name(options.codec));
    file->key = text_take(&name);
    TRY(file->store->ops->create(file->store, file->key, &file->object, err));
    TRY(parquet_writer_create(file->filter->rows, &options, args->budget, filter_write, file, &file->parquet, err));
out:
    text_deinit(&key);
    return status;
}

static void filter_close(struct filter_file *file)
{
    if (file->parquet) parquet_writer_destroy(file->parquet);
    if (file->object) file->store->ops->writer_close(file->object); // removes what is not finished
    memory_free(file->key);
}

static enum status filter_batch(struct filter_file *file, struct batch *batch, uint64_t *matched, struct error *err)
{
    enum status status = STATUS_OK;
    struct filter *filter = file->filter;
    struct buffer *rows = NULL;
    struct batch *narrow = NULL, *left = NULL;
    uint32_t count = 0;
    TRY(buffer_create(filter->args->budget, (batch->row_count + (size_t)1) * sizeof(uint32_t), &rows, err));
    uint32_t *selection = (uint32_t *)(void *)rows->data;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        struct hash128 hash = filter_hash(filter, batch, filter->key_columns, row);
        struct hash128 found = filter->set.slots[filter_find(&filter->set, hash)];
        if (found.low == 0 && found.high == 0) selection[count++] = row;
    }
    *matched += batch->row_count - count;
    if (count == 0) goto out;
    struct column **columns = memory_calloc(filter->rows->child_count + (size_t)1, sizeof(struct column *));
    for (uint32_t i = 0; i < filter->rows->child_count; i++)
        columns[i] = column_ref(batch->columns[filter->row_columns[i]]);
    narrow = batch_create(filter->rows, batch->column_rows, columns);
    memory_free(columns);
    left = batch_select(narrow, rows, count);
    rows = NULL;
    TRY(parquet_writer_write(file->parquet, left, err));
out:
    batch_unref(left);
    batch_unref(narrow);
    buffer_unref(rows);
    return status;
}

static enum status filter_finish(struct filter_file *file, const struct delta_add *from,
                                 struct file_filter_rest *ret_rest, struct error *err)
{
    enum status status = STATUS_OK;
    const struct file_filter_args *args = file->filter->args;
    const struct parquet_column_stats *columns;
    struct text stats = {0}, path = {0};
    TRY(FAILPOINT("rest_write.before", err));
    TRY(parquet_writer_finish(file->parquet, err));
    TRY(file->store->ops->finish(file->object, err));
    TRY(file->store->ops->sync(file->store, (const char *const *)&file->key, 1, err));
    TRY(FAILPOINT("rest_write.after", err));
    uint32_t count = parquet_writer_stats(file->parquet, &columns);
    delta_stats_write(file->filter->rows, parquet_writer_rows(file->parquet), columns, count, DELTA_STATS_COLUMNS,
                      &stats);
    delta_path_encode(file->key, &path);
    ret_rest->any = true;
    ret_rest->add = (struct delta_add){.path = arena_strdup(args->arena, text_str(&path)),
                                       .partition_values = from->partition_values,
                                       .size_bytes = (int64_t)file->size_bytes,
                                       .modified_ms = args->modified_ms,
                                       .data_change = true,
                                       .stats = arena_strdup(args->arena, text_str(&stats)),
                                       .base_row_id = INT64_MIN,
                                       .default_row_commit_version = INT64_MIN};
out:
    text_deinit(&stats);
    text_deinit(&path);
    return status;
}

static enum status filter_one(struct filter *filter, const struct delta_add *from, struct file_filter_rest *ret_rest,
                              struct error *err)
{
    enum status status = STATUS_OK;
    const struct file_filter_args *args = filter->args;
    struct filter_file file = {.filter = filter, .store = args->table->store};
    struct delta_scan *scan = NULL;
    struct batch *batch = NULL;
    *ret_rest = (struct file_filter_rest){0};
    TRY(delta_scan_create_files(args->table, NULL, from, 1, args->budget, &scan, err));
    TRY(filter_open(&file, from, err));
    for (;;) {
        TRY(delta_scan_next(scan, &batch, err));
        if (!batch) break;
        status = filter_batch(&file, batch, &ret_rest->matched, err);
        batch_unref(batch);
        if (status != STATUS_OK) goto out;
    }
    if (ret_rest->matched == 0 || parquet_writer_rows(file.parquet) == 0) goto out;
    TRY(filter_finish(&file, from, ret_rest, err));
out:
    filter_close(&file);
    delta_scan_destroy(scan);
    return status;
}

// ---- All ----

static bool filter_is_partition(const struct delta_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->metadata.partition_columns.count; i++) {
        if (strcasecmp(table->metadata.partition_columns.items[i], name) == 0) return true;
    }
    return false;
}

static enum status filter_columns(struct filter *filter, struct error *err)
{
    const struct file_filter_args *args = filter->args;
    const struct type *all = args->table->schema.type;
    struct field *fields = memory_calloc(all->child_count + args->plan->n_merge_keys + 1, sizeof *fields);
    uint32_t count = 0;
    filter->key_columns = memory_calloc(args->plan->n_merge_keys + 1, sizeof *filter->key_columns);
    filter->row_columns = memory_calloc(all->child_count + (size_t)1, sizeof *filter->row_columns);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < args->plan->n_merge_keys && status == STATUS_OK; i++) {
        int at = type_field_find(all, args->plan->merge_keys[i]);
        if (at < 0) {
            status = error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "the table has no column %s, which is a key",
                               args->plan->merge_keys[i]);
            break;
        }
        filter->key_columns[i] = (uint32_t)at;
        fields[i] = all->children[at];
    }
    if (status == STATUS_OK) filter->keys = type_struct(fields, (uint32_t)args->plan->n_merge_keys);
    for (uint32_t i = 0; i < all->child_count; i++) {
        if (filter_is_partition(args->table, all->children[i].name)) continue;
        fields[count] = all->children[i];
        filter->row_columns[count++] = i;
    }
    if (status == STATUS_OK) filter->rows = type_struct(fields, count);
    memory_free(fields);
    return status;
}

enum status file_filter_run(const struct file_filter_args *args, struct file_filter_rest *ret_rests, struct error *err)
{
    enum status status = STATUS_OK;
    struct filter filter = {.args = args, .set = {.budget = args->budget}};
    ASSERT(args->plan->n_merge_keys > 0);
    TRY(filter_columns(&filter, err));
    TRY(filter_read_keys(&filter, err));
    for (size_t i = 0; i < args->count; i++) TRY(filter_one(&filter, args->files[i], &ret_rests[i], err));
out:
    budget_give(args->budget, filter.set.capacity * sizeof *filter.set.slots);
    memory_free(filter.set.slots);
    memory_free(filter.key_columns);
    memory_free(filter.row_columns);
    text_deinit(&filter.bytes);
    return status;
}
