#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/error.h"
#include "gateway/spool/io.h"
#include "gateway/spool/record.h"
#include "gateway/store/key.h"
#include "tests/spool/fixture.h"

/*
 * Records that cannot be read: an upgrade gone wrong, a bad sector under the
 * index, a bug. One of them is one of them: the daemon starts, everybody
 * else's mail goes on, and no file with live bodies is given away.
 */

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
put(enum store_table table, struct slice key, struct slice value)
{
	struct store_change change = {table, STORE_PUT, key, value};

	ck_assert_int_eq(fixture_change(f.spool, &change, 1), 0);
}

static void
reopen(void)
{
	fixture_close(&f);
	fixture_open(&f);
}

static void
check_body(uint64_t id, size_t bytes, unsigned seed, const char *label)
{
	struct spool_msg *msg;
	const char *wrong;

	ck_assert_msg(spool_load(f.spool, id, &msg) == 0, "%s: load", label);
	wrong = fixture_body_check(f.spool, &msg->body, bytes, seed);
	ck_assert_msg(wrong == NULL, "%s: %s", label, wrong);
	spool_msg_destroy(&msg);
}

static const struct row_case {
	const char *label;
	size_t bytes; /* of the body: 20000 has a segment of its own */
	const char *value;
	size_t n;
} rows[] = {
    {"empty", 3000, "", 0},
    {"cut", 3000, "\1\0\0\0", 4},
    {"of a later version", 3000, "\2aaaaaaaaabbbbbbbbbbcccccccccc", 30},
    {"of a large message", 20000, "x", 1},
};

/* Its file was taken for a dead one, and written over by the next mail. */
START_TEST(test_segment_row)
{
	const struct row_case *c = &rows[_i];
	struct fixture_answer a, b;
	struct spool_msg *msg;
	uint8_t key[8];

	a = fixture_submit(f.spool, c->bytes, 1, 1, 0);
	b = fixture_submit(f.spool, c->bytes, 2, 1, 0);
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg), 0);
	key_put_u64(key, msg->body.segment);
	spool_msg_destroy(&msg);
	/* Committed apart: the row is not written again behind it. */
	put(STORE_SEGMENT, slice_of(key, sizeof(key)),
	    slice_of(c->value, c->n));
	reopen();
	for (unsigned i = 0; i < 40; i++)
		fixture_submit(f.spool, 15000, 100 + i, 1, 0);
	check_body(a.id, c->bytes, 1, c->label);
	check_body(b.id, c->bytes, 2, c->label);
	reopen(); /* and the row was put right */
	check_body(a.id, c->bytes, 1, c->label);
	fixture_outcome(f.spool, a.id, 0, RCPT_DELIVERED);
	check_body(b.id, c->bytes, 2, c->label);
	fixture_outcome(f.spool, b.id, 0, RCPT_DELIVERED);
}
END_TEST

START_TEST(test_ledger_counter)
{
	struct spool_ledger ledger;

	fixture_submit(f.spool, 100, 1, 3, 0);
	put(STORE_LEDGER, SLICE_LIT("queued"), SLICE_LIT("three"));
	reopen();
	ck_assert_int_eq(spool_ledger_read(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_QUEUED], 3);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
}
END_TEST

static bool
on_entry(void *arg, const struct spool_entry *entry)
{
	uint64_t *sum = arg;

	*sum += entry->index + 1;
	return true;
}

