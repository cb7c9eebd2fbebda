// An exchange between lanes: what both ends of a channel keep. Within a process the batch itself travels with one
// selection per target, nothing is gathered; to another one it goes as a frame. P9: each
// channel counts its column batches and rows; the marker carries the counts; a difference is RESTART_PIPELINE. P14: a
// sender never blocks. What is sent and not yet taken counts against the channel's credit, apart for the two epochs
// that run; a lane without credit on any of its channels stops polling its sources.
#ifndef FORESET_EXCHANGE_EXCHANGE_H
#define FORESET_EXCHANGE_EXCHANGE_H

#include <stdatomic.h>

#include "common/base/error.h"
#include "common/columnar/batch.h"

struct exchange_channel {                  // the sender's end
    uint64_t sent_batches, sent_rows;      // since its last marker
    _Atomic uint64_t outstanding_bytes[2]; // by parity of the epoch
};
struct exchange_inlet { // the receiver's end
    uint64_t seen_batches, seen_rows;
    uint64_t owed_bytes[2]; // from another process: taken, and the sender not yet told
};

// Sender: counts a batch; returns the credit that it takes, which travels with it.
uint64_t exchange_sent(struct exchange_channel *channel, uint64_t epoch, const struct batch *batch);
// The same of a frame.
void exchange_sent_bytes(struct exchange_channel *channel, uint64_t epoch, uint32_t rows, uint64_t bytes);
static inline bool exchange_has_credit(struct exchange_channel *channel, uint64_t epoch, uint64_t limit_bytes)
{
    return atomic_load_explicit(&channel->outstanding_bytes[epoch & 1], memory_order_relaxed) < limit_bytes;
}
// Receiver, when a batch arrives: sequence is the sender's count before it.
enum status exchange_seen(struct exchange_inlet *inlet, uint64_t sequence, uint32_t rows, struct error *err) MUST_USE;
// Receiver, when the marker arrives: checks the counts and begins anew.
enum status exchange_marker(struct exchange_inlet *inlet, uint64_t batches, uint64_t rows, struct error *err) MUST_USE;
// Receiver, when it has taken a batch: gives the credit back. True: the sender was out of credit and should be woken.
bool exchange_taken(struct exchange_channel *channel, uint64_t epoch, uint64_t bytes, uint64_t limit_bytes);
// The same told by another process: false and nothing is given back: so much was never sent.
bool exchange_told(struct exchange_channel *channel, uint64_t epoch, uint64_t bytes);

// Shards: fixed slices of the key space. Who owns which: exchange_routing.h; here, one worker that holds them all.
static inline uint32_t exchange_shard(uint64_t hash, uint32_t shards)
{
    return (uint32_t)(((unsigned __int128)hash * shards) >> 64);
}
static inline uint32_t exchange_lane_of(uint32_t shard, uint32_t shards, uint32_t lanes)
{
    return (uint32_t)((uint64_t)shard * lanes / shards);
}

// Hashes of the selected rows over key columns: hash_seed and column_hash. No keys: 0 (everything in shard 0).
void exchange_hash(const struct batch *batch, struct column *const *keys, uint32_t key_count, uint64_t hash_seed,
                   uint64_t *hashes);

#endif
