/*
 * Campaigns from the queue's point of view: who goes when, that a pause is one,
 * what is counted, and that nobody of them is told of each failure.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "tests/back/world.h"
#include "tests/support/dns_server.h"

static struct world w;

static void
setup(void)
{
	world_open(&w, NULL);
	world_campaigns(&w);
}

static void
teardown(void)
{
	world_close(&w);
}

static void
set(uint64_t id, enum campaign_state state, int64_t rate, int64_t connections)
{
	struct campaign_order order = {.id = id,
				       .state = state,
				       .rate_per_h = rate,
				       .connections = connections};

	ck_assert_int_eq(world_order(&w, &order), 0);
	back_campaign(w.back, id);
}

static uint64_t
letter_to(const char *cred, uint64_t campaign, const char *to)
{
	struct letter letter = {.cred = cred, .to = to, .campaign = campaign};

	return world_accept(&w, &letter);
}

/* Messages for x.test: a campaign's report goes elsewhere. */
static size_t
taken(void)
{
	size_t n = 0;

	for (size_t i = 0; i < sink_count(w.sink); i++)
		n += strstr(sink_mail(w.sink, i)->rcpts, "@x.test") != NULL;
	return n;
}

START_TEST(test_goes)
{
	uint64_t c;

	world_start(&w);
	c = world_campaign(&w, "pr", 4);
	letter_to("pr", c, "a@x.test b@x.test 550-c@x.test d@x.test");
	UNTIL(&w,
	      world_view(&w, c).left == 0 && world_view(&w, c).counts[1] == 4,
	      "all");
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DELIVERED], 3);
	ck_assert_uint_eq(
	    world_view(&w, c).counts[CAMPAIGN_BOUNCED + BOUNCE_MAILBOX], 1);
	UNTIL(&w, world_view(&w, c).state == CAMPAIGN_DONE, "done");
	ck_assert_uint_eq(taken(), 1);
}
END_TEST

/* --- pause, resume, cancel --------------------------------------------------
 */

static uint64_t
fill(const char *cred, unsigned count)
{
	uint64_t c = world_campaign(&w, cred, count);
	struct letter letter = {.cred = cred, .to = "a@x.test", .campaign = c};

	world_accept_many(&w, &letter, count);
	return c;
}

static void
turn_ms(int64_t ms)
{
	int64_t until_ms = clock_mono_ms() + ms;

	UNTIL(&w, clock_mono_ms() >= until_ms, "time passes");
}

/* What the next hop takes by the thousand stands still at once, and goes on
 * where it was. */
START_TEST(test_pause)
{
	uint64_t c;
	size_t at;

	w.hops[0].connection_max = 20;
	world_start(&w);
	c = fill("pr", 3000);
	UNTIL(&w, taken() > 300, "under way");
	set(c, CAMPAIGN_PAUSED, -1, -1);
	UNTIL(&w, status_of(&w).active == 0, "what was under way ends");
	at = taken();
	turn_ms(700);
	ck_assert_uint_eq(taken(), at);
	ck_assert_uint_lt(at, 3000);
	ck_assert_uint_eq(status_of(&w).queued, 3000 - at);
	/* A letter of the same person goes on. */
	letter_to("pr", 0, "b@x.test");
	UNTIL(&w, taken() == at + 1, "personal mail");
	set(c, CAMPAIGN_RUNNING, -1, -1);
	UNTIL(&w, taken() == 3001, "all");
	UNTIL(&w, world_view(&w, c).state == CAMPAIGN_DONE, "done");
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DELIVERED], 3000);
}
END_TEST

/* After a restart it is paused, and nobody gets two. */
START_TEST(test_pause_restart)
{
	uint64_t c;

	world_start(&w);
	c = fill("pr", 500);
	UNTIL(&w, taken() > 50, "under way");
	set(c, CAMPAIGN_PAUSED, -1, -1);
	UNTIL(&w, status_of(&w).active == 0, "what was under way ends");
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_PAUSED);
	ck_assert_uint_eq(world_view(&w, c).left, 500 - taken());
	world_start(&w);
	UNTIL(&w, status_of(&w).queued == world_view(&w, c).left, "read back");
	turn_ms(300);
	set(c, CAMPAIGN_RUNNING, -1, -1);
	UNTIL(&w, world_view(&w, c).left == 0, "all");
	ck_assert_uint_eq(taken(), 500);
}
END_TEST

