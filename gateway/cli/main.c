/*
 * sluice: the administrator's command line. It knows the table of commands,
 * how to ask for a password, and where the daemon is; everything else the
 * daemon does, and says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gateway/base/escape.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/check.h"
#include "gateway/cli/input.h"
#include "gateway/cli/talk.h"
#include "gateway/cli/watch.h"
#include "gateway/control/commands.h"
#include "gateway/control/protocol.h"

struct options {
	const char *socket_path;
	bool json;
	int rest; /* of argv: the command */
};

static void
print(FILE *to, struct buf *text)
{
	fwrite(text->p, 1, text->n, to);
	buf_fini(text);
}

static void
usage(FILE *to, const char *group)
{
	struct buf text = {.cap = 16384};

	if (group == NULL)
		buf_add_str(&text,
			    "usage: sluice [-s SOCKET] [--json] COMMAND\n\n");
	else
		buf_printf(&text, "usage: sluice %s COMMAND\n\n", group);
	command_overview(group, &text);
	if (group == NULL)
		buf_add_str(
		    &text,
		    "\n  -s, --socket SOCKET  the daemon's socket (or "
		    "SLUICE_SOCKET),\n                       "
		    "default " PROTOCOL_SOCKET "\n"
		    "  --json               machine-readable output\n"
		    "  --version            the version of this program\n\n"
		    "sluice COMMAND --help tells more. Exit status: 0 done, 1 "
		    "failed, 2 usage,\n69 no daemon to talk to.\n");
	print(to, &text);
}

static int
bad_usage(const char *what, const char *word)
{
	struct buf text = {.cap = 1024};

	buf_printf(&text, "sluice: %s", what);
	if (word != NULL)
		escape_text(&text, slice_head(slice_str(word), 64));
	/* unless it says already how it is written */
	if (strstr(what, "sluice ") == NULL)
		buf_add_str(&text, " ('sluice --help' lists the commands)");
	buf_add_byte(&text, '\n');
	print(stderr, &text);
	return EXIT_USAGE;
}

static int
parse_options(int argc, char **argv, struct options *options)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		const char *word = argv[i];

		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			usage(stdout, NULL);
			exit(EXIT_DONE);
		} else if (strcmp(word, "--version") == 0) {
			printf("sluice %s\n", SLUICE_VERSION);
			exit(EXIT_DONE);
		} else if (strcmp(word, "--json") == 0) {
			options->json = true;
		} else if (strncmp(word, "--socket=", 9) == 0) {
			options->socket_path = word + 9;
		} else if (strcmp(word, "-s") == 0 ||
			   strcmp(word, "--socket") == 0) {
			if (++i == argc)
				return bad_usage("-s needs a socket", NULL);
			options->socket_path = argv[i];
		} else {
			return bad_usage("no such option: ", word);
		}
	}
	options->rest = i;
	return EXIT_DONE;
}

static bool
fill_request(struct request *request, int argc, char **argv, bool json)
{
	struct winsize size;

	if (argc > REQUEST_WORDS)
		return false;
	for (int i = 0; i < argc; i++)
		request->words[i] = argv[i];
	request->count = (size_t)argc;
	request->json = json;
	request->tty = isatty(STDOUT_FILENO) == 1;
	if (request->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		request->columns = size.ws_col;
	return true;
}

static int
ask_and_talk(const struct options *options, const struct command_line *line,
	     struct request *request)
{
	struct buf secret, error = {.cap = 512}, name = {.cap = 1100};
	int status = EXIT_FAILED;

	buf_init(&secret, SECRET_MAX);
	escape_text(&name, slice_head(slice_str(line->operands[0]), 255));
	if (ask_password(buf_cstr(&name), &secret, &error) == 0) {
		request->secret = true;
		status =
		    talk(options->socket_path, request, buf_slice(&secret));
	} else {
		fprintf(stderr, "sluice: %s\n", buf_cstr(&error));
	}
	buf_wipe(&secret);
	buf_fini(&error);
	buf_fini(&name);
	return status;
}

static int
read_and_talk(const struct options *options, const struct command_line *line,
	      struct request *request)
{
	struct buf in;
	int status = EXIT_FAILED;

	buf_init(&in, INPUT_MAX);
	if (input_read(command_operand(line, 0), &in)) {
		request->input = true;
		status = talk(options->socket_path, request, buf_slice(&in));
	}
	buf_fini(&in);
	return status;
}

static int
run(const struct options *options, const struct command_line *line, int argc,
    char **argv)
{
	struct request request = {0};
	struct buf help = {.cap = 4096};

	if (line->help) {
		if (line->command == NULL) {
			usage(stdout, line->group);
		} else {
			command_help(line->command, &help);
			print(stdout, &help);
		}
		return EXIT_DONE;
	}
	if (line->id == COMMAND_CONFIG_CHECK)
		return check_config(command_operand(line, 0));
	if (!fill_request(&request, argc, argv, options->json || line->json))
		return bad_usage("too many words", NULL);
	if (line->command->flags & COMMAND_SECRET)
		return ask_and_talk(options, line, &request);
	if (line->command->flags & COMMAND_INPUT)
		return read_and_talk(options, line, &request);
	if (line->id == COMMAND_CAMPAIGN_SHOW &&
	    command_option(line, "watch") != NULL)
		return watch(options->socket_path, &request);
	return talk(options->socket_path, &request, SLICE_NONE);
}

int
main(int argc, char **argv)
{
	struct options options = {.socket_path = getenv("SLUICE_SOCKET")};
	struct command_line line;
	struct buf error = {.cap = 512};
	int status;

	if (options.socket_path == NULL || options.socket_path[0] == '\0')
		options.socket_path = PROTOCOL_SOCKET;
	status = parse_options(argc, argv, &options);
	if (status != EXIT_DONE)
		return status;
	argc -= options.rest;
	argv += options.rest;
	if (argc == 0) {
		usage(stderr, NULL);
		return EXIT_USAGE;
	}
	if (command_parse((const char *const *)argv, (size_t)argc, &line,
			  &error) != 0) {
		status = bad_usage(buf_cstr(&error), NULL);
		buf_fini(&error);
		return status;
	}
	return run(&options, &line, argc, argv);
}
