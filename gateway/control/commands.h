#ifndef GATEWAY_CONTROL_COMMANDS_H
#define GATEWAY_CONTROL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/buf.h"

/*
 * THE table of commands (command_table.c): `sluice` takes its help and its
 * usage errors from it, `sluiced` the same parse of the same words, and a test
 * holds the manual page against it. A new command is an id, a row, and a
 * function in the dispatch table of call.c.
 */
enum command_id {
	COMMAND_USER_ADD,
	COMMAND_USER_PASSWD,
	COMMAND_USER_DEL,
	COMMAND_USER_LIST,
	COMMAND_QUEUE_LIST,
	COMMAND_QUEUE_SHOW,
	COMMAND_QUEUE_FLUSH,
	COMMAND_BLOCK_ADD,
	COMMAND_BLOCK_DEL,
	COMMAND_BLOCK_LIST,
	COMMAND_BLOCK_EXPORT,
	COMMAND_BLOCK_IMPORT,
	COMMAND_LIMITS,
	COMMAND_GRANT,
	COMMAND_FROM_ADD,
	COMMAND_FROM_DEL,
	COMMAND_FROM_LIST,
	COMMAND_DOMAIN_SHOW,
	COMMAND_DOMAIN_ALLOW,
	COMMAND_DOMAIN_DISALLOW,
	COMMAND_DOMAIN_FLUSH,
	COMMAND_DOMAIN_LIST,
	COMMAND_TOP,
	COMMAND_WHY,
	COMMAND_HOLD,
	COMMAND_RELEASE,
	COMMAND_PURGE,
	COMMAND_UNDO,
	COMMAND_TRASH,
	COMMAND_AUDIT,
	COMMAND_SCAN_STATUS,
	COMMAND_SCAN_TEST,
	COMMAND_SCAN_FLUSH,
	COMMAND_SCAN_BYPASS,
	COMMAND_QUARANTINE_LIST,
	COMMAND_QUARANTINE_SHOW,
	COMMAND_QUARANTINE_RELEASE,
	COMMAND_QUARANTINE_DELETE,
	COMMAND_QUARANTINE_EXPORT,
	COMMAND_CAMPAIGN_LIST,
	COMMAND_CAMPAIGN_SHOW,
	COMMAND_CAMPAIGN_PAUSE,
	COMMAND_CAMPAIGN_RESUME,
	COMMAND_CAMPAIGN_CANCEL,
	COMMAND_CAMPAIGN_RATE,
	COMMAND_CAMPAIGN_REPORT,
	COMMAND_SUPPRESS_LIST,
	COMMAND_SUPPRESS_ADD,
	COMMAND_SUPPRESS_DEL,
	COMMAND_SUPPRESS_IMPORT,
	COMMAND_SUPPRESS_EXPORT,
	COMMAND_DKIM_SHOW,
	COMMAND_DKIM_CHECK,
	COMMAND_STATUS,
	COMMAND_STATS,
	COMMAND_RELOAD,
	COMMAND_CONFIG_CHECK,
	COMMAND_CONFIG_SHOW,
	COMMANDS
};

enum {
	COMMAND_CHANGES = 1, /* logged with who ran it */
	COMMAND_SECRET = 2,  /* asks for a password */
	COMMAND_LOCAL = 4,   /* needs no daemon */
	COMMAND_INPUT = 8,   /* sends the file that it names, or stdin */
};

#define COMMAND_OPTIONS 14
#define COMMAND_OPERANDS 4

struct command_option {
	const char *name;  /* "limit"; NULL ends the list */
	const char *value; /* "N"; NULL: a flag */
	const char *help;
};

struct command {
	const char *words;    /* "user add" */
	const char *operands; /* "NAME"; "" */
	size_t operand_min, operand_max;
	unsigned flags;
	const char *help; /* one sentence */
	struct command_option options[COMMAND_OPTIONS + 1];
};

const struct command *command_of(enum command_id id);

/* A command line, understood; everything is borrowed from the words. */
struct command_line {
	const struct command *command; /* NULL: help on group, or on all */
	enum command_id id;
	const char *operands[COMMAND_OPERANDS];
	size_t operand_count;
	const char *values[COMMAND_OPTIONS]; /* NULL: not given; a flag: "" */
	bool json;
	bool help;
	const char *group; /* "user": help was asked on its commands */
};

/* GW_EINVAL with a sentence in error (escaped, without a newline); where it can
 * be guessed what was meant it says how that is written. */
int command_parse(const char *const *words, size_t count,
		  struct command_line *line, struct buf *error);
/* NULL when not given. The option must be one of the command's. */
const char *command_option(const struct command_line *line, const char *name);
const char *command_operand(const struct command_line *line, size_t i);

void command_help(const struct command *command, struct buf *out);
/* One line a command; group NULL: all of them. */
void command_overview(const char *group, struct buf *out);

#endif
