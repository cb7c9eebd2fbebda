// An arena for one test: cmocka_unit_test_setup_teardown(test, unit_arena_setup, unit_arena_teardown).
#ifndef FORESET_TEST_UNIT_ARENA_H
#define FORESET_TEST_UNIT_ARENA_H

#include "common/base/memory.h"

extern struct arena unit_arena;
int unit_arena_setup(void **state);
int unit_arena_teardown(void **state);

#endif
