// All lanes of a worker for one pipeline: the production data flow (dataflow.h: lane_group_open), and the seams that
// tests need.
#ifndef FORESET_LANE_LANE_GROUP_H
#define FORESET_LANE_LANE_GROUP_H

#include "worker/lane/dataflow.h"
#include "worker/source/source.h"

struct lane_group_options {
    bool stepped;       // no threads: the test drives the lanes with lane_group_step
    source_open source; // in place of the source's kind; NULL: by kind
    uint64_t seed;      // 0: from the kernel; names of files
};
enum status lane_group_open_with(const struct dataflow_open_args *args, const struct lane_group_options *options,
                                 struct dataflow **ret_flow, struct error *err) MUST_USE;
// Stepped: one step of one lane. Returns whether it did anything.
bool lane_group_step(struct dataflow *flow, uint32_t lane);
// Stepped: what the first lane does once a second: tells the other workers how many frames there were.
void lane_group_beat(struct dataflow *flow);

#endif
