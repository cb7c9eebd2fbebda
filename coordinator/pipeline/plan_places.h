// What a plan reads and writes, looked at on the disk: may this process use it (common/base/confine.h), and is it a
// place of its own? The planner compares the names; here symbolic links and tables of others are looked at too.
#ifndef FORESET_PIPELINE_PLAN_PLACES_H
#define FORESET_PIPELINE_PLAN_PLACES_H

#include "common/base/error.h"
#include "proto/plan.pb-c.h"

// Opens no file and makes nothing. state_url: where manifests and state of the pipeline go. ERROR_USAGE: a path or
// variable that this process may not use; two tables in one place; a table inside another table, a log, or the state.
enum status plan_places_check(const Foreset__Plan *plan, const char *state_url, struct error *err) MUST_USE;

#endif
