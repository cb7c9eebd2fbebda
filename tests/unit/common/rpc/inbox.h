// What an endpoint under test has received: numbered messages, whose order and content are checked as they come.
#ifndef FORESET_TEST_INBOX_H
#define FORESET_TEST_INBOX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/thread.h"
#include "common/rpc/rpc.h"

enum { INBOX_STREAMS = 16, INBOX_WAIT_US = 60000000 };

// A message: the stream it belongs to, its number there, and filling that follows from the number.
struct inbox_head {
    uint32_t stream, number;
};
struct inbox {
    pthread_mutex_t lock;
    uint32_t peer;                // every sender's number; 0: any
    uint64_t count, gaps;         // messages; numbers that were left out
    uint32_t next[INBOX_STREAMS]; // behind the last number
    bool wrong;                   // order, repeat, content, sender
    uint64_t refused;             // links whose other side has ended
    uint32_t refused_peer;        // the last
    uint64_t lost, lost_silently; // times that something did not arrive, and nothing goes through
};

static inline void inbox_fill(uint8_t *bytes, size_t size, uint32_t stream, uint32_t number)
{
    const struct inbox_head head = {stream, number};
    memset(bytes, (int)(number * 7 + stream), size);
    memcpy(bytes, &head, sizeof head);
}

static inline void inbox_send(struct rpc *rpc, uint32_t peer, uint32_t stream, uint32_t number, size_t size)
{
    uint8_t *bytes = memory_alloc(size);
    inbox_fill(bytes, size, stream, number);
    rpc_send(rpc, peer, bytes, size);
    memory_free(bytes);
}

static inline void inbox_received(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes,
                                  size_t size)
{
    (void)from;
    struct inbox *inbox = context;
    struct inbox_head head = {0};
    uint8_t *expected = memory_alloc(size);
    pthread_mutex_lock(&inbox->lock);
    if (size >= sizeof head) {
        memcpy(&head, bytes, sizeof head);
        inbox_fill(expected, size, head.stream, head.number);
    }
    if (size < sizeof head || memcmp(expected, bytes, size) != 0 || head.stream >= INBOX_STREAMS ||
        head.number < inbox->next[head.stream] || (inbox->peer != 0 && peer != inbox->peer)) {
        inbox->wrong = true;
    } else {
        inbox->gaps += head.number - inbox->next[head.stream];
        inbox->next[head.stream] = head.number + 1;
    }
    inbox->count++;
    pthread_mutex_unlock(&inbox->lock);
    memory_free(expected);
}

static inline uint64_t inbox_count(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    uint64_t count = inbox->count;
    pthread_mutex_unlock(&inbox->lock);
    return count;
}

// Waits until the condition holds; the test fails when it does not for a minute.
#define INBOX_AWAIT(condition)                                                                                         \
    do {                                                                                                               \
        int64_t inbox_until = clock_boot_us(clock_system()) + INBOX_WAIT_US;                                           \
        while (!(condition) && clock_boot_us(clock_system()) < inbox_until) thread_sleep_us(200);                      \
        assert_true(condition);                                                                                        \
    } while (0)

static inline void inbox_init(struct inbox *inbox)
{
    *inbox = (struct inbox){0};
    pthread_mutex_init(&inbox->lock, NULL);
}

static inline void inbox_refused(void *context, uint32_t peer)
{
    struct inbox *inbox = context;
    pthread_mutex_lock(&inbox->lock);
    inbox->refused++;
    inbox->refused_peer = peer;
    pthread_mutex_unlock(&inbox->lock);
}

static inline void inbox_lost(void *context, uint32_t peer, bool silent)
{
    struct inbox *inbox = context;
    pthread_mutex_lock(&inbox->lock);
    inbox->lost++;
    if (silent) inbox->lost_silently++;
    pthread_mutex_unlock(&inbox->lock);
    (void)peer;
}

static inline uint64_t inbox_losses(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    uint64_t lost = inbox->lost;
    pthread_mutex_unlock(&inbox->lock);
    return lost;
}

static inline uint64_t inbox_refusals(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    uint64_t refused = inbox->refused;
    pthread_mutex_unlock(&inbox->lock);
    return refused;
}

static inline struct rpc *inbox_open(struct inbox *inbox, const char *url, uint32_t self)
{
    const struct rpc_config config = {
        .url = url, .self = self, .received = inbox_received, .refused = inbox_refused, .context = inbox};
    struct rpc *rpc = NULL;
    struct error err = {0};
    if (rpc_open(&config, &rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    return rpc;
}

static inline void inbox_dial(struct rpc *rpc, uint32_t peer, const char *url, enum rpc_kind kind)
{
    struct error err = {0};
    if (rpc_dial(rpc, peer, url, kind, &err) != STATUS_OK) fail_msg("%s", err.message);
}

enum { INBOX_ROW = 160, INBOX_ROW_BYTES = 256 << 10 }; // 40 MB: more than may be under way without an answer

// A row of large messages: all arrive, by the first connection. A stall would end it, which the counters tell.
static inline void inbox_send_row(const char *url, const struct rpc_tls *listening, const struct rpc_tls *dialling,
                                  bool requests)
{
    struct inbox boxes[2];
    struct rpc *rpcs[2] = {NULL, NULL};
    struct error err = {0};
    for (unsigned i = 0; i < 2; i++) {
        const struct rpc_config config = {.url = i ? "inproc://row" : url,
                                          .self = i + 1,
                                          .tls = i ? dialling : listening,
                                          .received = inbox_received,
                                          .deadline_us = INBOX_WAIT_US,
                                          .context = &boxes[i]};
        inbox_init(&boxes[i]);
        if (rpc_open(&config, &rpcs[i], &err) != STATUS_OK) fail_msg("%s", err.message);
    }
    inbox_dial(rpcs[1], 1, rpc_url(rpcs[0]), requests ? RPC_REQUEST : RPC_PUSH);
    for (uint32_t i = 0; i < INBOX_ROW; i++) inbox_send(rpcs[1], 1, 0, i, INBOX_ROW_BYTES);
    INBOX_AWAIT(rpc_counters(rpcs[1])->sent == INBOX_ROW); // acknowledged
    assert_int_equal(inbox_count(&boxes[0]), INBOX_ROW);
    assert_false(boxes[0].wrong);
    assert_int_equal(boxes[0].gaps, 0);
    assert_int_equal(rpc_counters(rpcs[1])->unacknowledged + rpc_counters(rpcs[1])->reconnected, 0);
    assert_int_equal(rpc_counters(rpcs[0])->connections, 1);
    assert_int_equal(rpc_counters(rpcs[0])->errors, 0);
    for (unsigned i = 2; i-- > 0;) rpc_close(rpcs[i]);
}

#endif
