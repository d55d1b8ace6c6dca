#include <stdio.h>

#include "gateway/auth/penalty.h"
#include "tests/auth/auth_help.h"

#define S 1000
#define MIN (60 * S)
#define HOUR (60 * MIN)
#define DAY (24 * (int64_t)HOUR)

static const struct penalty_opts usual = {
    .fail_max = 3,
    .window_ms = 10 * MIN,
    .block_ms = 15 * MIN,
    .block_max_ms = DAY,
    .known_ms = DAY,
    .address_max = 100,
    .known_max = 100,
};

static struct ip_addr
ip(const char *text)
{
	struct ip_addr addr;

	ck_assert_int_eq(ip_parse(slice_str(text), &addr), 0);
	return addr;
}

static void
guess(struct penalty *penalty, const char *client, uint64_t tried,
      int64_t now_ms)
{
	struct ip_addr addr = ip(client);

	penalty_fail(penalty, &addr, SLICE_LIT("bob"), tried, now_ms);
}

static int64_t
closed(struct penalty *penalty, const char *client, const char *cred,
       int64_t now_ms)
{
	struct ip_addr addr = ip(client);

	return penalty_closed_ms(penalty, &addr, slice_str(cred), now_ms);
}

static void
success(struct penalty *penalty, const char *client, const char *cred,
	int64_t now_ms)
{
	struct ip_addr addr = ip(client);

	penalty_success(penalty, &addr, slice_str(cred), now_ms);
}

