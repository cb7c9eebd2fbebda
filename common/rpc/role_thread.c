// A role's thread. Everything that happens to the role (messages, events, finished jobs) comes through one mailbox, so
// a role needs no lock. Job threads take jobs from a second mailbox and post each back when it has run.
//
// Lock order: none is ever held while another is taken. Cannot fail but by memory.
#include "common/rpc/role_thread.h"

#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/thread.h"

enum { ROLE_THREAD_JOBS_MAX = 16 };
enum role_mail_kind {
    ROLE_MAIL_MESSAGE, // rpc → role
    ROLE_MAIL_EVENT,   // any thread → role
    ROLE_MAIL_GONE,    // rpc → role
    ROLE_MAIL_LOST,    // rpc → role; size: 1 if silent
    ROLE_MAIL_DONE,    // job thread → role
    ROLE_MAIL_JOB,     // role → job threads
};
struct role_mail {
    struct mail mail;
    uint32_t peer;
    void *item; // bytes, event or job
    size_t size;
};

struct role_thread {
    struct seam seam;
    struct random random;
    char name[12];
    void (*send)(void *context, uint32_t peer, const void *bytes, size_t size);
    void *send_context;
    struct seam_role role;
    struct mailbox mailbox, jobs;
    pthread_t thread, job_threads[ROLE_THREAD_JOBS_MAX];
    unsigned job_thread_count;
    bool started;
    _Atomic bool stopping;
};

static struct role_thread *role_thread_of(struct seam *seam)
{
    return (struct role_thread *)seam;
}

static void role_thread_mail(struct mailbox *mailbox, enum role_mail_kind kind, uint32_t peer, void *item, size_t size)
{
    struct role_mail *mail = memory_calloc(1, sizeof *mail);
    mail->mail.kind = (int)kind;
    mail->peer = peer;
    mail->item = item;
    mail->size = size;
    mailbox_post(mailbox, &mail->mail);
}

static void role_thread_seam_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size)
{
    struct role_thread *thread = role_thread_of(seam);
    thread->send(thread->send_context, peer, bytes, size);
}

static void role_thread_seam_spawn(struct seam *seam, struct seam_job *job)
{
    role_thread_mail(&role_thread_of(seam)->jobs, ROLE_MAIL_JOB, 0, job, 0);
}

static void role_thread_seam_sleep(struct seam *seam, int64_t us)
{
    struct role_thread *thread = role_thread_of(seam);
    while (us > 0 && !atomic_load(&thread->stopping)) {
        int64_t step = us < 20000 ? us : 20000;
        thread_sleep_us(step);
        us -= step;
    }
}

static bool role_thread_seam_stopping(struct seam *seam)
{
    return atomic_load(&role_thread_of(seam)->stopping);
}

struct role_thread *role_thread_create(const char *name, unsigned job_threads,
                                       void (*send)(void *context, uint32_t peer, const void *bytes, size_t size),
                                       void *context)
{
    static const struct seam_ops ops = {.send = role_thread_seam_send,
                                        .spawn = role_thread_seam_spawn,
                                        .sleep = role_thread_seam_sleep,
                                        .stopping = role_thread_seam_stopping};
    ASSERT(job_threads > 0 && job_threads <= ROLE_THREAD_JOBS_MAX);
    struct role_thread *thread = memory_calloc(1, sizeof *thread);
    random_init_system(&thread->random);
    thread->seam = (struct seam){.ops = &ops, .clock = clock_system(), .random = &thread->random};
    snprintf(thread->name, sizeof thread->name, "%s", name);
    thread->send = send;
    thread->send_context = context;
    thread->job_thread_count = job_threads;
    mailbox_init(&thread->mailbox);
    mailbox_init(&thread->jobs);
    return thread;
}

struct seam *role_thread_seam(struct role_thread *thread)
{
    return &thread->seam;
}

static void role_thread_handle(struct role_thread *thread, struct role_mail *mail)
{
    struct seam_job *job = mail->item;
    switch ((enum role_mail_kind)mail->mail.kind) {
    case ROLE_MAIL_MESSAGE:
        thread->role.message(thread->role.role, mail->peer, mail->item, mail->size);
        memory_free(mail->item);
        break;
    case ROLE_MAIL_EVENT: thread->role.event(thread->role.role, mail->item); break;
    case ROLE_MAIL_GONE:
        if (thread->role.gone) thread->role.gone(thread->role.role, mail->peer);
        break;
    case ROLE_MAIL_LOST:
        if (thread->role.lost) thread->role.lost(thread->role.role, mail->peer, mail->size != 0);
        break;
    case ROLE_MAIL_DONE: job->done(job); break;
    case ROLE_MAIL_JOB: ASSERT(false);
    }
    memory_free(mail);
}

