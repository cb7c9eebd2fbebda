// A set of table logs. Fails only where the kv store does.
#include "coordinator/commit/table_logs.h"

void table_logs_init(struct table_logs *logs, const struct commit_context *context)
{
    logs->count = 2 * context->plan->n_tables;
    logs->items = memory_calloc(logs->count + 1, sizeof *logs->items);
    for (uint32_t i = 0; i < context->plan->n_tables; i++) {
        table_log_init(table_logs_at(logs, i, false), context, i, false);
        table_log_init(table_logs_at(logs, i, true), context, i, true);
    }
}

void table_logs_deinit(struct table_logs *logs)
{
    for (size_t i = 0; i < logs->count; i++) table_log_deinit(&logs->items[i]);
    memory_free(logs->items);
    *logs = (struct table_logs){0};
}

enum status table_logs_read_abandoned(struct table_logs *logs, struct error *err)
{
    for (size_t i = 0; i < logs->count; i += 2) {
        bool abandoned = false;
        enum status status = meta_store_abandoned(logs->items[i].context->meta, logs->items[i].name, &abandoned, err);
        if (status != STATUS_OK) return status;
        logs->items[i].abandoned = logs->items[i + 1].abandoned = abandoned;
    }
    return STATUS_OK;
}
