// foreset-sim: runs seeds, prints those that break an invariant, replays one, or shows that planted bugs are found.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "tests/sim/sim.h"

static const char main_help[] = "usage: foreset-sim [--seeds N] [--from S] [--bug NAME]\n"
                                "       foreset-sim --seed S [--trace] [--bug NAME]\n"
                                "       foreset-sim --bugs [--seeds N]\n"
                                "\n"
                                "Runs the cluster in virtual time, one run per seed, and checks the invariants of "
                                "docs/EPOCHS.md at every step. A run that\n"
                                "breaks one prints its seed; --seed S plays it again, --trace shows every step. --bugs "
                                "plants each known bug in turn and\n"
                                "prints after how many seeds it was found.\n";

struct main_options {
    uint64_t seeds, from, seed;
    bool one, trace, bugs;
    const char *bug;
};

static int main_usage(const char *word)
{
    fprintf(stderr, "foreset-sim: %s\n%s", word, main_help);
    return 2;
}

static int main_parse(int argc, char **argv, struct main_options *options)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--trace") == 0) {
            options->trace = true;
        } else if (strcmp(argv[i], "--bugs") == 0) {
            options->bugs = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && more) {
            options->seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--from") == 0 && more) {
            options->from = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && more) {
            options->seed = strtoull(argv[++i], NULL, 10);
            options->one = true;
        } else if (strcmp(argv[i], "--bug") == 0 && more) {
            options->bug = argv[++i];
        } else {
            return main_usage(argv[i]);
        }
    }
    return 0;
}

static int main_bugs(uint64_t seeds)
{
    int missed = 0;
    for (const char *const *name = planted_names(); *name; name++) {
        planted_set(*name);
        uint64_t seed = 1;
        while (seed <= seeds && sim_cluster_run(seed, false)) seed++;
        if (seed <= seeds) {
            printf("%-24s found by seed %llu: %s\n", *name, (unsigned long long)seed, sim->failure);
        } else {
            printf("%-24s NOT FOUND in %llu seeds\n", *name, (unsigned long long)seeds);
            missed++;
        }
        fflush(stdout);
    }
    return missed > 0;
}

static int main_seeds(const struct main_options *options)
{
    uint64_t bad = 0, crashes = 0, decisions = 0, commits = 0, steps = 0, moves = 0;
    for (uint64_t seed = options->from; seed < options->from + options->seeds; seed++) {
        if (!sim_cluster_run(seed, options->trace)) {
            printf("seed %llu: %s\n", (unsigned long long)seed, sim->failure);
            fflush(stdout);
            bad++;
        }
        crashes += sim->crashes;
        decisions += sim->decisions;
        commits += sim->commits;
        steps += sim->steps;
        moves += sim->moves;
    }
    printf("%llu seeds, %llu failed: %llu steps, %llu crashes, %llu moves, %llu epochs decided, "
           "%llu commits\n",
           (unsigned long long)options->seeds, (unsigned long long)bad, (unsigned long long)steps,
           (unsigned long long)crashes, (unsigned long long)moves, (unsigned long long)decisions,
           (unsigned long long)commits);
    return bad > 0;
}

int main(int argc, char **argv)
{
    struct main_options options = {.seeds = 500, .from = 1};
    int refused = main_parse(argc, argv, &options);
    if (refused) return refused;
    if (!options.trace) log_level_set(LOG_LEVEL_ERROR);
    if (!planted_set(options.bug)) return main_usage(options.bug);
    if (options.bugs) return main_bugs(options.seeds);
    if (options.one) {
        options.from = options.seed;
        options.seeds = 1;
    }
    return main_seeds(&options);
}
