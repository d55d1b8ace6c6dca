#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/store/env.h"
#include "gateway/store/key.h"
#include "tests/spool/fixture.h"

/* Messages come, are read, and leave. */

static struct fixture f;

static void
setup(void)
{
	fixture_init(&f);
	fixture_open(&f);
}

static void
teardown(void)
{
	fixture_fini(&f);
}

static void
reopen(void)
{
	fixture_close(&f);
	fixture_open(&f);
}

static const struct {
	const char *label;
	size_t bytes;
	uint32_t rcpts;
} sizes[] = {
    {"empty body", 0, 1},
    {"one byte", 1, 1},
    {"a page", 4096, 1},
    {"a page and one", 4097, 3},
    {"just small", 16 * 1024, 1},
    {"just large", 16 * 1024 + 1, 2},
    {"larger than a segment", 100000, 1},
    {"several megabytes", 3 << 20, 1},
    {"many recipients", 100, 5000},
};

START_TEST(test_accept_load)
{
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct fixture_answer a;
			struct spool_msg *msg;
			const char *wrong;

			a = fixture_submit(f.spool, sizes[i].bytes, (unsigned)i,
					   sizes[i].rcpts, 0);
			ck_assert_msg(a.answer == SPOOL_ACCEPTED, "%s",
				      sizes[i].label);
			if (again)
				reopen();
			ck_assert_msg(spool_load(f.spool, a.id, &msg) == 0,
				      "%s", sizes[i].label);
			ck_assert_uint_eq(msg->rcpt_count, sizes[i].rcpts);
			ck_assert_str_eq(msg->cred, "alice");
			ck_assert_str_eq(msg->mail_from, "alice@example.com");
			ck_assert_ptr_null(msg->envid);
			ck_assert(slice_eq(msg->prefix,
					   SLICE_LIT("Received: by us\r\n")));
			ck_assert_str_eq(msg->rcpts[0].address,
					 "rcpt0@example.org");
			wrong = fixture_body_check(f.spool, &msg->body,
						   sizes[i].bytes, (unsigned)i);
			ck_assert_msg(wrong == NULL, "%s: %s", sizes[i].label,
				      wrong);
			spool_msg_destroy(&msg);
		}
	}
}
END_TEST

START_TEST(test_load_unknown)
{
	struct spool_ref ref = {.segment = 77, .length = 10};
	struct spool_reader *reader;
	struct spool_msg *msg;

	ck_assert_int_eq(spool_load(f.spool, 12345, &msg), GW_ENOENT);
	ck_assert_ptr_null(msg);
	ck_assert_int_eq(spool_reader_open(f.spool, &ref, &reader), GW_ENOENT);
}
END_TEST

/* Which states a message passes through, and whether its resubmission is still
 * recognised afterwards. */
static const struct {
	const char *label;
	enum rcpt_state states[3]; /* in turn, of the only recipient */
	bool there;
	bool matched;
} lives[] = {
    {"queued", {RCPT_QUEUED}, true, true},
    {"held", {RCPT_HELD}, true, true},
    {"held and released", {RCPT_HELD, RCPT_QUEUED}, true, true},
    {"delivered", {RCPT_DELIVERED}, false, true},
    {"bounced", {RCPT_BOUNCED}, false, false},
    {"dropped", {RCPT_DROPPED}, false, false},
    {"discarded", {RCPT_DISCARDED}, false, false},
    {"quarantined", {RCPT_QUARANTINED}, false, false},
    {"purged while held", {RCPT_HELD, RCPT_PURGED}, false, false},
};

START_TEST(test_lives)
{
	size_t i = (size_t)_i;
	struct fixture_answer a, b;
	struct spool_ledger ledger;
	struct spool_msg *msg;
	enum rcpt_state last = RCPT_QUEUED;

	a = fixture_submit(f.spool, 500, 1, 1, 7);
	for (size_t k = 0; k < 3 && (k == 0 || lives[i].states[k] != 0 ||
				     (k == 1 && lives[i].states[0] == 1));
	     k++) {
		if (last >= RCPT_DELIVERED)
			break;
		last = lives[i].states[k];
		ck_assert_int_eq(fixture_outcome(f.spool, a.id, 0, last), 0);
	}
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg),
			 lives[i].there ? 0 : GW_ENOENT);
	spool_msg_destroy(&msg);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[last], 1);
	ck_assert_int_eq(ledger.accepted, 1);
	reopen();
	b = fixture_submit(f.spool, 500, 1, 1, 7);
	ck_assert_msg(b.answer ==
			  (lives[i].matched ? SPOOL_DUPLICATE : SPOOL_ACCEPTED),
		      "%s", lives[i].label);
	if (lives[i].matched)
		ck_assert_uint_eq(b.first_id, a.id);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.duplicates, lives[i].matched);
}
END_TEST

