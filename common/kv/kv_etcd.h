// The key-value store in etcd (3.4 or later), through its JSON gateway (/v3/…). Contract: kv.h.
#ifndef FORESET_KV_ETCD_H
#define FORESET_KV_ETCD_H

#include "common/kv/kv.h"

#define KV_ETCD_ENDPOINTS_MAX 16

struct kv_etcd_config {
    const char *endpoints;       // "http://a:2379,https://b:2379": client URLs of members of one cluster
    const char *ca, *cert, *key; // PEM files for https; NULL as in http_client.h
    const char *user, *password; // NULL: no authentication. (etcd's gateway knows no users by certificate.)
    int64_t deadline_us;         // of a call; 0: 5 s
};
// Asks nothing yet: what is wrong with the configuration is STATUS_INVALID (USAGE); that etcd is away shows in calls.
enum status kv_etcd_open(const struct kv_etcd_config *config, struct kv **ret_kv, struct error *err) MUST_USE;

#endif
