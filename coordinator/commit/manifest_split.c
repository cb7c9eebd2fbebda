// Splitting a manifest's lists into parts. The happy path: of the parts that the manifest before names, those are named
// again whose elements the list still begins with; what comes behind them stays in the manifest until it is more than
// MANIFEST_SPLIT_INLINE bytes. Then it becomes a part, together with the parts before it that are less than twice as
// large: so there are few parts, and each element is written again only when the list has grown by half.
//
// Whether a list begins with a part's elements is looked at, not assumed: a list that does not is written whole. Of
// SEEN those below the horizon may have gone; a part says from which time on it counts. One of which less than half
// counts is written again.
//
// What can fail: a list beyond all limits, FAIL_PIPELINE.
#include "coordinator/commit/manifest_split.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/hash.h"
#include "common/manifest/manifest_file.h"
#include "common/manifest/manifest_list.h"

static size_t split_inline = MANIFEST_SPLIT_INLINE, split_own = MANIFEST_SPLIT_OWN;
static size_t split_part_max = MANIFEST_SPLIT_PART_MAX;

void manifest_split_limits(size_t inline_bytes, size_t own_bytes, size_t part_bytes)
{
    split_inline = inline_bytes ? inline_bytes : MANIFEST_SPLIT_INLINE;
    split_own = own_bytes ? own_bytes : MANIFEST_SPLIT_OWN;
    split_part_max = part_bytes ? part_bytes : MANIFEST_SPLIT_PART_MAX;
}

void manifest_parts_deinit(struct manifest_parts *parts)
{
    for (size_t i = 0; i < parts->items.count; i++) {
        memory_free(parts->items.items[i].key);
        text_deinit(&parts->items.items[i].bytes);
    }
    vector_deinit(&parts->items);
}

struct split {
    const Foreset__Manifest *previous;
    struct random *random;
    struct arena *arena;
    Foreset__Manifest *stored;
    struct manifest_parts *parts;
};
// One list on its way: the parts that it begins with, and how many elements they have.
struct split_list {
    manifest_list_kind kind;
    uint32_t number;
    int64_t horizon_us; // of SEEN
    struct manifest_list_view view;
    Foreset__ManifestListPart **parts;
    size_t part_count, carried;
};

// ---- What the manifest before has ----

static bool split_same_file(const Foreset__DataFile *a, const Foreset__DataFile *b)
{
    if (a == b) return true;
    if (strcmp(a->path, b->path) != 0) return false;
    size_t size = foreset__data_file__get_packed_size(a);
    if (size != foreset__data_file__get_packed_size(b)) return false;
    uint8_t *left = memory_alloc(2 * size), *right = left + size;
    foreset__data_file__pack(a, left);
    foreset__data_file__pack(b, right);
    bool same = memcmp(left, right, size) == 0;
    memory_free(left);
    return same;
}

// Whether the list goes on at `at` with the elements of before[from, from + count) that are not below least_us;
// *ret_left: how many these are.
static bool split_goes_on(const struct split_list *list, size_t at, const struct manifest_list_view *before,
                          size_t from, size_t count, int64_t least_us, size_t *ret_left)
{
    size_t left = 0, own = *list->view.count;
    for (size_t i = from; i < from + count; i++) {
        bool same = at + left < own;
        if (before->files) {
            same = same && split_same_file((*list->view.files)[at + left], (*before->files)[i]);
        } else {
            if ((*before->times_us)[i] < least_us) continue;
            same = same && (*list->view.seen)[at + left] == (*before->seen)[i] &&
                   (*list->view.times_us)[at + left] == (*before->times_us)[i];
        }
        if (!same) return false;
        left++;
    }
    *ret_left = left;
    return true;
}

// The parts of `old` that the list begins with; oldest first.
static void split_match(const struct split *split, struct split_list *list, const Foreset__ManifestList *old)
{
    struct manifest_list_view before;
    bool seen = list->kind == FORESET__MANIFEST_LIST__KIND__SEEN;
    if (seen != (old->kind == FORESET__MANIFEST_LIST__KIND__SEEN)) return;
    if (!manifest_list_view(split->previous, old->kind, old->number, &before)) return;
    Foreset__ManifestListPart **parts = arena_calloc(split->arena, old->n_parts + 1, sizeof *parts);
    size_t at = 0, from = 0, count = 0;
    for (size_t i = 0; i < old->n_parts; i++) {
        Foreset__ManifestListPart *part = arena_alloc(split->arena, sizeof *part);
        size_t left = 0;
        *part = *old->parts[i];
        if (from + part->left > *before.count) return; // left out when it was read
        if (!split_goes_on(list, at, &before, from, part->left, INT64_MIN, &left)) {
            if (!seen || !split_goes_on(list, at, &before, from, part->left, list->horizon_us, &left)) break;
            part->has_least_time_us = true;
            part->least_time_us = list->horizon_us;
        }
        from += part->left;
        at += left;
        part->left = left;
        if (left > 0) parts[count++] = part;
    }
    if (at <= list->carried) return;
    list->parts = parts;
    list->part_count = count;
    list->carried = at;
}

