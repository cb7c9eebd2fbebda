// Places of a plan: see plan_places.h. Paths are compared as confine_resolve gives them. What can fail: what is
// refused, and paths that cannot be resolved (a link that leads nowhere), which are refused too.
#include "coordinator/pipeline/plan_places.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/confine.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/kafka/kafka_client.h"
#include "common/objstore/objstore.h"

struct plan_place {
    const char *table;
    char *path; // memory_free
};

static const char *plan_places_warehouse(const Foreset__Plan *plan)
{
    for (size_t i = 0; i < plan->n_settings; i++) {
        if (strcmp(plan->settings[i]->key, "pipeline.warehouse") == 0) return plan->settings[i]->value;
    }
    return NULL;
}

// Where a url leads, if this process may use it. *ret_path NULL with STATUS_OK: it is not local, and is refused where
// it is opened.
static enum status plan_places_path(const char *what, const char *url, char **ret_path, struct error *err)
{
    char *path = objstore_path(url);
    *ret_path = NULL;
    if (!path) return STATUS_OK;
    enum status status = confine_check_path(what, path, err);
    if (status == STATUS_OK) *ret_path = confine_resolve(path);
    if (status == STATUS_OK && !*ret_path) {
        status =
            error_set(err, STATUS_INVALID, ERROR_USAGE,
                      "%s: %.400s leads nowhere: a part of it is a symbolic link whose target is missing", what, path);
    }
    memory_free(path);
    return status;
}

// A folder above that is a Delta table, of this pipeline or of others.
static enum status plan_places_above(const struct plan_place *place, struct error *err)
{
    enum status status = STATUS_OK;
    struct text log = {0};
    char *folder = memory_strdup(place->path);
    for (char *slash; status == STATUS_OK && (slash = strrchr(folder, '/')) && slash != folder;) {
        *slash = '\0';
        text_reset(&log);
        text_printf(&log, "%s/_delta_log", folder);
        const char *end = strrchr(folder, '/');
        bool inside = strcmp(end + 1, "_delta_log") == 0;
        if (!inside && access(text_str(&log), F_OK) != 0) continue;
        status =
            error_set(err, STATUS_INVALID, ERROR_USAGE,
                      "table %.200s would be stored in %.300s, inside the Delta table %.300s; give it another name "
                      "or LOCATION: cleaning the outer table deletes what it does not know",
                      place->table, place->path, folder);
    }
    memory_free(folder);
    text_deinit(&log);
    return status;
}

static enum status plan_places_compare(const struct plan_place *a, const struct plan_place *b, struct error *err)
{
    if (strcmp(a->table, b->table) == 0) return STATUS_OK; // a table of dead letters that two share
    if (!confine_inside(a->path, b->path) && !confine_inside(b->path, a->path)) return STATUS_OK;
    return error_set(
        err, STATUS_INVALID, ERROR_USAGE,
        "tables %.200s and %.200s would be stored in one another: %.300s and %.300s are reached by symbolic "
        "links or other names",
        b->table, a->table, b->path, a->path);
}

static enum status plan_places_state(const struct plan_place *place, const char *state, struct error *err)
{
    if (!state || (!confine_inside(place->path, state) && !confine_inside(state, place->path))) return STATUS_OK;
    return error_set(
        err, STATUS_INVALID, ERROR_USAGE,
        "table %.200s would be stored in %.300s, and the pipeline's state in %.300s: neither may lie inside "
        "the other; give the table another LOCATION, or the state another --state",
        place->table, place->path, state);
}

static enum status plan_places_table(const char *table, const char *url, const char *state, struct plan_place *ret,
                                     struct error *err)
{
    char what[300];
    snprintf(what, sizeof what, "table %.250s", table);
    enum status status = plan_places_path(what, url, &ret->path, err);
    ret->table = table;
    if (status != STATUS_OK || !ret->path) return status;
    status = plan_places_state(ret, state, err);
    return status == STATUS_OK ? plan_places_above(ret, err) : status;
}

static enum status plan_places_tables(const Foreset__Plan *plan, const char *state, struct error *err)
{
    enum status status = STATUS_OK;
    size_t count = 0;
    struct plan_place *places = memory_calloc(2 * plan->n_tables + 1, sizeof *places);
    for (size_t i = 0; i < plan->n_tables; i++) {
        const Foreset__Table *table = plan->tables[i];
        TRY(plan_places_table(table->name, table->url, state, &places[count++], err));
        if (!table->dead_letters_url) continue;
        TRY(plan_places_table(table->dead_letters, table->dead_letters_url, state, &places[count++], err));
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (places[i].path && places[k].path) TRY(plan_places_compare(&places[i], &places[k], err));
        }
    }
out:
    for (size_t i = 0; i < count; i++) memory_free(places[i].path);
    memory_free(places);
    return status;
}

static enum status plan_places_sources(const Foreset__Plan *plan, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const Foreset__Source *source = plan->nodes[i]->source;
        if (!source) continue;
        if (source->kind == FORESET__SOURCE__KIND__KAFKA) TRY(kafka_client_check(source, err));
        if (source->kind == FORESET__SOURCE__KIND__FILES) TRY(confine_check_path("read_files", source->path, err));
    }
out:
    return status;
}

enum status plan_places_check(const Foreset__Plan *plan, const char *state_url, struct error *err)
{
    enum status status = STATUS_OK;
    const char *warehouse = plan_places_warehouse(plan);
    char *path = NULL, *state = NULL, *real = NULL;
    if (warehouse) TRY(plan_places_path("pipeline.warehouse", warehouse, &path, err));
    state = state_url ? objstore_path(state_url) : NULL;
    real = state ? confine_resolve(state) : NULL;
    TRY(plan_places_tables(plan, real, err));
    TRY(plan_places_sources(plan, err));
out:
    memory_free(path);
    memory_free(state);
    memory_free(real);
    return status;
}
