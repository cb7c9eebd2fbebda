// CPUs and memory, with the limits of cgroups v1 and v2. What cannot be read is no limit.
#include "cli/machine.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/text.h"

uint32_t machine_lanes(void)
{
    cpu_set_t set;
    int lanes = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    if (lanes < 1) return 1;
    return (uint32_t)lanes < MACHINE_LANES_MAX ? (uint32_t)lanes : MACHINE_LANES_MAX;
}

static uint64_t machine_cgroup_bytes(const char *path)
{
    char line[64] = "";
    FILE *file = fopen(path, "re");
    if (!file) return UINT64_MAX;
    if (!fgets(line, sizeof line, file)) line[0] = '\0';
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    uint64_t bytes;
    return text_parse_u64(line, &bytes) ? bytes : UINT64_MAX; // "max"
}

uint64_t machine_memory(void)
{
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t v2 = machine_cgroup_bytes("/sys/fs/cgroup/memory.max");
    uint64_t v1 = machine_cgroup_bytes("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    if (v2 < bytes) bytes = v2;
    if (v1 < bytes) bytes = v1;
    return bytes / 2;
}
