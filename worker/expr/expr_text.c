// Strings, the rarer functions: encodings, numbers as text, digests, formats. Raises what each says.
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "common/base/base64.h"
#include "common/columnar/number_text.h"
#include "worker/expr/expr_cast.h"
#include "worker/expr/expr_decimal.h"
#include "worker/expr/expr_digest.h"
#include "worker/expr/expr_families.h"
#include "worker/expr/expr_hash.h"
#include "worker/expr/expr_utf8.h"

static const char hex_upper[] = "0123456789ABCDEF", hex_lower[] = "0123456789abcdef";

static enum expr_outcome finish(struct expr_row *row, struct expr_datum *ret)
{
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static enum expr_outcome row_ascii(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    struct slice s = args[0].s;
    if (!s.length) return expr_row_int(ret, 0);
    return expr_row_int(ret, expr_utf8_decode(s.data, expr_utf8_size(s.data, s.length)));
}

static enum expr_outcome row_chr(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    char bytes[4];
    text_reset(&row->text);
    if (args[0].i >= 0) text_append(&row->text, bytes, expr_utf8_encode((uint32_t)(args[0].i & 0xFF), bytes));
    return finish(row, ret);
}

static enum expr_outcome row_space(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    text_reset(&row->text);
    if (args[0].i > 0 && (uint64_t)args[0].i > expr_row_bytes_max(row)) return expr_row_too_large(row);
    for (int64_t i = 0; i < args[0].i; i++) text_append_char(&row->text, ' ');
    return finish(row, ret);
}

static void append_hex(struct text *text, const void *bytes, size_t length, const char *digits)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        text_append_char(text, digits[at[i] >> 4]);
        text_append_char(text, digits[at[i] & 15]);
    }
}

static enum expr_outcome row_hex(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    text_reset(&row->text);
    if (expr_arg_type(row->call, 0)->kind == TYPE_BIGINT) {
        text_printf(&row->text, "%llX", (unsigned long long)args[0].i);
    } else {
        append_hex(&row->text, args[0].s.data, args[0].s.length, hex_upper);
    }
    return finish(row, ret);
}

static enum expr_outcome row_unhex(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s;
    text_reset(&row->text);
    int high = s.length % 2 ? 0 : -1;
    for (size_t i = 0; i < s.length; i++) {
        char c = (char)toupper((unsigned char)s.data[i]);
        const char *digit = c ? strchr(hex_upper, c) : NULL;
        if (!digit) return EXPR_NULL;
        int value = (int)(digit - hex_upper);
        if (high < 0) {
            high = value;
        } else {
            text_append_char(&row->text, (char)(high << 4 | value));
            high = -1;
        }
    }
    return finish(row, ret);
}

static enum expr_outcome row_base64(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const size_t line = 57; // bytes: 76 characters, as Java's MIME encoder
    struct slice s = args[0].s;
    text_reset(&row->text);
    for (size_t at = 0; at < s.length; at += line) {
        if (at) text_append_str(&row->text, "\r\n");
        base64_append(&row->text, s.data + at, s.length - at < line ? s.length - at : line);
    }
    return finish(row, ret);
}

static enum expr_outcome row_unbase64(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    uint32_t bits = 0, count = 0;
    text_reset(&row->text);
    for (size_t i = 0; i < args[0].s.length && args[0].s.data[i] != '='; i++) {
        int digit = base64_digit(args[0].s.data[i]);
        if (digit < 0) continue; // MIME: other characters are skipped
        bits = bits << 6 | (uint32_t)digit;
        if (++count % 4 == 0) {
            for (int shift = 16; shift >= 0; shift -= 8) text_append_char(&row->text, (char)(bits >> shift));
        }
    }
    if (count % 4 == 1) {
        return expr_row_fail(row, "CONVERSION_INVALID_INPUT", "unbase64: the text is no base64");
    }
    if (count % 4 == 2) text_append_char(&row->text, (char)(bits >> 4));
    if (count % 4 == 3) {
        text_append_char(&row->text, (char)(bits >> 10));
        text_append_char(&row->text, (char)(bits >> 2));
    }
    return finish(row, ret);
}

