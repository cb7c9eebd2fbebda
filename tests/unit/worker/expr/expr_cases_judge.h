// One expression case from text to values, its rows laid out in several ways: results never depend on the layout.
#ifndef FORESET_TEST_EXPR_CASES_JUDGE_H
#define FORESET_TEST_EXPR_CASES_JUDGE_H

#include "tests/unit/worker/expr/expr_cases_json.h"

enum expr_cases_layout {
    EXPR_CASES_AS_READ,  // one batch; strings as the JSON scanner makes them: dictionary-coded
    EXPR_CASES_PLAIN,    // strings not coded
    EXPR_CASES_REPEATED, // every row many times, so that steps run on dictionaries' entries
    EXPR_CASES_ALONE,    // each row a batch
    EXPR_CASES_SELECTED, // every second row of a batch selected
    EXPR_CASES_LAYOUTS,
};
// why: the case's failure in words, or "".
void expr_cases_judge(const struct expr_case *item, enum expr_cases_layout layout, char *why, size_t size);

#endif
