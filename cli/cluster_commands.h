// The commands of a cluster: its two roles, and what a person says to it.
#ifndef FORESET_CLI_CLUSTER_COMMANDS_H
#define FORESET_CLI_CLUSTER_COMMANDS_H

#ifndef FORESET_VERSION
#define FORESET_VERSION "0.0.0"
#endif

int coordinator_main(int argc, char **argv);
int worker_main(int argc, char **argv);
int admin_main(int argc, char **argv); // pipelines, workers, epochs, lag, shards, cluster: argv[0] is the first word

#endif
