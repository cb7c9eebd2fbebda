// From the text of a pipeline to its plan. Pure: no I/O, no clock.
#ifndef FORESET_PLANNER_PLANNER_H
#define FORESET_PLANNER_PLANNER_H

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/columnar/type.h"
#include "proto/plan.pb-c.h"

struct planner_setting { // from flags, environment, configuration file: override SET
    const char *key;
    const char *value;
};
// What only the workers' code can say of a plan (functions it has, constants that can never work): fails with what is
// wrong and the index in plan->exprs.
typedef enum status (*planner_check)(const Foreset__Plan *plan, uint32_t *ret_expr, struct error *err);
struct planner_options {
    const char *file_name; // for messages, and pipeline.name's default
    const char *directory; // absolute: relative paths in the text are relative to it
    const char *warehouse; // flag or environment; NULL: SET, else ./warehouse
    const struct planner_setting *settings;
    size_t setting_count;
    const struct planner_setting *defaults; // from the configuration file: below SET
    size_t default_count;
    const struct planner_setting *kafka; // --kafka KEY=VALUE
    size_t kafka_count;
    planner_check check;         // NULL: none
    bool (*stop)(void *context); // asked often: compiling is to end with an error; NULL: it takes what it takes
    void *stop_context;
};
// The plan lives in the arena. Errors are ERROR_USAGE with file:line:column, the line, a caret, what was expected and
// what to write instead, and Spark's condition where Spark has one. `ret_warnings` (NULL allowed): one line each, e.g.
// unbounded state.
enum status planner_compile(const char *sql, const struct planner_options *options, struct arena *arena,
                            Foreset__Plan **ret_plan, const char *const **ret_warnings, struct error *err) MUST_USE;
// One expression, or a select list ("a, b + 1 AS c, *"), over rows of the struct type `input`: no aggregates, no
// windows. The plan has expressions only; ret_root, ret_roots are indices into plan->exprs, ret_names the columns'
// names. For `tables show` and tests.
enum status planner_compile_expression(const char *text, const struct type *input, struct arena *arena,
                                       Foreset__Plan **ret_plan, uint32_t *ret_root, struct error *err) MUST_USE;
enum status planner_compile_select(const char *select_list, const struct type *input, struct arena *arena,
                                   Foreset__Plan **ret_plan, const uint32_t **ret_roots, const char *const **ret_names,
                                   size_t *ret_count, struct error *err) MUST_USE;
// `foreset plan`'s text: tables, stages, exchanges, state and its expiry.
void planner_print(const Foreset__Plan *plan, struct text *text);

#endif
