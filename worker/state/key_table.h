// Keyed state in memory: byte keys to entries, open addressing over 16-byte slots, so that a probe touches one cache
// line and can be prefetched for a group of rows. Each entry is one block: a fixed payload of the owner's, then the
// key, then (if the owner wants) a value of any length set anew at will. Memory counts in a budget in large steps: a
// refusal names the operator. Changes since the last freeze are kept as a list, so that freezing costs what changed,
// not what is there (P11).
#ifndef FORESET_STATE_KEY_TABLE_H
#define FORESET_STATE_KEY_TABLE_H

#include "common/base/text.h"
#include "common/base/vector.h"

#define KEY_ENTRY_DIRTY     1u // in the list of changes
#define KEY_ENTRY_PERSISTED 2u // a snapshot part names it: its removal must be told

struct key_entry {
    uint64_t hash;
    uint32_t key_length;
    uint32_t flags;
    int64_t batch;     // of the owner's table: the last that touched it; -1: none
    int64_t expiry_us; // INT64_MAX: never
    char *value;       // owner's, memory_free; NULL
    uint32_t value_length;
    uint32_t dirty_at;              // place in the list of changes
    _Alignas(16) uint8_t payload[]; // payload_size bytes, zeroed; then the key
};

struct key_slot {
    uint64_t hash;
    struct key_entry *entry; // NULL: free
};
struct key_removed {
    uint64_t hash;
    char *key;
    uint32_t key_length;
};

struct key_table {
    struct key_slot *slots;
    uint64_t mask;
    uint64_t count;
    uint32_t payload_size; // multiple of 16
    struct budget *budget;
    uint64_t used_bytes, taken_bytes;
    const char *name;    // "table/operator", for the message
    int64_t earliest_us; // no entry expires before; INT64_MAX: none does
    VECTOR(struct key_entry *) dirty;
    VECTOR(struct key_removed) removed;
};

void key_table_init(struct key_table *table, struct budget *budget, const char *name, uint32_t payload_size);
// free_payload (NULL allowed) is called for each entry.
void key_table_deinit(struct key_table *table, void (*free_payload)(void *context, struct key_entry *entry),
                      void *context);
void key_table_clear(struct key_table *table, void (*free_payload)(void *context, struct key_entry *entry),
                     void *context);
static inline void key_table_prefetch(const struct key_table *table, uint64_t hash)
{
    if (table->slots) __builtin_prefetch(&table->slots[hash & table->mask]);
}
struct key_entry *key_table_find(const struct key_table *table, uint64_t hash, struct slice key);
// Finds or adds. STATUS_NO_MEMORY beyond the budget.
enum status key_table_get(struct key_table *table, uint64_t hash, struct slice key, struct key_entry **ret_entry,
                          bool *ret_added, struct error *err) MUST_USE;
// The entries that expire at or before watermark_us, to act upon and remove; vector_deinit when done. The table then
// counts them as gone when it next looks for what expires first.
struct key_entries {
    struct key_entry **items;
    size_t count, capacity;
};
void key_table_due(struct key_table *table, int64_t watermark_us, struct key_entries *ret_due);
// Puts the entry into the list of changes.
void key_table_touch(struct key_table *table, struct key_entry *entry);
void key_table_expire_at(struct key_table *table, struct key_entry *entry, int64_t expiry_us);
// Replaces the entry's value; bytes are copied.
enum status key_table_value_set(struct key_table *table, struct key_entry *entry, struct slice value,
                                struct error *err) MUST_USE;
// Removes; the caller has freed what the payload owns. A persisted one goes to `removed`.
void key_table_remove(struct key_table *table, struct key_entry *entry);
void key_table_changes_reset(struct key_table *table); // after freezing: changed entries count as persisted
static inline struct slice key_entry_key(const struct key_table *table, const struct key_entry *entry)
{
    return slice_of((const char *)entry->payload + table->payload_size, entry->key_length);
}

#endif
