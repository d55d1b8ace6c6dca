#include "tests/policy/limits_kit.h"
#include "tests/policy/login_kit.h"

static const char *const staff[] = {"staff"}, *const address[] = {"address"};

static struct ip_addr
ip(const char *text)
{
	struct ip_addr addr;

	ck_assert_int_eq(ip_parse(slice_str(text), &addr), 0);
	return addr;
}

#define LEVEL(label, whom, most, what)                                         \
	{                                                                      \
		.name = (label), .per = (whom), .bits4 = 32, .bits6 = 64,      \
		.rates = &(const struct limit_rate){LIMIT_CONNECTIONS, (most), \
						    0, 0},                     \
		.rate_count = 1, .over = (what),                               \
	}

struct over_row {
	const char *label;
	enum limit_action over, then, wanted;
};

static const struct over_row over_rows[] = {
    {"defer", LIMIT_DEFER, LIMIT_PASS, LIMIT_DEFER},
    {"reject", LIMIT_REJECT, LIMIT_PASS, LIMIT_REJECT},
    {"there is nothing to hold", LIMIT_HOLD, LIMIT_PASS, LIMIT_DEFER},
    {"nor to send later", LIMIT_BULK, LIMIT_PASS, LIMIT_DEFER},
    {"nor to pace", LIMIT_PACE, LIMIT_HOLD, LIMIT_DEFER},
};

