// Roles by name and rank. Nothing fails.
#include "common/access/access_role.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum access_role role;
    const char *name;
    unsigned includes;
} access_roles[] = {{ACCESS_READER, "reader", ACCESS_READER},
                    {ACCESS_OPERATOR, "operator", ACCESS_OPERATOR | ACCESS_READER},
                    {ACCESS_ADMIN, "admin", ACCESS_ADMIN | ACCESS_OPERATOR | ACCESS_READER},
                    {ACCESS_WORKER, "worker", ACCESS_WORKER},
                    {ACCESS_COORDINATOR, "coordinator", ACCESS_COORDINATOR}};
enum { ACCESS_ROLE_COUNT = sizeof access_roles / sizeof *access_roles };

const char *access_role_name(enum access_role role)
{
    for (size_t i = 0; i < ACCESS_ROLE_COUNT; i++) {
        if (access_roles[i].role == role) return access_roles[i].name;
    }
    return "none";
}

unsigned access_role_parse(const char *name)
{
    for (size_t i = 0; i < ACCESS_ROLE_COUNT; i++) {
        if (strcmp(access_roles[i].name, name) == 0) return access_roles[i].role;
    }
    return 0;
}

bool access_role_includes(unsigned roles, enum access_role needed)
{
    unsigned included = 0;
    for (size_t i = 0; i < ACCESS_ROLE_COUNT; i++) {
        if (roles & access_roles[i].role) included |= access_roles[i].includes;
    }
    return (included & needed) == (unsigned)needed;
}

void access_role_text(unsigned roles, char ret_text[ACCESS_ROLE_TEXT_SIZE])
{
    size_t used = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < ACCESS_ROLE_COUNT; i++) {
        if (!(roles & access_roles[i].role)) continue;
        used += (size_t)snprintf(ret_text + used, ACCESS_ROLE_TEXT_SIZE - used, "%s%s", used ? "," : "",
                                 access_roles[i].name);
    }
    if (used == 0) snprintf(ret_text, ACCESS_ROLE_TEXT_SIZE, "none");
}
