// The catalog of a read_kafka source, as the leader sees it: common/kafka behind the catalog contract.
#ifndef FORESET_PIPELINE_BROKER_CATALOG_H
#define FORESET_PIPELINE_BROKER_CATALOG_H

#include "coordinator/pipeline/catalog.h"

// pipeline: its name, for the consumer group that lag tools look at.
enum status broker_catalog_open(const Foreset__Source *source, const char *pipeline, struct catalog **ret_catalog,
                                struct error *err) MUST_USE;

#endif
