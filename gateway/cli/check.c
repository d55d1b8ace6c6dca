#include "gateway/cli/check.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/control/protocol.h"

static void
try_beside(const char *where, char *const *argv)
{
	char path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;

	if (n <= 0)
		return;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return;
	snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "%s",
		 where);
	execv(path, argv);
}

int
check_config(const char *file)
{
	char name[] = "sluiced", test[] = "-t", conf[] = "-c";
	char path[PATH_MAX];
	char *argv[] = {name, test, conf, path, NULL};

	if (file == NULL)
		file = CHECK_FILE;
	if ((size_t)snprintf(path, sizeof(path), "%s", file) >= sizeof(path)) {
		fprintf(stderr, "sluice: the name of the file is too long\n");
		return EXIT_USAGE;
	}
	try_beside("sluiced", argv);
	try_beside("../sbin/sluiced", argv);
	execvp("sluiced", argv);
	execv("/usr/sbin/sluiced", argv);
	fprintf(stderr,
		"sluice: sluiced is not beside sluice, nor in PATH: "
		"%s\n",
		strerror(errno));
	return EXIT_UNAVAILABLE;
}
