#include "tests/policy/limits_kit.h"

/* --- what happens over a limit --------------------------------------- */

struct action_row {
	const char *label;
	struct limit_conf limits[3];
	/* Recipients: 'e' external, 'i' internal. What became of each: '.'
	 * pass, 'p' pace, 'b' bulk, 'h' hold, 'd' defer, 'r' reject. */
	const char *rcpts, *wanted;
	uint64_t used[3]; /* afterwards */
};

#define ONE(most, over) LIMIT_ONE("a", LIMIT_RECIPIENTS, most, KIT_HOUR, over)
#define TWO(most, over) LIMIT_ONE("b", LIMIT_RECIPIENTS, most, KIT_HOUR, over)

static const struct action_row action_rows[] = {
    {"no rules", {{0}}, "eeee", "....", {0}},
    {"defer", {ONE(3, LIMIT_DEFER)}, "eeeee", "...dd", {3}},
    {"reject", {ONE(3, LIMIT_REJECT)}, "eeeee", "...rr", {3}},
    {"hold is the message's, and gives back",
     {ONE(3, LIMIT_HOLD)},
     "eeeee",
     "...hh",
     {0}},
    {"bulk is the message's, and gives back",
     {ONE(3, LIMIT_BULK)},
     "eeeee",
     "...bb",
     {0}},
    {"pace, then defer",
     {PACED("a", 4, LIMIT_DEFER)},
     "eeeeeeee",
     "....ppdd",
     {4}},
    {"pace, then reject",
     {PACED("a", 4, LIMIT_REJECT)},
     "eeeeeee",
     "....ppr",
     {4}},
    {"pace, then hold",
     {PACED("a", 4, LIMIT_HOLD)},
     "eeeeeeee",
     "....pphh",
     {0}},
    {"pace, then nothing said, is defer",
     {PACED("a", 4, LIMIT_PASS)},
     "eeeeeee",
     "....ppd",
     {4}},
    {"reject is stronger than defer",
     {ONE(3, LIMIT_DEFER), TWO(3, LIMIT_REJECT)},
     "eeee",
     "...r",
     {3, 3}},
    {"defer is stronger than hold, and undoes no hold",
     {ONE(2, LIMIT_HOLD), TWO(3, LIMIT_DEFER)},
     "eeeed",
     "..hdd",
     {0, 3}},
    {"hold is stronger than bulk",
     {ONE(2, LIMIT_BULK), TWO(3, LIMIT_HOLD)},
     "eeeee",
     "..bhh",
     {0, 0}},
    {"bulk is stronger than pace",
     {PACED("a", 2, LIMIT_DEFER), TWO(2, LIMIT_BULK)},
     "eee",
     "..b",
     {2, 0}},
    {"a refused one is charged nowhere",
     {ONE(5, LIMIT_DEFER), TWO(2, LIMIT_REJECT)},
     "eeeee",
     "..rrr",
     {2, 2}},
    {"recipients are the external ones",
     {ONE(2, LIMIT_DEFER)},
     "eiiiie",
     "......",
     {2}},
    {"internal ones have their own",
     {LIMIT_ONE("a", LIMIT_INTERNAL_RECIPIENTS, 2, KIT_HOUR, LIMIT_DEFER)},
     "eieiei",
     "....." /* the sixth */ "d",
     {2}},
    {"all of them",
     {LIMIT_ONE("a", LIMIT_ALL_RECIPIENTS, 3, KIT_HOUR, LIMIT_DEFER)},
     "eieie",
     "...dd",
     {3}},
    {"a message is one, however many it is for",
     {LIMIT_ONE("a", LIMIT_MESSAGES, 1, KIT_HOUR, LIMIT_REJECT)},
     "eeeeii",
     "......",
     {1}},
    {"a limit of 0",
     {LIMIT_ONE("a", LIMIT_RECIPIENTS, 0, KIT_HOUR, LIMIT_DEFER)},
     "eie",
     "r.r",
     {0}},
    {"a limit of 0 that holds",
     {LIMIT_ONE("a", LIMIT_RECIPIENTS, 0, KIT_HOUR, LIMIT_HOLD)},
     "ie",
     ".h",
     {0}},
};

