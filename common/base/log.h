// The program's log: one logfmt line an event, on stderr unless redirected. Thread-safe.
// common/ logs at debug only; roles log what an operator should know.
#ifndef FORESET_BASE_LOG_H
#define FORESET_BASE_LOG_H

#include "common/base/error.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

bool log_level_parse(const char *name, enum log_level *ret_level);
void log_json(bool on);                   // one JSON object a line instead of logfmt
void log_level_set(enum log_level level); // default WARN; FORESET_LOG=debug|info|warn|error overrides at start
bool log_enabled(enum log_level level);
// log_write(LOG_LEVEL_INFO, "epoch_decided", "pipeline=%s epoch=%lu", …): a name for machines, pairs behind it:
// key=value where the value has no blank, else key="value", which may hold anything (what must be is escaped).
void log_write(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_debug(event, ...)                                                                                          \
    do {                                                                                                               \
        if (log_enabled(LOG_LEVEL_DEBUG)) log_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__);                              \
    } while (0)
#define log_info(event, ...)  log_write(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_write(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
