/* The table of commands: what it takes, what it says, and the manual page.
 * size: one table holds every way to write a command line. */
#include "gateway/control/commands.h"
#include "tests/net/net_help.h"

#define WORDS 10

START_TEST(parsing)
{
	static const struct {
		const char *label;
		const char *words[WORDS];
		const char *error; /* NULL: understood */
		int id;		   /* -1: help on a group */
		const char *option, *value, *operand;
	} rows[] = {
	    {.label = "two words", .words = {"user", "list"}, .id = 3},
	    {.label = "one word", .words = {"status"}, .id = COMMAND_STATUS},
	    {.label = "operand",
	     .words = {"user", "del", "bob"},
	     .id = COMMAND_USER_DEL,
	     .operand = "bob"},
	    {.label = "option with a space",
	     .words = {"user", "add", "bob", "--class", "c"},
	     .id = COMMAND_USER_ADD,
	     .option = "class",
	     .value = "c",
	     .operand = "bob"},
	    {.label = "option with =, before the operand",
	     .words = {"user", "add", "--class=c=d", "bob"},
	     .id = COMMAND_USER_ADD,
	     .option = "class",
	     .value = "c=d",
	     .operand = "bob"},
	    {.label = "-- ends the options",
	     .words = {"user", "del", "--", "--bob"},
	     .id = COMMAND_USER_DEL,
	     .operand = "--bob"},
	    {.label = "a lone dash is an operand",
	     .words = {"user", "del", "-"},
	     .id = COMMAND_USER_DEL,
	     .operand = "-"},
	    {.label = "optional operand left out",
	     .words = {"queue", "flush", "--hop", "hub"},
	     .id = COMMAND_QUEUE_FLUSH,
	     .option = "hop",
	     .value = "hub"},
	    {.label = "value like an option",
	     .words = {"queue", "list", "--cred", "--x"},
	     .id = COMMAND_QUEUE_LIST,
	     .option = "cred",
	     .value = "--x"},
	    {.label = "group", .words = {"user"}, .id = -1},
	    {.label = "group --help", .words = {"queue", "--help"}, .id = -1},
	    {.label = "nothing", .words = {NULL}, .error = "a command"},
	    {.label = "unknown",
	     .words = {"frob"},
	     .error = "no such command: 'frob'"},
	    {.label = "half a name", .words = {"use"}, .error = "no such"},
	    {.label = "longer", .words = {"statuses"}, .error = "no such"},
	    {.label = "unknown in a group",
	     .words = {"user", "frob"},
	     .error = "no such command: 'user' 'frob'"},
	    {.label = "escapes are escaped",
	     .words = {"\033[2J"},
	     .error = "no such command: '\\x1b[2J'"},
	    {.label = "operand missing",
	     .words = {"user", "add"},
	     .error = "NAME is missing"},
	    {.label = "one too many",
	     .words = {"user", "list", "x"},
	     .error = "one word too many: 'x'"},
	    {.label = "unknown option",
	     .words = {"user", "list", "--x"},
	     .error = "no such option: '--x'"},
	    {.label = "prefix of an option",
	     .words = {"queue", "list", "--lim", "3"},
	     .error = "no such option: '--lim'"},
	    {.label = "empty option",
	     .words = {"queue", "list", "--=3"},
	     .error = "no such option"},
	    {.label = "short option",
	     .words = {"queue", "list", "-x"},
	     .error = "no such option: '-x'"},
	    {.label = "value missing",
	     .words = {"queue", "list", "--cred"},
	     .error = "--cred needs its NAME"},
	    {.label = "value empty",
	     .words = {"queue", "list", "--cred="},
	     .error = "--cred needs its NAME"},
	    {.label = "given twice",
	     .words = {"queue", "list", "--cred=a", "--cred=b"},
	     .error = "--cred is given twice"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf error = {.cap = 512};
		struct command_line line;
		size_t n = 0;
		int err;

		while (n < WORDS && rows[i].words[n] != NULL)
			n++;
		err = command_parse(rows[i].words, n, &line, &error);
		ck_assert_msg((err == 0) == (rows[i].error == NULL), "%s: %s",
			      rows[i].label, buf_cstr(&error));
		if (err != 0) {
			ck_assert_msg(slice_starts(buf_slice(&error),
						   slice_str(rows[i].error)),
				      "%s: %s", rows[i].label,
				      buf_cstr(&error));
		} else if (rows[i].id < 0) {
			ck_assert(line.help && line.command == NULL);
			ck_assert_str_eq(line.group, rows[i].words[0]);
		} else {
			ck_assert_msg((int)line.id == rows[i].id, "%s",
				      rows[i].label);
			if (rows[i].option != NULL)
				ck_assert_str_eq(
				    command_option(&line, rows[i].option),
				    rows[i].value);
			ck_assert_pstr_eq(command_operand(&line, 0),
					  rows[i].operand);
		}
		buf_fini(&error);
	}
}
END_TEST

START_TEST(every_row_is_whole)
{
	for (int i = 0; i < COMMANDS; i++) {
		const struct command *c = command_of((enum command_id)i);
		struct buf help = {.cap = 8192};

		ck_assert_ptr_nonnull(c->words);
		ck_assert_uint_le(c->operand_max, COMMAND_OPERANDS);
		ck_assert_uint_le(c->operand_min, c->operand_max);
		ck_assert_int_eq(c->help[strlen(c->help) - 1], '.');
		ck_assert(!(c->flags & COMMAND_SECRET) || c->operand_min > 0);
		command_help(c, &help);
		ck_assert(!help.overflow && help.n > 0);
		buf_fini(&help);
	}
}
END_TEST

/* Nothing of the help wraps on a terminal of 80 columns. */
START_TEST(help_fits)
{
	struct buf all = {.cap = 65536};
	struct slice rest, line;

	command_overview(NULL, &all);
	for (int i = 0; i < COMMANDS; i++)
		command_help(command_of((enum command_id)i), &all);
	rest = buf_slice(&all);
	while (slice_split(&rest, '\n', &line))
		ck_assert_msg(line.n <= 80, "%.*s", (int)line.n, line.p);
	buf_fini(&all);
}
END_TEST

/* As the manual page writes a row of the table. */
static void
man_item(const struct command *c, struct buf *out)
{
	bool optional = c->operands[0] == '[';
	struct slice operand = slice_str(c->operands);

	if (optional)
		operand = slice_of(operand.p + 1, operand.n - 2);
	buf_printf(out, ".It Ic %s", c->words);
	if (operand.n > 0)
		buf_printf(out, optional ? " Oo Ar %.*s Oc" : " Ar %.*s",
			   (int)operand.n, operand.p);
	for (const struct command_option *o = c->options; o->name; o++)
		buf_printf(out, " Oo Fl -%s%s%s Oc", o->name,
			   o->value ? " Ar " : "", o->value ? o->value : "");
	buf_add_byte(out, '\n');
}

START_TEST(manual_page_has_them_all)
{
	FILE *f = fopen("docs/man/sluice.1", "r");
	char line[1024];
	int next = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		struct buf want = {.cap = 1024};

		if (strncmp(line, ".It Ic ", 7) != 0)
			continue;
		ck_assert_int_lt(next, COMMANDS);
		man_item(command_of((enum command_id)next++), &want);
		ck_assert_str_eq(line, buf_cstr(&want));
		buf_fini(&want);
	}
	fclose(f);
	ck_assert_int_eq(next, COMMANDS);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {parsing, every_row_is_whole, help_fits,
				      manual_page_has_them_all};

	return RUN_TESTS("control/commands", tests);
}
