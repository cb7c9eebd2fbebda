// Totals of a pipeline since it leads, kept as epochs are published and workers tell. Nothing fails.
#include "coordinator/pipeline/pipeline_status.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/pipeline/pipeline_private.h"

const double pipeline_status_steps[PIPELINE_STATUS_STEPS - 1] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                                 0.5,   1,    2.5,   5,    10};

void pipeline_status_said(struct pipeline_status_worker *worker, const Foreset__Heartbeat *heartbeat)
{
    worker->exchanges = heartbeat->exchange != NULL;
    if (heartbeat->exchange) {
        worker->exchange = *heartbeat->exchange;
        worker->exchange.base.n_unknown_fields = 0; // they go with the message
        worker->exchange.base.unknown_fields = NULL;
    }
    worker->budget_count = 0;
    for (size_t i = 0; i < heartbeat->n_memory && i < PIPELINE_STATUS_BUDGETS; i++) {
        const Foreset__MemoryReport *from = heartbeat->memory[i];
        struct pipeline_status_budget *to = &worker->budgets[worker->budget_count++];
        snprintf(to->name, sizeof to->name, "%s", from->budget);
        to->used_bytes = from->used_bytes;
        to->peak_bytes = from->peak_bytes;
        to->limit_bytes = from->limit_bytes;
    }
}

uint64_t pipeline_status_state_bytes(const struct pipeline *pipeline)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < pipeline->worker_count; i++) {
        const struct pipeline_status_worker *worker = &pipeline->workers[i].said;
        for (size_t k = 0; k < worker->budget_count; k++) {
            if (strcmp(worker->budgets[k].name, "state") == 0) bytes += worker->budgets[k].used_bytes;
        }
    }
    return bytes;
}

static void status_phase(struct pipeline_status_phase *phase, int64_t from_us, int64_t to_us)
{
    int64_t took_us = from_us > 0 && to_us > from_us ? to_us - from_us : 0;
    size_t step = 0;
    while (step < PIPELINE_STATUS_STEPS - 1 && (double)took_us > pipeline_status_steps[step] * 1e6) step++;
    phase->sum_us += took_us;
    phase->steps[step]++;
}

// What the workers' reports alone know.
static void status_reports(struct pipeline_status *status, const struct epoch *epoch, size_t node_count)
{
    uint64_t files_us = 0, snapshot_us = 0;
    for (size_t node = 0; node < node_count; node++) status->states[node] = 0;
    for (size_t i = 0; i < epoch->worker_count; i++) {
        const Foreset__Prepared *prepared = epoch->reports[i].prepared->prepared;
        if (prepared->files_us > files_us) files_us = prepared->files_us;
        if (prepared->snapshot_us > snapshot_us) snapshot_us = prepared->snapshot_us;
        for (size_t k = 0; k < prepared->n_states; k++) {
            if (prepared->states[k]->node >= node_count) continue;
            status->states[prepared->states[k]->node] += prepared->states[k]->entries;
        }
    }
    status->files_us += (int64_t)files_us;
    status->snapshot_us += (int64_t)snapshot_us;
}

static void status_violations(struct pipeline_status_table *table, const Foreset__Table *plan,
                              const Foreset__TableEpoch *from)
{
    if (from->n_violations > 0 && !table->violations)
        table->violations = memory_calloc(plan->n_constraints + 1, sizeof *table->violations);
    for (size_t i = 0; i < from->n_violations; i++) {
        for (size_t k = 0; k < plan->n_constraints; k++) {
            if (strcmp(plan->constraints[k]->name, from->violations[i]->constraint) == 0)
                table->violations[k] += from->violations[i]->rows;
        }
    }
}

static void status_tables(struct pipeline_status *status, const Foreset__Plan *plan, const Foreset__Manifest *body)
{
    for (size_t i = 0; i < body->n_tables; i++) {
        const Foreset__TableEpoch *from = body->tables[i];
        struct pipeline_status_table *table = &status->tables[from->table];
        table->rows_in += from->rows_in;
        table->rows_out += from->rows_out;
        table->rows_late += from->rows_late;
        table->rows_dead += from->rows_dead;
        table->rows_malformed += from->rows_malformed;
        table->rows_violated += from->rows_violated;
        status_violations(table, plan->tables[from->table], from);
        table->rows_filtered += from->rows_filtered;
        table->rows_duplicate += from->rows_duplicate;
        table->rows_grouped += from->rows_grouped;
        table->rows_expanded += from->rows_expanded;
        table->rows_unaccounted += from->rows_unaccounted;
        table->offsets_empty += from->offsets_empty;
        table->bytes_out += from->bytes_out;
    }
}

void pipeline_status_published(struct pipeline *pipeline, const struct epoch *epoch, int64_t now_us)
{
    struct pipeline_status *status = &pipeline->status;
    const Foreset__Manifest *body = epoch->manifest->body;
    struct pipeline_status_epoch *to = &status->epochs[status->epoch_count++ % PIPELINE_STATUS_EPOCHS];
    *to = (struct pipeline_status_epoch){.epoch = epoch->number,
                                         .rows = body->rows_in,
                                         .bytes = epoch->bytes,
                                         .no_data = epoch->no_data,
                                         .timestamp_us = epoch->timestamp_us,
                                         .planned_us = epoch->planned_us,
                                         .read_us = epoch->read_us,
                                         .prepared_us = epoch->prepared_us,
                                         .decided_us = epoch->decided_us,
                                         .published_us = now_us};
    status->rows_in += body->rows_in;
    const int64_t times_us[] = {to->planned_us, to->read_us, to->prepared_us, to->decided_us, to->published_us};
    for (size_t i = 0; i < PIPELINE_STATUS_PHASES - 1; i++)
        status_phase(&status->phases[i], times_us[i], times_us[i + 1]);
    status_phase(&status->phases[PIPELINE_STATUS_PHASES - 1], to->planned_us, to->published_us);
    for (size_t i = 0; i < body->n_parts; i++) {
        if (body->parts[i]->epoch == epoch->number) status->snapshot_bytes += body->parts[i]->size_bytes;
    }
    status_reports(status, epoch, pipeline->config.plan->n_nodes);
    status_tables(status, pipeline->config.plan, body);
}
