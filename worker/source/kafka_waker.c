// The waker's thread. A request that fails changes nothing: the broker thread then wakes by itself within its second.
#include "worker/source/kafka_waker.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "common/base/memory.h"
#include "common/base/thread.h"

#define WAKE_TIMEOUT_MS 1000

enum kafka_waker_mail_kind { KAFKA_WAKER_WAKE, KAFKA_WAKER_STOP }; // lane → waker

struct kafka_waker_mail {
    struct mail mail;
    const char *topic;
    int32_t partition;
};

struct kafka_waker {
    rd_kafka_t *handle;
    struct mailbox mailbox;
    pthread_t thread;
    _Atomic bool busy;
};

static void *kafka_waker_run(void *argument)
{
    struct kafka_waker *waker = argument;
    for (bool stop = false; !stop;) {
        struct kafka_waker_mail *mail = (struct kafka_waker_mail *)mailbox_wait(&waker->mailbox, -1);
        if (!mail) continue;
        stop = mail->mail.kind == KAFKA_WAKER_STOP;
        int64_t low, high;
        if (!stop) {
            rd_kafka_query_watermark_offsets(waker->handle, mail->topic, mail->partition, &low, &high, WAKE_TIMEOUT_MS);
        }
        memory_free(mail);
        atomic_store(&waker->busy, false);
    }
    return NULL;
}

static void kafka_waker_post(struct kafka_waker *waker, enum kafka_waker_mail_kind kind, const char *topic,
                             int32_t partition)
{
    struct kafka_waker_mail *mail = memory_calloc(1, sizeof *mail);
    mail->mail.kind = (int)kind;
    mail->topic = topic;
    mail->partition = partition;
    mailbox_post(&waker->mailbox, &mail->mail);
}

struct kafka_waker *kafka_waker_create(rd_kafka_t *handle)
{
    struct kafka_waker *waker = memory_calloc(1, sizeof *waker);
    waker->handle = handle;
    mailbox_init(&waker->mailbox);
    thread_create(&waker->thread, "kafka-waker", kafka_waker_run, waker);
    return waker;
}

void kafka_waker_destroy(struct kafka_waker *waker)
{
    if (!waker) return;
    kafka_waker_post(waker, KAFKA_WAKER_STOP, NULL, 0);
    thread_join(waker->thread);
    for (struct mail *mail; (mail = mailbox_poll(&waker->mailbox));) memory_free(mail);
    mailbox_deinit(&waker->mailbox);
    memory_free(waker);
}

void kafka_waker_wake(struct kafka_waker *waker, const char *topic, int32_t partition)
{
    if (atomic_exchange(&waker->busy, true)) return;
    kafka_waker_post(waker, KAFKA_WAKER_WAKE, topic, partition);
}
