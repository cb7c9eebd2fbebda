// Aggregates: compilation, the evaluation of arguments and filters, and dispatch to the functions' families.
// Fails with STATUS_NO_MEMORY, STATUS_CORRUPT for malformed plans and states, and with overflows at the result.
#include <string.h>

#include "worker/expr/aggregate_private.h"
#include "worker/expr/expr_program.h"

static const struct aggregate_function *function_find(const char *name, const struct type *arg)
{
    const struct aggregate_function *function = aggregate_number_find(name, arg);
    if (!function) function = aggregate_value_find(name, arg);
    if (!function) function = aggregate_moment_find(name);
    if (!function) function = aggregate_collect_find(name);
    if (!function) function = aggregate_sketch_find(name);
    return function;
}

// The flag of first(x, ignoreNulls) is a literal; it leaves the arguments.
static enum status take_flag(struct aggregate *aggregate, const Foreset__Plan *plan, const Foreset__Aggregate *message,
                             uint32_t *ret_count, struct error *err)
{
    bool flagged = strcmp(message->function, "first") == 0 || strcmp(message->function, "last") == 0 ||
                   strcmp(message->function, "any_value") == 0;
    bool sketch = strcmp(message->function, "approx_count_distinct") == 0;
    aggregate->precision = 9; // rsd 0.05
    if (*ret_count < 2 || !(flagged || sketch)) return STATUS_OK;
    const Foreset__Expr *flag = message->args[1] < plan->n_exprs ? plan->exprs[message->args[1]] : NULL;
    bool literal = flag && flag->kind == FORESET__EXPR__KIND__LITERAL;
    if (!literal || !(flagged ? flag->has_boolean : flag->has_real)) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "the second argument of %s must be a literal",
                         message->function);
    }
    aggregate->ignore_nulls = flagged && flag->boolean;
    if (sketch) { // Spark: p = ceil(2 log2(1.106 / rsd))
        double rsd = flag->real;
        if (!(rsd > 0.0039 && rsd <= 0.39)) {
            return error_set(err, STATUS_INVALID, ERROR_USAGE,
                             "approx_count_distinct takes a deviation of 0.0039 to 0.39");
        }
        aggregate->precision = (uint8_t)__builtin_ceil(2.0 * __builtin_log2(1.106 / rsd));
    }
    *ret_count = 1;
    return STATUS_OK;
}

static enum status compile_arguments(struct aggregate *aggregate, const Foreset__Plan *plan,
                                     const Foreset__Aggregate *message, uint32_t count, const struct type *input,
                                     struct error *err)
{
    uint32_t roots[3];
    struct expr *exprs[3] = {NULL, NULL, NULL};
    for (uint32_t i = 0; i < count; i++) roots[i] = message->args[i];
    uint32_t total = count;
    if (message->has_filter) roots[total++] = message->filter;
    enum status status = expr_compile_list(plan, roots, total, input, aggregate->budget, exprs, err);
    if (status != STATUS_OK) return status;
    aggregate->arg_count = count;
    for (uint32_t i = 0; i < count; i++) {
        aggregate->args[i] = exprs[i];
        aggregate->arg_types[i] = expr_type(exprs[i]);
    }
    if (!message->has_filter) return STATUS_OK;
    aggregate->filter = exprs[count];
    enum type_kind kind = expr_type(aggregate->filter)->kind;
    if (kind == TYPE_BOOLEAN || kind == TYPE_VOID) return STATUS_OK;
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the filter of %s is not boolean", message->function);
}

enum status aggregate_compile(const Foreset__Plan *plan, const Foreset__Aggregate *message, const struct type *input,
                              struct budget *budget, struct aggregate **ret_aggregate, struct error *err)
{
    enum status status = STATUS_OK;
    struct aggregate *aggregate = memory_calloc(1, sizeof *aggregate);
    aggregate->budget = budget;
    uint32_t count = (uint32_t)message->n_args;
    TRY(type_parse(message->type, &aggregate->type, err));
    TRY(take_flag(aggregate, plan, message, &count, err));
    if (count > 2) {
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "%s of more than two columns is not supported yet",
                      message->function));
    }
    if (count || message->has_filter) TRY(compile_arguments(aggregate, plan, message, count, input, err));
    aggregate->function = function_find(message->function, count ? aggregate->arg_types[0] : type_of(TYPE_VOID));
    if (!aggregate->function) {
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "aggregate %s of %s is not supported yet",
                      message->function, count ? aggregate->arg_types[0]->text : "nothing"));
    }
    aggregate->distinct = message->distinct && count > 0;
    *ret_aggregate = aggregate;
    return STATUS_OK;
