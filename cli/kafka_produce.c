// foreset produce: JSON events into a topic, each delivery counted.
// Happy path: lines (or generated events) → _event_time and _event_id added where missing → librdkafka with idempotence
// → delivery reports counted → flush with a time limit → a summary. Exit 1 if any event was not delivered.
#include <ctype.h>
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/event_generator.h"
#include "cli/kafka_commands.h"
#include "cli/produce_json.h"
#include "cli/signals.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/random.h"
#include "common/kafka/kafka_client.h"

#define PROPERTIES_MAX          64
#define HEADERS_MAX             32
#define FLUSH_MS_DEFAULT        60000
#define GENERATOR_SEED_DEFAULT  7u
#define GENERATOR_COUNT_DEFAULT 100000u
#define GENERATOR_START_US      1767225600000000ll // 2026-01-01T00:00:00Z
#define GENERATOR_RATE          10000.0

static const char produce_help[] =
    "usage: foreset produce --brokers HOST:PORT[,…] --topic NAME [options] [FILE.jsonl | -]\n"
    "\n"
    "Sends JSON events, one a line, to a Kafka topic and counts each delivery report. Events that lack _event_time "
    "(now, UTC)\n"
    "or _event_id (a UUID) get one. Exit code 1 if any event was not delivered.\n"
    "\n"
    "  --key FIELD             field whose value is the record's key (default user_id)\n"
    "  --rate N                at most N events a second\n"
    "  --header K=V            a header on every record; may be repeated\n"
    "  --generate user-events[:COUNT[:SEED]]\n"
    "                          make events instead of reading them (100000 of seed 7): 2 % late, 1 % repeated, 0.5 % "
    "without\n"
    "                          user_id or action, 0.2 % broken JSON, 0.1 % with an amount that is no number; sent as "
    "they are\n"
    "  --flush-timeout SECONDS how long to wait for the last delivery reports (default 60)\n"
    "  --kafka KEY=VALUE       a property of librdkafka, e.g. security.protocol=SASL_SSL; may be repeated;\n"
    "                          names and translations are those of read_kafka (docs/SQL.md)\n"
    "\n"
    "Examples:\n"
    "  foreset produce --brokers localhost:9092 --topic user-events --generate user-events:1000000\n"
    "  tail -f events.jsonl | foreset produce --brokers localhost:9092 --topic user-events --key user_id -\n";

struct produce {
    struct kafka_client *client;
    rd_kafka_topic_t *topic;
    const char *key_field;
    double rate;
    struct {
        const char *name;
        const char *value;
    } headers[HEADERS_MAX];
    int header_count;
    uint64_t sent, delivered, failed;
    char first_failure[256];
    struct random random;
    int64_t started_us;
};

struct produce_options {
    const char *brokers, *topic, *generate;
    struct kafka_client_property properties[PROPERTIES_MAX];
    size_t property_count;
    int64_t flush_ms;
};

static void produce_on_delivery(void *opaque, const char *failure)
{
    struct produce *produce = opaque;
    if (!failure) {
        produce->delivered++;
        return;
    }
    if (produce->failed++ == 0) snprintf(produce->first_failure, sizeof produce->first_failure, "%s", failure);
}

// Waits while the rate says so, serving delivery reports meanwhile.
static void produce_pace(struct produce *produce)
{
    if (produce->rate <= 0) {
        if ((produce->sent & 1023) == 0) rd_kafka_poll(produce->client->handle, 0);
        return;
    }
    int64_t due_us = produce->started_us + (int64_t)((double)produce->sent / produce->rate * 1e6);
    for (;;) {
        int64_t left_us = due_us - clock_boot_us(clock_system());
        if (left_us <= 0 || signals_caught()) break;
        rd_kafka_poll(produce->client->handle, (int)(left_us / 1000));
        if (left_us < 1000) break;
    }
}

static void produce_one(struct produce *produce, const char *value, size_t size, const char *key, size_t key_size)
{
    for (;;) {
        rd_kafka_headers_t *headers =
            produce->header_count ? rd_kafka_headers_new((size_t)produce->header_count) : NULL;
        for (int i = 0; i < produce->header_count; i++) {
            rd_kafka_header_add(headers, produce->headers[i].name, -1, produce->headers[i].value, -1);
        }
        rd_kafka_vu_t arguments[] = {
            {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = produce->topic},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = (void *)(uintptr_t)value, .size = size}},
            {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = key_size ? (void *)(uintptr_t)key : NULL, .size = key_size}},
            {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        };
        size_t count = sizeof arguments / sizeof *arguments - (headers ? 0 : 1);
        rd_kafka_error_t *failure = rd_kafka_produceva(produce->client->handle, arguments, count);
        if (!failure) break;
        bool full = rd_kafka_error_code(failure) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
        if (!full) produce_on_delivery(produce, rd_kafka_error_string(failure));
        rd_kafka_error_destroy(failure);
        if (headers) rd_kafka_headers_destroy(headers);
        if (!full) break;
        rd_kafka_poll(produce->client->handle, 50);
    }
    produce->sent++;
    produce_pace(produce);
}

