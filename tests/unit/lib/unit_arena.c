// See unit_arena.h.
#include "tests/unit/lib/unit_arena.h"

struct arena unit_arena;

int unit_arena_setup(void **state)
{
    (void)state;
    arena_init(&unit_arena, 0);
    return 0;
}

int unit_arena_teardown(void **state)
{
    (void)state;
    arena_deinit(&unit_arena);
    return 0;
}
