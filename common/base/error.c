// Errors: filling, prefixing, naming. No allocation, so that an error can always be told.
#include "common/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static void error_format(struct error *err, enum status code,
                                                               enum error_class class, const char *format, va_list args)
{
    err->code = code;
    err->class = class;
    err->epoch = 0;
    err->condition[0] = '\0';
    vsnprintf(err->message, sizeof err->message, format, args);
}

enum status error_set(struct error *err, enum status code, enum error_class class, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        error_format(err, code, class, format, args);
        va_end(args);
    }
    return code;
}

// What a person can do about it; "": nothing that is not said already.
static const char *error_advice(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT: return "; make room there and run again: nothing decided is lost";
    case EFBIG: return "; raise the limit on file size (ulimit -f) and run again: nothing decided is lost";
    case EACCES:
    case EPERM: return "; check who may write there and as whom this process runs";
    case EROFS: return "; the file system is mounted read-only";
    case EMFILE: return "; raise the limit of open files (ulimit -n)";
    default: return "";
    }
}

enum status error_set_errno(struct error *err, enum error_class class, const char *format, ...)
{
    int saved = errno;
    enum status code = saved == ENOENT ? STATUS_NOT_FOUND : saved == EEXIST ? STATUS_EXISTS : STATUS_ERROR;
    if (err) {
        va_list args;
        va_start(args, format);
        error_format(err, code, class, format, args);
        va_end(args);
        size_t used = strlen(err->message);
        char text[128];
        const char *reason = strerror_r(saved, text, sizeof text);
        snprintf(err->message + used, sizeof err->message - used, ": %s%s", reason, error_advice(saved));
    }
    errno = saved;
    return code;
}

enum status error_prefix(struct error *err, const char *format, ...)
{
    if (!err) return STATUS_ERROR;
    char old[ERROR_MESSAGE_SIZE];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", old);
    return err->code;
}

void error_clear(struct error *err)
{
    memset(err, 0, sizeof *err);
}

const char *error_class_name(enum error_class class)
{
    switch (class) {
    case ERROR_FAIL_PIPELINE: return "FAIL_PIPELINE";
    case ERROR_RETRY: return "RETRY";
    case ERROR_RESTART_PIPELINE: return "RESTART_PIPELINE";
    case ERROR_BLOCKED: return "BLOCKED";
    case ERROR_FENCED: return "FENCED";
    case ERROR_USAGE: return "USAGE";
    }
    return "?";
}

const char *status_name(enum status status)
{
    static const char *const names[] = {"OK",        "ERROR",       "NOT_FOUND", "EXISTS",  "CONFLICT", "CORRUPT",
                                        "NO_MEMORY", "UNSUPPORTED", "INVALID",   "UNKNOWN", "KILLED",   "WOULD_BLOCK"};
    return (size_t)status < sizeof names / sizeof *names ? names[status] : "?";
}

_Noreturn void assert_fail(const char *condition, const char *file, int line, const char *function)
{
    fprintf(stderr, "foreset: broken invariant: %s (%s:%d in %s)\n", condition, file, line, function);
    fflush(stderr);
    abort();
}
