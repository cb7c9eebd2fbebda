// Field names of a struct, and what the scanner learned about the text between its values.
// A gap is the exact text from the end of one value (or the opening brace) to the start of the next: `, "action": `.
// The same bytes mean the same field again, so a known gap takes one comparison instead of reading a key.
#ifndef FORESET_DECODE_JSON_OBJECT_H
#define FORESET_DECODE_JSON_OBJECT_H

#include "common/columnar/type.h"

#define JSON_GAP_BYTES     32u
#define JSON_GAP_WAYS      4u // gaps remembered behind one field
#define JSON_FIELD_UNKNOWN (-1)
#define JSON_FIELD_START   (-2)

struct json_gap {
    uint8_t bytes[JSON_GAP_BYTES];
    uint32_t length; // 0: none
    uint32_t mask;   // a bit for each byte of it
    int32_t field;   // whose value follows; JSON_FIELD_UNKNOWN: a name that is not in the struct
    uint32_t hits;
};
struct json_object {
    const struct type *type;
    uint32_t slot_mask;
    int32_t *slots; // open addressing by the name's hash; -1: empty
    size_t *name_lengths;
    int32_t corrupt; // field that no name leads to; -1: none
    uint32_t next_way;
    struct json_gap (*gaps)[JSON_GAP_WAYS]; // [JSON_FIELD_START, JSON_FIELD_UNKNOWN, field 0, …] + 2
};

struct json_object *json_object_create(const struct type *type);
void json_object_destroy(struct json_object *object); // NULL allowed
int32_t json_object_find(const struct json_object *object, const char *name, size_t length);
// Remembers that text behind field `before` leads to `field`.
void json_object_learn(struct json_object *object, int32_t before, const uint8_t *text, size_t length, int32_t field);

static inline struct json_gap *json_object_gaps(const struct json_object *object, int32_t before)
{
    return object->gaps[before + 2];
}
// A gap in a later way was right: it comes forward when it is right more often.
static inline void json_object_promote(struct json_gap *gap)
{
    if (++gap->hits <= gap[-1].hits + 16) return;
    struct json_gap other = gap[-1];
    gap[-1] = *gap;
    *gap = other;
}

#endif
