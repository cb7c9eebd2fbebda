// The key-value store in etcd: the calls of kv.h as requests of its gateway (kv_etcd_call.c sends them, kv_etcd_json.c
// writes and reads them, kv_etcd_watch.c watches).
//
// Reads are linearizable. A list is read in pages as of the first page's revision, small ones where values are large;
// where a compaction takes that revision away meanwhile, it begins anew. A lease's keepalive has a third of its time to
// live as deadline, so that two more can follow; a grant whose answer was lost is granted again, and the lost one runs
// out by itself.
#include "common/kv/kv_etcd.h"

#include <inttypes.h>

#include "common/base/vector.h"
#include "common/kv/kv_etcd_call.h"
#include "common/kv/kv_etcd_watch.h"

#define KV_ETCD_ANSWER_MAX (64u << 20)
#define KV_ETCD_KEY_MAX    1024u
#define KV_ETCD_PAGE_BYTES (2u << 20) // an answer's size below which the next page is larger, above which smaller
enum { KV_ETCD_PAGE = 16, KV_ETCD_PAGE_MAX = 1024, KV_ETCD_PAGE_STEP = 4, KV_ETCD_LIST_TRIES = 3 };

struct kv_etcd_lease {
    int64_t id, ttl_ms;
};
struct kv_etcd {
    struct kv base;
    struct kv_etcd_link link;
    pthread_mutex_t lock;
    VECTOR(struct kv_etcd_lease) leases; // granted here
};

static struct kv_etcd *kv_etcd_of(struct kv *kv)
{
    return (struct kv_etcd *)kv;
}

static void kv_etcd_close(struct kv *base)
{
    struct kv_etcd *kv = kv_etcd_of(base);
    kv_etcd_call_close(&kv->link);
    vector_deinit(&kv->leases);
    pthread_mutex_destroy(&kv->lock);
    memory_free(kv);
}

// A refusal that every member would give, in the store's words.
static enum status kv_etcd_refused(const struct kv_etcd_call *call, const struct kv_etcd_link *link, struct error *err)
{
    enum status status = STATUS_ERROR;
    if (call->refusal.code == KV_ETCD_NOT_FOUND) status = STATUS_NOT_FOUND;
    if (call->refusal.code == KV_ETCD_INVALID_ARGUMENT) status = STATUS_INVALID;
    const char *advice = call->refusal.code == KV_ETCD_PERMISSION_DENIED
                             ? "; grant the user's role readwrite on the prefix 'foreset/'"
                             : "";
    return error_set(err, status, status == STATUS_NOT_FOUND ? ERROR_FENCED : ERROR_FAIL_PIPELINE, "etcd at %s: %s%s",
                     link->endpoints[call->endpoint], call->refusal.message, advice);
}

// ---- keys

static enum status kv_etcd_range(struct kv_etcd *kv, struct text *body, struct kv_etcd_call *call,
                                 struct kv_etcd_header *ret_header, struct kv_list *list, bool *ret_more,
                                 struct error *err)
{
    call->path = "/v3/kv/range";
    call->body = slice_of(text_str(body), body->length);
    call->deadline_us = kv->link.deadline_us;
    call->linearizable = true;
    call->answer_max = KV_ETCD_ANSWER_MAX;
    enum status status = kv_etcd_call_send(&kv->link, call, err);
    if (status != STATUS_OK || call->refusal.code != KV_ETCD_OK) return status;
    struct slice answer = slice_of(text_str(&call->answer), call->answer.length);
    status = kv_etcd_json_read_range(answer, ret_header, list, ret_more, err);
    if (status == STATUS_CORRUPT) return error_prefix(err, "etcd at %s", kv->link.endpoints[call->endpoint]);
    return status == STATUS_OK ? kv_etcd_call_note(&kv->link, call, ret_header, err) : status;
}

static enum status kv_etcd_one(struct kv_etcd *kv, const char *key, struct kv_list *list,
                               struct kv_etcd_header *ret_header, struct error *err)
{
    struct text body = {0};
    struct kv_etcd_call call = {0};
    bool more;
    kv_etcd_json_range(&body, slice_str(key), slice_of("", 0), 0, 0);
    enum status status = kv_etcd_range(kv, &body, &call, ret_header, list, &more, err);
    if (status == STATUS_OK && call.refusal.code != KV_ETCD_OK) status = kv_etcd_refused(&call, &kv->link, err);
    text_deinit(&body);
    text_deinit(&call.answer);
    return status;
}

