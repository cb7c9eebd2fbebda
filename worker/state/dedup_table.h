// The keys that a DEDUP has seen: seeded 128-bit hashes, 16 bytes a key and, where keys may expire, 8 for when, in one
// open-addressing table per shard, so that growing stops a lane for a small table only. A hash of all zeros is kept as
// {0, 1}.
#ifndef FORESET_STATE_DEDUP_TABLE_H
#define FORESET_STATE_DEDUP_TABLE_H

#include "common/base/hash.h"
#include "common/base/memory.h"

#define DEDUP_NEVER INT64_MAX

struct dedup_entry {
    struct hash128 key;
    int64_t expiry_us; // removed when <= W
};
struct dedup_shard {
    struct hash128 *keys; // {0, 0}: free
    int64_t *expiries;    // by place, behind the keys; NULL: none ever expires
    uint64_t mask;
    uint64_t count;
    int64_t earliest_us; // no entry expires before
};
struct dedup_table {
    struct dedup_shard *shards;
    uint32_t shard_count;
    bool timed; // keys may expire; else every expiry that is given counts as DEDUP_NEVER
    struct budget *budget;
    const char *name; // for messages
    uint64_t count;
};
void dedup_table_init(struct dedup_table *table, uint32_t shard_count, bool timed, struct budget *budget,
                      const char *name);
void dedup_table_deinit(struct dedup_table *table);
static inline void dedup_table_prefetch(const struct dedup_table *table, uint32_t shard, struct hash128 key)
{
    const struct dedup_shard *at = &table->shards[shard];
    if (at->keys) __builtin_prefetch(&at->keys[key.low & at->mask], 1);
}
// *ret_added: the key was new. A known key keeps its expiry. STATUS_NO_MEMORY beyond the budget, naming table and size.
enum status dedup_table_add(struct dedup_table *table, uint32_t shard, struct hash128 key, int64_t expiry_us,
                            bool *ret_added, struct error *err) MUST_USE;
// As add, but a known key takes the expiry: for loading.
enum status dedup_table_put(struct dedup_table *table, uint32_t shard, struct hash128 key, int64_t expiry_us,
                            bool *ret_added, struct error *err) MUST_USE;
// Removes what expires at or before watermark_us. Returns how many.
uint64_t dedup_table_evict(struct dedup_table *table, int64_t watermark_us);
void dedup_table_clear(struct dedup_table *table, uint32_t shard);
// Entries in use, from *at on (0 at first). False: there is none left.
bool dedup_table_next(const struct dedup_shard *shard, uint64_t *at, struct dedup_entry *ret_entry);

#endif
