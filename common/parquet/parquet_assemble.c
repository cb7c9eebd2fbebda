// Assembly. A node's slots are the levels of one of its leaves that begin a place of its parent's: rep at most the
// parent's, def at least what makes the place be there. What can fail: leaves of one group that disagree on its shape,
// values out of range, strings that are not UTF-8 (STATUS_CORRUPT), the budget.
#include "common/parquet/parquet_assemble.h"

#include "common/parquet/parquet_convert.h"

struct context {
    struct parquet_stream *streams;
    struct budget *budget;
};

// Where slots of a node begin.
struct place {
    uint8_t rep, def;
};

static enum status corrupt(const struct parquet_node *node, const char *what, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "column %s of the Parquet file is damaged: %s",
                     node->name, what);
}

static inline bool begins(const struct parquet_stream *stream, uint32_t i, struct place place)
{
    return stream->rep.data[i] <= place.rep && stream->def.data[i] >= place.def;
}

// Validity of the node's slots by its def level; checks their number. ret_validity NULL: no nulls.
static enum status make_validity(struct context *context, const struct parquet_node *node,
                                 const struct parquet_stream *stream, struct place place, uint32_t length,
                                 struct buffer **ret_validity, uint32_t *ret_nulls, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *validity = NULL;
    uint32_t slot = 0, nulls = 0;
    TRY(buffer_create(context->budget, (size_t)length / 8 + 1, &validity, err));
    memset(validity->data, 0, (size_t)length / 8 + 1);
    for (uint32_t i = 0; i < stream->level_count; i++) {
        if (!begins(stream, i, place)) continue;
        if (slot == length) TRY(corrupt(node, "it has more values than its group", err));
        bool there = stream->def.data[i] >= node->def;
        validity->data[slot >> 3] = (uint8_t)(validity->data[slot >> 3] | there << (slot & 7));
        nulls += !there;
        slot++;
    }
    if (slot != length) TRY(corrupt(node, "it has fewer values than its group", err));
    *ret_nulls = nulls;
    *ret_validity = nulls ? validity : NULL;
    if (nulls) validity = NULL;
out:
    buffer_unref(validity);
    return status;
}

static struct slice stored_value(const struct parquet_stream *stream, uint32_t k)
{
    if (!stream->store.coded) return parquet_store_value(&stream->store, k);
    const uint32_t *indices = (const uint32_t *)(const void *)stream->store.indices.data;
    return parquet_store_value(&stream->dictionary, indices[k]);
}

static inline bool slot_is_there(const struct buffer *validity, uint32_t slot)
{
    return !validity || (validity->data[slot >> 3] >> (slot & 7) & 1);
}

static enum status fixed_column(struct context *context, const struct parquet_out *out, struct parquet_stream *stream,
                                uint32_t length, struct buffer *validity, uint32_t nulls, struct column **ret_column,
                                struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t width = type_width(out->type), k = 0;
    struct buffer *values = NULL;
    TRY(buffer_create(context->budget, (size_t)length * width, &values, err));
    bool copy = out->type == out->node->type && out->node->convert == PARQUET_CONVERT_COPY && !out->node->rebase_zone;
    if (copy && !validity) {
        if (length) memcpy(values->data, stream->store.data.data, (size_t)length * width);
    } else {
        for (uint32_t slot = 0; slot < length; slot++) {
            uint8_t value[16] = {0};
            if (slot_is_there(validity, slot) &&
                !parquet_convert_value(out->node, out->type, stored_value(stream, k++), value)) {
                TRY(corrupt(out->node, "a value is out of its type's range", err));
            }
            memcpy(values->data + (size_t)slot * width, value, width);
        }
    }
    *ret_column = column_create(out->type, length, nulls, validity ? buffer_ref(validity) : NULL, values, NULL);
    values = NULL;
out:
    buffer_unref(values);
    return status;
}

static enum status coded_column(struct context *context, struct parquet_stream *stream, uint32_t length,
                                struct buffer *validity, uint32_t nulls, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *indices = NULL;
    struct column *dictionary;
    const uint32_t *from = (const uint32_t *)(const void *)stream->store.indices.data;
    TRY(parquet_stream_dictionary(stream, &dictionary, err));
    TRY(buffer_create(context->budget, (size_t)length * sizeof(uint32_t), &indices, err));
    uint32_t *to = (uint32_t *)(void *)indices->data, k = 0;
    for (uint32_t slot = 0; slot < length; slot++) to[slot] = slot_is_there(validity, slot) ? from[k++] : 0;
    *ret_column = column_create_dictionary(type_of(TYPE_STRING), length, nulls, validity ? buffer_ref(validity) : NULL,
                                           indices, column_ref(dictionary));
    indices = NULL;
out:
    buffer_unref(indices);
    return status;
}

