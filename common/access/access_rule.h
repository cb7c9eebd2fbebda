// Who may do what: the one table of commands and of messages, by role. What is not in it nobody may do.
// docs/SECURITY.md has the commands' part for readers; a test compares it with this one and runs each row.
#ifndef FORESET_ACCESS_ACCESS_RULE_H
#define FORESET_ACCESS_ACCESS_RULE_H

#include <stddef.h>

#include "common/access/access_role.h"
#include "common/rpc/envelope.h"

// A command, or an option of it that needs more than the command alone.
struct access_rule {
    const char *verb;   // "pipelines apply"
    const char *option; // "full-refresh"; NULL: the command itself
    enum access_role role;
};
const struct access_rule *access_rule_at(size_t index); // NULL: no more
// The rule of the command; option not NULL: of this option. NULL: no such rule; for an option that is: as the command.
const struct access_rule *access_rule_find(const char *verb, const char *option);

// A message between roles, by its name in proto/: who sends it, and who takes it.
struct access_message {
    const char *name; // "Hello"; of Cluster, Control or, for frames, "exchange"
    unsigned from;    // any of these roles; 0: only as the answer to a request
    unsigned to;
};
const struct access_message *access_message_at(size_t index); // NULL: no more
// The role that the sender of such an envelope must have at an endpoint of the role `at`; 0: it takes none of these.
unsigned access_message_sender(enum access_role at, enum envelope_kind kind);

#endif
