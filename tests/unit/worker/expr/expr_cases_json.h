// The conformance cases of expressions: reading them, judging results. For test_expr_cases, test_aggregate_cases.
#ifndef FORESET_TEST_EXPR_CASES_JSON_H
#define FORESET_TEST_EXPR_CASES_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "common/columnar/batch.h"

struct expr_case {
    const char *id, *category, *schema;
    const char *select, *query; // one of them
    const char *input;          // JSON Lines
    size_t input_length;
    const char *error; // NULL: rows are expected
    bool analysis;     // the error's phase
    bool ordered, approx;
    size_t row_count;
    void *json; // the document
};
// Calls run for every case of the file; stops at the first malformed line (false).
bool expr_cases_json_read(const char *path, void (*run)(const struct expr_case *item, void *context), void *context);
// The expected type of result column `index`; NULL: no such column.
const char *expr_cases_json_type(const struct expr_case *item, size_t index);
// Whether value (column_json's text) is what row `row`, column `index` should be.
bool expr_cases_json_equal(const struct expr_case *item, size_t row, size_t index, const char *value);
const char *expr_cases_json_expected(const struct expr_case *item, size_t row, size_t index, char *buffer, size_t size);
// The case's input as a batch.
bool expr_cases_json_batch(const struct expr_case *item, struct batch **ret_batch, struct error *err);
bool expr_cases_json_listed(const char *list, const char *id); // a line of the list begins with the id

#endif
