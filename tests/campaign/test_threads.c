#include <pthread.h>

#include "tests/campaign/kit.h"

/* Many threads at once; meant for the thread sanitizer, too. */

#define THREADS 4
#define MESSAGES 200

static const struct campaigns_conf conf = {
    .recipients = 1000, .same = 20, .rate_per_h = 600};

static _Atomic int fresh;
static _Atomic uint64_t accepted, personal;
static _Atomic bool over;
static pthread_barrier_t start;

/* The front: messages of one text, of which the store refuses some. */
static void *
front(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct arena *own = arena_create(4096);

	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct campaign_mail mail = {
		    .id = seed * 10000 + i,
		    .cred = "ann",
		    .subject = SLICE_LIT("Report"),
		    .recipients = 1,
		    .shape = {.fuzzy = 77},
		};
		struct campaign_join join;
		bool taken = rand_r(&seed) % 8 != 0;

		campaign_join(all, &mail, NOW, own, &join);
		fresh += join.fresh;
		if (taken && join.id != 0)
			accepted++;
		else if (taken)
			personal++;
		campaign_join_end(all, &join, taken);
	}
	arena_destroy(&own);
	return NULL;
}

/* The back and an administrator. */
static void *
others(void *arg)
{
	struct arena *own = arena_create(4096);
	struct campaign_terms terms;
	struct campaign_view view;
	uint64_t ids[8];

	(void)arg;
	pthread_barrier_wait(&start);
	while (!over) {
		struct campaign_order order = {
		    .id = 1, .rate_per_h = 5, .connections = -1};
		struct store_change change;

		campaign_terms_get(all, 1, &terms);
		order.state = terms.state == CAMPAIGN_PAUSED ? CAMPAIGN_RUNNING
							     : CAMPAIGN_PAUSED;
		(void)campaign_order(all, &order, NOW, own, &change);
		(void)campaign_count(all, 1, CAMPAIGN_COMPLAINTS, 1, NOW);
		(void)campaign_get(all, 1, NOW, &view);
		(void)campaigns_list(all, 0, ids, 8);
		(void)campaigns_status_get(all, &(struct campaigns_status){0});
		campaigns_configure(all, &conf);
		arena_destroy(&own);
		own = arena_create(4096);
	}
	arena_destroy(&own);
	return NULL;
}

START_TEST(exactly_one_begins)
{
	pthread_t threads[THREADS], other;
	struct campaign_view view;
	uint64_t ids[256], sum;
	size_t n;

	fresh = 0;
	accepted = personal = 0;
	over = false;
	kit_open(&conf);
	pthread_barrier_init(&start, NULL, THREADS + 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, front,
			       (void *)(i + 1 + (uintptr_t)_i * 8));
	pthread_create(&other, NULL, others, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	over = true;
	pthread_join(other, NULL);
	pthread_barrier_destroy(&start);
	ck_assert_uint_ge(campaigns_list(all, 0, ids, 8), 1);
	n = campaigns_list(all, 0, ids, 8);
	/* Where the first was refused and nobody had joined it, another began
	 * with the same earlier messages. */
	ck_assert_uint_eq(n, 1);
	ck_assert_int_ge(fresh, 1);
	view = kit_view(ids[0], NOW);
	ck_assert_uint_eq(view.counts[CAMPAIGN_RECIPIENTS], accepted);
	ck_assert_uint_eq(view.counts[CAMPAIGN_MESSAGES], accepted);
	sum = campaign_take_adopted(all, ids[0], ids, 256);
	ck_assert_uint_eq(sum, personal);
	kit_close();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("threads");
	TCase *tc = tcase_create("threads");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, exactly_one_begins, 0, 5);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
