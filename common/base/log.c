// The log: lines are built on the stack and written with one write(2), so that threads do not mix.
#include "common/base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

static _Atomic int log_level_now = -1;
static _Atomic bool log_as_json;
static const char *const log_names[] = {"debug", "info", "warn", "error"};

static int log_level_get(void)
{
    int level = atomic_load_explicit(&log_level_now, memory_order_relaxed);
    if (level >= 0) return level;
    level = LOG_LEVEL_WARN;
    const char *wanted = getenv("FORESET_LOG");
    for (int i = 0; wanted && i < 4; i++) {
        if (strcmp(wanted, log_names[i]) == 0) level = i;
    }
    atomic_store(&log_level_now, level);
    return level;
}

void log_level_set(enum log_level level)
{
    atomic_store(&log_level_now, (int)level);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= log_level_get();
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, log_names[i]) != 0) continue;
        *ret_level = (enum log_level)i;
        return true;
    }
    return false;
}

void log_json(bool on)
{
    atomic_store(&log_as_json, on);
}

#define LOG_PAIRS_MAX 2048 // what is longer is cut
struct log_line {
    char text[256 + 6 * LOG_PAIRS_MAX]; // a byte becomes six at most (\u0000)
    size_t used;
};

static void log_append(struct log_line *line, const char *text, size_t size)
{
    ASSERT(size <= sizeof line->text - 3 - line->used); // for what ends the line
    memcpy(line->text + line->used, text, size);
    line->used += size;
}

// In quotes; what JSON escapes is escaped in logfmt too, so that a line stays a line and a value a value.
static void log_append_quoted(struct log_line *line, const char *text, size_t size)
{
    log_append(line, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        char escape[8];
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            log_append(line, "\\", 1);
        } else if (c < 0x20) {
            log_append(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
            continue;
        }
        log_append(line, text + i, 1);
    }
    log_append(line, "\"", 1);
}

struct log_pair {
    const char *key, *value;
    size_t key_length, value_length;
    bool quoted;
};

static bool log_is_key(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789");
    return length > 0 && text[length] == '=';
}

// The next key=value or key="value"; what a caller put between quotes may hold quotes of its own, so that a value ends
// at the quote behind which nothing, or another key, stands. False: no pair.
static bool log_pair_next(const char **pairs, struct log_pair *pair)
{
    if (!log_is_key(*pairs)) return false;
    pair->key = *pairs;
    pair->key_length = strcspn(*pairs, "=");
    pair->value = pair->key + pair->key_length + 1;
    pair->quoted = *pair->value == '"';
    if (pair->quoted) pair->value++;
    const char *end = pair->value;
    if (pair->quoted) {
        while (*end && !(*end == '"' && (!end[1] || (end[1] == ' ' && log_is_key(end + 2))))) end++;
    } else {
        end += strcspn(end, " ");
    }
    pair->value_length = (size_t)(end - pair->value);
    end += pair->quoted && *end;
    *pairs = end + strspn(end, " ");
    return true;
}

static void log_append_pairs(struct log_line *line, const char *pairs, bool json)
{
    struct log_pair pair;
    while (log_pair_next(&pairs, &pair)) {
        log_append(line, json ? "," : " ", 1);
        if (json)
            log_append_quoted(line, pair.key, pair.key_length);
        else
            log_append(line, pair.key, pair.key_length);
        log_append(line, json ? ":" : "=", 1);
        if (json || pair.quoted)
            log_append_quoted(line, pair.value, pair.value_length);
        else
            log_append(line, pair.value, pair.value_length);
    }
    if (!*pairs) return;
    log_append(line, json ? ",\"text\":" : " text=", json ? 8 : 6); // no pair: kept as it is
    log_append_quoted(line, pairs, strlen(pairs));
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_enabled(level)) return;
    int64_t now_us = clock_wall_us(clock_system());
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char time[32], head[160], pairs[LOG_PAIRS_MAX];
    size_t used = strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(time + used, sizeof time - used, ".%03dZ", (int)(now_us / 1000 % 1000));
    va_list args;
    va_start(args, format);
    vsnprintf(pairs, sizeof pairs, format, args);
    va_end(args);
    bool json = atomic_load_explicit(&log_as_json, memory_order_relaxed);
    struct log_line line = {.used = 0};
    log_append(
        &line, head,
        (size_t)snprintf(head, sizeof head,
                         json ? "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%.80s\"" : "ts=%s level=%s event=%.80s",
                         time, log_names[level], event));
    log_append_pairs(&line, pairs, json);
    if (json) line.text[line.used++] = '}';
    line.text[line.used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line.text, line.used);
    (void)ignored;
}
