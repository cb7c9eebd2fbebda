// A folder of a test's own, empty, on a file system that syncs.
#ifndef FORESET_TEST_UNIT_FOLDER_H
#define FORESET_TEST_UNIT_FOLDER_H

// Its path, valid until it is removed; one at a time. Fails the running test (or the group, in a setup) if the system
// gives none.
const char *unit_folder_create(void);
void unit_folder_remove(void); // with all that is in it, whatever its modes

#endif
