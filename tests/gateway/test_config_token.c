/* The keys of scan tokens: how they are written, what is read of their files,
 * and what front and back are told. */
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/plan.h"
#include "tests/gateway/config_help.h"

#define SERVER "scan { server icaps://av/x; "
#define HUB "relay hub { address h:25; scan-token keep; }\n"

static const struct {
	const char *label, *text, *want;
} rows[] = {
    {"two keys",
     SERVER "token-key a.b /k; token-key c_d-1 /l; "
	    "token-sign c_d-1; }\n" HUB,
     ""},
    {"a key to believe alone", SERVER "token-key a /k; }\n" HUB, ""},
    {"no file", SERVER "token-key a; }\n",
     "t:1:29: 'token-key' has too few values: write 'token-key NAME PATH;'\n"},
    {"a file somewhere", SERVER "token-key a k; }\n",
     "t:1:41: 'k' is not an absolute path: begin it with '/'\n"},
    {"no name", SERVER "token-key \"a b\" /k; }\n",
     "t:1:39: the name of a key is 1 to 32 of letters, digits, '.', '_' and "
     "'-'\n"},
    {"a long name",
     SERVER "token-key 012345678901234567890123456789012 /k; }\n",
     "t:1:39: the name of a key is 1 to 32 of letters, digits, '.', '_' and "
     "'-'\n"},
    {"a name twice", SERVER "token-key a /k; token-key a /l; }\n",
     "t:1:55: the key 'a' stands at t:1:39 already\n"},
    {"nothing to sign with", SERVER "token-sign a; }\n",
     "t:1:29: there is no 'token-key a'\n"},
    {"another to sign with", SERVER "token-key a /k; token-sign b; }\n",
     "t:1:45: there is no 'token-key b'\n"},
    {"kept without a key", HUB,
     "t:1:27: warning: 'scan-token keep' does nothing: 'scan' has no "
     "'token-key'\n"},
    {"neither kept nor not", "relay hub { address h:25; scan-token yes; }\n",
     "t:1:38: 'scan-token' is one of strip, keep; not 'yes'\n"},
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

START_TEST(too_many)
{
	struct buf text = {.cap = 65536};
	struct config *c;
	char *got;

	buf_add_str(&text, SERVER "\n");
	for (int i = 0; i < 9; i++)
		buf_printf(&text, "token-key k%d /k;\n", i);
	buf_add_str(&text, "}\n" CONFIG_REST);
	got = config_help_read(text.p, text.n, &c);
	ck_assert_msg(strstr(got, "t:10:1: more than 8 keys") != NULL, "%s",
		      got);
	free(got);
	buf_fini(&text);
}
END_TEST

/* --- files --- */

#define B32 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define BAD "its first line is not the base64 of 32 to 128 bytes"

static const struct {
	const char *label, *content;
	unsigned mode;
	const char *why; /* NULL: it is read */
} files[] = {
    {"a line", B32 "\n", 0600, NULL},
    {"no newline, and a group that reads it", B32, 0640, NULL},
    {"CRLF and more lines", B32 "\r\nmore\n", 0600, NULL},
    {"others may read it", B32 "\n", 0604,
     "everybody can read or write it: chmod o= it"},
    {"others may write it", B32 "\n", 0602,
     "everybody can read or write it: chmod o= it"},
    {"absent", NULL, 0, "No such file or directory"},
    {"empty", "", 0600, "its first line is empty"},
    {"no base64", "this is the secret\n", 0600, BAD},
    {"a blank behind it", B32 " \n", 0600, BAD},
    {"31 bytes", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ==\n", 0600,
     "it holds less than 32 bytes: 'openssl rand -base64 32' makes a good "
     "one"},
    {"129 bytes",
     "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1"
     "Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFi"
     "Y2RlZjAxMjM0NTY3ODlhYmNkZWYw\n",
     0600, BAD},
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
	put("main", SERVER "token-key a /proc/self/cwd/key; }\n" CONFIG_REST,
	    0600);
	config_load(&c, "main", 0, p);
	config_problems_print(p, &out);
	snprintf(want, sizeof(want),
		 "main:1:39: the key file '/proc/self/cwd/key': %s\n",
		 files[_i].why != NULL ? files[_i].why : "");
	if (files[_i].why != NULL)
		ck_assert_msg(strstr(buf_cstr(&out), want) != NULL, "%s: %s",
			      files[_i].label, buf_cstr(&out));
	else
		ck_assert_msg(strstr(buf_cstr(&out), "key file") == NULL,
			      "%s: %s", files[_i].label, buf_cstr(&out));
	ck_assert_ptr_null(strstr(buf_cstr(&out), "MDEyMz"));
	config_problems_destroy(&p);
	config_destroy(&c);
	buf_fini(&out);
}
END_TEST

/* --- the plan --- */

#define ROUTES                                           \
	"relay own { address o:25; scan-token keep; }\n" \
	"relay hub { address h:25; }\n"                  \
	"route a { domain a.example; via own; }\n"       \
	"route b { domain b.example; via hub; }\n"       \
	"route c { domain c.example; via maildir:/var/mail; }\n"

static const struct {
	const char *text;
	enum back_tokens want[4]; /* own, hub, maildir, mx */
} plans[] = {
    {SERVER "cache-age 2h; token-key a /k; token-key b /l; token-sign b; "
	    "}\n" ROUTES CONFIG_REST,
     {BACK_TOKENS_KEEP, BACK_TOKENS_STRIP, BACK_TOKENS_STRIP,
      BACK_TOKENS_STRIP}},
    {SERVER "}\n" ROUTES CONFIG_REST, {BACK_TOKENS_UNKNOWN}},
};

START_TEST(plan_of_tokens)
{
	struct config *c = config_help_good(plans[_i].text, "plan");
	struct sockets *sockets = sockets_create(3);
	struct plan plan;

	plan_make(&plan, c, c, sockets);
	ck_assert_uint_eq(plan.back.hop_count, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_msg(plan.back.hops[i].tokens == plans[_i].want[i],
			      "%s", plan.back.hops[i].name);
	ck_assert_uint_eq(plan.front.token_key_count, _i == 0 ? 2 : 0);
	if (_i == 0) {
		ck_assert_str_eq(plan.front.token_keys[1].id, "b");
		ck_assert_str_eq(plan.front.token_sign, "b");
		ck_assert_int_eq(plan.front.token_age_s, 7200);
	}
	plan_fini(&plan);
	sockets_destroy(&sockets);
	config_destroy(&c);
}
END_TEST

START_TEST(reads_back)
{
	struct config *c = config_help_good(plans[0].text, "first");
	char *first = config_help_show(c), *second;

	ck_assert_ptr_nonnull(strstr(first, "\ttoken-key b /l;\n"));
	ck_assert_ptr_nonnull(strstr(first, "\tscan-token keep;\n"));
	config_destroy(&c);
	c = config_help_good(first, "second");
	second = config_help_show(c);
	ck_assert_str_eq(first, second);
	config_destroy(&c);
	free(first);
	free(second);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config token");
	TCase *t = tcase_create("tokens"), *f = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(t, mistakes, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, too_many);
	tcase_add_loop_test(t, plan_of_tokens, 0, 2);
	tcase_add_test(t, reads_back);
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
