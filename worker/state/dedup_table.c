// Dedup keys (see the header). Linear probing, at most 3/4 full; removal shifts back.
#include "worker/state/dedup_table.h"

#include <string.h>

#define DEDUP_FIRST 64u

static size_t block_size(uint64_t capacity)
{
    return capacity * sizeof(struct dedup_entry);
}

void dedup_table_init(struct dedup_table *table, uint32_t shard_count, struct budget *budget, const char *name)
{
    memset(table, 0, sizeof *table);
    table->shard_count = shard_count;
    table->budget = budget;
    table->name = name;
    table->shards = memory_calloc(shard_count + (size_t)1, sizeof *table->shards);
    for (uint32_t i = 0; i < shard_count; i++) table->shards[i].earliest_us = DEDUP_NEVER;
}

void dedup_table_clear(struct dedup_table *table, uint32_t number)
{
    struct dedup_shard *shard = &table->shards[number];
    table->count -= shard->count;
    if (shard->entries) budget_give(table->budget, block_size(shard->mask + 1));
    memory_free(shard->entries);
    *shard = (struct dedup_shard){.earliest_us = DEDUP_NEVER};
}

void dedup_table_deinit(struct dedup_table *table)
{
    for (uint32_t i = 0; table->shards && i < table->shard_count; i++) dedup_table_clear(table, i);
    memory_free(table->shards);
    table->shards = NULL;
}

static inline bool is_free(const struct dedup_entry *entry)
{
    return (entry->key.low | entry->key.high) == 0;
}

static enum status grow(struct dedup_table *table, struct dedup_shard *shard, struct error *err)
{
    uint64_t capacity = shard->entries ? (shard->mask + 1) * 2 : DEDUP_FIRST;
    enum status status = budget_take(table->budget, block_size(capacity), err);
    if (status != STATUS_OK) {
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < table->shard_count; i++) {
            if (table->shards[i].entries) bytes += block_size(table->shards[i].mask + 1);
        }
        return error_prefix(err, "state of %s holds %llu keys in %llu bytes", table->name,
                            (unsigned long long)table->count, (unsigned long long)bytes);
    }
    struct dedup_entry *entries = memory_calloc(1, block_size(capacity));
    for (uint64_t i = 0; shard->entries && i <= shard->mask; i++) {
        if (is_free(&shard->entries[i])) continue;
        uint64_t at = shard->entries[i].key.low & (capacity - 1);
        while (!is_free(&entries[at])) at = (at + 1) & (capacity - 1);
        entries[at] = shard->entries[i];
    }
    if (shard->entries) budget_give(table->budget, block_size(shard->mask + 1));
    memory_free(shard->entries);
    shard->entries = entries;
    shard->mask = capacity - 1;
    return STATUS_OK;
}

static enum status dedup_get(struct dedup_table *table, uint32_t number, struct hash128 key, int64_t expiry_us,
                             struct dedup_entry **ret_entry, bool *ret_added, struct error *err)
{
    struct dedup_shard *shard = &table->shards[number];
    if ((key.low | key.high) == 0) key.high = 1;
    if (!shard->entries || (shard->count + 1) * 4 > (shard->mask + 1) * 3) {
        enum status status = grow(table, shard, err);
        if (status != STATUS_OK) return status;
    }
    uint64_t at = key.low & shard->mask;
    for (; !is_free(&shard->entries[at]); at = (at + 1) & shard->mask) {
        const struct hash128 *there = &shard->entries[at].key;
        if (there->low != key.low || there->high != key.high) continue;
        *ret_entry = &shard->entries[at];
        *ret_added = false;
        return STATUS_OK;
    }
    *ret_entry = &shard->entries[at];
    shard->entries[at] = (struct dedup_entry){.key = key, .expiry_us = expiry_us};
    shard->count++;
    table->count++;
    if (expiry_us < shard->earliest_us) shard->earliest_us = expiry_us;
    *ret_added = true;
    return STATUS_OK;
}

enum status dedup_table_add(struct dedup_table *table, uint32_t shard, struct hash128 key, int64_t expiry_us,
                            bool *ret_added, struct error *err)
{
    struct dedup_entry *entry;
    return dedup_get(table, shard, key, expiry_us, &entry, ret_added, err);
}

enum status dedup_table_put(struct dedup_table *table, uint32_t shard, struct hash128 key, int64_t expiry_us,
                            bool *ret_added, struct error *err)
{
    struct dedup_entry *entry;
    enum status status = dedup_get(table, shard, key, expiry_us, &entry, ret_added, err);
    if (status != STATUS_OK || *ret_added) return status;
    entry->expiry_us = expiry_us;
    if (expiry_us < table->shards[shard].earliest_us) table->shards[shard].earliest_us = expiry_us;
    return STATUS_OK;
}

static void remove_at(struct dedup_shard *shard, uint64_t at)
{
    for (uint64_t next = (at + 1) & shard->mask; !is_free(&shard->entries[next]); next = (next + 1) & shard->mask) {
        uint64_t home = shard->entries[next].key.low & shard->mask;
        if (((next - home) & shard->mask) < ((next - at) & shard->mask)) continue; // it would move before its home
        shard->entries[at] = shard->entries[next];
        at = next;
    }
    memset(&shard->entries[at], 0, sizeof shard->entries[at]);
    shard->count--;
}

// A removal shifts back only what is still to be scanned, or what was scanned and stays (round the end): one pass will
// do.
static uint64_t evict_shard(struct dedup_shard *shard, int64_t watermark_us)
{
    uint64_t before = shard->count;
    shard->earliest_us = DEDUP_NEVER;
    for (uint64_t i = 0; i <= shard->mask; i++) {
        while (!is_free(&shard->entries[i]) && shard->entries[i].expiry_us <= watermark_us) remove_at(shard, i);
        if (!is_free(&shard->entries[i]) && shard->entries[i].expiry_us < shard->earliest_us) {
            shard->earliest_us = shard->entries[i].expiry_us;
        }
    }
    return before - shard->count;
}

uint64_t dedup_table_evict(struct dedup_table *table, int64_t watermark_us)
{
    uint64_t removed = 0;
    for (uint32_t i = 0; i < table->shard_count; i++) {
        struct dedup_shard *shard = &table->shards[i];
        if (shard->count == 0 || shard->earliest_us > watermark_us) continue;
        removed += evict_shard(shard, watermark_us);
    }
    table->count -= removed;
    return removed;
}

const struct dedup_entry *dedup_table_next(const struct dedup_shard *shard, uint64_t *at)
{
    while (shard->entries && *at <= shard->mask) {
        const struct dedup_entry *entry = &shard->entries[(*at)++];
        if (!is_free(entry)) return entry;
    }
    return NULL;
}
