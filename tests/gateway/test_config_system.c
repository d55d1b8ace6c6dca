/* Files beside the configuration: includes, certificates, passwords. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/gateway/config_help.h"

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
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(system(command), 0);
}

static void
put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(name, 0600), 0);
}

static struct config *
load(const char *name, unsigned flags, char **problems)
{
	struct config_problems *p = config_problems_create();
	struct buf out = {.cap = CONFIG_HELP_MAX};
	struct config *c;

	config_load(&c, name, flags, p);
	config_problems_print(p, &out);
	*problems = strdup(buf_cstr(&out));
	config_problems_destroy(&p);
	buf_fini(&out);
	return c;
}

static void
expect(const char *name, unsigned flags, const char *want)
{
	char *got;
	struct config *c = load(name, flags, &got);

	ck_assert_msg(strcmp(got, want) == 0, "--- got\n%s--- want\n%s", got,
		      want);
	config_destroy(&c);
	free(got);
}

START_TEST(includes)
{
	struct config *c;
	char *problems;

	ck_assert_int_eq(mkdir("conf.d", 0700), 0);
	put("main", "include conf.d/*.conf;\ninclude none.d/*.conf;\n"
		    "log { include log.inc; }\n" CONFIG_REST);
	put("conf.d/b.conf", "internal b.example;\n");
	put("conf.d/a.conf", "internal a.example;\ninclude sub.inc;\n");
	put("conf.d/sub.inc", "idle 7s;\n");
	put("conf.d/ignored", "xyzzy;\n");
	put("log.inc", "level warn;\n");
	c = load("main", CONFIG_NO_SYSTEM, &problems);
	ck_assert_msg(c != NULL, "%s", problems);
	ck_assert_uint_eq(c->internal.count, 2);
	ck_assert_str_eq(c->internal.v[0], "a.example");
	ck_assert_int_eq(c->idle_ms, 7000);
	ck_assert_int_eq(c->log.level, GW_LOG_WARN);
	free(problems);
	config_destroy(&c);
}
END_TEST

START_TEST(include_errors)
{
	put("main", "include a;\ninclude missing;\ninclude;\n"
		    "include a b;\ninclude fifo;\nlog { include close; }\n"
		    "idle 1s;\n" CONFIG_REST);
	put("a", "xyzzy 1;\nidle 2s;\n");
	put("close", "level warn; }\n");
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	expect("main", CONFIG_NO_SYSTEM,
	       "main:2:9: cannot include 'missing': no such file\n"
	       "main:3:1: 'include' takes one file or pattern\n"
	       "main:4:1: 'include' takes one file or pattern\n"
	       "main:5:9: cannot include 'fifo': not a regular file\n"
	       "main:7:1: a second 'idle'; the first is at a:2:1\n"
	       "a:1:1: unknown directive 'xyzzy'\n"
	       "close:1:13: this '}' closes nothing\n");
}
END_TEST

START_TEST(include_loop)
{
	put("main", "include a;\n" CONFIG_REST);
	put("a", "include b;\n");
	put("b", "# not again\ninclude main;\ninclude a;\n");
	expect("main", CONFIG_NO_SYSTEM,
	       "b:2:9: cannot include 'main': it is being read already: an "
	       "include loop\n"
	       "b:3:9: cannot include 'a': it is being read already: an "
	       "include loop\n");
}
END_TEST

/* Each file names the next one twice: bounded in depth, and so in all. */
START_TEST(include_depth)
{
	char name[16], text[64], *problems;
	struct config *c;

	put("main", "include 0;\n" CONFIG_REST);
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "%d", i);
		snprintf(text, sizeof(text), "include %d;\ninclude %d;\n",
			 i + 1, i + 1);
		put(name, text);
	}
	c = load("main", CONFIG_NO_SYSTEM, &problems);
	ck_assert_ptr_null(c);
	ck_assert(strstr(problems, "7:1:9: cannot include '8': includes are "
				   "nested deeper than 8") != NULL);
	free(problems);
}
END_TEST

START_TEST(include_count)
{
	char name[16], *problems;
	struct config *c;

	put("main", "include n*;\n" CONFIG_REST);
	for (int i = 0; i < 257; i++) {
		snprintf(name, sizeof(name), "n%03d", i);
		put(name, "internal a.example;\n");
	}
	c = load("main", CONFIG_NO_SYSTEM, &problems);
	ck_assert_ptr_null(c);
	ck_assert_str_eq(problems, "main:1:9: cannot include 'n255': more "
				   "than 256 files\n"
				   "main:1:9: cannot include 'n256': more "
				   "than 256 files\n");
	free(problems);
}
END_TEST

START_TEST(no_file)
{
	expect("absent", 0, "absent: No such file or directory\n");
	ck_assert_int_eq(mkdir("folder", 0700), 0);
	expect("folder", 0, "folder: not a regular file\n");
}
END_TEST

