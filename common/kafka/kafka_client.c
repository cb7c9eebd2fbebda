// librdkafka handles. Failures: a property it does not know (usage), a secret that cannot be read (usage). Connections
// are made in the background by librdkafka, so an unreachable broker shows at the first request, not here.
#include "common/kafka/kafka_client.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/confine.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/text.h"

#define SECRET_BYTES_MAX (64u << 10)
#define HIDDEN_BYTES_MIN 4
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

// In place: every secret of this client as "***".
static void kafka_client_mask(const struct kafka_client *client, char *text)
{
    for (size_t i = 0; client && i < client->hidden.count; i++) {
        size_t length = strlen(client->hidden.items[i]);
        for (char *at = text; (at = strstr(at, client->hidden.items[i])); at += 3) {
            memcpy(at, "***", 3);
            memmove(at + 3, at + length, strlen(at + length) + 1);
        }
    }
}

static void kafka_client_on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    (void)handle;
    struct kafka_client *client = opaque;
    char shown[1024];
    kafka_client_reason(reason, shown, sizeof shown);
    kafka_client_mask(client, shown);
    pthread_mutex_lock(&client->lock);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) client->down = true; // the reason came before
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !client->last_error[0]) {
        snprintf(client->last_error, sizeof client->last_error, "%s", shown);
        client->fatal = kafka_client_error_is_fatal((rd_kafka_resp_err_t)code);
    }
    pthread_mutex_unlock(&client->lock);
    log_debug("kafka_error", "code=%s reason=\"%s\"", rd_kafka_err2name((rd_kafka_resp_err_t)code), shown);
}

// librdkafka's own log lines go to our log at debug: it repeats each failure through the error callback.
static void kafka_client_on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    if (!log_enabled(LOG_LEVEL_DEBUG)) return;
    char *shown = memory_strdup(text);
    kafka_client_mask(handle ? rd_kafka_opaque(handle) : NULL, shown);
    log_debug("rdkafka", "level=%d facility=%s text=\"%s\"", level, facility, shown);
    memory_free(shown);
}

// "file:/path" or "file:///path".
static const char *kafka_client_secret_path(const char *reference)
{
    const char *path = reference + 5;
    return strncmp(path, "///", 3) == 0 ? path + 2 : path;
}

static enum status kafka_client_secret_file(const char *reference, char **ret_value, struct error *err)
{
    char what[64];
    int fd = -1;
    snprintf(what, sizeof what, "secret('file:…')");
    enum status status = confine_open(what, kafka_client_secret_path(reference), &fd, err);
    if (status != STATUS_OK) return status;
    FILE *file = fdopen(fd, "r");
    if (!file) {
        status = error_set_errno(err, ERROR_USAGE, "secret('%s')", reference);
        close(fd);
        return status;
    }
    char *value = memory_alloc(SECRET_BYTES_MAX + 1);
    size_t size = fread(value, 1, SECRET_BYTES_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || size > SECRET_BYTES_MAX || memchr(value, 0, size)) {
        memory_free(value);
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "secret('%s'): it is not a text of at most %u KiB",
                         reference, SECRET_BYTES_MAX >> 10);
    }
    while (size > 0 && (value[size - 1] == '\n' || value[size - 1] == '\r')) size--;
    value[size] = '\0';
    *ret_value = value;
    return STATUS_OK;
}

// "file:/path" of "secret('file:/path')".
static void kafka_client_reference(const char *text, char *ret_reference, size_t size)
{
    size_t length = strlen(text);
    snprintf(ret_reference, size, "%.*s", (int)(length - 10), text + 8);
}

