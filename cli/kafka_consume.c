// foreset consume: a topic's records as JSON lines, offsets committed only after each batch is printed (at least once).
#include <errno.h>
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/kafka_commands.h"
#include "cli/signals.h"
#include "common/base/base64.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/kafka/kafka_client.h"

#define PROPERTIES_MAX 64
#define BATCH_DEFAULT  500
#define BATCH_MAX      100000

static const char consume_help[] =
    "usage: foreset consume --brokers HOST:PORT[,…] --topic NAME --group GROUP [--batch N] [--count N]\n"
    "\n"
    "Prints records as JSON lines with key, value, headers, partition, offset and timestamp (milliseconds), from the "
    "earliest\n"
    "offset on if the group is new. Offsets are committed after each batch is printed: after a crash records may be "
    "printed\n"
    "again, none is missed. Runs until SIGINT, or until COUNT records are printed. Bytes that are not UTF-8 are "
    "printed as\n"
    "{\"base64\": …}.\n"
    "\n"
    "  --batch N          records printed between commits (default 500)\n"
    "  --count N          stop after N records\n"
    "  --kafka KEY=VALUE  a property of librdkafka, e.g. security.protocol=SASL_SSL; may be repeated;\n"
    "                     names and translations are those of read_kafka (docs/SQL.md)\n"
    "\n"
    "Example:\n"
    "  foreset consume --brokers localhost:9092 --topic user-events --group looking --count 10\n";

struct consume_options {
    const char *brokers, *topic, *group;
    int64_t batch, count;
    struct kafka_client_property properties[PROPERTIES_MAX];
    size_t property_count;
};

static void consume_base64(struct text *line, const uint8_t *bytes, size_t size)
{
    text_append_str(line, "{\"base64\": \"");
    base64_append(line, bytes, size);
    text_append_str(line, "\"}");
}

static void consume_bytes(struct text *line, const void *bytes, size_t size)
{
    if (!bytes) {
        text_append_str(line, "null");
    } else if (text_utf8_valid(bytes, size)) {
        text_append_json(line, bytes, size);
    } else {
        consume_base64(line, bytes, size);
    }
}

static void consume_print(const rd_kafka_message_t *message, struct text *line)
{
    text_reset(line);
    text_append_str(line, "{\"key\": ");
    consume_bytes(line, message->key, message->key_len);
    text_append_str(line, ", \"value\": ");
    consume_bytes(line, message->payload, message->len);
    text_append_str(line, ", \"headers\": [");
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t size;
    if (!rd_kafka_message_headers(message, &headers)) {
        for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++) {
            text_append_str(line, i ? ", [" : "[");
            text_append_json(line, name, strlen(name));
            text_append_str(line, ", ");
            consume_bytes(line, value, size);
            text_append_char(line, ']');
        }
    }
    text_printf(line, "], \"partition\": %d, \"offset\": %lld, \"timestamp\": %lld}\n", message->partition,
                (long long)message->offset, (long long)rd_kafka_message_timestamp(message, NULL));
    fwrite(line->data, 1, line->length, stdout);
}

static void consume_next(rd_kafka_topic_partition_list_t *next, const char *topic, const rd_kafka_message_t *message)
{
    rd_kafka_topic_partition_t *item = rd_kafka_topic_partition_list_find(next, topic, message->partition);
    if (!item) item = rd_kafka_topic_partition_list_add(next, topic, message->partition);
    item->offset = message->offset + 1;
}

// Prints one batch; -1 on an error that waiting does not cure. *ret_printed: records printed.
static int consume_batch(struct kafka_client *client, rd_kafka_queue_t *queue, int64_t want, struct text *line,
                         rd_kafka_message_t **messages, int64_t *ret_printed)
{
    ssize_t got = rd_kafka_consume_batch_queue(queue, 500, messages, (size_t)want);
    int result = got < 0 ? -1 : 0;
    *ret_printed = 0;
    rd_kafka_topic_partition_list_t *next = rd_kafka_topic_partition_list_new(16);
    for (ssize_t i = 0; i < got; i++) {
        if (!messages[i]->err) {
            consume_print(messages[i], line);
            consume_next(next, rd_kafka_topic_name(messages[i]->rkt), messages[i]);
            ++*ret_printed;
        } else if (messages[i]->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                   messages[i]->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
            fprintf(stderr, "foreset consume: %s\n", rd_kafka_message_errstr(messages[i]));
            result = -1;
        }
        rd_kafka_message_destroy(messages[i]);
    }
    if (fflush(stdout) || ferror(stdout)) result = -1; // not printed, so not committed
    if (*ret_printed > 0 && result == 0) rd_kafka_commit(client->handle, next, 0);
    rd_kafka_topic_partition_list_destroy(next);
    if (client->fatal) {
        fprintf(stderr, "foreset consume: %s: %s; check credentials and security.protocol\n", client->brokers,
                client->last_error);
        result = -1;
    }
    return result;
}

