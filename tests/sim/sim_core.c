// Events, time, fibers, processes. Deterministic: everything follows from the seed and the order of events.
//
// A job runs on a fiber; every call through the seam yields to the scheduler, which lets virtual time pass. A process
// that dies marks itself dying: every further call of its fibers returns STATUS_KILLED without effect, so that they
// unwind by their ordinary error paths; when all are done its roles are destroyed and the process is gone. A role that
// is stopped in a living process takes nothing any more; its jobs run to their end first.
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#ifdef SIM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define SIM_STACK_BYTES (512u << 10)

struct sim *sim;
static struct sim sim_storage;
#ifdef SIM_ASAN
static const void *sim_main_stack;
static size_t sim_main_stack_size;
static void *sim_main_fake;
#endif

// ---- Events ----

static bool sim_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void sim_push(struct sim_event event)
{
    vector_push(&sim->heap, event);
    size_t at = sim->heap.count - 1;
    while (at > 0) {
        size_t up = (at - 1) / 2;
        if (!sim_before(&sim->heap.items[at], &sim->heap.items[up])) break;
        struct sim_event swap = sim->heap.items[at];
        sim->heap.items[at] = sim->heap.items[up];
        sim->heap.items[up] = swap;
        at = up;
    }
}

static struct sim_event sim_pop(void)
{
    struct sim_event top = sim->heap.items[0];
    sim->heap.items[0] = sim->heap.items[--sim->heap.count];
    for (size_t at = 0;;) {
        size_t least = at, left = 2 * at + 1, right = 2 * at + 2;
        if (left < sim->heap.count && sim_before(&sim->heap.items[left], &sim->heap.items[least])) least = left;
        if (right < sim->heap.count && sim_before(&sim->heap.items[right], &sim->heap.items[least])) least = right;
        if (least == at) return top;
        struct sim_event swap = sim->heap.items[at];
        sim->heap.items[at] = sim->heap.items[least];
        sim->heap.items[least] = swap;
        at = least;
    }
}

void sim_core_at(int64_t delay_us, struct sim_role *role, void (*run)(void *), void (*drop)(void *), void *argument)
{
    struct sim_event event = {.at_us = sim->now_us + delay_us,
                              .number = ++sim->event_number,
                              .role = role,
                              .life = role ? role->life : 0,
                              .run = run,
                              .drop = drop,
                              .argument = argument};
    sim_push(event);
}

void sim_core_fail(const char *format, ...)
{
    if (sim->failed) return; // the first is the one to look at
    va_list args;
    va_start(args, format);
    vsnprintf(sim->failure, sizeof sim->failure, format, args);
    va_end(args);
    sim->failed = true;
    if (sim->trace) printf("%12.6f FAILED: %s\n", (double)sim->now_us / 1e6, sim->failure);
}

