// A growing array that lives in an arena: struct { T *items; uint32_t count; }. Zero-initialise; capacity is the next
// power of two.
#ifndef FORESET_SQL_SQL_LIST_H
#define FORESET_SQL_SQL_LIST_H

#include <string.h>

#include "common/base/memory.h"

#define SQL_LIST(type)                                                                                                 \
    struct {                                                                                                           \
        type *items;                                                                                                   \
        uint32_t count;                                                                                                \
    }

#define sql_list_push(arena, list, item)                                                                               \
    do {                                                                                                               \
        uint32_t list_count = (list)->count;                                                                           \
        if ((list_count & (list_count - 1)) == 0) {                                                                    \
            size_t list_size = sizeof *(list)->items;                                                                  \
            void *list_items = arena_alloc((arena), (list_count ? 2 * (size_t)list_count : 1) * list_size);            \
            if (list_count) memcpy(list_items, (list)->items, list_count *list_size);                                  \
            (list)->items = list_items;                                                                                \
        }                                                                                                              \
        (list)->items[(list)->count++] = (item);                                                                       \
    } while (0)

#endif
