// The commands that look at Delta tables and mend their statistics. Each takes main's arguments from its own name on
// ("show PATH …") and returns the process's exit code.
#ifndef FORESET_CLI_TABLES_COMMANDS_H
#define FORESET_CLI_TABLES_COMMANDS_H

int tables_show_main(int argc, char **argv);
int tables_history_main(int argc, char **argv);
int tables_analyze_main(int argc, char **argv);

#endif
