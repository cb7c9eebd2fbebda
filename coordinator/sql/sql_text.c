// Places in the text of a pipeline, and messages with line, caret and hint. A message that is too long loses its end,
// never its place.
#include "coordinator/sql/sql_text.h"

#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"

#define EXCERPT_MAX    100u // bytes of a line that are shown
#define NAME_MAX_SHOWN 160u
#define MESSAGE_MAX    400u // so that line, caret and hint still fit into ERROR_MESSAGE_SIZE

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

struct sql_place sql_text_place(const struct sql_text *text, size_t offset)
{
    struct sql_place place = {1, 1};
    if (offset > text->length) offset = text->length;
    for (size_t i = 0; i < offset; i++) {
        if (text->bytes[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (!is_continuation(text->bytes[i])) {
            place.column++;
        }
    }
    return place;
}

// The part of the line around offset, at most EXCERPT_MAX bytes, cut at characters; *ret_caret: its characters before
// offset.
static size_t excerpt(const struct sql_text *text, size_t offset, char *out, unsigned *ret_caret)
{
    if (offset > text->length) offset = text->length;
    size_t start = offset, end = offset;
    while (start > 0 && text->bytes[start - 1] != '\n') start--;
    while (end < text->length && text->bytes[end] != '\n' && text->bytes[end] != '\r') end++;
    if (offset - start > EXCERPT_MAX * 3 / 4) start = offset - EXCERPT_MAX * 3 / 4;
    while (start < offset && (is_continuation(text->bytes[start]) || text->bytes[start] == ' ')) start++;
    if (end - start > EXCERPT_MAX) end = start + EXCERPT_MAX;
    while (end > offset && end < text->length && is_continuation(text->bytes[end])) end--;
    unsigned caret = 0;
    for (size_t i = start; i < end; i++) {
        char c = text->bytes[i];
        out[i - start] = (unsigned char)c < ' ' ? ' ' : c;
        if (i < offset && !is_continuation(c)) caret++;
    }
    out[end - start] = '\0';
    *ret_caret = caret;
    return end - start;
}

// ---- Secrets ----

static bool mask_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           (unsigned char)c >= 0x80;
}

static bool mask_is_secret(const char *key, size_t length)
{
    static const char *const words[] = {"password",         "passphrase",   "secret",  "jaas",
                                        "credential",       "token",        "private", "key.pem",
                                        "ssl.keystore.key", "bearer.config"};
    char copy[128];
    snprintf(copy, sizeof copy, "%.*s", (int)(length < sizeof copy ? length : sizeof copy - 1), key);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasestr(copy, words[i])) return true;
    }
    return false;
}

// The end of what begins with a quote at `at`: behind its last quote, or the text's end. A doubled quote goes on.
static size_t mask_quoted_end(const char *bytes, size_t at, size_t length, bool raw)
{
    char quote = bytes[at++];
    for (; at < length; at++) {
        if (bytes[at] == '\\' && quote != '`' && !raw) {
            at++;
        } else if (bytes[at] == quote) {
            if (at + 1 >= length || bytes[at + 1] != quote) return at + 1;
            at++;
        }
    }
    return length;
}

static size_t mask_skip(const char *bytes, size_t at, size_t length)
{
    for (; at < length; at++) {
        bool line = at + 1 < length && bytes[at] == '-' && bytes[at + 1] == '-';
        bool block = at + 1 < length && bytes[at] == '/' && bytes[at + 1] == '*';
        if (!line && !block && (unsigned char)bytes[at] > ' ') return at;
        if (line) {
            while (at < length && bytes[at] != '\n') at++;
        } else if (block) {
            for (at += 2; at + 1 < length && (bytes[at] != '*' || bytes[at + 1] != '/');) at++;
            at++;
        }
    }
    return length;
}

// The literals at `at`, which follow one another as parts of one value.
static size_t mask_values(char *bytes, size_t at, size_t length)
{
    for (;;) {
        bool raw = at + 1 < length && (bytes[at] | 32) == 'r' && (bytes[at + 1] == '\'' || bytes[at + 1] == '"');
        size_t start = at + (raw ? 1 : 0);
        if (start >= length || (bytes[start] != '\'' && bytes[start] != '"')) return at;
        size_t end = mask_quoted_end(bytes, start, length, raw);
        for (size_t i = start + 1; i < end; i++) {
            bool close = i + 1 == end && bytes[i] == bytes[start];
            if (!close && bytes[i] != '\n' && bytes[i] != '\r') bytes[i] = '*';
        }
        at = mask_skip(bytes, end, length);
    }
}

void sql_text_mask(char *bytes, size_t length)
{
    for (size_t at = mask_skip(bytes, 0, length); at < length; at = mask_skip(bytes, at, length)) {
        size_t start = at, end = at;
        if (bytes[at] == '`' || bytes[at] == '\'' || bytes[at] == '"') {
            end = mask_quoted_end(bytes, at, length, false);
        } else {
            while (end < length && mask_is_word(bytes[end])) end++;
        }
        bool key = end > start && mask_is_secret(bytes + start, end - start);
        at = mask_skip(bytes, end > start ? end : end + 1, length);
        if (!key || at >= length || bytes[at] != '=') continue;
        at += at + 1 < length && bytes[at + 1] == '>' ? 2u : 1u;
        at = mask_values(bytes, mask_skip(bytes, at, length), length);
    }
}

enum status sql_text_locate(const struct sql_text *text, size_t offset, const char *hint, struct error *err)
{
    if (!err) return STATUS_INVALID;
    char old[ERROR_MESSAGE_SIZE], line[EXCERPT_MAX + 1];
    memcpy(old, err->message, sizeof old);
    struct sql_place place = sql_text_place(text, offset);
    unsigned caret;
    struct sql_text masked = {text->name, memory_strndup(text->bytes, text->length), text->length};
    sql_text_mask((char *)(uintptr_t)masked.bytes, masked.length);
    excerpt(&masked, offset, line, &caret);
    memory_free((char *)(uintptr_t)masked.bytes);
    char condition[sizeof err->condition + 4] = "";
    if (err->condition[0]) snprintf(condition, sizeof condition, "[%s] ", err->condition);
    size_t name_length = strlen(text->name);
    const char *name =
        name_length > NAME_MAX_SHOWN ? text->name + name_length - NAME_MAX_SHOWN : text->name; // its end tells more
    size_t used = (size_t)snprintf(err->message, sizeof err->message, "%s%s:%u:%u: %s%.*s\n  %s\n  %*s^",
                                   name == text->name ? "" : "…", name, place.line, place.column, condition,
                                   (int)MESSAGE_MAX, old, line, (int)caret, "");
    if (hint && *hint && used < sizeof err->message) {
        snprintf(err->message + used, sizeof err->message - used, "\n  hint: %s", hint);
    }
    err->class = ERROR_USAGE;
    return err->code;
}

enum status sql_text_error(const struct sql_text *text, size_t offset, enum status code, const char *condition,
                           const char *hint, struct error *err, const char *format, ...)
{
    if (!err) return code;
    error_clear(err);
    err->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (condition) snprintf(err->condition, sizeof err->condition, "%s", condition);
    return sql_text_locate(text, offset, hint, err);
}
