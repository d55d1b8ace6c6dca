#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/spool/io.h"
#include "tests/back/world.h"

/* What comes back by itself, and what is told once more after a restart. */

/* Started seconds before its next hop, as after a power cut: mail stood for
 * half a minute. No flush here, and less patience than that. */
START_TEST(test_hop_comes_later)
{
	struct back_hop_status hop;
	struct letter letter = {.to = "bob@example.net"};
	struct world w;

	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	sink_close(w.sink);
	world_start(&w);
	world_accept_many(&w, &letter, 50);
	UNTIL(&w, status_of(&w).deferred == 50, "nobody is there");
	sink_open(w.sink);
	UNTIL(&w, status_of(&w).delivered == 50, "as soon as it is there");
	UNTIL(&w, (back_hops_get(w.back, &hop, 1), hop.delivered == 50),
	      "counted");
	world_close(&w);
}
END_TEST

/* The count was since the start: a restart silenced the alert. */
START_TEST(test_altered_is_told_again)
{
	struct letter letter = {.to = "bob@example.net eve@example.net"};
	struct world w;

	world_open(&w, NULL);
	world_accept(&w, &letter);
	world_alter(&w, "the body");
	world_start(&w);
	UNTIL(&w, status_of(&w).altered == 1, "found");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_HELD] == 2, "held");
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	world_start(&w);
	UNTIL(&w, status_of(&w).altered == 1, "found again");
	ck_assert_uint_eq(status_of(&w).queued, 0);
	ck_assert_uint_eq(sink_count(w.sink), 0);
	world_close(&w);
}
END_TEST

static _Atomic bool unreadable;

static int
read_fault(enum io_call call, size_t *n)
{
	(void)n;
	return unreadable && call == IO_READ ? EIO : 0;
}

/* One message that could not be read shut the maildir for 30 s. */
START_TEST(test_maildir_goes_on)
{
	struct back_hop_status hop;
	struct letter letter = {.to = "bob@example.net"};
	struct world w;

	world_open(&w, NULL);
	world_maildir(&w);
	w.retry_s[0] = 3600;
	io_set_fault(read_fault);
	unreadable = true;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).deferred == 1, "it cannot be read");
	unreadable = false;
	ck_assert_uint_eq(back_hops_get(w.back, &hop, 1), 1);
	ck_assert(hop.up);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 1, "the next one");
	UNTIL(&w, (back_hops_get(w.back, &hop, 1), hop.delivered == 1),
	      "counted");
	world_close(&w);
	io_set_fault(NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/recover");
	TCase *tc = tcase_create("recover");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_hop_comes_later);
	tcase_add_test(tc, test_altered_is_told_again);
	tcase_add_test(tc, test_maildir_goes_on);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
