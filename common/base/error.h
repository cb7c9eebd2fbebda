// Errors: what failed, what it means for the pipeline, and words for the person who reads it.
// A function that can fail returns enum status and fills struct error; its ret_ parameters stay untouched then.
#ifndef FORESET_BASE_ERROR_H
#define FORESET_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define MUST_USE                         __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

enum status {
    STATUS_OK = 0,
    STATUS_ERROR,       // the general failure; struct error tells
    STATUS_NOT_FOUND,   // no such file, key, table
    STATUS_EXISTS,      // put-if-absent lost
    STATUS_CONFLICT,    // compare-and-swap lost
    STATUS_CORRUPT,     // checksum or format wrong
    STATUS_NO_MEMORY,   // a budget is used up
    STATUS_UNSUPPORTED, // valid, but not built
    STATUS_INVALID,     // bad input of the user
    STATUS_UNKNOWN,     // outcome unknown: it may have happened (timeout, cut connection)
    STATUS_KILLED,      // the simulated process died: unwind, touch nothing
    STATUS_WOULD_BLOCK, // nothing there now
};

// What the failure does (docs/ERRORS.md). The class alone decides.
enum error_class {
    ERROR_FAIL_PIPELINE = 0, // stop, keep state, tell the operator
    ERROR_RETRY,             // again, with backoff and a limit
    ERROR_RESTART_PIPELINE,  // a new generation from the last decided epoch
    ERROR_BLOCKED,           // decided, but a table refuses: a person resolves it
    ERROR_FENCED,            // this process is no longer who it thinks it is
    ERROR_USAGE,             // command line or SQL
};

#define ERROR_MESSAGE_SIZE 1024

struct error {
    enum status code;
    enum error_class class;
    unsigned long long epoch; // whose data it is about; 0: unknown, or of none
    char condition[96];       // Spark's error condition where there is one ("CAST_INVALID_INPUT"), else ""
    char message[ERROR_MESSAGE_SIZE];
};

// Fills err (NULL allowed) and returns code, so that a failure is one line: return error_set(err, STATUS_…, ERROR_…,
// "…").
enum status error_set(struct error *err, enum status code, enum error_class class, const char *format, ...)
    PRINTF_LIKE(4, 5);
// As error_set, with errno's text appended.
enum status error_set_errno(struct error *err, enum error_class class, const char *format, ...) PRINTF_LIKE(3, 4);
// Puts context before the message that is there: "table gold: <message>". Returns err->code.
enum status error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);
void error_clear(struct error *err);
const char *error_class_name(enum error_class class);
const char *status_name(enum status status);

// Every function that uses TRY has `enum status status = STATUS_OK;` and an `out:` label that returns it.
#define TRY(expression)                                                                                                \
    do {                                                                                                               \
        if ((status = (expression)) != STATUS_OK) goto out;                                                            \
    } while (0)

// An assertion that stays on in release: a broken invariant ends the process; P21 makes that safe.
#define ASSERT(condition)                                                                                              \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0)) assert_fail(#condition, __FILE__, __LINE__, __func__);                  \
    } while (0)
#ifdef NDEBUG_ROWS
#define ASSERT_DEBUG(condition) ((void)0)
#elif defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
#define ASSERT_DEBUG(condition) ((void)0)
#else
#define ASSERT_DEBUG(condition) ASSERT(condition)
#endif
_Noreturn void assert_fail(const char *condition, const char *file, int line, const char *function);

#endif
