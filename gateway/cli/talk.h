#ifndef GATEWAY_CLI_TALK_H
#define GATEWAY_CLI_TALK_H

#include "gateway/control/protocol.h"

/*
 * One command to the daemon; what it answers goes to standard output and
 * standard error as it comes. Returns the exit status: the daemon's, or
 * EXIT_UNAVAILABLE after a sentence on standard error. payload is what the
 * request says that follows it: a secret, or input of any length.
 */
int talk(const char *socket_path, const struct request *request,
	 struct slice payload);
/* The same, but what is for standard output is put into out; before anything
 * else is said to standard error, `before` is. */
int talk_take(const char *socket_path, const struct request *request,
	      struct buf *out, const char *before);

#endif
