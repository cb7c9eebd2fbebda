// The cluster's JSON answers as metrics in Prometheus' text format.
#ifndef FORESET_API_METRICS_JSON_H
#define FORESET_API_METRICS_JSON_H

#include "common/base/text.h"

// status NULL: this coordinator does not lead; only that is told.
void metrics_json(const char *status, const char *pipelines, const char *workers, struct text *ret_text);
bool metrics_json_kv_answers(const char *status);

#endif
