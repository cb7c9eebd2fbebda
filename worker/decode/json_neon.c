// The scanner for AArch64.
#define JSON_LANES_NEON
#include "worker/decode/json_row.h"

const struct json_kernel json_neon_kernel = {"neon", row_object, row_value, token_skip, token_line_end};
