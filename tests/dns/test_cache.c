/* The cache of verdicts: how long each is kept, what outlives a failing
 * resolver, and who is pushed out. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dns/cache_int.h"
#include "dns/share.h"
#include "tests/dns/cache_help.h"

/* ---- How long ---- */

static const struct {
	const char *label;
	enum domain_verdict verdict;
	uint32_t ttl_s;
	int64_t lasts_s;
} clamps[] = {
    {"deliverable, no TTL", DOMAIN_DELIVERABLE, 0, 300},
    {"deliverable, short", DOMAIN_DELIVERABLE, 299, 300},
    {"deliverable, its own", DOMAIN_DELIVERABLE, 301, 301},
    {"deliverable, a day", DOMAIN_DELIVERABLE, DAY, DAY},
    {"deliverable, long", DOMAIN_DELIVERABLE, DAY + 1, DAY},
    {"deliverable, for ever", DOMAIN_DELIVERABLE, UINT32_MAX, DAY},
    {"dead, no SOA", DOMAIN_DEAD, 0, 60},
    {"dead, its own", DOMAIN_DEAD, 900, 900},
    {"dead, long", DOMAIN_DEAD, DAY, 3 * 3600},
    {"refuses, short", DOMAIN_REFUSES, 5, 60},
    {"refuses, long", DOMAIN_REFUSES, DAY, 3 * 3600},
    {"unroutable, short", DOMAIN_UNROUTABLE, 1, 60},
    {"unroutable, its own", DOMAIN_UNROUTABLE, 3600, 3600},
    {"reserved", DOMAIN_RESERVED, 0, 60},
    {"unknown has no TTL", DOMAIN_UNKNOWN, 3600, 30},
};

START_TEST(test_clamps)
{
	struct dns_cache *cache = cache_of(0);
	struct domain_fact fact;

	put(cache, "a.de", clamps[_i].verdict, clamps[_i].ttl_s, NOW);
	ck_assert_msg(get(cache, "a.de", NOW, &fact), "%s", clamps[_i].label);
	ck_assert_int_eq(fact.verdict, clamps[_i].verdict);
	ck_assert_int_eq(fact.since_wall_s, NOW);
	ck_assert_msg(fact.until_wall_s == NOW + clamps[_i].lasts_s, "%s: %lld",
		      clamps[_i].label, (long long)fact.until_wall_s - NOW);
	ck_assert(!fact.stale);
	ck_assert_int_eq(verdict(cache, "a.de", NOW + clamps[_i].lasts_s - 1),
			 (int)clamps[_i].verdict);
	ck_assert_int_eq(verdict(cache, "a.de", NOW + clamps[_i].lasts_s), -1);
	ck_assert_int_eq(verdict(cache, "b.de", NOW), -1);
	dns_cache_destroy(&cache);
}
END_TEST

static int64_t
hold_of(struct dns_cache *cache, const char *domain, int64_t now)
{
	struct domain_fact fact;

	put(cache, domain, DOMAIN_UNKNOWN, 0, now);
	ck_assert(get(cache, domain, now, &fact));
	return fact.until_wall_s - now;
}

START_TEST(test_failures_double)
{
	static const int64_t holds[] = {30, 60, 120, 240, 300, 300};
	struct dns_cache *cache = cache_of(0);
	int64_t now = NOW;

	for (int i = 0; i < COUNT(holds); i++) {
		ck_assert_int_eq(hold_of(cache, "a.de", now), holds[i]);
		now += holds[i] + 5;
	}
	/* another name begins anew, and so does this one after a rest */
	ck_assert_int_eq(hold_of(cache, "b.de", now), 30);
	ck_assert_int_eq(hold_of(cache, "a.de", now + 301), 30);
	/* and after an answer */
	ck_assert_int_eq(hold_of(cache, "b.de", now + 31), 60);
	put(cache, "b.de", DOMAIN_DEAD, 60, now + 40);
	ck_assert_int_eq(hold_of(cache, "b.de", now + 110), 30);
	dns_cache_destroy(&cache);
}
END_TEST

START_TEST(test_busy_is_not_kept)
{
	struct dns_cache *cache = cache_of(0);

	dns_cache_put(cache, SLICE_LIT("a.de"), DOMAIN_UNKNOWN, DOMAIN_WHY_BUSY,
		      0, NOW);
	ck_assert_int_eq(verdict(cache, "a.de", NOW), -1);
	put(cache, "a.de", DOMAIN_DEAD, 60, NOW);
	dns_cache_put(cache, SLICE_LIT("a.de"), DOMAIN_UNKNOWN, DOMAIN_WHY_BUSY,
		      0, NOW + 1);
	ck_assert_int_eq(verdict(cache, "a.de", NOW + 1), DOMAIN_DEAD);
	dns_cache_destroy(&cache);
}
END_TEST

