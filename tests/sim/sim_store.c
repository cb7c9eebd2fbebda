// Object stores: one flat map of "<url>|<key>" to bytes. Put and put-if-absent are durable when they return; streamed
// objects are durable after sync, and a power cut tears or loses the others. A failed sync has lost the pages: a second
// one would say OK.
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

static VECTOR(struct sim_object) sim_objects; // ascending by key

struct sim_store {
    struct objstore base;
    struct sim_process *process;
};
struct objstore_writer {
    struct sim_store *store;
    char *name;
    struct text bytes;
    bool finished;
};

// ---- The objects ----

static size_t sim_store_find(const char *name, bool *ret_there)
{
    size_t low = 0, high = sim_objects.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(sim_objects.items[middle].key, name);
        if (order == 0) {
            *ret_there = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_there = false;
    return low;
}

static char *sim_store_name(const char *url, const char *key)
{
    struct text text = {0};
    text_printf(&text, "%s|%s", url, key);
    return text_take(&text);
}

static void sim_store_put_object(const char *name, const void *bytes, size_t size, bool durable, int64_t modified_us)
{
    bool there;
    size_t at = sim_store_find(name, &there);
    if (!there) {
        struct sim_object fresh = {.key = memory_strdup(name)};
        vector_push(&sim_objects, fresh);
        memmove(&sim_objects.items[at + 1], &sim_objects.items[at], (sim_objects.count - 1 - at) * sizeof fresh);
        sim_objects.items[at] = fresh;
    }
    struct sim_object *object = &sim_objects.items[at];
    memory_free(object->bytes);
    object->bytes = memory_alloc(size + 1);
    if (size > 0) memcpy(object->bytes, bytes, size);
    object->size = size;
    object->durable = durable;
    object->sync_failed = false;
    object->modified_us = modified_us;
}

static void sim_store_drop(size_t at)
{
    memory_free(sim_objects.items[at].key);
    memory_free(sim_objects.items[at].bytes);
    vector_remove(&sim_objects, at);
}

void sim_store_reset(void)
{
    while (sim_objects.count > 0) sim_store_drop(sim_objects.count - 1);
    vector_deinit(&sim_objects);
}

const struct sim_object *sim_store_look(const char *url, const char *key)
{
    bool there;
    char *name = sim_store_name(url, key);
    size_t at = sim_store_find(name, &there);
    memory_free(name);
    return there ? &sim_objects.items[at] : NULL;
}

size_t sim_store_count(const char *url)
{
    size_t count = 0, length = strlen(url);
    for (size_t i = 0; i < sim_objects.count; i++) {
        const char *key = sim_objects.items[i].key;
        count += strncmp(key, url, length) == 0 && key[length] == '|';
    }
    return count;
}

void sim_store_vanish(const char *url, const char *key)
{
    bool there;
    char *name = sim_store_name(url, key);
    size_t at = sim_store_find(name, &there);
    memory_free(name);
    if (there) sim_store_drop(at);
}

void sim_store_power_cut(void)
{
    for (size_t i = sim_objects.count; i > 0; i--) {
        struct sim_object *object = &sim_objects.items[i - 1];
        if (object->durable) continue;
        sim_core_trace("power cut: %s is lost or torn", object->key);
        if (object->size > 0 && random_chance(&sim->random, 0.5)) {
            object->size = random_below(&sim->random, object->size);
            object->durable = true; // what is left stays
        } else {
            sim_store_drop(i - 1);
        }
    }
}

// ---- The contract ----

static struct sim_store *sim_store_of(struct objstore *store)
{
    return (struct sim_store *)store;
}

static int64_t sim_store_now(const struct objstore *store)
{
    (void)store;
    return 1700000000 * SIM_SECOND + sim->now_us;
}

struct sim_store_late {
    char *name;
    struct text bytes;
    bool absent;
};

static void sim_store_created(const char *name)
{
    const char *bar = strchr(name, '|');
    char *url = memory_strndup(name, (size_t)(bar - name));
    size_t length = strlen(bar);
    if (strncmp(bar, "|_delta_log/", 12) == 0 && length == 12 + 25 && strcmp(bar + length - 5, ".json") == 0) {
        sim_check_commit(url, bar + 1);
    }
    memory_free(url);
}

void sim_store_foreign(const char *url, const char *key, const void *bytes, size_t size)
{
    char *name = sim_store_name(url, key);
    sim_store_put_object(name, bytes, size, true, sim_store_now(NULL));
    sim_store_created(name);
    memory_free(name);
}

static void sim_store_late_free(void *argument)
{
    struct sim_store_late *late = argument;
    memory_free(late->name);
    text_deinit(&late->bytes);
    memory_free(late);
}

static void sim_store_late_run(void *argument)
{
    struct sim_store_late *late = argument;
    bool there;
    sim_store_find(late->name, &there);
    if (!late->absent || !there) {
        sim_core_trace("store: a late put of %s happens", late->name);
        sim_store_put_object(late->name, late->bytes.data, late->bytes.length, true, sim_store_now(NULL));
        sim_store_created(late->name);
    }
    sim_store_late_free(late);
}

static void sim_store_later(const char *name, const void *bytes, size_t size, bool absent)
{
    struct sim_store_late *late = memory_calloc(1, sizeof *late);
    late->name = memory_strdup(name);
    text_append(&late->bytes, bytes, size);
    late->absent = absent;
    int64_t most_us = random_chance(&sim->random, 0.3) ? 20 * SIM_SECOND : 3 * SIM_SECOND; // also past a lease
    sim_core_at((int64_t)random_below(&sim->random, (uint64_t)most_us), NULL, sim_store_late_run, sim_store_late_free,
                late);
}

// P3: a coordinator puts and deletes under a lease that stands at this moment. What the call does later, put-if-absent
// and the kv store's compares must bear; so they must what a leader does that was taken for dead and does not know it
// yet.
static void sim_store_act(const struct sim_process *process, const char *act, const struct objstore *store,
                          const char *key)
{
    uint32_t pipeline = sim_plan_of_url(store->url);
    if (sim->current->deposed) return;
    if (process->kind != SIM_COORDINATOR || process->dying || sim_kv_leads(sim->current, pipeline)) return;
    sim_core_fail("P3: process %u %s %s|%s without a lease", process->id, act, store->url, key);
}

static enum status sim_store_write_whole(struct objstore *store, const char *key, const void *bytes, size_t size,
                                         bool absent, struct error *err)
{
    struct sim_process *process = sim_store_of(store)->process;
    enum sim_fault fault;
    if (strncmp(key, "_delta_log/", 11) == 0) sim_store_act(process, "puts", store, key);
    enum status status = sim_core_call(process, true, &fault, err);
    if (status != STATUS_OK) return status;
    char *name = sim_store_name(store->url, key);
    bool there;
    sim_store_find(name, &there);
    bool happens = fault == SIM_FAULT_NONE || fault == SIM_FAULT_UNKNOWN_DONE;
    if (fault == SIM_FAULT_UNKNOWN_LATER) {
        sim_store_later(name, bytes, size, absent);
        if (sim_core_roll(0.3)) sim_core_kill(process);
    }
    if (happens && (!absent || !there)) {
        sim_core_trace("store: put %s, %zu bytes", name, size);
        sim_store_put_object(name, bytes, size, true, sim_store_now(store));
        sim_store_created(name);
    }
    status = sim_core_effect(process, fault, err);
    if (status == STATUS_OK && absent && there)
        status = error_set(err, STATUS_EXISTS, ERROR_RETRY, "%s is there", name);
    memory_free(name);
    return status;
}

static enum status sim_store_put(struct objstore *store, const char *key, const void *bytes, size_t size,
                                 struct error *err)
{
    return sim_store_write_whole(store, key, bytes, size, false, err);
}

static enum status sim_store_put_if_absent(struct objstore *store, const char *key, const void *bytes, size_t size,
                                           struct error *err)
{
    return sim_store_write_whole(store, key, bytes, size, true, err);
}

static enum status sim_store_read(struct objstore *store, const char *key, struct sim_object *ret_object,
                                  struct error *err)
{
    struct sim_process *process = sim_store_of(store)->process;
    enum sim_fault fault;
    enum status status = sim_core_call(process, false, &fault, err);
    if (status == STATUS_OK) status = sim_core_effect(process, fault, err);
    if (status != STATUS_OK) return status;
    const struct sim_object *object = sim_store_look(store->url, key);
    if (!object) return error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE, "%s|%s is not there", store->url, key);
    *ret_object = *object;
    return STATUS_OK;
}

