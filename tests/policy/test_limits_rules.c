#include "tests/policy/limits_kit.h"

/* --- which rules are for whom ---------------------------------------- */

static const char *const staff[] = {"staff"}, *const bulk[] = {"bulk"};
static const char *const printer[] = {"printer", "fax"};
static const char *const person[] = {"person"}, *const people[] = {"people"};
static const char *const nothing[] = {"no-such-limit"};
static struct ip_prefix office;

enum { PERSON, STAFF, PRINTER, ADDRESS, PAIR, SITE, NEWER, LIMITS };

static const struct limit_rate ten = {LIMIT_RECIPIENTS, 10, 3600000, 0};

static const struct limit_conf conf[LIMITS] = {
    [PERSON] = {.name = "person", .per = LIMIT_CRED, .over = LIMIT_DEFER},
    [STAFF] = {.name = "staff",
	       .per = LIMIT_CRED,
	       .over = LIMIT_DEFER,
	       .classes = staff,
	       .class_count = 1,
	       .replaces = person,
	       .replace_count = 1},
    [PRINTER] = {.name = "people",
		 .per = LIMIT_CRED,
		 .over = LIMIT_DEFER,
		 .classes = bulk,
		 .class_count = 1,
		 .creds = printer,
		 .cred_count = 2,
		 .replaces = person,
		 .replace_count = 1,
		 .except = &office,
		 .except_count = 1},
    [ADDRESS] = {.name = "address",
		 .per = LIMIT_IP,
		 .bits4 = 24,
		 .bits6 = 48,
		 .over = LIMIT_DEFER,
		 .except = &office,
		 .except_count = 1},
    [PAIR] = {.name = "pair",
	      .per = LIMIT_CRED_IP,
	      .bits4 = 32,
	      .bits6 = 64,
	      .over = LIMIT_DEFER},
    [SITE] = {.name = "site",
	      .per = LIMIT_SITE,
	      .over = LIMIT_DEFER,
	      .replaces = nothing,
	      .replace_count = 1},
    [NEWER] = {.name = "newer",
	       .per = LIMIT_CRED,
	       .over = LIMIT_DEFER,
	       .observe = true,
	       .replaces = people,
	       .replace_count = 1},
};

struct who_row {
	const char *label, *cred, *class, *ip;
	const char *wanted; /* a letter a limit, '.': not for this one */
};

static const struct who_row who_rows[] = {
    {"somebody", "bob", NULL, "192.0.2.1", "p..aiso"},
    {"of a class nobody names", "bob", "x", "192.0.2.1", "p..aiso"},
    {"of a class", "bob", "staff", "192.0.2.1", ".s.aiso"},
    {"by name", "fax", NULL, "192.0.2.1", "..raiso"},
    {"by name, and of another class", "fax", "staff", "192.0.2.1", ".sraiso"},
    {"either of class and name", "x", "bulk", "192.0.2.1", "..raiso"},
    {"excepted, and not given back to what is replaced", "fax", NULL,
     "10.1.2.3", "....iso"},
    {"excepted from the address's", "bob", NULL, "10.1.2.3", "p...iso"},
    {"v6", "bob", NULL, "2001:db8::1", "p..aiso"},
    {"nobody logged in", NULL, NULL, "192.0.2.1", "...a.s."},
    {"no address known", "bob", NULL, "::", "p....so"},
};

struct letters {
	char v[LIMITS + 1];
	size_t n;
};

static bool
note(void *arg, const struct limit_line *line)
{
	struct letters *letters = arg;

	letters->v[letters->n] = line->applies ? "psraiso"[letters->n] : '.';
	letters->n++;
	return true;
}

static struct limits *
make_all(bool observe)
{
	struct limit_conf v[LIMITS];
	const struct limits_conf all = {
	    .limits = v, .limit_count = LIMITS, .observe = observe};

	ck_assert_int_eq(ip_prefix_parse(SLICE_LIT("10.0.0.0/8"), &office), 0);
	memcpy(v, conf, sizeof(v));
	for (size_t i = 0; i < LIMITS; i++) {
		v[i].rates = &ten;
		v[i].rate_count = 1;
	}
	return limits_create(&all, NULL, KIT_WALL_S * (int64_t)1000000,
			     KIT_MONO_US);
}