static int consume_run(struct consume_options *options, struct kafka_client *client)
{
    rd_kafka_poll_set_consumer(client->handle);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, options->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(client->handle, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code) {
        fprintf(stderr, "foreset consume: topic %s: %s\n", options->topic, rd_kafka_err2str(code));
        return 1;
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client->handle);
    rd_kafka_message_t **messages = memory_alloc((size_t)options->batch * sizeof *messages);
    struct text line = {0};
    int64_t printed = 0, left = options->count;
    int result = 0;
    while (result == 0 && !signals_caught() && (options->count < 0 || left > 0)) {
        int64_t want = options->count >= 0 && left < options->batch ? left : options->batch;
        result = consume_batch(client, queue, want, &line, messages, &printed);
        left -= printed;
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(client->handle);
    memory_free(messages);
    text_deinit(&line);
    return result ? 1 : 0;
}

static int consume_option(struct consume_options *options, int option)
{
    switch (option) {
    case 'b': options->brokers = optarg; return 0;
    case 't': options->topic = optarg; return 0;
    case 'g': options->group = optarg; return 0;
    case 'n':
        if (text_parse_i64(optarg, &options->batch) && options->batch > 0 && options->batch <= BATCH_MAX) return 0;
        fprintf(stderr, "foreset consume: --batch %s: expected 1 to %d\n", optarg, BATCH_MAX);
        return 2;
    case 'c':
        if (text_parse_i64(optarg, &options->count) && options->count >= 0) return 0;
        fprintf(stderr, "foreset consume: --count %s: expected a number of records\n", optarg);
        return 2;
    case 'K': {
        char *equals = strchr(optarg, '=');
        if (equals && options->property_count < PROPERTIES_MAX) {
            *equals = '\0';
            options->properties[options->property_count++] = (struct kafka_client_property){optarg, equals + 1};
            return 0;
        }
        fprintf(stderr, "foreset consume: --kafka %s: expected KEY=VALUE\n", optarg);
        return 2;
    }
    case 'h': fputs(consume_help, stdout); return -1;
    default: fputs("Try: foreset consume --help\n", stderr); return 2;
    }
}

int kafka_consume_main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"brokers", required_argument, NULL, 'b'}, {"topic", required_argument, NULL, 't'},
        {"group", required_argument, NULL, 'g'},   {"batch", required_argument, NULL, 'n'},
        {"count", required_argument, NULL, 'c'},   {"kafka", required_argument, NULL, 'K'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    struct consume_options options = {.batch = BATCH_DEFAULT, .count = -1};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        int refused = consume_option(&options, option);
        if (refused) return refused < 0 ? 0 : refused;
    }
    if (!options.brokers || !options.topic || !options.group || optind < argc) {
        fputs("foreset consume: give --brokers, --topic and --group\nTry: foreset consume --help\n", stderr);
        return 2;
    }
    struct kafka_client_property all[PROPERTIES_MAX + 16] = {
        {"bootstrap.servers", options.brokers}, {"group.id", options.group},       {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},  {"auto.offset.reset", "earliest"}, {"session.timeout.ms", "30000"},
        {"max.poll.interval.ms", "300000"},     {"fetch.min.bytes", "1024"},       {"fetch.wait.max.ms", "500"}};
    size_t count = 9;
    for (size_t i = 0; i < options.property_count; i++) all[count++] = options.properties[i];
    struct kafka_client *client = NULL;
    struct error err;
    if (kafka_client_check_given(KAFKA_USE_CONSUME, all + count - options.property_count, options.property_count,
                                 &err) != STATUS_OK ||
        kafka_client_plain(false, all, count, &client, &err) != STATUS_OK) {
        fprintf(stderr, "foreset consume: %s\n", err.message);
        return 2;
    }
    signals_catch();
    int exit_code = consume_run(&options, client);
    kafka_client_close(client);
    return exit_code;
}
