// The kernel table: families of functions by canonical name. A function is a row here (in its family) and a row in
// common/plan/function_rows.c.
#include <string.h>

#include "worker/expr/expr_families.h"

static const struct expr_function *const families[] = {
    expr_logic_functions,         expr_compare_functions,    expr_arithmetic_functions, expr_math_functions,
    expr_string_functions,        expr_text_functions,       expr_regex_functions,      expr_digest_functions,
    expr_datetime_functions,      expr_pattern_functions,    expr_nested_functions,     expr_array_functions,
    expr_json_functions,          expr_json_write_functions, expr_url_functions,        expr_format_number_functions,
    expr_format_string_functions,
};

const struct expr_function *expr_function_find(const char *name)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        for (const struct expr_function *function = families[i]; function->name; function++) {
            if (strcmp(function->name, name) == 0) return function;
        }
    }
    return NULL;
}