static void
grow(const char *name, size_t bytes)
{
	put(name, "");
	ck_assert_int_eq(truncate(name, (off_t)bytes), 0);
}

START_TEST(too_large)
{
	grow("main", (1 << 20) + 1);
	expect("main", 0, "main: larger than 1M\n");
}
END_TEST

static void
certificate(const char *stem)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt "
		 "ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
		 "-keyout %s.key -out %s.crt 2>/dev/null",
		 stem, stem);
	ck_assert_int_eq(system(command), 0);
}

#define REST_OF(crt, key)                                                   \
	"hostname h.example; tls { certificate /proc/self/cwd/" crt         \
	"; key /proc/self/cwd/" key "; }\n"                                 \
	"listen base { address 127.0.0.1:2587; } auth { backend local; }\n" \
	"route default { via mx; }\n"

START_TEST(certificates)
{
	struct config *c;
	char *problems;

	certificate("a");
	certificate("b");
	put("good", REST_OF("a.crt", "a.key"));
	put("mixed", REST_OF("a.crt", "b.key"));
	put("absent", REST_OF("a.crt", "c.key"));
	c = load("good", 0, &problems);
	ck_assert_msg(c != NULL && problems[0] == '\0', "%s", problems);
	ck_assert(tls_ctx_expires_wall_s(c->tls_ctx) > 0);
	config_destroy(&c);
	free(problems);
	c = load("mixed", 0, &problems);
	ck_assert_ptr_null(c);
	ck_assert_msg(strncmp(problems,
			      "mixed:1:27: the certificate and its "
			      "key cannot be used: ",
			      54) == 0,
		      "%s", problems);
	free(problems);
	c = load("absent", 0, &problems);
	ck_assert_ptr_null(c);
	ck_assert_msg(strstr(problems, "c.key") != NULL, "%s", problems);
	free(problems);
	ck_assert_int_eq(chmod("a.key", 0644), 0);
	c = load("good", 0, &problems);
	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(problems, "good:1:61: warning: everybody can read "
				   "'/proc/self/cwd/a.key': chmod 0640\n");
	config_destroy(&c);
	free(problems);
}
END_TEST

static const struct {
	const char *label, *content, *why, *password;
} passwords[] = {
    {"a line", "s3cret\n", NULL, "s3cret"},
    {"no newline", "s3cret", NULL, "s3cret"},
    {"CRLF and more lines", "s3cret \r\nmore\n", NULL, "s3cret "},
    {"empty", "", "its first line is empty", NULL},
    {"an empty line", "\nx\n", "its first line is empty", NULL},
    {"absent", NULL, "No such file or directory", NULL},
};

START_TEST(password_files)
{
	struct config *c;
	char *problems;

	certificate("a");
	if (passwords[_i].content != NULL)
		put("pw", passwords[_i].content);
	put("main", "relay hub { address h:25; tls required;\n"
		    "login bob password-file /proc/self/cwd/pw; }\n" REST_OF(
			"a.crt", "a.key"));
	c = load("main", 0, &problems);
	if (passwords[_i].why == NULL) {
		char *text;

		ck_assert_msg(c != NULL, "%s: %s", passwords[_i].label,
			      problems);
		ck_assert_str_eq(config_relay(c, 0)->login.password,
				 passwords[_i].password);
		text = config_help_show(c);
		ck_assert(strstr(text, "s3cret") == NULL);
		free(text);
	} else {
		char want[256];

		snprintf(want, sizeof(want),
			 "main:2:1: the password file "
			 "'/proc/self/cwd/pw': %s\n",
			 passwords[_i].why);
		ck_assert_str_eq(problems, want);
	}
	config_destroy(&c);
	free(problems);
}
END_TEST

START_TEST(users_and_programs)
{
	certificate("a");
	put("main", "user no-such-user-here;\n"
		    "alert { exec /proc/self/cwd/absent; }\n" REST_OF("a.crt",
								      "a.key"));
	expect("main", 0,
	       "main:1:1: there is no user 'no-such-user-here' in this "
	       "system\n"
	       "main:2:9: '/proc/self/cwd/absent' cannot be run: No such file "
	       "or directory\n");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/config_system");
	TCase *t = tcase_create("system");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, includes);
	tcase_add_test(t, include_errors);
	tcase_add_test(t, include_loop);
	tcase_add_test(t, include_depth);
	tcase_add_test(t, include_count);
	tcase_add_test(t, no_file);
	tcase_add_test(t, too_large);
	tcase_add_test(t, certificates);
	tcase_add_loop_test(t, password_files, 0,
			    (int)(sizeof(passwords) / sizeof(passwords[0])));
	tcase_add_test(t, users_and_programs);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
