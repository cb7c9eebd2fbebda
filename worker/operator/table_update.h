// Update mode on an aggregate (P13), this lane's share: each group's last emitted row, which open files hold.
#ifndef FORESET_OPERATOR_TABLE_UPDATE_H
#define FORESET_OPERATOR_TABLE_UPDATE_H

#include "worker/operator/operator_state.h"
#include "worker/sink/partition_sink.h"
#include "worker/sink/group_origin.h"

struct table_update {
    struct keyed_state state;
    struct operator* op;
    bool touched[GROUP_ORIGIN_SLICES];
    struct column_builder **builders; // of the table's columns
    const struct type **types;
    struct text row;
};
void table_update_init(struct table_update *update, struct operator* op);
void table_update_deinit(struct table_update *update);
// Rows with their groups as origin; they are what is emitted now.
enum status table_update_put(struct table_update *update, const struct batch *batch, struct error *err) MUST_USE;
// The batch ends: rows of groups due by W go to closed files, every touched slice is written anew as open files.
enum status table_update_publish(struct table_update *update, struct partition_sink *sink, uint32_t *sequence,
                                 const struct operator_marker *marker, int64_t modified_ms,
                                 struct operator_table *output, struct error *err) MUST_USE;
// After loading; batch: the unfinished one, -1: none. Open files that another routing wrote are all replaced at the
// next publication.
void table_update_loaded(struct table_update *update, int64_t batch);

#endif
