// Tables that Spark wrote (golden-tables of the test data): every row as expected, or refused for the reason that is
// known.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/delta/delta_scan.h"
#include "common/parquet/parquet_reader.h"
#include "tests/unit/lib/unit_data.h"
#include "tests/unit/lib/unit_folder.h"

enum { PATH_SIZE = 512 };

// What is not read, and what the message says.
static const struct {
    const char *name;
    const char *words;
} refused[] = {
    {"data-reader-absolute-paths-escaped-chars", "no metaData"},
    {"deltalog-state-reconstruction-from-checkpoint-missing-metadata", "no metaData"},
    {"deltalog-state-reconstruction-without-protocol", "no protocol"},
    {"no-delta-log-folder", "is not a Delta table"},
    {"versions-not-contiguous", "is missing"},
};

// A partition value of this column is a time in the zone of the writer (Los Angeles), which the log does not tell.
static const struct {
    const char *name;
    const char *column;
} left_out[] = {{"data-reader-partition-values", "as_timestamp"}};

static const char *folder;
static struct error err;

struct lines {
    VECTOR(char *) items;
};

static void lines_deinit(struct lines *lines)
{
    for (size_t i = 0; i < lines->items.count; i++) memory_free(lines->items.items[i]);
    vector_deinit(&lines->items);
}

static int line_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_add(struct lines *lines, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->row_count; i++) {
        struct text text = {0};
        batch_json(batch, i, &text);
        vector_push(&lines->items, text_take(&text));
    }
}

static enum status read_expected_file(const char *path, const struct type *schema, struct lines *lines)
{
    enum status status = STATUS_OK;
    struct parquet_reader *reader = NULL;
    struct buffer *bytes = NULL;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    TRY(buffer_create(NULL, size, &bytes, &err));
    assert_int_equal(fread(bytes->data, 1, size, file), size);
    TRY(parquet_reader_open_bytes(bytes, size, NULL, &reader, &err));
    TRY(parquet_reader_project(reader, schema, &err));
    for (;;) {
        struct batch *batch = NULL;
        TRY(parquet_reader_next(reader, &batch, &err));
        if (!batch) break;
        lines_add(lines, batch);
        batch_unref(batch);
    }
out:
    fclose(file);
    parquet_reader_close(reader);
    buffer_unref(bytes);
    return status;
}

static enum status read_expected(const char *root, const struct type *schema, struct lines *lines)
{
    char path[PATH_SIZE + 300];
    DIR *dir = opendir(root);
    struct dirent *entry;
    enum status status = STATUS_OK;
    if (!dir) return STATUS_OK; // canonicalized-paths: its only file was removed under another spelling
    while (status == STATUS_OK && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || !strstr(entry->d_name, ".parquet") || strstr(entry->d_name, ".crc")) continue;
        snprintf(path, sizeof path, "%s/%s", root, entry->d_name);
        status = read_expected_file(path, schema, lines);
    }
    closedir(dir);
    return status;
}

// The table's columns but those left out.
static const struct type *wanted_columns(const char *name, const struct type *all)
{
    struct field fields[64];
    uint32_t count = 0;
    assert_true(all->child_count <= 64);
    for (uint32_t i = 0; i < all->child_count; i++) {
        bool out = false;
        for (size_t at = 0; at < sizeof left_out / sizeof *left_out; at++) {
            out |= strcmp(left_out[at].name, name) == 0 && strcmp(left_out[at].column, all->children[i].name) == 0;
        }
        if (!out) fields[count++] = all->children[i];
    }
    return type_struct(fields, count);
}

static enum status read_table(const char *name, struct lines *lines, const struct type **ret_schema)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s/delta", folder, name);
    enum status status = STATUS_OK;
    struct objstore *store = NULL;
    struct delta_table *table = NULL;
    struct delta_scan *scan = NULL;
    TRY(objstore_open(path, false, &store, &err));
    TRY(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_FILES, &table, &err));
    TRY(delta_scan_create(table, wanted_columns(name, table->schema.type), NULL, &scan, &err));
    *ret_schema = delta_scan_schema(scan);
    for (;;) {
        struct batch *batch = NULL;
        TRY(delta_scan_next(scan, &batch, &err));
        if (!batch) break;
        lines_add(lines, batch);
        batch_unref(batch);
    }
out:
    delta_scan_destroy(scan);
    delta_table_close(table);
    objstore_close(store);
    return status;
}

static const char *refused_words(const char *name)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (strcmp(refused[i].name, name) == 0) return refused[i].words;
    }
    return NULL;
}

// 1: as expected
static int compare(const char *name, struct lines *got, struct lines *wanted)
{
    if (got->items.count) qsort(got->items.items, got->items.count, sizeof(char *), line_order);
    if (wanted->items.count) qsort(wanted->items.items, wanted->items.count, sizeof(char *), line_order);
    if (got->items.count != wanted->items.count) {
        print_error("%s: %zu rows, expected %zu\n", name, got->items.count, wanted->items.count);
        return 0;
    }
    for (size_t i = 0; i < got->items.count; i++) {
        if (strcmp(got->items.items[i], wanted->items.items[i]) == 0) continue;
        print_error("%s:\n  row      %s\n  expected %s\n", name, got->items.items[i], wanted->items.items[i]);
        return 0;
    }
    return 1;
}

static int check_table(const char *name)
{
    char path[PATH_SIZE];
    struct lines got = {0}, wanted = {0};
    const struct type *schema = NULL;
    const char *words = refused_words(name);
    enum status status = read_table(name, &got, &schema);
    int good = 0;
    if (words) {
        good = status != STATUS_OK && strstr(err.message, words) != NULL;
        if (!good) print_error("%s: %s\n", name, status == STATUS_OK ? "was read" : err.message);
    } else if (status != STATUS_OK) {
        print_error("%s: %s\n", name, err.message);
    } else {
        snprintf(path, sizeof path, "%s/%s/expected", folder, name);
        if (read_expected(path, schema, &wanted) == STATUS_OK) {
            good = compare(name, &got, &wanted);
        } else {
            print_error("%s: expected rows: %s\n", name, err.message);
        }
    }
    lines_deinit(&got);
    lines_deinit(&wanted);
    return good;
}

static void golden_tables_read_as_spark_reads_them(void **state)
{
    (void)state;
    char command[2 * PATH_SIZE];
    const char *source = unit_corpus_path("golden-tables");
    folder = unit_folder_create();
    snprintf(command, sizeof command, "for f in %s/*.tar.zst; do tar --zstd -xf $f -C %s || exit 1; done", source,
             folder);
    assert_int_equal(system(command), 0);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int tables = 0, good = 0;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.') continue;
        tables++;
        good += check_table(entry->d_name);
    }
    closedir(dir);
    unit_folder_remove();
    print_message("%d golden tables, %d as expected\n", tables, good);
    assert_int_equal(good, tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_tables_read_as_spark_reads_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
