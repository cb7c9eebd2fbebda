// The scanner's slow parts, the same for every instruction set: escapes, odd numbers, rewriting, comments.
#ifndef FORESET_DECODE_JSON_TEXT_H
#define FORESET_DECODE_JSON_TEXT_H

#include "worker/decode/json_context.h"

// A number token. Named ones (NaN, Infinity) have special != 0.
struct json_number {
    uint64_t significand; // up to 19 digits
    int64_t exponent;     // of ten
    uint32_t digits;      // significant digits; more than 19: significand is not the value
    bool negative;
    bool integral; // no point, no exponent
    char special;  // 'N' NaN, 'I' infinity
};

// Blanks, and comments where allowed.
const uint8_t *json_text_space(struct json_context *context, const uint8_t *at);
// A string behind its opening quote, with whatever is in it: decoded into context->scratch (or a slice of the text
// itself).
const uint8_t *json_text_string(struct json_context *context, const uint8_t *at, uint8_t quote,
                                struct slice *ret_value);
// context->scratch with room for size bytes; what stood there is lost.
uint8_t *json_text_scratch(struct json_context *context, size_t size);
// A field name of any spelling at *at.
const uint8_t *json_text_name(struct json_context *context, const uint8_t *at, struct slice *ret_name);
const uint8_t *json_text_number(struct json_context *context, const uint8_t *at, struct json_number *ret_number);
// The double of a number token.
double json_text_double(const struct json_number *number, const uint8_t *at, const uint8_t *behind);
float json_text_float(const struct json_number *number, const uint8_t *at, const uint8_t *behind);
// Valid JSON text of one value as Jackson's generator writes it: no blanks, numbers by value, strings escaped anew.
struct slice json_text_rewrite(struct json_context *context, const uint8_t *at, const uint8_t *behind);

#endif
