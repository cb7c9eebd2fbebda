// The actions of a Delta log as plain structs (Delta protocol, Actions). Texts are borrowed: whoever filled the
// struct says from what arena; NULL is "absent". Nothing here allocates.
#ifndef FORESET_DELTA_DELTA_ACTION_H
#define FORESET_DELTA_DELTA_ACTION_H

#include <stdbool.h>
#include <stdint.h>

struct delta_pair {
    const char *key;
    const char *value; // NULL: null
};
struct delta_map {
    struct delta_pair *items;
    uint32_t count;
};
struct delta_strings {
    const char **items;
    uint32_t count;
    bool present; // an empty list differs from none (readerFeatures)
};

struct delta_protocol {
    int32_t min_reader_version, min_writer_version;
    struct delta_strings reader_features, writer_features;
};
struct delta_metadata {
    const char *id;
    const char *name, *description; // NULL: none
    const char *format_provider;    // "parquet"; NULL when writing: that
    struct delta_map format_options;
    const char *schema_string; // Spark schema JSON, delta_schema_json.h; NULL: no columns
    struct delta_strings partition_columns;
    struct delta_map configuration;
    int64_t created_time_ms; // 0: absent
};
struct delta_deletion_vector {
    const char *storage_type; // "u", "i", "p"
    const char *path_or_inline_dv;
    bool has_offset;
    int32_t offset;
    int32_t size_bytes;
    int64_t cardinality;
};
struct delta_add {
    const char *path; // exactly as the log has it (URI-encoded); delta_path_decode gives the object's key
    struct delta_map partition_values;
    int64_t size_bytes;
    int64_t modified_ms;
    bool data_change;
    const char *stats; // JSON text; NULL: none
    struct delta_map tags;
    const struct delta_deletion_vector *deletion_vector; // NULL: none
    int64_t base_row_id, default_row_commit_version;     // INT64_MIN: absent
    const char *clustering_provider;
};
struct delta_remove {
    const char *path;    // byte-identical to the add's
    int64_t deletion_ms; // 0: absent
    bool data_change;
    bool extended; // partition_values and size_bytes are given
    struct delta_map partition_values;
    int64_t size_bytes;
    const struct delta_deletion_vector *deletion_vector;
    int64_t base_row_id, default_row_commit_version; // INT64_MIN: absent
};
struct delta_txn {
    const char *app_id;
    int64_t version;
    int64_t last_updated_ms; // 0: absent
};
struct delta_domain {
    const char *domain;
    const char *configuration;
    bool removed;
};
struct delta_sidecar {
    const char *path; // file name in _delta_log/_sidecars/
    int64_t size_bytes;
    int64_t modified_ms;
};

// commitInfo. Foreset's own fields (P19) are JSON fields beside Spark's: pipelineId, pipeline, table, epoch (the last),
// epochs [first, last], manifests [{epoch, name, hash as 16 hex digits}], generation, ranges.
struct delta_manifest_ref {
    uint64_t epoch;
    const char *name;
    uint64_t hash;
};
struct delta_commit_info {
    int64_t timestamp_ms;           // 0: absent
    int64_t in_commit_timestamp_ms; // 0: absent
    const char *operation;          // "STREAMING UPDATE", "CREATE TABLE", …
    struct delta_map parameters;    // operationParameters; a value that is JSON itself stays text
    struct delta_map metrics;       // operationMetrics: numbers as text
    int64_t read_version;           // -1: absent
    bool is_blind_append;
    const char *isolation_level; // NULL when writing: "Serializable"
    const char *engine_info;     // NULL when writing: "Foreset"
    const char *txn_id;          // a fresh uuid for every commit: settles unknown outcomes
    const char *user_metadata;
    // NULL pipeline_id: not a commit of Foreset
    const char *pipeline_id, *pipeline, *table;
    uint64_t epoch_first, epoch_last;
    const struct delta_manifest_ref *manifests;
    uint32_t manifest_count;
    uint64_t generation;
    const char *ranges; // JSON text; NULL: none
};

enum delta_action_kind {
    DELTA_ACTION_UNKNOWN = 0, // a line with none of the actions below: ignored, as the protocol asks
    DELTA_ACTION_COMMIT_INFO,
    DELTA_ACTION_PROTOCOL,
    DELTA_ACTION_METADATA,
    DELTA_ACTION_ADD,
    DELTA_ACTION_REMOVE,
    DELTA_ACTION_TXN,
    DELTA_ACTION_DOMAIN,
    DELTA_ACTION_CDC, // only that it is there
    DELTA_ACTION_SIDECAR,
    DELTA_ACTION_CHECKPOINT_METADATA,
};
struct delta_action {
    enum delta_action_kind kind;
    union {
        struct delta_commit_info commit_info;
        struct delta_protocol protocol;
        struct delta_metadata metadata;
        struct delta_add add;
        struct delta_remove remove;
        struct delta_txn txn;
        struct delta_domain domain;
        struct delta_sidecar sidecar;
    };
};

// The value of a key; NULL if it is not there or null.
const char *delta_action_map_get(const struct delta_map *map, const char *key);
bool delta_action_strings_has(const struct delta_strings *strings, const char *wanted);

#endif
