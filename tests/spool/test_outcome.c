#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/spool/io.h"
#include "gateway/store/env.h"
#include "tests/spool/fixture.h"

/*
 * An outcome with all it may bring along: the notice, a second message, changes
 * to other units' tables. All of it is there afterwards, or none.
 */

static struct fixture f;

#define TOLD_MAX 8
static struct {
	uint64_t ids[TOLD_MAX];
	size_t count;
} told;

static void
on_accepted(void *arg, struct spool_msg **msg)
{
	(void)arg;
	if (told.count < TOLD_MAX)
		told.ids[told.count] = (*msg)->id;
	told.count++;
	spool_msg_destroy(msg);
}

static bool
was_told(uint64_t id)
{
	for (size_t i = 0; i < told.count && i < TOLD_MAX; i++)
		if (told.ids[i] == id)
			return true;
	return false;
}

static void
setup(void)
{
	fixture_init(&f);
	f.opts.accepted = on_accepted;
	memset(&told, 0, sizeof(told));
	fixture_open(&f);
}

static void
teardown(void)
{
	fixture_fini(&f);
}

static struct spool_msg *
generated(size_t bytes, unsigned seed, uint32_t rcpts, struct spool_body **body)
{
	struct spool_msg *msg = fixture_msg(rcpts);

	*body = fixture_body(f.spool, bytes, seed);
	spool_body_end(*body, msg->body.digest);
	return msg;
}

static int
load_check(uint64_t id, size_t bytes, unsigned seed)
{
	struct spool_msg *msg;
	int err = spool_load(f.spool, id, &msg);

	if (err != 0)
		return err;
	ck_assert_ptr_null(
	    fixture_body_check(f.spool, &msg->body, bytes, seed));
	spool_msg_destroy(&msg);
	return 0;
}

static bool
change_is_there(void)
{
	struct store_txn *txn = store_read(spool_store(f.spool));
	struct slice value;
	int err = store_get(txn, STORE_QUARANTINE, SLICE_LIT("entry"), &value);

	store_abort(&txn);
	return err == 0;
}

/* --- what comes along */

#define NONE SIZE_MAX

static const struct {
	const char *label;
	size_t dsn, extra; /* bytes */
	bool changes;
	bool gone; /* the entries left before */
	bool bad;  /* one of the changes is none */
	int err;
} rows[] = {
    {"a change", NONE, NONE, true, false, false, 0},
    {"a notice and a change", 700, NONE, true, false, false, 0},
    {"a cleaned message", NONE, 900, true, false, false, 0},
    {"all of them", 700, 900, true, false, false, 0},
    {"a cleaned one, streamed", NONE, 90000, true, false, false, 0},
    {"the notice streamed", 70000, 900, true, false, false, 0},
    {"both streamed", 70000, 90000, false, false, false, 0},
    {"an empty one", NONE, 0, true, false, false, 0},
    {"gone before", 700, 900, true, true, false, GW_ENOENT},
    {"gone before, streamed", 70000, 90000, true, true, false, GW_ENOENT},
    {"a change that is none", 700, 90000, true, false, true, GW_EINVAL},
};

