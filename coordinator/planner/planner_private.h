// What the files of the planner share: the state of one compilation, and the steps from bound query to plan.
#ifndef FORESET_PLANNER_PLANNER_PRIVATE_H
#define FORESET_PLANNER_PLANNER_PRIVATE_H

#include "coordinator/bind/bind.h"
#include "coordinator/planner/planner.h"

enum planner_progress {
    PLANNER_WAITING,
    PLANNER_BINDING, // meeting it again means that tables read each other in a circle
    PLANNER_DONE,
};
struct planner_property {
    const char *key;
    const char *value;
    uint32_t offset;
};
// CONSTRAINT … EXPECT without DROP ROW.
struct planner_constraint {
    const struct sql_constraint *statement;
    struct bind_expr *expect; // over the table's columns
};
// A table while it is compiled.
struct planner_table {
    const struct sql_statement *statement;
    const char *name; // lower case
    enum planner_progress progress;
    Foreset__Table__Mode declared; // what TBLPROPERTIES say
    Foreset__Table__Mode mode; // what the sink does: update without an aggregate is append, of a global one complete
    SQL_LIST(struct planner_property) properties;
    SQL_LIST(struct planner_constraint) constraints;
    struct bind_node *node;
    struct bind_table readers_view;
    uint32_t index;     // in plan->tables, once emitted
    uint32_t plan_node; // its TABLE node
};

struct planner {
    const struct planner_options *options;
    struct sql_text text;
    struct arena *arena;
    struct bind_context bind;
    struct sql_script *script;
    SQL_LIST(struct planner_table *) tables; // in the order of the text
    uint32_t view_count;                     // CREATE TEMPORARY VIEW; WITH names come and go behind them
    SQL_LIST(const char *) warnings;
    SQL_LIST(struct planner_property) settings; // resolved: SET, then options
    const char *pipeline, *warehouse;
    int64_t trigger_us;
    uint32_t shards;
    bool on_error_fail;
    // the plan as it grows
    SQL_LIST(Foreset__Expr *) exprs;
    SQL_LIST(uint32_t) expr_offsets; // in the text
    SQL_LIST(Foreset__Node *) nodes;
    SQL_LIST(Foreset__Table *) plan_tables;
};

// planner_settings.c: SET and options to settings. offset 0 settings come from flags.
enum status planner_settings_read(struct planner *planner, struct error *err) MUST_USE;
const char *planner_settings_url(struct planner *planner, const char *url); // absolute: file:///… or scheme://…

// planner_table.c: what CREATE STREAMING TABLE says besides its query.
enum status planner_table_properties(struct planner *planner, struct planner_table *table, struct error *err) MUST_USE;
// Column definitions, constraints, and checks of what Delta can hold; may wrap table->node.
enum status planner_table_shape(struct planner *planner, struct planner_table *table, struct error *err) MUST_USE;
enum status planner_table_fill(struct planner *planner, struct planner_table *table, Foreset__Table *message,
                               struct error *err) MUST_USE;
const char *planner_table_property(const struct planner_table *table, const char *key);

// planner_place.c: where tables go. own_letters: the dead letters' table has the same name and a suffix.
enum status planner_place_name(struct planner *planner, const char *const *parts, uint32_t count, bool own_letters,
                               uint32_t offset, struct error *err) MUST_USE;
enum status planner_place_check(struct planner *planner, struct error *err) MUST_USE; // plan_tables

// planner_mode.c: the rules of output modes, and warnings about state that grows without bound.
enum status planner_mode_check(struct planner *planner, struct planner_table *table, struct error *err) MUST_USE;
bool planner_mode_has_aggregate(const struct bind_node *node);

// planner_keys.c: merge_keys of update mode.
enum status planner_keys_fill(struct planner *planner, const struct planner_table *table, Foreset__Table *message,
                              struct error *err) MUST_USE;

// planner_rules.c, planner_prune.c: filters down, unneeded columns away, projections together. Results stay the same.
struct bind_node *planner_rules_push(struct bind_context *context, struct bind_node *node);
struct bind_node *planner_rules_collapse(struct bind_context *context, struct bind_node *node);
struct bind_node *planner_prune(struct bind_context *context, struct bind_node *root);

// planner_emit.c: bound query to plan nodes.
enum status planner_emit_table(struct planner *planner, struct planner_table *table, struct error *err) MUST_USE;
// One expression over these columns into planner->exprs; *ret_index.
uint32_t planner_emit_expr(struct planner *planner, struct bind_expr *expr, struct bind_column *const *columns,
                           uint32_t count);

#endif
