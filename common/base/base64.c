// Base64. Contract: base64.h. Reading is strict: whole groups of four, padding at the end only, no spaces.
#include "common/base/base64.h"

#include <string.h>

#include "common/base/memory.h"

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(struct text *text, const void *bytes, size_t size)
{
    const uint8_t *in = bytes;
    if (size == 0) return;
    text_reserve(text, (size + 2) / 3 * 4);
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)in[i] << 16;
        if (left > 1) group |= (uint32_t)in[i + 1] << 8;
        if (left > 2) group |= in[i + 2];
        char four[4] = {base64_digits[group >> 18], base64_digits[group >> 12 & 63],
                        left > 1 ? base64_digits[group >> 6 & 63] : '=', left > 2 ? base64_digits[group & 63] : '='};
        text_append(text, four, 4);
    }
}

int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

bool base64_read(const char *coded, size_t length, char **ret_bytes, size_t *ret_size)
{
    if (length % 4 != 0) return false;
    size_t padding = 0;
    while (padding < 2 && padding < length && coded[length - 1 - padding] == '=') padding++;
    size_t size = length / 4 * 3 - padding;
    char *bytes = memory_alloc(length / 4 * 3 + 1);
    for (size_t i = 0; i < length; i += 4) {
        uint32_t group = 0;
        for (size_t j = 0; j < 4; j++) {
            int digit = i + j >= length - padding ? 0 : base64_digit(coded[i + j]);
            if (digit < 0) {
                memory_free(bytes);
                return false;
            }
            group = group << 6 | (uint32_t)digit;
        }
        uint8_t three[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
        memcpy(bytes + i / 4 * 3, three, sizeof three);
    }
    bytes[size] = '\0';
    *ret_bytes = bytes;
    *ret_size = size;
    return true;
}
