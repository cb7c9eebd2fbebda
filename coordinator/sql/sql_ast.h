// The syntax tree of a pipeline. Everything lives in the arena that was given to sql_parse; offsets point into the
// text.
#ifndef FORESET_SQL_SQL_AST_H
#define FORESET_SQL_SQL_AST_H

#include "common/columnar/type.h"
#include "coordinator/sql/sql_list.h"
#include "coordinator/sql/sql_text.h"

// A literal's value. null: of any type. boolean; integer: integrals, date, timestamps, intervals; real: float, double;
// bytes: string, binary, decimal (unscaled, as decimal text).
struct sql_value {
    const struct type *type;
    bool null;
    bool boolean;
    int64_t integer;
    double real;
    struct slice bytes; // NUL-terminated
};

enum sql_expr_kind {
    SQL_EXPR_LITERAL,
    SQL_EXPR_COLUMN, // names: a, t.a, c.s.t.a.field
    SQL_EXPR_STAR,   // names: what stands before .*, may be none; except: names left out
    SQL_EXPR_CALL,   // name: a function, or an operator as common/plan/function_table.h spells it; "simple_case",
                     // "between"
    SQL_EXPR_CAST,   // args[0] to type
    SQL_EXPR_FIELD,  // name: field of args[0], where that is no plain name
};

struct sql_expr {
    enum sql_expr_kind kind;
    uint32_t offset;     // where messages point to
    uint32_t start, end; // its text
    uint32_t depth;
    struct sql_value value;
    SQL_LIST(const char *) names;
    const char *name;
    SQL_LIST(struct sql_expr *) args;
    SQL_LIST(const char *) arg_names; // per argument: AS alias or name => …; NULL: none. Empty: no argument has one
    const struct type *type;
    bool try_cast;
    bool distinct;
    bool ignore_nulls;
    bool is_operator;
    struct sql_expr *filter; // FILTER (WHERE …)
    SQL_LIST(const char *) except;
};

struct sql_name { // a.b.c
    SQL_LIST(const char *) parts;
    uint32_t offset;
};

struct sql_option { // key => value, or 'key' = value
    const char *key;
    struct sql_expr *value; // NULL for a positional argument's key
    const char *text;       // property lists: the value as text
    uint32_t offset;
};
struct sql_options {
    SQL_LIST(struct sql_option) items;
};

struct sql_watermark {
    struct sql_expr *time;
    const char *name; // AS name; NULL: none
    int64_t delay_us;
    uint32_t offset;
};
struct sql_dedup {
    bool within_watermark;
    SQL_LIST(struct sql_expr *) columns; // names
    uint32_t offset;
};

enum sql_relation_kind {
    SQL_RELATION_TABLE,    // name
    SQL_RELATION_FUNCTION, // name(options): read_kafka, read_files
    SQL_RELATION_QUERY,    // (query)
    SQL_RELATION_JOIN,     // parsed for its message only
};
struct sql_relation {
    enum sql_relation_kind kind;
    uint32_t offset;
    bool stream;
    struct sql_name name;
    struct sql_options options;
    struct sql_query *query;
    struct sql_relation *left, *right;
    const char *join; // "JOIN", "LEFT JOIN", "LATERAL VIEW", …
    struct sql_watermark *watermark;
    struct sql_dedup *dedup;
    const char *identity; // IDENTIFIED BY
    const char *alias;
    SQL_LIST(const char *) column_aliases;
};

struct sql_item { // of a select list
    struct sql_expr *expr;
    const char *alias;
};
struct sql_order {
    struct sql_expr *expr;
    bool descending;
    bool nulls_last;
};

struct sql_cte {
    const char *name;
    struct sql_query *query;
};
struct sql_query {
    uint32_t offset;
    SQL_LIST(struct sql_cte) ctes;
    struct sql_query *left, *right; // UNION of two; everything down to ORDER BY is then empty
    bool union_distinct;
    bool distinct;
    SQL_LIST(struct sql_item) items;
    struct sql_relation *from;
    struct sql_expr *where;
    SQL_LIST(struct sql_expr *) group_by;
    bool group_all;
    bool grouped; // GROUP BY stands there
    struct sql_expr *having;
    SQL_LIST(struct sql_order) order_by;
    uint32_t order_offset;
    struct sql_expr *limit;
    uint32_t limit_offset;
};

enum sql_violation {
    SQL_VIOLATION_NONE,
    SQL_VIOLATION_DROP_ROW,
    SQL_VIOLATION_FAIL_UPDATE,
    SQL_VIOLATION_QUARANTINE,
};
struct sql_constraint {
    const char *name;
    struct sql_expr *expect;
    const char *text; // of expect
    enum sql_violation violation;
    uint32_t offset;
};
struct sql_column_definition {
    const char *name;
    const struct type *type;
    bool not_null;
    uint32_t offset;
};

enum sql_statement_kind {
    SQL_STATEMENT_SET,
    SQL_STATEMENT_TABLE,
    SQL_STATEMENT_VIEW,
};
struct sql_statement {
    enum sql_statement_kind kind;
    uint32_t offset;
    const char *key, *value; // SET
    uint32_t value_offset;
    struct sql_name name;
    SQL_LIST(struct sql_column_definition) columns;
    SQL_LIST(struct sql_constraint) constraints;
    struct sql_name partitioned_by;
    const char *location;
    const char *comment;
    struct sql_options properties;
    struct sql_query *query;
};
struct sql_script {
    SQL_LIST(struct sql_statement *) statements;
};

#endif
