/* Scanners that are down, hang or err, disks that fail, and restarts at every
 * step: all is sent once, or kept once. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/scanning.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "tests/back/scanner.h"
#include "tests/back/world.h"

void __real_spool_outcome_start(struct spool *spool, struct spool_outcome *op);
void __wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op);

/* Outcomes that fail before one gets through; those that were started. */
static _Atomic int fail_outcomes, started;

void
__wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op)
{
	started++;
	if (fail_outcomes > 0) {
		fail_outcomes--;
		spool_msg_destroy(&op->dsn);
		spool_body_destroy(&op->dsn_body);
		spool_msg_destroy(&op->extra);
		spool_body_destroy(&op->extra_body);
		op->err = GW_ENOSPC;
		op->done(op);
		return;
	}
	__real_spool_outcome_start(spool, op);
}

int __real_spool_load_some(struct spool *spool, uint64_t id,
			   const uint32_t *indexes, uint32_t count,
			   struct spool_msg **msg);
int __wrap_spool_load_some(struct spool *spool, uint64_t id,
			   const uint32_t *indexes, uint32_t count,
			   struct spool_msg **msg);

/* Looks at a message that do not find it. */
static _Atomic int missing;

int
__wrap_spool_load_some(struct spool *spool, uint64_t id,
		       const uint32_t *indexes, uint32_t count,
		       struct spool_msg **msg)
{
	if (count == 0 && missing > 0) {
		missing--;
		return GW_ENOENT;
	}
	return __real_spool_load_some(spool, id, indexes, count, msg);
}

#define FILE(text)                                                 \
	"From: ann@example.org\r\nMIME-Version: 1.0\r\n"           \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" \
	"Content-Type: application/zip; name=a.zip\r\n\r\n" text   \
	"\r\n--b--\r\n"

static const char good[] = FILE("good");
static const char evil[] = FILE("EVIL");
static const char broken[] = FILE("BROKEN");

static void
open_scanned(struct world *w)
{
	fail_outcomes = 0;
	started = 0;
	world_open(w, NULL);
	w->scan = scanner_start();
	world_quarantine(w);
}

static void
close_scanned(struct world *w)
{
	world_close(w);
	scanner_stop();
}

static struct letter
letter_of(const char *body, const char *to)
{
	return (struct letter){.to = to,
			       .body = body,
			       .owner = "owner@example.org",
			       .holds = HOLD_SCAN};
}

/* --- down ------------------------------------------------------------------
 */

/* 100 wait, and go out once each, in the order they came. */
START_TEST(test_down)
{
	struct letter letter = letter_of(good, "p@a.test");
	struct world w;

	open_scanned(&w);
	w.hops[0].connection_max = 1;
	scanner.up = false;
	world_start(&w);
	world_accept_many(&w, &letter, 100);
	UNTIL(&w, status_of(&w).scan_waiting == 100, "they wait");
	UNTIL(&w, status_of(&w).scan_oldest_wall_s > 0, "since");
	turn_some(w.loop);
	ck_assert_uint_eq(scanner.asked, 0);
	ck_assert_uint_eq(status_of(&w).held, 100);
	scanner_set_up(true);
	UNTIL(&w, status_of(&w).delivered == 100, "they go");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 100, "once");
	ck_assert_uint_eq(sink_count(w.sink), 100);
	ck_assert_uint_eq(scanner.asked, 100);
	ck_assert_uint_eq(status_of(&w).scan_waiting, 0);
	ck_assert_int_eq(status_of(&w).scan_oldest_wall_s, 0);
	close_scanned(&w);
}
END_TEST

/* The oldest first, as far as those that are asked for at once allow. */
START_TEST(test_order)
{
	struct letter letter = letter_of(good, NULL);
	struct world w;
	char to[32];
	int n;

	open_scanned(&w);
	w.hops[0].connection_max = 1;
	scanner.up = false;
	world_start(&w);
	for (int i = 0; i < 100; i++) {
		snprintf(to, sizeof(to), "r%d@a.test", i);
		letter.to = to;
		world_accept(&w, &letter);
	}
	UNTIL(&w, status_of(&w).scan_waiting == 100, "they wait");
	scanner_set_up(true);
	UNTIL(&w, sink_count(w.sink) == 100, "they go");
	for (int i = 0; i < 100; i++) {
		const char *rcpts = sink_mail(w.sink, (size_t)i)->rcpts;

		ck_assert_int_eq(sscanf(rcpts, "r%d@", &n), 1);
		ck_assert_int_le(abs(n - i), 24);
	}
	close_scanned(&w);
}
END_TEST

