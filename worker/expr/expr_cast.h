// CAST and try_cast: Spark's ANSI matrix. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_CAST_H
#define FORESET_EXPR_EXPR_CAST_H

#include "worker/expr/expr_program.h"

// Chooses the cast's kernel. Fails if there is no such cast.
enum status expr_cast_bind(struct expr_step *step, const struct expr_step *steps, struct error *err) MUST_USE;
// One value; a string result points into row->text, which is reset. try_cast: EXPR_NULL instead of an error.
enum expr_outcome expr_cast_value(struct expr_row *row, const struct type *from, const struct type *to, bool try_cast,
                                  const struct expr_datum *value, struct expr_datum *ret);
// Appends the text of a value that is not null, as CAST(… AS STRING).
void expr_cast_text_append(const struct type *type, const struct expr_datum *value, struct text *text);
// expr_cast_fast.c: kernels of whole columns; NULL: none for this pair.
expr_kernel expr_cast_fast_find(const struct type *from, const struct type *to);
// Text of an integral number as CAST reads it: blanks around, a sign, digits. False: malformed or too large.
bool expr_cast_parse_i64(const char *text, size_t length, int64_t *ret_value);
// "BIGINT", "DECIMAL(10,2)": as messages name types.
const char *expr_cast_type_name(const struct type *type, char *buffer, size_t size);

#endif
