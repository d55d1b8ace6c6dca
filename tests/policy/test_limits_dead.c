#include <pthread.h>
#include <stdatomic.h>

#include "tests/policy/limits_kit.h"

/* Dead domains: charged when they are met, asked about with each recipient. */

#define DEAD(label, most, what) \
	LIMIT_ONE(label, LIMIT_DEAD_DOMAINS, most, 600, what)

static void
meet(struct limits *limits, unsigned n, double s)
{
	const struct limit_who who = bob();

	for (unsigned i = 0; i < n; i++)
		limits_dead_domain(limits, &who, at(s));
}

static enum limit_action
rcpt(struct limits *limits, double s, struct limit_verdict *verdict)
{
	const struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);

	reservation_rcpt(r, false, 0, at(s), verdict);
	reservation_cancel(&r, at(s));
	return verdict->action;
}

/* --- how many, and what then -------------------------------------------- */

struct over_row {
	const char *label;
	struct limit_conf limit;
	unsigned met;
	enum limit_action wanted;
	enum reply_id reply;
};

static const struct over_row over_rows[] = {
    {"none", DEAD("d", 3, LIMIT_REJECT), 0, LIMIT_PASS, 0},
    {"one fewer than allowed", DEAD("d", 3, LIMIT_REJECT), 2, LIMIT_PASS, 0},
    {"the last that is let happen: from now on", DEAD("d", 3, LIMIT_REJECT), 3,
     LIMIT_REJECT, REPLY_LIMIT_SUSPECT},
    {"more", DEAD("d", 3, LIMIT_REJECT), 9, LIMIT_REJECT, REPLY_LIMIT_SUSPECT},
    {"deferred", DEAD("d", 3, LIMIT_DEFER), 3, LIMIT_DEFER, REPLY_LIMIT_DEFER},
    {"held", DEAD("d", 3, LIMIT_HOLD), 3, LIMIT_HOLD, 0},
    {"held, one fewer", DEAD("d", 3, LIMIT_HOLD), 2, LIMIT_PASS, 0},
    {"not even one: waiting brings none", DEAD("d", 0, LIMIT_DEFER), 0,
     LIMIT_REJECT, REPLY_LIMIT_SUSPECT},
};

