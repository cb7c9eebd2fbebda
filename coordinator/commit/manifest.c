// Manifests. The happy path: pack, hash, put if absent under a name with a fresh uuid; read back: hash, unpack,
// compare. What can fail:
// - the put's outcome is unknown, or the name is taken: read; the same bytes mean that ours is there, other bytes that
// a
//   uuid came twice: FAIL_PIPELINE;
// - the file is torn, damaged or another's: STATUS_CORRUPT, FAIL_PIPELINE, with both hashes: never loaded (I7).
#include "coordinator/commit/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/hash.h"
#include "common/base/text.h"

enum { MANIFEST_MAGIC_SIZE = 8, MANIFEST_TRAILER_SIZE = 8, MANIFEST_TRIES = 12 };
static const char manifest_magic[MANIFEST_MAGIC_SIZE] = {'F', 'O', 'R', 'E', 'M', 'A', 'N', '1'};
#define MANIFEST_BACKOFF_US 100000

struct manifest *manifest_create(const Foreset__Manifest *body, struct random *random)
{
    struct manifest *manifest = memory_calloc(1, sizeof *manifest);
    atomic_init(&manifest->refs, 1);
    manifest->packed_size = foreset__manifest__get_packed_size(body);
    ASSERT(manifest->packed_size <= MANIFEST_BYTES_MAX);
    manifest->packed = memory_alloc(manifest->packed_size);
    foreset__manifest__pack(body, manifest->packed);
    manifest->body = foreset__manifest__unpack(NULL, manifest->packed_size, manifest->packed);
    ASSERT(manifest->body);
    char uuid[37];
    random_uuid(random, uuid);
    manifest->record = (struct meta_record){.epoch = body->epoch,
                                            .generation = body->generation,
                                            .hash = hash_64(manifest->packed, manifest->packed_size, 0)};
    snprintf(manifest->record.name, sizeof manifest->record.name, "manifests/%020" PRIu64 "-%" PRIu64 "-%s.pb",
             body->epoch, body->generation, uuid);
    return manifest;
}

struct manifest *manifest_ref(struct manifest *manifest)
{
    atomic_fetch_add(&manifest->refs, 1);
    return manifest;
}

void manifest_unref(struct manifest *manifest)
{
    if (!manifest || atomic_fetch_sub(&manifest->refs, 1) > 1) return;
    foreset__manifest__free_unpacked(manifest->body, NULL);
    memory_free(manifest->packed);
    memory_free(manifest);
}

void manifest_encode(const struct manifest *manifest, struct text *ret_bytes)
{
    text_reset(ret_bytes);
    text_append(ret_bytes, manifest_magic, sizeof manifest_magic);
    text_append(ret_bytes, manifest->packed, manifest->packed_size);
    text_append(ret_bytes, (const char *)&manifest->record.hash, sizeof manifest->record.hash);
}

enum status manifest_decode(const void *bytes, size_t size, const char *name, const struct meta_record *record,
                            struct manifest **ret_manifest, struct error *err)
{
    const char *data = bytes;
    if (size < MANIFEST_MAGIC_SIZE + MANIFEST_TRAILER_SIZE || size > MANIFEST_BYTES_MAX ||
        memcmp(data, manifest_magic, sizeof manifest_magic) != 0) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "manifest %s: %zu bytes that are no manifest", name,
                         size);
    }
    uint64_t stored, hash;
    size_t packed_size = size - MANIFEST_MAGIC_SIZE - MANIFEST_TRAILER_SIZE;
    memcpy(&stored, data + size - MANIFEST_TRAILER_SIZE, sizeof stored);
    hash = hash_64(data + MANIFEST_MAGIC_SIZE, packed_size, 0);
    if (hash != stored || (record && hash != record->hash)) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                         "manifest %s is damaged or not the one that was decided: its hash is %016" PRIx64
                         ", expected %016" PRIx64 "; restore the file, or start anew with --full-refresh",
                         name, hash, record ? record->hash : stored);
    }
    Foreset__Manifest *body = foreset__manifest__unpack(NULL, packed_size, (const uint8_t *)data + MANIFEST_MAGIC_SIZE);
    if (!body || (record && (body->epoch != record->epoch || body->generation != record->generation))) {
        if (body) foreset__manifest__free_unpacked(body, NULL);
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "manifest %s: not the epoch it was decided for",
                         name);
    }
    struct manifest *manifest = memory_calloc(1, sizeof *manifest);
    atomic_init(&manifest->refs, 1);
    manifest->body = body;
    manifest->packed_size = packed_size;
    manifest->packed = memory_alloc(packed_size);
    memcpy(manifest->packed, data + MANIFEST_MAGIC_SIZE, packed_size);
    manifest->record = (struct meta_record){.epoch = body->epoch, .generation = body->generation, .hash = hash};
    snprintf(manifest->record.name, sizeof manifest->record.name, "%s", name);
    *ret_manifest = manifest;
    return STATUS_OK;
}