START_TEST(test_cancel_undo)
{
	struct back_work work = {.verb = BACK_PURGE,
				 .trash = 77,
				 .trash_until_wall_s = clock_wall_s() + 600};
	struct back_work undo = {.verb = BACK_UNDO, .trash = 77};
	struct back_work count = {.verb = BACK_COUNT};
	uint64_t c, other;
	size_t sent;

	world_start(&w);
	other = fill("hr", 10);
	c = fill("pr", 800);
	UNTIL(&w, taken() > 100, "under way");
	set(c, CAMPAIGN_CANCELED, -1, -1);
	UNTIL(&w, status_of(&w).active == 0, "what was under way ends");
	work.select.campaign = c;
	world_work(&w, &work);
	ck_assert_int_eq(work.err, 0);
	UNTIL(&w, world_view(&w, other).left == 0, "the other one");
	sent = taken() - 10;
	ck_assert_uint_eq(work.recipients, 800 - sent);
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_PURGED],
			  800 - sent);
	ck_assert_uint_eq(world_view(&w, c).left, 0);
	world_work(&w, &undo);
	ck_assert_uint_eq(undo.recipients, 800 - sent);
	set(c, CAMPAIGN_PAUSED, -1, -1);
	UNTIL(&w, world_view(&w, c).left == 800 - sent, "uncounted");
	count.select.campaign = c;
	world_work(&w, &count);
	ck_assert_uint_eq(count.recipients, 800 - sent);
	set(c, CAMPAIGN_RUNNING, -1, -1);
	UNTIL(&w, world_view(&w, c).left == 0, "the rest");
	ck_assert_uint_eq(taken(), 810);
}
END_TEST

/* Some are purged, the others end it; then the purge is undone. */
START_TEST(test_undo_done)
{
	struct back_work work = {.verb = BACK_PURGE,
				 .trash = 78,
				 .trash_until_wall_s = clock_wall_s() + 600};
	struct back_work undo = {.verb = BACK_UNDO, .trash = 78};
	uint64_t c;

	world_start(&w);
	c = world_campaign(&w, "pr", 2);
	set(c, CAMPAIGN_PAUSED, -1, -1);
	letter_to("pr", c, "a@x.test");
	work.select.id = letter_to("pr", c, "b@x.test");
	UNTIL(&w, status_of(&w).queued == 2, "both");
	world_work(&w, &work);
	ck_assert_uint_eq(work.recipients, 1);
	set(c, CAMPAIGN_RUNNING, -1, -1);
	UNTIL(&w, world_view(&w, c).state == CAMPAIGN_DONE, "done");
	ck_assert_uint_eq(taken(), 1);
	world_work(&w, &undo);
	ck_assert_uint_eq(undo.recipients, 1);
	UNTIL(&w, taken() == 2, "what was brought back");
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_DELIVERED] == 2, "counted");
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_PURGED] == 0, "uncounted");
	ck_assert_uint_eq(world_view(&w, c).left, 0);
}
END_TEST

/* --- counts that are not what the queue says --------------------------------
 */

static bool
told_of_end(void)
{
	for (size_t i = 0; i < sink_count(w.sink); i++)
		if (strstr(sink_mail(w.sink, i)->rcpts, "pr@example.org"))
			return true;
	return false;
}

static void
plant(uint64_t c, enum campaign_count count, int64_t n)
{
	struct arena *arena = arena_create(256);
	struct store_change change;

	campaign_count_change(c, count, n, arena, &change);
	world_commit(&w, &change, 1);
	arena_destroy(&arena);
}

struct drift {
	const char *label;
	enum campaign_count count;
	int64_t n;
	uint64_t other;
};

static const struct drift drifts[] = {
    {"more were accepted than there are", CAMPAIGN_RECIPIENTS, 2, 2},
    {"some are counted as canceled and are not", CAMPAIGN_PURGED, 3, 0},
    {"all are counted as sent before they were", CAMPAIGN_OTHER, 4, 0},
};

