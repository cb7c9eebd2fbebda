// Control messages in order (P15), also those that are too large for one frame: they go in pieces. All pieces of a
// message carry its sequence number and have numbers of their own, from 0; the last one is marked. A missing piece or
// message restarts the attempt, a repeated one is dropped.
#ifndef FORESET_RPC_CONTROL_PIECES_H
#define FORESET_RPC_CONTROL_PIECES_H

#include "common/base/memory.h"
#include "common/rpc/control_message.h"

#define CONTROL_PIECE_BYTES (8u << 20) // messages of up to this size go in one frame
// Of one message, all pieces together: below what the network queues for one peer (RPC_QUEUE_BYTES_MAX), as what comes
// beyond is dropped there.
#define CONTROL_WHOLE_BYTES_MAX (224u << 20)

// Called for each frame, in order. Bytes are borrowed.
typedef void (*control_pieces_frame)(void *context, const void *bytes, size_t size);
// Packs and sends a message whose header is filled in. piece_bytes: 0: CONTROL_PIECE_BYTES. scratch: reused by the next
// call. FAIL_PIPELINE: larger than CONTROL_WHOLE_BYTES_MAX; nothing was sent.
enum status control_pieces_send(const Foreset__Control *control, size_t piece_bytes, struct text *scratch,
                                control_pieces_frame frame, void *context, struct error *err) MUST_USE;

// What is there of the message that one sender is sending in pieces. Zeroed: nothing.
struct control_pieces {
    struct text bytes;
    struct budget *budget;
    size_t size_bytes; // of the whole message; counted in the budget
    uint32_t next;     // piece; 0: none came yet
};
enum control_pieces_step {
    CONTROL_PIECES_WHOLE,  // *control is the next message of its sender
    CONTROL_PIECES_MORE,   // a piece, kept; others follow
    CONTROL_PIECES_REPEAT, // came before
};
// A message of this attempt and of this sender. sequence: the sender's last whole message, moved on. *control: a piece
// is replaced by the whole message once the last one is here. RESTART_PIPELINE: something is missing, or does not fit;
// what a full budget says otherwise.
enum status control_pieces_take(struct control_pieces *pieces, uint64_t *sequence, struct budget *budget,
                                Foreset__Control **control, enum control_pieces_step *ret_step,
                                struct error *err) MUST_USE;
void control_pieces_reset(struct control_pieces *pieces); // forgets what came; frees everything

#endif
