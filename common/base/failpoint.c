// Failpoints: parsed once from the environment; kill means SIGKILL to oneself, as a crash
// would; stop means SIGSTOP, until somebody sends SIGCONT.
#include "common/base/failpoint.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/text.h"

enum { FAILPOINT_ARMED_MAX = 16 };
enum failpoint_action { FAILPOINT_KILL, FAILPOINT_ERROR, FAILPOINT_STOP };

struct failpoint_armed {
    char name[64];
    enum failpoint_action action;
    unsigned at; // the n-th pass
    _Atomic unsigned passes;
};

bool failpoint_active;
static struct failpoint_armed failpoint_armed[FAILPOINT_ARMED_MAX];
static unsigned failpoint_armed_count;
static failpoint_hook failpoint_hook_now;
static void *failpoint_hook_context;

// Every point of the program. Keep in the order in which an epoch passes them.
static const char *const failpoint_table[] = {"plan.before",
                                              "plan.after", // leader sends an epoch plan
                                              "poll.before",
                                              "poll.after", // a lane takes rows from its source
                                              "marker.before",
                                              "marker.after", // a lane passes the epoch's marker
                                              "data_write.before",
                                              "data_write.after", // a data file is closed
                                              "data_fsync.before",
                                              "data_fsync.after", // data files and their directory are made durable
                                              "snapshot_write.before",
                                              "snapshot_write.after", // a state snapshot part is made durable
                                              "prepared.before",
                                              "prepared.after", // worker reports Prepared
                                              "manifest_put.before",
                                              "manifest_put.after", // manifest body put-if-absent
                                              "decide.before",
                                              "decide.after", // the kv transaction that decides
                                              "replay.before",
                                              "replay.after", // the kv transaction that decides replayed files
                                              "put.before",
                                              "put.after", // one Delta commit
                                              "rest_write.before",
                                              "rest_write.after", // a copy of another writer's file (update mode)
                                              "published.before",
                                              "published.after", // published mark in kv
                                              "offsets.before",
                                              "offsets.after", // offsets reported to the Kafka group
                                              "checkpoint.before",
                                              "checkpoint.after", // Delta log checkpoint
                                              "clean.before",
                                              "clean.after", // deleting files of aborted attempts
                                              "generation.before",
                                              "generation.after", // raising the generation
                                              "create_table.before",
                                              "create_table.after", // version 0 of a table
                                              "add_columns.before",
                                              "add_columns.after", // the commit that gives a table its new columns
                                              "recover.before",
                                              "recover.after", // recovery's roll-forward
                                              "kv_append.before",
                                              "kv_append.after", // local kv: record appended and fsynced
                                              NULL};

void failpoint_hook_set(failpoint_hook hook, void *context)
{
    failpoint_hook_now = hook;
    failpoint_hook_context = context;
    failpoint_active = hook != NULL || failpoint_armed_count > 0;
}

const char *const *failpoint_names(void)
{
    return failpoint_table;
}

static bool failpoint_known(const char *name)
{
    for (const char *const *at = failpoint_table; *at; at++) {
        if (strcmp(*at, name) == 0) return true;
    }
    return false;
}

static enum status failpoint_arm(char *item, struct error *err)
{
    struct failpoint_armed *armed = &failpoint_armed[failpoint_armed_count];
    char *equals = strchr(item, '=');
    if (!equals || failpoint_armed_count == FAILPOINT_ARMED_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "FORESET_FAILPOINTS: '%s' is not NAME[@N]=kill|error|stop (at most %d of them)", item,
                         FAILPOINT_ARMED_MAX);
    }
    *equals = '\0';
    armed->at = 1;
    char *at = strchr(item, '@');
    if (at) {
        *at = '\0';
        armed->at = (unsigned)strtoul(at + 1, NULL, 10);
    }
    armed->action = FAILPOINT_ERROR;
    if (strcmp(equals + 1, "kill") == 0) armed->action = FAILPOINT_KILL;
    if (strcmp(equals + 1, "stop") == 0) armed->action = FAILPOINT_STOP;
    if (!failpoint_known(item) || armed->at == 0) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "FORESET_FAILPOINTS: no point '%s'; foreset --list-failpoints prints them", item);
    }
    snprintf(armed->name, sizeof armed->name, "%s", item);
    failpoint_armed_count++;
    return STATUS_OK;
}

enum status failpoint_init(struct error *err)
{
    const char *wanted = getenv("FORESET_FAILPOINTS");
    if (!wanted || !*wanted) return STATUS_OK;
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", wanted);
    char *save = NULL;
    for (char *item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
        enum status status = failpoint_arm(item, err);
        if (status != STATUS_OK) return status;
    }
    failpoint_active = failpoint_armed_count > 0 || failpoint_hook_now != NULL;
    return STATUS_OK;
}

enum status failpoint_hit(const char *name, struct error *err)
{
    if (failpoint_hook_now) return failpoint_hook_now(failpoint_hook_context, name, err);
    for (unsigned i = 0; i < failpoint_armed_count; i++) {
        struct failpoint_armed *armed = &failpoint_armed[i];
        if (strcmp(armed->name, name) != 0) continue;
        if (atomic_fetch_add(&armed->passes, 1) + 1 != armed->at) continue;
        if (armed->action == FAILPOINT_KILL) kill(getpid(), SIGKILL);
        if (armed->action == FAILPOINT_STOP) kill(getpid(), SIGSTOP);
        if (armed->action == FAILPOINT_STOP) return STATUS_OK; // somebody let it go on
        return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "injected failure at %s", name);
    }
    return STATUS_OK;
}