START_TEST(test_for_whom)
{
	const struct who_row *row = &who_rows[_i];
	struct limit_who who = kit_who(row->cred, row->class, row->ip);
	struct limits *limits = make_all(false);
	struct letters letters = {0};

	limits_each(limits, &who, at(0), note, &letters);
	ck_assert_msg(strcmp(letters.v, row->wanted) == 0, "%s: %s, not %s",
		      row->label, letters.v, row->wanted);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_observed_replacements)
{
	struct limit_who who = kit_who("fax", NULL, "192.0.2.1");
	struct limits *limits = make_all(true);
	struct letters letters = {0};

	/* with all in observe it is shown as it would be */
	limits_each(limits, &who, at(0), note, &letters);
	ck_assert_str_eq(letters.v, "...aiso");
	ck_assert(
	    kit_line(limits, &who, "site", LIMIT_RECIPIENTS, 0).hit.observed);
	memset(&letters, 0, sizeof(letters));
	limits_each(limits, NULL, at(0), note, &letters);
	ck_assert_str_eq(letters.v, ".....s.");
	limits_destroy(&limits);
}
END_TEST

/* --- whose counts are whose ------------------------------------------ */

struct share_row {
	const char *label;
	enum limit_per per;
	struct {
		const char *cred, *ip;
	} first, second;
	bool shared;
};

static const struct share_row share_rows[] = {
    {"one login, two addresses",
     LIMIT_CRED,
     {"bob", "192.0.2.1"},
     {"bob", "198.51.100.7"},
     true},
    {"two logins, one address",
     LIMIT_CRED,
     {"bob", "192.0.2.1"},
     {"bobby", "192.0.2.1"},
     false},
    {"two logins of one address",
     LIMIT_IP,
     {"bob", "192.0.2.1"},
     {"eve", "192.0.2.1"},
     true},
    {"the /24", LIMIT_IP, {"bob", "192.0.2.1"}, {"eve", "192.0.2.254"}, true},
    {"the next /24",
     LIMIT_IP,
     {"bob", "192.0.2.1"},
     {"eve", "192.0.3.1"},
     false},
    {"the /48",
     LIMIT_IP,
     {"bob", "2001:db8:1:2::1"},
     {"eve", "2001:db8:1:3::1"},
     true},
    {"the next /48",
     LIMIT_IP,
     {"bob", "2001:db8:1:2::1"},
     {"eve", "2001:db8:2:2::1"},
     false},
    {"the pair",
     LIMIT_CRED_IP,
     {"bob", "192.0.2.1"},
     {"bob", "192.0.2.9"},
     true},
    {"the pair elsewhere",
     LIMIT_CRED_IP,
     {"bob", "192.0.2.1"},
     {"bob", "192.0.4.1"},
     false},
    {"another pair",
     LIMIT_CRED_IP,
     {"bob", "192.0.2.1"},
     {"eve", "192.0.2.1"},
     false},
    {"all", LIMIT_SITE, {"bob", "192.0.2.1"}, {"eve", "2001:db8::1"}, true},
};

START_TEST(test_shares)
{
	const struct share_row *row = &share_rows[_i];
	const struct limit_conf v[] = {{.name = "a",
					.per = row->per,
					.bits4 = 24,
					.bits6 = 48,
					.rates = &ten,
					.rate_count = 1,
					.over = LIMIT_DEFER}};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who a = kit_who(row->first.cred, NULL, row->first.ip);
	struct limit_who b = kit_who(row->second.cred, NULL, row->second.ip);

	ck_assert_uint_eq(kit_send(limits, &a, 7, 0), 7);
	ck_assert_msg(kit_send(limits, &b, 7, 0) == (row->shared ? 3 : 7), "%s",
		      row->label);
	limits_destroy(&limits);
}
END_TEST

/* --- observe by class ------------------------------------------------ */

