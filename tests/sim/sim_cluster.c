// The cluster of a run and what happens to it: crashes, pauses past the lease, links cut in one direction, a kv store
// without quorum or out of reach, power cuts, jumping wall clocks; then the faults stop, and within a bound everything
// must be there (I6).
#include <string.h>

#include "common/rpc/control_message.h"
#include "tests/sim/sim.h"

#define CLUSTER_CALM_US   (200 * SIM_SECOND) // after the faults, for everything to be there
#define CLUSTER_STEPS_MAX 40000000

static size_t cluster_index(const struct sim_process *process)
{
    return (size_t)(process - sim->processes);
}

// ---- Planned moves ----

static void cluster_drain(struct sim_process *worker)
{
    if (worker->kind != SIM_WORKER || !sim_core_roll(sim->knobs.drain)) return;
    worker->drained = !worker->drained;
    sim_core_trace("worker %u is to be %s", worker->id, worker->drained ? "drained" : "undrained");
    sim_operator_drain(worker);
}

static void cluster_leave(struct sim_process *worker)
{
    if (worker->kind != SIM_WORKER || !worker->alive || worker->dying || !sim->knobs.tells) return;
    if (sim_core_roll(sim->knobs.drain / 2) && sim_core_takes(&worker->roles[0])) sim_host_leave(worker);
}

// Somebody must be left to hold what there is.
static void cluster_undrain(void)
{
    bool all = random_chance(&sim->random, 0.5), any = false;
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *process = &sim->processes[i];
        any = any || (process->kind == SIM_WORKER && !process->drained);
    }
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *process = &sim->processes[i];
        if (!process->drained || (any && !all)) continue;
        process->drained = false;
        sim_operator_drain(process);
    }
}

// Who is drained holds nothing in the end.
static bool cluster_handed_over(void)
{
    for (size_t i = 0; i < sim->process_count; i++) {
        const struct sim_process *process = &sim->processes[i];
        if (process->drained && process->alive && sim_host_holds(process)) return false;
    }
    return sim_operator_content();
}

// ---- Fate ----

// What this process says to another is lost for a while; what that one says comes through, unless it is cut off too.
static void cluster_cut(struct sim_process *from)
{
    size_t a = cluster_index(from), b = (size_t)random_below(&sim->random, sim->process_count);
    int64_t us = (int64_t)random_below(&sim->random, 12 * SIM_SECOND);
    sim->cut_until_us[a][b] = sim->now_us + us;
    if (random_chance(&sim->random, 0.1)) sim_network_gone(from); // wrongly
    bool told = random_chance(&sim->random, 0.5);                 // rightly or not
    if (told && a != b) sim_network_lost(from, &sim->processes[b]);
    if (random_chance(&sim->random, 0.2)) sim->cut_until_us[b][a] = sim->now_us + us;
    sim_core_trace("link from %u to %u is cut for %.3f s", from->id, sim->processes[b].id, (double)us / 1e6);
}

static void cluster_links(struct sim_process *process)
{
    if (sim_core_roll(sim->knobs.cut)) cluster_cut(process);
    if (sim_core_roll(sim->knobs.deaf)) {
        int64_t us = (int64_t)random_below(&sim->random, 10 * SIM_SECOND);
        process->deaf_until_us = sim->now_us + us;
        process->deaf_acts = random_chance(&sim->random, 0.5);
        sim_core_trace("process %u does not hear the kv store for %.3f s", process->id, (double)us / 1e6);
    }
}

// Every tenth of a second: somebody may be hit; who is down comes back.
static void cluster_fate(void *argument)
{
    (void)argument;
    sim_operator_act();
    sim_others_act();
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *process = &sim->processes[i];
        cluster_links(process);
        cluster_drain(process);
        cluster_leave(process);
        if (!process->alive && sim->now_us >= process->away_until_us &&
            (random_chance(&sim->random, 0.05) || (!sim->faults && random_chance(&sim->random, 0.2)))) {
            sim_host_start(process);
        } else if (process->alive && !process->dying && sim_core_roll(0.002)) {
            sim_core_kill(process);
            if (sim_core_roll(0.2))
                process->away_until_us = sim->now_us + (int64_t)random_below(&sim->random, 20 * SIM_SECOND);
        } else if (process->alive && !process->dying && process->paused_until_us <= sim->now_us &&
                   sim_core_roll(0.004)) {
            int64_t pause_us = (int64_t)random_below(&sim->random, 15 * SIM_SECOND);
            process->paused_until_us = sim->now_us + pause_us;
            if (sim_core_roll(0.3)) process->wall_skew_us -= pause_us; // a machine whose wall clock stood still too
            sim_core_trace("process %u stands still until %.3f", process->id, (double)process->paused_until_us / 1e6);
        } else if (sim_core_roll(0.002)) {
            process->wall_skew_us += (int64_t)random_below(&sim->random, 6 * SIM_SECOND) - 3 * SIM_SECOND;
        }
    }
    if (sim_core_roll(sim->knobs.quorum)) sim_kv_lose_quorum((int64_t)random_below(&sim->random, 15 * SIM_SECOND));
    if (sim_core_roll(0.001)) {
        sim_core_trace("power cut");
        for (size_t i = 0; i < sim->process_count; i++) sim_core_kill(&sim->processes[i]);
        sim_store_power_cut();
    }
    sim_core_at(SIM_SECOND / 10, NULL, cluster_fate, NULL, NULL);
}

// Where workers come and go much, the rest is quiet: else recoveries leave no room for moves.
static double cluster_draw(double most)
{
    double drawn = random_chance(&sim->random, 0.35) ? 0 : most * random_unit(&sim->random);
    return sim->knobs.steers ? drawn / 20 : drawn;
}

