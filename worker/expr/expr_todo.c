#include "worker/expr/expr_families.h"
#define EMPTY(f) const struct expr_function f[] = {{NULL, NULL, NULL, NULL, 0}};

EMPTY(expr_array_functions) EMPTY(expr_url_functions)
