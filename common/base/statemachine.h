// A state machine is a table of allowed moves, an invariant, and a trace line per move (after dqlite's lib/sm.h).
#ifndef FORESET_BASE_STATEMACHINE_H
#define FORESET_BASE_STATEMACHINE_H

#include <stdint.h>

#include "common/base/error.h"

struct statemachine_state {
    const char *name;
    uint32_t allowed; // bit n: a move to state n is allowed
};
struct statemachine {
    const char *name; // "epoch", "pipeline"
    uint64_t id;      // printed with the name: "epoch 7"
    const struct statemachine_state *states;
    int state_count;
    int state;
    bool (*invariant)(const struct statemachine *machine, int previous); // NULL: none
    void *owner;
};
#define STATEMACHINE_TO(state) (1u << (state))

void statemachine_init(struct statemachine *machine, const char *name, uint64_t id,
                       const struct statemachine_state *states, int state_count, int first,
                       bool (*invariant)(const struct statemachine *, int), void *owner);
// Asserts that the table allows it and the invariant holds.
void statemachine_move(struct statemachine *machine, int to);
const char *statemachine_name(const struct statemachine *machine);

#endif