/* It is not told of, but seen. */
START_TEST(test_up_unheard)
{
	struct letter letter = letter_of(good, "p@a.test");
	struct world w;

	open_scanned(&w);
	scanner.up = false;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).scan_waiting == 1, "waits");
	scanner.up = true;
	UNTIL(&w, status_of(&w).delivered == 1, "goes");
	close_scanned(&w);
}
END_TEST

/* The server went down with jobs in hand: they wait, and are asked again. */
START_TEST(test_down_meanwhile)
{
	struct letter letter = letter_of(good, "p@a.test");
	struct world w;

	open_scanned(&w);
	scanner.hang = true;
	world_start(&w);
	world_accept_many(&w, &letter, 30);
	UNTIL(&w, scanner.waiting == 12, "4, and 8 for the server");
	turn_some(w.loop);
	ck_assert_uint_eq(scanner.most, 12);
	scanner_set_up(false);
	scanner.hang = false;
	UNTIL(&w, scanner.waiting == 0, "they come back");
	UNTIL(&w, status_of(&w).scan_waiting == 30, "and wait");
	scanner_set_up(true);
	UNTIL(&w, status_of(&w).delivered == 30, "they go");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 30, "once");
	ck_assert_uint_eq(sink_count(w.sink), 30);
	close_scanned(&w);
}
END_TEST

/* One that the scanner cannot bear does not keep the others. */
START_TEST(test_broken)
{
	struct letter bad = letter_of(broken, "bad@a.test");
	struct letter letter = letter_of(good, "p@a.test");
	struct world w;

	open_scanned(&w);
	world_start(&w);
	world_accept_many(&w, &bad, 5);
	world_accept_many(&w, &letter, 20);
	UNTIL(&w, status_of(&w).delivered == 20, "the others");
	UNTIL(&w, status_of(&w).scan_waiting == 5, "these wait");
	ck_assert_uint_eq(scanner.asked, 25);
	scanner_set_up(true);
	UNTIL(&w, scanner.asked >= 30, "tried once more when told");
	UNTIL(&w, status_of(&w).scan_waiting == 5, "and wait again");
	close_scanned(&w);
}
END_TEST

/* Nobody says that anything is better. */
START_TEST(test_again_by_itself)
{
	struct letter bad = letter_of(broken, "bad@a.test");
	struct world w;

	open_scanned(&w);
	world_start(&w);
	world_accept(&w, &bad);
	UNTIL(&w, scanner.asked == 1, "asked");
	UNTIL(&w, scanner.asked == 2, "three seconds later");
	close_scanned(&w);
}
END_TEST

START_TEST(test_waits)
{
	static const struct {
		unsigned tries;
		int64_t down_ms, alone_ms;
	} rows[] = {
	    {1, 3000, 3000},
	    {2, 6000, 6000},
	    {3, 12000, 12000},
	    {4, 24000, 24000},
	    {5, 30000, 48000},
	    {8, 30000, 384000},
	    {9, 30000, 768000},
	    {10, 30000, 900000},
	    {4000000000, 30000, 900000},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(scanning_wait_ms(rows[i].tries, true),
				 rows[i].down_ms);
		ck_assert_int_eq(scanning_wait_ms(rows[i].tries, false),
				 rows[i].alone_ms);
	}
}
END_TEST

/* Scanning was switched off: that is no verdict. */
START_TEST(test_off)
{
	struct letter letter = letter_of(evil, "p@a.test");
	struct world w;

	open_scanned(&w);
	scanner.on = scanner.up = false;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).scan_waiting == 1, "held");
	turn_some(w.loop);
	ck_assert_uint_eq(status_of(&w).held, 1);
	ck_assert_uint_eq(status_of(&w).delivered, 0);
	close_scanned(&w);
}
END_TEST

/* No scanner at all: what is held stays held. */
START_TEST(test_none)
{
	struct letter letter = letter_of(good, "p@a.test");
	struct world w;

	world_open(&w, NULL);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).scan_waiting == 1, "held");
	turn_some(w.loop);
	ck_assert_uint_eq(status_of(&w).held, 1);
	world_close(&w);
}
END_TEST

/* --- bypass ----------------------------------------------------------------
 */

