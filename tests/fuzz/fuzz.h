// What every fuzz target shares: bytes in memory as the product's readers want them. Each target is one file with
// LLVMFuzzerTestOneInput; it promises nothing but that hostile bytes give an error, never a crash, a leak or a hang.
// With FORESET_FUZZ (clang) targets link libFuzzer; without, fuzz_replay.c's main, which runs kept inputs as tests.
#ifndef FORESET_FUZZ_FUZZ_H
#define FORESET_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/memory.h"

#define FUZZ_BYTES_MAX  (1u << 20)
#define FUZZ_MEMORY_MAX (256ull << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// A counted buffer with the bytes; the caller's to unref.
static inline struct buffer *fuzz_buffer(const uint8_t *bytes, size_t size)
{
    struct buffer *buffer = NULL;
    struct error err;
    ASSERT(buffer_create(NULL, size, &buffer, &err) == STATUS_OK);
    if (size > 0) memcpy(buffer->data, bytes, size);
    return buffer;
}

#endif
