// Keyed state (see the header). Linear probing, at most 3/4 full; removal shifts back what follows, so there are no
// graves.
#include "worker/state/key_table.h"

#define KEY_TABLE_FIRST      64u
#define KEY_TABLE_STEP_BYTES (256u << 10)

void key_table_init(struct key_table *table, struct budget *budget, const char *name, uint32_t payload_size)
{
    memset(table, 0, sizeof *table);
    table->budget = budget;
    table->name = name;
    table->payload_size = (payload_size + 15u) & ~15u;
    table->earliest_us = INT64_MAX;
}

static enum status take_bytes(struct key_table *table, uint64_t bytes, struct error *err)
{
    table->used_bytes += bytes;
    if (table->used_bytes <= table->taken_bytes) return STATUS_OK;
    uint64_t step = table->used_bytes - table->taken_bytes;
    if (step < KEY_TABLE_STEP_BYTES) step = KEY_TABLE_STEP_BYTES;
    enum status status = budget_take(table->budget, step, err);
    if (status != STATUS_OK) {
        table->used_bytes -= bytes;
        return error_prefix(err, "state of %s holds %llu keys in %llu bytes", table->name,
                            (unsigned long long)table->count, (unsigned long long)table->used_bytes);
    }
    table->taken_bytes += step;
    return STATUS_OK;
}

static void give_bytes(struct key_table *table, uint64_t bytes)
{
    ASSERT(table->used_bytes >= bytes);
    table->used_bytes -= bytes;
}

static uint64_t entry_bytes(const struct key_table *table, uint32_t key_length)
{
    return sizeof(struct key_entry) + table->payload_size + key_length + 16;
}

void key_table_clear(struct key_table *table, void (*free_payload)(void *context, struct key_entry *entry),
                     void *context)
{
    for (uint64_t i = 0; table->slots && i <= table->mask; i++) {
        struct key_entry *entry = table->slots[i].entry;
        if (!entry) continue;
        if (free_payload) free_payload(context, entry);
        memory_free(entry->value);
        memory_free(entry);
    }
    memory_free(table->slots);
    table->slots = NULL;
    table->mask = table->count = 0;
    table->earliest_us = INT64_MAX;
    if (table->taken_bytes) budget_give(table->budget, table->taken_bytes);
    table->used_bytes = table->taken_bytes = 0;
    table->dirty.count = 0;
    for (size_t i = 0; i < table->removed.count; i++) memory_free(table->removed.items[i].key);
    table->removed.count = 0;
}

void key_table_deinit(struct key_table *table, void (*free_payload)(void *context, struct key_entry *entry),
                      void *context)
{
    key_table_clear(table, free_payload, context);
    vector_deinit(&table->dirty);
    vector_deinit(&table->removed);
}

struct key_entry *key_table_find(const struct key_table *table, uint64_t hash, struct slice key)
{
    if (!table->slots) return NULL;
    for (uint64_t at = hash & table->mask;; at = (at + 1) & table->mask) {
        struct key_entry *entry = table->slots[at].entry;
        if (!entry) return NULL;
        if (table->slots[at].hash != hash || entry->key_length != key.length) continue;
        if (memcmp(entry->payload + table->payload_size, key.data, key.length) == 0) return entry;
    }
}

static void slot_put(struct key_slot *slots, uint64_t mask, struct key_entry *entry)
{
    uint64_t at = entry->hash & mask;
    while (slots[at].entry) at = (at + 1) & mask;
    slots[at] = (struct key_slot){.hash = entry->hash, .entry = entry};
}

static enum status grow(struct key_table *table, struct error *err)
{
    uint64_t capacity = table->slots ? (table->mask + 1) * 2 : KEY_TABLE_FIRST;
    uint64_t bytes = capacity * sizeof *table->slots;
    enum status status = take_bytes(table, bytes, err);
    if (status != STATUS_OK) return status;
    struct key_slot *slots = memory_calloc(capacity, sizeof *slots);
    for (uint64_t i = 0; table->slots && i <= table->mask; i++) {
        if (table->slots[i].entry) slot_put(slots, capacity - 1, table->slots[i].entry);
    }
    if (table->slots) give_bytes(table, (table->mask + 1) * sizeof *table->slots);
    memory_free(table->slots);
    table->slots = slots;
    table->mask = capacity - 1;
    return STATUS_OK;
}

