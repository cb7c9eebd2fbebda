// Base64 (RFC 4648 section 4, with padding).
#ifndef FORESET_BASE_BASE64_H
#define FORESET_BASE_BASE64_H

#include "common/base/text.h"

void base64_append(struct text *text, const void *bytes, size_t size);
// *ret_bytes: memory_free, a NUL behind the last byte. False: no Base64; untouched.
bool base64_read(const char *coded, size_t length, char **ret_bytes, size_t *ret_size);
int base64_digit(char c); // 0 to 63; -1: none. For readers of laxer forms

#endif
