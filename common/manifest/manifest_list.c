// Parts of a manifest's lists. The happy path: read each part, compare its size and checksum with what the manifest
// says, unpack, put its elements in front of the manifest's own. What can fail:
// - the store does not answer: MANIFEST_LIST_TRIES times with a pause, then its error;
// - a part is not there, torn, damaged, another's, or has other counts than the manifest says: STATUS_CORRUPT,
//   FAIL_PIPELINE, with its path: the manifest is not used (I7).
#include "common/manifest/manifest_list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/format_version.h"
#include "common/base/hash.h"
#include "common/manifest/manifest_file.h"

enum { MANIFEST_LIST_MAGIC_SIZE = 8, MANIFEST_LIST_TRAILER_SIZE = 8, MANIFEST_LIST_TRIES = 12 };
static const char manifest_list_magic[MANIFEST_LIST_MAGIC_SIZE] = {'F', 'O', 'R', 'E', 'L', 'S', 'T', '1'};
#define MANIFEST_LIST_BACKOFF_US 100000

static void manifest_list_view_table(Foreset__TableEpoch *table, manifest_list_kind kind,
                                     struct manifest_list_view *ret_view)
{
    switch (kind) {
    case FORESET__MANIFEST_LIST__KIND__ADDS:
        *ret_view = (struct manifest_list_view){.count = &table->n_adds, .files = &table->adds};
        break;
    case FORESET__MANIFEST_LIST__KIND__PENDING:
        *ret_view = (struct manifest_list_view){.count = &table->n_pending, .files = &table->pending};
        break;
    case FORESET__MANIFEST_LIST__KIND__DEAD_LETTERS:
        *ret_view = (struct manifest_list_view){.count = &table->n_dead_letters, .files = &table->dead_letters};
        break;
    default:
        *ret_view =
            (struct manifest_list_view){.count = &table->n_dead_letters_pending, .files = &table->dead_letters_pending};
        break;
    }
}

bool manifest_list_view(const Foreset__Manifest *manifest, manifest_list_kind kind, uint32_t number,
                        struct manifest_list_view *ret_view)
{
    if ((unsigned)kind >= MANIFEST_LIST_KINDS) return false;
    for (size_t i = 0; kind != FORESET__MANIFEST_LIST__KIND__SEEN && i < manifest->n_tables; i++) {
        if (manifest->tables[i]->table != number) continue;
        manifest_list_view_table(manifest->tables[i], kind, ret_view);
        return true;
    }
    for (size_t i = 0; kind == FORESET__MANIFEST_LIST__KIND__SEEN && i < manifest->n_files; i++) {
        Foreset__FilesPosition *files = manifest->files[i];
        if (files->source != number) continue;
        *ret_view = (struct manifest_list_view){.count = &files->n_seen,
                                                .times_count = &files->n_seen_times_us,
                                                .seen = &files->seen,
                                                .times_us = &files->seen_times_us};
        return true;
    }
    return false;
}

void manifest_list_encode(Foreset__ManifestListFile *file, struct text *ret_bytes)
{
    file->writer = (char *)format_version_program();
    file->has_least_reader = true;
    file->least_reader = format_version_info(FORMAT_MANIFEST_LIST).writes;
    size_t size = foreset__manifest_list_file__get_packed_size(file);
    text_reset(ret_bytes);
    text_reserve(ret_bytes, size + MANIFEST_LIST_MAGIC_SIZE + MANIFEST_LIST_TRAILER_SIZE);
    text_append(ret_bytes, manifest_list_magic, sizeof manifest_list_magic);
    foreset__manifest_list_file__pack(file, (uint8_t *)ret_bytes->data + MANIFEST_LIST_MAGIC_SIZE);
    uint64_t hash = hash_64(ret_bytes->data + MANIFEST_LIST_MAGIC_SIZE, size, 0);
    ret_bytes->length += size;
    text_append(ret_bytes, (const char *)&hash, sizeof hash);
}

static enum status manifest_list_damaged(const Foreset__ManifestListPart *part, const char *how, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                     "part %s of a manifest's list %s; restore the file, or move the tables and the state away and run "
                     "again",
                     part->key, how);
}

enum status manifest_list_decode(const void *bytes, size_t size, const Foreset__ManifestListPart *part, bool seen,
                                 Foreset__ManifestListFile **ret_file, struct error *err)
{
    const char *data = bytes;
    uint64_t stored;
    if (size < MANIFEST_LIST_MAGIC_SIZE + MANIFEST_LIST_TRAILER_SIZE || size > MANIFEST_BYTES_MAX ||
        memcmp(data, manifest_list_magic, sizeof manifest_list_magic) != 0) {
        return manifest_list_damaged(part, "is no such part", err);
    }
    size_t packed = size - MANIFEST_LIST_MAGIC_SIZE - MANIFEST_LIST_TRAILER_SIZE;
    memcpy(&stored, data + size - MANIFEST_LIST_TRAILER_SIZE, sizeof stored);
    if (size != part->size_bytes || hash_64(data, size, 0) != part->checksum ||
        hash_64(data + MANIFEST_LIST_MAGIC_SIZE, packed, 0) != stored) {
        return manifest_list_damaged(part, "is damaged or not the one that the manifest names", err);
    }
    Foreset__ManifestListFile *file =
        foreset__manifest_list_file__unpack(NULL, packed, (const uint8_t *)data + MANIFEST_LIST_MAGIC_SIZE);
    if (!file) return manifest_list_damaged(part, "does not hold a list", err);
    enum status status =
        format_version_check(FORMAT_MANIFEST_LIST, file->writer, file->has_least_reader ? file->least_reader : 0, err,
                             "part %s of a manifest's list", part->key);
    size_t count = seen ? file->n_seen : file->n_files;
    bool sound =
        count == part->count && file->n_seen == file->n_seen_times_us && (seen ? file->n_files : file->n_seen) == 0;
    if (status == STATUS_OK && !sound) status = manifest_list_damaged(part, "has another number of elements", err);
    if (status == STATUS_OK) {
        *ret_file = file;
    } else {
        foreset__manifest_list_file__free_unpacked(file, NULL);
    }
    return status;
}