START_TEST(test_at_once)
{
	struct limit_conf v[] = {LEVEL("address", LIMIT_IP, 2, LIMIT_DEFER)};
	struct ip_addr a = ip("192.0.2.1"), b = ip("192.0.2.2");
	struct presence *p[4] = {NULL};
	struct limit_verdict verdict;
	struct limits *limits;

	v[0].over = over_rows[_i].over;
	v[0].then = over_rows[_i].then;
	v[0].pace_percent = v[0].over == LIMIT_PACE ? 150 : 0;
	limits = kit_limits(v, 1, NULL);
	for (int i = 0; i < 4; i++) {
		p[i] = limits_connect(limits, &a, at(i), &verdict);
		ck_assert_msg((p[i] != NULL) == (i < 2), "%s: %d",
			      over_rows[_i].label, i);
		ck_assert_int_eq(verdict.action,
				 i < 2 ? LIMIT_PASS : over_rows[_i].wanted);
	}
	ck_assert_str_eq(verdict.hit.name, "address");
	ck_assert_int_eq(verdict.hit.counted, LIMIT_CONNECTIONS);
	ck_assert_uint_eq(verdict.hit.used, 2);
	ck_assert_int_eq(verdict.hit.period_ms, 0);
	p[2] = limits_connect(limits, &b, at(4), &verdict);
	ck_assert_ptr_nonnull(p[2]);
	presence_end(&p[0], at(5));
	ck_assert_ptr_null(p[0]);
	presence_end(&p[0], at(5));
	p[0] = limits_connect(limits, &a, at(6), &verdict);
	ck_assert_ptr_nonnull(p[0]);
	for (int i = 0; i < 4; i++)
		presence_end(&p[i], at(7));
	/* a level leaves nothing to keep */
	ck_assert_ptr_null(limits_lag_take(limits));
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_new_ones)
{
	const struct limit_conf v[] = {
	    {.name = "address",
	     .per = LIMIT_IP,
	     .bits4 = 32,
	     .bits6 = 64,
	     .rates =
		 &(const struct limit_rate){LIMIT_NEW_CONNECTIONS, 3, 15000, 0},
	     .rate_count = 1,
	     .over = LIMIT_DEFER},
	    LEVEL("all", LIMIT_SITE, 100, LIMIT_REJECT),
	};
	struct limits *limits = kit_limits(v, 2, NULL);
	struct ip_addr a = ip("192.0.2.1");
	struct limit_verdict verdict;
	struct presence *p;

	for (int i = 0; i < 10; i++) {
		p = limits_connect(limits, &a, at(i), &verdict);
		ck_assert_msg((p != NULL) == (i < 3), "%d", i);
		presence_end(&p, at(i)); /* leaving gives no new one back */
	}
	ck_assert_int_eq(verdict.hit.counted, LIMIT_NEW_CONNECTIONS);
	ck_assert_int_ge(verdict.hit.frees_wall_s, KIT_WALL_S + 15);
	ck_assert_int_le(verdict.hit.frees_wall_s, KIT_WALL_S + 16);
	p = limits_connect(limits, &a, at(16), &verdict);
	ck_assert_ptr_nonnull(p); /* the refused ones did not count */
	presence_end(&p, at(16));
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_refused_by_one_counted_by_none)
{
	const struct limit_conf v[] = {
	    LEVEL("all", LIMIT_SITE, 100, LIMIT_DEFER),
	    LEVEL("address", LIMIT_IP, 1, LIMIT_DEFER),
	};
	struct limits *limits = kit_limits(v, 2, NULL);
	struct ip_addr a = ip("192.0.2.1");
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct presence *p = limits_connect(limits, &a, at(0), &verdict);

	for (int i = 0; i < 5; i++)
		ck_assert_ptr_null(limits_connect(limits, &a, at(0), &verdict));
	ck_assert_uint_eq(kit_used(limits, &who, "all", LIMIT_CONNECTIONS, 0),
			  1);
	presence_end(&p, at(1));
	ck_assert_uint_eq(kit_used(limits, &who, "all", LIMIT_CONNECTIONS, 1),
			  0);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_login_counts_for_the_login_too)
{
	const struct limit_conf v[] = {
	    LEVEL("address", LIMIT_IP, 10, LIMIT_DEFER),
	    LEVEL("person", LIMIT_CRED, 2, LIMIT_DEFER),
	};
	struct limits *limits = kit_limits(v, 2, NULL);
	struct limit_verdict verdict;
	struct limit_who who[3];
	struct presence *p[3];
	char text[16];

	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d", i + 1);
		who[i] = kit_who("bob", NULL, text);
		p[i] = limits_connect(limits, &who[i].ip, at(0), &verdict);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert(presence_login(p[i], &who[i], at(0), &verdict) ==
			  (i < 2));
	}
	ck_assert_str_eq(verdict.hit.name, "person");
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(
		    kit_used(limits, &who[i], "address", LIMIT_CONNECTIONS, 0),
		    1);
	/* once more with the same connection: it is counted once */
	ck_assert(presence_login(p[1], &who[1], at(1), &verdict));
	ck_assert_uint_eq(
	    kit_used(limits, &who[1], "person", LIMIT_CONNECTIONS, 1), 2);
	presence_end(&p[0], at(2));
	ck_assert(presence_login(p[2], &who[2], at(2), &verdict));
	presence_end(&p[1], at(3));
	presence_end(&p[2], at(3));
	ck_assert_uint_eq(
	    kit_used(limits, &who[0], "person", LIMIT_CONNECTIONS, 3), 0);
	ck_assert_uint_eq(
	    kit_used(limits, &who[0], "address", LIMIT_CONNECTIONS, 3), 0);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_login_replaces)
{
	struct limit_conf v[] = {
	    LEVEL("address", LIMIT_IP, 2, LIMIT_DEFER),
	    LEVEL("staff", LIMIT_IP, 5, LIMIT_DEFER),
	};
	struct limit_who who = kit_who("bob", "staff", "192.0.2.1");
	struct limit_verdict verdict;
	struct presence *p[6];
	struct limits *limits;

	v[1].classes = staff;
	v[1].class_count = 1;
	v[1].replaces = address;
	v[1].replace_count = 1;
	limits = kit_limits(v, 2, NULL);
	for (int i = 0; i < 6; i++) {
		p[i] = limits_connect(limits, &who.ip, at(0), &verdict);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert(presence_login(p[i], &who, at(0), &verdict) ==
			  (i < 5));
	}
	ck_assert_str_eq(verdict.hit.name, "staff");
	for (int i = 0; i < 6; i++)
		presence_end(&p[i], at(1));
	ck_assert_uint_eq(kit_used(limits, &who, "staff", LIMIT_CONNECTIONS, 1),
			  0);
	who.class = NULL;
	ck_assert_uint_eq(
	    kit_used(limits, &who, "address", LIMIT_CONNECTIONS, 1), 0);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_live_ones_survive_a_reload)
{
	const struct limit_conf before[] = {
	    LEVEL("address", LIMIT_IP, 2, LIMIT_DEFER)};
	const struct limit_conf after[] = {
	    LEVEL("address", LIMIT_IP, 3, LIMIT_DEFER),
	    LEVEL("person", LIMIT_CRED, 3, LIMIT_DEFER)};
	const struct limits_conf all = {.limits = after, .limit_count = 2};
	struct limits *limits = kit_limits(before, 1, NULL);
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct presence *p[4] = {NULL};

	p[0] = limits_connect(limits, &who.ip, at(0), &verdict);
	p[1] = limits_connect(limits, &who.ip, at(0), &verdict);
	ck_assert(presence_login(p[1], &who, at(0), &verdict));
	limits_reload(limits, &all);
	ck_assert(presence_login(p[0], &who, at(1), &verdict));
	p[2] = limits_connect(limits, &who.ip, at(1), &verdict);
	ck_assert_ptr_nonnull(p[2]);
	p[3] = limits_connect(limits, &who.ip, at(1), &verdict);
	ck_assert_ptr_null(p[3]);
	ck_assert_uint_eq(verdict.hit.used, 3);
	limits_reload(limits, &(struct limits_conf){0});
	for (int i = 0; i < 3; i++)
		presence_end(&p[i], at(2));
	limits_reload(limits, &all);
	ck_assert_uint_eq(
	    kit_used(limits, &who, "address", LIMIT_CONNECTIONS, 3), 0);
	ck_assert_uint_eq(
	    kit_used(limits, &who, "person", LIMIT_CONNECTIONS, 3), 0);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_observed_connections)
{
	struct limit_conf v[] = {LEVEL("address", LIMIT_IP, 1, LIMIT_DEFER)};
	struct ip_addr a = ip("192.0.2.1");
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct presence *p[3];
	struct limits *limits;

	v[0].observe = true;
	limits = kit_limits(v, 1, NULL);
	for (int i = 0; i < 3; i++) {
		p[i] = limits_connect(limits, &a, at(0), &verdict);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_int_eq(verdict.action, LIMIT_PASS);
		ck_assert_uint_eq(verdict.observed_count, i > 0);
	}
	ck_assert_int_eq(verdict.observed[0].action, LIMIT_DEFER);
	ck_assert_uint_eq(
	    kit_used(limits, &who, "address", LIMIT_CONNECTIONS, 0), 3);
	for (int i = 0; i < 3; i++)
		presence_end(&p[i], at(1));
	ck_assert_uint_eq(
	    kit_used(limits, &who, "address", LIMIT_CONNECTIONS, 1), 0);
	limits_destroy(&limits);
}
END_TEST

