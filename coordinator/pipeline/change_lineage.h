// What state is made of, in two plans: whether a stateful node of a changed pipeline still means what its saved state
// means. Only the columns that its keys and aggregates come from count, followed down to their source or table by name,
// so that columns may come and move beside them. Pure.
#ifndef FORESET_PIPELINE_CHANGE_LINEAGE_H
#define FORESET_PIPELINE_CHANGE_LINEAGE_H

#include <stdbool.h>

#include "proto/plan.pb-c.h"

// before and now: stateful nodes (DEDUP, AGGREGATE_FINAL, LIMIT) of the two plans.
bool change_lineage_same(const Foreset__Plan *old, const Foreset__Node *before, const Foreset__Plan *plan,
                         const Foreset__Node *now);

#endif
