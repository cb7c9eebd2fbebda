// Named points in durable steps where a test can kill the process or make the step fail. They cost one branch when off.
// FORESET_FAILPOINTS="decide.before=kill,put.after@3=error": at the third pass of put.after return an error;
// =stop: the process stands still until it gets SIGCONT.
// A durable step has two: <step>.before and <step>.after. Names are registered in failpoint.c's table, so that
// `foreset --list-failpoints` can print them all and a test visits each.
#ifndef FORESET_BASE_FAILPOINT_H
#define FORESET_BASE_FAILPOINT_H

#include "common/base/error.h"

// The simulator hooks in here: called at every failpoint; may return STATUS_KILLED or an injected error.
typedef enum status (*failpoint_hook)(void *context, const char *name, struct error *err);
void failpoint_hook_set(failpoint_hook hook, void *context); // NULL: off

extern bool failpoint_active; // set at start when FORESET_FAILPOINTS or a hook is there
enum status failpoint_hit(const char *name, struct error *err) MUST_USE;
// Prints nothing, fails with ERROR_USAGE when FORESET_FAILPOINTS names an unknown point.
enum status failpoint_init(struct error *err) MUST_USE;
const char *const *failpoint_names(void); // NULL-terminated

#define FAILPOINT(name, err) (__builtin_expect(failpoint_active, 0) ? failpoint_hit((name), (err)) : STATUS_OK)

#endif