/* The queue behind it was never read again after a restart. */
START_TEST(test_recipient)
{
	static const struct spool_cursor start;
	struct fixture_answer a = fixture_submit(f.spool, 100, 1, 3, 0);
	struct fixture_answer b = fixture_submit(f.spool, 100, 2, 1, 0);
	struct fixture_removal *removal;
	struct spool_ledger ledger;
	struct spool_cursor last;
	struct spool_msg *msg;
	uint64_t sum = 0;
	uint8_t key[KEY_RCPT_SIZE];

	key_rcpt(a.id, 1, key);
	put(STORE_RCPT, slice_of(key, sizeof(key)), SLICE_LIT("\1garbage"));
	ck_assert_int_eq(spool_scan(f.spool, &start, 10, on_entry, &sum, &last),
			 3);
	ck_assert_uint_eq(sum, 1 + 3 + 1);
	ck_assert_uint_eq(last.id, b.id);
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg), 0);
	ck_assert_uint_eq(msg->rcpt_count, 2);
	ck_assert_uint_eq(msg->rcpts[1].index, 2);
	spool_msg_destroy(&msg);
	/* All three were delivered by one that had it in memory. */
	removal = fixture_remove_start(f.spool, a.id, 3, RCPT_DELIVERED);
	ck_assert_int_eq(fixture_remove_end(&removal), 0);
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg), GW_ENOENT);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_DELIVERED], 3);
}
END_TEST

static void
put_rcpt(uint64_t id, uint32_t index)
{
	uint8_t key[KEY_RCPT_SIZE];

	key_rcpt(id, index, key);
	put(STORE_RCPT, slice_of(key, sizeof(key)), SLICE_LIT("\1garbage"));
}

/* What cannot be read is passed over, and the queue behind it is read. */
START_TEST(test_load_next)
{
	struct spool_batch batch = {.end = UINT64_MAX};
	uint64_t ids[5];
	uint8_t key[8];

	for (unsigned i = 0; i < 5; i++)
		ids[i] = fixture_submit(f.spool, 100, i, 3, 0).id;
	put(STORE_RCPT, SLICE_LIT("\1"), SLICE_LIT("x"));
	put(STORE_RCPT, SLICE_LIT("\377"), SLICE_LIT("x"));
	put_rcpt(ids[0], 1);
	key_put_u64(key, ids[1]);
	put(STORE_MESSAGE, slice_of(key, sizeof(key)), SLICE_LIT("garbage"));
	for (uint32_t i = 0; i < 3; i++)
		put_rcpt(ids[2], i);
	put_rcpt(ids[0] - 1, 0); /* of none */
	ck_assert_int_eq(spool_load_next(f.spool, &batch), 0);
	ck_assert(!batch.more);
	ck_assert_uint_eq(batch.count, 3);
	ck_assert_uint_eq(batch.msgs[0]->id, ids[0]);
	ck_assert_uint_eq(batch.msgs[0]->rcpt_count, 2);
	ck_assert_uint_eq(batch.msgs[0]->rcpts[1].index, 2);
	ck_assert_uint_eq(batch.msgs[1]->id, ids[3]);
	ck_assert_uint_eq(batch.msgs[2]->id, ids[4]);
	ck_assert_uint_eq(batch.msgs[2]->rcpt_count, 3);
	for (uint32_t i = 0; i < batch.count; i++)
		spool_msg_destroy(&batch.msgs[i]);
	/* No more of them than of others in a slice. */
	for (uint32_t i = 0; i < 2 * SPOOL_BATCH_MAX; i++)
		put_rcpt(1 + i, 0);
	batch.after = 0;
	for (uint64_t i = 1; i <= 2; i++) {
		ck_assert_int_eq(spool_load_next(f.spool, &batch), 0);
		ck_assert(batch.more);
		ck_assert_uint_eq(batch.count, 0);
		ck_assert_uint_eq(batch.after, i * SPOOL_BATCH_MAX);
	}
}
END_TEST

/* One recipient was gone, so nobody was marked, and all got it twice. */
START_TEST(test_some_gone)
{
	struct fixture_answer a = fixture_submit(f.spool, 100, 1, 3, 0);
	struct fixture_removal *removal;
	struct spool_ledger ledger;
	struct spool_msg *msg;

	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 1, RCPT_PURGED), 0);
	removal = fixture_remove_start(f.spool, a.id, 3, RCPT_DELIVERED);
	ck_assert_int_eq(fixture_remove_end(&removal), 0);
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg), GW_ENOENT);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_DELIVERED], 2);
	ck_assert_int_eq(ledger.by_state[RCPT_PURGED], 1);
	removal = fixture_remove_start(f.spool, a.id, 3, RCPT_DELIVERED);
	ck_assert_int_eq(fixture_remove_end(&removal), GW_ENOENT);
}
END_TEST

