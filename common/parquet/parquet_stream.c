// Pages to levels and values. What can fail: damage (STATUS_CORRUPT, checksums included), codecs and level encodings
// that are not built (STATUS_UNSUPPORTED), the budget. Pages are V1 or V2 of parquet.thrift.
#include "common/parquet/parquet_stream.h"

#include "common/compress/crc32.h"
#include "common/parquet/parquet_encode.h"

void parquet_stream_init(struct parquet_stream *stream, const struct parquet_node *leaf, struct compress *compress,
                         struct budget *budget)
{
    *stream = (struct parquet_stream){
        .leaf = leaf, .max_def = leaf->def, .max_rep = leaf->rep, .budget = budget, .compress = compress};
    parquet_store_init(&stream->dictionary, leaf, budget);
    parquet_store_init(&stream->store, leaf, budget);
    parquet_values_init(&stream->values, leaf, budget);
    parquet_bytes_init(&stream->page, budget);
    parquet_bytes_init(&stream->def, budget);
    parquet_bytes_init(&stream->rep, budget);
}

void parquet_stream_deinit(struct parquet_stream *stream)
{
    parquet_store_deinit(&stream->dictionary);
    parquet_store_deinit(&stream->store);
    parquet_values_deinit(&stream->values);
    parquet_bytes_deinit(&stream->page);
    parquet_bytes_deinit(&stream->def);
    parquet_bytes_deinit(&stream->rep);
    column_unref(stream->dictionary_column);
    stream->dictionary_column = NULL;
}

static enum status corrupt(const struct parquet_stream *stream, const char *what, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "column %s of the Parquet file is damaged: %s",
                     stream->leaf->name, what);
}

enum status parquet_stream_chunk(struct parquet_stream *stream, const struct parquet_chunk_meta *chunk,
                                 const uint8_t *bytes, size_t size, struct error *err)
{
    if (chunk->physical != (int32_t)stream->leaf->physical) {
        return corrupt(stream, "its chunk's type is not the schema's", err);
    }
    stream->chunk = chunk;
    stream->bytes = bytes;
    stream->end = size;
    stream->at = 0;
    stream->chunk_left = (uint64_t)chunk->value_count;
    stream->page_left = 0;
    stream->ahead_at = stream->ahead_count = 0;
    stream->has_dictionary = false;
    parquet_store_reset(&stream->dictionary);
    column_unref(stream->dictionary_column);
    stream->dictionary_column = NULL;
    return STATUS_OK;
}

static enum status codec_of(const struct parquet_stream *stream, enum compress_codec *ret_codec, struct error *err)
{
    static const enum compress_codec codecs[] = {
        [0] = COMPRESS_NONE,       [1] = COMPRESS_SNAPPY, [2] = COMPRESS_GZIP,
        [5] = COMPRESS_LZ4_HADOOP, [6] = COMPRESS_ZSTD,   [7] = COMPRESS_LZ4_RAW,
    };
    int32_t codec = stream->chunk->codec;
    if (codec == 3 || codec == 4) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "column %s of the Parquet file is compressed with %s, which is not built in: rewrite the file "
                         "with zstd or snappy",
                         stream->leaf->name, codec == 3 ? "lzo" : "brotli");
    }
    if (codec < 0 || codec > 7) return corrupt(stream, "its codec is unknown", err);
    *ret_codec = codecs[codec];
    return STATUS_OK;
}

// Decompresses the packed bytes behind `plain` bytes that stand as they are (levels of V2).
static enum status unpack(struct parquet_stream *stream, const struct parquet_page_header *header, const uint8_t *body,
                          size_t plain, bool compressed, const uint8_t **ret_bytes, size_t *ret_size, struct error *err)
{
    enum status status = STATUS_OK;
    enum compress_codec codec = COMPRESS_NONE;
    size_t packed = (size_t)header->packed_size, raw = (size_t)header->raw_size;
    if (compressed) TRY(codec_of(stream, &codec, err));
    if (packed < plain || raw < plain) TRY(corrupt(stream, "a page is shorter than its levels", err));
    // Some writers announce a page without values as compressed and leave nothing there.
    if (codec == COMPRESS_NONE || packed == plain) {
        if (codec == COMPRESS_NONE && packed != raw) TRY(corrupt(stream, "a page has a wrong size", err));
        *ret_bytes = body;
        *ret_size = packed;
        goto out;
    }
    stream->page.size = 0;
    TRY(parquet_bytes_reserve(&stream->page, raw + 1, err)); // there even for an empty page
    if (plain) memcpy(stream->page.data, body, plain);
    TRY(compress_decode(stream->compress, codec, body + plain, packed - plain, stream->page.data + plain, raw - plain,
                        err));
    *ret_bytes = stream->page.data;
    *ret_size = raw;
out:
    return status;
}