START_TEST(test_along)
{
	struct store_change changes[] = {
	    {STORE_QUARANTINE, STORE_PUT, SLICE_LIT("entry"), SLICE_LIT("x")},
	    {STORE_AUDIT, STORE_PUT, rows[_i].bad ? SLICE_NONE : SLICE_LIT("k"),
	     SLICE_LIT("y")},
	};
	struct spool_outcome_rcpt rcpt[2] = {
	    {.index = 0, .state = RCPT_QUARANTINED},
	    {.index = 1, .state = RCPT_QUARANTINED}};
	struct spool_outcome op = {.rcpts = rcpt, .rcpt_count = 2};
	struct spool_ledger ledger;
	uint64_t dsn = 0, extra = 0;
	bool kept = rows[_i].err == 0;
	int64_t made = 0;

	op.id = fixture_submit(f.spool, 40, 1, 2, 0).id;
	if (rows[_i].gone)
		ck_assert_int_eq(fixture_purge(f.spool, op.id, 2, 0, 0), 0);
	if (rows[_i].dsn != NONE) {
		op.dsn = generated(rows[_i].dsn, 2, 1, &op.dsn_body);
		op.dsn->flags = MSG_GENERATED;
		dsn = op.dsn->id;
		made += 1;
	}
	if (rows[_i].extra != NONE) {
		op.extra = generated(rows[_i].extra, 3, 2, &op.extra_body);
		extra = op.extra->id;
		made += 2;
	}
	op.changes = changes;
	op.change_count = rows[_i].changes ? 2 : 0;
	ck_assert_msg(fixture_outcome_of(f.spool, &op) == rows[_i].err, "%s",
		      rows[_i].label);
	for (int again = 0; again < 2; again++) {
		ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
		ck_assert_int_eq(ledger.accepted, 2);
		ck_assert_int_eq(ledger.generated, kept ? made : 0);
		ck_assert_int_eq(ledger.by_state[RCPT_QUARANTINED],
				 kept ? 2 : 0);
		ck_assert_int_eq(load_check(op.id, 40, 1),
				 kept || rows[_i].gone ? GW_ENOENT : 0);
		if (dsn != 0)
			ck_assert_int_eq(load_check(dsn, rows[_i].dsn, 2),
					 kept ? 0 : GW_ENOENT);
		if (extra != 0)
			ck_assert_int_eq(load_check(extra, rows[_i].extra, 3),
					 kept ? 0 : GW_ENOENT);
		ck_assert(change_is_there() == (kept && rows[_i].changes));
		fixture_close(&f); /* also: answers before this */
		ck_assert(was_told(dsn) == (kept && dsn != 0));
		ck_assert(was_told(extra) == (kept && extra != 0));
		ck_assert_uint_eq(told.count,
				  1u + was_told(dsn) + was_told(extra));
		fixture_open(&f);
	}
	if (!kept)
		ck_assert_uint_le(fixture_files(&f), 1);
}
END_TEST

/* --- quarantined, in the queue's eyes */

static bool
count_entry(void *arg, const struct spool_entry *entry)
{
	int *count = arg;

	(void)entry;
	(*count)++;
	return true;
}

/* Held for the scan, some of it delivered before; then it is final. */
START_TEST(test_quarantined)
{
	struct spool_outcome_rcpt held[3] = {
	    {.index = 0, .state = RCPT_DELIVERED},
	    {.index = 1, .state = RCPT_HELD, .holds = HOLD_SCAN},
	    {.index = 2,
	     .state = RCPT_HELD,
	     .holds = HOLD_UNSCANNABLE | HOLD_ADMIN}};
	struct spool_outcome_rcpt final[2] = {
	    {.index = 1, .state = RCPT_QUARANTINED},
	    {.index = 2, .state = RCPT_QUARANTINED}};
	struct spool_outcome op = {.rcpts = held, .rcpt_count = 3};
	struct spool_cursor start = {0, 0}, last;
	struct spool_ledger ledger;
	struct spool_msg *msg;
	int entries = 0;

	op.id = fixture_submit(f.spool, 100, 1, 3, 1).id;
	op.set_flags = MSG_UNSCANNABLE_HOLD;
	ck_assert_int_eq(fixture_outcome_of(f.spool, &op), 0);
	fixture_close(&f);
	fixture_open(&f);
	ck_assert_int_eq(spool_load(f.spool, op.id, &msg), 0);
	ck_assert_uint_eq(msg->rcpt_count, 2);
	ck_assert_uint_eq(msg->rcpts[0].holds, HOLD_SCAN);
	ck_assert_uint_eq(msg->rcpts[1].holds, HOLD_UNSCANNABLE | HOLD_ADMIN);
	ck_assert_uint_eq(msg->flags, MSG_UNSCANNABLE_HOLD);
	spool_msg_destroy(&msg);
	/* Held, it is the same mail still. */
	ck_assert_int_eq(fixture_submit(f.spool, 100, 1, 3, 1).answer,
			 SPOOL_DUPLICATE);

	op.rcpts = final;
	op.rcpt_count = 2;
	ck_assert_int_eq(fixture_outcome_of(f.spool, &op), 0);
	/* Whoever marks it twice is told. */
	ck_assert_int_eq(fixture_outcome_of(f.spool, &op), GW_ENOENT);
	for (int again = 0; again < 2; again++) {
		ck_assert_int_eq(spool_load(f.spool, op.id, &msg), GW_ENOENT);
		ck_assert_int_eq(spool_scan(f.spool, &start, 100, count_entry,
					    &entries, &last),
				 0);
		ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
		ck_assert_int_eq(ledger.by_state[RCPT_QUARANTINED], 2);
		ck_assert_int_eq(ledger.by_state[RCPT_HELD], 0);
		ck_assert_int_eq(ledger.by_state[RCPT_DELIVERED], 1);
		fixture_close(&f);
		fixture_open(&f);
	}
	/* What comes again is looked at again. */
	ck_assert_int_eq(fixture_submit(f.spool, 100, 1, 3, 1).answer,
			 SPOOL_ACCEPTED);
}
END_TEST

