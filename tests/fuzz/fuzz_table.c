// A whole table that others damaged, as `tables show` reads it: log, log checkpoints, deletion vectors, data files.
// Any files give rows or an error with words. Input: records (fuzz_role.h's form: u8 flags, u16 length, bytes), each a
// file; the flags say which.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/table_print.h"
#include "cli/table_rows.h"
#include "tests/fuzz/fuzz.h"

enum { FUZZ_FILES_MAX = 32 };
static const char *const fuzz_names[] = {
    "_delta_log/00000000000000000000.json",
    "_delta_log/00000000000000000001.json",
    "_delta_log/00000000000000000002.json",
    "_delta_log/00000000000000000001.checkpoint.parquet",
    "_delta_log/_last_checkpoint",
    "part-0.parquet",
    "part-1.parquet",
    "part-2.parquet",
    "k=1/part-0.parquet",
    "k=2/part-0.parquet",
    "deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin",
};
#define FUZZ_NAMES (sizeof fuzz_names / sizeof *fuzz_names)

static char fuzz_folder[64];

static void fuzz_forget(void)
{
    char path[256];
    for (size_t i = 0; i < FUZZ_NAMES; i++) {
        snprintf(path, sizeof path, "%s/%s", fuzz_folder, fuzz_names[i]);
        (void)unlink(path);
    }
}

static void fuzz_leave(void)
{
    static const char *const folders[] = {"/_delta_log", "/k=1", "/k=2", ""};
    char path[256];
    fuzz_forget();
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", fuzz_folder, folders[i]);
        (void)rmdir(path);
    }
}

static void fuzz_prepare(void)
{
    if (*fuzz_folder) {
        fuzz_forget();
        return;
    }
    char path[256];
    snprintf(fuzz_folder, sizeof fuzz_folder, "/tmp/fuzz_table_XXXXXX");
    ASSERT(mkdtemp(fuzz_folder));
    ASSERT(atexit(fuzz_leave) == 0);
    static const char *const folders[] = {"_delta_log", "k=1", "k=2"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", fuzz_folder, folders[i]);
        ASSERT(mkdir(path, 0700) == 0);
    }
}

static void fuzz_file(uint8_t which, const uint8_t *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder, fuzz_names[which % FUZZ_NAMES]);
    FILE *file = fopen(path, "wb");
    ASSERT(file);
    ASSERT(fwrite(bytes, 1, size, file) == size);
    ASSERT(fclose(file) == 0);
}

static enum status fuzz_show(const struct table_rows_query *query, FILE *out, struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore *store = NULL;
    struct delta_table *table = NULL;
    struct table_rows rows = {0};
    char url[80];
    snprintf(url, sizeof url, "file://%s", fuzz_folder);
    TRY(objstore_open(url, false, &store, err));
    TRY(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_FILES, &table, err));
    TRY(table_rows_read(table, query, &rows, err));
    table_print_rows(&rows, TABLE_PRINT_TABLE, out);
    table_print_rows(&rows, TABLE_PRINT_JSON, out);
out:
    table_rows_deinit(&rows);
    delta_table_close(table);
    objstore_close(store);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static FILE *out;
    struct error err = {0};
    if (!out) out = fopen("/dev/null", "w");
    ASSERT(out);
    fuzz_prepare();
    for (int i = 0; i < FUZZ_FILES_MAX && size >= 3; i++) {
        size_t length = (size_t)(bytes[1] | bytes[2] << 8);
        if (length > size - 3) length = size - 3;
        fuzz_file(bytes[0], bytes + 3, length);
        bytes += 3 + length;
        size -= 3 + length;
    }
    const struct table_rows_query all = {.limit = UINT64_MAX},
                                  few = {.limit = 3, .columns = "id", .order_by = "id DESC"};
    if (fuzz_show(&all, out, &err) != STATUS_OK) ASSERT(err.message[0]);
    if (fuzz_show(&few, out, &err) != STATUS_OK) ASSERT(err.message[0]);
    return 0;
}
