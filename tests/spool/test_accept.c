#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/spool/io.h"
#include "gateway/store/env.h"
#include "gateway/store/key.h"
#include "gateway/store/tally.h"
#include "tests/spool/fixture.h"

/*
 * What goes with an acceptance: the question whether the message may still be
 * taken, and the charges, which are made with it or not at all. And how
 * recipients go from queued to held and back.
 */

static struct fixture f;
static struct buf charge = {.cap = 4096};

/* What the veto says, and was asked. */
static struct {
	bool no;
	int asked;
	pthread_t thread;
} veto;
static int handed_on;

static bool
on_veto(void *arg, const struct spool_msg *msg)
{
	ck_assert_ptr_eq(arg, &veto);
	ck_assert_str_eq(msg->rcpts[0].address, "rcpt0@example.org");
	veto.asked++;
	veto.thread = pthread_self();
	return veto.no;
}

static void
on_accepted(void *arg, struct spool_msg **msg)
{
	(void)arg;
	handed_on++;
	spool_msg_destroy(msg);
}

static void
setup(void)
{
	struct tally_cell cell = {
	    .id = 1, .slot = 1, .value = 1, .expires_wall_s = 4000000000};

	fixture_init(&f);
	f.opts.veto = on_veto;
	f.opts.veto_arg = &veto;
	f.opts.accepted = on_accepted;
	memset(&veto, 0, sizeof(veto));
	handed_on = 0;
	fixture_open(&f);
	buf_clear(&charge);
	tally_begin(&charge, 1000);
	tally_put(&charge, &cell);
}

static void
teardown(void)
{
	io_set_fault(NULL);
	fixture_fini(&f);
	buf_fini(&charge);
}

static uint64_t
charged(const char *key)
{
	struct store_txn *txn = store_read(spool_store(f.spool));
	struct tally_reader reader;
	struct tally_cell cell = {.value = 0};
	struct slice value;

	if (store_get(txn, STORE_RATE, slice_str(key), &value) == 0) {
		ck_assert_int_eq(tally_read(&reader, value), 0);
		ck_assert_int_eq(tally_next(&reader, &cell), 1);
	}
	store_abort(&txn);
	return cell.value;
}

/* --- an operation, awaited
 * ------------------------------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static int waiting;

static void
on_done(struct spool_accept *op)
{
	(void)op;
	pthread_mutex_lock(&lock);
	waiting--;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

static void
await(void)
{
	pthread_mutex_lock(&lock);
	while (waiting > 0)
		pthread_cond_wait(&wake, &lock);
	pthread_mutex_unlock(&lock);
}

static void
op_fill(struct spool_accept *op, size_t bytes, unsigned key,
	const struct store_change *changes, size_t change_count)
{
	memset(op, 0, sizeof(*op));
	op->msg = fixture_msg(2);
	op->msg->has_resub_key = key != 0;
	memset(op->msg->resub_key, (int)key, DIGEST_SIZE);
	op->body = fixture_body(f.spool, bytes, 1);
	spool_body_end(op->body, op->msg->body.digest);
	op->changes = changes;
	op->change_count = change_count;
	op->done = on_done;
}

static enum spool_answer
submit(size_t bytes, unsigned key, uint16_t flags,
       const struct store_change *changes, size_t change_count)
{
	struct spool_accept op;

	op_fill(&op, bytes, key, changes, change_count);
	op.msg->flags = flags;
	waiting = 1;
	spool_accept_start(f.spool, &op);
	await();
	return op.answer;
}

/* --- the veto
 * ------------------------------------------------------------------ */

START_TEST(test_veto)
{
	static const size_t sizes[] = {0, 3000, 40000};
	size_t bytes = sizes[_i];
	struct spool_status status;
	struct spool_ledger ledger;

	veto.no = true;
	ck_assert_int_eq(submit(bytes, 5, 0, NULL, 0), SPOOL_VETOED);
	ck_assert_int_eq(veto.asked, 1);
	ck_assert(!pthread_equal(veto.thread, pthread_self()));
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.accepted, 0);
	spool_status_get(f.spool, &status);
	ck_assert_uint_eq(status.live_bytes, 0);
	/* It is no duplicate's first. */
	veto.no = false;
	ck_assert_int_eq(submit(bytes, 5, 0, NULL, 0), SPOOL_ACCEPTED);
	/* What was accepted before is still told so. */
	veto.no = true;
	ck_assert_int_eq(submit(bytes, 5, 0, NULL, 0), SPOOL_DUPLICATE);
	ck_assert_int_eq(veto.asked, 2);
	/* A large one that was refused has left no file. */
	fixture_close(&f); /* handing on is behind the answer */
	ck_assert_int_eq(handed_on, 1);
	ck_assert_uint_le(fixture_files(&f), 2);
	fixture_open(&f);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.accepted, 2);
}
END_TEST