/* Whatever a record says, the restart finds what is left, and the campaign is
 * over, and its owner told, when all of it is sent and not before. */
START_TEST(test_drift)
{
	const struct drift *d = &drifts[_i];
	uint64_t c;

	world_start(&w);
	c = world_campaign(&w, "pr", 4);
	set(c, CAMPAIGN_PAUSED, -1, -1);
	letter_to("pr", c, "a@x.test b@x.test");
	letter_to("pr", c, "c@x.test d@x.test");
	UNTIL(&w, status_of(&w).queued == 4, "all stand");
	world_stop(&w, 3000);
	plant(c, d->count, d->n);
	world_reopen_spool(&w);
	world_start(&w);
	UNTIL(&w, status_of(&w).queued == 4 && world_view(&w, c).left == 4,
	      d->label);
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_PAUSED);
	set(c, CAMPAIGN_RUNNING, -1, -1);
	UNTIL(&w, told_of_end(), d->label);
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_DONE);
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DELIVERED], 4);
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_OTHER], d->other);
	world_stop(&w, 3000);
	world_reopen_spool(&w); /* so it is on disk */
	ck_assert_uint_eq(world_view(&w, c).left, 0);
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_PURGED], 0);
}
END_TEST

/* --- terms ------------------------------------------------------------------
 */

START_TEST(test_rate)
{
	uint64_t c;

	world_start(&w);
	c = world_campaign(&w, "pr", 60);
	set(c, CAMPAIGN_RUNNING, 36000, -1); /* ten a second */
	for (int i = 0; i < 60; i++)
		letter_to("pr", c, "a@x.test");
	turn_ms(1000);
	/* Its minute's worth comes with time, not at the start. */
	ck_assert_uint_le(taken(), 25);
	ck_assert_uint_ge(taken(), 5);
	set(c, CAMPAIGN_RUNNING, 0, -1);
	UNTIL(&w, taken() == 60, "without a rate");
}
END_TEST

START_TEST(test_connections)
{
	uint64_t c;

	w.hops[0].connection_max = 20;
	world_start(&w);
	sink_pause_ms(w.sink, 50);
	c = world_campaign(&w, "pr", 40);
	set(c, CAMPAIGN_RUNNING, -1, 2);
	for (int i = 0; i < 40; i++)
		letter_to("pr", c, "a@x.test");
	while (taken() < 40) {
		ck_assert_uint_le(status_of(&w).active, 2);
		turn_ms(5);
	}
}
END_TEST

/* --- fairness ----------------------------------------------------------------
 */

static const char *const creds_apart[] = {"ann", "bob", "cat"};
static const char *const creds_one[] = {"ann", "ann", "ann"};

/* Where in the order of what came the last letter of a campaign is. */
static size_t
last_of(const char *rcpt)
{
	size_t last = 0;

	for (size_t i = 0; i < sink_count(w.sink); i++) {
		if (strstr(sink_mail(w.sink, i)->rcpts, rcpt))
			last = i + 1;
	}
	return last;
}

/* The small ones are not held up by the large one, which was first. */
START_TEST(test_fair)
{
	static const unsigned sizes[] = {10000, 1000, 100};
	const char *const *creds = _i == 0 ? creds_apart : creds_one;
	static const char *const to[] = {"large@x.test", "middle@x.test",
					 "small@x.test"};
	uint64_t c[3];

	w.hops[0].connection_max = 20;
	world_start(&w);
	for (int i = 0; i < 3; i++) {
		struct letter letter = {.cred = creds[i], .to = to[i]};

		letter.campaign = c[i] = world_campaign(&w, creds[i], sizes[i]);
		set(c[i], CAMPAIGN_PAUSED, -1, -1);
		world_accept_many(&w, &letter, sizes[i]);
	}
	for (int i = 0; i < 3; i++)
		set(c[i], CAMPAIGN_RUNNING, -1, -1);
	UNTIL(&w,
	      world_view(&w, c[1]).left == 0 && world_view(&w, c[2]).left == 0,
	      "both");
	ck_assert_msg(last_of("small") < 800, "%zu", last_of("small"));
	ck_assert_msg(last_of("middle") < 3000, "%zu", last_of("middle"));
	set(c[0], CAMPAIGN_CANCELED, -1, -1);
}
END_TEST

