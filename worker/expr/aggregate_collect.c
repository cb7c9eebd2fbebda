// collect_list, collect_set, and the states of DISTINCT aggregates: values as bytes in order of arrival; sets with a
// hash table of their places. A list is as long as its group: its memory is counted against the budget.
#include <string.h>

#include "common/base/hash.h"
#include "worker/expr/aggregate_private.h"

struct collection {
    struct text bytes;
    uint64_t count;
    uint64_t taken_bytes; // from the budget
    uint32_t *table;      // sets: place of an entry in bytes + 1; 0: free
    uint64_t *places;     // sets: entry k begins at places[k]
    uint32_t table_size;
};
struct collect_state {
    struct collection *collection; // NULL: empty
};

static bool is_set(const struct aggregate *aggregate)
{
    return aggregate->distinct || strcmp(aggregate->function->name, "collect_set") == 0;
}

static size_t entry_end(const struct collection *collection, uint64_t k)
{
    return k + 1 < collection->count ? collection->places[k + 1] : collection->bytes.length;
}

static void table_grow(struct collection *collection)
{
    uint32_t size = collection->table_size ? collection->table_size * 2 : 16;
    memory_free(collection->table);
    collection->table = memory_calloc(size, sizeof *collection->table);
    collection->places = memory_realloc(collection->places, size * sizeof *collection->places);
    collection->table_size = size;
    for (uint64_t k = 0; k < collection->count; k++) {
        size_t from = collection->places[k];
        uint64_t hash = hash_64(collection->bytes.data + from, entry_end(collection, k) - from, 0);
        uint32_t slot = (uint32_t)hash & (size - 1);
        while (collection->table[slot]) slot = (slot + 1) & (size - 1);
        collection->table[slot] = (uint32_t)k + 1;
    }
}

// The entry that was just appended at `from` stays unless the set has it.
static void set_keep(struct collection *collection, size_t from)
{
    if (2 * (collection->count + 1) >= collection->table_size) table_grow(collection);
    size_t length = collection->bytes.length - from;
    uint32_t slot = (uint32_t)hash_64(collection->bytes.data + from, length, 0) & (collection->table_size - 1);
    for (; collection->table[slot]; slot = (slot + 1) & (collection->table_size - 1)) {
        uint64_t k = collection->table[slot] - 1;
        size_t start = collection->places[k], end = k + 1 < collection->count ? collection->places[k + 1] : from;
        if (end - start != length || memcmp(collection->bytes.data + start, collection->bytes.data + from, length) != 0)
            continue;
        collection->bytes.length = from;
        return;
    }
    collection->places[collection->count] = from;
    collection->table[slot] = (uint32_t)++collection->count;
}

static struct collection *collection_of(struct collect_state *state)
{
    if (!state->collection) state->collection = memory_calloc(1, sizeof *state->collection);
    return state->collection;
}

static enum status account(const struct aggregate *aggregate, struct collection *collection, struct error *err)
{
    uint64_t used = collection->bytes.capacity + (uint64_t)collection->table_size * 12;
    if (used <= collection->taken_bytes) return STATUS_OK;
    enum status status = budget_take(aggregate->budget, used - collection->taken_bytes, err);
    if (status == STATUS_OK) collection->taken_bytes = used;
    return status;
}

