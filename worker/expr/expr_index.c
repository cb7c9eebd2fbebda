// Linear probing over a table at most half full. Fails with STATUS_NO_MEMORY when the set is made, and not later.
#include "worker/expr/expr_index.h"

#include <string.h>

static const uint64_t *hashes_of(const struct expr_index *index)
{
    return (const uint64_t *)(const void *)index->hashes->data;
}

static uint32_t *slots_of(const struct expr_index *index)
{
    return (uint32_t *)(void *)index->slots->data;
}

enum status expr_index_init(struct expr_index *index, struct budget *budget, const struct column *elements,
                            uint32_t from, uint32_t count, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *rows = NULL;
    uint64_t size = 16;
    while (size < 2 * (uint64_t)count) size *= 2;
    *index = (struct expr_index){.elements = elements, .from = from, .mask = (uint32_t)(size - 1)};
    TRY(buffer_create(budget, ((size_t)count + 1) * sizeof(uint64_t), &index->hashes, err));
    TRY(buffer_create(budget, size * sizeof(uint32_t), &index->slots, err));
    TRY(buffer_create(budget, ((size_t)count + 1) * sizeof(uint32_t), &rows, err));
    memset(index->hashes->data, 0, (size_t)count * sizeof(uint64_t));
    memset(index->slots->data, 0, size * sizeof(uint32_t));
    uint32_t *at = (uint32_t *)(void *)rows->data;
    for (uint32_t i = 0; i < count; i++) at[i] = from + i;
    column_hash(elements, at, count, (uint64_t *)(void *)index->hashes->data);
out:
    buffer_unref(rows);
    if (status != STATUS_OK) expr_index_deinit(index);
    return status;
}

void expr_index_deinit(struct expr_index *index)
{
    buffer_unref(index->hashes);
    buffer_unref(index->slots);
    index->hashes = index->slots = NULL;
}

// The slot of an equal element, or the free one where it would go.
static uint32_t slot_for(const struct expr_index *index, const struct column *column, uint32_t at, uint64_t hash)
{
    const uint32_t *slots = slots_of(index);
    uint32_t slot = (uint32_t)(hash ^ hash >> 32) & index->mask;
    for (; slots[slot]; slot = (slot + 1) & index->mask) {
        uint32_t i = slots[slot] - 1;
        if (hashes_of(index)[i] == hash && column_compare(index->elements, index->from + i, column, at) == 0) break;
    }
    return slot;
}

bool expr_index_add(struct expr_index *index, uint32_t at)
{
    uint32_t slot = slot_for(index, index->elements, at, expr_index_hash(index, at));
    if (slots_of(index)[slot]) return false;
    slots_of(index)[slot] = at - index->from + 1;
    return true;
}

bool expr_index_has(const struct expr_index *index, const struct column *column, uint32_t at, uint64_t hash)
{
    return slots_of(index)[slot_for(index, column, at, hash)] != 0;
}

uint64_t expr_index_hash(const struct expr_index *index, uint32_t at)
{
    return hashes_of(index)[at - index->from];
}
