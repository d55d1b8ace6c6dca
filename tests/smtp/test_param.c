#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/server.h"

#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10
#define A490 A100 A100 A100 A100 A10 A10 A10 A10 A10 A10 A10 A10 A10

static const struct {
	const char *label, *in;
	bool utf8;
	enum param_verdict verdict;
	const char *key;
	uint64_t size;
	bool eightbit, smtputf8;
	uint8_t ret;
	const char *envid, *auth;
} mail_rows[] = {
    {"none", "", false, PARAM_FINE, 0, 0, 0, 0, 0, 0, 0},
    {"blanks only", "  ", false, PARAM_FINE, 0, 0, 0, 0, 0, 0, 0},
    {"size", " SIZE=123", false, PARAM_FINE, 0, 123, 0, 0, 0, 0, 0},
    {"size zero", " size=0", false, PARAM_FINE, 0, 0, 0, 0, 0, 0, 0},
    {"size over 64 bits", " SIZE=99999999999999999999", false, PARAM_FINE, 0,
     UINT64_MAX, 0, 0, 0, 0, 0},
    {"all", " SIZE=5 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159 AUTH=<>",
     true, PARAM_FINE, 0, 5, true, true, SMTP_RET_HDRS, "QQ314159", "<>"},
    {"two blanks between", " BODY=7BIT  RET=full", false, PARAM_FINE, 0, 0, 0,
     0, SMTP_RET_FULL, 0, 0},
    {"xtext", " ENVID=a+2Bb AUTH=e+3Dmc2@example.com", false, PARAM_FINE, 0, 0,
     0, 0, 0, "a+2Bb", "e+3Dmc2@example.com"},
    {"envid of 100", " ENVID=" A100, false, PARAM_FINE, 0, 0, 0, 0, 0, A100, 0},
    {"envid of 101", " ENVID=a" A100, false, PARAM_SYNTAX, "ENVID", 0, 0, 0, 0,
     0, 0},
    {"no blank", "SIZE=1", false, PARAM_SYNTAX, "SIZE=1", 0, 0, 0, 0, 0, 0},
    {"bracket left over", ">", false, PARAM_SYNTAX, ">", 0, 0, 0, 0, 0, 0},
    {"size without value", " SIZE", false, PARAM_SYNTAX, "SIZE", 0, 0, 0, 0, 0,
     0},
    {"size empty", " SIZE=", false, PARAM_SYNTAX, "SIZE", 0, 0, 0, 0, 0, 0},
    {"size negative", " SIZE=-1", false, PARAM_SYNTAX, "SIZE", 0, 0, 0, 0, 0,
     0},
    {"size of 21 digits", " SIZE=000000000000000000001", false, PARAM_SYNTAX,
     "SIZE", 0, 0, 0, 0, 0, 0},
    {"binarymime is not offered", " BODY=BINARYMIME", false, PARAM_SYNTAX,
     "BODY", 0, 0, 0, 0, 0, 0},
    {"ret", " RET=x", false, PARAM_SYNTAX, "RET", 0, 0, 0, 0, 0, 0},
    {"xtext: half a pair", " ENVID=a+2", false, PARAM_SYNTAX, "ENVID", 0, 0, 0,
     0, 0, 0},
    {"xtext: lower case hex", " ENVID=a+2b", false, PARAM_SYNTAX, "ENVID", 0, 0,
     0, 0, 0, 0},
    {"xtext: equals", " ENVID=a=b", false, PARAM_SYNTAX, "ENVID", 0, 0, 0, 0, 0,
     0},
    {"xtext: eight bits", " ENVID=\xc3\xa4", true, PARAM_SYNTAX, "ENVID", 0, 0,
     0, 0, 0, 0},
    {"repeated", " SIZE=1 size=1", false, PARAM_REPEATED, "size", 0, 0, 0, 0, 0,
     0},
    {"unknown", " HOLDFOR=10", false, PARAM_UNKNOWN, "HOLDFOR", 0, 0, 0, 0, 0,
     0},
    {"unknown, no value", " REQUIRETLS", false, PARAM_UNKNOWN, "REQUIRETLS", 0,
     0, 0, 0, 0, 0},
    {"that of RCPT", " NOTIFY=NEVER", false, PARAM_UNKNOWN, "NOTIFY", 0, 0, 0,
     0, 0, 0},
    {"smtputf8 not offered", " SMTPUTF8", false, PARAM_UNKNOWN, "SMTPUTF8", 0,
     0, 0, 0, 0, 0},
    {"smtputf8 with a value", " SMTPUTF8=1", true, PARAM_SYNTAX, "SMTPUTF8", 0,
     0, 0, 0, 0, 0},
    {"no key", " =1", false, PARAM_SYNTAX, "", 0, 0, 0, 0, 0, 0},
    {"key with a dot", " SI.ZE=1", false, PARAM_SYNTAX, "SI.ZE", 0, 0, 0, 0, 0,
     0},
    {"key is a hyphen", " -a=1", false, PARAM_SYNTAX, "-a", 0, 0, 0, 0, 0, 0},
};

