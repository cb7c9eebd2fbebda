// The network: every message takes its own time; it may be lost, come twice, or come long after others that were sent
// behind it.
#include <string.h>

#include "tests/sim/sim.h"

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
    if (size > 0 && sim_core_roll(sim->knobs.drop / 4)) message->bytes[random_below(&sim->random, size)] ^= 1; // damaged
    sim_core_at(delay_us, NULL, sim_network_arrive, memory_free, message);
}

void sim_network_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size)
{
    struct sim_process *from = (struct sim_process *)seam, *to = NULL;
    if (from->dying) return;
    for (size_t i = 0; i < sim->process_count; i++) {
        if (sim->processes[i].id == peer) to = &sim->processes[i];
    }
    if (!to || sim_core_roll(sim->knobs.drop)) return;
    int64_t delay_us = 100;
    if (sim_core_roll(sim->knobs.delay)) {
        delay_us += (int64_t)random_below(&sim->random, random_chance(&sim->random, 0.5) ? 3 * SIM_SECOND : SIM_SECOND / 2);
    }
    sim_network_deliver(to, from->id, bytes, size, delay_us);
    if (sim_core_roll(sim->knobs.duplicate)) {
        sim_network_deliver(to, from->id, bytes, size, delay_us + (int64_t)random_below(&sim->random, 20 * SIM_SECOND));
    }
}
