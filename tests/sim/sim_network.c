// The network: every message takes its own time; it may be lost, damaged, come twice, or come long after others that
// were sent behind it. It also remembers: a Prepared of an earlier attempt may arrive right behind the ReadDone of a
// later one.
#include <string.h>

#include "common/rpc/control_message.h"
#include "tests/sim/sim.h"

enum { NETWORK_MEMORY = 32 };

// A process is reached at its address, whichever of its lives is there; it speaks under a number of its own.
#define NETWORK_LIVES 1000u

struct sim_message {
    struct sim_process *to;
    uint64_t channel;
    uint32_t from;
    size_t size;
    uint8_t bytes[];
};

static uint32_t sim_network_self(const struct sim_process *process)
{
    return process->id + NETWORK_LIVES * (uint32_t)(process->life + 1);
}

// ---- What the network says of a peer ----

enum sim_hint_kind { SIM_HINT_GONE, SIM_HINT_LOST, SIM_HINT_SILENT };
struct sim_hint {
    struct sim_process *to;
    uint32_t peer;
    enum sim_hint_kind kind;
};

static void sim_network_tell(void *argument)
{
    struct sim_hint hint = *(struct sim_hint *)argument;
    memory_free(argument);
    for (size_t i = 0; i < SIM_ROLES_MAX && hint.to->alive; i++) {
        struct sim_role *role = &hint.to->roles[i];
        bool gone = hint.kind == SIM_HINT_GONE;
        if (!sim_core_takes(role) || !(gone ? role->role.gone != NULL : role->role.lost != NULL)) continue;
        sim->current = role;
        if (gone) {
            role->role.gone(role->role.role, hint.peer);
        } else {
            role->role.lost(role->role.role, hint.peer, hint.kind == SIM_HINT_SILENT);
        }
        sim->current = NULL;
        sim_core_tick(role);
    }
}

// After us, or when it has stood still for long enough.
static void sim_network_hint(struct sim_process *to, uint32_t peer, enum sim_hint_kind kind, int64_t us)
{
    struct sim_hint *hint = memory_alloc(sizeof *hint);
    *hint = (struct sim_hint){to, peer, kind};
    if (to->paused_until_us > sim->now_us) us += to->paused_until_us - sim->now_us;
    sim_core_at(us, NULL, sim_network_tell, memory_free, hint);
}

void sim_network_gone(const struct sim_process *process)
{
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *to = &sim->processes[i];
        bool leads = process->kind == SIM_COORDINATOR;
        if (to->kind != SIM_COORDINATOR || !to->alive || to->dying || !random_chance(&sim->random, 0.7)) continue;
        if (leads && to->watches != process->id) continue;
        uint32_t peer = leads ? CLUSTER_LEADER_PEER : sim_network_self(process);
        sim_network_hint(to, peer, SIM_HINT_GONE, (int64_t)random_below(&sim->random, SIM_SECOND / 2));
    }
}

void sim_network_lost(struct sim_process *from, const struct sim_process *to)
{
    enum sim_hint_kind kind = random_chance(&sim->random, 0.7) ? SIM_HINT_SILENT : SIM_HINT_LOST;
    int64_t us = 3 * SIM_SECOND + (int64_t)random_below(&sim->random, SIM_SECOND);
    sim_network_hint(from, sim_network_self(to), kind, us);
}

// ---- Messages ----

static void sim_network_arrive(void *argument)
{
    struct sim_message *message = argument;
    struct sim_process *to = message->to;
    if (to->alive && !to->dying && to->paused_until_us <= sim->now_us) {
        struct sim_role *role = sim_core_find(to, message->channel);
        sim->current = role;
        if (role) role->role.message(role->role.role, message->from, message->bytes, message->size);
        sim->current = NULL;
        if (role) sim_core_tick(role);
    } else if (to->alive && !to->dying) { // it stands still: the message waits at its door
        sim_core_at(to->paused_until_us - sim->now_us, NULL, sim_network_arrive, memory_free, message);
        return;
    }
    memory_free(message);
}

