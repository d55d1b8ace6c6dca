/* The op over c-ares: what c-ares does differently must not be seen. */
#include "gateway/base/mem.h"
#include "tests/dns/asking.h"

static const struct {
	const char *label, *name;
	enum dns_status status;
	uint32_t count;
} rows[] = {
    {"found", "a.test", DNS_OK, 1},
    {"upper case, trailing dot", "A.Test.", DNS_OK, 1},
    {"not there", "nowhere.test", DNS_NXDOMAIN, 0},
    {"no such record", "empty.test", DNS_NODATA, 0},
    {"SERVFAIL is not a dead resolver", "servfail.test", DNS_FAIL, 0},
    {"silence", "silent.test", DNS_TIMEOUT, 0},
    {"truncated, then TCP", "big.test", DNS_OK, 1},
    {"letters that come back small: TCP", "folds.test", DNS_OK, 1},
    {"an answer of another id comes first", "forged-id.test", DNS_OK, 1},
    {"answers to other questions come first", "forged-q.test", DNS_OK, 1},
    {"packets that are none come first", "forged-short.test", DNS_OK, 1},
    {"the question comes back", "echoed-udp.test", DNS_OK, 1},
    {"the question comes back, by TCP too", "echoed.test", DNS_FAIL, 0},
    {"no name: c-ares would call back at once", "a..test", DNS_NXDOMAIN, 0},
    {"an escape of c-ares", "a\\046b.test", DNS_NXDOMAIN, 0},
    {"a label of 64",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test",
     DNS_NXDOMAIN, 0},
};

START_TEST(test_rows)
{
	/* short only where it is waited for: the machine may be busy */
	struct dns_opts opts = {.timeout_ms =
				    rows[_i].status == DNS_TIMEOUT ? 60 : 5000,
				.tries = 2};
	struct bench b;
	struct got g;

	bench_with(&b, opts);
	ask(&b, &g, rows[_i].name);
	TURN_UNTIL(b.loop, g.done > 0, rows[_i].label);
	ck_assert_msg(g.status == rows[_i].status, "%s: %d %s", rows[_i].label,
		      g.status, g.text);
	ck_assert_msg(g.count == rows[_i].count, "%s", rows[_i].label);
	turn_some(b.loop);
	ck_assert_uint_eq(g.done, 1);
	ck_assert_uint_eq(dns_inflight_count(b.dns), 0);
	bench_fini(&b);
}
END_TEST

/* Underscore labels, and an answer that only TCP has room for. */
START_TEST(test_txt)
{
	struct dns_req req = {.name = "_DMARC.txt.test", .type = DNS_TXT};
	struct dns_opts opts = {.timeout_ms = 10000};
	struct bench b;
	struct got g;

	bench_with(&b, opts);
	ask_req(&b, &g, &req);
	TURN_UNTIL(b.loop, g.done > 0, "TXT");
	ck_assert_int_eq(g.status, DNS_OK);
	ck_assert_uint_eq(g.count, 1);
	ck_assert_str_eq(g.data, "v=DMARC1; p=none");
	ck_assert_uint_eq(dns_server_tcp_count(b.server), 1);
	bench_fini(&b);
}
END_TEST

/* One refused TCP retry must not fail the questions beside it. */
START_TEST(test_tcp_refused)
{
	struct dns_opts opts = {.timeout_ms = 10000};
	struct bench b;
	struct got big, others[20];

	bench_with(&b, opts);
	dns_server_refuse_tcp(b.server);
	ask(&b, &big, "big.test");
	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d.test", i);
		ask(&b, &others[i], name);
	}
	TURN_UNTIL(b.loop, b.done == 21, "TCP refused");
	ck_assert_int_eq(big.status, DNS_FAIL);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(others[i].status, DNS_NXDOMAIN);
	/* nobody else had to ask again */
	ck_assert_uint_eq(dns_server_udp_count(b.server), 21);
	bench_fini(&b);
}
END_TEST

