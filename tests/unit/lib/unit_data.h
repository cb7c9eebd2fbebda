// Where test data is: the cases of the tree, and corpora of others that may be missing. Paths are relative to the top
// of the tree, where ctest runs tests.
#ifndef FORESET_TEST_UNIT_DATA_H
#define FORESET_TEST_UNIT_DATA_H

#include "common/base/text.h"

// The path of a file or folder of tests/data, valid until the next call. Where FORESET_TEST_DATA is set and holds that
// name, its copy is used: a larger set of cases. If the path is missing the running test fails. Only inside a test.
const char *unit_data_path(const char *name);
// The path of a file or folder of the optional corpora (tests/README.md), valid until the next call:
// ${FORESET_TEST_DATA:-../shared/data}/name. If it is missing the running test is skipped and the corpus is named.
const char *unit_corpus_path(const char *name);
// Appends a whole file. False: it cannot be read.
bool unit_data_append(const char *path, struct text *text);

#endif