/* fails at these times; is it closed at `at`? */
START_TEST(window)
{
	static const struct {
		const char *label;
		int64_t fails[6]; /* ends with 0 */
		int64_t at;
		bool closed;
	} rows[] = {
	    {"two are free", {1 * S, 2 * S}, 3 * S, false},
	    {"three close", {1 * S, 2 * S, 3 * S}, 3 * S, true},
	    {"just inside the window",
	     {1 * S, 2 * S, 10 * MIN},
	     10 * MIN,
	     true},
	    {"a window and a slot apart",
	     {1 * S, 2 * S, 12 * MIN},
	     12 * MIN,
	     false},
	    {"slow guessing",
	     {1 * S, 6 * MIN, 12 * MIN, 18 * MIN},
	     18 * MIN,
	     false},
	    {"opens after 15 minutes",
	     {1 * S, 2 * S, 3 * S},
	     15 * MIN + 3 * S,
	     false},
	    {"not sooner", {1 * S, 2 * S, 3 * S}, 15 * MIN + 2 * S, true},
	    {"a clock of another loop behind ours",
	     {5 * MIN, 4 * MIN, 5 * MIN},
	     5 * MIN,
	     true},
	    {"a long time later", {1 * S, 2 * S, 300 * DAY}, 300 * DAY, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct penalty *penalty = penalty_create(&usual);

		for (size_t j = 0; rows[i].fails[j] != 0; j++)
			guess(penalty, "192.0.2.1", j + 1, rows[i].fails[j]);
		ck_assert_msg((closed(penalty, "192.0.2.1", NULL, rows[i].at) !=
			       0) == rows[i].closed,
			      "%s", rows[i].label);
		penalty_destroy(&penalty);
	}
}
END_TEST

START_TEST(whose_address)
{
	static const struct {
		const char *label, *failing, *asked;
		bool closed;
	} rows[] = {
	    {"the same", "192.0.2.1", "192.0.2.1", true},
	    {"the v4 neighbour", "192.0.2.1", "192.0.2.2", false},
	    {"the same /64", "2001:db8::1", "2001:db8::ffff:1", true},
	    {"the next /64", "2001:db8::1", "2001:db8:0:1::1", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct penalty *penalty = penalty_create(&usual);

		for (uint64_t j = 1; j <= 3; j++)
			guess(penalty, rows[i].failing, j, S);
		ck_assert_msg((closed(penalty, rows[i].asked, NULL, S) != 0) ==
				  rows[i].closed,
			      "%s", rows[i].label);
		penalty_destroy(&penalty);
	}
}
END_TEST

/* One failure in each of `count` /64s of a /48, each with another password;
 * fail_max is 3, so 24 close the /48. */
START_TEST(whose_site)
{
	static const struct {
		const char *label, *before, *after; /* the number */
		unsigned count;
		const char *asked;
		bool closed;
	} rows[] = {
	    {"23 of a /48", "2001:db8:7:", "::1", 23, "2001:db8:7::", false},
	    {"24 of a /48", "2001:db8:7:", "::1", 24, "2001:db8:7:0::", true},
	    {"a /64 that did nothing", "2001:db8:7:", "::1", 24,
	     "2001:db8:7:ffff::1", true},
	    {"the /48 before", "2001:db8:7:", "::1", 24, "2001:db8:6:ffff::1",
	     false},
	    {"the /48 after", "2001:db8:7:", "::1", 24, "2001:db8:8::", false},
	    {"v4 has no sites", "192.0.2.", "", 99, "192.0.2.200", false},
	};
	char client[64];

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct penalty *penalty = penalty_create(&usual);

		for (unsigned j = 1; j <= rows[i].count; j++) {
			snprintf(client, sizeof(client), "%s%u%s",
				 rows[i].before, j, rows[i].after);
			guess(penalty, client, j, S);
		}
		ck_assert_msg((closed(penalty, rows[i].asked, NULL, S) != 0) ==
				  rows[i].closed,
			      "%s", rows[i].label);
		penalty_destroy(&penalty);
	}
}
END_TEST

/* fail_max is 3: `count` failures, each from a /64 of its own. */
static void
guess_around(struct penalty *penalty, unsigned first, unsigned count,
	     int64_t now_ms)
{
	char client[32];

	for (unsigned i = first; i < first + count; i++) {
		snprintf(client, sizeof(client), "2001:db8:7:%x::1", i);
		guess(penalty, client, i, now_ms);
	}
}

START_TEST(a_closed_site)
{
	struct penalty *penalty = penalty_create(&usual);
	struct ip_addr addr = ip("2001:db8:7:ffff::1");
	int64_t until;

	success(penalty, "2001:db8:7:aaaa::1", "ann", S);
	guess_around(penalty, 1, 24, S);
	until = closed(penalty, "2001:db8:7:ffff::1", "bob", S);
	ck_assert_int_eq(until, S + 15 * MIN);
	ck_assert_uint_eq(penalty_failures(penalty, &addr, S), usual.fail_max);
	/* Who is known in his /64 does not pay for the neighbours. */
	ck_assert_int_eq(closed(penalty, "2001:db8:7:aaaa::2", "ann", S), 0);
	ck_assert(closed(penalty, "2001:db8:7:aaab::1", "ann", S) != 0);
	/* Knocking neither prolongs nor counts for later. */
	guess_around(penalty, 100, 60, 2 * S);
	ck_assert_int_eq(closed(penalty, "2001:db8:7:ffff::1", "bob", 2 * S),
			 until);
	guess_around(penalty, 200, 23, until);
	ck_assert_int_eq(closed(penalty, "2001:db8:7:ffff::1", "bob", until),
			 0);
	guess_around(penalty, 300, 1, until); /* and twice as long */
	ck_assert_int_eq(closed(penalty, "2001:db8:7:ffff::1", "bob", until),
			 until + 30 * MIN);
	penalty_destroy(&penalty);
}
END_TEST

/* A phone roams in its provider's /48 with an old password. */
START_TEST(a_site_counts_the_same_once)
{
	struct penalty *penalty = penalty_create(&usual);
	char client[32];

	for (unsigned i = 0; i < 50; i++) {
		snprintf(client, sizeof(client), "2001:db8:7:%x::1", i);
		guess(penalty, client, 7, S);
	}
	ck_assert_int_eq(closed(penalty, "2001:db8:7::", NULL, S), 0);
	penalty_destroy(&penalty);
}
END_TEST

/* Attempts already under way when the site closes. */
START_TEST(a_closed_site_spares_its_64s)
{
	struct penalty_opts opts = usual;
	struct penalty *penalty;
	struct ip_addr addr = ip("2001:db8:7:1::1");

	opts.window_ms = HOUR;
	penalty = penalty_create(&opts);
	guess_around(penalty, 1, 23, S);
	for (uint64_t i = 100; i < 104; i++) /* the first closes the site */
		guess(penalty, "2001:db8:7:1::1", i, S);
	ck_assert_uint_eq(penalty_failures(penalty, &addr, S), 3);
	ck_assert_uint_eq(penalty_failures(penalty, &addr, 16 * MIN), 2);
	penalty_destroy(&penalty);
}
END_TEST

START_TEST(doubles_to_a_day)
{
	static const int64_t minutes[] = {15,  30,  60,	  120,	240,
					  480, 960, 1440, 1440, 1440};
	struct penalty *penalty = penalty_create(&usual);
	uint64_t tried = 1;
	int64_t now = S;

	for (size_t i = 0; i < COUNT(minutes); i++) {
		for (int j = 0; j < 3; j++)
			guess(penalty, "192.0.2.1", tried++, now);
		ck_assert_int_eq(closed(penalty, "192.0.2.1", NULL, now) - now,
				 minutes[i] * MIN);
		now += minutes[i] * MIN;
		ck_assert_int_eq(closed(penalty, "192.0.2.1", NULL, now), 0);
	}
	now += DAY; /* of peace */
	for (int j = 0; j < 3; j++)
		guess(penalty, "192.0.2.1", tried++, now);
	ck_assert_int_eq(closed(penalty, "192.0.2.1", NULL, now) - now,
			 15 * MIN);
	penalty_destroy(&penalty);
}
END_TEST

START_TEST(knocking_does_not_prolong)
{
	struct penalty *penalty = penalty_create(&usual);
	uint64_t tried = 1;
	int64_t until;

	for (int i = 0; i < 3; i++)
		guess(penalty, "192.0.2.1", tried++, S);
	until = closed(penalty, "192.0.2.1", NULL, S);
	for (int i = 0; i < 100; i++)
		guess(penalty, "192.0.2.1", tried++, 10 * S);
	ck_assert_int_eq(closed(penalty, "192.0.2.1", NULL, 10 * S), until);
	ck_assert_int_eq(closed(penalty, "192.0.2.1", NULL, until), 0);
	penalty_destroy(&penalty);
}
END_TEST

START_TEST(the_same_again_counts_once)
{
	struct penalty *penalty = penalty_create(&usual);

	for (int i = 0; i < 50; i++) {
		guess(penalty, "192.0.2.1", 7, S);
		guess(penalty, "192.0.2.1", 8, S);
	}
	ck_assert_int_eq(closed(penalty, "192.0.2.1", NULL, S), 0);
	/* What is not known counts each time. */
	guess(penalty, "192.0.2.1", 0, S);
	ck_assert(closed(penalty, "192.0.2.1", NULL, S) != 0);
	penalty_destroy(&penalty);
}
END_TEST

START_TEST(who_is_known_stays_welcome)
{
	struct penalty *penalty = penalty_create(&usual);

	success(penalty, "192.0.2.1", "ann", S);
	success(penalty, "192.0.2.9", "bob", S);
	for (uint64_t i = 1; i <= 3; i++)
		guess(penalty, "192.0.2.1", i, 2 * S);
	ck_assert_int_eq(closed(penalty, "192.0.2.1", "ann", 3 * S), 0);
	ck_assert_int_eq(closed(penalty, "192.0.2.1", NULL, 3 * S), 0);
	ck_assert(closed(penalty, "192.0.2.1", "bob", 3 * S) != 0);
	ck_assert(closed(penalty, "192.0.2.1", "", 3 * S) != 0);
	penalty_destroy(&penalty);
}
END_TEST

START_TEST(known_for_a_day)
{
	struct penalty_opts opts = usual;
	struct penalty *penalty;

	opts.block_ms = 3 * DAY;
	opts.block_max_ms = 3 * DAY;
	penalty = penalty_create(&opts);
	success(penalty, "192.0.2.1", "ann", S);
	for (uint64_t i = 1; i <= 3; i++)
		guess(penalty, "192.0.2.1", i, 2 * S);
	ck_assert_int_eq(closed(penalty, "192.0.2.1", "ann", DAY), 0);
	ck_assert(closed(penalty, "192.0.2.1", "ann", DAY + S) != 0);
	ck_assert(closed(penalty, "192.0.2.1", NULL, DAY + S) != 0);
	penalty_destroy(&penalty);
}
END_TEST

/* A neighbour behind the same address guesses at the one who is known. */
START_TEST(the_exemption_ends_when_abused)
{
	struct penalty *penalty = penalty_create(&usual);

	success(penalty, "192.0.2.1", "bob", S);
	for (uint64_t i = 1; i <= 2; i++)
		guess(penalty, "192.0.2.1", i, S);
	success(penalty, "192.0.2.1", "bob", S); /* a typing error, twice */
	for (uint64_t i = 3; i <= 4; i++)
		guess(penalty, "192.0.2.1", i, S);
	ck_assert_int_eq(closed(penalty, "192.0.2.1", "bob", S), 0);
	guess(penalty, "192.0.2.1", 5, S);
	ck_assert(closed(penalty, "192.0.2.1", "bob", S) != 0);
	penalty_destroy(&penalty);
}
END_TEST

START_TEST(tables_are_capped)
{
	struct penalty *penalty = penalty_create(&usual);
	char client[32], name[32];

	for (uint64_t i = 1; i <= 3; i++)
		guess(penalty, "192.0.2.1", i, S);
	success(penalty, "192.0.2.1", "ann", S);
	for (unsigned i = 0; i < 99; i++) {
		snprintf(client, sizeof(client), "10.0.%u.%u", i / 256,
			 i % 256);
		guess(penalty, client, 1, S);
	}
	ck_assert(closed(penalty, "192.0.2.1", "bob", S) != 0);
	guess(penalty, "10.1.0.1", 1, S); /* the oldest goes */
	ck_assert_int_eq(closed(penalty, "192.0.2.1", "bob", S), 0);
	for (uint64_t i = 1; i <= 3; i++)
		guess(penalty, "192.0.2.1", i, S);
	ck_assert_int_eq(closed(penalty, "192.0.2.1", "ann", S), 0);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		success(penalty, "192.0.2.2", name, S);
	}
	ck_assert(closed(penalty, "192.0.2.1", "ann", S) != 0);
	penalty_destroy(&penalty);
}
END_TEST

