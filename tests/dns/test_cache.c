/* The cache of verdicts: how long each is kept, what outlives a failing
 * resolver, who is pushed out, and what comes back from disk. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/cache.h"
#include "dns/cache_int.h"
#include "dns/share.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"

#define NOW 1700000000
#define DAY (24 * 3600)
#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

static struct dns_cache *
cache_of(uint32_t domain_max)
{
	struct dns_cache_conf conf = {.domain_max = domain_max};

	return dns_cache_create(&conf);
}

static void
put(struct dns_cache *cache, const char *domain, enum domain_verdict verdict,
    uint32_t ttl_s, int64_t now)
{
	static const enum domain_reason reasons[] = {
	    [DOMAIN_UNKNOWN] = DOMAIN_WHY_FAILED,
	    [DOMAIN_DELIVERABLE] = DOMAIN_WHY_MX,
	    [DOMAIN_DEAD] = DOMAIN_WHY_NXDOMAIN,
	    [DOMAIN_REFUSES] = DOMAIN_WHY_NULL_MX,
	    [DOMAIN_RESERVED] = DOMAIN_WHY_SPECIAL_USE,
	    [DOMAIN_UNROUTABLE] = DOMAIN_WHY_NOT_PUBLIC,
	};

	dns_cache_put(cache, slice_str(domain), verdict, reasons[verdict],
		      ttl_s, now);
}

static bool
get(struct dns_cache *cache, const char *domain, int64_t now,
    struct domain_fact *fact)
{
	memset(fact, 0, sizeof(*fact));
	return dns_cache_get(cache, slice_str(domain), now, fact);
}

/* The verdict that holds now, or -1. */
static int
verdict(struct dns_cache *cache, const char *domain, int64_t now)
{
	struct domain_fact fact;

	return get(cache, domain, now, &fact) ? (int)fact.verdict : -1;
}

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

static void
name_of(char out[32], unsigned i)
{
	(void)snprintf(out, 32, "d%u.de", i);
}

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

/* ---- The disk ---- */

struct disk { /* what take_changes gave */
	unsigned puts, deletes;
	struct {
		char key[64];
		char value[64];
		size_t n; /* of value */
	} records[64];
	size_t count;
};

static void
on_change(void *arg, struct slice key, struct slice value)
{
	struct disk *disk = arg;

	ck_assert_uint_lt(disk->count, 64);
	ck_assert_uint_lt(key.n, 64);
	ck_assert_uint_lt(value.n, 64);
	memcpy(disk->records[disk->count].key, key.p, key.n);
	disk->records[disk->count].key[key.n] = '\0';
	disk->records[disk->count].n = value.n;
	if (value.n > 0)
		memcpy(disk->records[disk->count].value, value.p, value.n);
	disk->count++;
	if (value.p == NULL)
		disk->deletes++;
	else
		disk->puts++;
}

static void
take(struct dns_cache *cache, size_t max, struct disk *disk)
{
	memset(disk, 0, sizeof(*disk));
	ck_assert_uint_eq(dns_cache_take_changes(cache, max, on_change, disk),
			  disk->count);
}

START_TEST(test_restart)
{
	struct dns_cache *cache = cache_of(0), *again = cache_of(0);
	struct domain_fact before, after;
	struct disk disk;

	put(cache, "good.de", DOMAIN_DELIVERABLE, 3600, NOW);
	put(cache, "dead.de", DOMAIN_DEAD, 3600, NOW);
	put(cache, "null.de", DOMAIN_REFUSES, 3600, NOW);
	put(cache, "local.de", DOMAIN_UNROUTABLE, 3600, NOW);
	put(cache, "failed.de", DOMAIN_UNKNOWN, 3600, NOW);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.puts, 4);
	ck_assert_uint_eq(disk.deletes, 0);
	for (size_t i = 0; i < disk.count; i++)
		ck_assert_int_eq(
		    dns_cache_restore(
			again, slice_str(disk.records[i].key),
			slice_of(disk.records[i].value, disk.records[i].n),
			NOW + 10),
		    0);
	for (size_t i = 0; i < disk.count; i++) {
		ck_assert(get(cache, disk.records[i].key, NOW + 10, &before));
		ck_assert(get(again, disk.records[i].key, NOW + 10, &after));
		ck_assert_int_eq(before.verdict, after.verdict);
		ck_assert_int_eq(before.reason, after.reason);
		ck_assert_int_eq(before.since_wall_s, after.since_wall_s);
		ck_assert_int_eq(before.until_wall_s, after.until_wall_s);
	}
	/* what came from there is not written again, but it can be deleted */
	take(again, 100, &disk);
	ck_assert_uint_eq(disk.count, 0);
	ck_assert_uint_eq(dns_cache_flush(again, SLICE_NONE), 4);
	take(again, 100, &disk);
	ck_assert_uint_eq(disk.deletes, 4);
	dns_cache_destroy(&cache);
	dns_cache_destroy(&again);
}
END_TEST

