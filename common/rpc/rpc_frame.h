// What stands before the bytes of every message between processes: 16 bytes, the same in both directions.
//   0  4  magic "FRST"
//   4  1  version of this header and of what follows (1)
//   5  1  kind
//   6  2  zero
//   8  4  sender's peer number, big endian; 0: a client without a number
//  12  4  bytes that follow, big endian
// Who dials speaks first, with a TOKEN if it has one, then a PING; who listens answers with a PONG: now both know that
// they talk to Foreset. Magic, version, kind and size stay where they are in every later version, so that a REFUSED is
// understood by all.
#ifndef FORESET_RPC_RPC_FRAME_H
#define FORESET_RPC_RPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum { RPC_FRAME_BYTES = 16, RPC_FRAME_VERSION = 1 };
enum rpc_frame_kind {      // d: dialling side, l: listening side
    RPC_FRAME_MESSAGE = 1, // d → l
    RPC_FRAME_PING = 2,    // d → l  nothing follows; asks for a PONG: everything before it has arrived
    RPC_FRAME_PONG = 3,    // l → d  nothing follows
    RPC_FRAME_REQUEST = 4, // d → l  one at a time
    RPC_FRAME_REPLY = 5,   // l → d
    RPC_FRAME_REFUSED = 6, // l → d  words for a person follow, at most RPC_FRAME_WORDS_MAX bytes
    RPC_FRAME_TOKEN = 7,   // d → l  before any other frame, or never; at most RPC_FRAME_TOKEN_MAX bytes; no answer
};
enum { RPC_FRAME_WORDS_MAX = 4096, RPC_FRAME_TOKEN_MAX = 1024 };
struct rpc_frame {
    enum rpc_frame_kind kind;
    uint32_t sender, size;
};
enum rpc_frame_fault {
    RPC_FRAME_OK,
    RPC_FRAME_MALFORMED,     // not of this program, or damaged
    RPC_FRAME_OTHER_VERSION, // of this program, another version: only kind REFUSED and size are understood
};

void rpc_frame_write(const struct rpc_frame *frame, uint8_t ret_header[RPC_FRAME_BYTES]);
// Any bytes may be given.
enum rpc_frame_fault rpc_frame_read(const uint8_t header[RPC_FRAME_BYTES], struct rpc_frame *ret_frame);

#endif
