/* Connections: how many, kept how long, tried anew when, and who may end what
 * at any time. */
#include "tests/icap/world.h"

static void
check(struct scan *s, enum scan_kind kind)
{
	ck_assert_msg(s->result.verdict.kind == kind, "%s: kind %d why %d: %s",
		      s->label, s->result.verdict.kind, s->result.verdict.why,
		      s->result.error);
}

#define MANY 40

static void
scan_many(struct world *w, struct scan *scans, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		scan_init(&scans[i], w, "one of many", 5000 + i);
		scan_go(&scans[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		scan_wait(&scans[i]);
		check(&scans[i], SCAN_CLEAN);
	}
}

static const struct icap_reply clean = {.when = AFTER_BODY};

struct limit_row {
	const char *label;
	uint32_t own;
	const char *options;
	unsigned most;
};

#define OPTIONS "ICAP/1.0 200 OK|Methods: RESPMOD|ISTag: \"T-1\"|"

static const struct limit_row limit_rows[] = {
    {"default", 0, OPTIONS "|", 8},
    {"our cap", 3, OPTIONS "|", 3},
    {"theirs", 0, OPTIONS "Max-Connections: 2||", 2},
    {"theirs is more", 3, OPTIONS "Max-Connections: 100||", 3},
    {"theirs is nothing", 3, OPTIONS "Max-Connections: 0||", 3},
    {"theirs is negative", 3, OPTIONS "Max-Connections: -1||", 3},
    {"one", 1, OPTIONS "|", 1},
};

START_TEST(limits)
{
	const struct limit_row *row = &limit_rows[_i];
	struct icap_pool_status status;
	struct scan scans[MANY];
	struct world w;

	world_start(&w, &clean, 1);
	w.service.connection_max = row->own;
	world_pool(&w);
	icap_server_options(w.server, row->options);
	world_options(&w, NULL);
	scan_many(&w, scans, MANY);
	ck_assert_msg(icap_server_seen(w.server)->open_most == row->most,
		      "%s: %u", row->label,
		      icap_server_seen(w.server)->open_most);
	icap_pool_status_get(w.pool, &status);
	ck_assert_uint_eq(status.connections, row->most);
	ck_assert_uint_eq(status.busy, 0);
	ck_assert_uint_eq(status.waiting, 0);
	ck_assert_uint_eq(status.requests, MANY + 1);
	ck_assert_uint_eq(status.opened, row->most);
	world_stop(&w);
}
END_TEST

/* Connections over a limit that came down are not kept. */
START_TEST(limit_comes_down)
{
	struct scan scans[MANY];
	struct world w;

	world_start(&w, &clean, 1);
	scan_many(&w, scans, MANY);
	ck_assert_uint_eq(icap_server_seen(w.server)->open, 8);
	icap_server_options(w.server, OPTIONS "Max-Connections: 2||");
	world_options(&w, NULL);
	scan_many(&w, scans, MANY);
	turn_some(w.loop);
	ck_assert_uint_le(icap_server_seen(w.server)->open, 8);
	scan_many(&w, scans, MANY);
	TURN_UNTIL(w.loop, icap_server_seen(w.server)->open == 2, "two stay");
	world_stop(&w);
}
END_TEST

/* An idle connection costs the server a thread. */
START_TEST(idle_ones_go)
{
	struct scan scans[4];
	struct world w;

	world_start(&w, &clean, 1);
	w.service.idle_ms = 50;
	world_pool(&w);
	scan_many(&w, scans, 4);
	ck_assert_uint_ge(icap_server_seen(w.server)->open_most, 1);
	TURN_UNTIL(w.loop, icap_server_seen(w.server)->open == 0, "idle");
	scan_many(&w, scans, 4);
	world_stop(&w);
}
END_TEST

/* The server closes after so many requests without a word. */
START_TEST(closed_without_notice)
{
	struct icap_pool_status status;
	struct scan s;
	struct world w;

	world_start(&w, &clean, 1);
	icap_server_most(w.server, 3);
	for (int i = 0; i < 20; i++) {
		scan_init(&s, &w, "one of twenty", 2000);
		scan_go(&s);
		while (s.done == 0)
			loop_turn(w.loop);
		check(&s, SCAN_CLEAN);
	}
	icap_pool_status_get(w.pool, &status);
	ck_assert_uint_ge(status.opened, 7);
	world_stop(&w);
}
END_TEST

/* Closed while the request is on its way: once more, and then no more. */
START_TEST(tried_anew)
{
	static const struct icap_reply replies[2][4] = {
	    {{.when = AFTER_BODY},
	     {.text = "", .then = THEN_RESET},
	     {.when = AFTER_BODY}},
	    {{.when = AFTER_BODY},
	     {.text = "", .then = THEN_CLOSE},
	     {.text = "", .then = THEN_CLOSE},
	     {.when = AFTER_BODY}}};
	struct icap_pool_status status;
	struct scan s;
	struct world w;

	world_start(&w, replies[_i], _i == 0 ? 3 : 4);
	scan_init(&s, &w, "first", 2000);
	scan_go(&s);
	scan_wait(&s);
	ck_assert(!s.result.retried);
	scan_init(&s, &w, "second", 2000);
	scan_go(&s);
	scan_wait(&s);
	ck_assert(s.result.retried);
	ck_assert_uint_eq(s.again, 2);
	if (_i == 0) {
		check(&s, SCAN_CLEAN);
		ck_assert_uint_eq(icap_server_seen(w.server)->bytes, 2000);
	} else {
		check(&s, SCAN_ERROR);
		ck_assert_int_eq(s.result.verdict.why, SCAN_WHY_DOWN);
	}
	ck_assert_uint_eq(icap_server_seen(w.server)->accepted, 2);
	icap_pool_status_get(w.pool, &status);
	ck_assert_uint_eq(status.retries, 1);
	world_stop(&w);
}
END_TEST

/* Half an answer is one: it is not tried anew. */
START_TEST(half_an_answer)
{
	static const struct icap_reply replies[] = {
	    {.text = "ICAP/1.0 2", .then = THEN_CLOSE}, {.when = AFTER_BODY}};
	struct scan s;
	struct world w;

	world_start(&w, replies, 2);
	scan_init(&s, &w, "half", 2000);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_ERROR);
	ck_assert_int_eq(s.result.verdict.why, SCAN_WHY_PROTOCOL);
	ck_assert(!s.result.retried);
	ck_assert_uint_eq(s.again, 1);
	world_stop(&w);
}
END_TEST

