// Fresh keys of a DEDUP. What can fail: the budget, when the list grows on the lane or a part is made in the job.
#include "worker/operator/dedup_fresh.h"

#include "worker/exchange/exchange.h"
#include "worker/snapshot/snapshot_part.h"

#define CHUNK_FIRST 4096u
#define CHUNK_MAX   65536u
#define PART_CHUNKS 16u // of a part: what it takes in memory is twice their size

void dedup_fresh_init(struct dedup_fresh *fresh, bool timed, struct budget *budget, const char *name)
{
    *fresh = (struct dedup_fresh){.budget = budget, .name = name, .timed = timed};
}

void dedup_fresh_reset(struct dedup_fresh *fresh)
{
    for (size_t i = 0; i < fresh->chunks.count; i++) buffer_unref(fresh->chunks.items[i]);
    vector_reset(&fresh->chunks);
    fresh->count = 0;
    fresh->last_count = fresh->last_room = 0;
}

void dedup_fresh_deinit(struct dedup_fresh *fresh)
{
    dedup_fresh_reset(fresh);
    vector_deinit(&fresh->chunks);
}

static size_t entry_size(bool timed)
{
    return timed ? sizeof(struct dedup_entry) : sizeof(struct hash128);
}

enum status dedup_fresh_grow(struct dedup_fresh *fresh, struct error *err)
{
    uint32_t room = fresh->last_room ? fresh->last_room * 2 : CHUNK_FIRST;
    if (room > CHUNK_MAX) room = CHUNK_MAX;
    struct buffer *chunk;
    enum status status = buffer_create(fresh->budget, room * entry_size(fresh->timed), &chunk, err);
    if (status != STATUS_OK) {
        return error_prefix(err, "state of %s, %llu new keys in this epoch", fresh->name,
                            (unsigned long long)fresh->count);
    }
    vector_push(&fresh->chunks, chunk);
    fresh->last_count = 0;
    fresh->last_room = room;
    return STATUS_OK;
}

// ---- A part that is still a list ----

struct dedup_late {
    struct snapshot_late base;
    struct budget *budget;
    bool timed;
    uint32_t shards;
    struct buffer *chunks[PART_CHUNKS];
    uint32_t counts[PART_CHUNKS];
    uint32_t chunk_count;
    uint64_t count;
};

static const uint8_t *late_entry(const struct dedup_late *late, uint32_t chunk, uint32_t at)
{
    return late->chunks[chunk]->data + at * entry_size(late->timed);
}

static uint32_t late_shard(const struct dedup_late *late, const uint8_t *entry)
{
    struct hash128 key;
    memcpy(&key, entry, sizeof key);
    return exchange_shard(key.low, late->shards);
}

static enum status late_encode(struct snapshot_late *base, struct buffer **ret_bytes, size_t *ret_size,
                               struct error *err)
{
    struct dedup_late *late = (struct dedup_late *)base;
    struct snapshot_fixed fixed = {.key_size = sizeof(struct hash128), .value_size = late->timed ? sizeof(int64_t) : 0};
    uint64_t *counts = memory_calloc(late->shards, sizeof *counts);
    struct snapshot_fixed *places = memory_calloc(late->shards, sizeof *places);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < late->chunk_count; i++) {
        for (uint32_t k = 0; k < late->counts[i]; k++) counts[late_shard(late, late_entry(late, i, k))]++;
    }
    TRY(snapshot_fixed_create(&fixed, false, 0, late->shards, counts, late->budget, err));
    for (uint32_t shard = 0; shard < late->shards; shard++) {
        places[shard] = fixed;
        fixed.at += counts[shard] * (2 + fixed.key_size + fixed.value_size);
    }
    for (uint32_t i = 0; i < late->chunk_count; i++) {
        for (uint32_t k = 0; k < late->counts[i]; k++) {
            const uint8_t *entry = late_entry(late, i, k);
            snapshot_fixed_add(&places[late_shard(late, entry)], entry, entry + sizeof(struct hash128));
        }
    }
    snapshot_fixed_finish(&fixed);
    *ret_bytes = fixed.bytes;
    *ret_size = fixed.size_bytes;
out:
    memory_free(counts);
    memory_free(places);
    return status;
}

static void late_destroy(struct snapshot_late *base)
{
    struct dedup_late *late = (struct dedup_late *)base;
    for (uint32_t i = 0; i < late->chunk_count; i++) buffer_unref(late->chunks[i]);
    memory_free(late);
}

void dedup_fresh_freeze(struct dedup_fresh *fresh, const struct operator_host *host, struct state_history *history,
                        struct operator_frozen *frozen)
{
    size_t size = entry_size(fresh->timed);
    for (size_t i = 0; i < fresh->chunks.count;) {
        struct dedup_late *late = memory_calloc(1, sizeof *late);
        late->base = (struct snapshot_late){.encode = late_encode, .destroy = late_destroy};
        late->budget = host->budget;
        late->timed = fresh->timed;
        late->shards = host->plan->shards;
        for (; i < fresh->chunks.count && late->chunk_count < PART_CHUNKS; i++) {
            struct buffer *chunk = fresh->chunks.items[i];
            bool last = i + 1 == fresh->chunks.count;
            uint32_t count = last ? fresh->last_count : (uint32_t)(chunk->size_bytes / size);
            buffer_recount(chunk, host->budget); // the operator's own goes with the lane
            late->chunks[late->chunk_count] = chunk;
            late->counts[late->chunk_count++] = count;
            late->count += count;
        }
        operator_state_part_late(&late->base, late->count, history, frozen);
    }
    vector_reset(&fresh->chunks);
    dedup_fresh_reset(fresh);
}