/* --- whom is told of what ----------------------------------------------------
 */

/* No report of each failure; a report of a success for who asked. */
START_TEST(test_no_reports)
{
	struct letter letter = {.cred = "pr",
				.from = "pr@example.org",
				.to = "550-a@x.test",
				.notify = NOTIFY_FAILURE};
	uint64_t c;

	world_start(&w);
	c = letter.campaign = world_campaign(&w, "pr", 3);
	world_accept(&w, &letter);
	UNTIL(&w, world_view(&w, c).left == 2, "a failure");
	ck_assert_uint_eq(status_of(&w).dsn_sent, 0);
	letter.to = "b@x.test";
	letter.notify = NOTIFY_SUCCESS;
	world_accept(&w, &letter);
	UNTIL(&w, world_view(&w, c).left == 1 && status_of(&w).dsn_sent == 1,
	      "a success");
}
END_TEST

/* --- earlier messages --------------------------------------------------------
 */

static struct campaign_join
join_one(uint64_t id, unsigned seed)
{
	struct campaign_mail mail = {
	    .id = id, .cred = "pr", .owner = "pr@example.org", .recipients = 1};
	struct campaign_join join;

	mail.shape.exact[0] = (uint8_t)seed;
	world_join(&w, &mail, &join);
	return join;
}

/* The third of a body makes a campaign of all three: what of the first two was
 * sent is counted, what was not moves over, waits for its turn and is its. */
START_TEST(test_adoption)
{
	struct campaigns_conf conf = {.same = 2};
	struct letter letter = {.cred = "pr", .to = "a@x.test"};
	struct campaign_join join = {.id = 0};
	struct spool_msg *msg;
	uint64_t held;

	campaigns_configure(w.campaigns, &conf);
	world_block(&w, BLOCK_DOMAIN, BLOCK_HOLD, "held.test");
	world_start(&w);
	ck_assert_uint_eq(join_one(world_accept(&w, &letter), 7).id, 0);
	UNTIL(&w, taken() == 1, "the first, as personal mail");
	letter.to = "b@held.test";
	held = world_accept(&w, &letter);
	ck_assert_uint_eq(join_one(held, 7).id, 0);
	UNTIL(&w, status_of(&w).held_by_rule == 1, "the second waits");
	letter.to = "c@x.test";
	join = join_one(id_next(), 7);
	ck_assert_uint_ne(join.id, 0);
	letter.campaign = join.id;
	world_accept(&w, &letter);
	UNTIL(&w, taken() == 2, "the third");
	UNTIL(&w, world_view(&w, join.id).counts[CAMPAIGN_DELIVERED] == 2,
	      "two");
	ck_assert_uint_eq(world_view(&w, join.id).counts[CAMPAIGN_MESSAGES], 3);
	ck_assert_uint_eq(world_view(&w, join.id).counts[CAMPAIGN_RECIPIENTS],
			  3);
	ck_assert_uint_eq(world_view(&w, join.id).left, 1);
	ck_assert_int_eq(spool_load(w.spool, held, &msg), 0);
	ck_assert_uint_eq(msg->campaign, join.id);
	ck_assert_uint_eq(msg->lane, LANE_BULK);
	spool_msg_destroy(&msg);
	set(join.id, CAMPAIGN_PAUSED, -1, -1);
	world_unblock(&w, BLOCK_DOMAIN, BLOCK_HOLD, "held.test");
	world_work(&w, &(struct back_work){.verb = BACK_RECHECK});
	turn_ms(300);
	ck_assert_uint_eq(taken(), 2);
	set(join.id, CAMPAIGN_RUNNING, -1, -1);
	UNTIL(&w, world_view(&w, join.id).left == 0, "the second");
}
END_TEST

/* --- sites -------------------------------------------------------------------
 */

static const struct dns_row rows[] = {
    {.name = "one.lab", .type = "MX", .records = "@ 60 MX 10 mx.lab"},
    {.name = "mx.lab", .type = "A", .records = "@ 60 A 127.0.0.1"},
    {.name = "own.lab", .type = "MX"},
    {.name = "own.lab", .type = "A", .records = "@ 60 A 127.0.0.1"},
    {.name = "mute.lab", .type = "MX", .records = "@ 60 MX 10 dead.lab"},
    {.name = "dead.lab", .type = "A", .records = "@ 60 A 127.0.0.9"},
};

