/*
 * THE table, and what is made of it: gateway.conf and the manual in the tree
 * are what the program would make. To renew them: sluiced --shipped-file, and
 * sluiced --manual-rows between the marks of docs/man/gateway.conf.5.
 */
#include <ctype.h>

#include "gateway/config_table.h"
#include "tests/gateway/config_help.h"

START_TEST(rows)
{
	size_t first, count, seen = 0;

	/* a scope's rows stand together: the scopes sum up to the table */
	config_scope("", &first, &count);
	ck_assert_uint_eq(first, 0);
	seen = count;
	for (size_t i = 0; i < config_row_count(); i++) {
		const struct config_row *row = config_row(i);
		size_t n = strlen(row->text);

		ck_assert_msg(row->text[n - 1] == '.', "%s", row->path);
		ck_assert_msg(isupper((unsigned char)row->text[0]) ||
				  strncmp(row->text, "key=value", 9) == 0,
			      "%s", row->path);
		ck_assert_msg(strstr(row->text, ". ") == NULL, "%s: %s",
			      row->path, "one sentence");
		ck_assert_msg(row->max >= row->min, "%s", row->path);
		if (config_row_is_block(row)) {
			ck_assert_msg(row->size > 0, "%s", row->path);
			ck_assert(config_scope(row->path, &first, &count));
			seen += count;
		}
		ck_assert_ptr_eq(
		    config_row_find(strchr(row->path, '.') != NULL
					? strtok(strdupa(row->path), ".")
					: "",
				    config_row_name(row)),
		    row);
	}
	ck_assert_uint_eq(seen, config_row_count());
	ck_assert(!config_scope("nothing", &first, &count));
	ck_assert_ptr_null(config_row_find("", "listen.tls"));
}
END_TEST

static char *
made(void (*fn)(struct buf *out))
{
	struct buf out = {.cap = CONFIG_HELP_MAX};
	char *text;

	fn(&out);
	text = strdup(buf_cstr(&out));
	buf_fini(&out);
	return text;
}

START_TEST(shipped)
{
	char *want = made(config_print_shipped);
	char *have = config_help_file("gateway.conf");

	ck_assert_msg(strcmp(want, have) == 0,
		      "gateway.conf is stale: sluiced --shipped-file");
	free(want);
	free(have);
}
END_TEST

/* What the shipped file shows behind '#' is right as well. */
START_TEST(shipped_comments)
{
	char *text = made(config_print_shipped), *line, *rest = text;
	struct buf all = {.cap = CONFIG_HELP_MAX};
	struct config *c;
	char *problems;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *mark = line + strspn(line, "\t");

		if (mark[0] == '#' && mark[1] != ' ' && mark[1] != '\0')
			mark[0] = ' ';
		buf_printf(&all, "%s\n", line);
	}
	problems = config_help_read(all.p, all.n, &c);
	/* the example login wants certain TLS, the example CA too */
	ck_assert_msg(strstr(problems, "'login' needs") != NULL, "%s",
		      problems);
	ck_assert_msg(strstr(problems, "unknown") == NULL &&
			  strstr(problems, "cannot") == NULL,
		      "%s", problems);
	free(problems);
	config_destroy(&c);
	buf_fini(&all);
	free(text);
}
END_TEST

#define BEGIN "a test compares.\n"
#define END ".\\\" END DIRECTIVES\n"

START_TEST(manual)
{
	char *want = made(config_print_manual);
	char *page = config_help_file("docs/man/gateway.conf.5");
	char *begin = strstr(page, BEGIN), *end = strstr(page, END);

	ck_assert(begin != NULL && end != NULL && begin < end);
	begin += strlen(BEGIN);
	*end = '\0';
	ck_assert_msg(strcmp(begin, want) == 0,
		      "docs/man/gateway.conf.5 is stale: sluiced "
		      "--manual-rows");
	free(want);
	free(page);
}
END_TEST

/* mandoc, where it is installed; pages of other folders are not looked for. */
START_TEST(lint)
{
	static const char command[] =
	    "command -v mandoc >/dev/null || exit 0; "
	    "mandoc -Tlint docs/man/gateway.conf.5 docs/man/sluiced.8 2>&1 | "
	    "grep -v -e 'referenced manual not found' -e mandoc.db "
	    "-e '^$'; test $? = 1";

	ck_assert_int_eq(system(command), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/config_table");
	TCase *t = tcase_create("table");
	SRunner *r;
	int failed;

	tcase_add_test(t, rows);
	tcase_add_test(t, shipped);
	tcase_add_test(t, shipped_comments);
	tcase_add_test(t, manual);
	tcase_add_test(t, lint);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
