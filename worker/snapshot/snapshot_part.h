// The format of a state snapshot part (P11): the changes of one operator on one lane in one epoch, or all of its state
// (base), as records by shard behind an index of shards. Little-endian.
//
//   "FSNP0001"  u32 shards in the index  u32 flags (1: base)  u64 entries
//   index       per shard, rising: u32 shard, u32 entries, u64 offset, u64 size, u64 XXH3 of its records
//   u64         XXH3 of everything before
//   records     per shard: varint key length, varint value length + 1 (0: removed), key, value
// Offsets count from the start of the part.
#ifndef FORESET_SNAPSHOT_SNAPSHOT_PART_H
#define FORESET_SNAPSHOT_SNAPSHOT_PART_H

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/base/vector.h"

struct snapshot_place { // records of one shard in a row
    uint32_t shard, entries;
    uint64_t offset, size;
};
struct snapshot_writer {
    struct text records; // as they came
    VECTOR(struct snapshot_place) places;
};
void snapshot_writer_add(struct snapshot_writer *writer, uint32_t shard, struct slice key, struct slice value);
void snapshot_writer_remove(struct snapshot_writer *writer, uint32_t shard, struct slice key);
// Makes the part; the writer is empty afterwards, also on failure (STATUS_NO_MEMORY).
enum status snapshot_writer_finish(struct snapshot_writer *writer, bool is_base, struct budget *budget,
                                   struct buffer **ret_bytes, size_t *ret_size, uint64_t *ret_entries,
                                   struct error *err) MUST_USE;
void snapshot_writer_deinit(struct snapshot_writer *writer);

struct snapshot_record {
    uint32_t shard;
    struct slice key;
    struct slice value;
    bool removed;
};
struct snapshot_reader {
    const uint8_t *bytes;
    size_t size;
    bool is_base;
    uint64_t entries;
    uint32_t shard_count;
    uint32_t next_shard; // place in the index
    uint32_t shard;
    uint64_t left_entries; // of the shard at hand
    const uint8_t *at, *end;
};
// Checks header, index and every shard's checksum. Hostile bytes give STATUS_CORRUPT, nothing worse.
enum status snapshot_reader_open(struct snapshot_reader *reader, const void *bytes, size_t size,
                                 struct error *err) MUST_USE;
// The next record, shards rising; *ret_end at the end.
enum status snapshot_reader_next(struct snapshot_reader *reader, struct snapshot_record *ret_record, bool *ret_end,
                                 struct error *err) MUST_USE;

#endif
