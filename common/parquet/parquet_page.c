// Pages (parquet.thrift, DataPageV1): [u32 length + levels as RLE] twice at most, then values; compressed together,
// with the CRC-32 of the compressed bytes in the header. The codec is the chunk's: its first page decides whether
// compression saves at least a tenth, else the whole chunk is stored raw.
#include "common/parquet/parquet_page.h"

#include "common/compress/crc32.h"
#include "common/parquet/parquet_encode.h"

#define TRIAL_BYTES_MIN 1024u // a smaller first page tells nothing about those behind it
#define PAGE_BYTES_MAX  ((size_t)INT32_MAX - (1u << 20))

void parquet_page_decimal(uint8_t *out, __int128 value, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) out[i] = (uint8_t)(value >> (8 * (length - 1 - i)));
}

static enum compress_codec codec_of(enum parquet_codec codec)
{
    switch (codec) {
    case PARQUET_SNAPPY: return COMPRESS_SNAPPY;
    case PARQUET_GZIP: return COMPRESS_GZIP;
    case PARQUET_ZSTD: return COMPRESS_ZSTD;
    case PARQUET_LZ4_RAW: return COMPRESS_LZ4_RAW;
    case PARQUET_UNCOMPRESSED: break;
    }
    return COMPRESS_NONE;
}

static enum status pack(struct parquet_chunk *chunk, const uint8_t *raw, size_t size, struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_scratch *scratch = chunk->scratch;
    enum compress_codec codec = codec_of(chunk->codec);
    scratch->packed.size = 0;
    TRY(parquet_bytes_reserve(&scratch->packed, compress_bound(codec, size), err));
    TRY(compress_encode(scratch->compress, codec, scratch->options.zstd_level, raw, size, scratch->packed.data,
                        scratch->packed.capacity, &scratch->packed.size, err));
out:
    return status;
}

// Compresses into scratch->packed, or leaves the chunk uncompressed from now on.
static enum status settle_codec(struct parquet_chunk *chunk, const uint8_t *raw, size_t size, struct error *err)
{
    enum status status = STATUS_OK;
    size_t before = size, after = 0;
    if (chunk->mode == PARQUET_MODE_DICTIONARY) {
        TRY(pack(chunk, chunk->dictionary.plain.data, chunk->dictionary.plain.size, err));
        before += chunk->dictionary.plain.size;
        after += chunk->scratch->packed.size;
    }
    TRY(pack(chunk, raw, size, err));
    after += chunk->scratch->packed.size;
    bool telling = before >= TRIAL_BYTES_MIN || chunk->ending;
    if (telling && after * 10 > before * 9) chunk->codec = PARQUET_UNCOMPRESSED;
    chunk->codec_settled = true;
out:
    return status;
}

static void put_header(struct text *out, enum parquet_page_type type, size_t raw_size, size_t packed_size, uint32_t crc,
                       uint32_t count, enum parquet_encoding encoding)
{
    struct thrift_writer writer;
    text_reset(out);
    thrift_writer_init(&writer, out);
    thrift_put_i32(&writer, 1, (int32_t)type);
    thrift_put_i32(&writer, 2, (int32_t)raw_size);
    thrift_put_i32(&writer, 3, (int32_t)packed_size);
    thrift_put_i32(&writer, 4, (int32_t)crc);
    thrift_put_struct(&writer, type == PARQUET_DATA_PAGE ? 5 : 7);
    thrift_put_i32(&writer, 1, (int32_t)count);
    thrift_put_i32(&writer, 2, (int32_t)encoding);
    if (type == PARQUET_DATA_PAGE) {
        thrift_put_i32(&writer, 3, PARQUET_RLE);
        thrift_put_i32(&writer, 4, PARQUET_RLE);
    }
    thrift_end(&writer);
    thrift_end(&writer);
}

static enum status make_page(struct parquet_chunk *chunk, enum parquet_page_type type, const uint8_t *raw, size_t size,
                             uint32_t count, enum parquet_encoding encoding, struct parquet_page *ret_page,
                             struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_scratch *scratch = chunk->scratch;
    if (size > PAGE_BYTES_MAX || count > INT32_MAX) {
        TRY(error_set(
            err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
            "column %s: a page of %zu bytes and %u values; Parquet pages end at 2 GiB, so the values of a few "
            "rows are too large to write",
            chunk->leaf->path, size, count));
    }
    bool packed = false;
    if (!chunk->codec_settled) {
        TRY(settle_codec(chunk, raw, size, err));
        packed = true;
    }
    const uint8_t *body = raw;
    size_t body_size = size;
    if (chunk->codec != PARQUET_UNCOMPRESSED) {
        if (!packed) TRY(pack(chunk, raw, size, err));
        body = scratch->packed.data;
        body_size = scratch->packed.size;
    }
    put_header(&scratch->header, type, size, body_size, crc32_update(0, body, body_size), count, encoding);
    struct buffer *buffer;
    TRY(buffer_create(scratch->budget, scratch->header.length + body_size, &buffer, err));
    memcpy(buffer->data, scratch->header.data, scratch->header.length);
    if (body_size) memcpy(buffer->data + scratch->header.length, body, body_size);
    *ret_page = (struct parquet_page){buffer, (uint32_t)(scratch->header.length + body_size)};
    chunk->raw_bytes += scratch->header.length + size;
    chunk->packed_bytes += ret_page->size;
out:
    return status;
}