// ---- Parts of its own ----

static size_t split_bytes(const struct split_list *list, size_t from, size_t to)
{
    size_t bytes = 0;
    if (!list->view.files) return (to - from) * (2 * sizeof(uint64_t));
    for (size_t i = from; i < to; i++) bytes += foreset__data_file__get_packed_size((*list->view.files)[i]) + 8;
    return bytes;
}

static uint64_t split_part_bytes(const Foreset__ManifestListPart *part)
{
    return part->size_bytes / part->count * part->left;
}

static enum status split_write(const struct split *split, const struct split_list *list, size_t from, size_t to,
                               Foreset__ManifestListPart **ret_part, struct error *err)
{
    Foreset__ManifestListFile file = FORESET__MANIFEST_LIST_FILE__INIT;
    Foreset__ManifestListPart *part = arena_alloc(split->arena, sizeof *part);
    struct manifest_part bytes = {0};
    char uuid[37], key[128];
    foreset__manifest_list_part__init(part);
    if (list->view.files) {
        file.files = *list->view.files + from;
        file.n_files = to - from;
    } else {
        file.seen = *list->view.seen + from;
        file.seen_times_us = *list->view.times_us + from;
        file.n_seen = file.n_seen_times_us = to - from;
    }
    manifest_list_encode(&file, &bytes.bytes);
    if (bytes.bytes.length > MANIFEST_BYTES_MAX) {
        size_t size = bytes.bytes.length;
        text_deinit(&bytes.bytes);
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "epoch %" PRIu64 ": what is said of one file of table number %" PRIu32
                         " has %zu bytes, the limit is %u; set 'delta.dataSkippingNumIndexedCols' lower",
                         split->stored->epoch, list->number, size, MANIFEST_BYTES_MAX);
    }
    random_uuid(split->random, uuid);
    snprintf(key, sizeof key, "lists/list-%020" PRIu64 "-%" PRIu64 "-%s.pb", split->stored->epoch,
             split->stored->generation, uuid);
    bytes.key = memory_strdup(key);
    part->key = arena_strdup(split->arena, key);
    part->size_bytes = bytes.bytes.length;
    part->checksum = hash_64(bytes.bytes.data, bytes.bytes.length, 0);
    part->count = part->left = to - from;
    vector_push(&split->parts->items, bytes);
    *ret_part = part;
    return STATUS_OK;
}

// Parts of which little is left, each for itself.
static enum status split_renew(const struct split *split, struct split_list *list, struct error *err)
{
    size_t at = 0;
    for (size_t i = 0; i < list->part_count; i++) {
        size_t left = list->parts[i]->left;
        if (left < list->parts[i]->count - left) {
            enum status status = split_write(split, list, at, at + left, &list->parts[i], err);
            if (status != STATUS_OK) return status;
        }
        at += left;
    }
    return STATUS_OK;
}

// How many parts [from, end) makes.
static size_t split_chunk(const struct split_list *list, size_t from)
{
    size_t bytes = 0, at = from, end = *list->view.count;
    while (at < end) {
        bytes += split_bytes(list, at, at + 1);
        if (bytes > split_part_max && at > from) break;
        at++;
    }
    return at;
}

static size_t split_chunks(const struct split_list *list, size_t from)
{
    size_t chunks = 0;
    for (; from < *list->view.count; chunks++) from = split_chunk(list, from);
    return chunks;
}

static void split_absorb(struct split_list *list, size_t bytes)
{
    while (list->part_count > 0) {
        const Foreset__ManifestListPart *last = list->parts[list->part_count - 1];
        bool many = list->part_count + split_chunks(list, list->carried) > MANIFEST_SPLIT_PARTS_MAX;
        bool near = split_part_bytes(last) < 2 * bytes && split_part_bytes(last) + bytes <= split_part_max;
        if (!many && !near) break;
        bytes += split_part_bytes(last);
        list->carried -= last->left;
        list->part_count--;
    }
}

