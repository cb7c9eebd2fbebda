// What an output mode allows, as Spark's UnsupportedOperationChecker decides it, and warnings about state without
// bound. Fails with STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION, or _LEGACY_ERROR_TEMP_3102 where Spark has no better
// name.
#include "coordinator/planner/planner_private.h"

#define MODE_CONDITION  "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION"
#define OTHER_CONDITION "_LEGACY_ERROR_TEMP_3102"

static uint32_t count_kind(const struct bind_node *node, enum bind_node_kind kind)
{
    uint32_t count = node->kind == kind;
    for (uint32_t i = 0; i < node->inputs.count; i++) count += count_kind(node->inputs.items[i], kind);
    return count;
}

static const struct bind_node *find_kind(const struct bind_node *node, enum bind_node_kind kind)
{
    if (node->kind == kind) return node;
    const struct bind_node *found = NULL;
    for (uint32_t i = 0; i < node->inputs.count && !found; i++) found = find_kind(node->inputs.items[i], kind);
    return found;
}

bool planner_mode_has_aggregate(const struct bind_node *node)
{
    return find_kind(node, BIND_NODE_AGGREGATE) != NULL;
}

static bool has_event_time_key(const struct bind_node *aggregate)
{
    for (uint32_t i = 0; i < aggregate->exprs.count; i++) {
        const struct bind_expr *key = aggregate->exprs.items[i];
        if (key->kind == BIND_COLUMN && key->column->event_time) return true;
    }
    return false;
}

static enum status refuse(struct planner *planner, uint32_t offset, const char *condition, const char *hint,
                          const char *message, struct error *err)
{
    return sql_text_error(&planner->text, offset, STATUS_INVALID, condition, hint, err, "%s", message);
}

// Every aggregate of append mode closes its groups by the watermark; no aggregate counts distinct values.
static enum status check_aggregates(struct planner *planner, const struct planner_table *table,
                                    const struct bind_node *node, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < node->inputs.count; i++) TRY(check_aggregates(planner, table, node->inputs.items[i], err));
    if (node->kind != BIND_NODE_AGGREGATE) return STATUS_OK;
    for (uint32_t i = 0; i < node->aggregates.count; i++) {
        if (!node->aggregates.items[i]->distinct) continue;
        return refuse(planner, node->aggregates.items[i]->offset, OTHER_CONDITION,
                      "approx_count_distinct(x) counts with bounded state",
                      "an aggregate over DISTINCT values cannot be kept on a stream", err);
    }
    if (table->declared != FORESET__TABLE__MODE__APPEND || has_event_time_key(node)) return STATUS_OK;
    bool watermark = bind_node_has_watermark(node);
    const char *hint = node->is_distinct ? "DROP DUPLICATES ON (columns) keeps the first of each, or TBLPROPERTIES "
                                           "('output.mode' = 'update')"
                       : watermark ? "add it to GROUP BY: window(time, '5 minutes'); or TBLPROPERTIES ('output.mode' = "
                                     "'complete' or 'update')"
                                   : "FROM … WATERMARK time DELAY OF INTERVAL 10 MINUTES GROUP BY window(time, '5 "
                                     "minutes'); or "
                                     "TBLPROPERTIES ('output.mode' = 'complete' or 'update')";
    const char *message = watermark ? "append mode: the event time of the WATERMARK is not among the groups, so no "
                                      "group is ever final"
                                    : "append mode: an aggregate without a WATERMARK never knows when a group is final";
    return refuse(planner, node->offset, MODE_CONDITION, hint, message, err);
out:
    return status;
}

static enum status check_sorts(struct planner *planner, const struct planner_table *table, const struct bind_node *node,
                               bool below, struct error *err)
{
    enum status status = STATUS_OK;
    bool complete = table->declared == FORESET__TABLE__MODE__COMPLETE;
    if (node->kind == BIND_NODE_SORT && (!complete || below || !planner_mode_has_aggregate(node))) {
        return refuse(planner, node->offset, OTHER_CONDITION, "readers sort: SELECT … FROM the table ORDER BY …",
                      "ORDER BY on a stream: only complete mode can sort, and only behind an aggregate", err);
    }
    if (node->kind == BIND_NODE_LIMIT && table->declared == FORESET__TABLE__MODE__UPDATE) {
        return refuse(planner, node->offset, OTHER_CONDITION, NULL, "LIMIT cannot be kept in update mode", err);
    }
    if (node->kind == BIND_NODE_LIMIT && (below || (complete && !planner_mode_has_aggregate(node)))) {
        return sql_text_error(&planner->text, node->offset, STATUS_UNSUPPORTED, NULL, NULL, err,
                              "LIMIT below an aggregate is not built yet");
    }
    below = below || node->kind == BIND_NODE_AGGREGATE;
    for (uint32_t i = 0; i < node->inputs.count; i++)
        TRY(check_sorts(planner, table, node->inputs.items[i], below, err));
out:
    return status;
}

