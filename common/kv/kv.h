// Key-value store of decisions: etcd in a cluster, an fsynced local file in standalone mode. Blocking calls, any
// thread. Revisions rise with every successful transaction that writes, and never repeat (etcd's mod_revision). A
// failed call with STATUS_UNKNOWN may have happened: settle it with a linearizable kv_get before anything else (P18).
#ifndef FORESET_KV_KV_H
#define FORESET_KV_KV_H

#include "common/base/memory.h"

#define KV_VALUE_BYTES_MAX (1u << 20)
#define KV_OPS_MAX         32u

struct kv_value {
    void *bytes; // memory_free; NULL if absent
    size_t size;
    int64_t create_revision; // 0 if absent
    int64_t mod_revision;    // 0 if absent
};

enum kv_compare_kind {
    KV_VALUE_IS,           // the value equals bytes
    KV_ABSENT,             // the key is not there
    KV_CREATE_REVISION_IS, // create_revision equals
    KV_MOD_REVISION_IS,
};
struct kv_compare {
    const char *key;
    enum kv_compare_kind kind;
    const void *bytes;
    size_t size;
    int64_t revision;
};
enum kv_op_kind { KV_PUT, KV_DELETE };
struct kv_op {
    enum kv_op_kind kind;
    const char *key;
    const void *bytes;
    size_t size;
    int64_t lease; // 0: none
};

struct kv {
    const struct kv_ops *ops;
};
struct kv_ops {
    void (*close)(struct kv *kv);
    // Linearizable read of one key; absent is STATUS_OK with bytes NULL.
    enum status (*get)(struct kv *kv, const char *key, struct kv_value *ret_value, struct error *err);
    // All compares hold ⇒ all ops happen atomically and durably, STATUS_OK. Else nothing, STATUS_CONFLICT.
    enum status (*txn)(struct kv *kv, const struct kv_compare *compares, size_t compare_count, const struct kv_op *ops,
                       size_t op_count, struct error *err);
    // Leases: keys put with a lease vanish ttl_ms after the last keepalive. The local store's lock stands in for them:
    // it grants a lease that never runs out while the process lives.
    enum status (*lease_grant)(struct kv *kv, int64_t ttl_ms, int64_t *ret_lease, struct error *err);
    enum status (*lease_keepalive)(struct kv *kv, int64_t lease, struct error *err); // STATUS_NOT_FOUND: it is gone
};

// The local store: <dir>/kv.log, checksummed records, a torn tail is cut off, flock against a second process (P25).
// ERROR_FENCED "another process runs this pipeline (pid N)" if locked. Keys given with a lease of an earlier process
// are dropped at open: their holder is dead, as the lock shows.
enum status kv_local_open(const char *dir, struct kv **ret_kv, struct error *err) MUST_USE;

static inline MUST_USE enum status kv_get(struct kv *kv, const char *key, struct kv_value *ret, struct error *err)
{
    return kv->ops->get(kv, key, ret, err);
}
static inline MUST_USE enum status kv_txn(struct kv *kv, const struct kv_compare *compares, size_t compare_count,
                                          const struct kv_op *ops, size_t op_count, struct error *err)
{
    return kv->ops->txn(kv, compares, compare_count, ops, op_count, err);
}
static inline void kv_value_deinit(struct kv_value *value)
{
    memory_free(value->bytes);
    *value = (struct kv_value){0};
}
static inline void kv_close(struct kv *kv)
{
    if (kv) kv->ops->close(kv);
}

#endif
