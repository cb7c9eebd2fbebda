// The one text layout of timestamps that streams are full of, read fast. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_TIMESTAMP_H
#define FORESET_EXPR_EXPR_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The date read last: a stream's rows mostly share it. Zero-initialise.
struct expr_timestamp_cache {
    char date[10];
    int64_t seconds; // its midnight
};
// "YYYY-MM-DD[T ]HH:MM:SS[.f{1,6}][Z|+00:00]" with fields in range; false: another layout (not: no timestamp).
bool expr_timestamp_parse_iso(struct expr_timestamp_cache *cache, const char *text, size_t length, int64_t *ret_us);

#endif
