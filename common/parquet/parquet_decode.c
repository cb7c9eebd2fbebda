// Integer decoders. Nothing is allocated; a false answer means damaged input.
#include "common/parquet/parquet_decode.h"

#define MINIBLOCK_VALUES_MAX (1u << 20)
#define MINIBLOCKS_MAX       512u

bool parquet_decode_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

// Unpacks 8 values; bytes that are not there count as zeros, as the last group of some writers is cut short.
static void unpack(const uint8_t *in, size_t available, uint32_t width, uint64_t *out)
{
    uint8_t copy[64 + 16];
    if (available < width + 16u) {
        size_t size = available < width ? available : width;
        memcpy(copy, in, size);
        memset(copy + size, 0, sizeof copy - size);
        in = copy;
    }
    uint64_t mask = width == 64 ? UINT64_MAX : (1ull << width) - 1;
    for (uint32_t i = 0; i < PARQUET_GROUP; i++) {
        uint32_t bit = i * width, shift = bit & 7;
        uint64_t word;
        memcpy(&word, in + (bit >> 3), sizeof word);
        word >>= shift;
        if (shift + width > 64) word |= (uint64_t)in[(bit >> 3) + 8] << (64 - shift);
        out[i] = word & mask;
    }
}

void parquet_decode_hybrid(struct parquet_hybrid_in *in, const uint8_t *bytes, size_t size, uint32_t width)
{
    *in = (struct parquet_hybrid_in){
        .at = bytes, .end = size ? bytes + size : bytes, .width = width, .group_at = PARQUET_GROUP};
}

static bool next_run(struct parquet_hybrid_in *in)
{
    uint64_t header;
    if (!parquet_decode_varint(&in->at, in->end, &header)) return false;
    in->literal = header & 1;
    in->run_left = header >> 1;
    if (in->literal) {
        if (in->run_left > UINT32_MAX) return false;
        in->run_left *= PARQUET_GROUP;
        in->group_at = PARQUET_GROUP;
        return true;
    }
    in->run_value = 0;
    for (uint32_t bits = 0; bits < in->width; bits += 8) {
        if (in->at >= in->end) return false;
        in->run_value |= (uint32_t)*in->at++ << bits;
    }
    return true;
}

static bool next_group(struct parquet_hybrid_in *in)
{
    size_t available = (size_t)(in->end - in->at);
    if (available == 0) return false;
    unpack(in->at, available, in->width, in->group);
    in->at += available < in->width ? available : in->width;
    in->group_at = 0;
    return true;
}

bool parquet_decode_hybrid_next(struct parquet_hybrid_in *in, uint32_t *out, uint32_t count)
{
    if (in->width == 0) {
        memset(out, 0, count * sizeof *out);
        return true;
    }
    while (count) {
        if (in->run_left == 0) {
            if (!next_run(in)) return false;
            continue;
        }
        uint32_t step = in->run_left < count ? (uint32_t)in->run_left : count;
        if (!in->literal) {
            for (uint32_t i = 0; i < step; i++) out[i] = in->run_value;
        } else {
            if (in->group_at == PARQUET_GROUP && !next_group(in)) return false;
            if (step > PARQUET_GROUP - in->group_at) step = PARQUET_GROUP - in->group_at;
            for (uint32_t i = 0; i < step; i++) out[i] = (uint32_t)in->group[in->group_at + i];
            in->group_at += step;
        }
        in->run_left -= step;
        out += step;
        count -= step;
    }
    return true;
}

bool parquet_decode_hybrid_ended(const struct parquet_hybrid_in *in)
{
    uint64_t rest = in->literal ? in->run_left / PARQUET_GROUP * in->width : 0;
    return (size_t)(in->end - in->at) <= rest;
}

bool parquet_decode_delta(struct parquet_delta_in *in, const uint8_t *bytes, size_t size, bool narrow)
{
    *in = (struct parquet_delta_in){.at = bytes, .end = bytes + size, .narrow = narrow, .group_at = PARQUET_GROUP};
    uint64_t block, minis, total, first;
    if (!parquet_decode_varint(&in->at, in->end, &block) || !parquet_decode_varint(&in->at, in->end, &minis) ||
        !parquet_decode_varint(&in->at, in->end, &total) || !parquet_decode_varint(&in->at, in->end, &first)) {
        return false;
    }
    if (minis == 0 || minis > MINIBLOCKS_MAX || block % minis || block / minis > MINIBLOCK_VALUES_MAX ||
        block / minis % PARQUET_GROUP || block == 0) {
        return false;
    }
    in->minis = (uint32_t)minis;
    in->mini_values = (uint32_t)(block / minis);
    in->mini = in->minis; // no block begun
    in->left = total;
    in->last = unzigzag(first);
    return true;
}

static bool next_mini(struct parquet_delta_in *in)
{
    if (++in->mini >= in->minis) {
        uint64_t least;
        if (!parquet_decode_varint(&in->at, in->end, &least) || (size_t)(in->end - in->at) < in->minis) return false;
        in->least = unzigzag(least);
        in->widths = in->at;
        in->at += in->minis;
        in->mini = 0;
    }
    in->mini_left = in->mini_values;
    in->group_at = PARQUET_GROUP;
    return in->widths[in->mini] <= 64;
}

static bool next_delta_group(struct parquet_delta_in *in)
{
    uint32_t width = in->widths[in->mini];
    size_t available = (size_t)(in->end - in->at);
    in->group_at = 0;
    if (width == 0) {
        memset(in->group, 0, sizeof in->group);
        return true;
    }
    if (available == 0) return false;
    unpack(in->at, available, width, in->group);
    in->at += available < width ? available : width;
    return true;
}

bool parquet_decode_delta_next(struct parquet_delta_in *in, int64_t *out, uint32_t count)
{
    if (count > in->left) return false;
    in->left -= count;
    if (count && !in->started) {
        in->started = true;
        *out++ = in->last;
        count--;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (in->mini_left == 0 && !next_mini(in)) return false;
        if (in->group_at == PARQUET_GROUP && !next_delta_group(in)) return false;
        uint64_t next = (uint64_t)in->last + (uint64_t)in->least + in->group[in->group_at++];
        in->last = in->narrow ? (int32_t)(uint32_t)next : (int64_t)next;
        in->mini_left--;
        out[i] = in->last;
    }
    return true;
}

const uint8_t *parquet_decode_delta_end(const struct parquet_delta_in *in)
{
    if (in->mini_left == 0) return in->at;
    // The rest of the last miniblock is padding; miniblocks behind it have no bytes.
    uint64_t groups = in->mini_left / PARQUET_GROUP, rest = groups * in->widths[in->mini];
    return rest < (uint64_t)(in->end - in->at) ? in->at + rest : in->end;
}
