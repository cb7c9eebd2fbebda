// Roles for fuzz targets: time that the target moves, jobs that run at once in their order, messages that go nowhere or
// to the target; and inputs as records. Nothing can fail.
#ifndef FORESET_FUZZ_FUZZ_ROLE_H
#define FORESET_FUZZ_FUZZ_ROLE_H

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/vector.h"
#include "common/rpc/control_message.h"
#include "common/rpc/seam.h"
#include "tests/fuzz/fuzz.h"

enum { FUZZ_ROLE_STEPS_MAX = 2000 };

struct fuzz_role {
    struct seam seam;
    struct clock clock;
    struct random random;
    int64_t now_us;
    VECTOR(struct seam_job *) jobs;
    struct seam_role role;
    void (*sent)(struct fuzz_role *role, uint32_t peer, const void *bytes, size_t size); // NULL: nobody listens
};

static struct fuzz_role *fuzz_role_now; // one at a time

static int64_t fuzz_role_clock(struct clock *clock)
{
    (void)clock;
    return fuzz_role_now->now_us;
}

static void fuzz_role_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size)
{
    (void)seam;
    if (fuzz_role_now->sent) fuzz_role_now->sent(fuzz_role_now, peer, bytes, size);
}

static void fuzz_role_spawn(struct seam *seam, struct seam_job *job)
{
    (void)seam;
    vector_push(&fuzz_role_now->jobs, job);
}

static void fuzz_role_sleep(struct seam *seam, int64_t us)
{
    (void)seam;
    fuzz_role_now->now_us += us;
}

static bool fuzz_role_stopping(struct seam *seam)
{
    (void)seam;
    return false;
}

static inline void fuzz_role_init(struct fuzz_role *role)
{
    static const struct seam_ops ops = {
        .send = fuzz_role_send, .spawn = fuzz_role_spawn, .sleep = fuzz_role_sleep, .stopping = fuzz_role_stopping};
    *role = (struct fuzz_role){.now_us = 1700000000000000, .clock = {fuzz_role_clock, fuzz_role_clock}};
    random_init(&role->random, 1);
    role->seam = (struct seam){.ops = &ops, .clock = &role->clock, .random = &role->random};
    fuzz_role_now = role;
}

// Ticks and jobs until nothing is left to do now.
static inline void fuzz_role_pump(struct fuzz_role *role)
{
    for (int i = 0; i < FUZZ_ROLE_STEPS_MAX; i++) {
        (void)role->role.tick(role->role.role);
        if (role->jobs.count == 0) return;
        struct seam_job *job = role->jobs.items[0];
        vector_remove(&role->jobs, 0);
        job->run(job);
        job->done(job);
    }
}

// Before the role itself is destroyed.
static inline void fuzz_role_deinit(struct fuzz_role *role)
{
    for (size_t i = 0; i < role->jobs.count; i++) role->jobs.items[i]->drop(role->jobs.items[i]);
    vector_deinit(&role->jobs);
}

struct fuzz_records { // u8 flags, u16 length, bytes
    const uint8_t *bytes;
    size_t size;
};

static inline bool fuzz_records_next(struct fuzz_records *records, uint8_t *ret_flags, const uint8_t **ret_bytes,
                                     size_t *ret_size)
{
    if (records->size < 3) return false;
    size_t size = (size_t)(records->bytes[1] | records->bytes[2] << 8);
    if (size > records->size - 3) size = records->size - 3;
    *ret_flags = records->bytes[0];
    *ret_bytes = records->bytes + 3;
    *ret_size = size;
    records->bytes += 3 + size;
    records->size -= 3 + size;
    return true;
}

// The bytes under a control message's checksum; whether it can be unpacked is the receiver's to find out.
static inline void fuzz_role_control(struct fuzz_role *role, uint32_t peer, const uint8_t *bytes, size_t size)
{
    uint8_t *message = memory_alloc(size + 8);
    uint64_t hash = hash_64(bytes, size, 0x666F7265736574ull);
    memcpy(message, &hash, sizeof hash);
    if (size > 0) memcpy(message + 8, bytes, size);
    role->role.message(role->role.role, peer, message, size + 8);
    memory_free(message);
}

#endif
