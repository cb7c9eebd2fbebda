// One call of etcd's gateway. Contract: kv_etcd_call.h.
//
// Happy path: the member that answered last gets the request, with the token and `hasleader` (a member without a leader
// refuses at once instead of waiting), and answers 200. What can fail, for a member:
//   1. it cannot be reached, or refuses before anything happened: the next member, in rounds, until the deadline;
//   2. it took the request and gives no clear answer: a read goes to the next member; a write is STATUS_UNKNOWN, and
//      not sent again. A member gets the deadline's share (deadline ÷ members, a second at most, more from round to
//      round), so that one that stands still (SIGSTOP), or waits for a leader that does, leaves time for the others;
//   3. the token does not hold: a new one, once, and again. Nothing has happened then;
//   4. it says what every member would say (no such lease, not allowed): the caller's to judge;
//   5. its cluster id is another, or the revision went back: KV_REPLACED, for good.
// "database space exceeded" comes for transactions that were applied too (etcd's quota check): it is case 2.
#include "common/kv/kv_etcd_call.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/thread.h"

#define KV_ETCD_DEADLINE_US    5000000
#define KV_ETCD_SHARE_US_MIN   300000
#define KV_ETCD_SHARE_US_MAX   1000000 // in the first round, where there are others to ask
#define KV_ETCD_ROUND_PAUSE_US 100000
enum { KV_ETCD_REASON_SIZE = 160, KV_ETCD_URL_SIZE = 512, KV_ETCD_TOKEN_BYTES_MAX = 1 << 16 };

struct kv_etcd_reasons {
    char of[KV_ETCD_ENDPOINTS_MAX][KV_ETCD_REASON_SIZE]; // "": not asked
    bool hopeless[KV_ETCD_ENDPOINTS_MAX];                // trying again cannot help
};

// ---- opening

static enum status kv_etcd_endpoint(struct kv_etcd_link *link, struct slice url, struct error *err)
{
    while (url.length > 0 && url.data[url.length - 1] == '/') url.length--;
    struct slice head = slice_of(url.data, url.length < 8 ? url.length : 8);
    bool http = head.length > 7 && strncmp(head.data, "http://", 7) == 0;
    bool https = url.length > 8 && strncmp(head.data, "https://", 8) == 0;
    size_t from = https ? 8 : 7;
    if ((!http && !https) || url.length > 400 || memchr(url.data + from, '/', url.length - from)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "etcd: '%.*s' is no endpoint; give client URLs, http://host:2379[,http://host:2379…]",
                         (int)(url.length < 64 ? url.length : 64), url.data);
    }
    if (memchr(url.data, '@', url.length) || memchr(url.data, '?', url.length)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "etcd: an endpoint holds a host and a port only; user and password are given apart");
    }
    if (link->endpoint_count == KV_ETCD_ENDPOINTS_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "etcd: more than %d endpoints", KV_ETCD_ENDPOINTS_MAX);
    }
    link->endpoints[link->endpoint_count++] = memory_strndup(url.data, url.length);
    return STATUS_OK;
}

enum status kv_etcd_call_open(const struct kv_etcd_config *config, struct kv_etcd_link *link, struct error *err)
{
    enum status status = STATUS_OK;
    *link = (struct kv_etcd_link){.deadline_us = config->deadline_us > 0 ? config->deadline_us : KV_ETCD_DEADLINE_US};
    pthread_mutex_init(&link->lock, NULL);
    for (const char *at = config->endpoints ? config->endpoints : "";;) {
        size_t length = strcspn(at, ",");
        TRY(kv_etcd_endpoint(link, slice_of(at, length), err));
        if (!at[length]) break;
        at += length + 1;
    }
    if (config->password && !config->user) {
        TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "etcd: a password is given, but no user"));
    }
    if (config->user) link->user = memory_strdup(config->user);
    if (config->user) link->password = memory_strdup(config->password ? config->password : "");
    struct http_client_config http = {.ca = config->ca, .cert = config->cert, .key = config->key};
    http.connect_us = link->deadline_us / 3;
    TRY(http_client_create(&http, &link->http, err));
