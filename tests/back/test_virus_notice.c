#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/virus_notice.h"
#include "gateway/base/encode.h"

/* What a notice says, and that nothing a peer chose can say more. */

static struct virus_notice
usual(const struct spool_msg *about, const struct virus_found *found)
{
	return (struct virus_notice){.hostname = "gate.test",
				     .from = "postmaster@gate.test",
				     .to = "ann@ours.test",
				     .own_id = 1,
				     .about_id = 2,
				     .arrival_wall_s = 1000000000,
				     .now_wall_s = 1000000060,
				     .kept_s = 40 * 86400,
				     .subject = "hello",
				     .message_id = "<1@x>",
				     .found = found,
				     .found_count = 1,
				     .about = about};
}

static struct spool_msg *
message(unsigned rcpts)
{
	struct spool_msg *msg = spool_msg_create();

	msg->cred = "ann";
	msg->mail_from = "ceo@bank.test";
	while (rcpts-- > 0)
		spool_msg_add_rcpt(msg, SLICE_LIT("x@y.test"));
	return msg;
}

struct notice_case {
	const char *label;
	const char *name, *threat, *subject;
	unsigned rcpts;
	uint64_t clean_id;
	int64_t kept_s;
	const char *has, *has_not;
	bool encoded;
};

static const struct notice_case cases[] = {
    {.label = "kept",
     .rcpts = 2,
     .kept_s = 40 * 86400,
     .has = "is kept for 40 days"},
    {.label = "deleted",
     .rcpts = 1,
     .has = "was not sent: it was deleted",
     .has_not = "is kept"},
    {.label = "cleaned",
     .rcpts = 1,
     .clean_id = 7,
     .kept_s = 86400,
     .has = "was sent without its infected attachment",
     .has_not = "not sent\r\n"},
    {.label = "no name of a threat",
     .rcpts = 1,
     .threat = "",
     .has = "(no name given)"},
    {.label = "many recipients", .rcpts = 500, .has = "and 480 more\r\n"},
    {.label = "twenty", .rcpts = 20, .has_not = " more\r\n"},
    {.label = "a name with lines in it",
     .rcpts = 1,
     .name = "a\r\nBcc: x@y.test\r\n\r\n",
     .has_not = "\r\nBcc: "},
    {.label = "a threat with lines in it",
     .rcpts = 1,
     .threat = "a\n\n.\nQUIT\n",
     .has_not = "\n.\n"},
    {.label = "a name that is not ASCII",
     .rcpts = 1,
     .name = "\xc3\xbc.exe",
     .has = "base64\r\n\r\n",
     .encoded = true},
};

START_TEST(test_notice)
{
	const struct notice_case *c = &cases[_i];
	struct virus_found found = {.name = c->name ? c->name : "a.exe",
				    .threat = c->threat ? c->threat : "Worm"};
	struct spool_msg *about = message(c->rcpts);
	struct virus_notice notice = usual(about, &found);
	struct buf out;
	const char *s;

	notice.clean_id = c->clean_id;
	notice.kept_s = c->kept_s;
	buf_init(&out, 1 << 20);
	virus_notice_build(&out, &notice);
	s = buf_cstr(&out);
	ck_assert_msg(!c->has || strstr(s, c->has), "%s: %s", c->label, s);
	ck_assert_msg(!c->has_not || !strstr(s, c->has_not), "%s: %s", c->label,
		      s);
	ck_assert_ptr_nonnull(strstr(s, "\r\nTo: <ann@ours.test>\r\n"));
	ck_assert_ptr_nonnull(
	    strstr(s, "\r\nAuto-Submitted: auto-generated\r\n"));
	for (size_t i = 0; i < out.n; i++) {
		ck_assert_msg((unsigned char)out.p[i] < 0x80, "%s", c->label);
		ck_assert_msg(out.p[i] != '\n' ||
				  (i > 0 && out.p[i - 1] == '\r'),
			      "%s", c->label);
	}
	ck_assert_msg(c->encoded || strstr(s, "From:       ceo@bank.test\r\n"),
		      "%s", c->label);
	ck_assert_msg(out.n < 20000, "%s", c->label);
	buf_fini(&out);
	spool_msg_destroy(&about);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("virus_notice");
	TCase *tc = tcase_create("virus_notice");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_notice, 0,
			    sizeof(cases) / sizeof(cases[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
