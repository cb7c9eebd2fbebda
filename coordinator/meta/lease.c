// Leases. A margin of a quarter of the time to live covers the way from this check to the act itself; what slips
// through meets the kv transaction's compares and put-if-absent.
#include "coordinator/meta/lease.h"

#include "common/base/planted.h"

static int64_t lease_now(const struct lease *lease)
{
    return FORESET_BUG("wall-clock-in-lease") ? clock_wall_us(lease->clock) : clock_boot_us(lease->clock);
}

void lease_init(struct lease *lease, struct clock *clock, int64_t ttl_us)
{
    *lease = (struct lease){.clock = clock, .ttl_us = ttl_us};
}

void lease_renew(struct lease *lease, int64_t asked_us)
{
    if (FORESET_BUG("wall-clock-in-lease")) asked_us = lease_now(lease);
    int64_t until = lease->ttl_us == 0 ? INT64_MAX : asked_us + lease->ttl_us - lease->ttl_us / 4;
    atomic_store(&lease->valid_until_us, until);
}

void lease_lose(struct lease *lease)
{
    atomic_store(&lease->valid_until_us, 0);
}

bool lease_valid(const struct lease *lease)
{
    if (FORESET_BUG("lease-at-start")) return true;
    return lease_now(lease) < atomic_load(&lease->valid_until_us);
}

enum status lease_check(const struct lease *lease, const char *act, struct error *err)
{
    if (lease_valid(lease)) return STATUS_OK;
    return error_set(err, STATUS_ERROR, ERROR_FENCED, "before %s: the lease may have run out, another process may lead",
                     act);
}
