// Files of manifests. The happy path: read, compare the hash with what the file and the caller say, unpack, compare the
// epoch. What can fail:
// - the store does not answer: MANIFEST_FILE_TRIES times with a pause, then its error;
// - the file is not there, torn, damaged or another's: STATUS_CORRUPT, FAIL_PIPELINE, with path and both hashes: never
//   loaded (I7);
// - a newer program wrote it in a format that this one does not know: STATUS_UNSUPPORTED, FAIL_PIPELINE.
#include "common/manifest/manifest_file.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/format_version.h"
#include "common/base/hash.h"

enum { MANIFEST_FILE_MAGIC_SIZE = 8, MANIFEST_FILE_TRAILER_SIZE = 8, MANIFEST_FILE_TRIES = 12 };
static const char manifest_file_magic[2][MANIFEST_FILE_MAGIC_SIZE] = {{'F', 'O', 'R', 'E', 'M', 'A', 'N', '1'},
                                                                      {'F', 'O', 'R', 'E', 'M', 'A', 'N', '2'}};
#define MANIFEST_FILE_BACKOFF_US 100000

uint32_t manifest_file_format(const Foreset__Manifest *manifest)
{
    return manifest->has_least_reader && manifest->least_reader >= 2 ? 2 : 1;
}

void manifest_file_encode(const void *packed, size_t size, uint64_t hash, uint32_t format, struct text *ret_bytes)
{
    text_reset(ret_bytes);
    text_reserve(ret_bytes, size + MANIFEST_FILE_MAGIC_SIZE + MANIFEST_FILE_TRAILER_SIZE);
    text_append(ret_bytes, manifest_file_magic[format - 1], MANIFEST_FILE_MAGIC_SIZE);
    text_append(ret_bytes, packed, size);
    text_append(ret_bytes, (const char *)&hash, sizeof hash);
}

// Of what was unpacked: who can read it, and whether it is what the caller wants.
static enum status manifest_file_check(const Foreset__Manifest *manifest, const char *magic,
                                       const struct manifest_file *file, bool any, struct error *err)
{
    enum status status =
        format_version_check(FORMAT_MANIFEST, manifest->writer, manifest->has_least_reader ? manifest->least_reader : 0,
                             err, "manifest %s", file->name);
    if (status != STATUS_OK) return status;
    uint32_t format = manifest_file_format(manifest);
    if (memcmp(magic, manifest_file_magic[format - 1], MANIFEST_FILE_MAGIC_SIZE) != 0 ||
        (format == 1 && manifest->n_lists > 0)) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "manifest %s: its first bytes name another format",
                         file->name);
    }
    if (any || (manifest->epoch == file->epoch && manifest->generation == file->generation)) return STATUS_OK;
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "manifest %s: not the epoch it was decided for",
                     file->name);
}

enum status manifest_file_decode(const void *bytes, size_t size, const struct manifest_file *file, bool any,
                                 Foreset__Manifest **ret_manifest, const void **ret_packed, size_t *ret_packed_size,
                                 struct error *err)
{
    const char *data = bytes;
    if (size < MANIFEST_FILE_MAGIC_SIZE + MANIFEST_FILE_TRAILER_SIZE || size > MANIFEST_BYTES_MAX ||
        (memcmp(data, manifest_file_magic[0], MANIFEST_FILE_MAGIC_SIZE) != 0 &&
         memcmp(data, manifest_file_magic[1], MANIFEST_FILE_MAGIC_SIZE) != 0)) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "manifest %s: %zu bytes that are no manifest",
                         file->name, size);
    }
    uint64_t stored, hash;
    size_t packed_size = size - MANIFEST_FILE_MAGIC_SIZE - MANIFEST_FILE_TRAILER_SIZE;
    memcpy(&stored, data + size - MANIFEST_FILE_TRAILER_SIZE, sizeof stored);
    hash = hash_64(data + MANIFEST_FILE_MAGIC_SIZE, packed_size, 0);
    if (hash != stored || (!any && hash != file->hash)) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                         "manifest %s is damaged or not the one that was decided: its hash is %016" PRIx64
                         ", expected %016" PRIx64
                         "; restore the file, or move the tables and the state away and run again",
                         file->name, hash, any ? stored : file->hash);
    }
    Foreset__Manifest *manifest =
        foreset__manifest__unpack(NULL, packed_size, (const uint8_t *)data + MANIFEST_FILE_MAGIC_SIZE);
    if (!manifest) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "manifest %s: not a manifest's message", file->name);
    }
    enum status status = manifest_file_check(manifest, data, file, any, err);
    if (status != STATUS_OK) {
        foreset__manifest__free_unpacked(manifest, NULL);
        return status;
    }
    *ret_manifest = manifest;
    *ret_packed = data + MANIFEST_FILE_MAGIC_SIZE;
    *ret_packed_size = packed_size;
    return STATUS_OK;
}

enum status manifest_file_read(struct objstore *state, const struct manifest_file *file, struct seam *seam,
                               struct buffer **ret_bytes, struct error *err)
{
    enum status status = STATUS_OK;
    for (unsigned attempt = 0; attempt < MANIFEST_FILE_TRIES; attempt++) {
        status = objstore_get(state, file->name, ret_bytes, err);
        if (status == STATUS_OK || status == STATUS_KILLED || status == STATUS_NOT_FOUND) break;
        if (seam->ops->stopping(seam)) break;
        seam->ops->sleep(seam, MANIFEST_FILE_BACKOFF_US);
    }
    if (status == STATUS_NOT_FOUND) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                         "the manifest of the decided epoch %" PRIu64
                         " is gone: %s/%s; restore the file, or move the tables and the state away and run again",
                         file->epoch, state->url ? state->url : "", file->name);
    }
    return status == STATUS_OK ? status : error_prefix(err, "manifest of epoch %" PRIu64, file->epoch);
}

enum status manifest_file_get(struct objstore *state, const struct manifest_file *file, struct seam *seam,
                              Foreset__Manifest **ret_manifest, struct error *err)
{
    struct buffer *bytes = NULL;
    const void *packed;
    size_t size;
    enum status status = manifest_file_read(state, file, seam, &bytes, err);
    if (status != STATUS_OK) return status;
    status = manifest_file_decode(bytes->data, bytes->size_bytes, file, false, ret_manifest, &packed, &size, err);
    buffer_unref(bytes);
    return status;
}