#define GUESSES(label, most, grows)                                          \
	{                                                                    \
		.name = (label), .per = LIMIT_IP, .bits4 = 32, .bits6 = 64,  \
		.rates = &(const struct limit_rate){LIMIT_FAILED_LOGINS,     \
						    (most), 15000, (grows)}, \
		.rate_count = 1, .over = LIMIT_DEFER,                        \
	}

START_TEST(test_failed_logins)
{
	const struct limit_conf v[] = {GUESSES("guess", 3, 0)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct ip_addr a = ip("192.0.2.1"), b = ip("192.0.2.2");
	struct limit_verdict verdict;

	for (int i = 0; i < 3; i++)
		ck_assert(kit_fail(limits, &a, i));
	for (int i = 3; i < 15; i++)
		ck_assert(!kit_may_login(limits, &a, i, &verdict));
	ck_assert_str_eq(verdict.hit.name, "guess");
	ck_assert_int_eq(verdict.action, LIMIT_DEFER);
	ck_assert_int_eq(verdict.hit.frees_wall_s, KIT_WALL_S + 16);
	ck_assert(kit_may_login(limits, &b, 14, &verdict));
	ck_assert(kit_may_login(limits, &a, 16, &verdict));
	limits_destroy(&limits);
}
END_TEST

enum { KNOCK = 45, GUESS = 10 };

static const struct {
	const char *label;
	uint64_t burst;
	int64_t soon_s, later_s; /* frees, while under way and then */
} guess_rows[] = {
    {"a window", 0, 6, 17}, {"a burst", GUESS, 3, 3}, /* one each 1.5 s */
};

/* Forty-five at once: those that end or wait make room, those that fail none.
 */
START_TEST(test_attempts_under_way)
{
	const struct limit_conf v[] = {
	    GUESSES("guess", GUESS, guess_rows[_i].burst)};
	const char *label = guess_rows[_i].label;
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct attempt *attempts[KNOCK];
	struct limit_verdict verdict;
	int begun = 0;

	for (int i = 0; i < KNOCK; i++) {
		attempts[i] = attempt_create(limits, &who.ip);
		begun += attempt_begin(attempts[i], at(1), &verdict);
	}
	ck_assert_msg(begun == GUESS, "%s: %d", label, begun);
	/* none has failed yet: soon */
	ck_assert_int_eq(verdict.hit.frees_wall_s,
			 KIT_WALL_S + guess_rows[_i].soon_s);
	attempt_pause(attempts[0], at(1));
	attempt_end(&attempts[1], at(1));
	ck_assert(attempt_begin(attempts[KNOCK - 1], at(1), &verdict));
	ck_assert(attempt_begin(attempts[KNOCK - 2], at(1), &verdict));
	ck_assert(!attempt_begin(attempts[0], at(1), &verdict));
	for (int i = 2; i < KNOCK; i++)
		attempt_fail(&attempts[i], at(2));
	attempt_end(&attempts[0], at(2));
	attempt_end(&attempts[0], at(2));
	ck_assert_uint_eq(
	    kit_used(limits, &who, "guess", LIMIT_FAILED_LOGINS, 2), GUESS);
	/* now they have */
	ck_assert(!kit_may_login(limits, &who.ip, 2, &verdict));
	ck_assert_int_eq(verdict.hit.frees_wall_s,
			 KIT_WALL_S + guess_rows[_i].later_s);
	limits_destroy(&limits);
}
END_TEST

/* A rule in observe counts them all and tells of an attempt once; who is
 * refused by another has no place in it. */
START_TEST(test_attempts_observed)
{
	struct limit_conf v[] = {GUESSES("watch", 1, 0),
				 GUESSES("guess", 2, 0)};
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct attempt *attempt;
	struct limits *limits;

	v[0].observe = true;
	limits = kit_limits(v, 2, NULL);
	ck_assert(kit_fail(limits, &who.ip, 0));
	attempt = attempt_create(limits, &who.ip);
	for (int i = 0; i < 3; i++) {
		ck_assert(attempt_begin(attempt, at(0), &verdict));
		ck_assert_int_eq(verdict.action, LIMIT_PASS);
		ck_assert_uint_eq(verdict.observed_count, i == 0);
		attempt_pause(attempt, at(0));
	}
	ck_assert(attempt_begin(attempt, at(0), &verdict));
	limits_reload(limits, &(struct limits_conf){0});
	attempt_fail(&attempt, at(0));
	limits_reload(limits,
		      &(struct limits_conf){.limits = v, .limit_count = 2});
	ck_assert(!kit_fail(limits, &who.ip, 0));
	ck_assert_uint_eq(
	    kit_used(limits, &who, "watch", LIMIT_FAILED_LOGINS, 0), 2);
	ck_assert_uint_eq(
	    kit_used(limits, &who, "guess", LIMIT_FAILED_LOGINS, 0), 2);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_a_connection_is_a_connection)
{
	const struct limit_rate rates[] = {
	    {LIMIT_RECIPIENTS, 9, 60000, 0},
	    {LIMIT_NEW_CONNECTIONS, 9, 60000, 0},
	    {LIMIT_MESSAGES, 9, 60000, 0},
	    {LIMIT_FAILED_LOGINS, 9, 60000, 0},
	    {LIMIT_CONNECTIONS, 9, 0, 0},
	};
	const struct limit_conf v[] = {{.name = "a",
					.per = LIMIT_IP,
					.bits4 = 32,
					.rates = rates,
					.rate_count = COUNT(rates),
					.over = LIMIT_DEFER}};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct presence *p = limits_connect(limits, &who.ip, at(0), &verdict);

	ck_assert(presence_login(p, &who, at(0), &verdict));
	kit_send(limits, &who, 2, 0);
	kit_fail(limits, &who.ip, 0);
	kit_fail(limits, &who.ip, 0);
	kit_fail(limits, &who.ip, 0);
	for (size_t i = 0; i < COUNT(rates); i++)
		ck_assert_uint_eq(
		    kit_used(limits, &who, "a", rates[i].counted, 0),
		    ((const uint64_t[]){2, 1, 1, 3, 1})[i]);
	presence_end(&p, at(0));
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_another_login_on_the_same_connection)
{
	const struct limit_conf v[] = {
	    LEVEL("person", LIMIT_CRED, 1, LIMIT_DEFER)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob(), eve = kit_who("eve", NULL, "192.0.2.1");
	struct limit_verdict verdict;
	struct presence *p = limits_connect(limits, &who.ip, at(0), &verdict);
	struct presence *q = limits_connect(limits, &who.ip, at(0), &verdict);

	ck_assert(presence_login(p, &who, at(0), &verdict));
	ck_assert(presence_login(q, &eve, at(0), &verdict));
	ck_assert(!presence_login(p, &eve, at(0), &verdict));
	ck_assert_uint_eq(
	    kit_used(limits, &who, "person", LIMIT_CONNECTIONS, 0), 1);
	presence_end(&q, at(0));
	ck_assert(presence_login(p, &eve, at(0), &verdict));
	ck_assert_uint_eq(
	    kit_used(limits, &who, "person", LIMIT_CONNECTIONS, 0), 0);
	presence_end(&p, at(0));
	ck_assert_uint_eq(
	    kit_used(limits, &eve, "person", LIMIT_CONNECTIONS, 0), 0);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_no_rules_no_trouble)
{
	struct limits *limits = kit_limits(NULL, 0, NULL);
	struct limit_who who = bob();
	struct limit_verdict verdict;
	struct presence *p = limits_connect(limits, &who.ip, at(0), &verdict);

	ck_assert_ptr_nonnull(p);
	ck_assert(kit_may_login(limits, &who.ip, 0, &verdict));
	kit_fail(limits, &who.ip, 0);
	ck_assert(presence_login(p, &who, at(0), &verdict));
	presence_end(&p, at(0));
	limits_destroy(&limits);
	limits_destroy(&limits);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits_connect");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, test_at_once, 0, COUNT(over_rows));
	tcase_add_test(tcase, test_new_ones);
	tcase_add_test(tcase, test_refused_by_one_counted_by_none);
	tcase_add_test(tcase, test_login_counts_for_the_login_too);
	tcase_add_test(tcase, test_login_replaces);
	tcase_add_test(tcase, test_live_ones_survive_a_reload);
	tcase_add_test(tcase, test_observed_connections);
	tcase_add_test(tcase, test_failed_logins);
	tcase_add_loop_test(tcase, test_attempts_under_way, 0,
			    COUNT(guess_rows));
	tcase_add_test(tcase, test_attempts_observed);
	tcase_add_test(tcase, test_a_connection_is_a_connection);
	tcase_add_test(tcase, test_another_login_on_the_same_connection);
	tcase_add_test(tcase, test_no_rules_no_trouble);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
