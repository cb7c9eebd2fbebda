// Writes and reads state snapshot parts (format in the header). Reading checks everything that it will follow.
#include "worker/snapshot/snapshot_part.h"

#include "common/base/format_version.h"
#include "common/base/hash.h"
#include "common/base/planted.h"

#define MAGIC        "FSNP0002"
#define MAGIC_FIRST  "FSNP0001" // of 0.1.0: without version
#define HEADER_SIZE  32u
#define HEADER_FIRST 24u
#define INDEX_SIZE   32u
#define SHARDS_MAX   65536u
#define FLAG_BASE    1u

static void put_varint(struct text *text, uint64_t value)
{
    while (value >= 0x80) {
        text_append_char(text, (char)(value | 0x80));
        value >>= 7;
    }
    text_append_char(text, (char)value);
}

static void place_add(struct snapshot_writer *writer, uint32_t shard, size_t from)
{
    size_t size = writer->records.length - from;
    ASSERT(shard < SHARDS_MAX);
    struct snapshot_place *last = writer->places.count ? &writer->places.items[writer->places.count - 1] : NULL;
    if (last && last->shard == shard) {
        last->size += size;
        last->entries++;
        return;
    }
    struct snapshot_place place = {.shard = shard, .entries = 1, .offset = from, .size = size};
    vector_push(&writer->places, place);
}

void snapshot_writer_add(struct snapshot_writer *writer, uint32_t shard, struct slice key, struct slice value)
{
    size_t from = writer->records.length;
    put_varint(&writer->records, key.length);
    put_varint(&writer->records, value.length + 1);
    text_append(&writer->records, key.data, key.length);
    text_append(&writer->records, value.data, value.length);
    place_add(writer, shard, from);
}

void snapshot_writer_remove(struct snapshot_writer *writer, uint32_t shard, struct slice key)
{
    size_t from = writer->records.length;
    put_varint(&writer->records, key.length);
    put_varint(&writer->records, 0);
    text_append(&writer->records, key.data, key.length);
    place_add(writer, shard, from);
}

void snapshot_writer_deinit(struct snapshot_writer *writer)
{
    text_deinit(&writer->records);
    vector_deinit(&writer->places);
}

struct shard_room {
    uint64_t size, at;
    uint32_t entries;
};

// Header and index; the records' places are known from the sizes.
static uint8_t *write_index(uint8_t *at, struct shard_room *rooms, uint32_t limit, uint64_t first)
{
    for (uint32_t shard = 0; shard < limit; shard++) {
        struct shard_room *room = &rooms[shard];
        if (room->entries == 0) continue;
        room->at = first;
        memcpy(at, &shard, 4);
        memcpy(at + 4, &room->entries, 4);
        memcpy(at + 8, &room->at, 8);
        memcpy(at + 16, &room->size, 8);
        first += room->size;
        at += INDEX_SIZE;
    }
    return at;
}

static void write_records(const struct snapshot_writer *writer, uint8_t *bytes, struct shard_room *rooms)
{
    for (size_t i = 0; i < writer->places.count; i++) {
        struct shard_room *room = &rooms[writer->places.items[i].shard];
        memcpy(bytes + room->at, writer->records.data + writer->places.items[i].offset, writer->places.items[i].size);
        room->at += writer->places.items[i].size;
    }
}

static void write_head(uint8_t *bytes, uint32_t shards, bool is_base, uint64_t entries)
{
    uint32_t flags = is_base ? FLAG_BASE : 0;
    memcpy(bytes, MAGIC, 8);
    memcpy(bytes + 8, &shards, 4);
    memcpy(bytes + 12, &flags, 4);
    memcpy(bytes + 16, &entries, 8);
    uint32_t writer = format_version_program_packed(), least = format_version_info(FORMAT_STATE_PART).writes;
    memcpy(bytes + 24, &writer, 4);
    memcpy(bytes + 28, &least, 4);
}

// Checksums of every shard's records, then of all that stands before them.
static void write_hashes(uint8_t *bytes, size_t head)
{
    for (uint8_t *at = bytes + HEADER_SIZE; at < bytes + head - sizeof(uint64_t); at += INDEX_SIZE) {
        uint64_t offset, length;
        memcpy(&offset, at + 8, 8);
        memcpy(&length, at + 16, 8);
        uint64_t hash = hash_64(bytes + offset, length, 0);
        memcpy(at + 24, &hash, 8);
    }
    uint64_t hash = hash_64(bytes, head - sizeof hash, 0);
    memcpy(bytes + head - sizeof hash, &hash, sizeof hash);
}

