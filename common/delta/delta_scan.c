// The rows of a table version: see delta_scan.h. Of one file at a time a row group's columns are in memory. Partition
// columns are not in the files: their value stands in the log, once a file. A table's files come by modification time,
// then by name.
#include "common/delta/delta_scan.h"

#include <stdlib.h>
#include <string.h>

#include "common/delta/delta_path.h"
#include "common/delta/delta_stats.h"
#include "common/delta/delta_vector.h"
#include "common/parquet/parquet_reader.h"

struct delta_scan {
    struct delta_table *table;
    struct budget *budget;
    const struct type *schema;      // what is given out
    const struct type *file_schema; // what is read from files, by physical names
    bool mapped;                    // column mapping: physical names differ
    bool *partitioned;              // of each column given out
    const char **physical;          // physical name of each column given out
    const struct delta_add **files;
    size_t file_count, at; // at: the next file
    struct text key;       // of the open file
    struct parquet_reader *reader;
    uint64_t rows_left;         // of the file, when no column of it is wanted
    struct delta_vector vector; // deleted rows of the file
    size_t vector_at;           // the next of them
    uint64_t row;               // number of the next row in the file
};

static int scan_file_order(const void *a, const void *b)
{
    const struct delta_add *left = *(const struct delta_add *const *)a, *right = *(const struct delta_add *const *)b;
    if (left->modified_ms != right->modified_ms) return left->modified_ms < right->modified_ms ? -1 : 1;
    return strcmp(left->path, right->path);
}

static bool scan_is_partition(const struct delta_table *table, const char *name)
{
    const struct delta_strings *columns = &table->metadata.partition_columns;
    for (uint32_t i = 0; i < columns->count; i++) {
        if (strcasecmp(columns->items[i], name) == 0) return true;
    }
    return false;
}

static const char *scan_physical_name(const struct delta_scan *scan, const struct delta_field *field)
{
    return scan->mapped && field->physical_name ? field->physical_name : field->name;
}

// The type as files hold it: fields of structs at any depth by their physical names.
static const struct type *scan_physical_type(const struct delta_scan *scan, const struct delta_field *field)
{
    if (!scan->mapped || field->child_count == 0) return field->type;
    struct field *fields = memory_calloc(field->child_count, sizeof *fields);
    for (uint32_t i = 0; i < field->child_count; i++) {
        const struct delta_field *child = &field->children[i];
        fields[i] = (struct field){scan_physical_name(scan, child), scan_physical_type(scan, child)};
    }
    const struct type *type = field->type->kind == TYPE_STRUCT  ? type_struct(fields, field->child_count)
                              : field->type->kind == TYPE_ARRAY ? type_array(fields[0].type)
                                                                : type_map(fields[0].type, fields[1].type);
    memory_free(fields);
    return type;
}

static enum status scan_choose(struct delta_scan *scan, const struct type *wanted, struct error *err)
{
    const struct delta_table *table = scan->table;
    const struct type *all = table->schema.type;
    uint32_t count = wanted ? wanted->child_count : all->child_count, stored = 0;
    struct field *fields = memory_calloc(count, sizeof *fields);
    struct field *file_fields = memory_calloc(count, sizeof *file_fields);
    enum status status = STATUS_OK;
    scan->partitioned = memory_calloc(count, sizeof *scan->partitioned);
    scan->physical = memory_calloc(count, sizeof *scan->physical);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        const char *name = wanted ? wanted->children[i].name : all->children[i].name;
        int at = type_field_find(all, name);
        if (at < 0) {
            status = error_set(err, STATUS_INVALID, ERROR_USAGE, "%s: the table has no column '%s'", table->store->url,
                               name);
            break;
        }
        fields[i] = all->children[at];
        const struct delta_field *field = &table->schema.fields[at];
        scan->partitioned[i] = scan_is_partition(table, fields[i].name);
        scan->physical[i] = scan_physical_name(scan, field);
        if (scan->partitioned[i]) continue;
        file_fields[stored++] = (struct field){scan->physical[i], scan_physical_type(scan, field)};
    }
    if (status == STATUS_OK) {
        scan->schema = type_struct(fields, count);
        scan->file_schema = type_struct(file_fields, stored);
    }
    memory_free(fields);
    memory_free(file_fields);
    return status;
}

