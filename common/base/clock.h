// Time through a pointer, so that a test decides what time it is.
#ifndef FORESET_BASE_CLOCK_H
#define FORESET_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*wall_us)(struct clock *clock); // microseconds since 1970, UTC; may jump
    int64_t (*boot_us)(
        struct clock *clock); // CLOCK_BOOTTIME: never goes back, counts suspension; for leases and timers
};
struct clock *clock_system(void); // the process's one real clock; never freed

static inline int64_t clock_wall_us(struct clock *clock)
{
    return clock->wall_us(clock);
}
static inline int64_t clock_boot_us(struct clock *clock)
{
    return clock->boot_us(clock);
}
// CPU time of the calling thread; of the process, all its threads. For metrics only.
int64_t clock_thread_cpu_ns(void);
int64_t clock_process_cpu_us(void);

#endif
