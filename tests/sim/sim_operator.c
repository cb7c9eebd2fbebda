// A person's commands: pipelines are applied, stopped, started, applied again; workers drained and undrained. Each is
// given to some coordinator, and again to another until one of them says that it is done.
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

#define OPERATOR_PATIENCE_US (3 * SIM_SECOND)
#define OPERATOR_AGAIN_US    (SIM_SECOND / 2)
#define OPERATOR_GROWS       0.005 // a tenth of a second's

struct operator_wish {
    const char *verb; // NULL: nothing is wished for
    bool drains, replays;
    uint64_t token; // of the command under way; 0: none
    int64_t ask_at_us;
};
static struct {
    struct operator_wish pipelines[SIM_PIPELINES_MAX], workers[3];
    bool applied[SIM_PIPELINES_MAX];
    const char *resolves[SIM_PIPELINES_MAX]; // the verb for one that is blocked; NULL: none is
    bool replays[SIM_PIPELINES_MAX];         // by reading again what is gone
    bool grown[SIM_PIPELINES_MAX];           // from here on it is applied with one table more
    uint64_t tokens;
} operator;

void sim_operator_reset(void)
{
    memset(&operator, 0, sizeof operator);
    for (uint32_t i = 0; i < SIM_PIPELINES_MAX; i++) operator.pipelines[i].verb = "pipelines apply";
}

static void operator_option(Foreset__AdminRequest *request, const char *key)
{
    Foreset__Property *option = memory_calloc(1, sizeof *option);
    foreset__property__init(option);
    option->key = memory_strdup(key);
    option->value = memory_strdup("");
    request->options = memory_realloc(request->options, (request->n_options + 1) * sizeof *request->options);
    request->options[request->n_options++] = option;
}

static void operator_ask(struct operator_wish *wish, const char *name, const char *text)
{
    struct sim_process *coordinator = &sim->processes[random_below(&sim->random, sim->knobs.coordinators)];
    struct sim_role *role = coordinator->alive ? sim_core_find(coordinator, 0) : NULL;
    wish->ask_at_us = sim->now_us + OPERATOR_AGAIN_US;
    if (!role) return;
    wish->token = ++operator.tokens;
    wish->ask_at_us = sim->now_us + OPERATOR_PATIENCE_US;
    Foreset__Cluster *message = memory_alloc(sizeof *message);
    foreset__cluster__init(message);
    message->body_case = FORESET__CLUSTER__BODY_REQUEST;
    Foreset__AdminRequest *request = message->request = memory_alloc(sizeof *request);
    foreset__admin_request__init(request);
    request->version = memory_strdup("simulated");
    request->verb = memory_strdup(wish->verb);
    request->names = memory_calloc(1, sizeof *request->names);
    request->names[request->n_names++] = memory_strdup(name);
    bool applies = strcmp(wish->verb, "pipelines apply") == 0;
    if (applies && sim->knobs.available_now) operator_option(request, "available-now");
    if (strcmp(wish->verb, "pipelines retry") == 0) operator_option(request, wish->replays ? "replay" : "overwrite");
    if (text && wish->drains) operator_option(request, "drain");
    if (applies) {
        request->has_text = true;
        request->text.len = strlen(text);
        request->text.data = (uint8_t *)memory_strdup(text);
    }
    sim_core_post(role, cluster_request_event((void *)(uintptr_t)wish->token, message));
}

void sim_operator_reply(void *token, const Foreset__AdminReply *reply)
{
    struct operator_wish *wish = NULL;
    for (uint32_t i = 0; i < SIM_PIPELINES_MAX; i++) {
        if (operator.pipelines[i].token ==(uintptr_t) token) wish = &operator.pipelines[i];
        if (operator.workers[i].token ==(uintptr_t) token) wish = &operator.workers[i];
    }
    if (!wish || !wish->verb) return;
    sim_core_trace("%s: exit %u, %s", wish->verb, reply->exit_code, reply->message ? reply->message : "");
    wish->token = 0;
    wish->ask_at_us = sim->now_us + OPERATOR_AGAIN_US;
    bool runs = reply->exit_code == 2 && strstr(reply->message, "runs; stop it first");
    if (reply->exit_code != 0 && !runs) return;
    if (wish >= operator.pipelines && wish<operator.pipelines + SIM_PIPELINES_MAX)
        operator.applied[wish - operator.pipelines] = true;
    bool stops = strcmp(wish->verb, "pipelines stop") == 0;
    wish->verb = stops ? "pipelines start" : NULL;
    if (stops) wish->ask_at_us = sim->now_us + (int64_t)random_below(&sim->random, 4 * SIM_SECOND);
}

