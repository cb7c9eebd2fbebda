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
    struct sim_role *role; // that was granted it
    uint64_t life;
};
struct kv_watch {
    uint64_t id;
    struct kv *kv;
    char *prefix;
    kv_watch_fn on_news;
    void *argument;
};
static struct {
    VECTOR(struct sim_kv_item) items;
    VECTOR(struct sim_kv_lease) leases;
    VECTOR(struct kv_watch *) watches;
    uint64_t watch_id;
    int64_t revision;
    int64_t lost_until_us; // without quorum; 0: not
} kv_state;

struct sim_kv {
    struct kv base;
    struct sim_process *process;
};

struct sim_kv_late;
static void sim_kv_release(void);
static void sim_kv_late_free(void *argument);
static struct sim_kv_late *kv_held; // a transaction that waits until the next generation is raised; NULL: none

// ---- Watches: news come later, to processes that still live then ----

struct sim_kv_told {
    uint64_t watch;
    struct kv_event event; // key NULL: lost
    int64_t revision;
};

static void sim_kv_told_free(void *argument)
{
    struct sim_kv_told *told = argument;
    memory_free((void *)(uintptr_t)told->event.key);
    memory_free((void *)(uintptr_t)told->event.bytes);
    memory_free(told);
}

static void sim_kv_told_run(void *argument)
{
    struct sim_kv_told *told = argument;
    for (size_t i = 0; i < kv_state.watches.count; i++) {
        struct kv_watch *watch = kv_state.watches.items[i];
        if (watch->id != told->watch) continue;
        bool lost = !told->event.key;
        struct kv_watch_news news = {&told->event, lost ? 0 : 1, told->revision, lost, NULL};
        watch->on_news(watch->argument, &news);
        break;
    }
    sim_kv_told_free(told);
}

// A fixed delay, so that news stay in their order.
static void sim_kv_tell(const struct kv_watch *watch, const struct sim_kv_item *item, bool removed)
{
    struct sim_kv_told *told = memory_calloc(1, sizeof *told);
    told->watch = watch->id;
    told->revision = kv_state.revision;
    if (item) {
        told->event.key = memory_strdup(item->key);
        told->event.removed = removed;
        told->event.mod_revision = kv_state.revision;
    }
    if (item && !removed) {
        told->event.size = strlen(item->value);
        told->event.bytes = memory_strdup(item->value);
        told->event.create_revision = item->create_revision;
    }
    sim_core_at(SIM_SECOND / 1000, &((struct sim_kv *)watch->kv)->process->roles[0], sim_kv_told_run, sim_kv_told_free,
                told);
}

static void sim_kv_tell_all(const struct sim_kv_item *item, bool removed)
{
    for (size_t i = 0; i < kv_state.watches.count; i++) {
        const struct kv_watch *watch = kv_state.watches.items[i];
        if (strncmp(item->key, watch->prefix, strlen(watch->prefix)) == 0) sim_kv_tell(watch, item, removed);
    }
}

static void sim_kv_watch_end(size_t at)
{
    memory_free(kv_state.watches.items[at]->prefix);
    memory_free(kv_state.watches.items[at]);
    vector_remove(&kv_state.watches, at);
}

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
    while (kv_state.watches.count > 0) sim_kv_watch_end(kv_state.watches.count - 1);
    vector_deinit(&kv_state.watches);
    kv_state.revision = 0;
    kv_state.lost_until_us = 0;
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

// What held a lease that is gone.
static void sim_kv_drop_leased(int64_t id)
{
    for (size_t i = kv_state.items.count; i > 0; i--) {
        if (kv_state.items.items[i - 1].lease != id) continue;
        kv_state.revision++;
        sim_kv_tell_all(&kv_state.items.items[i - 1], true);
        sim_kv_forget(i - 1);
    }
}

static void sim_kv_expire(void)
{
    if (kv_state.lost_until_us > 0) return; // nobody could agree on it
    for (size_t i = kv_state.leases.count; i > 0; i--) {
        struct sim_kv_lease lease = kv_state.leases.items[i - 1];
        if (lease.until_us > sim->now_us) continue;
        sim_core_trace("kv: lease %lld runs out", (long long)lease.id);
        vector_remove(&kv_state.leases, i - 1);
        sim_kv_drop_leased(lease.id);
    }
}

static void sim_kv_expire_run(void *argument)
{
    (void)argument;
    sim_kv_expire();
}

// Who watches hears of a lease's end without anybody's call.
static void sim_kv_expire_later(int64_t ttl_us)
{
    if (kv_state.watches.count > 0) sim_core_at(ttl_us, NULL, sim_kv_expire_run, NULL, NULL);
}

// ---- Quorum ----

static void sim_kv_back_run(void *argument)
{
    (void)argument;
    if (kv_state.lost_until_us > 0 && kv_state.lost_until_us <= sim->now_us) sim_kv_back();
}

void sim_kv_lose_quorum(int64_t us)
{
    if (kv_state.lost_until_us > 0) return;
    sim_core_trace("kv: no quorum for %.3f s", (double)us / 1e6);
    kv_state.lost_until_us = sim->now_us + us;
    sim_core_at(us, NULL, sim_kv_back_run, NULL, NULL);
}