static enum status split_flush(const struct split *split, struct split_list *list, struct error *err)
{
    size_t chunks = split_chunks(list, list->carried);
    Foreset__ManifestListPart **parts = arena_calloc(split->arena, list->part_count + chunks + 1, sizeof *parts);
    if (list->part_count + chunks > MANIFEST_SPLIT_PARTS_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "epoch %" PRIu64 ": a list of its manifest (%s number %" PRIu32
                         ") has %zu files in it and would need %zu parts of %zu bytes, the limit is %d. Read less per "
                         "epoch (maxFilesPerTrigger, maxOffsetsPerTrigger), publish more often, or partition by fewer "
                         "values",
                         split->stored->epoch, list->view.files ? "table" : "source", list->number, *list->view.count,
                         list->part_count + chunks, split_part_max, MANIFEST_SPLIT_PARTS_MAX);
    }
    if (list->part_count) memcpy(parts, list->parts, list->part_count * sizeof *parts);
    list->parts = parts;
    while (list->carried < *list->view.count) {
        size_t to = split_chunk(list, list->carried);
        enum status status = split_write(split, list, list->carried, to, &parts[list->part_count], err);
        if (status != STATUS_OK) return status;
        list->part_count++;
        list->carried = to;
    }
    return STATUS_OK;
}

// ---- One list ----

static void split_name(const struct split *split, const struct split_list *list)
{
    Foreset__ManifestList *named = arena_alloc(split->arena, sizeof *named);
    foreset__manifest_list__init(named);
    named->kind = list->kind;
    named->number = list->number;
    named->parts = list->parts;
    named->n_parts = list->part_count;
    split->stored->lists[split->stored->n_lists++] = named;
    *list->view.count -= list->carried;
    if (list->view.files) {
        *list->view.files += list->carried;
        return;
    }
    *list->view.times_count -= list->carried;
    *list->view.seen += list->carried;
    *list->view.times_us += list->carried;
}

static enum status split_list(const struct split *split, manifest_list_kind kind, uint32_t number, int64_t horizon_us,
                              struct error *err)
{
    struct split_list list = {.kind = kind, .number = number, .horizon_us = horizon_us};
    if (!manifest_list_view(split->stored, kind, number, &list.view) || *list.view.count == 0) return STATUS_OK;
    for (size_t i = 0; i < split->stored->n_lists; i++) { // of sources that are gone there may be several of one number
        if (split->stored->lists[i]->kind == kind && split->stored->lists[i]->number == number) return STATUS_OK;
    }
    if (list.view.times_count && *list.view.times_count != *list.view.count) return STATUS_OK;
    bool own = kind == FORESET__MANIFEST_LIST__KIND__ADDS || kind == FORESET__MANIFEST_LIST__KIND__DEAD_LETTERS;
    enum status status = STATUS_OK;
    for (size_t i = 0; split->previous && i < split->previous->n_lists; i++)
        split_match(split, &list, split->previous->lists[i]);
    size_t bytes = split_bytes(&list, list.carried, *list.view.count);
    if (bytes > (own ? split_own : split_inline)) split_absorb(&list, bytes);
    TRY(split_renew(split, &list, err));
    if (bytes > (own ? split_own : split_inline)) TRY(split_flush(split, &list, err));
    if (list.part_count > 0) split_name(split, &list);
out:
    return status;
}

// Its tables and positions, to be changed; what they point to is the body's.
static void split_copy(const struct split *split, const Foreset__Manifest *body)
{
    Foreset__Manifest *stored = split->stored;
    *stored = *body;
    stored->tables = arena_calloc(split->arena, body->n_tables + 1, sizeof *stored->tables);
    stored->files = arena_calloc(split->arena, body->n_files + 1, sizeof *stored->files);
    for (size_t i = 0; i < body->n_tables; i++) {
        stored->tables[i] = arena_alloc(split->arena, sizeof *stored->tables[i]);
        *stored->tables[i] = *body->tables[i];
    }
    for (size_t i = 0; i < body->n_files; i++) {
        stored->files[i] = arena_alloc(split->arena, sizeof *stored->files[i]);
        *stored->files[i] = *body->files[i];
    }
    stored->n_lists = 0;
    stored->lists =
        arena_calloc(split->arena, MANIFEST_LIST_KINDS * (body->n_tables + body->n_files) + 1, sizeof *stored->lists);
}

enum status manifest_split(const Foreset__Manifest *body, const Foreset__Manifest *previous, struct random *random,
                           struct arena *arena, Foreset__Manifest *ret_stored, struct manifest_parts *parts,
                           struct error *err)
{
    const struct split split = {previous, random, arena, ret_stored, parts};
    enum status status = STATUS_OK;
    split_copy(&split, body);
    for (size_t i = 0; i < body->n_tables; i++) {
        for (int kind = 0; kind < FORESET__MANIFEST_LIST__KIND__SEEN; kind++)
            TRY(split_list(&split, (manifest_list_kind)kind, body->tables[i]->table, 0, err));
    }
    for (size_t i = 0; i < body->n_files; i++) {
        const Foreset__FilesPosition *files = body->files[i];
        TRY(split_list(&split, FORESET__MANIFEST_LIST__KIND__SEEN, files->source, files->horizon_us, err));
    }
out:
    return status;
}