START_TEST(test_a_class_in_observe)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_RECIPIENTS, 2, KIT_HOUR, LIMIT_REJECT)};
	const struct limits_conf all = {.limits = v,
					.limit_count = 1,
					.observe_classes = staff,
					.observe_class_count = 1};
	struct limits *limits = limits_create(
	    &all, NULL, KIT_WALL_S * (int64_t)1000000, KIT_MONO_US);
	struct limit_who watched = kit_who("bob", "staff", "192.0.2.1");
	struct limit_who other = kit_who("eve", "bulk", "192.0.2.1");

	ck_assert_uint_eq(kit_send(limits, &watched, 9, 0), 9);
	ck_assert_uint_eq(kit_used(limits, &watched, "a", LIMIT_RECIPIENTS, 0),
			  9);
	ck_assert_uint_eq(kit_send(limits, &other, 9, 0), 2);
	limits_destroy(&limits);
}
END_TEST

/* Bindings are used again: never those of somebody else. */
START_TEST(test_who_is_who_in_turn)
{
	struct limit_conf v[] = {
	    LIMIT_ONE("login", LIMIT_RECIPIENTS, 5, KIT_HOUR, LIMIT_DEFER),
	    LIMIT_ONE("address", LIMIT_RECIPIENTS, 7, KIT_HOUR, LIMIT_DEFER),
	    LIMIT_ONE("class", LIMIT_RECIPIENTS, 2, KIT_HOUR, LIMIT_DEFER)};
	const struct {
		struct limit_who who;
		unsigned accepted; /* of three */
	} turns[] = {
	    {kit_who("bob", NULL, "192.0.2.1"), 3},
	    {kit_who("bob", NULL, "192.0.2.1"), 2},
	    {kit_who("ann", NULL, "192.0.2.1"), 2},
	    {kit_who("ann", NULL, "192.0.2.2"), 3},
	    {kit_who("eve", "staff", "192.0.2.3"), 2},
	    {kit_who("eve", NULL, "192.0.2.3"), 3},
	    {kit_who("eve", "staff", "192.0.2.3"), 0},
	    {kit_who(NULL, NULL, "192.0.2.4"), 3},
	};
	struct limits *limits;

	v[1].per = LIMIT_IP;
	v[2].classes = staff;
	v[2].class_count = 1;
	limits = kit_limits(v, COUNT(v), NULL);
	for (size_t i = 0; i < COUNT(turns); i++) {
		unsigned n = kit_send(limits, &turns[i].who, 3, 0);

		ck_assert_msg(n == turns[i].accepted, "turn %u: %u",
			      (unsigned)i, n);
	}
	limits_destroy(&limits);
}
END_TEST

/* --- a reload -------------------------------------------------------- */

struct reload_row {
	const char *label;
	struct limit_conf after;
	bool kept;
};

#define RELOADED(counts, most, seconds, what) \
	LIMIT_ONE("a", counts, most, seconds, what)

static const struct reload_row reload_rows[] = {
    {"the same", RELOADED(LIMIT_RECIPIENTS, 10, KIT_HOUR, LIMIT_DEFER), true},
    {"another number", RELOADED(LIMIT_RECIPIENTS, 99, KIT_HOUR, LIMIT_DEFER),
     true},
    {"another action", RELOADED(LIMIT_RECIPIENTS, 10, KIT_HOUR, LIMIT_HOLD),
     true},
    {"another period", RELOADED(LIMIT_RECIPIENTS, 10, 7200, LIMIT_DEFER),
     false},
    {"another thing counted",
     RELOADED(LIMIT_ALL_RECIPIENTS, 10, KIT_HOUR, LIMIT_DEFER), false},
    {"another name",
     LIMIT_ONE("b", LIMIT_RECIPIENTS, 10, KIT_HOUR, LIMIT_DEFER), false},
};

START_TEST(test_reload)
{
	const struct reload_row *row = &reload_rows[_i];
	const struct limit_conf before[] = {
	    RELOADED(LIMIT_RECIPIENTS, 10, KIT_HOUR, LIMIT_DEFER)};
	const struct limits_conf after = {.limits = &row->after,
					  .limit_count = 1};
	struct limits *limits = kit_limits(before, 1, NULL);
	struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);

	ck_assert_uint_eq(kit_rcpts(r, 4, 0), 4);
	limits_reload(limits, &after);
	ck_assert_msg(kit_used(limits, &who, row->after.name,
			       row->after.rates->counted,
			       0) == (row->kept ? 4 : 0),
		      "%s", row->label);
	/* what began under the old rules ends under them */
	ck_assert_uint_eq(kit_rcpts(r, 9, 0), 6);
	reservation_cancel(&r, at(1));
	ck_assert_msg(kit_used(limits, &who, row->after.name,
			       row->after.rates->counted, 1) == 0,
		      "%s: given back", row->label);
	limits_reload(limits, &(struct limits_conf){0});
	ck_assert_uint_eq(kit_send(limits, &who, 100, 1), 100);
	limits_destroy(&limits);
}
END_TEST

