// The Parquet reader: any bytes give batches or an error, within a budget, from memory and by ranges.
#include "common/parquet/parquet_reader.h"
#include "tests/fuzz/fuzz.h"

enum { BATCHES_MAX = 1000 };

static enum status read_range(void *context, uint64_t offset, uint64_t length, struct buffer **ret_bytes,
                              struct error *err)
{
    (void)err;
    const struct buffer *file = context;
    *ret_bytes = fuzz_buffer(file->data + offset, length);
    return STATUS_OK;
}

static void read_file(struct parquet_reader *reader)
{
    struct batch *batch = NULL;
    struct error err;
    // Rows without columns cost no bytes: a small file may have any number of batches.
    for (int i = 0; i < BATCHES_MAX && parquet_reader_next(reader, &batch, &err) == STATUS_OK && batch; i++) {
        batch_unref(batch);
        batch = NULL;
    }
    parquet_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct budget budget;
    budget_init(&budget, "fuzz", NULL, FUZZ_MEMORY_MAX);
    struct buffer *buffer = fuzz_buffer(bytes, size);
    struct parquet_reader *reader = NULL;
    struct error err;
    struct parquet_input input = {.read = read_range, .context = buffer, .size_bytes = size, .tail_bytes = 8};
    if (parquet_reader_open_bytes(buffer, size, &budget, &reader, &err) == STATUS_OK) read_file(reader);
    if (parquet_reader_open(&input, &budget, &reader, &err) == STATUS_OK) read_file(reader);
    ASSERT(budget.used_bytes == 0);
    buffer_unref(buffer);
    return 0;
}
