/*
 * That a campaign's counts, in memory and on disk, say what became of its
 * recipients, when commits come late, fail, or are the last before a kill.
 */
#include <bsd/sys/queue.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/store/key.h"
#include "tests/back/world.h"

#define KEPT_MAX 64

void __real_spool_outcome_start(struct spool *spool, struct spool_outcome *op);
void __wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op);
void __real_spool_change_start(struct spool *spool, struct spool_change *op);
void __wrap_spool_change_start(struct spool *spool, struct spool_change *op);

static struct world w;

/* What is on its way to the disk and does not get there yet. */
static struct {
	pthread_mutex_t lock;
	bool keep_outcomes, keep_changes;
	struct spool_outcome *outcomes[KEPT_MAX];
	struct spool_change *changes[KEPT_MAX];
	size_t outcome_count, change_count;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
__wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op)
{
	bool keep;

	pthread_mutex_lock(&kept.lock);
	keep = kept.keep_outcomes;
	if (keep) {
		ck_assert_uint_lt(kept.outcome_count, KEPT_MAX);
		kept.outcomes[kept.outcome_count++] = op;
	}
	pthread_mutex_unlock(&kept.lock);
	if (!keep)
		__real_spool_outcome_start(spool, op);
}

void
__wrap_spool_change_start(struct spool *spool, struct spool_change *op)
{
	bool keep;

	pthread_mutex_lock(&kept.lock);
	keep = kept.keep_changes;
	if (keep) {
		ck_assert_uint_lt(kept.change_count, KEPT_MAX);
		kept.changes[kept.change_count++] = op;
	}
	pthread_mutex_unlock(&kept.lock);
	if (!keep)
		__real_spool_change_start(spool, op);
}

static void
keep(bool outcomes, bool changes)
{
	pthread_mutex_lock(&kept.lock);
	kept.keep_outcomes = outcomes;
	kept.keep_changes = changes;
	pthread_mutex_unlock(&kept.lock);
}

static size_t
kept_outcomes(void)
{
	size_t n;

	pthread_mutex_lock(&kept.lock);
	n = kept.outcome_count;
	pthread_mutex_unlock(&kept.lock);
	return n;
}

/* err 0: they are committed; else answered so. */
static void
let_go(int err)
{
	pthread_mutex_lock(&kept.lock);
	kept.keep_outcomes = kept.keep_changes = false;
	for (size_t i = 0; i < kept.outcome_count; i++) {
		kept.outcomes[i]->err = err;
		if (err == 0)
			__real_spool_outcome_start(w.spool, kept.outcomes[i]);
		else
			kept.outcomes[i]->done(kept.outcomes[i]);
	}
	for (size_t i = 0; i < kept.change_count; i++)
		__real_spool_change_start(w.spool, kept.changes[i]);
	kept.outcome_count = kept.change_count = 0;
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
	let_go(0);
	world_close(&w);
}

static void
set(uint64_t id, enum campaign_state state)
{
	struct campaign_order order = {
	    .id = id, .state = state, .rate_per_h = -1, .connections = -1};

	ck_assert_int_eq(world_order(&w, &order), 0);
	back_campaign(w.back, id);
}

static uint64_t
letter_to(uint64_t campaign, const char *to)
{
	struct letter letter = {.cred = "pr", .to = to, .campaign = campaign};

	return world_accept(&w, &letter);
}

/* What somebody finds who comes after a kill at this moment. */
static struct campaign_view
on_disk(uint64_t campaign)
{
	struct campaigns *after = campaigns_create();
	struct campaign_view view;

	ck_assert_int_eq(campaigns_load(after, spool_store(w.spool)), 0);
	ck_assert_int_eq(campaign_get(after, campaign, clock_wall_s(), &view),
			 0);
	campaigns_destroy(&after);
	return view;
}

/* --- an undo ---------------------------------------------------------------
 */

