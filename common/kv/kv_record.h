// A record of the local key-value store's log, little-endian:
//   u32 magic, u32 payload bytes, u64 XXH3 of (payload) seeded by the record's offset, payload.
// Payload: i64 revision, u32 entry count, then entries: u8 kind (put, delete), u8 leased, u16 key bytes, u32 value
// bytes, i64 create revision, i64 mod revision, key, value.
#ifndef FORESET_KV_KV_RECORD_H
#define FORESET_KV_KV_RECORD_H

#include "common/base/text.h"
#include "common/kv/kv.h"

enum { KV_RECORD_HEAD = 16, KV_RECORD_ENTRY_HEAD = 24 };

struct kv_record_item {
    char *key;
    void *bytes;
    size_t size;
    int64_t create_revision, mod_revision;
    bool leased;
    int64_t lease; // 0 behind a restart
};

void kv_record_begin(struct text *record, int64_t revision);
void kv_record_add(struct text *record, enum kv_op_kind kind, const struct kv_record_item *item);
void kv_record_end(struct text *record, uint64_t offset); // where it goes in the file
// Whether a whole record is at offset of the log; its payload.
bool kv_record_at(const struct buffer *log, uint64_t offset, struct slice *ret_payload);

#endif