enum status kafka_client_secret(const char *text, char **ret_value, struct error *err)
{
    if (!kafka_property_is_reference(text)) {
        *ret_value = memory_strdup(text);
        return STATUS_OK;
    }
    char reference[1024];
    kafka_client_reference(text, reference, sizeof reference);
    if (strncmp(reference, "env:", 4) == 0) {
        enum status status = confine_check_variable(reference + 4, err);
        if (status != STATUS_OK) return status;
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
    return kafka_client_secret_file(reference, ret_value, err);
}

const char *kafka_client_option(const Foreset__Source *source, const char *key)
{
    for (size_t i = 0; i < source->n_options; i++) {
        if (strcasecmp(source->options[i]->key, key) == 0) return source->options[i]->value;
    }
    return NULL;
}

// What is masked in librdkafka's messages. Short values would mask half of every line.
static void kafka_client_hide(struct kafka_client *client, const char *value)
{
    if (strlen(value) >= HIDDEN_BYTES_MIN) vector_push(&client->hidden, memory_strdup(value));
}

// The file is opened by librdkafka, by name: it gets the name that was judged.
static enum status kafka_client_file(const char *name, char **value, struct error *err)
{
    if (!confine_active() || strcmp(*value, "probe") == 0) return STATUS_OK;
    char what[160], *real = NULL;
    snprintf(what, sizeof what, "kafka.%s", name);
    enum status status = confine_check_path(what, *value, err);
    if (status != STATUS_OK) return status;
    real = confine_resolve(*value);
    memory_free(*value);
    *value = real ? real : memory_strdup("");
    return STATUS_OK;
}

static enum status kafka_client_set(struct kafka_client *client, rd_kafka_conf_t *conf, const char *name,
                                    const char *text, struct error *err)
{
    char *value = NULL, reason[512];
    const struct kafka_property *property = kafka_property_find(name);
    enum status status = kafka_client_secret(text, &value, err);
    if (status != STATUS_OK) return error_prefix(err, "Kafka property %s", name);
    bool secret = kafka_property_is_reference(text) || (property && property->secret);
    if (property && property->kind == KAFKA_PROPERTY_FILE) status = kafka_client_file(name, &value, err);
    if (status == STATUS_OK) {
        if (secret) kafka_client_hide(client, value);
        if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK) {
            // librdkafka's words may repeat a value; a secret's must not be shown.
            status = error_set(err, STATUS_INVALID, ERROR_USAGE, "Kafka property kafka.%s: %s", name,
                               secret ? "librdkafka refuses its value" : reason);
        }
    }
    memory_free(value);
    return status;
}

// As kafka_client_set, for what a pipeline's text gave. It was checked when it was planned; what an older version
// planned, and what a secret holds, is checked here.
static enum status kafka_client_set_given(struct kafka_client *client, rd_kafka_conf_t *conf, const char *name,
                                          const char *text, struct error *err)
{
    char *value = NULL;
    enum status status = kafka_property_check(KAFKA_USE_SOURCE, name, text, err);
    if (status == STATUS_OK && kafka_property_is_reference(text)) {
        status = kafka_client_secret(text, &value, err);
        if (status == STATUS_OK && kafka_property_check(KAFKA_USE_SOURCE, name, value, err) != STATUS_OK) {
            status = error_set(err, STATUS_INVALID, ERROR_USAGE,
                               "Kafka property kafka.%s: the value of its secret cannot be used: a control character, "
                               "or none of the values that are possible",
                               name);
        }
        if (value) explicit_bzero(value, strlen(value));
        memory_free(value);
    }
    return status == STATUS_OK ? kafka_client_set(client, conf, name, text, err) : status;
}

static void kafka_client_on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    (void)handle;
    struct kafka_client *client = opaque;
    if (client->delivery) {
        client->delivery(client->delivery_opaque, message->err ? rd_kafka_err2str(message->err) : NULL);
    }
}

static struct kafka_client *kafka_client_create(void)
{
    struct kafka_client *client = memory_calloc(1, sizeof *client);
    pthread_mutex_init(&client->lock, NULL);
    return client;
}

static void kafka_client_free(struct kafka_client *client)
{
    for (size_t i = 0; i < client->hidden.count; i++) {
        explicit_bzero(client->hidden.items[i], strlen(client->hidden.items[i]));
        memory_free(client->hidden.items[i]);
    }
    vector_deinit(&client->hidden);
    pthread_mutex_destroy(&client->lock);
    memory_free(client->brokers);
    memory_free(client);
}

// Takes conf and, where it fails, client.
static enum status kafka_client_open(rd_kafka_type_t type, struct kafka_client *client, rd_kafka_conf_t *conf,
                                     const char *brokers, struct kafka_client **ret_client, struct error *err)
{
    client->brokers = memory_strdup(brokers ? brokers : "(none)");
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_error_cb(conf, kafka_client_on_error);
    rd_kafka_conf_set_log_cb(conf, kafka_client_on_log);
    char reason[512];
    client->handle = rd_kafka_new(type, conf, reason, sizeof reason);
    if (!client->handle) {
        rd_kafka_conf_destroy(conf);
        kafka_client_mask(client, reason);
        kafka_client_free(client);
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "Kafka client for %s: %s",
                         brokers ? brokers : "(no brokers)", reason);
    }
    *ret_client = client;
    return STATUS_OK;
}

// Credentials and certificates that the protocol does not use are not looked for: one text runs in production, and with
// --kafka security.protocol=plaintext where its secrets are not known.
static bool kafka_client_uses(const Foreset__Source *source, const char *name)
{
    const char *protocol = kafka_client_option(source, "kafka.security.protocol");
    if (!protocol) return true; // credentials without a protocol: more likely forgotten than meant
    bool sasl = strncasecmp(protocol, "sasl_", 5) == 0;
    bool ssl = strcasecmp(protocol + (sasl ? 5 : 0), "ssl") == 0;
    return strncasecmp(name, "sasl.", 5) == 0 ? sasl : strncasecmp(name, "ssl.", 4) == 0 ? ssl : true;
}

