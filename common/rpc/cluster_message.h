// A Cluster message as bytes: 8 bytes checksum, then the packed message. Damage and garbage are refused, never guessed.
#ifndef FORESET_RPC_CLUSTER_MESSAGE_H
#define FORESET_RPC_CLUSTER_MESSAGE_H

#include "common/base/error.h"
#include "common/base/text.h"
#include "proto/cluster.pb-c.h"

#define CLUSTER_MESSAGE_BYTES_MAX (16u << 20)

void cluster_message_pack(const Foreset__Cluster *message, struct text *ret_bytes);
// STATUS_CORRUPT: too long, checksum, no message, or one without a body. Free with cluster_message_destroy.
enum status cluster_message_unpack(const void *bytes, size_t size, Foreset__Cluster **ret_message,
                                   struct error *err) MUST_USE;
void cluster_message_destroy(Foreset__Cluster *message); // NULL allowed

#endif