/* Who lets go of the body is told that there is no other try, and read is not
 * called again. */
START_TEST(released)
{
	static const struct icap_reply replies[] = {{.when = NEVER},
						    {.when = AFTER_BODY}};
	unsigned reads;
	struct scan s;
	struct world w;

	world_start(&w, replies, 2);
	scan_init(&s, &w, "released", 200000);
	scan_go(&s);
	ck_assert(!icap_scan_release(s.op));
	TURN_UNTIL(w.loop, icap_server_seen(w.server)->bytes == 200000, "sent");
	ck_assert(icap_scan_release(s.op));
	reads = s.reads;
	icap_server_destroy(&w.server);
	w.server = icap_server_create(w.loop, replies, 2);
	scan_wait(&s);
	check(&s, SCAN_ERROR);
	ck_assert_int_eq(s.result.verdict.why, SCAN_WHY_DOWN);
	ck_assert_uint_eq(s.reads, reads);
	world_stop(&w);
}
END_TEST

/* Cancelled in every state: done never runs, and the others go on. */
START_TEST(cancelled)
{
	struct icap_pool_status status;
	struct scan s, other;
	struct world w;

	world_start(&w, &clean, 1);
	w.service.connection_max = 1;
	world_pool(&w);
	for (int turns = 0; turns < 12; turns++) {
		scan_init(&s, &w, "cancelled", 100000);
		scan_init(&other, &w, "waits behind", 3000);
		scan_go(&s);
		scan_go(&other);
		for (int i = 0; i < turns; i++)
			loop_turn(w.loop);
		if (s.done == 0)
			icap_scan_cancel(&s.op);
		ck_assert_ptr_null(s.op);
		icap_scan_cancel(&s.op);
		scan_wait(&other);
		check(&other, SCAN_CLEAN);
		ck_assert_uint_le(s.done, 1);
	}
	/* the one that waits */
	scan_init(&s, &w, "goes on", 3000);
	scan_init(&other, &w, "cancelled while waiting", 3000);
	scan_go(&s);
	scan_go(&other);
	icap_pool_status_get(w.pool, &status);
	ck_assert_uint_eq(status.waiting, 1);
	icap_scan_cancel(&other.op);
	icap_pool_status_get(w.pool, &status);
	ck_assert_uint_eq(status.waiting, 0);
	scan_wait(&s);
	ck_assert_uint_eq(other.done, 0);
	world_stop(&w);
}
END_TEST