static enum expr_outcome row_bin(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    uint64_t value = (uint64_t)args[0].i;
    text_reset(&row->text);
    for (int bit = value ? 63 - __builtin_clzll(value) : 0; bit >= 0; bit--)
        text_append_char(&row->text, (char)('0' + (value >> bit & 1)));
    return finish(row, ret);
}

static int digit_value(char c)
{
    if (isdigit((unsigned char)c)) return c - '0';
    return isalpha((unsigned char)c) ? toupper((unsigned char)c) - 'A' + 10 : 99;
}

static enum expr_outcome row_conv(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s;
    int64_t from = args[1].i, to = args[2].i, target = to < 0 ? -to : to;
    if (from < 2 || from > 36 || target < 2 || target > 36) return EXPR_NULL;
    while (s.length && isspace((unsigned char)s.data[0])) s = slice_of(s.data + 1, s.length - 1);
    while (s.length && isspace((unsigned char)s.data[s.length - 1])) s.length--;
    if (!s.length) return EXPR_NULL;
    bool negative = s.data[0] == '-';
    uint64_t value = 0;
    for (size_t i = negative; i < s.length && digit_value(s.data[i]) < from; i++) {
        if (__builtin_mul_overflow(value, (uint64_t)from, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit_value(s.data[i]), &value)) {
            return expr_row_fail(row, "ARITHMETIC_OVERFLOW", "Overflow in function conv()");
        }
    }
    if (negative) value = to > 0 ? (value > INT64_MAX ? UINT64_MAX : -value) : value;
    bool print_negative = to < 0 && (negative || (int64_t)value < 0);
    if (print_negative && !negative) value = -value;
    char digits[65];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[value % (uint64_t)target];
        value /= (uint64_t)target;
    } while (value);
    text_reset(&row->text);
    if (print_negative) text_append_char(&row->text, '-');
    text_append(&row->text, digits + at, sizeof digits - at);
    return finish(row, ret);
}

static enum expr_outcome row_soundex(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    static const char codes[] = "01230127022455012623017202"; // '7': H and W do not part equal codes
    struct slice s = args[0].s;
    if (!s.length || !isalpha((unsigned char)s.data[0])) {
        ret->s = s;
        return EXPR_VALUE;
    }
    char out[5] = "0000";
    out[0] = (char)toupper((unsigned char)s.data[0]);
    char last = codes[out[0] - 'A'];
    size_t count = 1;
    for (size_t i = 1; i < s.length && count < 4; i++) {
        if (!isalpha((unsigned char)s.data[i])) {
            last = '0';
            continue;
        }
        char code = codes[toupper((unsigned char)s.data[i]) - 'A'];
        if (code == '7') continue;
        if (code != '0' && code != last) out[count++] = code;
        last = code;
    }
    text_reset(&row->text);
    text_append(&row->text, out, 4);
    return finish(row, ret);
}

static enum expr_outcome row_levenshtein(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice a = args[0].s, b = args[1].s;
    if (a.length * (uint64_t)b.length > EXPR_WORK_MAX) return expr_row_too_much(row, "the texts are too long together");
    size_t columns = expr_utf8_count(b) + 1, at = 0, row_number = 0;
    uint32_t *costs = memory_alloc(columns * sizeof *costs);
    for (size_t j = 0; j < columns; j++) costs[j] = (uint32_t)j;
    while (at < a.length) {
        size_t size = expr_utf8_size(a.data + at, a.length - at), other = 0;
        uint32_t corner = costs[0];
        costs[0] = (uint32_t)++row_number;
        for (size_t j = 1; j < columns; j++) {
            size_t width = expr_utf8_size(b.data + other, b.length - other);
            bool same = width == size && memcmp(a.data + at, b.data + other, size) == 0;
            uint32_t best = corner + !same;
            if (costs[j] + 1 < best) best = costs[j] + 1;
            if (costs[j - 1] + 1 < best) best = costs[j - 1] + 1;
            corner = costs[j];
            costs[j] = best;
            other += width;
        }
        at += size;
    }
    ret->i = costs[columns - 1];
    memory_free(costs);
    if (expr_row_args(row) == 3 && ret->i > args[2].i) ret->i = -1;
    return EXPR_VALUE;
}

