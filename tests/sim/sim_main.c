// foreset-sim: runs seeds, prints those that break an invariant, replays one, or shows that planted bugs are found.
// Several processes share the seeds; what a seed does is the same in each.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "coordinator/commit/manifest_split.h"
#include "tests/sim/sim.h"

static const char main_help[] = "usage: foreset-sim [--seeds N] [--from S] [--jobs N] [--bug NAME]\n"
                                "       foreset-sim --seed S [--trace] [--bug NAME]\n"
                                "       foreset-sim --bugs [--seeds N] [--jobs N]\n"
                                "\n"
                                "Runs the cluster in virtual time, one run per seed, and checks the invariants of "
                                "docs/EPOCHS.md at every step. A run that\n"
                                "breaks one prints its seed; --seed S plays it again, --trace shows every step. --bugs "
                                "plants each known bug in turn and\n"
                                "prints after how many seeds it was found. --jobs N: so many processes (default: 1).\n";

enum { MAIN_JOBS_MAX = 64, MAIN_LIST_BYTES = 300 }; // lists of a few files are in parts already
struct main_options {
    uint64_t seeds, from, seed, jobs;
    bool one, trace, bugs;
    const char *bug;
};
struct main_sums {
    uint64_t seeds, bad, steps, crashes, moves, decisions, commits, replays, list_parts;
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
        } else if (strcmp(argv[i], "--jobs") == 0 && more) {
            options->jobs = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && more) {
            options->seed = strtoull(argv[++i], NULL, 10);
            options->one = true;
        } else if (strcmp(argv[i], "--bug") == 0 && more) {
            options->bug = argv[++i];
        } else {
            return main_usage(argv[i]);
        }
    }
    return options->jobs < 1 || options->jobs > MAIN_JOBS_MAX ? main_usage("--jobs: from 1 to 64") : 0;
}

// Every jobs-th of them, from the job-th.
static void main_seeds(const struct main_options *options, uint64_t job, struct main_sums *sums)
{
    for (uint64_t i = job; i < options->seeds; i += options->jobs) {
        uint64_t seed = options->from + i;
        if (!sim_cluster_run(seed, options->trace)) {
            printf("seed %llu: %s\n", (unsigned long long)seed, sim->failure);
            fflush(stdout);
            sums->bad++;
        }
        sums->seeds++;
        sums->crashes += sim->crashes;
        sums->moves += sim->moves;
        sums->decisions += sim->decisions;
        sums->replays += sim->replays;
        sums->commits += sim->commits;
        sums->list_parts += sim->list_parts;
        sums->steps += sim->steps;
    }
}

static void main_bugs(const struct main_options *options, uint64_t job, struct main_sums *sums)
{
    const char *const *names = planted_names();
    for (uint64_t i = 0; names[i]; i++) {
        if (i % options->jobs != job) continue;
        planted_set(names[i]);
        uint64_t seed = 1;
        while (seed <= options->seeds && sim_cluster_run(seed, false)) seed++;
        if (seed <= options->seeds) {
            printf("%-24s found by seed %llu: %s\n", names[i], (unsigned long long)seed, sim->failure);
        } else {
            printf("%-24s NOT FOUND in %llu seeds\n", names[i], (unsigned long long)options->seeds);
            sums->bad++;
        }
        fflush(stdout);
    }
}

static void main_run(const struct main_options *options, uint64_t job, struct main_sums *sums)
{
    if (options->bugs) {
        main_bugs(options, job, sums);
    } else {
        main_seeds(options, job, sums);
    }
}

static void main_add(struct main_sums *sums, const struct main_sums *more)
{
    sums->seeds += more->seeds;
    sums->bad += more->bad;
    sums->steps += more->steps;
    sums->crashes += more->crashes;
    sums->moves += more->moves;
    sums->decisions += more->decisions;
    sums->replays += more->replays;
    sums->commits += more->commits;
    sums->list_parts += more->list_parts;
}

// False: a process did not come to its end.
static bool main_share(const struct main_options *options, struct main_sums *sums)
{
    int ends[MAIN_JOBS_MAX][2], status = 0;
    pid_t children[MAIN_JOBS_MAX];
    bool all = true;
    fflush(stdout);
    for (uint64_t job = 0; job < options->jobs; job++) {
        if (pipe(ends[job]) != 0) return false;
        children[job] = fork();
        if (children[job] < 0) return false;
        if (children[job] > 0) {
            close(ends[job][1]);
            continue;
        }
        struct main_sums own = {0};
        main_run(options, job, &own);
        _exit(write(ends[job][1], &own, sizeof own) == (ssize_t)sizeof own ? 0 : 1);
    }
    for (uint64_t job = 0; job < options->jobs; job++) {
        struct main_sums own = {0};
        bool whole = read(ends[job][0], &own, sizeof own) == (ssize_t)sizeof own;
        close(ends[job][0]);
        main_add(sums, &own);
        all = waitpid(children[job], &status, 0) == children[job] && status == 0 && whole && all;
    }
    return all;
}

int main(int argc, char **argv)
{
    struct main_options options = {.seeds = 500, .from = 1, .jobs = 1};
    struct main_sums sums = {0};
    bool all = true;
    int refused = main_parse(argc, argv, &options);
    if (refused) return refused;
    if (!options.trace) log_level_set(LOG_LEVEL_ERROR);
    if (!planted_set(options.bug)) return main_usage(options.bug);
    manifest_split_limits(MAIN_LIST_BYTES, MAIN_LIST_BYTES, 0);
    if (options.one) {
        options.from = options.seed;
        options.seeds = options.jobs = 1;
    }
    if (options.jobs == 1) {
        main_run(&options, 0, &sums);
    } else {
        all = main_share(&options, &sums);
    }
    if (!options.bugs) {
        printf("%llu seeds, %llu failed: %llu steps, %llu crashes, %llu moves, %llu epochs decided, %llu replays, %llu "
               "parts of lists read, %llu commits\n",
               (unsigned long long)sums.seeds, (unsigned long long)sums.bad, (unsigned long long)sums.steps,
               (unsigned long long)sums.crashes, (unsigned long long)sums.moves, (unsigned long long)sums.decisions,
               (unsigned long long)sums.replays, (unsigned long long)sums.list_parts,
               (unsigned long long)sums.commits);
    }
    if (!all) printf("a process died before its seeds were done\n");
    return sums.bad > 0 || !all;
}
