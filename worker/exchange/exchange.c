// Counts and credits of exchange channels. Fails with RESTART_PIPELINE on a gap, a repeat or a wrong count (P9).
#include "worker/exchange/exchange.h"

#include "common/base/planted.h"

uint64_t exchange_sent(struct exchange_channel *channel, uint64_t epoch, const struct batch *batch)
{
    uint64_t bytes = batch_bytes(batch);
    if (batch->column_rows) bytes = bytes * batch->row_count / batch->column_rows;
    bytes += sizeof *batch;
    exchange_sent_bytes(channel, epoch, batch->row_count, bytes);
    return bytes;
}

void exchange_sent_bytes(struct exchange_channel *channel, uint64_t epoch, uint32_t rows, uint64_t bytes)
{
    channel->sent_batches++;
    channel->sent_rows += rows;
    atomic_fetch_add_explicit(&channel->outstanding_bytes[epoch & 1], bytes, memory_order_relaxed);
}

enum status exchange_seen(struct exchange_inlet *inlet, uint64_t sequence, uint32_t rows, struct error *err)
{
    if (sequence != inlet->seen_batches && !FORESET_BUG("batch-order-unchecked")) {
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                         "exchange: column batch %llu came where %llu was expected (P9)", (unsigned long long)sequence,
                         (unsigned long long)inlet->seen_batches);
    }
    inlet->seen_batches++;
    inlet->seen_rows += rows;
    return STATUS_OK;
}

enum status exchange_marker(struct exchange_inlet *inlet, uint64_t batches, uint64_t rows, struct error *err)
{
    bool same = batches == inlet->seen_batches && rows == inlet->seen_rows;
    if (!same && !FORESET_BUG("marker-count-ignored")) {
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                         "exchange: the marker counts %llu column batches and %llu rows, %llu and %llu came (P9)",
                         (unsigned long long)batches, (unsigned long long)rows, (unsigned long long)inlet->seen_batches,
                         (unsigned long long)inlet->seen_rows);
    }
    inlet->seen_batches = inlet->seen_rows = 0;
    return STATUS_OK;
}

bool exchange_taken(struct exchange_channel *channel, uint64_t epoch, uint64_t bytes, uint64_t limit_bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(&channel->outstanding_bytes[epoch & 1], bytes, memory_order_relaxed);
    ASSERT(before >= bytes);
    return before >= limit_bytes && before - bytes < limit_bytes;
}

bool exchange_told(struct exchange_channel *channel, uint64_t epoch, uint64_t bytes)
{
    uint64_t before = atomic_load_explicit(&channel->outstanding_bytes[epoch & 1], memory_order_relaxed);
    do {
        if (before < bytes) return false;
    } while (!atomic_compare_exchange_weak_explicit(&channel->outstanding_bytes[epoch & 1], &before, before - bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void exchange_hash(const struct batch *batch, struct column *const *keys, uint32_t key_count, uint64_t hash_seed,
                   uint64_t *hashes)
{
    uint64_t first = key_count ? hash_seed : 0;
    for (uint32_t i = 0; i < batch->row_count; i++) hashes[i] = first;
    for (uint32_t k = 0; k < key_count; k++) column_hash(keys[k], batch->selection, batch->row_count, hashes);
}
