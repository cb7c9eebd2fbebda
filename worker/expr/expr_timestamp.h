// The one text layout of timestamps that streams are full of, read fast. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_TIMESTAMP_H
#define FORESET_EXPR_EXPR_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// "YYYY-MM-DD[T ]HH:MM:SS[.f{1,6}][Z|+00:00]" with fields in range; false: another layout (not: no timestamp).
bool expr_timestamp_parse_iso(const char *text, size_t length, int64_t *ret_us);

#endif
