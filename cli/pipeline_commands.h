// The commands that take a pipeline's SQL file. Each takes main's arguments from its own name on and returns the exit
// code.
#ifndef FORESET_CLI_PIPELINE_COMMANDS_H
#define FORESET_CLI_PIPELINE_COMMANDS_H

int run_main(int argc, char **argv);
int plan_main(int argc, char **argv);

#endif
