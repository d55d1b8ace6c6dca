#ifndef GATEWAY_CLI_WATCH_H
#define GATEWAY_CLI_WATCH_H

#include "gateway/control/protocol.h"

/*
 * A command that answers one line and EXIT_AGAIN, asked once a second: on a
 * terminal the line is drawn anew in place, else each stands for itself. Until
 * the daemon says something else, or Ctrl-C. Returns the exit status.
 */
int watch(const char *socket_path, struct request *request);

#endif
