// Pages of a chunk being written: levels and values of the page in progress to an encoded, compressed, checksummed
// page.
#ifndef FORESET_PARQUET_PARQUET_PAGE_H
#define FORESET_PARQUET_PARQUET_PAGE_H

#include "common/parquet/parquet_chunk.h"

// Adds the chunk's page in progress (at least one level) to its pages.
enum status parquet_page_data(struct parquet_chunk *chunk, struct error *err) MUST_USE;
// Makes the chunk's dictionary page.
enum status parquet_page_dictionary(struct parquet_chunk *chunk, struct error *err) MUST_USE;
// The low length bytes of value, big-endian.
void parquet_page_decimal(uint8_t *out, __int128 value, uint32_t length);

#endif
