// Persisting an epoch (P16). The happy path: complete the data files that lanes sealed; fsync them, table by table and
// with their directories; write state snapshot parts under new names, fsync them together; list them in the report.
//
// What can fail:
// - fsync of a data file: its bytes are gone from here, so the epoch cannot be saved: RESTART_PIPELINE. It is never
//   synced a second time: the kernel may have dropped the pages and would say that all is well.
// - writing or syncing snapshot parts: what they are made of is still here; all are written anew under new names,
//   PERSIST_TRIES times.
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

// Writes a part's bytes under a new name; nothing is durable yet. What can be made again is not kept.
static enum status persist_part(struct persist *persist, size_t number, struct error *err)
{
    enum status status = STATUS_OK;
    struct dataflow_part *part = &persist->frozen->parts[number];
    struct objstore *state = persist->session->state;
    struct objstore_writer *writer = NULL;
    char key[PERSIST_KEY_SIZE];
    TRY(dataflow_part_encode(part, err));
    part->meta.checksum = hash_64(part->bytes->data, part->size, 0);
    part->meta.size_bytes = part->size;
    part->meta.epoch = persist->epoch;
    persist_part_name(persist, number, key);
    TRY(state->ops->create(state, key, &writer, err));
    TRY(state->ops->write(writer, part->bytes->data, part->size, err));
    TRY(state->ops->finish(writer, err));
    memory_free(part->meta.key);
    part->meta.key = memory_strdup(key);
    dataflow_part_forget(part);
out:
    if (writer) state->ops->writer_close(writer);
    return status;
}

static enum status persist_parts_once(struct persist *persist, struct error *err)
{
    enum status status = STATUS_OK;
    VECTOR(const char *) keys = {0};
    for (size_t i = 0; i < persist->frozen->part_count; i++) {
        TRY(persist_part(persist, i, err));
        vector_push(&keys, persist->frozen->parts[i].meta.key);
    }
    struct objstore *state = persist->session->state;
    if (keys.count > 0) TRY(state->ops->sync(state, keys.items, keys.count, err));
out:
    vector_deinit(&keys);
    return status;
}

// All parts are synced together: a file system that is asked once does in one go what it would do for each.
static enum status persist_parts(struct persist *persist, struct error *err)
{
    enum status status = STATUS_OK;
    for (unsigned attempt = 0; attempt < PERSIST_TRIES; attempt++) {
        status = persist_parts_once(persist, err);
        if (status == STATUS_OK || status == STATUS_KILLED) return status;
        log_debug("part_write", "epoch=%llu error=\"%s\"", (unsigned long long)persist->epoch, err ? err->message : "");
        persist->session->seam->ops->sleep(persist->session->seam, 50000);
    }
    return error_prefix(err, "state snapshot of epoch %llu", (unsigned long long)persist->epoch);
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

static uint64_t persist_since(struct persist *persist, int64_t from_us)
{
    return (uint64_t)(clock_boot_us(persist->session->seam->clock) - from_us);
}

enum status persist_run(struct persist *persist, struct error *err)
{
    enum status status = STATUS_OK;
    Foreset__Prepared *prepared = persist->frozen->prepared;
    int64_t began_us = clock_boot_us(persist->session->seam->clock);
    ASSERT(prepared->n_parts == 0);
    TRY(dataflow_frozen_complete(persist->frozen, err));
    TRY(FAILPOINT("data_fsync.before", err));
    for (size_t i = 0; i < prepared->n_tables; i++) TRY(persist_files(persist, prepared->tables[i], err));
    prepared->has_files_us = prepared->has_snapshot_us = true;
    prepared->files_us = persist_since(persist, began_us);
    TRY(FAILPOINT("data_fsync.after", err));
    TRY(FAILPOINT("snapshot_write.before", err));
    TRY(persist_parts(persist, err));
    prepared->snapshot_us = persist_since(persist, began_us) - prepared->files_us;
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
