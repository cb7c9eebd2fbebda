// The content of a token as a value of the types that JSON has no token for. Inside worker/decode.
#ifndef FORESET_DECODE_JSON_VALUE_H
#define FORESET_DECODE_JSON_VALUE_H

#include "worker/decode/json_text.h"

// Appends a value of the sink's type (FLOAT, DOUBLE: NaN and infinities; DECIMAL, DATE, TIMESTAMP, TIMESTAMP_NTZ,
// BINARY) made of a string's content or a number's text. Text that is none appends nothing and sets context->bad.
// False: memory was refused.
bool json_value_put(struct json_context *context, struct json_sink *sink, struct slice value);

#endif
