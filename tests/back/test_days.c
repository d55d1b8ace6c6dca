/*
 * The day's counts: whose place is taken and given back, that a day ends, and
 * that the store keeps what is reached, and no longer than it is of use.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/days.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/store/env.h"
#include "gateway/store/key.h"
#include "tests/back/world.h"

#define DAY_S INT64_C(86400)
#define NOON (20000 * DAY_S + DAY_S / 2)

static struct world w;
static struct relay relay;
static struct hop hop;
static struct day_key google, yahoo;

static void
setup(void)
{
	world_open(&w, NULL);
	relay = (struct relay){.spool = w.spool};
	hop = (struct hop){.relay = &relay, .conf = w.hops[0]};
	google = day_key_receiver(RECEIVER_GOOGLE);
	yahoo = day_key_receiver(RECEIVER_YAHOO);
	relay.days = days_create(&relay, NOON);
}

static void
teardown(void)
{
	days_destroy(&relay.days);
	world_start(&w); /* as it is closed */
	world_close(&w);
}

static struct day_key
site(const char *name, const struct ip_addr *source)
{
	struct dest dest = {.hop = &hop, .source = source};

	(void)snprintf(dest.key, sizeof(dest.key), "%s", name);
	return day_key_site(&dest);
}

static uint64_t
google_at(int64_t now_wall_s)
{
	return days_count(relay.days, &google, now_wall_s);
}

START_TEST(taken_and_given_back)
{
	int64_t day = days_begin(relay.days, NOON);

	ck_assert_int_eq(day, 20000);
	days_take(relay.days, &google, 5);
	days_take(relay.days, &yahoo, 1);
	days_give_back(relay.days, day, &google, 2);
	ck_assert_uint_eq(google_at(NOON), 3);
	days_give_back(relay.days, day, &google, 100);
	ck_assert_uint_eq(google_at(NOON), 0);
	ck_assert_uint_eq(days_count(relay.days, &yahoo, NOON), 1);
}
END_TEST

/* What began yesterday and comes back today was no place of today's. */
START_TEST(midnight)
{
	int64_t day = days_begin(relay.days, NOON);

	days_take(relay.days, &google, 5);
	ck_assert_uint_eq(google_at(NOON + DAY_S / 2 - 1), 5);
	ck_assert_uint_eq(google_at(NOON + DAY_S / 2), 0);
	days_take(relay.days, &google, 3);
	days_give_back(relay.days, day, &google, 2);
	ck_assert_uint_eq(google_at(NOON + DAY_S), 3);
}
END_TEST

static void
commit(int64_t day, const struct day_key *key, uint32_t n)
{
	struct arena *arena = arena_create(256);
	struct store_change change;

	days_change(day, key, n, arena, &change);
	world_commit(&w, &change, 1);
	arena_destroy(&arena);
}

static void
restart(int64_t now_wall_s)
{
	days_destroy(&relay.days);
	relay.days = days_create(&relay, now_wall_s);
}

START_TEST(kept)
{
	struct ip_addr source = {{1}};
	struct day_key here = site("here/1", NULL),
		       there = site("there/1", NULL),
		       from = site("here/1", &source);

	commit(20000, &google, 4);
	commit(20000, &google, 3);
	commit(20000, &here, 9);
	commit(20001, &google, 1);
	commit(19999, &yahoo, 8);
	/* What is under way is not in it. */
	days_take(relay.days, &google, 50);
	restart(NOON);
	ck_assert_uint_eq(google_at(NOON), 7);
	ck_assert_uint_eq(days_count(relay.days, &yahoo, NOON), 0);
	ck_assert_uint_eq(days_count(relay.days, &here, NOON), 9);
	ck_assert_uint_eq(days_count(relay.days, &there, NOON), 0);
	ck_assert_uint_eq(days_count(relay.days, &from, NOON), 0);
	restart(NOON + DAY_S);
	ck_assert_uint_eq(google_at(NOON + DAY_S), 1);
	ck_assert_uint_eq(days_count(relay.days, &here, NOON + DAY_S), 0);
}
END_TEST

/* A record that none of ours is, is passed by. */
START_TEST(strange_records)
{
	uint8_t key[21] = {0, 0, 0x4e, 0x20, 'r'};
	uint8_t value[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct store_change changes[] = {
	    {STORE_DAY, STORE_PUT, slice_of(key, 4), slice_of(value, 8)},
	    {STORE_DAY, STORE_PUT, slice_of(key, 20), slice_of(value, 8)},
	    {STORE_DAY, STORE_PUT, slice_of(key, 21), slice_of(value, 8)},
	};

	commit(20000, &google, 4);
	world_commit(&w, changes, 3);
	changes[0].value.n = 3;
	key[12] = RECEIVER_YAHOO;
	changes[0].key.n = 21;
	world_commit(&w, changes, 1);
	restart(NOON);
	ck_assert_uint_eq(google_at(NOON), 4);
	ck_assert_uint_eq(days_count(relay.days, &yahoo, NOON), 0);
}
END_TEST

static bool
count_record(void *arg, struct slice key, struct slice value)
{
	unsigned *days = arg;

	(void)value;
	days[key_get_u32(key.p) >= (uint32_t)(clock_wall_s() / DAY_S)]++;
	return true;
}

/* Of days that are over, and of those that are not. */
static void
records(unsigned days[2])
{
	struct store_txn *txn = store_read(spool_store(w.spool));

	days[0] = days[1] = 0;
	store_each(txn, STORE_DAY, SLICE_NONE, count_record, days);
	store_abort(&txn);
}

static unsigned
records_over(void)
{
	unsigned days[2];

	records(days);
	return days[0];
}

/* More than go in one commit. */
START_TEST(swept)
{
	int64_t today = clock_wall_s() / DAY_S;
	unsigned days[2];

	for (int64_t day = today - 300; day < today; day++)
		commit(day, &google, 1);
	/* Also tomorrow's, should this be at midnight. */
	commit(today + 1, &google, 1);
	commit(today + 1, &yahoo, 1);
	ck_assert_uint_eq(records_over(), 300);
	world_start(&w);
	UNTIL(&w, records_over() == 0, "what is over is gone");
	records(days);
	ck_assert_uint_eq(days[1], 2);
	world_stop(&w, 3000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("back/days");
	TCase *t = tcase_create("days");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, taken_and_given_back);
	tcase_add_test(t, midnight);
	tcase_add_test(t, kept);
	tcase_add_test(t, strange_records);
	tcase_add_test(t, swept);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
