// Rules of functions whose types no signature can say. Inside common/plan; each reads and fills a function_rule_call.
#ifndef FORESET_PLAN_FUNCTION_RULES_H
#define FORESET_PLAN_FUNCTION_RULES_H

#include "common/plan/function_private.h"

#define FUNCTION_RULES(X)                                                                                              \
    X(arithmetic)                                                                                                      \
    X(unary) X(bitwise) X(shift) X(compare) X(in) X(nanvl) X(case) X(if) X(coalesce) X(nullif) X(nvl2) X(zero)         \
        X(extreme) X(assert) X(concat) X(concat_ws) X(reverse) X(hex) X(format_number) X(decode) X(elt) X(round)       \
            X(sign) X(date_part) X(date_add) X(make_timestamp) X(make_interval) X(struct) X(named_struct) X(array)     \
                X(map) X(element) X(size) X(array_value) X(array_element) X(array_repeat) X(array_join) X(array_pair)  \
                    X(sequence) X(map_part) X(map_key) X(map_from) X(from_json) X(to_json) X(sum) X(minmax) X(collect) \
                        X(window) X(generator)
#define FUNCTION_RULE_DECLARE(rule)                                                                                    \
    enum status function_rules_##rule(struct function_rule_call *call, struct error *err);
FUNCTION_RULES(FUNCTION_RULE_DECLARE)
#undef FUNCTION_RULE_DECLARE

// Shared by the rules.
const struct type *function_rules_type(const struct function_rule_call *call, uint32_t arg); // after casts so far
void function_rules_cast(struct function_rule_call *call, uint32_t arg, const struct type *to);
enum status function_rules_implicit(struct function_rule_call *call, uint32_t arg, char letter, struct error *err);
const Foreset__Expr *function_rules_literal(const struct function_rule_call *call,
                                            uint32_t arg); // NULL: no literal, or null
enum status function_rules_common(struct function_rule_call *call, uint32_t first, uint32_t step, bool promote_strings,
                                  const char *condition,
                                  struct error *err); // casts args first, first + step, … to one type

#endif