static void operator_wish_for(struct operator_wish *wish, const char *verb, bool drains)
{
    *wish = (struct operator_wish){.verb = verb, .drains = drains};
}

// Who ran to the end of what there was runs again until there is nothing left.
static void operator_again(uint32_t pipeline)
{
    struct operator_wish *wish = &operator.pipelines[pipeline];
    bool rest = !sim->faults || sim->knobs.available_now;
    if (wish->verb || !operator.applied[pipeline] || !rest || sim->now_us<wish->ask_at_us) return;
    operator_wish_for(wish, "pipelines start", false);
}

static void operator_pipeline(uint32_t pipeline)
{
    static const char *const verbs[] = {"pipelines stop", "pipelines apply"};
    struct operator_wish *wish = &operator.pipelines[pipeline];
    char name[8], text[8];
    if (operator.applied[pipeline] && sim_core_roll(sim->knobs.command))
        operator_wish_for(wish, verbs[random_below(&sim->random, 2)], random_chance(&sim->random, 0.5));
    if (operator.resolves[pipeline] && !wish->verb) {
        operator_wish_for(wish, operator.resolves[pipeline], false);
        wish->replays = operator.replays[pipeline];
        operator.resolves[pipeline] = NULL;
    }
    bool grows = sim->knobs.grows && operator.applied[pipeline] && !operator.grown[pipeline];
    if (grows && (!sim->faults || sim_core_roll(OPERATOR_GROWS))) {
        operator.grown[pipeline] = true;
        operator_wish_for(wish, "pipelines apply", false);
    }
    operator_again(pipeline);
    snprintf(name, sizeof name, "p%u", pipeline);
    snprintf(text, sizeof text, "p%u%s", pipeline, operator.grown[pipeline] ? "+" : "");
    if (wish->verb && sim->now_us >= wish->ask_at_us) operator_ask(wish, name, text);
    if (!wish->verb && wish->ask_at_us < sim->now_us) wish->ask_at_us = sim->now_us + OPERATOR_PATIENCE_US;
}

// The message names the way: files are brought back, or their epoch is replayed; the pipeline's rows win, or the table
// is taken as it is.
void sim_operator_blocked(uint32_t pipeline, const char *why)
{
    bool gone = strstr(why, " gone") != NULL, wins = strstr(why, "--overwrite=") != NULL;
    bool replays = gone && strstr(why, "--replay=") && random_chance(&sim->random, 0.7);
    if (gone && !replays) sim_others_bring_back(pipeline);
    if (!gone && !wins && !strstr(why, "--adopt="))
        sim_core_fail("I7: nothing resolves what blocks p%u: %s", pipeline, why);
    operator.replays[pipeline] = replays;
    operator.resolves[pipeline] = replays ? "pipelines retry"
    : gone                                ? "pipelines start"
    : wins                                ? "pipelines retry"
                                          : "pipelines adopt";
}

void sim_operator_act(void)
{
    for (uint32_t i = 0; i < sim->knobs.pipelines; i++) operator_pipeline(i);
    for (uint32_t i = 0; i < sim->knobs.workers; i++) {
        struct operator_wish *wish = &operator.workers[i];
        if (wish->verb && sim->now_us >= wish->ask_at_us) operator_ask(wish, sim_host_workers[i], NULL);
    }
}

void sim_operator_calm(void)
{
    for (uint32_t i = 0; i < sim->knobs.pipelines; i++) {
        if (!operator.applied[i]) continue;
        operator.grown[i] = sim->knobs.grows;
        operator_wish_for(&operator.pipelines[i], sim->knobs.grows ? "pipelines apply" : "pipelines start", false);
    }
}

void sim_operator_drain(const struct sim_process *worker)
{
    operator_wish_for(&operator.workers[worker->id - 11], worker->drained ? "workers drain" : "workers undrain", false);
}

bool sim_operator_content(void)
{
    for (uint32_t i = 0; i < sim->knobs.workers; i++) {
        if (operator.workers[i].verb) return false;
    }
    return true;
}
