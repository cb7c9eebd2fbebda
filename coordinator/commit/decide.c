// Deciding. The happy path: read each table's new log entries and refuse what could not be put (P17); put the
// manifests, absent until now; one transaction: leader, generation, last = e−1 ⇒ records.
//
// What can fail:
// - a table would not take the epoch: FAIL_PIPELINE, nothing decided;
// - a manifest's put: settled by reading; a second try has the same name and bytes;
// - the lease ran out on the way: FENCED before the transaction; if not noticed, the transaction's compares refuse;
// - the transaction's outcome is unknown: meta_store_decide settles it by a linearizable read;
// - a crash after the transaction: the next leader finds the record and puts (P21). Before it: nothing happened.
#include "coordinator/commit/decide.h"

#include "common/base/failpoint.h"
#include "common/base/planted.h"
#include "coordinator/commit/table_put.h"

static enum status decide_check(struct decide *decide, const struct manifest *manifest, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < decide->logs->count; i++) TRY(table_put_check(&decide->logs->items[i], manifest, err));
out:
    return status;
}

enum status decide_run(struct decide *decide, struct error *err)
{
    enum status status = STATUS_OK;
    const struct commit_context *context = decide->context;
    struct meta_record records[META_DECIDE_MAX];
    ASSERT(decide->count > 0 && decide->count <= META_DECIDE_MAX);
    for (size_t i = 0; i < decide->count; i++) {
        const struct manifest *manifest = decide->manifests[i];
        ASSERT(manifest->body->generation == context->generation);
        ASSERT(manifest->record.epoch == decide->previous.epoch + 1 + i);
        TRY(lease_check(context->meta->lease, "a decision", err));
        TRY(decide_check(decide, manifest, err));
        if (!FORESET_BUG("decide-before-manifest")) TRY(manifest_put(manifest, context->state, context->seam, err));
        records[i] = manifest->record;
    }
    if (FORESET_BUG("empty-epoch-skipped") && decide->count == 1 && decide->manifests[0]->body->no_data) goto out;
    TRY(FAILPOINT("decide.before", err));
    TRY(lease_check(context->meta->lease, "a decision", err));
    TRY(meta_store_decide(context->meta, context->generation, &decide->previous, records, decide->count, err));
    if (FORESET_BUG("decide-before-manifest")) {
        TRY(manifest_put(decide->manifests[0], context->state, context->seam, err));
    }
    if (FORESET_BUG("list-after-decision"))
        TRY(manifest_put_parts(decide->manifests[0], context->state, context->seam, err));
    TRY(FAILPOINT("decide.after", err));
out:
    return status;
}
