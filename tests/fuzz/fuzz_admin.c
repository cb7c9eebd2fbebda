// The answer of a coordinator, as the command line prints it: any bytes give a table, the text as it is, or nothing.
// The first byte says to which command it is the answer.
#include <stdio.h>

#include "cli/admin_print.h"
#include "common/rpc/cluster_message.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_print(const char *name, const char *json)
{
    static FILE *nowhere;
    const struct admin_verb verb = {.name = name};
    if (!nowhere) nowhere = fopen("/dev/null", "we");
    ASSERT(nowhere);
    admin_print(&verb, json, nowhere);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const names[] = {"pipelines list", "pipelines describe", "workers list", "epochs", "lag",
                                        "shards",         "cluster status"};
    Foreset__Cluster *message = NULL;
    struct error err;
    if (size == 0) return 0;
    const char *name = names[bytes[0] % (sizeof names / sizeof *names)];
    bool read = cluster_message_unpack(bytes + 1, size - 1, &message, &err) == STATUS_OK;
    bool reply = read && message->body_case == FORESET__CLUSTER__BODY_REPLY && message->reply->has_json;
    const uint8_t *from = reply ? message->reply->json.data : bytes + 1;
    size_t length = reply ? message->reply->json.len : size - 1;
    char *json = memory_calloc(length + 1, 1);
    if (length > 0) memcpy(json, from, length);
    fuzz_print(name, json);
    memory_free(json);
    cluster_message_destroy(message);
    return 0;
}
