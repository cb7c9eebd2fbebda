// Frames (format in the header). What can fail: bytes that are no frame.
#include "worker/exchange/exchange_frame.h"

#include <string.h>

#include "common/base/hash.h"

#define MAGIC    "FSX1"
#define CHECKED  16u // the head's hash covers what follows it
#define NUMBERED 40u // the sequence

void exchange_frame_begin(struct text *bytes)
{
    text_reset(bytes);
    text_reserve(bytes, EXCHANGE_FRAME_HEAD);
    memset(bytes->data, 0, EXCHANGE_FRAME_HEAD);
    bytes->length = EXCHANGE_FRAME_HEAD;
}

static void put_head_hash(struct text *bytes)
{
    uint64_t hash = hash_64(bytes->data + CHECKED, EXCHANGE_FRAME_HEAD - CHECKED, (uint8_t)bytes->data[4]);
    memcpy(bytes->data + 8, &hash, sizeof hash);
}

void exchange_frame_seal(struct text *bytes, const struct exchange_frame *frame)
{
    char *head = bytes->data;
    uint64_t hash = hash_64(head + EXCHANGE_FRAME_HEAD, bytes->length - EXCHANGE_FRAME_HEAD, 0);
    memcpy(head, MAGIC, 4);
    head[4] = (char)frame->kind;
    head[5] = frame->final;
    memcpy(head + 16, &hash, 8);
    memcpy(head + 24, &frame->generation, 8);
    memcpy(head + 32, &frame->routing_version, 8);
    memcpy(head + 48, &frame->epoch, 8);
    memcpy(head + 56, &frame->exchange, 4);
    memcpy(head + 60, &frame->sender, 4);
    memcpy(head + 64, &frame->receiver, 4);
    memcpy(head + 72, &frame->batches, 8);
    memcpy(head + 80, &frame->rows, 8);
}

void exchange_frame_number(struct text *bytes, uint64_t sequence)
{
    memcpy(bytes->data + NUMBERED, &sequence, sizeof sequence);
    put_head_hash(bytes);
}

static enum status corrupt(struct error *err, const char *what)
{
    return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE, "a frame of another worker: %s", what);
}

enum status exchange_frame_parse(const void *bytes, size_t size, struct exchange_frame *ret_frame, struct error *err)
{
    const uint8_t *head = bytes;
    uint64_t hash;
    uint32_t zero;
    uint16_t small;
    if (size < EXCHANGE_FRAME_HEAD || memcmp(head, MAGIC, 4) != 0) return corrupt(err, "it is none, or cut off");
    memcpy(&hash, head + 8, 8);
    if (hash != hash_64(head + CHECKED, EXCHANGE_FRAME_HEAD - CHECKED, head[4]))
        return corrupt(err, "the checksum of its head differs");
    memcpy(&hash, head + 16, 8);
    if (hash != hash_64(head + EXCHANGE_FRAME_HEAD, size - EXCHANGE_FRAME_HEAD, 0))
        return corrupt(err, "the checksum of its batch differs");
    memcpy(&small, head + 6, 2);
    memcpy(&zero, head + 68, 4);
    bool known = head[4] >= EXCHANGE_FRAME_BATCH && head[4] <= EXCHANGE_FRAME_ANSWERED;
    if (!known || head[5] > 1 || small || zero) return corrupt(err, "its head is of no kind that is known");
    bool carries =
        head[4] == EXCHANGE_FRAME_BATCH || head[4] == EXCHANGE_FRAME_KEYS || head[4] == EXCHANGE_FRAME_ANSWER;
    if (carries != (size > EXCHANGE_FRAME_HEAD)) return corrupt(err, "it has a batch and should not, or lacks it");
    struct exchange_frame frame = {.kind = head[4], .final = head[5]};
    memcpy(&frame.generation, head + 24, 8);
    memcpy(&frame.routing_version, head + 32, 8);
    memcpy(&frame.sequence, head + NUMBERED, 8);
    memcpy(&frame.epoch, head + 48, 8);
    memcpy(&frame.exchange, head + 56, 4);
    memcpy(&frame.sender, head + 60, 4);
    memcpy(&frame.receiver, head + 64, 4);
    memcpy(&frame.batches, head + 72, 8);
    memcpy(&frame.rows, head + 80, 8);
    frame.batch = head + EXCHANGE_FRAME_HEAD;
    frame.batch_size = size - EXCHANGE_FRAME_HEAD;
    *ret_frame = frame;
    return STATUS_OK;
}
