// An open-addressing table of files: see delta_files.h. Each file is one block with all its texts, so that a table that
// lives long holds no more than its present files.
#include "common/delta/delta_files.h"

#include <string.h>

#include "common/base/hash.h"

struct delta_file {
    uint64_t hash;
    bool live;
    struct delta_deletion_vector dv;
    union {
        struct delta_add add;
        struct delta_remove remove;
    };
};
struct delta_files {
    bool keep_removes;
    size_t capacity, used; // capacity: a power of two
    struct delta_file **slots;
    uint64_t live_count, live_bytes;
};

struct delta_files *delta_files_create(bool keep_removes)
{
    struct delta_files *files = memory_calloc(1, sizeof *files);
    files->keep_removes = keep_removes;
    files->capacity = 64;
    files->slots = memory_calloc(files->capacity, sizeof *files->slots);
    return files;
}

void delta_files_destroy(struct delta_files *files)
{
    if (!files) return;
    for (size_t i = 0; i < files->capacity; i++) memory_free(files->slots[i]);
    memory_free(files->slots);
    memory_free(files);
}

uint64_t delta_files_count(const struct delta_files *files, uint64_t *ret_bytes)
{
    *ret_bytes = files->live_bytes;
    return files->live_count;
}

// ---- one block with all texts

struct delta_pack {
    char *at;
};

static size_t pack_text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t pack_map_size(const struct delta_map *map)
{
    size_t size = map->count * sizeof *map->items;
    for (uint32_t i = 0; i < map->count; i++) {
        size += pack_text_size(map->items[i].key) + pack_text_size(map->items[i].value);
    }
    return size;
}

static const char *pack_text(struct delta_pack *pack, const char *text)
{
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = memcpy(pack->at, text, size);
    pack->at += size;
    return copy;
}

// The pairs' array is aligned: it is taken before any text.
static struct delta_pair *pack_pairs(struct delta_pack *pack, uint32_t count)
{
    struct delta_pair *pairs = (struct delta_pair *)(void *)pack->at;
    pack->at += count * sizeof *pairs;
    return pairs;
}

static void pack_map(struct delta_pack *pack, const struct delta_map *from, struct delta_map *to)
{
    to->count = from->count;
    for (uint32_t i = 0; i < from->count; i++) {
        to->items[i] = (struct delta_pair){pack_text(pack, from->items[i].key), pack_text(pack, from->items[i].value)};
    }
}

static const struct delta_deletion_vector *pack_dv(struct delta_pack *pack, const struct delta_deletion_vector *dv,
                                                   struct delta_deletion_vector *to)
{
    if (!dv) return NULL;
    *to = *dv;
    to->storage_type = pack_text(pack, dv->storage_type);
    to->path_or_inline_dv = pack_text(pack, dv->path_or_inline_dv);
    return to;
}

static size_t pack_dv_size(const struct delta_deletion_vector *dv)
{
    return dv ? pack_text_size(dv->storage_type) + pack_text_size(dv->path_or_inline_dv) : 0;
}

static struct delta_file *delta_file_of_add(const struct delta_add *add, uint64_t hash)
{
    size_t size = sizeof(struct delta_file) + pack_text_size(add->path) + pack_text_size(add->stats) +
                  pack_text_size(add->clustering_provider) + pack_map_size(&add->partition_values) +
                  pack_map_size(&add->tags) + pack_dv_size(add->deletion_vector);
    struct delta_file *file = memory_alloc(size);
    struct delta_pack pack = {(char *)(file + 1)};
    file->hash = hash;
    file->live = true;
    file->add = *add;
    file->add.partition_values.items = pack_pairs(&pack, add->partition_values.count);
    file->add.tags.items = pack_pairs(&pack, add->tags.count);
    file->add.path = pack_text(&pack, add->path);
    file->add.stats = pack_text(&pack, add->stats);
    file->add.clustering_provider = pack_text(&pack, add->clustering_provider);
    pack_map(&pack, &add->partition_values, &file->add.partition_values);
    pack_map(&pack, &add->tags, &file->add.tags);
    file->add.deletion_vector = pack_dv(&pack, add->deletion_vector, &file->dv);
    ASSERT(pack.at == (char *)file + size);
    return file;
}

static struct delta_file *delta_file_of_remove(const struct delta_remove *remove, uint64_t hash)
{
    size_t size = sizeof(struct delta_file) + pack_text_size(remove->path) + pack_map_size(&remove->partition_values) +
                  pack_dv_size(remove->deletion_vector);
    struct delta_file *file = memory_alloc(size);
    struct delta_pack pack = {(char *)(file + 1)};
    file->hash = hash;
    file->live = false;
    file->remove = *remove;
    file->remove.partition_values.items = pack_pairs(&pack, remove->partition_values.count);
    file->remove.path = pack_text(&pack, remove->path);
    pack_map(&pack, &remove->partition_values, &file->remove.partition_values);
    file->remove.deletion_vector = pack_dv(&pack, remove->deletion_vector, &file->dv);
    ASSERT(pack.at == (char *)file + size);
    return file;
}

// ---- the table

// "file:/x", "file:///x" and "/x" are one file; all other paths are compared as the log spells them.
static const char *delta_files_canonical(const char *path)
{
    const char *at = strncmp(path, "file:", 5) == 0 ? path + 5 : path;
    while (at[0] == '/' && at[1] == '/') at++;
    return at;
}

