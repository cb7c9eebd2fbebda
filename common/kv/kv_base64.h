// Base64 (RFC 4648 section 4, with padding), as etcd's JSON carries keys and values.
#ifndef FORESET_KV_BASE64_H
#define FORESET_KV_BASE64_H

#include "common/base/text.h"

void kv_base64_append(struct text *text, const void *bytes, size_t size);
// *ret_bytes: memory_free, a NUL behind the last byte. False: no Base64; untouched.
bool kv_base64_read(const char *coded, size_t length, char **ret_bytes, size_t *ret_size);

#endif
