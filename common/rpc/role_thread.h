// A role on a thread of its own: mailbox, timer, a few threads for its jobs. This is the seam's production side.
//
// Life: create → (make the role on role_thread_seam) → start → … → stop → (destroy the role) → destroy.
#ifndef FORESET_RPC_ROLE_THREAD_H
#define FORESET_RPC_ROLE_THREAD_H

#include "common/rpc/seam.h"

struct role_thread;

// send: what seam.send does; called on the role's thread.
struct role_thread *role_thread_create(const char *name, unsigned job_threads,
                                       void (*send)(void *context, uint32_t peer, const void *bytes, size_t size),
                                       void *context);
struct seam *role_thread_seam(struct role_thread *thread);
void role_thread_start(struct role_thread *thread, const struct seam_role *role);
// Any thread. deliver copies the bytes; post gives the event away.
void role_thread_deliver(struct role_thread *thread, uint32_t peer, const void *bytes, size_t size);
void role_thread_post(struct role_thread *thread, void *event);
void role_thread_gone(struct role_thread *thread, uint32_t peer); // to roles that do not ask for it: nothing
void role_thread_lost(struct role_thread *thread, uint32_t peer, bool silent); // the same
// Lets the running jobs end (they see stopping), drops what is queued, joins all threads. Once.
void role_thread_stop(struct role_thread *thread);
// Instead of start, before destroy: what was posted meanwhile is freed with event_drop.
void role_thread_forget(struct role_thread *thread, void (*event_drop)(void *event));
void role_thread_destroy(struct role_thread *thread); // NULL allowed; after stop

#endif
