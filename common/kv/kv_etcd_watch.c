// A watch of etcd: one thread, one stream after the other, each from the revision behind the last one told.
//
// Happy path: the stream's first line says "created", each later one carries the events of some revisions, whole. What
// can fail:
//   - the stream breaks, its member loses its leader or is gone: the next member, with a pause that grows to a second;
//   - nothing comes for KV_ETCD_IDLE_US: perhaps nothing happened, perhaps the member stands still. The stream is begun
//     anew, which a member that stands still does not answer;
//   - the revision to begin from was compacted: `lost`, and on from the compaction;
//   - a line is larger than KV_ETCD_LINE_MAX: `lost` with the next stream's first line, and on from there;
//   - another cluster id, or not allowed: the last news has the error, the thread ends.
#include "common/kv/kv_etcd_watch.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/thread.h"

#define KV_ETCD_IDLE_US      3000000
#define KV_ETCD_PAUSE_US     100000
#define KV_ETCD_PAUSE_US_MAX 1000000
#define KV_ETCD_LINE_MAX     (64u << 20)

struct kv_watch {
    struct kv_etcd_link *link;
    char *prefix;
    int64_t next; // revision of the first change not told yet; 0: whatever comes
    kv_watch_fn on_news;
    void *argument;
    struct http_cancel cancel;
    pthread_t thread;
    size_t endpoint;
    struct text pending; // of a line that is not whole yet
    bool lost;           // to be told with the next "created"
    bool alive;          // this stream brought a line
    bool over;
};

void kv_etcd_watch_range_end(const char *prefix, struct text *ret_end)
{
    size_t length = strlen(prefix);
    text_reset(ret_end);
    while (length > 0 && (unsigned char)prefix[length - 1] == 0xff) length--;
    if (length == 0) {
        text_append(ret_end, "\0", 1); // etcd's word for "to the end"
        return;
    }
    text_append(ret_end, prefix, length);
    ret_end->data[length - 1]++;
}

static void kv_etcd_tell(struct kv_watch *watch, const struct kv_watch_news *news)
{
    watch->on_news(watch->argument, news);
}

static void kv_etcd_end(struct kv_watch *watch, const struct error *err)
{
    watch->over = true;
    kv_etcd_tell(watch, &(struct kv_watch_news){.revision = watch->next > 0 ? watch->next - 1 : 0, .err = err});
}

// The server ends this watch, in words. False.
static bool kv_etcd_stopped(struct kv_watch *watch, const struct kv_etcd_refusal *refusal)
{
    struct error err;
    const char *endpoint = watch->link->endpoints[watch->endpoint];
    watch->alive = false;
    log_debug("etcd_watch_ended", "endpoint=%s why=\"%s\"", endpoint, refusal->message);
    if (kv_etcd_call_judge(refusal) == KV_ETCD_LOGIN && watch->link->user) {
        kv_etcd_call_forget_token(watch->link);
    } else if (refusal->code == KV_ETCD_PERMISSION_DENIED || strstr(refusal->message, "permission denied")) {
        (void)error_set(&err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                        "etcd at %s: watching '%s': %s; grant the user's role readwrite on the prefix 'foreset/'",
                        endpoint, watch->prefix, refusal->message);
        kv_etcd_end(watch, &err);
    } else if (kv_etcd_call_judge(refusal) == KV_ETCD_LOGIN) {
        (void)error_set(&err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "etcd at %s: %s; give a user and its password",
                        endpoint, refusal->message);
        kv_etcd_end(watch, &err);
    }
    return false;
}

static bool kv_etcd_take_line(struct kv_watch *watch, const struct kv_etcd_watch_line *line)
{
    struct error err;
    struct kv_etcd_call call = {.endpoint = watch->endpoint};
    if (line->refused) return kv_etcd_stopped(watch, &line->refusal);
    if (kv_etcd_call_note(watch->link, &call, &line->header, &err) != STATUS_OK) {
        kv_etcd_end(watch, &err);
        return false;
    }
    if (line->canceled && line->compact_revision > 0) {
        watch->next = line->compact_revision;
        kv_etcd_tell(watch, &(struct kv_watch_news){.revision = watch->next - 1, .lost = true});
        return false;
    }
    if (line->canceled) {
        struct kv_etcd_refusal refusal = {.code = KV_ETCD_UNKNOWN};
        snprintf(refusal.message, sizeof refusal.message, "%s", line->cancel_reason);
        return kv_etcd_stopped(watch, &refusal);
    }
    watch->alive = true;
    if (line->created && watch->next == 0) {
        watch->next = line->header.revision + 1;
        if (watch->lost) kv_etcd_tell(watch, &(struct kv_watch_news){.revision = watch->next - 1, .lost = true});
        watch->lost = false;
    }
    if (line->events.count == 0) return true;
    struct kv_watch_news news = {.events = line->events.items, .count = line->events.count};
    news.revision = line->events.items[line->events.count - 1].mod_revision;
    watch->next = news.revision + 1;
    kv_etcd_tell(watch, &news);
    return true;
}

