#include "policy/accounts.h"
#include "tests/policy/limits_kit.h"

/* --- bytes ----------------------------------------------------------- */

struct bytes_row {
	const char *label;
	enum limit_action over;
	uint64_t before, declared, true_size; /* of a limit of 1,000 */
	char rcpt, dot;			      /* as letter() says */
	bool never;
	uint64_t used; /* after the dot */
};

static const struct bytes_row bytes_rows[] = {
    {"as declared", LIMIT_REJECT, 0, 500, 500, '.', '.', false, 500},
    {"smaller: the rest goes back", LIMIT_REJECT, 0, 900, 100, '.', '.', false,
     100},
    {"empty", LIMIT_REJECT, 0, 900, 0, '.', '.', false, 0},
    {"larger, and fits", LIMIT_REJECT, 0, 100, 1000, '.', '.', false, 1000},
    {"not declared", LIMIT_REJECT, 300, 0, 700, '.', '.', false, 1000},
    {"larger by one", LIMIT_DEFER, 300, 0, 701, '.', 'd', false, 300},
    {"larger by one, reject", LIMIT_REJECT, 300, 5, 701, '.', 'r', false, 305},
    {"larger, hold", LIMIT_HOLD, 300, 5, 701, '.', 'h', false, 300},
    {"larger, bulk", LIMIT_BULK, 300, 5, 701, '.', 'b', false, 300},
    {"declared over what is left", LIMIT_DEFER, 300, 701, 1, 'd', '.', false,
     300},
    {"declared over the limit itself", LIMIT_DEFER, 0, 1001, 1, 'r', '.', true,
     0},
    {"over the limit itself at the dot, with room for what is new", LIMIT_DEFER,
     0, 600, 1001, '.', 'r', true, 600},
    {"the same, where it is held", LIMIT_HOLD, 0, 600, 1001, '.', 'h', true, 0},
};