/* A site that takes its time has a few of a campaign ready, and a domain that
 * comes behind 300 of its is not held up; who is dead is counted. */
START_TEST(test_sites)
{
	struct dns_server *dns =
	    dns_server_create(w.loop, rows, sizeof(rows) / sizeof(rows[0]));
	struct letter letter = {.cred = "pr", .to = "a@one.lab"};
	struct campaign_view view;
	uint64_t c;

	w.conf.dns.servers = dns_server_text(dns);
	w.hops[0].kind = BACK_MX;
	w.hops[0].mx_loopback = true;
	w.hops[0].connection_max = 1;
	world_domains(&w, true);
	sink_pause_ms(w.sink, 20);
	world_start(&w);
	c = letter.campaign = world_campaign(&w, "pr", 303);
	world_accept_many(&w, &letter, 300);
	letter.to = "b@own.lab";
	world_accept(&w, &letter);
	letter.to = "c@nowhere.lab";
	world_accept(&w, &letter);
	letter.to = "d@mute.lab";
	world_accept(&w, &letter);
	UNTIL(&w, last_of("b@own.lab") != 0, "the other site");
	ck_assert_msg(last_of("b@own.lab") < 100, "%zu", last_of("b@own.lab"));
	UNTIL(&w, world_view(&w, c).left == 1, "all but one");
	view = world_view(&w, c);
	ck_assert_uint_eq(view.counts[CAMPAIGN_DEAD], 1);
	ck_assert_uint_eq(view.counts[CAMPAIGN_DELIVERED], 301);
	ck_assert_uint_ge(status_of(&w).deferred, 1);
	/* What waits for its next attempt is turned away when it is due. */
	set(c, CAMPAIGN_PAUSED, -1, -1);
	turn_ms(100);
	UNTIL(&w, status_of(&w).active == 0, "nothing under way");
	turn_ms(2500);
	ck_assert_uint_eq(status_of(&w).queued, 1);
	world_stop(&w, 3000);
	dns_server_destroy(&dns);
}
END_TEST

/* It ends while some are asked about, and others wait for that. */
START_TEST(test_stop_asking)
{
	struct dns_server *dns =
	    dns_server_create(w.loop, rows, sizeof(rows) / sizeof(rows[0]));
	struct letter letter = {
	    .cred = "pr", .to = "a@one.lab b@own.lab c@mute.lab d@nowhere.lab"};

	w.conf.dns.servers = dns_server_text(dns);
	w.conf.bulk.lookups = 1;
	w.hops[0].kind = BACK_MX;
	world_domains(&w, true);
	world_start(&w);
	letter.campaign = world_campaign(&w, "pr", 4);
	world_accept(&w, &letter);
	/* The server is not turned: no answer comes. */
	while (status_of(&w).undecided < 4)
		sched_yield();
	letter_to("ann", 0, "b@y.lab");
	while (status_of(&w).undecided < 5)
		sched_yield();
	world_stop(&w, 100);
	dns_server_destroy(&dns);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/campaign");
	TCase *tc = tcase_create("campaign"), *counts = tcase_create("counts");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_goes);
	tcase_add_test(tc, test_pause);
	tcase_add_test(tc, test_pause_restart);
	tcase_add_test(tc, test_cancel_undo);
	tcase_add_test(tc, test_undo_done);
	tcase_add_test(tc, test_rate);
	tcase_add_test(tc, test_connections);
	tcase_add_loop_test(tc, test_fair, 0, 2);
	tcase_add_test(tc, test_no_reports);
	tcase_add_test(tc, test_adoption);
	tcase_add_test(tc, test_sites);
	tcase_add_test(tc, test_stop_asking);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(counts, setup, teardown);
	tcase_set_timeout(counts, 120);
	tcase_add_loop_test(counts, test_drift, 0,
			    sizeof(drifts) / sizeof(drifts[0]));
	suite_add_tcase(suite, counts);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