/* "Never dead": what was dead and now fails is unknown. */
START_TEST(test_failure_ends_dead)
{
	struct dns_cache *cache = cache_of(0);

	put(cache, "a.de", DOMAIN_DEAD, 60, NOW);
	put(cache, "a.de", DOMAIN_UNKNOWN, 0, NOW + 61);
	ck_assert_int_eq(verdict(cache, "a.de", NOW + 61), DOMAIN_UNKNOWN);
	put(cache, "b.de", DOMAIN_DEAD, 600, NOW);
	put(cache, "b.de", DOMAIN_UNKNOWN, 0, NOW + 61);
	ck_assert_int_eq(verdict(cache, "b.de", NOW + 61), DOMAIN_UNKNOWN);
	dns_cache_destroy(&cache);
}
END_TEST

/* ---- Known to be good, and no answer ---- */

START_TEST(test_stale_after_failure)
{
	struct dns_cache *cache = cache_of(0);
	struct dns_cache_status status;
	struct domain_fact fact;
	int64_t end = NOW + 300;

	put(cache, "a.de", DOMAIN_DELIVERABLE, 300, NOW);
	/* a failure within its time changes nothing */
	put(cache, "a.de", DOMAIN_UNKNOWN, 0, NOW + 10);
	ck_assert(get(cache, "a.de", NOW + 10, &fact));
	ck_assert_int_eq(fact.verdict, DOMAIN_DELIVERABLE);
	ck_assert(!fact.stale);
	/* over: asked again; that fails: served stale, and asked rarely */
	ck_assert_int_eq(verdict(cache, "a.de", end), -1);
	put(cache, "a.de", DOMAIN_UNKNOWN, 0, end + 100);
	ck_assert(get(cache, "a.de", end + 100, &fact));
	ck_assert_int_eq(fact.verdict, DOMAIN_DELIVERABLE);
	ck_assert(fact.stale);
	ck_assert_int_eq(fact.since_wall_s, NOW);
	ck_assert_int_eq(fact.until_wall_s, end + 130);
	ck_assert_int_eq(verdict(cache, "a.de", end + 130), -1);
	put(cache, "a.de", DOMAIN_UNKNOWN, 0, end + 131);
	ck_assert(get(cache, "a.de", end + 131 + 59, &fact));
	ck_assert_int_eq(verdict(cache, "a.de", end + 131 + 60), -1);
	/* an answer ends it */
	put(cache, "a.de", DOMAIN_DEAD, 60, end + 200);
	ck_assert_int_eq(verdict(cache, "a.de", end + 200), DOMAIN_DEAD);
	dns_cache_status_get(cache, &status);
	ck_assert_uint_gt(status.stale_served, 0);
	dns_cache_destroy(&cache);
}
END_TEST

START_TEST(test_stale_is_bounded)
{
	struct dns_cache_conf conf = {.stale_s = 1000};
	struct dns_cache *cache = dns_cache_create(&conf);
	int64_t end = NOW + 300;

	put(cache, "a.de", DOMAIN_DELIVERABLE, 300, NOW);
	put(cache, "a.de", DOMAIN_UNKNOWN, 0, end + 999);
	ck_assert_int_eq(verdict(cache, "a.de", end + 999), DOMAIN_DELIVERABLE);
	ck_assert_int_eq(verdict(cache, "a.de", end + 1000), -1);
	put(cache, "a.de", DOMAIN_UNKNOWN, 0, end + 1000);
	ck_assert_int_eq(verdict(cache, "a.de", end + 1000), DOMAIN_UNKNOWN);
	dns_cache_destroy(&cache);
}
END_TEST

