// Metrics of the process itself, as Prometheus reads them.
#ifndef FORESET_CLI_PROCESS_METRICS_H
#define FORESET_CLI_PROCESS_METRICS_H

#include "common/base/text.h"
#include "common/rpc/rpc.h"

void process_metrics_print(const struct rpc_counters *counters, struct text *text); // appends

#endif
