// Footer (parquet.thrift, FileMetaData). Nothing can fail.
#include "common/parquet/parquet_footer.h"

#include "common/parquet/parquet_page.h"

#ifndef FORESET_BUILD_ID
#define FORESET_BUILD_ID "source"
#endif
// parquet-mr parses "name version x (build y)" and distrusts statistics where it cannot.
#define CREATED_BY       "foreset version 0.1.0 (build " FORESET_BUILD_ID ")"
#define STRING_BOUND_MAX 64u
_Static_assert(STRING_BOUND_MAX < PARQUET_MINMAX_BYTES_MAX, "what was cut already must be cut here");
#define ORDINAL_MAX INT16_MAX

// Cuts at a character's border, so that a string's bound stays valid UTF-8.
static size_t cut_length(struct slice value, bool text)
{
    if (value.length <= STRING_BOUND_MAX) return value.length;
    size_t length = STRING_BOUND_MAX;
    while (text && length > 0 && ((uint8_t)value.data[length] & 0xC0) == 0x80) length--;
    return length;
}

// The character (text) or byte that ends at length; its start.
static size_t last_start(const char *bound, size_t length, bool text)
{
    size_t at = length - 1;
    while (text && at > 0 && ((uint8_t)bound[at] & 0xC0) == 0x80) at--;
    return at;
}

static uint32_t decode(const uint8_t *bytes, size_t length)
{
    if (length == 1) return bytes[0];
    uint32_t code = bytes[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) code = code << 6 | (bytes[i] & 0x3Fu);
    return code;
}

static size_t encode(uint32_t code, char ret_bytes[4])
{
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (length == 1) {
        ret_bytes[0] = (char)code;
        return length;
    }
    for (size_t i = length - 1; i > 0; i--, code >>= 6) ret_bytes[i] = (char)(0x80 | (code & 0x3F));
    ret_bytes[0] = (char)(0xF00u >> length | code);
    return length;
}

// Replaces a character by the next one, skipping surrogates. False: no character follows, or the bound has no room.
static bool raise_character(char *bound, size_t start, size_t *length)
{
    char next[4];
    uint32_t code = decode((const uint8_t *)bound + start, *length - start) + 1;
    if (code == 0xD800) code = 0xE000;
    if (code > 0x10FFFF) return false;
    size_t size = encode(code, next);
    if (start + size > STRING_BOUND_MAX) return false;
    memcpy(bound + start, next, size);
    *length = start + size;
    return true;
}

// Makes a cut bound greater than everything it was cut from: its last character (text) or byte that has a next one
// becomes that, what follows is dropped. 0: no such bound.
static size_t raise_bound(char *bound, size_t length, bool text)
{
    while (length > 0) {
        size_t start = last_start(bound, length, text);
        if (text && raise_character(bound, start, &length)) return length;
        if (!text && (uint8_t)bound[start] < 0xFF) {
            bound[start] = (char)(bound[start] + 1);
            return length;
        }
        length = start;
    }
    return 0;
}

static void put_string_bounds(struct thrift_writer *out, const struct parquet_chunk *chunk)
{
    const struct parquet_minmax *minmax = &chunk->minmax;
    bool text = chunk->leaf->type->kind == TYPE_STRING;
    struct slice min = slice_of(text_str(&minmax->min_bytes), minmax->min_bytes.length);
    struct slice max = slice_of(text_str(&minmax->max_bytes), minmax->max_bytes.length);
    char bound[STRING_BOUND_MAX];
    size_t max_length = cut_length(max, text), min_length = cut_length(min, text);
    memcpy(bound, max.data, max_length);
    if (max_length < max.length) max_length = raise_bound(bound, max_length, text);
    bool has_max = max_length > 0 || max.length == 0, exact = max.length <= STRING_BOUND_MAX;
    if (has_max) thrift_put_binary(out, 5, bound, max_length);
    thrift_put_binary(out, 6, min.data, min_length);
    if (has_max) thrift_put_bool(out, 7, exact);
    thrift_put_bool(out, 8, min_length == min.length);
}

