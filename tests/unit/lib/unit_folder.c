// See unit_folder.h.
#include "tests/unit/lib/unit_folder.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"

static char folder_path[64];

const char *unit_folder_create(void)
{
    ASSERT(!folder_path[0]);
    snprintf(folder_path, sizeof folder_path, "/tmp/foreset-test-XXXXXX");
    ASSERT(mkdtemp(folder_path));
    return folder_path;
}

void unit_folder_remove(void)
{
    char command[192];
    if (!folder_path[0]) return;
    snprintf(command, sizeof command, "chmod -R u+w %s && rm -rf %s", folder_path, folder_path);
    ASSERT(system(command) == 0);
    folder_path[0] = 0;
}