static void *role_thread_run(void *argument)
{
    struct role_thread *thread = argument;
    while (!atomic_load(&thread->stopping)) {
        int64_t next = thread->role.tick(thread->role.role);
        int64_t wait_us = -1;
        if (next != INT64_MAX) {
            wait_us = next - clock_boot_us(thread->seam.clock);
            if (wait_us < 0) wait_us = 0;
        }
        struct mail *mail = wait_us == 0 ? mailbox_poll(&thread->mailbox) : mailbox_wait(&thread->mailbox, wait_us);
        while (mail) {
            role_thread_handle(thread, (struct role_mail *)mail);
            mail = atomic_load(&thread->stopping) ? NULL : mailbox_poll(&thread->mailbox);
        }
    }
    return NULL;
}

static void *role_thread_run_jobs(void *argument)
{
    struct role_thread *thread = argument;
    while (!atomic_load(&thread->stopping)) {
        struct role_mail *mail = (struct role_mail *)mailbox_wait(&thread->jobs, 200000);
        if (!mail) continue;
        struct seam_job *job = mail->item;
        memory_free(mail);
        job->run(job);
        role_thread_mail(&thread->mailbox, ROLE_MAIL_DONE, 0, job, 0);
    }
    return NULL;
}

void role_thread_start(struct role_thread *thread, const struct seam_role *role)
{
    char name[16];
    thread->role = *role;
    thread->started = true;
    thread_create(&thread->thread, thread->name, role_thread_run, thread);
    for (unsigned i = 0; i < thread->job_thread_count; i++) {
        snprintf(name, sizeof name, "%.11s-j%u", thread->name, i & 0xF);
        thread_create(&thread->job_threads[i], name, role_thread_run_jobs, thread);
    }
}

void role_thread_deliver(struct role_thread *thread, uint32_t peer, const void *bytes, size_t size)
{
    void *copy = memory_alloc(size);
    memcpy(copy, bytes, size);
    role_thread_mail(&thread->mailbox, ROLE_MAIL_MESSAGE, peer, copy, size);
}

void role_thread_post(struct role_thread *thread, void *event)
{
    role_thread_mail(&thread->mailbox, ROLE_MAIL_EVENT, 0, event, 0);
}

void role_thread_gone(struct role_thread *thread, uint32_t peer)
{
    role_thread_mail(&thread->mailbox, ROLE_MAIL_GONE, peer, NULL, 0);
}

void role_thread_lost(struct role_thread *thread, uint32_t peer, bool silent)
{
    role_thread_mail(&thread->mailbox, ROLE_MAIL_LOST, peer, NULL, silent);
}

// What nobody will handle any more is freed.
static void role_thread_drop(struct role_thread *thread, struct mailbox *mailbox)
{
    for (struct mail *mail; (mail = mailbox_poll(mailbox));) {
        struct role_mail *item = (struct role_mail *)mail;
        struct seam_job *job = item->item;
        switch ((enum role_mail_kind)mail->kind) {
        case ROLE_MAIL_MESSAGE: memory_free(item->item); break;
        case ROLE_MAIL_EVENT: thread->role.event_drop(item->item); break;
        case ROLE_MAIL_GONE:
        case ROLE_MAIL_LOST: break;
        case ROLE_MAIL_DONE:
        case ROLE_MAIL_JOB: job->drop(job); break;
        }
        memory_free(item);
    }
}

void role_thread_stop(struct role_thread *thread)
{
    atomic_store(&thread->stopping, true);
    mailbox_wake(&thread->mailbox);
    for (unsigned i = 0; i < thread->job_thread_count; i++) mailbox_wake(&thread->jobs);
    if (!thread->started) return;
    thread_join(thread->thread);
    for (unsigned i = 0; i < thread->job_thread_count; i++) thread_join(thread->job_threads[i]);
    thread->started = false;
    role_thread_drop(thread, &thread->jobs);
    role_thread_drop(thread, &thread->mailbox);
}

void role_thread_forget(struct role_thread *thread, void (*event_drop)(void *event))
{
    ASSERT(!thread->started);
    thread->role.event_drop = event_drop;
}

void role_thread_destroy(struct role_thread *thread)
{
    if (!thread) return;
    ASSERT(!thread->started);
    if (thread->role.event_drop) { // what came after stop, while the role was taken down
        role_thread_drop(thread, &thread->mailbox);
    }
    mailbox_deinit(&thread->jobs);
    mailbox_deinit(&thread->mailbox);
    memory_free(thread);
}
