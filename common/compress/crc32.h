// CRC-32 as zlib, gzip and Parquet's page checksums have it (polynomial 0x04C11DB7, reflected).
#ifndef FORESET_COMPRESS_CRC32_H
#define FORESET_COMPRESS_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_update(uint32_t crc, const void *bytes, size_t size); // start with crc 0

#endif
