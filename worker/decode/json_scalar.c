// The scanner for any machine: eight bytes at a time in plain C.
#include "worker/decode/json_row.h"

const struct json_kernel json_scalar_kernel = {"scalar", row_object, row_value, token_skip, token_line_end};
