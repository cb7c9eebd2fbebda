// Message digests (RFC 1321, FIPS 180-4). Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_DIGEST_H
#define FORESET_EXPR_EXPR_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define EXPR_DIGEST_SIZE_MAX 64
void expr_digest_md5(const void *bytes, size_t length, uint8_t ret_digest[16]);
void expr_digest_sha1(const void *bytes, size_t length, uint8_t ret_digest[20]);
void expr_digest_sha256(const void *bytes, size_t length, int bits, uint8_t *ret_digest); // 224 or 256
void expr_digest_sha512(const void *bytes, size_t length, int bits, uint8_t *ret_digest); // 384 or 512

#endif
