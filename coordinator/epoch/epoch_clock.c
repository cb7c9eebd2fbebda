// Clocks of tables. Pure: nothing fails, nothing is read but what is given.
#include "coordinator/epoch/epoch_clock.h"

#include "common/base/memory.h"
#include "common/base/planted.h"

static void epoch_clock_load(struct epoch_clock_table *table, const Foreset__TableEpoch *from)
{
    if (from->has_batch) table->batch = from->batch;
    table->late_us = from->late_us;
    table->watermark_us = from->watermark_us;
    table->timestamp_us = from->batch_timestamp_us;
    table->published = from->has_published_timestamp_us;
    table->published_us = from->published_timestamp_us;
    table->open = from->batch_open;
    for (size_t i = 0; i < from->n_maxima; i++) {
        for (size_t j = 0; j < table->plan->n_watermarks; j++) {
            if (table->plan->watermarks[j] != from->maxima[i]->node) continue;
            table->maxima[j] = from->maxima[i]->event_time_us;
            table->seen[j] = true;
        }
    }
}

void epoch_clock_init(struct epoch_clock *clock, const Foreset__Plan *plan, const Foreset__Manifest *from)
{
    clock->plan = plan;
    clock->count = plan->n_tables;
    clock->tables = memory_calloc(clock->count + 1, sizeof *clock->tables);
    for (size_t i = 0; i < clock->count; i++) {
        struct epoch_clock_table *table = &clock->tables[i];
        table->plan = plan->tables[i];
        table->batch = -1;
        table->maxima = memory_calloc(table->plan->n_watermarks + 1, sizeof *table->maxima);
        table->seen = memory_calloc(table->plan->n_watermarks + 1, sizeof *table->seen);
    }
    for (size_t i = 0; from && i < from->n_tables; i++) {
        if (from->tables[i]->table < clock->count)
            epoch_clock_load(&clock->tables[from->tables[i]->table], from->tables[i]);
    }
}

void epoch_clock_deinit(struct epoch_clock *clock)
{
    for (size_t i = 0; i < clock->count; i++) {
        memory_free(clock->tables[i].maxima);
        memory_free(clock->tables[i].seen);
    }
    memory_free(clock->tables);
    *clock = (struct epoch_clock){0};
}

static int64_t epoch_clock_floor_ms(int64_t us)
{
    int64_t rest = us % 1000;
    return us - (rest < 0 ? rest + 1000 : rest);
}

int64_t epoch_clock_candidate(const struct epoch_clock *clock, uint32_t number)
{
    const struct epoch_clock_table *table = &clock->tables[number];
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < table->plan->n_watermarks; i++) {
        const Foreset__Node *node = clock->plan->nodes[table->plan->watermarks[i]];
        int64_t mark = table->seen[i] ? epoch_clock_floor_ms(table->maxima[i]) - node->delay_us : 0;
        if (mark < least) least = mark;
    }
    if (least == INT64_MAX || least < table->watermark_us) return table->watermark_us;
    return least;
}

bool epoch_clock_moves(const struct epoch_clock *clock)
{
    for (uint32_t i = 0; i < clock->count; i++) {
        const struct epoch_clock_table *table = &clock->tables[i];
        if (!table->plan->no_data_epochs || table->plan->n_watermarks == 0) continue;
        if (epoch_clock_candidate(clock, i) > table->watermark_us) return true;
    }
    return false;
}

bool epoch_clock_any_open(const struct epoch_clock *clock)
{
    for (size_t i = 0; i < clock->count; i++) {
        if (clock->tables[i].open) return true;
    }
    return false;
}

bool epoch_clock_publishes(const struct epoch_clock *clock, uint32_t number, int64_t timestamp_us, bool last)
{
    const struct epoch_clock_table *table = &clock->tables[number];
    if (last || !table->plan->has_interval_us || table->plan->interval_us <= 0 || !table->published) return true;
    // Triggers come a little early or late: without slack an interval as long as the trigger would skip every other
    // one.
    int64_t step_us =
        clock->plan->trigger_us < table->plan->interval_us ? clock->plan->trigger_us : table->plan->interval_us;
    return timestamp_us - table->published_us >= table->plan->interval_us - step_us / 8;
}

bool epoch_clock_pass(struct epoch_clock *clock, uint32_t number, const struct epoch_clock_facts *facts)
{
    struct epoch_clock_table *table = &clock->tables[number];
    if (facts->took_part && !table->open) {
        table->late_us = table->watermark_us;
        if (facts->candidate_us > table->watermark_us) table->watermark_us = facts->candidate_us;
        table->batch++;
        table->timestamp_us = facts->timestamp_us;
        table->open = true;
    }
    bool publishes = table->open && facts->publishes;
    if (publishes) {
        table->open = false;
        table->published = true;
        table->published_us = facts->timestamp_us;
    }
    return publishes;
}

bool epoch_clock_maximum(struct epoch_clock *clock, uint32_t node, int64_t event_time_us)
{
    for (size_t i = 0; i < clock->count; i++) {
        struct epoch_clock_table *table = &clock->tables[i];
        for (size_t j = 0; j < table->plan->n_watermarks; j++) {
            if (table->plan->watermarks[j] != node) continue;
            if (!table->seen[j] || event_time_us > table->maxima[j]) table->maxima[j] = event_time_us;
            table->seen[j] = true;
            return true;
        }
    }
    return false;
}
