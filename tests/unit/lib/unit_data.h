// The test data that does not live in the tree: ${FORESET_TEST_DATA:-../shared/data}, seen from the top of the tree.
#ifndef FORESET_TEST_UNIT_DATA_H
#define FORESET_TEST_UNIT_DATA_H

#include "common/base/text.h"

// The path of a file or folder of the test data, valid until the next call. If it is missing the running test is
// skipped, and fails where CI is set; its name is printed. Only inside a test.
const char *unit_data_path(const char *name);
// Appends a whole file. False: it cannot be read.
bool unit_data_append(const char *path, struct text *text);

#endif
