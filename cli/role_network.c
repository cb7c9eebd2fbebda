// What both roles of a cluster do with the network, and with stores.
#include "cli/role_network.h"

#include "common/base/log.h"

void role_network_send(struct rpc *rpc, enum envelope_kind kind, uint64_t channel, uint32_t peer, const void *bytes,
                       size_t size)
{
    struct envelope envelope = {kind, channel};
    uint8_t head[ENVELOPE_SIZE];
    envelope_write(&envelope, head);
    rpc_send_parts(rpc, peer, head, sizeof head, bytes, size);
}

void role_network_dial(struct rpc *rpc, uint32_t peer, const char *url, enum rpc_kind kind)
{
    struct error err;
    if (rpc_dial(rpc, peer, url, kind, &err) != STATUS_OK)
        log_error("dial_failed", "url=\"%s\" error=\"%s\"", url, err.message);
}

void role_network_reload(struct rpc *rpc)
{
    struct error err;
    if (rpc_reload(rpc, &err) == STATUS_OK) {
        log_info("certificates_read", "url=%s", rpc_url(rpc));
    } else {
        log_error("certificates_kept", "url=%s error=\"%s; the old ones are used on\"", rpc_url(rpc), err.message);
    }
}

enum status role_network_open_store(void *context, const char *url, bool create, struct objstore **ret_store,
                                    struct error *err)
{
    (void)context;
    return objstore_open(url, create, ret_store, err);
}