START_TEST(test_take)
{
	struct dns_cache *cache = cache_of(10);
	struct disk disk;
	char name[32];

	for (unsigned i = 0; i < 10; i++) {
		name_of(name, i);
		put(cache, name, DOMAIN_DELIVERABLE, 3600, NOW);
	}
	take(cache, 7, &disk);
	ck_assert_uint_eq(disk.puts, 7);
	take(cache, 7, &disk);
	ck_assert_uint_eq(disk.puts, 3);
	take(cache, 7, &disk);
	ck_assert_uint_eq(disk.count, 0);
	/* changed twice: once; looked at: not at all */
	put(cache, "d3.de", DOMAIN_DEAD, 60, NOW + 20);
	put(cache, "d3.de", DOMAIN_DELIVERABLE, 60, NOW + 21);
	ck_assert_int_eq(verdict(cache, "d4.de", NOW + 40), 1);
	take(cache, 7, &disk);
	ck_assert_uint_eq(disk.puts, 1);
	ck_assert_str_eq(disk.records[0].key, "d3.de");
	/* pushed out, flushed, or not known any more: deleted, once */
	put(cache, "new.de", DOMAIN_DEAD, 60, NOW + 41);
	(void)dns_cache_flush(cache, SLICE_LIT("d4.de"));
	put(cache, "d3.de", DOMAIN_UNKNOWN, 0, NOW + 10 * DAY);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.deletes, 3);
	ck_assert_uint_eq(disk.puts, 1);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.count, 0);
	put(cache, "d3.de", DOMAIN_UNKNOWN, 0, NOW + 10 * DAY + 100);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.count, 0);
	/* flushed before it was taken: never heard of */
	put(cache, "brief.de", DOMAIN_DEAD, 60, NOW);
	(void)dns_cache_flush(cache, SLICE_LIT("brief.de"));
	/* gone and back before it was taken: one record */
	(void)dns_cache_flush(cache, SLICE_LIT("new.de"));
	put(cache, "new.de", DOMAIN_DEAD, 60, NOW);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.puts, 1);
	for (size_t i = 0; i < disk.count; i++)
		ck_assert_str_ne(disk.records[i].key, "brief.de");
	dns_cache_destroy(&cache);
}
END_TEST

/* version, verdict, reason, flags, since, until */
static const struct {
	const char *label, *key;
	uint8_t version, verdict, reason, flags;
	int64_t since, until;
	int err;
} records[] = {
    {"good", "a.de", 1, 1, 1, 0, NOW - 10, NOW + 90, 0},
    {"its own address", "a.de", 1, 1, 2, 0, NOW - 10, NOW + 90, 0},
    {"dead", "a.de", 1, 2, 4, 0, NOW - 10, NOW + 90, 0},
    {"no records", "a.de", 1, 2, 5, 0, NOW - 10, NOW + 90, 0},
    {"null MX", "a.de", 1, 3, 7, 0, NOW - 10, NOW + 90, 0},
    {"unroutable, local", "a.de", 1, 5, 11, 1, NOW - 10, NOW + 90, 0},
    {"self", "a.de", 1, 5, 12, 1, NOW - 10, NOW + 90, 0},
    {"the longest name's label", "x-y_z.de", 1, 2, 4, 0, NOW - 10, NOW + 90, 0},
    {"good, over, but may be stale", "a.de", 1, 1, 1, 0, NOW - 1000, NOW - 10,
     0},
    {"good, too old", "a.de", 1, 1, 1, 0, NOW - 1000 - DAY, NOW - DAY,
     GW_ENOENT},
    {"dead, over", "a.de", 1, 2, 4, 0, NOW - 1000, NOW, GW_ENOENT},
    {"from the future", "a.de", 1, 2, 4, 0, NOW + 5 * DAY, NOW + 5 * DAY + 90,
     0},
    {"the end of time", "a.de", 1, 2, 4, 0, INT64_MAX - 1, INT64_MAX,
     GW_ECORRUPT},
    {"before the beginning", "a.de", 1, 2, 4, 0, -5, NOW + 90, GW_ECORRUPT},
    {"backwards", "a.de", 1, 2, 4, 0, NOW, NOW - 1, GW_ECORRUPT},
    {"too long", "a.de", 1, 1, 1, 0, NOW, NOW + DAY + 1, GW_ECORRUPT},
    {"version 0", "a.de", 0, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"version 2", "a.de", 2, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"unknown is never kept", "a.de", 1, 0, 13, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"reserved is not from DNS", "a.de", 1, 4, 8, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"no such verdict", "a.de", 1, 6, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"no such reason", "a.de", 1, 2, 99, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"dead because it is fine", "a.de", 1, 2, 1, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"dead because of SERVFAIL", "a.de", 1, 2, 13, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"unroutable because of SERVFAIL", "a.de", 1, 5, 13, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"strange flags", "a.de", 1, 2, 4, 2, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"no key", "", 1, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"not in key form", "A.de", 1, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"a trailing dot", "a.de.", 1, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"a literal", "[192.0.2.1]", 1, 1, 1, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"an address", "a@b.de", 1, 1, 1, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"special use", "a.test", 1, 1, 1, 0, NOW - 10, NOW + 90, GW_ENOENT},
};

