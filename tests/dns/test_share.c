/* Equal look-ups are one: within a loop, between loops, and when those who
 * asked go away. What one credential may ask. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/domain.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "tests/support/dns_server.h"
#include "tests/support/turn.h"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))
#define LOOPS_MAX 70

static const struct dns_row zone[] = {
    {"mx1.lab", "A", 0, 0, "@ 400 A 192.0.2.1"},
    {"one.lab", "MX", 0, 0, "@ 900 MX 10 mx1.lab"},
    {"servfail.lab", NULL, 2, 0, NULL},
    {"silent.lab", NULL, 0, DNS_SILENT, NULL},
    {"*.silent.lab", NULL, 0, DNS_SILENT, NULL},
    {"held.lab", NULL, 3, DNS_HOLDS, "!lab 900 SOA 120"},
    {"*.held.lab", NULL, 3, DNS_HOLDS, "!lab 900 SOA 120"},
    {"partsilent.lab", "MX", 0, 0,
     "@ 900 MX 5 a.silent.lab\n@ 900 MX 6 b.silent.lab\n"
     "@ 900 MX 7 c.silent.lab\n@ 900 MX 20 mx1.lab"},
};

/* Loop 0 has the name server; each has a dns of its own. */
struct bench {
	unsigned count;
	struct loop *loops[LOOPS_MAX];
	struct dns *dns[LOOPS_MAX];
	struct dns_server *server;
	struct dns_cache *cache;
};

struct got {
	struct bench *bench;
	unsigned loop;
	struct dns_domain_op *op;
	unsigned done;
	bool destroys; /* its dns, in done */
	struct domain_fact fact;
};

static void
on_domain(void *arg, const struct dns_domain_result *result)
{
	struct got *g = arg;

	g->op = NULL;
	g->done++;
	g->fact = result->fact;
	if (g->destroys)
		dns_destroy(&g->bench->dns[g->loop]);
}

static void
bench_init(struct bench *b, unsigned count, uint32_t cred_max,
	   uint32_t inflight_max)
{
	/* nothing moves aside by itself, however slow the machine is */
	struct dns_cache_conf conf = {.cred_max = cred_max,
				      .slow_ms = INT32_MAX};
	struct dns_opts opts = {
	    .timeout_ms = 3000, .tries = 2, .inflight_max = inflight_max};

	memset(b, 0, sizeof(*b));
	b->count = count;
	b->cache = dns_cache_create(&conf);
	for (unsigned i = 0; i < count; i++) {
		b->loops[i] = loop_create();
		if (i == 0) {
			b->server = dns_server_create(
			    b->loops[0], zone, sizeof(zone) / sizeof(zone[0]));
			opts.servers = dns_server_text(b->server);
			opts.cache = b->cache;
		}
		b->dns[i] = dns_create(b->loops[i], &opts);
		ck_assert_ptr_nonnull(b->dns[i]);
	}
}

static void
turn_all(struct bench *b)
{
	for (unsigned i = 0; i < b->count; i++)
		loop_turn(b->loops[i]);
	sched_yield();
}

