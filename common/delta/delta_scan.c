// The rows of a table version: see delta_scan.h. One file is in memory at a time. Partition columns are not in the
// files: their value stands in the log, once a file. Files come by modification time, then by name.
#include "common/delta/delta_scan.h"

#include <stdlib.h>
#include <string.h>

#include "common/delta/delta_path.h"
#include "common/delta/delta_stats.h"
#include "common/parquet/parquet_reader.h"

struct delta_scan {
    struct delta_table *table;
    struct budget *budget;
    const struct type *schema;      // what is given out
    const struct type *file_schema; // what is read from files
    bool *partitioned;              // of each column given out
    const struct delta_add **files;
    size_t file_count, at; // at: the next file
    struct parquet_reader *reader;
    uint64_t rows_left; // of the file, when no column of it is wanted
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

static enum status scan_choose(struct delta_scan *scan, const struct type *wanted, struct error *err)
{
    const struct delta_table *table = scan->table;
    const struct type *all = table->schema.type;
    uint32_t count = wanted ? wanted->child_count : all->child_count, stored = 0;
    struct field *fields = memory_calloc(count, sizeof *fields);
    struct field *file_fields = memory_calloc(count, sizeof *file_fields);
    enum status status = STATUS_OK;
    scan->partitioned = memory_calloc(count, sizeof *scan->partitioned);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        const char *name = wanted ? wanted->children[i].name : all->children[i].name;
        int at = type_field_find(all, name);
        if (at < 0) {
            status = error_set(err, STATUS_INVALID, ERROR_USAGE, "%s: the table has no column '%s'", table->store->url,
                               name);
            break;
        }
        fields[i] = all->children[at];
        scan->partitioned[i] = scan_is_partition(table, fields[i].name);
        if (!scan->partitioned[i]) file_fields[stored++] = fields[i];
    }
    if (status == STATUS_OK) {
        scan->schema = type_struct(fields, count);
        scan->file_schema = type_struct(file_fields, stored);
    }
    memory_free(fields);
    memory_free(file_fields);
    return status;
}

enum status delta_scan_create(struct delta_table *table, const struct type *wanted, struct budget *budget,
                              struct delta_scan **ret_scan, struct error *err)
{
    struct delta_scan *scan = memory_calloc(1, sizeof *scan);
    struct delta_table_cursor cursor = {0};
    scan->table = table;
    scan->budget = budget;
    enum status status = scan_choose(scan, wanted, err);
    if (status != STATUS_OK) {
        delta_scan_destroy(scan);
        return status;
    }
    scan->files = memory_calloc(table->file_count, sizeof *scan->files);
    for (const struct delta_add *add; (add = delta_table_next_file(table, &cursor));)
        scan->files[scan->file_count++] = add;
    if (scan->file_count) qsort(scan->files, scan->file_count, sizeof(struct delta_add *), scan_file_order);
    *ret_scan = scan;
    return STATUS_OK;
}

const struct type *delta_scan_schema(const struct delta_scan *scan)
{
    return scan->schema;
}

void delta_scan_destroy(struct delta_scan *scan)
{
    if (!scan) return;
    parquet_reader_close(scan->reader);
    memory_free(scan->files);
    memory_free(scan->partitioned);
    memory_free(scan);
}

static enum status scan_open_file(struct delta_scan *scan, const struct delta_add *add, struct error *err)
{
    enum status status = STATUS_OK;
    struct text key = {0};
    struct buffer *bytes = NULL;
    if (add->deletion_vector) {
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                      "the file has a deletion vector; such tables cannot be read yet"));
    }
    TRY(delta_path_decode(add->path, &key, err));
    TRY(objstore_get(scan->table->store, text_str(&key), &bytes, err));
    TRY(parquet_reader_open(bytes, bytes->size_bytes, scan->budget, &scan->reader, err));
    scan->rows_left = parquet_reader_rows(scan->reader);
    if (scan->file_schema->child_count) TRY(parquet_reader_project(scan->reader, scan->file_schema, err));
out:
    buffer_unref(bytes);
    text_deinit(&key);
    return status;
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
            columns[i] = column_ref(stored->columns[next++]);
            continue;
        }
        const char *value = delta_action_map_get(&add->partition_values, scan->schema->children[i].name);
        TRY(delta_stats_partition_column(scan->budget, scan->schema->children[i].type, value, rows, &columns[i], err));
    }
    *ret_batch = batch_create(scan->schema, rows, columns);
    memset(columns, 0, count * sizeof *columns);
out:
    for (uint32_t i = 0; i < count; i++) column_unref(columns[i]);
    memory_free(columns);
    return status;
}

// The next batch of the open file; *ret_batch NULL at its end.
static enum status scan_next_of_file(struct delta_scan *scan, const struct delta_add *add, struct batch **ret_batch,
                                     struct error *err)
{
    enum status status = STATUS_OK;
    struct batch *stored = NULL;
    uint32_t rows;
    *ret_batch = NULL;
    if (scan->file_schema->child_count == 0) {
        rows = scan->rows_left < BATCH_ROWS_MAX ? (uint32_t)scan->rows_left : BATCH_ROWS_MAX;
        scan->rows_left -= rows;
    } else {
        TRY(parquet_reader_next(scan->reader, &stored, err));
        rows = stored ? stored->column_rows : 0;
        ASSERT(!stored || !stored->selection);
    }
    if (rows > 0) TRY(scan_assemble(scan, add, stored, rows, ret_batch, err));
out:
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
        parquet_reader_close(scan->reader);
        scan->reader = NULL;
    }
    *ret_batch = batch;
out:
    if (status != STATUS_OK && err) {
        (void)error_prefix(err, "%s, file %s", scan->table->store->url, scan->files[scan->at - 1]->path);
    }
    return status;
}
