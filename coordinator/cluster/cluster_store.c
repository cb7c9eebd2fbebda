// The cluster's jobs against the kv store. Each owns what it touches; the lease and the store are safe for any thread.
// What can fail: the store does not answer (asked again by whoever asked), or the lease is gone (FENCED).
#include <stdio.h>
#include <string.h>

#include "common/base/planted.h"
#include "coordinator/cluster/cluster_private.h"

#define STORE_DEFINITIONS "foreset/cluster/definitions/"
#define STORE_DRAINED     "foreset/cluster/drained/"

enum store_kind { STORE_ELECT, STORE_KEEP, STORE_LOAD, STORE_WRITE, STORE_DELETE };
struct store_job {
    struct seam_job job;
    struct cluster *cluster;
    enum store_kind kind;
    enum status status;
    struct error err;
    // ELECT
    bool won;
    char candidate[220], leader[256], ended[256];
    // LOAD
    struct definition *definitions;
    size_t definition_count;
    struct cluster_name *drained;
    size_t drained_count;
    // WRITE
    char key[META_KEY_SIZE];
    struct text value;
    bool removes;
    int64_t term; // of the leader that wishes it
    cluster_store_done done;
    void (*forget)(void *argument); // instead of done, when the role is gone
    void *argument;
    struct store_job *behind; // waits until this one is done
};

void cluster_store_definition_key(const char *name, char ret_key[META_KEY_SIZE])
{
    snprintf(ret_key, META_KEY_SIZE, STORE_DEFINITIONS "%s", name);
}

void cluster_store_drain_key(const char *name, char ret_key[META_KEY_SIZE])
{
    snprintf(ret_key, META_KEY_SIZE, STORE_DRAINED "%s", name);
}

// The leader's process has ended. Its pipelines' leases are given back before its own: as long as that holds nobody
// else can lead any of them.
static enum status store_depose(struct store_job *job, struct error *err)
{
    enum status status = STATUS_OK;
    struct kv_list list = {0};
    char process[CLUSTER_NAME_SIZE] = "";
    TRY(kv_list(job->cluster->config.kv, STORE_DEFINITIONS, &list, err));
    (void)sscanf(job->ended, "%63s", process);
    for (size_t i = 0; i < list.count; i++) {
        struct meta_store meta;
        const char *name = list.items[i].key + strlen(STORE_DEFINITIONS);
        TRY(meta_store_init(&meta, job->cluster->config.kv, job->cluster->seam, &job->cluster->lease, name, err));
        TRY(meta_store_depose(&meta, process, true, err));
    }
    TRY(meta_store_depose(&job->cluster->meta, job->ended, false, err));
out:
    kv_list_deinit(&list);
    return status;
}

static enum status store_elect(struct store_job *job, struct error *err)
{
    enum status status = *job->ended ? store_depose(job, err) : STATUS_OK;
    if (status != STATUS_OK) return status;
    status = meta_store_campaign(&job->cluster->meta, job->candidate, &job->won, err);
    if (status != STATUS_OK || job->won) return status;
    return meta_store_leader(&job->cluster->meta, job->leader, err);
}

static enum status store_load_definitions(struct store_job *job, struct error *err)
{
    enum status status = STATUS_OK;
    struct kv_list list = {0};
    TRY(kv_list(job->cluster->config.kv, STORE_DEFINITIONS, &list, err));
    job->definitions = memory_calloc(list.count + 1, sizeof *job->definitions);
    for (size_t i = 0; i < list.count; i++) {
        struct definition *to = &job->definitions[job->definition_count];
        TRY(definition_json_unpack(list.items[i].value.bytes, list.items[i].value.size, to, err));
        job->definition_count++;
    }
out:
    kv_list_deinit(&list);
    return status;
}

static enum status store_load_drained(struct store_job *job, struct error *err)
{
    struct kv_list list = {0};
    enum status status = kv_list(job->cluster->config.kv, STORE_DRAINED, &list, err);
    job->drained = memory_calloc(list.count + 1, sizeof *job->drained);
    for (size_t i = 0; status == STATUS_OK && i < list.count; i++) {
        const char *name = list.items[i].key + strlen(STORE_DRAINED);
        snprintf(job->drained[job->drained_count++].text, CLUSTER_NAME_SIZE, "%s", name);
    }
    kv_list_deinit(&list);
    return status;
}

static enum status store_write(struct store_job *job, struct error *err)
{
    struct kv_op op = {.kind = job->removes ? KV_DELETE : KV_PUT,
                       .key = job->key,
                       .bytes = job->value.data,
                       .size = job->value.length};
    return meta_store_as_leader(&job->cluster->meta, &op, err);
}

// Position and records first: as long as the definition is there, the command can be given again.
static enum status store_delete(struct store_job *job, struct error *err)
{
    enum status status = STATUS_OK;
    struct kv_list list = {0};
    char prefix[META_KEY_SIZE];
    snprintf(prefix, sizeof prefix, "foreset/pipelines/%s/", job->key);
    TRY(kv_list(job->cluster->config.kv, prefix, &list, err));
    for (size_t i = 0; i < list.count; i++) {
        struct kv_op op = {.kind = KV_DELETE, .key = list.items[i].key};
        TRY(meta_store_as_leader(&job->cluster->meta, &op, err));
    }
    char key[META_KEY_SIZE];
    cluster_store_definition_key(job->key, key);
    struct kv_op op = {.kind = KV_DELETE, .key = key};
    TRY(meta_store_as_leader(&job->cluster->meta, &op, err));
out:
    kv_list_deinit(&list);
    return status;
}