enum status key_table_get(struct key_table *table, uint64_t hash, struct slice key, struct key_entry **ret_entry,
                          bool *ret_added, struct error *err)
{
    struct key_entry *entry = key_table_find(table, hash, key);
    *ret_added = !entry;
    if (entry) {
        *ret_entry = entry;
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    if (!table->slots || (table->count + 1) * 4 > (table->mask + 1) * 3) TRY(grow(table, err));
    TRY(take_bytes(table, entry_bytes(table, (uint32_t)key.length), err));
    entry = memory_alloc_aligned(16, sizeof *entry + table->payload_size + key.length);
    memset(entry, 0, sizeof *entry + table->payload_size);
    entry->hash = hash;
    entry->key_length = (uint32_t)key.length;
    entry->batch = -1;
    entry->expiry_us = INT64_MAX;
    memcpy(entry->payload + table->payload_size, key.data, key.length);
    slot_put(table->slots, table->mask, entry);
    table->count++;
    *ret_entry = entry;
out:
    return status;
}

void key_table_due(struct key_table *table, int64_t watermark_us, struct key_entries *ret_due)
{
    if (!table->slots || table->earliest_us > watermark_us) return;
    table->earliest_us = INT64_MAX;
    for (uint64_t i = 0; i <= table->mask; i++) {
        struct key_entry *entry = table->slots[i].entry;
        if (!entry) continue;
        if (entry->expiry_us <= watermark_us) {
            vector_push(ret_due, entry);
        } else if (entry->expiry_us < table->earliest_us) {
            table->earliest_us = entry->expiry_us;
        }
    }
}

void key_table_touch(struct key_table *table, struct key_entry *entry)
{
    if (entry->flags & KEY_ENTRY_DIRTY) return;
    entry->flags |= KEY_ENTRY_DIRTY;
    entry->dirty_at = (uint32_t)table->dirty.count;
    vector_push(&table->dirty, entry);
}

void key_table_expire_at(struct key_table *table, struct key_entry *entry, int64_t expiry_us)
{
    entry->expiry_us = expiry_us;
    if (expiry_us < table->earliest_us) table->earliest_us = expiry_us;
}

enum status key_table_value_set(struct key_table *table, struct key_entry *entry, struct slice value, struct error *err)
{
    if (value.length > entry->value_length) {
        enum status status = take_bytes(table, value.length - entry->value_length, err);
        if (status != STATUS_OK) return status;
    } else {
        give_bytes(table, entry->value_length - value.length);
    }
    entry->value = memory_realloc(entry->value, value.length);
    memcpy(entry->value, value.data, value.length);
    entry->value_length = (uint32_t)value.length;
    return STATUS_OK;
}

static void slot_free(struct key_table *table, const struct key_entry *entry)
{
    uint64_t at = entry->hash & table->mask;
    while (table->slots[at].entry != entry) {
        ASSERT(table->slots[at].entry);
        at = (at + 1) & table->mask;
    }
    for (uint64_t next = (at + 1) & table->mask; table->slots[next].entry; next = (next + 1) & table->mask) {
        uint64_t home = table->slots[next].hash & table->mask;
        if (((next - home) & table->mask) < ((next - at) & table->mask)) continue; // it would move before its home
        table->slots[at] = table->slots[next];
        at = next;
    }
    table->slots[at] = (struct key_slot){0};
}

void key_table_remove(struct key_table *table, struct key_entry *entry)
{
    slot_free(table, entry);
    table->count--;
    if (entry->flags & KEY_ENTRY_PERSISTED) {
        struct slice key = key_entry_key(table, entry);
        struct key_removed removed = {
            .hash = entry->hash, .key = memory_strndup(key.data, key.length), .key_length = entry->key_length};
        vector_push(&table->removed, removed);
    }
    if (entry->flags & KEY_ENTRY_DIRTY) {
        struct key_entry *last = vector_pop(&table->dirty);
        if (last != entry) {
            table->dirty.items[entry->dirty_at] = last;
            last->dirty_at = entry->dirty_at;
        }
    }
    give_bytes(table, entry_bytes(table, entry->key_length) + entry->value_length);
    memory_free(entry->value);
    memory_free(entry);
}

void key_table_changes_reset(struct key_table *table)
{
    for (size_t i = 0; i < table->dirty.count; i++) {
        struct key_entry *entry = table->dirty.items[i];
        entry->flags = (entry->flags & ~KEY_ENTRY_DIRTY) | KEY_ENTRY_PERSISTED;
    }
    table->dirty.count = 0;
    for (size_t i = 0; i < table->removed.count; i++) memory_free(table->removed.items[i].key);
    table->removed.count = 0;
}
