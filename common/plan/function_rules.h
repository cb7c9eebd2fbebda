// Rules of functions whose types no signature can say. Inside common/plan; each fills a function_rule_call and
// fails with Spark's condition (DATATYPE_MISMATCH.… and the like).
#ifndef FORESET_PLAN_FUNCTION_RULES_H
#define FORESET_PLAN_FUNCTION_RULES_H

#include "common/plan/function_private.h"

// function_rules.c: operators, comparison, conditionals, rounding.
enum status function_rules_arithmetic(struct function_rule_call *call, struct error *err);
enum status function_rules_bit_count(struct function_rule_call *call, struct error *err);
enum status function_rules_window_time(struct function_rule_call *call, struct error *err);
enum status function_rules_unary(struct function_rule_call *call, struct error *err);
enum status function_rules_bitwise(struct function_rule_call *call, struct error *err);
enum status function_rules_shift(struct function_rule_call *call, struct error *err);
enum status function_rules_compare(struct function_rule_call *call, struct error *err);
enum status function_rules_in(struct function_rule_call *call, struct error *err);
enum status function_rules_nanvl(struct function_rule_call *call, struct error *err);
enum status function_rules_case(struct function_rule_call *call, struct error *err);
enum status function_rules_if(struct function_rule_call *call, struct error *err);
enum status function_rules_coalesce(struct function_rule_call *call, struct error *err);
enum status function_rules_nullif(struct function_rule_call *call, struct error *err);
enum status function_rules_nvl2(struct function_rule_call *call, struct error *err);
enum status function_rules_zero(struct function_rule_call *call, struct error *err);
enum status function_rules_extreme(struct function_rule_call *call, struct error *err);
enum status function_rules_assert(struct function_rule_call *call, struct error *err);
enum status function_rules_round(struct function_rule_call *call, struct error *err);
enum status function_rules_sign(struct function_rule_call *call, struct error *err);

// function_rules_nested.c: strings, dates, arrays, maps, structs, JSON, aggregates, what the planner handles.
enum status function_rules_concat(struct function_rule_call *call, struct error *err);
enum status function_rules_concat_ws(struct function_rule_call *call, struct error *err);
enum status function_rules_reverse(struct function_rule_call *call, struct error *err);
enum status function_rules_hex(struct function_rule_call *call, struct error *err);
enum status function_rules_like(struct function_rule_call *call, struct error *err);
enum status function_rules_format_number(struct function_rule_call *call, struct error *err);
enum status function_rules_decode(struct function_rule_call *call, struct error *err);
enum status function_rules_elt(struct function_rule_call *call, struct error *err);
enum status function_rules_date_part(struct function_rule_call *call, struct error *err);
enum status function_rules_date_add(struct function_rule_call *call, struct error *err);
enum status function_rules_make_timestamp(struct function_rule_call *call, struct error *err);
enum status function_rules_make_interval(struct function_rule_call *call, struct error *err);
enum status function_rules_struct(struct function_rule_call *call, struct error *err);
enum status function_rules_named_struct(struct function_rule_call *call, struct error *err);
enum status function_rules_array(struct function_rule_call *call, struct error *err);
enum status function_rules_map(struct function_rule_call *call, struct error *err);
enum status function_rules_element(struct function_rule_call *call, struct error *err);
enum status function_rules_size(struct function_rule_call *call, struct error *err);
enum status function_rules_array_value(struct function_rule_call *call, struct error *err);
enum status function_rules_array_element(struct function_rule_call *call, struct error *err);
enum status function_rules_array_repeat(struct function_rule_call *call, struct error *err);
enum status function_rules_array_join(struct function_rule_call *call, struct error *err);
enum status function_rules_array_pair(struct function_rule_call *call, struct error *err);
enum status function_rules_sequence(struct function_rule_call *call, struct error *err);
enum status function_rules_map_part(struct function_rule_call *call, struct error *err);
enum status function_rules_map_key(struct function_rule_call *call, struct error *err);
enum status function_rules_map_from(struct function_rule_call *call, struct error *err);
enum status function_rules_mask(struct function_rule_call *call, struct error *err);
enum status function_rules_regexp_replace(struct function_rule_call *call, struct error *err);
enum status function_rules_from_json(struct function_rule_call *call, struct error *err);
enum status function_rules_to_json(struct function_rule_call *call, struct error *err);
enum status function_rules_sum(struct function_rule_call *call, struct error *err);
enum status function_rules_minmax(struct function_rule_call *call, struct error *err);
enum status function_rules_collect(struct function_rule_call *call, struct error *err);
enum status function_rules_window(struct function_rule_call *call, struct error *err);
enum status function_rules_generator(struct function_rule_call *call, struct error *err);

// Shared by the rules.
const struct type *function_rules_type(const struct function_rule_call *call, uint32_t arg); // after casts so far
void function_rules_cast(struct function_rule_call *call, uint32_t arg, const struct type *to);
// Casts an argument to what a signature's letter accepts.
enum status function_rules_implicit(struct function_rule_call *call, uint32_t arg, char letter, struct error *err);
// Casts arguments first, first + step, … to one type.
enum status function_rules_common(struct function_rule_call *call, uint32_t first, uint32_t step, bool promote_strings,
                                  const char *condition, struct error *err);
// NULL: the argument is no literal, or null.
const Foreset__Expr *function_rules_literal(const struct function_rule_call *call, uint32_t arg);

#endif
