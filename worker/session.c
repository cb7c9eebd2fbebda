// Sessions. What can fail: a store cannot be opened (missing directory, read-only, …) or the data flow refuses the plan
// or its state: the error's class decides, the leader hears it as Failed.
#include "worker/session.h"

#include <stdio.h>
#include <string.h>

#include "common/base/confine.h"
#include "common/base/log.h"
#include "common/manifest/manifest_file.h"
#include "common/rpc/control_message.h"

struct session *session_create(const struct worker_config *config, struct seam *seam, Foreset__Control *assign,
                               uint64_t incarnation)
{
    struct session *session = memory_calloc(1, sizeof *session);
    session->config = config;
    session->seam = seam;
    session->assign = assign;
    session->generation = assign->generation;
    session->incarnation = incarnation;
    session->sequence_in = assign->sequence;
    session->routing_version = assign->assign->routing_version;
    session->table_count = assign->assign->plan->n_tables;
    session->tables = memory_calloc(session->table_count + 1, sizeof *session->tables);
    pthread_mutex_init(&session->lock, NULL);
    pthread_cond_init(&session->idle, NULL);
    return session;
}

const Foreset__Plan *session_plan(const struct session *session)
{
    return session->assign->assign->plan;
}

struct objstore *session_table_store(void *context, uint32_t table, bool dead_letters)
{
    struct session *session = context;
    ASSERT(table < session->table_count);
    struct session_table *at = &session->tables[table];
    if (!dead_letters) return at->data;
    const Foreset__Table *plan = session_plan(session)->tables[table];
    struct error err = {0};
    pthread_mutex_lock(&session->lock);
    if (!at->dead_letters && plan->dead_letters_url &&
        store_opener_open(&session->config->stores, plan->dead_letters_url, true, &at->dead_letters, &err) !=
            STATUS_OK) {
        log_error("dead_letters_open", "table=%s error=\"%s\"", plan->name, err.message);
    }
    struct objstore *store = at->dead_letters;
    pthread_mutex_unlock(&session->lock);
    return store;
}

static const Foreset__Routing *session_routing(const struct session *session)
{
    return session->rerouted ? session->rerouted->assign->routing : session->assign->assign->routing;
}

static void session_dial(struct session *session, const Foreset__Routing *routing, uint32_t self)
{
    for (size_t i = 0; routing && session->config->dial && i < routing->n_workers; i++) {
        const Foreset__RoutingWorker *other = routing->workers[i];
        if (i != self && *other->url) session->config->dial(session->config->context, other->peer, other->url);
    }
}

static void session_send(void *context, uint32_t worker, const void *bytes, size_t size)
{
    struct session *session = context;
    pthread_mutex_lock(&session->lock);
    const Foreset__Routing *routing = session_routing(session);
    bool known = routing && worker < routing->n_workers;
    uint32_t peer = known ? routing->workers[worker]->peer : 0;
    pthread_mutex_unlock(&session->lock);
    if (known) session->config->send_frame(session->config->context, peer, bytes, size);
}

// A number is what its sender says; the name that the leader gave it with must be that process's own.
static bool session_is(const struct session *session, uint32_t peer, const char *name)
{
    struct error err;
    const struct worker_config *config = session->config;
    return !config->worker_name || config->worker_name(config->context, peer, name, &err) == STATUS_OK;
}

void session_receive(struct session *session, uint32_t peer, const void *bytes, size_t size)
{
    pthread_mutex_lock(&session->lock);
    const Foreset__Routing *routing = session_routing(session);
    uint32_t from = UINT32_MAX;
    for (size_t i = 0; routing && i < routing->n_workers; i++) {
        if (routing->workers[i]->peer == peer) from = (uint32_t)i;
    }
    bool receives = session->receives && from != UINT32_MAX && session_is(session, peer, routing->workers[from]->name);
    if (receives) session->receiving++;
    pthread_mutex_unlock(&session->lock);
    if (!receives) return;
    session->flow->ops->receive(session->flow, from, bytes, size);
    pthread_mutex_lock(&session->lock);
    if (--session->receiving == 0) pthread_cond_signal(&session->idle);
    pthread_mutex_unlock(&session->lock);
}

