// What the files of the parser share: the cursor over the tokens, and the productions that call each other across
// files.
#ifndef FORESET_SQL_SQL_PARSER_H
#define FORESET_SQL_SQL_PARSER_H

#include "coordinator/sql/sql_ast.h"
#include "coordinator/sql/sql_token.h"

#define SQL_NESTING_MAX 200u // brackets within brackets; bounds the parser's own stack
#define SQL_DEPTH_MAX   800u // of an expression tree: also a + a + a …; bounds everybody's stack behind the parser

struct sql_parser {
    const struct sql_text *text;
    struct arena *arena;
    struct sql_tokens tokens;
    uint32_t at;
    uint32_t nesting;
};

// sql_parser.c: the cursor.
const struct sql_token *sql_parser_peek(const struct sql_parser *parser, uint32_t ahead);
bool sql_parser_is_word(const struct sql_parser *parser, uint32_t ahead, const char *word); // unquoted, any case
bool sql_parser_is_symbol(const struct sql_parser *parser, uint32_t ahead, const char *symbol);
bool sql_parser_accept(struct sql_parser *parser, const char *word);
bool sql_parser_accept_symbol(struct sql_parser *parser, const char *symbol);
enum status sql_parser_expect(struct sql_parser *parser, const char *word, struct error *err) MUST_USE;
enum status sql_parser_expect_symbol(struct sql_parser *parser, const char *symbol, struct error *err) MUST_USE;
// Says that `wanted` is expected where the cursor stands, and what stands there.
enum status sql_parser_refuse(const struct sql_parser *parser, const char *wanted, const char *hint, struct error *err);
// Says that what stands at offset is known but not built.
enum status sql_parser_unsupported(const struct sql_parser *parser, uint32_t offset, const char *what, const char *hint,
                                   struct error *err);
bool sql_parser_is_name(const struct sql_parser *parser, uint32_t ahead); // a word or a quoted name
enum status sql_parser_name(struct sql_parser *parser, const char *wanted, const char **ret_name,
                            struct error *err) MUST_USE;
enum status sql_parser_path(struct sql_parser *parser, const char *wanted, struct sql_name *ret_name,
                            struct error *err) MUST_USE;
enum status sql_parser_enter(struct sql_parser *parser,
                             struct error *err) MUST_USE; // one bracket deeper; leave: nesting--
char *sql_parser_copy(const struct sql_parser *parser, uint32_t start, uint32_t end); // of the text, into the arena
uint32_t sql_parser_offset(const struct sql_parser *parser);                          // of the next token
uint32_t sql_parser_last_end(const struct sql_parser *parser);                        // where the last token ended

// sql_literal.c: literals at the cursor.
enum status sql_literal_string(struct sql_parser *parser, struct slice *ret_value, struct error *err) MUST_USE;
enum status sql_literal_number(struct sql_parser *parser, bool negative, struct sql_value *ret_value,
                               struct error *err) MUST_USE;
// DATE'…', TIMESTAMP'…', X'…', INTERVAL …: *ret_found false if none stands there.
enum status sql_literal_typed(struct sql_parser *parser, bool *ret_found, struct sql_value *ret_value,
                              struct error *err) MUST_USE;

// sql_type.c: a data type at the cursor.
enum status sql_type_parse(struct sql_parser *parser, const struct type **ret_type, struct error *err) MUST_USE;

// sql_expression.c, sql_primary.c
enum status sql_expression_parse(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err) MUST_USE;
enum status sql_expression_value(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err) MUST_USE;
enum status sql_expression_call(struct sql_parser *parser, const char *name, uint32_t offset, uint32_t start,
                                struct sql_expr *const *args, uint32_t count, struct sql_expr **ret_expr,
                                struct error *err) MUST_USE;
enum status sql_primary_parse(struct sql_parser *parser, struct sql_expr **ret_expr, struct error *err) MUST_USE;
struct sql_expr *sql_primary_literal(struct sql_parser *parser, uint32_t start, const struct sql_value *value);

// sql_query.c, sql_relation.c
enum status sql_query_parse(struct sql_parser *parser, struct sql_query **ret_query, struct error *err) MUST_USE;
enum status sql_query_items(struct sql_parser *parser, struct sql_query *query, struct error *err) MUST_USE;
enum status sql_relation_parse(struct sql_parser *parser, struct sql_relation **ret_relation,
                               struct error *err) MUST_USE;
bool sql_relation_alias_follows(const struct sql_parser *parser);

// sql_statement.c
enum status sql_statement_parse(struct sql_parser *parser, struct sql_statement **ret_statement,
                                struct error *err) MUST_USE;

#endif
