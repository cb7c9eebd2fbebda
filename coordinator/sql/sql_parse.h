// From a pipeline's text to its syntax tree. Pure; everything made lives in the arena.
// Errors are ERROR_USAGE with place, caret and hint: STATUS_INVALID with Spark's PARSE_SYNTAX_ERROR and the like, or
// STATUS_UNSUPPORTED for what Spark knows and Foreset does not have.
#ifndef FORESET_SQL_SQL_PARSE_H
#define FORESET_SQL_SQL_PARSE_H

#include "coordinator/sql/sql_ast.h"

enum status sql_parse_script(const struct sql_text *text, struct arena *arena, struct sql_script **ret_script,
                             struct error *err) MUST_USE;
enum status sql_parse_expression(const struct sql_text *text, struct arena *arena, struct sql_expr **ret_expr,
                                 struct error *err) MUST_USE;
// A select list, given as a query without FROM.
enum status sql_parse_select_list(const struct sql_text *text, struct arena *arena, struct sql_query **ret_query,
                                  struct error *err) MUST_USE;

#endif