static enum status kv_etcd_get(struct kv *base, const char *key, struct kv_value *ret_value, struct error *err)
{
    struct kv_etcd_header header;
    struct kv_list list = {0};
    enum status status = kv_etcd_one(kv_etcd_of(base), key, &list, &header, err);
    if (status == STATUS_OK) {
        *ret_value = (struct kv_value){0};
        if (list.count > 0) {
            *ret_value = list.items[0].value;
            list.items[0].value = (struct kv_value){0};
        }
    }
    kv_list_deinit(&list);
    return status;
}

static enum status kv_etcd_identity(struct kv *base, struct kv_identity *ret_identity, struct error *err)
{
    struct kv_etcd_header header;
    struct kv_list list = {0};
    enum status status = kv_etcd_one(kv_etcd_of(base), "foreset/identity", &list, &header, err);
    if (status == STATUS_OK) *ret_identity = (struct kv_identity){header.cluster, header.revision};
    kv_list_deinit(&list);
    return status;
}

// Values may have 1 MiB each: what a page brought tells how many keys the next one asks for.
static int64_t kv_etcd_next_page(int64_t page, size_t answer_bytes)
{
    if (answer_bytes > KV_ETCD_PAGE_BYTES) return page > KV_ETCD_PAGE_STEP ? page / KV_ETCD_PAGE_STEP : 1;
    if (answer_bytes > KV_ETCD_PAGE_BYTES / KV_ETCD_PAGE_STEP) return page;
    return page < KV_ETCD_PAGE_MAX ? page * KV_ETCD_PAGE_STEP : KV_ETCD_PAGE_MAX;
}

// All pages as of one revision. *ret_compacted: that revision is gone.
static enum status kv_etcd_pages(struct kv_etcd *kv, const char *prefix, struct kv_list *list, bool *ret_compacted,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    struct text body = {0}, end = {0}, from = {0};
    struct kv_etcd_call call = {0};
    int64_t page = KV_ETCD_PAGE;
    text_append_str(&from, prefix[0] ? prefix : "");
    if (!prefix[0]) text_append(&from, "\0", 1);
    kv_etcd_watch_range_end(prefix, &end);
    for (bool more = true; more;) {
        struct kv_etcd_header header;
        size_t before = list->count;
        text_reset(&body);
        kv_etcd_json_range(&body, slice_of(from.data, from.length), slice_of(end.data, end.length), page,
                           list->revision);
        TRY(kv_etcd_range(kv, &body, &call, &header, list, &more, err));
        *ret_compacted = call.refusal.code == KV_ETCD_OUT_OF_RANGE;
        if (*ret_compacted) goto out;
        if (call.refusal.code != KV_ETCD_OK) TRY(kv_etcd_refused(&call, &kv->link, err));
        if (list->revision == 0) list->revision = header.revision;
        if (list->count == before) break;
        page = kv_etcd_next_page(page, call.answer.length);
        text_reset(&from); // the first key behind the last
        text_append_str(&from, list->items[list->count - 1].key);
        text_append(&from, "\0", 1);
    }
out:
    text_deinit(&body);
    text_deinit(&end);
    text_deinit(&from);
    text_deinit(&call.answer);
    return status;
}

static enum status kv_etcd_list(struct kv *base, const char *prefix, struct kv_list *ret_list, struct error *err)
{
    for (int try = 0; try < KV_ETCD_LIST_TRIES; try++) {
        struct kv_list list = {0};
        bool compacted = false;
        enum status status = kv_etcd_pages(kv_etcd_of(base), prefix, &list, &compacted, err);
        if (status == STATUS_OK && !compacted) {
            *ret_list = list;
            return STATUS_OK;
        }
        kv_list_deinit(&list);
        if (status != STATUS_OK) return status;
    }
    return error_set(err, STATUS_ERROR, ERROR_RETRY, "etcd: '%s' was compacted %d times while it was listed", prefix,
                     KV_ETCD_LIST_TRIES);
}

static enum status kv_etcd_check_txn(size_t compare_count, const struct kv_op *ops, size_t op_count, struct error *err)
{
    if (compare_count > KV_OPS_MAX || op_count > KV_OPS_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "etcd: %zu compares and %zu operations in a transaction, at most %u of each", compare_count,
                         op_count, KV_OPS_MAX);
    }
    for (size_t i = 0; i < op_count; i++) {
        size_t key_size = strlen(ops[i].key);
        if (key_size > 0 && key_size <= KV_ETCD_KEY_MAX && ops[i].size <= KV_VALUE_BYTES_MAX) continue;
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "etcd: key '%.64s': %zu bytes of key and %zu of value, at most %u and %u", ops[i].key,
                         key_size, ops[i].size, KV_ETCD_KEY_MAX, KV_VALUE_BYTES_MAX);
    }
    return STATUS_OK;
}

