// Roles of peers: what a certificate or the token lets its holder do. A peer may have several, as a set of bits.
#ifndef FORESET_ACCESS_ACCESS_ROLE_H
#define FORESET_ACCESS_ACCESS_ROLE_H

#include <stdbool.h>
#include <stddef.h>

enum access_role {
    ACCESS_READER = 1,       // asks
    ACCESS_OPERATOR = 2,     // and plans, applies, starts, stops
    ACCESS_ADMIN = 4,        // and deletes, takes over, overwrites
    ACCESS_WORKER = 8,       // joins as a worker; sends no commands
    ACCESS_COORDINATOR = 16, // commands workers; sends no commands to other coordinators
};
#define ACCESS_ROLES_ALL      31u
#define ACCESS_ROLE_TEXT_SIZE 64

const char *access_role_name(enum access_role role);
// 0: unknown name.
unsigned access_role_parse(const char *name);
// Whether a peer with these roles may do what needs `needed`: admin includes operator, operator includes reader.
bool access_role_includes(unsigned roles, enum access_role needed);
// "reader", "worker,coordinator", "none".
void access_role_text(unsigned roles, char ret_text[ACCESS_ROLE_TEXT_SIZE]);

#endif
