// A kv store whose end could not be read (P25): torn by a crash, or damaged after it was decided? The tables tell.
#ifndef FORESET_COMMIT_TORN_STORE_H
#define FORESET_COMMIT_TORN_STORE_H

#include "coordinator/commit/commit_context.h"

// Blocking; before anything is written to the store. OK: the end was torn, nothing of it had happened; with adopt also:
// the store is empty now, and adopting goes on from the tables' logs. FAIL_PIPELINE: a table knows a later epoch.
enum status torn_store_check(const struct commit_context *context, bool adopt, struct error *err) MUST_USE;

#endif
