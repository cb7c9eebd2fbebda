// Planted bugs: switches that break a rule on purpose, so that the simulator can show that it would notice.
// In the product FORESET_BUG is a constant false; only the simulator's own build of the roles defines FORESET_PLANTED.
#ifndef FORESET_BASE_PLANTED_H
#define FORESET_BASE_PLANTED_H

#include <stdbool.h>

#ifdef FORESET_PLANTED
bool planted_is_on(const char *name); // tests/sim/planted.c
#define FORESET_BUG(name) planted_is_on(name)
#else
#define FORESET_BUG(name) false
#endif

#endif
