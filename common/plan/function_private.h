// Inside common/plan: the row of a function, and Spark's coercion rules that the rows' rules are made of.
#ifndef FORESET_PLAN_FUNCTION_PRIVATE_H
#define FORESET_PLAN_FUNCTION_PRIVATE_H

#include "common/plan/function_table.h"

struct function_rule_call;
typedef enum status (*function_rule)(struct function_rule_call *call, struct error *err);

#define FUNCTION_NONDETERMINISTIC 1u
#define FUNCTION_NULL_TOLERANT    2u // may return a value for null arguments
#define FUNCTION_MANY             FUNCTION_ARGS_MAX

// A function: by signature or by rule. A signature is a letter per argument, behind '?' they are optional, '+' repeats
// the letter before it, then '>' and the result: a letter, or 1..9 for the type of that argument.
//   s string  y binary  i int  l bigint  d double  b boolean  D date  T timestamp  z timestamp_ntz
//   a any  N numeric  I integral  Y string or binary  t string or datetime  A array  M map  V interval
struct function_row {
    const char *name;
    const char *canonical; // NULL: name
    const char *signature;
    function_rule rule;
    uint16_t min_args, max_args; // with a rule
    uint8_t class;
    uint8_t flags;
};
extern const struct function_row function_rows[];
extern const size_t function_rows_count;
extern const char *const function_rows_refused[]; // Spark's, not built; NULL-terminated

// One resolution: a rule reads call, writes type and arg_types of binding (arg_types start as the call's own types).
struct function_rule_call {
    const struct function_row *row;
    const struct function_call *call;
    struct arena *arena;
    struct function_binding *binding;
};

enum status function_coerce_fail(struct error *err, const char *condition, const char *format, ...) PRINTF_LIKE(3, 4);
// The tightest common type of two (no string promotion, no decimal widening); NULL: none.
const struct type *function_coerce_tightest(const struct type *a, const struct type *b);
// The wider type of two; with strings promoted if asked.
const struct type *function_coerce_wider(const struct type *a, const struct type *b, bool promote_strings);
const struct type *function_coerce_wider_list(const struct type *const *types, uint32_t count, bool promote_strings);
// Implicit cast of an argument to what a signature's letter accepts; NULL: refused.
const struct type *function_coerce_implicit(const struct type *from, char letter);
const struct type *function_coerce_decimal_of(const struct type *type); // decimal that holds every value of an integral
const struct type *function_coerce_decimal_adjust(int precision, int scale);
const struct type *function_coerce_decimal_capped(int precision, int scale); // DecimalType.bounded
const struct type *function_coerce_decimal_bound(int precision, int scale);

#endif