/* An outcome of nobody still brings its changes: a deletion's audit. */
START_TEST(test_nobody)
{
	struct store_change change = {STORE_QUARANTINE, STORE_PUT,
				      SLICE_LIT("entry"), SLICE_LIT("x")};
	struct spool_outcome op = {.changes = &change, .change_count = 1};

	op.id = fixture_submit(f.spool, 40, 1, 1, 0).id;
	ck_assert_int_eq(fixture_outcome_of(f.spool, &op), 0);
	ck_assert(change_is_there());
	ck_assert_int_eq(load_check(op.id, 40, 1), 0);
}
END_TEST

/* A message becomes one of a campaign after the fact, with nobody's state
 * changed, and stays it. */
START_TEST(test_set_campaign)
{
	struct store_change change = {STORE_QUARANTINE, STORE_PUT,
				      SLICE_LIT("entry"), SLICE_LIT("x")};
	struct spool_outcome op = {
	    .set_campaign = 77, .changes = &change, .change_count = 1};
	struct spool_msg *msg;

	op.id = fixture_submit(f.spool, 40, 1, 2, 0).id;
	ck_assert_int_eq(fixture_outcome_of(f.spool, &op), 0);
	ck_assert(change_is_there());
	for (int again = 0; again < 2; again++) {
		ck_assert_int_eq(spool_load(f.spool, op.id, &msg), 0);
		ck_assert_uint_eq(msg->campaign, 77);
		ck_assert_uint_eq(msg->lane, LANE_BULK);
		ck_assert_uint_eq(msg->rcpt_count, 2);
		spool_msg_destroy(&msg);
		ck_assert_int_eq(load_check(op.id, 40, 1), 0);
		fixture_close(&f);
		fixture_open(&f);
	}
}
END_TEST

/* One that was gone meanwhile is nobody's. */
START_TEST(test_set_campaign_gone)
{
	struct store_change change = {STORE_QUARANTINE, STORE_PUT,
				      SLICE_LIT("entry"), SLICE_LIT("x")};
	struct spool_outcome op = {
	    .set_campaign = 77, .changes = &change, .change_count = 1};

	op.id = fixture_submit(f.spool, 40, 1, 1, 0).id;
	ck_assert_int_eq(fixture_outcome(f.spool, op.id, 0, RCPT_DELIVERED), 0);
	ck_assert_int_eq(fixture_outcome_of(f.spool, &op), GW_ENOENT);
	ck_assert(!change_is_there());
}
END_TEST

/* --- several at once */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int left;
} crowd = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void
crowd_done(struct spool_outcome *op)
{
	(void)op;
	pthread_mutex_lock(&crowd.lock);
	crowd.left--;
	pthread_cond_signal(&crowd.wake);
	pthread_mutex_unlock(&crowd.lock);
}

static void
crowd_run(struct spool_outcome *ops, int count)
{
	crowd.left = count;
	for (int i = 0; i < count; i++) {
		ops[i].done = crowd_done;
		spool_outcome_start(f.spool, &ops[i]);
	}
	pthread_mutex_lock(&crowd.lock);
	while (crowd.left > 0)
		pthread_cond_wait(&crowd.wake, &crowd.lock);
	pthread_mutex_unlock(&crowd.lock);
}

