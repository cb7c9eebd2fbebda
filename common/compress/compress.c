// Codecs. Happy path: one switch, one library call. What can fail: a block that is damaged or of another size than
// expected (STATUS_CORRUPT), an output that does not fit (a caller's mistake, STATUS_ERROR).
#include "common/compress/compress.h"

#include <limits.h>
#include <stdint.h>
#include <lz4.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/memory.h"

#define GZIP_WINDOW_BITS         (15 + 16)
#define GZIP_OR_ZLIB_WINDOW_BITS (15 + 32)
#define FAST_HASH_LOG            12
#define FAST_MATCH               5
#define FAST_STEP                4

struct compress {
    ZSTD_CCtx *zstd_encoder;
    ZSTD_DCtx *zstd_decoder;
};

const char *compress_codec_name(enum compress_codec codec)
{
    switch (codec) {
    case COMPRESS_NONE: return "uncompressed";
    case COMPRESS_SNAPPY: return "snappy";
    case COMPRESS_GZIP: return "gzip";
    case COMPRESS_ZSTD: return "zstd";
    case COMPRESS_LZ4_RAW: return "lz4_raw";
    case COMPRESS_LZ4_HADOOP: return "lz4";
    }
    return "unknown";
}

struct compress *compress_create(void)
{
    return memory_calloc(1, sizeof(struct compress));
}

void compress_destroy(struct compress *compress)
{
    if (!compress) return;
    ZSTD_freeCCtx(compress->zstd_encoder);
    ZSTD_freeDCtx(compress->zstd_decoder);
    memory_free(compress);
}

size_t compress_bound(enum compress_codec codec, size_t size)
{
    switch (codec) {
    case COMPRESS_SNAPPY: return snappy_max_compressed_length(size);
    case COMPRESS_GZIP: return compressBound((uLong)size) + 32;
    case COMPRESS_ZSTD: return ZSTD_compressBound(size);
    case COMPRESS_LZ4_RAW: return size + size / 255 + 16;
    case COMPRESS_NONE:
    case COMPRESS_LZ4_HADOOP: break;
    }
    return size;
}

static enum status encode_failed(enum compress_codec codec, size_t size, const char *why, struct error *err)
{
    return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "cannot compress a block of %zu bytes with %s: %s", size,
                     compress_codec_name(codec), why);
}

static enum status gzip_encode(int level, const void *bytes, size_t size, void *out, size_t capacity, size_t *ret_size,
                               struct error *err)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes,
                       .avail_in = (uInt)size,
                       .next_out = out,
                       .avail_out = capacity > UINT_MAX ? UINT_MAX : (uInt)capacity};
    if (size > UINT_MAX) return encode_failed(COMPRESS_GZIP, size, "blocks must be smaller than 4 GiB", err);
    if (deflateInit2(&stream, level ? level : 6, Z_DEFLATED, GZIP_WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return encode_failed(COMPRESS_GZIP, size, "zlib does not start", err);
    }
    int result = deflate(&stream, Z_FINISH);
    *ret_size = capacity - stream.avail_out;
    deflateEnd(&stream);
    if (result != Z_STREAM_END) return encode_failed(COMPRESS_GZIP, size, "the output does not fit", err);
    return STATUS_OK;
}

// Level 1 as columns like it: a table that stays in the first cache, matches of five bytes at least, and larger steps
// where nothing matches, with literals still packed, which the library gives up where steps are set. Measured
// on pages of strings: a sixth less time for the same size.
static void zstd_tune(ZSTD_CCtx *encoder, int level)
{
    bool fast = level == 1 && !ZSTD_isError(ZSTD_CCtx_setParameter(encoder, ZSTD_c_experimentalParam5, 1));
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_hashLog, fast ? FAST_HASH_LOG : 0);
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_minMatch, fast ? FAST_MATCH : 0);
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_targetLength, fast ? FAST_STEP : 0);
    if (!fast) ZSTD_CCtx_setParameter(encoder, ZSTD_c_experimentalParam5, 0);
}

static enum status zstd_encode(struct compress *compress, int level, const void *bytes, size_t size, void *out,
                               size_t capacity, size_t *ret_size, struct error *err)
{
    if (!compress->zstd_encoder) compress->zstd_encoder = ZSTD_createCCtx();
    ASSERT(compress->zstd_encoder);
    zstd_tune(compress->zstd_encoder, level ? level : 1);
    size_t written = ZSTD_compress2(compress->zstd_encoder, out, capacity, bytes, size);
    if (ZSTD_isError(written)) return encode_failed(COMPRESS_ZSTD, size, ZSTD_getErrorName(written), err);
    *ret_size = written;
    return STATUS_OK;
}

