// What planner, leader and workers ask about a source.
#ifndef FORESET_PLAN_PLAN_SOURCE_H
#define FORESET_PLAN_PLAN_SOURCE_H

#include "proto/plan.pb-c.h"

// Its ranges name files, any lane may read any of them; else they are [from, to) of partitions.
static inline bool plan_source_has_files(const Foreset__Source *source)
{
    return source->kind == FORESET__SOURCE__KIND__FILES || source->kind == FORESET__SOURCE__KIND__TABLE;
}

#endif
