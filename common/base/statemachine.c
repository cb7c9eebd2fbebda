// State machines: a move that the table does not allow is a bug, and ends the process.
#include "common/base/statemachine.h"

#include "common/base/log.h"

void statemachine_init(struct statemachine *machine, const char *name, uint64_t id,
                       const struct statemachine_state *states, int state_count, int first,
                       bool (*invariant)(const struct statemachine *, int), void *owner)
{
    *machine = (struct statemachine){.name = name,
                                     .id = id,
                                     .states = states,
                                     .state_count = state_count,
                                     .state = first,
                                     .invariant = invariant,
                                     .owner = owner};
    ASSERT(first >= 0 && first < state_count && state_count <= 32);
}

void statemachine_move(struct statemachine *machine, int to)
{
    int from = machine->state;
    ASSERT(to >= 0 && to < machine->state_count);
    if (!(machine->states[from].allowed & STATEMACHINE_TO(to))) {
        log_error("forbidden_move", "machine=%s id=%llu from=%s to=%s", machine->name, (unsigned long long)machine->id,
                  machine->states[from].name, machine->states[to].name);
    }
    ASSERT(machine->states[from].allowed & STATEMACHINE_TO(to));
    machine->state = to;
    log_debug("move", "machine=%s id=%llu from=%s to=%s", machine->name, (unsigned long long)machine->id,
              machine->states[from].name, machine->states[to].name);
    ASSERT(!machine->invariant || machine->invariant(machine, from));
}

const char *statemachine_name(const struct statemachine *machine)
{
    return machine->states[machine->state].name;
}
