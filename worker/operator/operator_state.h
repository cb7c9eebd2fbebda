// Keyed state of an operator: freezing its changes into a part, loading it back (P11). For operators over key_table.
// A record's value is the batch that last touched the entry, its expiry, and the operator's own bytes.
#ifndef FORESET_OPERATOR_OPERATOR_STATE_H
#define FORESET_OPERATOR_OPERATOR_STATE_H

#include "worker/operator/operator.h"
#include "worker/snapshot/snapshot_part.h"
#include "worker/state/key_table.h"

// When to write the base anew: when the parts hold twice what is alive (an append-only run has nothing to compact), or
// are many.
struct state_history {
    uint64_t entries; // in the parts: base and deltas
    uint32_t deltas;  // since the base, or since loading
    bool base_next;
};
bool operator_state_base_due(const struct state_history *history, uint64_t live);
enum status operator_state_part(struct operator* op, struct snapshot_writer *writer, bool is_base,
                                struct state_history *history, struct operator_frozen *frozen,
                                struct error *err) MUST_USE;
// The same of a finished part; takes its bytes.
void operator_state_part_take(struct snapshot_fixed *fixed, bool is_base, struct state_history *history,
                              struct operator_frozen *frozen);

// The same of a part that is written down later; takes it.
void operator_state_part_late(struct snapshot_late *late, uint64_t entries, struct state_history *history,
                              struct operator_frozen *frozen);

struct keyed_state {
    struct key_table table;
    struct state_history history;
    struct text name;
    struct text scratch;
    bool hashed_to_one; // no keys: everything in shard 0
    void (*save)(struct operator* op, const struct key_entry *entry, struct text *bytes);
    enum status (*restore)(struct operator* op, struct key_entry *entry, struct slice bytes, struct error *err);
    void (*free_payload)(void *op, struct key_entry *entry);
};
void keyed_state_init(struct keyed_state *state, struct operator* op, uint32_t payload_size);
void keyed_state_deinit(struct keyed_state *state, struct operator* op);
enum status keyed_state_freeze(struct keyed_state *state, struct operator* op, struct operator_frozen *frozen,
                               struct error *err) MUST_USE;
enum status keyed_state_load(struct keyed_state *state, struct operator* op, const struct operator_record *record,
                             struct error *err) MUST_USE;
void keyed_state_clear(struct keyed_state *state, struct operator* op, const uint8_t *shards);
// Removes an entry and what it owns.
void keyed_state_remove(struct keyed_state *state, struct operator* op, struct key_entry *entry);

#endif
