// Streaming decoders of zlib, libbz2 and libzstd. Memory: the libraries' windows (gzip 32 KiB, bzip2 4 MiB, zstd up to
// 128 MiB, as the frame asks). What can fail: damaged bytes, bytes behind the last member that begin no other, a zstd
// window that is larger (STATUS_CORRUPT).
#include "common/compress/compress_stream.h"

#include <bzlib.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/memory.h"

#define GZIP_WINDOW_BITS (15 + 16)
#define ZLIB_WINDOW_BITS 15

struct compress_stream {
    enum compress_stream_kind kind;
    bool inside; // of a member
    bool open;   // the library's state is there
    z_stream zlib;
    bz_stream bzip2;
    ZSTD_DCtx *zstd;
};

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);
    return length >= end && strcmp(name + length - end, suffix) == 0;
}

enum compress_stream_kind compress_stream_kind_of(const char *name)
{
    static const struct {
        const char *suffix;
        enum compress_stream_kind kind;
    } kinds[] = {
        {".gz", COMPRESS_STREAM_GZIP},     {".deflate", COMPRESS_STREAM_ZLIB},        {".bz2", COMPRESS_STREAM_BZIP2},
        {".zst", COMPRESS_STREAM_ZSTD},    {".snappy", COMPRESS_STREAM_REFUSED},      {".lz4", COMPRESS_STREAM_REFUSED},
        {".lzo", COMPRESS_STREAM_REFUSED}, {".lzo_deflate", COMPRESS_STREAM_REFUSED}, {".xz", COMPRESS_STREAM_REFUSED},
        {".Z", COMPRESS_STREAM_REFUSED},   {".br", COMPRESS_STREAM_REFUSED},          {".zip", COMPRESS_STREAM_REFUSED},
        {".7z", COMPRESS_STREAM_REFUSED},  {".tar", COMPRESS_STREAM_REFUSED},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (ends_with(name, kinds[i].suffix)) return kinds[i].kind;
    }
    return COMPRESS_STREAM_PLAIN;
}

const char *compress_stream_foreign(const uint8_t *bytes, size_t size)
{
    static const struct {
        const char *magic;
        size_t length;
        const char *what;
    } known[] = {
        {"PAR1", 4, "a Parquet file"},
        {"PARE", 4, "a Parquet file"},
        {"PK\x03\x04", 4, "a ZIP archive"},
        {"PK\x05\x06", 4, "a ZIP archive"},
        {"\x1f\x8b", 2, "gzip data"},
        {"BZh", 3, "bzip2 data"},
        {"\x28\xb5\x2f\xfd", 4, "zstd data"},
        {"\xfd"
         "7zXZ",
         5, "an xz archive"},
        {"7z\xbc\xaf\x27\x1c", 6, "a 7z archive"},
        {"\x04\x22\x4d\x18", 4, "an LZ4 file"},
        {"\xff\x06\x00\x00sNaPpY", 10, "a Snappy file"},
        {"Obj\x01", 4, "an Avro file"},
        {"ORC", 3, "an ORC file"},
        {"SQLite format 3", 15, "an SQLite database"},
        {"%PDF", 4, "a PDF document"},
        {"\xff\xfe\x00\x00", 4, "UTF-32 text"},
        {"\x00\x00\xfe\xff", 4, "UTF-32 text"},
        {"\xff\xfe", 2, "UTF-16 text"},
        {"\xfe\xff", 2, "UTF-16 text"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (size >= known[i].length && memcmp(bytes, known[i].magic, known[i].length) == 0) return known[i].what;
    }
    if (size < 2 || (bytes[0] && bytes[1])) return NULL;
    if (size >= 4 && !bytes[1] && !bytes[2]) return "UTF-32 text"; // { 0 0 0 and 0 0 0 {
    return bytes[0] || bytes[1] ? "UTF-16 text" : "no text";
}

static bool begin(struct compress_stream *stream)
{
    bool good = true;
    switch (stream->kind) {
    case COMPRESS_STREAM_GZIP:
    case COMPRESS_STREAM_ZLIB:
        good = inflateInit2(&stream->zlib,
                            stream->kind == COMPRESS_STREAM_GZIP ? GZIP_WINDOW_BITS : ZLIB_WINDOW_BITS) == Z_OK;
        break;
    case COMPRESS_STREAM_BZIP2: good = BZ2_bzDecompressInit(&stream->bzip2, 0, 0) == BZ_OK; break;
    case COMPRESS_STREAM_ZSTD: good = (stream->zstd = ZSTD_createDCtx()) != NULL; break;
    case COMPRESS_STREAM_PLAIN:
    case COMPRESS_STREAM_REFUSED: break;
    }
    return stream->open = good;
}

enum status compress_stream_create(enum compress_stream_kind kind, struct compress_stream **ret_stream,
                                   struct error *err)
{
    struct compress_stream *stream = memory_calloc(1, sizeof *stream);
    stream->kind = kind;
    if (begin(stream)) {
        *ret_stream = stream;
        return STATUS_OK;
    }
    memory_free(stream);
    return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE, "no memory for a decoder");
}

