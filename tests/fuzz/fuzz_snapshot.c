// State snapshot parts: any bytes give records or STATUS_CORRUPT. A checksum would stop nearly every mutation at the
// door, so the harness does not mend it: what stands before the checksums is what is tested, as deep as bit flips get.
#include "tests/fuzz/fuzz.h"
#include "worker/snapshot/snapshot_part.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct snapshot_reader reader;
    struct error err;
    if (snapshot_reader_open(&reader, bytes, size, &err) != STATUS_OK) return 0;
    uint64_t seen = 0;
    bool end = false;
    while (!end) {
        struct snapshot_record record;
        if (snapshot_reader_next(&reader, &record, &end, &err) != STATUS_OK) return 0;
        if (!end) ASSERT(++seen <= reader.entries);
    }
    return 0;
}
