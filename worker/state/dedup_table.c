// Dedup keys (see the header). Linear probing, at most 3/4 full; removal shifts back.
#include "worker/state/dedup_table.h"

#include <string.h>

#define DEDUP_FIRST 64u

static size_t block_size(const struct dedup_table *table, uint64_t capacity)
{
    return capacity * (sizeof(struct hash128) + (table->timed ? sizeof(int64_t) : 0));
}

void dedup_table_init(struct dedup_table *table, uint32_t shard_count, bool timed, struct budget *budget,
                      const char *name)
{
    memset(table, 0, sizeof *table);
    table->shard_count = shard_count;
    table->timed = timed;
    table->budget = budget;
    table->name = name;
    table->shards = memory_calloc(shard_count + (size_t)1, sizeof *table->shards);
    for (uint32_t i = 0; i < shard_count; i++) table->shards[i].earliest_us = DEDUP_NEVER;
}

void dedup_table_clear(struct dedup_table *table, uint32_t number)
{
    struct dedup_shard *shard = &table->shards[number];
    table->count -= shard->count;
    if (shard->keys) budget_give(table->budget, block_size(table, shard->mask + 1));
    memory_free(shard->keys);
    *shard = (struct dedup_shard){.earliest_us = DEDUP_NEVER};
}

void dedup_table_deinit(struct dedup_table *table)
{
    for (uint32_t i = 0; table->shards && i < table->shard_count; i++) dedup_table_clear(table, i);
    memory_free(table->shards);
    table->shards = NULL;
}

static inline bool is_free(const struct hash128 *key)
{
    return (key->low | key->high) == 0;
}

static enum status refused(const struct dedup_table *table, struct error *err)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < table->shard_count; i++) {
        if (table->shards[i].keys) bytes += block_size(table, table->shards[i].mask + 1);
    }
    return error_prefix(err, "state of %s holds %llu keys in %llu bytes", table->name, (unsigned long long)table->count,
                        (unsigned long long)bytes);
}

static enum status grow(struct dedup_table *table, struct dedup_shard *shard, struct error *err)
{
    uint64_t capacity = shard->keys ? (shard->mask + 1) * 2 : DEDUP_FIRST;
    if (budget_take(table->budget, block_size(table, capacity), err) != STATUS_OK) return refused(table, err);
    struct hash128 *keys = memory_calloc(1, block_size(table, capacity));
    int64_t *expiries = table->timed ? (int64_t *)(void *)(keys + capacity) : NULL;
    for (uint64_t i = 0; shard->keys && i <= shard->mask; i++) {
        if (is_free(&shard->keys[i])) continue;
        uint64_t at = shard->keys[i].low & (capacity - 1);
        while (!is_free(&keys[at])) at = (at + 1) & (capacity - 1);
        keys[at] = shard->keys[i];
        if (expiries) expiries[at] = shard->expiries[i];
    }
    if (shard->keys) budget_give(table->budget, block_size(table, shard->mask + 1));
    memory_free(shard->keys);
    shard->keys = keys;
    shard->expiries = expiries;
    shard->mask = capacity - 1;
    return STATUS_OK;
}

static void set_expiry(struct dedup_shard *shard, uint64_t at, int64_t expiry_us)
{
    if (!shard->expiries) return;
    shard->expiries[at] = expiry_us;
    if (expiry_us < shard->earliest_us) shard->earliest_us = expiry_us;
}

static enum status dedup_get(struct dedup_table *table, uint32_t number, struct hash128 key, int64_t expiry_us,
                             uint64_t *ret_at, bool *ret_added, struct error *err)
{
    struct dedup_shard *shard = &table->shards[number];
    if ((key.low | key.high) == 0) key.high = 1;
    if (!shard->keys || (shard->count + 1) * 4 > (shard->mask + 1) * 3) {
        enum status status = grow(table, shard, err);
        if (status != STATUS_OK) return status;
    }
    uint64_t at = key.low & shard->mask;
    *ret_added = false;
    for (; !is_free(&shard->keys[at]); at = (at + 1) & shard->mask) {
        *ret_at = at;
        if (shard->keys[at].low == key.low && shard->keys[at].high == key.high) return STATUS_OK;
    }
    shard->keys[at] = key;
    set_expiry(shard, at, expiry_us);
    shard->count++;
    table->count++;
    *ret_at = at;
    *ret_added = true;
    return STATUS_OK;
}

enum status dedup_table_add(struct dedup_table *table, uint32_t shard, struct hash128 key, int64_t expiry_us,
                            bool *ret_added, struct error *err)
{
    uint64_t at;
    return dedup_get(table, shard, key, expiry_us, &at, ret_added, err);
}

enum status dedup_table_put(struct dedup_table *table, uint32_t shard, struct hash128 key, int64_t expiry_us,
                            bool *ret_added, struct error *err)
{
    uint64_t at = 0;
    enum status status = dedup_get(table, shard, key, expiry_us, &at, ret_added, err);
    if (status == STATUS_OK && !*ret_added) set_expiry(&table->shards[shard], at, expiry_us);
    return status;
}

static void remove_at(struct dedup_shard *shard, uint64_t at)
{
    for (uint64_t next = (at + 1) & shard->mask; !is_free(&shard->keys[next]); next = (next + 1) & shard->mask) {
        uint64_t home = shard->keys[next].low & shard->mask;
        if (((next - home) & shard->mask) < ((next - at) & shard->mask)) continue; // it would move before its home
        shard->keys[at] = shard->keys[next];
        shard->expiries[at] = shard->expiries[next];
        at = next;
    }
    shard->keys[at] = (struct hash128){0};
    shard->count--;
}

// A removal shifts back only what is still to be scanned, or what was scanned and stays (round the end): one pass will
// do.
static uint64_t evict_shard(struct dedup_shard *shard, int64_t watermark_us)
{
    uint64_t before = shard->count;
    shard->earliest_us = DEDUP_NEVER;
    for (uint64_t i = 0; i <= shard->mask; i++) {
        while (!is_free(&shard->keys[i]) && shard->expiries[i] <= watermark_us) remove_at(shard, i);
        if (!is_free(&shard->keys[i]) && shard->expiries[i] < shard->earliest_us) {
            shard->earliest_us = shard->expiries[i];
        }
    }
    return before - shard->count;
}

uint64_t dedup_table_evict(struct dedup_table *table, int64_t watermark_us)
{
    uint64_t removed = 0;
    for (uint32_t i = 0; i < table->shard_count && table->timed; i++) {
        struct dedup_shard *shard = &table->shards[i];
        if (shard->count == 0 || shard->earliest_us > watermark_us) continue;
        removed += evict_shard(shard, watermark_us);
    }
    table->count -= removed;
    return removed;
}

bool dedup_table_next(const struct dedup_shard *shard, uint64_t *at, struct dedup_entry *ret_entry)
{
    while (shard->keys && *at <= shard->mask) {
        uint64_t here = (*at)++;
        if (is_free(&shard->keys[here])) continue;
        *ret_entry = (struct dedup_entry){shard->keys[here], shard->expiries ? shard->expiries[here] : DEDUP_NEVER};
        return true;
    }
    return false;
}
