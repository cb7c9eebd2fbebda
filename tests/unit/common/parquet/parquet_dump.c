// foreset-parquet-dump file [column list]: schema, rows and a hash of the rows on stderr, the rows as JSON lines on
// stdout, by our reader. For comparing with other readers.
#include <stdio.h>

#include "common/base/hash.h"
#include "common/parquet/parquet_reader.h"
#include "tests/unit/common/parquet/parquet_samples.h"

static enum status dump(struct parquet_reader *reader, const char *columns, struct error *err)
{
    enum status status = STATUS_OK;
    struct text line = {0};
    uint64_t rows = 0, hash = 0;
    if (columns) {
        const struct type *wanted;
        TRY(type_parse_ddl(columns, &wanted, err));
        TRY(parquet_reader_project(reader, wanted, err));
    }
    for (;;) {
        struct batch *batch;
        TRY(parquet_reader_next(reader, &batch, err));
        if (!batch) break;
        for (uint32_t i = 0; i < batch->row_count; i++, rows++) {
            text_reset(&line);
            batch_json(batch, i, &line);
            hash = hash_64(line.data, line.length, hash);
            puts(text_str(&line));
        }
        batch_unref(batch);
    }
    fprintf(stderr, "%s\nrows %llu hash %016llx\n", parquet_reader_schema(reader)->text, (unsigned long long)rows,
            (unsigned long long)hash);
out:
    text_deinit(&line);
    return status;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct parquet_reader *reader = NULL;
    size_t size = 0;
    struct buffer *file = argc > 1 ? parquet_samples_file(argv[1], &size) : NULL;
    if (!file) {
        fprintf(stderr, "foreset-parquet-dump: cannot read %s\n", argc > 1 ? argv[1] : "(no file)");
        return 2;
    }
    enum status status = parquet_reader_open_bytes(file, size, NULL, &reader, &err);
    if (status == STATUS_OK) status = dump(reader, argc > 2 ? argv[2] : NULL, &err);
    if (status != STATUS_OK) fprintf(stderr, "%s: %s\n", status_name(status), err.message);
    parquet_reader_close(reader);
    buffer_unref(file);
    return status != STATUS_OK;
}
