// librdkafka handles: configuration from a source's options, and what went wrong last, in words.
// librdkafka's own types stay opaque here; only kafka_*.c files include its header.
#ifndef FORESET_KAFKA_KAFKA_CLIENT_H
#define FORESET_KAFKA_KAFKA_CLIENT_H

#include "common/base/thread.h"
#include "common/base/vector.h"
#include "common/kafka/kafka_property.h"
#include "proto/plan.pb-c.h"

struct rd_kafka_s;

struct kafka_client_property {
    const char *name;
    const char *value;
};

// One handle. Not thread-safe but for kafka_client_last_error.
struct kafka_client {
    struct rd_kafka_s *handle;
    char *brokers;         // for messages
    VECTOR(char *) hidden; // values of secrets, for masking what librdkafka says
    pthread_mutex_t lock;
    char last_error[256];                                // librdkafka's newest error, "" if none since it last worked
    bool down;                                           // no broker can be reached, as far as librdkafka knows
    bool fatal;                                          // authentication, unknown configuration: waiting does not help
    void (*delivery)(void *opaque, const char *failure); // producers: per message, failure NULL: delivered
    void *delivery_opaque;
};

// Options of read_kafka that name the broker: bootstrapServers and every kafka.NAME (secrets resolved here, never
// kept in a plan). extra[count] come last and win. ERROR_USAGE for a property that kafka_property_check refuses, and
// for a file or variable that this process may not use.
enum status kafka_client_consumer(const Foreset__Source *source, const struct kafka_client_property *extra,
                                  size_t count, struct kafka_client **ret_client, struct error *err) MUST_USE;
// May this process open the files and variables that a source's options name (common/base/confine.h)? Opens nothing.
enum status kafka_client_check(const Foreset__Source *source, struct error *err) MUST_USE;
// --kafka KEY=VALUE of a command: each by kafka_property_check, and all together; names become canonical.
enum status kafka_client_check_given(enum kafka_property_use use, struct kafka_client_property *properties,
                                     size_t count, struct error *err) MUST_USE;
// From plain properties ("bootstrap.servers" among them). A producer's owner may set delivery before its first message.
enum status kafka_client_plain(bool producer, const struct kafka_client_property *properties, size_t count,
                               struct kafka_client **ret_client, struct error *err) MUST_USE;
// NULL allowed. Three seconds at most: where a broker holds requests back, a thread of its own closes the rest.
void kafka_client_close(struct kafka_client *client);
bool kafka_client_any_left(void); // such a thread runs: end the process by _exit, without exit handlers
// Serves callbacks; true if every broker is known to be away or to refuse this client: no use in waiting for an answer.
bool kafka_client_troubled(struct kafka_client *client);
void kafka_client_works(struct kafka_client *client); // an answer came: forgets earlier trouble
// err from an unreachable or refusing broker: the call that failed, the brokers, librdkafka's newest error. Class
// RETRY, or FAIL_PIPELINE where waiting does not help (credentials, TLS).
enum status kafka_client_fail(struct kafka_client *client, const char *what, const char *reason, struct error *err);

// "secret('file:/path')" → the file's text without its last newline, "secret('env:NAME')" → the variable; else a copy.
// Caller frees. The value never appears in err.
enum status kafka_client_secret(const char *text, char **ret_value, struct error *err) MUST_USE;
const char *kafka_client_option(const Foreset__Source *source, const char *key); // NULL if not given

#endif
