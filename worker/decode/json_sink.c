// Sinks: growth, nulls, taking back, finishing. Buffers come from the scan's budget; the first size of a batch follows
// the batch before it.
#include "worker/decode/json_sink.h"

#include <stdlib.h>

#include "worker/decode/json_object.h"

#define SINK_ROWS_FIRST  64u
#define SINK_BYTES_FIRST 256u

void json_sink_init(struct json_sink *sink, const struct type *type, struct budget *budget,
                    struct json_failure *failure)
{
    *sink = (struct json_sink){
        .type = type, .kind = type->kind, .width = type_width(type), .budget = budget, .failure = failure};
    if (type->kind == TYPE_STRING) json_dictionary_init(&sink->dictionary);
    const char *without = getenv("FORESET_WITHOUT"); // a test's: strings that are never coded
    if (without && strstr(without, "coded")) sink->dictionary.rest = UINT32_MAX;
    if (type->kind == TYPE_STRUCT) sink->object = json_object_create(type);
    if (type->child_count == 0) return;
    sink->children = memory_alloc(type->child_count * sizeof *sink->children);
    for (uint32_t i = 0; i < type->child_count; i++) {
        json_sink_init(&sink->children[i], type->children[i].type, budget, failure);
    }
}

void json_sink_drop(struct json_sink *sink)
{
    buffer_unref(sink->validity_buffer);
    buffer_unref(sink->values_buffer);
    buffer_unref(sink->offsets_buffer);
    sink->validity_buffer = sink->values_buffer = sink->offsets_buffer = NULL;
    sink->validity = sink->values = NULL;
    sink->offsets = NULL;
    sink->indices = NULL;
    sink->length = sink->capacity = sink->null_count = 0;
    sink->byte_count = sink->byte_capacity = 0;
    for (uint32_t i = 0; i < sink->type->child_count; i++) json_sink_drop(&sink->children[i]);
}

void json_sink_deinit(struct json_sink *sink)
{
    if (!sink->type) return;
    json_sink_drop(sink);
    if (sink->kind == TYPE_STRING) json_dictionary_deinit(&sink->dictionary);
    json_object_destroy(sink->object);
    for (uint32_t i = 0; i < sink->type->child_count; i++) json_sink_deinit(&sink->children[i]);
    memory_free(sink->children);
    *sink = (struct json_sink){0};
}

static bool fail(struct json_sink *sink, enum status status)
{
    sink->failure->status = status;
    return false;
}

// *slot with at least size_bytes; what it holds stays.
static bool resize(struct json_sink *sink, struct buffer **slot, size_t size_bytes)
{
    enum status status = *slot ? buffer_grow(*slot, size_bytes, sink->failure->err)
                               : buffer_create(sink->budget, size_bytes, slot, sink->failure->err);
    return status == STATUS_OK || fail(sink, status);
}

static bool has_offsets(const struct json_sink *sink)
{
    return sink->kind == TYPE_STRING || sink->kind == TYPE_BINARY || sink->kind == TYPE_ARRAY || sink->kind == TYPE_MAP;
}

static bool resize_validity(struct json_sink *sink, uint32_t rows)
{
    size_t before = sink->validity_buffer ? sink->validity_buffer->size_bytes : 0, want = (rows + (size_t)7) / 8;
    if (want <= before) return true;
    if (!resize(sink, &sink->validity_buffer, want)) return false;
    sink->validity = sink->validity_buffer->data;
    memset(sink->validity + before, 0xff, want - before);
    return true;
}

static bool resize_rows(struct json_sink *sink, uint32_t rows)
{
    if (sink->validity && !resize_validity(sink, rows)) return false;
    if (sink->width) {
        if (!resize(sink, &sink->values_buffer, (size_t)rows * sink->width)) return false;
        sink->values = sink->values_buffer->data;
    } else if (has_offsets(sink)) {
        bool fresh = sink->offsets_buffer == NULL;
        if (!resize(sink, &sink->offsets_buffer, (rows + (size_t)1) * sizeof(int32_t))) return false;
        int32_t *offsets = (int32_t *)(void *)sink->offsets_buffer->data;
        if (fresh) offsets[0] = 0;
        sink->offsets = sink->coded ? NULL : offsets;
        sink->indices = sink->coded ? (uint32_t *)(void *)offsets : NULL;
    }
    sink->capacity = rows;
    return true;
}

bool json_sink_grow_rows(struct json_sink *sink)
{
    if (sink->capacity > UINT32_MAX / 4) {
        return fail(sink, error_set(sink->failure->err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE,
                                    "JSON gives a column of type %s more than 2^30 values", sink->type->text));
    }
    return resize_rows(sink, sink->capacity ? sink->capacity * 2 : SINK_ROWS_FIRST);
}

