// A pipeline as a person applied it, and as the kv store keeps it (JSON, so that a person can read it there).
#ifndef FORESET_CLUSTER_DEFINITION_JSON_H
#define FORESET_CLUSTER_DEFINITION_JSON_H

#include "common/base/text.h"
#include "coordinator/planner/planner.h"

#define DEFINITION_SQL_BYTES_MAX (900u << 10) // with the rest below what a kv value takes

enum definition_desired {
    DEFINITION_RUNNING,
    DEFINITION_STOPPED,
    DEFINITION_FAILED, // it ended by itself; `error` says why. `start` or `retry` runs it again
};
struct definition {
    struct arena arena; // holds every text below
    const char *name;
    const char *instance; // UUID; drawn when the name is applied for the first time after a delete
    const char *file_name, *sql;
    const char *directory; // absolute: relative paths in the text are relative to it
    struct planner_setting *settings, *kafka;
    size_t setting_count, kafka_count;
    bool available_now;
    enum definition_desired desired;
    const char *error; // NULL: none
    const char *error_class; // its class by name (error.h), for those who may not see texts; NULL: unknown, or none
    uint64_t version;  // counts what was applied, from 1
    int64_t applied_ms;
};
void definition_init(struct definition *definition);
void definition_deinit(struct definition *definition);
void definition_copy(const struct definition *from, struct definition *ret_definition);
const char *definition_desired_name(enum definition_desired desired);
// What names the pipeline on the network; never 0.
uint64_t definition_channel(const struct definition *definition);

void definition_json_pack(const struct definition *definition, struct text *ret_json);
// STATUS_CORRUPT names the field.
enum status definition_json_unpack(const void *json, size_t size, struct definition *ret_definition,
                                   struct error *err) MUST_USE;

#endif