// With room for so many files, and none yet.
static enum status scan_create(struct delta_table *table, const struct type *wanted, size_t files,
                               struct budget *budget, struct delta_scan **ret_scan, struct error *err)
{
    struct delta_scan *scan = memory_calloc(1, sizeof *scan);
    scan->table = table;
    scan->budget = budget;
    const char *mode = delta_table_property(table, "delta.columnMapping.mode");
    scan->mapped = mode && strcasecmp(mode, "none") != 0;
    enum status status = scan_choose(scan, wanted, err);
    if (status != STATUS_OK) {
        delta_scan_destroy(scan);
        return status;
    }
    scan->files = memory_calloc(files + 1, sizeof *scan->files);
    *ret_scan = scan;
    return STATUS_OK;
}

enum status delta_scan_create(struct delta_table *table, const struct type *wanted, struct budget *budget,
                              struct delta_scan **ret_scan, struct error *err)
{
    struct delta_scan *scan = NULL;
    struct delta_table_cursor cursor = {0};
    enum status status = scan_create(table, wanted, table->file_count, budget, &scan, err);
    if (status != STATUS_OK) return status;
    for (const struct delta_add *add; (add = delta_table_next_file(table, &cursor));)
        scan->files[scan->file_count++] = add;
    if (scan->file_count) qsort(scan->files, scan->file_count, sizeof(struct delta_add *), scan_file_order);
    *ret_scan = scan;
    return STATUS_OK;
}

enum status delta_scan_create_files(struct delta_table *table, const struct type *wanted, const struct delta_add *adds,
                                    size_t count, struct budget *budget, struct delta_scan **ret_scan,
                                    struct error *err)
{
    struct delta_scan *scan = NULL;
    enum status status = scan_create(table, wanted, count, budget, &scan, err);
    if (status != STATUS_OK) return status;
    for (size_t i = 0; i < count; i++) scan->files[scan->file_count++] = &adds[i];
    *ret_scan = scan;
    return STATUS_OK;
}

const struct type *delta_scan_schema(const struct delta_scan *scan)
{
    return scan->schema;
}

static void scan_close_file(struct delta_scan *scan)
{
    parquet_reader_close(scan->reader);
    scan->reader = NULL;
}

void delta_scan_destroy(struct delta_scan *scan)
{
    if (!scan) return;
    scan_close_file(scan);
    delta_vector_deinit(&scan->vector);
    text_deinit(&scan->key);
    memory_free(scan->files);
    memory_free(scan->partitioned);
    memory_free(scan->physical);
    memory_free(scan);
}

// With column mapping, a file that has none of the wanted names was written by other rules.
static enum status scan_check_names(const struct delta_scan *scan, struct error *err)
{
    const struct type *stored = parquet_reader_schema(scan->reader);
    if (!scan->mapped) return STATUS_OK;
    for (uint32_t i = 0; i < scan->file_schema->child_count; i++) {
        if (type_field_find(stored, scan->file_schema->children[i].name) >= 0) return STATUS_OK;
    }
    return error_set(
        err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
        "none of the columns wanted is in it by its physical name; finding columns by id is not supported");
}

static enum status scan_read(void *context, uint64_t offset, uint64_t length, struct buffer **ret_bytes,
                             struct error *err)
{
    struct delta_scan *scan = context;
    struct objstore *store = scan->table->store;
    return store->ops->get_range(store, text_str(&scan->key), offset, length, ret_bytes, err);
}

static enum status scan_open_file(struct delta_scan *scan, const struct delta_add *add, struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore *store = scan->table->store;
    struct objstore_entry entry = {0};
    text_reset(&scan->key);
    TRY(delta_path_decode(add->path, store->url, &scan->key, err));
    TRY(store->ops->stat(store, text_str(&scan->key), &entry, err)); // the log's size is another writer's word
    struct parquet_input input = {.read = scan_read, .context = scan, .size_bytes = entry.size_bytes};
    TRY(parquet_reader_open(&input, scan->budget, &scan->reader, err));
    scan->rows_left = parquet_reader_rows(scan->reader);
    scan->row = scan->vector_at = 0;
    delta_vector_deinit(&scan->vector);
    if (add->deletion_vector) {
        TRY(delta_vector_read(store, add->deletion_vector, scan->rows_left, &scan->vector, err));
    }
    if (scan->file_schema->child_count) {
        TRY(scan_check_names(scan, err));
        TRY(parquet_reader_project(scan->reader, scan->file_schema, err));
    }
out:
    memory_free(entry.key);
    return status;
}

