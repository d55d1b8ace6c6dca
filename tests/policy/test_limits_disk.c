#include "tests/policy/limits_kit.h"
#include "tests/policy/login_kit.h"

static const struct limit_rate many[] = {
    {LIMIT_RECIPIENTS, 400, 3600000, 0},
    {LIMIT_RECIPIENTS, 1000, 86400000, 0},
    {LIMIT_MESSAGES, 30, 60000, 40},
    {LIMIT_BYTES, 1000000, 86400000, 0},
};

static const struct limit_rate at_the_door[] = {
    {LIMIT_NEW_CONNECTIONS, 100, 60000, 0},
    {LIMIT_FAILED_LOGINS, 10, 600000, 0},
    {LIMIT_CONNECTIONS, 50, 0, 0},
};

static const struct limit_conf conf[] = {
    {.name = "person",
     .per = LIMIT_CRED,
     .rates = many,
     .rate_count = COUNT(many),
     .over = LIMIT_PACE,
     .then = LIMIT_DEFER,
     .pace_percent = 150},
    {.name = "pair",
     .per = LIMIT_CRED_IP,
     .bits4 = 24,
     .bits6 = 64,
     .rates = many,
     .rate_count = 1,
     .over = LIMIT_DEFER,
     .observe = true},
    {.name = "site",
     .per = LIMIT_SITE,
     .rates = many,
     .rate_count = 2,
     .over = LIMIT_DEFER,
     .observe = true},
    {.name = "address",
     .per = LIMIT_IP,
     .bits4 = 32,
     .bits6 = 64,
     .rates = at_the_door,
     .rate_count = COUNT(at_the_door),
     .over = LIMIT_DEFER},
};

static struct kit_store store;
static struct limits *limits;

static void
setup(void)
{
	kit_store_make(&store);
	limits = kit_limits(conf, COUNT(conf), NULL);
}

static void
teardown(void)
{
	limits_destroy(&limits);
	kit_store_remove(&store);
}

/* A message as it goes through the front and the store. */
static void
deliver(const struct limit_who *who, unsigned rcpts, uint64_t bytes, double s)
{
	struct reservation *r = reservation_create(limits, who);
	const struct store_change *changes;
	struct limit_verdict verdict;
	size_t count;

	/* none of them outside: it is a message all the same */
	reservation_rcpt(r, rcpts == 0, 2 * bytes, at(s), &verdict);
	for (unsigned i = 1; i < rcpts; i++)
		reservation_rcpt(r, false, 2 * bytes, at(s), &verdict);
	reservation_settle(r, bytes, at(s), &verdict);
	ck_assert_int_lt(verdict.action, LIMIT_DEFER);
	changes = reservation_changes(r, &count);
	for (size_t i = 0; i < count; i++)
		ck_assert(store_change_valid(&changes[i]));
	kit_apply(&store, changes, count);
	reservation_commit(&r);
}

static bool
lag_keep(void)
{
	struct limits_lag *lag = limits_lag_take(limits);
	const struct store_change *changes;
	size_t count;

	if (lag == NULL)
		return false;
	changes = limits_lag_changes(lag, &count);
	ck_assert_uint_gt(count, 0);
	kit_apply(&store, changes, count);
	limits_lag_free(&lag);
	ck_assert_ptr_null(lag);
	return true;
}

/* The process dies and starts again s seconds later, on another monotonic
 * clock, which begins anew. */
static void
restart(double s)
{
	const struct limits_conf all = {.limits = conf,
					.limit_count = COUNT(conf)};

	limits_destroy(&limits);
	store_close(&store.env);
	kit_store_open(&store);
	limits = limits_create(&all, NULL, (int64_t)(KIT_WALL_S + s) * 1000000,
			       at(s));
	ck_assert_int_eq(limits_load(limits, store.env), 0);
}

struct lines {
	struct limit_line v[16];
	size_t n;
};

static bool
keep_line(void *arg, const struct limit_line *line)
{
	struct lines *lines = arg;

	lines->v[lines->n++] = *line;
	return true;
}

/* As the rules stand, but for what no restart keeps. */
static struct lines
look(const struct limit_who *who, double s)
{
	struct lines lines = {.n = 0};

	limits_each(limits, who, at(s), keep_line, &lines);
	return lines;
}

