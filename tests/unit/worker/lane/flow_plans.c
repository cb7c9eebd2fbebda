// The plans (see the header), as the planner would make them.
#include "tests/unit/worker/lane/flow_plans.h"

#define KEYED    "struct<window:struct<start:timestamp,end:timestamp>,states:binary>"
#define WINDOWED "struct<id:string,k:string,v:int,ts:timestamp,window:struct<start:timestamp,end:timestamp>>"

static uint32_t plan_watermark(struct flow *flow)
{
    Foreset__Node *watermark = flow_node(flow, FORESET__NODE__KIND__WATERMARK, 0, flow_last(flow), FLOW_SCHEMA);
    flow_exprs(flow, watermark, 1, flow_column(flow, 3, "timestamp"));
    watermark->has_delay_us = true;
    watermark->delay_us = FLOW_DELAY_US;
    return flow_last(flow);
}

Foreset__Table *plan_dedup(struct flow *flow, enum dedup_kind kind)
{
    flow_source(flow, 0);
    uint32_t watermark = kind == DEDUP_FOREVER ? 0 : plan_watermark(flow);
    uint32_t id = flow_column(flow, 0, "string"), ts = flow_column(flow, 3, "timestamp");
    Foreset__Node *exchange = flow_node(flow, FORESET__NODE__KIND__EXCHANGE, 0, flow_last(flow), FLOW_SCHEMA);
    Foreset__Node *dedup = flow_node(flow, FORESET__NODE__KIND__DEDUP, 0, flow_last(flow), FLOW_SCHEMA);
    dedup->name = "dedup-1";
    flow_exprs(flow, exchange, 1, id);
    flow_exprs(flow, dedup, 1, id);
    dedup->has_has_watermark = dedup->has_watermark = kind != DEDUP_FOREVER;
    if (kind == DEDUP_TIME) {
        flow_exprs(flow, exchange, 1, ts);
        flow_exprs(flow, dedup, 1, ts);
        dedup->has_event_time = true;
        dedup->event_time = 1;
    } else if (kind != DEDUP_FOREVER) {
        dedup->has_late_column = true;
        dedup->late_column = 3;
    }
    if (kind == DEDUP_WITHIN) {
        dedup->has_within_watermark = dedup->within_watermark = dedup->has_delay_us = true;
        dedup->delay_us = FLOW_DELAY_US;
    }
    Foreset__Node *project = flow_node(flow, FORESET__NODE__KIND__PROJECT, 0, flow_last(flow), "struct<v:int>");
    flow_exprs(flow, project, 1, flow_column(flow, 2, "int"));
    Foreset__Table *table = flow_table(flow, "t", FORESET__TABLE__MODE__APPEND);
    table->has_stateful = table->stateful = true;
    flow_uint(flow, &table->sources, &table->n_sources, 0);
    if (kind != DEDUP_FOREVER) {
        flow_uint(flow, &table->watermarks, &table->n_watermarks, watermark);
        table->has_no_data_epochs = table->no_data_epochs = true;
    }
    return table;
}

Foreset__Table *plan_window(struct flow *flow, enum _Foreset__Table__Mode mode)
{
    flow_source(flow, 0);
    uint32_t watermark = plan_watermark(flow);
    Foreset__Node *window = flow_node(flow, FORESET__NODE__KIND__WINDOW, 0, flow_last(flow), WINDOWED);
    flow_exprs(flow, window, 1, flow_column(flow, 3, "timestamp"));
    window->has_window_us = window->has_slide_us = true;
    window->window_us = window->slide_us = FLOW_WINDOW_US;
    Foreset__Node *partial = flow_node(flow, FORESET__NODE__KIND__AGGREGATE_PARTIAL, 0, flow_last(flow), KEYED);
    flow_exprs(flow, partial, 1, flow_column(flow, 4, "struct<start:timestamp,end:timestamp>"));
    Foreset__Node *exchange = flow_node(flow, FORESET__NODE__KIND__EXCHANGE, 0, flow_last(flow), KEYED);
    flow_exprs(flow, exchange, 1, flow_column(flow, 0, "struct<start:timestamp,end:timestamp>"));
    Foreset__Node *final = flow_node(flow, FORESET__NODE__KIND__AGGREGATE_FINAL, 0, flow_last(flow),
                                     "struct<window:struct<start:timestamp,end:timestamp>,n:bigint,total:bigint>");
    Foreset__Node *halves[2] = {partial, final};
    for (int i = 0; i < 2; i++) {
        flow_aggregate(flow, halves[i], "count", "bigint", -1);
        flow_aggregate(flow, halves[i], "sum", "bigint", (int)flow_cast(flow, flow_column(flow, 2, "int"), "bigint"));
        halves[i]->has_has_watermark = halves[i]->has_watermark = halves[i]->has_event_time = true;
        halves[i]->has_event_time_is_window = halves[i]->event_time_is_window = true;
        halves[i]->name = i ? "aggregate-1" : "aggregate-1-partial";
    }
    Foreset__Node *project = flow_node(flow, FORESET__NODE__KIND__PROJECT, 0, flow_last(flow),
                                       "struct<start:timestamp,n:bigint,total:bigint>");
    uint32_t key = flow_column(flow, 0, "struct<start:timestamp,end:timestamp>");
    uint32_t start = flow_column(flow, 0, "timestamp");
    flow->exprs.items[start]->kind = FORESET__EXPR__KIND__FIELD;
    flow_uint(flow, &flow->exprs.items[start]->args, &flow->exprs.items[start]->n_args, key);
    flow_exprs(flow, project, 3, start, flow_column(flow, 1, "bigint"), flow_column(flow, 2, "bigint"));
    Foreset__Table *table = flow_table(flow, "t", mode);
    table->has_stateful = table->stateful = true;
    flow_uint(flow, &table->sources, &table->n_sources, 0);
    flow_uint(flow, &table->watermarks, &table->n_watermarks, watermark);
    table->has_no_data_epochs = true;
    table->no_data_epochs = mode != FORESET__TABLE__MODE__COMPLETE;
    return table;
}

Foreset__Table *plan_total(struct flow *flow)
{
    flow_source(flow, 0);
    Foreset__Node *partial =
        flow_node(flow, FORESET__NODE__KIND__AGGREGATE_PARTIAL, 0, flow_last(flow), "struct<states:binary>");
    flow_node(flow, FORESET__NODE__KIND__EXCHANGE, 0, flow_last(flow), "struct<states:binary>");
    Foreset__Node *final =
        flow_node(flow, FORESET__NODE__KIND__AGGREGATE_FINAL, 0, flow_last(flow), "struct<n:bigint,total:bigint>");
    Foreset__Node *halves[2] = {partial, final};
    for (int i = 0; i < 2; i++) {
        flow_aggregate(flow, halves[i], "count", "bigint", -1);
        flow_aggregate(flow, halves[i], "sum", "bigint", (int)flow_cast(flow, flow_column(flow, 2, "int"), "bigint"));
        halves[i]->name = i ? "aggregate-1" : "aggregate-1-partial";
    }
    Foreset__Table *table = flow_table(flow, "t", FORESET__TABLE__MODE__COMPLETE);
    table->has_stateful = table->stateful = true;
    flow_uint(flow, &table->sources, &table->n_sources, 0);
    return table;
}
