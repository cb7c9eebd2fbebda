// Cluster messages: a checksum, as control messages have one, then the message. protobuf-c checks fields that are
// required; depth is bounded by the types, which do not nest.
#include "common/rpc/cluster_message.h"

#include <string.h>

#include "common/base/hash.h"

enum { CLUSTER_MESSAGE_HEADER = 8 };
#define CLUSTER_MESSAGE_SEED 0x636C7573746572ull

void cluster_message_pack(const Foreset__Cluster *message, struct text *ret_bytes)
{
    size_t size = foreset__cluster__get_packed_size(message);
    text_reset(ret_bytes);
    text_reserve(ret_bytes, size + CLUSTER_MESSAGE_HEADER);
    uint8_t *at = (uint8_t *)ret_bytes->data;
    foreset__cluster__pack(message, at + CLUSTER_MESSAGE_HEADER);
    uint64_t hash = hash_64(at + CLUSTER_MESSAGE_HEADER, size, CLUSTER_MESSAGE_SEED);
    memcpy(at, &hash, sizeof hash);
    ret_bytes->length = size + CLUSTER_MESSAGE_HEADER;
}

enum status cluster_message_unpack(const void *bytes, size_t size, Foreset__Cluster **ret_message, struct error *err)
{
    Foreset__Cluster *message = NULL;
    if (size >= CLUSTER_MESSAGE_HEADER && size <= CLUSTER_MESSAGE_BYTES_MAX + CLUSTER_MESSAGE_HEADER) {
        const uint8_t *body = (const uint8_t *)bytes + CLUSTER_MESSAGE_HEADER;
        size_t length = size - CLUSTER_MESSAGE_HEADER;
        uint64_t hash;
        memcpy(&hash, bytes, sizeof hash);
        if (hash == hash_64(body, length, CLUSTER_MESSAGE_SEED)) message = foreset__cluster__unpack(NULL, length, body);
    }
    if (!message || message->body_case == FORESET__CLUSTER__BODY__NOT_SET) {
        cluster_message_destroy(message);
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "a message of %zu bytes that is none of Foreset's",
                         size);
    }
    *ret_message = message;
    return STATUS_OK;
}

void cluster_message_destroy(Foreset__Cluster *message)
{
    if (message) foreset__cluster__free_unpacked(message, NULL);
}