/* What it brought back is not counted as canceled, whatever comes behind it. */
START_TEST(test_undo)
{
	struct back_work work = {.verb = BACK_PURGE,
				 .trash = 77,
				 .trash_until_wall_s = clock_wall_s() + 600};
	struct back_work undo = {.verb = BACK_UNDO, .trash = 77};
	uint64_t c, other;

	world_start(&w);
	c = world_campaign(&w, "pr", 4);
	other = world_campaign(&w, "hr", 2);
	set(c, CAMPAIGN_PAUSED);
	set(other, CAMPAIGN_PAUSED);
	letter_to(c, "a@x.test b@x.test c@x.test");
	letter_to(other, "a@x.test b@x.test");
	letter_to(c, "d@x.test");
	UNTIL(&w, status_of(&w).queued == 6, "all stand");
	world_work(&w, &work);
	ck_assert_uint_eq(work.recipients, 6);
	ck_assert_uint_eq(on_disk(c).counts[CAMPAIGN_PURGED], 4);
	ck_assert_uint_eq(on_disk(c).left, 0);
	keep(false, true);
	world_work(&w, &undo);
	ck_assert_uint_eq(undo.recipients, 6);
	ck_assert_uint_eq(on_disk(c).left, 4);
	ck_assert_uint_eq(on_disk(other).left, 2);
	ck_assert_uint_eq(world_view(&w, c).left, 4);
	ck_assert_uint_eq(world_view(&w, other).left, 2);
}
END_TEST

/* --- who is adopted meanwhile ----------------------------------------------
 */

static _Atomic bool ended;

static void
on_ended(struct back_work *work)
{
	(void)work;
	ended = true;
}

static uint64_t
join_one(uint64_t id, uint32_t recipients)
{
	struct campaign_mail mail = {.id = id,
				     .cred = "pr",
				     .owner = "pr@example.org",
				     .recipients = recipients};
	struct campaign_join join;

	mail.shape.exact[0] = 7;
	world_join(&w, &mail, &join);
	return join.id;
}

/* A message of two, personal so far, that waits for its time. */
static uint64_t
waiting_letter(void)
{
	struct letter letter = {.cred = "pr",
				.to = "a@x.test b@y.test",
				.next_wall_s = clock_wall_s() + 3600};
	struct campaigns_conf conf = {.same = 2};
	uint64_t id;

	campaigns_configure(w.campaigns, &conf);
	id = world_accept(&w, &letter);
	ck_assert_uint_eq(join_one(id, 2), 0);
	UNTIL(&w, status_of(&w).queued == 2, "it waits");
	return id;
}

/* One more of its text makes a campaign of both. */
static uint64_t
adopting_letter(void)
{
	uint64_t c = join_one(id_next(), 1);

	ck_assert_uint_ne(c, 0);
	letter_to(c, "c@x.test");
	return c;
}

/* It was being purged when it became one of a campaign. */
START_TEST(test_purge_adopted)
{
	struct back_work work = {.verb = BACK_PURGE, .done = on_ended};
	uint64_t c;

	world_start(&w);
	work.select.id = waiting_letter();
	keep(true, false);
	ended = false;
	back_work_start(w.back, &work);
	UNTIL(&w, kept_outcomes() == 1, "the purge is on its way to the disk");
	c = adopting_letter();
	UNTIL(&w, kept_outcomes() >= 2, "and so is the move");
	let_go(0);
	UNTIL(&w, ended, "the purge");
	UNTIL(&w,
	      world_view(&w, c).counts[CAMPAIGN_RECIPIENTS] == 3 &&
		  world_view(&w, c).left == 0,
	      "all of it is counted");
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_PURGED], 2);
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DELIVERED], 1);
	ck_assert_uint_eq(on_disk(c).left, 0);
	ck_assert_uint_eq(on_disk(c).counts[CAMPAIGN_PURGED], 2);
}
END_TEST

/* A part of it is purged while the disk does not know of which campaign it is:
 * the message has to be read for that. */