START_TEST(test_actions)
{
	const struct action_row *row = &action_rows[_i];
	size_t n = 0;

	while (n < COUNT(row->limits) && row->limits[n].name != NULL)
		n++;

	struct limits *limits = kit_limits(row->limits, n, NULL);
	struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	struct limit_verdict verdict;

	for (size_t i = 0; row->wanted[i] != '\0'; i++) {
		reservation_rcpt(r, row->rcpts[i] == 'i', 0, at(1), &verdict);
		ck_assert_msg(letter(verdict.action) == row->wanted[i],
			      "%s: recipient %zu got '%c'", row->label, i,
			      letter(verdict.action));
		ck_assert_msg((verdict.action == LIMIT_PASS) ==
				  (verdict.hit.name[0] == '\0'),
			      "%s: %zu: the hit", row->label, i);
		ck_assert_msg(verdict.hit.action == verdict.action,
			      "%s: %zu: the hit's action", row->label, i);
	}
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(kit_used(limits, &who, row->limits[i].name,
				       row->limits[i].rates->counted,
				       1) == row->used[i],
			      "%s: rule %zu stands at %d", row->label, i,
			      (int)kit_used(limits, &who, row->limits[i].name,
					    row->limits[i].rates->counted, 1));
	reservation_cancel(&r, at(1));
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(kit_used(limits, &who, row->limits[i].name,
				       row->limits[i].rates->counted, 1) == 0,
			      "%s: rule %zu keeps what was cancelled",
			      row->label, i);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_a_held_rule_is_left_to_other_messages)
{
	const struct limit_conf v[] = {ONE(10, LIMIT_HOLD)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct reservation *r;

	ck_assert_uint_eq(kit_send(limits, &who, 6, 0), 6);
	r = reservation_create(limits, &who);
	kit_rcpts(r, 30, 0);
	reservation_settle(r, 0, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_HOLD);
	ck_assert_str_eq(verdict.hit.name, "a");
	reservation_commit(&r);
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 0), 6);
	r = reservation_create(limits, &who);
	ck_assert_uint_eq(kit_rcpts(r, 4, 0), 4);
	reservation_settle(r, 0, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	reservation_commit(&r);
	limits_destroy(&limits);
}
END_TEST

/* --- what the reply needs -------------------------------------------- */

