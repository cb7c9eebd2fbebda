// Hash dictionary. Fails only when the budget refuses. The number of entries is bounded by the chunk's
// dictionary_bytes_max, so a crowd of colliding values costs at most that many probes a value.
#include "common/parquet/parquet_dictionary.h"

#define FIRST_SLOTS 1024u

void parquet_dictionary_init(struct parquet_dictionary *dictionary, struct budget *budget)
{
    *dictionary = (struct parquet_dictionary){0};
    parquet_bytes_init(&dictionary->plain, budget);
    parquet_bytes_init(&dictionary->starts, budget);
    parquet_bytes_init(&dictionary->slots, budget);
}

void parquet_dictionary_deinit(struct parquet_dictionary *dictionary)
{
    parquet_bytes_deinit(&dictionary->plain);
    parquet_bytes_deinit(&dictionary->starts);
    parquet_bytes_deinit(&dictionary->slots);
}

void parquet_dictionary_reset(struct parquet_dictionary *dictionary)
{
    dictionary->plain.size = dictionary->starts.size = 0;
    dictionary->count = 0;
    if (dictionary->slot_mask) memset(dictionary->slots.data, 0, dictionary->slots.size);
}

static uint64_t load(const char *bytes, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, bytes, size);
    return word;
}

static inline uint64_t hash_bytes(struct slice value)
{
    const char *p = value.data;
    size_t n = value.length;
    if (n > 16) return hash_64(p, n, 0);
    if (n >= 8) return hash_mix(load(p, 8) ^ n, load(p + n - 8, 8));
    if (n >= 4) return hash_mix(load(p, 4) ^ n << 32, load(p + n - 4, 4));
    if (n > 0) return hash_mix((uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[n / 2] << 8 | (uint8_t)p[n - 1], n);
    return hash_mix(0, 0);
}

static enum status grow_table(struct parquet_dictionary *dictionary, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t old = dictionary->slot_mask ? dictionary->slot_mask + 1 : 0, fresh = old ? old * 2 : FIRST_SLOTS;
    struct parquet_bytes slots;
    parquet_bytes_init(&slots, dictionary->slots.budget);
    TRY(parquet_bytes_reserve(&slots, (size_t)fresh * sizeof(uint64_t), err));
    slots.size = (size_t)fresh * sizeof(uint64_t);
    memset(slots.data, 0, slots.size);
    // The table's place comes from the hash's upper half, which the slot keeps.
    const uint64_t *from = (const uint64_t *)(const void *)dictionary->slots.data;
    uint64_t *to = (uint64_t *)(void *)slots.data;
    for (uint32_t i = 0; i < old; i++) {
        if (!from[i]) continue;
        uint32_t at = (uint32_t)(from[i] >> 32) & (fresh - 1);
        while (to[at]) at = (at + 1) & (fresh - 1);
        to[at] = from[i];
    }
    parquet_bytes_deinit(&dictionary->slots);
    dictionary->slots = slots;
    dictionary->slot_mask = fresh - 1;
out:
    return status;
}

struct slice parquet_dictionary_entry(const struct parquet_dictionary *dictionary, uint32_t index)
{
    uint32_t start, length;
    memcpy(&start, dictionary->starts.data + (size_t)index * sizeof start, sizeof start);
    memcpy(&length, dictionary->plain.data + start, sizeof length);
    return slice_of((const char *)dictionary->plain.data + start + sizeof length, length);
}

static enum status insert(struct parquet_dictionary *dictionary, uint64_t hash, uint32_t *ret_index, struct error *err)
{
    enum status status = STATUS_OK;
    if (dictionary->slot_mask == 0 || dictionary->count * 2 > dictionary->slot_mask) TRY(grow_table(dictionary, err));
    uint64_t *slots = (uint64_t *)(void *)dictionary->slots.data;
    uint32_t at = (uint32_t)(hash >> 32) & dictionary->slot_mask;
    while (slots[at]) at = (at + 1) & dictionary->slot_mask;
    slots[at] = (hash >> 32) << 32 | (dictionary->count + 1);
    *ret_index = dictionary->count++;
out:
    return status;
}

enum status parquet_dictionary_bytes(struct parquet_dictionary *dictionary, struct slice value, uint32_t *ret_index,
                                     struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t hash = hash_bytes(value);
    const uint64_t *slots = (const uint64_t *)(const void *)dictionary->slots.data;
    uint32_t at = (uint32_t)(hash >> 32) & dictionary->slot_mask;
    for (; dictionary->slot_mask && slots[at]; at = (at + 1) & dictionary->slot_mask) {
        if (slots[at] >> 32 != hash >> 32) continue;
        uint32_t index = (uint32_t)slots[at] - 1;
        struct slice entry = parquet_dictionary_entry(dictionary, index);
        if (entry.length != value.length || memcmp(entry.data, value.data, value.length) != 0) continue;
        *ret_index = index;
        return STATUS_OK;
    }
    uint32_t start = (uint32_t)dictionary->plain.size, length = (uint32_t)value.length;
    TRY(parquet_bytes_reserve(&dictionary->plain, sizeof length + value.length, err));
    TRY(parquet_bytes_append(&dictionary->starts, &start, sizeof start, err));
    TRY(insert(dictionary, hash, ret_index, err));
    TRY(parquet_bytes_append(&dictionary->plain, &length, sizeof length, err));
    TRY(parquet_bytes_append(&dictionary->plain, value.data, value.length, err));
out:
    return status;
}

enum status parquet_dictionary_fixed(struct parquet_dictionary *dictionary, uint64_t bits, uint32_t width,
                                     uint32_t *ret_index, struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t hash = hash_mix(bits, width);
    const uint64_t *slots = (const uint64_t *)(const void *)dictionary->slots.data;
    uint32_t at = (uint32_t)(hash >> 32) & dictionary->slot_mask;
    for (; dictionary->slot_mask && slots[at]; at = (at + 1) & dictionary->slot_mask) {
        if (slots[at] >> 32 != hash >> 32) continue;
        uint32_t index = (uint32_t)slots[at] - 1;
        if (memcmp(dictionary->plain.data + (size_t)index * width, &bits, width) != 0) continue;
        *ret_index = index;
        return STATUS_OK;
    }
    TRY(parquet_bytes_reserve(&dictionary->plain, width, err));
    TRY(insert(dictionary, hash, ret_index, err));
    TRY(parquet_bytes_append(&dictionary->plain, &bits, width, err));
out:
    return status;
}