static uint64_t delta_files_hash(const char *path, const struct delta_deletion_vector *dv)
{
    path = delta_files_canonical(path);
    uint64_t hash = hash_64(path, strlen(path), 0);
    if (!dv) return hash;
    hash = hash_64(dv->storage_type, strlen(dv->storage_type), hash);
    hash = hash_64(dv->path_or_inline_dv, strlen(dv->path_or_inline_dv), hash);
    return hash_mix(hash, dv->has_offset ? (uint64_t)(uint32_t)dv->offset + 1 : 0);
}

static bool delta_files_same_dv(const struct delta_deletion_vector *a, const struct delta_deletion_vector *b)
{
    if (!a || !b) return a == b;
    return strcmp(a->storage_type, b->storage_type) == 0 && strcmp(a->path_or_inline_dv, b->path_or_inline_dv) == 0 &&
           a->has_offset == b->has_offset && (!a->has_offset || a->offset == b->offset);
}

// The slot of the file, or the free slot where it belongs.
static size_t delta_files_find(const struct delta_files *files, const char *path,
                               const struct delta_deletion_vector *dv, uint64_t hash)
{
    size_t at = hash & (files->capacity - 1);
    for (; files->slots[at]; at = (at + 1) & (files->capacity - 1)) {
        const struct delta_file *file = files->slots[at];
        if (file->hash != hash) continue;
        const char *other = file->live ? file->add.path : file->remove.path;
        if (strcmp(delta_files_canonical(other), delta_files_canonical(path)) != 0) continue;
        if (delta_files_same_dv(file->live ? file->add.deletion_vector : file->remove.deletion_vector, dv)) return at;
    }
    return at;
}

static void delta_files_grow(struct delta_files *files)
{
    size_t old = files->capacity;
    struct delta_file **slots = files->slots;
    files->capacity *= 2;
    files->slots = memory_calloc(files->capacity, sizeof *files->slots);
    for (size_t i = 0; i < old; i++) {
        if (!slots[i]) continue;
        size_t at = slots[i]->hash & (files->capacity - 1);
        while (files->slots[at]) at = (at + 1) & (files->capacity - 1);
        files->slots[at] = slots[i];
    }
    memory_free(slots);
}

// Empties a slot and moves those behind it up, so that no probe ends early.
static void delta_files_vacate(struct delta_files *files, size_t at)
{
    size_t mask = files->capacity - 1, next = at;
    files->slots[at] = NULL;
    files->used--;
    for (;;) {
        next = (next + 1) & mask;
        struct delta_file *file = files->slots[next];
        if (!file) return;
        size_t home = file->hash & mask;
        if (((next - home) & mask) < ((next - at) & mask)) continue; // it may stay: its home lies behind the gap
        files->slots[at] = file;
        files->slots[next] = NULL;
        at = next;
    }
}

static void delta_files_forget(struct delta_files *files, const struct delta_file *file)
{
    if (!file->live) return;
    files->live_count--;
    files->live_bytes -= (uint64_t)file->add.size_bytes;
}

static void delta_files_put(struct delta_files *files, size_t at, struct delta_file *file)
{
    if (files->slots[at]) {
        delta_files_forget(files, files->slots[at]);
        memory_free(files->slots[at]);
    } else {
        files->used++;
    }
    files->slots[at] = file;
    if (file->live) {
        files->live_count++;
        files->live_bytes += (uint64_t)file->add.size_bytes;
    }
    if (files->used * 4 > files->capacity * 3) delta_files_grow(files);
}

void delta_files_add(struct delta_files *files, const struct delta_add *add)
{
    uint64_t hash = delta_files_hash(add->path, add->deletion_vector);
    size_t at = delta_files_find(files, add->path, add->deletion_vector, hash);
    delta_files_put(files, at, delta_file_of_add(add, hash));
}

void delta_files_remove(struct delta_files *files, const struct delta_remove *remove)
{
    uint64_t hash = delta_files_hash(remove->path, remove->deletion_vector);
    size_t at = delta_files_find(files, remove->path, remove->deletion_vector, hash);
    if (files->keep_removes) {
        delta_files_put(files, at, delta_file_of_remove(remove, hash));
    } else if (files->slots[at]) {
        delta_files_forget(files, files->slots[at]);
        memory_free(files->slots[at]);
        delta_files_vacate(files, at);
    }
}

const struct delta_add *delta_files_find_add(const struct delta_files *files, const char *path)
{
    const struct delta_file *file = files->slots[delta_files_find(files, path, NULL, delta_files_hash(path, NULL))];
    return file && file->live ? &file->add : NULL;
}

const struct delta_add *delta_files_next_add(const struct delta_files *files, size_t *at)
{
    while (*at < files->capacity) {
        const struct delta_file *file = files->slots[(*at)++];
        if (file && file->live) return &file->add;
    }
    return NULL;
}

const struct delta_remove *delta_files_next_remove(const struct delta_files *files, size_t *at)
{
    while (*at < files->capacity) {
        const struct delta_file *file = files->slots[(*at)++];
        if (file && !file->live) return &file->remove;
    }
    return NULL;
}