static size_t head_size(uint32_t shards)
{
    return HEADER_SIZE + (size_t)shards * INDEX_SIZE + sizeof(uint64_t);
}

enum status snapshot_writer_finish(struct snapshot_writer *writer, bool is_base, struct budget *budget,
                                   struct buffer **ret_bytes, size_t *ret_size, uint64_t *ret_entries,
                                   struct error *err)
{
    uint32_t limit = 0, shards = 0;
    uint64_t entries = 0;
    for (size_t i = 0; i < writer->places.count; i++) {
        if (writer->places.items[i].shard >= limit) limit = writer->places.items[i].shard + 1;
    }
    struct shard_room *rooms = memory_calloc(limit + (size_t)1, sizeof *rooms);
    for (size_t i = 0; i < writer->places.count; i++) {
        struct shard_room *room = &rooms[writer->places.items[i].shard];
        if (room->entries == 0) shards++;
        room->entries += writer->places.items[i].entries;
        entries += writer->places.items[i].entries;
        room->size += writer->places.items[i].size;
    }
    size_t head = head_size(shards), size = head + writer->records.length;
    struct buffer *buffer = NULL;
    enum status status = STATUS_OK;
    TRY(buffer_create(budget, size, &buffer, err));
    write_head(buffer->data, shards, is_base, entries);
    write_index(buffer->data + HEADER_SIZE, rooms, limit, head);
    write_records(writer, buffer->data, rooms);
    write_hashes(buffer->data, head);
    *ret_bytes = buffer;
    *ret_size = size;
    *ret_entries = entries;
out:
    memory_free(rooms);
    text_reset(&writer->records);
    vector_reset(&writer->places);
    return status;
}

enum status snapshot_fixed_create(struct snapshot_fixed *fixed, bool is_base, uint32_t shard_first,
                                  uint32_t shard_count, const uint64_t *counts, struct budget *budget,
                                  struct error *err)
{
    size_t record = 2 + fixed->key_size + fixed->value_size;
    uint32_t shards = 0;
    ASSERT(fixed->key_size <= 100 && fixed->value_size <= 100 && shard_first + shard_count <= SHARDS_MAX);
    struct shard_room *rooms = memory_calloc(shard_first + shard_count + (size_t)1, sizeof *rooms);
    fixed->entries = 0;
    for (uint32_t i = 0; i < shard_count; i++) {
        ASSERT(counts[i] <= UINT32_MAX);
        rooms[shard_first + i] = (struct shard_room){.size = counts[i] * record, .entries = (uint32_t)counts[i]};
        fixed->entries += counts[i];
        shards += counts[i] > 0;
    }
    size_t head = head_size(shards);
    fixed->size_bytes = head + fixed->entries * record;
    enum status status = buffer_create(budget, fixed->size_bytes, &fixed->bytes, err);
    if (status == STATUS_OK) {
        write_head(fixed->bytes->data, shards, is_base, fixed->entries);
        write_index(fixed->bytes->data + HEADER_SIZE, rooms, shard_first + shard_count, head);
        fixed->at = fixed->bytes->data + head;
    }
    memory_free(rooms);
    return status;
}

void snapshot_fixed_finish(struct snapshot_fixed *fixed)
{
    uint32_t shards;
    ASSERT(fixed->at == fixed->bytes->data + fixed->size_bytes);
    memcpy(&shards, fixed->bytes->data + 8, 4);
    write_hashes(fixed->bytes->data, head_size(shards));
}

static enum status corrupt(struct error *err, const char *what)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "state snapshot part: %s", what);
}

static enum status check_index(const struct snapshot_reader *reader, size_t head, struct error *err)
{
    uint64_t expected = head, entries = 0;
    int64_t last = -1;
    for (uint32_t i = 0; i < reader->shard_count; i++) {
        const uint8_t *at = reader->bytes + reader->header_size + (size_t)i * INDEX_SIZE;
        uint32_t shard, count;
        uint64_t offset, size, hash;
        memcpy(&shard, at, 4);
        memcpy(&count, at + 4, 4);
        memcpy(&offset, at + 8, 8);
        memcpy(&size, at + 16, 8);
        memcpy(&hash, at + 24, 8);
        if ((int64_t)shard <= last || shard >= SHARDS_MAX || count == 0)
            return corrupt(err, "its index is out of order");
        if (offset != expected || size > reader->size - offset) return corrupt(err, "its index points outside");
        bool same = hash_64(reader->bytes + offset, size, 0) == hash || FORESET_BUG("snapshot-unchecked");
        if (!same) return corrupt(err, "the checksum of a shard differs");
        last = shard;
        expected += size;
        entries += count;
    }
    if (expected != reader->size) return corrupt(err, "its size differs from what its index says");
    return entries == reader->entries ? STATUS_OK : corrupt(err, "its entries differ from what its index says");
}

