// Plans that several data flow tests use. The table is always "t".
#ifndef FORESET_TEST_FLOW_PLANS_H
#define FORESET_TEST_FLOW_PLANS_H

#include "tests/unit/worker/lane/flow_fixture.h"

enum dedup_kind {
    DEDUP_FOREVER,   // on (id), no watermark
    DEDUP_LATE_ONLY, // watermark on ts, on (id): keys stay, late rows go
    DEDUP_TIME,      // watermark on ts, on (id, ts)
    DEDUP_WITHIN,    // watermark on ts, within watermark on (id)
};
#define FLOW_DELAY_US  (10 * MINUTE)
#define FLOW_WINDOW_US (5 * MINUTE)

// Rows of v.
Foreset__Table *plan_dedup(struct flow *flow, enum dedup_kind kind);
// Windows of 5 minutes with a delay of 10: struct<start:timestamp,n:bigint,total:bigint>.
Foreset__Table *plan_window(struct flow *flow, enum _Foreset__Table__Mode mode);
// count(*) and sum(v) over everything, complete mode.
Foreset__Table *plan_total(struct flow *flow);

#endif
