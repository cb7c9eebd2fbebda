// The commands that talk to Kafka: an embedded broker, the producer, the consumer. Each takes main's arguments from its
// own name on and returns the process's exit code.
#ifndef FORESET_CLI_KAFKA_COMMANDS_H
#define FORESET_CLI_KAFKA_COMMANDS_H

int kafka_broker_main(int argc, char **argv);
int kafka_produce_main(int argc, char **argv);
int kafka_consume_main(int argc, char **argv);

#endif
