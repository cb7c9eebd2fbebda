// The row of a log checkpoint (Delta protocol, Checkpoint Schema; Spark's v1): one struct an action, all but one
// null. Private to common/delta.
#ifndef FORESET_DELTA_DELTA_CHECKPOINT_SCHEMA_H
#define FORESET_DELTA_DELTA_CHECKPOINT_SCHEMA_H

#include "common/columnar/type.h"

// Columns of the row; then the fields of each, in order.
enum checkpoint_column {
    CHECKPOINT_TXN,
    CHECKPOINT_ADD,
    CHECKPOINT_REMOVE,
    CHECKPOINT_METADATA,
    CHECKPOINT_PROTOCOL,
    CHECKPOINT_DOMAIN,
    CHECKPOINT_SIDECAR,
    CHECKPOINT_COLUMNS
};
enum { TXN_APP_ID, TXN_VERSION, TXN_LAST_UPDATED };
enum {
    ADD_PATH,
    ADD_PARTITION_VALUES,
    ADD_SIZE,
    ADD_MODIFIED,
    ADD_DATA_CHANGE,
    ADD_TAGS,
    ADD_DV,
    ADD_BASE_ROW_ID,
    ADD_ROW_COMMIT_VERSION,
    ADD_CLUSTERING,
    ADD_STATS
};
enum {
    REMOVE_PATH,
    REMOVE_DELETED,
    REMOVE_DATA_CHANGE,
    REMOVE_EXTENDED,
    REMOVE_PARTITION_VALUES,
    REMOVE_SIZE,
    REMOVE_DV,
    REMOVE_BASE_ROW_ID,
    REMOVE_ROW_COMMIT_VERSION
};
enum { DV_STORAGE, DV_PATH, DV_OFFSET, DV_SIZE, DV_CARDINALITY };
enum {
    METADATA_ID,
    METADATA_NAME,
    METADATA_DESCRIPTION,
    METADATA_FORMAT,
    METADATA_SCHEMA,
    METADATA_PARTITIONS,
    METADATA_CONFIGURATION,
    METADATA_CREATED
};
enum { FORMAT_PROVIDER, FORMAT_OPTIONS };
enum { PROTOCOL_READER, PROTOCOL_WRITER, PROTOCOL_READER_FEATURES, PROTOCOL_WRITER_FEATURES };
enum { DOMAIN_NAME, DOMAIN_CONFIGURATION, DOMAIN_REMOVED };
enum { SIDECAR_PATH, SIDECAR_SIZE, SIDECAR_MODIFIED };

// All columns but sidecar: what is written.
const struct type *delta_checkpoint_schema_written(void);
// All columns in the order above. Without files, add and remove are a struct of one field that no file has: nothing is
// read.
const struct type *delta_checkpoint_schema_read(bool files);

#endif
