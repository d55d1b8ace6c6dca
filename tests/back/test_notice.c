#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/back/world.h"
#include "tests/support/turn.h"

/* The DSN among what the sink got; NULL when there is none. */
static const struct sink_mail *
find_dsn(struct world *w)
{
	for (size_t i = 0; i < sink_count(w->sink); i++) {
		const struct sink_mail *mail = sink_mail(w->sink, i);

		if (mail->from[0] == '\0' &&
		    strstr(mail->body, "multipart/report"))
			return mail;
	}
	return NULL;
}

struct dsn_case {
	const char *label;
	struct letter letter;
	const char *to;	   /* who gets a DSN; NULL: nobody */
	const char *holds; /* what stands in it */
};

static const struct dsn_case dsn_cases[] = {
    {"own domain: the sender",
     {.to = "550-x@example.net"},
     "ann@example.org",
     "Action: failed\r\nStatus: 5.1.1\r\n"},
    {"refused at the dot",
     {.to = "dot554-x@example.net"},
     "ann@example.org",
     "Status: 5.7.0\r\n"},
    {"the reply stands in it",
     {.to = "550-x@example.net"},
     "ann@example.org",
     "Diagnostic-Code: smtp; 550 5.1.1 no such user here\r\n"},
    {"forged sender: the owner",
     {.to = "550-x@example.net",
      .from = "ceo@bank.test",
      .owner = "ann@example.org"},
     "ann@example.org",
     "Action: failed\r\n"},
    {"below an own domain: the sender",
     {.to = "550-x@example.net", .from = "ann@a.ours.test"},
     "ann@a.ours.test",
     "Action: failed\r\n"},
    {"the domain itself is not below it",
     {.to = "550-x@example.net", .from = "ann@ours.test"},
     NULL,
     NULL},
    {"forged sender, no owner: nobody",
     {.to = "550-x@example.net", .from = "ceo@bank.test"},
     NULL,
     NULL},
    {"null sender: nobody",
     {.to = "550-x@example.net", .from = "", .owner = "ann@example.org"},
     NULL,
     NULL},
    {"ours: never another",
     {.to = "550-x@example.net", .flags = MSG_GENERATED},
     NULL,
     NULL},
    {"NOTIFY=NEVER",
     {.to = "550-x@example.net", .notify = NOTIFY_NEVER},
     NULL,
     NULL},
    {"NOTIFY=SUCCESS says nothing of failures",
     {.to = "550-x@example.net", .notify = NOTIFY_SUCCESS},
     NULL,
     NULL},
    {"NOTIFY=FAILURE",
     {.to = "550-x@example.net", .notify = NOTIFY_FAILURE},
     "ann@example.org",
     "Action: failed\r\n"},
    {"NOTIFY=SUCCESS to a hop without DSN",
     {.to = "bob@example.net", .notify = NOTIFY_SUCCESS},
     "ann@example.org",
     "Action: relayed\r\nStatus: 2.0.0\r\n"},
    {"delivered without a NOTIFY", {.to = "bob@example.net"}, NULL, NULL},
    {"ENVID",
     {.to = "550-x@example.net", .envid = "a+2Bb"},
     "ann@example.org",
     "Original-Envelope-Id: a+b\r\n"},
    {"ORCPT",
     {.to = "550-x@example.net", .orcpt = "rfc822;y+3Dz@example.net"},
     "ann@example.org",
     "Original-Recipient: rfc822; y=z@example.net\r\n"},
    {"headers come back",
     {.to = "550-x@example.net"},
     "ann@example.org",
     "Content-Type: text/rfc822-headers\r\n\r\n"
     "Received: by gate.example.org\r\nFrom: ann@example.org\r\n"
     "Subject: hello\r\n\r\n--"},
    {"RET=FULL",
     {.to = "550-x@example.net", .ret = RET_FULL},
     "ann@example.org",
     "the body\r\n"},
    {"expired: 5.4.7",
     {.to = "450-x@example.net", .age_s = 345601},
     "ann@example.org",
     "Action: failed\r\n"},
    {"SMTPUTF8 has types of its own",
     {.to = "550-x@example.net", .flags = MSG_UTF8},
     "ann@example.org",
     "Content-Type: message/global-delivery-status\r\n"},
};

START_TEST(test_dsn_rules)
{
	const struct dsn_case *c = &dsn_cases[_i];
	const struct sink_mail *dsn = NULL;
	struct world w;

	world_open(&w, NULL);
	world_start(&w);
	world_accept(&w, &c->letter);
	if (c->to) {
		UNTIL(&w, (dsn = find_dsn(&w)) != NULL, c->label);
		ck_assert_msg(strcmp(dsn->rcpts, c->to) == 0, "%s: went to %s",
			      c->label, dsn->rcpts);
		ck_assert_msg(strstr(dsn->body, c->holds) != NULL,
			      "%s: not in\n%s", c->label, dsn->body);
		ck_assert(
		    strstr(dsn->body, "\r\nAuto-Submitted: auto-replied"));
		UNTIL(&w, status_of(&w).dsn_sent == 1, c->label);
	} else {
		struct back_status s;

		UNTIL(&w, (s = status_of(&w), s.bounced + s.delivered == 1),
		      c->label);
		/* What will not come is not there after a commit went by. */
		UNTIL(&w,
		      world_ledger(&w).by_state[RCPT_BOUNCED] +
			      world_ledger(&w).by_state[RCPT_DELIVERED] ==
			  1,
		      c->label);
		ck_assert_msg(world_ledger(&w).generated ==
				  (c->letter.flags & MSG_GENERATED ? 1 : 0),
			      "%s", c->label);
		ck_assert_msg(find_dsn(&w) == NULL, "%s", c->label);
	}
	world_close(&w);
}
END_TEST