START_TEST(test_a_restart_changes_no_count)
{
	struct limit_who who = bob(), eve = kit_who("eve", NULL, "192.0.2.99");
	struct limit_verdict verdict;
	struct reservation *r;
	struct lines before;
	struct presence *p;

	deliver(&who, 300, 1000, 1);
	deliver(&who, 250, 7, 500); /* 150 of them paced */
	deliver(&eve, 5, 99, 900);
	for (int i = 0; i < 3; i++) {
		p = limits_connect(limits, &who.ip, at(900), &verdict);
		presence_end(&p, at(900));
		kit_fail(limits, &who.ip, 900 + i);
	}
	ck_assert(lag_keep());
	ck_assert(!lag_keep());
	/* not accepted: nothing of it is kept */
	r = reservation_create(limits, &eve);
	kit_rcpts(r, 50, 901);
	reservation_cancel(&r, at(902));
	for (int i = 0; i < 20; i++)
		deliver(&who, 0, 1, 999);

	for (double s = 1000; s < 90000; s = s * 1.7) {
		before = look(&who, s);
		restart(s);
		struct lines after = look(&who, s);

		ck_assert_uint_eq(before.n, after.n);
		for (size_t i = 0; i < before.n; i++) {
			const struct limit_hit *a = &before.v[i].hit;
			const struct limit_hit *b = &after.v[i].hit;

			ck_assert_msg(a->used == b->used &&
					  before.v[i].paced ==
					      after.v[i].paced &&
					  a->frees_wall_s == b->frees_wall_s,
				      "%s %s at %.0f: %d, not %d", a->name,
				      limit_counted_name(a->counted), s,
				      (int)b->used, (int)a->used);
		}
		if (s == 1000) {
			ck_assert_uint_eq(before.v[0].hit.used, 400);
			ck_assert_uint_eq(before.v[0].paced, 150);
			ck_assert_uint_eq(before.v[3].hit.used, 1027);
			ck_assert_uint_gt(before.v[2].hit.used, 15);
		}
	}
}
END_TEST

START_TEST(test_rules_that_went_stay_gone)
{
	const struct limit_conf other[] = {
	    LIMIT_ONE("other", LIMIT_RECIPIENTS, 5, KIT_HOUR, LIMIT_DEFER)};
	const struct limits_conf all = {.limits = other, .limit_count = 1};
	struct limit_who who = bob();

	deliver(&who, 100, 1, 1);
	limits_reload(limits, &all);
	ck_assert_int_eq(limits_load(limits, store.env), 0);
	ck_assert_uint_eq(kit_used(limits, &who, "other", LIMIT_RECIPIENTS, 2),
			  0);
}
END_TEST

START_TEST(test_a_clock_that_was_ahead)
{
	struct limit_who who = bob();

	deliver(&who, 400, 1, 40 * 86400);
	restart(10);
	/* neither free, nor locked for forty days */
	ck_assert_uint_eq(
	    kit_used(limits, &who, "person", LIMIT_RECIPIENTS, 11), 400);
	ck_assert_uint_eq(
	    kit_used(limits, &who, "person", LIMIT_RECIPIENTS, 11 + 3600 + 240),
	    0);
}
END_TEST

/* --- records that are not what we wrote ------------------------------ */

struct bad_row {
	const char *label;
	struct slice key, value;
};

static const struct bad_row bad_rows[] = {
    {"an empty value", SLICE_LIT("cbob"), {"", 0}},
    {"another version", SLICE_LIT("cbob"), SLICE_LIT("\377\0\0\0\0")},
    {"half a cell", SLICE_LIT("cbob"), SLICE_LIT("\1\0\0\0\0\0\1\2")},
    {"a key of no kind", SLICE_LIT("zbob"), SLICE_LIT("\1\0\0\0\0")},
    {"no login", SLICE_LIT("c"), SLICE_LIT("\1\0\0\0\0")},
    {"an address cut short", SLICE_LIT("a\200\1\2\3"), SLICE_LIT("\1\0\0\0\0")},
    {"more than the site", SLICE_LIT("site"), SLICE_LIT("\1\0\0\0\0")},
};

static void
put(struct slice key, struct slice value)
{
	const struct store_change change = {STORE_RATE, STORE_PUT, key, value};

	kit_apply(&store, &change, 1);
}

static bool
count_record(void *arg, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(size_t *)arg;
	return true;
}

static size_t
records(void)
{
	struct store_txn *txn = store_read(store.env);
	size_t n = 0;

	store_each(txn, STORE_RATE, SLICE_NONE, count_record, &n);
	store_abort(&txn);
	return n;
}

/* Prunes all of it, max at a time; how many calls it took. */
static unsigned
prune(size_t max, double s)
{
	struct buf cursor;
	unsigned calls = 0;

	buf_init(&cursor, STORE_KEY_MAX);
	limits_sweep(limits, at(s)); /* tells it the time */
	do {
		struct limits_lag *lag =
		    limits_prune(limits, store.env, max, &cursor);
		const struct store_change *changes;
		size_t count;

		calls++;
		if (lag == NULL)
			continue;
		changes = limits_lag_changes(lag, &count);
		ck_assert_uint_le(count, max);
		kit_apply(&store, changes, count);
		limits_lag_free(&lag);
	} while (cursor.n > 0);
	buf_fini(&cursor);
	return calls;
}

