// The real clock.
#include "common/base/clock.h"

#include <time.h>

static int64_t clock_read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t clock_system_wall(struct clock *clock)
{
    (void)clock;
    return clock_read_us(CLOCK_REALTIME);
}

static int64_t clock_system_boot(struct clock *clock)
{
    (void)clock;
    return clock_read_us(CLOCK_BOOTTIME);
}

struct clock *clock_system(void)
{
    static struct clock clock = {.wall_us = clock_system_wall, .boot_us = clock_system_boot};
    return &clock;
}

int64_t clock_thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_process_cpu_us(void)
{
    return clock_read_us(CLOCK_PROCESS_CPUTIME_ID);
}