START_TEST(test_bypass)
{
	struct letter letter = letter_of(good, "p@a.test");
	struct world w;

	open_scanned(&w);
	if (_i == 0)
		scanner.up = false;
	else
		scanner.hang = true;
	world_start(&w);
	world_accept_many(&w, &letter, 300);
	UNTIL(&w,
	      status_of(&w).scan_waiting == 300 &&
		  (_i == 0 || scanner.waiting == 12),
	      "pending");
	scanner.bypass = true;
	UNTIL(&w, status_of(&w).delivered == 300, "all go");
	ck_assert_uint_eq(sink_count(w.sink), 300);
	ck_assert_uint_eq(scanner.asked, _i == 0 ? 0 : 12);
	scanner.bypass = false;
	close_scanned(&w);
}
END_TEST

/* What is known to be infected does not leave, and nobody is asked for what
 * would be cut out. */
START_TEST(test_bypass_knows)
{
	struct letter clean = letter_of(good, "p@a.test");
	struct letter infected = letter_of(evil, "q@a.test");
	struct spool_ledger ledger;
	struct world w;

	infected.owner = NULL;
	open_scanned(&w);
	w.conf.scan_infected =
	    _i == 0 ? SCAN_INFECTED_REJECT : SCAN_INFECTED_CLEAN;
	scanner.up = false;
	scanner.knows_evil = true;
	world_start(&w);
	world_accept_many(&w, &infected, 5);
	world_accept_many(&w, &clean, 5);
	UNTIL(&w, status_of(&w).scan_waiting == 10, "pending");
	scanner.bypass = true;
	UNTIL(&w, status_of(&w).delivered == 5, "the others go");
	UNTIL(
	    &w,
	    (ledger = world_ledger(&w), ledger.by_state[RCPT_QUARANTINED] == 5),
	    "kept");
	ck_assert_uint_eq(scanner.asked, 0);
	for (size_t i = 0; i < sink_count(w.sink); i++)
		ck_assert_ptr_null(strstr(sink_mail(w.sink, i)->body, "EVIL"));
	scanner.bypass = false;
	close_scanned(&w);
}
END_TEST

/* Behind its end nothing leaves unscanned, however early. */
START_TEST(test_bypass_ends)
{
	struct letter before = letter_of(good, "p@a.test");
	struct letter behind = letter_of(evil, "q@a.test");
	struct world w;

	open_scanned(&w);
	scanner.up = false;
	scanner.bypass = true;
	world_start(&w);
	world_accept(&w, &before);
	UNTIL(&w, status_of(&w).delivered == 1, "goes unscanned");
	scanner.bypass = false;
	world_accept_many(&w, &behind, 40);
	UNTIL(&w, status_of(&w).scan_waiting == 40, "held");
	turn_some(w.loop);
	ck_assert_uint_eq(status_of(&w).scan_waiting, 40);
	scanner_set_up(true);
	UNTIL(&w, status_of(&w).quarantined == 40, "found");
	close_scanned(&w);
}
END_TEST

/* --- restarts ---------------------------------------------------------------
 */

static const struct {
	const char *label;
	const char *body;
	enum scan_infected infected;
	bool hang, up;
	int outcomes; /* that fail before the stop */
	int delivered, quarantined;
} stops[] = {
    {"waiting for a scanner", good, SCAN_INFECTED_REJECT, false, false, 0, 40,
     0},
    {"with jobs in its hands", good, SCAN_INFECTED_REJECT, true, true, 0, 40,
     0},
    {"a release failed", good, SCAN_INFECTED_REJECT, false, true, 40, 40, 0},
    {"infected, in its hands", evil, SCAN_INFECTED_QUARANTINE, true, true, 0,
     20, 40},
    {"a quarantine failed", evil, SCAN_INFECTED_QUARANTINE, false, true, 40, 20,
     40},
    {"a cleaned copy failed", evil, SCAN_INFECTED_CLEAN, false, true, 40, 60,
     40},
};

