// librdkafka handles. Failures: a property it does not know (usage), a secret that cannot be read (usage). Connections
// are made in the background by librdkafka, so an unreachable broker shows at the first request, not here.
#include "common/kafka/kafka_client.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/text.h"

#define SECRET_BYTES_MAX (64u << 10)
#define CLOSE_US_MAX     3000000 // longer than any close with a broker that answers

static bool kafka_client_error_is_fatal(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return true;
    default: return false;
    }
}

// librdkafka's words without its own bookkeeping: "(after 0ms in state CONNECT, 30 identical error(s) suppressed)".
static void kafka_client_reason(const char *reason, char *ret_text, size_t size)
{
    const char *end = strstr(reason, " (after ");
    snprintf(ret_text, size, "%.*s", (int)(end ? end - reason : (ptrdiff_t)strlen(reason)), reason);
}

static void kafka_client_on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    (void)handle;
    struct kafka_client *client = opaque;
    pthread_mutex_lock(&client->lock);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) client->down = true; // the reason came before
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !client->last_error[0]) {
        kafka_client_reason(reason, client->last_error, sizeof client->last_error);
        client->fatal = kafka_client_error_is_fatal((rd_kafka_resp_err_t)code);
    }
    pthread_mutex_unlock(&client->lock);
    log_debug("kafka_error", "code=%s reason=\"%s\"", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
}

// librdkafka's own log lines go to our log at debug: it repeats each failure through the error callback.
static void kafka_client_on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle;
    log_debug("rdkafka", "level=%d facility=%s text=\"%s\"", level, facility, text);
}

enum status kafka_client_secret(const char *text, char **ret_value, struct error *err)
{
    const char *open = "secret('", *close = "')";
    size_t length = strlen(text);
    if (strncasecmp(text, open, strlen(open)) != 0 || length < 11 || strcmp(text + length - 2, close) != 0) {
        *ret_value = memory_strdup(text);
        return STATUS_OK;
    }
    char reference[1024];
    snprintf(reference, sizeof reference, "%.*s", (int)(length - 10), text + 8);
    if (strncmp(reference, "env:", 4) == 0) {
        const char *value = getenv(reference + 4);
        if (!value) {
            return error_set(err, STATUS_INVALID, ERROR_USAGE, "secret('%s'): the environment variable is not set",
                             reference);
        }
        *ret_value = memory_strdup(value);
        return STATUS_OK;
    }
    if (strncmp(reference, "file:", 5) != 0) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "secret('%s'): expected secret('file:/path') or secret('env:NAME')", reference);
    }
    FILE *file = fopen(reference + 5, "re");
    if (!file) return error_set_errno(err, ERROR_USAGE, "secret('%s')", reference);
    char *value = memory_alloc(SECRET_BYTES_MAX + 1);
    size_t size = fread(value, 1, SECRET_BYTES_MAX, file);
    fclose(file);
    while (size > 0 && (value[size - 1] == '\n' || value[size - 1] == '\r')) size--;
    value[size] = '\0';
    *ret_value = value;
    return STATUS_OK;
}

const char *kafka_client_option(const Foreset__Source *source, const char *key)
{
    for (size_t i = 0; i < source->n_options; i++) {
        if (strcasecmp(source->options[i]->key, key) == 0) return source->options[i]->value;
    }
    return NULL;
}

static enum status kafka_client_set(rd_kafka_conf_t *conf, const char *name, const char *text, struct error *err)
{
    char *value = NULL, reason[512];
    enum status status = kafka_client_secret(text, &value, err);
    if (status != STATUS_OK) return error_prefix(err, "Kafka property %s", name);
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, reason, sizeof reason);
    memory_free(value);
    if (result == RD_KAFKA_CONF_OK) return STATUS_OK;
    // librdkafka's words may repeat a value; a secret's must not be shown.
    bool secret = strncasecmp(text, "secret(", 7) == 0 || strstr(name, "password") != NULL;
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "Kafka property kafka.%s: %s", name,
                     secret ? "librdkafka refuses its value" : reason);
}

static void kafka_client_on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    (void)handle;
    struct kafka_client *client = opaque;
    if (client->delivery) {
        client->delivery(client->delivery_opaque, message->err ? rd_kafka_err2str(message->err) : NULL);
    }
}

static enum status kafka_client_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *brokers,
                                     struct kafka_client **ret_client, struct error *err)
{
    struct kafka_client *client = memory_calloc(1, sizeof *client);
    pthread_mutex_init(&client->lock, NULL);
    client->brokers = memory_strdup(brokers ? brokers : "(none)");
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_error_cb(conf, kafka_client_on_error);
    rd_kafka_conf_set_log_cb(conf, kafka_client_on_log);
    char reason[512];
    client->handle = rd_kafka_new(type, conf, reason, sizeof reason);
    if (!client->handle) {
        rd_kafka_conf_destroy(conf);
        kafka_client_close(client);
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "Kafka client for %s: %s",
                         brokers ? brokers : "(no brokers)", reason);
    }
    *ret_client = client;
    return STATUS_OK;
}

static enum status kafka_client_from_options(rd_kafka_conf_t *conf, const Foreset__Source *source,
                                             const char **ret_brokers, struct error *err)
{
    for (size_t i = 0; i < source->n_options; i++) {
        const char *key = source->options[i]->key, *value = source->options[i]->value;
        const char *name = NULL;
        if (strcasecmp(key, "bootstrapServers") == 0) {
            name = "bootstrap.servers";
        } else if (strncasecmp(key, "kafka.", 6) == 0) {
            name = key + 6;
        }
        if (!name) continue;
        if (strcmp(name, "bootstrap.servers") == 0) *ret_brokers = value;
        enum status status = kafka_client_set(conf, name, value, err);
        if (status != STATUS_OK) return status;
    }
    if (*ret_brokers) return STATUS_OK;
    return error_set(
        err, STATUS_INVALID, ERROR_USAGE,
        "source %s names no broker; give bootstrapServers => 'host:9092' or --kafka bootstrap.servers=host:9092",
        source->name);
}

