// The HTTP client, over libcurl. Contract: http_client.h.
//
// Happy path: take an idle handle (its connections are kept), set it up, perform, hand the answer out, put it back.
// A body goes through a read function that cannot be rewound: where libcurl would send a request again because a kept
// connection turned out dead, it may do so only while nothing of the body was written. What can fail:
//   - before the body is handed over (name, connect, TLS): nothing happened, STATUS_ERROR;
//   - afterwards: STATUS_UNKNOWN, whatever it was;
//   - with TLS 1.3 a server refuses a client's certificate only after the client wrote: told by its alert.
#include "common/http/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"

#define HTTP_IDLE_MAX       8 // handles kept
#define HTTP_HEADERS_MAX    (64u << 10)
#define HTTP_SHOWN_MAX      512
#define HTTP_CONNECT_US     2000000
#define HTTP_KEEPALIVE_S    10L
#define HTTP_STREAM_TICK_MS 1000

struct http_client {
    char *ca, *cert, *key;
    int64_t connect_us;
    bool proxy;
    pthread_mutex_t lock;
    CURL *idle[HTTP_IDLE_MAX];
    size_t idle_count;
};

struct http_call {
    const struct http_client *client;
    const struct http_request *request;
    CURL *easy;
    struct curl_slist *headers;
    size_t read;                    // bytes of the body handed over
    bool handed;                    // the body was asked for
    bool overflow;                  // the answer is too large
    struct http_response *response; // NULL: a stream
    http_chunk_fn on_chunk;
    void *argument;
    bool enough;
    int64_t heard_us; // boot clock of the last bytes; 0: none yet
    char shown[HTTP_SHOWN_MAX];
    char detail[CURL_ERROR_SIZE];
};

static pthread_once_t http_once = PTHREAD_ONCE_INIT;

static void http_start(void)
{
    ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

// ---- client

static enum status http_check_file(const char *path, const char *what, struct error *err)
{
    if (!path || access(path, R_OK) == 0) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "the %s %s cannot be read: %s", what, path, strerror(errno));
}

enum status http_client_create(const struct http_client_config *config, struct http_client **ret_client,
                               struct error *err)
{
    enum status status = STATUS_OK;
    TRY(http_check_file(config->ca, "CA file", err));
    TRY(http_check_file(config->cert, "client certificate", err));
    TRY(http_check_file(config->key, "key file", err));
    pthread_once(&http_once, http_start);
    struct http_client *client = memory_calloc(1, sizeof *client);
    client->ca = config->ca ? memory_strdup(config->ca) : NULL;
    client->cert = config->cert ? memory_strdup(config->cert) : NULL;
    client->key = config->key ? memory_strdup(config->key) : NULL;
    client->connect_us = config->connect_us > 0 ? config->connect_us : HTTP_CONNECT_US;
    client->proxy = config->proxy;
    pthread_mutex_init(&client->lock, NULL);
    *ret_client = client;
out:
    return status;
}

void http_client_destroy(struct http_client *client)
{
    if (!client) return;
    for (size_t i = 0; i < client->idle_count; i++) curl_easy_cleanup(client->idle[i]);
    pthread_mutex_destroy(&client->lock);
    memory_free(client->ca);
    memory_free(client->cert);
    memory_free(client->key);
    memory_free(client);
}

static CURL *http_take(struct http_client *client)
{
    CURL *easy = NULL;
    pthread_mutex_lock(&client->lock);
    if (client->idle_count > 0) easy = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->lock);
    if (!easy) easy = curl_easy_init();
    ASSERT(easy);
    return easy;
}

static void http_give(struct http_client *client, CURL *easy)
{
    curl_easy_reset(easy); // options only: connections stay
    pthread_mutex_lock(&client->lock);
    if (client->idle_count < HTTP_IDLE_MAX) {
        client->idle[client->idle_count++] = easy;
        easy = NULL;
    }
    pthread_mutex_unlock(&client->lock);
    if (easy) curl_easy_cleanup(easy);
}

void http_client_response_deinit(struct http_response *response)
{
    text_deinit(&response->headers);
    text_deinit(&response->body);
}

struct slice http_client_header(const struct http_response *response, const char *name)
{
    const char *line = text_str(&response->headers);
    size_t length = strlen(name);
    while (*line) {
        size_t size = strcspn(line, "\r\n");
        if (size > length && line[length] == ':' && strncasecmp(line, name, length) == 0) {
            size_t from = length + 1;
            while (from < size && line[from] == ' ') from++;
            return slice_of(line + from, size - from);
        }
        line += size + strspn(line + size, "\r\n");
    }
    return slice_of("", 0);
}

// ---- what libcurl calls

