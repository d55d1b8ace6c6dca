/*
 * The end of a campaign: that its owner is told of it once, whatever stops the
 * process, who is named, and that nothing of it is kept.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/feeder_int.h"
#include "gateway/base/clock.h"
#include "gateway/base/encode.h"
#include "tests/back/world.h"

static struct world w;
static _Atomic bool no_reports;
static _Atomic unsigned refused, feeds_ended;

/* No report reaches the disk while no_reports is set. */
void __real_spool_accept_start(struct spool *spool, struct spool_accept *op);
void __wrap_spool_accept_start(struct spool *spool, struct spool_accept *op);

void
__wrap_spool_accept_start(struct spool *spool, struct spool_accept *op)
{
	if (!no_reports || (op->msg->flags & MSG_GENERATED) == 0) {
		__real_spool_accept_start(spool, op);
		return;
	}
	spool_msg_destroy(&op->msg);
	spool_body_destroy(&op->body);
	op->answer = SPOOL_FAILED;
	refused++;
	op->done(op);
}

void __real_feed_destroy(struct feeder *feeder, struct feed *feed);
void __wrap_feed_destroy(struct feeder *feeder, struct feed *feed);

void
__wrap_feed_destroy(struct feeder *feeder, struct feed *feed)
{
	feeds_ended++;
	__real_feed_destroy(feeder, feed);
}

static void
setup(void)
{
	no_reports = false;
	refused = feeds_ended = 0;
	world_open(&w, NULL);
	world_campaigns(&w);
	world_start(&w);
}

static void
teardown(void)
{
	world_close(&w);
}

static void
restart(void)
{
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	world_start(&w);
}

static void
order(uint64_t id, enum campaign_state state, uint64_t trash, bool bounce)
{
	struct campaign_order given = {.id = id,
				       .state = state,
				       .rate_per_h = -1,
				       .connections = -1,
				       .trash = trash,
				       .bounce = bounce};

	ck_assert_int_eq(world_order(&w, &given), 0);
	back_campaign(w.back, id);
}

/* Paused, with a message for each address. */
static uint64_t
campaign_of(const char *const *to, size_t count)
{
	uint64_t c = world_campaign(&w, "pr", (uint32_t)count);
	struct letter letter = {.cred = "pr", .campaign = c};

	order(c, CAMPAIGN_PAUSED, 0, false);
	for (size_t i = 0; i < count; i++) {
		letter.to = to[i];
		world_accept(&w, &letter);
	}
	return c;
}

static void
purge(uint64_t c, uint64_t trash)
{
	struct back_work work = {.verb = BACK_PURGE,
				 .trash = trash,
				 .trash_until_wall_s = clock_wall_s() + 600};

	work.select.campaign = c;
	world_work(&w, &work);
	ck_assert_int_eq(work.err, 0);
	UNTIL(&w, world_view(&w, c).left == 0, "counted");
}

/* Reports of this campaign that came; the last of them. */
static size_t
reports(uint64_t c, const char **mail)
{
	char subject[64];
	size_t n = 0;

	snprintf(subject, sizeof(subject), "Your mailing C%llu ",
		 (unsigned long long)c);
	for (size_t i = 0; i < sink_count(w.sink); i++) {
		const char *body = sink_mail(w.sink, i)->body;

		if (strstr(body, subject) == NULL)
			continue;
		n++;
		if (mail)
			*mail = body;
	}
	return n;
}

/* Whatever report of any campaign was begun has come: one that is begun now
 * is behind it, and the queue is then as it was. */
static void
all_reported(unsigned queued)
{
	static const char *const to[] = {"550-z@x.test"};
	uint64_t c = campaign_of(to, 1);

	order(c, CAMPAIGN_RUNNING, 0, false);
	UNTIL(&w, reports(c, NULL) == 1, "a later report");
	UNTIL(&w, status_of(&w).queued == queued, "all of them");
}

/* The table, decoded. */
static void
table_of(const char *mail, struct buf *out)
{
	const char *at = strstr(mail, "text/csv");
	struct buf bare = {.cap = 1 << 20};

	ck_assert_ptr_nonnull(at);
	at = strstr(at, "\r\n\r\n");
	ck_assert_ptr_nonnull(at);
	for (at += 4; strncmp(at, "\r\n--", 4) != 0; at++) {
		ck_assert_int_ne(*at, '\0');
		if (*at != '\r' && *at != '\n')
			buf_add_byte(&bare, *at);
	}
	*out = (struct buf){.cap = 1 << 20};
	ck_assert_int_eq(base64_decode(out, buf_slice(&bare)), 0);
	buf_fini(&bare);
}

static const char *const three[] = {"550-a@x.test", "b@x.test", "c@x.test"};

/* --- told once ---------------------------------------------------------------
 */

/* What is canceled is gone from the queue, and the process stops before the
 * report is on disk. */
START_TEST(test_told_after_restart)
{
	uint64_t c = campaign_of(three, 3);

	no_reports = true;
	order(c, CAMPAIGN_CANCELED, 77, false);
	purge(c, 77);
	UNTIL(&w, refused > 0, "the report fails");
	ck_assert(!world_view(&w, c).told);
	no_reports = false;
	restart();
	UNTIL(&w, reports(c, NULL) == 1, "the report");
	all_reported(0);
	ck_assert_uint_eq(reports(c, NULL), 1);
	ck_assert(world_view(&w, c).told);
}
END_TEST