out:
    if (status != STATUS_OK) kv_etcd_call_close(link);
    return status;
}

void kv_etcd_call_close(struct kv_etcd_link *link)
{
    http_client_destroy(link->http);
    for (size_t i = 0; i < link->endpoint_count; i++) memory_free(link->endpoints[i]);
    memory_free(link->user);
    memory_free(link->password);
    memory_free(link->token);
    pthread_mutex_destroy(&link->lock);
}

// ---- which member

size_t kv_etcd_call_current(struct kv_etcd_link *link)
{
    pthread_mutex_lock(&link->lock);
    size_t current = link->current;
    pthread_mutex_unlock(&link->lock);
    return current;
}

void kv_etcd_call_leave(struct kv_etcd_link *link, size_t endpoint)
{
    pthread_mutex_lock(&link->lock);
    if (link->current == endpoint) link->current = (endpoint + 1) % link->endpoint_count;
    pthread_mutex_unlock(&link->lock);
}

// ---- the same store?

static enum status kv_etcd_replaced(const struct kv_etcd_link *link, struct error *err)
{
    (void)error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                    "%s: it was wiped or restored, or the address is another cluster's; what was decided stands in the "
                    "tables' logs and manifests, and counts",
                    link->replaced_words);
    if (err) snprintf(err->condition, sizeof err->condition, "%s", KV_REPLACED);
    return STATUS_ERROR;
}

enum status kv_etcd_call_check_same(struct kv_etcd_link *link, struct error *err)
{
    pthread_mutex_lock(&link->lock);
    enum status status = link->replaced ? kv_etcd_replaced(link, err) : STATUS_OK;
    pthread_mutex_unlock(&link->lock);
    return status;
}

enum status kv_etcd_call_note(struct kv_etcd_link *link, const struct kv_etcd_call *call,
                              const struct kv_etcd_header *header, struct error *err)
{
    enum status status = STATUS_OK;
    const char *endpoint = link->endpoints[call->endpoint];
    pthread_mutex_lock(&link->lock);
    if (link->cluster == 0) link->cluster = header->cluster;
    if (!link->replaced && header->cluster != 0 && header->cluster != link->cluster) {
        link->replaced = true;
        snprintf(link->replaced_words, sizeof link->replaced_words,
                 "etcd at %.120s has cluster id %" PRIx64 ", before it was %" PRIx64, endpoint, header->cluster,
                 link->cluster);
    }
    if (!link->replaced && call->linearizable && header->revision < call->revision_before) {
        link->replaced = true;
        snprintf(link->replaced_words, sizeof link->replaced_words,
                 "etcd at %.120s is at revision %" PRId64 ", before it was at %" PRId64, endpoint, header->revision,
                 call->revision_before);
    }
    if (link->replaced) {
        status = kv_etcd_replaced(link, err);
    } else if (header->revision > link->revision) {
        link->revision = header->revision;
    }
    pthread_mutex_unlock(&link->lock);
    return status;
}

// ---- requests

size_t kv_etcd_call_headers(struct kv_etcd_link *link, const char *headers[KV_ETCD_HEADERS_MAX],
                            struct text *authorization)
{
    size_t count = 0;
    headers[count++] = "Content-Type: application/json";
    headers[count++] = "Grpc-Metadata-hasleader: true";
    text_reset(authorization);
    pthread_mutex_lock(&link->lock);
    if (link->token && link->token[0]) text_printf(authorization, "Authorization: %s", link->token);
    pthread_mutex_unlock(&link->lock);
    if (authorization->length > 0) headers[count++] = authorization->data;
    return count;
}

