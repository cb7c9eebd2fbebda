// Binding: from the syntax tree to a tree of operators over typed columns. Names become columns, `*` becomes names,
// types are coerced by common/plan/function_table, aggregates are split from what stands around them, modifiers become
// operators. A column is a pointer: where it stands among the columns of an operator is settled only when the plan is
// emitted.
#ifndef FORESET_BIND_BIND_H
#define FORESET_BIND_BIND_H

#include "coordinator/sql/sql_ast.h"
#include "proto/plan.pb-c.h"

struct bind_column {
    uint32_t id;
    const char *name;
    const struct type *type;
    bool event_time; // carries the watermark; of struct type: a window whose end does
};

enum bind_kind {
    BIND_COLUMN,
    BIND_LITERAL,
    BIND_CALL,
    BIND_CAST,
    BIND_FIELD,     // ordinal of args[0]
    BIND_AGGREGATE, // only until bind_aggregate_split
};

// Expressions are shared: the same pointer used twice is computed once.
struct bind_expr {
    enum bind_kind kind;
    const struct type *type;
    struct bind_column *column;
    struct sql_value value;
    const char *function; // canonical
    SQL_LIST(struct bind_expr *) args;
    uint32_t ordinal;
    bool try_cast;
    bool deterministic;
    bool has_aggregate;
    bool distinct;
    struct bind_expr *filter;    // BIND_AGGREGATE
    uint32_t offset, start, end; // in the text
    uint32_t depth;
    uint32_t mark;          // of the walk that came here last (bind_expr_walk), so that shared parts are walked once
    struct bind_expr *copy; // what that walk made of it
    uint32_t index;
};

#define BIND_DEPTH_MAX   1500u        // of an expression once names are replaced by what they stand for
#define BIND_QUERIES_MAX 200u         // queries within queries: brackets, views, unions
#define BIND_COLUMNS_MAX 10000u       // of one operator
#define BIND_BYTES_MAX   (256u << 20) // that one text may take while it is compiled

enum bind_node_kind {
    BIND_NODE_SOURCE,
    BIND_NODE_TABLE, // a table of the pipeline as a stream
    BIND_NODE_FILTER,
    BIND_NODE_PROJECT,
    BIND_NODE_WATERMARK,
    BIND_NODE_WINDOW, // sliding: appends its last column
    BIND_NODE_DEDUP,
    BIND_NODE_AGGREGATE,
    BIND_NODE_UNION,
    BIND_NODE_SORT,
    BIND_NODE_LIMIT,
};

struct bind_option {
    const char *key; // canonical
    const char *value;
};
struct bind_source {
    Foreset__Source__Kind kind;
    SQL_LIST(struct bind_option) options;
    const char *path;
    const struct type *file_schema;
};
struct bind_sort_key {
    struct bind_expr *expr;
    bool descending;
    bool nulls_last;
};

struct bind_node {
    enum bind_node_kind kind;
    uint32_t offset;
    SQL_LIST(struct bind_node *) inputs;
    SQL_LIST(struct bind_column *) columns; // output
    // FILTER: predicate. PROJECT: one per column. AGGREGATE: one per key (the first columns). WATERMARK, WINDOW: the
    // time.
    SQL_LIST(struct bind_expr *) exprs;
    SQL_LIST(struct bind_expr *) aggregates; // the columns behind the keys
    SQL_LIST(struct bind_column *) keys;     // DEDUP
    SQL_LIST(struct bind_sort_key) sort_keys;
    struct bind_source *source;
    uint32_t table;           // TABLE: index
    const char *identity;     // IDENTIFIED BY
    struct bind_column *time; // WATERMARK: the marked column, which takes time_from's place
    struct bind_column *time_from;
    int64_t delay_us;
    bool within_watermark;
    int64_t window_us, slide_us, offset_us;
    uint64_t limit;
    bool is_distinct; // AGGREGATE made of SELECT DISTINCT
    bool pinned;      // FILTER that stays where it is: it belongs to the window above it
};

// A table that streams can be read from.
struct bind_table {
    const char *name;
    uint32_t index;
    const char *refusal; // why STREAM may not read it ("it is in complete mode"), NULL: it may
    SQL_LIST(struct bind_column *) columns;
};

struct bind_view {
    struct sql_name name;
    struct sql_query *query;
};

