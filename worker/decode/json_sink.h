// Where the scanner puts values: one sink per column and nested column. A row is appended to every sink of an object;
// the last row of a sink can be taken back (a repeated field, a record that breaks off). Appending can fail only for
// want of memory: then it returns false and the failure (shared by all sinks of a scan) tells.
#ifndef FORESET_DECODE_JSON_SINK_H
#define FORESET_DECODE_JSON_SINK_H

#include "worker/decode/json_dictionary.h"

#define JSON_SLACK 32u // bytes a short string's copy may write beyond its end

struct json_failure {
    enum status status; // STATUS_OK: none
    struct error *err;
};

struct json_object; // field names and learned order of a struct: json_object.h

struct json_sink {
    const struct type *type;
    enum type_kind kind;
    uint32_t width;    // bytes of a fixed value; 0: string, nested, void
    uint32_t length;   // rows appended
    uint32_t capacity; // rows there is room for
    uint32_t null_count;
    bool coded;        // strings: indices into the dictionary, not bytes
    uint8_t *validity; // NULL: no null yet
    uint8_t *values;   // fixed values, or a string's bytes
    int32_t *offsets;
    uint32_t *indices;
    size_t byte_count, byte_capacity; // of a string's bytes; JSON_SLACK more are writable
    struct json_sink *children;
    struct json_object *object; // struct only
    struct json_dictionary dictionary;
    struct buffer *validity_buffer, *values_buffer, *offsets_buffer; // indices live in offsets_buffer
    size_t bytes_hint; // bytes of the last batch, for the next one's first size
    uint32_t rows_hint;
    struct budget *budget;
    struct json_failure *failure;
};

void json_sink_init(struct json_sink *sink, const struct type *type, struct budget *budget,
                    struct json_failure *failure);
void json_sink_deinit(struct json_sink *sink);
// Makes room for a new batch of about `rows` rows.
bool json_sink_begin(struct json_sink *sink, uint32_t rows);
// The rows as a column; the sink is then empty and needs json_sink_begin.
enum status json_sink_finish(struct json_sink *sink, struct column **ret_column, struct error *err) MUST_USE;
void json_sink_drop(struct json_sink *sink); // forgets the rows of an unfinished batch

bool json_sink_grow_rows(struct json_sink *sink);
bool json_sink_grow_bytes(struct json_sink *sink, size_t extra);
bool json_sink_null_slow(struct json_sink *sink);
void json_sink_undo(struct json_sink *sink); // takes back the last row
void json_sink_truncate(struct json_sink *sink, uint32_t length);
// Of any length, readable for just it.
bool json_sink_string(struct json_sink *sink, const uint8_t *value, size_t length);
// The same, remembering raw (escaped) text for value.
bool json_sink_escaped(struct json_sink *sink, const uint8_t *raw, uint32_t raw_length, const uint8_t *value,
                       size_t length);
bool json_sink_copy(struct json_sink *sink, const struct json_sink *from); // from's only row, no nesting
bool json_sink_plain(struct json_sink *sink); // gives up coding: indices so far become bytes

static inline bool json_sink_room(struct json_sink *sink)
{
    return __builtin_expect(sink->length < sink->capacity, 1) || json_sink_grow_rows(sink);
}
#define JSON_SINK_PUT(sink, ctype, value)                                                                              \
    (json_sink_room(sink) ? (((ctype *)(void *)(sink)->values)[(sink)->length++] = (value), true) : false)

static inline bool json_sink_null(struct json_sink *sink)
{
    uint32_t row = sink->length;
    if (!sink->validity || row >= sink->capacity || sink->children) return json_sink_null_slow(sink);
    if (sink->width == 8) {
        memset(sink->values + (size_t)row * 8, 0, 8);
    } else if (sink->coded) {
        sink->indices[row] = 0;
    } else if (sink->offsets) {
        sink->offsets[row + 1] = sink->offsets[row];
    } else if (sink->width) {
        memset(sink->values + (size_t)row * sink->width, 0, sink->width);
    }
    sink->validity[row >> 3] = (uint8_t)(sink->validity[row >> 3] & ~(1u << (row & 7)));
    sink->null_count++;
    sink->length++;
    return true;
}

// A plain string's bytes behind the others; text must be readable for JSON_SLACK bytes where length is less.
static inline bool json_sink_bytes(struct json_sink *sink, const uint8_t *text, size_t length)
{
    if (!json_sink_room(sink)) return false;
    if (__builtin_expect(sink->byte_count + length > sink->byte_capacity, 0) && !json_sink_grow_bytes(sink, length)) {
        return false;
    }
    uint8_t *to = sink->values + sink->byte_count;
    if (length <= JSON_SLACK) {
        memcpy(to, text, JSON_SLACK);
    } else {
        memcpy(to, text, length);
    }
    sink->byte_count += length;
    sink->offsets[++sink->length] = (int32_t)sink->byte_count;
    return true;
}
static inline bool json_sink_index(struct json_sink *sink, uint32_t index)
{
    if (!json_sink_room(sink)) return false;
    sink->indices[sink->length++] = index;
    return true;
}
// A string without escapes; readable for JSON_SLACK bytes.
static inline bool json_sink_text(struct json_sink *sink, const uint8_t *text, size_t length)
{
    if (!sink->coded) return json_sink_bytes(sink, text, length);
    if (length <= 16) {
        uint32_t index = json_dictionary_short(&sink->dictionary, text, (uint32_t)length, 0);
        if (index != JSON_DICTIONARY_NONE) return json_sink_index(sink, index);
    }
    return json_sink_string(sink, text, length);
}
// Ends an array's or map's row: its elements are in the children.
static inline bool json_sink_list(struct json_sink *sink)
{
    if (!json_sink_room(sink)) return false;
    sink->offsets[++sink->length] = (int32_t)sink->children[0].length;
    return true;
}

#endif