START_TEST(test_recipients_apart)
{
	struct fixture_answer a = fixture_submit(f.spool, 10, 1, 4, 3);
	struct spool_ledger ledger;
	struct spool_msg *msg;

	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 1, RCPT_DELIVERED), 0);
	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 1, RCPT_DELIVERED),
			 GW_ENOENT);
	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 9, RCPT_DELIVERED),
			 GW_ENOENT);
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg), 0);
	ck_assert_uint_eq(msg->rcpt_count, 3);
	ck_assert_uint_eq(msg->rcpts[1].index, 2);
	ck_assert_str_eq(msg->rcpts[1].address, "rcpt2@example.org");
	spool_msg_destroy(&msg);
	/* One that bounces makes the whole no resubmission any more. */
	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 0, RCPT_BOUNCED), 0);
	ck_assert_int_eq(fixture_submit(f.spool, 10, 1, 4, 3).answer,
			 SPOOL_ACCEPTED);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.accepted, 8);
	ck_assert_int_eq(ledger.by_state[RCPT_QUEUED], 6);
}
END_TEST

/* --- several in one group
 * ------------------------------------------------------ */

struct group {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int open;
};
static struct group group = {PTHREAD_MUTEX_INITIALIZER,
			     PTHREAD_COND_INITIALIZER, 0};

static void
group_done(struct spool_accept *op)
{
	(void)op;
	pthread_mutex_lock(&group.lock);
	group.open--;
	pthread_cond_signal(&group.wake);
	pthread_mutex_unlock(&group.lock);
}

static void
group_wait(void)
{
	pthread_mutex_lock(&group.lock);
	while (group.open > 0)
		pthread_cond_wait(&group.wake, &group.lock);
	pthread_mutex_unlock(&group.lock);
}

START_TEST(test_duplicates_together)
{
	enum { N = 40 };
	struct spool_accept ops[N];
	struct spool_ledger ledger;
	int accepted = 0;
	uint64_t first = 0;

	memset(ops, 0, sizeof(ops));
	group.open = N;
	for (int i = 0; i < N; i++) {
		/* Small and streamed ones of the same key. */
		size_t bytes = i % 4 == 3 ? 40000 : 1000;

		ops[i].msg = fixture_msg(2);
		ops[i].msg->has_resub_key = true;
		memset(ops[i].msg->resub_key, 5, DIGEST_SIZE);
		ops[i].body = fixture_body(f.spool, bytes, 1);
		spool_body_end(ops[i].body, ops[i].msg->body.digest);
		ops[i].done = group_done;
	}
	for (int i = 0; i < N; i++)
		spool_accept_start(f.spool, &ops[i]);
	group_wait();
	for (int i = 0; i < N; i++)
		if (ops[i].answer == SPOOL_ACCEPTED) {
			accepted++;
			first = ops[i].first_id;
		}
	ck_assert_int_eq(accepted, 1);
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(ops[i].first_id, first);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.accepted, 2);
	ck_assert_int_eq(ledger.duplicates, (N - 1) * 2);
	/* The large ones that were not kept have left no file. */
	reopen();
	ck_assert_uint_le(fixture_files(&f), 2);
}
END_TEST

