// Manifests: any bytes give a manifest or an error, and what is read can be packed again to the same bytes. First the
// bytes as a file, which the hash stops nearly always; then as a body under the right magic and hash.
#include "common/base/hash.h"
#include "coordinator/commit/manifest.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_MAGIC "FOREMAN1"

static void fuzz_read(const void *bytes, size_t size)
{
    static const char name[] = "manifests/1-1-00000000-0000-0000-0000-000000000000.pb";
    struct manifest *manifest = NULL;
    struct error err;
    if (manifest_decode(bytes, size, name, NULL, &manifest, &err) != STATUS_OK) {
        ASSERT(err.message[0]);
        return;
    }
    struct text again = {0};
    manifest_encode(manifest, &again);
    ASSERT(again.length == size && memcmp(text_str(&again), bytes, size) == 0);
    size_t packed_size = foreset__manifest__get_packed_size(manifest->body);
    uint8_t *packed = memory_alloc(packed_size + 1);
    ASSERT(foreset__manifest__pack(manifest->body, packed) == packed_size);
    memory_free(packed);
    text_deinit(&again);
    manifest_unref(manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_read(bytes, size);
    size_t magic = strlen(FUZZ_MAGIC);
    uint64_t hash = hash_64(bytes, size, 0);
    struct text file = {0};
    text_append_str(&file, FUZZ_MAGIC);
    text_append(&file, (const char *)bytes, size);
    text_append(&file, (const char *)&hash, sizeof hash);
    ASSERT(file.length == magic + size + sizeof hash);
    uint8_t *exact = memory_alloc(file.length);
    memcpy(exact, text_str(&file), file.length);
    fuzz_read(exact, file.length);
    memory_free(exact);
    text_deinit(&file);
    return 0;
}
