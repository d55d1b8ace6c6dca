#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "tests/back/world.h"

/* The pace of the bulk lane at one next hop, by the clock: what a receiver
 * asks for is done within that reply, and people's mail does not notice. */

static const struct letter bulk = {.to = "bob@example.net", .lane = LANE_BULK};
static const struct letter personal = {.to = "eve@example.net"};

static void
start(struct world *w, const struct pace_rule *rule)
{
	world_open(w, NULL);
	w->conf.bulk.site = *rule;
	world_start(w);
}

static void
wait_ms(struct world *w, int64_t ms)
{
	int64_t end_ms = clock_mono_ms() + ms;

	UNTIL(w, clock_mono_ms() >= end_ms, "time");
}

static size_t
count_to(const struct world *w, const char *rcpt)
{
	size_t n = 0;

	for (size_t i = 0; i < sink_count(w->sink); i++)
		n += strcmp(sink_mail(w->sink, i)->rcpts, rcpt) == 0;
	return n;
}

struct refusal_case {
	const char *label;
	enum sink_at at;
	const char *reply;
};

static const struct refusal_case refusals[] = {
    {"421 to MAIL", SINK_AT_MAIL, "421 4.7.0 too much, come back"},
    {"421 at the greeting", SINK_AT_GREETING, "421 4.7.0 too busy"},
    {"a rate with a 450", SINK_AT_MAIL, "450 4.7.1 Rate limit, slow down"},
};

/* Slower with the first reply, back to all of it by steps; nobody's attempt is
 * counted, nobody gets two. */
START_TEST(slows_and_recovers)
{
	const struct refusal_case *c = &refusals[_i];
	struct pace_rule rule = {.connections = 2, .quiet_ms = 1000};
	struct world w;
	int64_t began_ms;
	size_t went;

	start(&w, &rule);
	/* Its connection has been let in before, as in life. */
	world_accept(&w, &bulk);
	UNTIL(&w, sink_count(w.sink) == 1, "the first goes at once");
	if (c->at == SINK_AT_GREETING)
		UNTIL(&w, sink_connections_now(w.sink) == 0, "it left");
	sink_refuse(w.sink, c->at, c->reply, 1);
	began_ms = clock_mono_ms();
	world_accept_many(&w, &bulk, 20);
	UNTIL(&w, sink_refused(w.sink) == 1, c->label);
	wait_ms(&w, 300);
	went = count_to(&w, "bob@example.net");
	/* What was under way on the other connection may end. */
	if (clock_mono_ms() - began_ms < rule.quiet_ms)
		ck_assert_msg(went <= 3, "%s: %zu went on", c->label, went);
	UNTIL(&w, count_to(&w, "bob@example.net") == 21, "all of them");
	ck_assert_int_ge(clock_mono_ms() - began_ms, 3 * rule.quiet_ms);
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 21, "marked");
	wait_ms(&w, 100);
	ck_assert_uint_eq(count_to(&w, "bob@example.net"), 21);
	ck_assert_uint_eq(sink_refused(w.sink), 1);
	world_close(&w);
}
END_TEST

START_TEST(people_do_not_notice)
{
	struct pace_rule rule = {.quiet_ms = 60000};
	struct world w;

	start(&w, &rule);
	sink_refuse(w.sink, SINK_AT_MAIL, "421 4.7.28 unusual rate", 1);
	world_accept(&w, &bulk);
	UNTIL(&w, sink_refused(w.sink) == 1, "told to wait");
	world_accept_many(&w, &personal, 20);
	UNTIL(&w, count_to(&w, "eve@example.net") == 20, "at once");
	ck_assert_uint_eq(count_to(&w, "bob@example.net"), 0);
	UNTIL(&w, status_of(&w).queued == 1, "recorded");
	world_close(&w);
}
END_TEST

/* A refusal that is no throttle is the message's own, and the next ones go. */
START_TEST(greylisting_slows_nobody)
{
	struct pace_rule rule = {.quiet_ms = 60000};
	struct world w;

	start(&w, &rule);
	w.retry_s[0] = 3600;
	sink_refuse(w.sink, SINK_AT_MAIL,
		    "451 4.7.1 Greylisted, try again in 300 seconds", 1);
	world_accept_many(&w, &bulk, 5);
	UNTIL(&w, count_to(&w, "bob@example.net") == 4, "the others");
	world_close(&w);
}
END_TEST

START_TEST(rate)
{
	/* 120 a minute: 10 at once, then two a second. */
	struct pace_rule rule = {.per_minute = 120};
	int64_t began_ms;
	struct world w;

	start(&w, &rule);
	began_ms = clock_mono_ms();
	world_accept_many(&w, &bulk, 16);
	UNTIL(&w, sink_count(w.sink) == 16, "all in time");
	ck_assert_int_ge(clock_mono_ms() - began_ms, 2900);
	world_close(&w);
}
END_TEST

