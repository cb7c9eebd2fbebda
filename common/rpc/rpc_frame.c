// The frame header. It only tells Foreset's frames from others' and says who sent them; whether the bytes behind it are
// whole is TCP's and the message's own checksum to say. Cannot fail but by saying so.
#include "common/rpc/rpc_frame.h"

#include <stdbool.h>
#include <string.h>

static const uint8_t RPC_FRAME_MAGIC[4] = {'F', 'R', 'S', 'T'};

static void rpc_frame_put(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t rpc_frame_get(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void rpc_frame_write(const struct rpc_frame *frame, uint8_t ret_header[RPC_FRAME_BYTES])
{
    memcpy(ret_header, RPC_FRAME_MAGIC, sizeof RPC_FRAME_MAGIC);
    ret_header[4] = RPC_FRAME_VERSION;
    ret_header[5] = (uint8_t)frame->kind;
    ret_header[6] = ret_header[7] = 0;
    rpc_frame_put(ret_header + 8, frame->sender);
    rpc_frame_put(ret_header + 12, frame->size);
}

enum rpc_frame_fault rpc_frame_read(const uint8_t header[RPC_FRAME_BYTES], struct rpc_frame *ret_frame)
{
    if (memcmp(header, RPC_FRAME_MAGIC, sizeof RPC_FRAME_MAGIC) != 0) return RPC_FRAME_MALFORMED;
    const struct rpc_frame frame = {.kind = (enum rpc_frame_kind)header[5],
                                    .sender = rpc_frame_get(header + 8),
                                    .size = rpc_frame_get(header + 12)};
    bool bare = frame.kind == RPC_FRAME_PING || frame.kind == RPC_FRAME_PONG;
    if (frame.kind == RPC_FRAME_REFUSED && frame.size > RPC_FRAME_WORDS_MAX) return RPC_FRAME_MALFORMED;
    if (frame.kind == RPC_FRAME_TOKEN && frame.size > RPC_FRAME_TOKEN_MAX) return RPC_FRAME_MALFORMED;
    *ret_frame = frame;
    if (header[4] != RPC_FRAME_VERSION) return RPC_FRAME_OTHER_VERSION;
    if (frame.kind < RPC_FRAME_MESSAGE || frame.kind > RPC_FRAME_TOKEN) return RPC_FRAME_MALFORMED;
    if (header[6] || header[7] || (bare && frame.size > 0)) return RPC_FRAME_MALFORMED;
    return RPC_FRAME_OK;
}