/* Ten thousand who want the same: one question; the types are apart. */
START_TEST(test_shared)
{
	enum { MANY = 10000 };
	static const char *const spellings[] = {"a.test", "A.TEST", "a.test.",
						"a.Test"};
	struct got *g = mem_array(MANY, sizeof(*g)), mx;
	struct dns_req req = {.name = "a.test", .type = DNS_MX};
	struct dns_opts opts = {.timeout_ms = 10000};
	struct bench b;

	bench_with(&b, opts);
	for (int i = 0; i < MANY; i++)
		ask(&b, &g[i], spellings[i % 4]);
	ask_req(&b, &mx, &req);
	ck_assert_uint_eq(dns_inflight_count(b.dns), 2);
	for (int i = 0; i < MANY; i += 3)
		dns_lookup_cancel(&g[i].op);
	TURN_UNTIL(b.loop, mx.done > 0, "the other type");
	TURN_UNTIL(b.loop, b.done == MANY - (MANY + 2) / 3 + 1, "all");
	for (int i = 0; i < MANY; i++) {
		ck_assert_uint_eq(g[i].done, i % 3 != 0);
		ck_assert(i % 3 == 0 ||
			  (g[i].status == DNS_OK && g[i].count == 1));
	}
	ck_assert_int_eq(mx.status, DNS_NXDOMAIN);
	ck_assert_uint_eq(dns_server_udp_count(b.server), 2);
	bench_fini(&b);
	free(g);
}
END_TEST

/* All who asked have gone; who asks next shares what is still under way. */
START_TEST(test_rejoin)
{
	struct bench b;
	struct got g;

	bench_init(&b, 0);
	ask(&b, &g, "held.test");
	TURN_UNTIL(b.loop, dns_server_udp_count(b.server) == 1, "asked");
	dns_lookup_cancel(&g.op);
	ck_assert_uint_eq(dns_inflight_count(b.dns), 1);
	ask(&b, &g, "held.test");
	ck_assert_uint_eq(dns_inflight_count(b.dns), 1);
	ck_assert_uint_eq(dns_server_release(b.server), 1);
	TURN_UNTIL(b.loop, g.done > 0, "answered");
	ck_assert_int_eq(g.status, DNS_OK);
	ck_assert_uint_eq(dns_server_udp_count(b.server), 1);
	bench_fini(&b);
}
END_TEST

/* One owner's silent names leave slots to another's good ones; when they are
 * too many, its own are given up. */
START_TEST(test_silent_flood)
{
	enum { FLOOD = 60 };
	struct dns_opts opts = {.inflight_max = 8, .timeout_ms = 10000};
	struct got g[FLOOD], good;
	unsigned busy = 0;
	struct bench b;

	bench_with(&b, opts);
	for (int i = 0; i < FLOOD; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d.silent.test", i);
		ask_of(&b, &g[i], "flood", name);
	}
	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "good%d.test", i);
		ask_of(&b, &good, "other", name);
		turn_some(b.loop);
		ck_assert_msg(good.done == 1, "%s was not asked at once", name);
		ck_assert_int_eq(good.status, DNS_NXDOMAIN);
	}
	/* 6 each 300 ms, and 16 may stay */
	TURN_UNTIL(b.loop, b.done >= 20 + 20, "given up");
	for (int i = 0; i < FLOOD; i++) {
		busy += g[i].done > 0;
		ck_assert(g[i].done == 0 || g[i].status == DNS_BUSY);
	}
	ck_assert_uint_ge(busy, 20);
	ck_assert_uint_le(dns_inflight_count(b.dns), 8 + 16);
	for (int i = 0; i < FLOOD; i++)
		dns_lookup_cancel(&g[i].op);
	bench_fini(&b);
}
END_TEST

START_TEST(test_nobody_there)
{
	struct dns_opts opts = {
	    .servers = "127.0.0.1:1", .timeout_ms = 60, .tries = 2};
	struct bench b = {.loop = loop_create()};
	struct got g;

	b.dns = dns_create(b.loop, &opts);
	ask(&b, &g, "a.test");
	TURN_UNTIL(b.loop, g.done > 0, "no resolver");
	ck_assert(g.status == DNS_FAIL || g.status == DNS_TIMEOUT);
	dns_destroy(&b.dns);
	loop_destroy(&b.loop);
}
END_TEST

