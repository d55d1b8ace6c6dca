#ifndef GATEWAY_SERVER_H
#define GATEWAY_SERVER_H

#include "gateway/config.h"

/*
 * The composition root: makes every part in order, runs the main loop
 * (signals, control, watchdog), reloads, stops in order.
 */

/* Takes *config, which was read from path (NULL in it afterwards). Returns the
 * exit code, when the daemon has ended. */
int server_run(struct config **config, const char *path);

#endif
