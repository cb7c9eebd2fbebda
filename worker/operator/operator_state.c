// Freezing and loading of keyed state (see the header). Fails on memory and on records that are not what was saved.
#include "worker/operator/operator_state.h"

#include "worker/exchange/exchange.h"
#include "worker/exchange/exchange_routing.h"

#define DELTAS_MIN         64u
#define DELTAS_MAX         1000u
#define LIVE_PER_DELTA     2048u       // a base costs each delta behind it the writing of so many entries
#define DEAD_ENTRIES_FLOOR (64u << 10) // fewer are not worth a base
#define RECORD_HEAD        24u         // hash, batch, expiry

// Every manifest names every part, so a small state is not left in many.
bool operator_state_base_due(const struct state_history *history, uint64_t live)
{
    uint64_t deltas = DELTAS_MIN + live / LIVE_PER_DELTA;
    if (deltas > DELTAS_MAX) deltas = DELTAS_MAX;
    return history->base_next || history->deltas >= deltas || history->entries > 2 * live + DEAD_ENTRIES_FLOOR;
}

static void history_add(struct state_history *history, bool is_base, uint64_t entries)
{
    if (is_base) {
        *history = (struct state_history){.entries = entries};
    } else {
        history->entries += entries;
        history->deltas++;
    }
}

enum status operator_state_part(struct operator* op, struct snapshot_writer *writer, bool is_base,
                                struct state_history *history, struct operator_frozen *frozen, struct error *err)
{
    struct operator_part part = {.is_base = is_base};
    enum status status =
        snapshot_writer_finish(writer, is_base, op->host->budget, &part.bytes, &part.size_bytes, &part.entries, err);
    if (status != STATUS_OK) return status;
    vector_push(&frozen->parts, part);
    history_add(history, is_base, part.entries);
    return STATUS_OK;
}

void operator_state_part_take(struct snapshot_fixed *fixed, bool is_base, struct state_history *history,
                              struct operator_frozen *frozen)
{
    struct operator_part part = {
        .is_base = is_base, .bytes = fixed->bytes, .size_bytes = fixed->size_bytes, .entries = fixed->entries};
    vector_push(&frozen->parts, part);
    history_add(history, is_base, fixed->entries);
    fixed->bytes = NULL;
}

void operator_state_part_late(struct snapshot_late *late, uint64_t entries, struct state_history *history,
                              struct operator_frozen *frozen)
{
    struct operator_part part = {.late = late, .entries = entries};
    vector_push(&frozen->parts, part);
    history_add(history, false, entries);
}

void keyed_state_init(struct keyed_state *state, struct operator* op, uint32_t payload_size)
{
    operator_name(op, &state->name);
    key_table_init(&state->table, op->host->state_budget, text_str(&state->name), payload_size);
}

void keyed_state_deinit(struct keyed_state *state, struct operator* op)
{
    key_table_deinit(&state->table, state->free_payload, op);
    text_deinit(&state->name);
    text_deinit(&state->scratch);
}

static uint32_t shard_of(const struct operator* op, uint64_t hash)
{
    return exchange_shard(hash, op->host->plan->shards);
}

static void save_entry(struct keyed_state *state, struct operator* op, const struct key_entry *entry,
                       struct snapshot_writer *writer)
{
    struct text *bytes = &state->scratch;
    text_reset(bytes);
    text_append(bytes, (const char *)&entry->hash, sizeof entry->hash);
    text_append(bytes, (const char *)&entry->batch, sizeof entry->batch);
    text_append(bytes, (const char *)&entry->expiry_us, sizeof entry->expiry_us);
    state->save(op, entry, bytes);
    snapshot_writer_add(writer, shard_of(op, entry->hash), key_entry_key(&state->table, entry),
                        slice_of(bytes->data, bytes->length));
}