void sim_core_trace(const char *format, ...)
{
    if (!sim->trace) return;
    va_list args;
    va_start(args, format);
    printf("%12.6f ", (double)sim->now_us / 1e6);
    const struct sim_process *process = sim->current ? sim->current->process : NULL;
    if (process) printf("[%u.%llu] ", process->id, (unsigned long long)process->life);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

bool sim_core_roll(double probability)
{
    return sim->faults && probability > 0 && random_chance(&sim->random, probability);
}

// ---- Fibers ----

static void sim_switch_in(struct sim_fiber *fiber)
{
    struct sim_role *before = sim->current;
    struct sim_fiber *before_fiber = sim->fiber;
    ASSERT(!before_fiber);
    sim->current = fiber->role;
    sim->fiber = fiber;
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(&sim_main_fake, fiber->stack, SIM_STACK_BYTES);
#endif
    swapcontext(&sim->main, &fiber->context);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(sim_main_fake, NULL, NULL);
#endif
    sim->fiber = before_fiber;
    sim->current = before;
}

static void sim_switch_out(struct sim_fiber *fiber)
{
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(fiber->finished ? NULL : &fiber->fake_stack, sim_main_stack, sim_main_stack_size);
#endif
    swapcontext(&fiber->context, &sim->main);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(fiber->fake_stack, &sim_main_stack, &sim_main_stack_size);
#endif
}

static void sim_fiber_main(unsigned low, unsigned high)
{
    struct sim_fiber *fiber = (struct sim_fiber *)(((uintptr_t)high << 32) | low);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(NULL, &sim_main_stack, &sim_main_stack_size);
#endif
    fiber->body(fiber->argument);
    fiber->finished = true;
    sim_switch_out(fiber);
}

static void sim_fiber_free(struct sim_fiber *fiber)
{
    struct sim_fiber **at = &fiber->role->process->fibers;
    while (*at != fiber) at = &(*at)->next;
    *at = fiber->next;
    fiber->role->fibers--;
    vector_push(&sim->stacks, fiber->stack);
    memory_free(fiber);
}

static void sim_fiber_run(struct sim_fiber *fiber)
{
    fiber->waiting = false;
    sim_switch_in(fiber);
    if (fiber->finished) sim_fiber_free(fiber);
}

struct sim_resume {
    struct sim_fiber *fiber;
    uint64_t wake;
};

static void sim_resume_run(void *argument)
{
    struct sim_resume resume = *(struct sim_resume *)argument;
    memory_free(argument);
    if (resume.fiber->wakes == resume.wake) sim_fiber_run(resume.fiber);
}

static void sim_resume_in(struct sim_fiber *fiber, int64_t delay_us)
{
    struct sim_resume *resume = memory_alloc(sizeof *resume);
    *resume = (struct sim_resume){fiber, ++fiber->wakes};
    sim_core_at(delay_us, fiber->role, sim_resume_run, memory_free, resume);
}

void sim_core_fiber(struct sim_role *role, void (*body)(void *), void *argument)
{
    struct sim_fiber *fiber = memory_calloc(1, sizeof *fiber);
    fiber->stack = sim->stacks.count > 0 ? vector_pop(&sim->stacks) : memory_alloc_aligned(4096, SIM_STACK_BYTES);
    fiber->role = role;
    fiber->body = body;
    fiber->argument = argument;
    fiber->next = role->process->fibers;
    role->process->fibers = fiber;
    role->fibers++;
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = SIM_STACK_BYTES;
    fiber->context.uc_link = NULL;
    uintptr_t pointer = (uintptr_t)fiber;
    makecontext(&fiber->context, (void (*)(void))sim_fiber_main, 2, (unsigned)(pointer & 0xFFFFFFFFu),
                (unsigned)(pointer >> 32));
    sim_resume_in(fiber, (int64_t)random_below(&sim->random, 50));
}

void sim_core_sleep(int64_t us)
{
    ASSERT(sim->fiber);
    if (sim->fiber->role->process->dying) return;
    sim_resume_in(sim->fiber, us);
    sim_switch_out(sim->fiber);
}

void sim_core_wait(void)
{
    ASSERT(sim->fiber);
    if (sim->fiber->role->process->dying) return;
    sim->fiber->waiting = true;
    sim->fiber->wakes++;
    sim_switch_out(sim->fiber);
}

void sim_core_pass(void)
{
    ASSERT(sim->fiber && sim->fiber->role->process->dying);
    sim_switch_out(sim->fiber);
}

void sim_core_wake(struct sim_fiber *fiber)
{
    if (!fiber->waiting) return;
    fiber->waiting = false;
    sim_resume_in(fiber, 0);
}

// ---- Calls ----

enum status sim_core_killed(struct error *err)
{
    return error_set(err, STATUS_KILLED, ERROR_RESTART_PIPELINE, "killed");
}

enum status sim_core_call(struct sim_process *process, bool writes, enum sim_fault *ret_fault, struct error *err)
{
    *ret_fault = SIM_FAULT_NONE;
    if (process->dying) return sim_core_killed(err);
    if (!sim->fiber) return STATUS_OK; // the role's own thread: opening at start
    if (sim_core_roll(sim->knobs.crash)) sim_core_kill(process);
    int64_t us = 50 + (int64_t)random_below(&sim->random, 2000);
    if (sim_core_roll(sim->knobs.call_slow)) us += (int64_t)random_below(&sim->random, 6 * SIM_SECOND);
    sim_core_sleep(us);
    if (process->dying) return sim_core_killed(err);
    if (sim_core_roll(sim->knobs.call_error)) *ret_fault = SIM_FAULT_ERROR;
    if (sim_core_roll(sim->knobs.call_unknown)) {
        *ret_fault = !writes ? SIM_FAULT_ERROR : (enum sim_fault)(SIM_FAULT_UNKNOWN + random_below(&sim->random, 3));
    }
    return STATUS_OK;
}

enum status sim_core_effect(struct sim_process *process, enum sim_fault fault, struct error *err)
{
    if (sim->fiber && sim_core_roll(sim->knobs.crash)) sim_core_kill(process);
    if (process->dying) return sim_core_killed(err);
    switch (fault) {
    case SIM_FAULT_NONE: return STATUS_OK;
    case SIM_FAULT_ERROR: return error_set(err, STATUS_ERROR, ERROR_RETRY, "injected: no answer");
    default: return error_set(err, STATUS_UNKNOWN, ERROR_RETRY, "injected: timeout");
    }
}

// ---- Processes ----

static int64_t sim_clock_wall(struct clock *clock)
{
    struct sim_process *process = (struct sim_process *)((char *)clock - offsetof(struct sim_process, clock));
    return 1700000000 * SIM_SECOND + sim->now_us + process->wall_skew_us;
}

static int64_t sim_clock_boot(struct clock *clock)
{
    (void)clock;
    return sim->now_us + SIM_SECOND;
}

static struct sim_role *sim_role_of(struct seam *seam)
{
    return (struct sim_role *)seam;
}

bool sim_core_takes(const struct sim_role *role)
{
    return role->used && !role->stopping && !role->process->dying;
}

static void sim_tick_run(void *argument)
{
    struct sim_role *role = argument;
    if (role->tick_at_us > sim->now_us) return; // another one counts
    role->tick_at_us = INT64_MAX;
    sim_core_tick(role);
}

// Lets the role do what is due; comes again when it says.
void sim_core_tick(struct sim_role *role)
{
    if (!sim_core_takes(role)) return;
    sim->current = role;
    int64_t next = role->role.tick(role->role.role);
    sim->current = NULL;
    if (next == INT64_MAX || !sim_core_takes(role)) return;
    int64_t at = next - SIM_SECOND; // the boot clock runs a second ahead of now_us
    if (at <= sim->now_us) at = sim->now_us + 1;
    if (at >= role->tick_at_us && role->tick_at_us > sim->now_us) return;
    role->tick_at_us = at;
    sim_core_at(at - sim->now_us, role, sim_tick_run, NULL, role);
}

struct sim_posted {
    struct sim_role *role;
    void *event;
    void (*drop)(void *event);
};

static void sim_posted_drop(void *argument)
{
    struct sim_posted *posted = argument;
    posted->drop(posted->event);
    memory_free(posted);
}

static void sim_posted_run(void *argument)
{
    struct sim_posted posted = *(struct sim_posted *)argument;
    if (!sim_core_takes(posted.role)) {
        sim_posted_drop(argument);
        return;
    }
    memory_free(argument);
    sim->current = posted.role;
    posted.role->role.event(posted.role->role.role, posted.event);
    sim->current = NULL;
    sim_core_tick(posted.role);
}

void sim_core_post(struct sim_role *role, void *event)
{
    struct sim_posted *posted = memory_alloc(sizeof *posted);
    *posted = (struct sim_posted){role, event, role->role.event_drop};
    int64_t at_us = sim->now_us + (int64_t)random_below(&sim->random, 100);
    if (at_us < role->posted_us) at_us = role->posted_us; // in their order
    role->posted_us = at_us;
    sim_core_at(at_us - sim->now_us, role, sim_posted_run, sim_posted_drop, posted);
}

struct sim_job {
    struct sim_role *role;
    struct seam_job *job;
};

static void sim_job_drop(void *argument)
{
    struct sim_job *run = argument;
    run->job->drop(run->job);
    memory_free(run);
}

static void sim_job_done(void *argument)
{
    struct sim_job run = *(struct sim_job *)argument;
    if (!sim_core_takes(run.role)) {
        sim_job_drop(argument);
        return;
    }
    memory_free(argument);
    sim->current = run.role;
    run.job->done(run.job);
    sim->current = NULL;
    sim_core_tick(run.role);
}

static void sim_job_body(void *argument)
{
    struct sim_job *run = argument;
    run->job->run(run->job);
    run->role->jobs--;
    if (sim_core_takes(run->role)) {
        sim_core_at((int64_t)random_below(&sim->random, 50), run->role, sim_job_done, sim_job_drop, run);
    } else {
        sim_job_drop(run);
    }
}

static void sim_seam_spawn(struct seam *seam, struct seam_job *job)
{
    struct sim_job *run = memory_alloc(sizeof *run);
    *run = (struct sim_job){sim_role_of(seam), job};
    if (!sim_core_takes(run->role)) { // it still acts while it ends: nothing comes of it
        sim_job_drop(run);
        return;
    }
    run->role->jobs++;
    sim_core_fiber(run->role, sim_job_body, run);
}

static void sim_seam_sleep(struct seam *seam, int64_t us)
{
    sim_core_sleep(sim_role_of(seam)->stopping && us > 20000 ? 20000 : us);
}

static bool sim_seam_stopping(struct seam *seam)
{
    return sim_role_of(seam)->stopping || sim_role_of(seam)->process->dying;
}

void sim_core_process(struct sim_process *process, enum sim_kind kind, uint32_t id)
{
    process->clock = (struct clock){.wall_us = sim_clock_wall, .boot_us = sim_clock_boot};
    process->kind = kind;
    process->id = id;
}

// ---- Roles ----

struct sim_role *sim_core_role(struct sim_process *process, uint64_t channel)
{
    static const struct seam_ops ops = {
        .send = sim_network_send, .spawn = sim_seam_spawn, .sleep = sim_seam_sleep, .stopping = sim_seam_stopping};
    for (size_t i = channel == 0 ? 0 : 1; i < SIM_ROLES_MAX; i++) {
        struct sim_role *role = &process->roles[i];
        if (role->used) continue;
        *role = (struct sim_role){.process = process, .life = role->life, .used = true, .channel = channel};
        role->seam = (struct seam){.ops = &ops, .clock = &process->clock, .random = &role->random};
        random_init(&role->random, random_u64(&sim->random));
        role->tick_at_us = INT64_MAX;
        return role;
    }
    ASSERT(false); // too few places
    return NULL;
}

struct sim_role *sim_core_find(struct sim_process *process, uint64_t channel)
{
    for (size_t i = 0; i < SIM_ROLES_MAX; i++) {
        struct sim_role *role = &process->roles[i];
        if (role->channel == channel && sim_core_takes(role)) return role;
    }
    return NULL;
}

static void sim_start_run(void *argument)
{
    sim_core_tick(argument);
}

void sim_core_start(struct sim_role *role, const struct seam_role *as)
{
    role->role = *as;
    sim_core_at(0, role, sim_start_run, NULL, role);
}

static void sim_role_destroy(struct sim_role *role)
{
    pipeline_destroy(role->pipeline);
    worker_destroy(role->worker);
    node_destroy(role->node);
    cluster_destroy(role->cluster);
    objstore_close(role->state);
    role->pipeline = NULL;
    role->worker = NULL;
    role->node = NULL;
    role->cluster = NULL;
    role->state = NULL;
    memory_free(role->said);
    role->said = NULL;
}

static void sim_role_rest(const struct sim_role *role)
{
    if (role->process->dying) {
        sim_core_pass();
    } else {
        sim_core_sleep(1000);
    }
}

// What waits for the process, or for one of its roles; of that only what fibers do not need.
static void sim_drop_events(const struct sim_process *process, const struct sim_role *role)
{
    size_t kept = 0;
    VECTOR(struct sim_event) dropped = {0};
    for (size_t i = 0; i < sim->heap.count; i++) {
        struct sim_event *event = &sim->heap.items[i];
        bool drops = event->role && event->role->process == process;
        if (role) drops = event->role == role && event->run != sim_resume_run;
        if (drops) {
            vector_push(&dropped, *event);
        } else {
            sim->heap.items[kept++] = *event;
        }
    }
    sim->heap.count = 0;
    for (size_t i = 0; i < kept; i++) {
        struct sim_event event = sim->heap.items[i];
        sim_push(event);
    }
    for (size_t i = 0; i < dropped.count; i++) {
        if (dropped.items[i].drop) dropped.items[i].drop(dropped.items[i].argument);
    }
    vector_deinit(&dropped);
}

static void sim_role_end(void *argument)
{
    struct sim_role *role = argument;
    while (role->jobs > 0) sim_role_rest(role);
    sim_drop_events(NULL, role);
    if (role->pipeline && !role->process->dying) pipeline_resign(role->pipeline);
    sim_role_destroy(role);
    while (role->fibers > 1) sim_role_rest(role); // its lanes
    role->life++;
    role->used = false;
}

void sim_core_stop(struct sim_role *role)
{
    if (!sim_core_takes(role)) return;
    role->stopping = true;
    sim_core_fiber(role, sim_role_end, role);
}

static void sim_unwind(struct sim_process *process)
{
    while (process->fibers) {
        for (struct sim_fiber *fiber = process->fibers, *next; fiber; fiber = next) {
            next = fiber->next;
            sim_fiber_run(fiber);
        }
    }
}

// Its fibers unwind; then the roles go.
static void sim_reap(void *argument)
{
    struct sim_process *process = argument;
    ASSERT(process->dying && !sim->fiber);
    sim_network_gone(process);
    process->watches = 0;
    sim_drop_events(process, NULL);
    sim_unwind(process);
    for (size_t i = 0; i < SIM_ROLES_MAX; i++) {
        struct sim_role *role = &process->roles[i];
        if (!role->used) continue;
        sim->current = role;
        sim_role_destroy(role);
        role->life++;
        role->used = false;
    }
    sim->current = NULL;
    sim_drop_events(process, NULL);
    kv_close(process->kv);
    process->kv = NULL;
    process->alive = process->dying = false;
    process->life++;
    process->paused_until_us = 0;
}

void sim_core_kill(struct sim_process *process)
{
    if (!process->alive || process->dying) return;
    sim_core_trace("process %u dies", process->id);
    process->dying = true;
    sim->crashes++;
    sim_core_at(0, NULL, sim_reap, NULL, process);
}

static enum status sim_failpoint(void *context, const char *name, struct error *err)
{
    (void)context;
    struct sim_process *process = sim->current ? sim->current->process : NULL;
    if (!process) return STATUS_OK;
    if (process->dying) return sim_core_killed(err);
    if (sim_core_roll(sim->knobs.crash * 2)) {
        sim_core_trace("dies at %s", name);
        sim_core_kill(process);
        return sim_core_killed(err);
    }
    if (sim_core_roll(sim->knobs.failpoint_error)) {
        return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "injected failure at %s", name);
    }
    return STATUS_OK;
}

