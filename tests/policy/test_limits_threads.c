#include <pthread.h>
#include <stdatomic.h>

#include "tests/policy/limits_kit.h"
#include "tests/policy/login_kit.h"

enum { THREADS = 8, LIMIT = 5000 };

static struct limits *limits;
static atomic_uint accepted, running;

/* Any order, never the same for two threads. */
static unsigned
draw(unsigned *state, unsigned below)
{
	*state = *state * 1103515245u + 12345u;
	return (*state >> 16) % below;
}

/* Bob from an address of its own; some of what it reserves it gives up. */
static void *
sender(void *arg)
{
	unsigned number = *(const unsigned *)arg, state = number, got, refused;
	struct limit_verdict verdict;
	struct limit_who who;
	struct reservation *r;
	char text[16];

	snprintf(text, sizeof(text), "192.0.2.%u", number + 1);
	who = kit_who("bob", NULL, text);
	for (refused = 0; refused < 200;) {
		r = reservation_create(limits, &who);
		got = kit_rcpts(r, 1 + draw(&state, 20), 1);
		refused += got == 0;
		if (draw(&state, 3) == 0) {
			reservation_cancel(&r, at(1));
			continue;
		}
		reservation_settle(r, 0, at(1), &verdict);
		ck_assert_int_eq(verdict.action, LIMIT_PASS);
		reservation_commit(&r);
		atomic_fetch_add(&accepted, got);
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void
run(void *(*fn)(void *))
{
	pthread_t threads[THREADS];
	unsigned numbers[THREADS];

	atomic_store(&accepted, 0);
	atomic_store(&running, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, fn, &numbers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

START_TEST(test_exactly_n)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("one", LIMIT_RECIPIENTS, LIMIT, KIT_HOUR, LIMIT_DEFER),
	    LIMIT_ONE("two", LIMIT_ALL_RECIPIENTS, LIMIT, 86400, LIMIT_REJECT),
	    {.name = "site",
	     .per = LIMIT_SITE,
	     .rates = &(const struct limit_rate){LIMIT_RECIPIENTS, 2 * LIMIT,
						 3600000, 0},
	     .rate_count = 1,
	     .over = LIMIT_DEFER},
	    {.name = "address",
	     .per = LIMIT_IP,
	     .bits4 = 32,
	     .bits6 = 64,
	     .rates = &(const struct limit_rate){LIMIT_RECIPIENTS, LIMIT,
						 3600000, 0},
	     .rate_count = 1,
	     .over = LIMIT_DEFER},
	};
	struct limit_who who = bob();

	limits = kit_limits(v, COUNT(v), NULL);
	run(sender);
	/* whoever was last may have given some back: they are there */
	kit_send(limits, &who, 0, 1);
	atomic_fetch_add(&accepted, kit_send(limits, &who, LIMIT, 1));
	ck_assert_uint_eq(atomic_load(&accepted), LIMIT);
	ck_assert_uint_eq(kit_used(limits, &who, "one", LIMIT_RECIPIENTS, 1),
			  LIMIT);
	ck_assert_uint_eq(
	    kit_used(limits, &who, "two", LIMIT_ALL_RECIPIENTS, 1), LIMIT);
	ck_assert_uint_eq(kit_used(limits, &who, "site", LIMIT_RECIPIENTS, 1),
			  LIMIT);
	limits_destroy(&limits);
}
END_TEST

/* Time goes on while they send, so that slots pass under open messages; it
 * stands while one of them does something. What was accepted is noted by its
 * time. */
enum { SPAN_MS = 40000, PERIOD_MS = 15000, N = 400 };
static pthread_rwlock_t clock_lock = PTHREAD_RWLOCK_INITIALIZER;
static unsigned clock_ms;
static atomic_uint at_ms[SPAN_MS + 1];

static bool
time_passes(unsigned ms)
{
	bool on;

	pthread_rwlock_wrlock(&clock_lock);
	on = clock_ms + ms <= SPAN_MS;
	clock_ms = on ? clock_ms + ms : SPAN_MS;
	pthread_rwlock_unlock(&clock_lock);
	return on;
}

static void
dot(struct reservation *r, unsigned got, bool keep)
{
	struct limit_verdict verdict;

	pthread_rwlock_rdlock(&clock_lock);
	reservation_settle(r, 0, at(clock_ms / 1e3), &verdict);
	if (verdict.action < LIMIT_DEFER && keep) {
		atomic_fetch_add(&at_ms[clock_ms], got);
		reservation_commit(&r);
	}
	reservation_cancel(&r, at(clock_ms / 1e3));
	pthread_rwlock_unlock(&clock_lock);
}

static void *
sender_in_time(void *arg)
{
	unsigned state = *(const unsigned *)arg, got;
	struct limit_who who = bob();
	struct reservation *r;

	while (time_passes(draw(&state, 40))) {
		r = reservation_create(limits, &who);
		pthread_rwlock_rdlock(&clock_lock);
		got = kit_rcpts(r, 1 + draw(&state, 9), clock_ms / 1e3);
		pthread_rwlock_unlock(&clock_lock);
		time_passes(draw(&state, 40));
		dot(r, got, draw(&state, 4) > 0);
	}
	return NULL;
}

START_TEST(test_never_more_than_n_in_any_window)
{
	const struct limit_conf v[] = {
	    LIMIT_ONE("a", LIMIT_RECIPIENTS, N, PERIOD_MS / 1000, LIMIT_DEFER)};
	unsigned in = 0, most = 0;

	limits = kit_limits(v, 1, NULL);
	run(sender_in_time);
	for (unsigned i = 0; i <= SPAN_MS; i++) {
		in += at_ms[i];
		if (i >= PERIOD_MS)
			in -= at_ms[i - PERIOD_MS];
		most = in > most ? in : most;
	}
	ck_assert_uint_le(most, N);
	ck_assert_uint_gt(most, N * 9 / 10);
	limits_destroy(&limits);
}
END_TEST

/* Everything at once, for the sanitizers: what it counts is looked at after. */
static void *
anything(void *arg)
{
	unsigned number = *(const unsigned *)arg, state = number;
	struct limit_verdict verdict;
	struct limit_who who = bob();
	struct presence *p;
	struct limits_lag *lag;

	for (int i = 0; i < 2000; i++) {
		struct reservation *r = NULL;

		p = limits_connect(limits, &who.ip, at(1), &verdict);
		if (p != NULL && kit_may_login(limits, &who.ip, 1, &verdict)) {
			if (draw(&state, 5) == 0)
				kit_fail(limits, &who.ip, 1);
			else
				presence_login(p, &who, at(1), &verdict);
			r = reservation_create(limits, &who);
			kit_rcpts(r, 3, 1);
		}
		if (number == 0 && i % 50 == 0) {
			lag = limits_lag_take(limits);
			limits_lag_free(&lag);
			limits_sweep(limits, at(1));
		}
		reservation_cancel(&r, at(1));
		presence_end(&p, at(1));
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static const struct limit_rate busy_rates[] = {
    {LIMIT_CONNECTIONS, 5, 0, 0},
    {LIMIT_NEW_CONNECTIONS, 1000000, 60000, 0},
    {LIMIT_FAILED_LOGINS, 100000, 60000, 0},
    {LIMIT_RECIPIENTS, 10, 60000, 0},
};
static const struct limit_conf busy[] = {
    {.name = "a",
     .per = LIMIT_IP,
     .bits4 = 32,
     .bits6 = 64,
     .rates = busy_rates,
     .rate_count = COUNT(busy_rates),
     .over = LIMIT_DEFER},
    LIMIT_ONE("b", LIMIT_CONNECTIONS, 4, 0, LIMIT_REJECT),
};

static void *
reloader(void *arg)
{
	(void)arg;
	while (atomic_load(&running) > 0) {
		const struct limits_conf half = {.limits = busy,
						 .limit_count = 1};
		const struct limits_conf all = {.limits = busy,
						.limit_count = 2};

		limits_reload(limits, &half);
		limits_reload(limits, &all);
	}
	return NULL;
}

START_TEST(test_reloads_under_load)
{
	struct limit_who who = bob();
	pthread_t thread;

	limits = kit_limits(busy, 2, NULL);
	atomic_store(&running, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, reloader, NULL), 0);
	run(anything);
	atomic_store(&running, 0);
	pthread_join(thread, NULL);
	limits_reload(limits,
		      &(struct limits_conf){.limits = busy, .limit_count = 2});
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_CONNECTIONS, 1), 0);
	ck_assert_uint_eq(kit_used(limits, &who, "b", LIMIT_CONNECTIONS, 1), 0);
	ck_assert_uint_eq(kit_used(limits, &who, "a", LIMIT_RECIPIENTS, 1), 0);
	limits_destroy(&limits);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits_threads");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_exactly_n);
	tcase_add_test(tcase, test_never_more_than_n_in_any_window);
	tcase_add_test(tcase, test_reloads_under_load);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