START_TEST(test_veto_ours)
{
	struct fixture_answer a = fixture_submit(f.spool, 10, 1, 1, 0);
	struct spool_outcome_rcpt bounced = {.state = RCPT_BOUNCED};
	struct spool_outcome op = {
	    .id = a.id, .rcpts = &bounced, .rcpt_count = 1};

	veto.no = true;
	veto.asked = 0;
	ck_assert_int_eq(submit(10, 0, MSG_GENERATED, NULL, 0), SPOOL_ACCEPTED);
	op.dsn = fixture_msg(1);
	op.dsn->flags = MSG_GENERATED;
	op.dsn_body = fixture_body(f.spool, 100, 2);
	spool_body_end(op.dsn_body, op.dsn->body.digest);
	ck_assert_int_eq(fixture_outcome_of(f.spool, &op), 0);
	ck_assert_int_eq(veto.asked, 0);
	fixture_close(&f);
	ck_assert_int_eq(handed_on, 3);
}
END_TEST

/* --- charges
 * ------------------------------------------------------------------- */

static int
write_fails(enum io_call call, size_t *n)
{
	(void)n;
	return call == IO_WRITE ? EIO : 0;
}

/* The charge of a message that is not kept is not made. */
START_TEST(test_charges)
{
	struct store_change changes[] = {
	    {STORE_RATE, STORE_TALLY, SLICE_LIT("k"), buf_slice(&charge)},
	    {STORE_RATE, STORE_TALLY, SLICE_LIT("l"), buf_slice(&charge)},
	    {STORE_RATE, STORE_TALLY, SLICE_LIT("m"), SLICE_LIT("broken")},
	};

	ck_assert_int_eq(submit(10, 1, 0, changes, 2), SPOOL_ACCEPTED);
	ck_assert_uint_eq(charged("k"), 1);
	ck_assert_int_eq(submit(10, 1, 0, changes, 2), SPOOL_DUPLICATE);
	ck_assert_uint_eq(charged("k"), 1);
	veto.no = true;
	ck_assert_int_eq(submit(10, 2, 0, changes, 2), SPOOL_VETOED);
	ck_assert_uint_eq(charged("k"), 1);
	veto.no = false;
	ck_assert_int_eq(submit(10, 3, 0, changes, 3), SPOOL_FAILED);
	ck_assert_uint_eq(charged("k"), 1);
	io_set_fault(write_fails);
	ck_assert_int_eq(submit(10, 4, 0, changes, 2), SPOOL_FAILED);
	ck_assert_int_eq(submit(40000, 4, 0, changes, 2), SPOOL_FAILED);
	io_set_fault(NULL);
	ck_assert_uint_eq(charged("k"), 1);
	ck_assert_int_eq(submit(40000, 5, 0, changes, 2), SPOOL_ACCEPTED);
	ck_assert_uint_eq(charged("k"), 2);
	ck_assert_uint_eq(charged("l"), 2);
	fixture_close(&f);
	f.opts.reserve_bytes = (uint64_t)1 << 60; /* more than there is */
	fixture_open(&f);
	ck_assert_int_eq(submit(10, 6, 0, changes, 2), SPOOL_FULL);
	ck_assert_uint_eq(charged("k"), 2);
}
END_TEST

/* Of many in one commit, some of them refused, each is charged once. */
START_TEST(test_charges_together)
{
	enum { N = 60 };
	static struct spool_accept ops[N];
	struct store_change change = {STORE_RATE, STORE_TALLY, SLICE_LIT("k"),
				      buf_slice(&charge)};
	int accepted = 0;

	waiting = N;
	for (unsigned i = 0; i < N; i++) /* two of each */
		op_fill(&ops[i], 100, 1 + i / 2, &change, 1);
	for (unsigned i = 0; i < N; i++)
		spool_accept_start(f.spool, &ops[i]);
	await();
	for (unsigned i = 0; i < N; i++)
		accepted += ops[i].answer == SPOOL_ACCEPTED;
	ck_assert_int_eq(accepted, N / 2);
	ck_assert_uint_eq(charged("k"), N / 2);
	fixture_close(&f);
	fixture_open(&f);
	ck_assert_uint_eq(charged("k"), N / 2);
}
END_TEST

