// The network: every message takes its own time; it may be lost, damaged, come twice, or come long after others that
// were sent behind it. It also remembers: a Prepared of an earlier attempt may arrive right behind the ReadDone of a
// later one.
#include <string.h>

#include "common/rpc/control_message.h"
#include "tests/sim/sim.h"

enum { NETWORK_MEMORY = 32 };

struct sim_message {
    struct sim_process *to;
    uint32_t from;
    size_t size;
    uint8_t bytes[];
};

static void sim_network_arrive(void *argument)
{
    struct sim_message *message = argument;
    struct sim_process *to = message->to;
    if (to->alive && !to->dying && to->paused_until_us <= sim->now_us) {
        sim->current = to;
        to->role.message(to->role.role, message->from, message->bytes, message->size);
        sim->current = NULL;
        sim_core_tick(to);
    } else if (to->alive && !to->dying) { // it stands still: the message waits at its door
        sim_core_at(to->paused_until_us - sim->now_us, NULL, sim_network_arrive, memory_free, message);
        return;
    }
    memory_free(message);
}

static void sim_network_deliver(struct sim_process *to, uint32_t from, const void *bytes, size_t size, int64_t delay_us)
{
    struct sim_message *message = memory_alloc(sizeof *message + size);
    *message = (struct sim_message){.to = to, .from = from, .size = size};
    memcpy(message->bytes, bytes, size);
    if (size > 0 && sim_core_roll(sim->knobs.drop / 4))
        message->bytes[random_below(&sim->random, size)] ^= 1; // damaged
    sim_core_at(delay_us, NULL, sim_network_arrive, memory_free, message);
}

// What was sent lately, lost or not.
static struct {
    uint32_t from, to;
    uint64_t generation, epoch;
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

static void sim_network_remember(struct sim_process *from, struct sim_process *to, const void *bytes, size_t size)
{
    Foreset__Control *control = NULL;
    struct error err;
    if (control_message_unpack(bytes, size, &control, &err) != STATUS_OK) return;
    if (control->body_case == FORESET__CONTROL__BODY_PREPARED) {
        size_t at = network_next++ % NETWORK_MEMORY;
        network_prepared[at].from = from->id;
        network_prepared[at].to = to->id;
        network_prepared[at].generation = control->generation;
        network_prepared[at].epoch = control->epoch;
        text_reset(&network_prepared[at].bytes);
        text_append(&network_prepared[at].bytes, bytes, size);
    }
    for (size_t i = 0; control->body_case == FORESET__CONTROL__BODY_READ_DONE && i < NETWORK_MEMORY; i++) {
        if (network_prepared[i].from != from->id || network_prepared[i].to != to->id) continue;
        if (network_prepared[i].epoch != control->epoch || network_prepared[i].generation == control->generation)
            continue;
        if (!sim_core_roll(0.5)) continue;
        sim_core_trace("an earlier Prepared of epoch %llu comes back", (unsigned long long)control->epoch);
        sim_network_deliver(to, from->id, network_prepared[i].bytes.data, network_prepared[i].bytes.length, 200);
    }
    control_message_destroy(control);
}

void sim_network_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size)
{
    struct sim_process *from = (struct sim_process *)seam, *to = NULL;
    if (from->dying) return;
    for (size_t i = 0; i < sim->process_count; i++) {
        if (sim->processes[i].id == peer) to = &sim->processes[i];
    }
    if (!to) return;
    if (sim->cut_until_us[from - sim->processes][to - sim->processes] > sim->now_us) return;
    if (sim->faults && from->kind == SIM_WORKER) sim_network_remember(from, to, bytes, size);
    if (sim_core_roll(sim->knobs.drop)) return;
    int64_t delay_us = 100;
    if (sim_core_roll(sim->knobs.delay)) {
        delay_us +=
            (int64_t)random_below(&sim->random, random_chance(&sim->random, 0.5) ? 3 * SIM_SECOND : SIM_SECOND / 2);
    }
    sim_network_deliver(to, from->id, bytes, size, delay_us);
    if (sim_core_roll(sim->knobs.duplicate)) {
        sim_network_deliver(to, from->id, bytes, size, delay_us + (int64_t)random_below(&sim->random, 20 * SIM_SECOND));
    }
}