static enum status sim_store_get_range(struct objstore *store, const char *key, uint64_t offset, uint64_t length,
                                       struct buffer **ret_bytes, struct error *err)
{
    struct sim_object object = {0};
    enum status status = sim_store_read(store, key, &object, err);
    if (status != STATUS_OK) return status;
    if (offset + length > object.size) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "%s|%s has %zu bytes", store->url, key, object.size);
    }
    status = buffer_create(NULL, length, ret_bytes, err);
    if (status == STATUS_OK && length > 0) memcpy((*ret_bytes)->data, object.bytes + offset, length);
    return status;
}

static enum status sim_store_get(struct objstore *store, const char *key, struct buffer **ret_bytes, struct error *err)
{
    struct sim_object object = {0};
    enum status status = sim_store_read(store, key, &object, err);
    if (status == STATUS_OK) status = buffer_create(NULL, object.size, ret_bytes, err);
    if (status == STATUS_OK && object.size > 0) memcpy((*ret_bytes)->data, object.bytes, object.size);
    return status;
}

static enum status sim_store_stat(struct objstore *store, const char *key, struct objstore_entry *ret_entry,
                                  struct error *err)
{
    struct sim_object object = {0};
    enum status status = sim_store_read(store, key, &object, err);
    if (status != STATUS_OK) return status;
    *ret_entry = (struct objstore_entry){memory_strdup(key), object.size, object.modified_us};
    return STATUS_OK;
}