static enum status check_dedups(struct planner *planner, const struct planner_table *table,
                                const struct bind_node *node, struct error *err)
{
    enum status status = STATUS_OK;
    if (node->kind == BIND_NODE_DEDUP && table->declared != FORESET__TABLE__MODE__APPEND &&
        planner_mode_has_aggregate(node)) {
        return refuse(planner, node->offset, OTHER_CONDITION, "put it below the aggregate, or use append mode",
                      "DROP DUPLICATES behind an aggregate works in append mode only", err);
    }
    for (uint32_t i = 0; i < node->inputs.count; i++) TRY(check_dedups(planner, table, node->inputs.items[i], err));
out:
    return status;
}

static void warn(struct planner *planner, const struct planner_table *table, uint32_t offset, const char *what)
{
    struct sql_place place = sql_text_place(&planner->text, offset);
    const char *line = arena_printf(planner->arena, "%s:%u:%u: table %s: %s", planner->text.name, place.line,
                                    place.column, table->name, what);
    sql_list_push(planner->arena, &planner->warnings, line);
}

static void warn_state(struct planner *planner, const struct planner_table *table, const struct bind_node *node)
{
    for (uint32_t i = 0; i < node->inputs.count; i++) warn_state(planner, table, node->inputs.items[i]);
    if (node->kind == BIND_NODE_DEDUP && !node->within_watermark) {
        bool time = false;
        for (uint32_t i = 0; i < node->keys.count; i++) time = time || node->keys.items[i]->event_time;
        if (!time) {
            warn(planner, table, node->offset,
                 "state without bound: DROP DUPLICATES keeps every key for ever. With a WATERMARK, take its column "
                 "among the keys or "
                 "write DROP DUPLICATES WITHIN WATERMARK");
        }
    }
    if (node->kind != BIND_NODE_AGGREGATE || node->exprs.count == 0) return;
    if (table->declared == FORESET__TABLE__MODE__COMPLETE) {
        warn(planner, table, node->offset, "state without bound: complete mode keeps every group for ever");
    } else if (!has_event_time_key(node)) {
        warn(planner, table, node->offset,
             "state without bound: the aggregate keeps every group for ever. Group by the event time of a WATERMARK, "
             "e.g. window(time, '1 hour')");
    }
}

enum status planner_mode_check(struct planner *planner, struct planner_table *table, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_node *node = table->node;
    uint32_t aggregates = count_kind(node, BIND_NODE_AGGREGATE), place = table->statement->offset;
    table->mode = table->declared;
    if (table->declared == FORESET__TABLE__MODE__COMPLETE && aggregates == 0) {
        status = refuse(planner, place, MODE_CONDITION, "leave 'output.mode' away: rows are appended",
                        "complete mode writes a whole result anew each time, but there is no aggregate", err);
        goto out;
    }
    if (table->declared != FORESET__TABLE__MODE__APPEND && aggregates > 1) {
        status = refuse(planner, place, OTHER_CONDITION, "put the inner aggregate into a table of its own",
                        "an aggregate of an aggregate works in append mode only", err);
        goto out;
    }
    TRY(check_aggregates(planner, table, node, err));
    TRY(check_sorts(planner, table, node, false, err));
    TRY(check_dedups(planner, table, node, err));
    warn_state(planner, table, node);
    if (table->declared != FORESET__TABLE__MODE__UPDATE) return STATUS_OK;
    // Without an aggregate nothing is ever changed; the one row of a global aggregate is the whole table.
    const struct bind_node *aggregate = find_kind(node, BIND_NODE_AGGREGATE);
    if (!aggregate)
        table->mode = FORESET__TABLE__MODE__APPEND;
    else if (aggregate->exprs.count == 0)
        table->mode = FORESET__TABLE__MODE__COMPLETE;
out:
    return status;
}