static void store_run(struct seam_job *base)
{
    struct store_job *job = (struct store_job *)base;
    switch (job->kind) {
    case STORE_ELECT: job->status = store_elect(job, &job->err); break;
    case STORE_KEEP: job->status = meta_store_keepalive(&job->cluster->meta, &job->err); break;
    case STORE_LOAD:
        job->status = store_load_definitions(job, &job->err);
        if (job->status == STATUS_OK) job->status = store_load_drained(job, &job->err);
        break;
    case STORE_WRITE: job->status = store_write(job, &job->err); break;
    case STORE_DELETE: job->status = store_delete(job, &job->err); break;
    }
}

static void store_drop(struct seam_job *base)
{
    struct store_job *job = (struct store_job *)base;
    for (size_t i = 0; i < job->definition_count; i++) definition_deinit(&job->definitions[i]);
    memory_free(job->definitions);
    memory_free(job->drained);
    if (job->forget) job->forget(job->argument);
    text_deinit(&job->value);
    memory_free(job);
}

static void store_spawn(struct store_job *job)
{
    job->cluster->jobs++;
    job->cluster->seam->ops->spawn(job->cluster->seam, &job->job);
}

// Writes are done one after the other, in the order in which they were wished for: one that the store is slow with does
// not come after what was wished for later.
static void store_write_next(struct cluster *cluster)
{
    struct store_job *job = cluster->writes;
    if (!job || (cluster->writing && !FORESET_BUG("writes-unordered"))) return;
    cluster->writes = job->behind;
    cluster->writing = true;
    store_spawn(job);
}

static void store_append(struct store_job *job)
{
    struct store_job **at = &job->cluster->writes;
    while (*at) at = &(*at)->behind;
    *at = job;
    store_write_next(job->cluster);
}

void cluster_store_forget(struct cluster *cluster)
{
    while (cluster->writes) {
        struct store_job *job = cluster->writes;
        cluster->writes = job->behind;
        store_drop(&job->job);
    }
}

// What was written while this process led may be done only while it does: later another leader has read it, or will.
static void store_written(struct cluster *cluster, struct store_job *job)
{
    bool leads = cluster->machine.state == CLUSTER_LEADING;
    if (!leads || job->term != atomic_load(&cluster->lease.create_revision)) {
        job->status = error_set(&job->err, STATUS_ERROR, ERROR_RETRY,
                                "this coordinator leads no more: the next leader does what was written. Look, and "
                                "give the command again if it was not");
    }
    job->forget = NULL;
    if (job->done) job->done(cluster, job->argument, job->status, &job->err);
}

static void store_done(struct seam_job *base)
{
    struct store_job *job = (struct store_job *)base;
    struct cluster *cluster = job->cluster;
    const struct error *trouble = job->status == STATUS_OK ? NULL : &job->err;
    cluster->jobs--;
    switch (job->kind) {
    case STORE_ELECT:
        snprintf(cluster->leader, sizeof cluster->leader, "%s", job->leader);
        cluster_elected(cluster, job->won, trouble);
        break;
    case STORE_KEEP: cluster_kept(cluster, trouble); break;
    case STORE_LOAD:
        cluster_loaded(cluster, job->definitions, trouble ? 0 : job->definition_count, job->drained, job->drained_count,
                       trouble);
        if (!trouble) job->definition_count = 0; // taken
        break;
    case STORE_WRITE:
    case STORE_DELETE:
        cluster->writing = false;
        store_write_next(cluster);
        store_written(cluster, job);
        break;
    }
    store_drop(base);
}

static struct store_job *store_job(struct cluster *cluster, enum store_kind kind)
{
    struct store_job *job = memory_calloc(1, sizeof *job);
    job->job = (struct seam_job){.run = store_run, .done = store_done, .drop = store_drop};
    job->cluster = cluster;
    job->kind = kind;
    job->term = atomic_load(&cluster->lease.create_revision);
    return job;
}

void cluster_store_elect(struct cluster *cluster)
{
    struct store_job *job = store_job(cluster, STORE_ELECT);
    snprintf(job->candidate, sizeof job->candidate, "%s", cluster->candidate);
    snprintf(job->ended, sizeof job->ended, "%s", cluster->ended);
    cluster->ended[0] = '\0';
    store_spawn(job);
}

void cluster_store_keep(struct cluster *cluster)
{
    store_spawn(store_job(cluster, STORE_KEEP));
}

void cluster_store_load(struct cluster *cluster)
{
    store_spawn(store_job(cluster, STORE_LOAD));
}

void cluster_store_write(struct cluster *cluster, const char *key, const struct text *value, cluster_store_done done,
                         void (*forget)(void *argument), void *argument)
{
    struct store_job *job = store_job(cluster, STORE_WRITE);
    snprintf(job->key, sizeof job->key, "%s", key);
    job->removes = !value;
    if (value) text_append(&job->value, value->data, value->length);
    job->done = done;
    job->forget = forget;
    job->argument = argument;
    store_append(job);
}

void cluster_store_delete(struct cluster *cluster, const char *name, cluster_store_done done,
                          void (*forget)(void *argument), void *argument)
{
    struct store_job *job = store_job(cluster, STORE_DELETE);
    snprintf(job->key, sizeof job->key, "%s", name);
    job->done = done;
    job->forget = forget;
    job->argument = argument;
    store_append(job);
}
