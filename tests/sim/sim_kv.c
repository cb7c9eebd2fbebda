// The kv store: linearizable, durable, with leases that run out in virtual time. A call may fail before it happened,
// have an unknown outcome after it did or did not, or happen later than its caller gave up.
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

struct sim_kv_item {
    char *key;
    char *value;
    int64_t create_revision, mod_revision, lease;
};
struct sim_kv_lease {
    int64_t id, ttl_us, until_us;
    const struct sim_process *process; // that was granted it
};
static struct {
    VECTOR(struct sim_kv_item) items;
    VECTOR(struct sim_kv_lease) leases;
    int64_t revision;
} kv_state;

struct sim_kv {
    struct kv base;
    struct sim_process *process;
};

struct sim_kv_late;
static void sim_kv_release(void);
static void sim_kv_late_free(void *argument);
static struct sim_kv_late *kv_held; // a transaction that waits until the next generation is raised; NULL: none

static void sim_kv_forget(size_t at)
{
    memory_free(kv_state.items.items[at].key);
    memory_free(kv_state.items.items[at].value);
    vector_remove(&kv_state.items, at);
}

void sim_kv_reset(void)
{
    while (kv_state.items.count > 0) sim_kv_forget(kv_state.items.count - 1);
    vector_deinit(&kv_state.items);
    vector_deinit(&kv_state.leases);
    kv_state.revision = 0;
    if (kv_held) sim_kv_late_free(kv_held);
    kv_held = NULL;
}

static struct sim_kv_lease *sim_kv_lease(int64_t id)
{
    for (size_t i = 0; i < kv_state.leases.count; i++) {
        if (kv_state.leases.items[i].id == id) return &kv_state.leases.items[i];
    }
    return NULL;
}

static void sim_kv_expire(void)
{
    for (size_t i = kv_state.leases.count; i > 0; i--) {
        struct sim_kv_lease lease = kv_state.leases.items[i - 1];
        if (lease.until_us > sim->now_us) continue;
        sim_core_trace("kv: lease %lld runs out", (long long)lease.id);
        vector_remove(&kv_state.leases, i - 1);
        for (size_t j = kv_state.items.count; j > 0; j--) {
            if (kv_state.items.items[j - 1].lease == lease.id) sim_kv_forget(j - 1);
        }
    }
}

static struct sim_kv_item *sim_kv_find(const char *key)
{
    for (size_t i = 0; i < kv_state.items.count; i++) {
        if (strcmp(kv_state.items.items[i].key, key) == 0) return &kv_state.items.items[i];
    }
    return NULL;
}

const char *sim_kv_look(const char *key)
{
    struct sim_kv_item *item = sim_kv_find(key);
    return item ? item->value : NULL;
}

bool sim_kv_leads(const struct sim_process *process)
{
    const struct sim_kv_item *leader = sim_kv_find("foreset/pipelines/simulated/leader");
    const struct sim_kv_lease *lease = leader ? sim_kv_lease(leader->lease) : NULL;
    return lease && lease->process == process && lease->until_us > sim->now_us;
}

static bool sim_kv_holds(const struct kv_compare *compare)
{
    const struct sim_kv_item *item = sim_kv_find(compare->key);
    switch (compare->kind) {
    case KV_ABSENT: return !item;
    case KV_VALUE_IS:
        return item && strlen(item->value) == compare->size && memcmp(item->value, compare->bytes, compare->size) == 0;
    case KV_CREATE_REVISION_IS: return (item ? item->create_revision : 0) == compare->revision;
    case KV_MOD_REVISION_IS: return (item ? item->mod_revision : 0) == compare->revision;
    }
    return false;
}

static void sim_kv_put(const struct kv_op *op)
{
    struct sim_kv_item *item = sim_kv_find(op->key);
    if (!item) {
        struct sim_kv_item fresh = {.key = memory_strdup(op->key), .create_revision = kv_state.revision};
        vector_push(&kv_state.items, fresh);
        item = &kv_state.items.items[kv_state.items.count - 1];
    }
    memory_free(item->value);
    item->value = memory_strndup(op->bytes, op->size);
    item->mod_revision = kv_state.revision;
    item->lease = op->lease;
    size_t length = strlen(op->key);
    if (length > 5 && strcmp(op->key + length - 5, "/last") == 0) sim_check_decided(item->value);
    if (length > 11 && strcmp(op->key + length - 11, "/generation") == 0) sim_kv_release();
}