START_TEST(counts_for_the_delay)
{
	struct penalty *penalty = penalty_create(&usual);
	struct ip_addr addr = ip("192.0.2.1");

	ck_assert_uint_eq(penalty_failures(penalty, &addr, S), 0);
	guess(penalty, "192.0.2.1", 1, S);
	guess(penalty, "192.0.2.1", 2, S);
	ck_assert_uint_eq(penalty_failures(penalty, &addr, S), 2);
	ck_assert_uint_eq(penalty_failures(penalty, &addr, 12 * MIN), 0);
	for (uint64_t i = 3; i <= 6; i++)
		guess(penalty, "192.0.2.1", i, 12 * MIN);
	ck_assert_uint_eq(penalty_failures(penalty, &addr, 12 * MIN), 3);
	penalty_destroy(&penalty);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("penalty");
	TCase *tcase = tcase_create("penalty");

	tcase_add_test(tcase, window);
	tcase_add_test(tcase, whose_address);
	tcase_add_test(tcase, whose_site);
	tcase_add_test(tcase, a_closed_site);
	tcase_add_test(tcase, a_site_counts_the_same_once);
	tcase_add_test(tcase, a_closed_site_spares_its_64s);
	tcase_add_test(tcase, doubles_to_a_day);
	tcase_add_test(tcase, knocking_does_not_prolong);
	tcase_add_test(tcase, the_same_again_counts_once);
	tcase_add_test(tcase, who_is_known_stays_welcome);
	tcase_add_test(tcase, known_for_a_day);
	tcase_add_test(tcase, the_exemption_ends_when_abused);
	tcase_add_test(tcase, tables_are_capped);
	tcase_add_test(tcase, counts_for_the_delay);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
