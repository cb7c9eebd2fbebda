// Characters of UTF-8 text: sizes, counts, offsets. Text is valid UTF-8; on other bytes the functions stay within the
// text.
#ifndef FORESET_EXPR_EXPR_UTF8_H
#define FORESET_EXPR_EXPR_UTF8_H

#include "common/base/text.h"

// Bytes of the character at data; at least 1, at most left.
static inline size_t expr_utf8_size(const char *data, size_t left)
{
    unsigned char lead = (unsigned char)data[0];
    size_t size = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return size < left ? size : left;
}
static inline size_t expr_utf8_count(struct slice s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.length; i++) count += ((unsigned char)s.data[i] & 0xC0) != 0x80;
    return count;
}
// Byte offset of character number n (0-based), or the length.
static inline size_t expr_utf8_offset(struct slice s, int64_t n)
{
    size_t at = 0;
    for (; n > 0 && at < s.length; n--) at += expr_utf8_size(s.data + at, s.length - at);
    return at;
}
// Bytes of the last character of a text that is not empty.
static inline size_t expr_utf8_last(struct slice s)
{
    size_t size = 1;
    while (size < s.length && size < 4 && ((unsigned char)s.data[s.length - size] & 0xC0) == 0x80) size++;
    return size;
}
// The code point of the character at data, of `size` bytes (expr_utf8_size).
static inline uint32_t expr_utf8_decode(const char *data, size_t size)
{
    uint32_t lead = (unsigned char)data[0];
    uint32_t c = size == 1 ? lead : size == 2 ? lead & 0x1F : size == 3 ? lead & 0x0F : lead & 0x07;
    for (size_t i = 1; i < size; i++) c = c << 6 | ((unsigned char)data[i] & 0x3Fu);
    return c;
}
// Writes at most 4 bytes, returns how many.
static inline size_t expr_utf8_encode(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)(c | (size == 2 ? 0xC0u : size == 3 ? 0xE0u : 0xF0u));
    return size;
}

#endif
