#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/chores.h"
#include "gateway/back/delivery.h"
#include "gateway/back/held.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"

/*
 * A purge of many takes several turns of the loop; what it has not come to yet
 * must not start meanwhile. Here the turns are ours: a relay without thread,
 * spool and hops.
 */

#define MANY 5000

static struct relay relay;
static struct stats stats;
static struct hop hop = {.relay = &relay};
static struct dest *dest;

static void
setup(void)
{
	id_start(clock_wall_ms(), 0);
	memset(&relay, 0, sizeof(relay));
	memset(&stats, 0, sizeof(stats));
	relay.loop = loop_create();
	relay.active_count = 1; /* others are under way */
	relay.stats = &stats;
	relay.age = mem_zalloc(sizeof(*relay.age));
	relay.sched = sched_create();
	relay.catalog = catalog_create();
	relay.held = held_create();
	relay.chores = chores_create();
	TAILQ_INIT(&relay.runnable);
	TAILQ_INIT(&relay.live);
	dest = mem_zalloc(sizeof(*dest) + 1);
	dest->hop = &hop;
	dest->job_count = 1; /* ours: nobody is to free it */
	ready_init(&dest->ready);
	TAILQ_INIT(&dest->parked);
}

static void
teardown(void)
{
	struct job *job;

	while ((job = sched_take(relay.sched, &dest->ready)) != NULL)
		mail_job_end(&relay, &job);
	while ((job = held_drain(&relay)) != NULL)
		mail_job_end(&relay, &job);
	timer_cancel(&relay.fill_op);
	timer_cancel(&relay.run_op);
	chores_destroy(&relay.chores);
	held_destroy(&relay.held);
	catalog_destroy(&relay.catalog);
	sched_destroy(&relay.sched);
	free(relay.age);
	loop_destroy(&relay.loop);
	free(dest);
}

/* to: addresses, separated by spaces. */
static struct job *
make(const char *cred, const char *to)
{
	struct spool_msg *msg = spool_msg_create();
	struct slice rest = slice_str(to), address;
	struct job *job;

	msg->id = id_next();
	msg->accepted_wall_ms = clock_wall_ms();
	msg->cred = arena_dup(msg->arena, slice_str(cred));
	msg->mail_from = "";
	while (slice_split(&rest, ' ', &address))
		spool_msg_add_rcpt(msg, address);
	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		msg->rcpts[i].index = i;
	job = job_create(msg->id);
	job_set_source(job,
		       catalog_source(relay.catalog, cred, &msg->client, 0));
	job->dest = dest;
	dest->job_count++;
	job->accepted_wall_s = (uint32_t)clock_wall_s();
	for (uint32_t i = 0; i < msg->rcpt_count; i++) {
		struct slice at = slice_str(msg->rcpts[i].address);

		at = slice_from(at, slice_find(at, '@') + 1);
		job_add_rcpt(job, i, catalog_domain(relay.catalog, at));
	}
	job->mail = mem_zalloc(sizeof(*job->mail));
	job->mail->msg = msg;
	job->mail->jobs = 1;
	relay.mail_count++;
	catalog_add(relay.catalog, job);
	sched_ready(relay.sched, &dest->ready, job, false);
	return job;
}

static int dones;

static void
on_done(struct back_work *work)
{
	(void)work;
	dones++;
}

/* As a connection that is free would begin it. */
static bool
claims(struct job *job)
{
	struct delivery *delivery;

	sched_unready(relay.sched, &dest->ready, job);
	delivery = delivery_begin(dest, &job);
	if (!delivery)
		return true;
	delivery_undo(&delivery);
	return false;
}

START_TEST(test_claim)
{
	struct back_work work = {
	    .verb = BACK_PURGE, .select = {.cred = "eve"}, .done = on_done};
	struct job *flood[MANY], *good;
	uint64_t ready;

	dones = 0;
	good = make("ann", "x@a.test");
	for (int i = 0; i < MANY; i++)
		flood[i] = make("eve", "x@a.test");
	ck_assert(!claims(flood[0])); /* it has not begun */
	chores_add(&relay, &work);
	ck_assert(chores_slice(&relay));
	ck_assert_uint_lt(dest->ready.count, MANY + 1);
	/* The newest are taken first; the oldest is about to start. */
	ck_assert_int_eq(flood[MANY - 1]->state, JOB_TAKEN);
	ck_assert_int_eq(flood[0]->state, JOB_READY);
	ck_assert(!claims(good));
	ck_assert(claims(flood[0]));
	ck_assert_int_eq(flood[0]->state, JOB_TAKEN);
	/* What comes later is not meant. */
	ck_assert(!claims(make("eve", "x@a.test")));
	ready = dest->ready.count;
	ck_assert(chores_slice(&relay));
	ck_assert_uint_lt(dest->ready.count, ready);
	/* Stopped in the middle, all that was taken is back. */
	relay.stopping = true;
	chores_stop(&relay);
	ck_assert_int_eq(dones, 1);
	ck_assert_int_eq(work.err, GW_ECANCELED);
	ck_assert_uint_eq(work.recipients, 0);
	ck_assert_uint_eq(dest->ready.count, MANY + 2);
	relay.stopping = false;
	timer_cancel(&relay.check_op);
	ck_assert_int_eq(flood[0]->state, JOB_READY);
}
END_TEST

START_TEST(test_claim_part)
{
	struct back_work work = {.verb = BACK_PURGE,
				 .select = {.domain = "b.test"},
				 .done = on_done};
	struct job *first = make("ann", "x@a.test y@b.test z@c.test w@b.test");

	for (int i = 0; i < MANY; i++)
		make("eve", "x@b.test");
	chores_add(&relay, &work);
	ck_assert(chores_slice(&relay));
	ck_assert(!claims(first));
	ck_assert_uint_eq(first->rcpt_count, 2);
	ck_assert_uint_eq(job_rcpts(first)[0], 0);
	ck_assert_uint_eq(job_rcpts(first)[1], 2);
	ck_assert(!claims(first));
	ck_assert_uint_eq(first->rcpt_count, 2);
	relay.stopping = true;
	chores_stop(&relay);
	ck_assert_int_eq(work.err, GW_ECANCELED);
	ck_assert_uint_eq(dest->ready.count, MANY + 2);
	timer_cancel(&relay.check_op);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/claim");
	TCase *tc = tcase_create("claim");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_claim);
	tcase_add_test(tc, test_claim_part);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