/* With operations in every state under way. */
START_TEST(pool_destroyed)
{
	struct scan scans[MANY];
	struct world w;

	for (int turns = 0; turns < 12; turns++) {
		world_start(&w, &clean, 1);
		w.service.connection_max = 3;
		world_pool(&w);
		for (unsigned i = 0; i < MANY; i++) {
			scan_init(&scans[i], &w, "destroyed", 100000);
			scan_go(&scans[i]);
		}
		for (int i = 0; i < turns; i++)
			loop_turn(w.loop);
		icap_pool_destroy(&w.pool);
		turn_some(w.loop);
		for (unsigned i = 0; i < MANY; i++)
			ck_assert_uint_le(scans[i].done, 1);
		world_stop(&w);
	}
}
END_TEST

START_TEST(destroyed_in_done)
{
	static const struct icap_reply replies[] = {
	    {.when = AFTER_BODY},
	    {.text = "ICAP/1.0 500 No||"},
	    {.text = "x", .then = THEN_CLOSE},
	    {.text = "", .then = THEN_RESET},
	    {.when = AFTER_HEAD, .text = "ICAP/1.0 204 No||"},
	};
	struct scan s, waits;
	struct world w;

	world_start(&w, &replies[_i], 1);
	w.service.connection_max = 1;
	world_pool(&w);
	scan_init(&s, &w, "destroys", 1000000);
	s.destroy_pool = true;
	scan_init(&waits, &w, "waits", 1000);
	scan_go(&s);
	scan_go(&waits);
	scan_wait(&s);
	ck_assert_uint_eq(waits.done, 0);
	world_stop(&w);
}
END_TEST

/* One after the other, each begun in the other's done, on one connection. */
START_TEST(next_in_done)
{
	struct scan s;
	struct world w;

	world_start(&w, &clean, 1);
	for (int i = 0; i < 20; i++) {
		scan_init(&s, &w, "next", 3000);
		s.next = true;
		scan_go(&s);
		scan_wait(&s);
		check(&s, SCAN_CLEAN);
	}
	ck_assert_uint_eq(icap_server_seen(w.server)->accepted, 1);
	ck_assert_uint_eq(icap_server_seen(w.server)->requests, 40);
	world_stop(&w);
}
END_TEST

START_TEST(no_connection_in_time)
{
	static const struct icap_reply never = {.when = NEVER};
	struct scan s, waits;
	struct world w;

	world_start(&w, &never, 1);
	w.service.connection_max = 1;
	world_pool(&w);
	scan_init(&s, &w, "holds it", 1000);
	scan_init(&waits, &w, "waits", 1000);
	waits.req.timeout_ms = 50;
	scan_go(&s);
	scan_go(&waits);
	scan_wait(&waits);
	check(&waits, SCAN_ERROR);
	ck_assert_int_eq(waits.result.verdict.why, SCAN_WHY_TIMEOUT);
	ck_assert_uint_eq(waits.reads, 0);
	ck_assert_uint_eq(s.done, 0);
	world_stop(&w);
}
END_TEST