static enum status kafka_client_from_options(struct kafka_client *client, rd_kafka_conf_t *conf,
                                             const Foreset__Source *source, const char **ret_brokers, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < source->n_options && status == STATUS_OK; i++) {
        const char *key = source->options[i]->key, *value = source->options[i]->value;
        if (strcasecmp(key, "bootstrapServers") == 0 || strcasecmp(key, "kafka.bootstrap.servers") == 0) {
            *ret_brokers = value;
            status = kafka_client_set(client, conf, "bootstrap.servers", value, err);
        } else if (strncasecmp(key, "kafka.", 6) == 0) {
            status = kafka_client_uses(source, key + 6) ? kafka_client_set_given(client, conf, key + 6, value, err)
                                                        : kafka_property_check(KAFKA_USE_SOURCE, key + 6, value, err);
        }
    }
    if (*ret_brokers || status != STATUS_OK) return status;
    return error_set(
        err, STATUS_INVALID, ERROR_USAGE,
        "source %s names no broker; give bootstrapServers => 'host:9092' or --kafka bootstrap.servers=host:9092",
        source->name);
}

enum status kafka_client_consumer(const Foreset__Source *source, const struct kafka_client_property *extra,
                                  size_t count, struct kafka_client **ret_client, struct error *err)
{
    struct kafka_client *client = kafka_client_create();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *brokers = NULL;
    // A broker that is back is found within a second, not ten; the source's own options come behind it and win.
    enum status status = kafka_client_set(client, conf, "reconnect.backoff.max.ms", "1000", err);
    if (status == STATUS_OK) status = kafka_client_from_options(client, conf, source, &brokers, err);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = kafka_client_set(client, conf, extra[i].name, extra[i].value, err);
    }
    if (status == STATUS_OK) return kafka_client_open(RD_KAFKA_CONSUMER, client, conf, brokers, ret_client, err);
    rd_kafka_conf_destroy(conf);
    kafka_client_free(client);
    return status;
}

enum status kafka_client_plain(bool producer, const struct kafka_client_property *properties, size_t count,
                               struct kafka_client **ret_client, struct error *err)
{
    struct kafka_client *client = kafka_client_create();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *brokers = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(properties[i].name, "bootstrap.servers") == 0) brokers = properties[i].value;
        enum status status = kafka_client_set(client, conf, properties[i].name, properties[i].value, err);
        if (status != STATUS_OK) {
            rd_kafka_conf_destroy(conf);
            kafka_client_free(client);
            return status;
        }
    }
    if (producer) rd_kafka_conf_set_dr_msg_cb(conf, kafka_client_on_delivery);
    return kafka_client_open(producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, client, conf, brokers, ret_client, err);
}

struct kafka_client_given {
    const struct kafka_client_property *properties;
    size_t count;
};

static const char *kafka_client_get_given(const void *context, const char *name)
{
    const struct kafka_client_given *given = context;
    for (size_t i = 0; i < given->count; i++) {
        if (strcmp(given->properties[i].name, name) == 0) return given->properties[i].value;
    }
    return NULL;
}

enum status kafka_client_check_given(enum kafka_property_use use, struct kafka_client_property *properties,
                                     size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (strncasecmp(properties[i].name, "kafka.", 6) == 0) properties[i].name += 6;
        enum status status = kafka_property_check(use, properties[i].name, properties[i].value, err);
        if (status != STATUS_OK) return error_prefix(err, "--kafka %.100s", properties[i].name);
        properties[i].name = kafka_property_find(properties[i].name)->name;
    }
    const struct kafka_client_given given = {properties, count};
    return kafka_property_check_together(kafka_client_get_given, &given, err);
}

enum status kafka_client_check(const Foreset__Source *source, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < source->n_options && status == STATUS_OK; i++) {
        const char *key = source->options[i]->key, *value = source->options[i]->value;
        const char *name = strncasecmp(key, "kafka.", 6) == 0 ? key + 6 : key;
        const struct kafka_property *property = kafka_property_find(name);
        if (!kafka_client_uses(source, name)) continue;
        if (kafka_property_is_reference(value)) {
            char reference[1024];
            kafka_client_reference(value, reference, sizeof reference);
            if (strncmp(reference, "env:", 4) == 0) status = confine_check_variable(reference + 4, err);
            if (strncmp(reference, "file:", 5) == 0)
                status = confine_check_path("secret('file:…')", kafka_client_secret_path(reference), err);
        } else if (property && property->kind == KAFKA_PROPERTY_FILE && strcmp(value, "probe") != 0) {
            char what[160];
            snprintf(what, sizeof what, "kafka.%s", property->name);
            status = confine_check_path(what, value, err);
        }
        if (status != STATUS_OK) status = error_prefix(err, "source %s, option %s", source->name, key);
    }
    return status;
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
    kafka_client_free(client);
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
        kafka_client_free(client);
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
