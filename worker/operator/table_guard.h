// What a table may hold: rows that break its rules go to the dead letters before anything is written or passed on.
#ifndef FORESET_OPERATOR_TABLE_GUARD_H
#define FORESET_OPERATOR_TABLE_GUARD_H

#include "worker/operator/operator.h"
#include "worker/sink/partition_sink.h"

struct table_guard {
    struct operator* op;
    struct partition_sink *sink;
    bool partitions; // values become folders: they have limits
    bool writes;     // the batch goes to the sink next
};

// Needs op->plan_node and op->schema.
void table_guard_init(struct table_guard *guard, struct operator* op, struct partition_sink *sink, bool writes);
void table_guard_deinit(struct table_guard *guard);
// Whether batches need to pass: false for a table without rules, which costs nothing.
bool table_guard_needed(const struct table_guard *guard);
// The rows that the table may hold, counted; NULL: none. With pipeline.on_error = fail a bad row fails the pipeline.
enum status table_guard_pass(struct table_guard *guard, struct batch *batch, struct batch **ret_left,
                             struct error *err) MUST_USE;

#endif