/* Twenty messages of one login are open when the rules change. */
struct open_row {
	const char *label;
	struct limit_conf before, after;
	unsigned charged;  /* recipients of each before the reload */
	unsigned accepted; /* of twenty more of each, in all */
};

#define HOURLY(label, most) \
	LIMIT_ONE(label, LIMIT_RECIPIENTS, most, KIT_HOUR, LIMIT_DEFER)
#define ONE_RATE(is_observed, ...)                                        \
	{                                                                 \
		.name = "a", .per = LIMIT_CRED, .bits4 = 32, .bits6 = 64, \
		.rates = &(const struct limit_rate){__VA_ARGS__},         \
		.rate_count = 1, .over = LIMIT_DEFER,                     \
		.observe = (is_observed),                                 \
	}

static const struct open_row open_rows[] = {
    {"lower, nothing charged", HOURLY("a", 1000), HOURLY("a", 10), 0, 10},
    {"lower, some charged", HOURLY("a", 1000), HOURLY("a", 30), 1, 10},
    {"lower, more charged than that", HOURLY("a", 1000), HOURLY("a", 10), 1, 0},
    {"higher, nothing charged", HOURLY("a", 10), HOURLY("a", 90), 0, 90},
    {"higher, some charged", HOURLY("a", 30), HOURLY("a", 90), 1, 10},
    {"another rule, nothing charged", HOURLY("a", 1000), HOURLY("b", 10), 0,
     10},
    {"another rule, some charged", HOURLY("a", 1000), HOURLY("b", 10), 1, 400},
    {"lower, in observe", HOURLY("a", 1000),
     ONE_RATE(true, LIMIT_RECIPIENTS, 10, 3600000, 0), 1, 400},
    {"out of observe", ONE_RATE(true, LIMIT_RECIPIENTS, 30, 3600000, 0),
     HOURLY("a", 30), 1, 10},
    {"a smaller burst", ONE_RATE(false, LIMIT_RECIPIENTS, 1000, 3600000, 1000),
     ONE_RATE(false, LIMIT_RECIPIENTS, 1000, 3600000, 30), 1, 10},
};

