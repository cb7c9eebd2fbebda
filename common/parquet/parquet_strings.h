// Strings in PLAIN encoding, [u32 length][bytes] each, with their extremes.
#ifndef FORESET_PARQUET_PARQUET_STRINGS_H
#define FORESET_PARQUET_PARQUET_STRINGS_H

#include "common/parquet/parquet_minmax.h"
#include "common/parquet/parquet_shred.h"

// Whether up to BUFFER_PADDING bytes may be read from any value's start on, whatever its length.
bool parquet_strings_padded(const struct column *column);
enum status parquet_strings_append(struct parquet_bytes *out, struct parquet_minmax *minmax,
                                   const struct parquet_slots *slots, struct error *err) MUST_USE;

#endif
