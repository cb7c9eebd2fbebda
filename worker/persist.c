// Persisting an epoch (P16). The happy path: fsync the data files, table by table, with their directories; write each
// state snapshot part under a new name; list the parts in the report.
//
// What can fail:
// - fsync of a data file: its bytes are gone from here, so the epoch cannot be saved: RESTART_PIPELINE. It is never
//   synced a second time: the kernel may have dropped the pages and would say that all is well.
// - writing a snapshot part: its bytes are still here; it is written anew under a new name, PERSIST_TRIES times.
// - a crash at any point: files that no manifest names; cleaning finds them (P24).
#include "worker/persist.h"

#include <stdio.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/planted.h"

enum { PERSIST_TRIES = 3, PERSIST_KEY_SIZE = 160 };

static enum status persist_sync(struct objstore *store, const char *const *keys, size_t count, struct error *err)
{
    if (count == 0) return STATUS_OK;
    enum status status = store->ops->sync(store, keys, count, err);
    if (status != STATUS_OK && status != STATUS_KILLED && FORESET_BUG("fsync-retry")) {
        status = store->ops->sync(store, keys, count, err);
    }
    if (status != STATUS_KILLED && FORESET_BUG("write-error-swallowed")) return STATUS_OK;
    if (status != STATUS_OK && status != STATUS_KILLED && err) {
        if (err->class != ERROR_FAIL_PIPELINE) err->class = ERROR_RESTART_PIPELINE;
    }
    return status;
}

static enum status persist_files(struct persist *persist, Foreset__TableEpoch *table, struct error *err)
{
    enum status status = STATUS_OK;
    VECTOR(const char *) keys = {0};
    for (size_t i = 0; i < table->n_adds; i++) vector_push(&keys, table->adds[i]->path);
    struct objstore *store = session_table_store(persist->session, table->table, false);
    TRY(persist_sync(store, keys.items, keys.count, err));
    vector_reset(&keys);
    for (size_t i = 0; i < table->n_dead_letters; i++) vector_push(&keys, table->dead_letters[i]->path);
    if (keys.count > 0) {
        store = session_table_store(persist->session, table->table, true);
        TRY(persist_sync(store, keys.items, keys.count, err));
    }
out:
    vector_deinit(&keys);
    return status;
}

// A part's file: the state store's own names, new for every try.
static void persist_part_name(struct persist *persist, size_t number, char key[PERSIST_KEY_SIZE])
{
    char uuid[37];
    random_uuid(&persist->random, uuid);
    snprintf(key, PERSIST_KEY_SIZE, "state/part-%llu-%llu-%llu-%zu-%s.state", (unsigned long long)persist->epoch,
             (unsigned long long)persist->session->generation, (unsigned long long)persist->session->incarnation,
             number, uuid);
}

static enum status persist_part(struct persist *persist, size_t number, struct error *err)
{
    struct dataflow_part *part = &persist->frozen->parts[number];
    struct objstore *state = persist->session->state;
    char key[PERSIST_KEY_SIZE];
    part->meta.checksum = hash_64(part->bytes->data, part->size, 0);
    part->meta.size_bytes = part->size;
    part->meta.epoch = persist->epoch;
    enum status status = STATUS_OK;
    for (unsigned attempt = 0; attempt < PERSIST_TRIES; attempt++) {
        persist_part_name(persist, number, key);
        status = objstore_put(state, key, part->bytes->data, part->size, err);
        if (status == STATUS_OK || status == STATUS_KILLED) break;
        log_debug("part_write", "key=%s error=\"%s\"", key, err ? err->message : "");
        persist->session->seam->ops->sleep(persist->session->seam, 50000);
    }
    if (status != STATUS_OK)
        return error_prefix(err, "state snapshot of epoch %llu", (unsigned long long)persist->epoch);
    memory_free(part->meta.key);
    part->meta.key = memory_strdup(key);
    return STATUS_OK;
}

static Foreset__SnapshotPart *persist_part_meta(const struct dataflow_part *part)
{
    Foreset__SnapshotPart *meta = memory_alloc(sizeof *meta);
    *meta = part->meta;
    meta->key = memory_strdup(part->meta.key);
    meta->operator_ = memory_strdup(part->meta.operator_ ? part->meta.operator_ : "");
    if (part->meta.has_shards) {
        meta->shards.data = memory_alloc(part->meta.shards.len);
        memcpy(meta->shards.data, part->meta.shards.data, part->meta.shards.len);
    }
    return meta;
}

enum status persist_run(struct persist *persist, struct error *err)
{
    enum status status = STATUS_OK;
    Foreset__Prepared *prepared = persist->frozen->prepared;
    ASSERT(prepared->n_parts == 0);
    TRY(FAILPOINT("data_fsync.before", err));
    for (size_t i = 0; i < prepared->n_tables; i++) TRY(persist_files(persist, prepared->tables[i], err));
    TRY(FAILPOINT("data_fsync.after", err));
    TRY(FAILPOINT("snapshot_write.before", err));
    for (size_t i = 0; i < persist->frozen->part_count; i++) TRY(persist_part(persist, i, err));
    TRY(FAILPOINT("snapshot_write.after", err));
    if (persist->frozen->part_count > 0) {
        prepared->parts = memory_calloc(persist->frozen->part_count, sizeof *prepared->parts);
        for (size_t i = 0; i < persist->frozen->part_count; i++) {
            prepared->parts[i] = persist_part_meta(&persist->frozen->parts[i]);
        }
        prepared->n_parts = persist->frozen->part_count;
    }
    TRY(FAILPOINT("prepared.before", err));
out:
    return status;
}
