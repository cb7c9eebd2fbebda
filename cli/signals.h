// SIGINT and SIGTERM as a flag. The first asks to finish; the second ends the process at once with exit code 130.
#ifndef FORESET_CLI_SIGNALS_H
#define FORESET_CLI_SIGNALS_H

#include <stdbool.h>

void signals_catch(void);
void signals_catch_reload(void); // SIGHUP too; after signals_catch
bool signals_reload(void);       // whether one has come since the last call; signals_wait returns for it
bool signals_caught(void);
// Waits until a signal or signals_notify, or until timeout_ms has passed (< 0: for ever); true if a signal has come.
bool signals_wait(int timeout_ms);
// Makes signals_wait return; from any thread. One that comes before the wait is not lost.
void signals_notify(void);

#endif