// The same values under another type, which differs in names of fields only.
static struct column *scan_rename(struct column *column, const struct type *type)
{
    if (column->type == type) return column_ref(column);
    struct column **children = memory_calloc(type->child_count, sizeof *children);
    for (uint32_t i = 0; i < type->child_count; i++) {
        children[i] = scan_rename(column->children[i], type->children[i].type);
    }
    struct buffer *validity = column->buffers[0], *offsets = column->buffers[2];
    ASSERT(!column->validity || column->validity == validity->data);
    ASSERT(!column->offsets || (const uint8_t *)column->offsets == offsets->data);
    struct column *renamed =
        column_create_nested(type, column->length, column->null_count, column->validity ? buffer_ref(validity) : NULL,
                             column->offsets ? buffer_ref(offsets) : NULL, children);
    memory_free(children);
    return renamed;
}

// The batch given out: stored columns as read, partition columns filled.
static enum status scan_assemble(const struct delta_scan *scan, const struct delta_add *add, const struct batch *stored,
                                 uint32_t rows, struct batch **ret_batch, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t count = scan->schema->child_count, next = 0;
    struct column **columns = memory_calloc(count, sizeof *columns);
    for (uint32_t i = 0; i < count; i++) {
        if (!scan->partitioned[i]) {
            columns[i] = scan_rename(stored->columns[next++], scan->schema->children[i].type);
            continue;
        }
        const char *value = delta_action_map_get(&add->partition_values, scan->physical[i]);
        TRY(delta_stats_partition_column(scan->budget, scan->schema->children[i].type, value, rows, &columns[i], err));
    }
    *ret_batch = batch_create(scan->schema, rows, columns);
    memset(columns, 0, count * sizeof *columns);
out:
    for (uint32_t i = 0; i < count; i++) column_unref(columns[i]);
    memory_free(columns);
    return status;
}

// Leaves deleted rows out of a batch of the file. *batch is replaced; NULL if no row is left.
static enum status scan_leave_out(struct delta_scan *scan, struct batch **batch, struct error *err)
{
    const uint64_t *deleted = scan->vector.rows.items;
    uint64_t from = scan->row, to = from + (*batch)->column_rows;
    size_t at = scan->vector_at, end = at;
    while (end < scan->vector.rows.count && deleted[end] < to) end++;
    uint32_t left = (*batch)->column_rows - (uint32_t)(end - at);
    scan->row = to;
    scan->vector_at = end;
    if (end == at) return STATUS_OK;
    struct batch *all = *batch;
    struct buffer *buffer = NULL;
    enum status status = STATUS_OK;
    if (left > 0) status = buffer_create(scan->budget, left * sizeof(uint32_t), &buffer, err);
    if (status != STATUS_OK) return status;
    uint32_t *rows = buffer ? (uint32_t *)(void *)buffer->data : NULL;
    for (uint32_t row = 0, count = 0; count < left; row++) {
        if (at < end && deleted[at] == from + row) {
            at++;
        } else {
            rows[count++] = row;
        }
    }
    *batch = buffer ? batch_select(all, buffer, left) : NULL;
    batch_unref(all);
    return STATUS_OK;
}

// The next batch of the open file that has rows; *ret_batch NULL at its end.
static enum status scan_next_of_file(struct delta_scan *scan, const struct delta_add *add, struct batch **ret_batch,
                                     struct error *err)
{
    enum status status = STATUS_OK;
    struct batch *stored = NULL, *batch = NULL;
    uint32_t rows = 1;
    while (!batch && rows > 0) {
        if (scan->file_schema->child_count == 0) {
            rows = scan->rows_left < BATCH_ROWS_MAX ? (uint32_t)scan->rows_left : BATCH_ROWS_MAX;
            scan->rows_left -= rows;
        } else {
            TRY(parquet_reader_next(scan->reader, &stored, err));
            rows = stored ? stored->column_rows : 0;
            ASSERT(!stored || !stored->selection);
        }
        if (rows > 0) TRY(scan_assemble(scan, add, stored, rows, &batch, err));
        batch_unref(stored);
        stored = NULL;
        if (batch) TRY(scan_leave_out(scan, &batch, err));
    }
    *ret_batch = batch;
    batch = NULL;
out:
    batch_unref(batch);
    batch_unref(stored);
    return status;
}

enum status delta_scan_next(struct delta_scan *scan, struct batch **ret_batch, struct error *err)
{
    enum status status = STATUS_OK;
    struct batch *batch = NULL;
    while (!batch && (scan->reader || scan->at < scan->file_count)) {
        if (!scan->reader) TRY(scan_open_file(scan, scan->files[scan->at++], err));
        TRY(scan_next_of_file(scan, scan->files[scan->at - 1], &batch, err));
        if (batch) break;
        scan_close_file(scan);
    }
    *ret_batch = batch;
out:
    if (status != STATUS_OK && err) {
        (void)error_prefix(err, "%s, file %s", scan->table->store->url, scan->files[scan->at - 1]->path);
    }
    return status;
}
