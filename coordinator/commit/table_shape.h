// The plan as workers get it: of each table the columns as its log spells them, which of them are NOT NULL there, and
// the Delta properties that hold.
#ifndef FORESET_COMMIT_TABLE_SHAPE_H
#define FORESET_COMMIT_TABLE_SHAPE_H

#include "coordinator/commit/table_logs.h"

// Set by --adopt: the table's own properties hold, not those of the plan.
#define TABLE_SHAPE_ADOPTED "foreset.adopted"

// A copy of the plan, freed with foreset__plan__free_unpacked. logs: recovered; a log that is not open leaves its table
// as the plan has it. refresh: the columns are about to become those of the plan.
Foreset__Plan *table_shape_plan(const Foreset__Plan *plan, struct table_logs *logs, bool refresh);

#endif
