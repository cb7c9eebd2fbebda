// What a message on the network is and whom it concerns: 16 bytes before every payload between roles.
#ifndef FORESET_RPC_ENVELOPE_H
#define FORESET_RPC_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum envelope_kind {
    ENVELOPE_CLUSTER = 1, // a Cluster message; channel 0
    ENVELOPE_CONTROL,     // control_message.h, of the pipeline `channel`
    ENVELOPE_EXCHANGE,    // a frame of the pipeline's data flow
};
#define ENVELOPE_SIZE 16u

struct envelope {
    enum envelope_kind kind;
    uint64_t channel;
};

static inline void envelope_write(const struct envelope *envelope, uint8_t ret_bytes[ENVELOPE_SIZE])
{
    memset(ret_bytes, 0, ENVELOPE_SIZE);
    ret_bytes[0] = (uint8_t)envelope->kind;
    memcpy(ret_bytes + 8, &envelope->channel, sizeof envelope->channel);
}

// False: it is none.
static inline bool envelope_read(const void *bytes, size_t size, struct envelope *ret_envelope)
{
    const uint8_t *at = bytes;
    static const uint8_t zeros[7];
    if (size < ENVELOPE_SIZE || at[0] < ENVELOPE_CLUSTER || at[0] > ENVELOPE_EXCHANGE) return false;
    if (memcmp(at + 1, zeros, sizeof zeros) != 0) return false;
    ret_envelope->kind = (enum envelope_kind)at[0];
    memcpy(&ret_envelope->channel, at + 8, sizeof ret_envelope->channel);
    return (ret_envelope->kind == ENVELOPE_CLUSTER) == (ret_envelope->channel == 0);
}

#endif
