// The keys that a DEDUP saw first in the epoch at hand, in the order in which they came. At the marker the list goes to
// the worker's job, which writes it down as snapshot parts (P11): the lane copies nothing.
#ifndef FORESET_OPERATOR_DEDUP_FRESH_H
#define FORESET_OPERATOR_DEDUP_FRESH_H

#include "worker/operator/operator_state.h"
#include "worker/state/dedup_table.h"

struct dedup_fresh {
    struct budget *budget;
    const char *name;               // for messages
    bool timed;                     // keys may expire; else their expiry is not kept
    VECTOR(struct buffer *) chunks; // all full but the last
    uint64_t count;                 // in all
    uint32_t last_count, last_room; // of the last chunk
};
void dedup_fresh_init(struct dedup_fresh *fresh, bool timed, struct budget *budget, const char *name);
void dedup_fresh_deinit(struct dedup_fresh *fresh);
enum status dedup_fresh_grow(struct dedup_fresh *fresh, struct error *err) MUST_USE; // STATUS_NO_MEMORY
static inline MUST_USE enum status dedup_fresh_add(struct dedup_fresh *fresh, const struct dedup_entry *entry,
                                                   struct error *err)
{
    if (fresh->last_count == fresh->last_room) {
        enum status status = dedup_fresh_grow(fresh, err);
        if (status != STATUS_OK) return status;
    }
    size_t size = fresh->timed ? sizeof *entry : sizeof entry->key;
    memcpy(fresh->chunks.items[fresh->chunks.count - 1]->data + fresh->last_count++ * size, entry, size);
    fresh->count++;
    return STATUS_OK;
}
void dedup_fresh_reset(struct dedup_fresh *fresh);
// Hands the list over as parts, a bounded number of keys in each; it is empty then.
void dedup_fresh_freeze(struct dedup_fresh *fresh, const struct operator_host *host, struct state_history *history,
                        struct operator_frozen *frozen);

#endif
