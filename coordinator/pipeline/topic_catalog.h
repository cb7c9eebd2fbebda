// Catalogs of real sources: read_kafka topics through common/kafka, read_files directories.
#ifndef FORESET_PIPELINE_TOPIC_CATALOG_H
#define FORESET_PIPELINE_TOPIC_CATALOG_H

#include "coordinator/pipeline/catalog.h"

// A catalog_opener.open for production.
enum status topic_catalog_open(void *context, const Foreset__Plan *plan, uint32_t node, struct catalog **ret_catalog,
                               struct error *err) MUST_USE;

#endif
