// The reaper's thread. Nothing fails.
#include "cli/reaper.h"

#include "common/base/memory.h"

struct reaper_mail {
    struct mail mail;
    void (*end)(void *item); // NULL: the last
    void *item;
};

static void *reaper_run(void *argument)
{
    struct reaper *reaper = argument;
    for (;;) {
        struct reaper_mail *mail = (struct reaper_mail *)mailbox_wait(&reaper->mailbox, -1);
        if (!mail) continue;
        bool last = !mail->end;
        if (!last) mail->end(mail->item);
        memory_free(mail);
        if (last) return NULL;
    }
}

void reaper_start(struct reaper *reaper)
{
    mailbox_init(&reaper->mailbox);
    thread_create(&reaper->thread, "reaper", reaper_run, reaper);
}

void reaper_take(struct reaper *reaper, void (*end)(void *item), void *item)
{
    struct reaper_mail *mail = memory_calloc(1, sizeof *mail);
    mail->end = end;
    mail->item = item;
    mailbox_post(&reaper->mailbox, &mail->mail);
}

void reaper_stop(struct reaper *reaper)
{
    reaper_take(reaper, NULL, NULL);
    thread_join(reaper->thread);
    mailbox_deinit(&reaper->mailbox);
}
