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

static inline uint64_t load(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

// Up to 8 bytes as a word, zeros behind them. padded: 8 bytes may be read whatever the length, and nothing branches on
// it.
static inline uint64_t short_word(struct slice value, bool padded)
{
    uint64_t word = 0;
    if (padded) return value.length ? load(value.data) & (UINT64_MAX >> (64 - 8 * value.length)) : 0;
    memcpy(&word, value.data, value.length);
    return word;
}

static inline uint64_t hash_bytes(struct slice value, bool padded)
{
    size_t n = value.length;
    if (n <= 8) return hash_mix(n ? short_word(value, padded) : 0, n);
    if (n <= 16) return hash_mix(load(value.data) ^ n, load(value.data + n - 8));
    return hash_64(value.data, n, 0);
}

static struct parquet_dictionary_slot *slots_of(const struct parquet_dictionary *dictionary)
{
    return (struct parquet_dictionary_slot *)(void *)dictionary->slots.data;
}

static enum status grow_table(struct parquet_dictionary *dictionary, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t old = dictionary->slot_mask ? dictionary->slot_mask + 1 : 0, fresh = old ? old * 2 : FIRST_SLOTS;
    struct parquet_bytes slots;
    parquet_bytes_init(&slots, dictionary->slots.budget);
    TRY(parquet_bytes_reserve(&slots, (size_t)fresh * sizeof(struct parquet_dictionary_slot), err));
    slots.size = (size_t)fresh * sizeof(struct parquet_dictionary_slot);
    memset(slots.data, 0, slots.size);
    const struct parquet_dictionary_slot *from = slots_of(dictionary);
    struct parquet_dictionary_slot *to = (struct parquet_dictionary_slot *)(void *)slots.data;
    for (uint32_t i = 0; i < old; i++) {
        if (!from[i].number) continue;
        uint32_t at = from[i].hash & (fresh - 1);
        while (to[at].number) at = (at + 1) & (fresh - 1);
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

static enum status insert(struct parquet_dictionary *dictionary, uint32_t hash, uint32_t start, uint32_t length,
                          uint32_t *ret_index, struct error *err)
{
    enum status status = STATUS_OK;
    if (dictionary->slot_mask == 0 || dictionary->count * 2 > dictionary->slot_mask) TRY(grow_table(dictionary, err));
    struct parquet_dictionary_slot *slots = slots_of(dictionary);
    uint32_t at = hash & dictionary->slot_mask;
    while (slots[at].number) at = (at + 1) & dictionary->slot_mask;
    *ret_index = dictionary->count++;
    slots[at] = (struct parquet_dictionary_slot){hash, dictionary->count, start, length};
out:
    return status;
}

// entry has parquet_bytes' padding behind it.
static inline bool same(const char *entry, struct slice value, bool padded)
{
    size_t n = value.length;
    if (n <= 8) return n == 0 || short_word(slice_of(entry, n), true) == short_word(value, padded);
    if (n <= 16) return load(entry) == load(value.data) && load(entry + n - 8) == load(value.data + n - 8);
    return memcmp(entry, value.data, n) == 0;
}

static enum status add_bytes(struct parquet_dictionary *dictionary, struct slice value, uint32_t hash,
                             uint32_t *ret_index, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t start = (uint32_t)dictionary->plain.size, length = (uint32_t)value.length;
    TRY(parquet_bytes_reserve(&dictionary->plain, sizeof length + value.length, err));
    TRY(parquet_bytes_append(&dictionary->starts, &start, sizeof start, err));
    TRY(insert(dictionary, hash, start + (uint32_t)sizeof length, length, ret_index, err));
    TRY(parquet_bytes_append(&dictionary->plain, &length, sizeof length, err));
    TRY(parquet_bytes_append(&dictionary->plain, value.data, value.length, err));
out:
    return status;
}

static inline enum status find_bytes(struct parquet_dictionary *dictionary, struct slice value, uint32_t hash,
                                     bool padded, uint32_t *ret_index, struct error *err)
{
    const struct parquet_dictionary_slot *slots = slots_of(dictionary);
    uint32_t mask = dictionary->slot_mask;
    for (uint32_t at = hash & mask; mask && slots[at].number; at = (at + 1) & mask) {
        if (slots[at].hash != hash || slots[at].length != value.length) continue;
        if (!same((const char *)dictionary->plain.data + slots[at].start, value, padded)) continue;
        *ret_index = slots[at].number - 1;
        return STATUS_OK;
    }
    return add_bytes(dictionary, value, hash, ret_index, err);
}

enum status parquet_dictionary_bytes(struct parquet_dictionary *dictionary, struct slice value, uint32_t *ret_index,
                                     struct error *err)
{
    return find_bytes(dictionary, value, (uint32_t)hash_bytes(value, false), false, ret_index, err);
}

enum status parquet_dictionary_group(struct parquet_dictionary *dictionary, const struct slice *values, uint32_t count,
                                     bool padded, uint32_t *ret_indices, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t hashes[PARQUET_DICTIONARY_GROUP];
    ASSERT_DEBUG(count <= PARQUET_DICTIONARY_GROUP);
    const struct parquet_dictionary_slot *slots = slots_of(dictionary);
    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = (uint32_t)hash_bytes(values[i], padded);
        if (slots) __builtin_prefetch(&slots[hashes[i] & dictionary->slot_mask]);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(find_bytes(dictionary, values[i], hashes[i], padded, &ret_indices[i], err));
    }
out:
    return status;
}

enum status parquet_dictionary_fixed(struct parquet_dictionary *dictionary, uint64_t bits, uint32_t width,
                                     uint32_t *ret_index, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t hash = (uint32_t)hash_mix(bits, width), mask = dictionary->slot_mask;
    const struct parquet_dictionary_slot *slots = slots_of(dictionary);
    for (uint32_t at = hash & mask; mask && slots[at].number; at = (at + 1) & mask) {
        if (slots[at].hash != hash || memcmp(dictionary->plain.data + slots[at].start, &bits, width) != 0) continue;
        *ret_index = slots[at].number - 1;
        return STATUS_OK;
    }
    TRY(parquet_bytes_reserve(&dictionary->plain, width, err));
    TRY(insert(dictionary, hash, (uint32_t)dictionary->plain.size, width, ret_index, err));
    TRY(parquet_bytes_append(&dictionary->plain, &bits, width, err));
out:
    return status;
}