// A number as PLAIN has it; zero of a floating type as the lesser or greater of the two zeros.
static uint32_t number_bytes(const struct parquet_leaf *leaf, union parquet_extreme extreme, bool max,
                             uint8_t ret_bytes[16])
{
    if (leaf->physical == PARQUET_FIXED) {
        parquet_page_decimal(ret_bytes, extreme.i128, leaf->fixed_length);
        return leaf->fixed_length;
    }
    if (leaf->physical == PARQUET_FLOAT || leaf->physical == PARQUET_DOUBLE) {
        double wide = extreme.f64;
        if (wide <= 0 && wide >= 0) wide = max ? 0.0 : -0.0;
        float narrow = (float)wide;
        if (leaf->physical == PARQUET_DOUBLE) memcpy(ret_bytes, &wide, sizeof wide);
        if (leaf->physical == PARQUET_FLOAT) memcpy(ret_bytes, &narrow, sizeof narrow);
        return leaf->physical == PARQUET_DOUBLE ? sizeof wide : sizeof narrow;
    }
    memcpy(ret_bytes, &extreme.i64, sizeof extreme.i64);
    return leaf->physical == PARQUET_BOOLEAN ? 1 : leaf->physical == PARQUET_INT32 ? 4 : 8;
}

static void put_statistics(struct thrift_writer *out, const struct parquet_chunk *chunk)
{
    const struct parquet_minmax *minmax = &chunk->minmax;
    bool bounds = minmax->any && !minmax->nan, strings = chunk->leaf->physical == PARQUET_BYTE_ARRAY;
    uint8_t max[16], min[16];
    uint32_t size = 0;
    thrift_put_struct(out, 12);
    if (bounds && !strings) {
        size = number_bytes(chunk->leaf, minmax->max, true, max);
        number_bytes(chunk->leaf, minmax->min, false, min);
        if (chunk->leaf->physical != PARQUET_FIXED) { // the deprecated pair, whose order was signed
            thrift_put_binary(out, 1, max, size);
            thrift_put_binary(out, 2, min, size);
        }
    }
    thrift_put_i64(out, 3, (int64_t)(chunk->level_total - chunk->value_total));
    if (bounds && strings) {
        put_string_bounds(out, chunk);
    } else if (bounds) {
        thrift_put_binary(out, 5, max, size);
        thrift_put_binary(out, 6, min, size);
        thrift_put_bool(out, 7, true);
        thrift_put_bool(out, 8, true);
    }
    thrift_end(out);
}

static void put_encodings(struct thrift_writer *out, const struct parquet_chunk *chunk)
{
    bool plain = chunk->plain_pages > 0 || chunk->dictionary_pages > 0; // the dictionary page itself is PLAIN
    int kinds = 1 + plain + (chunk->delta_pages > 0) + (chunk->dictionary_pages > 0);
    thrift_put_list(out, 2, THRIFT_I32, (uint32_t)kinds);
    if (plain) thrift_item_i32(out, PARQUET_PLAIN);
    thrift_item_i32(out, PARQUET_RLE);
    if (chunk->delta_pages) thrift_item_i32(out, PARQUET_DELTA_BINARY_PACKED);
    if (chunk->dictionary_pages) thrift_item_i32(out, PARQUET_RLE_DICTIONARY);
}

static void put_page_count(struct thrift_writer *out, enum parquet_page_type type, enum parquet_encoding encoding,
                           int32_t count)
{
    if (count == 0) return;
    thrift_item_struct(out);
    thrift_put_i32(out, 1, (int32_t)type);
    thrift_put_i32(out, 2, (int32_t)encoding);
    thrift_put_i32(out, 3, count);
    thrift_end(out);
}

static void put_encoding_stats(struct thrift_writer *out, const struct parquet_chunk *chunk)
{
    int32_t dictionary = chunk->dictionary_page.buffer ? 1 : 0;
    int kinds = dictionary + (chunk->plain_pages > 0) + (chunk->delta_pages > 0) + (chunk->dictionary_pages > 0);
    thrift_put_list(out, 13, THRIFT_STRUCT, (uint32_t)kinds);
    put_page_count(out, PARQUET_DICTIONARY_PAGE, PARQUET_PLAIN, dictionary);
    put_page_count(out, PARQUET_DATA_PAGE, PARQUET_PLAIN, chunk->plain_pages);
    put_page_count(out, PARQUET_DATA_PAGE, PARQUET_DELTA_BINARY_PACKED, chunk->delta_pages);
    put_page_count(out, PARQUET_DATA_PAGE, PARQUET_RLE_DICTIONARY, chunk->dictionary_pages);
}

