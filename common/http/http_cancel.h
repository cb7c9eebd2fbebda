// Ends a stream (http_client_stream) from another thread, also one that has not begun yet, and for good.
#ifndef FORESET_HTTP_CANCEL_H
#define FORESET_HTTP_CANCEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct http_cancel {
    pthread_mutex_t lock;
    void *waiting; // what the stream waits in now; NULL: nowhere
    bool asked;
};
void http_cancel_init(struct http_cancel *cancel);
void http_cancel_deinit(struct http_cancel *cancel);
void http_cancel_now(struct http_cancel *cancel);
bool http_cancel_asked(struct http_cancel *cancel);
// Waits between two streams; true as soon as it is cancelled, false after timeout_us.
bool http_cancel_wait(struct http_cancel *cancel, int64_t timeout_us);
// The stream's own: false if it is cancelled already. http_cancel_leave before what is waited in is gone.
bool http_cancel_enter(struct http_cancel *cancel, void *waiting);
void http_cancel_leave(struct http_cancel *cancel);

#endif
