// State snapshot parts: any bytes give records or STATUS_CORRUPT. First as they are: the checksums stop nearly all of
// them. Then with index and checksums mended, so that the records themselves are hostile.
#include "tests/fuzz/fuzz_part.h"
#include "worker/snapshot/snapshot_part.h"

static void fuzz_read(const uint8_t *bytes, size_t size, bool *ret_opened)
{
    struct snapshot_reader reader;
    struct error err;
    *ret_opened = snapshot_reader_open(&reader, bytes, size, &err) == STATUS_OK;
    if (!*ret_opened) return;
    uint64_t seen = 0, hash = 0;
    bool end = false;
    while (!end) {
        struct snapshot_record record;
        if (snapshot_reader_next(&reader, &record, &end, &err) != STATUS_OK) return;
        if (end) break;
        ASSERT(++seen <= reader.entries);
        hash ^= hash_64(record.key.data, record.key.length, hash) ^ hash_64(record.value.data, record.value.length, 1);
    }
    ASSERT(seen == reader.entries);
    (void)hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    bool opened;
    fuzz_read(bytes, size, &opened);
    uint8_t *mended = memory_alloc(size + 1);
    if (size) memcpy(mended, bytes, size);
    fuzz_part_mend(mended, size);
    fuzz_read(mended, size, &opened);
    ASSERT(opened || size < FUZZ_PART_HEADER + sizeof(uint64_t) || fuzz_part_u32(mended + 8) == 0);
    memory_free(mended);
    return 0;
}
