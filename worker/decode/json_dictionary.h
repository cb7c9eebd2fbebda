// The values that a string column saw lately, numbered: a column of few distinct values leaves as indices into them.
// Keys up to 16 bytes lie in the slot itself, so the usual lookup touches one line of memory. Text with escapes is
// looked up as it was written (JSON_KEY_ESCAPED) and leads to the number of its decoded value. Entries stay from batch
// to batch; a finished column's dictionary is a snapshot that is shared until an entry is added.
#ifndef FORESET_DECODE_JSON_DICTIONARY_H
#define FORESET_DECODE_JSON_DICTIONARY_H

#include <string.h>

#include "common/base/hash.h"
#include "common/columnar/column.h"

#define JSON_DICTIONARY_MAX       4096u // entries
#define JSON_DICTIONARY_BYTES_MAX (1u << 20)
#define JSON_DICTIONARY_VALUE_MAX 255u // longer values make a column plain
#define JSON_DICTIONARY_REST      64u  // batches that a column stays plain before it is tried again
#define JSON_KEY_ESCAPED          0x40000000u
#define JSON_DICTIONARY_NONE      UINT32_MAX

struct json_slot {
    uint64_t low, high; // the text, padded with zeros; of longer text its hash
    uint32_t length;    // of the text, | JSON_KEY_ESCAPED
    uint32_t index;     // JSON_DICTIONARY_NONE: empty
};
struct json_dictionary {
    struct json_slot *slots;
    uint32_t slot_mask;
    uint32_t used;  // slots
    uint32_t count; // entries
    int32_t *offsets;
    uint32_t offset_capacity;
    uint8_t *bytes;
    size_t byte_capacity;
    uint32_t looked, added; // in the running window
    uint32_t rest;          // batches left to stay plain
    struct column *snapshot;
};

extern const uint64_t json_dictionary_mask[17][2];

static inline uint64_t json_load64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}
static inline uint64_t json_slot_hash(uint64_t low, uint64_t high, uint32_t length)
{
    return hash_mix(low ^ ((uint64_t)length << 48), high);
}
// Text of at most 16 bytes, readable for 16: its number, or JSON_DICTIONARY_NONE.
static inline uint32_t json_dictionary_short(struct json_dictionary *dictionary, const uint8_t *text, uint32_t length,
                                             uint32_t flag)
{
    uint64_t low = json_load64(text) & json_dictionary_mask[length][0];
    uint64_t high = json_load64(text + 8) & json_dictionary_mask[length][1];
    uint64_t at = json_slot_hash(low, high, length | flag);
    dictionary->looked++;
    for (;; at++) {
        const struct json_slot *slot = &dictionary->slots[at & dictionary->slot_mask];
        if (slot->low == low && slot->high == high && slot->length == (length | flag)) return slot->index;
        if (slot->index == JSON_DICTIONARY_NONE) return JSON_DICTIONARY_NONE;
    }
}

void json_dictionary_init(struct json_dictionary *dictionary);
void json_dictionary_deinit(struct json_dictionary *dictionary);
void json_dictionary_reset(struct json_dictionary *dictionary); // forgets all entries
// The number of a value of any length up to JSON_DICTIONARY_VALUE_MAX; JSON_DICTIONARY_NONE if it is not there.
uint32_t json_dictionary_find(struct json_dictionary *dictionary, const uint8_t *value, uint32_t length);
// Adds a value that is not there and returns its number; JSON_DICTIONARY_NONE when it does not pay any more (too many
// values, or too few repeats): the column goes plain.
uint32_t json_dictionary_add(struct json_dictionary *dictionary, const uint8_t *value, uint32_t length);
// Escaped text (at most 16 bytes) stands for the entry from now on.
void json_dictionary_alias(struct json_dictionary *dictionary, const uint8_t *text, uint32_t length, uint32_t index);
static inline struct slice json_dictionary_value(const struct json_dictionary *dictionary, uint32_t index)
{
    int32_t from = dictionary->offsets[index];
    return slice_of((const char *)dictionary->bytes + from, (size_t)(dictionary->offsets[index + 1] - from));
}
// The entries as a column, counted for the caller.
enum status json_dictionary_column(struct json_dictionary *dictionary, struct budget *budget, const struct type *type,
                                   struct column **ret_column, struct error *err) MUST_USE;

#endif
