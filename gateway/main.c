/*
 * sluiced: arguments, the first reading of the configuration, exit codes.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/config.h"
#include "gateway/server.h"

#define DEFAULT_FILE "/etc/sluice/gateway.conf"
#define OUTPUT_MAX ((size_t)64 << 20)

enum action { RUN, CHECK, SHOW, MANUAL_ROWS, SHIPPED_FILE, VERSION, HELP };

static const char help[] =
    "usage: sluiced [-dt] [-c FILE]\n"
    "  -c FILE    the configuration (" DEFAULT_FILE ")\n"
    "  -t         check it, say everything that is wrong, and end: 0 or 78\n"
    "  -d         print it with all defaults and where each value is from\n"
    "  --version  print the version\n"
    "  --help     print this\n"
    "SIGHUP reads the configuration again, SIGTERM ends cleanly.\n"
    "Exit status: 0 stopped, 1 could not start, 64 usage, 78 configuration.\n";

static const struct option options[] = {
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    /* for the tests that keep the manual and the shipped file fresh */
    {"manual-rows", no_argument, NULL, MANUAL_ROWS},
    {"shipped-file", no_argument, NULL, SHIPPED_FILE},
    {NULL, 0, NULL, 0},
};

static int
put(struct buf *out, FILE *to)
{
	size_t n = out->n > 0 ? fwrite(out->p, 1, out->n, to) : 0;
	int code = n == out->n && fflush(to) == 0 ? EX_OK : EX_IOERR;

	buf_fini(out);
	return code;
}

static int
print(void (*fn)(struct buf *out))
{
	struct buf out = {.cap = OUTPUT_MAX};

	fn(&out);
	return put(&out, stdout);
}

static int
with_file(const char *path, enum action action)
{
	struct config_problems *problems = config_problems_create();
	struct buf out = {.cap = OUTPUT_MAX};
	struct config *config;
	int err = config_load(&config, path, 0, problems);

	config_problems_print(problems, &out);
	config_problems_destroy(&problems);
	put(&out, stderr);
	if (err != 0)
		return EX_CONFIG;
	if (action == RUN)
		return server_run(&config, path);
	if (action == CHECK)
		buf_printf(&out, "%s: ok\n", path);
	else
		config_show(config, &out, true);
	config_destroy(&config);
	return put(&out, stdout);
}

int
main(int argc, char **argv)
{
	enum action action = RUN;
	const char *path = DEFAULT_FILE;
	int c;

	/* A handshake frees chunks over 64 KiB, and each of those makes glibc
	 * walk all its fast bins; the thread caches do their work anyway. */
	mallopt(M_MXFAST, 0);
	while ((c = getopt_long(argc, argv, "c:dt", options, NULL)) != -1) {
		if (c == 'c')
			path = optarg;
		else if (c == 't')
			action = CHECK;
		else if (c == 'd')
			action = SHOW;
		else if (c == '?')
			return EX_USAGE;
		else
			action = (enum action)c;
	}
	if (optind < argc) {
		fputs("sluiced: takes no words, a file follows -c\n", stderr);
		fputs(help, stderr);
		return EX_USAGE;
	}
	umask(0027);
	switch (action) {
	case MANUAL_ROWS:
		return print(config_print_manual);
	case SHIPPED_FILE:
		return print(config_print_shipped);
	case VERSION:
		puts("sluiced " SLUICE_VERSION);
		return EX_OK;
	case HELP:
		fputs(help, stdout);
		return EX_OK;
	case RUN:
	case CHECK:
	case SHOW:
		break;
	}
	return with_file(path, action);
}