START_TEST(test_hit_says_it_all)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("hourly", LIMIT_RECIPIENTS, 3, KIT_HOUR, LIMIT_DEFER),
	    LIMIT_ONE("daily", LIMIT_RECIPIENTS, 3, 86400, LIMIT_DEFER),
	};
	struct limits *limits = kit_limits(v, 2, NULL);
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct reservation *r = reservation_create(limits, &who);

	kit_rcpts(r, 3, 10);
	reservation_rcpt(r, false, 0, at(20), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_DEFER);
	/* both are full: it is of no use to come back when the first frees */
	ck_assert_str_eq(verdict.hit.name, "daily");
	ck_assert_int_eq(verdict.hit.per, LIMIT_CRED);
	ck_assert_int_eq(verdict.hit.counted, LIMIT_RECIPIENTS);
	ck_assert_uint_eq(verdict.hit.used, 3);
	ck_assert_uint_eq(verdict.hit.limit, 3);
	ck_assert_uint_eq(verdict.hit.amount, 1);
	ck_assert_uint_eq(verdict.hit.burst, 0);
	ck_assert_int_eq(verdict.hit.period_ms, 86400000);
	ck_assert(!verdict.hit.never && !verdict.hit.observed);
	ck_assert_int_ge(verdict.hit.frees_wall_s, KIT_WALL_S + 86400);
	ck_assert_int_le(verdict.hit.frees_wall_s, KIT_WALL_S + 86400 + 5760);
	reservation_commit(&r);

	/* what it says is so */
	double frees = (double)(verdict.hit.frees_wall_s - KIT_WALL_S);

	r = reservation_create(limits, &who);
	ck_assert_uint_eq(kit_rcpts(r, 1, frees - 2), 0);
	ck_assert_uint_eq(kit_rcpts(r, 4, frees), 3);
	reservation_cancel(&r, at(frees));
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_pace_says_when)
{
	const struct limit_conf v[] = {PACED("a", 10, LIMIT_DEFER)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	struct limit_verdict verdict;
	int64_t last = 0;

	ck_assert_uint_eq(kit_rcpts(r, 10, 5), 10);
	for (int i = 0; i < 5; i++) {
		reservation_rcpt(r, false, 0, at(5), &verdict);
		ck_assert_int_eq(verdict.action, LIMIT_PACE);
		ck_assert_int_ge(verdict.not_before_wall_s, last);
		ck_assert_int_ge(verdict.not_before_wall_s,
				 KIT_WALL_S + 5 + KIT_HOUR);
		ck_assert_int_le(verdict.not_before_wall_s,
				 KIT_WALL_S + 5 + KIT_HOUR + 240);
		ck_assert_int_eq(verdict.hit.frees_wall_s,
				 verdict.not_before_wall_s);
		last = verdict.not_before_wall_s;
	}
	ck_assert_uint_eq(
	    kit_line(limits, &who, "a", LIMIT_RECIPIENTS, 5).paced, 5);
	reservation_settle(r, 0, at(6), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PACE);
	ck_assert_int_eq(verdict.not_before_wall_s, last);
	/* the first ten need not wait */
	ck_assert_int_eq(verdict.all_not_before_wall_s, 0);
	reservation_cancel(&r, at(6));
	ck_assert_uint_eq(
	    kit_line(limits, &who, "a", LIMIT_RECIPIENTS, 6).paced, 0);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_a_paced_message_waits_with_all_its_recipients)
{
	struct limit_conf v[] = {PACED("a", 2, LIMIT_DEFER)};
	struct limit_rate messages = {LIMIT_MESSAGES, 2, 3600000, 0};
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct limits *limits;
	struct reservation *r;

	v[0].rates = &messages;
	limits = kit_limits(v, 1, NULL);
	kit_send(limits, &who, 1, 0);
	kit_send(limits, &who, 1, 0);
	r = reservation_create(limits, &who);
	for (int i = 0; i < 3; i++) {
		reservation_rcpt(r, i == 1, 0, at(1), &verdict);
		ck_assert_int_eq(verdict.action, LIMIT_PACE);
		ck_assert_int_ge(verdict.not_before_wall_s,
				 KIT_WALL_S + KIT_HOUR);
	}
	reservation_settle(r, 0, at(1), &verdict);
	ck_assert_int_eq(verdict.all_not_before_wall_s,
			 verdict.not_before_wall_s);
	ck_assert_int_ge(verdict.not_before_wall_s, KIT_WALL_S + KIT_HOUR);
	reservation_cancel(&r, at(1));
	limits_destroy(&limits);
}
END_TEST

/* --- observe --------------------------------------------------------- */

START_TEST(test_observe_tells_once_a_message)
{
	struct limit_conf v[] = {
	    ONE(2, LIMIT_REJECT),
	    PACED("b", 4, LIMIT_HOLD),
	    LIMIT_ONE("c", LIMIT_RECIPIENTS, 100, KIT_HOUR, LIMIT_DEFER),
	};
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct limits *limits;
	struct reservation *r;
	/* at which recipient the rule of the letter is told of */
	static const char told[] = "..a.b...";

	v[0].observe = v[1].observe = true;
	limits = kit_limits(v, 3, NULL);
	for (int message = 0; message < 2; message++) {
		r = reservation_create(limits, &who);
		for (int i = 0; i < 8; i++) {
			reservation_rcpt(r, false, 0, at(1), &verdict);
			ck_assert_int_eq(verdict.action, LIMIT_PASS);
			if (message > 0) {
				ck_assert_uint_eq(verdict.observed_count,
						  i == 0 ? 2 : 0);
				continue;
			}
			ck_assert_uint_eq(verdict.observed_count,
					  told[i] != '.');
			if (told[i] == '.')
				continue;
			ck_assert_int_eq(verdict.observed[0].name[0], told[i]);
			ck_assert(verdict.observed[0].observed);
			ck_assert_int_eq(verdict.observed[0].action,
					 told[i] == 'a' ? LIMIT_REJECT
							: LIMIT_PACE);
		}
		reservation_settle(r, 0, at(1), &verdict);
		ck_assert_int_eq(verdict.action, LIMIT_PASS);
		reservation_commit(&r);
	}
	/* beyond what would have been paced it would have held */
	r = reservation_create(limits, &who);
	reservation_rcpt(r, false, 0, at(1), &verdict);
	ck_assert_int_eq(verdict.observed[1].action, LIMIT_HOLD);
	reservation_cancel(&r, at(1));
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 1), 16);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_more_rules_in_observe_than_one_verdict_tells)
{
	struct limit_conf v[20], plain = ONE(1, LIMIT_REJECT);
	char names[20][4];
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct limits *limits;
	struct reservation *r;
	size_t told = 0;

	for (size_t i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		v[i] = plain;
		v[i].name = names[i];
		v[i].observe = true;
	}
	limits = kit_limits(v, 20, NULL);
	kit_send(limits, &who, 1, 0);
	r = reservation_create(limits, &who);
	for (int i = 0; i < 4; i++) {
		reservation_rcpt(r, false, 0, at(1), &verdict);
		ck_assert_uint_le(verdict.observed_count, LIMIT_OBSERVED_MAX);
		told += verdict.observed_count;
	}
	ck_assert_uint_eq(told, 20);
	reservation_cancel(&r, at(1));
	limits_destroy(&limits);
}
END_TEST

