// Which Kafka properties a pipeline or a command may give, and what to write instead of the others.
// An allow-list: a name that is not in it is refused, so that a new property of librdkafka is closed until it is
// classified. Some properties run a command or load a library as the server's user; a pipeline's author must not.
#ifndef FORESET_KAFKA_KAFKA_PROPERTY_H
#define FORESET_KAFKA_KAFKA_PROPERTY_H

#include "common/base/error.h"
#include <stddef.h>

enum kafka_property_kind {
    KAFKA_PROPERTY_ALLOWED,
    KAFKA_PROPERTY_FILE,     // its value names a file that librdkafka opens
    KAFKA_PROPERTY_TUNED,    // a pipeline sets it; `consume` may
    KAFKA_PROPERTY_OWN,      // Foreset sets it, no caller may
    KAFKA_PROPERTY_PRODUCER, // for `produce` alone
    KAFKA_PROPERTY_CODE,     // runs a command, loads a library, or sends what the server's host holds to others
    KAFKA_PROPERTY_FOREIGN,  // the JVM client's, or not settable as text
};
struct kafka_property {
    const char *name;
    enum kafka_property_kind kind;
    bool secret;     // its value is never shown or stored
    const char *say; // why it is refused, or what to write
};
enum kafka_property_use { KAFKA_USE_SOURCE, KAFKA_USE_CONSUME, KAFKA_USE_PRODUCE };

// name: without "kafka.", in any case. NULL: nobody knows it.
const struct kafka_property *kafka_property_find(const char *name);
const struct kafka_property *kafka_property_all(size_t *ret_count);
// May it be given, with this value? value as written: what secret('…') names is checked when it is resolved. The
// ERROR_USAGE says what to write instead. Never shows a secret's value. Opens nothing.
enum status kafka_property_check(enum kafka_property_use use, const char *name, const char *value,
                                 struct error *err) MUST_USE;
// The properties together: a mechanism where SASL needs one, credentials where the mechanism needs them. get: the value
// of a property, NULL: not given.
typedef const char *(*kafka_property_get)(const void *context, const char *name);
enum status kafka_property_check_together(kafka_property_get get, const void *context, struct error *err) MUST_USE;
bool kafka_property_is_reference(const char *value); // secret('…')
// Of an option of read_kafka or read_files by its key ("kafka.sasl.password"): may its value be shown and stored?
bool kafka_property_option_is_secret(const char *key);

#endif
