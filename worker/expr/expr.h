// Expressions: compiled once into a flat array of steps that run column by column over a batch's selected rows.
// A row whose evaluation raises under ANSI rules (cast, overflow, division by zero) does not stop the batch: its error
// is recorded, its result is null, and the caller decides (dead letters, or pipeline.on_error = fail). AND, OR, CASE,
// IF, COALESCE evaluate their branches only on the rows that reach them, as Spark does.
#ifndef FORESET_EXPR_EXPR_H
#define FORESET_EXPR_EXPR_H

#include "common/base/text.h"
#include "common/base/vector.h"
#include "common/columnar/batch.h"
#include "proto/plan.pb-c.h"

struct expr_row_error {
    uint32_t row;       // row number in the batch's columns
    char condition[96]; // "CAST_INVALID_INPUT"
    char *message;      // memory_free; Spark's text
};
struct expr_errors {
    VECTOR(struct expr_row_error) items; // at most one per row, rising rows after expr_eval
};
void expr_errors_deinit(struct expr_errors *errors);

// How much rows may make of themselves. A text beyond value_bytes_max raises VALUE_SIZE_LIMIT_EXCEEDED, for its row
// alone. The columns of one evaluation are counted in `budget`: when they met batch_bytes_max, evaluation fails with
// STATUS_NO_MEMORY and budget.refused is set; the caller then goes on with fewer rows (operator_give), and the row that
// is too large even alone (row_bytes_max) raises ROW_SIZE_LIMIT_EXCEEDED.
struct expr_bound {
    struct budget budget; // its limit moves: what is out at the beginning, and one evaluation's bytes
    uint64_t value_bytes_max, batch_bytes_max, row_bytes_max;
};
#define EXPR_VALUE_BYTES_MAX (64u << 20) // of one text, however much memory there is
#define EXPR_ROW_CONDITION   "ROW_SIZE_LIMIT_EXCEEDED"
// Of `memory_bytes` (0: no limit) that `lanes` lanes share; parent: what the columns count in besides.
void expr_bound_init(struct expr_bound *bound, struct budget *parent, uint64_t memory_bytes, uint32_t lanes);
void expr_bound_begin(struct expr_bound *bound, uint32_t rows); // of one evaluation
bool expr_bound_met(const struct expr_bound *bound);            // by the evaluation that failed; NULL: no

struct expr_context {
    struct budget *budget;
    struct expr_bound *bound; // NULL: texts have EXPR_VALUE_BYTES_MAX, batches their budget alone
    int64_t timestamp_us;     // current_timestamp(): the batch's (P12)
    struct expr_errors *errors;
    uint64_t rows_malformed; // from_json counts here
    uint64_t random_seed;    // rand(), uuid(): per (epoch, lane)
};

void expr_bound_raise(struct expr_context *context, uint32_t row); // the row was too large alone

struct expr;
// Compiles exprs[root] of a plan for input rows of the struct type `input`. Checks every index, type and function name.
enum status expr_compile(const Foreset__Plan *plan, uint32_t root, const struct type *input, struct budget *budget,
                         struct expr **ret_expr, struct error *err) MUST_USE;
void expr_destroy(struct expr *expr);
const struct type *expr_type(const struct expr *expr);
// A column of batch->column_rows values; those of rows that are not selected are unspecified (but safe to skip).
// A plain column reference returns the batch's own column, counted.
enum status expr_eval(struct expr *expr, const struct batch *batch, struct expr_context *context,
                      struct column **ret_column, struct error *err) MUST_USE;
// The rows for which a boolean expression is true, as a selection buffer (uint32, rising row numbers).
enum status expr_filter(struct expr *expr, const struct batch *batch, struct expr_context *context,
                        struct buffer **ret_selection, uint32_t *ret_count, struct error *err) MUST_USE;
// Several filters and projections share their common sub-expressions when compiled together: a step runs once per
// batch, and its row errors are recorded once, in the errors of the first root that needs it. The last batch is held
// until all roots have run on it, or another batch comes.
enum status expr_compile_list(const Foreset__Plan *plan, const uint32_t *roots, uint32_t count,
                              const struct type *input, struct budget *budget, struct expr **ret_exprs,
                              struct error *err) MUST_USE;

// Aggregates. A state is a block of state_size bytes, zero-initialised = empty; it may own memory (collect_list).
struct aggregate;
enum status aggregate_compile(const Foreset__Plan *plan, const Foreset__Aggregate *aggregate, const struct type *input,
                              struct budget *budget, struct aggregate **ret_aggregate, struct error *err) MUST_USE;
void aggregate_destroy(struct aggregate *aggregate);
const struct type *aggregate_type(const struct aggregate *aggregate);
uint32_t aggregate_state_size(const struct aggregate *aggregate); // multiple of 8
// Evaluates the arguments (and FILTER) over the batch and folds selected row i into states[i] (+ offset bytes).
enum status aggregate_update(struct aggregate *aggregate, const struct batch *batch, void *const *states,
                             uint32_t offset, struct expr_context *context, struct error *err) MUST_USE;
// Folds a serialised state (from aggregate_save) into a state. *ret_used: bytes consumed. STATUS_CORRUPT if malformed.
enum status aggregate_merge(struct aggregate *aggregate, void *state, const void *bytes, size_t size, size_t *ret_used,
                            struct error *err) MUST_USE;
void aggregate_save(const struct aggregate *aggregate, const void *state, struct text *ret_bytes); // appends
// Appends the result to a builder of aggregate_type. Overflow and the like are errors here: they fail the pipeline
// (SQL.md, Bad rows).
enum status aggregate_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                             struct error *err) MUST_USE;
void aggregate_free(const struct aggregate *aggregate, void *state); // memory that the state owns

#endif