bool json_sink_grow_bytes(struct json_sink *sink, size_t extra)
{
    size_t want = sink->byte_capacity * 2;
    if (want < SINK_BYTES_FIRST) want = SINK_BYTES_FIRST;
    if (want < sink->byte_count + extra) want = sink->byte_count + extra;
    if (want > INT32_MAX) {
        if (sink->byte_count + extra > INT32_MAX) {
            return fail(sink,
                        error_set(sink->failure->err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE,
                                  "JSON gives a column of type %s more than 2 GiB in one batch; read less at once",
                                  sink->type->text));
        }
        want = INT32_MAX;
    }
    if (!resize(sink, &sink->values_buffer, want + JSON_SLACK)) return false;
    sink->values = sink->values_buffer->data;
    sink->byte_capacity = want;
    return true;
}

static bool begin_string(struct json_sink *sink, uint32_t rows)
{
    struct json_dictionary *dictionary = &sink->dictionary;
    sink->coded = false;
    if (sink->kind == TYPE_STRING) {
        sink->coded = dictionary->rest == 0;
        if (dictionary->rest) dictionary->rest--;
    }
    if (!resize_rows(sink, rows)) return false;
    if (sink->coded) return true;
    double a_row = sink->rows_hint ? (double)sink->bytes_hint / sink->rows_hint * 1.1 : 16;
    return json_sink_grow_bytes(sink, (size_t)(a_row * rows) + SINK_BYTES_FIRST);
}

bool json_sink_begin(struct json_sink *sink, uint32_t rows)
{
    if (rows == 0) rows = 1;
    json_sink_drop(sink);
    if (type_is_string_like(sink->type)) return begin_string(sink, rows);
    if (!resize_rows(sink, rows)) return false;
    uint32_t child_rows = rows;
    if (sink->kind == TYPE_ARRAY || sink->kind == TYPE_MAP) child_rows = SINK_ROWS_FIRST;
    for (uint32_t i = 0; i < sink->type->child_count; i++) {
        if (!json_sink_begin(&sink->children[i], child_rows)) return false;
    }
    return true;
}

bool json_sink_null_slow(struct json_sink *sink)
{
    if (!json_sink_room(sink)) return false;
    if (!sink->validity && !resize_validity(sink, sink->capacity)) return false;
    if (!sink->children) return json_sink_null(sink);
    uint32_t row = sink->length;
    if (sink->kind == TYPE_STRUCT) {
        for (uint32_t i = 0; i < sink->type->child_count; i++) {
            if (!json_sink_null(&sink->children[i])) return false;
        }
    } else {
        sink->offsets[row + 1] = sink->offsets[row];
    }
    sink->validity[row >> 3] = (uint8_t)(sink->validity[row >> 3] & ~(1u << (row & 7)));
    sink->null_count++;
    sink->length++;
    return true;
}

void json_sink_undo(struct json_sink *sink)
{
    uint32_t row = --sink->length;
    if (sink->validity && !(sink->validity[row >> 3] >> (row & 7) & 1)) {
        sink->validity[row >> 3] = (uint8_t)(sink->validity[row >> 3] | 1u << (row & 7));
        sink->null_count--;
    }
    if (sink->kind == TYPE_STRING || sink->kind == TYPE_BINARY) {
        if (!sink->coded) sink->byte_count = (size_t)sink->offsets[row];
    } else {
        bool is_struct = sink->kind == TYPE_STRUCT;
        for (uint32_t i = 0; i < sink->type->child_count; i++) {
            json_sink_truncate(&sink->children[i], is_struct ? row : (uint32_t)sink->offsets[row]);
        }
    }
}

void json_sink_truncate(struct json_sink *sink, uint32_t length)
{
    while (sink->length > length) json_sink_undo(sink);
    // A struct or list that broke off has elements without a row of their own.
    for (uint32_t i = 0; i < sink->type->child_count; i++) {
        bool is_struct = sink->kind == TYPE_STRUCT;
        json_sink_truncate(&sink->children[i], is_struct ? length : (uint32_t)sink->offsets[length]);
    }
}