out:
    aggregate_destroy(aggregate);
    return status;
}

void aggregate_destroy(struct aggregate *aggregate)
{
    if (!aggregate) return;
    expr_destroy(aggregate->args[0]);
    expr_destroy(aggregate->args[1]);
    expr_destroy(aggregate->filter);
    memory_free(aggregate);
}

const struct type *aggregate_type(const struct aggregate *aggregate)
{
    return aggregate->type;
}

static const struct aggregate_function *state_function(const struct aggregate *aggregate)
{
    return aggregate->distinct ? &aggregate_collect_distinct : aggregate->function;
}

uint32_t aggregate_state_size(const struct aggregate *aggregate)
{
    return (state_function(aggregate)->state_size + 7) / 8 * 8;
}

// Rows that the filter keeps and whose arguments are there.
static uint32_t pick_rows(const struct aggregate *aggregate, const struct batch *batch, const struct column *filter,
                          const struct aggregate_input *input, uint32_t *picks)
{
    uint32_t count = 0;
    bool nulls_matter = !(state_function(aggregate)->flags & AGGREGATE_KEEPS_NULLS);
    bool filter_void = filter && filter->type->kind == TYPE_VOID;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        bool keep = !filter_void && (!filter || (!column_is_null(filter, row) && filter->boolean[row]));
        for (uint32_t a = 0; a < aggregate->arg_count && keep && nulls_matter; a++)
            keep = !column_is_null(input->args[a], row);
        picks[count] = i;
        count += keep;
    }
    return count;
}

enum status aggregate_update(struct aggregate *aggregate, const struct batch *batch, void *const *states,
                             uint32_t offset, struct expr_context *context, struct error *err)
{
    enum status status = STATUS_OK;
    struct column *columns[2] = {NULL, NULL}, *filter = NULL;
    uint32_t *picks = NULL;
    struct aggregate_input input = {
        .rows = batch->selection, .count = batch->row_count, .states = states, .offset = offset};
    bool pick = aggregate->filter != NULL;
    for (uint32_t i = 0; i < aggregate->arg_count; i++) {
        TRY(expr_eval(aggregate->args[i], batch, context, &columns[i], err));
        input.args[i] = columns[i];
        pick = pick || (columns[i]->null_count > 0 && !(state_function(aggregate)->flags & AGGREGATE_KEEPS_NULLS));
    }
    if (aggregate->filter) TRY(expr_eval(aggregate->filter, batch, context, &filter, err));
    if (pick) {
        picks = memory_alloc((batch->row_count + (size_t)1) * sizeof *picks);
        input.count = pick_rows(aggregate, batch, filter, &input, picks);
        input.picks = picks;
    }
    TRY(state_function(aggregate)->update(aggregate, &input, err));
out:
    column_unref(columns[0]);
    column_unref(columns[1]);
    column_unref(filter);
    memory_free(picks);
    return status;
}

enum status aggregate_merge(struct aggregate *aggregate, void *state, const void *bytes, size_t size, size_t *ret_used,
                            struct error *err)
{
    struct aggregate_reader reader = {.at = bytes, .left = size};
    if (!state_function(aggregate)->merge(aggregate, state, &reader)) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "a saved state of %s is malformed (%zu bytes)",
                         aggregate->function->name, size);
    }
    *ret_used = size - reader.left;
    return STATUS_OK;
}

void aggregate_save(const struct aggregate *aggregate, const void *state, struct text *ret_bytes)
{
    state_function(aggregate)->save(aggregate, state, ret_bytes);
}

enum status aggregate_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                             struct error *err)
{
    return state_function(aggregate)->result(aggregate, state, builder, err);
}

void aggregate_free(const struct aggregate *aggregate, void *state)
{
    if (state_function(aggregate)->release) state_function(aggregate)->release(aggregate, state);
}
