// Cluster messages. protobuf-c checks fields that are required; depth is bounded by the types, which do not nest.
#include "common/rpc/cluster_message.h"

void cluster_message_pack(const Foreset__Cluster *message, struct text *ret_bytes)
{
    size_t size = foreset__cluster__get_packed_size(message);
    text_reset(ret_bytes);
    text_reserve(ret_bytes, size);
    foreset__cluster__pack(message, (uint8_t *)ret_bytes->data);
    ret_bytes->length = size;
}

enum status cluster_message_unpack(const void *bytes, size_t size, Foreset__Cluster **ret_message, struct error *err)
{
    Foreset__Cluster *message = size <= CLUSTER_MESSAGE_BYTES_MAX ? foreset__cluster__unpack(NULL, size, bytes) : NULL;
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