START_TEST(test_bytes)
{
	const struct bytes_row *row = &bytes_rows[_i];
	const struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_BYTES, 1000, KIT_HOUR, row->over)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct reservation *r;

	if (row->before > 0) {
		r = reservation_create(limits, &who);
		reservation_rcpt(r, false, row->before, at(0), &verdict);
		reservation_settle(r, row->before, at(0), &verdict);
		reservation_commit(&r);
	}
	r = reservation_create(limits, &who);
	reservation_rcpt(r, false, row->declared, at(1), &verdict);
	ck_assert_msg(letter(verdict.action) == row->rcpt, "%s: RCPT got '%c'",
		      row->label, letter(verdict.action));
	if (row->rcpt != '.')
		ck_assert_msg(verdict.hit.never == row->never, "%s: never",
			      row->label);
	reservation_rcpt(r, true, row->declared, at(1), &verdict);
	reservation_settle(r, row->true_size, at(2), &verdict);
	ck_assert_msg(letter(verdict.action) == row->dot,
		      "%s: the dot got '%c'", row->label,
		      letter(verdict.action));
	if (row->dot != '.')
		ck_assert_msg(verdict.hit.never == row->never, "%s: never",
			      row->label);
	ck_assert_msg(kit_used(limits, &who, "a", LIMIT_BYTES, 2) == row->used,
		      "%s: %d used", row->label,
		      (int)kit_used(limits, &who, "a", LIMIT_BYTES, 2));
	reservation_cancel(&r, at(2));
	ck_assert_msg(kit_used(limits, &who, "a", LIMIT_BYTES, 2) ==
			  row->before,
		      "%s: not given back", row->label);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_paced_bytes_at_the_dot)
{
	struct limit_conf v[] = {PACED("a", 1000, LIMIT_DEFER)};
	struct limit_rate bytes = {LIMIT_BYTES, 1000, 3600000, 0};
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct limits *limits;
	struct reservation *r;

	v[0].rates = &bytes;
	limits = kit_limits(v, 1, NULL);
	r = reservation_create(limits, &who);
	reservation_rcpt(r, false, 900, at(0), &verdict);
	reservation_settle(r, 900, at(0), &verdict);
	reservation_commit(&r);
	r = reservation_create(limits, &who);
	reservation_rcpt(r, false, 50, at(1), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	ck_assert_int_eq(verdict.not_before_wall_s, 0);
	reservation_settle(r, 300, at(2), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PACE);
	/* told after the recipient was let go: all of them wait */
	ck_assert_int_ge(verdict.all_not_before_wall_s, KIT_WALL_S + KIT_HOUR);
	ck_assert_int_eq(verdict.not_before_wall_s,
			 verdict.all_not_before_wall_s);
	reservation_commit(&r);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_bytes_with_a_burst)
{
	/* 10 MB a second: a step of a tenth of a microsecond a byte */
	struct limit_rate rates[] = {{LIMIT_BYTES, 10000000, 1000, 50000000}};
	struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_BYTES, 1, KIT_HOUR, LIMIT_DEFER)};
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct limits *limits;
	struct reservation *r;

	v[0].rates = rates;
	limits = kit_limits(v, 1, NULL);
	r = reservation_create(limits, &who);
	reservation_rcpt(r, false, 50000000, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	reservation_settle(r, 49000000, at(0), &verdict);
	reservation_commit(&r);
	r = reservation_create(limits, &who);
	reservation_rcpt(r, false, 12000000, at(1), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_DEFER);
	ck_assert_uint_eq(verdict.hit.limit, 10000000);
	ck_assert_uint_ge(verdict.hit.burst, 49900000);
	reservation_rcpt(r, false, 10900000, at(1), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	reservation_cancel(&r, at(1));
	limits_destroy(&limits);
}
END_TEST

/* --- slow messages --------------------------------------------------- */

/* Bytes, of which a reload leaves 400 for an hour or at once. */
struct tighter_row {
	const char *label;
	uint64_t burst; /* or 0 */
	uint64_t declared, true_size;
	double dot_s;
	char dot;
};

static const struct tighter_row tighter_rows[] = {
    {"as declared", 0, 700, 700, 0, '.'},
    {"as declared, within the new limit", 0, 300, 300, 1000, '.'},
    {"larger", 0, 300, 401, 0, 'r'},
    {"larger, as much as is left", 0, 300, 400, 0, '.'},
    {"slow, until nothing counts", 0, 700, 700, 4000, 'r'},
    {"a burst, as declared", 5000, 700, 700, 0, '.'},
    {"a burst, larger", 5000, 300, 401, 0, 'r'},
    {"a slow burst", 5000, 700, 700, 4000, 'r'},
};

START_TEST(test_a_reload_binds_the_dot)
{
	const struct tighter_row *row = &tighter_rows[_i];
	struct limit_rate rate = {LIMIT_BYTES, 5000, 3600000, row->burst};
	struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_BYTES, 1, KIT_HOUR, LIMIT_DEFER)};
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct limits *limits;
	struct reservation *r;

	v[0].rates = &rate;
	limits = kit_limits(v, 1, NULL);
	r = reservation_create(limits, &who);
	reservation_rcpt(r, false, row->declared, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	rate.limit = 400;
	rate.burst = row->burst > 0 ? 400 : 0;
	limits_reload(limits,
		      &(struct limits_conf){.limits = v, .limit_count = 1});
	reservation_settle(r, row->true_size, at(row->dot_s), &verdict);
	ck_assert_msg(letter(verdict.action) == row->dot,
		      "%s: the dot got '%c'", row->label,
		      letter(verdict.action));
	reservation_cancel(&r, at(row->dot_s));
	ck_assert_msg(kit_used(limits, &who, "a", LIMIT_BYTES, row->dot_s) == 0,
		      "%s: not given back", row->label);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_a_reload_to_larger_units)
{
	/* 10 MB a second are counted by the 10 kB, 1 byte by the byte */
	struct limit_rate rate = {LIMIT_BYTES, 10000000, 1000, 50000000};
	struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_BYTES, 1, KIT_HOUR, LIMIT_DEFER)};
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct limits *limits;
	struct reservation *r;

	v[0].rates = &rate;
	limits = kit_limits(v, 1, NULL);
	r = reservation_create(limits, &who);
	reservation_rcpt(r, false, 30000, at(0), &verdict);
	rate.limit = 1;
	rate.burst = 40000;
	limits_reload(limits,
		      &(struct limits_conf){.limits = v, .limit_count = 1});
	reservation_settle(r, 50000, at(0), &verdict);
	ck_assert_int_eq(letter(verdict.action), 'r');
	/* by the old unit, rounded up */
	ck_assert_uint_ge(verdict.hit.burst, 40000);
	ck_assert_uint_lt(verdict.hit.burst, 50000);
	reservation_settle(r, 30000, at(0), &verdict);
	ck_assert_int_eq(letter(verdict.action), '.');
	reservation_cancel(&r, at(0));
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_BYTES, 0), 0);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_nobody_hoards_reservations)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_RECIPIENTS, 10, KIT_15S, LIMIT_DEFER)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct reservation *slow[3];
	struct limit_verdict verdict;
	unsigned accepted = 0;

	/* three periods' worth, each reserved in time, none at its dot yet */
	for (int i = 0; i < 3; i++) {
		slow[i] = reservation_create(limits, &who);
		ck_assert_uint_eq(kit_rcpts(slow[i], 10, i * 16), 10);
	}
	for (int i = 0; i < 3; i++) {
		reservation_settle(slow[i], 0, at(33), &verdict);
		if (verdict.action < LIMIT_DEFER) {
			accepted += 10;
			reservation_commit(&slow[i]);
		} else {
			reservation_cancel(&slow[i], at(33));
		}
	}
	ck_assert_uint_eq(accepted, 10);
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 33),
			  10);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_the_place_of_a_slow_message_is_kept)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_RECIPIENTS, 10, KIT_15S, LIMIT_DEFER)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	struct limit_verdict verdict;

	ck_assert_uint_eq(kit_rcpts(r, 7, 0), 7);
	ck_assert_uint_eq(kit_send(limits, &who, 5, 8), 3);
	/* full, but with its own: it moves to the slot of its dot */
	reservation_settle(r, 0, at(10), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	reservation_commit(&r);
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 10),
			  10);
	/* and is there, not at 0 */
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 17),
			  10);
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 24), 7);
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 26), 0);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_recipients_of_two_periods_are_of_one_dot)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_RECIPIENTS, 10, KIT_15S, LIMIT_DEFER)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	struct limit_verdict verdict;

	/* the first six are out of the window when the others come */
	ck_assert_uint_eq(kit_rcpts(r, 6, 0), 6);
	ck_assert_uint_eq(kit_rcpts(r, 6, 20), 6);
	reservation_settle(r, 0, at(20), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_DEFER);
	reservation_cancel(&r, at(20));
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 20), 0);
	r = reservation_create(limits, &who);
	ck_assert_uint_eq(kit_rcpts(r, 4, 20), 4);
	ck_assert_uint_eq(kit_rcpts(r, 6, 40), 6);
	reservation_settle(r, 0, at(41), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 41),
			  10);
	reservation_commit(&r);
	limits_destroy(&limits);
}
END_TEST

