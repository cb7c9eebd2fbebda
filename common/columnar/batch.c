// Column batches. batch_build and batch_flatten can fail (STATUS_NO_MEMORY); the rest cannot.
#include "common/columnar/batch.h"

#include <string.h>

static struct batch *batch_alloc(const struct type *schema, uint32_t column_rows, struct column *const *columns)
{
    struct batch *batch = memory_alloc(sizeof *batch + schema->child_count * sizeof(struct column *));
    memset(batch, 0, sizeof *batch);
    batch->refs = 1;
    batch->schema = schema;
    batch->column_rows = column_rows;
    batch->row_count = column_rows;
    batch->column_count = schema->child_count;
    for (uint32_t i = 0; i < schema->child_count; i++) batch->columns[i] = columns[i];
    return batch;
}

struct batch *batch_create(const struct type *schema, uint32_t column_rows, struct column *const *columns)
{
    ASSERT(schema->kind == TYPE_STRUCT);
    for (uint32_t i = 0; i < schema->child_count; i++) {
        ASSERT(columns[i]->type == schema->children[i].type && columns[i]->length == column_rows);
    }
    return batch_alloc(schema, column_rows, columns);
}

enum status batch_build(const struct type *schema, struct column_builder *const *builders, struct batch **ret_batch,
                        struct error *err)
{
    uint32_t count = schema->child_count;
    uint32_t rows = count ? column_builder_length(builders[0]) : 0;
    struct column **columns = memory_calloc(count + (size_t)1, sizeof *columns);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count; i++) TRY(column_builder_finish(builders[i], &columns[i], err));
    *ret_batch = batch_create(schema, rows, columns);
    memset(columns, 0, count * sizeof *columns);
out:
    for (uint32_t i = 0; i < count; i++) column_unref(columns[i]);
    memory_free(columns);
    return status;
}

void batch_origin_set(struct batch *batch, struct batch *origin)
{
    ASSERT(!batch->origin && origin->column_rows == batch->column_rows && !origin->selection);
    batch->origin = batch_ref(origin);
}

// The parent's selection and origin, counted once more.
static void batch_share_rows(struct batch *batch, const struct batch *parent)
{
    if (parent->selection) {
        batch->selection = parent->selection;
        batch->selection_buffer = buffer_ref(parent->selection_buffer);
        batch->row_count = parent->row_count;
    }
    if (parent->origin) batch->origin = batch_ref(parent->origin);
}

struct batch *batch_derive(const struct batch *parent, const struct type *schema, struct column *const *columns)
{
    struct batch *batch = batch_create(schema, parent->column_rows, columns);
    batch_share_rows(batch, parent);
    return batch;
}

struct batch *batch_select(const struct batch *batch, struct buffer *selection_buffer, uint32_t row_count)
{
    ASSERT(selection_buffer || row_count == batch->column_rows);
    struct batch *selected = batch_alloc(batch->schema, batch->column_rows, batch->columns);
    for (uint32_t i = 0; i < selected->column_count; i++) column_ref(selected->columns[i]);
    if (batch->origin) selected->origin = batch_ref(batch->origin);
    selected->row_count = row_count;
    if (selection_buffer) {
        ASSERT(selection_buffer->size_bytes >= (size_t)row_count * sizeof(uint32_t));
        selected->selection_buffer = selection_buffer;
        selected->selection = (const uint32_t *)(const void *)selection_buffer->data;
        ASSERT(row_count == 0 || selected->selection[row_count - 1] < batch->column_rows);
    }
    return selected;
}

enum status batch_part(struct budget *budget, const struct batch *batch, uint32_t from, uint32_t count,
                       struct batch **ret_batch, struct error *err)
{
    struct buffer *selection;
    enum status status = buffer_create(budget, (count + (size_t)1) * sizeof(uint32_t), &selection, err);
    if (status != STATUS_OK) return status;
    uint32_t *rows = (uint32_t *)(void *)selection->data;
    for (uint32_t i = 0; i < count; i++) rows[i] = batch_row(batch, from + i);
    *ret_batch = batch_select(batch, selection, count);
    return STATUS_OK;
}

struct batch *batch_ref(struct batch *batch)
{
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
    return batch;
}

void batch_unref(struct batch *batch)
{
    if (!batch || atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) != 1) return;
    for (uint32_t i = 0; i < batch->column_count; i++) column_unref(batch->columns[i]);
    buffer_unref(batch->selection_buffer);
    batch_unref(batch->origin);
    memory_free(batch);
}

enum status batch_flatten(struct budget *budget, struct batch *batch, struct batch **ret_batch, struct error *err)
{
    if (!batch->selection) {
        *ret_batch = batch_ref(batch);
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    struct column **columns = memory_calloc(batch->column_count + (size_t)1, sizeof *columns);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        TRY(column_gather(budget, batch->columns[i], batch->selection, batch->row_count, &columns[i], err));
    }
    *ret_batch = batch_create(batch->schema, batch->row_count, columns);
    memory_free(columns);
    return STATUS_OK;
out:
    for (uint32_t i = 0; i < batch->column_count; i++) column_unref(columns[i]);
    memory_free(columns);
    return status;
}

uint64_t batch_bytes(const struct batch *batch)
{
    uint64_t bytes = batch->selection_buffer ? batch->selection_buffer->size_bytes : 0;
    for (uint32_t i = 0; i < batch->column_count; i++) bytes += column_bytes(batch->columns[i]);
    return bytes;
}

void batch_json(const struct batch *batch, uint32_t i, struct text *text)
{
    uint32_t row = batch_row(batch, i);
    text_append_char(text, '{');
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const char *name = batch->schema->children[c].name;
        if (c) text_append_char(text, ',');
        text_append_json(text, name, strlen(name));
        text_append_char(text, ':');
        column_json(batch->columns[c], row, text);
    }
    text_append_char(text, '}');
}