static enum status collect_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    bool set = is_set(aggregate);
    for (uint32_t k = 0; k < input->count; k++) {
        uint32_t i = aggregate_pick(input, k), row = aggregate_row(input, i);
        struct collection *collection = collection_of(aggregate_state(input, i));
        size_t from = collection->bytes.length;
        for (uint32_t a = 0; a < aggregate->arg_count; a++)
            aggregate_codec_write(input->args[a], row, set, &collection->bytes);
        if (set) {
            set_keep(collection, from);
        } else {
            collection->count++;
        }
        enum status status = account(aggregate, collection, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static void collect_save(const struct aggregate *aggregate, const void *state, struct text *bytes)
{
    const struct collection *collection = ((const struct collect_state *)state)->collection;
    (void)aggregate;
    aggregate_codec_put_size(bytes, collection ? collection->count : 0);
    aggregate_codec_put_size(bytes, collection ? collection->bytes.length : 0);
    if (collection) text_append(bytes, text_str(&collection->bytes), collection->bytes.length);
}

// Skips one value of the type. False: malformed.
static bool skip_value(struct aggregate_reader *reader, const struct type *type)
{
    uint8_t there, fixed[16];
    uint64_t size = 1;
    if (!aggregate_codec_take(reader, &there, 1) || there > 1) return false;
    if (!there) return true;
    if (type_width(type)) return aggregate_codec_take(reader, fixed, type_width(type));
    if (type->kind != TYPE_STRUCT && !aggregate_codec_take_size(reader, &size)) return false;
    if (type_is_string_like(type)) {
        if (size > reader->left) return false;
        reader->at += size;
        reader->left -= size;
        return true;
    }
    for (uint32_t i = 0; i < type->child_count; i++) {
        for (uint64_t k = 0; k < size; k++) {
            if (!skip_value(reader, type->children[i].type)) return false;
        }
    }
    return type->child_count > 0;
}

static bool collect_merge(struct aggregate *aggregate, void *state, struct aggregate_reader *reader)
{
    uint64_t count, size;
    if (!aggregate_codec_take_size(reader, &count) || !aggregate_codec_take_size(reader, &size)) return false;
    if (size > reader->left || count > size) return false;
    if (count == 0) return size == 0;
    struct collection *collection = collection_of(state);
    struct aggregate_reader values = {.at = reader->at, .left = size};
    bool set = is_set(aggregate);
    for (uint64_t k = 0; k < count; k++) {
        const uint8_t *start = values.at;
        for (uint32_t a = 0; a < aggregate->arg_count; a++) {
            if (!skip_value(&values, aggregate->arg_types[a])) return false;
        }
        size_t from = collection->bytes.length;
        text_append(&collection->bytes, (const char *)start, (size_t)(values.at - start));
        if (set) {
            set_keep(collection, from);
        } else {
            collection->count++;
        }
    }
    reader->at += size;
    reader->left -= size;
    uint64_t used = collection->bytes.capacity + (uint64_t)collection->table_size * 12;
    if (used > collection->taken_bytes) {
        budget_force(aggregate->budget, used - collection->taken_bytes);
        collection->taken_bytes = used;
    }
    return values.left == 0;
}

static enum status collect_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    const struct collection *collection = ((const struct collect_state *)state)->collection;
    struct aggregate_reader reader = {NULL, 0};
    if (collection)
        reader = (struct aggregate_reader){(const uint8_t *)collection->bytes.data, collection->bytes.length};
    while (reader.left) {
        bool good;
        TRY(aggregate_codec_read(&reader, aggregate->arg_types[0], column_builder_child(builder, 0), &good, err));
        ASSERT(good);
    }
    TRY(column_builder_nested(builder, err));
out:
    return status;
}

static void collect_release(const struct aggregate *aggregate, void *state)
{
    struct collect_state *collect = state;
    if (!collect->collection) return;
    budget_give(aggregate->budget, collect->collection->taken_bytes);
    text_deinit(&collect->collection->bytes);
    memory_free(collect->collection->table);
    memory_free(collect->collection->places);
    memory_free(collect->collection);
    collect->collection = NULL;
}

// The distinct arguments, folded by the function itself.
static enum status distinct_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    const struct collection *collection = ((const struct collect_state *)state)->collection;
    uint64_t count = collection ? collection->count : 0;
    struct column_builder *builders[2] = {NULL, NULL};
    struct column *columns[2] = {NULL, NULL};
    void *inner = memory_calloc(1, (aggregate->function->state_size + 15u) / 8 * 8);
    void **states = memory_alloc((count + 1) * sizeof *states);
    struct aggregate_input input = {.count = (uint32_t)count, .states = states};
    struct aggregate_reader reader = {NULL, 0};
    if (collection)
        reader = (struct aggregate_reader){(const uint8_t *)collection->bytes.data, collection->bytes.length};
    aggregate->distinct = false;
    for (uint64_t k = 0; k < count; k++) states[k] = inner;
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        builders[a] = column_builder_create(aggregate->budget, aggregate->arg_types[a]);
    }
    while (reader.left) {
        for (uint32_t a = 0; a < aggregate->arg_count; a++) {
            bool good;
            TRY(aggregate_codec_read(&reader, aggregate->arg_types[a], builders[a], &good, err));
            ASSERT(good);
        }
    }
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        TRY(column_builder_finish(builders[a], &columns[a], err));
        input.args[a] = columns[a];
    }
    TRY(aggregate->function->update(aggregate, &input, err));
    TRY(aggregate->function->result(aggregate, inner, builder, err));
out:
    if (aggregate->function->release) aggregate->function->release(aggregate, inner);
    aggregate->distinct = true;
    for (uint32_t a = 0; a < 2; a++) {
        column_builder_destroy(builders[a]);
        column_unref(columns[a]);
    }
    memory_free(inner);
    memory_free(states);
    return status;
}

const struct aggregate_function aggregate_collect_distinct = {
    "distinct",     sizeof(struct collect_state), 0, collect_update, collect_save, collect_merge, distinct_result,
    collect_release};

#define COLLECT(name)                                                                                                  \
    {                                                                                                                  \
        name, sizeof(struct collect_state), 0, collect_update, collect_save, collect_merge, collect_result,            \
            collect_release                                                                                            \
    }
static const struct aggregate_function functions[] = {COLLECT("collect_list"), COLLECT("collect_set")};

const struct aggregate_function *aggregate_collect_find(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i].name, name) == 0) return &functions[i];
    }
    return NULL;
}