static enum status kv_etcd_post(struct kv_etcd_link *link, size_t endpoint, const struct kv_etcd_call *call,
                                int64_t deadline_us, struct http_response *ret_response, struct error *err)
{
    char url[KV_ETCD_URL_SIZE];
    const char *headers[KV_ETCD_HEADERS_MAX];
    struct text authorization = {0};
    snprintf(url, sizeof url, "%s%s", link->endpoints[endpoint], call->path);
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = headers,
                                   .header_count = kv_etcd_call_headers(link, headers, &authorization),
                                   .body = call->body.data,
                                   .size = call->body.length,
                                   .deadline_us = deadline_us,
                                   .answer_max = call->answer_max};
    enum status status = http_client_send(link->http, &request, ret_response, err);
    text_deinit(&authorization);
    return status;
}

enum kv_etcd_verdict kv_etcd_call_judge(const struct kv_etcd_refusal *refusal)
{
    const char *message = refusal->message;
    if (strstr(message, "invalid auth token") || strstr(message, "revision of auth store is old") ||
        strstr(message, "user name is empty") || refusal->code == KV_ETCD_UNAUTHENTICATED) {
        return KV_ETCD_LOGIN;
    }
    if (strcmp(message, "etcdserver: no leader") == 0 || strcmp(message, "etcdserver: not leader") == 0 ||
        strcmp(message, "etcdserver: too many requests") == 0) {
        return KV_ETCD_NEXT;
    }
    switch (refusal->code) {
    case KV_ETCD_INVALID_ARGUMENT:
    case KV_ETCD_NOT_FOUND:
    case KV_ETCD_PERMISSION_DENIED:
    case KV_ETCD_FAILED_PRECONDITION:
    case KV_ETCD_OUT_OF_RANGE: return KV_ETCD_FINAL;
    default: return KV_ETCD_PERHAPS;
    }
}

// ---- login

bool kv_etcd_call_logged_in(struct kv_etcd_link *link)
{
    pthread_mutex_lock(&link->lock);
    bool logged_in = !link->user || link->token;
    pthread_mutex_unlock(&link->lock);
    return logged_in;
}

static void kv_etcd_set_token(struct kv_etcd_link *link, char *token)
{
    pthread_mutex_lock(&link->lock);
    memory_free(link->token);
    link->token = token;
    pthread_mutex_unlock(&link->lock);
}

void kv_etcd_call_forget_token(struct kv_etcd_link *link)
{
    kv_etcd_set_token(link, NULL);
}

static enum status kv_etcd_login_refused(const struct kv_etcd_link *link, const struct kv_etcd_refusal *refusal,
                                         struct error *err)
{
    bool final = kv_etcd_call_judge(refusal) == KV_ETCD_FINAL;
    return error_set(err, STATUS_ERROR, final ? ERROR_FAIL_PIPELINE : ERROR_RETRY,
                     "etcd refuses the user '%.64s': %s; check user and password", link->user, refusal->message);
}

enum status kv_etcd_call_login(struct kv_etcd_link *link, size_t endpoint, int64_t deadline_us, struct error *err)
{
    enum status status = STATUS_OK;
    struct text body = {0};
    struct http_response response = {0};
    struct kv_etcd_refusal refusal;
    char *token = NULL;
    kv_etcd_call_forget_token(link);
    kv_etcd_json_login(&body, link->user, link->password);
    struct kv_etcd_call call = {.path = "/v3/auth/authenticate",
                                .body = slice_of(body.data, body.length),
                                .answer_max = KV_ETCD_TOKEN_BYTES_MAX};
    TRY(kv_etcd_post(link, endpoint, &call, deadline_us, &response, err));
    if (response.code != 200) {
        kv_etcd_json_read_refusal(slice_of(text_str(&response.body), response.body.length), response.code, &refusal);
        if (!strstr(refusal.message, "authentication is not enabled")) {
            TRY(kv_etcd_login_refused(link, &refusal, err));
        }
        log_debug("etcd_auth_off", "endpoint=%s", link->endpoints[endpoint]);
        token = memory_strdup("");
    } else {
        TRY(kv_etcd_json_read_token(slice_of(text_str(&response.body), response.body.length), &token, err));
    }
    kv_etcd_set_token(link, token);
out:
    if (body.data) explicit_bzero(body.data, body.length);
    text_deinit(&body);
    http_client_response_deinit(&response);
    return status == STATUS_UNKNOWN ? STATUS_ERROR : status; // a token more or less: nothing happened
}

