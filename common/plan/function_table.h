// The functions of the dialect: names, what they accept, what they return. Binder and workers share this table; the
// kernels are in worker/expr by canonical name. Adding a function is one row here and one kernel there.
#ifndef FORESET_PLAN_FUNCTION_TABLE_H
#define FORESET_PLAN_FUNCTION_TABLE_H

#include "common/base/memory.h"
#include "common/columnar/type.h"
#include "proto/plan.pb-c.h"

#define FUNCTION_ARGS_MAX 1024u // CASE, IN, concat and the like

enum function_class {
    FUNCTION_SCALAR,
    FUNCTION_AGGREGATE,
    FUNCTION_GENERATOR, // explode
    FUNCTION_SPECIAL,   // window, session_window: the planner handles them
};

// A call as the binder sees it. Operators are functions with their symbol as name: "+", "-", "*", "/", "%", "div",
// "||", "=", "==", "<=>", "<>", "!=", "<", "<=", ">", ">=", "and", "or", "not", "negative", "isnull", "isnotnull",
// "like", "rlike", "in", "case" (condition, value, …, [else]), "if", "coalesce", "[]" (element of array or map);
// "between" is bound as and(>=, <=).
struct function_call {
    const char *name; // as written, any case
    uint32_t arg_count;
    const struct type *const *arg_types;
    const Foreset__Expr *const *literals; // per argument: the folded literal, NULL if it is not one
};
struct function_binding {
    const char *name; // canonical: goes into Expr.function
    enum function_class class;
    const struct type *type;       // result
    const struct type **arg_types; // what each argument must be cast to (== its type: no cast); from the arena
    bool deterministic;   // false: rand, uuid; current_timestamp is constant within a batch and counts as deterministic
    bool null_intolerant; // null in, null out
};
// Resolves by Spark's rules (ANSI coercion). Errors carry Spark's condition: UNRESOLVED_ROUTINE (with the nearest
// name), WRONG_NUM_ARGS, DATATYPE_MISMATCH.…; known Spark functions that are not built are refused by name
// (STATUS_UNSUPPORTED).
enum status function_resolve(const struct function_call *call, struct arena *arena,
                             struct function_binding *ret_binding, struct error *err) MUST_USE;
// May a value of `from` be cast explicitly to `to` (Spark's ANSI cast matrix)?
bool function_can_cast(const struct type *from, const struct type *to, bool try_cast);
// The type that both sides of a set operation, CASE branches or IN lists are cast to; NULL if there is none.
const struct type *function_common_type(const struct type *const *types, uint32_t count);
// The symbol of an arithmetic function: '+' for "+" and "try_add", 'd' for div, 'p' for pmod, ….
char function_operator(const char *name);

#endif
