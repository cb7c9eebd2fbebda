// An answer of etcd's gateway, which may be any server's: any bytes give an answer read or an error. The first byte
// says which kind of answer it is taken for.
#include "common/kv/kv_etcd_json.h"
#include "tests/fuzz/fuzz.h"

static void range_of(struct slice json)
{
    struct kv_etcd_header header;
    struct kv_list list = {0};
    struct error err;
    bool more;
    enum status status = kv_etcd_json_read_range(json, &header, &list, &more, &err);
    ASSERT(status == STATUS_OK || err.message[0]);
    for (size_t i = 0; i < list.count; i++) ASSERT(list.items[i].key[0] && list.items[i].value.bytes);
    kv_list_deinit(&list);
}

static void watch_of(struct slice json)
{
    struct kv_etcd_watch_line line;
    struct error err;
    if (kv_etcd_json_read_watch(json, &line, &err) != STATUS_OK) {
        ASSERT(err.message[0]);
        return;
    }
    for (size_t i = 0; i < line.events.count; i++) {
        const struct kv_event *event = &line.events.items[i];
        ASSERT(event->key[0] && event->removed == !event->bytes);
    }
    if (line.refused) ASSERT(line.refusal.code != KV_ETCD_OK);
    kv_etcd_json_watch_deinit(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct kv_etcd_header header;
    struct kv_etcd_refusal refusal;
    struct error err;
    int64_t lease, ttl_s;
    char *token = NULL;
    if (size == 0) return 0;
    struct slice json = slice_of((const char *)bytes + 1, size - 1);
    switch (bytes[0] % 5) {
    case 0: range_of(json); break;
    case 1: watch_of(json); break;
    case 2:
        if (kv_etcd_json_read_lease(json, &header, &lease, &ttl_s, &err) == STATUS_OK) ASSERT(lease != 0);
        break;
    case 3:
        if (kv_etcd_json_read_token(json, &token, &err) == STATUS_OK) ASSERT(token[0]);
        memory_free(token);
        break;
    default:
        kv_etcd_json_read_refusal(json, 503, &refusal);
        ASSERT(refusal.code != KV_ETCD_OK && refusal.message[sizeof refusal.message - 1] == '\0');
    }
    return 0;
}