struct bind_context {
    const struct sql_text *text;
    struct arena *arena;
    const char *directory;           // absolute; relative paths start there
    const struct bind_option *kafka; // overrides: canonical keys
    size_t kafka_count;
    void (*warn)(void *data, const char *line); // NULL: nobody listens
    bool update_mode; // of the table being bound: decides how a session window is refused
    SQL_LIST(struct bind_view) views;
    // Finds a table by name, binding it first if its statement comes later. *ret_table NULL: there is none.
    enum status (*find_table)(void *data, const struct sql_name *name, const struct bind_table **ret_table,
                              struct error *err);
    const char *const *(*table_names)(void *data); // NULL-terminated, for hints
    void *data;
    bool (*stop)(void *context); // the time for compiling is over; NULL: there is no limit
    void *stop_context;
    uint32_t next_id;
    uint32_t depth;  // of queries within queries
    uint32_t *marks; // walks so far; shared by all copies of this context
};

// Whether the text may go on costing: memory and time. Asked at each query, relation, expression and operator.
enum status bind_node_cost(const struct bind_context *context, uint32_t offset, struct error *err) MUST_USE;
// Whether an operator may have these columns: how many, and how long their types are as text.
enum status bind_node_width(const struct bind_context *context, struct bind_column *const *columns, uint32_t count,
                            uint32_t offset, struct error *err) MUST_USE;

// ---- columns and expressions (bind_expr.c)
struct bind_column *bind_expr_column(struct bind_context *context, const char *name, const struct type *type,
                                     bool event_time);
struct bind_expr *bind_expr_new(struct bind_context *context, enum bind_kind kind, const struct type *type,
                                const struct sql_expr *at);
struct bind_expr *bind_expr_reference(struct bind_context *context, struct bind_column *column,
                                      const struct sql_expr *at);
struct bind_expr *bind_expr_literal(struct bind_context *context, const struct sql_value *value,
                                    const struct sql_expr *at);
struct bind_expr *bind_expr_string(struct bind_context *context, const char *text, const struct sql_expr *at);
struct bind_expr *bind_expr_integer(struct bind_context *context, enum type_kind kind, int64_t value,
                                    const struct sql_expr *at);
struct bind_expr *bind_expr_boolean(struct bind_context *context, bool value, const struct sql_expr *at);
struct bind_expr *bind_expr_field(struct bind_context *context, struct bind_expr *of, uint32_t ordinal,
                                  const struct sql_expr *at);
// One more argument, with what it brings along: depth, aggregates, randomness.
void bind_expr_add(struct bind_context *context, struct bind_expr *expr, struct bind_expr *arg);
uint32_t bind_expr_walk(struct bind_context *context);       // the mark of a new walk
bool bind_expr_visit(struct bind_expr *expr, uint32_t mark); // false: this walk has been here
// Implicit cast; the expression itself if it has that type.
struct bind_expr *bind_expr_cast(struct bind_context *context, struct bind_expr *expr, const struct type *type);
bool bind_expr_equal(const struct bind_expr *a, const struct bind_expr *b); // false for what is not deterministic
// Column references replaced: rewrite returns the expression to take instead, or NULL to keep. Shared parts stay
// shared.
typedef struct bind_expr *(*bind_expr_rewrite)(void *data, struct bind_column *column);
struct bind_expr *bind_expr_replace(struct bind_context *context, struct bind_expr *expr, bind_expr_rewrite rewrite,
                                    void *data);
void bind_expr_fill_literal(struct arena *arena, const struct sql_value *value, Foreset__Expr *ret_expr);

// ---- names (bind_scope.c)
struct bind_scope_item {
    struct sql_name qualifier; // parts.count 0: none
    const char *name;
    struct bind_column *column;
    bool hidden; // not part of *
};
struct bind_scope {
    SQL_LIST(struct bind_scope_item) items;
};
struct bind_named { // of a select list
    struct bind_expr *expr;
    const char *name; // NULL: none was given and none follows
    uint32_t offset;
};
typedef SQL_LIST(struct bind_named) bind_named_list;

// What an expression is bound in.
struct bind_window;
struct bind_env {
    struct bind_context *context;
    const struct bind_scope *scope;
    bool aggregates_allowed;
    bool inside_aggregate;
    const char *place;              // "WHERE", for messages
    const bind_named_list *aliases; // lateral column aliases, NULL: none
    struct bind_window *windows;    // where window(…) may stand; NULL: nowhere
};
// Time windows found while the expressions of one SELECT are bound.
struct bind_window {
    bool found;
    struct bind_expr *time;
    int64_t window_us, slide_us, offset_us;
    struct bind_column *column;
    uint32_t offset;
};

