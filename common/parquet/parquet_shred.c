// Shredding. A node takes slots from its parent: one per place where a value may stand, each with the levels reached so
// far and the row in the node's column, or GONE where an ancestor ended it. It writes its own slots and hands them on.
// What can fail: the budget refuses; a map has a null key (STATUS_INVALID).
#include "common/parquet/parquet_shred.h"

#define GONE UINT32_MAX

struct places {
    uint8_t *def, *rep;
    uint32_t *rows;
    uint32_t count;
};

struct walk {
    struct parquet_shred *shred;
    parquet_shred_emit emit;
    void *context;
    uint32_t leaf;
    uint32_t row_count;
};

void parquet_shred_init(struct parquet_shred *shred, struct budget *budget)
{
    for (uint32_t i = 0; i < PARQUET_SHRED_DEPTH_MAX; i++) {
        parquet_bytes_init(&shred->scratch[i].def, budget);
        parquet_bytes_init(&shred->scratch[i].rep, budget);
        parquet_bytes_init(&shred->scratch[i].rows, budget);
    }
}

void parquet_shred_deinit(struct parquet_shred *shred)
{
    for (uint32_t i = 0; i < PARQUET_SHRED_DEPTH_MAX; i++) {
        parquet_bytes_deinit(&shred->scratch[i].def);
        parquet_bytes_deinit(&shred->scratch[i].rep);
        parquet_bytes_deinit(&shred->scratch[i].rows);
    }
}

static enum status make_places(struct walk *walk, uint32_t depth, uint32_t count, struct places *ret_places,
                               struct error *err)
{
    enum status status = STATUS_OK;
    ASSERT(depth < PARQUET_SHRED_DEPTH_MAX);
    struct parquet_bytes *def = &walk->shred->scratch[depth].def, *rep = &walk->shred->scratch[depth].rep;
    struct parquet_bytes *rows = &walk->shred->scratch[depth].rows;
    TRY(parquet_bytes_reserve(def, count, err));
    TRY(parquet_bytes_reserve(rep, count, err));
    TRY(parquet_bytes_reserve(rows, (size_t)count * sizeof(uint32_t), err));
    *ret_places = (struct places){def->data, rep->data, (uint32_t *)(void *)rows->data, count};
out:
    return status;
}

// A copy of the parent's places, in which nulls of the column are gone and the others one level further defined.
static enum status pass_nulls(struct walk *walk, const struct column *column, const struct places *parent,
                              uint32_t depth, bool required, struct places *ret_places, struct error *err)
{
    enum status status = STATUS_OK;
    struct places own;
    TRY(make_places(walk, depth, parent->count, &own, err));
    memcpy(own.rep, parent->rep, parent->count);
    for (uint32_t i = 0; i < parent->count; i++) {
        uint32_t row = parent->rows[i];
        bool there = row != GONE && !column_is_null(column, row);
        own.rows[i] = there ? row : GONE;
        own.def[i] = (uint8_t)(parent->def[i] + (there && !required));
        if (required && row != GONE && !there) {
            TRY(error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "a map has a null key, which Parquet cannot hold"));
        }
    }
    *ret_places = own;
out:
    return status;
}

static enum status expand(struct walk *walk, const struct column *column, const struct places *own, uint32_t depth,
                          uint8_t rep_level, struct places *ret_places, struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t total = 0;
    const int32_t *offsets = column->offsets;
    for (uint32_t i = 0; i < own->count; i++) {
        uint32_t row = own->rows[i];
        uint32_t length = row == GONE ? 0 : (uint32_t)(offsets[row + 1] - offsets[row]);
        total += length ? length : 1;
    }
    if (total > INT32_MAX) {
        TRY(error_set(err, STATUS_NO_MEMORY, ERROR_RESTART_PIPELINE, "a batch has more than 2^31 list elements"));
    }
    struct places items;
    TRY(make_places(walk, depth, (uint32_t)total, &items, err));
    uint32_t at = 0;
    for (uint32_t i = 0; i < own->count; i++) {
        uint32_t row = own->rows[i];
        uint32_t length = row == GONE ? 0 : (uint32_t)(offsets[row + 1] - offsets[row]);
        items.rep[at] = own->rep[i];
        items.def[at] = (uint8_t)(own->def[i] + (length > 0));
        items.rows[at++] = length ? (uint32_t)offsets[row] : GONE;
        for (uint32_t k = 1; k < length; k++) {
            items.rep[at] = rep_level;
            items.def[at] = (uint8_t)(own->def[i] + 1);
            items.rows[at++] = (uint32_t)offsets[row] + k;
        }
    }
    *ret_places = items;
out:
    return status;
}