/* Envelopes of megabytes: more than a batch has room for, so some wait for the
 * next, and all are written. */
START_TEST(test_large_changes)
{
	static const struct spool_outcome_rcpt rcpt = {.state =
							   RCPT_QUARANTINED};
	enum { BYTES = 3 << 20, COUNT = 6 };
	struct store_change changes[COUNT];
	struct spool_outcome ops[COUNT];
	char *value = calloc(1, BYTES);
	struct spool_ledger ledger;

	memset(ops, 0, sizeof(ops));
	for (int i = 0; i < COUNT; i++) {
		ops[i].id = fixture_submit(f.spool, 40, 1, 1, 0).id;
		changes[i] = (struct store_change){
		    STORE_QUARANTINE, STORE_PUT,
		    i == 0 ? SLICE_LIT("entry") : slice_of(&ops[i].id, 8),
		    slice_of(value, BYTES)};
		ops[i].rcpts = &rcpt;
		ops[i].rcpt_count = 1;
		ops[i].changes = &changes[i];
		ops[i].change_count = 1;
	}
	crowd_run(ops, COUNT);
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(ops[i].err, 0);
	ck_assert(change_is_there());
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_QUARANTINED], COUNT);
	free(value);
}
END_TEST

/* A change that is none is its own outcome's trouble, not the batch's. */
START_TEST(test_bad_change_alone)
{
	static const struct spool_outcome_rcpt rcpt = {.state =
							   RCPT_QUARANTINED};
	struct store_change bad = {STORE_AUDIT, STORE_PUT, SLICE_NONE,
				   SLICE_LIT("x")};
	struct spool_outcome ops[3];

	memset(ops, 0, sizeof(ops));
	for (int i = 0; i < 3; i++) {
		ops[i].id = fixture_submit(f.spool, 40, 1, 1, 0).id;
		ops[i].rcpts = &rcpt;
		ops[i].rcpt_count = 1;
	}
	ops[1].changes = &bad;
	ops[1].change_count = 1;
	crowd_run(ops, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ops[i].err, i == 1 ? GW_EINVAL : 0);
		ck_assert_int_eq(load_check(ops[i].id, 40, 1),
				 i == 1 ? 0 : GW_ENOENT);
	}
}
END_TEST

/* --- the disk fails under a large one */

static int
sync_fails(enum io_call call, size_t *n)
{
	(void)n;
	return call == IO_SYNC ? EIO : 0;
}

/* Streamed bodies are durable before the outcome is, or it is not. */
START_TEST(test_not_durable)
{
	struct spool_outcome_rcpt rcpt = {.state = RCPT_QUARANTINED};
	struct spool_outcome op = {.rcpts = &rcpt, .rcpt_count = 1};
	struct spool_ledger ledger;
	uint64_t id;

	op.id = fixture_submit(f.spool, 40, 1, 1, 0).id;
	op.extra = generated(90000, 3, 1, &op.extra_body);
	id = op.extra->id;
	if (_i == 1)
		op.dsn = generated(70000, 4, 1, &op.dsn_body);
	io_set_fault(sync_fails);
	ck_assert_int_eq(fixture_outcome_of(f.spool, &op), GW_EIO);
	io_set_fault(NULL);
	fixture_close(&f);
	ck_assert_uint_eq(told.count, 1);
	fixture_open(&f);
	ck_assert_int_eq(load_check(id, 90000, 3), GW_ENOENT);
	ck_assert_int_eq(load_check(op.id, 40, 1), 0);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.generated, 0);
	ck_assert_uint_eq(fixture_files(&f), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/outcome");
	TCase *tc = tcase_create("outcome");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_along, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tc, test_quarantined);
	tcase_add_test(tc, test_nobody);
	tcase_add_test(tc, test_set_campaign);
	tcase_add_test(tc, test_set_campaign_gone);
	tcase_add_test(tc, test_large_changes);
	tcase_add_test(tc, test_bad_change_alone);
	tcase_add_loop_test(tc, test_not_durable, 0, 2);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