START_TEST(test_side_changes)
{
	uint8_t delta[8] = {0, 0, 0, 0, 0, 0, 0, 3};
	struct store_change changes[] = {
	    {STORE_RATE, STORE_ADD, SLICE_LIT("rule"),
	     slice_of(delta, sizeof(delta))},
	    {STORE_AUDIT, STORE_PUT, SLICE_LIT("when"), SLICE_LIT("what")},
	};
	struct store_txn *txn;
	struct slice value;
	struct spool_accept op;

	for (int i = 0; i < 3; i++) { /* the third is a duplicate: no charge */
		memset(&op, 0, sizeof(op));
		op.msg = fixture_msg(1);
		op.msg->has_resub_key = true;
		memset(op.msg->resub_key, i == 2 ? 1 : i + 1, DIGEST_SIZE);
		op.body = fixture_body(f.spool, 10, 1);
		spool_body_end(op.body, op.msg->body.digest);
		op.changes = changes;
		op.change_count = 2;
		op.done = group_done;
		group.open = 1;
		spool_accept_start(f.spool, &op);
		group_wait();
		ck_assert_int_eq(op.answer,
				 i == 2 ? SPOOL_DUPLICATE : SPOOL_ACCEPTED);
	}
	txn = store_read(spool_store(f.spool));
	ck_assert_int_eq(store_get(txn, STORE_RATE, SLICE_LIT("rule"), &value),
			 0);
	ck_assert_uint_eq(value.n, 8);
	ck_assert_uint_eq(key_get_u64(value.p), 6);
	ck_assert_int_eq(store_get(txn, STORE_AUDIT, SLICE_LIT("when"), &value),
			 0);
	store_abort(&txn);
}
END_TEST

START_TEST(test_changes)
{
	char longer[600] = "";
	struct store_change good = {STORE_USER, STORE_PUT, SLICE_LIT("bob"),
				    SLICE_LIT("record")};
	struct store_change bad[] = {
	    {STORE_USER, STORE_PUT, SLICE_LIT(""), SLICE_LIT("x")},
	    {STORE_USER, STORE_PUT, slice_of(longer, 600), SLICE_LIT("x")},
	    {STORE_RATE, STORE_ADD, SLICE_LIT("k"), SLICE_LIT("x")},
	    {STORE_TABLES, STORE_PUT, SLICE_LIT("k"), SLICE_LIT("x")},
	};
	struct store_txn *txn;
	struct slice value;

	ck_assert_int_eq(fixture_change(f.spool, &good, 1), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(fixture_change(f.spool, &bad[i], 1),
				 GW_EINVAL);
	reopen();
	txn = store_read(spool_store(f.spool));
	ck_assert_int_eq(store_get(txn, STORE_USER, SLICE_LIT("bob"), &value),
			 0);
	ck_assert(slice_eq(value, SLICE_LIT("record")));
	store_abort(&txn);
}
END_TEST

/* --- DSNs
 * ----------------------------------------------------------------------- */

static void
outcome_done(struct spool_outcome *op)
{
	(void)op;
	group_done(NULL);
}

static int seen;

static void
on_accepted(void *arg, struct spool_msg **msg)
{
	uint64_t *id = arg;

	*id = (*msg)->id;
	seen++;
	spool_msg_destroy(msg);
}

START_TEST(test_dsn)
{
	size_t bytes = _i == 0 ? 700 : 50000; /* in memory, streamed */
	struct spool_outcome_rcpt rcpt = {.state = RCPT_BOUNCED};
	struct spool_outcome op;
	struct spool_ledger ledger;
	struct fixture_answer a;
	uint64_t last = 0, dsn_id;
	struct spool_msg *msg;

	fixture_close(&f);
	f.opts.accepted = on_accepted;
	f.opts.accepted_arg = &last;
	fixture_open(&f);
	a = fixture_submit(f.spool, 10, 1, 1, 0);
	memset(&op, 0, sizeof(op));
	op.id = a.id;
	op.rcpts = &rcpt;
	op.rcpt_count = 1;
	op.dsn = fixture_msg(1);
	op.dsn->cred = arena_dup(op.dsn->arena, SLICE_LIT(""));
	op.dsn->flags = MSG_GENERATED;
	dsn_id = op.dsn->id;
	op.dsn_body = fixture_body(f.spool, bytes, 9);
	spool_body_end(op.dsn_body, op.dsn->body.digest);
	op.done = outcome_done;
	group.open = 1;
	spool_outcome_start(f.spool, &op);
	group_wait();
	ck_assert_int_eq(op.err, 0);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.generated, 1);
	ck_assert_int_eq(ledger.accepted, 1);
	ck_assert_int_eq(ledger.by_state[RCPT_BOUNCED], 1);
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg), GW_ENOENT);
	ck_assert_int_eq(spool_load(f.spool, dsn_id, &msg), 0);
	ck_assert_int_eq(msg->flags, MSG_GENERATED);
	ck_assert_ptr_null(fixture_body_check(f.spool, &msg->body, bytes, 9));
	spool_msg_destroy(&msg);
	fixture_close(&f);
	ck_assert_uint_eq(last, dsn_id);
	ck_assert_int_eq(seen, 2);
	fixture_open(&f);
}
END_TEST