/* --- exactness ------------------------------------------------------- */

START_TEST(test_ten_rules_all_or_nothing)
{
	struct limit_conf v[10], most = ONE(100, LIMIT_DEFER),
				 least = ONE(5, LIMIT_DEFER);
	char names[10][4];
	struct limit_who who = bob();
	struct limits *limits;

	for (size_t i = 0; i < 10; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		v[i] = i == 9 ? least : most;
		v[i].name = names[i];
		v[i].per = (enum limit_per)(i % 4);
	}
	limits = kit_limits(v, 10, NULL);
	ck_assert_uint_eq(kit_send(limits, &who, 8, 1), 5);
	ck_assert_uint_eq(kit_send(limits, &who, 8, 2), 0);
	for (size_t i = 0; i < 10; i++)
		ck_assert_msg(
		    kit_used(limits, &who, names[i], LIMIT_RECIPIENTS, 2) == 5,
		    "rule %zu", i);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_more_rules_than_one_call_takes)
{
	enum { RULES = 150 };
	struct limit_conf v[RULES], most = ONE(10, LIMIT_DEFER),
				    least = ONE(3, LIMIT_DEFER);
	char names[RULES][8];
	struct limit_who who = bob();
	struct limits *limits;

	for (size_t i = 0; i < RULES; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		v[i] = i == 140 ? least : most;
		v[i].name = names[i];
	}
	limits = kit_limits(v, RULES, NULL);
	ck_assert_uint_eq(kit_send(limits, &who, 8, 1), 3);
	for (size_t i = 0; i < RULES; i++)
		ck_assert_uint_eq(
		    kit_used(limits, &who, names[i], LIMIT_RECIPIENTS, 1), 3);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_a_client_that_hammers_recovers)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_RECIPIENTS, 3, KIT_15S, LIMIT_DEFER)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();

	ck_assert_uint_eq(kit_send(limits, &who, 3, 0.5), 3);
	for (double s = 0.5; s < 15.9; s += 0.1)
		ck_assert_uint_eq(kit_send(limits, &who, 1, s), 0);
	ck_assert_uint_eq(kit_send(limits, &who, 5, 16), 3);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_messages_are_charged_with_the_first_that_is_accepted)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_INTERNAL_RECIPIENTS, 0, KIT_HOUR, LIMIT_DEFER),
	    LIMIT_ONE("m", LIMIT_MESSAGES, 2, KIT_HOUR, LIMIT_DEFER),
	    LIMIT_ONE("b", LIMIT_BYTES, 100, KIT_HOUR, LIMIT_DEFER),
	};
	struct limits *limits = kit_limits(v, 3, NULL);
	struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	struct limit_verdict verdict;

	reservation_rcpt(r, true, 60, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_REJECT);
	ck_assert_uint_eq(kit_used(limits, &who, "m", LIMIT_MESSAGES, 0), 0);
	reservation_rcpt(r, false, 60, at(0), &verdict);
	reservation_rcpt(r, false, 60, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	ck_assert_uint_eq(kit_used(limits, &who, "m", LIMIT_MESSAGES, 0), 1);
	ck_assert_uint_eq(kit_used(limits, &who, "b", LIMIT_BYTES, 0), 60);
	reservation_cancel(&r, at(0));
	ck_assert_uint_eq(kit_used(limits, &who, "m", LIMIT_MESSAGES, 0), 0);
	ck_assert_uint_eq(kit_used(limits, &who, "b", LIMIT_BYTES, 0), 0);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_50000_recipients_are_a_few_charges)
{
	struct limit_conf v[] = {
	    ONE(60000, LIMIT_DEFER),
	    PACED("p", 40000, LIMIT_DEFER),
	    LIMIT_ONE("g", LIMIT_RECIPIENTS, 1, 1, LIMIT_DEFER),
	    LIMIT_ONE("i", LIMIT_ALL_RECIPIENTS, 100000, 1, LIMIT_DEFER),
	};
	struct limit_rate gcra = {LIMIT_RECIPIENTS, 10000, 1000, 50000};
	struct limit_who who = bob();
	const struct store_change *changes;
	struct limits *limits;
	struct reservation *r;
	size_t count;

	v[2].rates = &gcra;
	v[3].per = LIMIT_IP;
	limits = kit_limits(v, 4, NULL);
	r = reservation_create(limits, &who);
	for (int i = 0; i < 50000; i++)
		ck_assert_uint_eq(kit_rcpts(r, 1, i / 50.0), 1);
	changes = reservation_changes(r, &count);
	ck_assert_uint_eq(count, 2); /* one a key */
	for (size_t i = 0; i < count; i++) {
		ck_assert_int_eq(changes[i].kind, STORE_TALLY);
		ck_assert_int_eq(changes[i].table, STORE_RATE);
		ck_assert_uint_lt(changes[i].value.n, 4096);
	}
	reservation_cancel(&r, at(1000));
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 1000),
			  0);
	ck_assert_uint_eq(kit_used(limits, &who, "p", LIMIT_RECIPIENTS, 1000),
			  0);
	limits_destroy(&limits);
}
END_TEST

