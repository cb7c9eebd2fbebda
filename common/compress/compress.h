// Codecs over whole blocks in memory. Input of the decoders is hostile: they write exactly the size the caller expects,
// or fail with STATUS_CORRUPT. Parquet's meaning of each codec (Compression.md): raw snappy, concatenated gzip members,
// zstd frames, LZ4 blocks without a frame.
#ifndef FORESET_COMPRESS_COMPRESS_H
#define FORESET_COMPRESS_COMPRESS_H

#include <stddef.h>

#include "common/base/error.h"

enum compress_codec {
    COMPRESS_NONE,
    COMPRESS_SNAPPY,
    COMPRESS_GZIP, // the decoder takes zlib's frame as well
    COMPRESS_ZSTD,
    COMPRESS_LZ4_RAW,
    COMPRESS_LZ4_HADOOP, // blocks of [u32 BE raw size][u32 BE size][LZ4 block], or one bare block; decoding only
};
const char *compress_codec_name(enum compress_codec codec);

struct compress; // contexts kept between calls; one thread at a time
struct compress *compress_create(void);
void compress_destroy(struct compress *compress); // NULL allowed

// The most bytes that size bytes can become.
size_t compress_bound(enum compress_codec codec, size_t size);
// level: zstd (0: 1) and gzip (0: 6); others ignore it. capacity >= compress_bound() never fails for want of room.
enum status compress_encode(struct compress *compress, enum compress_codec codec, int level, const void *bytes,
                            size_t size, void *out, size_t capacity, size_t *ret_size, struct error *err) MUST_USE;
// Decodes to exactly out_size bytes.
enum status compress_decode(struct compress *compress, enum compress_codec codec, const void *bytes, size_t size,
                            void *out, size_t out_size, struct error *err) MUST_USE;

#endif
