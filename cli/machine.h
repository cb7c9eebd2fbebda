// What the machine has for a process, and what a process takes of it if nobody says otherwise.
#ifndef FORESET_CLI_MACHINE_H
#define FORESET_CLI_MACHINE_H

#include <stdint.h>

#define MACHINE_LANES_MAX 64u

uint32_t machine_lanes(void);  // CPUs that this process may use, at most MACHINE_LANES_MAX
uint64_t machine_memory(void); // half of the machine's or the cgroup's, in bytes

#endif
