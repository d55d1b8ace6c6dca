#include "gateway/cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/escape.h"

#define STEP 65536

static bool
read_all(int fd, struct buf *in)
{
	for (;;) {
		/* one byte more than fits tells a file that is too long */
		size_t room = in->cap - in->n;
		char *p = buf_reserve(in, room < STEP ? room : STEP), rest;
		ssize_t n = room == 0 ? read(fd, &rest, 1)
				      : read(fd, p, room < STEP ? room : STEP);

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0 && room == 0)
			errno = EFBIG;
		if (n < 0 || (n > 0 && room == 0))
			return false;
		if (n == 0)
			return true;
		in->n += (size_t)n;
	}
}

static void
complain(const char *file, int errnum)
{
	struct buf text = {.cap = 8192};

	buf_add_str(&text, "sluice: ");
	escape_text(&text, slice_str(file));
	fprintf(stderr, "%s: %s\n", buf_cstr(&text), strerror(errnum));
	buf_fini(&text);
}

bool
input_read(const char *file, struct buf *in)
{
	bool std = file == NULL || strcmp(file, "-") == 0;
	int fd = std ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0) {
		complain(file, errno);
		return false;
	}
	if (std && isatty(fd))
		fprintf(stderr, "sluice: reading the lines that you type; "
				"Ctrl-D ends them\n");
	ok = read_all(fd, in);
	if (!ok)
		complain(std ? "standard input" : file, errno);
	if (!std)
		close(fd);
	return ok;
}
