// Whether a plan that came from elsewhere can be run: numbers point where they may, each node has what its kind needs,
// columns are those of the input. That functions fit the types of their arguments is the planner's promise alone.
#ifndef FORESET_PLAN_PLAN_CHECK_H
#define FORESET_PLAN_PLAN_CHECK_H

#include "common/base/error.h"
#include "proto/manifest.pb-c.h"
#include "proto/plan.pb-c.h"

#define PLAN_CHECK_SHARDS_MAX 65536u
#define PLAN_CHECK_TABLES_MAX 1000u
#define PLAN_CHECK_NODES_MAX  20000u
#define PLAN_CHECK_EXPRS_MAX  100000u
#define PLAN_CHECK_ARGS_MAX   1024u       // of one expression: FUNCTION_ARGS_MAX
#define PLAN_CHECK_BYTES_MAX  (32u << 20) // as a message

enum status plan_check(const Foreset__Plan *plan, struct error *err) MUST_USE;
// What a manifest says by number of the plan's tables, nodes and shards. The plan was checked.
enum status plan_check_manifest(const Foreset__Plan *plan, const Foreset__Manifest *manifest,
                                struct error *err) MUST_USE;

#endif
