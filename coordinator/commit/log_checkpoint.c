// Log checkpoints. delta_checkpoint_write opens the table by itself and passes the failpoints.
#include "coordinator/commit/log_checkpoint.h"

#include "common/delta/delta_checkpoint.h"

static enum status log_checkpoint_leads(const void *lease, struct error *err)
{
    return lease_check(lease, "a log checkpoint", err);
}

enum status log_checkpoint_run(const struct commit_context *context, uint32_t table, bool dead_letters, int64_t version,
                               struct error *err)
{
    struct objstore *store = NULL;
    const Foreset__Table *plan = context->plan->tables[table];
    enum status status = STATUS_OK;
    TRY(store_opener_open(context->stores, dead_letters ? plan->dead_letters_url : plan->url, false, &store, err));
    TRY(delta_checkpoint_write_guarded(store, version, clock_wall_us(context->seam->clock) / 1000, context->budget,
                                       log_checkpoint_leads, context->meta->lease, err));
out:
    objstore_close(store);
    return status;
}