/* Not more of one message than goes in a minute; the rest waits. */
START_TEST(batches)
{
	static const struct letter five = {
	    .to = "a@example.net b@example.net c@example.net d@example.net "
		  "e@example.net",
	    .lane = LANE_BULK};
	struct pace_rule rule = {.per_minute = 3};
	struct world w;

	start(&w, &rule);
	world_accept(&w, &five);
	UNTIL(&w, sink_count(w.sink) == 1, "a minute's worth");
	ck_assert_str_eq(sink_mail(w.sink, 0)->rcpts,
			 "a@example.net b@example.net c@example.net");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 3, "marked");
	wait_ms(&w, 200);
	ck_assert_uint_eq(sink_count(w.sink), 1);
	ck_assert_uint_eq(status_of(&w).queued, 2);
	world_close(&w);
}
END_TEST

START_TEST(per_connection)
{
	struct pace_rule rule = {.per_connection = 2, .connections = 1};
	struct world w;

	start(&w, &rule);
	world_accept_many(&w, &bulk, 6);
	UNTIL(&w, sink_count(w.sink) == 6, "all");
	ck_assert_uint_ge(sink_connections(w.sink), 3);
	world_close(&w);
}
END_TEST

START_TEST(connections)
{
	struct pace_rule rule = {.connections = 1};
	size_t most = 0;
	struct world w;

	world_open(&w, NULL);
	w.conf.bulk.site = rule;
	sink_pause_ms(w.sink, 20);
	world_start(&w);
	/* The personal lane asks what the hop offers; that one is over. */
	world_accept(&w, &personal);
	UNTIL(&w, sink_count(w.sink) == 1 && sink_connections_now(w.sink) <= 1,
	      "quiet");
	world_accept_many(&w, &bulk, 20);
	while (sink_count(w.sink) < 21) {
		size_t n = sink_count(w.sink);

		UNTIL(&w, sink_count(w.sink) > n, "the next");
		if (sink_connections_now(w.sink) > most)
			most = sink_connections_now(w.sink);
	}
	ck_assert_uint_le(most, 2); /* one of them a person's, at rest */
	world_close(&w);
}
END_TEST

START_TEST(warm_up)
{
	static const uint32_t plan[] = {3};
	struct world w;

	world_open(&w, NULL);
	w.conf.bulk.warmup = plan;
	w.conf.bulk.warmup_days = 1;
	w.conf.bulk.warmup_since_wall_s = clock_wall_s();
	world_start(&w);
	world_accept_many(&w, &bulk, 6);
	UNTIL(&w, sink_count(w.sink) == 3, "the day's share");
	wait_ms(&w, 500);
	ck_assert_uint_eq(sink_count(w.sink), 3);
	world_accept(&w, &personal);
	UNTIL(&w, sink_count(w.sink) == 4, "people have no plan");
	world_close(&w);
}
END_TEST

/* A restart goes on where the day was, and a message is cut to what is left. */
START_TEST(warm_up_survives)
{
	static const struct letter many = {
	    .to = "a@example.net 450-x@example.net 550-x@example.net "
		  "b@example.net c@example.net d@example.net",
	    .lane = LANE_BULK};
	static const uint32_t plan[] = {4};
	struct world w;

	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	w.conf.bulk.warmup = plan;
	w.conf.bulk.warmup_days = 1;
	w.conf.bulk.warmup_since_wall_s = clock_wall_s();
	world_start(&w);
	world_accept_many(&w, &bulk, 2);
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 2, "two of it");
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	world_start(&w);
	world_accept(&w, &many);
	/* Of two that it asks for the second is put off, and gives way to the
	 * next, who is refused for good. */
	UNTIL(&w, world_ledger(&w).by_state[RCPT_BOUNCED] == 1, "the rest");
	wait_ms(&w, 500);
	ck_assert_uint_eq(count_to(&w, "bob@example.net"), 2);
	ck_assert_uint_eq(count_to(&w, "a@example.net"), 1);
	/* The report of who was refused is the only other. */
	ck_assert_uint_le(sink_count(w.sink), 4);
	UNTIL(&w, status_of(&w).queued == 4, "four of them another day");
	world_accept(&w, &personal);
	UNTIL(&w, count_to(&w, "eve@example.net") == 1, "people have no plan");
	world_close(&w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pacing");
	TCase *t = tcase_create("pacing");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, slows_and_recovers, 0,
			    sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(t, people_do_not_notice);
	tcase_add_test(t, greylisting_slows_nobody);
	tcase_add_test(t, batches);
	tcase_add_test(t, rate);
	tcase_add_test(t, per_connection);
	tcase_add_test(t, connections);
	tcase_add_test(t, warm_up);
	tcase_add_test(t, warm_up_survives);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
