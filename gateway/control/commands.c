#include "gateway/control/commands.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/escape.h"

static const struct command table[COMMANDS] = {
    [COMMAND_USER_ADD] =
	{"user add",
	 "NAME",
	 1,
	 1,
	 COMMAND_CHANGES | COMMAND_SECRET,
	 "Add a login; asks for its password or reads it from stdin.",
	 {{"class", "CLASS", "the class whose rules apply to this login"},
	  {"address", "ADDRESS", "where its owner is written to"}}},
    [COMMAND_USER_PASSWD] = {"user passwd",
			     "NAME",
			     1,
			     1,
			     COMMAND_CHANGES | COMMAND_SECRET,
			     "Give a login a new password.",
			     {{NULL, NULL, NULL}}},
    [COMMAND_USER_DEL] = {"user del",
			  "NAME",
			  1,
			  1,
			  COMMAND_CHANGES,
			  "Delete a login; its queued mail stays queued.",
			  {{NULL, NULL, NULL}}},
    [COMMAND_USER_LIST] =
	{"user list", "", 0, 0, 0, "List all logins.", {{NULL, NULL, NULL}}},
    [COMMAND_QUEUE_LIST] =
	{"queue list",
	 "",
	 0,
	 0,
	 0,
	 "List what waits: messages and their recipients, by age.",
	 {{"cred", "NAME", "of this login only"},
	  {"lane", "LANE", "personal, bulk or dsn"},
	  {"state", "STATE", "queued or held"},
	  {"domain", "DOMAIN", "to recipients in this domain"},
	  {"limit", "N", "at most N recipients; 0: all (a terminal: 1000)"}}},
    [COMMAND_QUEUE_SHOW] = {"queue show",
			    "ID",
			    1,
			    1,
			    0,
			    "Show one message: envelope, recipients, replies.",
			    {{NULL, NULL, NULL}}},
    [COMMAND_QUEUE_FLUSH] = {"queue flush",
			     "[ID]",
			     0,
			     1,
			     COMMAND_CHANGES,
			     "Try deferred mail again now: all, or some.",
			     {{"domain", "DOMAIN",
			       "to recipients in this domain"},
			      {"hop", "NAME", "that goes by this next hop"}}},
    [COMMAND_STATUS] = {"status",
			"",
			0,
			0,
			0,
			"Show how it goes: one screen.",
			{{NULL, NULL, NULL}}},
    [COMMAND_STATS] = {"stats",
		       "",
		       0,
		       0,
		       0,
		       "Show every counter as key=value.",
		       {{NULL, NULL, NULL}}},
    [COMMAND_RELOAD] =
	{"reload",
	 "",
	 0,
	 0,
	 COMMAND_CHANGES,
	 "Read the configuration again; a wrong one changes nothing.",
	 {{NULL, NULL, NULL}}},
    [COMMAND_CONFIG_CHECK] =
	{"config check",
	 "[FILE]",
	 0,
	 1,
	 COMMAND_LOCAL,
	 "Check a configuration file and tell every error in it.",
	 {{NULL, NULL, NULL}}},
    [COMMAND_CONFIG_SHOW] = {"config show",
			     "",
			     0,
			     0,
			     0,
			     "Show the configuration in force.",
			     {{NULL, NULL, NULL}}},
};

const struct command *
command_of(enum command_id id)
{
	return &table[id];
}

/* One word of another's command line, for a sentence. */
static void
add_word(struct buf *out, const char *word)
{
	buf_add_byte(out, '\'');
	escape_text(out, slice_head(slice_str(word), 64));
	buf_add_byte(out, '\'');
}

static bool
is_group(const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < COMMANDS; i++)
		if (strncmp(table[i].words, word, n) == 0 &&
		    table[i].words[n] == ' ')
			return true;
	return false;
}

/* How many of the words name the command: 0 when they do not. */
static size_t
match(const char *name, const char *const *words, size_t count)
{
	struct slice rest = slice_str(name), part;
	size_t n = 0;

	while (slice_split(&rest, ' ', &part)) {
		if (n == count || !slice_eq(part, slice_str(words[n])))
			return 0;
		n++;
	}
	return n;
}

static int
find(const char *const *words, size_t count, struct command_line *line,
     struct buf *error, size_t *used)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		*used = match(table[i].words, words, count);
		if (*used > 0) {
			line->command = &table[i];
			line->id = (enum command_id)i;
			return 0;
		}
	}
	if (is_group(words[0]) &&
	    (count == 1 || strcmp(words[1], "--help") == 0 ||
	     strcmp(words[1], "-h") == 0)) {
		line->group = words[0];
		line->help = true;
		*used = count;
		return 0;
	}
	buf_add_str(error, "no such command: ");
	add_word(error, words[0]);
	if (count > 1 && is_group(words[0])) {
		buf_add_byte(error, ' ');
		add_word(error, words[1]);
	}
	return GW_EINVAL;
}