static enum status sim_store_list(struct objstore *store, const char *prefix, const char *after,
                                  struct objstore_list *ret_list, struct error *err)
{
    struct sim_process *process = sim_store_of(store)->process;
    enum sim_fault fault;
    enum status status = sim_core_call(process, false, &fault, err);
    if (status == STATUS_OK) status = sim_core_effect(process, fault, err);
    if (status != STATUS_OK) return status;
    char *name = sim_store_name(store->url, prefix);
    size_t length = strlen(name), skip = strlen(store->url) + 1;
    bool there;
    for (size_t i = sim_store_find(name, &there); i < sim_objects.count; i++) {
        const struct sim_object *object = &sim_objects.items[i];
        if (strncmp(object->key, name, length) != 0) break;
        if (after && strcmp(object->key + skip, after) <= 0) continue;
        struct objstore_entry entry = {memory_strdup(object->key + skip), object->size, object->modified_us};
        vector_push(&ret_list->entries, entry);
    }
    memory_free(name);
    return STATUS_OK;
}

static enum status sim_store_remove(struct objstore *store, const char *key, struct error *err)
{
    struct sim_process *process = sim_store_of(store)->process;
    enum sim_fault fault;
    sim_store_act(process, "deletes", store, key);
    enum status status = sim_core_call(process, true, &fault, err);
    if (status != STATUS_OK) return status;
    if (fault == SIM_FAULT_NONE || fault == SIM_FAULT_UNKNOWN_DONE) {
        bool there;
        char *name = sim_store_name(store->url, key);
        size_t at = sim_store_find(name, &there);
        if (there) {
            sim_core_trace("store: remove %s", name);
            sim_check_remove(store->url, key);
            sim_store_drop(at);
        }
        memory_free(name);
    }
    return sim_core_effect(process, fault, err);
}

