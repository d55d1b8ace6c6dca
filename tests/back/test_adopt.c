/*
 * Personal mail that turns out to be of a campaign, read from the disk before
 * the disk knows.
 */
#include <bsd/sys/queue.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/id.h"
#include "tests/back/world.h"

#define EARLIER 5
#define KEPT_MAX 64

void __real_spool_outcome_start(struct spool *spool, struct spool_outcome *op);
void __wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op);

static struct world w;

/* From the first move on, in order, until they are let go. */
static struct {
	pthread_mutex_t lock;
	struct spool_outcome *ops[KEPT_MAX];
	size_t count;
	bool open;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
__wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op)
{
	bool keep;

	pthread_mutex_lock(&kept.lock);
	keep = !kept.open && (kept.count > 0 || op->set_campaign != 0);
	if (keep) {
		ck_assert_uint_lt(kept.count, KEPT_MAX);
		kept.ops[kept.count++] = op;
	}
	pthread_mutex_unlock(&kept.lock);
	if (!keep)
		__real_spool_outcome_start(spool, op);
}

static void
let_go(void)
{
	pthread_mutex_lock(&kept.lock);
	kept.open = true;
	for (size_t i = 0; i < kept.count; i++)
		__real_spool_outcome_start(w.spool, kept.ops[i]);
	pthread_mutex_unlock(&kept.lock);
}

static void
setup(void)
{
	world_open(&w, NULL);
	world_campaigns(&w);
}

static void
teardown(void)
{
	world_close(&w);
}

static uint64_t
join_one(uint64_t id)
{
	struct campaign_mail mail = {
	    .id = id, .cred = "pr", .owner = "pr", .recipients = 1};
	struct campaign_join join;

	mail.shape.exact[0] = 7;
	world_join(&w, &mail, &join);
	return join.id;
}

/* They are the campaign's all the same, and each of them is counted. */
START_TEST(test_read_early)
{
	struct campaigns_conf conf = {.same = EARLIER};
	struct letter letter = {.cred = "pr", .to = "a@x.test"};
	uint64_t c;

	campaigns_configure(w.campaigns, &conf);
	w.hops[0].connection_max = 1;
	sink_pause_ms(w.sink, 200);
	world_start(&w);
	for (unsigned i = 0; i < EARLIER; i++)
		ck_assert_uint_eq(join_one(world_accept(&w, &letter)), 0);
	c = join_one(id_next());
	ck_assert_uint_ne(c, 0);
	letter.campaign = c;
	world_accept(&w, &letter);
	UNTIL(&w, sink_count(w.sink) == EARLIER + 1, "all are sent");
	let_go();
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_RECIPIENTS] == EARLIER + 1,
	      "all are moved");
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_DELIVERED] == EARLIER + 1,
	      "all are counted");
	ck_assert_uint_eq(world_view(&w, c).left, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back: adoption");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_read_early);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
