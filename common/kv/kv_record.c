// Records of the local key-value store's log. What can fail: a record that is torn, damaged or of another place in the
// file has another checksum; kv_record_at says so and gives nothing.
#include "common/kv/kv_record.h"

#include <string.h>

#include "common/base/hash.h"

#define KV_RECORD_MAGIC 0x52564B46u // "FKVR"

void kv_record_begin(struct text *record, int64_t revision)
{
    text_reset(record);
    char zeros[KV_RECORD_HEAD + 12] = {0};
    memcpy(zeros + KV_RECORD_HEAD, &revision, sizeof revision);
    text_append(record, zeros, sizeof zeros);
}

void kv_record_add(struct text *record, enum kv_op_kind kind, const struct kv_record_item *item)
{
    uint32_t count;
    memcpy(&count, record->data + KV_RECORD_HEAD + 8, sizeof count);
    count++;
    memcpy(record->data + KV_RECORD_HEAD + 8, &count, sizeof count);
    char head[KV_RECORD_ENTRY_HEAD];
    uint16_t key_size = (uint16_t)strlen(item->key);
    uint32_t size = (uint32_t)item->size;
    head[0] = (char)kind;
    head[1] = item->leased ? 1 : 0;
    memcpy(head + 2, &key_size, 2);
    memcpy(head + 4, &size, 4);
    memcpy(head + 8, &item->create_revision, 8);
    memcpy(head + 16, &item->mod_revision, 8);
    text_append(record, head, sizeof head);
    text_append(record, item->key, key_size);
    if (size) text_append(record, item->bytes, size);
}

void kv_record_end(struct text *record, uint64_t offset)
{
    uint32_t magic = KV_RECORD_MAGIC, size = (uint32_t)(record->length - KV_RECORD_HEAD);
    uint64_t sum = hash_64(record->data + KV_RECORD_HEAD, size, offset);
    memcpy(record->data, &magic, 4);
    memcpy(record->data + 4, &size, 4);
    memcpy(record->data + 8, &sum, 8);
}

bool kv_record_at(const struct buffer *log, uint64_t offset, struct slice *ret_payload)
{
    uint32_t magic, size;
    uint64_t sum, left = log->size_bytes - offset;
    if (left < KV_RECORD_HEAD) return false;
    memcpy(&magic, log->data + offset, 4);
    if (magic != KV_RECORD_MAGIC) return false;
    memcpy(&size, log->data + offset + 4, 4);
    memcpy(&sum, log->data + offset + 8, 8);
    if (size > left - KV_RECORD_HEAD || size < 12) return false;
    const char *payload = (const char *)log->data + offset + KV_RECORD_HEAD;
    if (hash_64(payload, size, offset) != sum) return false;
    *ret_payload = slice_of(payload, size);
    return true;
}
