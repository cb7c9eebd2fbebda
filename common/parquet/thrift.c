// Thrift compact protocol (apache/thrift, doc/specs/thrift-compact-protocol.md). What can fail: reading damaged bytes;
// then `bad` stays set and every further read gives zero, so that callers test once at the end.
#include "common/parquet/thrift.h"

static void put_varint(struct text *out, uint64_t value)
{
    char bytes[10];
    size_t length = 0;
    while (value >= 0x80) {
        bytes[length++] = (char)(value | 0x80);
        value >>= 7;
    }
    bytes[length++] = (char)value;
    text_append(out, bytes, length);
}

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

void thrift_writer_init(struct thrift_writer *writer, struct text *out)
{
    *writer = (struct thrift_writer){.out = out};
}

static void put_field(struct thrift_writer *writer, int field, enum thrift_type type)
{
    int delta = field - writer->last_field[writer->depth];
    ASSERT(delta > 0);
    if (delta <= 15) {
        text_append_char(writer->out, (char)(delta << 4 | (int)type));
    } else {
        text_append_char(writer->out, (char)type);
        put_varint(writer->out, zigzag(field));
    }
    writer->last_field[writer->depth] = field;
}

static void push(struct thrift_writer *writer)
{
    ASSERT(writer->depth + 1 < THRIFT_DEPTH_MAX);
    writer->last_field[++writer->depth] = 0;
}

void thrift_put_bool(struct thrift_writer *writer, int field, bool value)
{
    put_field(writer, field, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_put_i8(struct thrift_writer *writer, int field, int8_t value)
{
    put_field(writer, field, THRIFT_I8);
    text_append_char(writer->out, (char)value);
}

void thrift_put_i16(struct thrift_writer *writer, int field, int16_t value)
{
    put_field(writer, field, THRIFT_I16);
    put_varint(writer->out, zigzag(value));
}

void thrift_put_i32(struct thrift_writer *writer, int field, int32_t value)
{
    put_field(writer, field, THRIFT_I32);
    put_varint(writer->out, zigzag(value));
}

void thrift_put_i64(struct thrift_writer *writer, int field, int64_t value)
{
    put_field(writer, field, THRIFT_I64);
    put_varint(writer->out, zigzag(value));
}

void thrift_put_binary(struct thrift_writer *writer, int field, const void *bytes, size_t length)
{
    put_field(writer, field, THRIFT_BINARY);
    thrift_item_binary(writer, bytes, length);
}

void thrift_put_struct(struct thrift_writer *writer, int field)
{
    put_field(writer, field, THRIFT_STRUCT);
    push(writer);
}

void thrift_put_list(struct thrift_writer *writer, int field, enum thrift_type element, uint32_t count)
{
    put_field(writer, field, THRIFT_LIST);
    if (count < 15) {
        text_append_char(writer->out, (char)(count << 4 | (uint32_t)element));
    } else {
        text_append_char(writer->out, (char)(0xF0 | (uint32_t)element));
        put_varint(writer->out, count);
    }
}

void thrift_item_struct(struct thrift_writer *writer)
{
    push(writer);
}

void thrift_item_i32(struct thrift_writer *writer, int32_t value)
{
    put_varint(writer->out, zigzag(value));
}

void thrift_item_binary(struct thrift_writer *writer, const void *bytes, size_t length)
{
    put_varint(writer->out, length);
    if (length) text_append(writer->out, bytes, length);
}

void thrift_end(struct thrift_writer *writer)
{
    text_append_char(writer->out, THRIFT_STOP);
    if (writer->depth > 0) writer->depth--;
}

void thrift_reader_init(struct thrift_reader *reader, const void *bytes, size_t size)
{
    *reader = (struct thrift_reader){.at = bytes, .end = (const uint8_t *)bytes + size, .depth = -1};
}

static bool spoil(struct thrift_reader *reader)
{
    reader->bad = true;
    reader->at = reader->end;
    return false;
}

static uint8_t get_byte(struct thrift_reader *reader)
{
    if (reader->at >= reader->end) {
        spoil(reader);
        return 0;
    }
    return *reader->at++;
}

static uint64_t get_varint(struct thrift_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = get_byte(reader);
        if (shift < 64) value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) return reader->bad ? 0 : value;
    }
    spoil(reader);
    return 0;
}

bool thrift_begin(struct thrift_reader *reader)
{
    if (reader->bad || reader->depth + 1 >= THRIFT_DEPTH_MAX) return spoil(reader);
    reader->last_field[++reader->depth] = 0;
    return true;
}

