// Ends things whose ending takes a while (threads that are joined), one after the other, off the threads that must not
// wait.
#ifndef FORESET_CLI_REAPER_H
#define FORESET_CLI_REAPER_H

#include "common/base/thread.h"

struct reaper {
    struct mailbox mailbox;
    pthread_t thread;
};
void reaper_start(struct reaper *reaper);
// end(item) is called on the reaper's thread. Any thread.
void reaper_take(struct reaper *reaper, void (*end)(void *item), void *item);
void reaper_stop(struct reaper *reaper); // when everything taken has ended

#endif
