// Requests live until both sides are done with them: the owner, who answers from any thread and whenever it likes, and
// the connection, which may be gone by then. Answering never blocks. Cannot fail but by RPC_REQUESTS_MAX.
#include "common/rpc/rpc_request.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/thread.h"

struct rpc_request {
    struct mail answered; // owner → who waits
    pthread_mutex_t lock;
    bool has_answer;                 // lock
    void (*watching)(void *context); // lock
    void *context;                   // lock
    struct mailbox mailbox;
    _Atomic uint32_t refs;
    struct rpc *rpc;
    struct rpc_who *from;
    void *bytes;
    bool refused;
    void *answer;
    size_t answer_size;
};

void rpc_request_unref(struct rpc_request *request)
{
    if (atomic_fetch_sub(&request->refs, 1) > 1) return;
    while (mailbox_poll(&request->mailbox)) continue;
    mailbox_deinit(&request->mailbox);
    pthread_mutex_destroy(&request->lock);
    rpc_unref(request->rpc);
    rpc_who_unref(request->from);
    memory_free(request->bytes);
    memory_free(request->answer);
    memory_free(request);
}

void rpc_request_answer(struct rpc_request *request, bool refused, const void *bytes, size_t size)
{
    request->refused = refused;
    request->answer_size = size;
    request->answer = memory_alloc(size);
    if (size > 0) memcpy(request->answer, bytes, size);
    atomic_fetch_sub(&request->rpc->requests, 1);
    if (refused) atomic_fetch_add(&request->rpc->counters.refused, 1);
    mailbox_post(&request->mailbox, &request->answered);
    pthread_mutex_lock(&request->lock);
    request->has_answer = true;
    if (request->watching) request->watching(request->context);
    request->watching = NULL;
    pthread_mutex_unlock(&request->lock);
    rpc_request_unref(request);
}

struct rpc_request *rpc_request_begin(struct rpc *rpc, struct rpc_who *from, void *bytes, size_t size,
                                      const char **ret_why)
{
    const char *why = NULL;
    if (!rpc->config.requested) {
        why = "a worker listens here, which answers no requests: give a coordinator's URL";
    } else if (atomic_fetch_add(&rpc->requests, 1) >= RPC_REQUESTS_MAX) {
        atomic_fetch_sub(&rpc->requests, 1);
        why = "the coordinator has too many requests to answer; try again";
    }
    if (why) {
        atomic_fetch_add(&rpc->counters.refused, 1);
        memory_free(bytes);
        *ret_why = why;
        return NULL;
    }
    struct rpc_request *request = memory_calloc(1, sizeof *request);
    mailbox_init(&request->mailbox);
    pthread_mutex_init(&request->lock, NULL);
    atomic_store(&request->refs, 2);
    request->rpc = rpc_ref(rpc);
    request->from = rpc_who_ref(from);
    request->bytes = bytes;
    pthread_mutex_lock(&rpc->deliver);
    bool closed = rpc->closed;
    if (!closed) {
        atomic_fetch_add(&rpc->counters.requests, 1);
        rpc->config.requested(rpc->config.context, request, bytes, size);
    }
    pthread_mutex_unlock(&rpc->deliver);
    if (closed) rpc_request_answer(request, true, "the coordinator is closing", 26);
    return request;
}

const struct rpc_who *rpc_request_who(const struct rpc_request *request)
{
    return request->from;
}

void rpc_request_answer_of(const struct rpc_request *request, bool *ret_refused, const void **ret_answer,
                           size_t *ret_size)
{
    *ret_refused = request->refused;
    *ret_answer = request->answer;
    *ret_size = request->answer_size;
}

bool rpc_request_wait(struct rpc_request *request, int64_t until_us, bool *ret_refused, const void **ret_answer,
                      size_t *ret_size)
{
    const struct mail *mail = NULL;
    for (int64_t left_us = -1; !mail && left_us != 0;) {
        if (until_us != INT64_MAX) left_us = until_us - clock_boot_us(clock_system());
        if (until_us != INT64_MAX && left_us < 0) left_us = 0;
        mail = mailbox_wait(&request->mailbox, left_us);
    }
    if (!mail) return false;
    rpc_request_answer_of(request, ret_refused, ret_answer, ret_size);
    return true;
}

bool rpc_request_watch(struct rpc_request *request, void (*answered)(void *context), void *context)
{
    pthread_mutex_lock(&request->lock);
    bool watches = !request->has_answer;
    request->watching = watches ? answered : NULL;
    request->context = context;
    pthread_mutex_unlock(&request->lock);
    return watches;
}

bool rpc_request_unwatch(struct rpc_request *request)
{
    pthread_mutex_lock(&request->lock);
    bool watched = request->watching != NULL;
    request->watching = NULL;
    pthread_mutex_unlock(&request->lock);
    return watched;
}