/* word is `--name` or `--name=value`, after the dashes. */
static int
option(struct command_line *line, const char *word, const char *next,
       bool *took_next, struct buf *error)
{
	size_t n = strcspn(word, "=");
	const struct command_option *o = line->command->options;
	const char *value = word[n] == '=' ? word + n + 1 : NULL;

	while (o->name != NULL &&
	       (strncmp(o->name, word, n) != 0 || o->name[n] != '\0'))
		o++;
	if (o->name == NULL) {
		buf_add_str(error, "no such option: ");
		add_word(error, word - 2);
		return GW_EINVAL;
	}
	if (o->value == NULL && value != NULL) {
		buf_printf(error, "--%s takes no value", o->name);
		return GW_EINVAL;
	}
	*took_next = o->value != NULL && value == NULL;
	if (*took_next)
		value = next;
	if (o->value != NULL && (value == NULL || *value == '\0')) {
		buf_printf(error, "--%s needs its %s", o->name, o->value);
		return GW_EINVAL;
	}
	if (line->values[o - line->command->options] != NULL) {
		buf_printf(error, "--%s is given twice", o->name);
		return GW_EINVAL;
	}
	line->values[o - line->command->options] = value == NULL ? "" : value;
	return 0;
}

static int
operand(struct command_line *line, const char *word, struct buf *error)
{
	if (line->operand_count == line->command->operand_max) {
		buf_add_str(error, "one word too many: ");
		add_word(error, word);
		return GW_EINVAL;
	}
	line->operands[line->operand_count++] = word;
	return 0;
}

static int
arguments(const char *const *words, size_t count, struct command_line *line,
	  struct buf *error)
{
	bool only_operands = false, took_next = false;
	int err = 0;

	for (size_t i = 0; i < count && err == 0; i++) {
		const char *word = words[i];
		const char *next = i + 1 < count ? words[i + 1] : NULL;

		if (only_operands || word[0] != '-' || word[1] == '\0') {
			err = operand(line, word, error);
		} else if (strcmp(word, "--") == 0) {
			only_operands = true;
		} else if (strcmp(word, "--json") == 0) {
			line->json = true;
		} else if (strcmp(word, "--help") == 0 ||
			   strcmp(word, "-h") == 0) {
			line->help = true;
		} else if (word[1] == '-') {
			err = option(line, word + 2, next, &took_next, error);
			i += err == 0 && took_next;
		} else {
			buf_add_str(error, "no such option: ");
			add_word(error, word);
			err = GW_EINVAL;
		}
	}
	if (err == 0 && !line->help &&
	    line->operand_count < line->command->operand_min) {
		buf_printf(error, "%s is missing", line->command->operands);
		err = GW_EINVAL;
	}
	return err;
}

int
command_parse(const char *const *words, size_t count, struct command_line *line,
	      struct buf *error)
{
	size_t used;
	int err;

	memset(line, 0, sizeof(*line));
	if (count == 0) {
		buf_add_str(error, "a command is missing");
		return GW_EINVAL;
	}
	err = find(words, count, line, error, &used);
	if (err == 0 && line->command != NULL)
		err = arguments(words + used, count - used, line, error);
	return err;
}

const char *
command_option(const struct command_line *line, const char *name)
{
	const struct command_option *o = line->command->options;

	while (o->name != NULL && strcmp(o->name, name) != 0)
		o++;
	assert(o->name != NULL);
	return line->values[o - line->command->options];
}

const char *
command_operand(const struct command_line *line, size_t i)
{
	return i < line->operand_count ? line->operands[i] : NULL;
}

void
command_synopsis(const struct command *command, struct buf *out)
{
	buf_add_str(out, command->words);
	if (command->operands[0] != '\0')
		buf_printf(out, " %s", command->operands);
	for (const struct command_option *o = command->options; o->name != NULL;
	     o++) {
		if (o->value != NULL)
			buf_printf(out, " [--%s %s]", o->name, o->value);
		else
			buf_printf(out, " [--%s]", o->name);
	}
}

void
command_help(const struct command *command, struct buf *out)
{
	struct buf left = {.cap = 256};

	buf_printf(out, "usage: sluice [-s SOCKET] [--json] %s%s%s%s\n\n%s\n",
		   command->words, command->operands[0] != '\0' ? " " : "",
		   command->operands,
		   command->options[0].name != NULL ? " [OPTIONS]" : "",
		   command->help);
	for (const struct command_option *o = command->options; o->name != NULL;
	     o++) {
		buf_clear(&left);
		buf_printf(&left, "--%s%s%s", o->name,
			   o->value != NULL ? " " : "",
			   o->value != NULL ? o->value : "");
		buf_printf(out, "%s  %-20s %s\n",
			   o == command->options ? "\n" : "", buf_cstr(&left),
			   o->help);
	}
	buf_fini(&left);
}

void
command_overview(const char *group, struct buf *out)
{
	size_t n = group == NULL ? 0 : strlen(group);

	for (size_t i = 0; i < COMMANDS; i++) {
		if (group != NULL && (strncmp(table[i].words, group, n) != 0 ||
				      table[i].words[n] != ' '))
			continue;
		buf_printf(out, "  %s%s%-*s %s\n", table[i].words,
			   table[i].operands[0] != '\0' ? " " : "",
			   (int)(19 - strlen(table[i].words) -
				 (table[i].operands[0] != '\0')),
			   table[i].operands, table[i].help);
	}
}
