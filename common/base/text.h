// Text: a growing string, a borrowed slice, and the few parsers everybody needs.
#ifndef FORESET_BASE_TEXT_H
#define FORESET_BASE_TEXT_H

#include <stdint.h>
#include <stdio.h>

#include "common/base/error.h"

// A growing, always NUL-terminated string. Zero-initialise; text_deinit frees.
struct text {
    char *data; // NULL while empty: use text_str()
    size_t length;
    size_t capacity;
    size_t limit; // 0: none. What would make it longer than this is dropped, and over says so
    bool over;    // until text_reset; the content is then of no use
};
void text_deinit(struct text *text);
void text_reset(struct text *text);
bool text_reserve(struct text *text, size_t extra); // false: beyond the limit; nothing changed but over
void text_append(struct text *text, const char *bytes, size_t length);
void text_append_str(struct text *text, const char *str);
void text_append_char(struct text *text, char c);
void text_printf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
void text_append_json(struct text *text, const char *bytes, size_t length); // quoted and escaped as a JSON string
const char *text_str(const struct text *text);                              // "" while empty
char *text_take(struct text *text);                                         // caller frees with memory_free

struct slice {
    const char *data;
    size_t length;
};
static inline struct slice slice_of(const char *data, size_t length)
{
    return (struct slice){data, length};
}
struct slice slice_str(const char *str);
bool slice_equal(struct slice a, struct slice b);
bool slice_equal_nocase(struct slice a, struct slice b); // ASCII

bool text_parse_i64(const char *str, int64_t *ret_value); // whole string, decimal
bool text_parse_u64(const char *str, uint64_t *ret_value);
bool text_parse_bytes(const char *str, uint64_t *ret_bytes); // "512M", "1G", "100k", "123"
// Which of two words goes with a number: "1 file is gone", "2 files are gone".
static inline const char *text_plural(uint64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}
// Edit distance (Levenshtein), case-insensitive, for "did you mean"; at most 64 characters of each are compared.
unsigned text_distance(const char *a, const char *b);
// The nearest of candidates (NULL-terminated) within a third of the word's length, else NULL.
const char *text_nearest(const char *word, const char *const *candidates);
// 36 characters and NUL: a random (version 4) UUID from two 64-bit random numbers.
void text_uuid(uint64_t high, uint64_t low, char ret_uuid[37]);
// Reads a line without its newline into line (reset first); false at the end of the file or on an error (ferror tells).
bool text_read_line(FILE *file, struct text *line);
bool text_utf8_valid(const uint8_t *bytes, size_t length);
// In place: each byte that is not part of UTF-8, a character that was cut off included, becomes '?'.
void text_utf8_clean(char *str);
// Appends bytes as UTF-8: what is not UTF-8 becomes U+FFFD, as many as Java's decoder (and so Spark) makes of it.
void text_append_utf8(struct text *text, const char *bytes, size_t length);

#endif