START_TEST(test_part_adopted)
{
	struct back_work work = {.verb = BACK_PURGE, .done = on_ended};
	uint64_t id, c;

	world_start(&w);
	id = waiting_letter();
	keep(true, false);
	c = adopting_letter();
	UNTIL(&w, kept_outcomes() == 2, "the move and a delivery");
	work.select.domain = "y.test";
	ended = false;
	back_work_start(w.back, &work);
	UNTIL(&w, kept_outcomes() == 3, "the purge");
	let_go(0);
	UNTIL(&w, ended, "it ends");
	ck_assert_uint_eq(work.recipients, 1);
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_PURGED] == 1, "counted");
	UNTIL(&w, world_view(&w, c).left == 1, "the other is left");
	ck_assert_uint_eq(on_disk(c).left, 1);
	work = (struct back_work){.verb = BACK_COUNT};
	work.select.campaign = c;
	world_work(&w, &work);
	ck_assert_uint_eq(work.recipients, 1);
	ck_assert_uint_eq(work.sample[0], id);
}
END_TEST

static bool
is_of(uint64_t id, uint64_t campaign)
{
	struct spool_msg *msg;
	bool is;

	if (spool_load(w.spool, id, &msg) != 0)
		return false;
	is = msg->campaign == campaign && msg->lane == LANE_BULK;
	spool_msg_destroy(&msg);
	return is;
}

/* The disk does not take the move at once, nor what is sent meanwhile. */
START_TEST(test_adoption_again)
{
	uint64_t id, c;

	world_start(&w);
	id = waiting_letter();
	keep(true, false);
	c = adopting_letter();
	UNTIL(&w, kept_outcomes() == 2, "the move and a delivery");
	ck_assert(!is_of(id, c));
	let_go(GW_EIO);
	UNTIL(&w, is_of(id, c), "it is moved all the same");
	UNTIL(&w, on_disk(c).counts[CAMPAIGN_DELIVERED] == 1, "and the other");
	UNTIL(&w,
	      world_view(&w, c).counts[CAMPAIGN_RECIPIENTS] == 3 &&
		  world_view(&w, c).left == 2,
	      "counted");
	ck_assert_uint_eq(on_disk(c).counts[CAMPAIGN_MESSAGES], 2);
	ck_assert_uint_eq(on_disk(c).left, 2);
}
END_TEST

/* The end comes before the disk takes the move: what is left of the campaign
 * after the restart is what of the queue is its. */
START_TEST(test_adoption_stopped)
{
	struct back_work count = {.verb = BACK_COUNT};
	struct campaign_order pause = {
	    .state = CAMPAIGN_PAUSED, .rate_per_h = -1, .connections = -1};
	uint64_t c;

	world_start(&w);
	(void)waiting_letter();
	keep(true, false);
	c = adopting_letter();
	UNTIL(&w, kept_outcomes() == 2, "the move and a delivery");
	let_go(GW_EIO);
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	pause.id = c;
	ck_assert_int_eq(world_order(&w, &pause), 0);
	world_start(&w);
	count.select.campaign = c;
	world_work(&w, &count);
	UNTIL(&w, world_view(&w, c).left == count.recipients, "it is right");
	ck_assert_uint_eq(on_disk(c).left, count.recipients);
}
END_TEST

/* The answer of its own commit is late: the last message of its text comes
 * before it. */
START_TEST(test_late)
{
	struct campaigns_conf conf = {.same = 2};
	struct letter letter = {.cred = "pr",
				.to = "a@x.test b@x.test",
				.next_wall_s = clock_wall_s() + 3600};
	struct campaign_mail mail = {
	    .cred = "pr", .owner = "pr@example.org", .recipients = 2};
	struct arena *arena = arena_create(1024);
	struct campaign_join late;
	uint64_t c;

	campaigns_configure(w.campaigns, &conf);
	mail.shape.exact[0] = 7;
	world_start(&w);
	mail.id = world_accept(&w, &letter);
	campaign_join(w.campaigns, &mail, clock_wall_s(), arena, &late);
	ck_assert_uint_eq(late.id, 0);
	c = adopting_letter();
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_DELIVERED] == 1,
	      "the last one");
	ck_assert_int_eq(campaign_over_wall_s(w.campaigns, c), 0);
	campaign_join_end(w.campaigns, &late, true);
	UNTIL(&w, is_of(mail.id, c), "it is moved");
	UNTIL(&w, world_view(&w, c).left == 2, "counted");
	ck_assert_uint_eq(on_disk(c).left, 2);
	ck_assert_uint_eq(on_disk(c).counts[CAMPAIGN_RECIPIENTS], 3);
	arena_destroy(&arena);
}
END_TEST