static bool kv_etcd_on_line(struct kv_watch *watch, const char *bytes, size_t size)
{
    struct kv_etcd_watch_line line;
    struct error err;
    if (size == 0) return true;
    if (kv_etcd_json_read_watch(slice_of(bytes, size), &line, &err) != STATUS_OK) {
        log_debug("etcd_watch_garbled", "endpoint=%s", watch->link->endpoints[watch->endpoint]);
        watch->alive = false;
        return false;
    }
    bool more = kv_etcd_take_line(watch, &line);
    kv_etcd_json_watch_deinit(&line);
    return more;
}

static bool kv_etcd_on_chunk(void *argument, long code, const char *bytes, size_t size)
{
    struct kv_watch *watch = argument;
    struct text *pending = &watch->pending;
    size_t searched = pending->length;
    if (pending->length + size > KV_ETCD_LINE_MAX) {
        watch->next = 0;
        watch->lost = true;
        return false;
    }
    text_append(pending, bytes, size);
    if (code != 200) return true; // one object, read when the answer is whole
    for (;;) {
        char *newline = memchr(pending->data + searched, '\n', pending->length - searched);
        if (!newline) return true;
        size_t length = (size_t)(newline - pending->data);
        bool more = kv_etcd_on_line(watch, pending->data, length);
        memmove(pending->data, newline + 1, pending->length - length - 1);
        pending->length -= length + 1;
        searched = 0;
        if (!more) return false;
    }
}

// One stream, to its end. False: its member is of no use now.
static bool kv_etcd_stream(struct kv_watch *watch, struct error *err)
{
    char url[512];
    struct text body = {0}, range_end = {0}, authorization = {0};
    const char *headers[KV_ETCD_HEADERS_MAX];
    struct kv_etcd_link *link = watch->link;
    int64_t share_us = link->deadline_us / (int64_t)link->endpoint_count;
    enum http_stream_end end = HTTP_STREAM_DONE;
    text_reset(&watch->pending);
    watch->alive = false;
    if (!kv_etcd_call_logged_in(link) && kv_etcd_call_login(link, watch->endpoint, share_us, err) != STATUS_OK) {
        if (err->class != ERROR_RETRY && strncmp(err->message, "etcd refuses", 12) == 0) kv_etcd_end(watch, err);
        return false;
    }
    kv_etcd_watch_range_end(watch->prefix, &range_end);
    struct slice key = watch->prefix[0] ? slice_str(watch->prefix) : slice_of("\0", 1);
    kv_etcd_json_watch(&body, key, slice_of(range_end.data, range_end.length), watch->next);
    snprintf(url, sizeof url, "%s/v3/watch", link->endpoints[watch->endpoint]);
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = headers,
                                   .header_count = kv_etcd_call_headers(link, headers, &authorization),
                                   .body = body.data,
                                   .size = body.length,
                                   .deadline_us = share_us};
    enum status status =
        http_client_stream(link->http, &request, KV_ETCD_IDLE_US, &watch->cancel, kv_etcd_on_chunk, watch, &end, err);
    if (status == STATUS_OK && end == HTTP_STREAM_DONE && watch->pending.length > 0) {
        (void)kv_etcd_on_line(watch, watch->pending.data, watch->pending.length);
    }
    text_deinit(&body);
    text_deinit(&range_end);
    text_deinit(&authorization);
    return status == STATUS_OK && (end == HTTP_STREAM_IDLE || end == HTTP_STREAM_ENOUGH) && !watch->over;
}

static void *kv_etcd_watch_run(void *argument)
{
    struct kv_watch *watch = argument;
    int64_t pause_us = KV_ETCD_PAUSE_US;
    struct error err;
    while (!watch->over && !http_cancel_asked(&watch->cancel)) {
        if (kv_etcd_call_check_same(watch->link, &err) != STATUS_OK) {
            kv_etcd_end(watch, &err);
            break;
        }
        bool again = kv_etcd_stream(watch, &err);
        if (watch->alive) pause_us = KV_ETCD_PAUSE_US;
        if (again && watch->alive) continue;
        watch->endpoint = (watch->endpoint + 1) % watch->link->endpoint_count;
        if (watch->over || http_cancel_wait(&watch->cancel, pause_us)) break;
        pause_us = pause_us * 2 < KV_ETCD_PAUSE_US_MAX ? pause_us * 2 : KV_ETCD_PAUSE_US_MAX;
    }
    return NULL;
}

struct kv_watch *kv_etcd_watch_start(struct kv_etcd_link *link, const char *prefix, int64_t from_revision,
                                     kv_watch_fn on_news, void *argument)
{
    struct kv_watch *watch = memory_calloc(1, sizeof *watch);
    watch->link = link;
    watch->prefix = memory_strdup(prefix);
    watch->next = from_revision;
    watch->on_news = on_news;
    watch->argument = argument;
    watch->endpoint = kv_etcd_call_current(link);
    http_cancel_init(&watch->cancel);
    thread_create(&watch->thread, "etcd-watch", kv_etcd_watch_run, watch);
    return watch;
}

void kv_etcd_watch_stop(struct kv_watch *watch)
{
    http_cancel_now(&watch->cancel);
    thread_join(watch->thread);
    http_cancel_deinit(&watch->cancel);
    text_deinit(&watch->pending);
    memory_free(watch->prefix);
    memory_free(watch);
}
