// A cluster's JSON answers as tables for a person.
#ifndef FORESET_CLI_ADMIN_PRINT_H
#define FORESET_CLI_ADMIN_PRINT_H

#include <stdio.h>

#include "cli/admin_verbs.h"

void admin_print(const struct admin_verb *verb, const char *json, FILE *to);
void admin_print_message(const char *message); // {"message": …} on stdout

#endif
