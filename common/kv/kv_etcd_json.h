// etcd's JSON: requests written, answers read. Pure. Keys and values are Base64, 64-bit numbers are strings, and what
// is zero, empty or false is left out (protobuf's JSON form). Any bytes may come in: an error then, STATUS_CORRUPT.
#ifndef FORESET_KV_ETCD_JSON_H
#define FORESET_KV_ETCD_JSON_H

#include "common/base/text.h"
#include "common/base/vector.h"
#include "common/kv/kv.h"

struct kv_etcd_header {
    uint64_t cluster; // 0: the answer had none
    int64_t revision;
};

// gRPC's status codes, as far as they matter here.
enum kv_etcd_code {
    KV_ETCD_OK = 0,
    KV_ETCD_UNKNOWN = 2,
    KV_ETCD_INVALID_ARGUMENT = 3,
    KV_ETCD_DEADLINE = 4,
    KV_ETCD_NOT_FOUND = 5,
    KV_ETCD_PERMISSION_DENIED = 7,
    KV_ETCD_RESOURCE_EXHAUSTED = 8,
    KV_ETCD_FAILED_PRECONDITION = 9,
    KV_ETCD_OUT_OF_RANGE = 11,
    KV_ETCD_UNAVAILABLE = 14,
    KV_ETCD_UNAUTHENTICATED = 16,
};
struct kv_etcd_refusal {
    int code; // KV_ETCD_UNKNOWN if the body told none
    char message[256];
};

// The whole of [key, end); end empty: one key. limit, revision 0: none.
void kv_etcd_json_range(struct text *json, struct slice key, struct slice end, int64_t limit, int64_t revision);
void kv_etcd_json_txn(struct text *json, const struct kv_compare *compares, size_t compare_count,
                      const struct kv_op *ops, size_t op_count);
void kv_etcd_json_watch(struct text *json, struct slice key, struct slice end, int64_t from_revision);
void kv_etcd_json_login(struct text *json, const char *user, const char *password);

// Items are appended to list. *ret_more: the limit cut it off.
enum status kv_etcd_json_read_range(struct slice json, struct kv_etcd_header *ret_header, struct kv_list *list,
                                    bool *ret_more, struct error *err) MUST_USE;
enum status kv_etcd_json_read_txn(struct slice json, struct kv_etcd_header *ret_header, bool *ret_succeeded,
                                  struct error *err) MUST_USE;
// Of a grant, or the first line of a keepalive's stream; there ttl 0: the lease is gone.
enum status kv_etcd_json_read_lease(struct slice json, struct kv_etcd_header *ret_header, int64_t *ret_lease,
                                    int64_t *ret_ttl_s, struct error *err) MUST_USE;
// Only a header: a revoke's answer.
enum status kv_etcd_json_read_header(struct slice json, struct kv_etcd_header *ret_header, struct error *err) MUST_USE;
// *ret_token: memory_free.
enum status kv_etcd_json_read_token(struct slice json, char **ret_token, struct error *err) MUST_USE;
// What an answer that is not 200, or an {"error"…} line of a stream, says. Never fails.
void kv_etcd_json_read_refusal(struct slice json, long http_code, struct kv_etcd_refusal *ret_refusal);

// One line of a watch.
struct kv_etcd_watch_line {
    struct kv_etcd_header header;
    bool refused; // refusal holds
    struct kv_etcd_refusal refusal;
    bool created, canceled;
    int64_t compact_revision;
    char cancel_reason[256];
    VECTOR(struct kv_event) events; // key and bytes are the line's
};
enum status kv_etcd_json_read_watch(struct slice json, struct kv_etcd_watch_line *ret_line, struct error *err) MUST_USE;
void kv_etcd_json_watch_deinit(struct kv_etcd_watch_line *line);

#endif