static bool sim_kv_apply(const struct kv_compare *compares, size_t compare_count, const struct kv_op *ops,
                         size_t op_count)
{
    sim_kv_expire();
    for (size_t i = 0; i < compare_count; i++) {
        if (!sim_kv_holds(&compares[i])) return false;
    }
    for (size_t i = 0; i < op_count; i++) {
        if (ops[i].lease != 0 && !sim_kv_lease(ops[i].lease)) return false;
    }
    kv_state.revision++;
    for (size_t i = 0; i < op_count; i++) {
        if (ops[i].kind == KV_PUT) {
            sim_kv_put(&ops[i]);
            continue;
        }
        struct sim_kv_item *item = sim_kv_find(ops[i].key);
        if (item) sim_kv_forget((size_t)(item - kv_state.items.items));
    }
    return true;
}

// ---- A transaction that happens after its caller gave up ----

struct sim_kv_late {
    struct kv_compare compares[KV_OPS_MAX];
    struct kv_op ops[KV_OPS_MAX];
    size_t compare_count, op_count;
};

static void sim_kv_late_free(void *argument)
{
    struct sim_kv_late *late = argument;
    for (size_t i = 0; i < late->compare_count; i++) {
        memory_free((void *)(uintptr_t)late->compares[i].key);
        memory_free((void *)(uintptr_t)late->compares[i].bytes);
    }
    for (size_t i = 0; i < late->op_count; i++) {
        memory_free((void *)(uintptr_t)late->ops[i].key);
        memory_free((void *)(uintptr_t)late->ops[i].bytes);
    }
    memory_free(late);
}

static void sim_kv_late_run(void *argument)
{
    struct sim_kv_late *late = argument;
    bool happened = sim_kv_apply(late->compares, late->compare_count, late->ops, late->op_count);
    sim_core_trace("kv: a late transaction of %s %s", late->ops[0].key, happened ? "happens" : "is refused");
    sim_kv_late_free(late);
}

// The generation was raised: what an earlier leader sent may come now.
static void sim_kv_release(void)
{
    if (!kv_held) return;
    sim_core_at((int64_t)random_below(&sim->random, 2 * SIM_SECOND), NULL, sim_kv_late_run, sim_kv_late_free, kv_held);
    kv_held = NULL;
}

static void sim_kv_later(struct sim_process *process, const struct kv_compare *compares, size_t compare_count,
                         const struct kv_op *ops, size_t op_count)
{
    struct sim_kv_late *late = memory_calloc(1, sizeof *late);
    late->compare_count = compare_count;
    late->op_count = op_count;
    for (size_t i = 0; i < compare_count; i++) {
        late->compares[i] = compares[i];
        late->compares[i].key = memory_strdup(compares[i].key);
        late->compares[i].bytes = memory_strndup(compares[i].bytes ? compares[i].bytes : "", compares[i].size);
    }
    for (size_t i = 0; i < op_count; i++) {
        late->ops[i] = ops[i];
        late->ops[i].key = memory_strdup(ops[i].key);
        late->ops[i].bytes = memory_strndup(ops[i].bytes ? ops[i].bytes : "", ops[i].size);
    }
    size_t length = strlen(ops[0].key);
    bool decides = length > 5 && strcmp(ops[0].key + length - 5, "/last") == 0;
    if (!kv_held && decides && sim_core_roll(0.7)) { // what cut it off from the store took the process too
        kv_held = late;
        sim_core_kill(process);
        return;
    }
    int64_t most_us = random_chance(&sim->random, 0.3) ? 20 * SIM_SECOND : 3 * SIM_SECOND; // also past a lease
    sim_core_at((int64_t)random_below(&sim->random, (uint64_t)most_us), NULL, sim_kv_late_run, sim_kv_late_free, late);
}

