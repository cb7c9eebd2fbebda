// Manifests. The happy path: split off parts of lists, pack, hash, put if absent under a name with a fresh uuid; read
// back: hash, unpack, compare, put the parts' elements in. What can fail:
// - the put's outcome is unknown, or the name is taken: read; the same bytes mean that ours is there, other bytes that
// a
//   uuid came twice: FAIL_PIPELINE;
// - the file is torn, damaged or another's: STATUS_CORRUPT, FAIL_PIPELINE, with both hashes: never loaded (I7).
#include "coordinator/commit/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/format_version.h"
#include "common/base/hash.h"
#include "common/base/planted.h"
#include "common/base/text.h"

enum { MANIFEST_TRIES = 12 };
#define MANIFEST_BACKOFF_US 100000

// Says which table's files make it so large. Only what the message holds counts: the same body fails again.
static enum status manifest_too_large(const Foreset__Manifest *body, size_t size, struct error *err)
{
    size_t files = 0;
    const Foreset__TableEpoch *most = NULL;
    for (size_t i = 0; i < body->n_tables; i++) {
        const Foreset__TableEpoch *table = body->tables[i];
        size_t count = table->n_adds + table->n_pending + table->n_open + table->n_removes + table->n_dead_letters +
                       table->n_dead_letters_pending;
        if (most && count <= files) continue;
        most = table;
        files = count;
    }
    return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                     "epoch %" PRIu64 ": its manifest has %zu bytes, the limit is %u; table number %u alone has %zu "
                     "files in it, with those of its unfinished batch. Read less per epoch (maxFilesPerTrigger, "
                     "maxOffsetsPerTrigger), shorten trigger.interval, partition by fewer values, or set "
                     "'delta.dataSkippingNumIndexedCols' lower",
                     body->epoch, size, MANIFEST_PACKED_MAX, most ? most->table : 0, files);
}

static void manifest_pack(struct manifest *manifest, const Foreset__Manifest *body, const Foreset__Manifest *stored)
{
    manifest->packed = memory_alloc(manifest->packed_size);
    foreset__manifest__pack(stored, manifest->packed);
    if (stored->n_lists == 0) {
        manifest->body = foreset__manifest__unpack(NULL, manifest->packed_size, manifest->packed);
    } else {
        Foreset__Manifest whole = *body;
        whole.lists = stored->lists;
        whole.n_lists = stored->n_lists;
        size_t size = foreset__manifest__get_packed_size(&whole);
        uint8_t *packed = memory_alloc(size);
        foreset__manifest__pack(&whole, packed);
        manifest->body = foreset__manifest__unpack(NULL, size, packed);
        memory_free(packed);
    }
    ASSERT(manifest->body);
}

enum status manifest_create(const Foreset__Manifest *body, const struct manifest *previous, struct random *random,
                            struct manifest **ret_manifest, struct error *err)
{
    enum status status = STATUS_OK;
    char uuid[37];
    struct arena arena;
    Foreset__Manifest stored;
    struct manifest *manifest = memory_calloc(1, sizeof *manifest);
    arena_init(&arena, 0);
    atomic_init(&manifest->refs, 1);
    TRY(manifest_split(body, previous ? previous->body : NULL, random, &arena, &stored, &manifest->parts, err));
    stored.writer = (char *)format_version_program();
    stored.has_least_reader = true;
    stored.least_reader = format_version_info(FORMAT_MANIFEST).writes;
    manifest->packed_size = foreset__manifest__get_packed_size(&stored);
    if (manifest->packed_size > MANIFEST_PACKED_MAX) {
        status = manifest_too_large(&stored, manifest->packed_size, err);
        goto out;
    }
    manifest_pack(manifest, body, &stored);
    manifest->format = manifest_file_format(&stored);
    random_uuid(random, uuid);
    manifest->record = (struct meta_record){.epoch = body->epoch,
                                            .generation = body->generation,
                                            .hash = hash_64(manifest->packed, manifest->packed_size, 0)};
    snprintf(manifest->record.name, sizeof manifest->record.name, "manifests/%020" PRIu64 "-%" PRIu64 "-%s.pb",
             body->epoch, body->generation, uuid);
    *ret_manifest = manifest_ref(manifest);
out:
    manifest_unref(manifest);
    arena_deinit(&arena);
    return status;
}

struct manifest *manifest_ref(struct manifest *manifest)
{
    atomic_fetch_add(&manifest->refs, 1);
    return manifest;
}

void manifest_unref(struct manifest *manifest)
{
    if (!manifest || atomic_fetch_sub(&manifest->refs, 1) > 1) return;
    if (manifest->body) foreset__manifest__free_unpacked(manifest->body, NULL);
    manifest_parts_deinit(&manifest->parts);
    memory_free(manifest->packed);
    memory_free(manifest);
}

void manifest_encode(const struct manifest *manifest, struct text *ret_bytes)
{
    manifest_file_encode(manifest->packed, manifest->packed_size, manifest->record.hash, manifest->format, ret_bytes);
}

static struct manifest_file manifest_file_of(const struct meta_record *record)
{
    return (struct manifest_file){record->name, record->epoch, record->generation, record->hash};
}

