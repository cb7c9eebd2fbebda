// What the leader of a flow under test makes of the workers' reports.
#ifndef FORESET_TEST_FLOW_REPORTS_H
#define FORESET_TEST_FLOW_REPORTS_H

#include "tests/unit/worker/lane/flow_fixture.h"

// FROZEN events of one epoch, one of each worker: merges them, stores the parts and makes the manifest that a restart
// would begin from. Takes what they hold.
void flow_reports_take(struct flow *flow, struct dataflow_event **events);

#endif
