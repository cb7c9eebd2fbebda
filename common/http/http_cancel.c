// Ending a stream from another thread. Contract: http_cancel.h. The lock makes sure that what is woken still exists.
#include "common/http/http_cancel.h"

#include <curl/curl.h>

void http_cancel_init(struct http_cancel *cancel)
{
    *cancel = (struct http_cancel){0};
    pthread_mutex_init(&cancel->lock, NULL);
}

void http_cancel_deinit(struct http_cancel *cancel)
{
    pthread_mutex_destroy(&cancel->lock);
}

void http_cancel_now(struct http_cancel *cancel)
{
    pthread_mutex_lock(&cancel->lock);
    cancel->asked = true;
    if (cancel->waiting) (void)curl_multi_wakeup(cancel->waiting);
    pthread_mutex_unlock(&cancel->lock);
}

bool http_cancel_asked(struct http_cancel *cancel)
{
    pthread_mutex_lock(&cancel->lock);
    bool asked = cancel->asked;
    pthread_mutex_unlock(&cancel->lock);
    return asked;
}

bool http_cancel_enter(struct http_cancel *cancel, void *waiting)
{
    pthread_mutex_lock(&cancel->lock);
    bool asked = cancel->asked;
    if (!asked) cancel->waiting = waiting;
    pthread_mutex_unlock(&cancel->lock);
    return !asked;
}

void http_cancel_leave(struct http_cancel *cancel)
{
    pthread_mutex_lock(&cancel->lock);
    cancel->waiting = NULL;
    pthread_mutex_unlock(&cancel->lock);
}

bool http_cancel_wait(struct http_cancel *cancel, int64_t timeout_us)
{
    CURLM *multi = curl_multi_init(); // a wake-up before the poll is kept in it
    if (http_cancel_enter(cancel, multi)) {
        (void)curl_multi_poll(multi, NULL, 0, (int)(timeout_us / 1000 + 1), NULL);
        http_cancel_leave(cancel);
    }
    (void)curl_multi_cleanup(multi);
    return http_cancel_asked(cancel);
}
