// Manifests: any bytes give a manifest or an error, and what is read can be packed again to the same bytes.
#include "coordinator/commit/manifest.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char name[] = "manifests/1-1-00000000-0000-0000-0000-000000000000.pb";
    struct manifest *manifest = NULL;
    struct error err;
    if (manifest_decode(bytes, size, name, NULL, &manifest, &err) != STATUS_OK) {
        ASSERT(err.message[0]);
        return 0;
    }
    struct text again = {0};
    manifest_encode(manifest, &again);
    ASSERT(again.length == size && memcmp(text_str(&again), bytes, size) == 0);
    text_deinit(&again);
    manifest_unref(manifest);
    return 0;
}
