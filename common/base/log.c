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

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_enabled(level)) return;
    int64_t now_us = clock_wall_us(clock_system());
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char line[2048];
    size_t used = strftime(line, sizeof line, "ts=%Y-%m-%dT%H:%M:%S", &tm);
    used += (size_t)snprintf(line + used, sizeof line - used, ".%03dZ level=%s event=%s ", (int)(now_us / 1000 % 1000),
                             log_names[level], event);
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(line + used, sizeof line - used - 1, format, args);
    va_end(args);
    if (wrote > 0) used += (size_t)wrote;
    if (used > sizeof line - 2) used = sizeof line - 2;
    line[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}
