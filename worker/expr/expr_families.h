// The kernel table's families, each in the file of its name. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_FAMILIES_H
#define FORESET_EXPR_EXPR_FAMILIES_H

#include "worker/expr/expr_program.h"

// Each ends with a row without a name.
extern const struct expr_function expr_logic_functions[];
extern const struct expr_function expr_compare_functions[];
extern const struct expr_function expr_arithmetic_functions[];
extern const struct expr_function expr_math_functions[];
extern const struct expr_function expr_string_functions[];
extern const struct expr_function expr_text_functions[];
extern const struct expr_function expr_regex_functions[];
extern const struct expr_function expr_digest_functions[];
extern const struct expr_function expr_datetime_functions[];
extern const struct expr_function expr_pattern_functions[];
extern const struct expr_function expr_nested_functions[];
extern const struct expr_function expr_array_functions[];
extern const struct expr_function expr_json_functions[];
extern const struct expr_function expr_json_write_functions[];
extern const struct expr_function expr_url_functions[];
extern const struct expr_function expr_format_number_functions[];
extern const struct expr_function expr_format_string_functions[];

// lower(s), which ilike needs too.
enum expr_outcome expr_string_lower(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret);

// Loops of binary kernels over x = a[row], y = b[row]: one for each of rows selected, right constant, left constant,
// neither.
#define EXPR_BINARY_LOOP(call, a, b, ctype_a, ctype_b, body)                                                           \
    do {                                                                                                               \
        const bool constant_a = (call)->args[0].constant, constant_b = (call)->args[1].constant;                       \
        if ((call)->rows) {                                                                                            \
            for (uint32_t k = 0; k < (call)->row_count; k++) {                                                         \
                const uint32_t row = (call)->rows[k];                                                                  \
                const ctype_a x = (a)[constant_a ? 0 : row];                                                           \
                const ctype_b y = (b)[constant_b ? 0 : row];                                                           \
                body                                                                                                   \
            }                                                                                                          \
        } else if (constant_b && (call)->row_count) {                                                                  \
            const ctype_b y = (b)[0];                                                                                  \
            for (uint32_t row = 0; row < (call)->row_count; row++) {                                                   \
                const ctype_a x = (a)[constant_a ? 0 : row];                                                           \
                body                                                                                                   \
            }                                                                                                          \
        } else if (constant_a && (call)->row_count) {                                                                  \
            const ctype_a x = (a)[0];                                                                                  \
            for (uint32_t row = 0; row < (call)->row_count; row++) {                                                   \
                const ctype_b y = (b)[row];                                                                            \
                body                                                                                                   \
            }                                                                                                          \
        } else {                                                                                                       \
            for (uint32_t row = 0; row < (call)->row_count; row++) {                                                   \
                const ctype_a x = (a)[row];                                                                            \
                const ctype_b y = (b)[row];                                                                            \
                body                                                                                                   \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

#define EXPR_UNARY_LOOP(call, a, ctype, body)                                                                          \
    do {                                                                                                               \
        for (uint32_t k = 0; (call)->rows && k < (call)->row_count; k++) {                                             \
            const uint32_t row = (call)->rows[k];                                                                      \
            const ctype x = (a)[row];                                                                                  \
            body                                                                                                       \
        }                                                                                                              \
        for (uint32_t row = 0; !(call)->rows && row < (call)->row_count; row++) {                                      \
            const ctype x = (a)[row];                                                                                  \
            body                                                                                                       \
        }                                                                                                              \
    } while (0)

#endif
