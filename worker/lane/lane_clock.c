// The clock of a table (see the header). Nothing fails; an epoch stays unresolved until its facts are there.
#include "worker/lane/lane_clock.h"

#include <string.h>

void lane_clock_init(struct table_clock *clock, const Foreset__Table *table, const Foreset__TableEpoch *from,
                     uint64_t next_epoch)
{
    memset(clock, 0, sizeof *clock);
    clock->table = table;
    clock->next_epoch = next_epoch;
    clock->batch = -1;
    if (!from) return;
    if (from->has_batch) clock->batch = from->batch;
    clock->late_us = from->late_us;
    clock->watermark_us = from->watermark_us;
    clock->timestamp_us = from->batch_timestamp_us;
    clock->published = from->has_published_timestamp_us;
    clock->published_us = from->published_timestamp_us;
    clock->open = from->batch_open;
}

// 1: yes, 0: no, -1: not known yet.
static int stateful_inputs(const struct table_clock *clock, const struct clock_epoch *epochs, uint32_t lanes)
{
    int answer = 0;
    for (size_t i = 0; i < clock->table->n_stateful_inputs; i++) {
        const struct clock_epoch *input = &epochs[clock->table->stateful_inputs[i]];
        if (input->emitted_rows > 0) return 1;
        if (input->emitted_final < lanes) answer = -1;
    }
    return answer;
}

// 1: yes, 0: no, -1: not known yet (SQL.md, Batches 2).
static int takes_part(const struct table_clock *clock, const Foreset__EpochPlan *plan, const struct clock_epoch *epochs,
                      const struct clock_epoch *self, uint32_t lanes)
{
    if (self->planned_input) return 1;
    int inputs = stateful_inputs(clock, epochs, lanes);
    if (inputs != 0) return inputs;
    if (!plan->no_data || !clock->table->no_data_epochs) return 0;
    if (!self->has_watermark) return -1;
    return self->candidate_us > clock->watermark_us;
}

bool lane_clock_resolve(struct table_clock *clock, const Foreset__EpochPlan *plan, struct clock_epoch *epochs,
                        uint32_t table, uint32_t lanes)
{
    struct clock_epoch *self = &epochs[table];
    int takes = takes_part(clock, plan, epochs, self, lanes);
    if (takes < 0) return false;
    bool begins = takes && !clock->open;
    if (begins && clock->table->n_watermarks > 0 && !self->has_watermark) return false;
    if (begins) {
        clock->late_us = clock->watermark_us;
        if (clock->table->n_watermarks > 0 && self->candidate_us > clock->watermark_us) {
            clock->watermark_us = self->candidate_us;
        }
        clock->batch++;
        clock->timestamp_us = plan->timestamp_us;
        clock->open = true;
    }
    self->takes_part = takes;
    self->publishes = clock->open && self->plan_publishes;
    if (self->publishes) {
        clock->open = false;
        clock->published = true;
        clock->published_us = plan->timestamp_us;
    }
    self->batch = clock->batch;
    self->late_us = clock->late_us;
    self->watermark_us = clock->watermark_us;
    self->timestamp_us = clock->timestamp_us;
    self->published_us = clock->published_us;
    self->open = clock->open;
    self->published = clock->published;
    self->resolved = true;
    clock->next_epoch++;
    return true;
}