/* --- bursts ---------------------------------------------------------- */

enum { BURST = 5, OPENED = 20 };

/* One a minute, five at once; each message is opened as soon as there is
 * room for it, and all have their dot in the end. */
START_TEST(test_a_burst_cannot_be_saved_up)
{
	const struct limit_conf v[] = {{
	    .name = "a",
	    .per = LIMIT_CRED,
	    .rates =
		&(const struct limit_rate){LIMIT_MESSAGES, 1, 60000, BURST},
	    .rate_count = 1,
	    .over = LIMIT_DEFER,
	}};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct reservation *r[OPENED];
	struct limit_who who = bob();
	struct limit_verdict verdict;
	unsigned accepted = 0;
	double now = 0;

	for (unsigned i = 0; i < OPENED; i++, now += i < BURST ? 0 : 60) {
		r[i] = reservation_create(limits, &who);
		ck_assert_uint_eq(kit_rcpts(r[i], 1, now), 1);
	}
	for (unsigned i = 0; i < OPENED; i++) {
		reservation_settle(r[i], 0, at(now), &verdict);
		if (verdict.action == LIMIT_PASS) {
			accepted++;
			reservation_commit(&r[i]);
		} else {
			ck_assert_int_eq(verdict.action, LIMIT_DEFER);
			reservation_cancel(&r[i], at(now));
		}
	}
	ck_assert_uint_eq(accepted, BURST);
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_MESSAGES, now),
			  BURST);
	limits_destroy(&limits);
}
END_TEST

