// Identities. Immutable once made, so any thread reads them. Cannot fail.
#include "common/rpc/rpc_who.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"

struct rpc_who {
    _Atomic unsigned refs;
    struct rpc_identity identity;
    const char **names;
};

static const char *rpc_who_copy(const char *text)
{
    return text ? memory_strdup(text) : NULL;
}

static void rpc_who_forget(const char *text)
{
    memory_free((void *)(uintptr_t)text);
}

struct rpc_who *rpc_who_create(const struct rpc_identity *from)
{
    struct rpc_who *who = memory_calloc(1, sizeof *who);
    size_t count = 0;
    while (from->alternative_names && from->alternative_names[count]) count++;
    who->names = memory_calloc(count + 1, sizeof *who->names);
    for (size_t i = 0; i < count; i++) who->names[i] = memory_strdup(from->alternative_names[i]);
    atomic_store(&who->refs, 1);
    who->identity = *from;
    who->identity.common_name = rpc_who_copy(from->common_name);
    who->identity.organization = rpc_who_copy(from->organization);
    who->identity.token = rpc_who_copy(from->token);
    who->identity.alternative_names = who->names;
    return who;
}

struct rpc_who *rpc_who_ref(struct rpc_who *who)
{
    atomic_fetch_add(&who->refs, 1);
    return who;
}

void rpc_who_unref(struct rpc_who *who)
{
    if (!who || atomic_fetch_sub(&who->refs, 1) > 1) return;
    for (size_t i = 0; who->names[i]; i++) rpc_who_forget(who->names[i]);
    memory_free(who->names);
    rpc_who_forget(who->identity.common_name);
    rpc_who_forget(who->identity.organization);
    rpc_who_forget(who->identity.token);
    memory_free(who);
}

const struct rpc_identity *rpc_who_identity(const struct rpc_who *who)
{
    return &who->identity;
}

void rpc_who_address(const struct sockaddr *address, struct rpc_identity *identity)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
        snprintf(identity->address, sizeof identity->address, "%s:%u", host, ntohs(four->sin_port));
        identity->local = ntohl(four->sin_addr.s_addr) >> 24 == 127;
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
        snprintf(identity->address, sizeof identity->address, "[%s]:%u", host, ntohs(six->sin6_port));
        identity->local = IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) || (mapped && six->sin6_addr.s6_addr[12] == 127);
    } else {
        snprintf(identity->address, sizeof identity->address, "local");
        identity->local = true;
    }
}