static enum status put_levels(struct parquet_bytes *out, const struct parquet_bytes *levels, uint8_t max,
                              struct error *err)
{
    enum status status = STATUS_OK;
    if (max == 0) return STATUS_OK;
    size_t start = out->size;
    TRY(parquet_bytes_reserve(out, sizeof(uint32_t), err));
    out->size += sizeof(uint32_t);
    TRY(parquet_encode_hybrid8(out, levels->data, (uint32_t)levels->size, parquet_encode_width(max), err));
    uint32_t length = (uint32_t)(out->size - start - sizeof length);
    memcpy(out->data + start, &length, sizeof length);
out:
    return status;
}

// Definition levels that are all the greatest: one run.
static enum status put_full_levels(struct parquet_bytes *out, uint32_t count, uint8_t max, struct error *err)
{
    uint8_t levels[16];
    uint32_t length = (uint32_t)parquet_encode_varint(levels + sizeof length, (uint64_t)count << 1);
    levels[sizeof length + length++] = max;
    memcpy(levels, &length, sizeof length);
    return parquet_bytes_append(out, levels, sizeof length + length, err);
}

static enum status put_values(struct parquet_chunk *chunk, struct parquet_bytes *out,
                              enum parquet_encoding *ret_encoding, struct error *err)
{
    enum status status = STATUS_OK;
    // Without values every encoding but PLAIN has a header that some reader stumbles over.
    *ret_encoding = PARQUET_PLAIN;
    if (chunk->value_count == 0) return STATUS_OK;
    const uint8_t *values = chunk->values.data + PARQUET_CHUNK_HEAD;
    switch (chunk->mode) {
    case PARQUET_MODE_PLAIN:
        TRY(parquet_bytes_append(out, values, chunk->values.size - PARQUET_CHUNK_HEAD, err));
        break;
    case PARQUET_MODE_BOOLEAN: TRY(parquet_encode_booleans(out, values, chunk->value_count, err)); break;
    case PARQUET_MODE_DELTA:
        *ret_encoding = PARQUET_DELTA_BINARY_PACKED;
        TRY(parquet_delta_finish(&chunk->delta, out, err));
        break;
    case PARQUET_MODE_DICTIONARY:
        *ret_encoding = PARQUET_RLE_DICTIONARY;
        uint8_t width = (uint8_t)parquet_encode_width(chunk->dictionary.count - 1);
        TRY(parquet_bytes_append(out, &width, 1, err));
        TRY(parquet_encode_hybrid32(out, parquet_chunk_indices(chunk), chunk->value_count, width, err));
        break;
    }
out:
    return status;
}

enum status parquet_page_data(struct parquet_chunk *chunk, struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_bytes *body = &chunk->scratch->body;
    enum parquet_encoding encoding = PARQUET_PLAIN;
    struct parquet_page page;
    const struct parquet_leaf *leaf = chunk->leaf;
    body->size = 0;
    TRY(put_levels(body, &chunk->rep, leaf->max_rep, err));
    if (chunk->value_count == chunk->level_count && leaf->max_def) {
        TRY(put_full_levels(body, chunk->level_count, leaf->max_def, err));
    } else {
        TRY(put_levels(body, &chunk->def, leaf->max_def, err));
    }
    const uint8_t *raw;
    size_t size;
    if (chunk->mode == PARQUET_MODE_PLAIN && chunk->value_count && body->size <= PARQUET_CHUNK_HEAD) {
        raw = chunk->values.data + PARQUET_CHUNK_HEAD - body->size;
        size = chunk->values.size - PARQUET_CHUNK_HEAD + body->size;
        memcpy(chunk->values.data + PARQUET_CHUNK_HEAD - body->size, body->data, body->size);
    } else {
        TRY(put_values(chunk, body, &encoding, err));
        raw = body->data;
        size = body->size;
    }
    TRY(make_page(chunk, PARQUET_DATA_PAGE, raw, size, chunk->level_count, encoding, &page, err));
    chunk->plain_pages += encoding == PARQUET_PLAIN;
    chunk->delta_pages += encoding == PARQUET_DELTA_BINARY_PACKED;
    chunk->dictionary_pages += encoding == PARQUET_RLE_DICTIONARY;
    vector_push(&chunk->pages, page);
out:
    return status;
}

enum status parquet_page_dictionary(struct parquet_chunk *chunk, struct error *err)
{
    return make_page(chunk, PARQUET_DICTIONARY_PAGE, chunk->dictionary.plain.data, chunk->dictionary.plain.size,
                     chunk->dictionary.count, PARQUET_PLAIN, &chunk->dictionary_page, err);
}