// ---- a call

// The words of an error without the URL before and the advice behind them.
static void kv_etcd_reason(struct kv_etcd_reasons *reasons, size_t endpoint, const struct error *err, const char *path)
{
    const char *words = strstr(err->message, path);
    words = words ? words + strlen(path) : err->message;
    words += strspn(words, ": ");
    size_t length = err->class == ERROR_RETRY ? strcspn(words, ";") : strlen(words);
    snprintf(reasons->of[endpoint], KV_ETCD_REASON_SIZE, "%.*s", (int)(length < 400 ? length : 400), words);
    reasons->hopeless[endpoint] = err->class != ERROR_RETRY;
}

static enum status kv_etcd_unavailable(const struct kv_etcd_link *link, const struct kv_etcd_reasons *reasons,
                                       struct error *err)
{
    struct text words = {0};
    bool hopeless = true;
    for (size_t i = 0; i < link->endpoint_count; i++) {
        const char *reason = reasons->of[i][0] ? reasons->of[i] : "not asked";
        text_printf(&words, "%s%s: %s", i ? "; " : "", link->endpoints[i], reason);
        hopeless = hopeless && reasons->hopeless[i];
    }
    enum error_class class = hopeless ? ERROR_FAIL_PIPELINE : ERROR_RETRY;
    (void)error_set(err, STATUS_ERROR, class,
                    "etcd has no quorum or does not answer; nothing can be decided until a majority of its members is "
                    "there (%s)",
                    text_str(&words));
    text_deinit(&words);
    if (err && !hopeless) snprintf(err->condition, sizeof err->condition, "%s", KV_UNAVAILABLE);
    return STATUS_ERROR;
}

static bool kv_etcd_all_hopeless(const struct kv_etcd_link *link, const struct kv_etcd_reasons *reasons)
{
    for (size_t i = 0; i < link->endpoint_count; i++) {
        if (!reasons->hopeless[i]) return false;
    }
    return true;
}

// One member, once. *ret_verdict if status is not OK, or the answer is a refusal.
static enum status kv_etcd_attempt(struct kv_etcd_link *link, struct kv_etcd_call *call, int64_t deadline_us,
                                   enum kv_etcd_verdict *ret_verdict, struct error *err)
{
    struct http_response response = {0};
    call->refusal = (struct kv_etcd_refusal){0};
    pthread_mutex_lock(&link->lock);
    call->revision_before = link->revision;
    pthread_mutex_unlock(&link->lock);
    enum status status = kv_etcd_post(link, call->endpoint, call, deadline_us, &response, err);
    if (status != STATUS_OK) {
        *ret_verdict =
            status == STATUS_UNKNOWN || (status == STATUS_NO_MEMORY && call->once) ? KV_ETCD_PERHAPS : KV_ETCD_NEXT;
        if (status == STATUS_NO_MEMORY && !call->once) *ret_verdict = KV_ETCD_FINAL;
        return status;
    }
    text_deinit(&call->answer);
    call->answer = response.body;
    response.body = (struct text){0};
    const char *answer = text_str(&call->answer);
    if (response.code != 200 || strncmp(answer, "{\"error\"", 8) == 0) { // a stream's error comes with a 200
        kv_etcd_json_read_refusal(slice_of(answer, call->answer.length), response.code, &call->refusal);
        *ret_verdict = kv_etcd_call_judge(&call->refusal);
        (void)error_set(err, STATUS_ERROR, ERROR_RETRY, "%s", call->refusal.message);
    }
    http_client_response_deinit(&response);
    return STATUS_OK;
}

