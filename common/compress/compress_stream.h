// Compressed files as streams: bytes in, bytes out, of any length. Files may hold several members (gzip), streams
// (bzip2) or frames (zstd) one after the other; what they hold is joined.
#ifndef FORESET_COMPRESS_COMPRESS_STREAM_H
#define FORESET_COMPRESS_COMPRESS_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

enum compress_stream_kind {
    COMPRESS_STREAM_PLAIN,
    COMPRESS_STREAM_GZIP,    // .gz
    COMPRESS_STREAM_ZLIB,    // .deflate
    COMPRESS_STREAM_BZIP2,   // .bz2
    COMPRESS_STREAM_ZSTD,    // .zst
    COMPRESS_STREAM_REFUSED, // Spark reads it, or nobody does: not built here
};
// By the end of the file's name, as Spark decides: upper and lower case differ.
enum compress_stream_kind compress_stream_kind_of(const char *name);
// What the first bytes of a text file say that it is, if it is no text ("a Parquet file"); NULL: nothing is known.
const char *compress_stream_foreign(const uint8_t *bytes, size_t size);

struct compress_stream;
enum status compress_stream_create(enum compress_stream_kind kind, struct compress_stream **ret_stream,
                                   struct error *err) MUST_USE;
void compress_stream_destroy(struct compress_stream *stream); // NULL allowed
// Decodes what it can: *ret_used bytes of in, *ret_written bytes of out; both 0 where in is empty and nothing is held
// back. STATUS_CORRUPT: damaged.
enum status compress_stream_decode(struct compress_stream *stream, const uint8_t *in, size_t in_size, uint8_t *out,
                                   size_t out_size, size_t *ret_used, size_t *ret_written,
                                   struct error *err) MUST_USE;
// Bytes that the decoder holds now, as far as they differ from one file to another (zstd's window).
size_t compress_stream_held_bytes(const struct compress_stream *stream);
// Whether the input may end here: between members, or before the first.
bool compress_stream_whole(const struct compress_stream *stream);

#endif