static enum status open_dictionary(struct parquet_stream *stream, const struct parquet_page_header *header,
                                   const uint8_t *body, struct error *err)
{
    enum status status = STATUS_OK;
    const uint8_t *bytes;
    size_t size;
    if (stream->has_dictionary || header->value_count < 0) TRY(corrupt(stream, "its dictionary is damaged", err));
    if (header->encoding != PARQUET_PLAIN && header->encoding != PARQUET_PLAIN_DICTIONARY) {
        TRY(corrupt(stream, "its dictionary has an unknown encoding", err));
    }
    TRY(unpack(stream, header, body, 0, true, &bytes, &size, err));
    uint32_t count = (uint32_t)header->value_count;
    TRY(parquet_values_open(&stream->values, PARQUET_PLAIN, bytes, size, count, err));
    TRY(parquet_values_next(&stream->values, count, NULL, &stream->dictionary, err));
    stream->has_dictionary = true;
out:
    return status;
}

// V1: each kind of levels stands behind its length, in the compressed body.
static enum status open_levels_v1(struct parquet_stream *stream, struct parquet_hybrid_in *in, uint8_t max,
                                  int32_t encoding, const uint8_t **at, const uint8_t *end, struct error *err)
{
    uint32_t length;
    parquet_decode_hybrid(in, NULL, 0, 0);
    if (max == 0) return STATUS_OK;
    if (encoding != PARQUET_RLE) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "column %s of the Parquet file has levels of encoding %d, which is not read",
                         stream->leaf->name, encoding);
    }
    if (end - *at < (ptrdiff_t)sizeof length) return corrupt(stream, "a page ends in its levels", err);
    memcpy(&length, *at, sizeof length);
    *at += sizeof length;
    if (length > (size_t)(end - *at)) return corrupt(stream, "a page ends in its levels", err);
    parquet_decode_hybrid(in, *at, length, parquet_encode_width(max));
    *at += length;
    return STATUS_OK;
}

static enum status open_page_v1(struct parquet_stream *stream, const struct parquet_page_header *header,
                                const uint8_t *body, struct error *err)
{
    enum status status = STATUS_OK;
    const uint8_t *at;
    size_t size;
    TRY(unpack(stream, header, body, 0, true, &at, &size, err));
    const uint8_t *end = at + size;
    TRY(open_levels_v1(stream, &stream->rep_in, stream->max_rep, header->rep_encoding, &at, end, err));
    TRY(open_levels_v1(stream, &stream->def_in, stream->max_def, header->def_encoding, &at, end, err));
    TRY(parquet_values_open(&stream->values, header->encoding, at, (size_t)(end - at), stream->page_left, err));
out:
    return status;
}

static enum status open_page_v2(struct parquet_stream *stream, const struct parquet_page_header *header,
                                const uint8_t *body, struct error *err)
{
    enum status status = STATUS_OK;
    size_t rep = (size_t)header->rep_bytes, def = (size_t)header->def_bytes, size;
    const uint8_t *at;
    TRY(unpack(stream, header, body, rep + def, header->compressed, &at, &size, err));
    const uint8_t *end = at + size;
    parquet_decode_hybrid(&stream->rep_in, at, rep, stream->max_rep ? parquet_encode_width(stream->max_rep) : 0);
    parquet_decode_hybrid(&stream->def_in, at + rep, def, stream->max_def ? parquet_encode_width(stream->max_def) : 0);
    at += rep + def;
    TRY(parquet_values_open(&stream->values, header->encoding, at, (size_t)(end - at), stream->page_left, err));
out:
    return status;
}

static enum status open_page(struct parquet_stream *stream, struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_page_header header;
    if (stream->at >= stream->end) TRY(corrupt(stream, "its pages end before its values do", err));
    TRY(parquet_metadata_page(stream->bytes + stream->at, stream->end - stream->at, &header, err));
    const uint8_t *body = stream->bytes + stream->at + header.header_size;
    if (header.has_crc && crc32_update(0, body, (size_t)header.packed_size) != header.crc) {
        TRY(corrupt(stream, "a page's checksum is wrong", err));
    }
    stream->at += header.header_size + (size_t)header.packed_size;
    if (header.type == PARQUET_DICTIONARY_PAGE) {
        TRY(open_dictionary(stream, &header, body, err));
    } else if (header.type == PARQUET_DATA_PAGE || header.type == PARQUET_DATA_PAGE_V2) {
        if (header.value_count < 0 || (uint64_t)header.value_count > stream->chunk_left) {
            TRY(corrupt(stream, "its pages have more values than the chunk", err));
        }
        stream->page_left = (uint32_t)header.value_count;
        stream->chunk_left -= stream->page_left;
        stream->levels_measured = header.type == PARQUET_DATA_PAGE_V2;
        TRY(header.type == PARQUET_DATA_PAGE ? open_page_v1(stream, &header, body, err)
                                             : open_page_v2(stream, &header, body, err));
    }
out:
    return status;
}