#define ALL_UNTIL(b, cond)                                                \
	do {                                                              \
		int64_t until_ = clock_mono_ms() + TURN_PATIENCE_MS;      \
		while (!(cond)) {                                         \
			turn_all(b);                                      \
			ck_assert_msg(clock_mono_ms() < until_, "%s: %s", \
				      __func__, #cond);                   \
		}                                                         \
	} while (0)

static void
turn_all_some(struct bench *b)
{
	for (int i = 0; i < 50; i++)
		turn_all(b);
}

static void
bench_fini(struct bench *b)
{
	for (unsigned i = 0; i < b->count; i++)
		dns_destroy(&b->dns[i]);
	dns_cache_destroy(&b->cache);
	dns_server_destroy(&b->server);
	turn_all_some(b);
	for (unsigned i = 0; i < b->count; i++)
		loop_destroy(&b->loops[i]);
}

static void
ask_req(struct bench *b, struct got *g, unsigned loop,
	const struct dns_domain_req *req)
{
	memset(g, 0, sizeof(*g));
	g->bench = b;
	g->loop = loop;
	g->op = dns_domain_start(b->dns[loop], req, on_domain, g);
	ck_assert_ptr_nonnull(g->op);
	ck_assert_uint_eq(g->done, 0);
}

static void
ask(struct bench *b, struct got *g, unsigned loop, const char *domain,
    const char *owner)
{
	struct dns_domain_req req = {.domain = domain, .owner = owner};

	ask_req(b, g, loop, &req);
}

static unsigned
questions(const struct bench *b)
{
	return dns_server_udp_count(b->server);
}

/* ---- One loop ---- */

#define MANY 10000

START_TEST(test_many_are_one)
{
	struct got *got = mem_array(MANY, sizeof(*got));
	struct dns_cache_status status;
	unsigned done = 0, most = 0;
	struct bench b;

	bench_init(&b, 1, 1, 0);
	for (unsigned i = 0; i < MANY; i++)
		ask(&b, &got[i], 0, i % 2 ? "one.lab" : "One.LAB.", "bob");
	/* and they are not all answered in one turn */
	while (done < MANY) {
		unsigned now = 0;

		turn_all(&b);
		for (unsigned i = 0; i < MANY; i++)
			now += got[i].done;
		if (now - done > most)
			most = now - done;
		done = now;
	}
	ck_assert_uint_le(most, 1000);
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_uint_eq(got[i].done, 1);
		ck_assert_int_eq(got[i].fact.verdict, DOMAIN_DELIVERABLE);
	}
	ck_assert_uint_eq(questions(&b), 2); /* MX, A */
	dns_cache_status_get(b.cache, &status);
	ck_assert_uint_eq(status.shared, MANY - 1);
	ck_assert_uint_eq(status.busy, 0);
	ck_assert_uint_eq(status.verdicts[DOMAIN_DELIVERABLE], 1);
	bench_fini(&b);
	free(got);
}
END_TEST

/* Cancelled in part, after some turns; the question goes on for the cache. */
START_TEST(test_cancel)
{
	struct domain_fact fact;
	struct got got[3];
	struct bench b;

	bench_init(&b, 1, 0, 0);
	for (int i = 0; i < 3; i++)
		ask(&b, &got[i], 0, "one.lab", NULL);
	for (int i = 0; i < _i; i++)
		turn_all(&b);
	for (int i = 0; i < 3; i++) {
		if (got[i].done > 0)
			continue;
		dns_domain_cancel(&got[i].op);
		ck_assert_ptr_null(got[i].op);
	}
	ALL_UNTIL(&b, dns_domain_known(b.dns[0], SLICE_LIT("one.lab"),
				       clock_wall_s(), &fact));
	ck_assert_int_eq(fact.verdict, DOMAIN_DELIVERABLE);
	turn_all_some(&b);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_le(got[i].done, 1);
	dns_domain_cancel(&got[0].op); /* NULL is fine */
	bench_fini(&b);
}
END_TEST

/* Those who do not wait any longer; the answer comes late, for the next. */
START_TEST(test_wait)
{
	struct dns_domain_req req = {.domain = "held.lab", .wait_ms = 20};
	struct domain_fact fact;
	struct got brief, brief2, patient;
	struct bench b;

	bench_init(&b, 1, 0, 0);
	ask_req(&b, &brief, 0, &req);
	req.wait_ms = 0;
	ask_req(&b, &patient, 0, &req);
	ALL_UNTIL(&b, brief.done > 0);
	ck_assert_int_eq(brief.fact.verdict, DOMAIN_UNKNOWN);
	ck_assert_int_eq(brief.fact.reason, DOMAIN_WHY_TIMEOUT);
	ck_assert_uint_eq(patient.done, 0);
	/* that is not kept: there is no verdict yet */
	ck_assert(!dns_domain_known(b.dns[0], SLICE_LIT("held.lab"),
				    clock_wall_s(), &fact));
	req.wait_ms = 20;
	req.targets = true;
	ask_req(&b, &brief2, 0, &req);
	ALL_UNTIL(&b, brief2.done > 0);
	ck_assert_int_eq(brief2.fact.verdict, DOMAIN_UNKNOWN);
	ck_assert_uint_eq(patient.done, 0);
	ck_assert_uint_eq(questions(&b), 1);
	(void)dns_server_release(b.server);
	ALL_UNTIL(&b, patient.done > 0);
	ck_assert_int_eq(patient.fact.verdict, DOMAIN_DEAD);
	ck_assert(dns_domain_known(b.dns[0], SLICE_LIT("held.lab"),
				   clock_wall_s(), &fact));
	turn_all_some(&b);
	ck_assert_uint_eq(brief.done, 1);
	bench_fini(&b);
}
END_TEST

