// One call of etcd's gateway: which member, how long, again or not, as whom, and whether it is still the same store.
// What the store's calls (kv_etcd.c) and its watches (kv_etcd_watch.c) share; private to common/kv.
#ifndef FORESET_KV_ETCD_CALL_H
#define FORESET_KV_ETCD_CALL_H

#include <pthread.h>

#include "common/http/http_client.h"
#include "common/kv/kv_etcd.h"
#include "common/kv/kv_etcd_json.h"

struct kv_etcd_link {
    struct http_client *http;
    char *endpoints[KV_ETCD_ENDPOINTS_MAX]; // without a slash at the end
    size_t endpoint_count;
    int64_t deadline_us;
    char *user, *password;
    pthread_mutex_t lock; // over what follows
    size_t current;       // the member that answered last
    char *token;          // "": etcd asks for none; NULL: not logged in
    uint64_t cluster;     // 0: no answer yet
    int64_t revision;     // the greatest seen
    bool replaced;        // for good
    char replaced_words[256];
};
enum status kv_etcd_call_open(const struct kv_etcd_config *config, struct kv_etcd_link *link,
                              struct error *err) MUST_USE;
void kv_etcd_call_close(struct kv_etcd_link *link);

struct kv_etcd_call {
    const char *path; // "/v3/kv/range"
    struct slice body;
    int64_t deadline_us;
    bool once;         // it writes: not sent again once a member may have it
    bool linearizable; // its answer's revision is the store's, and must not go back
    size_t answer_max;
    // Set by kv_etcd_call_send:
    struct text answer;             // the caller's to deinit
    struct kv_etcd_refusal refusal; // code KV_ETCD_OK: answer holds
    size_t endpoint;
    int64_t revision_before;
};
// STATUS_OK: a member answered, with what was asked for or with a refusal that every member would give. Else
// KV_UNAVAILABLE, KV_REPLACED, STATUS_UNKNOWN (only if once), or what login and TLS say.
enum status kv_etcd_call_send(struct kv_etcd_link *link, struct kv_etcd_call *call, struct error *err) MUST_USE;
// With the answer's header: is it the same store?
enum status kv_etcd_call_note(struct kv_etcd_link *link, const struct kv_etcd_call *call,
                              const struct kv_etcd_header *header, struct error *err) MUST_USE;

// What a member's refusal means for a call.
enum kv_etcd_verdict {
    KV_ETCD_FINAL,   // nothing happened, every member says so
    KV_ETCD_NEXT,    // nothing happened, another member may do better
    KV_ETCD_LOGIN,   // nothing happened, the token does not hold
    KV_ETCD_PERHAPS, // it may have happened
};
enum kv_etcd_verdict kv_etcd_call_judge(const struct kv_etcd_refusal *refusal);
// Gets a token from this member, where a user is given.
enum status kv_etcd_call_login(struct kv_etcd_link *link, size_t endpoint, int64_t deadline_us,
                               struct error *err) MUST_USE;
bool kv_etcd_call_logged_in(struct kv_etcd_link *link);
void kv_etcd_call_forget_token(struct kv_etcd_link *link);
// The headers of a request; `authorization` is the caller's to deinit, after the request.
#define KV_ETCD_HEADERS_MAX 3
size_t kv_etcd_call_headers(struct kv_etcd_link *link, const char *headers[KV_ETCD_HEADERS_MAX],
                            struct text *authorization);
// First member to ask; and to ask others from now on.
size_t kv_etcd_call_current(struct kv_etcd_link *link);
void kv_etcd_call_leave(struct kv_etcd_link *link, size_t endpoint);
enum status kv_etcd_call_check_same(struct kv_etcd_link *link, struct error *err) MUST_USE;

#endif