bool sim_core_step(void)
{
    if (sim->heap.count == 0 || sim->failed) return false;
    struct sim_event event = sim_pop();
    struct sim_role *role = event.role;
    if (role && role->life == event.life && role->process->paused_until_us > event.at_us) {
        event.at_us = role->process->paused_until_us; // numbers keep the order
        sim_push(event);
        return true;
    }
    if (event.at_us > sim->now_us) sim->now_us = event.at_us;
    if (role && (role->life != event.life || !role->used)) {
        if (event.drop) event.drop(event.argument);
        return true;
    }
    sim->steps++;
    event.run(event.argument);
    return true;
}

void sim_core_init(uint64_t seed, bool trace)
{
    sim = &sim_storage;
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->trace = trace;
    random_init(&sim->random, seed);
    arena_init(&sim->arena, 0);
    failpoint_hook_set(sim_failpoint, NULL);
}

void sim_core_deinit(void)
{
    sim->faults = false;
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *process = &sim->processes[i];
        if (!process->alive) continue;
        process->dying = true;
        sim_reap(process);
    }
    while (sim->heap.count > 0) {
        struct sim_event event = sim_pop();
        if (event.drop) event.drop(event.argument);
    }
    vector_deinit(&sim->heap);
    for (size_t i = 0; i < sim->stacks.count; i++) free(sim->stacks.items[i]);
    vector_deinit(&sim->stacks);
    arena_deinit(&sim->arena);
    failpoint_hook_set(NULL, NULL);
}
