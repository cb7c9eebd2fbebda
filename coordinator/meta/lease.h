// The right to lead, as far as this process can know it (P3). Read by jobs on any thread before every act that cannot
// be taken back: decide, put, delete.
#ifndef FORESET_META_LEASE_H
#define FORESET_META_LEASE_H

#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/error.h"

struct lease {
    struct clock *clock;
    int64_t ttl_us;                  // 0: held by a lock for as long as the process lives (local kv store)
    _Atomic int64_t valid_until_us;  // boot clock; counts suspension
    _Atomic int64_t create_revision; // of the leader key: the fencing token of this term
    int64_t id;                      // the kv store's
};
void lease_init(struct lease *lease, struct clock *clock, int64_t ttl_us);
// asked_us: boot clock *before* the store was asked; the store counts from no earlier than that.
void lease_renew(struct lease *lease, int64_t asked_us);
void lease_lose(struct lease *lease);
bool lease_valid(const struct lease *lease);
// ERROR_FENCED once it may have run out.
enum status lease_check(const struct lease *lease, const char *act, struct error *err) MUST_USE;

#endif
