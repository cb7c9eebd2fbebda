// Threads and mailboxes on pthreads.
#include "common/base/thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

bool thread_try_create(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *argument)
{
    if (pthread_create(ret_thread, NULL, run, argument) != 0) return false;
    char cut[16];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(*ret_thread, cut);
    return true;
}

void thread_create(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *argument)
{
    bool created = thread_try_create(ret_thread, name, run, argument);
    ASSERT(created);
}

void thread_join(pthread_t thread)
{
    int failed = pthread_join(thread, NULL);
    ASSERT(!failed);
}

void thread_sleep_us(int64_t us)
{
    struct timespec left = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

void mailbox_init(struct mailbox *mailbox)
{
    memset(mailbox, 0, sizeof *mailbox);
    pthread_mutex_init(&mailbox->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&mailbox->filled, &attributes);
    pthread_condattr_destroy(&attributes);
}

void mailbox_deinit(struct mailbox *mailbox)
{
    ASSERT(!mailbox->head);
    pthread_cond_destroy(&mailbox->filled);
    pthread_mutex_destroy(&mailbox->lock);
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->tail) {
        mailbox->tail->next = mail;
    } else {
        mailbox->head = mail;
    }
    mailbox->tail = mail;
    mailbox->posted++;
    pthread_cond_signal(&mailbox->filled);
    pthread_mutex_unlock(&mailbox->lock);
}

static struct mail *mailbox_take_locked(struct mailbox *mailbox)
{
    struct mail *mail = mailbox->head;
    if (!mail) return NULL;
    mailbox->head = mail->next;
    if (!mailbox->head) mailbox->tail = NULL;
    mail->next = NULL;
    return mail;
}

struct mail *mailbox_poll(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    struct mail *mail = mailbox_take_locked(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
    return mail;
}

struct mail *mailbox_wait(struct mailbox *mailbox, int64_t timeout_us)
{
    struct timespec until = {0};
    if (timeout_us >= 0) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + timeout_us % 1000000 * 1000;
        until.tv_sec += (time_t)(timeout_us / 1000000 + ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
    }
    pthread_mutex_lock(&mailbox->lock);
    uint64_t seen = mailbox->posted;
    int expired = 0;
    while (!mailbox->head && mailbox->posted == seen && !expired) {
        expired = timeout_us < 0 ? pthread_cond_wait(&mailbox->filled, &mailbox->lock)
                                 : pthread_cond_timedwait(&mailbox->filled, &mailbox->lock, &until);
    }
    struct mail *mail = mailbox_take_locked(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
    return mail;
}

void mailbox_wake(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    mailbox->posted++;
    pthread_cond_signal(&mailbox->filled);
    pthread_mutex_unlock(&mailbox->lock);
}