enum status keyed_state_freeze(struct keyed_state *state, struct operator* op, struct operator_frozen *frozen,
                               struct error *err)
{
    struct key_table *table = &state->table;
    struct snapshot_writer writer = {0};
    frozen->entries = table->count;
    bool is_base = operator_state_base_due(&state->history, table->count);
    if (!is_base && table->dirty.count == 0 && table->removed.count == 0) return STATUS_OK;
    if (is_base) {
        for (uint64_t i = 0; table->slots && i <= table->mask; i++) {
            struct key_entry *entry = table->slots[i].entry;
            if (!entry) continue;
            save_entry(state, op, entry, &writer);
            entry->flags |= KEY_ENTRY_PERSISTED;
        }
    } else {
        // A key may have been removed and come again: its removal stands first.
        for (size_t i = 0; i < table->removed.count; i++) {
            const struct key_removed *removed = &table->removed.items[i];
            snapshot_writer_add(&writer, shard_of(op, removed->hash), slice_of(removed->key, removed->key_length),
                                slice_of((const char *)&removed->hash, sizeof removed->hash));
        }
        for (size_t i = 0; i < table->dirty.count; i++) save_entry(state, op, table->dirty.items[i], &writer);
    }
    enum status status = operator_state_part(op, &writer, is_base, &state->history, frozen, err);
    snapshot_writer_deinit(&writer);
    key_table_changes_reset(table);
    return status;
}

void keyed_state_remove(struct keyed_state *state, struct operator* op, struct key_entry *entry)
{
    if (state->free_payload) state->free_payload(op, entry);
    key_table_remove(&state->table, entry);
}

static enum status load_entry(struct keyed_state *state, struct operator* op, const struct operator_record *record,
                              uint64_t hash, struct error *err)
{
    struct key_table *table = &state->table;
    struct key_entry *entry;
    bool added;
    enum status status = key_table_get(table, hash, record->key, &entry, &added, err);
    if (status != STATUS_OK) return status;
    if (!added) {
        if (state->free_payload) state->free_payload(op, entry);
        memset(entry->payload, 0, table->payload_size);
    }
    int64_t expiry_us;
    memcpy(&entry->batch, record->value.data + 8, sizeof entry->batch);
    memcpy(&expiry_us, record->value.data + 16, sizeof expiry_us);
    entry->flags = KEY_ENTRY_PERSISTED;
    key_table_expire_at(table, entry, expiry_us);
    return state->restore(op, entry, slice_of(record->value.data + RECORD_HEAD, record->value.length - RECORD_HEAD),
                          err);
}

enum status keyed_state_load(struct keyed_state *state, struct operator* op, const struct operator_record *record,
                             struct error *err)
{
    uint64_t hash = 0;
    state->history.entries++;
    bool removed = record->value.length == sizeof hash; // the hash alone
    if (record->removed || (!removed && record->value.length < RECORD_HEAD)) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "state of %s: a record is cut off",
                         text_str(&state->name));
    }
    memcpy(&hash, record->value.data, sizeof hash);
    if (shard_of(op, hash) != record->shard) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "state of %s: a record is in the wrong shard",
                         text_str(&state->name));
    }
    if (!removed) return load_entry(state, op, record, hash, err);
    struct key_entry *entry = key_table_find(&state->table, hash, record->key);
    if (entry) {
        entry->flags = 0; // nobody needs to be told of the removal again
        keyed_state_remove(state, op, entry);
    }
    return STATUS_OK;
}

void keyed_state_clear(struct keyed_state *state, struct operator* op, const uint8_t *shards)
{
    struct key_table *table = &state->table;
    if (table->count == 0) return;
    VECTOR(struct key_entry *) doomed = {0};
    for (uint64_t i = 0; i <= table->mask; i++) {
        struct key_entry *entry = table->slots[i].entry;
        if (entry && exchange_routing_has(shards, shard_of(op, entry->hash))) vector_push(&doomed, entry);
    }
    for (size_t i = 0; i < doomed.count; i++) keyed_state_remove(state, op, doomed.items[i]);
    vector_deinit(&doomed);
    key_table_changes_reset(table);
}
