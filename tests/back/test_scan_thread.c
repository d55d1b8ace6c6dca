/*
 * What is held pending-scan, with the real scan thread and servers without a
 * network: what the scanner of test_scan.c, which is told what to say, cannot
 * show. Worth a run under ThreadSanitizer after every change of exam*.c.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/back/world.h"
#include "tests/scan/fake_icap.h"

#define FILE(text)                                                 \
	"From: ann@example.org\r\nMIME-Version: 1.0\r\n"           \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" \
	"Content-Type: application/zip; name=a.zip\r\n\r\n" text   \
	"\r\n--b--\r\n"

static void
open_thread(struct world *w)
{
	static const struct scan_server_conf server = {
	    .host = "127.0.0.1", .port = 1344, .service = "a", .weight = 1};
	static const struct scan_conf conf = {
	    .servers = &server,
	    .server_count = 1,
	    .dns = {.servers = "127.0.0.1:9"}};
	const struct scan_opts opts = {.conf = &conf};
	char error[200] = "";

	fake_reset();
	world_open(w, NULL);
	ck_assert_msg(scan_start(&w->scan, &opts, error, sizeof(error)) == 0,
		      "%s", error);
	world_quarantine(w);
}

static void
close_thread(struct world *w)
{
	world_close(w);
	scan_stop(&w->scan);
	ck_assert_uint_eq(fake_lock(0)->late_reads, 0);
	fake_unlock();
}

static void
behave(enum fake_manner manner)
{
	fake_lock(0)->manner = manner;
	fake_unlock();
}

static unsigned
scans(void)
{
	unsigned count = fake_lock(0)->scans;

	fake_unlock();
	return count;
}

static uint64_t
jobs(struct world *w)
{
	struct scan_status status;

	scan_status_get(w->scan, &status);
	return status.jobs;
}

static bool
is_up(struct world *w)
{
	struct scan_status status;

	scan_status_get(w->scan, &status);
	return status.up;
}

static struct letter
letter_of(const char *body)
{
	return (struct letter){
	    .to = "p@a.test", .body = body, .holds = HOLD_SCAN};
}

/* The same file in all of them is asked for once. */
START_TEST(test_once)
{
	struct letter letter = letter_of(FILE("good"));
	struct world w;

	open_thread(&w);
	world_start(&w);
	world_accept_many(&w, &letter, 100);
	UNTIL(&w, status_of(&w).delivered == 100, "delivered");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 100, "once");
	ck_assert_uint_eq(sink_count(w.sink), 100);
	ck_assert_uint_eq(scans(), 1);
	close_thread(&w);
}
END_TEST

/* Accepted while nobody answers; it goes by itself when somebody does. */
START_TEST(test_down_and_up)
{
	struct letter good = letter_of(FILE("good"));
	struct letter evil = letter_of(FILE("a VIRUS"));
	struct letter odd = letter_of(FILE("CRYPT"));
	struct world w;

	odd.flags = MSG_UNSCANNABLE_HOLD;
	open_thread(&w);
	UNTIL(&w, is_up(&w), "up");
	behave(FAKE_DEAD);
	world_start(&w);
	world_accept_many(&w, &good, 50);
	world_accept_many(&w, &evil, 20);
	world_accept_many(&w, &odd, 10);
	UNTIL(&w, !is_up(&w), "it is noticed");
	UNTIL(&w, status_of(&w).scan_waiting == 80, "all wait");
	ck_assert_uint_eq(sink_count(w.sink), 0);
	behave(FAKE_ANSWERS);
	UNTIL(&w,
	      status_of(&w).delivered == 50 &&
		  status_of(&w).quarantined == 20 && status_of(&w).held == 10,
	      "to each its own");
	UNTIL(&w,
	      world_ledger(&w).by_state[RCPT_DELIVERED] == 50 &&
		  world_ledger(&w).by_state[RCPT_QUARANTINED] == 20,
	      "once");
	ck_assert_uint_eq(sink_count(w.sink), 50);
	close_thread(&w);
}
END_TEST

/* It takes them and says nothing: a stop waits for none of them. */
START_TEST(test_stop_while_asked)
{
	struct letter letter = letter_of(FILE("good"));
	struct world w;

	open_thread(&w);
	UNTIL(&w, is_up(&w), "up");
	behave(_i == 0 ? FAKE_MUTE : FAKE_UNREAD);
	world_start(&w);
	world_accept_many(&w, &letter, 30);
	UNTIL(&w, jobs(&w) > 0, "asked");
	world_stop(&w, 1000);
	UNTIL(&w, jobs(&w) == 0, "nobody asks any more");
	world_reopen_spool(&w);
	behave(FAKE_ANSWERS);
	world_start(&w);
	UNTIL(&w, status_of(&w).delivered == 30, "afterwards");
	ck_assert_uint_eq(sink_count(w.sink), 30);
	close_thread(&w);
}
END_TEST

START_TEST(test_bypass)
{
	struct letter letter = letter_of(FILE("good"));
	struct world w;

	open_thread(&w);
	UNTIL(&w, is_up(&w), "up");
	behave(FAKE_MUTE);
	world_start(&w);
	world_accept_many(&w, &letter, 30);
	UNTIL(&w, jobs(&w) > 0, "asked");
	scan_bypass_set(w.scan, clock_wall_s() + 60);
	UNTIL(&w, status_of(&w).delivered == 30, "let out");
	ck_assert_uint_eq(sink_count(w.sink), 30);
	close_thread(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scan_thread");
	TCase *tc = tcase_create("scan_thread");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_once);
	tcase_add_test(tc, test_down_and_up);
	tcase_add_loop_test(tc, test_stop_while_asked, 0, 2);
	tcase_add_test(tc, test_bypass);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
