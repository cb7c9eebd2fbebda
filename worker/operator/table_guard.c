// Rows against the rules of their table, in this order: NOT NULL, constraints, partition values. A broken rule names
// table, column, limit and the dead letter table in the letter's message. Rows behind an aggregate go to the dead
// letters, too, as JSON: there is no record behind them, and to stop for them would stop the pipeline for ever.
// Fails with what dead letters fail with, and where FAIL UPDATE is violated.
#include "worker/operator/table_guard.h"

#include <inttypes.h>
#include <stdio.h>

#include "worker/expr/expr.h"
#include "worker/sink/group_origin.h"

#define GUARD_NOT_NULL  "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"
#define GUARD_VIOLATION "EXPECTATION_VIOLATION"
enum { GUARD_ROW_MAX = 400 }; // bytes of a row that a message quotes

static bool guard_is_partition(const Foreset__Table *table, const char *name)
{
    for (size_t i = 0; i < table->n_partition_columns; i++) {
        if (strcasecmp(table->partition_columns[i], name) == 0) return true;
    }
    return false;
}

enum status table_guard_init(struct table_guard *guard, struct operator* op, struct partition_sink *sink, bool writes,
                             struct error *err)
{
    const Foreset__Table *table = operator_table_of(op);
    *guard = (struct table_guard){.op = op, .sink = sink, .writes = writes};
    guard->partitions = table->n_partition_columns > 0;
    guard->not_null = memory_calloc(table->n_not_null + 1, sizeof *guard->not_null);
    guard->no_empty = memory_calloc(table->n_not_null + 1, sizeof *guard->no_empty);
    for (size_t i = 0; i < table->n_not_null; i++) {
        int at = type_field_find(op->schema, table->not_null[i]);
        if (at < 0) continue; // table_log_check refuses a column that the query does not give
        const struct field *field = &op->schema->children[at];
        guard->no_empty[guard->not_null_count] =
            field->type->kind == TYPE_STRING && guard_is_partition(table, field->name);
        guard->not_null[guard->not_null_count++] = (uint32_t)at;
    }
    guard->constraints = memory_calloc(table->n_constraints + 1, sizeof(struct expr *));
    for (; guard->constraint_count < table->n_constraints; guard->constraint_count++) {
        enum status status = expr_compile(op->host->plan, table->constraints[guard->constraint_count]->expr, op->schema,
                                          op->host->budget, &guard->constraints[guard->constraint_count], err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

void table_guard_deinit(struct table_guard *guard)
{
    for (size_t i = 0; i < guard->constraint_count; i++) expr_destroy(guard->constraints[i]);
    if (guard->op) {
        memory_free(guard->op->counts.violations);
        guard->op->counts.violations = NULL;
    }
    memory_free(guard->constraints);
    memory_free(guard->not_null);
    memory_free(guard->no_empty);
    *guard = (struct table_guard){0};
}

bool table_guard_needed(const struct table_guard *guard)
{
    return guard->partitions || guard->not_null_count > 0 || guard->constraint_count > 0;
}

// ---- Rows that go to the dead letters ----

static void guard_messages(const struct table_guard *guard, struct expr_errors *errors)
{
    const Foreset__Table *table = operator_table_of(guard->op);
    if (guard->op->errors_fail) return; // operator_settle names the table
    for (size_t i = 0; i < errors->items.count; i++) {
        struct expr_row_error *error = &errors->items.items[i];
        struct text text = {0};
        text_printf(&text, "table %s: %s; the row went to %s", table->name, error->message ? error->message : "",
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

// *batch is replaced by what is left of it, NULL for nothing. Clears errors.
static enum status guard_settle(struct table_guard *guard, struct batch **batch, struct expr_errors *errors,
                                struct error *err)
{
    if (errors->items.count == 0) return STATUS_OK;
    guard_messages(guard, errors);
    struct batch *plain = guard_without_groups(*batch), *left = NULL;
    enum status status = operator_settle(guard->op, plain, errors, &left, err);
    if (status == STATUS_OK && left && plain != *batch) batch_origin_set(left, (*batch)->origin);
    batch_unref(plain);
    if (status != STATUS_OK) return status;
    batch_unref(*batch);
    *batch = left;
    return STATUS_OK;
}

static bool guard_is_null(const struct table_guard *guard, size_t number, const struct batch *batch, uint32_t row)
{
    const struct column *column = batch->columns[guard->not_null[number]];
    if (column_is_null(column, row)) return true;
    return guard->no_empty[number] && column_slice(column, row).length == 0;
}

static void guard_nulls(const struct table_guard *guard, const struct batch *batch, struct expr_errors *errors)
{
    bool any = false;
    for (size_t n = 0; n < guard->not_null_count; n++) {
        any |= guard->no_empty[n] || batch->columns[guard->not_null[n]]->null_count > 0;
    }
    for (uint32_t i = 0; any && i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        for (size_t n = 0; n < guard->not_null_count; n++) {
            if (!guard_is_null(guard, n, batch, row)) continue;
            struct text text = {0};
            text_printf(&text, "NOT NULL column %s is null", batch->schema->children[guard->not_null[n]].name);
            struct expr_row_error error = {.row = row, .message = text_take(&text)};
            snprintf(error.condition, sizeof error.condition, "%s", GUARD_NOT_NULL);
            vector_push(&errors->items, error);
            break;
        }
    }
}

// ---- Constraints ----

// " by the record at topic t, partition 0, offset 7", as far as the record is known.
static void guard_origin(const struct batch *batch, uint32_t row, struct text *text)
{
    static const char *const names[] = {"topic", "partition", "offset"};
    const struct batch *origin = batch->origin;
    bool any = false;
    for (size_t i = 0; origin && i < sizeof names / sizeof *names; i++) {
        int at = type_field_find(origin->schema, names[i]);
        if (at < 0 || column_is_null(origin->columns[at], row)) continue;
        const struct column *column = origin->columns[at];
        text_printf(text, "%s%s ", any ? ", " : " by the record of ", names[i]);
        any = true;
        if (column->type->kind == TYPE_STRING) {
            struct slice slice = column_slice(column, row);
            text_append_utf8(text, slice.data, slice.length);
        } else if (column->type->kind == TYPE_INT) {
            text_printf(text, "%" PRId32, column->i32[row]);
        } else if (column->type->kind == TYPE_BIGINT) {
            text_printf(text, "%" PRId64, column->i64[row]);
        }
    }
}

static enum status guard_fail(const struct table_guard *guard, size_t number, const struct batch *batch, uint32_t at,
                              struct error *err)
{
    const Foreset__Table *table = operator_table_of(guard->op);
    const Foreset__Constraint *constraint = table->constraints[number];
    struct text origin = {0}, row = {0};
    guard_origin(batch, batch_row(batch, at), &origin);
    batch_json(batch, at, &row);
    bool cut = row.length > GUARD_ROW_MAX;
    size_t length = cut ? GUARD_ROW_MAX : row.length;
    while (cut && length > 0 && ((uint8_t)row.data[length] & 0xC0) == 0x80) length--;
    enum status status = error_set(
        err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
        "table %s: [" GUARD_VIOLATION "] constraint %s EXPECT (%.200s) ON VIOLATION FAIL UPDATE is violated%s: "
        "%.*s%s; epoch %llu",
        table->name, constraint->name, constraint->text ? constraint->text : "", text_str(&origin), (int)length,
        text_str(&row), cut ? "…" : "", (unsigned long long)guard->op->epoch.epoch);
    if (err) snprintf(err->condition, sizeof err->condition, "%s", GUARD_VIOLATION);
    text_deinit(&origin);
    text_deinit(&row);
    return status;
}

// The first selected row that is not among the rising `met`.
static uint32_t guard_first_other(const struct batch *batch, const struct buffer *met, uint32_t met_count)
{
    const uint32_t *rows = met ? (const uint32_t *)(const void *)met->data : NULL;
    uint32_t i = 0;
    while (i < met_count && i < batch->row_count && rows[i] == batch_row(batch, i)) i++;
    return i;
}

static enum status guard_constraint(struct table_guard *guard, size_t number, struct batch **batch, struct error *err)
{
    struct operator* op = guard->op;
    struct expr_errors errors = {0};
    struct expr_context context = operator_context(op, *batch, &errors);
    struct buffer *met = NULL;
    uint32_t count = 0;
    enum status status = STATUS_OK;
    TRY(expr_filter(guard->constraints[number], *batch, &context, &met, &count, err));
    if (errors.items.count > 0) { // those rows go; what is left is asked again
        TRY(guard_settle(guard, batch, &errors, err));
        if (!*batch) goto out;
        buffer_unref(met);
        met = NULL;
        TRY(expr_filter(guard->constraints[number], *batch, &context, &met, &count, err));
    }
    if (count == (*batch)->row_count) goto out;
    if (operator_table_of(op)->constraints[number]->fail) {
        TRY(guard_fail(guard, number, *batch, guard_first_other(*batch, met, count), err));
    }
    op->counts.rows_violated += (*batch)->row_count - count;
    if (!op->counts.violations)
        op->counts.violations = memory_calloc(guard->constraint_count + 1, sizeof *op->counts.violations);
    op->counts.violations[number] += (*batch)->row_count - count;
out:
    expr_errors_deinit(&errors);
    buffer_unref(met);
    return status;
}

enum status table_guard_pass(struct table_guard *guard, struct batch *batch, struct batch **ret_left, struct error *err)
{
    struct expr_errors errors = {0};
    struct batch *left = batch_ref(batch);
    enum status status = STATUS_OK;
    if (guard->not_null_count > 0) {
        guard_nulls(guard, left, &errors);
        TRY(guard_settle(guard, &left, &errors, err));
    }
    for (size_t i = 0; left && i < guard->constraint_count; i++) TRY(guard_constraint(guard, i, &left, err));
    if (left && guard->partitions) {
        TRY(partition_sink_check(guard->sink, left, &errors, err));
        if (!guard->writes) partition_sink_unplace(guard->sink);
        TRY(guard_settle(guard, &left, &errors, err));
    }
    *ret_left = left;
    left = NULL;
out:
    batch_unref(left);
    expr_errors_deinit(&errors);
    return status;
}