// Behind the header's checksum and before anything that a newer program may have changed.
static enum status check_version(const struct snapshot_reader *reader, struct error *err)
{
    uint32_t writer, least;
    if (reader->header_size == HEADER_FIRST) return STATUS_OK;
    memcpy(&writer, reader->bytes + 24, 4);
    memcpy(&least, reader->bytes + 28, 4);
    if (writer == 0) return corrupt(err, "its version fields are damaged");
    return format_version_check_packed(FORMAT_STATE_PART, writer, least, err, "the part");
}

enum status snapshot_reader_open(struct snapshot_reader *reader, const void *bytes, size_t size, struct error *err)
{
    memset(reader, 0, sizeof *reader);
    reader->bytes = bytes;
    reader->size = size;
    bool first = size >= 8 && memcmp(bytes, MAGIC_FIRST, 8) == 0;
    reader->header_size = first ? HEADER_FIRST : HEADER_SIZE;
    if (size < reader->header_size + sizeof(uint64_t) || (!first && memcmp(bytes, MAGIC, 8) != 0))
        return corrupt(err, "it is none, or cut off");
    uint32_t flags;
    memcpy(&reader->shard_count, reader->bytes + 8, 4);
    memcpy(&flags, reader->bytes + 12, 4);
    memcpy(&reader->entries, reader->bytes + 16, 8);
    reader->is_base = flags & FLAG_BASE;
    size_t head = reader->header_size + (size_t)reader->shard_count * INDEX_SIZE + sizeof(uint64_t);
    if (reader->shard_count > SHARDS_MAX || head > size) return corrupt(err, "its header is broken");
    uint64_t hash;
    memcpy(&hash, reader->bytes + head - sizeof hash, sizeof hash);
    if (hash != hash_64(reader->bytes, head - sizeof hash, 0))
        return corrupt(err, "the checksum of its header differs");
    enum status status = check_version(reader, err);
    if (status != STATUS_OK) return status;
    if (flags > FLAG_BASE) return corrupt(err, "its header is broken");
    return check_index(reader, head, err);
}

static bool get_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 63 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static enum status next_shard(struct snapshot_reader *reader, struct error *err)
{
    if (reader->at != reader->end) return corrupt(err, "bytes are left behind a shard's last record");
    const uint8_t *index = reader->bytes + reader->header_size + (size_t)reader->next_shard++ * INDEX_SIZE;
    uint32_t entries;
    uint64_t offset, size;
    memcpy(&reader->shard, index, 4);
    memcpy(&entries, index + 4, 4);
    memcpy(&offset, index + 8, 8);
    memcpy(&size, index + 16, 8);
    reader->left_entries = entries;
    reader->at = reader->bytes + offset;
    reader->end = reader->at + size;
    return STATUS_OK;
}

static bool shard_wanted(const struct snapshot_reader *reader)
{
    if (!reader->wanted) return true;
    uint32_t shard = reader->shard;
    return shard >= reader->wanted_shards || reader->wanted[shard >> 3] >> (shard & 7) & 1;
}

enum status snapshot_reader_next(struct snapshot_reader *reader, struct snapshot_record *ret_record, bool *ret_end,
                                 struct error *err)
{
    *ret_end = false;
    while (reader->left_entries == 0) {
        if (reader->next_shard == reader->shard_count) {
            *ret_end = true;
            return reader->at == reader->end ? STATUS_OK : corrupt(err, "bytes are left behind its last record");
        }
        enum status status = next_shard(reader, err);
        if (status != STATUS_OK) return status;
        if (!shard_wanted(reader)) {
            reader->left_entries = 0;
            reader->at = reader->end;
        }
    }
    uint64_t key, value;
    if (!get_varint(&reader->at, reader->end, &key) || !get_varint(&reader->at, reader->end, &value)) {
        return corrupt(err, "a record is cut off");
    }
    uint64_t left = (uint64_t)(reader->end - reader->at), value_size = value ? value - 1 : 0;
    if (key > left || value_size > left - key) return corrupt(err, "a record is longer than its shard");
    ret_record->shard = reader->shard;
    ret_record->removed = value == 0;
    ret_record->key = slice_of((const char *)reader->at, key);
    ret_record->value = slice_of((const char *)reader->at + key, value_size);
    reader->at += key + value_size;
    reader->left_entries--;
    return STATUS_OK;
}