static enum status bytes_column(struct context *context, const struct parquet_out *out, struct parquet_stream *stream,
                                uint32_t length, struct buffer *validity, uint32_t nulls, struct column **ret_column,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *values = NULL, *offsets = NULL;
    uint64_t total = 0;
    uint32_t k = 0;
    if (out->type->kind == TYPE_STRING && !stream->store.width) {
        if (stream->store.coded) return coded_column(context, stream, length, validity, nulls, ret_column, err);
        if (!parquet_store_utf8(&stream->store)) TRY(corrupt(out->node, "a string is not UTF-8", err));
    }
    for (uint32_t i = 0; i < stream->store.count; i++) total += stored_value(stream, i).length;
    if (total > INT32_MAX) {
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                      "column %s of the Parquet file has more than 2 GiB in one batch of rows", out->node->name));
    }
    TRY(buffer_create(context->budget, (size_t)total, &values, err));
    TRY(buffer_create(context->budget, ((size_t)length + 1) * sizeof(int32_t), &offsets, err));
    int32_t *to = (int32_t *)(void *)offsets->data;
    to[0] = 0;
    for (uint32_t slot = 0; slot < length; slot++) {
        to[slot + 1] = to[slot];
        if (!slot_is_there(validity, slot)) continue;
        struct slice value = stored_value(stream, k++);
        if (value.length) memcpy(values->data + to[slot], value.data, value.length);
        to[slot + 1] += (int32_t)value.length;
    }
    if (out->type->kind == TYPE_STRING && stream->store.width) {
        for (uint32_t slot = 0; slot < length; slot++) {
            if (!text_utf8_valid(values->data + to[slot], (size_t)(to[slot + 1] - to[slot]))) {
                TRY(corrupt(out->node, "a string is not UTF-8", err));
            }
        }
    }
    *ret_column = column_create(out->type, length, nulls, validity ? buffer_ref(validity) : NULL, values, offsets);
    values = offsets = NULL;
out:
    buffer_unref(values);
    buffer_unref(offsets);
    return status;
}

static enum status leaf_column(struct context *context, const struct parquet_out *out, struct place place,
                               uint32_t length, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_stream *stream = &context->streams[out->leaf];
    struct buffer *validity = NULL;
    uint32_t nulls = 0;
    TRY(make_validity(context, out->node, stream, place, length, &validity, &nulls, err));
    if (length - nulls != stream->store.count) TRY(corrupt(out->node, "its levels do not fit its values", err));
    if (type_is_string_like(out->type)) {
        TRY(bytes_column(context, out, stream, length, validity, nulls, ret_column, err));
    } else {
        TRY(fixed_column(context, out, stream, length, validity, nulls, ret_column, err));
    }
out:
    buffer_unref(validity);
    return status;
}

// Offsets of an array's or map's slots into its elements.
static enum status make_offsets(struct context *context, const struct parquet_out *out, struct place place,
                                uint32_t length, struct buffer **ret_offsets, struct error *err)
{
    enum status status = STATUS_OK;
    const struct parquet_stream *stream = &context->streams[out->leaf];
    const struct parquet_node *node = out->node;
    struct buffer *offsets = NULL;
    int32_t items = 0;
    uint32_t slot = 0;
    TRY(buffer_create(context->budget, ((size_t)length + 1) * sizeof(int32_t), &offsets, err));
    int32_t *to = (int32_t *)(void *)offsets->data;
    for (uint32_t i = 0; i < stream->level_count; i++) {
        if (begins(stream, i, place)) to[slot++] = items; // as many as make_validity counted
        if (stream->rep.data[i] <= node->rep && stream->def.data[i] >= node->item_def) {
            if (slot == 0) TRY(corrupt(node, "an element stands before the first list", err));
            items++;
        }
    }
    to[length] = items;
    *ret_offsets = offsets;
    offsets = NULL;
out:
    buffer_unref(offsets);
    return status;
}

static enum status out_column(struct context *context, const struct parquet_out *out, struct place place,
                              uint32_t length, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *validity = NULL, *offsets = NULL;
    struct column **children = NULL;
    uint32_t nulls = 0, made = 0, child_length = length;
    if (!out->node) return column_create_nulls(context->budget, out->type, length, ret_column, err);
    if (out->node->leaf) return leaf_column(context, out, place, length, ret_column, err);
    struct parquet_stream *stream = &context->streams[out->leaf];
    TRY(make_validity(context, out->node, stream, place, length, &validity, &nulls, err));
    if (out->type->kind != TYPE_STRUCT) {
        TRY(make_offsets(context, out, place, length, &offsets, err));
        child_length = (uint32_t)((const int32_t *)(const void *)offsets->data)[length];
        place = (struct place){out->node->rep, out->node->item_def};
    }
    children = memory_calloc(out->child_count, sizeof *children);
    for (; made < out->child_count; made++) {
        TRY(out_column(context, &out->children[made], place, child_length, &children[made], err));
    }
    *ret_column = column_create_nested(out->type, length, nulls, validity, offsets, children);
    validity = offsets = NULL;
    made = 0; // the column has them
out:
    for (uint32_t i = 0; i < made; i++) column_unref(children[i]);
    memory_free(children);
    buffer_unref(validity);
    buffer_unref(offsets);
    return status;
}

enum status parquet_assemble_column(const struct parquet_out *out, struct parquet_stream *streams, uint32_t rows,
                                    struct budget *budget, struct column **ret_column, struct error *err)
{
    struct context context = {streams, budget};
    return out_column(&context, out, (struct place){0, 0}, rows, ret_column, err);
}
