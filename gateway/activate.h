#ifndef GATEWAY_ACTIVATE_H
#define GATEWAY_ACTIVATE_H

#include <stddef.h>

#include "gateway/base/addr.h"

/*
 * Socket activation, sd_listen_fds_with_names(3) by hand: listening sockets
 * that systemd hands over, from descriptor 3 on.
 */
#define ACTIVATE_FIRST_FD 3
#define ACTIVATE_MAX 256

struct activated {
	int fd;
	char name[64]; /* FileDescriptorName=, or "" */
	struct sock_addr local;
	const char *fault; /* not a listening TCP socket: why; or NULL */
	bool taken;
};

/* The sockets meant for this process; they become close-on-exec and
 * nonblocking. Clears the environment, so that a child does not take them
 * for its own. Returns how many (0: not activated); *list is the caller's. */
size_t activate_take(struct activated **list, int first_fd);

#endif