// ---- The contract ----

static enum status sim_kv_get(struct kv *kv, const char *key, struct kv_value *ret_value, struct error *err)
{
    struct sim_process *process = ((struct sim_kv *)kv)->process;
    enum sim_fault fault;
    enum status status = sim_core_call(process, false, &fault, err);
    if (status != STATUS_OK) return status;
    sim_kv_expire();
    struct sim_kv_item *item = sim_kv_find(key);
    struct kv_value value = {0};
    if (item) {
        value = (struct kv_value){.bytes = memory_strdup(item->value),
                                  .size = strlen(item->value),
                                  .create_revision = item->create_revision,
                                  .mod_revision = item->mod_revision};
    }
    status = sim_core_effect(process, fault, err);
    if (status != STATUS_OK) {
        memory_free(value.bytes);
    } else {
        *ret_value = value;
    }
    return status;
}

static enum status sim_kv_txn(struct kv *kv, const struct kv_compare *compares, size_t compare_count,
                              const struct kv_op *ops, size_t op_count, struct error *err)
{
    struct sim_process *process = ((struct sim_kv *)kv)->process;
    enum sim_fault fault;
    ASSERT(compare_count <= KV_OPS_MAX && op_count <= KV_OPS_MAX);
    enum status status = sim_core_call(process, true, &fault, err);
    if (status != STATUS_OK) return status;
    bool happened = true;
    if (fault == SIM_FAULT_UNKNOWN_LATER) sim_kv_later(process, compares, compare_count, ops, op_count);
    if (fault == SIM_FAULT_NONE || fault == SIM_FAULT_UNKNOWN_DONE) {
        happened = sim_kv_apply(compares, compare_count, ops, op_count);
        sim_core_trace("kv: txn %s = %.*s %s", ops[0].key, (int)ops[0].size, (const char *)ops[0].bytes,
                       happened ? "happens" : "is refused");
    }
    status = sim_core_effect(process, fault, err);
    if (status == STATUS_OK && !happened) return error_set(err, STATUS_CONFLICT, ERROR_RETRY, "compare failed");
    return status;
}

static enum status sim_kv_grant(struct kv *kv, int64_t ttl_ms, int64_t *ret_lease, struct error *err)
{
    struct sim_process *process = ((struct sim_kv *)kv)->process;
    enum sim_fault fault;
    enum status status = sim_core_call(process, false, &fault, err);
    if (status != STATUS_OK) return status;
    struct sim_kv_lease lease = {++kv_state.revision, ttl_ms * 1000, sim->now_us + ttl_ms * 1000, process};
    vector_push(&kv_state.leases, lease);
    status = sim_core_effect(process, fault, err);
    if (status == STATUS_OK) *ret_lease = lease.id;
    return status;
}

static enum status sim_kv_keepalive(struct kv *kv, int64_t id, struct error *err)
{
    struct sim_process *process = ((struct sim_kv *)kv)->process;
    enum sim_fault fault;
    enum status status = sim_core_call(process, false, &fault, err);
    if (status != STATUS_OK) return status;
    sim_kv_expire();
    struct sim_kv_lease *lease = sim_kv_lease(id);
    if (lease && fault == SIM_FAULT_NONE) lease->until_us = sim->now_us + lease->ttl_us;
    status = sim_core_effect(process, fault, err);
    if (status == STATUS_OK && !lease) return error_set(err, STATUS_NOT_FOUND, ERROR_RETRY, "no such lease");
    return status;
}

static void sim_kv_close(struct kv *kv)
{
    memory_free(kv);
}

struct kv *sim_kv_open(struct sim_process *process)
{
    static const struct kv_ops ops = {.close = sim_kv_close,
                                      .get = sim_kv_get,
                                      .txn = sim_kv_txn,
                                      .lease_grant = sim_kv_grant,
                                      .lease_keepalive = sim_kv_keepalive};
    struct sim_kv *kv = memory_calloc(1, sizeof *kv);
    kv->base.ops = &ops;
    kv->process = process;
    return &kv->base;
}
