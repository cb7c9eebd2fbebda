// What travels between the data flows of two workers: a head of fixed size, and behind it a column batch
// (common/columnar/batch_wire.h) or nothing. Little-endian:
//
//   "FSX1"  u8 kind  u8 final  u16 0  u64 XXH3 of the head's rest  u64 XXH3 of the batch
//   u64 generation  u64 routing version  u64 sequence  u64 epoch
//   u32 exchange or table  u32 sender (lane)  u32 receiver (lane)  u32 0  u64 batches  u64 rows
//
//   kind     who → whom                     exchange/table  batches            rows
//   BATCH    lane → lane                    exchange        its sequence       its rows            the batch behind
//   MARKER   lane → lane                    exchange        how many there were
//   EMITTED  lane → every lane there        table                              that it passed on   final: marker passed
//   CREDIT   taking lane → lane that sent   exchange                           bytes taken
//   KEYS     lane → lane                    exchange        as BATCH: hashes of rows that stay (DROP DUPLICATES)
//   ANSWER   asked lane → asking lane       exchange        how many pass      how many were asked; a bitmap behind
//   ANSWERED asked lane → asking lane       exchange        behind an epoch's last ANSWER
//   BEAT     worker → worker                                                   sequence: of the next frame
// A worker numbers its frames to each other one (P9, P15): a gap, BEATs included, is a lost frame.
#ifndef FORESET_EXCHANGE_EXCHANGE_FRAME_H
#define FORESET_EXCHANGE_EXCHANGE_FRAME_H

#include "common/base/error.h"
#include "common/base/text.h"

#define EXCHANGE_FRAME_HEAD      88u
#define EXCHANGE_FRAME_BYTES_MAX (64u << 20) // as RPC takes it

enum exchange_frame_kind {
    EXCHANGE_FRAME_BATCH = 1,
    EXCHANGE_FRAME_MARKER,
    EXCHANGE_FRAME_EMITTED,
    EXCHANGE_FRAME_CREDIT,
    EXCHANGE_FRAME_BEAT,
    EXCHANGE_FRAME_KEYS,
    EXCHANGE_FRAME_ANSWER,
    EXCHANGE_FRAME_ANSWERED,
};
struct exchange_frame {
    enum exchange_frame_kind kind;
    bool final;
    uint64_t generation, routing_version, sequence, epoch;
    uint32_t exchange; // or table
    uint32_t sender, receiver;
    uint64_t batches, rows;
    const void *batch; // within the bytes
    size_t batch_size;
};

// Makes a frame: begin leaves room for the head, the batch is appended, seal fills the head in. number gives it its
// sequence, last.
void exchange_frame_begin(struct text *bytes);
void exchange_frame_seal(struct text *bytes, const struct exchange_frame *frame);
void exchange_frame_number(struct text *bytes, uint64_t sequence);
// Checks everything that does not hang on who reads it. STATUS_CORRUPT, RESTART_PIPELINE.
enum status exchange_frame_parse(const void *bytes, size_t size, struct exchange_frame *ret_frame,
                                 struct error *err) MUST_USE;

#endif