/* No more on the wire than allowed; the others wait their turn. */
START_TEST(test_inflight_max)
{
	struct bench b;
	struct got *g = mem_array(300, sizeof(*g));

	bench_init(&b, 20);
	for (int i = 0; i < 300; i++) {
		ask(&b, &g[i], "a.test");
		ck_assert_uint_le(dns_inflight_count(b.dns), 20);
	}
	TURN_UNTIL(b.loop, b.done == 300, "300 questions");
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(g[i].status, DNS_OK);
	bench_fini(&b);
	free(g);
}
END_TEST

START_TEST(test_too_many)
{
	enum { MANY = 2 + 2 * 16 + 5 };
	struct bench b;
	struct got g[MANY];
	int failed = 0;

	bench_init(&b, 2);
	for (int i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d.silent.test", i);
		ask(&b, &g[i], name);
	}
	turn_some(b.loop);
	for (int i = 0; i < MANY; i++)
		failed += g[i].done > 0 && g[i].status == DNS_BUSY;
	ck_assert_int_eq(failed, 5);
	for (int i = 0; i < MANY; i++)
		dns_lookup_cancel(&g[i].op);
	bench_fini(&b);
}
END_TEST

/* Waiting, asked and ready ones: silent when cancelled, after n turns. */
START_TEST(test_cancel)
{
	static const char *const names[] = {"a.test", "silent.test", "a b",
					    "nowhere.test"};
	struct bench b;
	struct got g[12];

	bench_init(&b, 3);
	for (int i = 0; i < 12; i++)
		ask(&b, &g[i], names[i % 4]);
	for (int i = 0; i < _i; i++)
		loop_turn(b.loop);
	for (int i = 0; i < 12; i += 2) {
		g[i].done += 100;
		dns_lookup_cancel(&g[i].op);
		ck_assert_ptr_null(g[i].op);
	}
	TURN_UNTIL(b.loop,
		   g[1].done && g[3].done && g[5].done && g[7].done &&
		       g[9].done && g[11].done,
		   "those that were not cancelled");
	turn_some(b.loop);
	for (int i = 0; i < 12; i++)
		ck_assert(i % 2 == 0 ? g[i].done >= 100 : g[i].done == 1);
	bench_fini(&b);
}
END_TEST

/* Destroyed with questions open, after n turns: nobody is called. */
START_TEST(test_destroy)
{
	struct bench b;
	struct got g[6];
	unsigned done;

	bench_init(&b, 3);
	for (int i = 0; i < 6; i++)
		ask(&b, &g[i], "silent.test");
	for (int i = 0; i < _i; i++)
		loop_turn(b.loop);
	done = b.done;
	dns_destroy(&b.dns);
	turn_some(b.loop);
	ck_assert_uint_eq(b.done, done);
	bench_fini(&b);
}
END_TEST

static void
on_answer_destroy(void *arg, const struct dns_answer *answer)
{
	struct got *g = arg;

	dns_destroy(&g->bench->dns);
	on_answer(arg, answer);
}

START_TEST(test_destroy_inside_done)
{
	struct dns_req req = {.name = _i == 0 ? "a.test" : "a b",
			      .type = DNS_A};
	struct bench b;
	struct got g[3] = {{.bench = &b}, {.bench = &b}, {.bench = &b}};

	bench_init(&b, 0);
	for (int i = 0; i < 3; i++)
		g[i].op =
		    dns_lookup_start(b.dns, &req, on_answer_destroy, &g[i]);
	TURN_UNTIL(b.loop, b.done > 0, "destroyed");
	turn_some(b.loop);
	ck_assert_uint_eq(b.done, 1);
	bench_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/lookup");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_rows, 0, COUNT(rows));
	tcase_add_test(tc, test_txt);
	tcase_add_test(tc, test_tcp_refused);
	tcase_add_test(tc, test_shared);
	tcase_add_test(tc, test_rejoin);
	tcase_add_test(tc, test_silent_flood);
	tcase_add_test(tc, test_nobody_there);
	tcase_add_test(tc, test_inflight_max);
	tcase_add_test(tc, test_too_many);
	tcase_add_loop_test(tc, test_cancel, 0, 6);
	tcase_add_loop_test(tc, test_destroy, 0, 4);
	tcase_add_loop_test(tc, test_destroy_inside_done, 0, 2);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