static enum status kv_etcd_txn(struct kv *base, const struct kv_compare *compares, size_t compare_count,
                               const struct kv_op *ops, size_t op_count, struct error *err)
{
    enum status status = STATUS_OK;
    struct kv_etcd *kv = kv_etcd_of(base);
    struct text body = {0};
    struct kv_etcd_header header;
    bool succeeded = false;
    struct kv_etcd_call call = {.path = "/v3/kv/txn",
                                .deadline_us = kv->link.deadline_us,
                                .once = op_count > 0,
                                .linearizable = true,
                                .answer_max = KV_ETCD_ANSWER_MAX};
    TRY(kv_etcd_check_txn(compare_count, ops, op_count, err));
    kv_etcd_json_txn(&body, compares, compare_count, ops, op_count);
    call.body = slice_of(text_str(&body), body.length);
    TRY(kv_etcd_call_send(&kv->link, &call, err));
    if (call.refusal.code != KV_ETCD_OK) TRY(kv_etcd_refused(&call, &kv->link, err));
    status = kv_etcd_json_read_txn(slice_of(text_str(&call.answer), call.answer.length), &header, &succeeded, err);
    if (status != STATUS_OK) {
        TRY(error_set(err, STATUS_UNKNOWN, ERROR_RETRY, "etcd at %s: the answer to a transaction cannot be read",
                      kv->link.endpoints[call.endpoint]));
    }
    TRY(kv_etcd_call_note(&kv->link, &call, &header, err));
    if (!succeeded) {
        TRY(error_set(err, STATUS_CONFLICT, ERROR_RETRY, "etcd: key '%s'%s is not as expected", compares[0].key,
                      compare_count > 1 ? ", or one compared with it," : ""));
    }
out:
    text_deinit(&body);
    text_deinit(&call.answer);
    return status;
}

// ---- leases

static int64_t kv_etcd_keepalive_us(struct kv_etcd *kv, int64_t lease)
{
    int64_t deadline_us = kv->link.deadline_us;
    pthread_mutex_lock(&kv->lock);
    for (size_t i = 0; i < kv->leases.count; i++) {
        int64_t third_us = kv->leases.items[i].ttl_ms * 1000 / 3;
        if (kv->leases.items[i].id == lease && third_us < deadline_us) deadline_us = third_us;
    }
    pthread_mutex_unlock(&kv->lock);
    return deadline_us;
}

static void kv_etcd_forget_lease(struct kv_etcd *kv, int64_t lease)
{
    pthread_mutex_lock(&kv->lock);
    for (size_t i = kv->leases.count; i > 0; i--) {
        if (kv->leases.items[i - 1].id == lease) vector_remove(&kv->leases, i - 1);
    }
    pthread_mutex_unlock(&kv->lock);
}

static enum status kv_etcd_lease_call(struct kv_etcd *kv, const char *path, const char *body, int64_t deadline_us,
                                      struct kv_etcd_lease *ret_lease, struct error *err)
{
    enum status status = STATUS_OK;
    struct kv_etcd_header header;
    struct kv_etcd_lease lease = {0};
    struct kv_etcd_call call = {
        .path = path, .body = slice_str(body), .deadline_us = deadline_us, .answer_max = KV_ETCD_ANSWER_MAX};
    TRY(kv_etcd_call_send(&kv->link, &call, err));
    if (call.refusal.code != KV_ETCD_OK) TRY(kv_etcd_refused(&call, &kv->link, err));
    struct slice answer = slice_of(text_str(&call.answer), call.answer.length);
    if (ret_lease) {
        status = kv_etcd_json_read_lease(answer, &header, &lease.id, &lease.ttl_ms, err);
        if (status == STATUS_OK && (lease.ttl_ms < 0 || lease.ttl_ms > INT64_MAX / 1000000)) lease.ttl_ms = 0;
        lease.ttl_ms *= 1000;
    } else {
        status = kv_etcd_json_read_header(answer, &header, err);
    }
    if (status != STATUS_OK) TRY(error_prefix(err, "etcd at %s", kv->link.endpoints[call.endpoint]));
    TRY(kv_etcd_call_note(&kv->link, &call, &header, err));
    if (ret_lease) *ret_lease = lease;
out:
    text_deinit(&call.answer);
    return status;
}

