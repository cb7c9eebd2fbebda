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

struct log_line {
    char text[4096];
    size_t used;
};

static void log_append(struct log_line *line, const char *text, size_t size)
{
    size_t room = sizeof line->text - 3 - line->used; // for what ends the line
    if (size > room) size = room;
    memcpy(line->text + line->used, text, size);
    line->used += size;
}

static void log_append_json(struct log_line *line, const char *text, size_t size)
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

// Where the value at `text` ends: behind a quote that a space or the end follows, or before a space.
static size_t log_value_length(const char *text, bool quoted)
{
    size_t at = 0;
    while (text[at] && !(quoted ? text[at] == '"' && (text[at + 1] == ' ' || !text[at + 1]) : text[at] == ' ')) at++;
    return at;
}

// key=value key="value …" as members of an object.
static void log_pairs_json(struct log_line *line, const char *pairs)
{
    while (*pairs) {
        size_t key = strcspn(pairs, "= ");
        if (pairs[key] != '=') { // no pair: kept as it is
            log_append(line, ",\"text\":", 8);
            log_append_json(line, pairs, strlen(pairs));
            return;
        }
        log_append(line, ",", 1);
        log_append_json(line, pairs, key);
        log_append(line, ":", 1);
        pairs += key + 1;
        bool quoted = *pairs == '"';
        pairs += quoted;
        size_t value = log_value_length(pairs, quoted);
        log_append_json(line, pairs, value);
        pairs += value;
        pairs += quoted && *pairs;
        while (*pairs == ' ') pairs++;
    }
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_enabled(level)) return;
    int64_t now_us = clock_wall_us(clock_system());
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char time[32], head[160], pairs[2048];
    size_t used = strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(time + used, sizeof time - used, ".%03dZ", (int)(now_us / 1000 % 1000));
    va_list args;
    va_start(args, format);
    vsnprintf(pairs, sizeof pairs, format, args);
    va_end(args);
    struct log_line line = {.used = 0};
    if (atomic_load_explicit(&log_as_json, memory_order_relaxed)) {
        log_append(&line, head,
                   (size_t)snprintf(head, sizeof head, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%.80s\"", time,
                                    log_names[level], event));
        log_pairs_json(&line, pairs);
        line.text[line.used++] = '}';
    } else {
        log_append(&line, head,
                   (size_t)snprintf(head, sizeof head, "ts=%s level=%s event=%.80s ", time, log_names[level], event));
        for (char *at = pairs; *at; at++) {
            if (*at == '\n') *at = ' '; // one event, one line
        }
        log_append(&line, pairs, strlen(pairs));
    }
    line.text[line.used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line.text, line.used);
    (void)ignored;
}