static enum status emit_leaf(struct walk *walk, const struct column *column, struct places *own, struct error *err)
{
    uint32_t values = 0;
    for (uint32_t i = 0; i < own->count; i++) {
        own->rows[values] = own->rows[i];
        values += own->rows[i] != GONE;
    }
    struct parquet_slots slots = {.column = column,
                                  .rows = own->rows,
                                  .value_count = values,
                                  .def = own->def,
                                  .rep = own->rep,
                                  .level_count = own->count,
                                  .row_count = walk->row_count};
    return walk->emit(walk->context, walk->leaf++, &slots, err);
}

static enum status shred_node(struct walk *walk, const struct column *column, const struct places *parent,
                              uint32_t depth, uint8_t rep_level, bool required, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *type = column->type;
    struct places own, items;
    TRY(pass_nulls(walk, column, parent, depth, required, &own, err));
    switch (type->kind) {
    case TYPE_STRUCT:
        for (uint32_t i = 0; i < type->child_count; i++) {
            TRY(shred_node(walk, column->children[i], &own, depth + 1, rep_level, false, err));
        }
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
        TRY(expand(walk, column, &own, depth + 1, (uint8_t)(rep_level + 1), &items, err));
        for (uint32_t i = 0; i < type->child_count; i++) {
            bool key = type->kind == TYPE_MAP && i == 0;
            TRY(shred_node(walk, column->children[i], &items, depth + 2, (uint8_t)(rep_level + 1), key, err));
        }
        break;
    default: TRY(emit_leaf(walk, column, &own, err));
    }
out:
    return status;
}

// A top-level column of a flat type: levels only if it has nulls.
static enum status shred_flat(struct walk *walk, const struct column *column, const uint32_t *rows, uint32_t first,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_slots slots = {.column = column,
                                  .rows = rows,
                                  .first = first,
                                  .value_count = walk->row_count,
                                  .level_count = walk->row_count,
                                  .row_count = walk->row_count};
    if (column->validity && column->null_count) {
        struct places own;
        uint32_t values = 0;
        TRY(make_places(walk, 0, walk->row_count, &own, err));
        for (uint32_t i = 0; i < walk->row_count; i++) {
            uint32_t row = rows ? rows[i] : first + i;
            bool there = !column_is_null(column, row);
            own.def[i] = there;
            own.rows[values] = row;
            values += there;
        }
        slots.def = own.def;
        slots.rows = own.rows;
        slots.value_count = values;
    }
    TRY(walk->emit(walk->context, walk->leaf++, &slots, err));
out:
    return status;
}

enum status parquet_shred_rows(struct parquet_shred *shred, const struct batch *batch, uint32_t from, uint32_t to,
                               parquet_shred_emit emit, void *context, struct error *err)
{
    enum status status = STATUS_OK;
    struct walk walk = {.shred = shred, .emit = emit, .context = context, .row_count = to - from};
    const uint32_t *rows = batch->selection ? batch->selection + from : NULL;
    for (uint32_t i = 0; i < batch->column_count; i++) {
        const struct column *column = batch->columns[i];
        if (column->type->child_count == 0) {
            TRY(shred_flat(&walk, column, rows, from, err));
            continue;
        }
        struct places top;
        TRY(make_places(&walk, 0, walk.row_count, &top, err));
        memset(top.def, 0, walk.row_count);
        memset(top.rep, 0, walk.row_count);
        for (uint32_t k = 0; k < walk.row_count; k++) top.rows[k] = rows ? rows[k] : from + k;
        TRY(shred_node(&walk, column, &top, 1, 0, false, err));
    }
out:
    return status;
}