// ---- Streamed objects ----

static enum status sim_store_create(struct objstore *store, const char *key, struct objstore_writer **ret_writer,
                                    struct error *err)
{
    enum sim_fault fault;
    enum status status = sim_core_call(sim_store_of(store)->process, true, &fault, err);
    if (status == STATUS_OK && fault != SIM_FAULT_NONE)
        status = sim_core_effect(sim_store_of(store)->process, SIM_FAULT_ERROR, err);
    if (status != STATUS_OK) return status;
    struct objstore_writer *writer = memory_calloc(1, sizeof *writer);
    writer->store = sim_store_of(store);
    writer->name = sim_store_name(store->url, key);
    *ret_writer = writer;
    return STATUS_OK;
}

static enum status sim_store_write(struct objstore_writer *writer, const void *bytes, size_t size, struct error *err)
{
    enum sim_fault fault;
    enum status status = sim_core_call(writer->store->process, true, &fault, err);
    if (status == STATUS_OK && fault == SIM_FAULT_ERROR) status = sim_core_effect(writer->store->process, fault, err);
    if (status == STATUS_OK) text_append(&writer->bytes, bytes, size);
    return status;
}

static enum status sim_store_finish(struct objstore_writer *writer, struct error *err)
{
    enum sim_fault fault;
    enum status status = sim_core_call(writer->store->process, true, &fault, err);
    if (status == STATUS_OK && fault == SIM_FAULT_ERROR) status = sim_core_effect(writer->store->process, fault, err);
    if (status != STATUS_OK) return status;
    sim_store_put_object(writer->name, writer->bytes.data, writer->bytes.length, false, sim_store_now(NULL));
    writer->finished = true;
    return STATUS_OK;
}

static void sim_store_writer_close(struct objstore_writer *writer)
{
    memory_free(writer->name);
    text_deinit(&writer->bytes);
    memory_free(writer);
}

static enum status sim_store_sync(struct objstore *store, const char *const *keys, size_t count, struct error *err)
{
    struct sim_process *process = sim_store_of(store)->process;
    enum sim_fault fault;
    enum status status = sim_core_call(process, true, &fault, err);
    if (status != STATUS_OK) return status;
    bool fails = sim_core_roll(sim->knobs.sync_error);
    for (size_t i = 0; i < count; i++) {
        bool there;
        char *name = sim_store_name(store->url, keys[i]);
        size_t at = sim_store_find(name, &there);
        memory_free(name);
        if (!there) return error_set(err, STATUS_NOT_FOUND, ERROR_RESTART_PIPELINE, "sync: %s is not there", keys[i]);
        struct sim_object *object = &sim_objects.items[at];
        if (fails) object->sync_failed = true;
        if (!object->sync_failed) object->durable = true;
    }
    status = sim_core_effect(process, SIM_FAULT_NONE, err);
    if (status == STATUS_OK && fails)
        return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "injected: fsync failed");
    return status;
}

static void sim_store_close(struct objstore *store)
{
    memory_free(store->url);
    memory_free(store);
}

enum status sim_store_open(void *process, const char *url, bool create, struct objstore **ret_store, struct error *err)
{
    static const struct objstore_ops ops = {.close = sim_store_close,
                                            .put = sim_store_put,
                                            .put_if_absent = sim_store_put_if_absent,
                                            .get = sim_store_get,
                                            .get_range = sim_store_get_range,
                                            .stat = sim_store_stat,
                                            .list = sim_store_list,
                                            .remove = sim_store_remove,
                                            .create = sim_store_create,
                                            .write = sim_store_write,
                                            .finish = sim_store_finish,
                                            .writer_close = sim_store_writer_close,
                                            .sync = sim_store_sync};
    (void)create;
    (void)err;
    struct sim_store *store = memory_calloc(1, sizeof *store);
    store->base = (struct objstore){.ops = &ops, .url = memory_strdup(url)};
    store->process = process;
    *ret_store = &store->base;
    return STATUS_OK;
}