static enum expr_outcome row_find_in_set(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    struct slice wanted = args[0].s, set = args[1].s;
    ret->i = 0;
    if (wanted.length && memchr(wanted.data, ',', wanted.length)) return EXPR_VALUE;
    size_t from = 0;
    for (int64_t n = 1;; n++) {
        const char *comma = from < set.length ? memchr(set.data + from, ',', set.length - from) : NULL;
        size_t end = comma ? (size_t)(comma - set.data) : set.length;
        if (end - from == wanted.length && memcmp(set.data + from, wanted.data, wanted.length) == 0)
            return expr_row_int(ret, n);
        if (!comma) return EXPR_VALUE;
        from = end + 1;
    }
}

static enum expr_outcome row_split_part(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s, mark = args[1].s;
    int64_t wanted = args[2].i, parts = 1;
    if (wanted == 0)
        return expr_row_fail(row, "INVALID_INDEX_OF_ZERO", "The index 0 is invalid. An index shall be < 0 or > 0.");
    for (const char *at = s.data;
         mark.length && (at = memmem(at, s.length - (size_t)(at - s.data), mark.data, mark.length)); at += mark.length)
        parts++;
    if (wanted < 0) wanted += parts + 1;
    ret->s = slice_of("", 0);
    if (wanted < 1 || wanted > parts) return EXPR_VALUE;
    const char *from = s.data;
    for (int64_t n = 1;; n++) {
        size_t left = s.length - (size_t)(from - s.data);
        const char *end = mark.length ? memmem(from, left, mark.data, mark.length) : NULL;
        if (n == wanted) return expr_row_string(ret, from, end ? (size_t)(end - from) : left);
        from = end + mark.length;
    }
}

static enum expr_outcome row_elt(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    int64_t count = expr_row_args(row) - 1;
    if (args[0].null) return EXPR_NULL;
    if (args[0].i < 1 || args[0].i > count) {
        return expr_row_fail(row, "INVALID_ARRAY_INDEX",
                             "The index %lld is out of bounds. The array has %lld elements.", (long long)args[0].i,
                             (long long)count);
    }
    if (args[args[0].i].null) return EXPR_NULL;
    ret->s = args[args[0].i].s;
    return EXPR_VALUE;
}

static enum expr_outcome row_quote(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    text_reset(&row->text);
    text_append_char(&row->text, '\'');
    for (size_t i = 0; i < args[0].s.length; i++) {
        if (args[0].s.data[i] == '\'') text_append_char(&row->text, '\\');
        text_append_char(&row->text, args[0].s.data[i]);
    }
    text_append_char(&row->text, '\'');
    return finish(row, ret);
}

static enum expr_outcome row_luhn_check(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    struct slice s = args[0].s;
    int sum = 0;
    for (size_t i = 0; i < s.length; i++) {
        char c = s.data[s.length - 1 - i];
        if (!isdigit((unsigned char)c)) return expr_row_int(ret, 0);
        int digit = (c - '0') * (i % 2 ? 2 : 1);
        sum += digit > 9 ? digit - 9 : digit;
    }
    return expr_row_int(ret, s.length > 0 && sum % 10 == 0);
}

static enum expr_outcome row_is_valid_utf8(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, text_utf8_valid((const uint8_t *)args[0].s.data, args[0].s.length));
}

static enum expr_outcome row_version(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    (void)args;
    return expr_row_string(ret, "foreset 0.1.0", 13);
}

