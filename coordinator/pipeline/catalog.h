// What there is to read of one source, for the leader's planning (P4, P6, P7). Blocking; one job at a time.
#ifndef FORESET_PIPELINE_CATALOG_H
#define FORESET_PIPELINE_CATALOG_H

#include "common/base/vector.h"
#include "proto/manifest.pb-c.h"
#include "proto/plan.pb-c.h"

#define CATALOG_TOPIC_ID 40
struct catalog_partition {
    char *topic; // "" where the source has none
    int32_t partition;
    int64_t low;   // first offset that exists
    int64_t end;   // next offset to be written
    int64_t start; // where reading begins if the pipeline has not read this partition yet
    char topic_id[CATALOG_TOPIC_ID]; // another one after the topic was created again; "": unknown
};
struct catalog_file {
    char *name;
    int64_t time_us;
};
struct catalog_offer {
    VECTOR(struct catalog_partition) partitions; // by topic, then partition
    VECTOR(struct catalog_file) files;           // by modification time, then name
};
void catalog_offer_deinit(struct catalog_offer *offer);

enum catalog_evidence {
    CATALOG_EVIDENCE_HELD,
    CATALOG_EVIDENCE_OTHER, // another record, or none up to there: created again, or cut off
    CATALOG_EVIDENCE_GONE,  // compacted or expired: it cannot be compared
};

struct catalog {
    const struct catalog_ops *ops;
};
struct catalog_ops {
    void (*close)(struct catalog *catalog);
    // first: no epoch of this pipeline has been decided yet: starting offsets hold; else new partitions start at their
    // earliest offset (P6). The offer is appended to.
    enum status (*poll)(struct catalog *catalog, bool first, struct catalog_offer *offer, struct error *err);
    // Tells lag tools how far the pipeline has read (P20); NULL: nothing to tell. last: the catalog is closed next, so
    // this waits, five seconds at most for each source, until they have this and what was told before; count may be 0.
    enum status (*report)(struct catalog *catalog, Foreset__Range *const *ranges, size_t count, bool last,
                          struct error *err);
    // Reads the record that ranges[i]->last names again (P7), before an epoch behind it is decided. May run beside poll
    // and report, one at a time. Errors as of poll. NULL: what the source gave cannot change.
    enum status (*verify)(struct catalog *catalog, const Foreset__Range *const *ranges, size_t count,
                          enum catalog_evidence *ret_evidence, struct error *err);
};
struct catalog_opener {
    // node: the SOURCE node.
    enum status (*open)(void *context, const Foreset__Plan *plan, uint32_t node, struct catalog **ret_catalog,
                        struct error *err);
    void *context;
};

enum status files_catalog_open(const char *path, struct catalog **ret_catalog, struct error *err) MUST_USE;

#endif