static int produce_generated(struct produce *produce, const char *spec)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", spec);
    uint64_t count = GENERATOR_COUNT_DEFAULT, seed = GENERATOR_SEED_DEFAULT;
    char *save = NULL, *name = strtok_r(copy, ":", &save), *count_text = strtok_r(NULL, ":", &save);
    char *seed_text = strtok_r(NULL, ":", &save);
    if (!name || strcmp(name, "user-events") != 0 || (count_text && !text_parse_u64(count_text, &count)) ||
        (seed_text && !text_parse_u64(seed_text, &seed))) {
        fprintf(stderr, "foreset produce: --generate %s: expected user-events[:COUNT[:SEED]]\n", spec);
        return 2;
    }
    struct event_generator *generator = event_generator_create(seed, GENERATOR_START_US, GENERATOR_RATE);
    struct text value = {0}, key = {0};
    for (uint64_t i = 0; i < count && !signals_caught(); i++) {
        event_generator_next(generator, &value, &key);
        produce_one(produce, text_str(&value), value.length, text_str(&key), key.length);
    }
    text_deinit(&value);
    text_deinit(&key);
    event_generator_destroy(generator);
    return 0;
}

static int produce_lines(struct produce *produce, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file) {
        fprintf(stderr, "foreset produce: cannot open %s\n", path);
        return 2;
    }
    struct text line = {0}, value = {0}, key = {0};
    uint64_t line_number = 0;
    int exit_code = 0;
    while (!signals_caught() && text_read_line(file, &line)) {
        line_number++;
        while (line.length > 0 && isspace((unsigned char)line.data[line.length - 1])) line.length--;
        if (line.length == 0) continue;
        char uuid[37], problem[200];
        random_uuid(&produce->random, uuid);
        if (!produce_json_complete(line.data, line.length, clock_wall_us(clock_system()), uuid, produce->key_field,
                                   &value, &key, problem, sizeof problem)) {
            fprintf(stderr, "foreset produce: %s:%llu: %s; the line is sent as it is\n", path,
                    (unsigned long long)line_number, problem);
        }
        produce_one(produce, text_str(&value), value.length, text_str(&key), key.length);
    }
    if (ferror(file)) {
        fprintf(stderr, "foreset produce: reading %s failed after line %llu\n", path, (unsigned long long)line_number);
        exit_code = 1;
    }
    if (file != stdin) fclose(file);
    text_deinit(&line);
    text_deinit(&value);
    text_deinit(&key);
    return exit_code;
}

static int produce_finish(struct produce *produce, int64_t flush_ms)
{
    rd_kafka_flush(produce->client->handle, (int)flush_ms);
    uint64_t lost = (uint64_t)rd_kafka_outq_len(produce->client->handle);
    if (lost) {
        rd_kafka_purge(produce->client->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(produce->client->handle, 1000);
    }
    uint64_t unknown = produce->sent - produce->delivered - produce->failed;
    uint64_t failed = produce->failed + unknown;
    double rate = produce->sent ? 100.0 * (double)produce->delivered / (double)produce->sent : 100.0;
    double seconds = (double)(clock_boot_us(clock_system()) - produce->started_us) / 1e6;
    printf("delivered %llu, failed %llu, success rate %.2f %%, %.1f s\n", (unsigned long long)produce->delivered,
           (unsigned long long)failed, rate, seconds);
    if (failed) {
        fprintf(stderr, "foreset produce: %llu of %llu events were not delivered to %s%s%s%s%s\n",
                (unsigned long long)failed, (unsigned long long)produce->sent, produce->client->brokers,
                produce->first_failure[0] ? ": " : "", produce->first_failure,
                produce->client->last_error[0] ? "; " : "", produce->client->last_error);
    }
    return failed ? 1 : 0;
}

static int produce_open(struct produce *produce, struct produce_options *options)
{
    static const struct kafka_client_property fixed[] = {{"enable.idempotence", "true"},
                                                         {"acks", "all"},
                                                         {"retries", "5"},
                                                         {"retry.backoff.ms", "500"},
                                                         {"compression.type", "snappy"},
                                                         {"linger.ms", "20"},
                                                         {"batch.size", "65536"},
                                                         {"max.in.flight.requests.per.connection", "5"},
                                                         {"queue.buffering.max.messages", "500000"},
                                                         {"partitioner", "murmur2_random"}};
    struct kafka_client_property all[PROPERTIES_MAX + 16];
    size_t count = 0;
    all[count++] = (struct kafka_client_property){"bootstrap.servers", options->brokers};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) all[count++] = fixed[i];
    size_t fixed_count = count;
    for (size_t i = 0; i < options->property_count; i++) all[count++] = options->properties[i];
    struct error err;
    if (kafka_client_check_given(KAFKA_USE_PRODUCE, all + fixed_count, options->property_count, &err) != STATUS_OK ||
        kafka_client_plain(true, all, count, &produce->client, &err) != STATUS_OK) {
        fprintf(stderr, "foreset produce: %s\n", err.message);
        return 2;
    }
    produce->client->delivery = produce_on_delivery;
    produce->client->delivery_opaque = produce;
    produce->topic = rd_kafka_topic_new(produce->client->handle, options->topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(produce->client->handle, 0, produce->topic, &metadata, 15000);
    if (code) {
        (void)kafka_client_fail(produce->client, "connecting", rd_kafka_err2str(code), &err);
        fprintf(stderr, "foreset produce: %s\n", err.message);
        return 1;
    }
    rd_kafka_metadata_destroy(metadata);
    return 0;
}

static bool produce_split(char *text, const char **ret_name, const char **ret_value)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text) return false;
    *equals = '\0';
    *ret_name = text;
    *ret_value = equals + 1;
    return true;
}

