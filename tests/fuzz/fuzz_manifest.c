// Manifests: any bytes give a manifest or an error, and what is read can be packed again to the same bytes. First the
// bytes as a file, which the hash stops nearly always; then as a body under the right magic and hash.
#include "common/base/hash.h"
#include "coordinator/commit/manifest.h"
#include "tests/fuzz/fuzz.h"

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

// Every part of the message's lists is these same bytes, under the right checksum.
static enum status fuzz_list_read(void *context, const Foreset__ManifestList *list,
                                  const Foreset__ManifestListPart *part, struct buffer **ret_bytes, struct error *err)
{
    const struct text *file = context;
    Foreset__ManifestListPart *here = (Foreset__ManifestListPart *)part;
    (void)list;
    here->size_bytes = file->length;
    here->checksum = hash_64(file->data, file->length, 0);
    enum status status = buffer_create(NULL, file->length, ret_bytes, err);
    if (status == STATUS_OK) memcpy((*ret_bytes)->data, file->data, file->length);
    return status;
}

// A manifest with lists, made whole with a part of the bytes; then without them it can be freed.
static void fuzz_list(const uint8_t *bytes, size_t size)
{
    struct text file = {0};
    struct error err;
    uint64_t hash = hash_64(bytes, size, 0);
    Foreset__Manifest *manifest = foreset__manifest__unpack(NULL, size, bytes);
    if (!manifest) return;
    text_append_str(&file, "FORELST1");
    text_append(&file, (const char *)bytes, size);
    text_append(&file, (const char *)&hash, sizeof hash);
    const struct manifest_list_reader reader = {fuzz_list_read, &file};
    if (manifest_list_expand(manifest, &reader, &err) != STATUS_OK) ASSERT(err.message[0]);
    foreset__manifest__free_unpacked(manifest, NULL);
    text_deinit(&file);
}

// Under one of the magics that say what may be in it.
static void fuzz_file(const char *first, const uint8_t *bytes, size_t size)
{
    size_t magic = strlen(first);
    uint64_t hash = hash_64(bytes, size, 0);
    struct text file = {0};
    text_append_str(&file, first);
    text_append(&file, (const char *)bytes, size);
    text_append(&file, (const char *)&hash, sizeof hash);
    ASSERT(file.length == magic + size + sizeof hash);
    uint8_t *exact = memory_alloc(file.length);
    memcpy(exact, text_str(&file), file.length);
    fuzz_read(exact, file.length);
    memory_free(exact);
    text_deinit(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_read(bytes, size);
    fuzz_file("FOREMAN1", bytes, size);
    fuzz_file("FOREMAN2", bytes, size);
    fuzz_list(bytes, size);
    return 0;
}