static void sim_network_deliver(struct sim_process *to, uint64_t channel, uint32_t from, const void *bytes, size_t size,
                                int64_t delay_us)
{
    struct sim_message *message = memory_alloc(sizeof *message + size);
    *message = (struct sim_message){.to = to, .channel = channel, .from = from, .size = size};
    memcpy(message->bytes, bytes, size);
    if (size > 0 && sim_core_roll(sim->knobs.drop / 4))
        message->bytes[random_below(&sim->random, size)] ^= 1; // damaged
    sim_core_at(delay_us, NULL, sim_network_arrive, memory_free, message);
}

// What was sent lately, lost or not.
static struct {
    uint32_t from, to;
    uint64_t channel, generation, epoch;
    struct text bytes;
} network_prepared[NETWORK_MEMORY];
static size_t network_next;

void sim_network_reset(void)
{
    for (size_t i = 0; i < NETWORK_MEMORY; i++) {
        text_deinit(&network_prepared[i].bytes);
        network_prepared[i].from = 0;
    }
    network_next = 0;
}

static void sim_network_remember(const struct sim_role *from, uint32_t self, struct sim_process *to, const void *bytes,
                                 size_t size)
{
    Foreset__Control *control = NULL;
    struct error err;
    if (control_message_unpack(bytes, size, &control, &err) != STATUS_OK) return;
    if (control->body_case == FORESET__CONTROL__BODY_PREPARED) {
        size_t at = network_next++ % NETWORK_MEMORY;
        network_prepared[at].from = self;
        network_prepared[at].channel = from->channel;
        network_prepared[at].to = to->id;
        network_prepared[at].generation = control->generation;
        network_prepared[at].epoch = control->epoch;
        text_reset(&network_prepared[at].bytes);
        text_append(&network_prepared[at].bytes, bytes, size);
    }
    for (size_t i = 0; control->body_case == FORESET__CONTROL__BODY_READ_DONE && i < NETWORK_MEMORY; i++) {
        if (network_prepared[i].from != self || network_prepared[i].to != to->id) continue;
        if (network_prepared[i].channel != from->channel) continue;
        if (network_prepared[i].epoch != control->epoch || network_prepared[i].generation == control->generation)
            continue;
        if (!sim_core_roll(0.5)) continue;
        sim_core_trace("an earlier Prepared of epoch %llu comes back", (unsigned long long)control->epoch);
        sim_network_deliver(to, from->channel, self, network_prepared[i].bytes.data, network_prepared[i].bytes.length,
                            200);
    }
    control_message_destroy(control);
}

void sim_network_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size)
{
    struct sim_role *role = (struct sim_role *)seam;
    struct sim_process *from = role->process, *to = NULL;
    uint32_t self = sim_network_self(from);
    if (from->dying || role->stopping) return;
    for (size_t i = 0; i < sim->process_count; i++) {
        if (sim->processes[i].id == peer % NETWORK_LIVES) to = &sim->processes[i];
    }
    if (!to) return;
    if (sim->cut_until_us[from - sim->processes][to - sim->processes] > sim->now_us) return;
    if (sim->faults && role->worker) sim_network_remember(role, self, to, bytes, size);
    if (sim_core_roll(sim->knobs.drop)) return;
    int64_t delay_us = 100;
    if (sim_core_roll(sim->knobs.delay)) {
        delay_us +=
            (int64_t)random_below(&sim->random, random_chance(&sim->random, 0.5) ? 3 * SIM_SECOND : SIM_SECOND / 2);
    }
    sim_network_deliver(to, role->channel, self, bytes, size, delay_us);
    if (sim_core_roll(sim->knobs.duplicate)) {
        sim_network_deliver(to, role->channel, self, bytes, size,
                            delay_us + (int64_t)random_below(&sim->random, 20 * SIM_SECOND));
    }
}