bool thrift_next(struct thrift_reader *reader, struct thrift_field *ret_field)
{
    if (reader->bad || reader->depth < 0) return spoil(reader);
    uint8_t byte = get_byte(reader);
    if (reader->bad) return false;
    if (byte == THRIFT_STOP) {
        reader->depth--;
        return false;
    }
    int64_t id = byte >> 4;
    if (id) {
        id += reader->last_field[reader->depth];
    } else {
        id = unzigzag(get_varint(reader));
    }
    if (reader->bad || id < 0 || id > INT16_MAX || (byte & 15) > THRIFT_UUID) return spoil(reader);
    reader->last_field[reader->depth] = (int)id;
    *ret_field = (struct thrift_field){.id = (int)id, .type = (enum thrift_type)(byte & 15)};
    return true;
}

bool thrift_get_bool(struct thrift_reader *reader, struct thrift_field field)
{
    if (field.type != THRIFT_TRUE && field.type != THRIFT_FALSE) return spoil(reader);
    return field.type == THRIFT_TRUE;
}

int64_t thrift_get_int(struct thrift_reader *reader, struct thrift_field field)
{
    switch (field.type) {
    case THRIFT_I8: return (int8_t)get_byte(reader);
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64: return unzigzag(get_varint(reader));
    default: spoil(reader); return 0;
    }
}

int32_t thrift_get_i32(struct thrift_reader *reader, struct thrift_field field)
{
    int64_t value = thrift_get_int(reader, field);
    if (value < INT32_MIN || value > INT32_MAX) {
        spoil(reader);
        return 0;
    }
    return (int32_t)value;
}

struct slice thrift_get_binary(struct thrift_reader *reader, struct thrift_field field)
{
    uint64_t length = field.type == THRIFT_BINARY ? get_varint(reader) : UINT64_MAX;
    if (reader->bad || length > (uint64_t)(reader->end - reader->at)) {
        spoil(reader);
        return slice_of("", 0);
    }
    struct slice slice = slice_of((const char *)reader->at, (size_t)length);
    reader->at += length;
    return slice;
}

uint32_t thrift_get_list(struct thrift_reader *reader, struct thrift_field field, struct thrift_field *ret_element)
{
    *ret_element = (struct thrift_field){.type = THRIFT_STOP};
    if (field.type != THRIFT_LIST && field.type != THRIFT_SET) {
        spoil(reader);
        return 0;
    }
    uint8_t byte = get_byte(reader);
    uint64_t count = byte >> 4;
    if (count == 15) count = get_varint(reader);
    if (reader->bad || count > (uint64_t)(reader->end - reader->at) || (byte & 15) > THRIFT_UUID) {
        spoil(reader);
        return 0;
    }
    ret_element->type = (enum thrift_type)(byte & 15);
    return (uint32_t)count;
}

static void skip_bytes(struct thrift_reader *reader, size_t count)
{
    if (count > (size_t)(reader->end - reader->at)) {
        spoil(reader);
        return;
    }
    reader->at += count;
}

static void skip_element(struct thrift_reader *reader, enum thrift_type type, int depth);

static void skip_value(struct thrift_reader *reader, enum thrift_type type, int depth)
{
    struct thrift_field field = {.type = type}, element;
    if (depth > THRIFT_DEPTH_MAX) spoil(reader);
    switch (type) {
    case THRIFT_STOP: spoil(reader); return;
    case THRIFT_TRUE:
    case THRIFT_FALSE: return;
    case THRIFT_DOUBLE: skip_bytes(reader, 8); return;
    case THRIFT_UUID: skip_bytes(reader, 16); return;
    case THRIFT_BINARY: thrift_get_binary(reader, field); return;
    case THRIFT_LIST:
    case THRIFT_SET:
        for (uint32_t i = thrift_get_list(reader, field, &element); i > 0 && !reader->bad; i--) {
            skip_element(reader, element.type, depth + 1);
        }
        return;
    case THRIFT_MAP:
        for (uint64_t left = get_varint(reader), kinds = left ? get_byte(reader) : 0; left > 0 && !reader->bad;
             left--) {
            skip_element(reader, (enum thrift_type)(kinds >> 4), depth + 1);
            skip_element(reader, (enum thrift_type)(kinds & 15), depth + 1);
        }
        return;
    case THRIFT_STRUCT:
        if (!thrift_begin(reader)) return;
        while (thrift_next(reader, &field)) skip_value(reader, field.type, depth + 1);
        return;
    default: thrift_get_int(reader, field);
    }
}

// Booleans take a byte as an element, none as a field.
static void skip_element(struct thrift_reader *reader, enum thrift_type type, int depth)
{
    if (type == THRIFT_TRUE || type == THRIFT_FALSE) {
        get_byte(reader);
    } else {
        skip_value(reader, type, depth);
    }
}

void thrift_skip(struct thrift_reader *reader, struct thrift_field field)
{
    skip_value(reader, field.type, 0);
}