bool session_peer_name(struct session *session, uint32_t peer, char ret_name[SESSION_NAME_SIZE])
{
    bool found = false;
    pthread_mutex_lock(&session->lock);
    const Foreset__Routing *routing = session_routing(session);
    for (size_t i = 0; routing && i < routing->n_workers; i++) {
        if (found || routing->workers[i]->peer != peer) continue;
        snprintf(ret_name, SESSION_NAME_SIZE, "%s", routing->workers[i]->name);
        found = true;
    }
    pthread_mutex_unlock(&session->lock);
    return found;
}

static void session_notify(void *context, struct dataflow_event *event)
{
    struct session *session = context;
    session->config->post(session->config->context, event);
}

static bool session_abandoned(const Foreset__Assign *assign, size_t table)
{
    for (size_t i = 0; i < assign->n_abandoned; i++) {
        if (assign->abandoned[i] == table) return true;
    }
    return false;
}

// What the leader made before it assigned must be seen here, and it must be possible to write beside it.
static enum status session_reach(const struct session *session, struct objstore *store, const char *made,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore_list list = {0};
    struct objstore_writer *writer = NULL;
    char key[64];
    TRY(objstore_list(store, made, NULL, &list, err));
    if (list.entries.count == 0) {
        status = error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE,
                           "%s is another place on this host: what the coordinator made there (%s) is not here",
                           store->url, made);
        goto out;
    }
    snprintf(key, sizeof key, "_foreset-probe-%016llx", (unsigned long long)session->incarnation);
    TRY(store->ops->create(store, key, &writer, err));
    store->ops->writer_close(writer); // not finished: it is gone again
out:
    objstore_list_deinit(&list);
    return status;
}

// What the sources of this pipeline may read: the warehouse, which the leader checked, never the state. A no-op in a
// standalone run.
static void session_confine(const Foreset__Assign *assign)
{
    char *state = objstore_path(assign->state_url);
    if (state) confine_close(state);
    memory_free(state);
    for (size_t i = 0; i < assign->plan->n_settings; i++) {
        const Foreset__Property *setting = assign->plan->settings[i];
        if (strcmp(setting->key, "pipeline.warehouse") != 0) continue;
        char *warehouse = objstore_path(setting->value);
        if (warehouse) confine_allow(warehouse);
        memory_free(warehouse);
    }
}

static enum status session_stores(struct session *session, bool shared, struct error *err)
{
    enum status status = STATUS_OK;
    const Foreset__Assign *assign = session->assign->assign;
    const struct store_opener *stores = &session->config->stores;
    session_confine(assign);
    TRY(store_opener_open(stores, assign->state_url, !shared, &session->state, err));
    objstore_set_private(session->state);
    if (shared) TRY(session_reach(session, session->state, "plans/", err));
    for (size_t i = 0; i < session->table_count; i++) {
        bool made = shared && !session_abandoned(assign, i);
        struct objstore **data = &session->tables[i].data;
        TRY(store_opener_open(stores, assign->plan->tables[i]->url, !made, data, err));
        if (made) TRY(session_reach(session, *data, "_delta_log/", err));
    }
out:
    return status;
}

// A worker whose host does not reach the stores would fill folders that nobody else sees: it takes no part, the others
// go on (CONTROL_WORKER_UNFIT).
static enum status session_unfit(const struct session *session, struct error *err)
{
    if (err->class != ERROR_FAIL_PIPELINE && err->class != ERROR_USAGE) return err->code;
    err->class = ERROR_RESTART_PIPELINE;
    snprintf(err->condition, sizeof err->condition, "%s", CONTROL_WORKER_UNFIT);
    (void)error_prefix(
        err,
        "cannot use the warehouse or the state store, so it takes no part in pipeline %s; mount what the "
        "coordinators use at the same place on its host, then restart it",
        session_plan(session)->pipeline);
    log_error("stores_out_of_reach", "worker=%s pipeline=%s error=\"%s\"", session->config->name,
              session_plan(session)->pipeline, err->message);
    return err->code;
}

