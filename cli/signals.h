// SIGINT and SIGTERM as a flag. The first asks to finish; the second ends the process at once with exit code 130.
#ifndef FORESET_CLI_SIGNALS_H
#define FORESET_CLI_SIGNALS_H

#include <stdbool.h>

void signals_catch(void);
bool signals_caught(void);
// Waits until the first signal, or until timeout_ms has passed; true if a signal came.
bool signals_wait(int timeout_ms);

#endif
