// Thrift's compact protocol, as much as Parquet's metadata needs: structs, lists, integers, booleans, strings.
// Reading is for hostile input: a cursor never leaves its bytes, list counts are bounded by the bytes that remain, and
// nesting by THRIFT_DEPTH_MAX. A reader that met damage has `bad` set and delivers zeros from there on; check it last.
#ifndef FORESET_PARQUET_THRIFT_H
#define FORESET_PARQUET_THRIFT_H

#include <stdint.h>

#include "common/base/text.h"

#define THRIFT_DEPTH_MAX 16

enum thrift_type {
    THRIFT_STOP = 0,
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_I8 = 3,
    THRIFT_I16 = 4,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_DOUBLE = 7,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_SET = 10,
    THRIFT_MAP = 11,
    THRIFT_STRUCT = 12,
    THRIFT_UUID = 13,
};

// Field numbers within a struct must rise. The outermost struct is open from the start and ends with thrift_end.
struct thrift_writer {
    struct text *out;
    int depth;
    int last_field[THRIFT_DEPTH_MAX];
};
void thrift_writer_init(struct thrift_writer *writer, struct text *out);
void thrift_put_bool(struct thrift_writer *writer, int field, bool value);
void thrift_put_i8(struct thrift_writer *writer, int field, int8_t value);
void thrift_put_i16(struct thrift_writer *writer, int field, int16_t value);
void thrift_put_i32(struct thrift_writer *writer, int field, int32_t value);
void thrift_put_i64(struct thrift_writer *writer, int field, int64_t value);
void thrift_put_binary(struct thrift_writer *writer, int field, const void *bytes, size_t length);
void thrift_put_struct(struct thrift_writer *writer, int field); // … then its fields, then thrift_end
void thrift_put_list(struct thrift_writer *writer, int field, enum thrift_type element, uint32_t count);
void thrift_item_struct(struct thrift_writer *writer); // an element of a list of structs; thrift_end closes it
void thrift_item_i32(struct thrift_writer *writer, int32_t value);
void thrift_item_binary(struct thrift_writer *writer, const void *bytes, size_t length);
void thrift_end(struct thrift_writer *writer);

struct thrift_reader {
    const uint8_t *at, *end;
    bool bad;
    int depth;
    int last_field[THRIFT_DEPTH_MAX];
};
struct thrift_field {
    int id;
    enum thrift_type type; // of a list element, for thrift_skip: the element's
};
void thrift_reader_init(struct thrift_reader *reader, const void *bytes, size_t size);
bool thrift_begin(struct thrift_reader *reader);                                // enters a struct; false when bad
bool thrift_next(struct thrift_reader *reader, struct thrift_field *ret_field); // false at the struct's end, left then
// Values of the field just seen. A field of another type than asked for is damage.
bool thrift_get_bool(struct thrift_reader *reader, struct thrift_field field);
int64_t thrift_get_int(struct thrift_reader *reader, struct thrift_field field);         // i8 .. i64
int32_t thrift_get_i32(struct thrift_reader *reader, struct thrift_field field);         // bad when out of range
struct slice thrift_get_binary(struct thrift_reader *reader, struct thrift_field field); // into the input
// Count of a list whose elements are read with `element` in place of the field; each takes at least a byte of input.
uint32_t thrift_get_list(struct thrift_reader *reader, struct thrift_field field, struct thrift_field *ret_element);
void thrift_skip(struct thrift_reader *reader, struct thrift_field field);

#endif