static enum status kv_etcd_lease_grant(struct kv *base, int64_t ttl_ms, int64_t *ret_lease, struct error *err)
{
    struct kv_etcd *kv = kv_etcd_of(base);
    char body[64];
    struct kv_etcd_lease lease;
    snprintf(body, sizeof body, "{\"TTL\":\"%" PRId64 "\"}", (ttl_ms + 999) / 1000);
    enum status status = kv_etcd_lease_call(kv, "/v3/lease/grant", body, kv->link.deadline_us, &lease, err);
    if (status != STATUS_OK) return status;
    lease.ttl_ms = ttl_ms; // what the caller reckons with; etcd's is never shorter
    pthread_mutex_lock(&kv->lock);
    vector_push(&kv->leases, lease);
    pthread_mutex_unlock(&kv->lock);
    *ret_lease = lease.id;
    return STATUS_OK;
}

static enum status kv_etcd_lease_gone(struct kv_etcd *kv, int64_t lease, struct error *err)
{
    kv_etcd_forget_lease(kv, lease);
    return error_set(err, STATUS_NOT_FOUND, ERROR_FENCED, "etcd: lease %" PRIx64 " has run out", (uint64_t)lease);
}

static enum status kv_etcd_lease_keepalive(struct kv *base, int64_t lease, struct error *err)
{
    struct kv_etcd *kv = kv_etcd_of(base);
    char body[64];
    struct kv_etcd_lease now;
    snprintf(body, sizeof body, "{\"ID\":\"%" PRId64 "\"}", lease);
    int64_t deadline_us = kv_etcd_keepalive_us(kv, lease);
    enum status status = kv_etcd_lease_call(kv, "/v3/lease/keepalive", body, deadline_us, &now, err);
    if (status == STATUS_OK && now.ttl_ms > 0) return STATUS_OK;
    return status == STATUS_OK || status == STATUS_NOT_FOUND ? kv_etcd_lease_gone(kv, lease, err) : status;
}

static enum status kv_etcd_lease_revoke(struct kv *base, int64_t lease, struct error *err)
{
    struct kv_etcd *kv = kv_etcd_of(base);
    char body[64];
    snprintf(body, sizeof body, "{\"ID\":\"%" PRId64 "\"}", lease);
    enum status status = kv_etcd_lease_call(kv, "/v3/lease/revoke", body, kv->link.deadline_us, NULL, err);
    if (status == STATUS_OK) kv_etcd_forget_lease(kv, lease);
    return status == STATUS_NOT_FOUND ? kv_etcd_lease_gone(kv, lease, err) : status;
}

// ---- watches

static enum status kv_etcd_watch(struct kv *base, const char *prefix, int64_t from_revision, kv_watch_fn on_news,
                                 void *argument, struct kv_watch **ret_watch, struct error *err)
{
    struct kv_etcd *kv = kv_etcd_of(base);
    enum status status = kv_etcd_call_check_same(&kv->link, err);
    if (status == STATUS_OK) *ret_watch = kv_etcd_watch_start(&kv->link, prefix, from_revision, on_news, argument);
    return status;
}

static void kv_etcd_stop(struct kv *base, struct kv_watch *watch)
{
    (void)base;
    kv_etcd_watch_stop(watch);
}

static const struct kv_ops kv_etcd_ops = {
    .close = kv_etcd_close,
    .get = kv_etcd_get,
    .txn = kv_etcd_txn,
    .lease_grant = kv_etcd_lease_grant,
    .lease_keepalive = kv_etcd_lease_keepalive,
    .lease_revoke = kv_etcd_lease_revoke,
    .list = kv_etcd_list,
    .watch = kv_etcd_watch,
    .watch_stop = kv_etcd_stop,
    .identity = kv_etcd_identity,
};

enum status kv_etcd_open(const struct kv_etcd_config *config, struct kv **ret_kv, struct error *err)
{
    struct kv_etcd *kv = memory_calloc(1, sizeof *kv);
    kv->base.ops = &kv_etcd_ops;
    enum status status = kv_etcd_call_open(config, &kv->link, err);
    if (status != STATUS_OK) {
        memory_free(kv);
        return status;
    }
    pthread_mutex_init(&kv->lock, NULL);
    *ret_kv = &kv->base;
    return STATUS_OK;
}
