/* Signing: how `dkim` blocks and `unsubscribe` are written, what is read of the
 * key files, and what front and back are told. */
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/dkim/keys.h"
#include "gateway/plan.h"
#include "tests/gateway/config_help.h"

#define KEY "/proc/self/cwd/key"
#define ED25519                                                          \
	"-----BEGIN PRIVATE KEY-----\n"                                  \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMc\n" \
	"rn9g\n"                                                         \
	"-----END PRIVATE KEY-----\n"
#define A "dkim a.example { selector s /k; }\n"

static const struct {
	const char *label, *text, *want;
} rows[] = {
    {"one", A, ""},
    {"all of it",
     "dkim a.example { selector s /k; selector t.u /l; lanes bulk; "
     "subdomains on; }\ndkim b.a.example { selector s /k; }\n"
     "bulk { headers on; unsubscribe \"https://a/u?c={campaign}&m={message}\"; "
     "}\n",
     ""},
    {"no selector", "dkim a.example { }\n",
     "t:1:1: 'dkim a.example' has no 'selector'\n"},
    {"no file", "dkim a.example { selector s; }\n",
     "t:1:18: 'selector' has too few values: write 'selector NAME PATH;'\n"},
    {"a file somewhere", "dkim a.example { selector s k; }\n",
     "t:1:29: 'k' is not an absolute path: begin it with '/'\n"},
    {"no domain", "dkim a..b { selector s /k; }\n",
     "t:1:1: 'a..b' is no domain: it has an empty label\n"},
    {"no selector's name", "dkim a.example { selector s..t /k; }\n",
     "t:1:27: 's..t' is no selector: it has an empty label\n"},
    {"a selector twice", "dkim a.example { selector s /k; selector S /l; }\n",
     "t:1:42: the selector 's' stands at t:1:27 already\n"},
    {"a domain twice", A "dkim A.example { selector s /k; }\n",
     "t:2:1: 'a.example' stands at t:1:1 already\n"},
    {"other lanes", "dkim a.example { selector s /k; lanes dsn; }\n",
     "t:1:39: 'lanes' is one of all, bulk; not 'dsn'\n"},
    {"a link without a key", "bulk { headers on; unsubscribe https://a/u; }\n",
     "t:1:20: warning: 'unsubscribe' does nothing without a 'dkim' block: it "
     "stands in signed mail alone\n"},
    {"http", A "bulk { headers on; unsubscribe http://a/u; }\n",
     "t:2:20: 'http://a/u' is no address for unsubscribing: begin it with "
     "https://\n"},
    {"no host", A "bulk { headers on; unsubscribe https:///u; }\n",
     "t:2:20: 'https:///u' is no address for unsubscribing: it names no "
     "host\n"},
    {"a blank", A "bulk { headers on; unsubscribe \"https://a/ u\"; }\n",
     "t:2:20: 'https://a/ u' is no address for unsubscribing: blanks, quotes, "
     "commas and angle brackets cannot stand in it: write them as %20 and so "
     "on\n"},
    {"its end", A "bulk { headers on; unsubscribe \"https://a/>\"; }\n",
     "t:2:20: 'https://a/>' is no address for unsubscribing: blanks, quotes, "
     "commas and angle brackets cannot stand in it: write them as %20 and so "
     "on\n"},
    {"another brace",
     A "bulk { headers on; unsubscribe \"https://a/{recipient}\"; }\n",
     "t:2:20: 'https://a/{recipient}' is no address for unsubscribing: it "
     "holds {campaign} and {message}, and no other braces\n"},
    {"a lone brace", A "bulk { headers on; unsubscribe \"https://a/}\"; }\n",
     "t:2:20: 'https://a/}' is no address for unsubscribing: it holds "
     "{campaign} and {message}, and no other braces\n"},
};

START_TEST(mistakes)
{
	char text[1024], *got;
	struct config *c;

	snprintf(text, sizeof(text), "%s" CONFIG_REST, rows[_i].text);
	got = config_help_read(text, strlen(text), &c);
	ck_assert_msg(strcmp(got, rows[_i].want) == 0,
		      "%s:\n--- got\n%s--- want\n%s", rows[_i].label, got,
		      rows[_i].want);
	config_destroy(&c);
	free(got);
}
END_TEST

