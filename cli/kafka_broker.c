// foreset broker: an embedded broker for trying things out and for tests (librdkafka's mock cluster).
// It keeps about 5 MiB of stored batches per partition in memory, older ones vanish; nothing survives its end.
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/kafka_commands.h"
#include "cli/signals.h"
#include "common/base/text.h"

#define TOPICS_MAX 64

static const char broker_help[] =
    "usage: foreset broker --topic NAME[:PARTITIONS] [--topic …] [--address-file FILE]\n"
    "\n"
    "Runs an embedded Kafka broker on a loopback port of its own choosing, prints the address and serves until\n"
    "SIGINT or SIGTERM. For trying things out and for tests.\n"
    "\n"
    "  --topic NAME[:PARTITIONS]  a topic to create (4 partitions unless said); may be repeated\n"
    "  --address-file FILE        write host:port there once the broker answers\n"
    "\n"
    "What it cannot do: it keeps about 5 MiB of stored batches per partition, older ones vanish; it holds everything "
    "in\n"
    "memory and forgets it at its end; no TLS, no SASL, no transactions to rely on. For real data use a real broker.\n"
    "\n"
    "Examples:\n"
    "  foreset broker --topic user-events\n"
    "  foreset broker --topic orders:8 --address-file /tmp/broker.address\n";

static int broker_create_topic(rd_kafka_mock_cluster_t *cluster, const char *spec)
{
    char name[250];
    int64_t partitions = 4;
    const char *colon = strrchr(spec, ':');
    size_t length = colon ? (size_t)(colon - spec) : strlen(spec);
    if (length == 0 || length >= sizeof name || (colon && !text_parse_i64(colon + 1, &partitions)) || partitions < 1 ||
        partitions > 1000) {
        fprintf(stderr, "foreset broker: --topic %s: expected NAME or NAME:PARTITIONS with 1 to 1000 partitions\n",
                spec);
        return 2;
    }
    snprintf(name, sizeof name, "%.*s", (int)length, spec);
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(cluster, name, (int)partitions, 1);
    if (code) {
        fprintf(stderr, "foreset broker: topic %s: %s\n", name, rd_kafka_err2str(code));
        return 1;
    }
    return 0;
}

static int broker_announce(const char *address, const char *address_file)
{
    printf("%s\n", address);
    fflush(stdout);
    if (!address_file) return 0;
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.new", address_file);
    FILE *file = fopen(temporary, "we");
    if (!file || fprintf(file, "%s\n", address) < 0 || fclose(file) || rename(temporary, address_file)) {
        fprintf(stderr, "foreset broker: cannot write %s\n", address_file);
        return 1;
    }
    return 0;
}

static int broker_serve(char **topics, int topic_count, const char *address_file)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "3", NULL, 0);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!handle) {
        fprintf(stderr, "foreset broker: %s\n", reason);
        rd_kafka_conf_destroy(conf);
        return 1;
    }
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, 1);
    int exit_code = cluster ? 0 : 1;
    for (int i = 0; i < topic_count && exit_code == 0; i++) exit_code = broker_create_topic(cluster, topics[i]);
    if (exit_code == 0) exit_code = broker_announce(rd_kafka_mock_cluster_bootstraps(cluster), address_file);
    while (exit_code == 0 && !signals_wait(-1)) continue;
    if (cluster) rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
    return exit_code;
}

int kafka_broker_main(int argc, char **argv)
{
    static const struct option options[] = {{"topic", required_argument, NULL, 't'},
                                            {"address-file", required_argument, NULL, 'a'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    char *topics[TOPICS_MAX];
    int topic_count = 0;
    const char *address_file = NULL;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case 't':
            if (topic_count < TOPICS_MAX) topics[topic_count++] = optarg;
            break;
        case 'a': address_file = optarg; break;
        case 'h': fputs(broker_help, stdout); return 0;
        default: fputs("Try: foreset broker --help\n", stderr); return 2;
        }
    }
    if (topic_count == 0 || optind < argc) {
        fprintf(stderr, "foreset broker: %s%s\nTry: foreset broker --help\n",
                optind < argc ? "what is this? " : "give at least one --topic NAME[:PARTITIONS]",
                optind < argc ? argv[optind] : "");
        return 2;
    }
    signals_catch();
    return broker_serve(topics, topic_count, address_file);
}
