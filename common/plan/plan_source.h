// What planner, leader and workers ask about a plan's sources and tables.
#ifndef FORESET_PLAN_PLAN_SOURCE_H
#define FORESET_PLAN_PLAN_SOURCE_H

#include <stdbool.h>
#include <string.h>

#include "proto/plan.pb-c.h"

// Its ranges name files, any lane may read any of them; else they are [from, to) of partitions.
static inline bool plan_source_has_files(const Foreset__Source *source)
{
    return source->kind == FORESET__SOURCE__KIND__FILES || source->kind == FORESET__SOURCE__KIND__TABLE;
}

// What a table that is added later is filled from (P23).
static inline bool plan_source_is_fill(const Foreset__Node *node)
{
    return node->kind == FORESET__NODE__KIND__SOURCE && node->source->kind == FORESET__SOURCE__KIND__TABLE;
}

// The node that passes on another table's rows, those of a fill and those of the stream.
static inline bool plan_source_is_stream(const Foreset__Plan *plan, const Foreset__Node *node)
{
    return node->kind == FORESET__NODE__KIND__UNION && node->n_inputs == 2 &&
           plan_source_is_fill(plan->nodes[node->inputs[1]]);
}

// By name, or by place; NULL: the plan has none. ret_number may be NULL.
static inline const Foreset__Table *plan_source_table(const Foreset__Plan *plan, const char *name, const char *url,
                                                      uint32_t *ret_number)
{
    for (uint32_t i = 0; i < plan->n_tables; i++) {
        const Foreset__Table *table = plan->tables[i];
        if ((name && strcmp(table->name, name) != 0) || (url && strcmp(table->url, url) != 0)) continue;
        if (ret_number) *ret_number = i;
        return table;
    }
    return NULL;
}

#endif