static enum status read_ahead(struct parquet_stream *stream, struct error *err)
{
    enum status status = STATUS_OK;
    while (stream->page_left == 0 && stream->chunk_left > 0) TRY(open_page(stream, err));
    uint32_t count = stream->page_left < PARQUET_STREAM_AHEAD ? stream->page_left : PARQUET_STREAM_AHEAD;
    if (!parquet_decode_hybrid_next(&stream->rep_in, stream->ahead_rep, count) ||
        !parquet_decode_hybrid_next(&stream->def_in, stream->ahead_def, count)) {
        TRY(corrupt(stream, "a page has fewer levels than values", err));
    }
    stream->page_left -= count;
    if (stream->levels_measured && count && stream->page_left == 0 &&
        ((stream->max_def && !parquet_decode_hybrid_ended(&stream->def_in)) ||
         (stream->max_rep && !parquet_decode_hybrid_ended(&stream->rep_in)))) {
        TRY(corrupt(stream, "a page's levels end before the length in its header", err));
    }
    stream->ahead_at = 0;
    stream->ahead_count = count;
out:
    return status;
}

// Takes levels read ahead until rows are complete; their values follow at once, before the next page opens.
static enum status take_levels(struct parquet_stream *stream, uint32_t count, uint32_t *rows, bool *ret_done,
                               struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t from = stream->ahead_at, at = from, present = 0;
    for (; at < stream->ahead_count; at++) {
        if (stream->ahead_rep[at] == 0 && *rows == count) break;
        *rows += stream->ahead_rep[at] == 0;
        present += stream->ahead_def[at] == stream->max_def;
    }
    uint32_t taken = at - from;
    TRY(parquet_bytes_reserve(&stream->def, taken, err));
    TRY(parquet_bytes_reserve(&stream->rep, taken, err));
    for (uint32_t i = from; i < at; i++) {
        if (stream->ahead_def[i] > stream->max_def || stream->ahead_rep[i] > stream->max_rep) {
            TRY(corrupt(stream, "a level is greater than the schema allows", err));
        }
        stream->def.data[stream->def.size++] = (uint8_t)stream->ahead_def[i];
        stream->rep.data[stream->rep.size++] = (uint8_t)stream->ahead_rep[i];
    }
    TRY(parquet_values_next(&stream->values, present, stream->has_dictionary ? &stream->dictionary : NULL,
                            &stream->store, err));
    stream->level_count += taken;
    stream->ahead_at = at;
    *ret_done = at < stream->ahead_count;
out:
    return status;
}

enum status parquet_stream_rows(struct parquet_stream *stream, uint32_t count, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t rows = 0;
    bool done = count == 0;
    stream->level_count = 0;
    stream->def.size = stream->rep.size = 0;
    parquet_store_reset(&stream->store);
    while (!done) {
        if (stream->ahead_at == stream->ahead_count) {
            if (rows == count && stream->max_rep == 0) break;
            TRY(read_ahead(stream, err));
            if (stream->ahead_count == 0) break;
        }
        TRY(take_levels(stream, count, &rows, &done, err));
        if (stream->level_count > INT32_MAX) TRY(corrupt(stream, "a batch of rows has too many values", err));
    }
    if (rows != count) TRY(corrupt(stream, "it has fewer rows than the row group", err));
    if (stream->level_count && stream->rep.data[0] != 0) TRY(corrupt(stream, "a row begins within another", err));
out:
    return status;
}

enum status parquet_stream_dictionary(struct parquet_stream *stream, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *values = NULL, *offsets = NULL;
    const struct parquet_store *store = &stream->dictionary;
    if (!stream->dictionary_column) {
        TRY(buffer_create(stream->budget, store->data.size, &values, err));
        TRY(buffer_create(stream->budget, (store->count + 1ull) * sizeof(int32_t), &offsets, err));
        if (store->data.size) memcpy(values->data, store->data.data, store->data.size);
        memset(offsets->data, 0, sizeof(int32_t));
        if (store->count) memcpy(offsets->data + sizeof(int32_t), store->ends.data, store->count * sizeof(int32_t));
        if (!parquet_store_utf8(store)) TRY(corrupt(stream, "a string is not UTF-8", err));
        stream->dictionary_column = column_create(type_of(TYPE_STRING), store->count, 0, NULL, values, offsets);
        values = offsets = NULL;
    }
    *ret_column = stream->dictionary_column;
out:
    buffer_unref(values);
    buffer_unref(offsets);
    return status;
}