/* Known to be good until a while ago: better than "no answer in time". */
START_TEST(test_wait_stale)
{
	struct dns_domain_req req = {.domain = "held.lab", .wait_ms = 10};
	struct bench b;
	struct got g;

	bench_init(&b, 1, 0, 0);
	dns_cache_put(b.cache, SLICE_LIT("held.lab"), DOMAIN_DELIVERABLE,
		      DOMAIN_WHY_MX, 300, clock_wall_s() - 1000);
	ask_req(&b, &g, 0, &req);
	ALL_UNTIL(&b, g.done > 0);
	ck_assert_int_eq(g.fact.verdict, DOMAIN_DELIVERABLE);
	ck_assert(g.fact.stale);
	bench_fini(&b);
}
END_TEST

/* A best host that is silent holds nobody up: the others are asked soon. */
START_TEST(test_patience)
{
	struct dns_cache_status status;
	struct bench b;
	struct got g;

	bench_init(&b, 1, 0, 0);
	ask(&b, &g, 0, "partsilent.lab", NULL);
	ALL_UNTIL(&b, g.done > 0);
	ck_assert_int_eq(g.fact.verdict, DOMAIN_DELIVERABLE);
	/* the silent one's time is not over yet */
	dns_cache_status_get(b.cache, &status);
	ck_assert_uint_eq(status.timeouts, 0);
	bench_fini(&b);
}
END_TEST

/* ---- Several loops ---- */

START_TEST(test_loops_share)
{
	unsigned loops = _i == 0 ? 2 : LOOPS_MAX;
	struct got *got = mem_array(loops, sizeof(*got));
	struct dns_cache_status status;
	struct bench b;

	/* in a mask there is room for 64: what is over asks for itself */
	bench_init(&b, loops, 0, 0);
	for (unsigned i = 0; i < loops; i++)
		ask(&b, &got[i], i, "held.lab", NULL);
	turn_all_some(&b);
	ck_assert_uint_eq(questions(&b), loops > 64 ? 1 + loops - 64 : 1);
	(void)dns_server_release(b.server);
	for (unsigned i = 0; i < loops; i++) {
		ALL_UNTIL(&b, got[i].done > 0);
		ck_assert_int_eq(got[i].fact.verdict, DOMAIN_DEAD);
	}
	dns_cache_status_get(b.cache, &status);
	ck_assert_uint_eq(status.shared, loops > 64 ? 63 : loops - 1);
	turn_all_some(&b);
	for (unsigned i = 0; i < loops; i++)
		ck_assert_uint_eq(got[i].done, 1);
	bench_fini(&b);
	free(got);
}
END_TEST

/* What follows a failure: the next to ask waits for nobody. */
START_TEST(test_loops_share_failure)
{
	struct got got[2];
	struct bench b;

	bench_init(&b, 2, 0, 0);
	ask(&b, &got[0], 0, "servfail.lab", NULL);
	ask(&b, &got[1], 1, "servfail.lab", NULL);
	ALL_UNTIL(&b, got[0].done > 0 && got[1].done > 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(got[i].fact.verdict, DOMAIN_UNKNOWN);
		ck_assert_int_eq(got[i].fact.reason, DOMAIN_WHY_FAILED);
	}
	bench_fini(&b);
}
END_TEST