START_TEST(test_bad_records)
{
	const struct bad_row *row = &bad_rows[_i];
	struct limit_who eve = kit_who("eve", NULL, "192.0.2.99");
	struct limit_who who = bob();

	deliver(&eve, 5, 1, 1);
	put(row->key, row->value);
	restart(2);
	ck_assert_msg(kit_used(limits, &eve, "person", LIMIT_RECIPIENTS, 2) ==
			  5,
		      "%s", row->label);
	ck_assert_msg(kit_used(limits, &who, "person", LIMIT_RECIPIENTS, 2) ==
			  0,
		      "%s", row->label);
	ck_assert_uint_eq(records(), 4);
	prune(100, 3);
	ck_assert_msg(records() == 3, "%s: stays for ever", row->label);
	/* and a message of that login goes on as if there were none */
	put(row->key, row->value);
	deliver(&who, 3, 1, 4);
	restart(5);
	ck_assert_msg(kit_used(limits, &who, "person", LIMIT_RECIPIENTS, 5) ==
			  3,
		      "%s", row->label);
}
END_TEST

/* --- pruning --------------------------------------------------------- */

START_TEST(test_prune)
{
	struct limit_who who = bob();
	char cred[16];

	for (int i = 0; i < 50; i++) {
		snprintf(cred, sizeof(cred), "user%d", i);
		who.cred = cred;
		deliver(&who, 1, 1, i < 25 ? 0 : 86400);
	}
	ck_assert_uint_eq(records(), 101); /* a login, a pair; the site */
	/* pairs are kept for an hour, logins for a day */
	ck_assert_uint_eq(prune(10, 86400), 11);
	ck_assert_uint_eq(records(), 101 - 25);
	ck_assert_uint_eq(prune(10, 86400 + 5759), 8);
	ck_assert_uint_eq(records(), 101 - 50);
	prune(10, 86400 + 5761);
	ck_assert_uint_eq(records(), 101 - 75);
	prune(1000, 3 * 86400);
	ck_assert_uint_eq(records(), 0);
	ck_assert_uint_eq(prune(10, 3 * 86400), 1);
}
END_TEST

START_TEST(test_prune_loses_no_charge_that_comes_between)
{
	struct limit_who who = bob();
	struct limits_lag *lag;
	const struct store_change *changes;
	struct buf cursor;
	size_t count;

	deliver(&who, 7, 1, 0);
	limits_sweep(limits, at(3 * 86400));
	buf_init(&cursor, STORE_KEY_MAX);
	lag = limits_prune(limits, store.env, 100, &cursor);
	ck_assert_ptr_nonnull(lag);
	deliver(&who, 9, 1, 3 * 86400);
	changes = limits_lag_changes(lag, &count);
	kit_apply(&store, changes, count);
	limits_lag_free(&lag);
	buf_fini(&cursor);
	restart(3 * 86400 + 1);
	ck_assert_uint_eq(
	    kit_used(limits, &who, "person", LIMIT_RECIPIENTS, 3 * 86400 + 1),
	    9);
}
END_TEST

START_TEST(test_lag_is_one_change_a_key)
{
	struct ip_addr a = bob().ip;
	const struct store_change *changes;
	struct limit_verdict verdict;
	struct limits_lag *lag;
	struct presence *p;
	size_t count;

	ck_assert_ptr_null(limits_lag_take(limits));
	for (int i = 0; i < 90; i++) {
		p = limits_connect(limits, &a, at(i * 0.01), &verdict);
		ck_assert_ptr_nonnull(p);
		presence_end(&p, at(i * 0.01));
		kit_fail(limits, &a, i * 0.01);
	}
	lag = limits_lag_take(limits);
	changes = limits_lag_changes(lag, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_lt(changes[0].value.n, 100);
	limits_lag_free(&lag);
	limits_lag_free(&lag);
}
END_TEST

START_TEST(test_usage)
{
	struct limit_who who = bob();
	uint64_t keys, bytes;

	limits_usage(limits, &keys, &bytes);
	ck_assert_uint_eq(keys, 0);
	deliver(&who, 1, 1, 0);
	limits_usage(limits, &keys, &bytes);
	ck_assert_uint_eq(keys, 3);
	ck_assert_uint_gt(bytes, 0);
	for (int i = 0; i < 1000; i++)
		limits_sweep(limits, at(3 * 86400));
	limits_usage(limits, &keys, &bytes);
	ck_assert_uint_eq(keys, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits_disk");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_a_restart_changes_no_count);
	tcase_add_test(tcase, test_rules_that_went_stay_gone);
	tcase_add_test(tcase, test_a_clock_that_was_ahead);
	tcase_add_loop_test(tcase, test_bad_records, 0, COUNT(bad_rows));
	tcase_add_test(tcase, test_prune);
	tcase_add_test(tcase, test_prune_loses_no_charge_that_comes_between);
	tcase_add_test(tcase, test_lag_is_one_change_a_key);
	tcase_add_test(tcase, test_usage);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
