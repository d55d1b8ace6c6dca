#include "gateway/control/commands.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/escape.h"

/* One word of another's command line, for a sentence. */
static void
add_word(struct buf *out, const char *word)
{
	buf_add_byte(out, '\'');
	escape_text(out, slice_head(slice_str(word), 64));
	buf_add_byte(out, '\'');
}

static const char *
words_of(size_t i)
{
	return command_of((enum command_id)i)->words;
}

static bool
is_group(const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < COMMANDS; i++)
		if (strncmp(words_of(i), word, n) == 0 && words_of(i)[n] == ' ')
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

/* --- what was meant ------------------------------------------------------ */

/* What people write, and how it is written here: the first `drop` words of the
 * line are replaced. then: the second word; NULL is none, "" any other. */
static const struct {
	const char *first, *then;
	size_t drop;
	const char *better;
} meant[] = {
    {"block", "cred", 1, "block add"},
    {"block", "ip", 1, "block add"},
    {"block", "from", 1, "block add"},
    {"block", "domain", 1, "block add"},
    {"block", "hash", 1, "block add"},
    {"block", "remove", 2, "block del"},
    {"block", "delete", 2, "block del"},
    {"block", "", 1, "block add cred"},
    {"unblock", "cred", 1, "block del"},
    {"unblock", "ip", 1, "block del"},
    {"unblock", "from", 1, "block del"},
    {"unblock", "domain", 1, "block del"},
    {"unblock", "hash", 1, "block del"},
    {"unblock", "", 1, "block del cred"},
    {"user", "remove", 2, "user del"},
    {"user", "delete", 2, "user del"},
    {"from", "", 1, "from list"},
    {"limit", NULL, 1, "limits"},
    {"limit", "", 1, "limits"},
    {"queue", "", 1, "queue show"},
    {"mailq", NULL, 1, "queue list"},
    {"flush", NULL, 1, "queue flush"},
    {"domain", "remove", 2, "domain disallow"},
    {"domain", "del", 2, "domain disallow"},
    {"domain", "delete", 2, "domain disallow"},
    {"domain", "add", 2, "domain allow"},
    {"domain", "", 1, "domain show"},
    {"quarantine", "remove", 2, "quarantine delete"},
    {"quarantine", "del", 2, "quarantine delete"},
    {"quarantine", "", 1, "quarantine show"},
    {"bypass", "", 1, "scan bypass"},
    {"scan", "check", 2, "scan test"},
    {"campaigns", NULL, 1, "campaign list"},
    {"campaign", "stop", 2, "campaign pause"},
    {"campaign", "start", 2, "campaign resume"},
    {"campaign", "confirm", 2, "campaign resume"},
    {"campaign", "delete", 2, "campaign cancel"},
    {"campaign", "watch", 2, "campaign show --watch"},
    {"campaign", "", 1, "campaign show"},
    {"suppress", "remove", 2, "suppress del"},
    {"suppress", "delete", 2, "suppress del"},
    {"suppress", "", 1, "suppress add"},
    {"unsuppress", "", 1, "suppress del"},
    {"delete", "", 1, "purge"},
    {"unhold", "", 1, "release"},
};

/* True when a sentence was added. */
static bool
guess(const char *const *words, size_t count, struct buf *error)
{
	for (size_t i = 0; i < sizeof(meant) / sizeof(meant[0]); i++) {
		const char *then = meant[i].then;

		if (strcmp(words[0], meant[i].first) != 0 ||
		    (then == NULL) != (count == 1) ||
		    (then != NULL && then[0] != '\0' &&
		     strcmp(words[1], then) != 0))
			continue;
		buf_printf(error, ": did you mean 'sluice %s", meant[i].better);
		for (size_t w = meant[i].drop; w < count && error->n < 300;
		     w++) {
			buf_add_byte(error, ' ');
			escape_text(error, slice_head(slice_str(words[w]), 64));
		}
		buf_add_str(error, "'?");
		return true;
	}
	return false;
}

static void
no_such_command(const char *const *words, size_t count, struct buf *error)
{
	buf_add_str(error, "no such command: ");
	add_word(error, words[0]);
	if (count > 1 && is_group(words[0])) {
		buf_add_byte(error, ' ');
		add_word(error, words[1]);
	}
	guess(words, count, error);
}

static bool
asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int
find(const char *const *words, size_t count, struct command_line *line,
     struct buf *error, size_t *used)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		*used = match(words_of(i), words, count);
		if (*used > 0) {
			line->command = command_of((enum command_id)i);
			line->id = (enum command_id)i;
			return 0;
		}
	}
	if (is_group(words[0]) && (count == 1 || asks_for_help(words[1]))) {
		line->group = words[0];
		line->help = true;
		*used = count;
		return 0;
	}
	no_such_command(words, count, error);
	return GW_EINVAL;
}

static const struct command_option *
find_option(const struct command *command, struct slice name)
{
	const struct command_option *o = command->options;

	while (o->name != NULL && !slice_eq(slice_str(o->name), name))
		o++;
	return o->name != NULL ? o : NULL;
}

/* ": sluice block add KIND VALUE", for whoever left something out. */
static void
how_written(const struct command *command, struct buf *error)
{
	buf_printf(error, ": sluice %s%s%s%s", command->words,
		   command->operands[0] != '\0' ? " " : "", command->operands,
		   command->options[0].name != NULL ? " [OPTIONS]" : "");
}

/* word is `--name` or `--name=value`, after the dashes. */
static int
option(struct command_line *line, const char *word, const char *next,
       bool *took_next, struct buf *error)
{
	size_t n = strcspn(word, "=");
	const struct command_option *o =
	    find_option(line->command, slice_of(word, n));
	const char *value = word[n] == '=' ? word + n + 1 : NULL;

	if (o == NULL) {
		buf_add_str(error, "no such option: ");
		add_word(error, word - 2);
		how_written(line->command, error);
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

/* The i-th word of "KIND VALUE". */
static struct slice
operand_name(const struct command *command, size_t i)
{
	struct slice rest = slice_str(command->operands), word;

	while (slice_split(&rest, ' ', &word) && i > 0)
		i--;
	return word;
}

static int
operand(struct command_line *line, const char *word, struct buf *error)
{
	if (line->operand_count < line->command->operand_max) {
		line->operands[line->operand_count++] = word;
		return 0;
	}
	buf_add_str(error, "one word too many: ");
	add_word(error, word);
	if (find_option(line->command, slice_str(word)) != NULL)
		buf_printf(error, ": did you mean '--%s'?", word);
	return GW_EINVAL;
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
		} else if (asks_for_help(word)) {
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
		struct slice name =
		    operand_name(line->command, line->operand_count);

		buf_printf(error, "%.*s is missing", (int)name.n, name.p);
		how_written(line->command, error);
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

#define OVERVIEW_COLUMN 19

void
command_overview(const char *group, struct buf *out)
{
	size_t n = group == NULL ? 0 : strlen(group);

	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = command_of((enum command_id)i);
		size_t at = out->n, used;

		if (group != NULL &&
		    (strncmp(c->words, group, n) != 0 || c->words[n] != ' '))
			continue;
		buf_printf(out, "  %s%s%s", c->words,
			   c->operands[0] != '\0' ? " " : "", c->operands);
		used = out->n - at - 2;
		if (used > OVERVIEW_COLUMN) {
			buf_add_str(out, "\n  ");
			used = 0;
		}
		buf_printf(out, "%*s %s\n", (int)(OVERVIEW_COLUMN - used), "",
			   c->help);
	}
}