// A new leader of the store gives every lease its whole time again.
void sim_kv_back(void)
{
    if (kv_state.lost_until_us == 0) return;
    sim_core_trace("kv: quorum is back");
    kv_state.lost_until_us = 0;
    for (size_t i = 0; i < kv_state.leases.count; i++) {
        kv_state.leases.items[i].until_us = sim->now_us + kv_state.leases.items[i].ttl_us;
        sim_kv_expire_later(kv_state.leases.items[i].ttl_us);
    }
}

// A call of the store: without quorum, or by an endpoint that is cut off, it waits for nothing.
static enum status sim_kv_call(struct sim_process *process, bool writes, enum sim_fault *ret_fault, struct error *err)
{
    enum status status = sim_core_call(process, writes, ret_fault, err);
    bool lost = kv_state.lost_until_us > 0, deaf = process->deaf_until_us > sim->now_us;
    if (status != STATUS_OK || !(lost || deaf)) return status;
    if (sim->fiber) sim_core_sleep(SIM_SECOND / 5 + (int64_t)random_below(&sim->random, 2 * SIM_SECOND));
    if (process->dying) return sim_core_killed(err);
    lost = kv_state.lost_until_us > 0;
    if (!writes) {
        *ret_fault = deaf && process->deaf_acts && !lost ? SIM_FAULT_UNKNOWN_DONE : SIM_FAULT_ERROR;
    } else if (deaf && !lost) {
        *ret_fault = process->deaf_acts ? SIM_FAULT_UNKNOWN_DONE : SIM_FAULT_UNKNOWN;
    } else { // it may be agreed on when the others are back
        *ret_fault = random_chance(&sim->random, 0.4) ? SIM_FAULT_UNKNOWN_LATER : SIM_FAULT_UNKNOWN;
    }
    return STATUS_OK;
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

bool sim_kv_leads(const struct sim_role *role, uint32_t pipeline)
{
    char key[64];
    snprintf(key, sizeof key, "foreset/pipelines/p%u/leader", pipeline);
    const struct sim_kv_item *leader = sim_kv_find(key);
    const struct sim_kv_lease *lease = leader ? sim_kv_lease(leader->lease) : NULL;
    return lease && lease->role == role && lease->life == role->life && lease->until_us > sim->now_us;
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
    sim_kv_tell_all(item, false);
    size_t length = strlen(op->key);
    uint32_t pipeline = 0;
    if (length > 5 && strcmp(op->key + length - 5, "/last") == 0 &&
        sscanf(op->key, "foreset/pipelines/p%u/", &pipeline) == 1) {
        sim_check_decided(pipeline, item->value);
    }
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
        if (item) sim_kv_tell_all(item, true);
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
    if (kv_state.lost_until_us > 0) {
        int64_t us = kv_state.lost_until_us - sim->now_us + (int64_t)random_below(&sim->random, SIM_SECOND);
        sim_core_at(us, NULL, sim_kv_late_run, sim_kv_late_free, late);
        return;
    }
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

static struct kv_value sim_kv_value(const struct sim_kv_item *item)
{
    return (struct kv_value){.bytes = memory_strdup(item->value),
                             .size = strlen(item->value),
                             .create_revision = item->create_revision,
                             .mod_revision = item->mod_revision};
}

static enum status sim_kv_get(struct kv *kv, const char *key, struct kv_value *ret_value, struct error *err)
{
    struct sim_process *process = ((struct sim_kv *)kv)->process;
    enum sim_fault fault;
    enum status status = sim_kv_call(process, false, &fault, err);
    if (status != STATUS_OK) return status;
    sim_kv_expire();
    struct sim_kv_item *item = sim_kv_find(key);
    struct kv_value value = {0};
    if (item) value = sim_kv_value(item);
    status = sim_core_effect(process, fault, err);
    if (status != STATUS_OK) {
        memory_free(value.bytes);
    } else {
        *ret_value = value;
    }
    return status;
}

static int sim_kv_by_key(const void *a, const void *b)
{
    return strcmp(((const struct kv_item *)a)->key, ((const struct kv_item *)b)->key);
}

static enum status sim_kv_list(struct kv *kv, const char *prefix, struct kv_list *ret_list, struct error *err)
{
    struct sim_process *process = ((struct sim_kv *)kv)->process;
    enum sim_fault fault;
    enum status status = sim_kv_call(process, false, &fault, err);
    if (status != STATUS_OK) return status;
    sim_kv_expire();
    struct kv_list list = {.revision = kv_state.revision};
    list.items = memory_alloc(kv_state.items.count * sizeof *list.items);
    for (size_t i = 0; i < kv_state.items.count; i++) {
        const struct sim_kv_item *item = &kv_state.items.items[i];
        if (strncmp(item->key, prefix, strlen(prefix)) != 0) continue;
        list.items[list.count++] = (struct kv_item){memory_strdup(item->key), sim_kv_value(item)};
    }
    qsort(list.items, list.count, sizeof *list.items, sim_kv_by_key);
    status = sim_core_effect(process, fault, err);
    if (status != STATUS_OK) {
        kv_list_deinit(&list);
    } else {
        *ret_list = list;
    }
    return status;
}

static enum status sim_kv_txn(struct kv *kv, const struct kv_compare *compares, size_t compare_count,
                              const struct kv_op *ops, size_t op_count, struct error *err)
{
    struct sim_process *process = ((struct sim_kv *)kv)->process;
    enum sim_fault fault;
    ASSERT(compare_count <= KV_OPS_MAX && op_count <= KV_OPS_MAX);
    enum status status = sim_kv_call(process, true, &fault, err);
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
    enum status status = sim_kv_call(process, false, &fault, err);
    if (status != STATUS_OK) return status;
    struct sim_kv_lease lease = {++kv_state.revision, ttl_ms * 1000, sim->now_us + ttl_ms * 1000, sim->current,
                                 sim->current->life};
    vector_push(&kv_state.leases, lease);
    sim->current->deposed = false;
    sim_kv_expire_later(lease.ttl_us);
    status = sim_core_effect(process, fault, err);
    if (status == STATUS_OK) *ret_lease = lease.id;
    return status;
}

static enum status sim_kv_keepalive(struct kv *kv, int64_t id, struct error *err)
{
    struct sim_process *process = ((struct sim_kv *)kv)->process;
    enum sim_fault fault;
    enum status status = sim_kv_call(process, false, &fault, err);
    if (status != STATUS_OK) return status;
    sim_kv_expire();
    struct sim_kv_lease *lease = sim_kv_lease(id);
    if (lease && (fault == SIM_FAULT_NONE || fault == SIM_FAULT_UNKNOWN_DONE)) {
        lease->until_us = sim->now_us + lease->ttl_us;
        sim_kv_expire_later(lease->ttl_us);
    }
    status = sim_core_effect(process, fault, err);
    if (status == STATUS_OK && !lease) return error_set(err, STATUS_NOT_FOUND, ERROR_RETRY, "no such lease");
    return status;
}

static enum status sim_kv_revoke(struct kv *kv, int64_t id, struct error *err)
{
    struct sim_process *process = ((struct sim_kv *)kv)->process;
    enum sim_fault fault;
    enum status status = sim_kv_call(process, false, &fault, err);
    if (status != STATUS_OK) return status;
    sim_kv_expire();
    struct sim_kv_lease *lease = sim_kv_lease(id);
    bool there = lease != NULL;
    if (lease && (fault == SIM_FAULT_NONE || fault == SIM_FAULT_UNKNOWN_DONE)) {
        if (lease->role != sim->current && lease->life == lease->role->life) lease->role->deposed = true;
        vector_remove(&kv_state.leases, (size_t)(lease - kv_state.leases.items));
        sim_kv_drop_leased(id);
    }
    status = sim_core_effect(process, fault, err);
    if (status == STATUS_OK && !there) return error_set(err, STATUS_NOT_FOUND, ERROR_FENCED, "no such lease");
    return status;
}

static enum status sim_kv_watch(struct kv *kv, const char *prefix, int64_t from_revision, kv_watch_fn on_news,
                                void *argument, struct kv_watch **ret_watch, struct error *err)
{
    (void)err;
    struct kv_watch *watch = memory_alloc(sizeof *watch);
    *watch = (struct kv_watch){++kv_state.watch_id, kv, memory_strdup(prefix), on_news, argument};
    vector_push(&kv_state.watches, watch);
    if (from_revision != 0 && from_revision <= kv_state.revision) sim_kv_tell(watch, NULL, false); // no history
    *ret_watch = watch;
    return STATUS_OK;
}

static void sim_kv_watch_stop(struct kv *kv, struct kv_watch *watch)
{
    (void)kv;
    for (size_t i = kv_state.watches.count; i > 0; i--) {
        if (kv_state.watches.items[i - 1] == watch) sim_kv_watch_end(i - 1);
    }
}

static enum status sim_kv_identity(struct kv *kv, struct kv_identity *ret_identity, struct error *err)
{
    (void)kv;
    (void)err;
    *ret_identity = (struct kv_identity){1, kv_state.revision};
    return STATUS_OK;
}

static void sim_kv_close(struct kv *kv)
{
    for (size_t i = kv_state.watches.count; i > 0; i--) { // of a process that died
        if (kv_state.watches.items[i - 1]->kv == kv) sim_kv_watch_end(i - 1);
    }
    memory_free(kv);
}

struct kv *sim_kv_open(struct sim_process *process)
{
    static const struct kv_ops ops = {.close = sim_kv_close,
                                      .get = sim_kv_get,
                                      .txn = sim_kv_txn,
                                      .lease_grant = sim_kv_grant,
                                      .lease_keepalive = sim_kv_keepalive,
                                      .lease_revoke = sim_kv_revoke,
                                      .list = sim_kv_list,
                                      .watch = sim_kv_watch,
                                      .watch_stop = sim_kv_watch_stop,
                                      .identity = sim_kv_identity};
    struct sim_kv *kv = memory_calloc(1, sizeof *kv);
    kv->base.ops = &ops;
    kv->process = process;
    return &kv->base;
}