/* The loop that asks goes away: one that waited asks in its place. */
START_TEST(test_leader_goes)
{
	struct got got[3];
	struct bench b;

	bench_init(&b, 3, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		ask(&b, &got[i], i, "held.lab", NULL);
	for (int i = 0; i < _i; i++)
		turn_all(&b);
	dns_destroy(&b.dns[0]);
	ALL_UNTIL(&b, dns_server_release(b.server) > 0 ||
			  (got[1].done > 0 && got[2].done > 0));
	ALL_UNTIL(&b, (dns_server_release(b.server),
		       got[1].done > 0 && got[2].done > 0));
	ck_assert_uint_eq(got[0].done, 0);
	for (int i = 1; i < 3; i++)
		ck_assert_int_eq(got[i].fact.verdict, DOMAIN_DEAD);
	ck_assert_uint_le(questions(&b), 2);
	bench_fini(&b);
}
END_TEST

/* A loop that waits goes away, before and after the answer is pushed to it. */
START_TEST(test_follower_goes)
{
	struct got got[2], again;
	struct bench b;

	bench_init(&b, 2, 0, 0);
	ask(&b, &got[0], 0, "held.lab", NULL);
	ask(&b, &got[1], 1, "held.lab", NULL);
	for (int i = 0; i < 20; i++)
		turn_all(&b);
	if (_i == 0)
		dns_destroy(&b.dns[1]);
	(void)dns_server_release(b.server);
	while (got[0].done == 0)
		loop_turn(b.loops[0]);
	dns_destroy(&b.dns[1]);
	ck_assert_uint_eq(got[1].done, 0);
	/* its place is taken by another */
	{
		struct dns_opts opts = {.servers = dns_server_text(b.server),
					.cache = b.cache};

		b.dns[1] = dns_create(b.loops[1], &opts);
	}
	turn_all_some(&b);
	ask(&b, &again, 1, "one.lab", NULL);
	ALL_UNTIL(&b, again.done > 0);
	ck_assert_int_eq(again.fact.verdict, DOMAIN_DELIVERABLE);
	bench_fini(&b);
}
END_TEST

/* Not asked because of a cap: those who waited hear it, nothing is kept. */
START_TEST(test_busy_is_told)
{
	enum { ASKED = 60 };
	struct got got[2][ASKED];
	unsigned done = 0, busy = 0;
	struct domain_fact fact;
	struct bench b;
	char name[32];

	bench_init(&b, 2, 0, 1);
	for (unsigned l = 0; l < 2; l++) {
		for (unsigned i = 0; i < ASKED; i++) {
			snprintf(name, sizeof(name), "d%u.silent.lab", i);
			ask(&b, &got[l][i], l, name, NULL);
		}
	}
	while (done < 2 * ASKED) {
		turn_all(&b);
		done = 0;
		for (unsigned i = 0; i < 2 * ASKED; i++)
			done += got[i / ASKED][i % ASKED].done;
	}
	for (unsigned i = 0; i < ASKED; i++) {
		ck_assert_int_eq(got[0][i].fact.verdict, DOMAIN_UNKNOWN);
		ck_assert_int_eq(got[1][i].fact.verdict, DOMAIN_UNKNOWN);
		ck_assert_int_eq(got[0][i].fact.reason, got[1][i].fact.reason);
		if (got[0][i].fact.reason != DOMAIN_WHY_BUSY)
			continue;
		busy++;
		snprintf(name, sizeof(name), "d%u.silent.lab", i);
		ck_assert(!dns_cache_look(b.cache, slice_str(name), &fact));
	}
	ck_assert_uint_gt(busy, 0);
	bench_fini(&b);
}
END_TEST

/* done destroys the dns it came from: the others are not called. */
START_TEST(test_destroy_in_done)
{
	static const char *const domains[] = {"one.lab", "a.test",
					      "[192.0.2.1]", "held.lab"};
	struct dns_domain_req req = {.domain = domains[_i],
				     .wait_ms = _i == 3 ? 20 : 0};
	struct got got[4];
	struct bench b;

	bench_init(&b, 2, 0, 0);
	for (unsigned i = 0; i < 4; i++) {
		ask_req(&b, &got[i], i == 3, &req);
		got[i].destroys = true;
	}
	ALL_UNTIL(&b, got[0].done > 0 && got[3].done > 0);
	turn_all_some(&b);
	ck_assert_uint_eq(got[0].done + got[1].done + got[2].done, 1);
	bench_fini(&b);
}
END_TEST

START_TEST(test_destroy_with_open)
{
	struct got got[4];
	struct bench b;

	bench_init(&b, 1, 0, 0);
	ask(&b, &got[0], 0, "held.lab", "bob");
	ask(&b, &got[1], 0, "one.lab", "bob");
	ask(&b, &got[2], 0, "a.test", "bob");
	ask(&b, &got[3], 0, "held.lab", NULL);
	for (int i = 0; i < _i; i++)
		turn_all(&b);
	bench_fini(&b);
	ck_assert_uint_eq(got[0].done, 0);
}
END_TEST

/* ---- What one credential may ask ---- */

START_TEST(test_budget)
{
	struct got a, b2, c, again, equal, alice, free_one, targets;
	struct dns_domain_req req = {
	    .domain = "d.held.lab", .owner = "bob", .targets = true};
	struct dns_cache_status status;
	struct domain_fact fact;
	struct bench b;

	bench_init(&b, 2, 2, 0);
	ask(&b, &a, 0, "a.held.lab", "bob");
	ask(&b, &b2, 1, "b.held.lab", "bob");
	/* spent, over all loops: at once, and nothing is kept */
	ask(&b, &c, 0, "c.held.lab", "bob");
	ask_req(&b, &targets, 1, &req);
	ALL_UNTIL(&b, c.done > 0 && targets.done > 0);
	ck_assert_int_eq(c.fact.verdict, DOMAIN_UNKNOWN);
	ck_assert_int_eq(c.fact.reason, DOMAIN_WHY_BUSY);
	ck_assert_int_eq(targets.fact.reason, DOMAIN_WHY_BUSY);
	ck_assert(!dns_cache_look(b.cache, SLICE_LIT("c.held.lab"), &fact));
	/* what is under way costs nothing, nor what is known */
	ask(&b, &equal, 0, "a.held.lab", "bob");
	ask(&b, &again, 0, "b.held.lab", "bob");
	ask(&b, &free_one, 0, "x.test", "bob");
	ALL_UNTIL(&b, free_one.done > 0);
	ck_assert_int_eq(free_one.fact.verdict, DOMAIN_RESERVED);
	/* others are not concerned */
	ask(&b, &alice, 0, "one.lab", "alice");
	ALL_UNTIL(&b, alice.done > 0);
	ck_assert_int_eq(alice.fact.verdict, DOMAIN_DELIVERABLE);
	ck_assert_uint_eq(equal.done + again.done + a.done + b2.done, 0);
	dns_cache_status_get(b.cache, &status);
	ck_assert_uint_eq(status.busy, 2);
	/* to go away gives nothing back: the question is still there */
	dns_domain_cancel(&a.op);
	ask(&b, &c, 0, "c.held.lab", "bob");
	ALL_UNTIL(&b, c.done > 0);
	ck_assert_int_eq(c.fact.reason, DOMAIN_WHY_BUSY);
	(void)dns_server_release(b.server);
	ALL_UNTIL(&b, equal.done > 0 && again.done > 0 && b2.done > 0);
	ck_assert_int_eq(again.fact.verdict, DOMAIN_DEAD);
	ask(&b, &c, 0, "one.lab", "bob");
	ALL_UNTIL(&b, c.done > 0);
	ck_assert_int_eq(c.fact.verdict, DOMAIN_DELIVERABLE);
	bench_fini(&b);
}
END_TEST

START_TEST(test_slow_ones_move_aside)
{
	struct dns_cache_conf conf = {.cred_max = 1, .slow_ms = 1};
	struct dns_cache_status status;
	struct domain_fact fact;
	struct got got[4], good;
	struct bench b;

	bench_init(&b, 2, 1, 0);
	dns_cache_reload(b.cache, &conf);
	/* two may be aside, on whatever loop; the third is given up */
	for (unsigned i = 0; i < 3; i++) {
		char name[] = "?.held.lab";

		name[0] = (char)('a' + i);
		do {
			ask(&b, &got[i], i % 2, name, "bob");
			for (int n = 0; n < 20; n++)
				turn_all(&b);
			if (got[i].done == 0)
				break;
		} while (i < 2);
	}
	ALL_UNTIL(&b, got[2].done > 0);
	ck_assert_int_eq(got[2].fact.reason, DOMAIN_WHY_BUSY);
	ck_assert(!dns_cache_look(b.cache, SLICE_LIT("c.held.lab"), &fact));
	ck_assert_uint_eq(got[0].done + got[1].done, 0);
	/* which leaves the place of those that are answered */
	do {
		ask(&b, &good, 0, "one.lab", "bob");
		ALL_UNTIL(&b, good.done > 0);
	} while (good.fact.reason == DOMAIN_WHY_BUSY);
	ck_assert_int_eq(good.fact.verdict, DOMAIN_DELIVERABLE);
	(void)dns_server_release(b.server);
	ALL_UNTIL(&b, got[0].done > 0 && got[1].done > 0);
	ck_assert_int_eq(got[0].fact.verdict, DOMAIN_DEAD);
	dns_cache_status_get(b.cache, &status);
	ck_assert_uint_ge(status.busy, 1);
	bench_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/share");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_many_are_one);
	tcase_add_loop_test(tc, test_cancel, 0, 12);
	tcase_add_test(tc, test_wait);
	tcase_add_test(tc, test_wait_stale);
	tcase_add_test(tc, test_patience);
	tcase_add_loop_test(tc, test_loops_share, 0, 2);
	tcase_add_test(tc, test_loops_share_failure);
	tcase_add_loop_test(tc, test_leader_goes, 0, 20);
	tcase_add_loop_test(tc, test_follower_goes, 0, 2);
	tcase_add_test(tc, test_busy_is_told);
	tcase_add_loop_test(tc, test_destroy_in_done, 0, 4);
	tcase_add_loop_test(tc, test_destroy_with_open, 0, 4);
	tcase_add_test(tc, test_budget);
	tcase_add_test(tc, test_slow_ones_move_aside);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
