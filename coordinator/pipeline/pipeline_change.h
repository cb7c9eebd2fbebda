// A changed SQL file: what differs from the plan that the last decided epoch ran, what of it would lose state, and
// starting anew (--full-refresh). A part of recovery.
#ifndef FORESET_PIPELINE_PIPELINE_CHANGE_H
#define FORESET_PIPELINE_PIPELINE_CHANGE_H

#include "common/base/text.h"
#include "common/base/vector.h"
#include "coordinator/commit/recover.h"

struct pipeline_change {
    bool full_refresh;
    struct text differences; // out: a line each, for a person; empty: none
    struct meta_record
        carried;            // out: the last manifest as the new plan numbers it, in the state store; epoch 0: as it was
    VECTOR(uint32_t) fills; // SOURCE nodes of new tables that are filled first
};
// For recover.compare, with the change as its context. FAIL_PIPELINE: the change would lose state, and --full-refresh
// was not given.
enum status pipeline_change_check(struct recover *recover, struct error *err) MUST_USE;
// Blocking, behind recover_run: stores the plan, starts anew where that is wanted.
enum status pipeline_change_run(struct pipeline_change *change, struct recover *recover, struct error *err) MUST_USE;
void pipeline_change_deinit(struct pipeline_change *change);
// Pure. A line per stateful operator of either plan: whether its state is kept, rebuilt (its definition is another one)
// or dropped, or begins empty.
void pipeline_change_states(const Foreset__Plan *old, const Foreset__Plan *plan, struct text *text);
// Pure. What a manifest of the old plan says by node, said by the new plan's nodes: sources and watermarks by their
// names.
void pipeline_change_carry(const Foreset__Plan *old, const Foreset__Plan *plan, Foreset__Manifest *manifest);
// Pure. Appends a line per difference; *ret_loses: some of them lose state, position or rows.
void pipeline_change_compare(const Foreset__Plan *old, const Foreset__Plan *plan, struct text *text, bool *ret_loses);

#endif