// The manifest that an Assign names, once per attempt. The leader's recovery has read the same file.
static enum status session_from(const struct session *session, const Foreset__Assign *assign,
                                Foreset__Manifest **ret_from, struct error *err)
{
    if (!assign->from) return STATUS_OK;
    const struct manifest_file file = {assign->from->name, assign->from->epoch, assign->from->generation,
                                       assign->from->hash};
    return manifest_file_get(session->state, &file, session->seam, ret_from, err);
}

enum status session_open(struct session *session, struct error *err)
{
    enum status status = STATUS_OK;
    const Foreset__Assign *assign = session->assign->assign;
    bool shared = session->config->url != NULL; // with other hosts: the leader has made the places
    status = session_stores(session, shared, err);
    if (status == STATUS_OK) status = session_from(session, assign, &session->from, err);
    if (status != STATUS_OK) return shared ? session_unfit(session, err) : status;
    struct dataflow_open_args args = {.plan = assign->plan,
                                      .from = session->from,
                                      .generation = session->generation,
                                      .incarnation = session->incarnation,
                                      .hash_seed = assign->hash_seed,
                                      .lanes = session->config->lanes,
                                      .worker_index = assign->worker_index,
                                      .worker_count = assign->has_worker_count ? assign->worker_count : 1,
                                      .routing = assign->routing,
                                      .budget = session->config->budget,
                                      .state = session->state,
                                      .table_store = session_table_store,
                                      .notify = session_notify,
                                      .send = session->config->send_frame ? session_send : NULL,
                                      .context = session};
    session_dial(session, assign->routing, assign->worker_index);
    TRY(session->config->flow_open(&args, &session->flow, err));
    pthread_mutex_lock(&session->lock);
    session->receives = session->flow->ops->receive != NULL;
    pthread_mutex_unlock(&session->lock);
out:
    return status;
}

enum status session_reroute(struct session *session, Foreset__Control *assign, struct error *err)
{
    const Foreset__Assign *next = assign->assign;
    if (!next->routing || !session->flow->ops->reroute) {
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE, "routing %llu: this worker cannot take it over",
                         (unsigned long long)next->routing_version);
    }
    Foreset__Manifest *before = session->from, *from = NULL;
    enum status status = session_from(session, next, &from, err);
    if (status != STATUS_OK) {
        control_message_destroy(assign);
        return session->config->url ? session_unfit(session, err) : status;
    }
    // Nothing runs: no frame is under way. The plan that stores and lanes know stays the first Assign's; only who is
    // who comes from the newer one.
    session_dial(session, next->routing, next->worker_index);
    pthread_mutex_lock(&session->lock);
    control_message_destroy(session->rerouted);
    session->rerouted = assign;
    pthread_mutex_unlock(&session->lock);
    status = session->flow->ops->reroute(session->flow, next->routing, next->worker_index, from, err);
    session->from = from;
    if (before) foreset__manifest__free_unpacked(before, NULL);
    return status;
}

void session_close(struct session *session)
{
    pthread_mutex_lock(&session->lock);
    session->receives = false;
    while (session->receiving > 0) pthread_cond_wait(&session->idle, &session->lock);
    pthread_mutex_unlock(&session->lock);
    if (session->flow && session->flow->ops->counters) session->flow->ops->counters(session->flow, &session->counted);
    session->counted.budget_count = 0; // they go with the flow
    if (session->flow) session->flow->ops->close(session->flow);
    session->flow = NULL;
    for (size_t i = 0; i < session->table_count; i++) {
        objstore_close(session->tables[i].data);
        objstore_close(session->tables[i].dead_letters);
        session->tables[i] = (struct session_table){0};
    }
    objstore_close(session->state);
    session->state = NULL;
}

bool session_counters(const struct session *session, struct dataflow_counters *ret_counters)
{
    if (!session->opened || session->closing || !session->flow || !session->flow->ops->counters) return false;
    session->flow->ops->counters(session->flow, ret_counters);
    return true;
}

void session_destroy(struct session *session)
{
    session_close(session);
    pthread_mutex_destroy(&session->lock);
    pthread_cond_destroy(&session->idle);
    memory_free(session->tables);
    control_pieces_reset(&session->pieces);
    if (session->from) foreset__manifest__free_unpacked(session->from, NULL);
    control_message_destroy(session->assign);
    control_message_destroy(session->rerouted);
    memory_free(session);
}
