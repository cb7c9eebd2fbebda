// Analysis: see delta_analyze.h. A file's statistics are what the Parquet writer collects of its rows, written to
// nowhere. Rows that a deletion vector hides count: statistics are those of the file, and bounds that are not tight say
// so (Delta protocol, Per-file Statistics, tightBounds).
// The commit: 1. read the log's new entries; 2. leave out files that are gone, or have another deletion vector or other
// statistics by now; 3. put the next version if absent. What can fail: another writer took the version: again from 1,
// ANALYZE_TRIES times; the outcome is unknown: that version is read.
#include "common/delta/delta_analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/delta/delta_commit.h"
#include "common/delta/delta_scan.h"
#include "common/delta/delta_stats_json.h"
#include "common/parquet/parquet_writer.h"

enum { ANALYZE_TRIES = 100 };

// ---- reading

static enum status analyze_nowhere(void *context, const void *bytes, size_t size, struct error *err)
{
    (void)context, (void)bytes, (void)size, (void)err;
    return STATUS_OK;
}

// The columns that files hold.
static const struct type *analyze_schema(const struct delta_table *table)
{
    const struct type *all = table->schema.type;
    const struct delta_strings *partitions = &table->metadata.partition_columns;
    struct field *fields = memory_calloc(all->child_count + 1u, sizeof *fields);
    uint32_t count = 0;
    for (uint32_t i = 0; i < all->child_count; i++) {
        bool is_partition = false;
        for (uint32_t k = 0; k < partitions->count; k++) {
            is_partition |= strcasecmp(partitions->items[k], all->children[i].name) == 0;
        }
        if (!is_partition && all->children[i].type->kind != TYPE_VOID) fields[count++] = all->children[i];
    }
    const struct type *schema = type_struct(fields, count);
    memory_free(fields);
    return schema;
}

static int32_t analyze_columns_max(const struct delta_table *table)
{
    const char *text = delta_table_property(table, "delta.dataSkippingNumIndexedCols");
    int64_t columns;
    if (!text || !text_parse_i64(text, &columns) || columns < -1 || columns > INT32_MAX) return DELTA_STATS_COLUMNS;
    return (int32_t)columns;
}

static enum status analyze_rows(struct delta_scan *scan, struct parquet_writer *writer, uint64_t *ret_rows,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct batch *batch = NULL;
    uint64_t rows = 0;
    do {
        batch_unref(batch);
        batch = NULL;
        TRY(delta_scan_next(scan, &batch, err));
        if (!batch) break;
        rows += batch->row_count;
        if (writer) TRY(parquet_writer_write(writer, batch, err));
    } while (batch);
    if (writer) TRY(parquet_writer_finish(writer, err));
    *ret_rows = rows;
out:
    batch_unref(batch);
    return status;
}

static void analyze_judge(const struct delta_table *table, const struct delta_add *add, const struct type *schema,
                          const struct parquet_column_stats *stats, uint32_t count, uint64_t rows,
                          struct delta_analyze_file *file)
{
    struct text reason = {0}, text = {0};
    if (!add->stats || !*add->stats) {
        file->state = DELTA_ANALYZE_MISSING;
    } else if (!delta_stats_json_true(add->stats, schema, rows, stats, count, &reason)) {
        file->state = DELTA_ANALYZE_WRONG;
        file->reason = text_take(&reason);
    }
    if (file->state != DELTA_ANALYZE_RIGHT) {
        if (count) {
            delta_stats_write(schema, rows, stats, count, analyze_columns_max(table), &text);
        } else {
            text_printf(&text, "{\"numRecords\":%lu}", (unsigned long)rows);
        }
        if (add->deletion_vector) {
            text.data[--text.length] = '\0';
            text_append_str(&text, ",\"tightBounds\":false}");
        }
        file->stats = text_take(&text);
    }
    text_deinit(&reason);
}

static enum status analyze_file(struct delta_table *table, const struct delta_add *add, const struct type *schema,
                                struct budget *budget, struct delta_analyze *analyze, struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_scan *scan = NULL;
    struct parquet_writer *writer = NULL;
    const struct parquet_column_stats *stats = NULL;
    struct parquet_writer_options options = {.codec = PARQUET_UNCOMPRESSED};
    struct delta_add whole = *add;
    uint64_t rows = 0;
    uint32_t count = 0;
    whole.deletion_vector = NULL;
    TRY(delta_scan_create_files(table, schema, &whole, 1, budget, &scan, err));
    if (schema->child_count) {
        TRY(parquet_writer_create(schema, &options, budget, analyze_nowhere, NULL, &writer, err));
    }
    TRY(analyze_rows(scan, writer, &rows, err));
    if (writer) count = parquet_writer_stats(writer, &stats);
    struct delta_analyze_file file = {.path = memory_strdup(add->path)};
    analyze_judge(table, add, schema, stats, count, rows, &file);
    analyze->rows += rows;
    analyze->right += file.state == DELTA_ANALYZE_RIGHT;
    analyze->wrong += file.state == DELTA_ANALYZE_WRONG;
    analyze->missing += file.state == DELTA_ANALYZE_MISSING;
    vector_push(&analyze->files, file);
out:
    parquet_writer_destroy(writer);
    delta_scan_destroy(scan);
    return status;
}

