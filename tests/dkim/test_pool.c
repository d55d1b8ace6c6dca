#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "gateway/base/error.h"
#include "gateway/dkim/pool.h"

/* Every job comes back once, with what came of it, from one thread or several.
 */

#define PEM                                                              \
	"-----BEGIN PRIVATE KEY-----\n"                                  \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMc\n" \
	"rn9g\n"                                                         \
	"-----END PRIVATE KEY-----\n"
#define JOBS 500

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all = PTHREAD_COND_INITIALIZER;
static unsigned done_count, run_count;

static void
done(struct dkim_job *job)
{
	(void)job;
	pthread_mutex_lock(&lock);
	done_count++;
	pthread_cond_signal(&all);
	pthread_mutex_unlock(&lock);
}

static void
run(struct dkim_job *job)
{
	job->err = GW_ENOENT;
	pthread_mutex_lock(&lock);
	run_count++;
	pthread_mutex_unlock(&lock);
}

static struct dkim_message *
message(const char *text)
{
	struct dkim_message *m = dkim_message_create();

	dkim_message_add(m, slice_str(text));
	dkim_message_end(m);
	return m;
}

START_TEST(jobs)
{
	struct dkim_keys *keys = dkim_keys_create();
	struct dkim_domain *domain = dkim_keys_add(keys, "example.com");
	struct dkim_message *good = message("From: a@example.com\r\n\r\nx\r\n");
	struct dkim_message *bad = message("no header\r\n");
	struct dkim_job *list = calloc(JOBS, sizeof(*list));
	struct dkim_pool *pool;
	const char *why;
	struct dkim_key *key = dkim_key_parse(SLICE_LIT(PEM), &why);

	ck_assert(dkim_domain_add(domain, "s", &key));
	done_count = run_count = 0;
	ck_assert_int_eq(dkim_pool_create(&pool, _i == 0 ? 1 : 4), 0);
	for (unsigned i = 0; i < JOBS; i++) {
		list[i].signing =
		    (struct dkim_signing){.domain = domain,
					  .message = i % 3 == 0 ? bad : good,
					  .now_wall_s = 1800000000};
		list[i].run = i % 3 == 1 ? run : NULL;
		list[i].done = done;
		dkim_pool_start(pool, &list[i]);
	}
	pthread_mutex_lock(&lock);
	while (done_count < JOBS)
		pthread_cond_wait(&all, &lock);
	pthread_mutex_unlock(&lock);
	dkim_pool_destroy(&pool);
	ck_assert_ptr_null(pool);
	for (unsigned i = 0; i < JOBS; i++) {
		static const int want[] = {GW_EINVAL, GW_ENOENT, 0};

		ck_assert_int_eq(list[i].err, want[i % 3]);
		ck_assert_int_eq(list[i].fields.n > 0, i % 3 == 2);
		if (i % 3 == 2)
			ck_assert(slice_eq(buf_slice(&list[i].fields),
					   buf_slice(&list[2].fields)));
	}
	for (unsigned i = 0; i < JOBS; i++)
		buf_fini(&list[i].fields);
	ck_assert_uint_eq(run_count, (JOBS + 1) / 3);
	free(list);
	dkim_message_destroy(&good);
	dkim_message_destroy(&bad);
	dkim_keys_release(&keys);
}
END_TEST

START_TEST(no_job)
{
	struct dkim_pool *pool;

	ck_assert_int_eq(dkim_pool_create(&pool, 0), 0);
	dkim_pool_destroy(&pool);
	dkim_pool_destroy(&pool);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pool");
	TCase *t = tcase_create("pool");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(t, jobs, 0, 2);
	tcase_add_test(t, no_job);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