enum status bind_scope_resolve(struct bind_env *env, const struct sql_expr *name, struct bind_expr **ret_expr,
                               struct error *err) MUST_USE;
enum status bind_scope_star(struct bind_env *env, const struct sql_expr *star, bind_named_list *list,
                            struct error *err) MUST_USE;
// of.name: a field of a struct, a key of a map.
enum status bind_scope_field(struct bind_env *env, const struct sql_expr *at, const char *name, struct bind_expr *of,
                             struct bind_expr **ret_expr, struct error *err) MUST_USE;
// A plain column of the scope by its expression, for keys; an error names `what` ("a deduplication key").
enum status bind_scope_column(struct bind_env *env, const struct sql_expr *name, const char *what,
                              struct bind_column **ret_column, struct error *err) MUST_USE;

// ---- expressions (bind_expression.c, bind_call.c)
enum status bind_expression(struct bind_env *env, const struct sql_expr *expr, struct bind_expr **ret_expr,
                            struct error *err) MUST_USE;
enum status bind_expression_boolean(struct bind_env *env, const struct sql_expr *expr, struct bind_expr **ret_expr,
                                    struct error *err) MUST_USE;
// A function or operator over bound arguments, with their casts.
enum status bind_call_resolve(struct bind_env *env, const struct sql_expr *at, const char *name,
                              struct bind_expr *const *args, uint32_t count, struct bind_expr **ret_expr,
                              struct error *err) MUST_USE;
enum status bind_call(struct bind_env *env, const struct sql_expr *call, struct bind_expr **ret_expr,
                      struct error *err) MUST_USE;
enum status bind_call_session(struct bind_env *env, const struct sql_expr *call, struct error *err);
enum status bind_call_window(struct bind_env *env, const struct sql_expr *call, struct bind_expr **ret_expr,
                             struct error *err) MUST_USE;

// ---- aggregates (bind_aggregate.c)
// Makes an AGGREGATE over input with these keys, and replaces, in each of the expressions, keys and aggregates by its
// columns.
enum status bind_aggregate_split(struct bind_context *context, struct bind_node *input, struct bind_expr *const *keys,
                                 const char *const *key_names, uint32_t key_count, struct bind_expr **const *exprs,
                                 uint32_t expr_count, uint32_t offset, struct bind_node **ret_node,
                                 struct error *err) MUST_USE;

// ---- operators (bind_node.c)
struct bind_node *bind_node_new(struct bind_context *context, enum bind_node_kind kind, struct bind_node *input,
                                uint32_t offset);
struct bind_node *bind_node_filter(struct bind_context *context, struct bind_node *input, struct bind_expr *predicate);
// Columns that keep their name stay the same column; others are new ones that keep the watermark of what they rename.
struct bind_node *bind_node_project(struct bind_context *context, struct bind_node *input,
                                    const struct bind_named *items, uint32_t count, uint32_t offset);
bool bind_node_has_watermark(const struct bind_node *node);             // here or below, within the table's query
struct bind_column *bind_node_event_time(const struct bind_node *node); // among its columns; NULL: none

// ---- queries (bind_query.c, bind_relation.c, bind_source.c)
enum status bind_query(struct bind_context *context, const struct sql_query *query, struct bind_node **ret_node,
                       struct error *err) MUST_USE;
// A select list over the columns of a struct type; no aggregates, no windows. Names are never NULL.
enum status bind_query_list(struct bind_context *context, const struct sql_query *list, const struct bind_scope *scope,
                            bind_named_list *ret_list, struct error *err) MUST_USE;
enum status bind_relation(struct bind_context *context, const struct sql_relation *relation,
                          struct bind_node **ret_node, struct bind_scope *ret_scope, struct error *err) MUST_USE;
enum status bind_source(struct bind_context *context, const struct sql_relation *relation, struct bind_node **ret_node,
                        struct error *err) MUST_USE;
// The canonical spelling of a Kafka option as --kafka gives it ("security.protocol", "bootstrap.servers", "kafka.x").
const char *bind_source_kafka_key(struct arena *arena, const char *key);

#endif
