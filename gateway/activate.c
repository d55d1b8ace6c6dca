#include "gateway/activate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"

static const char *
look_at(struct activated *a)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss), m = sizeof(int);
	int on = 0, flags;

	flags = fcntl(a->fd, F_GETFD);
	if (flags < 0 || fcntl(a->fd, F_SETFD, flags | FD_CLOEXEC) < 0)
		return "not an open descriptor";
	if (getsockopt(a->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &m) != 0 ||
	    on == 0)
		return "not a listening socket";
	if (getsockname(a->fd, (struct sockaddr *)&ss, &n) != 0 ||
	    sock_addr_from_native((struct sockaddr *)&ss, n, &a->local) != 0)
		return "not an IP socket";
	m = sizeof(on);
	if (getsockopt(a->fd, SOL_SOCKET, SO_TYPE, &on, &m) != 0 ||
	    on != SOCK_STREAM)
		return "not a stream socket";
	flags = fcntl(a->fd, F_GETFL);
	if (flags < 0 || fcntl(a->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return "cannot be made nonblocking";
	return NULL;
}

size_t
activate_take(struct activated **list, int first_fd)
{
	struct slice names = slice_str(getenv("LISTEN_FDNAMES")), name;
	uint64_t pid, count = 0;

	*list = NULL;
	if (!slice_u64(slice_str(getenv("LISTEN_PID")), &pid) ||
	    pid != (uint64_t)getpid() ||
	    !slice_u64(slice_str(getenv("LISTEN_FDS")), &count))
		count = 0;
	if (count > ACTIVATE_MAX)
		count = ACTIVATE_MAX;
	if (count > 0)
		*list = mem_array(count, sizeof(**list));
	for (size_t i = 0; i < count; i++) {
		struct activated *a = &(*list)[i];

		a->fd = first_fd + (int)i;
		if (slice_split(&names, ':', &name)) {
			name = slice_head(name, sizeof(a->name) - 1);
			if (name.n > 0)
				memcpy(a->name, name.p, name.n);
		}
		a->fault = look_at(a);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return count;
}
