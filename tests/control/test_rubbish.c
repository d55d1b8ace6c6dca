/* What nobody means: each command says what is wrong with it, in one line that
 * a terminal can be shown. */
#include "tests/control/ask.h"

#define LONG 400

static const char *const commands[] = {
    "campaign show %s",
    "campaign pause %s",
    "campaign resume %s",
    "campaign cancel %s",
    "campaign cancel %s --undo",
    "campaign report %s",
    "campaign rate %s 5/h",
    "campaign rate C1 %s",
    "campaign rate C1 500/%s",
    "campaign rate C1 500/1q%s",
    "campaign rate C1 500%s/h",
    "campaign rate C1 connections %s",
    "campaign rate C1 5/h %s 4",
    "campaign list --state %s",
    "campaign list --limit %s",
    "campaign %s",
    "suppress add %s",
    "suppress del %s",
    "suppress add a@b.example --as %s",
    "suppress list --limit %s",
    "suppress import - --as %s",
    "suppress %s",
    "dkim show %s",
    "dkim check %s",
    "dkim %s",
};

static const char *const rubbish[] = {
    "-1",
    "+5",
    "0x10",
    "1e9",
    "5/h/h",
    "C1C1",
    "C",
    "\033[2J",
    "\xff\xfe",
    "\xe2\x80\xae",
    "99999999999999999999",
    "C99999999999999999999",
    "C9999999",
    "@",
    "a@",
    "@b",
    "%s%n",
    "\"",
    "h,",
    "0s",
    "\r\nDONE",
    "x\n\ny",
};

static void
start(void)
{
	const struct campaign_mail mail = {.id = 100,
					   .cred = "ann",
					   .owner = "ann@example.com",
					   .recipients = 5,
					   .given = CAMPAIGN_WHY_CHOSEN};
	struct arena *arena = arena_create(1024);
	struct campaign_join join;

	world_start(true, NULL);
	campaign_join(world.campaigns, &mail, clock_wall_s(), arena, &join);
	ck_assert_uint_eq(join.id, 1);
	campaign_join_end(world.campaigns, &join, true);
	arena_destroy(&arena);
}

static void
refused(const char *words)
{
	struct answer a = command(words, NULL, false);
	const char *err = buf_cstr(&a.err);

	ck_assert_msg(a.exit == 1 || a.exit == 2, "%s: %d %s", words, a.exit,
		      buf_cstr(&a.out));
	ck_assert_msg(a.out.n == 0, "%s: %s", words, buf_cstr(&a.out));
	ck_assert_msg(a.err.n > 1, "%s: nothing is said", words);
	ck_assert_msg(strchr(err, '\n') == err + a.err.n - 1, "%s: %s", words,
		      err);
	ck_assert_msg(a.err.n < 300, "%s: %s", words, err);
	for (size_t i = 0; i + 1 < a.err.n; i++)
		ck_assert_msg((unsigned char)err[i] >= ' ' &&
				  (unsigned char)err[i] < 0x7f,
			      "%s: %s", words, err);
	answer_fini(&a);
}

static void
ask_with(const char *command, const char *word)
{
	const char *at = strstr(command, "%s");
	struct buf words = {.cap = 8192};

	buf_add(&words, command, (size_t)(at - command));
	buf_add_str(&words, word);
	buf_add_str(&words, at + 2);
	refused(buf_cstr(&words));
	buf_fini(&words);
}

START_TEST(each)
{
	char longer[LONG + 1];

	start();
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++)
		ask_with(commands[_i], rubbish[i]);
	for (size_t n = 60; n <= LONG; n += 85)
		for (const char *of = "x9h"; *of != '\0'; of++) {
			memset(longer, *of, n);
			longer[n] = '\0';
			ask_with(commands[_i], longer);
		}
	ck_assert_uint_eq(suppress_count(world.suppress), 0);
	world_stop();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control/rubbish");
	TCase *tc = tcase_create("rubbish");
	SRunner *runner = srunner_create(suite);
	int bad;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, each, 0,
			    (int)(sizeof(commands) / sizeof(commands[0])));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	bad = srunner_ntests_failed(runner);
	srunner_free(runner);
	return bad != 0;
}