enum status kafka_client_consumer(const Foreset__Source *source, const struct kafka_client_property *extra,
                                  size_t count, struct kafka_client **ret_client, struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *brokers = NULL;
    // A broker that is back is found within a second, not ten; the source's own options come behind it and win.
    enum status status = kafka_client_set(conf, "reconnect.backoff.max.ms", "1000", err);
    if (status == STATUS_OK) status = kafka_client_from_options(conf, source, &brokers, err);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = kafka_client_set(conf, extra[i].name, extra[i].value, err);
    }
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    return kafka_client_open(RD_KAFKA_CONSUMER, conf, brokers, ret_client, err);
}

enum status kafka_client_plain(bool producer, const struct kafka_client_property *properties, size_t count,
                               struct kafka_client **ret_client, struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *brokers = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(properties[i].name, "bootstrap.servers") == 0) brokers = properties[i].value;
        enum status status = kafka_client_set(conf, properties[i].name, properties[i].value, err);
        if (status != STATUS_OK) {
            rd_kafka_conf_destroy(conf);
            return status;
        }
    }
    if (producer) rd_kafka_conf_set_dr_msg_cb(conf, kafka_client_on_delivery);
    return kafka_client_open(producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, brokers, ret_client, err);
}

// librdkafka waits for the answer to every request that is out, for socket.timeout.ms (a minute) where a broker holds
// the connection and says nothing. So it is closed on a thread of its own, which is left behind if it takes too long:
// it holds nothing but the handle, and ends with the process at the latest.
struct kafka_client_closing {
    struct kafka_client *client;
    struct mailbox mailbox; // closer → waiter: done
    struct mail done;
    _Atomic int state;
};
enum { KAFKA_CLIENT_CLOSING, KAFKA_CLIENT_CLOSED, KAFKA_CLIENT_LEFT };

static _Atomic unsigned kafka_client_left_count;

static void kafka_client_closing_free(struct kafka_client_closing *closing)
{
    while (mailbox_poll(&closing->mailbox)) continue;
    mailbox_deinit(&closing->mailbox);
    memory_free(closing);
}

static void *kafka_client_closing_run(void *argument)
{
    struct kafka_client_closing *closing = argument;
    struct kafka_client *client = closing->client;
    // NO_CONSUMER_CLOSE: no group is joined, so there is nothing to leave.
    rd_kafka_destroy_flags(client->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    pthread_mutex_destroy(&client->lock);
    memory_free(client->brokers);
    memory_free(client);
    if (atomic_exchange(&closing->state, KAFKA_CLIENT_CLOSED) == KAFKA_CLIENT_LEFT) {
        kafka_client_closing_free(closing);
        atomic_fetch_sub(&kafka_client_left_count, 1);
    } else {
        mailbox_post(&closing->mailbox, &closing->done);
    }
    return NULL;
}

void kafka_client_close(struct kafka_client *client)
{
    if (!client) return;
    if (!client->handle) {
        pthread_mutex_destroy(&client->lock);
        memory_free(client->brokers);
        memory_free(client);
        return;
    }
    struct kafka_client_closing *closing = memory_calloc(1, sizeof *closing);
    closing->client = client;
    mailbox_init(&closing->mailbox);
    pthread_t thread;
    atomic_fetch_add(&kafka_client_left_count, 1);
    thread_create(&thread, "kafka-close", kafka_client_closing_run, closing);
    if (!mailbox_wait(&closing->mailbox, CLOSE_US_MAX) &&
        atomic_exchange(&closing->state, KAFKA_CLIENT_LEFT) == KAFKA_CLIENT_CLOSING) {
        log_info("kafka_close_left", "waited_ms=%d", CLOSE_US_MAX / 1000);
        pthread_detach(thread);
        return;
    }
    thread_join(thread);
    kafka_client_closing_free(closing);
    atomic_fetch_sub(&kafka_client_left_count, 1);
}

bool kafka_client_any_left(void)
{
    return atomic_load(&kafka_client_left_count) > 0;
}

bool kafka_client_troubled(struct kafka_client *client)
{
    rd_kafka_poll(client->handle, 0);
    pthread_mutex_lock(&client->lock);
    bool troubled = client->down || client->fatal;
    pthread_mutex_unlock(&client->lock);
    return troubled;
}

void kafka_client_works(struct kafka_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->last_error[0] = '\0';
    client->down = client->fatal = false;
    pthread_mutex_unlock(&client->lock);
}

enum status kafka_client_fail(struct kafka_client *client, const char *what, const char *reason, struct error *err)
{
    rd_kafka_poll(client->handle, 0); // lets the error callback speak
    pthread_mutex_lock(&client->lock);
    bool fatal = client->fatal;
    enum status status =
        error_set(err, STATUS_ERROR, fatal ? ERROR_FAIL_PIPELINE : ERROR_RETRY, "Kafka at %s: %s: %s; %s",
                  client->brokers, what, client->last_error[0] ? client->last_error : reason,
                  fatal ? "check kafka.security.protocol, kafka.sasl.mechanism and credentials"
                        : "check that the broker runs and the address is right");
    pthread_mutex_unlock(&client->lock);
    return status;
}
