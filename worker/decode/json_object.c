// Field names and learned gaps.
#include "worker/decode/json_object.h"

#include <string.h>

#include "common/base/hash.h"
#include "common/base/memory.h"

struct json_object *json_object_create(const struct type *type)
{
    struct json_object *object = memory_calloc(1, sizeof *object);
    uint32_t slot_count = 8;
    while (slot_count < type->child_count * 2) slot_count *= 2;
    object->type = type;
    object->corrupt = -1;
    object->slot_mask = slot_count - 1;
    object->slots = memory_alloc(slot_count * sizeof *object->slots);
    memset(object->slots, 0xff, slot_count * sizeof *object->slots);
    object->name_lengths = memory_alloc((type->child_count + (size_t)1) * sizeof *object->name_lengths);
    object->gaps = memory_calloc(type->child_count + (size_t)2, sizeof *object->gaps);
    for (uint32_t i = 0; i < type->child_count; i++) {
        const char *name = type->children[i].name;
        object->name_lengths[i] = strlen(name);
        uint64_t at = hash_64(name, object->name_lengths[i], 0);
        while (object->slots[at & object->slot_mask] >= 0) at++;
        object->slots[at & object->slot_mask] = (int32_t)i;
    }
    return object;
}

void json_object_destroy(struct json_object *object)
{
    if (!object) return;
    memory_free(object->slots);
    memory_free(object->name_lengths);
    memory_free(object->gaps);
    memory_free(object);
}

int32_t json_object_find(const struct json_object *object, const char *name, size_t length)
{
    for (uint64_t at = hash_64(name, length, 0);; at++) {
        int32_t field = object->slots[at & object->slot_mask];
        if (field < 0) return JSON_FIELD_UNKNOWN;
        if (object->name_lengths[field] != length) continue;
        if (memcmp(object->type->children[field].name, name, length) != 0) continue;
        return field == object->corrupt ? JSON_FIELD_UNKNOWN : field;
    }
}

void json_object_learn(struct json_object *object, int32_t before, const uint8_t *text, size_t length, int32_t field)
{
    if (length > JSON_GAP_BYTES || length == 0) return;
    struct json_gap *gaps = json_object_gaps(object, before), *gap = NULL;
    for (uint32_t i = 0; i < JSON_GAP_WAYS && !gap; i++) {
        if (gaps[i].length == 0) gap = &gaps[i];
    }
    if (!gap) gap = &gaps[1 + object->next_way++ % (JSON_GAP_WAYS - 1)];
    *gap = (struct json_gap){.length = (uint32_t)length, .field = field};
    gap->mask = length == 32 ? UINT32_MAX : (1u << length) - 1;
    memcpy(gap->bytes, text, length);
}