/* While nobody gets an answer, good ones need not be asked for. */
START_TEST(test_stale_while_failing)
{
	struct dns_cache *cache = cache_of(0);
	struct dns_stats *stats = dns_cache_stats(cache);
	struct dns_stats_loop *loop = dns_stats_join(stats);
	struct dns_cache_status status;
	struct domain_fact fact;

	put(cache, "a.de", DOMAIN_DELIVERABLE, 300, NOW);
	put(cache, "b.de", DOMAIN_DEAD, 60, NOW);
	ck_assert_int_eq(verdict(cache, "a.de", NOW + 301), -1);
	for (int i = 0; i < DNS_FAILING_QUESTIONS; i++)
		dns_stats_ended(stats, loop, DNS_OUTCOME_TIMEOUT, false, 1,
				100000);
	ck_assert(dns_stats_failing(stats));
	ck_assert(get(cache, "a.de", NOW + 301, &fact));
	ck_assert(fact.stale);
	ck_assert_int_eq(verdict(cache, "a.de", NOW + 300 + DAY), -1);
	ck_assert_int_eq(verdict(cache, "b.de", NOW + 61), -1);
	dns_cache_status_get(cache, &status);
	ck_assert(status.failing);
	ck_assert_uint_eq(status.stale_served, 1);
	dns_stats_ended(stats, loop, DNS_OUTCOME_USABLE, false, 1, 100000);
	dns_stats_refresh(stats, 100000);
	ck_assert_int_eq(verdict(cache, "a.de", NOW + 301), -1);
	dns_stats_leave(&loop);
	dns_cache_destroy(&cache);
}
END_TEST

START_TEST(test_clock_set_back)
{
	struct dns_cache *cache = cache_of(0);

	put(cache, "a.de", DOMAIN_DEAD, 60, NOW);
	ck_assert_int_eq(verdict(cache, "a.de", NOW - 60), DOMAIN_DEAD);
	ck_assert_int_eq(verdict(cache, "a.de", NOW - 61), -1);
	dns_cache_destroy(&cache);
}
END_TEST

/* ---- Who is there ---- */

START_TEST(test_least_used_goes)
{
	struct dns_cache *cache = cache_of(8);
	struct dns_cache_status status;
	char name[32];

	for (unsigned i = 0; i < 8; i++) {
		name_of(name, i);
		put(cache, name, DOMAIN_DELIVERABLE, 3600, NOW);
	}
	/* the two oldest are wanted */
	ck_assert_int_eq(verdict(cache, "d0.de", NOW + 20), 1);
	ck_assert_int_eq(verdict(cache, "d1.de", NOW + 20), 1);
	for (unsigned i = 8; i < 12; i++) {
		name_of(name, i);
		put(cache, name, DOMAIN_DELIVERABLE, 3600, NOW + 21);
	}
	for (unsigned i = 0; i < 12; i++) {
		name_of(name, i);
		ck_assert_msg((verdict(cache, name, NOW + 22) == 1) ==
				  (i < 2 || i > 5),
			      "%s", name);
	}
	dns_cache_status_get(cache, &status);
	ck_assert_uint_eq(status.domains, 8);
	dns_cache_destroy(&cache);
}
END_TEST

START_TEST(test_bound)
{
	struct dns_cache *cache = cache_of(5000);
	struct dns_cache_conf less = {.domain_max = 1000};
	struct dns_cache_status status;
	char name[32];

	for (unsigned i = 0; i < 20000; i++) {
		name_of(name, i);
		put(cache, name, DOMAIN_DEAD, 3600, NOW);
	}
	dns_cache_status_get(cache, &status);
	ck_assert_uint_le(status.domains, 5000);
	ck_assert_uint_gt(status.domains, 4900);
	dns_cache_reload(cache, &less);
	for (unsigned i = 0; i < 1000; i++) {
		name_of(name, 90000 + i);
		put(cache, name, DOMAIN_DEAD, 3600, NOW);
	}
	dns_cache_status_get(cache, &status);
	ck_assert_uint_le(status.domains, 1000);
	dns_cache_destroy(&cache);
}
END_TEST

START_TEST(test_flush)
{
	struct dns_cache *cache = cache_of(0);
	struct domain_fact fact;

	put(cache, "a.de", DOMAIN_DEAD, 60, NOW);
	put(cache, "b.de", DOMAIN_DELIVERABLE, 60, NOW);
	put(cache, "c.de", DOMAIN_UNKNOWN, 60, NOW);
	ck_assert_uint_eq(dns_cache_flush(cache, SLICE_LIT("x.de")), 0);
	ck_assert_uint_eq(dns_cache_flush(cache, SLICE_LIT("a.de")), 1);
	ck_assert_uint_eq(dns_cache_flush(cache, SLICE_LIT("a.de")), 0);
	ck_assert_int_eq(verdict(cache, "a.de", NOW), -1);
	ck_assert_int_eq(verdict(cache, "b.de", NOW), DOMAIN_DELIVERABLE);
	ck_assert(!dns_cache_look(cache, SLICE_LIT("a.de"), &fact));
	ck_assert_uint_eq(dns_cache_flush(cache, SLICE_NONE), 2);
	ck_assert_int_eq(verdict(cache, "b.de", NOW), -1);
	dns_cache_destroy(&cache);
}
END_TEST