// ---- Expanding ----

// Elements of one list, in the order of the parts.
struct manifest_list_elements {
    VECTOR(Foreset__DataFile *) files;
    VECTOR(uint64_t) seen;
    VECTOR(int64_t) times_us;
};

static void manifest_list_elements_free(struct manifest_list_elements *elements)
{
    for (size_t i = 0; i < elements->files.count; i++)
        foreset__data_file__free_unpacked(elements->files.items[i], NULL);
    vector_deinit(&elements->files);
    vector_deinit(&elements->seen);
    vector_deinit(&elements->times_us);
}

static enum status manifest_list_take(struct manifest_list_elements *elements, Foreset__ManifestListFile *file,
                                      const Foreset__ManifestListPart *part, struct error *err)
{
    size_t left = file->n_files;
    for (size_t i = 0; i < file->n_files; i++) vector_push(&elements->files, file->files[i]);
    file->n_files = 0; // they are ours now
    for (size_t i = 0; i < file->n_seen; i++) {
        if (part->has_least_time_us && file->seen_times_us[i] < part->least_time_us) continue;
        vector_push(&elements->seen, file->seen[i]);
        vector_push(&elements->times_us, file->seen_times_us[i]);
        left++;
    }
    return left == part->left ? STATUS_OK : manifest_list_damaged(part, "has another number of elements left", err);
}

static enum status manifest_list_part(struct manifest_list_elements *elements, const Foreset__ManifestList *list,
                                      const Foreset__ManifestListPart *part, const struct manifest_list_reader *reader,
                                      struct error *err)
{
    struct buffer *bytes = NULL;
    Foreset__ManifestListFile *file = NULL;
    enum status status = reader->read(reader->context, list, part, &bytes, err);
    if (status != STATUS_OK || !bytes) return status;
    bool seen = list->kind == FORESET__MANIFEST_LIST__KIND__SEEN;
    status = manifest_list_decode(bytes->data, bytes->size_bytes, part, seen, &file, err);
    buffer_unref(bytes);
    if (status != STATUS_OK) return status;
    status = manifest_list_take(elements, file, part, err);
    foreset__manifest_list_file__free_unpacked(file, NULL);
    return status;
}

// The message's arrays are protobuf-c's, by its default allocator, as memory_alloc's are.
static void *manifest_list_join(const void *before, size_t before_count, void *after, size_t after_count, size_t size)
{
    char *all = memory_alloc((before_count + after_count + 1) * size);
    if (before_count) memcpy(all, before, before_count * size);
    if (after_count) memcpy(all + before_count * size, after, after_count * size);
    memory_free(after);
    return all;
}

static void manifest_list_place(struct manifest_list_view *view, struct manifest_list_elements *elements)
{
    size_t own = *view->count;
    if (view->files) {
        *view->files =
            manifest_list_join(elements->files.items, elements->files.count, *view->files, own, sizeof **view->files);
        *view->count = own + elements->files.count;
        elements->files.count = 0;
        return;
    }
    *view->seen = manifest_list_join(elements->seen.items, elements->seen.count, *view->seen, own, sizeof **view->seen);
    *view->times_us = manifest_list_join(elements->times_us.items, elements->times_us.count, *view->times_us, own,
                                         sizeof **view->times_us);
    *view->count = *view->times_count = own + elements->seen.count;
}

enum status manifest_list_expand(Foreset__Manifest *manifest, const struct manifest_list_reader *reader,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < manifest->n_lists && status == STATUS_OK; i++) {
        const Foreset__ManifestList *list = manifest->lists[i];
        struct manifest_list_elements elements = {0};
        struct manifest_list_view view;
        if (!manifest_list_view(manifest, list->kind, list->number, &view) ||
            (view.times_count && *view.count != *view.times_count)) {
            return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                             "the manifest of epoch %" PRIu64 " has parts of list %d of number %" PRIu32
                             ", which it does not have",
                             manifest->epoch, (int)list->kind, list->number);
        }
        for (size_t k = 0; k < list->n_parts && status == STATUS_OK; k++)
            status = manifest_list_part(&elements, list, list->parts[k], reader, err);
        if (status == STATUS_OK) manifest_list_place(&view, &elements);
        manifest_list_elements_free(&elements);
    }
    return status;
}

enum status manifest_list_store_read(void *context, const Foreset__ManifestList *list,
                                     const Foreset__ManifestListPart *part, struct buffer **ret_bytes,
                                     struct error *err)
{
    (void)list;
    const struct manifest_list_store *store = context;
    enum status status = STATUS_OK;
    for (unsigned attempt = 0; attempt < MANIFEST_LIST_TRIES; attempt++) {
        status = objstore_get(store->state, part->key, ret_bytes, err);
        if (status == STATUS_OK || status == STATUS_KILLED || status == STATUS_NOT_FOUND) break;
        if (store->seam->ops->stopping(store->seam)) break;
        store->seam->ops->sleep(store->seam, MANIFEST_LIST_BACKOFF_US);
    }
    if (status == STATUS_NOT_FOUND) return manifest_list_damaged(part, "is gone", err);
    return status == STATUS_OK ? status : error_prefix(err, "part %s of a manifest's list", part->key);
}