static void
record_make(int i, struct buf *out)
{
	buf_put_u8(out, records[i].version);
	buf_put_u8(out, records[i].verdict);
	buf_put_u8(out, records[i].reason);
	buf_put_u8(out, records[i].flags);
	buf_put_u64(out, (uint64_t)records[i].since);
	buf_put_u64(out, (uint64_t)records[i].until);
}

START_TEST(test_records)
{
	struct dns_cache *cache = cache_of(0);
	struct slice key = slice_str(records[_i].key);
	struct buf out = {.cap = 100};
	struct domain_fact fact;
	int err;

	record_make(_i, &out);
	err = dns_cache_restore(cache, key, buf_slice(&out), NOW);
	ck_assert_msg(err == records[_i].err, "%s: %d", records[_i].label, err);
	ck_assert_int_eq(dns_cache_look(cache, key, &fact), err == 0);
	if (err == 0) {
		ck_assert_int_eq(fact.verdict, records[_i].verdict);
		ck_assert_int_le(fact.since_wall_s, NOW);
		ck_assert_int_eq(fact.until_wall_s - fact.since_wall_s,
				 records[_i].until - records[_i].since);
	}
	(void)dns_cache_flush(cache, SLICE_NONE);
	/* cut anywhere, or with something behind it: nothing */
	for (size_t n = 0; n < out.n; n++) {
		char *cut = slice_dup(slice_of(out.p, n));

		ck_assert_int_eq(
		    dns_cache_restore(cache, key, slice_of(cut, n), NOW),
		    GW_ECORRUPT);
		free(cut);
	}
	buf_put_u8(&out, 0);
	ck_assert_int_eq(dns_cache_restore(cache, key, buf_slice(&out), NOW),
			 GW_ECORRUPT);
	buf_fini(&out);
	dns_cache_destroy(&cache);
}
END_TEST

START_TEST(test_restore_is_older)
{
	struct dns_cache *cache = cache_of(0);
	struct buf out = {.cap = 100};

	record_make(0, &out);
	put(cache, "a.de", DOMAIN_DEAD, 600, NOW);
	ck_assert_int_eq(
	    dns_cache_restore(cache, SLICE_LIT("a.de"), buf_slice(&out), NOW),
	    0);
	ck_assert_int_eq(verdict(cache, "a.de", NOW), DOMAIN_DEAD);
	buf_fini(&out);
	dns_cache_destroy(&cache);
}
END_TEST

/* ---- Credentials ---- */

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
	share_cred_give(cache, "bob");
	ck_assert(share_cred_take(cache, "bob"));
	ck_assert(!share_cred_take(cache, "bob"));
	conf.cred_max = 4;
	dns_cache_reload(cache, &conf);
	ck_assert(share_cred_take(cache, "bob"));
	dns_cache_status_get(cache, &status);
	ck_assert_uint_eq(status.busy, 2);
	for (int i = 0; i < 4; i++)
		share_cred_give(cache, "bob");
	share_cred_give(cache, "bobby");
	share_cred_give(cache, "");
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
			share_cred_give(w->cache, name);
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
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_take);
	tcase_add_loop_test(tc, test_records, 0, COUNT(records));
	tcase_add_test(tc, test_restore_is_older);
	tcase_add_test(tc, test_creds);
	tcase_add_test(tc, test_threads);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