struct unfit_case {
	const char *label;
	const char *offers[4];
	uint16_t flags;
	uint8_t ret;
	bool pass;
	const char *status; /* of the bounce; NULL: delivered */
};

static const struct unfit_case unfit_cases[] = {
    {"8 bits, offered", {"8BITMIME"}, MSG_EIGHTBIT, 0, false, NULL},
    {"8 bits, not offered", {"PIPELINING"}, MSG_EIGHTBIT, 0, false, "5.6.3"},
    {"8 bits, not offered, pass", {"PIPELINING"}, MSG_EIGHTBIT, 0, true, NULL},
    {"UTF-8, offered", {"8BITMIME", "SMTPUTF8"}, MSG_UTF8, 0, false, NULL},
    {"UTF-8, not offered", {"8BITMIME"}, MSG_UTF8, 0, false, "5.6.7"},
    {"8 bits, not offered, RET=FULL",
     {"PIPELINING"},
     MSG_EIGHTBIT,
     RET_FULL,
     false,
     "5.6.3"},
    {"both, neither offered, RET=FULL",
     {"PIPELINING"},
     MSG_EIGHTBIT | MSG_UTF8,
     RET_FULL,
     false,
     "5.6.7"},
    {"too large", {"SIZE 10"}, 0, 0, false, "5.3.4"},
};

START_TEST(test_what_the_hop_cannot_take)
{
	const struct unfit_case *c = &unfit_cases[_i];
	struct world w;
	char wanted_status[32];
	struct letter letter = {.to = "bob@example.net",
				.flags = c->flags,
				.ret = c->ret,
				.body = "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n"
					"\xc3\xa4\r\n",
				.from = "ann@example.org"};

	world_open(&w, c->offers);
	w.hops[0].eightbit_pass = c->pass;
	world_start(&w);
	world_accept(&w, &letter);
	if (c->status) {
		UNTIL(&w, status_of(&w).bounced >= 1, c->label);
		snprintf(wanted_status, sizeof(wanted_status), "Status: %s",
			 c->status);
		/* Its DSN meets the same hop, and was lost when it was as the
		 * message: 7 bits and small goes. */
		if (c->flags != 0) {
			UNTIL(&w, find_dsn(&w) != NULL, c->label);
			ck_assert_ptr_nonnull(
			    strstr(find_dsn(&w)->body, wanted_status));
		}
	} else {
		UNTIL(&w, status_of(&w).delivered == 1, c->label);
		ck_assert_msg(status_of(&w).bounced == 0, "%s", c->label);
	}
	ck_assert_msg(back_offers_utf8(w.back) == (_i == 3), "%s", c->label);
	world_close(&w);
}
END_TEST

/* What is held since nobody can look into it does not go out by way of the
 * report of a recipient that is dead. */
START_TEST(test_unscannable_comes_back)
{
	struct letter letter = {.to = "550-x@example.net",
				.ret = RET_FULL,
				.flags = _i == 0 ? 0 : MSG_UNSCANNABLE_HOLD,
				.body = "Subject: x\r\n\r\nSEALED\r\n"};
	const struct sink_mail *dsn = NULL;
	struct world w;

	world_open(&w, NULL);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, (dsn = find_dsn(&w)) != NULL, "told");
	ck_assert(strstr(dsn->body, "Subject: x\r\n"));
	ck_assert((strstr(dsn->body, "SEALED") != NULL) == (_i == 0));
	world_close(&w);
}
END_TEST

START_TEST(test_delay_notice)
{
	struct world w;
	const struct sink_mail *dsn = NULL;
	struct letter letter = {.to = "451-x@example.net", .age_s = 20000};

	world_open(&w, NULL);
	w.conf.delay_notice_s = 14400;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, (dsn = find_dsn(&w)) != NULL, "told");
	ck_assert_ptr_nonnull(strstr(dsn->body, "Action: delayed\r\n"));
	ck_assert_ptr_nonnull(strstr(dsn->body, "Will-Retry-Until: "));
	UNTIL(&w, status_of(&w).deferred >= 3, "tried again");
	ck_assert_int_eq(world_ledger(&w).generated, 1);
	world_close(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/notice");
	TCase *tc = tcase_create("notice");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_dsn_rules, 0,
			    sizeof(dsn_cases) / sizeof(dsn_cases[0]));
	tcase_add_loop_test(tc, test_what_the_hop_cannot_take, 0,
			    sizeof(unfit_cases) / sizeof(unfit_cases[0]));
	tcase_add_loop_test(tc, test_unscannable_comes_back, 0, 2);
	tcase_add_test(tc, test_delay_notice);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
