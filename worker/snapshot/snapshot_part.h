// The format of a state snapshot part (P11): the changes of one operator on one lane in one epoch, or all of its state
// (base), as records by shard behind an index of shards. Little-endian.
//
//   "FSNP0002"  u32 shards in the index  u32 flags (1: base)  u64 entries  u32 writer  u32 least reader
//   index       per shard, rising: u32 shard, u32 entries, u64 offset, u64 size, u64 XXH3 of its records
//   u64         XXH3 of everything before
//   records     per shard: varint key length, varint value length + 1 (0: removed), key, value
// Offsets count from the start of the part. Writer and least reader: common/base/format_version.h. "FSNP0001", of
// 0.1.0, is the same without them.
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

// Records of one size, added in the order of their shards: the part is written in place, nothing is copied or sorted.
struct snapshot_fixed {
    struct buffer *bytes; // the part, when finished; the caller's
    size_t size_bytes;
    uint64_t entries;
    uint32_t key_size, value_size; // at most 100 each
    uint8_t *at;
};
// counts[i]: records of shard_first + i that will be added. STATUS_NO_MEMORY.
enum status snapshot_fixed_create(struct snapshot_fixed *fixed, bool is_base, uint32_t shard_first,
                                  uint32_t shard_count, const uint64_t *counts, struct budget *budget,
                                  struct error *err) MUST_USE;
static inline void snapshot_fixed_add(struct snapshot_fixed *fixed, const void *key, const void *value)
{
    fixed->at[0] = (uint8_t)fixed->key_size;
    fixed->at[1] = (uint8_t)(fixed->value_size + 1);
    memcpy(fixed->at + 2, key, fixed->key_size);
    memcpy(fixed->at + 2 + fixed->key_size, value, fixed->value_size);
    fixed->at += 2 + fixed->key_size + fixed->value_size;
}
void snapshot_fixed_finish(struct snapshot_fixed *fixed); // asserts that every record announced was added

// A part that is written down later, off the lane (P11): it holds what it needs, and nothing of the operator.
struct snapshot_late {
    enum status (*encode)(struct snapshot_late *late, struct buffer **ret_bytes, size_t *ret_size,
                          struct error *err); // any thread, one at a time; the same bytes each time
    void (*destroy)(struct snapshot_late *late);
};

struct snapshot_record {
    uint32_t shard;
    struct slice key;
    struct slice value;
    bool removed;
};
struct snapshot_reader {
    const uint8_t *bytes;
    size_t size;
    size_t header_size;
    bool is_base;
    uint64_t entries;
    uint32_t shard_count;
    uint32_t next_shard; // place in the index
    uint32_t shard;
    uint64_t left_entries; // of the shard at hand
    const uint8_t *at, *end;
    const uint8_t *wanted; // set of shards below wanted_shards: those not in it are passed over; NULL: all are wanted
    uint32_t wanted_shards;
};
// Checks header, index and every shard's checksum. Hostile bytes give STATUS_CORRUPT, nothing worse.
enum status snapshot_reader_open(struct snapshot_reader *reader, const void *bytes, size_t size,
                                 struct error *err) MUST_USE;
// The next record, shards rising; *ret_end at the end.
enum status snapshot_reader_next(struct snapshot_reader *reader, struct snapshot_record *ret_record, bool *ret_end,
                                 struct error *err) MUST_USE;

#endif