static int analyze_order(const void *a, const void *b)
{
    const struct delta_analyze_file *left = a, *right = b;
    return strcmp(left->path, right->path);
}

enum status delta_analyze_read(struct delta_table *table, struct budget *budget, struct delta_analyze *ret_analyze,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_analyze analyze = {.version = table->version};
    struct delta_table_cursor cursor = {0};
    const struct type *schema = analyze_schema(table);
    ASSERT(table->load == DELTA_LOAD_REMOVES);
    for (const struct delta_add *add; (add = delta_table_next_file(table, &cursor));) {
        TRY(analyze_file(table, add, schema, budget, &analyze, err));
    }
    if (analyze.files.count) {
        qsort(analyze.files.items, analyze.files.count, sizeof(struct delta_analyze_file), analyze_order);
    }
    *ret_analyze = analyze;
out:
    if (status != STATUS_OK) delta_analyze_deinit(&analyze);
    return status;
}

void delta_analyze_deinit(struct delta_analyze *analyze)
{
    for (size_t i = 0; i < analyze->files.count; i++) {
        memory_free(analyze->files.items[i].path);
        memory_free(analyze->files.items[i].reason);
        memory_free(analyze->files.items[i].stats);
    }
    vector_deinit(&analyze->files);
}

// ---- mending

static struct delta_analyze_file *analyze_find(struct delta_analyze *analyze, const char *path)
{
    struct delta_analyze_file key = {.path = (char *)(uintptr_t)path};
    if (analyze->files.count == 0) return NULL;
    return bsearch(&key, analyze->files.items, analyze->files.count, sizeof key, analyze_order);
}

// The live files that are to be added again, as they are but for their statistics. Statistics are those of the file,
// whatever vector it has by now. *ret_adds is the caller's to free; its texts are the table's and the analysis'.
static uint32_t analyze_adds(struct delta_table *table, struct delta_analyze *analyze, struct delta_add **ret_adds)
{
    struct delta_add *adds = memory_calloc(table->file_count + 1, sizeof *adds);
    struct delta_table_cursor cursor = {0};
    uint32_t count = 0;
    for (size_t i = 0; i < analyze->files.count; i++) analyze->files.items[i].mended = false;
    for (const struct delta_add *add; (add = delta_table_next_file(table, &cursor));) {
        struct delta_analyze_file *file = analyze_find(analyze, add->path);
        if (!file || !file->stats || file->mended) continue;
        bool tight = strstr(file->stats, "\"tightBounds\":false}") == NULL;
        if (add->deletion_vector && tight) continue; // rows were deleted meanwhile: the next run sees to it
        adds[count] = *add;
        adds[count].stats = file->stats;
        adds[count++].data_change = false;
        file->mended = true;
    }
    *ret_adds = adds;
    return count;
}

static enum status analyze_put(struct delta_table *table, const struct delta_add *adds, uint32_t count,
                               struct random *random, struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    struct delta_commit *commit = NULL;
    char txn_id[37], number[24];
    random_uuid(random, txn_id);
    snprintf(number, sizeof number, "%u", count);
    struct delta_pair metric = {"numFiles", number};
    struct delta_commit_content content = {.adds = adds, .add_count = count};
    content.info = (struct delta_commit_info){.timestamp_ms = clock_wall_us(clock_system()) / 1000,
                                              .operation = "COMPUTE STATS",
                                              .metrics = {&metric, 1},
                                              .read_version = table->version,
                                              .txn_id = txn_id};
    TRY(delta_commit_encode(&content, &bytes, err));
    status = delta_commit_put(table->store, table->version + 1, bytes.data, bytes.length, err);
    if (status != STATUS_UNKNOWN) goto out;
    TRY(delta_commit_read(table->store, table->version + 1, &commit, err));
    if (!delta_commit_is(commit, txn_id)) {
        status =
            error_set(err, STATUS_EXISTS, ERROR_RETRY, "another commit took version %ld", (long)(table->version + 1));
    }
out:
    delta_log_commit_destroy(commit);
    text_deinit(&bytes);
    return status;
}

enum status delta_analyze_mend(struct delta_table *table, struct delta_analyze *analyze, struct random *random,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_add *adds = NULL;
    for (unsigned tries = 0; tries < ANALYZE_TRIES; tries++) {
        memory_free(adds);
        adds = NULL;
        TRY(delta_table_update(table, NULL, err));
        analyze->mended = analyze_adds(table, analyze, &adds);
        if (analyze->mended == 0) goto out;
        TRY(delta_table_check_write(table, false, err));
        status = analyze_put(table, adds, (uint32_t)analyze->mended, random, err);
        if (status == STATUS_OK) {
            analyze->version = table->version + 1;
            goto out;
        }
        if (status != STATUS_EXISTS) goto out;
    }
    status = error_set(err, STATUS_ERROR, ERROR_RETRY,
                       "%s: other writers took the next version %d times; nothing was changed, run again",
                       table->store->url, ANALYZE_TRIES);
out:
    memory_free(adds);
    if (status != STATUS_OK) analyze->mended = 0;
    return status;
}