/* An answer hands in more while the spool is being closed. */
struct late {
	struct spool_outcome op;
	struct spool_outcome_rcpt rcpt;
};

static void
late_done(struct spool_outcome *op)
{
	ck_assert_int_eq(op->err, 0);
	free(op);
}

static void
on_accepted_bounce(void *arg, struct spool_msg **msg)
{
	struct late *late = calloc(1, sizeof(*late));

	(void)arg;
	late->rcpt.state = RCPT_BOUNCED;
	late->op.id = (*msg)->id;
	late->op.rcpts = &late->rcpt;
	late->op.rcpt_count = 1;
	late->op.done = late_done;
	if (strcmp((*msg)->cred, "") != 0) {
		late->op.dsn = fixture_msg(1);
		late->op.dsn->cred =
		    arena_dup(late->op.dsn->arena, SLICE_LIT(""));
		late->op.dsn_body = fixture_body(f.spool, 40000, 1);
		spool_body_end(late->op.dsn_body, late->op.dsn->body.digest);
	}
	spool_msg_destroy(msg);
	spool_outcome_start(f.spool, &late->op);
}

START_TEST(test_close_with_more_to_come)
{
	struct spool_ledger ledger;

	fixture_close(&f);
	f.opts.accepted = on_accepted_bounce;
	fixture_open(&f);
	for (int i = 0; i < 5; i++) {
		fixture_submit(f.spool, 100, 1, 1, 0);
		reopen();
		ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
		ck_assert_int_eq(ledger.accepted, i + 1);
		ck_assert_int_eq(ledger.generated, i + 1);
		ck_assert_int_eq(ledger.by_state[RCPT_BOUNCED], 2 * (i + 1));
	}
}
END_TEST

START_TEST(test_deferral)
{
	struct fixture_answer a = fixture_submit(f.spool, 10, 1, 1, 0);
	struct spool_outcome_rcpt rcpt = {.state = RCPT_QUEUED,
					  .attempts = 3,
					  .next_wall_s = 12345,
					  .reply = "450 later"};
	struct spool_outcome op = {.id = a.id,
				   .rcpts = &rcpt,
				   .rcpt_count = 1,
				   .set_flags = MSG_DELAYED,
				   .done = outcome_done};
	struct spool_msg *msg;

	group.open = 1;
	spool_outcome_start(f.spool, &op);
	group_wait();
	reopen();
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg), 0);
	ck_assert_int_eq(msg->flags, MSG_DELAYED);
	ck_assert_int_eq(msg->rcpts[0].attempts, 3);
	ck_assert_int_eq(msg->rcpts[0].next_wall_s, 12345);
	ck_assert_str_eq(msg->rcpts[0].last_reply, "450 later");
	ck_assert_str_eq(msg->rcpts[0].address, "rcpt0@example.org");
	spool_msg_destroy(&msg);
}
END_TEST

/* --- listing, ids, locks
 * --------------------------------------------------------- */

static bool
scan_count(void *arg, const struct spool_entry *entry)
{
	uint32_t *next = arg;

	ck_assert_uint_eq(entry->index, *next % 3);
	ck_assert_uint_eq(entry->rcpt->index, entry->index);
	(*next)++;
	return true;
}

START_TEST(test_scan)
{
	struct spool_cursor at = {0, 0};
	uint32_t next = 0;
	int n;

	for (int i = 0; i < 10; i++)
		fixture_submit(f.spool, 10, 1, 3, 0);
	while ((n = spool_scan(f.spool, &at, 4, scan_count, &next, &at)) > 0)
		ck_assert_int_le(n, 4);
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(next, 30);
}
END_TEST