static void put_chunk(struct thrift_writer *out, const struct parquet_chunk *chunk,
                      const struct parquet_footer_offsets *offsets)
{
    const struct parquet_leaf *leaf = chunk->leaf;
    thrift_item_struct(out);
    thrift_put_i64(out, 2, 0); // file_offset: deprecated, 0 by the specification
    thrift_put_struct(out, 3);
    thrift_put_i32(out, 1, (int32_t)leaf->physical);
    put_encodings(out, chunk);
    thrift_put_list(out, 3, THRIFT_BINARY, leaf->part_count);
    for (uint32_t i = 0; i < leaf->part_count; i++) thrift_item_binary(out, leaf->parts[i], strlen(leaf->parts[i]));
    thrift_put_i32(out, 4, (int32_t)chunk->codec);
    thrift_put_i64(out, 5, (int64_t)chunk->level_total);
    thrift_put_i64(out, 6, (int64_t)chunk->raw_bytes);
    thrift_put_i64(out, 7, (int64_t)chunk->packed_bytes);
    thrift_put_i64(out, 9, (int64_t)offsets->data);
    if (offsets->dictionary) thrift_put_i64(out, 11, (int64_t)offsets->dictionary);
    put_statistics(out, chunk);
    put_encoding_stats(out, chunk);
    thrift_end(out);
    thrift_end(out);
}

void parquet_footer_group(struct text *groups, const struct parquet_chunk *chunks,
                          const struct parquet_footer_offsets *offsets, uint32_t count, uint64_t rows, uint32_t ordinal)
{
    struct thrift_writer out;
    uint64_t raw = 0, packed = 0;
    thrift_writer_init(&out, groups);
    thrift_put_list(&out, 1, THRIFT_STRUCT, count);
    for (uint32_t i = 0; i < count; i++) {
        put_chunk(&out, &chunks[i], &offsets[i]);
        raw += chunks[i].raw_bytes;
        packed += chunks[i].packed_bytes;
    }
    thrift_put_i64(&out, 2, (int64_t)raw);
    thrift_put_i64(&out, 3, (int64_t)rows);
    thrift_put_i64(&out, 5, (int64_t)(offsets[0].dictionary ? offsets[0].dictionary : offsets[0].data));
    thrift_put_i64(&out, 6, (int64_t)packed);
    if (ordinal <= ORDINAL_MAX) thrift_put_i16(&out, 7, (int16_t)ordinal);
    thrift_end(&out);
}

void parquet_footer_file(struct text *out, const struct parquet_schema *schema, uint64_t rows, uint32_t group_count,
                         const struct text *groups)
{
    struct thrift_writer writer;
    thrift_writer_init(&writer, out);
    thrift_put_i32(&writer, 1, 1);
    thrift_put_list(&writer, 2, THRIFT_STRUCT, schema->element_count);
    text_append(out, schema->elements.data, schema->elements.length);
    thrift_put_i64(&writer, 3, (int64_t)rows);
    thrift_put_list(&writer, 4, THRIFT_STRUCT, group_count);
    if (groups->length) text_append(out, groups->data, groups->length);
    thrift_put_binary(&writer, 6, CREATED_BY, strlen(CREATED_BY));
    // Without the order of every leaf, readers ignore min_value and max_value.
    thrift_put_list(&writer, 7, THRIFT_STRUCT, schema->leaf_count);
    for (uint32_t i = 0; i < schema->leaf_count; i++) {
        thrift_item_struct(&writer);
        thrift_put_struct(&writer, 1); // TypeDefinedOrder
        thrift_end(&writer);
        thrift_end(&writer);
    }
    thrift_end(&writer);
}
