// What lanes leave to the worker's job: sealed files (P11).
#ifndef FORESET_LANE_LANE_LATE_H
#define FORESET_LANE_LANE_LATE_H

#include "worker/lane/dataflow.h"
#include "worker/sink/file_sink.h"

struct lane_lates; // of one group
struct lane_lates *lane_lates_create(void);
// The group goes: sinks that no job will complete are closed, their files removed. NULL allowed.
void lane_lates_close(struct lane_lates *lates);

struct lane_late; // of one report
struct lane_late *lane_late_create(struct lane_lates *lates);
void lane_late_add(struct lane_late *late, struct file_sink_rest rest); // takes the sink
struct dataflow_late *lane_late_base(struct lane_late *late);

#endif
