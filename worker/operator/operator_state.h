// Keyed state of an operator: freezing its changes into a part, loading it back (P11). For operators over key_table.
// A record's value is the batch that last touched the entry, its expiry, and the operator's own bytes.
#ifndef FORESET_OPERATOR_OPERATOR_STATE_H
#define FORESET_OPERATOR_OPERATOR_STATE_H

#include "worker/operator/operator.h"
#include "worker/snapshot/snapshot_part.h"
#include "worker/state/key_table.h"

// When to write the base anew: deltas outweigh half of it, or are many.
struct state_history {
    uint64_t base_bytes, delta_bytes;
    uint32_t deltas;
    bool base_next;
};
bool operator_state_base_due(const struct state_history *history);
// Counts the part that was frozen, or loaded.
void operator_state_written(struct state_history *history, bool is_base, uint64_t bytes);
enum status operator_state_part(struct operator *op, struct snapshot_writer *writer, bool is_base,
                                struct state_history *history, struct operator_frozen *frozen,
                                struct error *err) MUST_USE;

struct keyed_state {
    struct key_table table;
    struct state_history history;
    struct text name;
    struct text scratch;
    bool hashed_to_one; // no keys: everything in shard 0
    void (*save)(struct operator *op, const struct key_entry *entry, struct text *bytes);
    enum status (*restore)(struct operator *op, struct key_entry *entry, struct slice bytes, struct error *err);
    void (*free_payload)(void *op, struct key_entry *entry);
};
void keyed_state_init(struct keyed_state *state, struct operator *op, uint32_t payload_size);
void keyed_state_deinit(struct keyed_state *state, struct operator *op);
enum status keyed_state_freeze(struct keyed_state *state, struct operator *op, struct operator_frozen *frozen,
                               struct error *err) MUST_USE;
enum status keyed_state_load(struct keyed_state *state, struct operator *op, const struct operator_record *record,
                             struct error *err) MUST_USE;
void keyed_state_clear(struct keyed_state *state, struct operator *op, uint32_t shard_first, uint32_t shard_last);
// Removes an entry and what it owns.
void keyed_state_remove(struct keyed_state *state, struct operator *op, struct key_entry *entry);

#endif