enum status manifest_decode(const void *bytes, size_t size, const char *name, const struct meta_record *record,
                            struct manifest **ret_manifest, struct error *err)
{
    struct manifest_file file = {.name = name};
    Foreset__Manifest *body = NULL;
    const void *packed = NULL;
    size_t packed_size = 0;
    if (record) file = manifest_file_of(record);
    file.name = name;
    enum status status = manifest_file_decode(bytes, size, &file, !record, &body, &packed, &packed_size, err);
    if (status != STATUS_OK) return status;
    struct manifest *manifest = memory_calloc(1, sizeof *manifest);
    atomic_init(&manifest->refs, 1);
    manifest->body = body;
    manifest->format = manifest_file_format(body);
    manifest->packed_size = packed_size;
    manifest->packed = memory_alloc(packed_size);
    memcpy(manifest->packed, packed, packed_size);
    manifest->record = (struct meta_record){
        .epoch = body->epoch, .generation = body->generation, .hash = hash_64(packed, packed_size, 0)};
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
                return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "%s holds other bytes than were put", name);
            }
        } else if (err->class != ERROR_RETRY) {
            break;
        }
        if (seam->ops->stopping(seam)) break;
        seam->ops->sleep(seam, MANIFEST_BACKOFF_US);
    }
    return error_prefix(err, "storing %s", name);
}

enum status manifest_put_parts(const struct manifest *manifest, struct objstore *state, struct seam *seam,
                               struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < manifest->parts.items.count && status == STATUS_OK; i++) {
        const struct manifest_part *part = &manifest->parts.items.items[i];
        status = manifest_put_settled(&part->bytes, state, part->key, seam, err);
    }
    return status;
}

enum status manifest_put(const struct manifest *manifest, struct objstore *state, struct seam *seam, struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    manifest_encode(manifest, &bytes);
    TRY(FAILPOINT("manifest_put.before", err));
    if (!FORESET_BUG("list-after-decision")) TRY(manifest_put_parts(manifest, state, seam, err));
    TRY(manifest_put_settled(&bytes, state, manifest->record.name, seam, err));
    TRY(FAILPOINT("manifest_put.after", err));
out:
    text_deinit(&bytes);
    return status;
}

enum status manifest_get_parts(struct objstore *state, const struct meta_record *record, struct seam *seam,
                               const struct manifest_list_reader *reader, struct manifest **ret_manifest,
                               struct error *err)
{
    struct buffer *bytes = NULL;
    struct manifest *manifest = NULL;
    struct manifest_file file = manifest_file_of(record);
    enum status status = manifest_file_read(state, &file, seam, &bytes, err);
    if (status != STATUS_OK) return status;
    status = manifest_decode(bytes->data, bytes->size_bytes, record->name, record, &manifest, err);
    buffer_unref(bytes);
    if (status == STATUS_OK) status = manifest_list_expand(manifest->body, reader, err);
    if (status == STATUS_OK) {
        *ret_manifest = manifest;
    } else {
        manifest_unref(manifest);
    }
    return status;
}

enum status manifest_get(struct objstore *state, const struct meta_record *record, struct seam *seam,
                         struct manifest **ret_manifest, struct error *err)
{
    struct manifest_list_store store = {state, seam};
    const struct manifest_list_reader reader = {manifest_list_store_read, &store};
    return manifest_get_parts(state, record, seam, &reader, ret_manifest, err);
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

bool manifest_previous(const struct manifest *manifest, struct meta_record *ret_record)
{
    const char *previous = manifest->body->previous;
    *ret_record = (struct meta_record){.hash = manifest->body->previous_hash};
    if (!previous || !manifest_name_parse(previous, &ret_record->epoch, &ret_record->generation)) return false;
    snprintf(ret_record->name, sizeof ret_record->name, "%s", previous);
    return true;
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

// A number as the program writes it, and the dash behind it: "00001", as other writers have it, is not ours.
static bool manifest_data_number(const char **at, uint64_t *ret_number)
{
    const char *from = *at;
    char digits[24] = "";
    size_t length = strspn(from, "0123456789");
    if (length == 0 || length > 20 || from[length] != '-' || (*from == '0' && length > 1)) return false;
    memcpy(digits, from, length);
    *at = from + length + 1;
    return text_parse_u64(digits, ret_number);
}

static bool manifest_data_uuid(const char *text)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i])) return false;
    }
    return text[14] == '4';
}

bool manifest_data_parse(const char *path, uint64_t *ret_epoch, uint64_t *ret_generation)
{
    const char *slash = strrchr(path, '/'), *at = slash ? slash + 1 : path;
    bool part = strncmp(at, "part-", 5) == 0;
    uint64_t numbers[5];
    if (!part && strncmp(at, "rest-", 5) != 0) return false;
    at += 5;
    for (size_t i = 0; i < (part ? 5 : 2); i++) {
        if (!manifest_data_number(&at, &numbers[i])) return false;
    }
    if (numbers[0] == 0 || !manifest_data_uuid(at) || at[36] != '.') return false;
    at += 37;
    size_t codec = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (codec == 0 || strcmp(at + codec, ".parquet") != 0) return false;
    *ret_epoch = numbers[0];
    *ret_generation = numbers[1];
    return true;
}