static void end(struct compress_stream *stream)
{
    if (!stream->open) return;
    stream->open = false;
    if (stream->kind == COMPRESS_STREAM_GZIP || stream->kind == COMPRESS_STREAM_ZLIB) inflateEnd(&stream->zlib);
    if (stream->kind == COMPRESS_STREAM_BZIP2) BZ2_bzDecompressEnd(&stream->bzip2);
    if (stream->kind == COMPRESS_STREAM_ZSTD) ZSTD_freeDCtx(stream->zstd);
}

void compress_stream_destroy(struct compress_stream *stream)
{
    if (!stream) return;
    end(stream);
    memory_free(stream);
}

bool compress_stream_whole(const struct compress_stream *stream)
{
    return !stream->inside;
}

size_t compress_stream_held_bytes(const struct compress_stream *stream)
{
    return stream->open && stream->kind == COMPRESS_STREAM_ZSTD ? ZSTD_sizeof_DCtx(stream->zstd) : 0;
}

// What one call of a library did: NULL, or what is wrong.
static const char *zlib_step(struct compress_stream *stream, const uint8_t *in, size_t *in_size, uint8_t *out,
                             size_t *out_size)
{
    z_stream *zlib = &stream->zlib;
    zlib->next_in = (Bytef *)(uintptr_t)in;
    zlib->avail_in = *in_size > UINT_MAX ? UINT_MAX : (uInt)*in_size;
    zlib->next_out = out;
    zlib->avail_out = *out_size > UINT_MAX ? UINT_MAX : (uInt)*out_size;
    uInt given_in = zlib->avail_in, given_out = zlib->avail_out;
    int result = inflate(zlib, Z_NO_FLUSH);
    *in_size = given_in - zlib->avail_in;
    *out_size = given_out - zlib->avail_out;
    if (*in_size) stream->inside = true;
    if (result == Z_STREAM_END) {
        stream->inside = false;
        return inflateReset(zlib) == Z_OK ? NULL : "zlib cannot go on";
    }
    if (result == Z_OK || result == Z_BUF_ERROR) return NULL;
    return zlib->msg ? zlib->msg : "zlib gives up";
}

static const char *bzip2_step(struct compress_stream *stream, const uint8_t *in, size_t *in_size, uint8_t *out,
                              size_t *out_size)
{
    bz_stream *bzip2 = &stream->bzip2;
    bzip2->next_in = (char *)(uintptr_t)in;
    bzip2->avail_in = *in_size > UINT_MAX ? UINT_MAX : (unsigned)*in_size;
    bzip2->next_out = (char *)out;
    bzip2->avail_out = *out_size > UINT_MAX ? UINT_MAX : (unsigned)*out_size;
    unsigned given_in = bzip2->avail_in, given_out = bzip2->avail_out;
    int result = BZ2_bzDecompress(bzip2);
    *in_size = given_in - bzip2->avail_in;
    *out_size = given_out - bzip2->avail_out;
    if (*in_size) stream->inside = true;
    if (result == BZ_STREAM_END) {
        stream->inside = false;
        end(stream);
        memset(bzip2, 0, sizeof *bzip2);
        return begin(stream) ? NULL : "bzip2 cannot go on";
    }
    if (result == BZ_OK) return NULL;
    return result == BZ_DATA_ERROR_MAGIC ? "it is not bzip2" : "bzip2 finds its data damaged";
}

static const char *zstd_step(struct compress_stream *stream, const uint8_t *in, size_t *in_size, uint8_t *out,
                             size_t *out_size)
{
    ZSTD_inBuffer from = {in, *in_size, 0};
    ZSTD_outBuffer to = {out, *out_size, 0};
    size_t result = ZSTD_decompressStream(stream->zstd, &to, &from);
    *in_size = from.pos;
    *out_size = to.pos;
    if (ZSTD_isError(result)) return ZSTD_getErrorName(result);
    if (from.pos || to.pos) stream->inside = result != 0;
    return NULL;
}

enum status compress_stream_decode(struct compress_stream *stream, const uint8_t *in, size_t in_size, uint8_t *out,
                                   size_t out_size, size_t *ret_used, size_t *ret_written, struct error *err)
{
    const char *wrong = NULL;
    *ret_used = *ret_written = 0;
    while (!wrong && *ret_written < out_size) {
        size_t used = in_size - *ret_used, written = out_size - *ret_written;
        if (!used && !stream->inside) break;
        const uint8_t *from = in + *ret_used;
        uint8_t *to = out + *ret_written;
        switch (stream->kind) {
        case COMPRESS_STREAM_GZIP:
        case COMPRESS_STREAM_ZLIB: wrong = zlib_step(stream, from, &used, to, &written); break;
        case COMPRESS_STREAM_BZIP2: wrong = bzip2_step(stream, from, &used, to, &written); break;
        case COMPRESS_STREAM_ZSTD: wrong = zstd_step(stream, from, &used, to, &written); break;
        case COMPRESS_STREAM_PLAIN:
            written = used = used < written ? used : written;
            if (used) memcpy(to, from, used);
            break;
        case COMPRESS_STREAM_REFUSED: wrong = "this compression is not supported"; break;
        }
        *ret_used += used;
        *ret_written += written;
        if (!wrong && !used && !written) break; // more input is needed
    }
    if (!wrong) return STATUS_OK;
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the compressed data are damaged: %s", wrong);
}