/* --- queued, held
 * -------------------------------------------------------------- */

static const struct spool_outcome_rcpt to[] = {
    {.state = RCPT_QUEUED, .attempts = 2, .next_wall_s = 1900000000},
    {.state = RCPT_HELD, .holds = HOLD_LIMIT, .attempts = 2},
    {.state = RCPT_HELD, .holds = HOLD_ADMIN | HOLD_BLOCK},
    {.state = RCPT_QUEUED, .reply = "451 later"},
};
enum { TOS = sizeof(to) / sizeof(to[0]) };

/* From each to each, then to a final state. */
START_TEST(test_transitions)
{
	static const enum rcpt_state ends[] = {RCPT_DELIVERED, RCPT_BOUNCED,
					       RCPT_PURGED};
	struct spool_outcome op = {.rcpt_count = 1};
	struct spool_ledger ledger;
	struct spool_msg *msg;
	enum rcpt_state end = ends[_i % 3];

	op.id = fixture_submit(f.spool, 10, 1, 2, 4).id;
	for (int i = 0; i < 2; i++) {
		op.rcpts = &to[i == 0 ? _i / TOS : _i % TOS];
		ck_assert_int_eq(fixture_outcome_of(f.spool, &op), 0);
		ck_assert_int_eq(spool_load(f.spool, op.id, &msg), 0);
		ck_assert_int_eq(msg->rcpts[0].state, op.rcpts->state);
		ck_assert_uint_eq(msg->rcpts[0].holds, op.rcpts->holds);
		ck_assert_uint_eq(msg->rcpts[0].attempts, op.rcpts->attempts);
		ck_assert_int_eq(msg->rcpts[0].next_wall_s,
				 op.rcpts->next_wall_s);
		if (op.rcpts->reply != NULL)
			ck_assert_str_eq(msg->rcpts[0].last_reply,
					 op.rcpts->reply);
		/* The other one is left alone. */
		ck_assert_int_eq(msg->rcpts[1].state, RCPT_QUEUED);
		ck_assert_uint_eq(msg->rcpts[1].holds, 0);
		spool_msg_destroy(&msg);
		ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
		ck_assert_int_eq(ledger.by_state[RCPT_HELD],
				 op.rcpts->state == RCPT_HELD);
		ck_assert_int_eq(ledger.by_state[RCPT_QUEUED],
				 1 + (op.rcpts->state == RCPT_QUEUED));
	}
	/* Held or not, it is the first of what is sent again. */
	ck_assert_int_eq(fixture_submit(f.spool, 10, 1, 2, 4).answer,
			 SPOOL_DUPLICATE);
	ck_assert_int_eq(fixture_outcome(f.spool, op.id, 0, end), 0);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[end], 1);
	ck_assert_int_eq(ledger.by_state[RCPT_HELD], 0);
	ck_assert_int_eq(ledger.by_state[RCPT_QUEUED], 1);
}
END_TEST

/* A limit holds at the dot: accepted, all of them held. */
START_TEST(test_held_at_once)
{
	struct spool_ledger ledger;
	struct spool_accept op;
	struct spool_msg *msg;
	uint64_t id;

	op_fill(&op, 10, 0, NULL, 0);
	id = op.msg->id;
	for (uint32_t i = 0; i < 2; i++) {
		op.msg->rcpts[i].state = RCPT_HELD;
		op.msg->rcpts[i].holds = HOLD_LIMIT;
	}
	waiting = 1;
	spool_accept_start(f.spool, &op);
	await();
	ck_assert_int_eq(op.answer, SPOOL_ACCEPTED);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_HELD], 2);
	ck_assert_int_eq(spool_load(f.spool, id, &msg), 0);
	ck_assert_uint_eq(msg->rcpts[1].holds, HOLD_LIMIT);
	spool_msg_destroy(&msg);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/accept");
	TCase *tc = tcase_create("accept");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_veto, 0, 3);
	tcase_add_test(tc, test_veto_ours);
	tcase_add_test(tc, test_charges);
	tcase_add_test(tc, test_charges_together);
	tcase_add_loop_test(tc, test_transitions, 0, TOS * TOS);
	tcase_add_test(tc, test_held_at_once);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