/* --- grants ---------------------------------------------------------- */

START_TEST(test_a_grant_lets_the_meeting_be_called)
{
	/* "a message to 120 by Bcc trips; policy edits did not help" */
	const struct limit_conf v[] = {
	    LIMIT_ONE("person", LIMIT_RECIPIENTS, 100, KIT_HOUR, LIMIT_REJECT),
	    LIMIT_ONE("all", LIMIT_ALL_RECIPIENTS, 100, KIT_HOUR, LIMIT_REJECT),
	};
	struct accounts *accounts = accounts_create();
	struct limits *limits = kit_limits(v, 2, accounts);
	struct limit_who who = bob(), eve = kit_who("eve", NULL, "192.0.2.2");
	struct grant grant = {LIMIT_RECIPIENTS, 120, KIT_WALL_S + 600};
	struct limit_line line;

	ck_assert_uint_eq(kit_send(limits, &who, 120, 1), 100);
	ck_assert_uint_eq(kit_send(limits, &who, 120, 2), 0);
	ck_assert_int_eq(accounts_grant(accounts, "bob", &grant, KIT_WALL_S),
			 0);
	ck_assert_uint_eq(kit_send(limits, &who, 120, 3), 120);
	ck_assert_uint_eq(kit_send(limits, &who, 1, 4), 0);
	ck_assert_uint_eq(kit_send(limits, &eve, 120, 4), 100);
	line = kit_line(limits, &who, "person", LIMIT_RECIPIENTS, 4);
	ck_assert_uint_eq(line.configured, 100);
	ck_assert_uint_eq(line.hit.limit, 220);
	ck_assert_uint_eq(line.hit.used, 220);
	ck_assert_int_eq(line.grant_until_wall_s, KIT_WALL_S + 600);
	/* over, also within a message */
	line = kit_line(limits, &who, "person", LIMIT_RECIPIENTS, 600);
	ck_assert_uint_eq(line.hit.limit, 100);
	ck_assert_int_eq(line.grant_until_wall_s, 0);
	limits_destroy(&limits);
	accounts_destroy(&accounts);
}
END_TEST

START_TEST(test_a_grant_comes_and_goes_within_a_message)
{
	const struct limit_conf v[] = {ONE(2, LIMIT_DEFER)};
	struct accounts *accounts = accounts_create();
	struct limits *limits = kit_limits(v, 1, accounts);
	struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	struct grant grant = {LIMIT_RECIPIENTS, 3, KIT_WALL_S + 60};

	ck_assert_uint_eq(kit_rcpts(r, 4, 1), 2);
	ck_assert_int_eq(accounts_grant(accounts, "bob", &grant, KIT_WALL_S),
			 0);
	ck_assert_uint_eq(kit_rcpts(r, 2, 2), 2);
	ck_assert_uint_eq(kit_rcpts(r, 2, 60), 0);
	reservation_cancel(&r, at(60));
	limits_destroy(&limits);
	accounts_destroy(&accounts);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits_message");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_actions, 0, COUNT(action_rows));
	tcase_add_test(tcase, test_a_held_rule_is_left_to_other_messages);
	tcase_add_test(tcase, test_hit_says_it_all);
	tcase_add_test(tcase, test_pace_says_when);
	tcase_add_test(tcase,
		       test_a_paced_message_waits_with_all_its_recipients);
	tcase_add_test(tcase, test_observe_tells_once_a_message);
	tcase_add_test(tcase,
		       test_more_rules_in_observe_than_one_verdict_tells);
	tcase_add_test(tcase, test_ten_rules_all_or_nothing);
	tcase_add_test(tcase, test_more_rules_than_one_call_takes);
	tcase_add_test(tcase, test_a_client_that_hammers_recovers);
	tcase_add_test(
	    tcase, test_messages_are_charged_with_the_first_that_is_accepted);
	tcase_add_test(tcase, test_50000_recipients_are_a_few_charges);
	tcase_add_test(tcase, test_a_grant_lets_the_meeting_be_called);
	tcase_add_test(tcase, test_a_grant_comes_and_goes_within_a_message);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
