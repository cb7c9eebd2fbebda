// Looking things up in actions.
#include "common/delta/delta_action.h"

#include <stddef.h>
#include <string.h>

const char *delta_action_map_get(const struct delta_map *map, const char *key)
{
    for (uint32_t i = 0; i < map->count; i++) {
        if (strcmp(map->items[i].key, key) == 0) return map->items[i].value;
    }
    return NULL;
}

bool delta_action_strings_has(const struct delta_strings *strings, const char *wanted)
{
    for (uint32_t i = 0; i < strings->count; i++) {
        if (strcmp(strings->items[i], wanted) == 0) return true;
    }
    return false;
}