/* The queue was empty when it was canceled: nothing is ever counted. */
START_TEST(test_told_of_none)
{
	uint64_t c = world_campaign(&w, "pr", 1);
	struct letter letter = {
	    .cred = "pr", .campaign = c, .to = "550-a@x.test"};

	no_reports = true;
	world_accept(&w, &letter);
	UNTIL(&w, refused > 0, "the report of its end fails");
	restart(); /* the end is made anew */
	UNTIL(&w, refused > 1, "and again");
	no_reports = false;
	restart();
	UNTIL(&w, reports(c, NULL) == 1, "the report");
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_DONE);
}
END_TEST

/* A restart, and whatever looks at it again, is no news. */
START_TEST(test_told_once)
{
	uint64_t c = campaign_of(three, 3);

	order(c, CAMPAIGN_CANCELED, 77, false);
	purge(c, 77);
	UNTIL(&w, reports(c, NULL) == 1, "the report");
	for (int i = 0; i < 2; i++) {
		back_campaign(w.back, c);
		order(c, CAMPAIGN_CANCELED, 77, false);
		all_reported(0);
		ck_assert_uint_eq(reports(c, NULL), 1);
		restart();
	}
}
END_TEST

/* Brought back, and canceled again: that is news. */
START_TEST(test_told_again)
{
	struct back_work undo = {.verb = BACK_UNDO, .trash = 77};
	uint64_t c = campaign_of(three, 3);

	order(c, CAMPAIGN_CANCELED, 77, false);
	purge(c, 77);
	UNTIL(&w, reports(c, NULL) == 1, "the report");
	order(c, CAMPAIGN_PAUSED, 0, false);
	world_work(&w, &undo);
	UNTIL(&w, world_view(&w, c).left == 3, "back");
	order(c, CAMPAIGN_CANCELED, 78, false);
	purge(c, 78);
	UNTIL(&w, reports(c, NULL) == 2, "the second report");
}
END_TEST

/* It stopped, and the process before anybody was told. */
START_TEST(test_told_of_stop)
{
	uint64_t c = campaign_of(three, 3);

	no_reports = true;
	order(c, CAMPAIGN_STOPPED, 0, false);
	UNTIL(&w, refused > 0, "the report fails");
	no_reports = false;
	restart();
	UNTIL(&w, reports(c, NULL) == 1, "the report");
	all_reported(3);
	ck_assert_uint_eq(reports(c, NULL), 1);
}
END_TEST

/* The guard asks once a day: nobody is asked again by a stop that was only in
 * memory. */
START_TEST(test_guard_holds)
{
	static const char *const to[] = {"a@gmail.com", "b@gmail.com"};
	uint64_t c;

	w.conf.bulk.guard = 1;
	restart();
	c = campaign_of(to, 2);
	no_reports = true;
	order(c, CAMPAIGN_RUNNING, 0, false);
	UNTIL(&w, refused > 0, "the report of its stop fails");
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_STOPPED);
	no_reports = false;
	restart();
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_STOPPED);
	UNTIL(&w, reports(c, NULL) == 1, "the report");
	ck_assert_uint_eq(world_view(&w, c).left, 1);
}
END_TEST

/* --- who is named ------------------------------------------------------------
 */

/* More of them than a slice of the report has. */
START_TEST(test_bounce)
{
	enum { N = 250 };
	static char names[N][32];
	const char *to[N], *mail;
	bool bounce = _i;
	struct buf table;
	uint64_t c;

	for (size_t i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu@x.test", i);
		to[i] = names[i];
	}
	c = campaign_of(to, N);
	order(c, CAMPAIGN_CANCELED, 77, bounce);
	purge(c, 77);
	UNTIL(&w, reports(c, &mail) == 1, "the report");
	table_of(mail, &table);
	for (size_t i = 0; i < N; i++) {
		char row[80];

		snprintf(row, sizeof(row), "\n\"%.31s\",\"canceled\",",
			 names[i]);
		ck_assert_msg((strstr(buf_cstr(&table), row) != NULL) == bounce,
			      "%s: %s", names[i], buf_cstr(&table));
	}
	buf_fini(&table);
}
END_TEST

/* --- nothing is kept ------------------------------------------------------ */

START_TEST(test_feed_ends)
{
	uint64_t c = campaign_of(three, 3);
	unsigned ended;

	order(c, CAMPAIGN_CANCELED, 77, false);
	purge(c, 77);
	/* by itself it may look more than once */
	UNTIL(&w, status_of(&w).queued == 0 && feeds_ended > 0, "its feed");
	ended = feeds_ended;
	back_campaign(w.back, c);
	UNTIL(&w, feeds_ended > ended, "the other feed");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/campaign_end");
	TCase *tc = tcase_create("end");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_told_after_restart);
	tcase_add_test(tc, test_told_of_none);
	tcase_add_test(tc, test_told_once);
	tcase_add_test(tc, test_told_again);
	tcase_add_test(tc, test_told_of_stop);
	tcase_add_test(tc, test_guard_holds);
	tcase_add_loop_test(tc, test_bounce, 0, 2);
	tcase_add_test(tc, test_feed_ends);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