static size_t http_on_read(char *out, size_t size, size_t count, void *argument)
{
    struct http_call *call = argument;
    size_t room = size * count, left = call->request->size - call->read;
    if (room > left) room = left;
    call->handed = true;
    if (room > 0) memcpy(out, (const char *)call->request->body + call->read, room);
    call->read += room;
    return room;
}

static int http_on_seek(void *argument, curl_off_t offset, int origin)
{
    (void)argument;
    (void)offset;
    (void)origin;
    return CURL_SEEKFUNC_FAIL; // a body is sent once
}

static size_t http_on_header(char *bytes, size_t size, size_t count, void *argument)
{
    struct http_call *call = argument;
    size_t length = size * count;
    if (!call->response) return length;
    if (length > 5 && memcmp(bytes, "HTTP/", 5) == 0) text_reset(&call->response->headers); // behind a 100 Continue
    if (call->response->headers.length + length > HTTP_HEADERS_MAX) return 0;
    text_append(&call->response->headers, bytes, length);
    return length;
}

static size_t http_on_write(char *bytes, size_t size, size_t count, void *argument)
{
    struct http_call *call = argument;
    size_t length = size * count;
    call->heard_us = clock_boot_us(clock_system());
    if (call->response) {
        call->overflow = call->response->body.length + length > call->request->answer_max;
        if (call->overflow) return 0;
        text_append(&call->response->body, bytes, length);
        return length;
    }
    long code = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
    call->enough = !call->on_chunk(call->argument, code, bytes, length);
    return call->enough ? 0 : length;
}

// ---- setting up

// The URL as messages show it: no user, password, query, fragment.
static void http_show(const char *url, char shown[HTTP_SHOWN_MAX])
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t length = strcspn(host, "?#"), authority = strcspn(host, "/?#");
    const char *at = host;
    for (size_t i = 0; i < authority; i++) {
        if (host[i] == '@') at = host + i + 1;
    }
    length -= (size_t)(at - host);
    snprintf(shown, HTTP_SHOWN_MAX, "%.*s%.*s", (int)(host - url), url, (int)(length < 400 ? length : 400), at);
}

static void http_set_tls(const struct http_call *call)
{
    const struct http_client *client = call->client;
    curl_easy_setopt(call->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (client->ca) curl_easy_setopt(call->easy, CURLOPT_CAINFO, client->ca);
    if (client->cert) {
        curl_easy_setopt(call->easy, CURLOPT_SSLCERT, client->cert);
        curl_easy_setopt(call->easy, CURLOPT_SSLKEY, client->key ? client->key : client->cert);
    }
}

static void http_set_method(struct http_call *call)
{
    const struct http_request *request = call->request;
    CURL *easy = call->easy;
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "GET") == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else if (strcmp(request->method, "PUT") == 0) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->size);
    } else if (strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->size);
    } else {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

static enum status http_begin(struct http_call *call, struct error *err)
{
    const struct http_request *request = call->request;
    http_show(request->url, call->shown);
    if (strncasecmp(request->url, "http://", 7) != 0 && strncasecmp(request->url, "https://", 8) != 0) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "'%s' is no URL with http:// or https:// at its head",
                         call->shown);
    }
    ASSERT(request->deadline_us > 0);
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->detail);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (!call->client->proxy) curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(call->client->connect_us / 1000 + 1));
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, HTTP_KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, HTTP_KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, http_on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, (void *)call);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, http_on_seek);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, (void *)call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, (void *)call);
    http_set_tls(call);
    http_set_method(call);
    for (size_t i = 0; i < request->header_count; i++) {
        call->headers = curl_slist_append(call->headers, request->headers[i]);
    }
    call->headers = curl_slist_append(call->headers, "Expect:"); // no round trip before a large body
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    return STATUS_OK;
}

// ---- failures

static bool http_certificate_refused(const struct http_call *call, CURLcode code)
{
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE ||
        code == CURLE_SSL_ISSUER_ERROR) {
        return true;
    }
    return strstr(call->detail, "alert") && (strstr(call->detail, "certificate") || strstr(call->detail, "unknown ca"));
}

static bool http_not_sent(const struct http_call *call, CURLcode code)
{
    curl_off_t began_us = 0;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_URL_MALFORMAT: return true;
    default:
        if (call->request->size > 0) return !call->handed;
        curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &began_us);
        return began_us == 0;
    }
}

