// Control messages: framing and checksum. A damaged message is dropped by the receiver, which sees the gap (P15).
#include "common/rpc/control_message.h"

#include <string.h>

#include "common/base/hash.h"

enum { CONTROL_MESSAGE_HEADER = 8 };
#define CONTROL_MESSAGE_SEED 0x666F7265736574ull

enum status control_message_pack_whole(const Foreset__Control *control, size_t bytes_max, struct text *ret_bytes,
                                       struct error *err)
{
    size_t size = foreset__control__get_packed_size(control);
    if (size > bytes_max) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "control message %s of %zu bytes, the limit is %zu",
                         control_message_kind(control), size, bytes_max);
    }
    text_reset(ret_bytes);
    text_reserve(ret_bytes, size + CONTROL_MESSAGE_HEADER);
    uint8_t *at = (uint8_t *)ret_bytes->data;
    foreset__control__pack(control, at + CONTROL_MESSAGE_HEADER);
    uint64_t hash = hash_64(at + CONTROL_MESSAGE_HEADER, size, CONTROL_MESSAGE_SEED);
    memcpy(at, &hash, sizeof hash);
    ret_bytes->length = size + CONTROL_MESSAGE_HEADER;
    return STATUS_OK;
}

enum status control_message_pack(const Foreset__Control *control, struct text *ret_bytes, struct error *err)
{
    return control_message_pack_whole(control, CONTROL_MESSAGE_BYTES_MAX, ret_bytes, err);
}

enum status control_message_unpack_whole(const void *bytes, size_t size, size_t bytes_max,
                                         Foreset__Control **ret_control, struct error *err)
{
    if (size < CONTROL_MESSAGE_HEADER || size > bytes_max + CONTROL_MESSAGE_HEADER) {
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE, "control message of %zu bytes", size);
    }
    uint64_t hash;
    memcpy(&hash, bytes, sizeof hash);
    const uint8_t *body = (const uint8_t *)bytes + CONTROL_MESSAGE_HEADER;
    size_t length = size - CONTROL_MESSAGE_HEADER;
    if (hash != hash_64(body, length, CONTROL_MESSAGE_SEED)) {
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE, "control message of %zu bytes: checksum differs",
                         size);
    }
    Foreset__Control *control = foreset__control__unpack(NULL, length, body);
    if (!control) {
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE, "control message of %zu bytes: not a message",
                         size);
    }
    *ret_control = control;
    return STATUS_OK;
}

enum status control_message_unpack(const void *bytes, size_t size, Foreset__Control **ret_control, struct error *err)
{
    return control_message_unpack_whole(bytes, size, CONTROL_MESSAGE_BYTES_MAX, ret_control, err);
}

void control_message_destroy(Foreset__Control *control)
{
    if (control) foreset__control__free_unpacked(control, NULL);
}

const char *control_message_kind(const Foreset__Control *control)
{
    switch (control->body_case) {
    case FORESET__CONTROL__BODY_REGISTER_: return "register";
    case FORESET__CONTROL__BODY_ASSIGN: return "assign";
    case FORESET__CONTROL__BODY_ASSIGNED: return "assigned";
    case FORESET__CONTROL__BODY_PLAN: return "plan";
    case FORESET__CONTROL__BODY_READ_DONE: return "read_done";
    case FORESET__CONTROL__BODY_WATERMARK: return "watermark";
    case FORESET__CONTROL__BODY_PREPARED: return "prepared";
    case FORESET__CONTROL__BODY_FAILED: return "failed";
    case FORESET__CONTROL__BODY_ABORT_: return "abort";
    case FORESET__CONTROL__BODY_HEARTBEAT: return "heartbeat";
    case FORESET__CONTROL__BODY_PIECE: return "piece";
    default: return "none";
    }
}
