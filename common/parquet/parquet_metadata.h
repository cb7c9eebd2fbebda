// A file's footer as it stands there, read with distrust: schema elements, row groups, column chunks. Strings point
// into it. Offsets are checked to lie in the file; what the numbers promise is checked where they are used.
#ifndef FORESET_PARQUET_PARQUET_METADATA_H
#define FORESET_PARQUET_PARQUET_METADATA_H

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/parquet/parquet_format.h"

#define PARQUET_TAIL_SIZE 8 // the footer's length and the magic

struct parquet_element {
    struct slice name;
    int32_t physical; // enum parquet_physical; -1: a group
    int32_t repetition;
    int32_t fixed_length, children;
    int32_t converted; // enum parquet_converted
    int32_t logical;   // enum parquet_logical, or a number from the future
    int32_t scale, precision;
    int32_t time_unit; // enum parquet_time_unit
    bool utc;
    int32_t int_bits;
    bool int_signed;
};

struct parquet_chunk_meta {
    int32_t physical, codec;
    int64_t value_count; // with nulls
    int64_t raw_bytes;
    int64_t dictionary_offset, data_offset;
    bool elsewhere, encrypted;
};

struct parquet_group_meta {
    int64_t rows;
    struct parquet_chunk_meta *chunks;
    uint32_t chunk_count;
};

struct parquet_metadata {
    struct arena arena;
    int64_t rows; // of the row groups together; what the footer says beside is not used, as in Spark
    struct parquet_element *elements;
    uint32_t element_count;
    struct parquet_group_meta *groups;
    uint32_t group_count;
    uint64_t footer_offset; // in the file; pages end here
    // Spark's keys (org.apache.spark.*): times are of the hybrid calendar, in this zone (parquet_rebase.h).
    struct slice spark_version, spark_zone; // no data: not given
    bool legacy_times, legacy_int96;
    uint64_t *starts; // of all chunks, ascending
    size_t start_count;
};

// Where the footer begins, from a file's last bytes: all of them, or at least eight.
enum status parquet_metadata_find(const uint8_t *tail, size_t tail_size, uint64_t file_size, uint64_t *ret_offset,
                                  struct error *err) MUST_USE;
// bytes: the footer without the eight bytes behind it; offset: where it stands in the file.
enum status parquet_metadata_read(struct parquet_metadata *metadata, const uint8_t *bytes, size_t size, uint64_t offset,
                                  struct error *err) MUST_USE;
void parquet_metadata_deinit(struct parquet_metadata *metadata);
// The bytes of a chunk's pages, from its first page to where another chunk or the footer begins: a size that is told
// as well is wrong in files of old writers (PARQUET-816).
uint64_t parquet_metadata_chunk_start(const struct parquet_chunk_meta *chunk);
uint64_t parquet_metadata_chunk_end(const struct parquet_metadata *metadata, const struct parquet_chunk_meta *chunk);

// A page header.
struct parquet_page_header {
    int32_t type;
    int32_t raw_size, packed_size;
    bool has_crc;
    uint32_t crc;
    int32_t value_count, encoding;
    int32_t def_encoding, rep_encoding; // V1
    int32_t def_bytes, rep_bytes;       // V2
    bool compressed;                    // V2
    size_t header_size;
};
enum status parquet_metadata_page(const uint8_t *bytes, size_t size, struct parquet_page_header *ret_header,
                                  struct error *err) MUST_USE;

#endif
