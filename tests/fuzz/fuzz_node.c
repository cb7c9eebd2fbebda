// Cluster messages, into a worker process: whatever comes, what is served is what the leader last named, and nothing is
// dropped that was not served. Input: records. Bits of the flags: 1 from another coordinator, 2 time goes on.
#include "common/rpc/cluster_message.h"
#include "tests/fuzz/fuzz_role.h"
#include "worker/node.h"

enum { FUZZ_RECORDS_MAX = 64 };

static struct fuzz_role role;
static VECTOR(uint64_t) served;

static void fuzz_follow(void *context, uint32_t leader, const char *url)
{
    (void)context, (void)leader;
    ASSERT(url);
}

static void fuzz_serve(void *context, uint64_t channel, const char *pipeline, uint32_t leader)
{
    (void)context, (void)leader;
    ASSERT(pipeline);
    for (size_t i = 0; i < served.count; i++) ASSERT(served.items[i] != channel);
    vector_push(&served, channel);
}

static void fuzz_drop(void *context, uint64_t channel)
{
    (void)context;
    size_t at = 0;
    while (at < served.count && served.items[at] != channel) at++;
    ASSERT(at < served.count);
    vector_remove(&served, at);
}

static void fuzz_refused(void *context, const char *why, bool final)
{
    (void)context, (void) final;
    ASSERT(why);
}

static void fuzz_left(void *context)
{
    (void)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_records records = {bytes, size};
    uint8_t flags;
    const struct node_config config = {.name = "w",
                                       .url = "tcp://w:1",
                                       .version = "1",
                                       .lanes = 1,
                                       .coordinator_count = 2,
                                       .follow = fuzz_follow,
                                       .serve = fuzz_serve,
                                       .drop = fuzz_drop,
                                       .refused = fuzz_refused,
                                       .left = fuzz_left};
    fuzz_role_init(&role);
    struct node *node = node_create(&config, &role.seam);
    node_role(node, &role.role);
    fuzz_role_pump(&role);
    for (int i = 0; i < FUZZ_RECORDS_MAX && fuzz_records_next(&records, &flags, &bytes, &size); i++) {
        if (flags & 2) role.now_us += 1000000;
        role.role.message(role.role.role, flags & 1 ? 2 : 1, bytes, size);
        fuzz_role_pump(&role);
    }
    fuzz_role_deinit(&role);
    node_destroy(node);
    vector_deinit(&served);
    return 0;
}
