// What a table may hold: rows that break its rules go to the dead letters before anything is written or passed on;
// constraints are counted or fail the pipeline.
#ifndef FORESET_OPERATOR_TABLE_GUARD_H
#define FORESET_OPERATOR_TABLE_GUARD_H

#include "worker/operator/operator.h"
#include "worker/sink/partition_sink.h"

struct expr;
struct table_guard {
    struct operator* op;
    struct partition_sink *sink;
    bool partitions;    // values become folders: they have limits
    bool writes;        // the batch goes to the sink next
    uint32_t *not_null; // ordinals of columns that hold no null
    bool *no_empty;     // by not_null: a partition column, whose empty text would become null
    size_t not_null_count;
    struct expr **constraints; // as the plan's
    size_t constraint_count;
};

enum status table_guard_init(struct table_guard *guard, struct operator* op, struct partition_sink *sink, bool writes,
                             struct error *err) MUST_USE;
void table_guard_deinit(struct table_guard *guard); // also half-initialised
// Whether batches need to pass: false for a table without rules, which costs nothing.
bool table_guard_needed(const struct table_guard *guard);
// The rows that the table may hold, counted; NULL: none. With pipeline.on_error = fail a bad row fails the pipeline,
// and so does one that violates a constraint with FAIL UPDATE.
enum status table_guard_pass(struct table_guard *guard, struct batch *batch, struct batch **ret_left,
                             struct error *err) MUST_USE;

#endif