/* A large one is whole, and neither begins nor ends a slice alone. */
START_TEST(test_load_next)
{
	static const uint32_t rcpts[] = {1, 1, 200, 1, 63, 2, 1};
	enum { COUNT = sizeof(rcpts) / sizeof(rcpts[0]) };
	/* Those that are begun before 64 recipients came. */
	static const uint32_t slices[] = {3, 2, 2};
	struct spool_batch batch = {.after = 0};
	uint64_t ids[COUNT];
	uint32_t at = 0;

	for (size_t i = 0; i < COUNT; i++)
		ids[i] = fixture_submit(f.spool, 10, 1, rcpts[i], 0).id;
	batch.end = id_next();
	fixture_submit(f.spool, 10, 1, 1, 0); /* not before the end */
	for (size_t n = 0; n < 3; n++) {
		ck_assert_int_eq(spool_load_next(f.spool, &batch), 0);
		ck_assert_uint_eq(batch.count, slices[n]);
		ck_assert_int_eq(batch.more, n < 2);
		for (uint32_t i = 0; i < batch.count; i++, at++) {
			struct spool_msg *msg = batch.msgs[i];

			ck_assert_uint_eq(msg->id, ids[at]);
			ck_assert_uint_eq(msg->rcpt_count, rcpts[at]);
			ck_assert_uint_eq(msg->rcpts[rcpts[at] - 1].index,
					  rcpts[at] - 1);
			ck_assert_str_eq(msg->rcpts[0].address,
					 "rcpt0@example.org");
			ck_assert_uint_eq(msg->body.length, 10);
			spool_msg_destroy(&msg);
		}
		ck_assert_uint_eq(batch.after, ids[at - 1]);
	}
	ck_assert_int_eq(spool_load_next(f.spool, &batch), 0);
	ck_assert_uint_eq(batch.count, 0);
	ck_assert(!batch.more);
}
END_TEST

START_TEST(test_ids_go_on)
{
	uint64_t high = id_next() + ((uint64_t)1 << 40);
	struct spool_msg *msg = fixture_msg(1);
	struct spool_accept op = {.msg = msg, .done = group_done};

	msg->id = high;
	op.body = fixture_body(f.spool, 5, 1);
	spool_body_end(op.body, msg->body.digest);
	group.open = 1;
	spool_accept_start(f.spool, &op);
	group_wait();
	reopen();
	ck_assert_uint_gt(id_next(), high);
}
END_TEST

START_TEST(test_second_process)
{
	char error[256];
	struct spool *other;

	ck_assert_int_eq(spool_open(&other, &f.opts, error, sizeof(error)),
			 GW_EBUSY);
	ck_assert_ptr_null(other);
	ck_assert_ptr_nonnull(strstr(error, "index.lock"));
}
END_TEST

START_TEST(test_expiry)
{
	struct store_txn *txn;
	struct slice value;
	uint8_t key[8];
	struct fixture_answer a, b;

	fixture_close(&f);
	f.opts.resub_window_s = -5; /* over as soon as it begins */
	fixture_open(&f);
	a = fixture_submit(f.spool, 10, 1, 1, 6);
	b = fixture_submit(f.spool, 10, 1, 1, 6);
	ck_assert_int_eq(a.answer, SPOOL_ACCEPTED);
	ck_assert_int_eq(b.answer, SPOOL_ACCEPTED);
	/* The purge of the first leaves the second's key alone. */
	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 0, RCPT_PURGED), 0);
	key_put_u64(key, b.id);
	for (int i = 0; i < 6000; i++) { /* swept by itself, each second */
		txn = store_read(spool_store(f.spool));
		if (store_get(txn, STORE_RESUB, slice_of(key, sizeof(key)),
			      &value) == GW_ENOENT)
			break;
		store_abort(&txn);
		usleep(10000);
	}
	ck_assert_ptr_nonnull(txn);
	store_abort(&txn);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/queue");
	TCase *tc = tcase_create("queue");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_accept_load);
	tcase_add_test(tc, test_load_unknown);
	tcase_add_loop_test(tc, test_lives, 0,
			    sizeof(lives) / sizeof(lives[0]));
	tcase_add_test(tc, test_recipients_apart);
	tcase_add_test(tc, test_duplicates_together);
	tcase_add_test(tc, test_side_changes);
	tcase_add_test(tc, test_changes);
	tcase_add_loop_test(tc, test_dsn, 0, 2);
	tcase_add_test(tc, test_close_with_more_to_come);
	tcase_add_test(tc, test_deferral);
	tcase_add_test(tc, test_scan);
	tcase_add_test(tc, test_load_next);
	tcase_add_test(tc, test_ids_go_on);
	tcase_add_test(tc, test_second_process);
	tcase_add_test(tc, test_expiry);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
