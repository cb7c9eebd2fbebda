// A control message as bytes: 8 bytes checksum, then the packed Control. What does not check is refused, never guessed.
#ifndef FORESET_RPC_CONTROL_MESSAGE_H
#define FORESET_RPC_CONTROL_MESSAGE_H

#include "common/base/error.h"
#include "common/base/text.h"
#include "proto/control.pb-c.h"

// Condition of a Failed: this worker cannot do its part on this host; the others go on without it.
#define CONTROL_WORKER_UNFIT "WORKER_UNFIT"

#define CONTROL_MESSAGE_BYTES_MAX (64u << 20) // in one frame

// STATUS_INVALID, FAIL_PIPELINE: longer than the limit.
enum status control_message_pack(const Foreset__Control *control, struct text *ret_bytes, struct error *err) MUST_USE;
// STATUS_CORRUPT: too short, too long, checksum, or no message. Free with control_message_destroy.
enum status control_message_unpack(const void *bytes, size_t size, Foreset__Control **ret_control,
                                   struct error *err) MUST_USE;
// The same with another limit: for messages that go in pieces (control_pieces.h).
enum status control_message_pack_whole(const Foreset__Control *control, size_t bytes_max, struct text *ret_bytes,
                                       struct error *err) MUST_USE;
enum status control_message_unpack_whole(const void *bytes, size_t size, size_t bytes_max,
                                         Foreset__Control **ret_control, struct error *err) MUST_USE;
void control_message_destroy(Foreset__Control *control); // NULL allowed
const char *control_message_kind(const Foreset__Control *control);

#endif