/* It is told of as canceled when that is moved, too, and gone. */
START_TEST(test_late_canceled)
{
	struct back_work work = {.verb = BACK_PURGE};
	struct campaigns_conf conf = {.same = 2};
	struct letter letter = {.cred = "pr",
				.to = "a@x.test b@x.test",
				.next_wall_s = clock_wall_s() + 3600};
	struct campaign_mail mail = {
	    .cred = "pr", .owner = "pr@example.org", .recipients = 2};
	struct arena *arena = arena_create(1024);
	struct campaign_join late;
	uint64_t c, other;

	campaigns_configure(w.campaigns, &conf);
	mail.shape.exact[0] = 7;
	world_start(&w);
	mail.id = world_accept(&w, &letter);
	campaign_join(w.campaigns, &mail, clock_wall_s(), arena, &late);
	c = adopting_letter();
	UNTIL(&w, world_view(&w, c).left == 0, "the last one");
	set(c, CAMPAIGN_CANCELED);
	other = world_campaign(&w, "hr", 1);
	letter_to(other, "a@x.test");
	UNTIL(&w,
	      campaign_is_told(w.campaigns, other) &&
		  world_view(&w, other).state == CAMPAIGN_DONE,
	      "behind it");
	ck_assert(!campaign_is_told(w.campaigns, c));
	campaign_join_end(w.campaigns, &late, true);
	UNTIL(&w, world_view(&w, c).left == 2, "it is moved");
	ck_assert(!campaign_is_told(w.campaigns, c));
	work.select.campaign = c;
	world_work(&w, &work);
	ck_assert_uint_eq(work.recipients, 2);
	UNTIL(&w, campaign_is_told(w.campaigns, c), "told of");
	arena_destroy(&arena);
}
END_TEST

/* --- what cannot be written, or read ---------------------------------------
 */

/* The disk will never take what became of it: the campaign is over all the
 * same. */
START_TEST(test_never_written)
{
	uint64_t c;

	world_start(&w);
	c = world_campaign(&w, "pr", 2);
	keep(true, false);
	letter_to(c, "a@x.test b@x.test");
	UNTIL(&w, kept_outcomes() == 1, "sent");
	let_go(GW_EINVAL);
	UNTIL(&w, world_view(&w, c).state == CAMPAIGN_DONE, "over");
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DELIVERED], 2);
}
END_TEST

/* A message whose record goes bad while it stands will never be sent. */
START_TEST(test_never_read)
{
	struct store_change bad = {.table = STORE_MESSAGE,
				   .kind = STORE_PUT,
				   .value = SLICE_LIT("\xff bad")};
	uint8_t key[8];
	uint64_t c;

	world_start(&w);
	c = world_campaign(&w, "pr", 3);
	set(c, CAMPAIGN_PAUSED);
	letter_to(c, "c@x.test");
	key_put_u64(key, letter_to(c, "a@x.test b@x.test"));
	UNTIL(&w, status_of(&w).queued == 3, "all stand");
	bad.key = slice_of(key, sizeof(key));
	world_commit(&w, &bad, 1);
	set(c, CAMPAIGN_RUNNING);
	UNTIL(&w, world_view(&w, c).state == CAMPAIGN_DONE, "over");
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DELIVERED], 1);
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_OTHER], 2);
	ck_assert_uint_eq(on_disk(c).counts[CAMPAIGN_OTHER], 2);
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	world_start(&w);
	world_work(&w, &(struct back_work){.verb = BACK_COUNT});
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_OTHER], 2);
	ck_assert_uint_eq(world_view(&w, c).left, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back: counts");
	TCase *tc = tcase_create("counts");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_undo);
	tcase_add_test(tc, test_purge_adopted);
	tcase_add_test(tc, test_part_adopted);
	tcase_add_test(tc, test_adoption_again);
	tcase_add_test(tc, test_adoption_stopped);
	tcase_add_test(tc, test_late);
	tcase_add_test(tc, test_late_canceled);
	tcase_add_test(tc, test_never_written);
	tcase_add_test(tc, test_never_read);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