START_TEST(test_restart)
{
	struct letter letter = letter_of(stops[_i].body, "p@a.test");
	struct world w;
	int64_t sum;

	open_scanned(&w);
	w.conf.scan_infected = stops[_i].infected;
	scanner.hang = stops[_i].hang;
	scanner.up = stops[_i].up;
	fail_outcomes = stops[_i].outcomes;
	world_start(&w);
	world_accept_many(&w, &letter, 40);
	UNTIL(&w,
	      (!stops[_i].hang || scanner.waiting == 12) &&
		  (stops[_i].outcomes == 0 || started >= 12),
	      stops[_i].label);
	world_stop(&w, 1000);
	world_reopen_spool(&w);
	scanner.hang = false;
	scanner.up = true;
	fail_outcomes = 0;
	world_start(&w);
	UNTIL(&w,
	      world_ledger(&w).by_state[RCPT_DELIVERED] ==
		      stops[_i].delivered &&
		  world_ledger(&w).by_state[RCPT_QUARANTINED] ==
		      stops[_i].quarantined,
	      stops[_i].label);
	sum = world_ledger(&w).accepted + world_ledger(&w).generated;
	for (int i = 0; i < RCPT_STATES; i++)
		sum -= world_ledger(&w).by_state[i];
	ck_assert_int_eq(sum, 0);
	ck_assert_int_eq(world_ledger(&w).by_state[RCPT_HELD], 0);
	ck_assert_uint_eq(sink_count(w.sink), (size_t)stops[_i].delivered);
	close_scanned(&w);
}
END_TEST

/* Stopped at any moment, again and again, while all of it is under way. */
START_TEST(test_restarts)
{
	struct letter clean = letter_of(good, "p@a.test");
	struct letter infected = letter_of(evil, "p@a.test");
	struct world w;
	struct spool_ledger ledger;

	infected.owner = NULL;
	open_scanned(&w);
	w.conf.scan_infected = SCAN_INFECTED_CLEAN;
	for (int i = 0; i < 10; i++) {
		world_start(&w);
		world_accept_many(&w, &clean, 20);
		world_accept_many(&w, &infected, 20);
		for (int k = 0; k < i * 3; k++)
			turn_some(w.loop);
		world_stop(&w, 0);
		world_reopen_spool(&w);
	}
	world_start(&w);
	UNTIL(
	    &w,
	    (ledger = world_ledger(&w), ledger.by_state[RCPT_DELIVERED] == 400),
	    "all of them");
	ck_assert_int_eq(ledger.by_state[RCPT_QUARANTINED], 200);
	ck_assert_int_eq(ledger.by_state[RCPT_HELD], 0);
	/* A stop without grace may cut a delivery; nothing else repeats. */
	ck_assert_uint_ge(sink_count(w.sink), 400);
	for (size_t i = 0; i < sink_count(w.sink); i++)
		ck_assert_ptr_null(strstr(sink_mail(w.sink, i)->body, "EVIL"));
	close_scanned(&w);
}
END_TEST

/* It was in the trash when it was looked for, and is back. */
START_TEST(test_missed)
{
	struct letter letter = letter_of(good, "p@a.test");
	struct world w;

	open_scanned(&w);
	missing = 1;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, missing == 0, "missed");
	turn_some(w.loop);
	ck_assert_uint_eq(status_of(&w).scan_waiting, 1);
	scanner_set_up(true);
	UNTIL(&w, status_of(&w).delivered == 1, "goes");
	close_scanned(&w);
}
END_TEST

/* The disk fails while all goes on: tried again when there is a reason. */
START_TEST(test_disk_fails)
{
	static const char *const bodies[] = {good, evil};
	struct letter letter = letter_of(bodies[_i], "p@a.test");
	struct world w;

	letter.owner = NULL;
	open_scanned(&w);
	fail_outcomes = 3;
	world_start(&w);
	world_accept(&w, &letter);
	for (int i = 1; i <= 3; i++) {
		UNTIL(&w, fail_outcomes == 3 - i && status_of(&w).held == 1,
		      "failed");
		scanner_set_up(true);
	}
	UNTIL(&w,
	      status_of(&w).delivered == (_i == 0) &&
		  status_of(&w).quarantined == (_i == 1),
	      "then it goes");
	close_scanned(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scan_stop");
	TCase *tc = tcase_create("scan_stop");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_down);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_up_unheard);
	tcase_add_test(tc, test_down_meanwhile);
	tcase_add_test(tc, test_broken);
	tcase_add_test(tc, test_waits);
	tcase_add_test(tc, test_again_by_itself);
	tcase_add_test(tc, test_off);
	tcase_add_test(tc, test_none);
	tcase_add_loop_test(tc, test_bypass, 0, 2);
	tcase_add_loop_test(tc, test_bypass_knows, 0, 2);
	tcase_add_test(tc, test_bypass_ends);
	tcase_add_loop_test(tc, test_restart, 0,
			    sizeof(stops) / sizeof(stops[0]));
	tcase_add_test(tc, test_restarts);
	tcase_add_test(tc, test_missed);
	tcase_add_loop_test(tc, test_disk_fails, 0, 2);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
