// Key-value store of decisions: etcd in a cluster, an fsynced local file in standalone mode. Blocking calls, any
// thread. Revisions rise with every successful transaction that writes, and never repeat (etcd's mod_revision). A
// failed call with STATUS_UNKNOWN may have happened: settle it with a linearizable kv_get before anything else (P18).
// Two failures have a condition of their own in struct error, whatever their status:
//   KV_UNAVAILABLE  (RETRY) no member of the store answers, or they have no quorum: nothing can be decided now
//   KV_REPLACED     (FAIL_PIPELINE) the store was wiped, restored from a backup, or is another one than before: what
//                   was read from it counts no more. Every later call fails so, until it is opened anew (P21)
#ifndef FORESET_KV_KV_H
#define FORESET_KV_KV_H

#include <string.h>

#include "common/base/memory.h"
#include "common/base/text.h"

#define KV_VALUE_BYTES_MAX (1u << 20)
#define KV_OPS_MAX         32u
#define KV_UNAVAILABLE     "KV_UNAVAILABLE"
#define KV_REPLACED        "KV_REPLACED"

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

// All keys that begin with a prefix, ascending, as they were at one revision. kv_list_deinit frees.
struct kv_item {
    char *key;
    struct kv_value value;
};
struct kv_list {
    struct kv_item *items;
    size_t count;
    int64_t revision; // of the store: a watch from revision + 1 misses nothing
};

struct kv_event {
    const char *key;
    const void *bytes; // NULL if removed (deleted, or its lease ran out)
    size_t size;
    bool removed;
    int64_t create_revision; // 0 if removed
    int64_t mod_revision;    // of the change; changes come in its order
};
// What a watch tells, one after the other, from a thread of the store: it must not block, nor call the store (post to a
// mailbox). Events of one transaction come together; after a broken connection some may come again.
struct kv_watch_news {
    const struct kv_event *events;
    size_t count;
    int64_t revision;        // everything up to it was told
    bool lost;               // changes up to `revision` cannot be told any more (compacted): kv_list, then go on
    const struct error *err; // not NULL: the watch is over (KV_REPLACED, not allowed); no more news
};
typedef void (*kv_watch_fn)(void *argument, const struct kv_watch_news *news);

// Which store this is: another id, or a revision that went back, is another store. Both 0 for a store that cannot be
// replaced under a running process.
struct kv_identity {
    uint64_t cluster;
    int64_t revision;
};

struct kv {
    const struct kv_ops *ops;
};
struct kv_watch; // each store's own
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
    // The lease and its keys are gone at once. STATUS_NOT_FOUND: they were already.
    enum status (*lease_revoke)(struct kv *kv, int64_t lease, struct error *err);
    enum status (*list)(struct kv *kv, const char *prefix, struct kv_list *ret_list, struct error *err);
    // Tells of every change from from_revision on (0: from now on) to keys that begin with prefix, until it is stopped
    // or fails for good. A store that is away is waited for. Stopping waits for a callback that runs.
    enum status (*watch)(struct kv *kv, const char *prefix, int64_t from_revision, kv_watch_fn on_news, void *argument,
                         struct kv_watch **ret_watch, struct error *err);
    void (*watch_stop)(struct kv *kv, struct kv_watch *watch);
    enum status (*identity)(struct kv *kv, struct kv_identity *ret_identity, struct error *err); // linearizable
    // Whether the end of the store could not be read when it was opened: a transaction that a crash tore, or one that
    // was damaged later. The caller knows which from what else it finds; the first transaction drops it. Appends the
    // place to ret_where. NULL: such a thing cannot be.
    bool (*torn)(struct kv *kv, struct text *ret_where);
    // Before the first transaction: the content is dropped, and the file of a torn store kept under another name.
    enum status (*forget)(struct kv *kv, struct error *err);
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
static inline MUST_USE enum status kv_list(struct kv *kv, const char *prefix, struct kv_list *ret, struct error *err)
{
    return kv->ops->list(kv, prefix, ret, err);
}
static inline MUST_USE enum status kv_watch(struct kv *kv, const char *prefix, int64_t from_revision,
                                            kv_watch_fn on_news, void *argument, struct kv_watch **ret_watch,
                                            struct error *err)
{
    return kv->ops->watch(kv, prefix, from_revision, on_news, argument, ret_watch, err);
}
static inline void kv_watch_stop(struct kv *kv, struct kv_watch *watch) // NULL allowed
{
    if (watch) kv->ops->watch_stop(kv, watch);
}
static inline bool kv_failed_as(const struct error *err, const char *condition) // KV_UNAVAILABLE, KV_REPLACED
{
    return strcmp(err->condition, condition) == 0;
}
static inline bool kv_torn(struct kv *kv, struct text *ret_where)
{
    return kv->ops->torn && kv->ops->torn(kv, ret_where);
}
static inline void kv_value_deinit(struct kv_value *value)
{
    memory_free(value->bytes);
    *value = (struct kv_value){0};
}
static inline void kv_list_deinit(struct kv_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        memory_free(list->items[i].key);
        kv_value_deinit(&list->items[i].value);
    }
    memory_free(list->items);
    *list = (struct kv_list){0};
}
static inline void kv_close(struct kv *kv) // no watch may be left
{
    if (kv) kv->ops->close(kv);
}

#endif