static enum status kv_etcd_perhaps(struct kv_etcd_link *link, const struct kv_etcd_call *call,
                                   const struct kv_etcd_reasons *reasons, struct error *err)
{
    kv_etcd_call_leave(link, call->endpoint);
    return error_set(err, STATUS_UNKNOWN, ERROR_RETRY, "etcd at %s: %s; whether it happened is unknown",
                     link->endpoints[call->endpoint], reasons->of[call->endpoint]);
}

// One member, logging in where that is needed. *ret_over: the call's outcome is the status returned.
static enum status kv_etcd_ask(struct kv_etcd_link *link, struct kv_etcd_call *call, int64_t share_us,
                               struct kv_etcd_reasons *reasons, bool *ret_over, struct error *err)
{
    enum status status = STATUS_OK;
    enum kv_etcd_verdict verdict = KV_ETCD_FINAL;
    for (int try = 0; try < 2; try++) {
        if (!kv_etcd_call_logged_in(link)) {
            status = kv_etcd_call_login(link, call->endpoint, share_us, err);
            if (status != STATUS_OK) {
                kv_etcd_reason(reasons, call->endpoint, err, "/v3/auth/authenticate");
                *ret_over = err->class == ERROR_FAIL_PIPELINE && strncmp(err->message, "etcd refuses", 12) == 0;
                return status;
            }
        }
        status = kv_etcd_attempt(link, call, share_us, &verdict, err);
        bool refused = status == STATUS_OK && call->refusal.code != KV_ETCD_OK;
        if (!refused || verdict != KV_ETCD_LOGIN || !link->user) break;
        kv_etcd_call_forget_token(link);
    }
    *ret_over = true;
    if (status == STATUS_OK && call->refusal.code == KV_ETCD_OK) return STATUS_OK;
    if (verdict == KV_ETCD_FINAL) return status;
    if (verdict == KV_ETCD_LOGIN) {
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "etcd at %s: %s; give a user and its password",
                         link->endpoints[call->endpoint], call->refusal.message);
    }
    kv_etcd_reason(reasons, call->endpoint, err, call->path);
    if (verdict == KV_ETCD_PERHAPS && call->once) return kv_etcd_perhaps(link, call, reasons, err);
    *ret_over = false;
    return status;
}

enum status kv_etcd_call_send(struct kv_etcd_link *link, struct kv_etcd_call *call, struct error *err)
{
    struct clock *clock = clock_system();
    struct kv_etcd_reasons reasons = {0};
    struct error local;
    int64_t until_us = clock_boot_us(clock) + call->deadline_us;
    int64_t share_us = call->deadline_us / (int64_t)link->endpoint_count;
    if (share_us > KV_ETCD_SHARE_US_MAX && link->endpoint_count > 1) share_us = KV_ETCD_SHARE_US_MAX;
    if (share_us < KV_ETCD_SHARE_US_MIN) share_us = KV_ETCD_SHARE_US_MIN;
    if (!err) err = &local;
    enum status status = kv_etcd_call_check_same(link, err);
    if (status != STATUS_OK) return status;
    call->endpoint = kv_etcd_call_current(link);
    for (size_t asked = 1;; asked++) {
        int64_t left_us = until_us - clock_boot_us(clock);
        if (left_us <= 0) return kv_etcd_unavailable(link, &reasons, err);
        bool over = false;
        status = kv_etcd_ask(link, call, share_us < left_us ? share_us : left_us, &reasons, &over, err);
        if (over) return status;
        kv_etcd_call_leave(link, call->endpoint);
        call->endpoint = (call->endpoint + 1) % link->endpoint_count;
        if (asked % link->endpoint_count != 0) continue;
        if (share_us < call->deadline_us) share_us *= 2;
        if (kv_etcd_all_hopeless(link, &reasons)) return kv_etcd_unavailable(link, &reasons, err);
        left_us = until_us - clock_boot_us(clock);
        if (left_us > 0) thread_sleep_us(left_us < KV_ETCD_ROUND_PAUSE_US ? left_us : KV_ETCD_ROUND_PAUSE_US);
    }
}
