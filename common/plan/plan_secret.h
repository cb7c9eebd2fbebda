// Secrets in a compiled plan. Those that secret('…') names stay names; what a text gives in plain words is for the
// process that runs it alone, and is neither stored nor shown.
#ifndef FORESET_PLAN_PLAN_SECRET_H
#define FORESET_PLAN_PLAN_SECRET_H

#include <stdbool.h>

#include "proto/plan.pb-c.h"

#define PLAN_SECRET_MASK "***"

bool plan_secret_is(const Foreset__Property *option); // an option whose value is a secret in plain words
// The first one of the plan; NULL: none. *ret_source: whose it is.
const Foreset__Property *plan_secret_find(const Foreset__Plan *plan, const char **ret_source);
// The plan packed, with PLAN_SECRET_MASK in place of each: what the state store keeps, and what a plan's hash is of.
// memory_free.
uint8_t *plan_secret_pack(const Foreset__Plan *plan, size_t *ret_size);

#endif
