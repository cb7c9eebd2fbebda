// foreset: one executable; the first word picks the command.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cluster_commands.h"
#include "cli/kafka_commands.h"
#include "cli/pipeline_commands.h"
#include "cli/tables_commands.h"
#include "common/base/failpoint.h"
#include "common/base/text.h"
#include "common/kafka/kafka_client.h"

static const char main_help[] =
    "usage: foreset COMMAND [options]\n"
    "\n"
    "Reads Kafka, runs streaming SQL and writes Delta Lake tables, every epoch exactly once.\n"
    "\n"
    "  run FILE.sql          run a pipeline in this process\n"
    "  plan FILE.sql         check a pipeline and print its plan, without running it\n"
    "  tables show PATH      rows of a Delta table\n"
    "  tables history PATH   its commits\n"
    "  tables analyze PATH   its files' statistics, checked by reading and put right\n"
    "  coordinator           lead a cluster, or stand by\n"
    "  worker                work for a cluster\n"
    "  pipelines ...         plan, apply, list, describe, start, stop, delete, retry, adopt, abandon-table\n"
    "  workers ...           list, describe, drain, undrain\n"
    "  epochs, lag, shards   of a cluster's pipelines\n"
    "  cluster status        who leads, what is wrong\n"
    "  broker                an embedded Kafka broker for trying things out\n"
    "  produce               JSON events into a topic\n"
    "  consume               a topic as JSON lines\n"
    "\n"
    "foreset COMMAND --help says more, with examples. foreset --version prints the version.\n"
    "\n"
    "Examples:\n"
    "  foreset plan user_events.sql\n"
    "  foreset run user_events.sql --available-now --warehouse /data/lake\n"
    "  foreset tables show /data/lake/gold/per_minute --limit 10\n";

struct command {
    const char *name, *sub; // sub: the second word, NULL: none
    int (*run)(int argc, char **argv);
};
static const struct command commands[] = {
    {"run", NULL, run_main},
    {"plan", NULL, plan_main},
    {"coordinator", NULL, coordinator_main},
    {"worker", NULL, worker_main},
    {"pipelines", NULL, admin_main},
    {"workers", NULL, admin_main},
    {"epochs", NULL, admin_main},
    {"lag", NULL, admin_main},
    {"shards", NULL, admin_main},
    {"cluster", NULL, admin_main},
    {"broker", NULL, kafka_broker_main},
    {"produce", NULL, kafka_produce_main},
    {"consume", NULL, kafka_consume_main},
    {"tables", "show", tables_show_main},
    {"tables", "history", tables_history_main},
    {"tables", "analyze", tables_analyze_main},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static int main_unknown(const char *word)
{
    const char *names[COMMAND_COUNT + 1];
    for (size_t i = 0; i < COMMAND_COUNT; i++) names[i] = commands[i].name;
    names[COMMAND_COUNT] = NULL;
    const char *near = text_nearest(word, names);
    fprintf(stderr, "foreset: there is no command '%s'", word);
    if (near) fprintf(stderr, "; did you mean '%s'?", near);
    fputs("\nTry: foreset --help\n", stderr);
    return 2;
}

static int main_failpoints(void)
{
    for (const char *const *name = failpoint_names(); *name; name++) puts(*name);
    return 0;
}

// librdkafka's threads that could not end must not meet exit handlers.
static int main_end(int exit_code)
{
    if (!kafka_client_any_left()) return exit_code;
    fflush(NULL);
    _exit(exit_code);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(main_help, stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        fputs(main_help, stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("foreset " FORESET_VERSION);
        return 0;
    }
    if (strcmp(argv[1], "--list-failpoints") == 0) return main_failpoints();
    bool group = false;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &commands[i];
        if (strcmp(argv[1], command->name) != 0) continue;
        if (!command->sub) return main_end(command->run(argc - 1, argv + 1));
        group = true;
        if (argc > 2 && strcmp(argv[2], command->sub) == 0) return main_end(command->run(argc - 2, argv + 2));
    }
    if (!group) return main_unknown(argv[1]);
    fprintf(stderr, "foreset %s: expected %s show PATH, %s history PATH or %s analyze PATH\nTry: foreset --help\n",
            argv[1], argv[1], argv[1], argv[1]);
    return argc > 2 && strcmp(argv[2], "--help") == 0 ? 0 : 2;
}
