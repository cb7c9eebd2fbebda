// The scanner for x86-64 machines with AVX2 and BMI; compiled with those and only called where the processor has them.
#define JSON_LANES_AVX2
#include "worker/decode/json_row.h"

const struct json_kernel json_avx2_kernel = {"avx2", row_object, row_value, token_skip, token_line_end};
