// Decimal arithmetic on 128-bit integers with 38 digits, exact in between. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_DECIMAL_H
#define FORESET_EXPR_EXPR_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

extern const unsigned __int128 expr_decimal_powers[39]; // 10^0 … 10^38

// Value at `scale` to `to_scale`, rounded half up; false: more than `precision` digits.
bool expr_decimal_rescale(__int128 value, int scale, int to_scale, int precision, __int128 *ret_value);
bool expr_decimal_fits(__int128 value, int precision);
// The results at ret_scale, rounded half up from the exact value; false: more than `precision` digits.
bool expr_decimal_add(__int128 a, int scale_a, __int128 b, int scale_b, int ret_scale, int precision,
                      __int128 *ret_value);
bool expr_decimal_multiply(__int128 a, int scale_a, __int128 b, int scale_b, int ret_scale, int precision,
                           __int128 *ret_value);
bool expr_decimal_divide(__int128 a, int scale_a, __int128 b, int scale_b, int ret_scale, int precision,
                         __int128 *ret_value);
// a rem b (sign of a) at ret_scale; b is not 0.
bool expr_decimal_remainder(__int128 a, int scale_a, __int128 b, int scale_b, int ret_scale, int precision,
                            __int128 *ret_value);
// The integral part of a / b; false: more than 38 digits.
bool expr_decimal_quotient(__int128 a, int scale_a, __int128 b, int scale_b, __int128 *ret_value);
double expr_decimal_to_double(__int128 value, int scale); // exactly rounded
bool expr_decimal_from_double(double value, bool single, int precision, int scale, __int128 *ret_value,
                              bool *ret_finite);

#endif