START_TEST(test_look_and_status)
{
	struct dns_cache *cache = cache_of(0);
	struct dns_cache_status status;
	struct domain_fact fact;

	put(cache, "a.de", DOMAIN_DEAD, 60, NOW);
	ck_assert(dns_cache_look(cache, SLICE_LIT("a.de"), &fact));
	ck_assert_int_eq(fact.verdict, DOMAIN_DEAD);
	ck_assert_int_eq(fact.until_wall_s, NOW + 60);
	(void)verdict(cache, "a.de", NOW);
	(void)verdict(cache, "a.de", NOW + 100);
	(void)verdict(cache, "b.de", NOW);
	dns_cache_status_get(cache, &status);
	ck_assert_uint_eq(status.domains, 1);
	ck_assert_uint_eq(status.hits, 1);
	ck_assert_uint_eq(status.misses, 2);
	ck_assert_uint_eq(status.verdicts[DOMAIN_DEAD], 1);
	ck_assert_uint_eq(status.verdicts[DOMAIN_UNKNOWN], 0);
	ck_assert(!status.failing);
	dns_cache_destroy(&cache);
}
END_TEST

static const struct {
	const char *label;
	bool loopback, private;
	const char *self;
	int local, self_best, other; /* verdict after, -1: gone */
} reloads[] = {
    {"nothing changed", false, false, "relay.de", 5, 5, 1},
    {"loopback permitted", true, false, "relay.de", -1, -1, 1},
    {"private permitted", false, true, "relay.de", -1, -1, 1},
    {"another name", false, false, "other.de", -1, -1, 1},
    {"no name", false, false, NULL, -1, -1, 1},
};

START_TEST(test_reload)
{
	struct dns_cache_conf conf = {.self = "relay.de"};
	struct dns_cache *cache = dns_cache_create(&conf);

	put(cache, "local.de", DOMAIN_UNROUTABLE, 900, NOW);
	dns_cache_put(cache, SLICE_LIT("self.de"), DOMAIN_UNROUTABLE,
		      DOMAIN_WHY_SELF, 900, NOW);
	put(cache, "good.de", DOMAIN_DELIVERABLE, 900, NOW);
	conf.loopback = reloads[_i].loopback;
	conf.private = reloads[_i].private;
	conf.self = reloads[_i].self;
	dns_cache_reload(cache, &conf);
	ck_assert_msg(verdict(cache, "local.de", NOW) == reloads[_i].local,
		      "%s", reloads[_i].label);
	ck_assert_msg(verdict(cache, "self.de", NOW) == reloads[_i].self_best,
		      "%s", reloads[_i].label);
	ck_assert_msg(verdict(cache, "good.de", NOW) == reloads[_i].other, "%s",
		      reloads[_i].label);
	dns_cache_destroy(&cache);
}
END_TEST

/* A look-up that began under other `targets` is answered, but not kept. */
START_TEST(test_reload_meanwhile)
{
	struct dns_cache_conf conf = {.self = NULL};
	struct dns_cache *cache = dns_cache_create(&conf);
	struct cache_finding finding = {.verdict = DOMAIN_UNROUTABLE,
					.reason = DOMAIN_WHY_NOT_PUBLIC,
					.local = true};
	struct cache_policy policy;
	struct domain_fact fact;

	cache_policy_get(cache, &policy);
	finding.epoch = policy.epoch;
	conf.loopback = true;
	dns_cache_reload(cache, &conf);
	share_settle(cache, SLICE_LIT("a.de"), false, &finding, NOW, &fact);
	ck_assert_int_eq(fact.verdict, DOMAIN_UNROUTABLE);
	ck_assert_int_eq(verdict(cache, "a.de", NOW), -1);
	cache_policy_get(cache, &policy);
	ck_assert(policy.permits.loopback && !policy.permits.private);
	finding.epoch = policy.epoch;
	share_settle(cache, SLICE_LIT("a.de"), false, &finding, NOW, &fact);
	ck_assert_int_eq(verdict(cache, "a.de", NOW), DOMAIN_UNROUTABLE);
	dns_cache_destroy(&cache);
}
END_TEST

/* ---- Credentials ---- */

