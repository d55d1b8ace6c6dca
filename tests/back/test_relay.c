#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/back/world.h"
#include "tests/support/turn.h"

static struct back_status
status_of(struct world *w)
{
	struct back_status status;

	back_status_get(w->back, &status);
	return status;
}

#define UNTIL(w, cond, label) TURN_UNTIL((w)->loop, cond, label)

static const char wanted[] = "Received: by gate.example.org\r\n"
			     "From: ann@example.org\r\n"
			     "Subject: hello\r\n"
			     "\r\n"
			     ".a line that begins with a dot\r\n"
			     "the body\r\n";

START_TEST(test_delivers)
{
	struct world w;
	const struct sink_mail *mail;
	struct letter letter = {.to = "bob@example.net eve@example.net"};

	world_open(&w, NULL);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 2, "two recipients, one message");
	ck_assert_uint_eq(sink_count(w.sink), 1);
	mail = sink_mail(w.sink, 0);
	ck_assert_str_eq(mail->from, "ann@example.org");
	ck_assert_str_eq(mail->rcpts, "bob@example.net eve@example.net");
	ck_assert_str_eq(mail->body, wanted);
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 2, "marked");
	ck_assert_uint_eq(status_of(&w).queued, 0);
	world_close(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/relay");
	TCase *tc = tcase_create("relay");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_delivers);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