static int produce_option(struct produce *produce, struct produce_options *options, int option)
{
    struct kafka_client_property *property = &options->properties[options->property_count];
    int64_t seconds;
    char *end;
    switch (option) {
    case 'b': options->brokers = optarg; return 0;
    case 't': options->topic = optarg; return 0;
    case 'k': produce->key_field = optarg; return 0;
    case 'g': options->generate = optarg; return 0;
    case 'r':
        produce->rate = strtod(optarg, &end);
        if (*end == '\0' && produce->rate > 0) return 0;
        fprintf(stderr, "foreset produce: --rate %s: expected events a second, e.g. --rate 5000\n", optarg);
        return 2;
    case 'H':
        if (produce->header_count < HEADERS_MAX && produce_split(optarg, &produce->headers[produce->header_count].name,
                                                                 &produce->headers[produce->header_count].value)) {
            produce->header_count++;
            return 0;
        }
        fprintf(stderr, "foreset produce: --header %s: expected K=V, at most %d of them\n", optarg, HEADERS_MAX);
        return 2;
    case 'K':
        if (options->property_count < PROPERTIES_MAX && produce_split(optarg, &property->name, &property->value)) {
            options->property_count++;
            return 0;
        }
        fprintf(stderr, "foreset produce: --kafka %s: expected KEY=VALUE\n", optarg);
        return 2;
    case 'f':
        if (text_parse_i64(optarg, &seconds) && seconds >= 0 && seconds < 86400) {
            options->flush_ms = seconds * 1000;
            return 0;
        }
        fprintf(stderr, "foreset produce: --flush-timeout %s: expected seconds\n", optarg);
        return 2;
    case 'h': fputs(produce_help, stdout); return -1;
    default: fputs("Try: foreset produce --help\n", stderr); return 2;
    }
}

int kafka_produce_main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"brokers", required_argument, NULL, 'b'}, {"topic", required_argument, NULL, 't'},
        {"key", required_argument, NULL, 'k'},     {"rate", required_argument, NULL, 'r'},
        {"header", required_argument, NULL, 'H'},  {"generate", required_argument, NULL, 'g'},
        {"kafka", required_argument, NULL, 'K'},   {"flush-timeout", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    struct produce produce = {.key_field = "user_id"};
    struct produce_options options = {.flush_ms = FLUSH_MS_DEFAULT};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        int refused = produce_option(&produce, &options, option);
        if (refused) return refused < 0 ? 0 : refused;
    }
    const char *path = optind < argc ? argv[optind] : NULL;
    if (!options.brokers || !options.topic || !path == !options.generate || argc - optind > 1) {
        fputs("foreset produce: give --brokers, --topic, and one of --generate user-events, FILE.jsonl, -\n"
              "Try: foreset produce --help\n",
              stderr);
        return 2;
    }
    signals_catch();
    random_init_system(&produce.random);
    int exit_code = produce_open(&produce, &options);
    produce.started_us = clock_boot_us(clock_system());
    if (exit_code == 0) {
        exit_code = options.generate ? produce_generated(&produce, options.generate) : produce_lines(&produce, path);
        int finished = produce_finish(&produce, options.flush_ms);
        if (exit_code == 0) exit_code = finished;
    }
    if (produce.topic) rd_kafka_topic_destroy(produce.topic);
    kafka_client_close(produce.client);
    return exit_code;
}
