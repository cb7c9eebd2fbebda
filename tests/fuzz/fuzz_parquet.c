// The Parquet reader: any bytes give batches or an error, within a budget.
#include "common/parquet/parquet_reader.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct budget budget;
    budget_init(&budget, "fuzz", NULL, FUZZ_MEMORY_MAX);
    struct buffer *buffer = fuzz_buffer(bytes, size);
    struct parquet_reader *reader = NULL;
    struct error err;
    if (parquet_reader_open(buffer, size, &budget, &reader, &err) == STATUS_OK) {
        struct batch *batch = NULL;
        while (parquet_reader_next(reader, &batch, &err) == STATUS_OK && batch) {
            batch_unref(batch);
            batch = NULL;
        }
        parquet_reader_close(reader);
    }
    buffer_unref(buffer);
    return 0;
}