// encode and decode: UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE, UTF-16LE
enum charset { UTF8, ASCII, LATIN1, UTF16, UTF16BE, UTF16LE, CHARSETS };
static enum charset charset_of(struct slice name)
{
    static const char *const names[] = {"UTF-8", "US-ASCII", "ISO-8859-1", "UTF-16", "UTF-16BE", "UTF-16LE"};
    enum charset charset = UTF8;
    while (charset < CHARSETS && !slice_equal_nocase(name, slice_str(names[charset]))) charset++;
    return charset;
}

static enum expr_outcome bad_charset(struct expr_row *row, struct slice name)
{
    return expr_row_fail(row, "INVALID_PARAMETER_VALUE.CHARSET", "%.*s is no supported charset", (int)name.length,
                         name.data);
}

static void append_utf16(struct text *text, uint32_t unit, bool little)
{
    text_append_char(text, (char)(little ? unit : unit >> 8));
    text_append_char(text, (char)(little ? unit >> 8 : unit));
}

static enum expr_outcome row_encode(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    enum charset charset = charset_of(args[1].s);
    struct slice s = args[0].s;
    if (charset == CHARSETS) return bad_charset(row, args[1].s);
    text_reset(&row->text);
    if (charset == UTF16) append_utf16(&row->text, 0xFEFF, false);
    for (size_t at = 0; at < s.length;) {
        size_t size = expr_utf8_size(s.data + at, s.length - at);
        uint32_t c = expr_utf8_decode(s.data + at, size);
        if (charset == UTF8) {
            text_append(&row->text, s.data + at, size);
        } else if (charset == ASCII || charset == LATIN1) {
            if (c > (charset == ASCII ? 0x7Fu : 0xFFu)) {
                return expr_row_fail(row, "MALFORMED_CHARACTER_CODING", "encode: a character is not in the charset");
            }
            text_append_char(&row->text, (char)c);
        } else if (c >= 0x10000) {
            append_utf16(&row->text, 0xD7C0u + (c >> 10), charset == UTF16LE);
            append_utf16(&row->text, 0xDC00u + (c & 0x3FF), charset == UTF16LE);
        } else {
            append_utf16(&row->text, c, charset == UTF16LE);
        }
        at += size;
    }
    return finish(row, ret);
}

static enum expr_outcome row_decode(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    enum charset charset = charset_of(args[1].s);
    struct slice s = args[0].s;
    char bytes[4];
    if (charset == CHARSETS) return bad_charset(row, args[1].s);
    if (charset == UTF8) {
        if (!text_utf8_valid((const uint8_t *)s.data, s.length)) {
            return expr_row_fail(row, "MALFORMED_CHARACTER_CODING", "decode: the bytes are no UTF-8");
        }
        ret->s = s;
        return EXPR_VALUE;
    }
    text_reset(&row->text);
    bool wide = charset >= UTF16, little = charset == UTF16LE;
    for (size_t at = 0; at + wide < s.length; at += 1 + wide) {
        uint32_t first = (uint8_t)s.data[at], c = first;
        if (wide) c = little ? first | (uint32_t)(uint8_t)s.data[at + 1] << 8 : first << 8 | (uint8_t)s.data[at + 1];
        if (wide && at == 0 && charset == UTF16 && c == 0xFEFF) continue;
        if (wide && c >= 0xD800 && c < 0xDC00 && at + 3 < s.length) {
            uint32_t b2 = (uint8_t)s.data[at + 2], b3 = (uint8_t)s.data[at + 3];
            c = 0x10000 + ((c & 0x3FF) << 10) + ((little ? b2 | b3 << 8 : b2 << 8 | b3) & 0x3FF);
            at += 2;
        }
        text_append(&row->text, bytes, expr_utf8_encode(c, bytes));
    }
    return finish(row, ret);
}

