// The dictionary of a string column. Its own memory is bounded (JSON_DICTIONARY_MAX, _BYTES_MAX); only the snapshot can
// be refused (STATUS_NO_MEMORY).
#include "worker/decode/json_dictionary.h"

#define DICTIONARY_SLOTS_FIRST  256u
#define DICTIONARY_WINDOW_LEAST 512u  // lookups before the hit rate is judged
#define DICTIONARY_WINDOW_MOST  8192u // lookups after which a new window begins

#define ONES(n) ((n) <= 0 ? 0 : (n) >= 8 ? ~UINT64_C(0) : (UINT64_C(1) << (((n)&7) * 8)) - 1)
#define MASK(n)                                                                                                        \
    {                                                                                                                  \
        ONES(n), ONES((n)-8)                                                                                           \
    }
const uint64_t json_dictionary_mask[17][2] = {MASK(0),  MASK(1),  MASK(2),  MASK(3),  MASK(4),  MASK(5),
                                              MASK(6),  MASK(7),  MASK(8),  MASK(9),  MASK(10), MASK(11),
                                              MASK(12), MASK(13), MASK(14), MASK(15), MASK(16)};

static struct json_slot *slots_create(uint32_t count)
{
    struct json_slot *slots = memory_alloc(count * sizeof *slots);
    for (uint32_t i = 0; i < count; i++)
        slots[i] = (struct json_slot){.length = UINT32_MAX, .index = JSON_DICTIONARY_NONE};
    return slots;
}

void json_dictionary_init(struct json_dictionary *dictionary)
{
    *dictionary = (struct json_dictionary){.slots = slots_create(DICTIONARY_SLOTS_FIRST),
                                           .slot_mask = DICTIONARY_SLOTS_FIRST - 1};
    dictionary->offset_capacity = DICTIONARY_SLOTS_FIRST;
    dictionary->offsets = memory_alloc(dictionary->offset_capacity * sizeof *dictionary->offsets);
    dictionary->offsets[0] = 0;
}

void json_dictionary_deinit(struct json_dictionary *dictionary)
{
    memory_free(dictionary->slots);
    memory_free(dictionary->offsets);
    memory_free(dictionary->bytes);
    column_unref(dictionary->snapshot);
    *dictionary = (struct json_dictionary){0};
}

void json_dictionary_reset(struct json_dictionary *dictionary)
{
    uint32_t rest = dictionary->rest;
    json_dictionary_deinit(dictionary);
    json_dictionary_init(dictionary);
    dictionary->rest = rest;
}

static void slot_put(struct json_slot *slots, uint32_t mask, const struct json_slot *slot)
{
    uint64_t at = json_slot_hash(slot->low, slot->high, slot->length);
    while (slots[at & mask].index != JSON_DICTIONARY_NONE) at++;
    slots[at & mask] = *slot;
}

static void slot_add(struct json_dictionary *dictionary, const struct json_slot *slot)
{
    if ((dictionary->used + 1) * 2 > dictionary->slot_mask) {
        uint32_t count = (dictionary->slot_mask + 1) * 2;
        struct json_slot *slots = slots_create(count);
        for (uint32_t i = 0; i <= dictionary->slot_mask; i++) {
            if (dictionary->slots[i].index != JSON_DICTIONARY_NONE) slot_put(slots, count - 1, &dictionary->slots[i]);
        }
        memory_free(dictionary->slots);
        dictionary->slots = slots;
        dictionary->slot_mask = count - 1;
    }
    slot_put(dictionary->slots, dictionary->slot_mask, slot);
    dictionary->used++;
}

static struct json_slot slot_key(const uint8_t *text, uint32_t length)
{
    struct json_slot slot = {.length = length};
    if (length <= 16) {
        uint8_t padded[16] = {0};
        if (length) memcpy(padded, text, length);
        slot.low = json_load64(padded);
        slot.high = json_load64(padded + 8);
    } else {
        struct hash128 hash = hash_128(text, length, 0);
        slot.low = hash.low;
        slot.high = hash.high;
    }
    return slot;
}

