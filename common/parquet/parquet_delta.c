// Encoder of DELTA_BINARY_PACKED, the hot path of integers and timestamps. Fails only when the budget refuses.
#include "common/parquet/parquet_delta.h"

#include "common/parquet/parquet_bitpack.h"
#include "common/parquet/parquet_encode.h"

void parquet_delta_init(struct parquet_delta *delta, bool narrow, struct budget *budget)
{
    *delta = (struct parquet_delta){.narrow = narrow};
    parquet_bytes_init(&delta->blocks, budget);
}

void parquet_delta_deinit(struct parquet_delta *delta)
{
    parquet_bytes_deinit(&delta->blocks);
}

void parquet_delta_reset(struct parquet_delta *delta)
{
    delta->count = delta->pending_count = 0;
    delta->blocks.size = 0;
}

// Differences of a block, less their least one; delta[] beyond count is 0.
PARQUET_CLONES static int64_t block_deltas(const int64_t *values, int64_t previous, uint32_t count, bool narrow,
                                           uint64_t *ret_deltas)
{
    int64_t deltas[PARQUET_DELTA_BLOCK];
    deltas[0] = (int64_t)((uint64_t)values[0] - (uint64_t)previous);
    for (uint32_t i = 1; i < count; i++) deltas[i] = (int64_t)((uint64_t)values[i] - (uint64_t)values[i - 1]);
    if (narrow) {
        for (uint32_t i = 0; i < count; i++) deltas[i] = (int32_t)(uint32_t)(uint64_t)deltas[i];
    }
    int64_t least = deltas[0];
    for (uint32_t i = 1; i < count; i++) least = deltas[i] < least ? deltas[i] : least;
    for (uint32_t i = 0; i < count; i++) ret_deltas[i] = (uint64_t)deltas[i] - (uint64_t)least;
    if (narrow) {
        for (uint32_t i = 0; i < count; i++) ret_deltas[i] &= UINT32_MAX;
    }
    for (uint32_t i = count; i < PARQUET_DELTA_BLOCK; i++) ret_deltas[i] = 0;
    return least;
}

static enum status put_block(struct parquet_delta *delta, struct error *err)
{
    uint32_t count = delta->pending_count;
    if (count == 0) return STATUS_OK;
    enum status status = parquet_bytes_reserve(&delta->blocks, PARQUET_DELTA_BLOCK * 8 + 32, err);
    if (status != STATUS_OK) return status;
    uint64_t deltas[PARQUET_DELTA_BLOCK];
    int64_t least = block_deltas(delta->pending, delta->previous, count, delta->narrow, deltas);
    uint8_t *at = delta->blocks.data + delta->blocks.size;
    at += parquet_encode_varint(at, (uint64_t)least << 1 ^ (uint64_t)(least >> 63));
    uint8_t *widths = at;
    at += PARQUET_DELTA_MINIBLOCKS;
    for (uint32_t m = 0; m < PARQUET_DELTA_MINIBLOCKS; m++) {
        const uint64_t *mini = deltas + m * PARQUET_DELTA_MINIBLOCK;
        uint64_t all = 0;
        for (uint32_t i = 0; i < PARQUET_DELTA_MINIBLOCK; i++) all |= mini[i];
        uint32_t width = m * PARQUET_DELTA_MINIBLOCK < count ? parquet_encode_width(all) : 0;
        widths[m] = (uint8_t)width;
        for (uint32_t i = 0; width && i < PARQUET_DELTA_MINIBLOCK; i += PARQUET_GROUP, at += width) {
            parquet_bitpack_put(at, mini + i, width);
        }
    }
    delta->blocks.size = (size_t)(at - delta->blocks.data);
    delta->previous = delta->pending[count - 1];
    delta->pending_count = 0;
    return STATUS_OK;
}

enum status parquet_delta_append(struct parquet_delta *delta, const int64_t *values, uint32_t count, struct error *err)
{
    enum status status = STATUS_OK;
    if (count && delta->count == 0) {
        delta->first = delta->previous = values[0];
        delta->count = 1;
        values++;
        count--;
    }
    delta->count += count;
    while (count) {
        uint32_t room = PARQUET_DELTA_BLOCK - delta->pending_count, step = count < room ? count : room;
        memcpy(delta->pending + delta->pending_count, values, step * sizeof *values);
        delta->pending_count += step;
        values += step;
        count -= step;
        if (delta->pending_count == PARQUET_DELTA_BLOCK) TRY(put_block(delta, err));
    }
out:
    return status;
}

enum status parquet_delta_finish(struct parquet_delta *delta, struct parquet_bytes *out, struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t header[40];
    size_t length = 0;
    TRY(put_block(delta, err));
    length += parquet_encode_varint(header + length, PARQUET_DELTA_BLOCK);
    length += parquet_encode_varint(header + length, PARQUET_DELTA_MINIBLOCKS);
    length += parquet_encode_varint(header + length, delta->count);
    int64_t first = delta->count ? delta->first : 0;
    length += parquet_encode_varint(header + length, (uint64_t)first << 1 ^ (uint64_t)(first >> 63));
    TRY(parquet_bytes_append(out, header, length, err));
    TRY(parquet_bytes_append(out, delta->blocks.data, delta->blocks.size, err));
out:
    return status;
}
