// Numbers as text: exactly rounded reading, shortest writing.
#ifndef FORESET_COLUMNAR_NUMBER_TEXT_H
#define FORESET_COLUMNAR_NUMBER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_TEXT_SIZE 64 // enough for every formatter below, NUL included

// A decimal number [+-]digits[.digits][e[+-]digits] (digits on one side of the point at least), whole text, no blanks,
// to the nearest double (ties to even) as IEEE 754 asks. Too large gives an infinity, too small a zero. No names, no
// hex.
bool number_text_parse_double(const char *text, size_t length, double *ret_value);
bool number_text_parse_float(const char *text, size_t length, float *ret_value); // rounded once, not through double
// Value of significand * 10^exponent, exactly rounded; truncated: more non-zero digits followed (then text decides).
bool number_text_fast_double(uint64_t significand, int64_t exponent, bool negative, double *ret_value);
// CAST(text AS DOUBLE | FLOAT): surrounding blanks, "NaN", "Infinity", "inf" with sign, any case, a trailing d or f.
bool number_text_cast_double(const char *text, size_t length, double *ret_value);
bool number_text_cast_float(const char *text, size_t length, float *ret_value);
// A decimal number as above to `scale` digits behind the point, rounded half up (away from zero). False: not a number;
// *ret_overflow: a number, but of more than `precision` digits.
bool number_text_parse_decimal(const char *text, size_t length, uint8_t precision, uint8_t scale, __int128 *ret_value,
                               bool *ret_overflow);

// Formatters write at most NUMBER_TEXT_SIZE bytes to out, NUL-terminated, and return the length.
// Java's Double.toString: 1.0, 1.0E10, 1.0E-5, NaN, -Infinity.
size_t number_text_format_double(double value, char *out);
size_t number_text_format_float(float value, char *out); // Java's Float.toString
size_t number_text_format_json(double value, char *out); // shortest that reads back: 1.0, 0.1, 1e22, NaN, -Infinity
size_t number_text_format_decimal(__int128 unscaled, uint8_t scale, char *out); // exactly scale digits, no exponent
size_t number_text_format_i64(int64_t value, char *out);

#endif