START_TEST(test_creds_aside)
{
	struct dns_cache_conf conf = {.cred_max = 3};
	struct dns_cache *cache = dns_cache_create(&conf);
	struct dns_cache_status status;

	for (int i = 0; i < 6; i++) {
		ck_assert(share_cred_take(cache, "bob"));
		ck_assert(share_cred_move(cache, "bob"));
	}
	for (int i = 0; i < 3; i++)
		ck_assert(share_cred_take(cache, "bob"));
	ck_assert(!share_cred_take(cache, "bob"));
	ck_assert(!share_cred_move(cache, "bob"));
	share_cred_give(cache, "bob", true);
	ck_assert(share_cred_move(cache, "bob"));
	ck_assert(share_cred_take(cache, "bob"));
	dns_cache_status_get(cache, &status);
	ck_assert_uint_eq(status.busy, 2);
	for (int i = 0; i < 6; i++)
		share_cred_give(cache, "bob", true);
	for (int i = 0; i < 3; i++)
		share_cred_give(cache, "bob", false);
	dns_cache_destroy(&cache);
}
END_TEST

START_TEST(test_creds)
{
	struct dns_cache_conf conf = {.cred_max = 3};
	struct dns_cache *cache = dns_cache_create(&conf);
	struct dns_cache_status status;

	for (int i = 0; i < 3; i++)
		ck_assert(share_cred_take(cache, "bob"));
	ck_assert(!share_cred_take(cache, "bob"));
	ck_assert(share_cred_take(cache, "bobby"));
	ck_assert(share_cred_take(cache, ""));
	share_cred_give(cache, "bob", false);
	ck_assert(share_cred_take(cache, "bob"));
	ck_assert(!share_cred_take(cache, "bob"));
	conf.cred_max = 4;
	dns_cache_reload(cache, &conf);
	ck_assert(share_cred_take(cache, "bob"));
	dns_cache_status_get(cache, &status);
	ck_assert_uint_eq(status.busy, 2);
	for (int i = 0; i < 4; i++)
		share_cred_give(cache, "bob", false);
	share_cred_give(cache, "bobby", false);
	share_cred_give(cache, "", false);
	dns_cache_destroy(&cache);
}
END_TEST

/* ---- Threads ---- */

struct worker {
	struct dns_cache *cache;
	unsigned seed;
	unsigned wrong;
};

static void
on_nothing(void *arg, struct slice key, struct slice value)
{
	(void)arg;
	(void)key;
	(void)value;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct dns_cache_conf conf = {.domain_max = 3000};
	struct dns_cache_status status;
	struct domain_fact fact;
	char name[32];

	for (unsigned i = 0; i < 20000; i++) {
		unsigned r = (unsigned)rand_r(&w->seed);

		name_of(name, r % 5000);
		/* each name has one verdict: any other is a mix-up */
		if (get(w->cache, name, NOW + i / 100, &fact) &&
		    fact.verdict != 1 + (r % 5000) % 3)
			w->wrong++;
		if (r / 8192 % 2 == 0)
			put(w->cache, name,
			    (enum domain_verdict)(1 + (r % 5000) % 3), 900,
			    NOW + i / 100);
		if (i % 2000 == 0)
			(void)dns_cache_flush(w->cache, slice_str(name));
		if (i % 500 == 0)
			(void)dns_cache_take_changes(w->cache, 300, on_nothing,
						     NULL);
		conf.loopback = i % 8000 < 4000;
		if (i % 4000 == 0)
			dns_cache_reload(w->cache, &conf);
		if (i % 1000 == 0)
			dns_cache_status_get(w->cache, &status);
		if (share_cred_take(w->cache, name))
			share_cred_give(w->cache, name, false);
	}
	return NULL;
}

START_TEST(test_threads)
{
	struct dns_cache *cache = cache_of(3000);
	struct worker workers[4];
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++) {
		workers[i] = (struct worker){cache, i + 1, 0};
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_uint_eq(workers[i].wrong, 0);
	}
	dns_cache_destroy(&cache);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/cache");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_clamps, 0, COUNT(clamps));
	tcase_add_test(tc, test_failures_double);
	tcase_add_test(tc, test_busy_is_not_kept);
	tcase_add_test(tc, test_failure_ends_dead);
	tcase_add_test(tc, test_stale_after_failure);
	tcase_add_test(tc, test_stale_is_bounded);
	tcase_add_test(tc, test_stale_while_failing);
	tcase_add_test(tc, test_clock_set_back);
	tcase_add_test(tc, test_least_used_goes);
	tcase_add_test(tc, test_bound);
	tcase_add_test(tc, test_flush);
	tcase_add_test(tc, test_look_and_status);
	tcase_add_loop_test(tc, test_reload, 0, COUNT(reloads));
	tcase_add_test(tc, test_reload_meanwhile);
	tcase_add_test(tc, test_creds);
	tcase_add_test(tc, test_creds_aside);
	tcase_add_test(tc, test_threads);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