static void cluster_knobs(void)
{
    struct sim_knobs *knobs = &sim->knobs;
    knobs->tells = random_chance(&sim->random, 0.2);
    knobs->steers = random_chance(&sim->random, 0.3);
    knobs->grows = random_chance(&sim->random, 0.4);
    knobs->others = random_chance(&sim->random, 0.6) ? 0 : 0.06 * random_unit(&sim->random);
    knobs->crash = cluster_draw(0.004);
    knobs->call_error = cluster_draw(0.03);
    knobs->call_unknown = cluster_draw(0.03);
    knobs->call_slow = cluster_draw(0.02);
    knobs->drop = cluster_draw(0.02);
    knobs->duplicate = cluster_draw(0.05);
    knobs->delay = cluster_draw(0.06);
    knobs->sync_error = cluster_draw(0.05);
    knobs->failpoint_error = cluster_draw(0.005);
    knobs->cut = cluster_draw(0.01);
    knobs->deaf = cluster_draw(0.006);
    knobs->quorum = cluster_draw(0.005);
    knobs->drain = knobs->steers ? 0.03 : cluster_draw(0.012);
    knobs->available_now = random_chance(&sim->random, 0.4);
    knobs->partitions = 1 + (uint32_t)random_below(&sim->random, SIM_PARTITIONS_MAX);
    knobs->workers = knobs->steers ? 3 : 1 + (uint32_t)random_below(&sim->random, 3);
    knobs->pipelines =
        random_chance(&sim->random, 0.5) ? 1 : 1 + (uint32_t)random_below(&sim->random, SIM_PIPELINES_MAX);
    knobs->command = cluster_draw(knobs->steers ? 0.4 : 0.02);
    knobs->coordinators = 1 + (uint32_t)random_below(&sim->random, 2);
    struct random random = sim->random; // a copy: what is drawn here moves nothing else
    knobs->piece_bytes = random_chance(&random, 0.5) ? 200 + random_below(&random, 600) : 0;
    knobs->faults_until_us = 30 * SIM_SECOND + (int64_t)random_below(&sim->random, 50 * SIM_SECOND);
}

static bool cluster_complete(void)
{
    if (sim->now_us <= sim->knobs.faults_until_us || !cluster_handed_over()) return false;
    for (uint32_t i = 0; i < sim->knobs.pipelines; i++) {
        if (!sim_model_complete(i) || !sim_check_published(i, true)) return false;
    }
    return true;
}

static void cluster_calm(void)
{
    sim->faults = false;
    sim_core_trace("faults stop");
    for (size_t i = 0; i < sim->process_count; i++) {
        sim->processes[i].deaf_until_us = 0; // who stands still wakes when it does
        sim->processes[i].wall_skew_us = sim->processes[i].away_until_us = 0;
    }
    cluster_undrain();
    sim_operator_calm();
    memset(sim->cut_until_us, 0, sizeof sim->cut_until_us);
    sim_kv_back();
}

static void cluster_trace_states(void)
{
    char text[1024];
    for (size_t i = 0; i < sim->process_count; i++) {
        const struct sim_process *process = &sim->processes[i];
        sim_core_trace("process %u: %s%s", process->id, sim_host_state(process, text, sizeof text),
                       process->drained ? ", drained" : "");
    }
    for (uint32_t i = 0; i < sim->knobs.pipelines; i++) {
        sim_core_trace("p%u: rows %s, tables %s", i, sim_model_complete(i) ? "complete" : "not complete",
                       sim_check_published(i, true) ? "published" : "not published");
    }
}

static void cluster_play(void)
{
    sim->faults = true;
    for (size_t i = 0; i < sim->process_count; i++) {
        struct sim_process *process = &sim->processes[i];
        bool joins = process->kind == SIM_WORKER && random_chance(&sim->random, 0.3);
        if (joins) process->away_until_us = (int64_t)random_below(&sim->random, (uint64_t)sim->knobs.faults_until_us);
        if (!joins) sim_host_start(process);
    }
    sim_core_at(SIM_SECOND / 10, NULL, cluster_fate, NULL, NULL);
    bool complete = false;
    int64_t looked_us = 0;
    while (!complete && sim->steps < CLUSTER_STEPS_MAX && sim_core_step()) {
        if (sim->faults && sim->now_us >= sim->knobs.faults_until_us) cluster_calm();
        if (sim->now_us > sim->knobs.faults_until_us + CLUSTER_CALM_US) break;
        if (sim->now_us - looked_us > SIM_SECOND / 10) {
            looked_us = sim->now_us;
            complete = cluster_complete();
        }
    }
    if (!complete) cluster_trace_states();
    sim_check_end(complete);
}

bool sim_cluster_run(uint64_t seed, bool trace)
{
    sim_core_init(seed, trace);
    sim_network_reset();
    sim_kv_reset();
    sim_store_reset();
    sim_model_reset();
    sim_check_reset();
    sim_operator_reset();
    sim_others_reset();
    cluster_knobs();
    for (uint32_t i = 0; i < sim->knobs.pipelines; i++) sim_plan_make(i);
    for (uint32_t i = 0; i < sim->knobs.coordinators; i++) {
        sim_core_process(&sim->processes[sim->process_count++], SIM_COORDINATOR, 1 + i);
    }
    for (uint32_t i = 0; i < sim->knobs.workers; i++) {
        sim_core_process(&sim->processes[sim->process_count++], SIM_WORKER, 11 + i);
    }
    cluster_play();
    sim_core_deinit();
    sim_network_reset();
    sim_model_reset();
    sim_check_reset();
    sim_others_reset();
    sim_kv_reset();
    sim_store_reset();
    return !sim->failed;
}
