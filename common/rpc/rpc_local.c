// The process's list of named endpoints. Cannot fail but by a name that is taken.
#include "common/rpc/rpc_local.h"

#include <string.h>

static pthread_mutex_t rpc_local_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rpc *rpc_local_first;

// Under the lock.
static struct rpc *rpc_local_get(const char *url)
{
    struct rpc *rpc = rpc_local_first;
    while (rpc && strcmp(rpc->url, url) != 0) rpc = rpc->next;
    return rpc;
}

bool rpc_local_add(struct rpc *rpc)
{
    pthread_mutex_lock(&rpc_local_lock);
    bool free_name = !rpc_local_get(rpc->url);
    if (free_name) {
        rpc->next = rpc_local_first;
        rpc_local_first = rpc;
    }
    pthread_mutex_unlock(&rpc_local_lock);
    return free_name;
}

void rpc_local_remove(struct rpc *rpc)
{
    pthread_mutex_lock(&rpc_local_lock);
    struct rpc **at = &rpc_local_first;
    while (*at && *at != rpc) at = &(*at)->next;
    if (*at) *at = rpc->next;
    pthread_mutex_unlock(&rpc_local_lock);
}

struct rpc *rpc_local_find(const char *url)
{
    pthread_mutex_lock(&rpc_local_lock);
    struct rpc *rpc = rpc_local_get(url);
    if (rpc) rpc_ref(rpc);
    pthread_mutex_unlock(&rpc_local_lock);
    return rpc;
}