START_TEST(reads_back)
{
	char text[1024], *first, *second;
	struct config *c;

	snprintf(text, sizeof(text), "%s" CONFIG_REST, rows[1].text);
	c = config_help_good(text, "first");
	first = config_help_show(c);
	ck_assert_ptr_nonnull(strstr(first, "\tselector t.u /l;\n"));
	ck_assert_ptr_nonnull(strstr(first, "\tlanes bulk;\n"));
	config_destroy(&c);
	c = config_help_good(first, "second");
	second = config_help_show(c);
	ck_assert_str_eq(first, second);
	config_destroy(&c);
	free(first);
	free(second);
}
END_TEST

/* --- the files --- */

static const struct {
	const char *label, *content;
	unsigned mode;
	const char *why; /* NULL: it is read */
} files[] = {
    {"a key", ED25519, 0600, NULL},
    {"a group reads it", ED25519, 0640, NULL},
    {"others may read it", ED25519, 0604,
     "everybody can read or write it: chmod o= it"},
    {"absent", NULL, 0, "No such file or directory"},
    {"empty", "", 0600, "it is empty"},
    {"no key", "secret\n", 0600, "it holds no PEM private key"},
};

static char dir[64];

static void
setup(void)
{
	strcpy(dir, "/tmp/sluice-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void
teardown(void)
{
	unlink("key");
	unlink("main");
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
put(const char *name, const char *text, unsigned mode)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(name, mode), 0);
}

/* The certificate of CONFIG_REST is missing: so there is no config in any
 * case, and the key's own line is looked for. */
START_TEST(key_files)
{
	struct config_problems *p = config_problems_create();
	struct buf out = {.cap = CONFIG_HELP_MAX};
	struct config *c;
	char want[256];

	if (files[_i].content != NULL)
		put("key", files[_i].content, files[_i].mode);
	put("main", "dkim a.example { selector s " KEY "; }\n" CONFIG_REST,
	    0600);
	config_load(&c, "main", 0, p);
	config_problems_print(p, &out);
	snprintf(want, sizeof(want), "main:1:27: the key file '" KEY "': %s\n",
		 files[_i].why != NULL ? files[_i].why : "");
	if (files[_i].why != NULL)
		ck_assert_msg(strstr(buf_cstr(&out), want) != NULL, "%s: %s",
			      files[_i].label, buf_cstr(&out));
	else
		ck_assert_msg(strstr(buf_cstr(&out), "key file") == NULL,
			      "%s: %s", files[_i].label, buf_cstr(&out));
	config_problems_destroy(&p);
	config_destroy(&c);
	buf_fini(&out);
}
END_TEST

/* --- the plan --- */

START_TEST(plan_of_keys)
{
	char text[1024];
	struct sockets *sockets = sockets_create(3);
	struct config *c;
	struct plan plan;

	snprintf(text, sizeof(text), "%s" CONFIG_REST, rows[1].text);
	c = config_help_good(text, "plan");
	ck_assert_ptr_null(c->dkim_keys); /* nothing of the system was read */
	c->dkim_keys = dkim_keys_create();
	plan_make(&plan, c, c, sockets);
	ck_assert_ptr_eq(plan.front.dkim, c->dkim_keys);
	ck_assert_ptr_eq(plan.back.dkim, c->dkim_keys);
	ck_assert_str_eq(plan.front.unsubscribe,
			 "https://a/u?c={campaign}&m={message}");
	plan_fini(&plan);
	sockets_destroy(&sockets);
	config_destroy(&c);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config dkim");
	TCase *t = tcase_create("dkim"), *f = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(t, mistakes, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, reads_back);
	tcase_add_test(t, plan_of_keys);
	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(f, setup, teardown);
	tcase_add_loop_test(f, key_files, 0,
			    (int)(sizeof(files) / sizeof(files[0])));
	suite_add_tcase(suite, f);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