bool json_sink_plain(struct json_sink *sink)
{
    uint32_t *indices = sink->indices;
    struct buffer *indices_buffer = sink->offsets_buffer;
    const struct json_dictionary *dictionary = &sink->dictionary;
    size_t bytes = 0;
    for (uint32_t i = 0; i < sink->length; i++) {
        if (dictionary->count) bytes += json_dictionary_value(dictionary, indices[i]).length;
    }
    sink->coded = false;
    sink->offsets_buffer = NULL;
    bool ok = resize_rows(sink, sink->capacity ? sink->capacity : 1);
    if (ok) ok = json_sink_grow_bytes(sink, bytes + (size_t)(sink->capacity - sink->length) * 16);
    for (uint32_t i = 0; ok && i < sink->length; i++) {
        bool is_null = sink->validity && !(sink->validity[i >> 3] >> (i & 7) & 1);
        if (!is_null) {
            struct slice value = json_dictionary_value(dictionary, indices[i]);
            if (value.length) memcpy(sink->values + sink->byte_count, value.data, value.length);
            sink->byte_count += value.length;
        }
        sink->offsets[i + 1] = (int32_t)sink->byte_count;
    }
    buffer_unref(indices_buffer);
    json_dictionary_reset(&sink->dictionary);
    sink->dictionary.rest = JSON_DICTIONARY_REST;
    return ok;
}

// As json_sink_bytes, for text that may end at a page's end.
static bool append_plain(struct json_sink *sink, const uint8_t *value, size_t length)
{
    if (!json_sink_room(sink)) return false;
    if (sink->byte_count + length > sink->byte_capacity && !json_sink_grow_bytes(sink, length)) return false;
    if (length) memcpy(sink->values + sink->byte_count, value, length);
    sink->byte_count += length;
    sink->offsets[++sink->length] = (int32_t)sink->byte_count;
    return true;
}

static uint32_t find_or_add(struct json_dictionary *dictionary, const uint8_t *value, size_t length)
{
    if (length > JSON_DICTIONARY_VALUE_MAX) return JSON_DICTIONARY_NONE;
    uint32_t index = json_dictionary_find(dictionary, value, (uint32_t)length);
    return index != JSON_DICTIONARY_NONE ? index : json_dictionary_add(dictionary, value, (uint32_t)length);
}

bool json_sink_string(struct json_sink *sink, const uint8_t *value, size_t length)
{
    if (sink->coded) {
        uint32_t index = find_or_add(&sink->dictionary, value, length);
        if (index != JSON_DICTIONARY_NONE) return json_sink_index(sink, index);
        if (!json_sink_plain(sink)) return false;
    }
    return append_plain(sink, value, length);
}

bool json_sink_escaped(struct json_sink *sink, const uint8_t *raw, uint32_t raw_length, const uint8_t *value,
                       size_t length)
{
    uint32_t row = sink->length;
    if (!json_sink_string(sink, value, length)) return false;
    if (sink->coded && raw_length <= 16) json_dictionary_alias(&sink->dictionary, raw, raw_length, sink->indices[row]);
    return true;
}

bool json_sink_copy(struct json_sink *sink, const struct json_sink *from)
{
    ASSERT(from->length == 1 && !sink->children);
    if (from->null_count) return json_sink_null(sink);
    if (sink->width) {
        if (!json_sink_room(sink)) return false;
        memcpy(sink->values + (size_t)sink->length++ * sink->width, from->values, sink->width);
        return true;
    }
    if (from->coded) {
        struct slice value = json_dictionary_value(&from->dictionary, from->indices[0]);
        return json_sink_string(sink, (const uint8_t *)value.data, value.length);
    }
    return json_sink_string(sink, from->values, from->byte_count);
}

static enum status finish_nested(struct json_sink *sink, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *type = sink->type;
    struct column **children = memory_calloc(type->child_count + (size_t)1, sizeof *children);
    for (uint32_t i = 0; i < type->child_count; i++) TRY(json_sink_finish(&sink->children[i], &children[i], err));
    *ret_column = column_create_nested(type, sink->length, sink->null_count, sink->validity_buffer,
                                       sink->offsets_buffer, children);
    memory_free(children);
    return STATUS_OK;
out:
    for (uint32_t i = 0; i < type->child_count; i++) column_unref(children[i]);
    memory_free(children);
    return status;
}

enum status json_sink_finish(struct json_sink *sink, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct column *dictionary = NULL;
    if (sink->null_count == 0) {
        buffer_unref(sink->validity_buffer);
        sink->validity_buffer = NULL;
    }
    if (sink->kind >= TYPE_STRUCT) {
        TRY(finish_nested(sink, ret_column, err));
    } else if (sink->coded) {
        TRY(json_dictionary_column(&sink->dictionary, sink->budget, sink->type, &dictionary, err));
        *ret_column = column_create_dictionary(sink->type, sink->length, sink->null_count, sink->validity_buffer,
                                               sink->offsets_buffer, dictionary);
    } else {
        sink->bytes_hint = sink->byte_count;
        sink->rows_hint = sink->length;
        *ret_column = column_create(sink->type, sink->length, sink->null_count, sink->validity_buffer,
                                    sink->values_buffer, sink->offsets_buffer);
        sink->values_buffer = NULL;
    }
    sink->validity_buffer = sink->offsets_buffer = NULL;
out:
    json_sink_drop(sink);
    return status;
}
