// What a table's protocol and properties ask of readers and writers (Delta protocol, Table Features). What is not built
// is refused by name: STATUS_UNSUPPORTED, class FAIL_PIPELINE.
#ifndef FORESET_DELTA_DELTA_FEATURE_H
#define FORESET_DELTA_DELTA_FEATURE_H

#include "common/base/memory.h"
#include "common/delta/delta_action.h"
#include "common/delta/delta_schema_json.h"

enum status delta_feature_check_read(const struct delta_protocol *protocol, const struct delta_metadata *metadata,
                                     struct error *err) MUST_USE;
// For writers that add files and remove whole files. removes: the commit removes data (refused on append-only tables).
enum status delta_feature_check_write(const struct delta_protocol *protocol, const struct delta_metadata *metadata,
                                      const struct delta_schema *schema, bool removes, struct error *err) MUST_USE;
// Properties of a table of others that cannot be heeded here, or whose value is not understood: refused by name when
// the table is taken over.
enum status delta_feature_check_adopt(const struct delta_metadata *metadata, struct error *err) MUST_USE;
// The protocol that a new table with this schema needs: (1,2), or (3,7) with timestampNtz and what (1,2) implied. Lists
// point at static text.
void delta_feature_protocol(const struct type *schema, struct delta_protocol *ret_protocol);

#endif
