#include "gateway/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/slice.h"

int
notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	socklen_t n;
	ssize_t sent;
	int fd;

	if (path == NULL || path[0] == '\0')
		return GW_ENOENT;
	if ((path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(to.sun_path))
		return GW_EINVAL;
	memcpy(to.sun_path, path, strlen(path));
	n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return GW_EIO;
	sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		      (const struct sockaddr *)&to, n);
	close(fd);
	return sent == (ssize_t)strlen(state) ? 0 : GW_EIO;
}

int
notify_reloading(int64_t mono_us)
{
	char state[80];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		 mono_us);
	return notify_send(state);
}

bool
notify_watchdog(int64_t *interval_ms)
{
	uint64_t usec, pid;
	const char *of = getenv("WATCHDOG_PID");

	if (!slice_u64(slice_str(getenv("WATCHDOG_USEC")), &usec) ||
	    usec == 0 || usec > INT64_MAX)
		return false;
	if (of != NULL &&
	    (!slice_u64(slice_str(of), &pid) || pid != (uint64_t)getpid()))
		return false;
	*interval_ms = (int64_t)(usec / 2000);
	if (*interval_ms < 1)
		*interval_ms = 1;
	return true;
}
