// What the scanner's parts share while they read one record, and the contract of the code for one instruction set.
#ifndef FORESET_DECODE_JSON_CONTEXT_H
#define FORESET_DECODE_JSON_CONTEXT_H

#include "worker/decode/json_scan.h"
#include "worker/decode/json_sink.h"

struct json_context {
    const uint8_t *end; // of the record; BUFFER_PADDING bytes more are readable
    const struct json_scan_options *options;
    struct json_failure *failure;
    bool utf8_checked; // the text is known to be valid UTF-8
    bool bad;          // a value of the record did not fit its type
    int32_t today;
    uint32_t depth;
    uint8_t *scratch; // decoded strings
    size_t scratch_capacity;
    struct text rewritten;
};

// Parsing functions return where the text goes on, or NULL where it is not JSON (or memory was refused: failure tells).
struct json_kernel {
    const char *name;
    // *at is the object's brace. Appends one row to a struct sink, or returns NULL and leaves broken-off fields behind.
    const uint8_t *(*object)(struct json_context *context, struct json_sink *sink, const uint8_t *at);
    // Any value for any sink: appends a row, or none and sets context->bad if it does not fit.
    const uint8_t *(*value)(struct json_context *context, struct json_sink *sink, const uint8_t *at);
    const uint8_t *(*skip)(struct json_context *context, const uint8_t *at); // over one value
    const uint8_t *(*line_end)(const uint8_t *at, const uint8_t *end);       // first \n or \r, else end
};
extern const struct json_kernel json_scalar_kernel;
#if defined(__x86_64__)
extern const struct json_kernel json_sse2_kernel;
extern const struct json_kernel json_avx2_kernel;
#elif defined(__aarch64__)
extern const struct json_kernel json_neon_kernel;
#endif
const struct json_kernel *json_kernel_get(void);
// Tests: scans made from now on use this one. False: no such name, or not on this machine. Not while others make scans.
bool json_kernel_set(const char *name);

#endif