static enum status manifest_same(const struct text *bytes, struct objstore *state, const char *name, bool *ret_same,
                                 struct error *err)
{
    struct buffer *there = NULL;
    enum status status = objstore_get(state, name, &there, err);
    if (status != STATUS_OK) return status;
    *ret_same = there->size_bytes == bytes->length && memcmp(there->data, bytes->data, bytes->length) == 0;
    buffer_unref(there);
    return STATUS_OK;
}

static enum status manifest_put_settled(const struct text *bytes, struct objstore *state, const char *name,
                                        struct seam *seam, struct error *err)
{
    enum status status = STATUS_OK;
    for (unsigned attempt = 0; attempt < MANIFEST_TRIES; attempt++) {
        bool same = false;
        status = objstore_put_if_absent(state, name, bytes->data, bytes->length, err);
        if (status == STATUS_OK || status == STATUS_KILLED) return status;
        if (status == STATUS_EXISTS || status == STATUS_UNKNOWN) {
            enum status read = manifest_same(bytes, state, name, &same, err);
            if (read == STATUS_OK && same) return objstore_settle(state, name, err);
            if (read == STATUS_KILLED) return read;
            if (read == STATUS_OK) {
                return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                                 "manifest %s holds other bytes than were put", name);
            }
        } else if (err->class != ERROR_RETRY) {
            break;
        }
        if (seam->ops->stopping(seam)) break;
        seam->ops->sleep(seam, MANIFEST_BACKOFF_US);
    }
    return error_prefix(err, "manifest %s", name);
}

enum status manifest_put(const struct manifest *manifest, struct objstore *state, struct seam *seam, struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    manifest_encode(manifest, &bytes);
    TRY(FAILPOINT("manifest_put.before", err));
    TRY(manifest_put_settled(&bytes, state, manifest->record.name, seam, err));
    TRY(FAILPOINT("manifest_put.after", err));
out:
    text_deinit(&bytes);
    return status;
}

enum status manifest_get(struct objstore *state, const struct meta_record *record, struct seam *seam,
                         struct manifest **ret_manifest, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *bytes = NULL;
    for (unsigned attempt = 0; attempt < MANIFEST_TRIES; attempt++) {
        status = objstore_get(state, record->name, &bytes, err);
        if (status == STATUS_OK || status == STATUS_KILLED || status == STATUS_NOT_FOUND) break;
        if (seam->ops->stopping(seam)) break;
        seam->ops->sleep(seam, MANIFEST_BACKOFF_US);
    }
    if (status == STATUS_NOT_FOUND) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                         "the manifest of the decided epoch %" PRIu64
                         " is gone: %s/%s; restore the file, or start anew with --full-refresh",
                         record->epoch, state->url ? state->url : "", record->name);
    }
    if (status != STATUS_OK) return error_prefix(err, "manifest of epoch %" PRIu64, record->epoch);
    status = manifest_decode(bytes->data, bytes->size_bytes, record->name, record, ret_manifest, err);
    buffer_unref(bytes);
    return status;
}

const Foreset__TableEpoch *manifest_table(const struct manifest *manifest, uint32_t table)
{
    for (size_t i = 0; i < manifest->body->n_tables; i++) {
        if (manifest->body->tables[i]->table == table) return manifest->body->tables[i];
    }
    return NULL;
}

bool manifest_commits(const Foreset__TableEpoch *table)
{
    return table->n_adds > 0 || table->n_removes > 0 || table->overwrite;
}

bool manifest_commits_dead_letters(const Foreset__TableEpoch *table)
{
    return table->n_dead_letters > 0 || table->dead_letters_overwrite;
}

bool manifest_part_parse(const char *key, const char *prefix, uint64_t *ret_epoch, uint64_t *ret_generation)
{
    size_t length = strlen(prefix);
    if (strncmp(key, prefix, length) != 0) return false;
    char end = 0;
    int fields = sscanf(key + length, "%20" SCNu64 "-%20" SCNu64 "%c", ret_epoch, ret_generation, &end);
    return fields == 3 && end == '-';
}

bool manifest_name_parse(const char *name, uint64_t *ret_epoch, uint64_t *ret_generation)
{
    return manifest_part_parse(name, "manifests/", ret_epoch, ret_generation);
}
