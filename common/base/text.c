// Text: growing strings, slices, small parsers. Cannot fail but by memory.
#include "common/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/memory.h"

void text_deinit(struct text *text)
{
    memory_free(text->data);
    *text = (struct text){.limit = text->limit};
}

void text_reset(struct text *text)
{
    text->length = 0;
    text->over = false;
    if (text->data) text->data[0] = '\0';
}

bool text_reserve(struct text *text, size_t extra)
{
    size_t want = text->length + extra + 1;
    if (want <= text->capacity) return true;
    if (text->limit && (extra > text->limit || text->length + extra > text->limit)) {
        text->over = true;
        return false;
    }
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < want) capacity *= 2;
    text->data = memory_realloc(text->data, capacity);
    text->capacity = capacity;
    return true;
}

void text_append(struct text *text, const char *bytes, size_t length)
{
    if (!text_reserve(text, length)) return;
    if (length) memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_append_str(struct text *text, const char *str)
{
    text_append(text, str, strlen(str));
}

void text_append_char(struct text *text, char c)
{
    text_append(text, &c, 1);
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(length >= 0);
    if (!text_reserve(text, (size_t)length)) return;
    va_start(args, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

void text_append_json(struct text *text, const char *bytes, size_t length)
{
    text_append_char(text, '"');
    size_t plain = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        text_append(text, bytes + plain, i - plain);
        plain = i + 1;
        switch (c) {
        case '"': text_append_str(text, "\\\""); break;
        case '\\': text_append_str(text, "\\\\"); break;
        case '\b': text_append_str(text, "\\b"); break;
        case '\f': text_append_str(text, "\\f"); break;
        case '\n': text_append_str(text, "\\n"); break;
        case '\r': text_append_str(text, "\\r"); break;
        case '\t': text_append_str(text, "\\t"); break;
        default: text_printf(text, "\\u%04x", c);
        }
    }
    text_append(text, bytes + plain, length - plain);
    text_append_char(text, '"');
}

const char *text_str(const struct text *text)
{
    return text->data ? text->data : "";
}

char *text_take(struct text *text)
{
    char *data = text->data ? text->data : memory_strdup("");
    memset(text, 0, sizeof *text);
    return data;
}

struct slice slice_str(const char *str)
{
    return slice_of(str, strlen(str));
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || strncasecmp(a.data, b.data, a.length) == 0);
}

bool text_parse_i64(const char *str, int64_t *ret_value)
{
    char *end;
    errno = 0;
    long long value = strtoll(str, &end, 10);
    if (end == str || *end || errno || isspace((unsigned char)*str)) return false;
    *ret_value = value;
    return true;
}

bool text_parse_u64(const char *str, uint64_t *ret_value)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(str, &end, 10);
    if (end == str || *end || errno || !isdigit((unsigned char)*str)) return false;
    *ret_value = value;
    return true;
}

bool text_parse_bytes(const char *str, uint64_t *ret_bytes)
{
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)*str)) return false;
    unsigned long long value = strtoull(str, &end, 10);
    unsigned shift = 0;
    switch (toupper((unsigned char)*end)) {
    case '\0': break;
    case 'K': shift = 10; break;
    case 'M': shift = 20; break;
    case 'G': shift = 30; break;
    case 'T': shift = 40; break;
    default: return false;
    }
    if (errno || (shift && end[1]) || (value << shift) >> shift != value) return false;
    *ret_bytes = value << shift;
    return true;
}

unsigned text_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t n = strnlen(a, MAX), m = strnlen(b, MAX);
    unsigned row[MAX + 1];
    for (size_t j = 0; j <= m; j++) row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned above = row[j];
            unsigned change = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            unsigned least = above + 1 < row[j - 1] + 1 ? above + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
            diagonal = above;
        }
    }
    return row[m];
}

const char *text_nearest(const char *word, const char *const *candidates)
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)(strlen(word) / 3 + 1);
    for (; *candidates; candidates++) {
        unsigned distance = text_distance(word, *candidates);
        if (distance <= best_distance && (!best || distance < best_distance)) {
            best = *candidates;
            best_distance = distance;
        }
    }
    return best;
}

bool text_read_line(FILE *file, struct text *line)
{
    char chunk[4096];
    text_reset(line);
    while (fgets(chunk, sizeof chunk, file)) {
        text_append_str(line, chunk);
        if (line->data[line->length - 1] != '\n') continue;
        line->data[--line->length] = '\0';
        return true;
    }
    return line->length > 0;
}

void text_uuid(uint64_t high, uint64_t low, char ret_uuid[37])
{
    high = (high & ~0xF000ull) | 0x4000ull;
    low = (low & ~(0xC0ull << 56)) | (0x80ull << 56);
    snprintf(ret_uuid, 37, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xFFFF),
             (unsigned)(high & 0xFFFF), (unsigned)(low >> 48), (unsigned long long)(low & 0xFFFFFFFFFFFFull));
}

// One multi-byte sequence at bytes; its length, 0 if malformed (overlong, surrogate, above U+10FFFF, cut off).
static size_t utf8_sequence(const uint8_t *bytes, size_t left)
{
    uint8_t lead = bytes[0];
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || length > left) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) return 0;
    }
    if (lead == 0xE0 && bytes[1] < 0xA0) return 0;
    if (lead == 0xED && bytes[1] > 0x9F) return 0;
    if (lead == 0xF0 && bytes[1] < 0x90) return 0;
    if (lead == 0xF4 && bytes[1] > 0x8F) return 0;
    return length;
}

bool text_utf8_valid(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length;) {
        if (length - i >= 8) {
            uint64_t word;
            memcpy(&word, bytes + i, 8);
            if (!(word & 0x8080808080808080ull)) {
                i += 8;
                continue;
            }
        }
        if (bytes[i] < 0x80) {
            i++;
            continue;
        }
        size_t sequence = utf8_sequence(bytes + i, length - i);
        if (sequence == 0) return false;
        i += sequence;
    }
    return true;
}

void text_utf8_clean(char *str)
{
    size_t length = strlen(str);
    for (size_t i = 0; i < length;) {
        const uint8_t *at = (const uint8_t *)str + i;
        size_t sequence = at[0] < 0x80 ? 1 : utf8_sequence(at, length - i);
        if (sequence == 0) str[i] = '?';
        i += sequence ? sequence : 1;
    }
}

// How many bytes one U+FFFD stands for where bytes are no UTF-8, as Java's decoder counts: the longest beginning of a
// sequence, of which a surrogate is one although no sequence may be it.
static size_t utf8_broken(const uint8_t *bytes, size_t left)
{
    uint8_t lead = bytes[0];
    size_t length = lead < 0xC2 || lead > 0xF4 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4, at = 1;
    if (length > 2 && left > 1) {
        uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
        if (bytes[1] < low || bytes[1] > high) return 1;
    }
    while (at < length && at < left && (bytes[at] & 0xC0) == 0x80) at++;
    return at;
}

void text_append_utf8(struct text *text, const char *bytes, size_t length)
{
    size_t plain = 0;
    for (size_t i = 0; i < length;) {
        const uint8_t *at = (const uint8_t *)bytes + i;
        size_t sequence = at[0] < 0x80 ? 1 : utf8_sequence(at, length - i);
        if (sequence > 0) {
            i += sequence;
            continue;
        }
        text_append(text, bytes + plain, i - plain);
        text_append_str(text, "\xEF\xBF\xBD");
        plain = i += utf8_broken(at, length - i);
    }
    text_append(text, bytes + plain, length - plain);
}