enum status compress_encode(struct compress *compress, enum compress_codec codec, int level, const void *bytes,
                            size_t size, void *out, size_t capacity, size_t *ret_size, struct error *err)
{
    size_t written = capacity;
    int lz4_written;
    switch (codec) {
    case COMPRESS_NONE:
        if (capacity < size) return encode_failed(codec, size, "the output does not fit", err);
        memcpy(out, bytes, size);
        *ret_size = size;
        return STATUS_OK;
    case COMPRESS_SNAPPY:
        if (snappy_compress(bytes, size, out, &written) != SNAPPY_OK) {
            return encode_failed(codec, size, "the output does not fit", err);
        }
        *ret_size = written;
        return STATUS_OK;
    case COMPRESS_GZIP: return gzip_encode(level, bytes, size, out, capacity, ret_size, err);
    case COMPRESS_ZSTD: return zstd_encode(compress, level, bytes, size, out, capacity, ret_size, err);
    case COMPRESS_LZ4_RAW:
        if (size > LZ4_MAX_INPUT_SIZE) return encode_failed(codec, size, "blocks must be smaller than 2 GiB", err);
        lz4_written = LZ4_compress_default(bytes, out, (int)size, capacity > INT_MAX ? INT_MAX : (int)capacity);
        if (lz4_written <= 0) return encode_failed(codec, size, "the output does not fit", err);
        *ret_size = (size_t)lz4_written;
        return STATUS_OK;
    case COMPRESS_LZ4_HADOOP: break;
    }
    return encode_failed(codec, size, "this codec is only read", err);
}

static enum status corrupt(enum compress_codec codec, size_t size, size_t out_size, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                     "a %s block of %zu bytes is damaged: it does not decode to the %zu bytes that were announced",
                     compress_codec_name(codec), size, out_size);
}

static bool gzip_decode(const void *bytes, size_t size, void *out, size_t out_size)
{
    if (size > UINT_MAX || out_size > UINT_MAX) return false;
    z_stream stream = {
        .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)size, .next_out = out, .avail_out = (uInt)out_size};
    if (inflateInit2(&stream, GZIP_OR_ZLIB_WINDOW_BITS) != Z_OK) return false;
    int result = Z_OK;
    while (result == Z_OK) {
        result = inflate(&stream, Z_FINISH);
        // Members may follow one another (RFC 1952).
        if (result == Z_STREAM_END && stream.avail_in > 0) result = inflateReset(&stream);
    }
    bool good = result == Z_STREAM_END && stream.avail_out == 0;
    inflateEnd(&stream);
    return good;
}

static uint32_t big_endian_32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool lz4_decode(const uint8_t *bytes, size_t size, uint8_t *out, size_t out_size)
{
    if (size > INT_MAX || out_size > INT_MAX) return false;
    return LZ4_decompress_safe((const char *)bytes, (char *)out, (int)size, (int)out_size) == (int)out_size;
}

static bool lz4_hadoop_decode(const uint8_t *bytes, size_t size, uint8_t *out, size_t out_size)
{
    size_t done = 0, at = 0;
    while (size - at >= 8) {
        size_t raw = big_endian_32(bytes + at), packed = big_endian_32(bytes + at + 4);
        if (raw > out_size - done || packed > size - at - 8) return false;
        if (!lz4_decode(bytes + at + 8, packed, out + done, raw)) return false;
        done += raw;
        at += 8 + packed;
    }
    return done == out_size && at == size;
}

enum status compress_decode(struct compress *compress, enum compress_codec codec, const void *bytes, size_t size,
                            void *out, size_t out_size, struct error *err)
{
    bool good = false;
    size_t length = 0;
    switch (codec) {
    case COMPRESS_NONE:
        good = size == out_size;
        if (good) memcpy(out, bytes, size);
        break;
    case COMPRESS_SNAPPY:
        good = snappy_uncompressed_length(bytes, size, &length) == SNAPPY_OK && length == out_size &&
               snappy_uncompress(bytes, size, out, &length) == SNAPPY_OK && length == out_size;
        break;
    case COMPRESS_GZIP: good = gzip_decode(bytes, size, out, out_size); break;
    case COMPRESS_ZSTD:
        if (!compress->zstd_decoder) compress->zstd_decoder = ZSTD_createDCtx();
        ASSERT(compress->zstd_decoder);
        good = ZSTD_decompressDCtx(compress->zstd_decoder, out, out_size, bytes, size) == out_size;
        break;
    case COMPRESS_LZ4_RAW: good = lz4_decode(bytes, size, out, out_size); break;
    case COMPRESS_LZ4_HADOOP:
        good = lz4_hadoop_decode(bytes, size, out, out_size) || lz4_decode(bytes, size, out, out_size);
        break;
    }
    return good ? STATUS_OK : corrupt(codec, size, out_size, err);
}