/* Strings that are never NULL in memory were, and were followed. */
START_TEST(test_absent_strings)
{
	struct spool_msg *msg = spool_msg_create(), *got;
	struct spool_rcpt rcpt = {.address = "a@example.org"};
	struct spool_msg decoded;
	char record[512];
	size_t n;

	msg->id = 5;
	n = record_msg_size(msg);
	ck_assert_uint_le(n, sizeof(record));
	record_msg_encode(msg, record);
	ck_assert_int_eq(record_msg_decode(slice_of(record, n), &decoded), 0);
	ck_assert_str_eq(decoded.cred, "");
	ck_assert_str_eq(decoded.session, "");
	ck_assert_str_eq(decoded.mail_from, "");
	put(STORE_MESSAGE, SLICE_LIT("\0\0\0\0\0\0\0\5"), slice_of(record, n));
	record_rcpt_encode(&rcpt, record);
	put(STORE_RCPT, SLICE_LIT("\0\0\0\0\0\0\0\5\0\0\0\0"),
	    slice_of(record, record_rcpt_size(&rcpt)));
	ck_assert_int_eq(spool_load(f.spool, 5, &got), 0);
	ck_assert_str_eq(got->cred, "");
	spool_msg_destroy(&got);
	spool_msg_destroy(&msg);
}
END_TEST

START_TEST(test_load_some)
{
	static const uint32_t wanted[] = {1, 4, 7};
	struct fixture_answer a = fixture_submit(f.spool, 100, 1, 6, 0);
	struct spool_msg *msg;

	fixture_outcome(f.spool, a.id, 4, RCPT_DELIVERED);
	ck_assert_int_eq(spool_load_some(f.spool, a.id, wanted, 3, &msg), 0);
	ck_assert_uint_eq(msg->rcpt_count, 1);
	ck_assert_uint_eq(msg->rcpts[0].index, 1);
	ck_assert_str_eq(msg->rcpts[0].address, "rcpt1@example.org");
	ck_assert_str_eq(msg->mail_from, "alice@example.com");
	spool_msg_destroy(&msg);
	ck_assert_int_eq(spool_load_some(f.spool, 77, wanted, 3, &msg),
			 GW_ENOENT);
}
END_TEST

static _Atomic bool broken;

static int
write_fault(enum io_call call, size_t *n)
{
	(void)n;
	return broken && call == IO_WRITE ? EIO : 0;
}

static int
failing(void)
{
	struct spool_status status;

	spool_status_get(f.spool, &status);
	ck_assert(!status.needs_restart);
	return status.failing;
}

/* The sweep of each second touches no disk, and said that all was well. */
START_TEST(test_failing_stays)
{
	struct timespec moment = {.tv_nsec = 100000000};

	io_set_fault(write_fault);
	broken = true;
	ck_assert_int_eq(fixture_submit(f.spool, 100, 1, 1, 0).answer,
			 SPOOL_FAILED);
	for (int i = 0; i < 24; i++) { /* it is the thread's own clock */
		ck_assert_int_eq(failing(), GW_EIO);
		nanosleep(&moment, NULL);
	}
	broken = false;
	ck_assert_int_eq(fixture_submit(f.spool, 100, 1, 1, 0).answer,
			 SPOOL_ACCEPTED);
	ck_assert_int_eq(failing(), 0);
	io_set_fault(NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/damage");
	TCase *tc = tcase_create("damage");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_segment_row, 0,
			    sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tc, test_ledger_counter);
	tcase_add_test(tc, test_recipient);
	tcase_add_test(tc, test_load_next);
	tcase_add_test(tc, test_some_gone);
	tcase_add_test(tc, test_absent_strings);
	tcase_add_test(tc, test_load_some);
	tcase_add_test(tc, test_failing_stays);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
