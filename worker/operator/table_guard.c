// Rows against the rules of their table. A rule that is broken names table, column, limit and the dead letter table in
// the letter's message. Rows behind an aggregate go to the dead letters, too, as JSON: there is no record behind them,
// and to stop for them would stop the pipeline for ever. Fails with what dead letters fail with.
#include "worker/operator/table_guard.h"

#include "worker/expr/expr.h"
#include "worker/sink/group_origin.h"

void table_guard_init(struct table_guard *guard, struct operator* op, struct partition_sink *sink, bool writes)
{
    *guard = (struct table_guard){.op = op, .sink = sink, .writes = writes};
    guard->partitions = operator_table_of(op)->n_partition_columns > 0;
}

void table_guard_deinit(struct table_guard *guard)
{
    *guard = (struct table_guard){0};
}

bool table_guard_needed(const struct table_guard *guard)
{
    return guard->partitions;
}

static void guard_messages(const struct table_guard *guard, struct expr_errors *errors)
{
    const Foreset__Table *table = operator_table_of(guard->op);
    if (guard->op->errors_fail) return; // operator_settle names the table
    for (size_t i = 0; i < errors->items.count; i++) {
        struct expr_row_error *error = &errors->items.items[i];
        struct text text = {0};
        text_printf(&text, "table %s: %s; the row went to %s", table->name, error->message,
                    table->dead_letters ? table->dead_letters : "its dead letters");
        memory_free(error->message);
        error->message = text_take(&text);
    }
}

// Group rows have an origin that is no record.
static struct batch *guard_without_groups(struct batch *batch)
{
    if (!batch->origin || batch->origin->schema != group_origin_type()) return batch_ref(batch);
    for (uint32_t i = 0; i < batch->column_count; i++) column_ref(batch->columns[i]);
    struct batch *plain = batch_derive(batch, batch->schema, batch->columns);
    batch_unref(plain->origin);
    plain->origin = NULL;
    return plain;
}

static enum status guard_settle(struct table_guard *guard, struct batch *batch, struct expr_errors *errors,
                                struct batch **ret_left, struct error *err)
{
    guard_messages(guard, errors);
    struct batch *plain = guard_without_groups(batch), *left = NULL;
    enum status status = operator_settle(guard->op, plain, errors, &left, err);
    if (status == STATUS_OK && left && plain != batch) batch_origin_set(left, batch->origin);
    batch_unref(plain);
    if (status == STATUS_OK) *ret_left = left;
    return status;
}

enum status table_guard_pass(struct table_guard *guard, struct batch *batch, struct batch **ret_left, struct error *err)
{
    struct expr_errors errors = {0};
    struct batch *left = NULL;
    enum status status = STATUS_OK;
    if (guard->partitions) TRY(partition_sink_check(guard->sink, batch, &errors, err));
    if (!guard->writes) partition_sink_unplace(guard->sink);
    if (errors.items.count == 0) {
        left = batch_ref(batch);
    } else {
        TRY(guard_settle(guard, batch, &errors, &left, err));
    }
    *ret_left = left;
out:
    expr_errors_deinit(&errors);
    return status;
}