static const struct {
	const char *label, *in;
	bool utf8;
	enum param_verdict verdict;
	uint8_t notify;
	const char *orcpt;
} rcpt_rows[] = {
    {"none", "", false, PARAM_FINE, 0, 0},
    {"never", " NOTIFY=NEVER", false, PARAM_FINE, SMTP_NOTIFY_NEVER, 0},
    {"three", " NOTIFY=SUCCESS,failure,DELAY", false, PARAM_FINE,
     SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY, 0},
    {"orcpt", " ORCPT=rfc822;a+2Bb@c", false, PARAM_FINE, 0, "rfc822;a+2Bb@c"},
    {"orcpt utf-8", " ORCPT=utf-8;\xc3\xa4@c", true, PARAM_FINE, 0,
     "utf-8;\xc3\xa4@c"},
    {"orcpt utf-8 outside", " ORCPT=utf-8;\xc3\xa4@c", false, PARAM_SYNTAX, 0,
     0},
    {"orcpt ill-formed", " ORCPT=utf-8;\xc3@c", true, PARAM_SYNTAX, 0, 0},
    {"orcpt of 500", " ORCPT=a;aaaaaaaa" A490, false, PARAM_FINE, 0,
     "a;aaaaaaaa" A490},
    {"orcpt of 501", " ORCPT=a;aaaaaaaaa" A490, false, PARAM_SYNTAX, 0, 0},
    {"never and another", " NOTIFY=NEVER,DELAY", false, PARAM_SYNTAX, 0, 0},
    {"notify empty", " NOTIFY=", false, PARAM_SYNTAX, 0, 0},
    {"notify comma last", " NOTIFY=DELAY,", false, PARAM_SYNTAX, 0, 0},
    {"notify comma first", " NOTIFY=,DELAY", false, PARAM_SYNTAX, 0, 0},
    {"notify unknown word", " NOTIFY=SOON", false, PARAM_SYNTAX, 0, 0},
    {"orcpt without type", " ORCPT=;a", false, PARAM_SYNTAX, 0, 0},
    {"orcpt without address", " ORCPT=rfc822;", false, PARAM_SYNTAX, 0, 0},
    {"orcpt without semicolon", " ORCPT=a@b", false, PARAM_SYNTAX, 0, 0},
    {"repeated", " NOTIFY=DELAY NOTIFY=DELAY", false, PARAM_REPEATED, 0, 0},
    {"that of MAIL", " SIZE=1", false, PARAM_UNKNOWN, 0, 0},
};

/* A copy of exactly n octets, so that a read behind them is seen. */
static char *
exact(const char *p, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);

	memcpy(copy, p, n);
	return copy;
}

START_TEST(mail)
{
	const char *label = mail_rows[_i].label;
	size_t n = strlen(mail_rows[_i].in), cut;
	char *copy = exact(mail_rows[_i].in, n);
	struct smtp_mail got = {.size = 0};
	struct slice key;
	enum param_verdict verdict;

	verdict = param_mail(slice_of(copy, n), mail_rows[_i].utf8, &got, &key);
	ck_assert_msg(verdict == mail_rows[_i].verdict, "%s: %d", label,
		      verdict);
	if (verdict != PARAM_FINE) {
		ck_assert_msg(slice_eq(key, slice_str(mail_rows[_i].key)),
			      "%s: %.*s", label, (int)key.n, key.p);
	} else {
		ck_assert_uint_eq(got.size, mail_rows[_i].size);
		ck_assert_int_eq(got.eightbit, mail_rows[_i].eightbit);
		ck_assert_int_eq(got.utf8, mail_rows[_i].smtputf8);
		ck_assert_int_eq(got.ret, mail_rows[_i].ret);
		ck_assert(slice_eq(got.envid, slice_str(mail_rows[_i].envid)));
		ck_assert(slice_eq(got.auth, slice_str(mail_rows[_i].auth)));
	}
	free(copy);
	for (cut = 0; cut < n; cut++) {
		copy = exact(mail_rows[_i].in, cut);
		param_mail(slice_of(copy, cut), true, &got, &key);
		free(copy);
	}
}
END_TEST

START_TEST(rcpt)
{
	const char *label = rcpt_rows[_i].label;
	size_t n = strlen(rcpt_rows[_i].in), cut;
	char *copy = exact(rcpt_rows[_i].in, n);
	struct smtp_rcpt got = {.notify = 0};
	struct slice key;
	enum param_verdict verdict;

	verdict = param_rcpt(slice_of(copy, n), rcpt_rows[_i].utf8, &got, &key);
	ck_assert_msg(verdict == rcpt_rows[_i].verdict, "%s: %d", label,
		      verdict);
	if (verdict == PARAM_FINE) {
		ck_assert_int_eq(got.notify, rcpt_rows[_i].notify);
		ck_assert(slice_eq(got.orcpt, slice_str(rcpt_rows[_i].orcpt)));
	}
	free(copy);
	for (cut = 0; cut < n; cut++) {
		copy = exact(rcpt_rows[_i].in, cut);
		param_rcpt(slice_of(copy, cut), true, &got, &key);
		free(copy);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp/param");
	TCase *tc = tcase_create("param");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, mail, 0,
			    (int)(sizeof(mail_rows) / sizeof(mail_rows[0])));
	tcase_add_loop_test(tc, rcpt, 0,
			    (int)(sizeof(rcpt_rows) / sizeof(rcpt_rows[0])));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