/* OPTIONS is asked before what waits. */
START_TEST(options_first)
{
	struct scan scans[3];
	struct icap_result result;
	struct world w;

	world_start(&w, &clean, 1);
	w.service.connection_max = 1;
	world_pool(&w);
	for (int i = 0; i < 3; i++) {
		scan_init(&scans[i], &w, "waits", 1000);
		scan_go(&scans[i]);
	}
	world_options(&w, &result);
	ck_assert_int_eq(result.verdict.kind, SCAN_CLEAN);
	for (int i = 0; i < 3; i++)
		scan_wait(&scans[i]);
	ck_assert_int_eq(icap_server_seen(w.server)->preview_bytes, 1000);
	world_stop(&w);
}
END_TEST

START_TEST(addresses)
{
	struct ip_addr ips[2];
	struct scan s;
	struct world w;

	world_start(&w, &clean, 1);
	/* nobody listens at the first: the second is tried */
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.9.9.9"), &ips[0]), 0);
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.1"), &ips[1]), 0);
	icap_pool_set_addresses(w.pool, ips, 2);
	scan_init(&s, &w, "second address", 1000);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_CLEAN);
	/* no address: nothing is asked, connections are not kept */
	icap_pool_set_addresses(w.pool, NULL, 0);
	scan_init(&s, &w, "no address", 1000);
	scan_go(&s);
	ck_assert_uint_eq(s.done, 0);
	scan_wait(&s);
	check(&s, SCAN_ERROR);
	ck_assert_int_eq(s.result.verdict.why, SCAN_WHY_DOWN);
	ck_assert_uint_eq(icap_server_seen(w.server)->open, 0);
	/* all of them refuse */
	icap_pool_set_addresses(w.pool, ips, 1);
	scan_init(&s, &w, "refused", 1000);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_ERROR);
	ck_assert_int_eq(s.result.verdict.why, SCAN_WHY_DOWN);
	ck_assert_msg(strstr(s.result.error, "127.9.9.9") != NULL, "%s",
		      s.result.error);
	/* and it is there again */
	icap_pool_set_addresses(w.pool, &ips[1], 1);
	scan_init(&s, &w, "there again", 1000);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_CLEAN);
	world_stop(&w);
}
END_TEST

/* While a connection is being made to an address that is not one any more. */
START_TEST(addresses_change_meanwhile)
{
	struct ip_addr ips[2];
	struct scan s;
	struct world w;

	world_start(&w, &clean, 1);
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.9.9.9"), &ips[0]), 0);
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.1"), &ips[1]), 0);
	for (int i = 0; i < 3; i++) {
		icap_pool_set_addresses(w.pool, ips, 2);
		scan_init(&s, &w, "changing", 1000);
		scan_go(&s);
		icap_pool_set_addresses(w.pool, &ips[1], i == 2 ? 0 : 1);
		scan_wait(&s);
		/* the one that is being tried refuses; the next is good */
		check(&s, i == 2 ? SCAN_ERROR : SCAN_CLEAN);
		icap_pool_set_addresses(w.pool, NULL, 0);
	}
	world_stop(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("icap/pool");
	TCase *tc = tcase_create("pool");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, limits, 0,
			    (int)(sizeof(limit_rows) / sizeof(limit_rows[0])));
	tcase_add_test(tc, limit_comes_down);
	tcase_add_test(tc, idle_ones_go);
	tcase_add_test(tc, closed_without_notice);
	tcase_add_loop_test(tc, tried_anew, 0, 2);
	tcase_add_test(tc, half_an_answer);
	tcase_add_test(tc, released);
	tcase_add_test(tc, cancelled);
	tcase_add_test(tc, pool_destroyed);
	tcase_add_loop_test(tc, destroyed_in_done, 0, 5);
	tcase_add_test(tc, next_in_done);
	tcase_add_test(tc, no_connection_in_time);
	tcase_add_test(tc, options_first);
	tcase_add_test(tc, addresses);
	tcase_add_test(tc, addresses_change_meanwhile);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
