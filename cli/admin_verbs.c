// Commands of a cluster and their helps.
#include "cli/admin_verbs.h"

#include <stdio.h>
#include <string.h>

#include "common/base/text.h"

static const char *const apply_switches[] = {"full-refresh", "available-now", NULL};
static const char *const plan_switches[] = {"available-now", NULL};
static const char *const stop_switches[] = {"drain", NULL};
static const char *const retry_switches[] = {"overwrite", "replay", NULL};

static const struct admin_verb verbs[] = {
    {"pipelines plan", "FILE.sql", "says what applying the file would change, and prints its plan; changes nothing", 1,
     1, true, false, false, plan_switches},
    {"pipelines apply", "FILE.sql", "stores the pipeline and runs it; a changed one goes on where it was", 1, 1, true,
     false, false, apply_switches},
    {"pipelines list", "", "all pipelines: state, epochs, lag", 0, 0, false, false, false, NULL},
    {"pipelines describe", "PIPELINE", "one pipeline: its tables, workers, partitions, state", 1, 1, false, false,
     false, NULL},
    {"pipelines start", "PIPELINE", "runs a stopped or failed pipeline from its last decided epoch", 1, 1, false, false,
     false, NULL},
    {"pipelines stop", "PIPELINE", "ends it; --drain publishes what runs and every unfinished batch first", 1, 1, false,
     false, false, stop_switches},
    {"pipelines delete", "PIPELINE", "forgets a stopped pipeline and its position; its tables stay", 1, 1, false, false,
     false, NULL},
    {"pipelines retry", "PIPELINE [--overwrite | --replay] [--table TABLE]",
     "tries a blocked or failed pipeline again; --overwrite: its rows win over what others changed; --replay: epochs "
     "whose files are gone are read again",
     1, 1, false, false, true, retry_switches},
    {"pipelines adopt", "PIPELINE [--table TABLE]",
     "takes over tables whose decisions are lost, from their last commits", 1, 1, false, false, true, NULL},
    {"pipelines abandon-table", "PIPELINE --table TABLE", "gives up a table that refuses a decided epoch", 1, 1, false,
     false, true, NULL},
    {"workers list", "", "all workers: state, lanes, memory, what they hold", 0, 0, false, false, false, NULL},
    {"workers describe", "WORKER", "one worker", 1, 1, false, false, false, NULL},
    {"workers drain", "WORKER", "lets it hand over what it holds at the next epoch's border; then it can be stopped", 1,
     1, false, false, false, NULL},
    {"workers undrain", "WORKER", "lets it hold partitions and shards again", 1, 1, false, false, false, NULL},
    {"epochs", "[PIPELINE]", "the last epochs and the time of each phase; --follow goes on", 0, 1, false, true, false,
     NULL},
    {"lag", "[PIPELINE]", "rows and seconds behind, by partition", 0, 1, false, true, false, NULL},
    {"shards", "[PIPELINE]", "who holds which shards; the state snapshot by operator", 0, 1, false, false, false, NULL},
    {"cluster status", "", "who leads, whether etcd answers, how many workers and pipelines there are", 0, 0, false,
     true, false, NULL},
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

const struct admin_verb *admin_verbs_at(size_t index)
{
    return index < VERB_COUNT ? &verbs[index] : NULL;
}

static const char common_help[] =
    "  --coordinator URL[,URL...]  any coordinators of the cluster (or FORESET_COORDINATOR)\n"
    "  --output table|json         (default: table)\n"
    "  --tls-ca FILE --tls-cert FILE --tls-key FILE [--tls-server-name N]   for tls+tcp:// (or FORESET_TLS_CA, ...)\n"
    "  --tls-crl FILE              PEM, revoked certificates: a coordinator that shows one is refused (or "
    "FORESET_TLS_CRL)\n"
    "  --token-file FILE           the token of coordinators without TLS (or FORESET_TOKEN_FILE; default:\n"
    "                              ~/.foreset/token, which their first process makes; for this machine's alone)\n";

void admin_verbs_help(const struct admin_verb *verb)
{
    printf("usage: foreset %s %s [options]\n\n%c%s.\n\n", verb->name, verb->arguments,
           verb->help[0] >= 'a' && verb->help[0] <= 'z' ? verb->help[0] - 'a' + 'A' : verb->help[0], verb->help + 1);
    if (verb->takes_file) {
        puts("  --set KEY=VALUE             overrides SET of the file; may be repeated\n"
             "  --kafka KEY=VALUE           overrides a Kafka property of every read_kafka; may be repeated");
    }
    for (const char *const *at = verb->switches; at && *at; at++) printf("  --%s\n", *at);
    if (verb->takes_table) puts("  --table TABLE");
    if (verb->follows) puts("  --follow                    again and again, until interrupted");
    fputs(common_help, stdout);
    puts("\nExit codes: 0 done, 1 failed or nobody leads, 2 usage, SQL or refused.");
}

static void group_help(const char *group, FILE *to)
{
    fprintf(to, "usage: foreset %s COMMAND [options]\n\n", group);
    size_t length = strlen(group);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strncmp(verbs[i].name, group, length) != 0 || verbs[i].name[length] != ' ') continue;
        fprintf(to, "  %-38s %s\n", verbs[i].name + length + 1, verbs[i].help);
    }
    fprintf(to, "\n%s\nforeset %s COMMAND --help says more.\n", common_help, group);
}

int admin_verbs_find(int argc, char **argv, const struct admin_verb **ret_verb, int *ret_words)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const char *space = strchr(verbs[i].name, ' ');
        size_t first = space ? (size_t)(space - verbs[i].name) : strlen(verbs[i].name);
        if (strncmp(verbs[i].name, argv[0], first) != 0 || argv[0][first] != '\0') continue;
        if (space && (argc < 2 || strcmp(argv[1], space + 1) != 0)) continue;
        *ret_verb = &verbs[i];
        *ret_words = space ? 2 : 1;
        return 0;
    }
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (argc > 1 && !help) {
        const char *names[VERB_COUNT + 1];
        size_t count = 0, length = strlen(argv[0]);
        for (size_t i = 0; i < VERB_COUNT; i++) {
            if (strncmp(verbs[i].name, argv[0], length) == 0) names[count++] = verbs[i].name + length + 1;
        }
        names[count] = NULL;
        const char *near = text_nearest(argv[1], names);
        fprintf(stderr, "foreset %s: there is no command '%s'", argv[0], argv[1]);
        if (near) fprintf(stderr, "; did you mean '%s'?", near);
        fputc('\n', stderr);
    }
    group_help(argv[0], help ? stdout : stderr);
    return help ? 1 : 3;
}
