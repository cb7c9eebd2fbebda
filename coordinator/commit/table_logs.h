// The logs of all tables of a plan, dead letters included: one set per kind of job, so that no two jobs share one.
#ifndef FORESET_COMMIT_TABLE_LOGS_H
#define FORESET_COMMIT_TABLE_LOGS_H

#include "coordinator/commit/table_log.h"

struct table_logs {
    struct table_log *items; // 2 per table: its own, its dead letters'
    size_t count;
};
void table_logs_init(struct table_logs *logs, const struct commit_context *context);
void table_logs_deinit(struct table_logs *logs);
static inline struct table_log *table_logs_at(struct table_logs *logs, uint32_t table, bool dead_letters)
{
    return &logs->items[2 * table + (dead_letters ? 1 : 0)];
}
// Which tables a person gave up. Blocking.
enum status table_logs_read_abandoned(struct table_logs *logs, struct error *err) MUST_USE;

#endif
