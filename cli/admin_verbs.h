// The commands that a cluster understands, as the command line knows them.
#ifndef FORESET_CLI_ADMIN_VERBS_H
#define FORESET_CLI_ADMIN_VERBS_H

#include <stdbool.h>
#include <stddef.h>

struct admin_verb {
    const char *name;      // "pipelines apply"; what the coordinator is asked
    const char *arguments; // for a person
    const char *help;
    int names_min, names_max;
    bool takes_file;             // its one argument is an SQL file
    bool follows, takes_table;   // --follow; --table NAME
    const char *const *switches; // NULL-terminated; NULL: none
};
// argv[0] is the first word of the command. Returns 0, with the number of words that name it; else the exit code + 1
// (help printed or refused).
int admin_verbs_find(int argc, char **argv, const struct admin_verb **ret_verb, int *ret_words);
const struct admin_verb *admin_verbs_at(size_t index); // NULL: no more
void admin_verbs_help(const struct admin_verb *verb);

#endif
