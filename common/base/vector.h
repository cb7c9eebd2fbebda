// A growing array of anything: struct { T *items; size_t count, capacity; }. Zero-initialise.
#ifndef FORESET_BASE_VECTOR_H
#define FORESET_BASE_VECTOR_H

#include <string.h>

#include "common/base/memory.h"

#define VECTOR(type)                                                                                                   \
    struct {                                                                                                           \
        type *items;                                                                                                   \
        size_t count;                                                                                                  \
        size_t capacity;                                                                                               \
    }

#define vector_reserve(vector, want)                                                                                   \
    do {                                                                                                               \
        size_t vector_want = (want);                                                                                   \
        if ((vector)->capacity < vector_want) {                                                                        \
            size_t vector_cap = (vector)->capacity ? (vector)->capacity : 8;                                           \
            while (vector_cap < vector_want) vector_cap *= 2;                                                          \
            (vector)->items = memory_realloc((vector)->items, vector_cap * sizeof *(vector)->items);                   \
            (vector)->capacity = vector_cap;                                                                           \
        }                                                                                                              \
    } while (0)
#define vector_push(vector, item)                                                                                      \
    do {                                                                                                               \
        vector_reserve((vector), (vector)->count + 1);                                                                 \
        (vector)->items[(vector)->count++] = (item);                                                                   \
    } while (0)
#define vector_pop(vector) ((vector)->items[--(vector)->count])
#define vector_remove(vector, at)                                                                                      \
    do {                                                                                                               \
        size_t vector_at = (at);                                                                                       \
        (vector)->count--;                                                                                             \
        memmove((vector)->items + vector_at, (vector)->items + vector_at + 1,                                          \
                ((vector)->count - vector_at) * sizeof *(vector)->items);                                              \
    } while (0)
#define vector_reset(vector) ((void)((vector)->count = 0))
#define vector_deinit(vector)                                                                                          \
    do {                                                                                                               \
        memory_free((vector)->items);                                                                                  \
        (vector)->items = NULL;                                                                                        \
        (vector)->count = (vector)->capacity = 0;                                                                      \
    } while (0)

#endif