START_TEST(test_over)
{
	const struct over_row *row = &over_rows[_i];
	struct limits *limits = kit_limits(&row->limit, 1, NULL);
	struct limit_verdict verdict;
	struct limit_who who = bob();

	meet(limits, row->met, 0);
	ck_assert_msg(rcpt(limits, 0, &verdict) == row->wanted, "%s: %s",
		      row->label, limit_action_name(verdict.action));
	ck_assert_uint_eq(kit_used(limits, &who, "d", LIMIT_DEAD_DOMAINS, 0),
			  row->met);
	if (row->wanted == LIMIT_PASS)
		goto out;
	ck_assert_str_eq(verdict.hit.name, "d");
	ck_assert_int_eq(verdict.hit.counted, LIMIT_DEAD_DOMAINS);
	ck_assert_uint_eq(verdict.hit.used, row->met);
	ck_assert_uint_eq(verdict.hit.limit, row->limit.rates->limit);
	if (row->wanted >= LIMIT_DEFER)
		ck_assert_int_eq(limit_hit_reply(&verdict.hit), row->reply);
	if (!verdict.hit.never)
		ck_assert_int_gt(verdict.hit.frees_wall_s, KIT_WALL_S);
	/* it is this login's alone */
	who = kit_who("eve", NULL, "192.0.2.1");
	if (row->met > 0)
		ck_assert_uint_eq(kit_send(limits, &who, 5, 0), 5);
out:
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_frees)
{
	const struct limit_conf v[] = {DEAD("d", 3, LIMIT_DEFER)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_verdict verdict;
	int64_t frees_wall_s;

	meet(limits, 2, 0);
	meet(limits, 1, 300);
	ck_assert_int_eq(rcpt(limits, 300, &verdict), LIMIT_DEFER);
	frees_wall_s = verdict.hit.frees_wall_s;
	/* what is refused does not put it off */
	ck_assert_int_eq(rcpt(limits, 500, &verdict), LIMIT_DEFER);
	ck_assert_int_eq(verdict.hit.frees_wall_s, frees_wall_s);
	ck_assert_int_eq(
	    rcpt(limits, (double)(frees_wall_s - KIT_WALL_S), &verdict),
	    LIMIT_PASS);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_who_goes_on_stays_over)
{
	const struct limit_conf v[] = {DEAD("d", 3, LIMIT_HOLD)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_verdict verdict;

	/* one a minute: ten of them in any ten minutes */
	for (int minute = 0; minute < 120; minute++) {
		meet(limits, 1, minute * 60);
		if (minute >= 2)
			ck_assert_msg(rcpt(limits, minute * 60 + 59,
					   &verdict) == LIMIT_HOLD,
				      "let through in minute %d", minute);
	}
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_a_burst)
{
	const struct limit_rate rate = {LIMIT_DEAD_DOMAINS, 6, 60000, 3};
	const struct limit_conf v[] = {{.name = "d",
					.per = LIMIT_CRED,
					.rates = &rate,
					.rate_count = 1,
					.over = LIMIT_DEFER}};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_verdict verdict;

	meet(limits, 2, 0);
	ck_assert_int_eq(rcpt(limits, 0, &verdict), LIMIT_PASS);
	meet(limits, 40, 0);
	ck_assert_int_eq(rcpt(limits, 0, &verdict), LIMIT_DEFER);
	/* charged as far as the bucket goes, and no days of waiting */
	ck_assert_int_eq(rcpt(limits, 9, &verdict), LIMIT_DEFER);
	ck_assert_int_eq(rcpt(limits, 11, &verdict), LIMIT_PASS);
	limits_destroy(&limits);
}
END_TEST

/* --- with other rules ------------------------------------------------------
 */

START_TEST(test_a_refusal_charges_nothing_else)
{
	const struct limit_conf v[] = {
	    DEAD("d", 3, LIMIT_DEFER),
	    LIMIT_ONE("r", LIMIT_RECIPIENTS, 10, KIT_HOUR, LIMIT_REJECT),
	};
	struct limits *limits = kit_limits(v, 2, NULL);
	struct limit_verdict verdict;
	struct limit_who who = bob();

	ck_assert_uint_eq(kit_send(limits, &who, 4, 0), 4);
	meet(limits, 3, 0);
	ck_assert_uint_eq(kit_send(limits, &who, 20, 0), 0);
	ck_assert_uint_eq(kit_used(limits, &who, "r", LIMIT_RECIPIENTS, 0), 4);
	ck_assert_int_eq(rcpt(limits, 0, &verdict), LIMIT_DEFER);
	/* nor does what was met free when the message is given up */
	ck_assert_uint_eq(kit_used(limits, &who, "d", LIMIT_DEAD_DOMAINS, 0),
			  3);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_the_strongest_speaks)
{
	const struct limit_conf v[] = {
	    DEAD("d", 3, LIMIT_DEFER),
	    LIMIT_ONE("r", LIMIT_RECIPIENTS, 4, KIT_HOUR, LIMIT_REJECT),
	};
	struct limits *limits = kit_limits(v, 2, NULL);
	struct limit_verdict verdict;
	struct limit_who who = bob();

	ck_assert_uint_eq(kit_send(limits, &who, 4, 0), 4);
	meet(limits, 3, 0);
	ck_assert_int_eq(rcpt(limits, 0, &verdict), LIMIT_REJECT);
	ck_assert_str_eq(verdict.hit.name, "r");
	ck_assert_int_eq(limit_hit_reply(&verdict.hit), REPLY_LIMIT_REJECT);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_nonsense_is_passed_over)
{
	static const struct limit_conf rows[] = {
	    {.per = LIMIT_IP, .bits4 = 32, .bits6 = 64, .over = LIMIT_REJECT},
	    {.per = LIMIT_SITE, .over = LIMIT_REJECT},
	    {.per = LIMIT_CRED_IP, .bits4 = 32, .over = LIMIT_REJECT},
	    {.per = LIMIT_CRED, .over = LIMIT_BULK},
	    {.per = LIMIT_CRED, .over = LIMIT_PACE, .pace_percent = 150},
	};
	const struct limit_rate rate = {LIMIT_DEAD_DOMAINS, 1, 600000, 0};
	struct limit_conf v = rows[_i];
	struct limit_verdict verdict;
	struct limits *limits;

	v.name = "d";
	v.rates = &rate;
	v.rate_count = 1;
	limits = kit_limits(&v, 1, NULL);
	meet(limits, 5, 0);
	ck_assert_int_eq(rcpt(limits, 0, &verdict), LIMIT_PASS);
	limits_destroy(&limits);
}
END_TEST

/* --- a message that is open --------------------------------------------------
 */

struct open_row {
	const char *label;
	struct limit_conf limit;
	unsigned before, among, behind; /* met before, between, after rcpts */
	enum limit_action second, dot;
};

static const struct open_row open_rows[] = {
    {"met behind the last recipient", DEAD("d", 3, LIMIT_HOLD), 0, 0, 3,
     LIMIT_PASS, LIMIT_HOLD},
    {"met among them", DEAD("d", 3, LIMIT_HOLD), 0, 3, 0, LIMIT_HOLD,
     LIMIT_HOLD},
    {"too few", DEAD("d", 3, LIMIT_HOLD), 1, 1, 0, LIMIT_PASS, LIMIT_PASS},
    {"rejected at the dot", DEAD("d", 3, LIMIT_REJECT), 1, 1, 1, LIMIT_PASS,
     LIMIT_REJECT},
    {"deferred from the second on, and at the dot", DEAD("d", 3, LIMIT_DEFER),
     2, 1, 0, LIMIT_DEFER, LIMIT_DEFER},
};

START_TEST(test_an_open_message)
{
	const struct open_row *row = &open_rows[_i];
	struct limits *limits = kit_limits(&row->limit, 1, NULL);
	const struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	struct limit_verdict verdict;

	meet(limits, row->before, 0);
	reservation_rcpt(r, false, 0, at(0), &verdict);
	ck_assert_msg(verdict.action == LIMIT_PASS, "%s", row->label);
	meet(limits, row->among, 0);
	reservation_rcpt(r, false, 0, at(0), &verdict);
	ck_assert_msg(verdict.action == row->second, "%s", row->label);
	meet(limits, row->behind, 0);
	reservation_settle(r, 100, at(0), &verdict);
	ck_assert_msg(verdict.action == row->dot, "%s: %s", row->label,
		      limit_action_name(verdict.action));
	reservation_cancel(&r, at(0));
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_a_hold_stays_when_the_rule_frees)
{
	const struct limit_conf v[] = {DEAD("d", 1, LIMIT_HOLD)};
	struct limits *limits = kit_limits(v, 1, NULL);
	const struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	struct limit_verdict verdict;

	meet(limits, 1, 0);
	reservation_rcpt(r, false, 0, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_HOLD);
	reservation_rcpt(r, false, 0, at(1000), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_HOLD);
	reservation_settle(r, 0, at(1000), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_HOLD);
	ck_assert_str_eq(verdict.hit.name, "d");
	reservation_commit(&r);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_observe)
{
	struct limit_conf v[] = {DEAD("d", 3, LIMIT_REJECT)};
	const struct limit_who who = bob();
	struct limit_verdict verdict;
	struct reservation *r;
	struct limits *limits;

	v[0].observe = true;
	limits = kit_limits(v, 1, NULL);
	meet(limits, 7, 0);
	r = reservation_create(limits, &who);
	reservation_rcpt(r, false, 0, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	ck_assert_uint_eq(verdict.observed_count, 1);
	ck_assert_int_eq(verdict.observed[0].action, LIMIT_REJECT);
	ck_assert_uint_eq(verdict.observed[0].used, 7);
	/* told once a message */
	reservation_rcpt(r, false, 0, at(0), &verdict);
	ck_assert_uint_eq(verdict.observed_count, 0);
	reservation_settle(r, 0, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	reservation_commit(&r);
	/* and what was counted in observe counts when it is enforced */
	v[0].observe = false;
	limits_reload(limits,
		      &(struct limits_conf){.limits = v, .limit_count = 1});
	ck_assert_int_eq(rcpt(limits, 1, &verdict), LIMIT_REJECT);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_a_reload_meets_an_open_message)
{
	struct limit_conf v[] = {DEAD("d", 9, LIMIT_REJECT)};
	struct limits *limits = kit_limits(v, 1, NULL);
	const struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	const struct limit_conf after[] = {DEAD("d", 3, LIMIT_REJECT)};
	struct limit_verdict verdict;

	meet(limits, 4, 0);
	reservation_rcpt(r, false, 0, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	limits_reload(limits,
		      &(struct limits_conf){.limits = after, .limit_count = 1});
	reservation_rcpt(r, false, 0, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_REJECT);
	reservation_cancel(&r, at(0));
	limits_destroy(&limits);
}
END_TEST

/* --- threads ----------------------------------------------------------------
 */

enum { THREADS = 4, MEETS = 1000, LIMIT = 1500 };

static struct limits *shared;
static atomic_uint met;

/* Whoever is let through has seen fewer than the limit before it asked. */
static void *
meet_and_send(void *arg)
{
	const struct limit_who who = bob();
	struct limit_verdict verdict;

	(void)arg;
	for (unsigned i = 0; i < MEETS; i++) {
		struct reservation *r = reservation_create(shared, &who);
		unsigned before = atomic_load(&met);

		reservation_rcpt(r, false, 0, at(1), &verdict);
		if (verdict.action == LIMIT_PASS)
			ck_assert_uint_lt(before, LIMIT);
		else
			ck_assert_uint_ge(verdict.hit.used, LIMIT);
		reservation_cancel(&r, at(1));
		limits_dead_domain(shared, &who, at(1));
		atomic_fetch_add(&met, 1);
	}
	return NULL;
}

START_TEST(test_threads)
{
	const struct limit_conf v[] = {DEAD("d", LIMIT, LIMIT_DEFER)};
	const struct limit_who who = bob();
	const struct limits_conf same = {.limits = v, .limit_count = 1};
	pthread_t threads[THREADS];
	struct limits_lag *lag;

	shared = kit_limits(v, 1, NULL);
	atomic_store(&met, 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, meet_and_send, NULL), 0);
	while (atomic_load(&met) < THREADS * MEETS) {
		limits_reload(shared, &same);
		lag = limits_lag_take(shared);
		limits_lag_free(&lag);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(kit_used(shared, &who, "d", LIMIT_DEAD_DOMAINS, 1),
			  THREADS * MEETS);
	limits_destroy(&shared);
}
END_TEST

/* --- who is counted, grants, the disk
 * ------------------------------------------
 */

START_TEST(test_for_whom)
{
	static const char *const staff[] = {"staff"};
	struct limit_conf v[] = {DEAD("d", 1, LIMIT_REJECT)};
	const struct limit_who of_staff = kit_who("ann", "staff", "192.0.2.1");
	struct limit_who who = kit_who("ann", NULL, "192.0.2.1");
	struct limits *limits;

	v[0].classes = staff;
	v[0].class_count = 1;
	limits = kit_limits(v, 1, NULL);
	limits_dead_domain(limits, &who, at(0)); /* it is not for her */
	ck_assert_uint_eq(kit_send(limits, &of_staff, 1, 0), 1);
	limits_dead_domain(limits, &of_staff, at(0));
	ck_assert_uint_eq(kit_send(limits, &of_staff, 1, 0), 0);
	ck_assert_uint_eq(kit_send(limits, &who, 1, 0), 1);
	who.cred = NULL; /* nobody logged in */
	limits_dead_domain(limits, &who, at(0));
	ck_assert_uint_eq(kit_send(limits, &who, 1, 0), 1);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_grants)
{
	const struct limit_conf v[] = {DEAD("d", 2, LIMIT_REJECT)};
	const struct grant grant = {LIMIT_DEAD_DOMAINS, 3, KIT_WALL_S + 60};
	struct accounts *accounts = accounts_create();
	struct limits *limits = kit_limits(v, 1, accounts);
	const struct limit_who who = bob();
	struct limit_verdict verdict;
	struct limit_line line;

	meet(limits, 4, 0);
	ck_assert_int_eq(rcpt(limits, 0, &verdict), LIMIT_REJECT);
	ck_assert_int_eq(accounts_grant(accounts, "bob", &grant, KIT_WALL_S),
			 0);
	ck_assert_int_eq(rcpt(limits, 0, &verdict), LIMIT_PASS);
	line = kit_line(limits, &who, "d", LIMIT_DEAD_DOMAINS, 0);
	ck_assert_uint_eq(line.hit.used, 4);
	ck_assert_uint_eq(line.hit.limit, 5);
	ck_assert_uint_eq(line.configured, 2);
	ck_assert_int_eq(line.grant_until_wall_s, KIT_WALL_S + 60);
	ck_assert(line.applies);
	meet(limits, 1, 1);
	ck_assert_int_eq(rcpt(limits, 1, &verdict), LIMIT_REJECT);
	ck_assert_uint_eq(verdict.hit.limit, 5);
	/* the grant is over */
	limits_destroy(&limits);
	limits = kit_limits(v, 1, accounts);
	meet(limits, 2, 0);
	ck_assert_int_eq(rcpt(limits, 59, &verdict), LIMIT_PASS);
	ck_assert_int_eq(rcpt(limits, 61, &verdict), LIMIT_REJECT);
	limits_destroy(&limits);
	accounts_destroy(&accounts);
}
END_TEST

static void
keep_lag(struct limits *limits, struct kit_store *store)
{
	struct limits_lag *lag = limits_lag_take(limits);
	const struct store_change *changes;
	size_t count;

	ck_assert_ptr_nonnull(lag);
	changes = limits_lag_changes(lag, &count);
	kit_apply(store, changes, count);
	limits_lag_free(&lag);
}

START_TEST(test_a_restart)
{
	const struct limit_conf v[] = {DEAD("d", 3, LIMIT_REJECT)};
	struct limits *limits = kit_limits(v, 1, NULL);
	const struct limit_who who = bob();
	struct limit_verdict verdict;
	struct kit_store store;

	kit_store_make(&store);
	meet(limits, 2, 0);
	keep_lag(limits, &store);
	meet(limits, 1, 1);
	/* a look is not kept */
	ck_assert_int_eq(rcpt(limits, 1, &verdict), LIMIT_REJECT);
	keep_lag(limits, &store);
	ck_assert_ptr_null(limits_lag_take(limits));
	limits_destroy(&limits);
	limits = kit_limits(v, 1, NULL);
	ck_assert_int_eq(limits_load(limits, store.env), 0);
	ck_assert_uint_eq(kit_used(limits, &who, "d", LIMIT_DEAD_DOMAINS, 2),
			  3);
	ck_assert_int_eq(rcpt(limits, 2, &verdict), LIMIT_REJECT);
	ck_assert_int_eq(rcpt(limits, 700, &verdict), LIMIT_PASS);
	limits_destroy(&limits);
	kit_store_remove(&store);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits_dead");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, test_over, 0, COUNT(over_rows));
	tcase_add_test(tcase, test_frees);
	tcase_add_test(tcase, test_who_goes_on_stays_over);
	tcase_add_test(tcase, test_a_burst);
	tcase_add_test(tcase, test_a_refusal_charges_nothing_else);
	tcase_add_test(tcase, test_the_strongest_speaks);
	tcase_add_loop_test(tcase, test_nonsense_is_passed_over, 0, 5);
	tcase_add_loop_test(tcase, test_an_open_message, 0, COUNT(open_rows));
	tcase_add_test(tcase, test_a_hold_stays_when_the_rule_frees);
	tcase_add_test(tcase, test_observe);
	tcase_add_test(tcase, test_a_reload_meets_an_open_message);
	tcase_add_test(tcase, test_threads);
	tcase_add_test(tcase, test_for_whom);
	tcase_add_test(tcase, test_grants);
	tcase_add_test(tcase, test_a_restart);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