uint32_t json_dictionary_find(struct json_dictionary *dictionary, const uint8_t *value, uint32_t length)
{
    struct json_slot key = slot_key(value, length);
    uint64_t at = json_slot_hash(key.low, key.high, key.length);
    dictionary->looked++;
    for (;; at++) {
        const struct json_slot *slot = &dictionary->slots[at & dictionary->slot_mask];
        if (slot->index == JSON_DICTIONARY_NONE) return JSON_DICTIONARY_NONE;
        if (slot->low != key.low || slot->high != key.high || slot->length != length) continue;
        if (length <= 16) return slot->index;
        if (memcmp(json_dictionary_value(dictionary, slot->index).data, value, length) == 0) return slot->index;
    }
}

// Whether another value is worth an entry: at least three in four lookups of the window must have hit.
static bool pays(struct json_dictionary *dictionary, uint32_t length)
{
    size_t bytes = (size_t)dictionary->offsets[dictionary->count] + length;
    if (dictionary->count >= JSON_DICTIONARY_MAX || bytes > JSON_DICTIONARY_BYTES_MAX) return false;
    dictionary->added++;
    if (dictionary->looked >= DICTIONARY_WINDOW_LEAST && dictionary->added > dictionary->looked / 4) return false;
    if (dictionary->looked >= DICTIONARY_WINDOW_MOST) dictionary->looked = dictionary->added = 0;
    return true;
}

uint32_t json_dictionary_add(struct json_dictionary *dictionary, const uint8_t *value, uint32_t length)
{
    if (!pays(dictionary, length)) return JSON_DICTIONARY_NONE;
    uint32_t index = dictionary->count;
    size_t from = (size_t)dictionary->offsets[index];
    if (from + length > dictionary->byte_capacity) {
        dictionary->byte_capacity = (from + length) * 2 + 256;
        dictionary->bytes = memory_realloc(dictionary->bytes, dictionary->byte_capacity);
    }
    if (index + 2 > dictionary->offset_capacity) {
        dictionary->offset_capacity *= 2;
        dictionary->offsets =
            memory_realloc(dictionary->offsets, dictionary->offset_capacity * sizeof *dictionary->offsets);
    }
    if (length) memcpy(dictionary->bytes + from, value, length);
    dictionary->offsets[index + 1] = (int32_t)(from + length);
    struct json_slot slot = slot_key(value, length);
    slot.index = index;
    slot_add(dictionary, &slot);
    dictionary->count++;
    column_unref(dictionary->snapshot);
    dictionary->snapshot = NULL;
    return index;
}

void json_dictionary_alias(struct json_dictionary *dictionary, const uint8_t *text, uint32_t length, uint32_t index)
{
    ASSERT(length <= 16 && index < dictionary->count);
    if (dictionary->used >= 2 * JSON_DICTIONARY_MAX) return;
    struct json_slot slot = slot_key(text, length);
    slot.length |= JSON_KEY_ESCAPED;
    slot.index = index;
    slot_add(dictionary, &slot);
}

enum status json_dictionary_column(struct json_dictionary *dictionary, struct budget *budget, const struct type *type,
                                   struct column **ret_column, struct error *err)
{
    struct buffer *offsets = NULL, *bytes = NULL;
    enum status status = STATUS_OK;
    if (!dictionary->snapshot) {
        size_t offset_bytes = (dictionary->count + (size_t)1) * sizeof(int32_t);
        size_t byte_count = (size_t)dictionary->offsets[dictionary->count];
        TRY(buffer_create(budget, offset_bytes, &offsets, err));
        TRY(buffer_create(budget, byte_count, &bytes, err));
        memcpy(offsets->data, dictionary->offsets, offset_bytes);
        if (byte_count) memcpy(bytes->data, dictionary->bytes, byte_count);
        dictionary->snapshot = column_create(type, dictionary->count, 0, NULL, bytes, offsets);
    }
    *ret_column = column_ref(dictionary->snapshot);
    return STATUS_OK;
out:
    buffer_unref(offsets);
    buffer_unref(bytes);
    return status;
}
