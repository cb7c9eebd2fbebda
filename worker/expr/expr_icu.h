// Unicode case mapping. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_ICU_H
#define FORESET_EXPR_EXPR_ICU_H

#include "common/base/text.h"

// Upper or lower case of UTF-8 text, at most size bytes to `to`; returns the length. 3 * s.length + 4 is enough.
size_t expr_icu_case(struct slice s, bool upper, char *to, size_t size);
uint32_t expr_icu_title(uint32_t character);

#endif
