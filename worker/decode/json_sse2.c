// The scanner for every x86-64 machine.
#define JSON_LANES_SSE2
#include "worker/decode/json_row.h"

const struct json_kernel json_sse2_kernel = {"sse2", row_object, row_value, token_skip, token_line_end};
