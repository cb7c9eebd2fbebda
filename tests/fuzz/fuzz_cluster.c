// Cluster messages, into the leader: what workers say (Hello), and a person's commands with any text and options,
// through the real compiler and a real kv store. Every command is answered, once. Input: records. Bits of the flags: 1
// a command, 2 of our version, 4 time goes on, 8 from another peer, 16 a pipeline ended.
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rpc/cluster_message.h"
#include "common/rpc/envelope.h"
#include "coordinator/cluster/cluster.h"
#include "coordinator/planner/planner.h"
#include "tests/fuzz/fuzz_role.h"

enum { FUZZ_RECORDS_MAX = 64, FUZZ_CHANNELS_MAX = 300 };
static char fuzz_version[] = "1.0";

static struct fuzz_role role;
static char fuzz_folder[64];
static unsigned answers;
static uint64_t channels[FUZZ_CHANNELS_MAX]; // of pipelines that run
static size_t channel_count;

static int fuzz_remove(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)found, (void)kind, (void)walk;
    return remove(path);
}

static void fuzz_forget(void)
{
    nftw(fuzz_folder, fuzz_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static void fuzz_prepare(void)
{
    if (!*fuzz_folder) {
        snprintf(fuzz_folder, sizeof fuzz_folder, "%s/foreset-fuzz-cluster-%d",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
        ASSERT(atexit(fuzz_forget) == 0);
    }
    fuzz_forget();
    ASSERT(mkdir(fuzz_folder, 0700) == 0);
}

// ---- The host ----

static enum status fuzz_compile(void *context, const struct definition *definition, struct arena *arena,
                                Foreset__Plan **ret_plan, const char *const **ret_warnings, struct error *err)
{
    const struct planner_options options = {.file_name = definition->file_name,
                                            .directory = definition->directory,
                                            .settings = definition->settings,
                                            .setting_count = definition->setting_count,
                                            .kafka = definition->kafka,
                                            .kafka_count = definition->kafka_count};
    (void)context;
    return planner_compile(definition->sql, &options, arena, ret_plan, ret_warnings, err);
}

static enum status fuzz_start(void *context, const struct definition *definition, const struct cluster_start *start,
                              struct error *err)
{
    (void)context, (void)start;
    if (channel_count == FUZZ_CHANNELS_MAX)
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "%s: too many", definition->name);
    channels[channel_count++] = definition_channel(definition);
    return STATUS_OK;
}

static void fuzz_channel(void *context, uint64_t channel)
{
    (void)context, (void)channel;
}

static void fuzz_leaving(void *context, uint64_t channel, const char *const *workers, size_t count)
{
    (void)context, (void)channel;
    for (size_t i = 0; i < count; i++) ASSERT(workers[i][0]);
}

static char *fuzz_status(void *context, uint64_t channel)
{
    (void)context, (void)channel;
    return NULL;
}

static void fuzz_dial(void *context, uint32_t worker, const char *url)
{
    (void)context, (void)worker;
    ASSERT(url);
}

static void fuzz_hangup(void *context, uint32_t worker)
{
    (void)context, (void)worker;
}

static void fuzz_reply(void *context, void *token, const Foreset__AdminReply *reply)
{
    (void)context, (void)token;
    ASSERT(reply->exit_code <= 2 && foreset__admin_reply__get_packed_size(reply) > 0);
    answers++;
}

static void fuzz_ends(void *context, const char *why)
{
    (void)context;
    ASSERT(!*why); // nobody else leads, and the kv store stays
}

// ---- What comes ----

static void fuzz_envelope(const uint8_t *bytes, size_t size)
{
    struct envelope envelope;
    uint8_t again[ENVELOPE_SIZE];
    if (!envelope_read(bytes, size, &envelope)) return;
    envelope_write(&envelope, again);
    ASSERT(memcmp(again, bytes, sizeof again) == 0);
}

static void fuzz_request(Foreset__Cluster *message, uint8_t flags)
{
    unsigned before = answers;
    if (flags & 2) {
        memory_free(message->request->version);
        message->request->version = memory_strdup(fuzz_version);
    }
    role.role.event(role.role.role, cluster_request_event(message, message));
    fuzz_role_pump(&role);
    ASSERT(answers == before + 1);
}

static void fuzz_record(uint8_t flags, const uint8_t *bytes, size_t size)
{
    Foreset__Cluster *message = NULL;
    struct error err;
    fuzz_envelope(bytes, size);
    bool read = cluster_message_unpack(bytes, size, &message, &err) == STATUS_OK;
    if (read && message->body_case == FORESET__CLUSTER__BODY_REQUEST && flags & 1) {
        fuzz_request(message, flags); // takes it
        return;
    }
    uint8_t *said = NULL;
    if (read && message->body_case == FORESET__CLUSTER__BODY_HELLO && flags & 2) {
        memory_free(message->hello->version);
        message->hello->version = memory_strdup(fuzz_version);
        size = foreset__cluster__get_packed_size(message);
        said = memory_alloc(size + 1);
        foreset__cluster__pack(message, said);
    }
    role.role.message(role.role.role, flags & 8 ? 4 : 3, said ? said : bytes, size);
    memory_free(said);
    cluster_message_destroy(message);
}

static void fuzz_ended(void)
{
    if (channel_count == 0) return;
    struct error err;
    (void)error_set(&err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "it failed at \xC3");
    role.role.event(role.role.role, cluster_ended_event(channels[--channel_count], PIPELINE_FAILED, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_records records = {bytes, size};
    struct cluster *cluster = NULL;
    struct kv *kv = NULL;
    struct error err;
    uint8_t flags;
    fuzz_prepare();
    fuzz_role_init(&role);
    channel_count = 0;
    ASSERT(kv_local_open(fuzz_folder, &kv, &err) == STATUS_OK);
    const struct cluster_config config = {.name = "c",
                                          .url = "tcp://c:1",
                                          .version = fuzz_version,
                                          .kv = kv,
                                          .kv_name = "kv",
                                          .lease_ttl_us = 3000000,
                                          .host = {.compile = fuzz_compile,
                                                   .start = fuzz_start,
                                                   .drain = fuzz_channel,
                                                   .abandon = fuzz_channel,
                                                   .leaving = fuzz_leaving,
                                                   .status = fuzz_status,
                                                   .dial = fuzz_dial,
                                                   .hangup = fuzz_hangup,
                                                   .reply = fuzz_reply,
                                                   .fenced = fuzz_ends,
                                                   .lost = fuzz_ends,
                                                   .unreadable = fuzz_ends}};
    ASSERT(cluster_create(&config, &role.seam, &cluster, &err) == STATUS_OK);
    cluster_role(cluster, &role.role);
    fuzz_role_pump(&role);
    for (int i = 0; i < FUZZ_RECORDS_MAX && fuzz_records_next(&records, &flags, &bytes, &size); i++) {
        if (flags & 4) role.now_us += 900000;
        if (flags & 16) fuzz_ended();
        fuzz_record(flags, bytes, size);
        fuzz_role_pump(&role);
    }
    fuzz_role_deinit(&role);
    cluster_destroy(cluster);
    kv_close(kv);
    return 0;
}