START_TEST(test_a_reload_binds_open_messages)
{
	const struct open_row *row = &open_rows[_i];
	const struct limits_conf after = {.limits = &row->after,
					  .limit_count = 1};
	struct limits *limits = kit_limits(&row->before, 1, NULL);
	struct reservation *open[20];
	struct limit_who who = bob();
	unsigned accepted = 0;

	for (size_t i = 0; i < COUNT(open); i++) {
		open[i] = reservation_create(limits, &who);
		ck_assert_uint_eq(kit_rcpts(open[i], row->charged, 0),
				  row->charged);
	}
	limits_reload(limits, &after);
	for (size_t i = 0; i < COUNT(open); i++)
		accepted += kit_rcpts(open[i], 20, 0);
	ck_assert_msg(accepted == row->accepted, "%s: %u accepted", row->label,
		      accepted);
	for (size_t i = 0; i < COUNT(open); i++)
		reservation_cancel(&open[i], at(0));
	ck_assert_msg(
	    kit_used(limits, &who, row->after.name, LIMIT_RECIPIENTS, 0) == 0,
	    "%s: not given back", row->label);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_reloads_of_an_open_message)
{
	static const struct {
		uint64_t limit;
		unsigned accepted; /* of twenty more */
	} steps[] = {{1000, 20}, {30, 10}, {1000, 0}, {40, 0}, {5, 0}};
	struct limit_conf v[] = {HOURLY("a", 1000)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();
	struct reservation *r = reservation_create(limits, &who);
	struct limit_verdict verdict;

	for (size_t i = 0; i < COUNT(steps); i++) {
		const struct limit_rate rate = {LIMIT_RECIPIENTS,
						steps[i].limit, 3600000, 0};

		v[0].rates = &rate;
		limits_reload(limits, &(struct limits_conf){.limits = v,
							    .limit_count = 1});
		ck_assert_msg(kit_rcpts(r, 20, 0) == steps[i].accepted, "to %u",
			      (unsigned)steps[i].limit);
	}
	reservation_rcpt(r, false, 0, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_DEFER);
	ck_assert_uint_eq(verdict.hit.limit, 5);
	/* it was promised before: what was charged stays */
	reservation_settle(r, 0, at(0), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	reservation_commit(&r);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_rates_that_differ_in_the_number_alone)
{
	const struct limit_rate rates[] = {
	    {LIMIT_RECIPIENTS, 9, 3600000, 0},
	    {LIMIT_RECIPIENTS, 5, 3600000, 0},
	    {LIMIT_RECIPIENTS, 7, 3600000, 0},
	    {LIMIT_RECIPIENTS, 8, 3600000, 8}, /* a burst is another */
	};
	const struct limit_conf v[] = {{.name = "a",
					.per = LIMIT_CRED,
					.rates = rates,
					.rate_count = 4,
					.over = LIMIT_DEFER}};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();

	ck_assert_uint_eq(kit_send(limits, &who, 9, 0), 5);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_nonsense_is_passed_over)
{
	const struct limit_rate rates[] = {
	    {LIMIT_RECIPIENTS, 1, 0, 0},  {LIMIT_RECIPIENTS, 1, INT64_MAX, 0},
	    {LIMIT_RECIPIENTS, 1, -5, 0}, {LIMIT_FAILED_LOGINS, 1, 60000, 0},
	    {LIMIT_COUNTED, 1, 60000, 0},
	};
	const struct limit_conf v[] = {{.name = "a",
					.per = LIMIT_CRED,
					.rates = rates,
					.rate_count = COUNT(rates),
					.over = LIMIT_DEFER}};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();

	ck_assert_uint_eq(kit_send(limits, &who, 9, 0), 9);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_a_step_back_of_the_caller_frees_nothing)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_RECIPIENTS, 5, KIT_15S, LIMIT_DEFER)};
	struct limits *limits = kit_limits(v, 1, NULL);
	struct limit_who who = bob();

	ck_assert_uint_eq(kit_send(limits, &who, 9, 100), 5);
	ck_assert_uint_eq(kit_send(limits, &who, 9, 40), 0);
	ck_assert_uint_eq(kit_send(limits, &who, 9, 116), 5);
	limits_destroy(&limits);
}
END_TEST

START_TEST(test_words)
{
	static const char *const counted[] = {
	    "messages",	       "recipients",	"internal-recipients",
	    "all-recipients",  "bytes",		"connections",
	    "new-connections", "failed-logins", "dead-domains"};
	static const char *const actions[] = {"pass", "pace",  "bulk",
					      "hold", "defer", "reject"};

	ck_assert_uint_eq(COUNT(counted), LIMIT_COUNTED);
	for (int i = 0; i < LIMIT_COUNTED; i++)
		ck_assert_str_eq(limit_counted_name((enum limit_counted)i),
				 counted[i]);
	for (int i = 0; i <= LIMIT_REJECT; i++)
		ck_assert_str_eq(limit_action_name((enum limit_action)i),
				 actions[i]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits_rules");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, test_for_whom, 0, COUNT(who_rows));
	tcase_add_test(tcase, test_observed_replacements);
	tcase_add_loop_test(tcase, test_shares, 0, COUNT(share_rows));
	tcase_add_test(tcase, test_a_class_in_observe);
	tcase_add_test(tcase, test_who_is_who_in_turn);
	tcase_add_loop_test(tcase, test_reload, 0, COUNT(reload_rows));
	tcase_add_loop_test(tcase, test_a_reload_binds_open_messages, 0,
			    COUNT(open_rows));
	tcase_add_test(tcase, test_reloads_of_an_open_message);
	tcase_add_test(tcase, test_rates_that_differ_in_the_number_alone);
	tcase_add_test(tcase, test_nonsense_is_passed_over);
	tcase_add_test(tcase, test_a_step_back_of_the_caller_frees_nothing);
	tcase_add_test(tcase, test_words);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
