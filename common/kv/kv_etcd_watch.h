// A watch of etcd: a thread that keeps a stream open. Contract: kv.h (watch, watch_stop). Private to common/kv.
#ifndef FORESET_KV_ETCD_WATCH_H
#define FORESET_KV_ETCD_WATCH_H

#include "common/kv/kv_etcd_call.h"

struct kv_watch *kv_etcd_watch_start(struct kv_etcd_link *link, const char *prefix, int64_t from_revision,
                                     kv_watch_fn on_news, void *argument);
void kv_etcd_watch_stop(struct kv_watch *watch);
// The first key behind all that begin with prefix, as etcd wants it: a single NUL if there is none.
void kv_etcd_watch_range_end(const char *prefix, struct text *ret_end);

#endif