/* What nobody else has taken meanwhile is there at the dot. */
START_TEST(test_a_slow_message_of_a_burst_is_accepted)
{
	const struct limit_conf v[] = {{
	    .name = "a",
	    .per = LIMIT_CRED,
	    .rates =
		&(const struct limit_rate){LIMIT_RECIPIENTS, 60, 60000, BURST},
	    .rate_count = 1,
	    .over = LIMIT_DEFER,
	}};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct reservation *slow = reservation_create(limits, &who);
	struct limit_verdict verdict;

	ck_assert_uint_eq(kit_rcpts(slow, BURST, 0), BURST);
	reservation_settle(slow, 0, at(3.5), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	/* all of it counts from the dot on */
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 3.5),
			  BURST);
	reservation_cancel(&slow, at(4));
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 4), 0);
	limits_destroy(&limits);
}
END_TEST

/* --- a wall clock that is set ---------------------------------------- */

START_TEST(test_times_are_told_by_the_clock_on_the_wall)
{
	const struct limit_conf v[] = {PACED("a", 10, LIMIT_DEFER)};
	static const int64_t set_s[] = {0, 7200, -7200, 86400 * 365};
	struct accounts *accounts = accounts_create();
	struct limits *limits = kit_limits(v, 1, accounts);
	struct limit_who who = bob();
	struct limit_verdict verdict;
	int64_t leaves_wall_s = 0, frees_wall_s = 0, wall_s;
	struct reservation *r;

	ck_assert_uint_eq(kit_send(limits, &who, 10, 0), 10);
	for (size_t i = 0; i < COUNT(set_s); i++) {
		wall_s = KIT_WALL_S + set_s[i];
		limits_wall(limits, wall_s * 1000000, at(0));
		r = reservation_create(limits, &who);
		reservation_rcpt(r, false, 0, at(0), &verdict);
		ck_assert_int_eq(verdict.action, LIMIT_PACE);
		if (i == 0)
			leaves_wall_s = verdict.not_before_wall_s;
		ck_assert_int_eq(verdict.not_before_wall_s,
				 leaves_wall_s + set_s[i]);
		ck_assert_int_eq(verdict.hit.frees_wall_s,
				 leaves_wall_s + set_s[i]);
		kit_rcpts(r, 4, 0);
		reservation_rcpt(r, false, 0, at(0), &verdict);
		ck_assert_int_eq(verdict.action, LIMIT_DEFER);
		if (i == 0)
			frees_wall_s = verdict.hit.frees_wall_s;
		ck_assert_int_eq(verdict.hit.frees_wall_s,
				 frees_wall_s + set_s[i]);
		reservation_cancel(&r, at(0));
		ck_assert_int_eq(
		    kit_line(limits, &who, "a", LIMIT_RECIPIENTS, 0)
			.hit.frees_wall_s,
		    leaves_wall_s + set_s[i]);
	}
	/* a grant until ten seconds from now, as the wall clock says now */
	ck_assert_int_eq(
	    accounts_grant(accounts, "bob",
			   &(struct grant){.counted = LIMIT_RECIPIENTS,
					   .amount = 1,
					   .until_wall_s = wall_s + 10},
			   wall_s),
	    0);
	ck_assert_uint_eq(
	    kit_line(limits, &who, "a", LIMIT_RECIPIENTS, 9).hit.limit, 11);
	ck_assert_int_eq(
	    kit_line(limits, &who, "a", LIMIT_RECIPIENTS, 9).grant_until_wall_s,
	    wall_s + 10);
	ck_assert_uint_eq(
	    kit_line(limits, &who, "a", LIMIT_RECIPIENTS, 10).hit.limit, 10);
	limits_destroy(&limits);
	accounts_destroy(&accounts);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits_dot");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, test_bytes, 0, COUNT(bytes_rows));
	tcase_add_test(tcase, test_paced_bytes_at_the_dot);
	tcase_add_test(tcase, test_bytes_with_a_burst);
	tcase_add_loop_test(tcase, test_a_reload_binds_the_dot, 0,
			    COUNT(tighter_rows));
	tcase_add_test(tcase, test_a_reload_to_larger_units);
	tcase_add_test(tcase, test_nobody_hoards_reservations);
	tcase_add_test(tcase, test_recipients_of_two_periods_are_of_one_dot);
	tcase_add_test(tcase, test_the_place_of_a_slow_message_is_kept);
	tcase_add_test(tcase, test_times_are_told_by_the_clock_on_the_wall);
	tcase_add_test(tcase, test_a_burst_cannot_be_saved_up);
	tcase_add_test(tcase, test_a_slow_message_of_a_burst_is_accepted);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
