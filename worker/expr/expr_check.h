// What of a plan can never work whatever the rows are: checked before anything is read.
#ifndef FORESET_EXPR_EXPR_CHECK_H
#define FORESET_EXPR_EXPR_CHECK_H

#include "common/base/error.h"
#include "proto/plan.pb-c.h"

// Compiles every expression of the plan's nodes, evaluates its constants, and looks at literal arguments. Refuses what
// Spark refuses for every row: a constant that raises where it is evaluated unconditionally, and a literal (pattern,
// regular expression, LIKE pattern, zone) that Spark reads when the query starts, in a branch that no row reaches too.
// Not refused: what raises only for a row whose other arguments are not null (regexp_replace of a bad pattern), because
// Spark gives rows where no row gets there. *ret_expr: the index in plan->exprs of what is refused.
enum status expr_check_plan(const Foreset__Plan *plan, uint32_t *ret_expr, struct error *err) MUST_USE;

#endif