static enum status http_fail(const struct http_call *call, CURLcode code, struct error *err)
{
    const struct http_request *request = call->request;
    const char *detail = call->detail[0] ? call->detail : curl_easy_strerror(code);
    if (call->overflow) {
        return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE, "%s %s: the answer is larger than %zu bytes",
                         request->method, call->shown, request->answer_max);
    }
    if (http_certificate_refused(call, code)) {
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                         "%s %s: TLS: %s; check the CA file (%s), the client certificate (%s) and the server's",
                         request->method, call->shown, detail, call->client->ca ? call->client->ca : "the system's",
                         call->client->cert ? call->client->cert : "none");
    }
    if (code == CURLE_URL_MALFORMAT) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "%s: %s", call->shown, detail);
    }
    if (http_not_sent(call, code)) {
        return error_set(err, STATUS_ERROR, ERROR_RETRY, "%s %s: %s; is the address right, and the server up?",
                         request->method, call->shown, detail);
    }
    return error_set(err, STATUS_UNKNOWN, ERROR_RETRY, "%s %s: %s; whether the server acted is unknown",
                     request->method, call->shown, detail);
}

// ---- one answer

enum status http_client_send(struct http_client *client, const struct http_request *request,
                             struct http_response *ret_response, struct error *err)
{
    enum status status = STATUS_OK;
    struct http_response response = {0};
    struct http_call call = {.client = client, .request = request, .response = &response, .easy = http_take(client)};
    TRY(http_begin(&call, err));
    curl_easy_setopt(call.easy, CURLOPT_TIMEOUT_MS, (long)(request->deadline_us / 1000 + 1));
    CURLcode code = curl_easy_perform(call.easy);
    if (code != CURLE_OK) TRY(http_fail(&call, code, err));
    curl_easy_getinfo(call.easy, CURLINFO_RESPONSE_CODE, &response.code);
    *ret_response = response;
out:
    if (status != STATUS_OK) http_client_response_deinit(&response);
    http_give(client, call.easy);
    curl_slist_free_all(call.headers);
    return status;
}

// ---- streams

static bool http_finished(CURLM *multi, CURLcode *ret_code)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left));) {
        if (message->msg != CURLMSG_DONE) continue;
        *ret_code = message->data.result;
        return true;
    }
    return false;
}

static enum status http_run(struct http_call *call, CURLM *multi, int64_t idle_us, struct http_cancel *cancel,
                            enum http_stream_end *ret_end, struct error *err)
{
    int64_t begun_us = clock_boot_us(clock_system());
    for (;;) {
        int running = 0;
        CURLcode code = CURLE_OK;
        if (curl_multi_perform(multi, &running) != CURLM_OK) code = CURLE_RECV_ERROR;
        bool over = http_finished(multi, &code) || code != CURLE_OK;
        if (http_cancel_asked(cancel)) {
            *ret_end = HTTP_STREAM_CANCELLED;
            return STATUS_OK;
        }
        if (over) {
            *ret_end = call->enough ? HTTP_STREAM_ENOUGH : HTTP_STREAM_DONE;
            return code == CURLE_OK || call->enough ? STATUS_OK : http_fail(call, code, err);
        }
        int64_t now_us = clock_boot_us(clock_system());
        int64_t due_us = call->heard_us ? call->heard_us + idle_us : begun_us + call->request->deadline_us;
        if (now_us >= due_us && call->heard_us) {
            *ret_end = HTTP_STREAM_IDLE;
            return STATUS_OK;
        }
        if (now_us >= due_us) return http_fail(call, CURLE_OPERATION_TIMEDOUT, err);
        int64_t wait_ms = (due_us - now_us) / 1000 + 1;
        (void)curl_multi_poll(multi, NULL, 0, wait_ms < HTTP_STREAM_TICK_MS ? (int)wait_ms : HTTP_STREAM_TICK_MS, NULL);
    }
}

enum status http_client_stream(struct http_client *client, const struct http_request *request, int64_t idle_us,
                               struct http_cancel *cancel, http_chunk_fn on_chunk, void *argument,
                               enum http_stream_end *ret_end, struct error *err)
{
    enum status status = STATUS_OK;
    enum http_stream_end end = HTTP_STREAM_CANCELLED;
    struct http_call call = {.client = client, .request = request, .on_chunk = on_chunk, .argument = argument};
    CURLM *multi = curl_multi_init();
    call.easy = curl_easy_init(); // not a kept one: its connection ends with the stream
    ASSERT(multi && call.easy);
    TRY(http_begin(&call, err));
    ASSERT(curl_multi_add_handle(multi, call.easy) == CURLM_OK);
    if (http_cancel_enter(cancel, multi)) {
        status = http_run(&call, multi, idle_us, cancel, &end, err);
        http_cancel_leave(cancel);
    }
    (void)curl_multi_remove_handle(multi, call.easy);
    if (status == STATUS_OK) *ret_end = end;
out:
    curl_easy_cleanup(call.easy);
    (void)curl_multi_cleanup(multi);
    curl_slist_free_all(call.headers);
    return status;
}