static enum expr_outcome row_mask(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s, by[4] = {slice_of("X", 1), slice_of("x", 1), slice_of("n", 1), slice_of(NULL, 0)};
    for (uint32_t i = 1; i < expr_row_args(row); i++) by[i - 1] = args[i].null ? slice_of(NULL, 0) : args[i].s;
    if (args[0].null) return EXPR_NULL;
    text_reset(&row->text);
    for (size_t at = 0; at < s.length;) {
        size_t size = expr_utf8_size(s.data + at, s.length - at);
        unsigned char c = (unsigned char)s.data[at];
        struct slice with = isupper(c) ? by[0] : islower(c) ? by[1] : isdigit(c) ? by[2] : by[3];
        text_append(&row->text, with.data ? with.data : s.data + at, with.data ? with.length : size);
        at += size;
    }
    return finish(row, ret);
}

static enum expr_outcome row_md5(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    uint8_t digest[EXPR_DIGEST_SIZE_MAX];
    text_reset(&row->text);
    expr_digest_md5(args[0].s.data, args[0].s.length, digest);
    append_hex(&row->text, digest, 16, hex_lower);
    return finish(row, ret);
}

static enum expr_outcome row_sha(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    uint8_t digest[EXPR_DIGEST_SIZE_MAX];
    text_reset(&row->text);
    expr_digest_sha1(args[0].s.data, args[0].s.length, digest);
    append_hex(&row->text, digest, 20, hex_lower);
    return finish(row, ret);
}

static enum expr_outcome row_sha2(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    uint8_t digest[EXPR_DIGEST_SIZE_MAX];
    int bits = args[1].i == 0 ? 256 : (int)args[1].i;
    if (bits == 224 || bits == 256) {
        expr_digest_sha256(args[0].s.data, args[0].s.length, bits, digest);
    } else if (bits == 384 || bits == 512) {
        expr_digest_sha512(args[0].s.data, args[0].s.length, bits, digest);
    } else {
        return EXPR_NULL;
    }
    text_reset(&row->text);
    append_hex(&row->text, digest, (size_t)bits / 8, hex_lower);
    return finish(row, ret);
}

static enum expr_outcome row_crc32(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < args[0].s.length; i++) {
        crc ^= (uint8_t)args[0].s.data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return expr_row_int(ret, (int64_t)(uint32_t)~crc);
}

static enum expr_outcome row_hash(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)args;
    uint32_t hash = 42;
    for (uint32_t i = 0; i < expr_row_args(row); i++) {
        const struct expr_value *value = &row->call->args[i];
        hash = expr_hash_murmur3(value->column, expr_index(value, row->row), hash);
    }
    return expr_row_int(ret, (int32_t)hash);
}

static enum expr_outcome row_xxhash64(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)args;
    uint64_t hash = 42;
    for (uint32_t i = 0; i < expr_row_args(row); i++) {
        const struct expr_value *value = &row->call->args[i];
        hash = expr_hash_xx64(value->column, expr_index(value, row->row), hash);
    }
    return expr_row_int(ret, (int64_t)hash);
}

#define ROW(name)                                                                                                      \
    {                                                                                                                  \
#name, NULL, row_##name, NULL, 0                                                                               \
    }
const struct expr_function expr_text_functions[] = {
    ROW(ascii),
    ROW(chr),
    ROW(space),
    ROW(hex),
    ROW(unhex),
    ROW(base64),
    ROW(unbase64),
    ROW(bin),
    ROW(conv),
    ROW(soundex),
    ROW(levenshtein),
    ROW(find_in_set),
    ROW(split_part),
    ROW(quote),
    ROW(luhn_check),
    ROW(is_valid_utf8),
    ROW(encode),
    {"decode_charset", NULL, row_decode, NULL, 0},
    {"elt", NULL, row_elt, NULL, EXPR_TOLERANT},
    {"mask", NULL, row_mask, NULL, EXPR_TOLERANT},
    {"version", NULL, row_version, NULL, 0},
    {NULL, NULL, NULL, NULL, 0},
};
const struct expr_function expr_digest_functions[] = {
    ROW(md5),
    ROW(sha),
    ROW(sha2),
    ROW(crc32),
    {"hash", NULL, row_hash, NULL, EXPR_TOLERANT},
    {"xxhash64", NULL, row_xxhash64, NULL, EXPR_TOLERANT},
    {NULL, NULL, NULL, NULL, 0},
};
