// Threads and the mailboxes at which they meet.
#ifndef FORESET_BASE_THREAD_H
#define FORESET_BASE_THREAD_H

#include <pthread.h>
#include <stdint.h>

#include "common/base/error.h"

// Starts a named thread (name at most 15 characters, seen in top -H). It must be joined.
void thread_create(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *argument);
// The same; false: no thread is left (ulimit -u, a control group's limit of tasks).
bool thread_try_create(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *argument) MUST_USE;
void thread_join(pthread_t thread);
void thread_sleep_us(int64_t us); // of the calling thread, in full

// A queue of messages for one reading thread; any thread may post. Intrusive: a message embeds struct mail as its
// first member, the poster gives ownership away, the reader frees it.
struct mail {
    struct mail *next;
    int kind;
};
struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct mail *head, *tail;
    uint64_t posted;
};
void mailbox_init(struct mailbox *mailbox);
void mailbox_deinit(struct mailbox *mailbox); // must be empty
void mailbox_post(struct mailbox *mailbox, struct mail *mail);
struct mail *mailbox_poll(struct mailbox *mailbox);                     // NULL if empty
struct mail *mailbox_wait(struct mailbox *mailbox, int64_t timeout_us); // NULL after the timeout; < 0: for ever
void mailbox_wake(struct mailbox *mailbox);                             // makes a waiting reader return NULL at once

#endif
